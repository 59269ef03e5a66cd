# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts of whole pods, case by case: which devices go where, in which order, and what a refusal says."""

from __future__ import annotations

import sys
import types
import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    NotFound,
    PlanRefused,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.layout import LayoutRequest, plan_layout
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import NodeRequest
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    ObservedState,
    Plan,
    SilentDevice,
    Step,
    nodes_after,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    DISABLED,
    FREE,
    NONE,
    SILENT,
    Record,
    device_id,
    devices_of,
    eeio,
    eesv,
    fits,
    node_on,
    observed,
    system_id,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.layouts import (
    CASES,
    GPU,
    NIC,
    V100,
    Layout,
    entry,
    large_pod,
    properties,
    wild_layouts,
)
from hypothesis import event, given


def planned(of: ObservedState, *entries: NodeRequest, **options: bool) -> Plan:
    return plan_layout(of, LayoutRequest(entries, **options))


def refused(of: ObservedState, *entries: NodeRequest, **options: bool) -> PlanRefused:
    with pytest.raises(PlanRefused) as caught:
        planned(of, *entries, **options)
    return caught.value


def brief(steps: t.Iterable[Step]) -> list[tuple[str, t.Any, str]]:
    """Return the action of each step, the number of its device or else its node, and the number of its system."""
    return [
        (step.action, int(step.device[-2:], 16) if step.device else step.node, (step.system_id or "")[-1])
        for step in steps
    ]


def pod(*records: Record, nodes: int = 2, **more: t.Any) -> ObservedState:
    """Return a pod with some nodes, each on a system with its own group: 17, 18, ..."""
    systems = [eesv(number, str(17 + number)) for number in range(nodes)]
    return observed([*systems, *records], [node_on(number, f"node{number}") for number in range(nodes)], **more)


# Which devices go where


def test_requests_that_overlap_are_met_together() -> None:
    """The first node may have any GPU, so it leaves the only V100 to the second one, though that has the lower id."""
    plan = planned(pod(eeio(0), eeio(1, kind="other gpu")), entry(0, GPU), entry(1, V100))
    assert brief(plan.steps) == [("attach", 1, "0"), ("attach", 0, "1")]


def test_earlier_nodes_get_devices_with_lower_ids() -> None:
    plan = planned(pod(*map(eeio, range(4))), entry(1, {**GPU, "count": 2}), entry(0, {**GPU, "count": 2}))
    assert brief(plan.steps) == [("attach", 0, "1"), ("attach", 1, "1"), ("attach", 2, "0"), ("attach", 3, "0")]


def test_with_move_nodes_swap_devices_and_without_it_the_refusal_names_it() -> None:
    of = pod(eeio(0, "17"), eeio(1, kind="other gpu"))
    error = refused(of, entry(0, GPU), entry(1, V100))
    assert error.message == (
        f"Node node1: 1 GPU *:1db6 requested, 0 free. Not available: {device_id(0)} attached to node0."
        " The layout is possible with `move: true`."
    )
    assert error.details == {"candidates": {"node1": {device_id(0): "attached to node0"}}}
    plan = planned(of, entry(0, GPU), entry(1, V100), move=True)
    assert brief(plan.steps) == [("detach", 0, "0"), ("attach", 1, "0"), ("attach", 0, "1")]
    assert [(step.node, step.new) for step in plan.group_changes] == [("node0", FREE), ("node0", "17"), ("node1", "18")]


def test_what_purge_frees_is_attached_elsewhere_and_chosen_for_that() -> None:
    """The first node keeps one of two GPUs, and not the one that comes first, because the second node needs that."""
    of = pod(eeio(0, "17"), eeio(1, "17", kind="other gpu"))
    plan = planned(of, entry(0, GPU, purge=True), entry(1, V100))
    assert brief(plan.steps) == [("detach", 0, "0"), ("attach", 0, "1")]
    assert refused(of, entry(0, GPU), entry(1, V100)).message.endswith(
        " The layout is possible with `move: true` or with `purge: true` for all nodes."
    )


def test_what_nobody_lists_is_left_alone_or_released() -> None:
    of = pod(eesv(2, "19"), eeio(0, "17"), eeio(1, "18"), eeio(2, "19"))
    error = refused(of, entry(0, {**GPU, "count": 2}))
    assert error.message.endswith(" The layout is possible with `release_others: true`.")
    assert {device_id(1): "attached to node1", device_id(2): f"attached to {system_id(2)}"} == error.details[
        "candidates"
    ]["node0"]
    plan = planned(of, entry(0, {**GPU, "count": 2}), release_others=True)
    assert brief(plan.steps) == [("detach", 1, "1"), ("forget", "node1", "1"), ("attach", 1, "0")]
    assert [node.name for node in plan.nodes] == ["node0"]


def test_a_new_node_takes_over_the_system_of_a_released_one_with_the_devices_that_it_requests() -> None:
    of = pod(eeio(0, "17"), eeio(1, "17", kind="nic"), nodes=1)
    new = NodeRequest("new", None, properties(GPU))
    assert refused(of, new).message == (
        f"Node new: No system can host 1 device: {system_id(0)} is node node0."
        " The layout is possible with `release_others: true`."
    )
    for request in (new, new._replace(system_id=system_id(0))):
        plan = planned(of, request, release_others=True)
        assert brief(plan.steps) == [("remember", "new", "0"), ("forget", "node0", "0"), ("detach", 1, "0")]
        assert nodes_after(of.nodes, plan) == {system_id(0): plan.nodes[0]}


def test_systems_that_get_a_group_get_different_ones_before_their_devices() -> None:
    records = [eesv(0, NONE), eesv(1, NONE), eeio(0), eeio(1)]
    new = [NodeRequest(name, None, properties(GPU)) for name in ("a", "b")]
    plan = planned(observed(records), *new)
    assert brief(plan.steps) == [
        ("remember", "a", "0"),
        ("remember", "b", "1"),
        ("set_group", "a", "0"),
        ("set_group", "b", "1"),
        ("attach", 0, "0"),
        ("attach", 1, "1"),
    ]
    assert [step.new for step in plan.group_changes] == ["16", "17", "16", "17"]


def test_the_largest_new_node_gets_the_system_that_it_needs() -> None:
    records = [eesv(0, "17"), eesv(1, "18", max_eeio_count="1"), *map(eeio, range(3))]
    new = [NodeRequest("small", None, properties(GPU)), NodeRequest("large", None, properties({**GPU, "count": 2}))]
    plan = planned(observed(records), *new)
    assert [(node.name, node.system_id) for node in plan.nodes] == [("small", system_id(1)), ("large", system_id(0))]


def test_a_new_node_gets_a_system_with_devices_if_no_others_are_free() -> None:
    records = [eesv(number, str(17 + number)) for number in range(40)]
    records += [eeio(number, str(37 + number)) for number in range(20)]
    new = [NodeRequest(f"new{number}", None, properties(GPU)) for number in range(20)]
    plan = planned(observed(records), *new)
    assert {node.system_id for node in plan.nodes} == {system_id(number) for number in range(20, 40)}
    assert plan.group_changes == []


def test_a_full_system_gives_a_device_away_before_it_gets_another_one() -> None:
    records = [
        eesv(0, "17", max_eeio_count="1"),
        eesv(1, "18"),
        eeio(0, "17", kind="nic"),
        eeio(1),
        eeio(2, kind="nic"),
    ]
    of = observed(records, [node_on(0, "node0"), node_on(1, "node1")])
    assert refused(of, entry(0, GPU), entry(1, NIC)).message == (
        f"Node node0: System {system_id(0)} takes 1 devices and has 0 free slots, but would have 2 devices."
        " The layout is possible with `move: true` or with `purge: true` for all nodes."
    )
    plan = planned(of, entry(0, GPU), entry(1, NIC), move=True)
    assert brief(plan.steps) == [("detach", 0, "0"), ("attach", 1, "0"), ("attach", 0, "1")]


def test_a_device_that_cannot_be_detached_stays_with_a_node_that_is_purged() -> None:
    of = pod(eeio(0, "17", **DISABLED), eeio(1, "17"), eeio(2, kind="nic"))
    plan = planned(of, entry(0, GPU, NIC, purge=True), entry(1, GPU), move=True)
    assert brief(plan.steps) == [("detach", 1, "0"), ("attach", 2, "0"), ("attach", 1, "1")]


# Entries that are not valid


@pytest.mark.parametrize(
    ("entries", "same"),
    [
        ([entry(0, GPU), NodeRequest("NODE0")], "`nodes[0]` (node0) and `nodes[1]` (NODE0) are the same node: node0."),
        ([entry(0), NodeRequest(system_id(0)), entry(1)], f"`nodes[0]` (node0) and `nodes[1]` ({system_id(0)})"),
        ([NodeRequest("a", None, properties(GPU)), NodeRequest("A", None, properties(NIC))], "are the same node: A."),
        (
            [NodeRequest("a", system_id(2), properties(GPU)), NodeRequest("b", system_id(2), properties(NIC))],
            "node: b.",
        ),
    ],
)
def test_a_node_is_listed_once(entries: list[NodeRequest], same: str) -> None:
    of = observed([*map(eesv, range(3)), eeio(0)], [node_on(0, "node0"), node_on(1, "node1")])
    with pytest.raises(InvalidInput) as caught:
        planned(of, *entries)
    assert same in caught.value.message and caught.value.message.endswith("List it once.")


def test_a_node_that_does_not_exist_needs_properties_and_one_that_does_keeps_what_it_has() -> None:
    of = pod(eeio(0, "17", **SILENT))
    plan = planned(of, entry(0), release_others=True)
    assert brief(plan.steps) == [("forget", "node1", "1")]
    assert (plan.nodes, plan.silent) == ((of.nodes[system_id(0)],), (SilentDevice(device_id(0), "node0", "member"),))
    with pytest.raises(InvalidInput, match="Node 'node7' does not exist. Set `flavor` or `properties` to create it."):
        planned(of, entry(7))
    with pytest.raises(NotFound, match="EEM does not list system"):
        planned(observed([eesv(0)], [node_on(9, "node9")]), entry(9))


# Refusals


def test_each_request_that_is_not_met_is_named() -> None:
    of = pod(eeio(0, **SILENT), eeio(1), eeio(2, "18", kind="nic", **DISABLED), nodes=3)
    error = refused(of, entry(0, {**GPU, "count": 2}), entry(1, GPU, purge=True), entry(2, NIC))
    assert error.message == (
        f"Node node0: 2 GPU requested, 1 free. Not available: {device_id(0)} not responding."
        f" Node node1: 1 GPU requested, 0 free. Not available: {device_id(0)} not responding, {device_id(1)} goes to node0."
        f" Node node2: 1 NIC requested, 0 free. Not available: {device_id(2)} attached to node1."
    )
    assert error.blocked_by == {} and list(error.details["candidates"]) == ["node0", "node1", "node2"]


def test_a_refusal_gives_few_reasons_for_each_node_because_a_pod_has_many() -> None:
    of = pod(*(eeio(number, "17") for number in range(6)), nodes=2)
    error = refused(of, entry(1, GPU), NodeRequest("new", None, properties({**GPU, "count": 20})))
    four = [device_id(number) for number in range(4)]
    assert error.message.startswith(
        "Node node1: 1 GPU requested, 0 free. Not available: "
        + ", ".join(f"{device} attached to node0" for device in four)
        + " and 2 more. Node new: No system can host 20 devices: "
    )
    assert error.details["candidates"]["node1"] == dict.fromkeys(four, "attached to node0")


def test_what_is_wrong_with_a_place_or_a_release_does_not_hide_what_others_lack() -> None:
    silent = [eeio(number, str(17 + number), **SILENT) for number in (1, 3)]
    of = pod(*silent, eeio(4, kind="nic"), nodes=4)
    entries = (
        NodeRequest("node0", system_id(1), properties(NIC)),
        entry(2, GPU),
        NodeRequest("new", None, properties(NIC)),
    )
    place = f"Node node0 is on system {system_id(0)}, not on {system_id(1)}. Release it first."
    error = refused(of, *entries, release_others=True)
    assert error.message.startswith(f"{place} Node node2: 1 GPU requested, 0 free.")
    # The new node gets the system of node1.
    assert list(error.details["candidates"]) == ["node0", "node2", "new", "node3"]
    for name, number in (("new", 1), ("node3", 3)):
        assert f" Node {name}: Cannot detach: {device_id(number)} does not respond" in error.message
    missing = NodeRequest("gone", system_id(9), properties(NIC))
    error = refused(of, *entries, NodeRequest("other", system_id(3), properties(NIC)), missing)
    assert error.message.startswith(f"{place} Node node2: 1 GPU requested, 0 free.")
    assert " Node new: No system can host 1 device: " in error.message
    assert f" Node other: System {system_id(3)} is node node3 already." in error.message
    assert f" Node gone: EEM does not list system {system_id(9)}." in error.message


def test_a_layout_waits_for_the_claims_that_are_in_its_way_and_only_for_them() -> None:
    held = {device_id(0): "run 0", device_id(1): "run 1"}
    of = pod(eeio(0), eeio(1, kind="nic"), eeio(2), held=held)
    assert refused(of, entry(0, {**GPU, "count": 2})).blocked_by == {device_id(0): "run 0"}
    assert refused(of, entry(0, {**GPU, "count": 3})).blocked_by == {}
    assert brief(planned(of, entry(0, GPU)).steps) == [("attach", 2, "0")]


def test_devices_of_nodes_that_another_run_changes_stay_where_they_are() -> None:
    """The GPU of the claimed node would be as good, and comes first."""
    of = pod(eeio(0, "17"), eeio(1, "18"), eeio(2, kind="nic"), nodes=3, held={system_id(0): "run 0"})
    plan = planned(of, entry(0, {"count": 1}), entry(1, {"count": 1}), entry(2, GPU), move=True)
    assert brief(plan.steps) == [("detach", 1, "1"), ("attach", 2, "1"), ("attach", 1, "2")]


def test_silent_devices_are_left_only_if_that_is_asked_for() -> None:
    of = pod(eeio(0, "17", **SILENT), eeio(1, "18", **SILENT), eeio(2, kind="nic"))
    assert refused(of, entry(0, NIC, purge=True)).message.startswith(f"Node node0: Cannot detach: {device_id(0)}")
    plan = planned(of, entry(0, NIC, purge=True), skip_silent=True, release_others=True)
    assert brief(plan.steps) == [("forget", "node1", "1"), ("attach", 2, "0")]
    assert [(each.device, each.role) for each in plan.silent] == [(device_id(0), "skipped"), (device_id(1), "left")]


# Whatever the cards are like


@given(wild_layouts())
def test_a_layout_that_is_carried_out_is_met_whatever_the_cards_are_like(layout: Layout) -> None:
    try:
        plan = plan_layout(layout.fleet.observed, layout.request)
    except ExpetherError as error:
        event(error.kind)
        return
    event(f"{len(plan.group_changes)} changes")
    for step in plan.group_changes:
        assert not {step.card, step.system_id, step.new} & layout.fleet.held.keys()
    listed = {node.system_id for node in plan.nodes} | layout.released
    assert {step.system_id for step in plan.steps} <= listed
    after = layout.fleet._replace(held={}).after(plan.steps, nodes_after(layout.fleet.nodes, plan))
    for wanted, node in zip(layout.wanted, plan.nodes):
        here = devices_of(after.records, node.system_id)
        assert all(sum(fits(each, device) for device in here) >= each.get("count", 1) for each in wanted.entries or ())
    again = plan_layout(after.observed, layout.request)
    assert (again.steps, again.nodes) == ((), plan.nodes)


# Effort


def lines_run(decide: t.Callable[[], t.Any]) -> int:
    """Return how many lines of Python a call runs."""
    count = 0

    def trace(_frame: types.FrameType, event_: str, _argument: t.Any) -> t.Any:
        nonlocal count
        count += event_ == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decide()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("case", CASES)
def test_the_effort_grows_with_the_number_of_nodes_and_not_with_its_square(case: str) -> None:
    efforts = []
    for nodes in (12, 48):
        of, request = large_pod(case, nodes)
        efforts.append(lines_run(lambda of=of, request=request: plan_layout(of, request)))  # type: ignore[misc]
        event_count = len(plan_layout(of, request).group_changes)
        assert event_count == {"nothing": 0, "overlapping": 2.25 * nodes, "swaps": 1.5 * nodes}.get(case, 2 * nodes)
    assert efforts[1] < 4.4 * efforts[0]
