# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_system_info: every system, and what it could still take."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, assert_check_mode_tells_the_truth, call


@pytest.mark.smoke
def test_systems_are_listed_with_one_request(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    ansible.play(
        known,
        call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["GPU", "SSD"]}}),
    )
    run = ansible.play(
        call("system_info", podm="rack1").checked(),
        call("system_info", podm="rack1"),
        call("system_info", system="N1"),
        call("system_info", system=[eesvs[3][2:].upper(), eesvs[1], "no such"]),
        call("system_info", system="no such"),
        call("system_info", system="no such", include_devices=True),
        call("device_info"),
    )
    *run, with_devices, devices = run
    assert [[system["id"] for system in result["systems"]] for result in run] == [
        eesvs,
        eesvs,
        [eesvs[0]],
        [eesvs[1], eesvs[3]],
        [],
    ]
    assert (with_devices["systems"], with_devices["devices"]) == ([], devices["devices"])
    run.append(with_devices)
    assert_check_mode_tells_the_truth(run[0], run[1])
    assert all(len(result.wire) == 1 and result.left_all_alone and result["errors"] == [] for result in run)
    first, last = run[1]["systems"][0], run[1]["systems"][3]
    assert (first["node"], first["free_slots"], first["device_ids"]) == ("n1", 14, eeios[:2])
    assert (last["node"], last["free_slots"], last["device_ids"], last["pooled_group_id"]) == (None, 16, [], "4094")
    assert (first["podm"], first["max_devices"], first["reachable"], first["enabled"]) == ("rack1", 16, True, True)
    assert first["description"] == first["model"] == eem.card(eesvs[0])["model"]
    assert first["type"] == first["card_type"] == eem.card(eesvs[0])["type"] == "40g"


def test_an_eem_by_its_url_needs_no_registry(ansible: Ansible, eem: Simulator, eesvs: list[str]) -> None:
    run = ansible.play(call("system_info", url=eem.url, username="admin", password=eem.password), call("system_info"))
    assert [system["id"] for system in run[0]["systems"]] == eesvs
    assert run[1]["systems"] == []
    assert run[1].after == {}


def test_a_pod_manager_that_is_away_does_not_hide_the_others(ansible: Ansible, known: Task, rack1: Task) -> None:
    with Simulator(eesv=1, eeio=1, seed=200) as other:
        ansible.play(known, rack1.having(name="away", url=other.url, retries=0, timeout=2))
    run = ansible.play(call("system_info"))
    assert {system["podm"] for system in run[0]["systems"]} == {"rack1"}
    assert [error["podm"] for error in run[0]["errors"]] == ["away"]
