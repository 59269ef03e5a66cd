# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_node_info: nodes with their devices, as their EEMs have them now."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, assert_check_mode_tells_the_truth, call, timeless

GPU = {"pci_device": {"type": ["GPU"]}}


@pytest.mark.smoke
def test_nodes_are_listed_with_one_request(ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]) -> None:
    made = ansible.play(
        known,
        call("node_info").called("none yet"),
        call("node", podm="rack1", name="n2", properties=GPU),
        call("node", podm="rack1", name="N1", node_index=eesvs[3], state="managed"),
    )
    assert made["none yet"]["nodes"] == []
    uuid = made[2]["node"]["uuid"]
    run = ansible.play(
        call("node_info", podm="rack1").checked(),
        call("node_info", podm="rack1"),
        call("node_info"),
        call("node_info", name="N2"),
        call("node_info", name=[uuid.upper(), eesvs[3][2:].upper(), "n1", "no such"]),
        call("node_info", name="no such"),
    )
    assert [[node["name"] for node in result["nodes"]] for result in run] == [
        ["N1", "n2"],
        ["N1", "n2"],
        ["N1", "n2"],
        ["n2"],
        ["N1", "n2"],
        [],
    ]
    assert_check_mode_tells_the_truth(run[0], run[1])
    assert all(len(result.wire) == 1 and result.left_all_alone for result in run)
    bare, full = run[1]["nodes"]
    assert (bare["state"], bare["pooled_group_id"], bare["devices"], bare["device_ids"]) == ("managed", "4094", [], [])
    assert (full["state"], full["device_ids"]) == ("composed", [eeios[0]])
    assert timeless(full) == timeless(made[2]["node"])


def test_the_registry_lists_nodes_with_their_devices_and_asks_no_eem(
    ansible: Ansible, known: Task, rack1: Task, eesvs: list[str], eeios: list[str]
) -> None:
    with Simulator(eesv=1, eeio=3, seed=200) as other:
        ansible.play(
            known,
            rack1.having(name="Away", url=other.url),
            call("node", podm="Away", name="n1", properties=GPU),
            call("node", podm="rack1", name="n2", properties=GPU),
            call("node", podm="rack1", name="N1", node_index=eesvs[3], state="managed"),
        )
    run = ansible.play(
        call("node_info", source="registry").checked(),
        call("node_info", source="registry"),
        call("node_info", source="registry", podm="rack1", name=[eesvs[3], "no such"]),
        call("node_info", source="registry", name="n1"),
        call("node_info", source="registry", name=[]),
        call("device_info", source="registry", podm="rack1", node="n2"),
    )
    assert [[(node["podm"], node["name"]) for node in result["nodes"]] for result in run.results[:5]] == [
        [("Away", "n1"), ("rack1", "N1"), ("rack1", "n2")],
        [("Away", "n1"), ("rack1", "N1"), ("rack1", "n2")],
        [("rack1", "N1")],
        [("Away", "n1"), ("rack1", "N1")],
        [],
    ]
    assert_check_mode_tells_the_truth(run[0], run[1])
    assert all(result.wire == [] and result.left_all_alone for result in run)
    bare, full = run[1]["nodes"][1:]
    assert (bare["state"], bare["index"], bare["devices"], bare["device_ids"]) == ("managed", eesvs[3], [], [])
    assert (full["state"], full["device_ids"], full["listed"], full["card_type"]) == (
        "composed",
        [eeios[0]],
        False,
        None,
    )
    assert full["devices"] == run[5]["devices"] and full["devices"][0]["synced_at"]


def test_a_pod_manager_that_is_away_does_not_hide_the_nodes_of_the_others(
    ansible: Ansible, known: Task, rack1: Task
) -> None:
    with Simulator(eesv=1, eeio=3, seed=200) as other:
        ansible.play(
            known,
            rack1.having(name="away", url=other.url, retries=0, timeout=2),
            call("node", podm="rack1", name="n1", properties=GPU),
            call("node", podm="away", name="n2", properties=GPU),
        )
    run = ansible.play(call("node_info"), call("node_info", podm="away").failing())
    assert [node["name"] for node in run[0]["nodes"]] == ["n1"]
    assert [(error["podm"], error["failure"]["kind"]) for error in run[0]["errors"]] == [("away", "unreachable")]
    assert any("away" in warning for warning in run[0].warnings)
    assert run[1].kind == "unreachable"
