# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each variable of the role sync with values that cannot be meant: a sentence, before anything is changed."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from playbooks import ON_LOCALHOST, SAME_PYTHON

Json = t.Any

#: What no variable of the role may be.
NEVER: tuple[Json, ...] = (None, {}, {"a": 1}, [[]], -1, 1.5, True, "~", "~/x", "$HOME/x", "a\nb", "{{ 1 }}")
NUMBERS: tuple[Json, ...] = ("", "x", "-1", "1.5", "5 min", [], [1], "0x10", "inf", "nan", 10**12)
PATHS: tuple[Json, ...] = (
    0,
    5,
    [],
    ["/srv/x"],
    "srv/x",
    "/",
    "/srv/../etc/x",
    "/srv/./x",
    "/srv/x/",
    "/srv/a b/x",
    "/home/x/y",
    "/tmp/x/y",  # noqa: S108
    "/srv/x\n",
)
WRONG: dict[str, tuple[Json, ...]] = {
    "state": ("", "Present", "gone", 0, []),
    "enabled": ("", "maybe", 2, []),
    "interval": (*NUMBERS, 0, "0"),
    "randomized_delay": NUMBERS,
    "timeout": NUMBERS,
    "podms": ("", " ", 0, 5, [1], [None], [""], ["rack1", True]),
    "forks": (*NUMBERS, 0, "0"),
    "retention": ("", "x", "-1", "7 days", [], [1], "inf", "nan", float("inf")),
    "wait_after_refusal": (*NUMBERS, 86401, "86401"),
    "user": ("", 0, 1000, "0", "1000", [], ["expether"], "a b", "-x", "a:b", "x" * 40),
    "registry": (
        *PATHS,
        "",
        "sqlite://",
        "sqlite:///~/x",
        "sqlite:////etc/registry.sqlite3",
        "postgresql://x/y",
        "redis://x/y",
    ),
    "registry_key_file": PATHS,
    "venv": (*PATHS, "", "/opt", "/var/lib/expether", "/var/lib/expether/venv", "/var/lib"),
    "collection_source": ("", " ", 0, 5, []),
    "wheel_dir": (0, 5, [], ["wheels"], "/nowhere/wheels"),
    "textfile_dir": (*PATHS, "/etc", "/var/lib", "/var/lib/expether", "/opt/expether/metrics"),
}
#: Of those that no variable may be, what is meant after all.
MEANT: dict[str, tuple[Json, ...]] = {
    "enabled": (True,),
    "retention": (1.5,),
    "podms": ("~", "~/x", "$HOME/x", "a\nb", "{{ 1 }}"),
    "collection_source": ("~", "~/x", "$HOME/x", "a\nb", "{{ 1 }}"),
    "wheel_dir": ("~",),
}
RIGHT: dict[str, tuple[Json, ...]] = {
    "state": ("present",),
    "enabled": (True, False, "yes", "false"),
    "interval": (1, "300"),
    "randomized_delay": (0, "0"),
    "timeout": (0, "1800"),
    "podms": ([], ["rack1", "rack 2"], "rack1,rack2"),
    "forks": (1, "8"),
    "retention": (0, 0.5, "7", "0.5"),
    "wait_after_refusal": (0, "900", 86400),
    "user": ("expether", "root", "svc_ee-1.x", "machine$"),
    "registry": ("sqlite:////srv/ee/registry.sqlite3", "sqlite:///srv/ee/registry.sqlite3"),
    "registry_key_file": ("", "/etc/expether/key", "/var/lib/expether/key/registry.key"),
    "venv": ("/srv/venv", "/opt/expether-2.0"),
    "collection_source": ("nec.expether", "nec.expether:1.2.3", "~/collection", "./x.tar.gz"),
    "wheel_dir": ("",),
    "textfile_dir": ("", "/var/lib/prometheus/node-exporter"),
}


#: A registry that is no file needs a key file.
DATABASE: tuple[Json, ...] = (
    "postgresql://ee@h1:5433,[::1]/ee?sslmode=verify-full&passfile=/var/lib/expether/key/pgpass",
    "postgres:///ee?host=%2Frun%2Fpostgresql&sslrootcert=system",
    "etcds://ee@h1:2379,[::1]:2379/ee?ca=/etc/ssl/ca.pem&passfile=/var/lib/expether/key/etcdpass",
)
#: A file that the service could not see, or whose path would have to be decoded.
WRONG_FILE: tuple[Json, ...] = (
    "postgresql://h/db?sslrootcert=/home/x/ca.pem&passfile=/var/lib/expether/pgpass",
    "postgresql://h/db?passfile=/tmp/pgpass",  # noqa: S108
    "postgresql://h/db?passfile=%2Fvar%2Flib%2Fpgpass",
    "postgresql://h/db?sslmode=require&sslkey=client.key",
    "etcds://h/x?ca=/root/ca.pem",
    "etcds://h/x?ca=/srv/../home/ca.pem",
    "etcds://h/x?passfile=",
)
WRONG_DATABASE: tuple[Json, ...] = (
    "postgresql://u:canary@h/db",
    "postgresql://h/db?password=canary",
    "postgresql://h/a b",
    "etcd://u:canary@h/x",
)


def cases(table: dict[str, tuple[Json, ...]], also: tuple[Json, ...] = ()) -> list[tuple[str, Json]]:
    found = []
    for name, values in table.items():
        more = [
            value
            for value in also
            if not any(
                value is meant or (value == meant and type(value) is type(meant)) for meant in MEANT.get(name, ())
            )
        ]
        found += [(name, value) for value in (*values, *more)]
    return found


def literal(value: Json) -> str:
    """The value in YAML: of its own type on every core, and what looks like a template in it is none, as in a file of variables."""
    if isinstance(value, str):
        # A text with this tag that could be a number would be one.
        return f"!unsafe {json.dumps(value)}" if "{" in value else json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else ".inf"
    return json.dumps(value)


def play(
    folder: Path, given: list[tuple[str, Json]], *arguments: str, tasks_from: str = "main", **environment: str
) -> list[Json]:
    """Run the role, in one play, with each of the values for its variable; return the result of the task that failed, or None."""
    tasks = []
    for number, (name, _value) in enumerate(given):
        variables = {f"expether_sync_{name}": f"@{number}@"}
        role = {
            "ansible.builtin.include_role": {"name": "nec.expether.sync", "tasks_from": tasks_from},
            "vars": variables,
        }
        keep = {"ansible.builtin.set_fact": {f"case_{number}": "{{ ansible_failed_result }}"}}
        tasks.append({"block": [role], "rescue": [keep]})
    everything = {
        "ansible.builtin.copy": {
            "content": "{{ ["
            + ", ".join(f"case_{number} | default(none)" for number in range(len(given)))
            + "] | to_json }}",
            "dest": str(folder / "results.json"),
            "mode": "0600",
        },
        "check_mode": False,
    }
    text = json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [*tasks, everything]}])
    text = re.sub(r'"@(\d+)@"', lambda found: literal(given[int(found[1])][1]), text)
    (folder / "play.yml").write_text(text, encoding="utf-8")
    command = [*ON_LOCALHOST, SAME_PYTHON, *arguments, "play.yml"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, check=False, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return t.cast("list[Json]", json.loads((folder / "results.json").read_text(encoding="utf-8")))


def sentence(result: Json) -> str:
    """What Ansible shows of a task that failed: of a loop, what it shows of the item."""
    messages = [item["msg"] for item in result.get("results", ()) if item.get("failed")]
    return str(messages[0] if messages else result["msg"])


#: A text, a number, a list and a path: what differs between versions of ansible-core differs in these.
SMOKE = ("user", "interval", "podms", "textfile_dir")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.smoke] if name in SMOKE else []) for name in WRONG]
)
def test_a_value_that_cannot_be_meant_is_refused_with_a_sentence(tmp_path: Path, name: str) -> None:
    given = cases({name: WRONG[name]}, NEVER)
    # A value that passes all checks would go on, without changing anything.
    for (_name, value), result in zip(given, play(tmp_path, given, tasks_from="check"), strict=True):
        assert result is not None, (name, value)
        message = sentence(result)
        assert "expether_sync_" in message or "cannot be in" in message, (value, message)
        for word in (
            "Traceback",
            "undefined",
            "Jinja",
            "template",
            "Unexpected",
            "object of type",
            "Error while",
            "conditional",
        ):
            assert word not in message, (value, message)
        assert not (tmp_path / "~").exists()
        assert not (tmp_path / "$HOME").exists()


@pytest.mark.timeout(900)
@pytest.mark.smoke
def test_a_value_that_can_be_meant_is_not_refused(tmp_path: Path) -> None:
    given = cases(RIGHT)
    assert [
        (case, sentence(result))
        for case, result in zip(given, play(tmp_path, given, tasks_from="check"), strict=True)
        if result
    ] == []


def test_a_registry_in_a_database_needs_a_key_file_and_has_no_password(tmp_path: Path) -> None:
    given = [("registry", value) for value in (*DATABASE, *WRONG_DATABASE, *WRONG_FILE)]
    key = ("--extra-vars", '{"expether_sync_registry_key_file": "/var/lib/expether/key/registry.key"}')
    results = play(tmp_path, given, *key, tasks_from="check")
    assert results[: len(DATABASE)] == [None] * len(DATABASE)
    others = [sentence(result) for result in results[len(DATABASE) :]]
    assert all("without a password" in message for message in others[: len(WRONG_DATABASE)])
    assert all("expether_sync_registry names the file " in message for message in others[len(WRONG_DATABASE) :])
    (result,) = play(tmp_path, given[:1], tasks_from="check")
    assert "expether_sync_registry_key_file" in sentence(result)
    unit = Path(__file__).resolve().parents[3] / "roles" / "sync" / "templates" / "expether-sync.service.j2"
    assert "EXPETHER_REGISTRY={{ expether_sync_registry | replace('%', '%%')" in unit.read_text(encoding="utf-8")


def test_a_file_of_a_registry_on_a_server_must_be_on_the_host(tmp_path: Path) -> None:
    key, passfile = tmp_path / "registry.key", tmp_path / "pgpass"
    given = [("registry", f"postgresql://h/db?passfile={passfile}")]
    how = ("--extra-vars", json.dumps({"expether_sync_registry_key_file": str(key)}))
    for missing in (key, passfile):
        (result,) = play(tmp_path, given, *how, tasks_from="files")
        assert f"{missing} does not exist on this host. Copy it to the host" in sentence(result)
        missing.touch()
    assert play(tmp_path, given, *how, tasks_from="files") == [None]


@pytest.mark.smoke
@pytest.mark.parametrize(
    "text",
    [
        '{"expether_sync_user": 0}',
        "expether_sync_user=0",
        '{"expether_sync_user": null}',
        "expether_sync_interval=often",
    ],
)
def test_an_extra_variable_that_cannot_be_meant_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    """The whole role, in check mode. What its specification finds is said by Ansible."""
    (result,) = play(tmp_path, [("state", "present")], "--check", "--extra-vars", text)
    message = sentence(result)
    assert message.startswith(
        ("expether_sync_user is ", "Validation of arguments failed:\nargument 'expether_sync_")
    ), message


@pytest.mark.smoke
def test_the_home_of_the_user_on_the_controller_is_where_the_wheels_are(tmp_path: Path) -> None:
    (tmp_path / "home" / "wheels").mkdir(parents=True)
    given = [
        ("wheel_dir", "~/wheels"),
        ("wheel_dir", "~/none"),
        ("wheel_dir", "~nobody-has-this-name/x"),
        ("wheel_dir", "$HOME/wheels"),
    ]
    results = play(
        tmp_path, given, tasks_from="check", HOME=str(tmp_path / "home"), ANSIBLE_LOCAL_TEMP=str(tmp_path / "tmp")
    )
    assert results[0] is None
    assert all("is not a directory on the controller" in sentence(result) for result in results[1:])
    assert f"{tmp_path}/home/none, " in sentence(results[1])


@pytest.mark.parametrize(("podms", "says"), [("[]", "No pod manager is registered"), ("[rack1]", "rack1")])
def test_the_variables_that_the_role_writes_are_those_that_the_playbook_takes(
    tmp_path: Path, podms: str, says: str
) -> None:
    """No pod manager named means all to the role, and an empty list is refused by the playbook."""
    role = Path(__file__).resolve().parents[3] / "roles" / "sync"
    (tmp_path / "write.yml").write_text(
        f"""- hosts: localhost
  gather_facts: false
  vars_files: [{role}/defaults/main.yml]
  tasks:
    - ansible.builtin.template: {{src: {role}/templates/variables.json.j2, dest: {tmp_path}/variables.json, mode: "0600"}}
""",
        encoding="utf-8",
    )
    base = [*ON_LOCALHOST, SAME_PYTHON]
    written = subprocess.run(
        [
            *base,
            "-e",
            f'{{"expether_sync_podms": {json.dumps(podms.strip("[]").split())}}}',
            str(tmp_path / "write.yml"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert written.returncode == 0, written.stdout
    environment = {**os.environ, "EXPETHER_REGISTRY": f"sqlite:///{tmp_path}/registry.sqlite3"}
    done = subprocess.run(
        [*base, "-e", f"@{tmp_path}/variables.json", "nec.expether.sync"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert says in done.stdout + done.stderr, done.stdout + done.stderr
    assert "is an empty list" not in done.stdout + done.stderr
    assert (done.returncode == 0) == (podms == "[]"), done.stdout
