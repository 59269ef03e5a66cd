# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_device_info: devices as EEM reports them now, or as stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, assert_check_mode_tells_the_truth, call


@pytest.mark.smoke
def test_devices_are_listed_and_chosen_by_their_properties(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[11], group_id="99")
    run = ansible.play(
        known,
        call("device_info").checked().called("check"),
        call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["GPU", "SSD"]}}),
        call("device_info").called("all"),
        call("device_info", podm="rack1", type="GPU").called("type"),
        call("device_info", type=["SSD", "USB"], state="free").called("type and state"),
        call("device_info", state=["stranded", "allocated"]).called("states"),
        call("device_info", node="N1").called("node"),
        call("device_info", node=eesvs[0][2:].upper()).called("system"),
        call("device_info", devices=[eeios[4], eeios[2].upper().replace("X", "x"), "no such"]).called("devices"),
        call("device_info", node="no such").called("no match"),
    )
    found = {result.task: [device["device_id"] for device in result["devices"]] for result in run.results[3:]}
    assert found == {
        "all": eeios,
        "type": eeios[0::3],
        "type and state": eeios[4::3],
        "states": [eeios[0], eeios[1], eeios[11]],
        "node": eeios[:2],
        "system": eeios[:2],
        "devices": [eeios[2], eeios[4]],
        "no match": [],
    }
    assert [device["device_id"] for device in run["check"]["devices"]] == eeios
    for result in run.results[3:]:
        assert (len(result.wire), result["errors"], result.changed) == (1, [], False)
        assert result.left_all_alone
    gpu = run["all"]["devices"][0]
    assert {key: gpu[key] for key in ("type", "state", "node", "node_id", "podm", "pooled_group_id")} == {
        "type": "GPU",
        "state": "allocated",
        "node": "n1",
        "node_id": eesvs[0],
        "podm": "rack1",
        "pooled_group_id": "17",
    }
    assert (gpu["vendor_id"], gpu["pci_device_id"], gpu["class_code"]) == ("10de", "1db6", "030200")
    assert (gpu["resource_uri"], gpu["card_type"], gpu["enabled"]) == (f"devices/{eeios[0]}", "40g", True)


def test_check_mode_and_run_list_the_same(ansible: Ansible, known: Task) -> None:
    run = ansible.play(
        known,
        *(
            task
            for source in ("live", "registry")
            for task in (call("device_info", source=source).checked(), call("device_info", source=source))
        ),
    )
    assert_check_mode_tells_the_truth(run[1], run[2])
    assert_check_mode_tells_the_truth(run[3], run[4])
    assert run[1]["devices"] and set(run[1]["devices"][0]) == set(run[3]["devices"][0])


def test_from_the_registry_no_eem_is_asked(ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]) -> None:
    ansible.play(known)
    eem.delete_card(eeios[0])
    run = ansible.play(
        call("device_info", source="registry"),
        call("device_info", source="registry", podm="rack1", type="GPU", state="free"),
        call("device_info"),
    )
    assert [device["device_id"] for device in run[0]["devices"]] == eeios
    assert [device["device_id"] for device in run[1]["devices"]] == eeios[0::3]
    assert [device["device_id"] for device in run[2]["devices"]] == eeios[1:]
    assert run[0].wire == run[1].wire == []
    assert all(result.left_all_alone for result in run)


def test_changes_are_remembered_at_once(ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]) -> None:
    run = ansible.play(
        known,
        call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["GPU"]}}),
        call("device_attach", podm="rack1", node=eesvs[1], devices=eeios[1]),
        call("device_info", source="registry", state="allocated"),
        call("device_info", source="registry", node="n1"),
    )
    assert [(device["device_id"], device["node"], device["node_id"]) for device in run[3]["devices"]] == [
        (eeios[0], "n1", eesvs[0]),
        (eeios[1], None, eesvs[1]),
    ]
    assert [device["device_id"] for device in run[4]["devices"]] == [eeios[0]]


def test_all_pod_managers_are_asked_side_by_side_and_one_that_fails_hides_no_other(
    ansible: Ansible, eem: Simulator, known: Task, rack1: Task
) -> None:
    with Simulator(eesv=1, eeio=2, seed=200) as other:
        both = ansible.play(known, rack1.having(name="away", url=other.url, retries=0, timeout=2), call("device_info"))
    assert {(device["podm"]) for device in both[2]["devices"]} == {"rack1", "away"}
    assert len(both[2]["devices"]) == 14 and both[2]["errors"] == []
    run = ansible.play(
        call("device_info"), call("device_info", podm="away").failing(), call("device_info", source="registry")
    )
    assert {device["podm"] for device in run[0]["devices"]} == {"rack1"}
    error = run[0]["errors"][0]
    assert (error["podm"], error["failure"]["kind"]) == ("away", "unreachable")
    assert error["msg"] == error["failure"]["message"]
    assert any(warning.startswith("Pod manager away could not be asked") for warning in run[0].warnings)
    assert run[1].kind == "unreachable"
    assert len(run[2]["devices"]) == 14


def test_an_eem_by_its_url_needs_no_registry_and_makes_none(ansible: Ansible, eem: Simulator) -> None:
    run = ansible.play(
        call("device_info", url=f"{eem.url}/", username="admin", password=eem.password),
        call("device_info", source="registry"),
        call("device_info"),
    )
    assert len(run[0]["devices"]) == 12
    assert {device["podm"] for device in run[0]["devices"]} == {None}
    assert run[1]["devices"] == run[2]["devices"] == []
    assert run[2].after == {}


def test_odd_cards_have_the_same_keys_as_others(ansible: Ansible, eem: Simulator, rack1: Task) -> None:
    eem.reset(style="mixed", eesv=24, eeio=48)
    run = ansible.play(rack1, call("device_info"), call("device_info", source="registry"), call("system_info"))
    for result, key in ((run[1], "devices"), (run[2], "devices"), (run[3], "systems")):
        assert len({frozenset(item) for item in result[key]}) == 1
    kinds = {device["type"] for device in run[1]["devices"]}
    assert None in kinds and "SWITCH" in kinds
    assert {None, "allocated", "stranded"} - {device["state"] for device in run[1]["devices"]} == {None}


def test_empty_slots_have_no_type_and_no_ids(ansible: Ansible, eem: Simulator, rack1: Task) -> None:
    eem.reset(style="mixed", eesv=24, eeio=48)
    run = ansible.play(
        rack1,
        call("device_info"),
        call("device_info", source="registry"),
        call("device_info", type="Unknown"),
    )
    for result in run.results[1:3]:
        slots = {device["device_id"]: device for device in result["devices"] if not device["populated"]}
        # EEIO 20 and 26 are a 1G and a 10G card that report nothing of their slots; 23 is a 40G card without ids.
        numbers = (13, 20, 23, 26, 27, 29, 30, 31, 32)
        assert list(slots) == [eem.eeios()[number]["id"] for number in numbers]
        populated = [False, None, None, None, False, None, False, False, None]
        assert [device["populated"] for device in slots.values()] == populated
        keys = ("type", "vendor_id", "pci_device_id", "class_code", "vendor_name", "device_name")
        assert {device[key] for device in slots.values() for key in keys} == {None}
    assert run[3]["devices"] == []


def test_a_stranded_device_shows_whose_it_was_and_no_other_does(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    ansible.play(known, call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["GPU", "SSD"]}}))
    eem.patch(eesvs[0], group_id="500")
    eem.patch(eeios[5], group_id="99")
    live, stored = call("device_info"), call("device_info", source="registry")
    run = ansible.play(
        live,
        stored,
        live.having(url=eem.url, username="admin", password=eem.password),
        call("sync"),
        stored,
        call("node", podm="rack1", name="n1", state="absent", detach_devices=False),
        live,
        stored,
    )
    known_ones = {eeios[0]: "n1", eeios[1]: "n1"}
    for place, expected in (
        (0, known_ones),
        (1, {}),
        (2, known_ones),
        (4, known_ones),
        (6, known_ones),
        (7, known_ones),
    ):
        shown = {device["device_id"]: device["last_node"] for device in run[place]["devices"]}
        assert shown == {**dict.fromkeys(eeios), **expected}
    assert len(run[0].wire) == len(run[2].wire) == len(run[6].wire) == 1
    assert run[0].left_all_alone


def test_names_of_vendors_come_from_the_list_of_the_machine_or_are_null(
    ansible: Ansible, known: Task, eeios: list[str], tmp_path: Path
) -> None:
    pci_ids = tmp_path / "pci.ids"
    pci_ids.write_text("# PCI ids\n10de  Green Corporation\n\t1db6  Fast [16GB]\n8086  Blue\n", encoding="utf-8")
    empty = tmp_path / "empty.ids"
    empty.write_text("", encoding="utf-8")
    pipe = tmp_path / "pipe.ids"
    os.mkfifo(pipe)
    listed = call("device_info", devices=[eeios[0], eeios[2]])
    run = ansible.play(
        known,
        listed.with_environment(EXPETHER_PCI_IDS=str(pci_ids)),
        listed.with_environment(EXPETHER_PCI_IDS=str(empty)),
        listed.with_environment(EXPETHER_PCI_IDS=str(pipe)),
        call("sync").with_environment(EXPETHER_PCI_IDS=str(pipe)),
    )
    names = [
        [(device["vendor_name"], device["device_name"]) for device in result["devices"]] for result in run.results[1:4]
    ]
    for result in run.results[3:]:
        assert [sentence for sentence in result.warnings if str(pipe) in sentence] == result.warnings, "once"
        assert len(result.warnings) == 1
    assert names == [[("Green Corporation", "Fast [16GB]"), ("Blue", None)], *[[(None, None), (None, None)]] * 2]


def test_a_card_with_texts_that_no_result_can_carry_is_listed_attached_and_synchronised(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[0], model="GPU\ud83d\x1b[2K\n\u202e", serial_number="s" * 100_000, of_next_year="\udc00")
    eem.patch(eesvs[0], host_model="日本語\ud83d", model="EESV\x9b")
    run = ansible.play(
        known,
        call("device_info").called("live"),
        call("device_attach", podm="rack1", node=eesvs[0], devices=eeios[0]).called("attach"),
        call("sync").called("sync"),
        call("device_info", source="registry").called("registry"),
        call("system_info").called("systems"),
    )
    for about in ("live", "registry"):
        device = run[about]["devices"][0]
        assert (device["device_id"], device["model"]) == (eeios[0], "GPU\ufffd\ufffd[2K \ufffd"), about
        assert device["serial_number"] == "s" * 1023 + "…"
    assert [step["status"] for step in run["attach"]["plan"]] == ["done"]
    assert run["sync"]["podms"][0]["status"] == "Online"
    system = run["systems"]["systems"][0]
    assert (system["host_model"], system["description"]) == ("日本語\ufffd", "EESV\ufffd")
