# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an empty registry to a composed node and back: with every answer that may be EEM's."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Run, Task, assert_check_mode_tells_the_truth, call

GPU_AND_SSD = {"pci_device": {"type": ["GPU", "SSD"]}}


def tell(ansible: Ansible, rack1: Task, eesvs: list[str], eeios: list[str]) -> Run:
    """Register, compose a system without a group, compose by a flavor, attach, move, detach, release, unregister."""
    compose = call("node", podm="rack1", name="train-1", flavor="gpu-small", node_index=eesvs[3])
    attach = call("device_attach", podm="rack1", node="train-1", devices=[eeios[2], eeios[5]])
    move = call("device_attach", podm="rack1", node="train-2", devices=eeios[5], move=True)
    detach = call("device_attach", podm="rack1", devices=eeios[2], state="detached")
    run = ansible.play(
        rack1.called("register"),
        call("flavor", name="gpu-small", properties=GPU_AND_SSD).called("flavor"),
        compose.checked().called("compose in check mode"),
        compose.called("compose"),
        compose.called("compose again"),
        call("node", podm="rack1", name="train-2", flavor="gpu-small").called("compose another"),
        attach.called("attach"),
        move.checked().called("move in check mode"),
        move.called("move"),
        move.called("move again"),
        detach.called("detach"),
        detach.called("detach again"),
        call("podm_info").called("pod managers"),
        call("flavor_info").called("flavors"),
        call("node_info").called("nodes"),
        call("system_info", podm="rack1").called("systems"),
        call("device_info", state="allocated").called("devices"),
        call("node", podm="rack1", name="train-1", state="absent").called("release"),
        call("node", podm="rack1", name="train-2", state="absent").called("release another"),
        call("flavor", name="gpu-small", state="absent").called("remove the flavor"),
        call("podm", name="rack1", state="absent").called("unregister"),
        call("podm_info").called("no pod manager"),
    )
    assert_check_mode_tells_the_truth(run["compose in check mode"], run["compose"])
    assert_check_mode_tells_the_truth(run["move in check mode"], run["move"])
    unchanged = {"pod managers", "flavors", "nodes", "systems", "devices", "no pod manager"}
    assert {result.task for result in run if not result.changed} == unchanged | {
        "compose again",
        "move again",
        "detach again",
    }
    assert run["compose"]["node"]["index"] == eesvs[3]
    assert run["compose"]["reboot_required"] and not run["compose another"]["reboot_required"]
    assert {node["name"]: node["device_ids"] for node in run["nodes"]["nodes"]} == {
        "train-1": [eeios[0], eeios[1]],
        "train-2": [eeios[3], eeios[4], eeios[5]],
    }
    assert [device["device_id"] for device in run["devices"]["devices"]] == [*eeios[:2], *eeios[3:6]]
    assert {system["node"] for system in run["systems"]["systems"]} == {"train-1", "train-2", None}
    assert run["pod managers"]["podms"][0]["status"] == "Online"
    assert run["flavors"]["flavors"][0]["properties"] == GPU_AND_SSD
    assert run["no pod manager"]["podms"] == []
    assert all(result.connections <= 1 for result in run)
    return run


@pytest.mark.smoke
@pytest.mark.through_ansible
def test_from_an_empty_registry_to_a_composed_node_and_back(
    ansible: Ansible, eem: Simulator, rack1: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = tell(ansible, rack1, eesvs, eeios)
    assert {eem.card(card)["group_id"] for card in eeios} == {"4093"}
    changes = [request for result in run for request in result.changes]
    assert all("update_time" in {**(request["body"] or {}), **request["query"]} for request in changes)


def tell_briefly(ansible: Ansible, register: Task, eesvs: list[str], eeios: list[str]) -> Run:
    """Register, compose a system without a group, attach, move, detach, release."""
    node = call("node", podm="rack1", name="train-1", properties=GPU_AND_SSD, node_index=eesvs[3])
    attach = call("device_attach", podm="rack1", node="train-1", devices=[eeios[2], eeios[5]])
    run = ansible.play(
        register,
        node,
        node.called("again"),
        attach,
        call("device_attach", podm="rack1", node=eesvs[0], devices=eeios[5], move=True).called("move"),
        call("device_attach", podm="rack1", devices=[eeios[2], eeios[5]], state="detached"),
        call("node", podm="rack1", name="train-1", state="absent"),
    )
    assert [result.task for result in run if not result.changed] == ["again"]
    # EEM closes the connection after HTTP 400, with which it refuses a condition.
    assert all(result.connections == 1 + [each["status"] for each in result.wire].count(400) for result in run)
    assert all(result.statuses <= {"done"} for result in run.results[1:])
    return run


OPEN_QUESTIONS = [
    {"change_answer": "none", "time_type": "number", "peer_update_time": "stays"},
    {"change_answer": "empty", "time_type": "mixed", "conditional": "ignore", "repeat_delete": "accept"},
    {"conditional": "refuse", "enforce": "none", "refusal_code": "50012"},
]


@pytest.mark.parametrize("options", OPEN_QUESTIONS, ids=lambda options: " ".join(map("=".join, options.items())))
def test_the_story_is_the_same_however_eem_answers(
    ansible: Ansible, eem: Simulator, rack1: Task, eesvs: list[str], eeios: list[str], options: dict[str, str]
) -> None:
    eem.set_options(**options)
    tell_briefly(ansible, rack1, eesvs, eeios)
    assert {eem.card(card)["group_id"] for card in eeios} == {"4093"}
    # A group for the system, four devices attached, one of them moved, and all detached: nothing was done twice.
    assert len(eem.history(field="group_id")) == 1 + 4 + 2 + 4


def test_without_conditional_updates_no_update_time_is_sent(
    ansible: Ansible, eem: Simulator, rack1: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.set_options(conditional="refuse")
    run = tell_briefly(ansible, rack1.having(conditional_updates=False), eesvs, eeios)
    requests = [request for result in run for request in result.wire]
    assert not any("update_time" in {**(request["body"] or {}), **request["query"]} for request in requests)
    assert {request["status"] for request in requests} == {200}


@pytest.mark.parametrize("answer", ["empty-body", "204"])
def test_an_eem_without_cards_has_no_devices(ansible: Ansible, eem: Simulator, rack1: Task, answer: str) -> None:
    eem.reset(devices=[], options={"empty_list": answer})
    properties = {"pci_device": {"type": ["GPU"]}}
    run = ansible.play(
        rack1,
        call("device_info"),
        call("system_info"),
        call("node_info"),
        call("node", podm="rack1", name="n1", properties=properties).failing(),
    )
    assert (run[1]["devices"], run[2]["systems"], run[3]["nodes"]) == ([], [], [])
    assert run[4].kind == "refused"


@pytest.mark.parametrize("option", ["silent_change", "orphan_detach"])
def test_a_silent_card_that_eem_does_not_free_is_said_with_what_is_left(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str], option: str
) -> None:
    made = call("node", podm="rack1", name="n1", properties=GPU_AND_SSD)
    release = call("node", podm="rack1", name="n1", state="absent")
    ansible.play(known, made)
    eem.set_options(**{option: "refuse"})
    if option == "silent_change":
        eem.silence(eeios[1])
        eem.patch(eeios[1], group_id="17")
    else:
        eem.silence(eesvs[0])
    run = ansible.play(release.failing(), call("node_info"))
    if option == "silent_change":  # is known before anything is sent
        assert f"{eeios[1]} does not respond (attached to n1)" in run[0].msg and run[0].left_all_alone
        assert ansible.play(release.having(skip_silent=True))[0].changed
    else:
        assert "50003" in run[0].msg
    assert not run[0].changed
    assert [node["device_ids"] for node in run[1]["nodes"]] == [eeios[:2]]
    if option == "orphan_detach":
        eem.set_options(orphan_detach="accept")
        assert ansible.play(release)[0].changed
