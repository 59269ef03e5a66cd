# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked of a single card: plans, refusals and warnings."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card
from ansible_collections.nec.expether.plugins.module_utils._model.errors import NotFound, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.card_requests import (
    plan_action,
    plan_forget_card,
    plan_forget_stored,
    plan_led,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_card
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import warnings
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    CardAction,
    CardRequest,
    ObservedState,
    Plan,
    RegistryChange,
    fabric_after,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    DISABLED,
    NONE,
    SILENT,
    UNKNOWN_PORTS,
    ZERO_MAC,
    Fleet,
    answers,
    device_id,
    devices_in,
    eeio,
    eesv,
    fleets,
    is_disabled,
    mac,
    node_on,
    observed,
    system_id,
)
from hypothesis import given
from hypothesis import strategies as st

ACTIONS: tuple[CardAction, ...] = ("audit", "reset", "reset_frame", "forget_port")
RUN = "a run for node other"
MONITORED = {"monitoring_status": "disabled"}


def ports(*memories: tuple[int | None, str | None]) -> dict[str, t.Any]:
    """A system's ports, each with its status and its stored device."""
    return {
        "downstream_ports": [
            {
                "downstream_port_id": str(place),
                "eeio_connection_status": status,
                "eeio_mac_address": ZERO_MAC if number is None else mac(device_id(number)),
            }
            for place, (number, status) in enumerate(memories)
        ]
    }


PORTS = ports((0, "down"), (1, "up"), (None, "down"), (2, None))


def refused(function: t.Callable[..., t.Any], *arguments: t.Any, **more: t.Any) -> PlanRefused:
    with pytest.raises(PlanRefused) as caught:
        function(*arguments, **more)
    return caught.value


def card(of: ObservedState, card_id: str) -> Card:
    found = of.fabric.card(card_id)
    assert found
    return found


def test_a_led_that_is_right_needs_nothing_also_of_a_disabled_card() -> None:
    place = observed([eeio(0, **DISABLED)], held={device_id(0): RUN})
    assert plan_led(place, card(place, device_id(0)), "on", "on").steps == ()


@pytest.mark.parametrize("now", ["off", None])
def test_a_led_that_differs_or_is_not_known_is_turned(now: str | None) -> None:
    place = observed([eesv(0, "17"), eeio(0, "17")], [node_on(0, "n1")])
    device, system = (card(place, card_id) for card_id in (device_id(0), system_id(0)))
    assert plan_led(place, device, now, "on").steps == (
        CardRequest("uid_led", device_id(0), "n1", system_id(0), now, "on"),
    )
    assert plan_led(place, system, now, "on").steps == (CardRequest("uid_led", None, "n1", system_id(0), now, "on"),)


@pytest.mark.parametrize("odd", [DISABLED, MONITORED])
def test_of_a_card_that_is_not_enabled_only_an_audit_may_be_asked(odd: dict[str, str]) -> None:
    place = observed([eesv(0, "17", **odd, **PORTS), eeio(0, **odd)])
    for card_id in (system_id(0), device_id(0)):
        one = card(place, card_id)
        assert "is not enabled" in refused(plan_led, place, one, "off", "on").message
        assert "is not enabled" in refused(plan_forget_card, place, one).message
        for action in ("reset", "reset_frame"):
            assert "Only an audit can be requested of it." in refused(plan_action, place, one, action).message
        assert len(plan_action(place, one, "audit").steps) == 1
        assert len(plan_forget_card(place, one, force=True).steps) == 1
    assert "is not enabled" in refused(plan_action, place, card(place, system_id(0)), "forget_port", "0").message


@pytest.mark.parametrize("odd", [{}, DISABLED])
def test_of_a_card_that_does_not_answer_only_its_deletion_may_be_asked(odd: dict[str, str]) -> None:
    place = observed([eesv(0, "17", **SILENT, **odd, **PORTS), eeio(0, **SILENT, **odd)])
    only = "does not respond. Only its deletion can be requested (expether_device with `state: absent`)."
    for card_id in (system_id(0), device_id(0)):
        one = card(place, card_id)
        assert plan_led(place, one, None, None).steps == ()
        assert refused(plan_led, place, one, None, "on").message == f"Cannot turn the LED of {card_id} on: it {only}"
        for action in ("audit", "reset", "reset_frame"):
            assert (
                refused(plan_action, place, one, action).message == f"Cannot request {action} of {card_id}: it {only}"
            )
    system = card(place, system_id(0))
    assert only in refused(plan_action, place, system, "forget_port", "0").message
    assert plan_action(place, system, "forget_port", "2").steps == ()  # it has stored nothing


def test_a_card_that_reports_nothing_of_its_ports_may_be_asked() -> None:
    place = observed([eeio(0, **UNKNOWN_PORTS)])
    assert len(plan_action(place, card(place, device_id(0)), "audit").steps) == 1


def test_a_card_that_is_gone_is_forgotten_without_force() -> None:
    place = observed([eesv(0, **SILENT), eeio(0, **SILENT), eeio(1, **UNKNOWN_PORTS)])
    for card_id in (system_id(0), device_id(0), device_id(1)):
        (step,) = plan_forget_card(place, card(place, card_id)).steps
        assert (step.action, step.card, step.old, step.new, step.detail) == (
            "forget_card",
            card_id,
            "listed",
            None,
            None,
        )


def test_all_that_speaks_against_forgetting_a_system_is_said_at_once() -> None:
    place = observed([eesv(0, "17"), eeio(0, "17"), eeio(1, "17", **SILENT)], [node_on(0, "n1")])
    error = refused(plan_forget_card, place, card(place, system_id(0)))
    assert error.message == (
        f"Cannot forget {system_id(0)}: it still responds; it is node n1 (expether_node with `state: absent` releases it);"
        f" {device_id(0)}, {device_id(1)} would be stranded in its group 17. Use `force: true` to forget it anyway."
    )
    (step,) = plan_forget_card(place, card(place, system_id(0)), force=True).steps
    assert step == CardRequest("forget_card", None, "n1", system_id(0), "listed", None, "force")
    said = warnings(place, (step,))
    assert len(said) == 3 and f"{device_id(0)}, {device_id(1)}" in said[1] and "Node n1 stays stored" in said[2]


def test_free_devices_are_not_left_behind_by_a_system_without_a_group() -> None:
    place = observed([eesv(0, NONE, **SILENT), eeio(0), eeio(1, NONE)])
    assert len(plan_forget_card(place, card(place, system_id(0))).steps) == 1


def test_a_silent_device_of_a_node_is_forgotten_and_the_node_is_named() -> None:
    place = observed([eesv(0, "17"), eeio(0, "17", **SILENT)], [node_on(0, "n1")])
    plan = plan_forget_card(place, card(place, device_id(0))).steps
    assert (plan[0].node, plan[0].system_id) == ("n1", system_id(0))
    assert warnings(place, plan) == [f"Device {device_id(0)} was attached to n1."]


def test_what_the_registry_alone_remembers_is_no_change_of_a_card() -> None:
    (step,) = plan_forget_stored(observed([]), device_id(0)).steps
    assert step == RegistryChange("forget", device_id(0), None, None, "missing", None)
    assert refused(plan_forget_stored, observed([], held={device_id(0): RUN}), device_id(0)).blocked_by == {
        device_id(0): RUN
    }


def test_a_port_that_remembers_nothing_needs_nothing_also_of_a_disabled_card() -> None:
    place = observed([eesv(0, "17", **DISABLED, **PORTS)])
    assert plan_action(place, card(place, system_id(0)), "forget_port", "2").steps == ()


def test_a_port_that_is_down_is_forgotten() -> None:
    place = observed([eesv(0, "17", **PORTS)])
    plan = plan_action(place, card(place, system_id(0)), "forget_port", "0").steps
    assert plan == (CardRequest("forget_port", None, system_id(0), system_id(0), device_id(0), None, "0"),)


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("1", "The connection of port 1 of system {} is up:"),
        ("3", "The connection of port 3 of system {} is not reported:"),
        ("4", "System {} has no downstream port 4; its ports are 0, 1, 2, 3."),
    ],
)
def test_a_port_that_may_not_be_forgotten_is_refused(port: str, said: str) -> None:
    place = observed([eesv(0, "17", **PORTS)])
    error = refused(plan_action, place, card(place, system_id(0)), "forget_port", port)
    assert error.message.startswith(said.format(system_id(0)))


def test_ports_of_devices_and_of_systems_that_tell_none_are_refused() -> None:
    place = observed([eesv(0), eeio(0)])
    assert "is a device (EEIO)" in refused(plan_action, place, card(place, device_id(0)), "forget_port", "0").message
    assert "it reports no ports" in refused(plan_action, place, card(place, system_id(0)), "forget_port", "0").message


def test_a_reset_names_whom_it_may_disturb() -> None:
    place = observed([eesv(0, "17"), eesv(1, "17"), eeio(0, "17"), eeio(1), eeio(2, "900")], [node_on(0, "n1")])

    def said(card_id: str, action: CardAction) -> list[str]:
        return warnings(place, plan_action(place, card(place, card_id), action).steps)

    assert said(device_id(1), "reset") == said(device_id(2), "reset_frame") == said(system_id(0), "audit") == []
    assert "one of the systems with group id 17" in said(device_id(0), "reset_frame")[0]
    assert f"system {system_id(0)}, node n1, may disturb" in said(system_id(0), "reset")[0]
    assert said(system_id(1), "reset")[0].endswith(f"It may affect its devices too: {device_id(0)}.")


def test_a_card_that_is_not_listed_is_not_known() -> None:
    place = observed([eesv(0), eeio(0)])
    assert find_card(place, system_id(0)).id == system_id(0)
    with pytest.raises(NotFound, match=f"EEM does not list card {device_id(9)}"):
        find_card(place, device_id(9))


# Whatever is asked of whichever card


@st.composite
def questions(draw: st.DrawFn) -> tuple[Fleet, str, str, bool]:
    """A fleet, one of its cards, what is asked of it, and whether with force."""
    fleet = draw(fleets())
    record = draw(st.sampled_from(fleet.records))
    if record["status"] == "eesv":
        record["downstream_ports"] = PORTS["downstream_ports"]
    return fleet, record["id"], draw(st.sampled_from(("uid_led", "forget_card", *ACTIONS))), draw(st.booleans())


def requests_of(plan: Plan) -> tuple[CardRequest, ...]:
    """Return the steps of a plan, each of which must be a request to a card."""
    assert all(isinstance(step, CardRequest) for step in plan.steps)
    return t.cast("tuple[CardRequest, ...]", plan.steps)


def planned(of: ObservedState, one: Card, asked: str, force: bool) -> tuple[CardRequest, ...] | PlanRefused:
    try:
        if asked == "uid_led":
            return requests_of(plan_led(of, one, "off", "on"))
        if asked == "forget_card":
            return requests_of(plan_forget_card(of, one, force))
        return requests_of(plan_action(of, one, t.cast(CardAction, asked), "0" if asked == "forget_port" else None))
    except PlanRefused as error:
        return error


@given(questions())
def test_one_thing_is_asked_of_the_card_that_was_named_and_of_no_other(question: tuple[Fleet, str, str, bool]) -> None:
    fleet, card_id, asked, force = question
    of = fleet.observed
    plan = planned(of, card(of, card_id), asked, force)
    if isinstance(plan, PlanRefused):
        assert plan.message.endswith(".")
        return
    assert [(type(step), step.action, step.card) for step in plan] == [(CardRequest, asked, card_id)]
    moved = fabric_after(of.fabric, plan)
    assert {one.id: one.group_id for one in [*moved.systems.values(), *moved.devices.values()]} == {
        record["id"]: record["group_id"] for record in fleet.records
    }, "no group id is changed"


@given(questions())
def test_what_is_disabled_held_or_in_use_is_left_alone(question: tuple[Fleet, str, str, bool]) -> None:
    fleet, card_id, asked, force = question
    of, record = fleet.observed, fleet.card(card_id)
    plan = planned(of, card(of, card_id), asked, force)
    if isinstance(plan, PlanRefused):
        return
    assert card_id not in fleet.held and plan[0].system_id not in fleet.held
    if asked not in ("audit", "forget_card"):
        assert not is_disabled(record)
    if asked == "forget_card" and not force:
        assert answers(record) is not True and not is_disabled(record)
        assert card_id not in fleet.nodes
        group = record["group_id"]
        assert record["status"] == "eeio" or group in (NONE, "4093") or not devices_in(fleet.records, group)


@given(questions())
def test_the_same_question_has_the_same_answer_and_changes_nothing(question: tuple[Fleet, str, str, bool]) -> None:
    fleet, card_id, asked, force = question
    first, second = fleet.observed, fleet.observed
    answers_given = [planned(of, card(of, card_id), asked, force) for of in (first, second)]
    shown = [answer.message if isinstance(answer, PlanRefused) else answer for answer in answers_given]
    assert shown[0] == shown[1]
    if not isinstance(answers_given[0], PlanRefused):
        assert warnings(first, answers_given[0]) == warnings(second, answers_given[0])
