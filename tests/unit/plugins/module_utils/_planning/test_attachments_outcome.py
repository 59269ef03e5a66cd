# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that is carried out gives what was asked for, and then there is nothing more to do."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.properties import parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import GroupChange, Plan, Step, nodes_after
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import choose_system
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    FREE,
    NONE,
    Entry,
    Fleet,
    Request,
    answers,
    attach_requests,
    best_system,
    carried_out,
    compose_requests,
    detach_requests,
    device_requests,
    devices_in,
    devices_of,
    fits,
    fleets,
    is_disabled,
    manage_requests,
    most_devices,
    most_met,
    owner_of,
    release_requests,
    room,
    systems_in,
    wanted,
)
from hypothesis import assume, given


def made_or_skip(request: Request) -> Plan:
    try:
        return request.made()
    except ExpetherError:
        assume(False)
        raise


def plan_or_skip(request: Request) -> tuple[Step, ...]:
    return made_or_skip(request).steps


def composed(request: Request) -> tuple[Request, tuple[Step, ...], str, Request]:
    """Return a compose request with its node, its plan, the node's system, and the same request afterwards."""
    plan = made_or_skip(request)
    node = plan.node
    assert node
    request = request._replace(arguments={**request.arguments, "node": node})
    nodes = nodes_after(request.fleet.nodes, plan)
    return request, plan.steps, node.system_id, request.again(request.fleet.after(plan.steps, nodes))


@given(compose_requests())
def test_composing_meets_the_wish(request: Request) -> None:
    request, _plan, index, next_request = composed(request)
    entries = request.arguments["entries"]
    assert most_met(entries, devices_of(next_request.fleet.records, index)) == wanted(entries)


@given(compose_requests())
def test_composing_again_does_nothing(request: Request) -> None:
    _request, _plan, _index, next_request = composed(request)
    assert next_request.plan() == ()


@given(compose_requests())
def test_composing_attaches_only_what_the_node_lacks(request: Request) -> None:
    request, plan, index, _next = composed(request)
    entries = request.arguments["entries"]
    mine = devices_of(request.fleet.records, index)
    if request.arguments["replace_silent"]:
        mine = [device for device in mine if answers(device) is not False]
    have = most_met(entries, mine)
    assert sum(step.action == "attach" for step in plan) == wanted(entries) - have


@given(compose_requests(purge=False))
def test_composing_without_purge_keeps_all_that_the_node_has(request: Request) -> None:
    request, plan, index, next_request = composed(request)
    replaced = {step.device for step in plan if isinstance(step, GroupChange) and step.optional}
    before = {record["id"] for record in devices_of(request.fleet.records, index)} - replaced
    assert before <= {record["id"] for record in devices_of(next_request.fleet.records, index)}


@given(compose_requests(purge=True))
def test_composing_with_purge_leaves_exactly_what_is_wished(request: Request) -> None:
    skipped = {each.device for each in made_or_skip(request).silent if each.role == "skipped"}
    assert not skipped or request.arguments["skip_silent"] or request.arguments["replace_silent"]
    request, _plan, index, next_request = composed(request)
    left = [device for device in devices_of(next_request.fleet.records, index) if device["id"] not in skipped]
    assert len(left) == wanted(request.arguments["entries"])


@given(compose_requests())
def test_composing_remembers_the_node_before_anything_else(request: Request) -> None:
    request, plan, index, next_request = composed(request)
    known = request.fleet.nodes.get(index)
    remembers = [place for place, step in enumerate(plan) if step.action == "remember"]
    changes = any(isinstance(step, GroupChange) for step in plan)
    if known is None or known.state == "composing" or (known.state == "managed" and changes):
        assert remembers == [0]
        assert (plan[0].old, plan[0].new) == (known.state if known else None, "composed")
        assert next_request.fleet.nodes[index].state == "composed"
    else:
        assert remembers == []


@given(compose_requests())
def test_composing_takes_only_devices_that_are_known_to_answer(request: Request) -> None:
    for step in plan_or_skip(request):
        if step.action == "attach":
            assert answers(request.fleet.card(str(step.device))) is True


@given(compose_requests(calm=True, chosen=False))
def test_composing_of_healthy_cards_is_refused_only_for_want_of_devices_or_room(request: Request) -> None:
    node, entries = request.arguments["node"], request.arguments["entries"]
    records = request.fleet.records
    have = devices_of(records, node.system_id)
    free = devices_in(records, FREE)
    lacking = wanted(entries) - most_met(entries, have)
    enough = most_met(entries, [*have, *free]) == wanted(entries)
    over = len(have) - (wanted(entries) - lacking) if request.arguments["purge"] else 0
    system = request.fleet.card(node.system_id)
    used = 0 if system["group_id"] == NONE else len(devices_in(records, system["group_id"]))
    fitting = not lacking or used - over + lacking <= most_devices(system)
    try:
        request.plan()
        granted = True
    except PlanRefused:
        granted = False
    assert granted == (enough and fitting)


@given(fleets(most_systems=6), device_requests())
def test_the_chosen_system_is_the_best_that_serves(fleet: Fleet, entries: list[Entry]) -> None:
    best = best_system(fleet, wanted(entries))
    try:
        chosen = choose_system(fleet.observed, parse_properties({"devices": entries})).id
    except PlanRefused as error:
        assert best is None
        every = {record["id"] for record in fleet.records if record["status"] == "eesv"}
        assert set(error.details["candidates"]) == every
        assert all(card_id in error.message for card_id in every)
    else:
        assert chosen == best


@given(attach_requests())
def test_attaching_puts_every_device_on_the_system_and_attaching_again_does_nothing(request: Request) -> None:
    plan = plan_or_skip(request)
    later = request.again(request.fleet.after(plan, request.fleet.nodes))
    for card_id in request.arguments["device_ids"]:
        assert owner_of(later.fleet.records, later.fleet.card(card_id)) == request.arguments["system_id"]
    assert later.plan() == ()


@given(attach_requests())
def test_attaching_goes_in_the_order_of_the_task(request: Request) -> None:
    attached = [step.device for step in plan_or_skip(request) if step.action == "attach"]
    assert attached == [card for card in dict.fromkeys(request.arguments["device_ids"]) if card in attached]


@given(attach_requests(calm=True))
def test_attaching_of_healthy_cards_is_refused_only_for_room_or_for_want_of_move(request: Request) -> None:
    fleet, system_id = request.fleet, request.arguments["system_id"]
    missing = {
        card_id
        for card_id in request.arguments["device_ids"]
        if owner_of(fleet.records, fleet.card(card_id)) != system_id
    }
    all_free = all(fleet.card(card_id)["group_id"] == FREE for card_id in missing)
    allowed = (all_free or request.arguments["move"]) and len(missing) <= room(fleet.records, fleet.card(system_id))
    try:
        request.plan()
        granted = True
    except PlanRefused:
        granted = False
    assert granted == (allowed or not missing)


@given(detach_requests())
def test_detaching_frees_every_device_and_detaching_again_does_nothing(request: Request) -> None:
    plan = plan_or_skip(request)
    later = request.again(request.fleet.after(plan, request.fleet.nodes))
    for card_id in request.arguments["device_ids"]:
        card, before = later.fleet.card(card_id), request.fleet.card(card_id)
        assert card["group_id"] == (before["group_id"] if answers(card) is False else FREE)
    assert later.plan() == ()


@given(detach_requests())
def test_detaching_is_refused_when_a_device_is_elsewhere_than_the_task_says(request: Request) -> None:
    fleet, system_id = request.fleet, request.arguments["system_id"]
    assume(system_id)
    elsewhere = [
        card_id
        for card_id in request.arguments["device_ids"]
        if fleet.card(card_id)["group_id"] != FREE and owner_of(fleet.records, fleet.card(card_id)) != system_id
    ]
    assume(elsewhere)
    try:
        request.plan()
    except PlanRefused as error:
        assert all(card_id in error.message for card_id in elsewhere)
    else:
        raise AssertionError("not refused")


@given(release_requests())
def test_releasing_frees_the_devices_of_the_nodes_and_no_others(request: Request) -> None:
    plan = plan_or_skip(request)
    records, later = request.fleet.records, carried_out(request.fleet.records, plan)
    released = request.arguments["nodes"]
    listed = {record["id"] for record in records}
    for node in released:
        if node.system_id in listed:
            expected = {record["id"] for record in devices_of(records, node.system_id)}
        else:
            stranded = node.group_id not in (None, FREE) and not systems_in(records, node.group_id)
            expected = {record["id"] for record in devices_in(records, node.group_id)} if stranded else set()
        silent = {card_id for card_id in expected if answers(request.fleet.card(card_id)) is False}
        assert not silent or request.arguments["skip_silent"]
        assert silent <= {each.device for each in made_or_skip(request).silent}
        expected -= silent
        assert expected <= {record["id"] for record in devices_in(later, FREE)}
        assert expected <= {step.device for step in plan}
    moved = {record["id"] for record in records} - {record["id"] for record in later if record in records}
    assert {owner_of(records, request.fleet.card(card_id)) for card_id in moved} <= {
        None,
        *(node.system_id for node in released),
    }


@given(release_requests())
def test_a_node_is_forgotten_after_its_devices_are_free(request: Request) -> None:
    made = made_or_skip(request)
    plan, released = made.steps, request.arguments["nodes"]
    assert [step.system_id for step in plan if step.action == "forget"] == [node.system_id for node in released]
    kept = nodes_after(request.fleet.nodes, made)
    assert kept == {index: node for index, node in request.fleet.nodes.items() if node not in released}
    forgotten: set[str | None] = set()
    for step in plan:
        assert step.action in ("detach", "forget")
        assert not (step.system_id and step.system_id in forgotten)
        if step.action == "forget":
            forgotten.add(step.system_id)


@given(manage_requests())
def test_managing_changes_no_card_and_managing_again_does_nothing(request: Request) -> None:
    made = made_or_skip(request)
    plan, node = made.steps, request.arguments["node"]
    assert not any(isinstance(step, GroupChange) for step in plan)
    after = nodes_after(request.fleet.nodes, made)
    assert after[node.system_id].name == node.name
    assert after[node.system_id].state != "composing"
    assert request.again(request.fleet.after(plan, after)).plan() == ()


@given(compose_requests(calm=False))
def test_devices_are_chosen_lowest_id_first(request: Request) -> None:
    """No device that could stand in for a chosen one has a lower id than it."""
    plan = plan_or_skip(request)
    fleet, entries = request.fleet, request.arguments["entries"]
    attached = [fleet.card(str(step.device)) for step in plan if step.action == "attach"]
    index = next((str(step.system_id) for step in plan), "")
    others = [
        record
        for record in devices_in(fleet.records, FREE)
        if record not in attached
        and answers(record)
        and not is_disabled(record)
        and record["id"] not in fleet.held
        and any(fits(entry, record) for entry in entries)
    ]
    have = devices_of(fleet.records, index)
    if request.arguments["replace_silent"]:
        have = [device for device in have if answers(device) is not False]
    for chosen in attached:
        for other in others:
            if other["id"] < chosen["id"]:
                instead = [record for record in attached if record is not chosen] + [other]
                assert most_met(entries, [*have, *instead]) < wanted(entries)
