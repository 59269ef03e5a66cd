# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play of eight hosts that delegates and forgets `run_once`, and a play that is cancelled."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, call

HOSTS = [f"host{number}" for number in range(8)]


def start(ansible: Ansible, hosts: t.Sequence[str], *tasks: dict[str, t.Any]) -> subprocess.Popen[str]:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory, playbook = ansible.folder / "hosts.json", ansible.folder / "play.yml"
    inventory.write_text(json.dumps({"all": {"hosts": dict.fromkeys(hosts, local)}}), encoding="utf-8")
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "ansible", "playbook", "--forks=8", f"--inventory={inventory}", str(playbook)],
        env={key: value for key, value in ansible.environment.items() if key != "ANSIBLE_CALLBACKS_ENABLED"},
        cwd=ansible.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_a_play_that_forgets_run_once_registers_and_makes_a_flavor_once(ansible: Ansible, eem: Simulator) -> None:
    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    flavor = {"name": "gpu", "properties": {"devices": [{"type": "GPU"}]}}
    play = start(
        ansible,
        HOSTS,
        {"delegate_to": "localhost", "nec.expether.expether_podm": {"name": "rack1", **way}},
        {"delegate_to": "localhost", "nec.expether.expether_flavor": flavor},
    )
    output, _none = play.communicate(timeout=200)
    assert play.returncode == 0, output
    assert len(re.findall(r"^changed: ", output, re.MULTILINE)) == 2, output
    assert len(re.findall(r"^ok: ", output, re.MULTILINE)) == 14, output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_play_that_is_cancelled_leaves_no_card_changed_and_no_claim(
    ansible: Ansible, eem: Simulator, rack1: Task, number: signal.Signals
) -> None:
    """As a terminal does it: the signal goes to all processes of the play."""
    ansible.play(rack1)
    before = {card: record["group_id"] for card, record in eem.cards().items()}
    properties = {"devices": [{"type": "GPU", "count": 2}]}
    node = {"name": "train", "podm": "rack1", "properties": properties}
    eem.fault("freeze", method="PUT", path="/group_id$", nth=2)
    play = start(ansible, ["one"], {"nec.expether.expether_node": node})
    while not eem.faults()[0]["used"]:
        assert play.poll() is None
        time.sleep(0.02)
    assert {card: record["group_id"] for card, record in eem.cards().items()} != before
    os.killpg(play.pid, number)
    time.sleep(0.5)
    eem.clear_faults()
    play.communicate(timeout=60)
    deadline = time.monotonic() + 60  # the module may outlive the play
    while {card: record["group_id"] for card, record in eem.cards().items()} != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {card: record["group_id"] for card, record in eem.cards().items()} == before
    assert ansible.play(call("node_info"))[0]["nodes"] == []
    assert ansible.play(call("node", **node))[0]["changed"]
