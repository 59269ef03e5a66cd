# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the planner refuses, in which words, and what it waits for."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import NotFound, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Properties, parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import (
    plan_attach,
    plan_detach,
    refuse_unapproved,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_device, find_system
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import (
    plan_compose,
    plan_manage,
    plan_release,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan, step_view
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import choose_system
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    DISABLED,
    FREE,
    NONE,
    PODM,
    SILENT,
    UNKNOWN_PORTS,
    Entry,
    Record,
    device_id,
    eeio,
    eesv,
    mac,
    node_on,
    observed,
    system_id,
)

RUN = "a run for node other"


def requested(*entries: Entry) -> Properties:
    return parse_properties({"devices": list(entries)})


def refused(function: t.Callable[..., t.Any], *arguments: t.Any, **more: t.Any) -> PlanRefused:
    with pytest.raises(PlanRefused) as caught:
        function(*arguments, **more)
    assert caught.value.kind == "refused"
    return caught.value


def gpus(count: int) -> Properties:
    return requested({"type": "GPU", "count": count})


# Devices that cannot be had


def test_the_message_says_what_was_wanted_what_is_there_and_why_the_rest_does_not_fit() -> None:
    place = observed(
        [eesv(0), eesv(1, "18"), eeio(0, "18"), eeio(1), eeio(2, **SILENT), eeio(3, kind="nic")], [node_on(1, "node1")]
    )
    error = refused(plan_compose, place, node_on(0, "new"), gpus(2))
    assert (
        error.message
        == f"2 GPU requested, 1 free. Not available: {device_id(0)} attached to node1, {device_id(2)} not responding."
    )
    assert error.details == {"candidates": {device_id(0): "attached to node1", device_id(2): "not responding"}}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (eeio(0, "18"), f"attached to {system_id(1)}"),
        (eeio(0, "19"), "attached to node2"),
        (eeio(0, "900"), "stranded in group 900"),
        (eeio(0, "3"), "has group id 3 from its rotary switch, which software does not change"),
        (eeio(0, NONE), "stranded in group 4094"),
        (eeio(0, **SILENT), "not responding"),
        (eeio(0, **UNKNOWN_PORTS), "not responding"),
        (eeio(0, **DISABLED), "not enabled"),
        (eeio(0, monitoring_status="disabled"), "not enabled"),
        (eeio(0, "30"), "in group 30 of several systems"),
    ],
)
def test_each_device_that_does_not_serve_is_named_with_its_reason(record: Record, reason: str) -> None:
    place = observed(
        [eesv(0), eesv(1, "18"), eesv(2, "19"), eesv(3, "30"), eesv(4, "30"), record], [node_on(2, "node2")]
    )
    error = refused(plan_compose, place, node_on(0, "new"), gpus(1))
    assert error.message == f"1 GPU requested, 0 free. Not available: {device_id(0)} {reason}."
    assert error.blocked_by == {}


EMPTY = "not chosen: its slot is empty"
MAYBE = "not chosen: it does not report whether its slot has a device; attach it by its id"


@pytest.mark.parametrize("group_id", [FREE, "17", "18", "900"])
@pytest.mark.parametrize(
    ("slot", "reason"),
    [
        (eeio(0, kind="zero ids"), EMPTY),
        (eeio(0, kind="empty ids", pcie_connection_status="down"), EMPTY),
        (eeio(0, kind="no ids", pcie_connection_status="down"), EMPTY),
        (eeio(0, pcie_connection_status="down"), EMPTY),
        (eeio(0, kind="empty ids"), MAYBE),
        (eeio(0, kind="no ids"), MAYBE),
    ],
)
@pytest.mark.parametrize(
    "entry",
    [{"count": 1}, {"type": "GPU"}, {"type": "Unknown"}, {"vendor_id": "0000"}, {"model": "Expansion Box A"}],
)
def test_no_request_is_met_by_an_empty_slot_and_each_is_named_with_its_reason(
    entry: Entry, slot: Record, reason: str, group_id: str
) -> None:
    place = observed([eesv(0, "17"), eesv(1, "18"), {**slot, "group_id": group_id}], [node_on(0, "node0")])
    error = refused(plan_compose, place, node_on(0, "node0"), requested(entry))
    assert error.message.endswith(f" requested, 0 free. Not available: {device_id(0)} {reason}.")
    assert error.details == {"candidates": {device_id(0): reason}}


def test_an_empty_slot_in_another_box_is_not_named() -> None:
    place = observed([eesv(0), eeio(0, kind="zero ids")])
    error = refused(plan_compose, place, node_on(0, "new"), requested({"model": "Expansion Box B"}))
    assert error.message.endswith("requested, 0 free.")


def test_an_empty_slot_that_another_run_holds_is_not_waited_for() -> None:
    place = observed([eesv(0), eeio(0, kind="zero ids")], held={device_id(0): "run 13"})
    assert refused(plan_compose, place, node_on(0, "new"), requested({"count": 1})).blocked_by == {}


def test_a_box_with_a_switch_is_chosen() -> None:
    place = observed([eesv(0, "17"), eeio(0, pcie_class_code="0x60400")])
    steps = plan_compose(place, node_on(0, "new"), requested({"type": "SWITCH"})).steps
    assert [step.device for step in steps if step.action == "attach"] == [device_id(0)]


def test_where_there_is_no_device_of_that_kind_none_is_named() -> None:
    error = refused(plan_compose, observed([eesv(0), eeio(0, kind="nic")]), node_on(0, "new"), gpus(1))
    assert error.message == "1 GPU requested, 0 free."


def test_every_want_that_cannot_be_met_is_named() -> None:
    place = observed([eesv(0), eeio(0), eeio(1, kind="nic", **SILENT)])
    error = refused(plan_compose, place, node_on(0, "new"), requested({"type": "GPU", "count": 3}, {"type": "NIC"}))
    assert (
        error.message
        == f"1 NIC requested, 0 free. Not available: {device_id(1)} not responding; 3 GPU requested, 1 free."
    )


def test_what_the_node_has_already_is_not_said_to_be_free() -> None:
    place = observed([eesv(0, "17"), eeio(0, "17"), eeio(1, **SILENT)], [node_on(0, "node0")])
    error = refused(plan_compose, place, node_on(0, "node0"), gpus(2))
    assert "1 free" not in error.message
    assert f"{device_id(1)} not responding" in error.message


# Systems that cannot be had


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (eesv(0, "17", **SILENT), "does not respond"),
        (eesv(0, "17", **UNKNOWN_PORTS), "reports nothing of its ports"),
        (eesv(0, "17", **DISABLED), "is not enabled (admin_status or monitoring_status)"),
        (eesv(0, "3"), "has group id 3 from its rotary switch, which software does not change"),
        (eesv(0, "18"), f"shares its group id 18 with {system_id(1)}"),
        (eesv(0, "17", max_eeio_count="1"), "has 1 free slot"),
    ],
)
def test_each_system_that_does_not_serve_is_named_with_its_reason(record: Record, reason: str) -> None:
    place = observed([record, eesv(1, "18")], [node_on(1, "node1")])
    error = refused(choose_system, place, gpus(2))
    assert error.message == (f"No system can host 2 devices: {system_id(0)} {reason}, {system_id(1)} is node node1.")
    assert error.details["candidates"] == {system_id(0): reason, system_id(1): "is node node1"}


def test_without_any_system_the_refusal_says_so() -> None:
    error = refused(choose_system, observed([eeio(0)]), gpus(1))
    assert error.message == "No system can host 1 device: EEM does not list any system."


@pytest.mark.parametrize(
    ("records", "best"),
    [
        ([eesv(0, NONE), eesv(1, "18", max_eeio_count="2")], 1),
        ([eesv(0, FREE), eesv(1, "18", max_eeio_count="2")], 1),
        ([eesv(0, "17", max_eeio_count="2"), eesv(1, "18", max_eeio_count="8")], 1),
        ([eesv(0, "17"), eesv(1, "18"), eeio(0, "17")], 1),
        ([eesv(0, NONE, max_eeio_count="2"), eesv(1, NONE)], 1),
        ([eesv(1, "18"), eesv(0, "17")], 0),
        ([eesv(0, "17", max_eeio_count="1"), eesv(1, NONE)], 1),
        ([eesv(0, "17", notification_status0=["down", "down"], notification_status1=["up", "down"]), eesv(1)], 0),
    ],
)
def test_the_system_is_one_with_a_group_then_with_most_room_then_with_the_lowest_id(
    records: list[Record], best: int
) -> None:
    assert choose_system(observed(records), gpus(2)).id == system_id(best)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (eesv(0, "17", **SILENT), "it does not respond"),
        (eesv(0, "17", **DISABLED), "it is not enabled"),
        (eesv(0, "3"), "from its rotary switch"),
        (eesv(0, "18"), f"it shares its group id 18 with {system_id(1)}"),
    ],
)
def test_nothing_is_attached_to_a_system_that_does_not_serve(record: Record, reason: str) -> None:
    place = observed([record, eesv(1, "18"), eeio(0)])
    for error in (
        refused(plan_attach, place, system_id(0), [device_id(0)]),
        refused(plan_compose, place, node_on(0, "new"), gpus(1)),
    ):
        assert error.message.startswith(f"Nothing can be attached to system {system_id(0)}: ")
        assert reason in error.message


def test_more_devices_than_a_system_takes_are_refused_with_both_numbers() -> None:
    place = observed([eesv(0, "17", max_eeio_count="2"), eeio(0, "17"), eeio(1), eeio(2)])
    error = refused(plan_attach, place, system_id(0), [device_id(1), device_id(2)])
    assert error.message == f"System {system_id(0)} takes 2 devices and has 1 free slot, but would have 3 devices."
    assert len(plan_attach(place, system_id(0), [device_id(1)]).steps) == 1


def test_what_purge_detaches_makes_room() -> None:
    place = observed([eesv(0, "17", max_eeio_count="1"), eeio(0, "17", kind="nic"), eeio(1)], [node_on(0, "node0")])
    refused(plan_compose, place, node_on(0, "node0"), gpus(1))
    actions = [step.action for step in plan_compose(place, node_on(0, "node0"), gpus(1), purge=True).steps]
    assert actions == ["detach", "attach"]


def test_a_group_that_is_too_full_already_gets_no_device_until_there_is_room() -> None:
    """Three devices where one is taken: with two detached, the third's place is still taken."""
    records = [eesv(0, "17", max_eeio_count="1"), eeio(0, "17"), eeio(1, "17", kind="nic"), eeio(2, kind="ssd")]
    place = observed(records, [node_on(0, "node0")])
    error = refused(plan_compose, place, node_on(0, "node0"), requested({"type": "GPU"}, {"type": "SSD"}), purge=True)
    assert error.message == f"System {system_id(0)} takes 1 devices and has 0 free slots, but would have 2 devices."


def test_a_system_that_would_have_fewer_devices_and_still_too_many_is_refused_in_a_sentence() -> None:
    records = [eesv(0, "17", max_eeio_count="0"), eeio(0, "17", kind="nic"), eeio(1, "17", kind="nic"), eeio(2)]
    error = refused(plan_compose, observed(records), node_on(0, "new"), gpus(1), purge=True)
    assert error.message == f"System {system_id(0)} takes 0 devices and has 0 free slots, but would have 1 devices."


def test_a_system_whose_group_id_is_that_of_free_devices_takes_no_more_than_any_other() -> None:
    place = observed([eesv(0, FREE, max_eeio_count="1"), eeio(0), eeio(1)])
    refused(plan_attach, place, system_id(0), [device_id(0), device_id(1)])
    assert [step.action for step in plan_attach(place, system_id(0), [device_id(0)]).steps] == ["set_group", "attach"]


def test_a_full_group_range_is_refused() -> None:
    taken = [{"id": f"0x{number:012x}", "status": "eeio", "group_id": str(number)} for number in range(16, 4093)]
    error = refused(plan_attach, observed([eesv(0), eeio(0), *taken]), system_id(0), [device_id(0)])
    assert (
        f"System {system_id(0)} has no group id of its own, and all that software may assign are in use"
        in error.message
    )


def test_a_system_of_another_node_is_refused() -> None:
    place = observed([eesv(0, "17"), eeio(0)], [node_on(0, "node0")])
    for error in (
        refused(plan_compose, place, node_on(0, "mine"), gpus(1)),
        refused(plan_manage, place, node_on(0, "mine")),
    ):
        assert error.message == f"System {system_id(0)} is node node0 already."


# Wrong cards


def test_an_eeio_where_a_system_is_wanted_is_refused_and_the_reverse() -> None:
    place = observed([eesv(0, "17"), eeio(0)])
    for call in (
        lambda: find_system(place.fabric, device_id(0)),
        lambda: plan_attach(place, device_id(0), [device_id(0)]).steps,
        lambda: plan_detach(place, [device_id(0)], device_id(0)).steps,
        lambda: plan_manage(place, Node("1" * 32, "new", device_id(0), "managed")).steps,
        lambda: plan_compose(place, Node("1" * 32, "new", device_id(0), "composed"), gpus(1)).steps,
    ):
        assert refused(call).message == f"{device_id(0)} is a device (EEIO), but a system (EESV) is required here."
    for call in (
        lambda: find_device(place.fabric, system_id(0)),
        lambda: plan_attach(place, system_id(0), [device_id(0), system_id(0)]).steps,
        lambda: plan_detach(place, [system_id(0)]).steps,
    ):
        assert refused(call).message == f"{system_id(0)} is a system (EESV), but a device (EEIO) is required here."


def test_a_card_that_eem_does_not_list_is_not_known() -> None:
    place = observed([eesv(0, "17"), eeio(0)])
    for call, missing in (
        (lambda: plan_attach(place, system_id(7), [device_id(0)]).steps, system_id(7)),
        (lambda: plan_attach(place, system_id(0), [device_id(0), device_id(7)]).steps, device_id(7)),
        (lambda: plan_detach(place, [device_id(7)]).steps, device_id(7)),
        (lambda: plan_detach(place, [device_id(0)], system_id(7)).steps, system_id(7)),
        (lambda: plan_compose(place, node_on(7, "new"), gpus(1)).steps, system_id(7)),
        (lambda: plan_manage(place, node_on(7, "new")).steps, system_id(7)),
    ):
        with pytest.raises(NotFound, match=missing) as caught:
            call()
        assert caught.value.kind == "not_found"


# Attaching and detaching


ATTACH: list[tuple[Record, bool, str]] = [
    (eeio(0, "18"), False, "is attached to node1 (`move: true` would take it from there)"),
    (eeio(0, "19"), False, f"is attached to {system_id(2)} (`move: true` would take it from there)"),
    (eeio(0, "900"), False, "is stranded in group 900 (detach it first, or set `move: true`)"),
    (eeio(0, "30"), False, "is attached to one of the systems with group id 30"),
    (eeio(0, "5"), True, "has group id 5 from its rotary switch, which software does not change"),
    (eeio(0, **DISABLED), True, "is not enabled (admin_status or monitoring_status)"),
    (eeio(0, **SILENT), True, "does not respond"),
    (eeio(0, "18", **SILENT), True, "does not respond"),
]


@pytest.mark.parametrize(("record", "move", "reason"), ATTACH)
def test_each_device_that_cannot_be_attached_is_named_with_its_reason(record: Record, move: bool, reason: str) -> None:
    records = [eesv(0, "17"), eesv(1, "18"), eesv(2, "19"), eesv(3, "30"), eesv(4, "30"), record, eeio(1)]
    place = observed(records, [node_on(0, "node0"), node_on(1, "node1")])
    error = refused(plan_attach, place, system_id(0), [device_id(1), device_id(0)], move)
    assert error.message.startswith(f"Cannot attach to node0: {device_id(0)} {reason}")
    assert device_id(1) not in error.message
    assert list(error.details["candidates"]) == [device_id(0)]


def test_the_node_that_had_a_stranded_device_is_named() -> None:
    place = observed([eesv(0, "17"), eeio(0, "99")], [node_on(0, "node0")])
    known = place._replace(last_nodes={(device_id(0), "99"): "web1", (device_id(0), "98"): "web2"})
    where = "stranded in group 99, last used by node web1"
    assert f"{device_id(0)} {where}." in refused(plan_compose, known, node_on(0, "node0"), gpus(1)).message
    assert (
        f"{device_id(0)} is {where} (detach it first"
        in refused(plan_attach, known, system_id(0), [device_id(0)]).message
    )
    assert f"{device_id(0)} is {where}." in refused(plan_detach, known, [device_id(0)], system_id(0)).message


@pytest.mark.parametrize("record", [eeio(0, "18"), eeio(0, "900"), eeio(0, "30")])
def test_with_move_a_device_is_taken_from_where_it_is(record: Record) -> None:
    place = observed([eesv(0, "17"), eesv(1, "18"), eesv(3, "30"), eesv(4, "30"), record])
    steps = plan_attach(place, system_id(0), [device_id(0)], move=True).steps
    assert [(step.action, step.old, step.new) for step in steps] == [
        ("detach", record["group_id"], FREE),
        ("attach", FREE, "17"),
    ]


@pytest.mark.parametrize(
    ("group", "where"),
    [("17", f"attached to {system_id(0)}"), ("18", "attached to node1"), ("900", "stranded in group 900")],
)
def test_a_silent_device_is_not_freed_and_with_skip_silent_the_others_are(group: str, where: str) -> None:
    records = [eesv(0, "17"), eesv(1, "18"), eeio(0, group, **SILENT), eeio(1, "17"), eeio(2, "17", **UNKNOWN_PORTS)]
    place = observed(records, [node_on(1, "node1")])
    wanted = [device_id(number) for number in range(3)]
    error = refused(plan_detach, place, wanted)
    assert error.message == (
        f"Cannot detach: {device_id(0)} does not respond ({where}). Use `skip_silent: true` to leave devices that do not"
        " respond where they are, or forget them first (expether_device with `state: absent`)."
    )
    assert error.details == {"candidates": {device_id(0): f"does not respond ({where})"}}
    plan = plan_detach(place, wanted, skip_silent=True)
    assert [(step.action, step.device) for step in plan.steps] == [("detach", device_id(1)), ("detach", device_id(2))]
    assert [(each.device, each.role) for each in plan.silent] == [(device_id(0), "skipped")]
    assert plan.cards == tuple(wanted)


def test_what_cannot_be_changed_for_another_reason_is_refused_also_with_skip_silent() -> None:
    place = observed([eesv(0, "17"), eeio(0, "17", **SILENT), eeio(1, "17", **DISABLED)])
    error = refused(plan_detach, place, [device_id(0), device_id(1)], skip_silent=True)
    assert error.message == f"Cannot detach: {device_id(1)} is not enabled (admin_status or monitoring_status)."
    both = refused(plan_detach, place, [device_id(0), device_id(1)]).message
    assert device_id(0) in both and device_id(1) in both


def test_a_free_silent_device_is_free_already() -> None:
    assert plan_detach(observed([eeio(0, **SILENT)]), [device_id(0)]) == Plan(cards=(device_id(0),))


def test_a_stranded_device_can_be_freed_without_naming_a_node() -> None:
    (step,) = plan_detach(observed([eesv(0, "17"), eeio(0, "900")]), [device_id(0)]).steps
    assert (step.action, step.node, step.system_id, step.old, step.new) == ("detach", None, None, "900", FREE)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (eeio(0, "18"), "is attached to node1"),
        (eeio(0, "900"), "is stranded in group 900"),
        (eeio(0, "30"), "is in group 30 of several systems"),
    ],
)
def test_a_device_that_is_not_on_the_named_system_is_not_detached(record: Record, reason: str) -> None:
    place = observed([eesv(0, "17"), eesv(1, "18"), eesv(3, "30"), eesv(4, "30"), record], [node_on(1, "node1")])
    error = refused(plan_detach, place, [device_id(0)], system_id(0))
    assert error.message == f"Cannot detach from {system_id(0)}: {device_id(0)} {reason}."


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (eeio(0, "5"), "has group id 5 from its rotary switch, which software does not change"),
        (eeio(0, "17", **DISABLED), "is not enabled (admin_status or monitoring_status)"),
    ],
)
def test_a_device_that_software_may_not_change_is_not_detached(record: Record, reason: str) -> None:
    place = observed([eesv(0, "17"), record], [node_on(0, "node0")])
    error = refused(plan_detach, place, [device_id(0)])
    assert error.message == f"Cannot detach: {device_id(0)} {reason}."
    if record["group_id"] == "17":
        assert refused(plan_release, place, [node_on(0, "node0")]).message == error.message


def test_purge_is_refused_where_what_is_over_may_not_be_detached() -> None:
    place = observed([eesv(0, "17"), eeio(0, "17", **DISABLED), eeio(1, "17", kind="nic")], [node_on(0, "node0")])
    error = refused(plan_compose, place, node_on(0, "node0"), requested({"type": "NIC"}), purge=True)
    assert error.message == f"Cannot detach: {device_id(0)} is not enabled (admin_status or monitoring_status)."
    assert plan_compose(place, node_on(0, "node0"), requested({"type": "NIC"})).steps == ()


# Releasing


def test_a_node_that_shares_its_group_is_not_released_while_there_are_devices_in_it() -> None:
    records = [eesv(0, "17"), eesv(1, "17")]
    node = node_on(0, "node0")
    error = refused(
        plan_release, observed([*records, eeio(0, "17", eesv_mac_address=mac(system_id(0)))], [node]), [node]
    )
    assert f"System {system_id(0)} shares its group id 17 with {system_id(1)}" in error.message
    assert [step.action for step in plan_release(observed(records, [node]), [node]).steps] == ["forget"]


def test_what_is_stranded_where_a_lost_system_was_is_freed_with_its_node() -> None:
    node = node_on(9, "lost")._replace(group_id="21")
    place = observed([eesv(0, "17"), eeio(0, "21"), eeio(1, "22"), eeio(2)], [node])
    steps = plan_release(place, [node]).steps
    assert [(step.action, step.device) for step in steps] == [("detach", device_id(0)), ("forget", None)]


@pytest.mark.parametrize("group_id", ["17", FREE, NONE, None, ""])
def test_of_a_lost_system_that_has_left_nothing_behind_nothing_is_freed_or_forgotten(group_id: str | None) -> None:
    node = node_on(9, "lost")._replace(group_id=group_id)
    place = observed([eesv(0, "17"), eeio(0, "17"), eeio(1), eeio(2, NONE)], [node])
    assert "nor devices in its group" in refused(plan_release, place, [node]).message


def test_the_group_of_a_node_whose_system_is_not_listed_now_is_not_given_to_another() -> None:
    lost = node_on(9, "lost")._replace(group_id="16")
    place = observed([eesv(0, NONE), eeio(0)], [lost])
    assert [step.new for step in plan_attach(place, system_id(0), [device_id(0)]).steps] == ["17", "17"]


def test_two_lost_systems_of_one_group_free_its_devices_once() -> None:
    nodes = [node_on(number, f"lost{number}")._replace(group_id="21") for number in (8, 9)]
    steps = plan_release(observed([eeio(0, "21")], nodes), nodes).steps
    assert [step.action for step in steps].count("detach") == 1


# What other runs hold


def held(*keys: str) -> dict[str, str]:
    return dict.fromkeys(keys, RUN)


def test_a_device_that_another_run_holds_is_waited_for() -> None:
    place = observed([eesv(0, "17"), eeio(0)], held=held(device_id(0)))
    error = refused(plan_compose, place, node_on(0, "new"), gpus(1))
    assert error.message == f"1 GPU requested, 0 free. Not available: {device_id(0)} claimed by {RUN}."
    assert error.blocked_by == held(device_id(0))


def test_another_device_is_taken_instead_of_one_that_is_held() -> None:
    place = observed([eesv(0, "17"), eeio(0), eeio(1)], held=held(device_id(0)))
    assert [step.device for step in plan_compose(place, node_on(0, "new"), gpus(1)).steps if step.device] == [
        device_id(1)
    ]


@pytest.mark.parametrize("oddity", [SILENT, UNKNOWN_PORTS, DISABLED, {"group_id": "3"}])
def test_a_device_that_would_not_serve_anyway_is_not_waited_for(oddity: Record) -> None:
    place = observed([eesv(0, "17"), eeio(0, **oddity)], held=held(device_id(0)))
    assert refused(plan_compose, place, node_on(0, "new"), gpus(1)).blocked_by == {}


def test_a_held_device_of_a_kind_that_is_not_lacking_is_not_waited_for() -> None:
    place = observed([eesv(0, "17"), eeio(0), eeio(1)], held=held(device_id(0)))
    asked = requested({"type": "GPU"}, {"type": "NIC"})
    assert refused(plan_compose, place, node_on(0, "new"), asked).blocked_by == {}


def test_a_system_that_another_run_holds_is_waited_for_if_it_is_wanted() -> None:
    place = observed([eesv(0, "17"), eeio(0)], held=held(system_id(0)))
    for error in (
        refused(choose_system, place, gpus(1)),
        refused(plan_compose, place, node_on(0, "new"), gpus(1)),
        refused(plan_attach, place, system_id(0), [device_id(0)]),
    ):
        assert error.blocked_by == held(system_id(0))
        assert RUN in error.message


def test_another_system_is_taken_instead_of_one_that_is_held() -> None:
    place = observed([eesv(0, "17"), eesv(1)], held=held(system_id(0)))
    assert choose_system(place, gpus(1)).id == system_id(1)


@pytest.mark.parametrize("oddity", [SILENT, UNKNOWN_PORTS, DISABLED, {"group_id": "3"}])
def test_a_system_that_would_not_serve_anyway_is_not_waited_for(oddity: Record) -> None:
    place = observed([eesv(0, **{"group_id": "17", **oddity})], held=held(system_id(0)))
    assert refused(choose_system, place, gpus(1)).blocked_by == {}


def test_only_a_group_id_is_waited_for_where_group_ids_lack() -> None:
    taken = [{"id": f"0x{number:012x}", "status": "eeio", "group_id": str(number)} for number in range(16, 4092)]
    for extra, expected in (({}, {}), (held("4092"), held("4092"))):
        all_taken = taken if extra else [*taken, eesv(1, "4092")]
        place = observed([eesv(0), eeio(0), eeio(1), *all_taken], held={**held(device_id(1)), **extra})
        error = refused(plan_attach, place, system_id(0), [device_id(0)])
        assert error.blocked_by == expected


def with_node(place: ObservedState, *nodes: Node) -> ObservedState:
    return place._replace(nodes={node.system_id: node for node in nodes})


def test_every_card_that_a_plan_would_touch_is_waited_for() -> None:
    """A plan that another run's claims forbid must not be made: to wait is cheaper than to make it again and again."""
    node, records = node_on(0, "node0"), [eesv(0, "17"), eesv(1, "18"), eeio(0, "17"), eeio(1, "18"), eeio(2, "18")]
    plain = with_node(observed(records), node)
    by_system = with_node(observed(records, held=held(system_id(0))), node)
    by_device = with_node(observed(records, held=held(device_id(0))), node)
    nothing_requested = requested({"type": "GPU", "count": 1})
    composing = node._replace(state="composing")
    calls: list[tuple[str, ObservedState, str, t.Callable[[ObservedState], t.Any]]] = [
        ("detach", by_device, device_id(0), lambda place: plan_detach(place, [device_id(0)]).steps),
        ("detach", by_system, system_id(0), lambda place: plan_detach(place, [device_id(0)]).steps),
        ("move", by_device, device_id(0), lambda place: plan_attach(place, system_id(1), [device_id(0)], True).steps),
        ("move", by_system, system_id(0), lambda place: plan_attach(place, system_id(1), [device_id(0)], True).steps),
        ("release", by_device, device_id(0), lambda place: plan_release(place, [node]).steps),
        ("release", by_system, system_id(0), lambda place: plan_release(place, [node]).steps),
        ("manage", by_system, system_id(0), lambda place: plan_manage(place._replace(nodes={}), node).steps),
        (
            "compose",
            by_system,
            system_id(0),
            lambda place: plan_compose(place._replace(nodes={}), node, nothing_requested).steps,
        ),
        (
            "compose",
            by_system,
            system_id(0),
            lambda place: plan_compose(with_node(place, composing), node, nothing_requested).steps,
        ),
    ]
    wrong = []
    for what, place, key, call in calls:
        assert call(plain), what
        try:
            wrong.append(f"{what} is planned though {key} is held: {call(place)}")
        except PlanRefused as error:
            if error.blocked_by != held(key):
                wrong.append(f"{what} waits for {error.blocked_by} instead of {key}")
    assert wrong == []


def test_purge_waits_for_a_held_system_too() -> None:
    node = node_on(0, "node0")
    records = [eesv(0, "17"), eeio(0, "17"), eeio(1, "17")]
    place = observed(records, [node], held(system_id(0)))
    assert refused(plan_compose, place, node, gpus(1), purge=True).blocked_by == held(system_id(0))


def test_what_is_there_already_waits_for_nobody() -> None:
    node = node_on(0, "node0")
    records = [eesv(0, "17"), eeio(0, "17"), eeio(1)]
    place = observed(records, [node], held(system_id(0), device_id(0), device_id(1), "17"))
    assert plan_compose(place, node, gpus(1)).steps == ()
    assert plan_attach(place, system_id(0), [device_id(0)]).steps == ()
    assert plan_detach(place, [device_id(1)]).steps == ()
    assert plan_manage(place, node).steps == ()


def test_the_uuid_of_a_node_tells_whether_a_system_is_its_own() -> None:
    assert node_on(0, "node0").uuid == node_on(1, "NODE0").uuid
    assert node_on(0, "node0").uuid != node_on(0, "node1").uuid
    assert PODM


def test_a_node_is_not_forgotten_while_eem_lists_no_card_at_all() -> None:
    node = node_on(0, "node0")
    assert "EEM lists neither system" in refused(plan_release, observed([], [node]), [node]).message


# A plan that was approved before


def test_a_plan_that_detaches_something_else_than_was_approved_is_refused() -> None:
    here = observed([eesv(0, 17), eesv(1, 18), eeio(0, 17), eeio(1, 17), eeio(2)])
    moved = observed([eesv(0, 17), eesv(1, 18), eeio(0, 17), eeio(1, 18), eeio(2)])
    ids = [device_id(number) for number in range(3)]
    approved = [step_view(step, "planned") for step in plan_detach(here, ids).steps]
    refuse_unapproved(plan_detach(here, ids).steps, approved)
    refuse_unapproved(plan_detach(here, ids[:1]).steps, approved)
    refuse_unapproved(plan_detach(moved, ids).steps, None)
    refuse_unapproved(plan_attach(moved, system_id(0), ids[2:]).steps, [])
    error = refused(refuse_unapproved, plan_detach(moved, ids).steps, approved)
    assert f"approved: {ids[1]} from {system_id(1)} would be detached, but `approved_plan` does not" in error.message
    assert ids[0] not in error.message
    refused(refuse_unapproved, plan_attach(moved, system_id(0), ids, move=True).steps, [])
