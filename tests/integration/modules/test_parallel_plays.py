# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many plays at once on one registry: eight forks of ansible-playbook that want devices of one pool.

Where EEM keeps no rules, they are two times four, in PID namespaces of their own if this machine has such: as in containers.
The registry is a file then, or on a server.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import typing as t

import etcd
import namespaces
import postgresql
import pytest
from cryptography.fernet import Fernet
from eemsim.client import Simulator
from module_runs import Ansible, Task, call

HOSTS = [f"play{number}" for number in range(8)]
Forks = t.Callable[[dict[str, t.Any]], dict[str, dict[str, t.Any]]]

IN_FILES = pytest.mark.parametrize(("enforce", "back_end"), [("strict", "sqlite"), ("none", "sqlite")])
ANYWHERE = pytest.mark.parametrize(
    ("enforce", "back_end"), [("strict", "sqlite"), ("none", "sqlite"), ("none", "postgresql"), ("none", "etcd")]
)


@pytest.fixture(name="pool")
def fixture_pool(eem: Simulator, enforce: str) -> list[str]:
    """Sixteen GPUs and eight systems, half of them without a group id; EEM keeps its rules, or none and no condition."""
    eem.reset(eesv=8, eeio=48, no_group=4, style="plain")
    gpus = [card for card in eem.eeios() if card["pcie_class_code"].startswith("0x3")]
    eem.reset(devices=[*eem.eesvs(), *gpus])
    eem.set_options(enforce=enforce, conditional="honour" if enforce == "strict" else "ignore")
    return [card["id"] for card in gpus]


@pytest.fixture(name="registered")
def fixture_registered(ansible: Ansible, rack1: Task, back_end: str) -> t.Iterator[None]:
    """A pod manager in a registry of the back end."""
    if back_end == "sqlite":
        ansible.play(rack1)
        yield
        return
    reason = etcd.why_not() if back_end == "etcd" else postgresql.why_not()
    if reason:
        pytest.skip(reason)
    with contextlib.closing(etcd.Etcd() if back_end == "etcd" else postgresql.Server()) as server:
        key = ansible.folder / "registry.key"
        key.touch(mode=0o600)
        key.write_bytes(Fernet.generate_key())
        ansible.registry = server.url() if isinstance(server, etcd.Etcd) else server.create("expether")
        ansible.environment |= {"EXPETHER_REGISTRY": ansible.registry, "EXPETHER_REGISTRY_KEY_FILE": str(key)}
        ansible.play(rack1)
        yield


@pytest.fixture(name="forks")
def fixture_forks(ansible: Ansible, registered: None, pool: list[str], enforce: str) -> Forks:
    """Gives one task to all hosts at once; returns of each what the task failed with, or nothing."""
    del registered
    assert len(pool) == 16
    is_apart = enforce == "none" and namespaces.why_impossible() is None

    def play(options: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
        task = {"nec.expether.expether_node": {"podm": "rack1", "name": "{{ inventory_hostname }}", **options}}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory, playbook = ansible.folder / "forks.json", ansible.folder / "forks.yml"
        inventory.write_text(json.dumps({"all": {"hosts": dict.fromkeys(HOSTS, local)}}), encoding="utf-8")
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
        command = [sys.executable, "-m", "ansible", "playbook", "--forks=8", f"--inventory={inventory}", str(playbook)]
        apart = [[*namespaces.NEW, *command, f"--limit={','.join(HOSTS[first::2])}"] for first in (0, 1)]
        runs = [
            subprocess.Popen(
                each,
                env={key: value for key, value in ansible.environment.items() if key != "ANSIBLE_CALLBACKS_ENABLED"},
                cwd=ansible.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for each in (apart if is_apart else [command])
        ]
        output = "".join(run.communicate(timeout=280)[0] for run in runs)
        assert "Traceback" not in output, output
        failed = dict(re.findall(r"^fatal: \[(\w+)\]: FAILED! => (.*)$", output, re.MULTILINE))
        assert len(re.findall(r"^(?:changed|fatal): ", output, re.MULTILINE)) == len(HOSTS), output
        return {host: json.loads(found) for host, found in failed.items()}

    return play


@ANYWHERE
def test_eight_that_compose_two_of_sixteen_all_succeed(
    ansible: Ansible, eem: Simulator, forks: Forks, pool: list[str]
) -> None:
    assert forks({"properties": {"devices": [{"type": "GPU", "count": 2}]}}) == {}
    changes = eem.history(field="group_id")
    assert sorted(change["card"] for change in changes if change["card"] in pool) == pool
    systems = [card["group_id"] for card in eem.eesvs()]
    assert len(set(systems)) == 8
    assert len(changes) == 16 + 4, "each card's group is set once"
    assert all([card["group_id"] for card in eem.eeios()].count(group) == 2 for group in systems)
    nodes = ansible.play(call("node_info"))[0]["nodes"]
    assert sorted(node["name"] for node in nodes) == HOSTS
    assert {node["state"] for node in nodes} == {"composed"}


@IN_FILES
def test_of_eight_that_want_three_of_sixteen_five_succeed_and_three_leave_nothing(
    ansible: Ansible, eem: Simulator, forks: Forks, pool: list[str]
) -> None:
    failed = forks({"properties": {"devices": [{"type": "GPU", "count": 3}]}})
    assert len(failed) == 3
    assert {result["failure"]["kind"] for result in failed.values()} == {"refused"}
    assert all("3 GPU requested, 1 free" in result["msg"] for result in failed.values())
    nodes = ansible.play(call("node_info"))[0]["nodes"]
    assert sorted(node["name"] for node in nodes) == sorted({*HOSTS} - failed.keys())
    assert {len(node["devices"]) for node in nodes} == {3}
    changes = [change["card"] for change in eem.history(field="group_id")]
    assert len(changes) == len(set(changes)), "nothing is done to be undone"
    assert len([card for card in changes if card in pool]) == 15
