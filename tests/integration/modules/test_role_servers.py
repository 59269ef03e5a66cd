# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service of the role sync with a registry on a server: its unit's command, with nothing but the unit's environment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import etcd
import postgresql
import pytest
from cryptography.fernet import Fernet
from eemsim.client import Simulator
from module_runs import Ansible, Task

from playbooks import ON_LOCALHOST, SAME_PYTHON

ROLE = Path(__file__).resolve().parents[3] / "roles" / "sync"
WORD = "Kanari-3n%Vogel"
TEMPLATES = ("expether-sync.service", "ansible.cfg", "variables.json")


def private(path: Path, content: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")
    return path


@contextlib.contextmanager
def server_with_password(back_end: str, folder: Path) -> t.Iterator[str]:
    """Start a server that asks for a password, and give the URL of an empty registry whose password is in a file of the folder."""
    if back_end == "postgresql":
        with contextlib.closing(postgresql.Server()) as server:
            server.execute(f"CREATE ROLE expether LOGIN PASSWORD '{WORD}'")
            server.execute("CREATE DATABASE expether OWNER expether")
            hba = (server.data / "pg_hba.conf").read_bytes()
            server.write("pg_hba.conf", b"host all expether all scram-sha-256\n" + hba)
            server.execute("SELECT pg_reload_conf()")
            passfile = private(folder / "my-pass", f"*:*:*:expether:{WORD}\n")
            # The first host is dead.
            hosts = f"127.0.0.1:1,127.0.0.1:{server.port}"
            yield f"postgresql://expether@{hosts}/expether?options=-c%20statement_timeout%3D9s&passfile={passfile}"
        return
    with contextlib.closing(etcd.Etcd()) as server:
        for name in ("root", "expether"):
            server.call("auth/user/add", name=name, password=WORD)
            server.call("auth/role/add", name=name)
            server.call("auth/user/grant", user=name, role=name)
        key, end = etcd.text64("/rack/"), etcd.text64("/rack0")
        server.call("auth/role/grant", name="expether", perm={"permType": "READWRITE", "key": key, "range_end": end})
        server.call("auth/enable")
        passfile = private(folder / "my-pass", f"{WORD}\n")
        yield f"etcd://expether@127.0.0.1:1,127.0.0.1:{server.members[0].port}/rack?passfile={passfile}"


def write_units(ansible: Ansible, **variables: str) -> list[str]:
    """Write what the role writes, to the folder of the virtual environment; return what it gives to its user."""
    venv = variables["expether_sync_venv"]
    write = {"src": f"{ROLE}/templates/{{{{ item }}}}.j2", "dest": f"{venv}/{{{{ item }}}}", "mode": "0644"}
    show = {"content": "{{ expether_sync_give | to_json }}", "dest": f"{venv}/give.json", "mode": "0644"}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [f"{ROLE}/defaults/main.yml", f"{ROLE}/vars/main.yml"],
        "tasks": [{"ansible.builtin.template": write, "loop": TEMPLATES}, {"ansible.builtin.copy": show}],
    }
    playbook = ansible.folder / "write.yml"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    command = [*ON_LOCALHOST, SAME_PYTHON, "--extra-vars", json.dumps(variables), str(playbook)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return t.cast("list[str]", json.loads(Path(venv, "give.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("back_end", ["postgresql", "etcd"])
def test_the_service_synchronises_a_registry_on_a_server(
    ansible: Ansible, rack1: Task, eem: Simulator, tmp_path: Path, back_end: str
) -> None:
    reason = etcd.why_not() if back_end == "etcd" else postgresql.why_not()
    if reason:
        pytest.skip(reason)
    venv, state = tmp_path / "venv", tmp_path / "state"
    for folder in (venv, state):
        folder.mkdir(mode=0o700)
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    (venv / "collections").symlink_to(ansible.environment["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0])
    key = private(state / "registry.key", Fernet.generate_key().decode())
    with server_with_password(back_end, state) as url:
        given = write_units(
            ansible,
            expether_sync_registry=url,
            expether_sync_registry_key_file=str(key),
            expether_sync_venv=str(venv),
            expether_sync_uid="1",
            expether_sync_gid="2",
        )
        assert given == [f"give {state} 1 2 registry.key my-pass"]
        ansible.registry = url
        ansible.environment |= {"EXPETHER_REGISTRY": url, "EXPETHER_REGISTRY_KEY_FILE": str(key)}
        ansible.play(rack1)
        eem.patch(sorted(card["id"] for card in eem.eeios())[0], model="Changed")

        unit = (venv / "expether-sync.service").read_text(encoding="utf-8")
        assignments = " ".join(re.findall("(?m)^Environment=(.*)$", unit)).replace("%%", "%")
        # It has its own /tmp.
        config = venv / "ansible.cfg"
        config.write_text(
            config.read_text(encoding="utf-8").replace("= /tmp/ansible", f"= {tmp_path}/ansible"), encoding="utf-8"
        )
        done = subprocess.run(
            shlex.split(re.findall("(?m)^ExecStart=(.*)$", unit)[0]),
            env={
                **dict(each.split("=", 1) for each in shlex.split(assignments)),
                "HOME": str(tmp_path),
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "EXPETHER_PCI_IDS": ansible.environment["EXPETHER_PCI_IDS"],
            },
            cwd="/",
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        first, last = done.stdout.splitlines()
        assert re.fullmatch(r"rack1 Online: 0 added, 1 updated, 0 missing, 0 removed, 11 unchanged in .* s", first)
        assert last == "1 of 1 pod managers synchronised, changed."
    written = "".join((venv / name).read_text(encoding="utf-8") for name in TEMPLATES)
    assert WORD not in written + done.stdout
