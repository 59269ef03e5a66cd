# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_device_attach: attaching, detaching and moving, and what is refused."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Task, call, twelve_cases

GPU = {"pci_device": {"type": ["GPU"]}}


def attach(node: str, *devices: str, **options: object) -> Task:
    return call("device_attach", podm="rack1", node=node, devices=list(devices), **options)


def detach(*devices: str, **options: object) -> Task:
    return call("device_attach", podm="rack1", devices=list(devices), state="detached", **options)


@pytest.mark.smoke
def test_attach_move_and_detach_in_twelve_cases(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    devices = [eeios[5], eeios[2]]
    run = twelve_cases(
        ansible,
        ("create", attach("n1", *devices)),
        ("change", attach(eesvs[1], *devices, move=True)),
        ("remove", detach(*devices)),
        prepared=[known, call("node", podm="rack1", name="n1", node_index=eesvs[0], state="managed")],
    )
    assert [device["device_id"] for device in run["create"]["devices"]] == devices
    assert {
        (device["state"], device["node"], device["node_id"], device["pooled_group_id"])
        for device in run["create"]["devices"]
    } == {("allocated", "n1", eesvs[0], "17")}
    assert [
        (step["action"], step["device"], step["node"], step["node_id"], step["from"], step["to"])
        for step in run["create"].steps
    ] == [("attach", device, "n1", eesvs[0], "4093", "17") for device in devices]
    assert run["create"]["diff"]["before"][eeios[5]] == {"state": "free", "node": None, "pooled_group_id": "4093"}
    assert run["create"]["diff"]["after"][eeios[5]] == {"state": "allocated", "node": "n1", "pooled_group_id": "17"}
    assert [(step["action"], step["device"], step["node"]) for step in run["change"].steps] == [
        ("detach", devices[0], "n1"),
        ("attach", devices[0], eesvs[1]),
        ("detach", devices[1], "n1"),
        ("attach", devices[1], eesvs[1]),
    ]
    assert {device["node"] for device in run["change"]["devices"]} == {None}
    assert {device["node_id"] for device in run["change"]["devices"]} == {eesvs[1]}
    assert {device["state"] for device in run["remove"]["devices"]} == {"free"}
    assert (run["create"]["rescan_required"], run["remove"]["rescan_required"]) == (True, False)
    assert {eem.card(card)["group_id"] for card in eeios} == {"4093"}


def test_a_device_of_another_node_needs_move(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(
        known,
        call("node", podm="rack1", name="n1", properties=GPU),
        attach(eesvs[1], eeios[0], eeios[1]).failing().called("without"),
        attach(eesvs[1], eeios[0], eeios[1], move=True).called("with"),
        detach(eeios[0], node="n1").failing().called("not there any more"),
        detach(eeios[0], node=eesvs[1]).called("there"),
    )
    assert run["without"].kind == "refused" and run["without"].left_all_alone
    assert f"{eeios[0]} is attached to n1" in run["without"].msg and "move: true" in run["without"].msg
    assert set(run["without"]["failure"]["candidates"]) == {eeios[0]}
    assert [step["action"] for step in run["with"].steps] == ["detach", "attach", "attach"]
    assert any("n1 loses devices" in warning for warning in run["with"].warnings)
    assert run["not there any more"].kind == "refused" and run["not there any more"].left_all_alone
    assert run["there"].changed


def test_a_stranded_device_is_freed_without_a_node_and_attached_with_move(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[0], group_id="99")
    eem.patch(eeios[1], group_id="99")
    run = ansible.play(
        known,
        attach(eesvs[0], eeios[0]).failing(),
        detach(eeios[0], node=eesvs[0]).failing(),
        detach(eeios[0]),
        attach(eesvs[0], eeios[1], move=True),
    )
    assert "stranded in group 99" in run[1].msg and run[1].left_all_alone
    assert "stranded in group 99" in run[2].msg and run[2].left_all_alone
    assert run[3]["devices"][0]["state"] == "free"
    assert [(step["action"], step["node"]) for step in run[3].steps] == [("detach", None)]
    assert run[4]["devices"][0]["node_id"] == eesvs[0]


def test_who_moves_a_stranded_device_is_told_whose_it_was(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    ansible.play(known, call("node", podm="rack1", name="web1", properties=GPU))
    eem.patch(eesvs[0], group_id="500")
    run = ansible.play(
        attach(eesvs[1], eeios[0]).failing(),
        attach(eesvs[1], eeios[0], move=True).checked(),
        attach(eesvs[1], eeios[0], move=True),
        call("device_info", devices=[eeios[0]]),
    )
    assert f"{eeios[0]} is stranded in group 17, last used by node web1 (detach it first" in run[0].msg
    said = f"Device {eeios[0]} was stranded in group 17, last used by node web1: the host of node web1 may still be using it."
    assert said in run[1].warnings and said in run[2].warnings
    assert [device["last_node"] for device in run[3]["devices"]] == [None]


def test_an_empty_slot_is_attached_by_its_id_with_a_warning_and_is_never_chosen(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    ids = ("pcie_vendor_id", "pcie_device_id", "pcie_class_code")
    eem.patch(eeios[0], pcie_connection_status="down")
    eem.patch(eeios[1], **dict.fromkeys(ids, "0x0"))
    eem.patch(eeios[2], **dict.fromkeys(ids, ""), pcie_connection_status="")
    model = eem.card(eeios[0])["model"]
    node = call("node", podm="rack1", name="n1", node_index=eesvs[0])
    run = ansible.play(
        known,
        *(
            node.having(properties={"devices": [entry]}).failing()
            for entry in ({"type": "Unknown"}, {"vendor_id": "0000"}, {"model": model, "count": 10}, {"count": 10})
        ),
        attach(eesvs[0], *eeios[:3]),
        node.having(properties={"devices": [{"model": model, "count": 1}]}),
        node.having(properties={"devices": [{"model": model, "count": 1}]}),
    )
    for result in run.results[1:5]:
        assert result.kind == "refused" and result.left_all_alone
        candidates = result["failure"]["candidates"]
        assert [candidates.get(device) for device in eeios[:2]] == ["not chosen: its slot is empty"] * 2
        assert candidates[eeios[2]].endswith("does not report whether its slot has a device; attach it by its id")
    assert f"Attached although the slot is empty: {eeios[0]}, {eeios[1]}." in run[5].warnings
    assert f"Attached without knowing whether the slot has a device: {eeios[2]}." in run[5].warnings
    assert [device["populated"] for device in run[5]["devices"]] == [False, False, None]
    assert [step["device"] for step in run[6].steps if step["action"] == "attach"] == [eeios[3]]
    assert not run[7].changed


def test_a_system_without_a_group_gets_one_first(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(known, attach(eesvs[3], eeios[0]).checked(), attach(eesvs[3], eeios[0]))
    assert run[1].steps == run[2].steps
    assert [step["action"] for step in run[2].steps] == ["set_group", "attach"]
    assert run[1]["reboot_required"] and run[2]["reboot_required"]
    assert run[1]["devices"][0]["node_id"] == run[2]["devices"][0]["node_id"] == eesvs[3]
    group = eem.card(eesvs[3])["group_id"]
    assert group not in ("4094", "17", "18", "19")
    assert eem.card(eeios[0])["group_id"] == group
    assert any("reboot" in warning for warning in run[2].warnings)


def test_cards_that_cannot_be_changed_are_refused_each_with_its_reason(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.silence(eeios[0])
    eem.patch(eeios[1], admin_status="disabled")
    eem.patch(eeios[2], monitoring_status="disabled")
    eem.patch(eeios[3], group_id="3")
    eem.patch(eeios[4], admin_status="disabled", group_id="17")
    eem.silence(eeios[5])
    eem.patch(eeios[5], group_id="17")
    run = ansible.play(
        known,
        attach(eesvs[0], *eeios[:4], eeios[6]).failing(),
        attach(eesvs[0], *eeios[:4], eeios[6], move=True).failing(),
        detach(eeios[3], eeios[4]).failing(),
        detach(eeios[5]).failing(),
    )
    for result in (run[1], run[2]):
        for device, reason in zip(eeios, ("does not respond", "is not enabled", "is not enabled", "has group id 3")):
            assert f"{device} {reason}" in result.msg
        assert eeios[6] not in result.msg
    assert f"{eeios[3]} has group id 3" in run[3].msg and f"{eeios[4]} is not enabled" in run[3].msg
    assert f"{eeios[5]} does not respond (attached to {eesvs[0]})" in run[4].msg
    assert all(result.kind == "refused" and result.left_all_alone for result in run.results[1:])


def test_systems_that_cannot_take_devices_are_refused_with_the_reason(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.silence(eesvs[0])
    eem.patch(eesvs[1], admin_status="disabled")
    eem.patch(eesvs[2], max_eeio_count="1")
    eem.patch(eesvs[3], group_id="17")
    reasons = ("does not respond", "is not enabled", "has 1 free slot", "shares its group id 17")
    run = ansible.play(known, *(attach(index, *eeios[:2]).failing() for index in eesvs))
    for result, index, reason in zip(run.results[1:], eesvs, reasons):
        assert index in result.msg and reason in result.msg
        assert result.kind == "refused" and result.left_all_alone


def test_what_is_not_known_or_of_the_other_kind_is_refused(
    ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    uuid = "a42bd6e0-6f45-5e5d-9b4c-2d0d4f2a1b3c"
    run = ansible.play(
        known,
        attach("n1", eeios[0]).failing().called("unknown node"),
        attach("0x8cdf9dffffff", eeios[0]).failing().called("unknown system"),
        attach(eeios[1], eeios[0]).failing().called("a device as system"),
        attach(eesvs[0], eesvs[1]).failing().called("a system as device"),
        attach(eesvs[0], eeios[0], "0x8cdf9dffffff").failing().called("unknown device"),
        attach(eesvs[0], eeios[0], uuid).failing().called("unknown UUID"),
        attach(eesvs[0], eeios[0], "the first").failing().called("no id"),
        detach("0x8cdf9dffffff").failing().called("detach unknown"),
        detach(eesvs[0]).failing().called("detach a system"),
        call("device_attach", podm="rack9", node=eesvs[0], devices=eeios[0]).failing().called("unknown podm"),
        call("device_attach", podm="rack1", devices=eeios[0]).failing().called("no node"),
    )
    kinds = {
        "unknown node": "not_found",
        "unknown system": "not_found",
        "a device as system": "refused",
        "a system as device": "refused",
        "unknown device": "not_found",
        "unknown UUID": "not_found",
        "no id": "invalid",
        "detach unknown": "not_found",
        "detach a system": "refused",
        "unknown podm": "not_found",
    }
    for about, kind in kinds.items():
        assert (about, run[about].kind) == (about, kind)
    assert "EEIO" in run["a device as system"].msg and "EESV" in run["a system as device"].msg
    assert uuid in run["unknown UUID"].msg and "'the first'" in run["no id"].msg
    assert "node" in run["no node"].msg
    assert all(result.left_all_alone for result in run.results[1:])


def test_an_eem_by_its_url_needs_no_registry_but_for_names(
    ansible: Ansible, eem: Simulator, eesvs: list[str], eeios: list[str]
) -> None:
    reach = {"url": eem.url, "username": "admin", "password": eem.password}
    run = ansible.play(
        call("device_attach", **reach, node=eesvs[0], devices=eeios[0]).called("attach"),
        call("device_attach", **reach, devices=eeios[0], state="detached").called("detach"),
        call("device_attach", **reach, node="n1", devices=eeios[0]).failing().called("by name"),
    )
    assert run["attach"]["devices"][0]["podm"] is None
    assert run["detach"].changed
    assert run["detach"].after == {}
    assert run["by name"].kind == "not_found"


def test_a_change_whose_answer_is_lost_is_read_back_and_not_sent_again(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(
        known,
        attach(eesvs[0], eeios[0]).after(orders.fault({"do": "drop", "after": True}, method="PUT")),
        detach(eeios[0]).after(orders.fault({"do": "drop", "after": True}, method="DELETE")),
        attach(eesvs[0], eeios[0]).called("lost before").after(orders.fault({"do": "drop"}, method="PUT")),
    )
    assert [request["method"] for request in run[1].wire] == ["GET", "PUT", "GET", "GET"]
    assert [request["method"] for request in run[2].wire] == ["GET", "DELETE", "GET", "GET"]
    assert [request["method"] for request in run[3].wire] == ["GET", "PUT", "GET", "PUT", "GET"]
    assert [change["to"] for change in eem.history(field="group_id")] == ["17", "4093", "17"]


def test_what_was_done_before_a_failure_is_put_back(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eesvs: list[str], eeios: list[str]
) -> None:
    refuse = orders.fault(
        {"do": "fail", "code": "40900", "message": "not now"}, method="PUT", path=f"{eeios[1]}/group_id$", times=-1
    )
    run = ansible.play(
        known,
        attach(eesvs[1], eeios[0], eeios[1]),
        attach(eesvs[0], eeios[0], eeios[1], move=True).failing().after(refuse).called("cannot be undone"),
        attach(eesvs[1], eeios[0], eeios[1], move=True).after(orders.no_faults()).called("run again"),
    )
    left = run["cannot be undone"]
    assert [(step["action"], step["device"], step["status"]) for step in left["plan"]] == [
        ("detach", eeios[0], "undone"),
        ("attach", eeios[0], "undone"),
        ("detach", eeios[1], "done"),
        ("attach", eeios[1], "failed"),
    ]
    assert left.changed
    assert "Could not be undone" in left.msg and eeios[1] in left.msg
    assert [step["device"] for step in run["run again"].steps] == [eeios[1]]
    assert {eem.card(card)["group_id"] for card in eeios[:2]} == {"18"}


@pytest.mark.parametrize(("link", "connected"), [("late", True), ("audit", True), ("never", False)])
def test_a_task_waits_for_the_links_of_what_it_attaches(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str], link: str, connected: bool
) -> None:
    eem.set_options(link=link, link_delay="2")
    task = attach(eesvs[0], eeios[0])
    run = ansible.play(known, task.having(connect_timeout=3), task.called("again"), call("device_info", podm="rack1"))
    stored = ansible.play(call("device_info", source="registry", node=eesvs[0]))
    shown = [run[1]["devices"][0], run["again"]["devices"][0], run[3]["devices"][0], stored[0]["devices"][0]]
    assert [device["connected"] for device in shown] == [connected] * 4
    said = [[warning for warning in result.warnings if "link is down" in warning] for result in run]
    assert [len(each) for each in said] == [0, not connected, not connected, 0]
    assert all(eeios[0] in warning and "path_status1" in warning for each in said for warning in each)
    sent = [(request["method"], request["path"].rpartition("/")[2]) for request in run[1].wire]
    audited = [("PUT", "audit"), ("GET", "detail")]
    assert sent == [
        ("GET", "detail"),
        ("PUT", "group_id"),
        *[("GET", "detail")] * 2,
        *(audited if link != "late" else ()),
    ]
    times = [request["time"] for request in run[1].wire][2:]
    assert all(later - earlier > 0.9 for earlier, later in zip(times, times[1:])), "one request a second at most"
    assert len(run["again"].wire) == 1 and not run["again"].changed


def test_a_task_that_need_not_wait_does_not(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.set_options(link="never")
    eem.patch(eesvs[1], power_status="off")
    run = ansible.play(
        known,
        attach(eesvs[0], eeios[0], connect_timeout=0),
        attach(eesvs[0], eeios[1]).checked(),
        attach(eesvs[1], eeios[2]),
        attach(eesvs[3], eeios[3]),
    )
    assert [len(result.wire) for result in run.results[1:]] == [3, 1, 3, 4]
    assert [result["devices"][0]["connected"] for result in run.results[1:]] == [False, True, False, False]
    assert [any("link is down" in text for text in result.warnings) for result in run.results[1:]] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("seconds", [-1, 601, "nan", "long", True, None])
def test_a_time_to_wait_that_cannot_be_meant_is_refused(
    ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str], seconds: object
) -> None:
    """Whatever else the task asks for."""
    run = ansible.play(
        known,
        attach(eesvs[0], eeios[0], connect_timeout=seconds).failing(),
        call("node", podm="rack1", name="gone", state="absent", connect_timeout=seconds).failing(),
    )
    for result in run.results[1:]:
        assert result.kind == "invalid" and "connect_timeout" in result.msg and not result.wire
