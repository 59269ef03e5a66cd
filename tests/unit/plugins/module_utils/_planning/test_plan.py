# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans, their steps, and which node a name means."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.properties import parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import plan_attach, plan_detach
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_node
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import (
    plan_compose,
    plan_manage,
    plan_release,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import (
    link_warnings,
    reboot_required,
    rescan_required,
    warnings,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    GroupChange,
    Plan,
    RegistryAction,
    RegistryChange,
    attach_step,
    detach_step,
    fabric_after,
    nodes_after,
    step_view,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    FREE,
    NONE,
    OTHER_PORT,
    SILENT,
    Record,
    device_id,
    eeio,
    eesv,
    node_on,
    observed,
    system_id,
)

WISH = parse_properties({"pci_device": {"type": ["GPU", "NIC"]}})


def test_composing_a_system_without_a_group_remembers_then_gives_it_one_then_attaches() -> None:
    place = observed([eesv(0), eesv(1, "16"), eeio(0), eeio(1, kind="nic"), eeio(2)])
    assert plan_compose(place, node_on(0, "new"), WISH).steps == (
        RegistryChange("remember", None, "new", system_id(0), None, "composed"),
        GroupChange("set_group", None, "new", system_id(0), NONE, "17"),
        GroupChange("attach", device_id(0), "new", system_id(0), FREE, "17"),
        GroupChange("attach", device_id(1), "new", system_id(0), FREE, "17"),
    )


def test_purge_detaches_before_it_attaches() -> None:
    node = node_on(0, "node0")
    place = observed([eesv(0, "17"), eeio(0, "17", kind="ssd"), eeio(1, "17"), eeio(2), eeio(3, kind="nic")], [node])
    assert plan_compose(place, node, WISH, purge=True).steps == (
        GroupChange("detach", device_id(0), "node0", system_id(0), "17", FREE),
        GroupChange("attach", device_id(3), "node0", system_id(0), FREE, "17"),
    )


def test_of_more_devices_than_wished_purge_keeps_those_that_answer() -> None:
    node = node_on(0, "node0")
    silent = {"notification_status0": ["down", "down"]}
    place = observed([eesv(0, "17"), eeio(0, "17", **silent), eeio(1, "17")], [node])
    gpu = parse_properties({"pci_device": {"type": ["GPU"]}})
    assert [each.device for each in plan_compose(place, node, gpu, purge=True, skip_silent=True).silent] == [
        device_id(0)
    ]
    answering = observed([eesv(0, "17"), eeio(0, "17", **silent), eeio(1, "17"), eeio(2, "17")], [node])
    steps = plan_compose(answering, node, gpu, purge=True, skip_silent=True).steps
    assert [step.device for step in steps] == [device_id(2)]


def test_a_device_that_a_node_has_counts_even_if_it_does_not_answer_at_the_moment() -> None:
    node = node_on(0, "node0")
    silent = {"notification_status0": ["down", "down"]}
    place = observed([eesv(0, "17"), eeio(0, "17", **silent), eeio(1)], [node])
    assert plan_compose(place, node, parse_properties({"pci_device": {"type": ["GPU"]}})).steps == ()


@pytest.mark.parametrize(
    ("state", "devices", "remembered"),
    [
        (None, 1, True),
        (None, 0, True),
        ("composing", 1, True),
        ("composing", 0, True),
        ("managed", 1, True),
        ("managed", 0, False),
        ("composed", 1, False),
        ("composed", 0, False),
    ],
)
def test_a_node_is_remembered_if_it_is_new_or_half_composed_or_becomes_composed(
    state: str | None, devices: int, remembered: bool
) -> None:
    """A managed node is not changed while it has the requested devices."""
    node = node_on(0, "node0", "composed")
    known = [node._replace(state=state)] if state else []  # type: ignore[arg-type]
    place = observed([eesv(0, "17"), eeio(0, FREE if devices else "17")], known)
    steps = plan_compose(place, node, parse_properties({"pci_device": {"type": ["GPU"]}})).steps
    assert [step.action for step in steps] == ["remember"] * remembered + ["attach"] * devices
    if remembered:
        assert (steps[0].old, steps[0].new) == (state, "composed")


@pytest.mark.parametrize(
    ("state", "new"), [(None, "managed"), ("composing", "managed"), ("composed", None), ("managed", None)]
)
def test_managing_adopts_what_is_no_node_or_half_of_one(state: str | None, new: str | None) -> None:
    node = node_on(0, "node0", "managed")
    known = [node._replace(state=state)] if state else []  # type: ignore[arg-type]
    steps = plan_manage(observed([eesv(0, "17"), eeio(0, "17")], known), node).steps
    assert steps == ((RegistryChange("remember", None, "node0", system_id(0), state, "managed"),) if new else ())


def test_a_silent_or_disabled_system_can_be_managed() -> None:
    for oddity in ({"admin_status": "disabled"}, {"notification_status0": ["down"]}, {"group_id": "3"}):
        assert plan_manage(observed([eesv(0, **oddity)]), node_on(0, "new", "managed")).steps


def test_releasing_detaches_then_forgets() -> None:
    node = node_on(0, "node0", "managed")
    place = observed([eesv(0, "17"), eeio(0, "17"), eeio(1, "17"), eeio(2)], [node])
    assert plan_release(place, [node]).steps == (
        GroupChange("detach", device_id(0), "node0", system_id(0), "17", FREE),
        GroupChange("detach", device_id(1), "node0", system_id(0), "17", FREE),
        RegistryChange("forget", None, "node0", system_id(0), "managed", None),
    )


def test_a_device_named_twice_is_attached_once() -> None:
    place = observed([eesv(0, "17"), eeio(0), eeio(1)])
    steps = plan_attach(place, system_id(0), [device_id(1), device_id(0), device_id(1)]).steps
    assert [step.device for step in steps] == [device_id(1), device_id(0)]


def test_moving_to_a_system_without_a_group_gives_it_one_first() -> None:
    place = observed([eesv(0), eesv(1, "18"), eeio(0, "18")], [node_on(1, "node1")])
    assert plan_attach(place, system_id(0), [device_id(0)], move=True).steps == (
        GroupChange("set_group", None, system_id(0), system_id(0), NONE, "16"),
        GroupChange("detach", device_id(0), "node1", system_id(1), "18", FREE),
        GroupChange("attach", device_id(0), system_id(0), system_id(0), FREE, "16"),
    )


# Steps


def test_a_step_is_shown_with_from_to_and_status() -> None:
    step = GroupChange("attach", device_id(0), "node0", system_id(0), FREE, "17")
    assert step_view(step, "planned") == {
        "action": "attach",
        "device": device_id(0),
        "node": "node0",
        "node_id": system_id(0),
        "from": FREE,
        "to": "17",
        "status": "planned",
    }


@pytest.mark.parametrize(
    ("step", "card", "back"),
    [
        (GroupChange("attach", "d", "n", "s", FREE, "17"), "d", GroupChange("detach", "d", "n", "s", "17", FREE)),
        (GroupChange("detach", "d", "n", "s", "17", FREE), "d", GroupChange("attach", "d", "n", "s", FREE, "17")),
        (
            GroupChange("set_group", None, "n", "s", NONE, "17"),
            "s",
            GroupChange("set_group", None, "n", "s", "17", NONE),
        ),
    ],
)
def test_a_change_taken_back_is_the_opposite_change_of_the_same_card(
    step: GroupChange, card: str, back: GroupChange
) -> None:
    assert step.card == back.card == card
    assert step.reversed() == back
    assert step.reversed().reversed() == step


@pytest.mark.parametrize("action", ["remember", "forget"])
def test_what_the_registry_remembers_is_no_change_of_a_card(action: RegistryAction) -> None:
    plan = Plan((RegistryChange(action, None, "n", "s", None, "composed"),))
    assert plan.group_changes == plan.hardware_steps == []


def test_a_plan_taken_back_in_reverse_order_gives_the_snapshot_before() -> None:
    place = observed([eesv(0), eesv(1, "18"), eeio(0, "18"), eeio(1)])
    plan = plan_attach(place, system_id(0), [device_id(0), device_id(1)], move=True)
    there = fabric_after(place.fabric, plan.steps)
    assert {card.group_id for card in there.devices.values()} == {"16"}
    back = fabric_after(there, [step.reversed() for step in reversed(plan.group_changes)])
    unlinked = [  # what the links are then is only expected
        {card.id: card._replace(connected=None) for card in fabric.devices.values()} for fabric in (back, place.fabric)
    ]
    assert back.systems == place.fabric.systems and unlinked[0] == unlinked[1]


def test_the_steps_of_a_device_name_its_system_and_its_node() -> None:
    place = observed(
        [eesv(0, "17"), eesv(1, "18"), eeio(0, "17"), eeio(1, "18"), eeio(2, "900")], [node_on(0, "node0")]
    )
    assert detach_step(place, device_id(0)) == GroupChange("detach", device_id(0), "node0", system_id(0), "17", FREE)
    assert detach_step(place, device_id(1)) == GroupChange(
        "detach", device_id(1), system_id(1), system_id(1), "18", FREE
    )
    assert detach_step(place, device_id(2)) == GroupChange("detach", device_id(2), None, None, "900", FREE)
    system = place.fabric.systems[system_id(0)]
    assert attach_step(place, device_id(9), system, "17").node == "node0"


def test_the_nodes_after_a_plan_are_those_remembered_and_not_those_forgotten() -> None:
    old, new = node_on(0, "old"), node_on(1, "new")
    before = {old.system_id: old}
    remember = RegistryChange("remember", None, "new", system_id(1), None, "composed")
    forget = RegistryChange("forget", None, "old", system_id(0), "composed", None)
    assert nodes_after(before, Plan((remember,), (new,))) == {old.system_id: old, new.system_id: new}
    assert nodes_after(before, Plan((forget,))) == {}
    # A new node takes the place of a forgotten one, whichever step comes first.
    follower = new._replace(system_id=old.system_id)
    follow = remember._replace(system_id=old.system_id)
    for steps in ((forget, follow), (follow, forget)):
        assert nodes_after(before, Plan(steps, (follower,))) == {old.system_id: follower}
    assert nodes_after(before, Plan()) == before == {old.system_id: old}


# Which node is meant


NODES = [node_on(0, "Node1"), node_on(1, "node2"), node_on(2, system_id(2))]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("Node1", 0),
        ("node1", 0),
        ("NODE1", 0),
        ("node2", 1),
        (NODES[1].uuid, 1),
        (NODES[1].uuid.upper(), 1),
        (NODES[1].uuid.replace("-", ""), 1),
        (system_id(1), 1),
        (system_id(1).upper(), 1),
        (system_id(1)[2:], 1),
        (system_id(1)[2:].upper(), 1),
        (system_id(2), 2),
        (system_id(2)[2:].upper(), 2),
    ],
)
def test_a_node_is_found_by_name_uuid_or_eem_id_in_any_case(wanted: str, found: int) -> None:
    assert find_node(observed([], NODES), wanted) == NODES[found]


@pytest.mark.parametrize("wanted", ["", "node", "node3", system_id(9), device_id(0), "0" * 32])
def test_what_names_no_node_finds_none(wanted: str) -> None:
    assert find_node(observed([], NODES), wanted) is None


def test_a_name_that_fits_exactly_comes_before_one_in_another_case() -> None:
    one, other = node_on(0, "node"), node_on(1, "Node")
    for order in ([one, other], [other, one]):
        assert find_node(observed([], order), "Node") == other
        assert find_node(observed([], order), "node") == one


def test_what_users_call_a_system_is_its_node_s_name_or_its_id() -> None:
    place = observed([eesv(0), eesv(1)], [node_on(0, "node0")])
    systems = place.fabric.systems
    assert [place.label(systems[system_id(number)]) for number in (0, 1)] == ["node0", system_id(1)]
    assert place.label(None) is None


# What a user must know beyond success


def test_a_user_is_told_of_reboot_rescan_and_lost_devices() -> None:
    place = observed([eesv(0, **OTHER_PORT), eesv(1, "18"), eeio(0, "18")], [node_on(1, "node1")])
    plan = plan_attach(place, system_id(0), [device_id(0)], move=True).steps
    assert reboot_required(plan)
    assert rescan_required(plan)
    said = warnings(place, plan)
    assert len(said) == 3
    for piece, sentence in zip(("reboot", "rescan", "node1 loses devices"), said):
        assert piece in sentence
        assert sentence.endswith(".")


def test_several_hosts_are_told_in_one_sentence_for_each_matter() -> None:
    place = observed([])
    lost = [
        GroupChange("detach", device_id(number), f"node{number}", system_id(number), "18", "4093") for number in (1, 0)
    ]
    got = [
        GroupChange("attach", device_id(number), f"node{number}", system_id(number), "4093", "18") for number in (2, 3)
    ]
    assert warnings(place, lost + got) == [
        "The hosts of node2, node3 must rescan their PCI bus before they see their new devices.",
        "The hosts of node0, node1 lose devices: their running operating systems may be disturbed.",
    ]


def test_whoever_takes_a_stranded_device_is_told_whose_host_may_still_use_it() -> None:
    both = {"notification_status1": ["up", "down"]}
    place = observed([eesv(0, "17", **both), eeio(0, "99", **both), eeio(1, "99", **both)])
    place = place._replace(last_nodes={(device_id(0), "99"): "web1"})
    known = f"Device {device_id(0)} was stranded in group 99, last used by node web1: the host of node web1 may still be using it."
    unknown = f"Device {device_id(1)} was stranded in group 99: the host that had it, which is unknown, may still be using it."
    ids = [device_id(0), device_id(1)]
    assert warnings(place, plan_attach(place, system_id(0), ids, move=True).steps)[1:] == [known, unknown]
    assert warnings(place, plan_detach(place, ids).steps) == [known, unknown]


def test_whoever_attaches_an_empty_slot_is_told_which() -> None:
    both = {"notification_status1": ["up", "down"]}
    kinds = ("gpu", "zero ids", "no ids", "empty ids")
    place = observed([eesv(0, "17", **both), *(eeio(number, kind=kind, **both) for number, kind in enumerate(kinds))])
    ids = [device_id(number) for number in range(4)]
    assert warnings(place, plan_attach(place, system_id(0), ids).steps)[1:] == [
        f"Attached although the slot is empty: {ids[1]}.",
        f"Attached without knowing whether the slot has a device: {ids[2]}, {ids[3]}.",
    ]
    attached = observed([eesv(0, "17"), eeio(1, "17", kind="zero ids")])
    assert warnings(attached, plan_detach(attached, [ids[1]]).steps) == warnings(
        attached, plan_detach(observed([eesv(0, "17"), eeio(1, "17")]), [ids[1]]).steps
    )


def test_nobody_is_told_anything_when_nothing_is_done() -> None:
    place = observed([eesv(0, "17", **OTHER_PORT), eeio(0, "17")])
    assert warnings(place, ()) == []
    assert not reboot_required(())
    assert not rescan_required(())


def test_how_a_card_is_cabled_is_no_warning() -> None:
    place = observed([eesv(0, "17", **OTHER_PORT), eeio(0, **OTHER_PORT)])
    said = warnings(place, plan_attach(place, system_id(0), [device_id(0)]).steps)
    assert len(said) == 1
    assert "rescan" in said[0]


DOWN = {"eesv_connection_status": "down", "path_status0": "up", "path_status1": "down"}


@pytest.mark.parametrize(
    ("device", "system"),
    [
        ({**DOWN, "eesv_connection_status": "up"}, {}),
        ({**DOWN, "eesv_connection_status": "flapping"}, {}),
        ({"eesv_connection_status": None}, {}),
        ({**DOWN, **SILENT}, {}),
        (DOWN, {"power_status": "off"}),
        (DOWN, {"group_id": "18"}),
    ],
)
def test_a_device_that_needs_nobody_is_no_warning(device: Record, system: Record) -> None:
    place = observed([eesv(0, **{"group_id": "17", **system}), eeio(0, "17", **device)])
    assert link_warnings(place, [device_id(0)], ()) == []


def test_a_device_whose_link_is_down_is_named_with_what_to_look_at() -> None:
    place = observed([eesv(0, "17"), eeio(0, "17", **DOWN), eeio(1, "17", **DOWN), eeio(2)], [node_on(0, "node0")])
    (said,) = link_warnings(place, [device_id(0), device_id(0), device_id(2), device_id(9)], ())
    for piece in (device_id(0), "node0", "path_status0: up", "path_status1: down", "power", "reboot"):
        assert piece in said
    place = observed([eesv(0, "17"), eeio(0, "17", eesv_connection_status="down")])
    (said,) = link_warnings(place, [device_id(0)], ())
    assert f"to {system_id(0)}" in said and "path_status0: not reported" in said


def test_a_system_that_just_got_its_group_id_needs_a_reboot_before_links_can_be_up() -> None:
    plan = plan_attach(observed([eesv(0), eeio(0)]), system_id(0), [device_id(0)]).steps
    after = observed([eesv(0, "17"), eeio(0, "17", **DOWN)])
    assert link_warnings(after, [device_id(0)], plan) == []
    assert len(link_warnings(after, [device_id(0)], [step for step in plan if step.action != "set_group"])) == 1
