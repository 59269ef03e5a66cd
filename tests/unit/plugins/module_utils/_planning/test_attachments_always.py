# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every plan, whatever is asked of whichever fleet."""

from __future__ import annotations

import copy
import json
import random
import re
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import (
    reboot_required,
    rescan_required,
    silent_warnings,
    warnings,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    GroupChange,
    RegistryChange,
    Step,
    fabric_after,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    FREE,
    NONE,
    ROTARY,
    Fleet,
    Request,
    answers,
    carried_out,
    devices_in,
    devices_of,
    fleets,
    is_disabled,
    is_populated,
    most_devices,
    owner_of,
    requests,
    systems_in,
    walk,
)
from hypothesis import event, given
from hypothesis import strategies as st

Answer = tuple[str, t.Any]


def answer(request: Request, fleet: Fleet | None = None) -> Answer:
    """Return the plan of a request, or how it was refused."""
    try:
        return "plan", request.plan((fleet or request.fleet).observed)
    except ExpetherError as error:
        blocked_by = error.blocked_by if isinstance(error, PlanRefused) else {}
        return type(error).__name__, (error.message, error.details, blocked_by)


def planned(request: Request) -> tuple[Step, ...]:
    """Return the plan of a request; an empty one if it was refused."""
    kind, plan = answer(request)
    event(f"{request.kind}: {('steps' if plan else 'nothing') if kind == 'plan' else 'refused'}")
    return t.cast("tuple[Step, ...]", plan) if kind == "plan" else ()


def touched(request: Request) -> list[tuple[GroupChange, dict[str, t.Any]]]:
    """Return each step of a plan that changes a card, with the card's record."""
    return [(step, request.fleet.card(step.card)) for step in planned(request) if isinstance(step, GroupChange)]


@given(requests())
def test_a_disabled_card_is_never_changed(request: Request) -> None:
    assert [step for step, card in touched(request) if is_disabled(card)] == []


@given(requests())
def test_a_card_in_a_rotary_switch_group_is_never_changed(request: Request) -> None:
    assert [step for step, card in touched(request) if card["group_id"] in ROTARY or step.new in ROTARY] == []


@given(requests())
def test_a_card_that_another_run_holds_is_never_changed(request: Request) -> None:
    assert [step for step, dummy in touched(request) if step.card in request.fleet.held] == []


@given(requests())
def test_a_system_that_another_run_holds_gets_no_step(request: Request) -> None:
    assert [step for step in planned(request) if step.system_id in request.fleet.held] == []


@given(requests())
def test_a_group_id_that_another_run_holds_is_never_assigned(request: Request) -> None:
    assert [step for step in planned(request) if step.action == "set_group" and step.new in request.fleet.held] == []


@given(requests())
def test_a_card_that_does_not_answer_is_never_attached_nor_attached_to(request: Request) -> None:
    for step in planned(request):
        if step.action == "attach":
            assert answers(request.fleet.card(str(step.device))) is not False
            assert answers(request.fleet.card(str(step.system_id))) is not False


@given(requests())
def test_an_empty_slot_is_attached_only_where_the_task_names_it_and_a_warning_does_so_too(request: Request) -> None:
    plan = planned(request)
    attached = {str(step.device) for step in plan if step.action == "attach"}
    empty = {card for card in attached if not is_populated(request.fleet.card(card))}
    assert not empty or request.kind == "attach"
    about = [sentence for sentence in warnings(request.fleet.observed, plan) if sentence.startswith("Attached ")]
    assert {card for card in attached if any(card in sentence for sentence in about)} == empty


@given(requests())
def test_a_card_that_does_not_answer_is_asked_for_nothing_unless_it_is_to_be_replaced(request: Request) -> None:
    """Then it is the last that EEM is asked for, and the run does without it."""
    steps = [(step, answers(card)) for step, card in touched(request)]
    last = [(step.action, answered) for step, answered in steps if step.optional]
    assert last == [("detach", False)] * len(last) and (not last or request.arguments["replace_silent"])
    assert [step.optional for step, dummy in steps] == [False] * (len(steps) - len(last)) + [True] * len(last)
    assert [step for step, answered in steps if answered is False and not step.optional] == []


@given(requests())
def test_with_skip_silent_no_detach_is_refused_because_a_card_does_not_answer(request: Request) -> None:
    kind, found = answer(request)
    skips = request.arguments.get("skip_silent") or request.arguments.get("replace_silent")
    if kind != "plan" and found[0].startswith("Cannot detach: "):
        assert ("does not respond" in found[0]) <= (not skips)
        assert ("`skip_silent: true`" in found[0]) == ("does not respond" in found[0])


@given(requests())
def test_who_is_silent_is_said(request: Request) -> None:
    """Each silent device that a plan is about has one role, and those that a node still needs are counted."""
    try:
        plan = request.made()
    except ExpetherError:
        return
    silent = [each.device for each in plan.silent]
    assert len({*silent}) == len(silent)
    assert [device for device in silent if answers(request.fleet.card(device)) is not False] == []
    if request.kind == "compose" and plan.node:
        after = carried_out(
            request.fleet.records, [step for step in plan.steps if not getattr(step, "optional", False)]
        )
        mine = devices_of(after, plan.node.system_id)
        assert {*silent} == {device["id"] for device in mine if answers(device) is False}
    said = silent_warnings(plan.silent, fabric_after(request.fleet.observed.fabric, plan.steps))
    roles = {each.device: each.role for each in plan.silent}
    for device, role in roles.items():
        assert any(device in sentence for sentence in said) == (role != "replaced")


@given(requests())
def test_steps_of_a_card_chain_from_the_group_it_has(request: Request) -> None:
    for step, records in walk(request.fleet.records, planned(request)):
        assert step.old == next(record["group_id"] for record in records if record["id"] == step.card)
        assert step.old != step.new


@given(requests())
def test_only_a_free_device_is_attached_and_a_detached_one_is_free(request: Request) -> None:
    for step in planned(request):
        if step.action == "attach":
            assert step.old == FREE
        if step.action == "detach":
            assert step.new == FREE


@given(requests())
def test_a_device_is_attached_to_the_group_of_its_system_and_of_no_other(request: Request) -> None:
    for step, records in walk(request.fleet.records, planned(request)):
        if step.action == "attach":
            assert [record["id"] for record in systems_in(records, str(step.new))] == [step.system_id]


@given(requests())
def test_a_group_never_gets_more_devices_than_its_system_takes(request: Request) -> None:
    for step, records in walk(request.fleet.records, planned(request)):
        if step.action == "attach":
            system = next(record for record in records if record["id"] == step.system_id)
            assert len(devices_in(records, str(step.new))) < most_devices(system)


@given(requests())
def test_the_group_id_of_a_system_is_the_lowest_that_is_unused(request: Request) -> None:
    for step, records in walk(request.fleet.records, planned(request)):
        if step.action == "set_group":
            used = {record["group_id"] for record in records} | set(request.fleet.held)
            assert step.new == next(str(number) for number in range(16, 4093) if str(number) not in used)


@given(requests())
def test_only_a_system_without_a_group_of_its_own_gets_one_and_only_for_a_device(request: Request) -> None:
    plan = planned(request)
    for step in plan:
        if step.action == "set_group":
            assert step.old in (NONE, FREE)
            assert any(other.action == "attach" and other.new == step.new for other in plan)


@given(requests())
def test_a_step_says_whose_device_it_is(request: Request) -> None:
    names = {index: node.name for index, node in request.fleet.nodes.items()}
    names.update({step.system_id: step.node for step in planned(request) if step.action == "remember"})
    for step in planned(request):
        if step.action == "detach":
            assert step.system_id == owner_of(request.fleet.records, request.fleet.card(str(step.device)))
        assert step.node == (names.get(step.system_id, step.system_id) if step.system_id else None)


@given(requests())
def test_without_a_word_no_device_of_another_system_is_taken(request: Request) -> None:
    """Only attach with move, and detach, touch a device that the node in question does not have."""
    plan = planned(request)
    if request.kind == "compose":
        mine = {step.system_id for step in plan if step.action == "remember"}
        mine |= {request.arguments["node"].system_id} if request.arguments["node"] else set()
        assert {step.system_id for step in plan} <= mine
        detached = [step for step in plan if step.action == "detach"]
        assert request.arguments["purge"] or all(step.optional for step in detached)
    if request.kind == "attach":
        assert {step.device for step in plan if step.device} <= set(request.arguments["device_ids"])
        assert request.arguments["move"] or not [step for step in plan if step.action == "detach"]
    if request.kind == "detach":
        assert {step.device for step in plan} <= set(request.arguments["device_ids"])
        assert {step.system_id for step in plan} <= {request.arguments["system_id"]} or not request.arguments[
            "system_id"
        ]


@given(requests())
def test_a_plan_is_never_made_for_a_card_twice(request: Request) -> None:
    """A card has one step, or is detached and then attached."""
    actions: dict[str, list[str]] = {}
    for step, dummy in touched(request):
        actions.setdefault(str(step.card), []).append(step.action)
    assert all(len(done) == 1 or done == ["detach", "attach"] for done in actions.values())


@given(requests())
def test_the_snapshot_after_a_plan_is_what_its_steps_make_of_the_cards(request: Request) -> None:
    plan = planned(request)
    fabric = fabric_after(request.fleet.observed.fabric, plan)
    groups = {record["id"]: record["group_id"] for record in carried_out(request.fleet.records, plan)}
    assert {card.id: card.group_id for card in (*fabric.systems.values(), *fabric.devices.values())} == groups


@given(requests())
def test_whoever_is_refused_gets_a_sentence_and_plain_data(request: Request) -> None:
    kind, found = answer(request)
    if kind == "plan":
        assert isinstance(found, tuple)
        assert all(isinstance(step, (GroupChange, RegistryChange)) for step in found)
        return
    assert kind in ("PlanRefused", "NotFound")
    message, details, blocked_by = found
    assert message[0].isupper() or message[0].isdigit()
    assert message.endswith(".")
    assert json.loads(json.dumps(details)) == details
    assert {key: request.fleet.held.get(key) for key in blocked_by} == blocked_by


@given(requests())
def test_what_is_refused_only_because_another_run_holds_something_says_what_it_waits_for(request: Request) -> None:
    kind, found = answer(request)
    if kind == "plan" or not request.fleet.held:
        return
    if answer(request, request.fleet._replace(held={}))[0] == "plan":
        assert found[2]


@given(requests(), st.integers(0, 2**16))
def test_the_answer_does_not_depend_on_the_order_of_what_is_known(request: Request, seed: int) -> None:
    chance = random.Random(seed)

    def shuffled(pairs: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return dict(chance.sample(sorted(pairs.items()), len(pairs)))

    fleet = Fleet(
        chance.sample(request.fleet.records, len(request.fleet.records)),
        shuffled(request.fleet.nodes),
        shuffled(request.fleet.held),
    )
    assert answer(request, fleet) == answer(request)


@given(requests())
def test_planning_changes_nothing_that_it_was_given(request: Request) -> None:
    known, before = request.fleet.observed, copy.deepcopy(request)
    fabric = known.fabric
    cards = [*fabric.systems.values(), *fabric.devices.values()]
    first = answer(request._replace(fleet=request.fleet))
    try:
        second: Answer = ("plan", request.plan(known))
    except ExpetherError:
        second = first
    assert second == first
    assert request == before
    assert [*fabric.systems.values(), *fabric.devices.values()] == cards


@given(requests())
def test_what_a_host_must_do_follows_from_the_steps(request: Request) -> None:
    plan = planned(request)
    actions = {step.action for step in plan}
    assert reboot_required(plan) == ("set_group" in actions)
    assert rescan_required(plan) == ("attach" in actions)
    said = "\n".join(warnings(request.fleet.observed, plan))
    assert ("reboot" in said) == ("set_group" in actions)
    assert ("must rescan" in said) == ("attach" in actions)
    assert bool(re.search("loses? devices", said)) == any(step.action == "detach" and step.system_id for step in plan)


@given(fleets())
def test_the_made_up_fleets_can_be_read(fleet: Fleet) -> None:
    fabric = fleet.observed.fabric
    assert len(fabric.systems) + len(fabric.devices) == len(fleet.records)
