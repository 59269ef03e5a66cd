# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which node a task means, whether it is new, adopted, half composed or somebody else's, and on which system it is."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import node_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, NodeState
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Properties, parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import (
    NodeRequest,
    plan_absent,
    plan_forget_node,
    plan_managed,
    plan_present,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import silent_warnings
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    GroupChange,
    ObservedState,
    Plan,
    RegistryChange,
    SilentDevice,
    fabric_after,
    nodes_after,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    DISABLED,
    PODM,
    SILENT,
    UNKNOWN_PORTS,
    Entry,
    Fleet,
    Record,
    Request,
    best_system,
    compose_requests,
    device_id,
    device_requests,
    devices_of,
    eeio,
    eesv,
    fleets,
    mac,
    node_on,
    observed,
    system_id,
    systems,
    wanted,
)
from hypothesis import assume, event, given
from hypothesis import strategies as st

Decision = t.Callable[[ObservedState, NodeRequest], Plan]

GPU = parse_properties({"devices": [{"type": "GPU"}]})
STATES: tuple[NodeState, ...] = ("composing", "composed", "managed")


def properties_of(entries: list[Entry]) -> Properties:
    return parse_properties({"devices": entries})


def nodes_of(fleet: Fleet) -> list[Node]:
    return sorted(fleet.nodes.values(), key=lambda node: node.name)


@st.composite
def fleets_with_a_node(draw: st.DrawFn) -> tuple[Fleet, Node]:
    """Give fleets, and one of the nodes in each."""
    fleet = draw(fleets())
    assume(fleet.nodes)
    return fleet, draw(st.sampled_from(nodes_of(fleet)))


@st.composite
def fleets_with_a_system(draw: st.DrawFn) -> tuple[Fleet, str]:
    """Give fleets, and one of the systems in each."""
    fleet = draw(fleets())
    return fleet, draw(st.sampled_from(systems(fleet)))


def outcome_of(decide: Decision, of: ObservedState, request: NodeRequest) -> Plan | str:
    """Return a plan, or the kind of refusal with its message."""
    try:
        return decide(of, request)
    except (InvalidInput, NotFound, PlanRefused) as error:
        return f"{error.kind}: {error.message}"


# A node that is new


@given(fleets(most_systems=6), device_requests())
def test_a_new_node_gets_the_best_system_that_has_room_for_all_of_it(fleet: Fleet, entries: list[Entry]) -> None:
    best = best_system(fleet, wanted(entries))
    made = outcome_of(plan_present, fleet.observed, NodeRequest("new", None, properties_of(entries)))
    if isinstance(made, str):
        event("no system" if best is None else "no devices")
        assert made.startswith("refused: No system can host") == (best is None)
        return
    event("planned")
    assert made.node == Node(node_uuid(PODM, "new"), "new", best, "composed")
    assert made.steps[0] == RegistryChange("remember", None, "new", best, None, "composed")


@given(fleets_with_a_system(), device_requests())
def test_a_new_node_is_on_the_system_that_the_task_names_and_on_no_other(
    place: tuple[Fleet, str], entries: list[Entry]
) -> None:
    fleet, index = place
    made = outcome_of(plan_present, fleet.observed, NodeRequest("new", index, properties_of(entries)))
    if index in fleet.nodes:
        assert made == f"refused: System {index} is node {fleet.nodes[index].name} already."
    elif not isinstance(made, str):
        assert made.node == Node(node_uuid(PODM, "new"), "new", index, "composed")
        assert {step.system_id for step in made.steps} == {index}
        assert made.steps[0] == RegistryChange("remember", None, "new", index, None, "composed")


def test_devices_that_a_system_has_already_count_for_the_node_that_it_becomes() -> None:
    made = plan_present(observed([eesv(0, "17"), eeio(0, "17"), eeio(1)]), NodeRequest("new", system_id(0), GPU))
    assert [step.action for step in made.steps] == ["remember"]


@given(fleets(), st.sampled_from([None, 0, 1, 9]))
def test_a_node_that_does_not_exist_is_not_composed_without_the_devices_that_it_should_have(
    fleet: Fleet, number: int | None
) -> None:
    place = None if number is None else system_id(number)
    assert outcome_of(plan_present, fleet.observed, NodeRequest("new", place)) == (
        "invalid: Node 'new' does not exist. Set `flavor` or `properties` to create it."
    )


@pytest.mark.parametrize("decide", [plan_present, plan_managed])
def test_a_new_node_on_a_system_that_eem_does_not_list_or_on_a_device_is_refused(decide: Decision) -> None:
    place = observed([eesv(0, "17"), eeio(0)])
    with pytest.raises(NotFound, match=f"EEM does not list system {system_id(7)}"):
        decide(place, NodeRequest("new", system_id(7), GPU))
    with pytest.raises(PlanRefused, match=r"a system \(EESV\) is required here"):
        decide(place, NodeRequest("new", device_id(0), GPU))


@pytest.mark.parametrize("decide", [plan_present, plan_managed])
@pytest.mark.parametrize("form", [str.upper, lambda card: card[2:], lambda card: card[2:].upper(), mac])
def test_a_node_named_by_the_id_of_its_system_has_that_name_in_eem_s_form(
    decide: Decision, form: t.Callable[[str], str]
) -> None:
    place = observed([eesv(0, "17"), eeio(0)])
    node = decide(place, NodeRequest(form(system_id(0)), system_id(0), GPU)).node
    assert node is not None
    assert (node.name, node.uuid) == (system_id(0), node_uuid(PODM, system_id(0)))


@pytest.mark.parametrize("decide", [plan_present, plan_managed])
def test_the_id_of_another_card_is_not_the_name_of_a_new_node(decide: Decision) -> None:
    place = observed([eesv(0, "17"), eesv(1), eeio(0)])
    for name in (system_id(1), device_id(0).upper()):
        with pytest.raises(InvalidInput, match="would be mistaken for the id of a card"):
            decide(place, NodeRequest(name, system_id(0), GPU))


# A node that is adopted


@given(fleets_with_a_system())
def test_a_system_is_adopted_as_it_is_unless_it_is_another_node_or_claimed(place: tuple[Fleet, str]) -> None:
    fleet, index = place
    made = outcome_of(plan_managed, fleet.observed, NodeRequest("new", index))
    if index in fleet.nodes:
        assert made == f"refused: System {index} is node {fleet.nodes[index].name} already."
    elif index in fleet.held:
        assert made == f"refused: Another run is changing {index} (claimed by {fleet.held[index]})."
    else:
        assert isinstance(made, Plan)
        assert made.steps == (RegistryChange("remember", None, "new", index, None, "managed"),)
        assert made.node == Node(node_uuid(PODM, "new"), "new", index, "managed")


@given(fleets_with_a_node(), st.booleans())
def test_of_a_node_that_exists_nothing_is_adopted_unless_it_was_left_half_composed(
    place: tuple[Fleet, Node], named: bool
) -> None:
    fleet, node = place
    request = NodeRequest(node.name, node.system_id if named else None)
    made = outcome_of(plan_managed, fleet.observed._replace(claimed_by_others={}), request)
    assert isinstance(made, Plan)
    if node.state == "composing":
        assert made.steps == (RegistryChange("remember", None, node.name, node.system_id, "composing", "managed"),)
        assert made.node == node._replace(state="managed")
    else:
        assert isinstance(made, Plan) and (made.steps, made.node) == ((), node)


def test_a_system_can_be_adopted_under_its_own_id_without_naming_it_twice() -> None:
    place = observed([eesv(0, "17")])
    assert plan_managed(place, NodeRequest(system_id(0).upper())) == plan_managed(
        place, NodeRequest(system_id(0), system_id(0))
    )


def test_what_is_adopted_must_be_named() -> None:
    with pytest.raises(InvalidInput, match="Node 'new' does not exist. Set `node_index` to the system to adopt."):
        plan_managed(observed([eesv(0, "17")]), NodeRequest("new"))


@given(fleets_with_a_system(), device_requests(), st.booleans())
def test_an_adopted_node_becomes_composed_only_when_its_devices_change(
    place: tuple[Fleet, str], entries: list[Entry], purge: bool
) -> None:
    fleet, index = place
    node = node_on(int(index[-2:], 16), "adopted", "managed")
    of = fleet._replace(nodes={**fleet.nodes, index: node}).observed
    made = outcome_of(plan_present, of, NodeRequest("adopted", None, properties_of(entries), purge))
    if isinstance(made, str):
        return
    actions = [step.action for step in made.steps]
    assert made.node == (node._replace(state="composed") if actions else node)
    assert actions == [] or (actions[0] == "remember" and {"attach", "detach"} & set(actions))


# A node that was left half composed


@given(fleets_with_a_node())
def test_a_half_composed_node_is_finished_only_by_a_task_that_says_what_it_should_have(
    place: tuple[Fleet, Node],
) -> None:
    fleet, node = place
    made = outcome_of(plan_present, fleet.observed, NodeRequest(node.name))
    if node.state == "composing":
        assert made == (
            f"invalid: Node {node.name} was left half composed. Set `flavor` or `properties` again, or release it."
        )
    else:
        assert isinstance(made, Plan) and (made.steps, made.node) == ((), node)


@given(fleets_with_a_node(), device_requests())
def test_a_half_composed_node_is_finished_on_its_system_though_its_devices_are_there_already(
    place: tuple[Fleet, Node], entries: list[Entry]
) -> None:
    fleet, node = place
    half = node._replace(state="composing")
    of = fleet._replace(nodes={**fleet.nodes, node.system_id: half}).observed
    made = outcome_of(plan_present, of, NodeRequest(node.name, None, properties_of(entries)))
    if isinstance(made, str):
        return
    assert made.steps[0] == RegistryChange("remember", None, node.name, node.system_id, "composing", "composed")
    assert made.node == half._replace(state="composed")
    after = fleet.after(made.steps, nodes_after(fleet.nodes, made))
    again = plan_present(after.observed, NodeRequest(node.name))
    assert (again.steps, again.node) == ((), made.node)


@pytest.mark.parametrize("state", STATES)
def test_a_node_of_every_state_is_released_with_its_devices(state: NodeState) -> None:
    node = node_on(0, "node0", state)
    made = plan_absent(observed([eesv(0, "17"), eeio(0, "17")], [node]), NodeRequest("node0"))
    assert [(step.action, step.old) for step in made.steps] == [("detach", "17"), ("forget", state)]
    assert made.node == node


# A node that is elsewhere


@given(fleets_with_a_node(), st.integers(0, 9), st.one_of(st.none(), device_requests()), st.booleans())
def test_a_node_is_not_moved_to_another_system_whatever_else_the_task_says(
    place: tuple[Fleet, Node], number: int, entries: list[Entry] | None, purge: bool
) -> None:
    fleet, node = place
    other = system_id(number)
    assume(other != node.system_id)
    request = NodeRequest(node.name, other, None if entries is None else properties_of(entries), purge)
    for decide in (plan_present, plan_managed):
        assert outcome_of(decide, fleet.observed, request) == (
            f"refused: Node {node.name} is on system {node.system_id}, not on {other}. Release it first."
        )


@given(
    fleets_with_a_node(),
    st.one_of(st.none(), device_requests()),
    st.sampled_from([plan_present, plan_managed, plan_absent]),
)
def test_a_node_is_one_and_the_same_by_its_name_in_any_case_its_uuid_and_the_id_of_its_system(
    place: tuple[Fleet, Node], entries: list[Entry] | None, decide: Decision
) -> None:
    fleet, node = place
    request = NodeRequest(node.name, None, None if entries is None else properties_of(entries))
    expected = outcome_of(decide, fleet.observed, request)
    for name in (node.name.upper(), node.uuid, node.uuid.upper(), node.system_id, node.system_id[2:].upper()):
        assert outcome_of(decide, fleet.observed, request._replace(name=name)) == expected


def test_a_node_whose_system_eem_does_not_list_is_not_said_to_be_as_it_should() -> None:
    node = node_on(9, "lost")
    for properties in (None, GPU):
        with pytest.raises(NotFound, match=f"EEM does not list system {node.system_id}"):
            plan_present(observed([eesv(0), eeio(0)], [node]), NodeRequest("lost", None, properties))


# A node that is released


@given(fleets(), st.sampled_from(["new", "node", system_id(9), "1" * 32]))
def test_releasing_a_node_that_does_not_exist_does_nothing(fleet: Fleet, name: str) -> None:
    assert plan_absent(fleet.observed, NodeRequest(name)) == Plan()


@given(fleets_with_a_node())
def test_a_released_node_is_the_one_that_was_named_and_loses_all_it_has(place: tuple[Fleet, Node]) -> None:
    fleet, node = place
    made = outcome_of(plan_absent, fleet.observed, NodeRequest(node.name))
    if isinstance(made, str):
        return
    assert made.node == node
    assert {step.system_id for step in made.steps} == {node.system_id}
    assert [step.device for step in made.steps] == [
        *(device["id"] for device in devices_of(fleet.records, node.system_id)),
        None,
    ]
    assert node.system_id not in nodes_after(fleet.nodes, made)


def test_a_node_that_is_only_forgotten_keeps_its_devices() -> None:
    node = node_on(0, "node0", "managed")
    made = plan_forget_node(node)
    assert made == Plan((RegistryChange("forget", None, "node0", system_id(0), "managed", None),), (node,))
    assert made.hardware_steps == []


def test_a_silent_system_does_not_keep_a_node_from_being_released() -> None:
    place = observed([eesv(0, "17", **SILENT), eeio(0, "17")], [node_on(0, "node0")])
    assert [step.action for step in plan_absent(place, NodeRequest("node0")).steps] == ["detach", "forget"]


@pytest.mark.parametrize("group", ["17", "30"])
def test_a_node_with_a_silent_device_is_released_only_without_it(group: str) -> None:
    """Also if somebody has given its system another group since, and the device was left in the former one."""
    node = node_on(0, "node0")._replace(group_id="17")
    place = observed([eesv(0, group), eeio(0, "17", **SILENT), eeio(1, group)], [node])
    with pytest.raises(PlanRefused) as caught:
        plan_absent(place, NodeRequest("node0"))
    assert caught.value.message.startswith(f"Cannot detach: {device_id(0)} does not respond (attached to node0).")
    plan = plan_absent(place, NodeRequest("node0", skip_silent=True))
    assert [(step.action, step.device) for step in plan.steps] == [("detach", device_id(1)), ("forget", None)]
    assert plan.silent == (SilentDevice(device_id(0), "node0", "left"),)


# A node with devices that do not respond


def silent_node(*records: Record, known: bool = True, left_behind: bool = False, most: str = "16") -> ObservedState:
    """Node node0 with a silent GPU, or its system, and further cards."""
    of = observed(
        [eesv(0, "17", max_eeio_count=most), eeio(0, "17", **SILENT), *records], [node_on(0, "node0")] if known else []
    )
    return of._replace(last_nodes={(device_id(0), "17"): "train-1"} if left_behind else {})


def composed(of: ObservedState, count: int = 1, **options: bool) -> Plan:
    properties = parse_properties({"devices": [{"type": "GPU", "count": count}]})
    return plan_present(of, NodeRequest("node0", system_id(0), properties, **options))


def changes_of(plan: Plan) -> list[tuple[str, str | None, bool]]:
    return [(step.action, step.device, step.optional) for step in plan.steps if isinstance(step, GroupChange)]


@pytest.mark.parametrize("decide", [plan_present, plan_managed])
def test_a_silent_device_of_a_node_is_said_where_nothing_is_requested(decide: Decision) -> None:
    plan = decide(silent_node(eeio(1, "17")), NodeRequest("node0"))
    assert plan.silent == (SilentDevice(device_id(0), "node0", "member"),)


def test_a_silent_device_counts_and_is_said() -> None:
    plan = composed(silent_node(eeio(1)))
    assert (plan.steps, plan.silent) == ((), (SilentDevice(device_id(0), "node0", "counted"),))
    assert silent_warnings(plan.silent, silent_node().fabric) == [
        f"Node node0 has less than was requested, because these devices do not respond: {device_id(0)}. Set"
        " `replace_silent: true` to attach others in their place."
    ]


def test_a_silent_device_is_replaced_and_asked_to_go_last() -> None:
    place = silent_node(eeio(1), eeio(2, "17", kind="nic"))
    plan = composed(place, replace_silent=True)
    assert changes_of(plan) == [("attach", device_id(1), False), ("detach", device_id(0), True)]
    assert plan.silent == (SilentDevice(device_id(0), "node0", "replaced"),)
    assert silent_warnings(plan.silent, fabric_after(place.fabric, plan.steps)) == []
    (said,) = silent_warnings(plan.silent, place.fabric)
    assert said.startswith(f"EEM did not detach these devices of node0, which do not respond: {device_id(0)}.")


@pytest.mark.parametrize("purge", [True, False])
def test_a_silent_device_beyond_the_request_is_left_alone_by_replace_silent(purge: bool) -> None:
    plan = composed(silent_node(eeio(1, "17")), purge=purge, replace_silent=True)
    assert plan.steps == ()
    assert [each.role for each in plan.silent] == ["skipped" if purge else "extra"]


def test_a_disabled_silent_device_is_replaced_and_not_asked() -> None:
    place = observed([eesv(0, "17"), eeio(0, "17", **SILENT, **DISABLED), eeio(1)], [node_on(0, "node0")])
    plan = composed(place, replace_silent=True)
    assert changes_of(plan) == [("attach", device_id(1), False)]
    assert [each.role for each in plan.silent] == ["extra"]


def test_a_device_that_reports_nothing_of_its_ports_counts_before_a_silent_one() -> None:
    place = silent_node(eeio(1, "17", **UNKNOWN_PORTS))
    assert composed(place, replace_silent=True).steps == ()


def test_what_an_interrupted_replacement_has_left_is_asked_to_go() -> None:
    place = silent_node(eeio(1, "17"))
    half = place._replace(nodes={system_id(0): node_on(0, "node0", "composing")})
    assert changes_of(composed(half, replace_silent=True)) == [("detach", device_id(0), True)]


def test_without_a_slot_or_another_device_a_silent_one_is_not_replaced() -> None:
    full = silent_node(eeio(1, "17", kind="nic"), eeio(2), most="2")
    with pytest.raises(PlanRefused) as caught:
        composed(full, replace_silent=True)
    assert caught.value.message == (
        f"System {system_id(0)} takes 2 devices and has 0 free slots, but would have 3 devices. Devices that do not respond"
        f" use slots too: {device_id(0)}. Forget those that are gone (expether_device with `state: absent`)."
    )
    with pytest.raises(PlanRefused) as caught:
        composed(silent_node(eeio(1, "17"), eeio(2, kind="nic")), 2, replace_silent=True)
    assert caught.value.message == (
        f"2 GPU requested, 1 attached already, 0 free. Not available: {device_id(0)} not responding."
    )


def test_purge_does_not_detach_a_silent_device() -> None:
    place = silent_node(eeio(1, "17"), eeio(2, "17"))
    with pytest.raises(PlanRefused, match="Use `skip_silent: true`"):
        composed(place, purge=True)
    plan = composed(place, purge=True, skip_silent=True)
    assert changes_of(plan) == [("detach", device_id(2), False)]
    assert [(each.device, each.role) for each in plan.silent] == [(device_id(0), "skipped")]


def test_what_a_released_node_has_left_behind_uses_a_slot_and_does_not_count() -> None:
    left = silent_node(eeio(1), eeio(2), known=False, left_behind=True, most="2")
    plan = composed(left)
    assert changes_of(plan) == [("attach", device_id(1), False)]
    assert [each.role for each in plan.silent] == ["extra"]
    with pytest.raises(PlanRefused, match=f"Devices that do not respond use slots too: {device_id(0)}"):
        composed(left, 2)
    adopted = composed(silent_node(eeio(1), known=False))
    assert (changes_of(adopted), [each.role for each in adopted.silent]) == ([], ["counted"])


@given(compose_requests(chosen=True), st.booleans())
def test_a_replaced_device_is_not_replaced_again_whether_eem_lets_it_go_or_not(request: Request, granted: bool) -> None:
    request = request._replace(arguments={**request.arguments, "replace_silent": True})
    fleet = request.fleet._replace(held={})
    try:
        made = request.again(fleet).made()
    except (NotFound, PlanRefused):
        return
    event("replaced" if any(step.optional for step in made.group_changes) else "nothing replaced")
    done = [step for step in made.steps if granted or not getattr(step, "optional", False)]
    after = fleet.after(done, nodes_after(fleet.nodes, made))
    again = request._replace(fleet=after, arguments={**request.arguments, "node": made.node}).made()
    assert again.steps == ()


def test_devices_left_in_the_group_that_a_system_had_are_released_with_its_node() -> None:
    node = node_on(0, "node0")._replace(group_id="17")
    records = [eesv(0, "30"), eeio(0, "17"), eeio(1, "30"), eeio(2, "99"), eeio(3)]
    steps = plan_absent(observed(records, [node]), NodeRequest("node0")).steps
    assert [(step.action, step.device) for step in steps] == [
        ("detach", device_id(1)),
        ("detach", device_id(0)),
        ("forget", None),
    ]


def test_devices_in_the_group_that_another_system_has_now_are_not_released() -> None:
    node = node_on(0, "node0")._replace(group_id="17")
    records = [eesv(0, "30"), eesv(1, "17"), eeio(0, "17")]
    assert [step.action for step in plan_absent(observed(records, [node]), NodeRequest("node0")).steps] == ["forget"]


def test_a_new_node_waits_for_a_claimed_system_when_the_unclaimed_one_cannot_serve() -> None:
    """With purge, the unclaimed system would lose a device that is disabled and therefore stays."""
    records = [eesv(0, "17"), eesv(1, "18"), eeio(0), eeio(1, "18", kind="nic", admin_status="disabled")]
    with pytest.raises(PlanRefused) as caught:
        plan_present(observed(records, held={system_id(0): "run 0"}), NodeRequest("new", properties=GPU, purge=True))
    assert caught.value.blocked_by == {system_id(0): "run 0"}


def test_a_new_node_waits_for_no_claim_that_is_not_in_its_way() -> None:
    records = [eesv(0, "17"), eesv(1, "18"), eeio(1, "17", kind="nic", admin_status="disabled")]
    with pytest.raises(PlanRefused) as caught:
        plan_present(observed(records, held={system_id(1): "run 1"}), NodeRequest("new", properties=GPU, purge=True))
    assert caught.value.blocked_by == {}
