# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change whose answer timed out may still be carried out: this is said, whatever a read shows in between."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._planning.card_requests import (
    plan_action,
    plan_forget_card,
    plan_led,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_card
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import plan_release
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from eemsim.client import Simulator
from executor_runs import Decide, MakeClient, attach, compose, detach, executor, groups_of, nodes_in, release, run

#: The two kinds of run: their changes are claimed in the registry, or they use none.
REGISTERED = pytest.mark.parametrize("registered", [True, False], ids=["registry", "no registry"])


def late(card: str) -> str:
    return f"EEM did not respond in time to a change of {card} and may still carry it out."


def pending(card: str) -> str:
    return f"EEM may still carry out what it did not respond to in time: read {card} again later."


def failed(
    make_client: MakeClient, registry: SqliteRegistry | None, decide: Decide, **settings: t.Any
) -> ExecutionFailed:
    with pytest.raises(ExecutionFailed) as caught:
        run(make_client(timeout=0.5, **settings), registry, decide)
    assert caught.value.changed and "Nothing was changed" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("what", "registered"),
    [
        *((what, registered) for what in ("attach", "detach", "move") for registered in (True, False)),
        *((what, True) for what in ("compose", "set_group", "release", "cascade")),
    ],
)
def test_a_change_that_is_sent_again_and_done_is_reported_as_still_expected(
    eem: Simulator,
    make_client: MakeClient,
    registry: SqliteRegistry,
    system: str,
    bare: str,
    devices: list[str],
    what: str,
    registered: bool,
) -> None:
    """The first request is held up, and carried out when everything is over."""
    store = registry if registered else None
    if what in ("release", "cascade"):
        run(make_client(), store, compose("n", system))
    elif what in ("detach", "move"):
        run(make_client(), store, attach(str(eem.eesvs()[1]["id"]), devices[0]))
    decide, method, card = {
        "attach": (attach(system, devices[0]), "PUT", devices[0]),
        "detach": (detach(devices[0]), "DELETE", devices[0]),
        "move": (attach(system, devices[0], move=True), "DELETE", devices[0]),
        "compose": (compose("n", system), "PUT", devices[0]),
        "set_group": (compose("n", bare), "PUT", bare),
        "release": (release("n"), "DELETE", devices[0]),
        "cascade": (lambda observed: plan_release(observed, observed.nodes.values()), "DELETE", devices[0]),
    }[what]
    eem.fault("freeze", method=method, path=f"{card}/group_id$")
    running = executor(make_client(timeout=0.5), store)
    outcome = running.run(decide)
    assert late(card) in running.waited
    assert outcome.steps and {row["status"] for row in outcome.rows} == {"done"}


def test_a_change_that_was_carried_out_after_its_time_is_not_expected_again(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    eem.fault("delay", seconds=1.0, after=True, method="PUT", path="/group_id$")
    running = executor(make_client(timeout=0.5), None)
    assert [row["status"] for row in running.run(attach(system, devices[0])).rows] == ["done"]
    assert not any("may still" in sentence for sentence in running.waited)


def test_of_two_requests_that_timed_out_one_is_still_expected_when_the_card_shows_the_change(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    eem.fault("freeze", method="PUT", path="/group_id$")
    eem.fault("delay", seconds=1.0, after=True, method="PUT", path="/group_id$", nth=2)
    running = executor(make_client(timeout=0.5), None)
    running.run(attach(system, devices[0]))
    assert late(devices[0]) in running.waited


def test_a_detach_that_timed_out_is_expected_although_somebody_else_has_taken_the_device(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    """A late detach would take the device from its new owner."""
    run(make_client(), None, attach(system, devices[0]))
    moved = {"do": "change", "card": devices[0], "set": {"group_id": "18"}}
    eem.fault(moved, {"do": "freeze"}, method="DELETE", path="/group_id$")
    running = executor(make_client(timeout=0.5), None)
    outcome = running.run(detach(devices[0]))
    assert late(devices[0]) in running.waited and outcome.steps


@REGISTERED
def test_it_is_said_although_the_next_plan_has_nothing_to_do(
    eem: Simulator,
    make_client: MakeClient,
    registry: SqliteRegistry,
    system: str,
    devices: list[str],
    registered: bool,
) -> None:
    """The card changed while the request was held up; when the cards are listed again, the device is attached."""
    eem.fault({"do": "change", "card": devices[0]}, {"do": "freeze"}, method="PUT", path="/group_id$")
    eem.fault("change", card=devices[0], set={"group_id": "17"}, method="GET", path="/devices/detail$", nth=2)
    running = executor(make_client(timeout=0.5), registry if registered else None)
    outcome = running.run(attach(system, devices[0]))
    assert late(devices[0]) in running.waited
    assert [step.action for step in outcome.steps] == ["attach"], "changed is true"
    assert [row["status"] for row in outcome.rows] == ["failed"]


@REGISTERED
def test_it_is_said_although_the_next_plan_is_refused(
    eem: Simulator,
    make_client: MakeClient,
    registry: SqliteRegistry,
    system: str,
    devices: list[str],
    registered: bool,
) -> None:
    eem.fault({"do": "change", "card": devices[0]}, {"do": "freeze"}, method="PUT", path="/group_id$")
    eem.fault("change", card=devices[0], set={"group_id": "18"}, method="GET", path="/devices/detail$", nth=2)
    error = failed(make_client, registry if registered else None, attach(system, devices[0]))
    assert pending(devices[0]) in error.message and "Cannot attach" in error.message
    assert [row["status"] for row in error.rows] == ["failed"]


def test_it_is_said_of_a_change_that_was_then_refused(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    eem.fault("freeze", method="PUT", path=f"{devices[0]}/group_id$")
    eem.fault("fail", status=409, code="40900", method="PUT", path=f"{devices[0]}/group_id$", nth=2)
    error = failed(make_client, registry, compose("n", system))
    assert pending(devices[0]) in error.message and "Stored as composing: n" in error.message
    assert nodes_in(registry) == {"n": "composing"}, "its device may still come"


def test_a_late_change_that_shows_while_the_rest_is_undone_is_undone_too(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    """It is not expected any more then, because it was carried out."""
    eem.fault("freeze", method="PUT", path=f"{devices[1]}/group_id$")
    shows = {"do": "change", "card": devices[1], "set": {"group_id": "17"}}
    eem.fault("fail", status=409, code="40900", method="PUT", path=f"{devices[1]}/group_id$", nth=2)
    eem.fault(shows, method="GET", path=f"/{devices[1]}$", nth=3)
    with pytest.raises(ExecutionFailed) as caught:
        run(make_client(timeout=0.5), None, attach(system, *devices[:2]))
    assert groups_of(eem, *devices[:2]) == ["4093", "4093"]
    assert [row["status"] for row in caught.value.rows] == ["undone", "undone"]
    assert not caught.value.changed and caught.value.message.endswith("Nothing was changed.")


def test_an_undo_that_timed_out_and_was_sent_again_is_still_expected(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    """A late detach would take the device from whoever attaches it next."""
    eem.fault("fail", status=409, code="40900", method="PUT", path=f"{devices[1]}/group_id$")
    eem.fault("freeze", method="DELETE", path=f"{devices[0]}/group_id$")
    error = failed(make_client, None, attach(system, *devices[:2]))
    assert pending(devices[0]) in error.message and f"Undone: {devices[0]} back to group 4093." in error.message
    assert [row["status"] for row in error.rows] == ["undone", "failed"]
    assert groups_of(eem, devices[0]) == ["4093"]


REQUESTS: list[tuple[str, str]] = [
    ("uid_led", "uid_led_status$"),
    ("forget_port", "eeio_mac_address$"),
    ("forget_card", "/0x[0-9a-f]+$"),
    ("reset", "perst$"),
    ("audit", "audit$"),
]


def request(eem: Simulator, action: str, system: str, device: str) -> tuple[Decide, str]:
    """What asks for it, and the card that is asked."""
    if action == "uid_led":
        return lambda observed: plan_led(observed, find_card(observed, device), "off", "on"), device
    if action == "forget_card":
        eem.silence(device)
        return lambda observed: plan_forget_card(observed, find_card(observed, device)), device
    if action == "forget_port":
        ports = eem.card(system)["downstream_ports"]
        ports[0] |= {"eeio_mac_address": "8c:df:9d:00:00:01", "eeio_connection_status": "down"}
        eem.patch(system, downstream_ports=ports)
        name = ports[0]["downstream_port_id"]
        return lambda observed: plan_action(observed, find_card(observed, system), "forget_port", name), system
    return lambda observed: plan_action(observed, find_card(observed, device), t.cast(t.Any, action)), device


@pytest.mark.parametrize(("action", "path"), REQUESTS)
def test_a_request_to_a_card_that_failed_may_still_be_carried_out(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], action: str, path: str
) -> None:
    decide, card = request(eem, action, system, devices[0])
    for method in ("PUT", "DELETE"):
        eem.fault("freeze", method=method, path=path)
        eem.fault("fail", status=409, code="40900", method=method, path=path, nth=2)
    error = failed(make_client, None, decide)
    assert pending(card) in error.message
    assert [row["status"] for row in error.rows] == ["failed"]


@pytest.mark.parametrize(("action", "path"), REQUESTS[:3])
def test_a_request_to_a_card_that_is_sent_again_and_done_is_reported_as_still_expected(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], action: str, path: str
) -> None:
    decide, card = request(eem, action, system, devices[0])
    for method in ("PUT", "DELETE"):
        eem.fault("freeze", method=method, path=path)
    running = executor(make_client(timeout=0.5), None)
    assert [row["status"] for row in running.run(decide).rows] == ["done"]
    assert late(card) in running.waited


@pytest.mark.parametrize(("action", "path"), REQUESTS[:3])
def test_a_request_to_a_card_that_was_carried_out_after_its_time_is_not_expected_again(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], action: str, path: str
) -> None:
    decide, _card = request(eem, action, system, devices[0])
    for method in ("PUT", "DELETE"):
        eem.fault("delay", seconds=1.0, after=True, method=method, path=path)
    running = executor(make_client(timeout=0.5), None)
    assert [row["status"] for row in running.run(decide).rows] == ["done"]
    assert not any("may still" in sentence for sentence in running.waited)


def test_a_read_that_timed_out_after_a_request_was_answered_is_no_request_that_may_come(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    decide, _card = request(eem, "uid_led", system, devices[0])
    eem.fault("freeze", method="GET", path="uid_led_status$", times=-1)
    error = failed(make_client, None, decide, retries=0)
    assert "may still carry" not in error.message
