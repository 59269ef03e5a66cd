# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that cannot be used is said, and never made anew, changed or emptied."""

from __future__ import annotations

import shutil
import sqlite3
import typing as t
from pathlib import Path

import pytest
from module_runs import Ansible, Task, call

GPU = {"pci_device": {"type": ["GPU"]}}


def every_way(rack1: Task) -> list[Task]:
    """Tasks that read and write each kind of document."""
    return [
        rack1,
        rack1.checked(),
        call("podm", name="rack1", state="absent"),
        call("podm_info"),
        call("flavor", name="small", properties=GPU),
        call("flavor_info"),
        call("node", podm="rack1", name="n1", properties=GPU),
        call("node_info"),
        call("device_info", source="registry"),
        call("device_attach", podm="rack1", devices="0x8cdf9d810000", state="detached"),
        call("system_info"),
    ]


def run_sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def header_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:150])


def other_database(path: Path) -> None:
    path.unlink()
    run_sql(path, "CREATE TABLE cats (name TEXT)")


DAMAGES: dict[str, tuple[t.Callable[[Path], object], str]] = {
    "garbage": (lambda path: path.write_bytes(b"no database at all, but quite some text " * 200), "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "truncated": (truncated, "damaged"),
    "header only": (header_only, "damaged"),
    "of something else": (other_database, "something else"),
    "newer": (lambda path: run_sql(path, "PRAGMA user_version = 99"), "newer version"),
    "without its table": (lambda path: run_sql(path, "DROP TABLE documents"), "documents"),
    "with broken documents": (lambda path: run_sql(path, "UPDATE documents SET body = '{'"), "damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_registry_is_an_error_that_says_so_and_is_left_as_it_is(
    ansible: Ansible, rack1: Task, damage: str
) -> None:
    spoil, said = DAMAGES[damage]
    ansible.play(rack1, call("flavor", name="small", properties=GPU))
    path = ansible.files / "registry.sqlite3"
    assert not list(ansible.files.glob("*-wal"))
    spoil(path)
    content = path.read_bytes()
    # With broken documents not every task reads one: claims and nodes have none yet.
    tasks = every_way(rack1)
    if damage != "garbage":  # one damage is tried with every module
        tasks = [tasks[place] for place in (0, 3, 4)]
    run = ansible.play(*(task.failing() for task in tasks))
    for result in run:
        assert result.kind == "registry"
        assert said in result.msg and str(path) in result.msg
        assert not result.changes
        assert result.before == result.after
    assert path.read_bytes() == content


def test_a_registry_that_cannot_be_made_is_an_error(ansible: Ansible, rack1: Task) -> None:
    file = ansible.files / "file"
    file.write_text("in the way", encoding="utf-8")
    (ansible.files / "folder").mkdir()
    writing = (call("flavor", name="small", properties=GPU), rack1)
    places = {
        "below a file": f"sqlite:///{file}/registry.sqlite3",
        "a folder": f"sqlite:///{ansible.files / 'folder'}",
        "not writable": "sqlite:////proc/expether/registry.sqlite3",
    }
    run = ansible.play(
        *(
            task.having(registry=url).failing().called(f"{number} {about}")
            for about, url in places.items()
            for number, task in enumerate(writing)
        )
    )
    for result in run:
        assert result.kind == "registry", result.task
        assert not result.changes and result.before == result.after
    assert file.read_text(encoding="utf-8") == "in the way"


def test_an_url_of_no_registry_is_an_error_without_what_may_be_secret_in_it(ansible: Ansible, rack1: Task) -> None:
    urls = [
        "postgresql://admin:not-this-word@db.example.com/eem",
        "sqlite://relative/path",
        "sqlite:///",
        "sqlite://",
        "http://127.0.0.1/",
    ]
    run = ansible.play(
        *(call("podm_info", registry=url).failing() for url in urls),
        *(rack1.having(registry=url).failing() for url in urls[:2]),
    )
    for result in run:
        assert result.kind == "registry"
        assert "not-this-word" not in result.msg and "sqlite:///PATH" in result.msg


def test_a_lost_or_wrong_key_is_an_error_only_where_a_password_is_needed(
    ansible: Ansible, eem: t.Any, rack1: Task, eeios: list[str]
) -> None:
    ansible.play(rack1)
    key, kept = ansible.files / "registry.sqlite3.key", ansible.folder / "kept"
    shutil.copy(key, kept)
    needing = [
        call("device_info", podm="rack1"),
        call("node", podm="rack1", name="n1", properties=GPU),
        call("device_attach", podm="rack1", devices=eeios[0], state="detached"),
        call("podm", name="rack1", location="Hall 2"),
    ]
    without = [
        call("podm_info"),
        call("flavor_info"),
        call("device_info", source="registry"),
        call("device_info", podm="rack1", username="admin", password=eem.password),
    ]
    for content, said in ((None, "is gone"), (b"x" * 43 + b"=\n", "is not the one"), (b"no key", "holds no key")):
        key.unlink(missing_ok=True)
        if content is not None:
            key.write_bytes(content)
            key.chmod(0o600)
        tasks = [*needing, *without] if content is None else needing[:1]
        run = ansible.play(*(task.failing() if place < len(needing) else task for place, task in enumerate(tasks)))
        for result in run:
            assert result.left_all_alone
            if result.failed:
                assert result.kind == "registry" and said in result.msg and str(key) in result.msg
    run = ansible.play(call("device_info"), call("podm_info", check=True))
    assert run[0]["errors"][0]["failure"]["kind"] == "registry"
    assert run[1]["podms"][0]["status"] == "Offline"
    key.unlink()
    named = call("device_info", podm="rack1", registry_key_file=str(kept))
    assert len(ansible.play(named)[0]["devices"]) == 12
    run = ansible.play(rack1, needing[0])
    assert run[0].changed and len(run[1]["devices"]) == 12


def test_a_key_that_everybody_can_read_is_refused(ansible: Ansible, rack1: Task) -> None:
    ansible.play(rack1)
    (ansible.files / "registry.sqlite3.key").chmod(0o644)
    run = ansible.play(call("device_info", podm="rack1").failing())
    assert run[0].kind == "registry" and "chmod 600" in run[0].msg


def test_without_a_registry_nothing_is_known_and_none_is_made(ansible: Ansible, rack1: Task) -> None:
    tasks = every_way(rack1)
    reading = [tasks[place] for place in (2, 3, 5, 7, 8, 10)]
    run = ansible.play(*reading, *(task.checked() for task in (tasks[0], tasks[4])), tasks[6].failing())
    assert not any(result.changed for result in run.results[: len(reading)])
    assert all(result.after == {} for result in run)


def test_runs_at_the_same_time_use_one_registry(ansible: Ansible, rack1: Task) -> None:
    """Twelve at once: each one's flavor is there afterwards."""
    many = [{"name": "flavor", "nec.expether.expether_flavor": {"name": "{{ inventory_hostname }}", "properties": GPU}}]
    play = {"hosts": "all", "gather_facts": False, "tasks": many}
    hosts = [f"h{number}" for number in range(12)]
    python = "{{ ansible_python_interpreter }}"
    host = {"name": "{{ item }}", "ansible_connection": "local", "ansible_python_interpreter": python}
    add = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"name": "hosts", "ansible.builtin.add_host": host, "loop": hosts}],
    }
    run = ansible.run_playbook([add, {**play, "hosts": "all:!localhost"}], arguments=["--forks=12"])
    assert [result.msg for result in run if result.failed] == []
    found = ansible.play(call("flavor_info"))
    assert [flavor["name"] for flavor in found[0]["flavors"]] == sorted(hosts)
