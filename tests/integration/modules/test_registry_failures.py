# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unusable registry is reported, and never recreated, changed or emptied."""

from __future__ import annotations

import shutil
import sqlite3
import typing as t
from pathlib import Path

from eemsim.client import Simulator
from module_runs import Ansible, Outcome, Task, call

GPU = {"pci_device": {"type": ["GPU"]}}


def every_way(rack1: Task) -> list[Task]:
    """Tasks that read and write each kind of document."""
    return [
        rack1,
        rack1.checked(),
        call("podm", name="rack1", state="absent"),
        call("podm_info"),
        call("flavor", name="small", properties=GPU),
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
    path.chmod(0o600)


DAMAGES: dict[str, tuple[t.Callable[[Path], object], str]] = {
    "garbage": (lambda path: path.write_bytes(b"no database at all, but quite some text " * 200), "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "truncated": (truncated, "damaged"),
    "header only": (header_only, "damaged"),
    "of something else": (other_database, "the database of another program"),
    "newer": (lambda path: run_sql(path, "PRAGMA user_version = 99"), "newer version"),
    "without its table": (lambda path: run_sql(path, "DROP TABLE documents"), "documents"),
    "with documents of another shape": (
        lambda path: run_sql(
            path, "UPDATE documents SET body = json_set(body, '$.name', 5) WHERE kind = 'pod_managers'"
        ),
        "is not as it was written",
    ),
    "with broken documents": (lambda path: run_sql(path, "UPDATE documents SET body = '{'"), "damaged"),
}


def test_a_damaged_registry_is_an_error_that_says_so_and_is_left_as_it_is(
    ansible: Ansible, registration: Outcome, rack1: Task
) -> None:
    tasks, spoilt = [], {}
    for about, (spoil, _said) in DAMAGES.items():
        path = ansible.files / f"{about}.sqlite3"
        shutil.copy(registration.files / "registry.sqlite3", path)
        spoil(path)
        spoilt[about] = path.read_bytes()
        # One damage is tried in every way.
        ways = every_way(rack1) if about == "garbage" else [rack1]
        tasks += [task.having(registry=f"sqlite:///{path}").called(f"{about}: {n}") for n, task in enumerate(ways)]
    run = ansible.play(*(task.failing() for task in tasks))
    for result in run:
        about = result.task.partition(":")[0]
        assert (about, result.kind) == (about, "registry")
        assert DAMAGES[about][1] in result.msg and f"{about}.sqlite3" in result.msg
        assert result.left_all_alone
    assert {about: (ansible.files / f"{about}.sqlite3").read_bytes() for about in DAMAGES} == spoilt


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
        "redis://admin:not-this-word@db.example.com/eem",
        "sqlite://relative/path",
        "sqlite:///",
    ]
    run = ansible.play(
        *(call("podm_info", registry=url).failing() for url in urls),
        *(rack1.having(registry=url).failing() for url in urls[:1]),
    )
    for result in run:
        assert result.kind == "registry"
        assert "not-this-word" not in result.msg and "sqlite:///PATH" in result.msg
    databases = ["postgresql://admin:not-this-word@db.example.com/eem", "etcd://admin:not-this-word@db.example.com/eem"]
    for result in ansible.play(*(call("podm_info", registry=url).failing() for url in databases)):
        assert result.kind == "registry"
        assert "not-this-word" not in result.msg and "contains a password" in result.msg


def test_a_lost_or_wrong_key_is_an_error_only_where_a_password_is_needed(
    ansible: Ansible, eem: Simulator, known: Task, rack1: Task, eeios: list[str]
) -> None:
    ansible.play(known)
    key = ansible.files / "registry.sqlite3.key"
    keys = {"kept": key.read_bytes(), "another": b"x" * 43 + b"=\n", "none": b"no key", "everybody's": key.read_bytes()}
    for name, content in keys.items():
        (ansible.files / name).write_bytes(content)
        (ansible.files / name).chmod(0o644 if name == "everybody's" else 0o600)
    key.unlink()
    info = call("device_info", podm="rack1")
    needing = [
        info,
        call("node", podm="rack1", name="n1", properties=GPU),
        call("device_attach", podm="rack1", devices=eeios[0], state="detached"),
        call("podm", name="rack1", location="Hall 2"),
    ]
    said = {"another": "is not the one", "none": "is not a key file", "everybody's": "chmod 600"}
    run = ansible.play(
        *(task.failing() for task in needing),
        *(info.having(registry_key_file=str(ansible.files / name)).failing().called(name) for name in said),
        call("device_info").called("all"),
        call("podm_info", check=True).called("pod managers"),
        call("device_info", source="registry"),
        info.having(username="admin", password=eem.password).called("with options"),
        info.having(registry_key_file=str(ansible.files / "kept")).called("kept"),
        rack1.called("register anew"),
        info.called("as before"),
    )
    for result in run.results[: len(needing)]:
        assert result.kind == "registry" and "does not exist" in result.msg and str(key) in result.msg
        assert result.left_all_alone
    for name, words in said.items():
        assert run[name].kind == "registry" and words in run[name].msg and name in run[name].msg
        assert run[name].left_all_alone
    assert run["all"]["errors"][0]["failure"]["kind"] == "registry"
    assert run["pod managers"]["podms"][0]["status"] == "Offline"
    assert run["register anew"].changed
    assert [len(run[about]["devices"]) for about in ("with options", "kept", "as before")] == [12, 12, 12]


def test_without_a_registry_nothing_is_known_and_none_is_made(ansible: Ansible, rack1: Task) -> None:
    tasks = every_way(rack1)
    reading = [tasks[place] for place in (2, 6, 7)]
    run = ansible.play(*reading, *(task.checked() for task in (tasks[0], tasks[4])), tasks[5].failing())
    assert not any(result.changed for result in run.results[: len(reading)])
    assert all(result.after == {} for result in run)


def test_runs_at_the_same_time_use_one_registry(ansible: Ansible) -> None:
    """Six at once: each one's flavor is there afterwards."""
    many = [{"name": "flavor", "nec.expether.expether_flavor": {"name": "{{ inventory_hostname }}", "properties": GPU}}]
    play = {"hosts": "all", "gather_facts": False, "tasks": many}
    hosts = [f"h{number}" for number in range(6)]
    python = "{{ ansible_python_interpreter }}"
    host = {"name": "{{ item }}", "ansible_connection": "local", "ansible_python_interpreter": python}
    add = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"name": "hosts", "ansible.builtin.add_host": host, "loop": hosts}],
    }
    run = ansible.run_playbook([add, {**play, "hosts": "all:!localhost"}], arguments=["--forks=6"])
    assert [result.msg for result in run if result.failed] == []
    found = ansible.play(call("flavor_info"))
    assert [flavor["name"] for flavor in found[0]["flavors"]] == sorted(hosts)
