# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attached means connected: a run waits for the links of what it has attached, and reports what is true."""

from __future__ import annotations

import os
import signal
import threading
import time
import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import listening
from ansible_collections.nec.expether.plugins.module_utils._execution import claims
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import link_warnings
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from eemsim.client import Simulator
from executor_runs import PODM, MakeClient, attach, compose, detach, groups_of, held_in, nodes_in, run

#: Longer than any test: what a test waits for ends the wait.
LONG = 60.0
#: Ten pauses of the tests.
SHORT_TIME = 0.2


def links(outcome: Outcome, devices: t.Iterable[str]) -> list[bool | None]:
    return [outcome.fabric.devices[device].connected for device in devices]


def asked(eem: Simulator, after: str = "PUT /devices/{id}/group_id") -> list[str]:
    """The calls after the last change of a group id."""
    calls = [str(request["call"]) for request in eem.log()]
    last = max((place for place, call in enumerate(calls) if call == after), default=-1)
    return ["audit" if call.endswith("/audit") else "read" for call in calls[last + 1 :]]


def test_links_that_are_up_cost_no_request(eem: Simulator, client: Client, system: str, devices: list[str]) -> None:
    outcome = run(client, None, attach(system, *devices[:3]), connect_timeout=LONG)
    assert links(outcome, devices[:3]) == [True] * 3
    assert eem.stats()["requests"] == 2 + 3


@pytest.mark.parametrize("delay", [1, 2, 3, 9])
def test_a_late_link_is_waited_for(eem: Simulator, client: Client, system: str, devices: list[str], delay: int) -> None:
    """The first read is the one after the last change; the third request of the wait audits the card."""
    eem.set_options(link="late", link_delay=delay)
    outcome = run(client, None, attach(system, devices[0]), connect_timeout=LONG)
    assert links(outcome, [devices[0]]) == [True]
    assert link_warnings(outcome.after, devices, outcome.steps) == []
    # An audit shows nothing itself: the read after it does.
    assert asked(eem) == {1: ["read"], 2: ["read"] * 2, 3: ["read", "read", "audit", "read"]}.get(
        delay, ["read", "read", "audit", *["read"] * (delay - 3)]
    )


@pytest.mark.parametrize("count", [1, 3])
def test_a_link_that_comes_with_an_audit_is_found(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str], count: int
) -> None:
    eem.set_options(link="audit")
    outcome = run(client, registry, attach(system, *devices[:count]), connect_timeout=LONG)
    assert links(outcome, devices[:count]) == [True] * count
    assert asked(eem) == ["read", "read", *["audit"] * count, "read"]
    assert {card.update_time for card in outcome.fabric.devices.values()} == {
        str(card["update_time"]) for card in eem.eeios()
    }


def test_the_time_of_an_audited_card_does_not_hinder_the_next_change(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    eem.set_options(link="audit")
    run(client, registry, attach(system, devices[0]), connect_timeout=LONG)
    eem.reset_log()
    run(client, registry, detach(devices[0]))
    assert [request["status"] for request in eem.log()] == [200] * 3
    assert groups_of(eem, devices[0]) == ["4093"]


def test_an_audit_is_followed_by_a_read_even_when_the_time_is_over(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    """Otherwise a link that came with the last audit would be reported down."""
    eem.set_options(link="audit")
    outcome = run(client, None, attach(system, *devices[:12]), connect_timeout=0.1)
    requests = asked(eem)
    audits = requests.count("audit")
    assert 1 <= audits < 5 and requests == ["read", "read", *["audit"] * audits, "read"]
    assert links(outcome, devices[:12]).count(True) == audits


def test_a_link_that_never_comes_is_a_warning_and_no_failure(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    eem.set_options(link="never")
    outcome = run(client, registry, compose("n", system), connect_timeout=SHORT_TIME)
    cards = [card.id for card in outcome.fabric.devices_of(outcome.fabric.systems[system])]
    assert links(outcome, cards) == [False, False]
    assert {row["status"] for row in outcome.rows} == {"done"} and nodes_in(registry) == {"n": "composed"}
    requests = asked(eem)
    assert requests.count("audit") == 2 and len(requests) <= 1 + 10 + 1
    said = link_warnings(outcome.after, cards, outcome.steps)
    assert len(said) == 2 and all(f"{card} is attached to n" in text for card, text in zip(cards, said))
    assert all("path_status0: down, path_status1: down" in text for text in said)


def test_a_time_of_zero_does_not_wait(eem: Simulator, client: Client, system: str, devices: list[str]) -> None:
    eem.set_options(link="audit")
    outcome = run(client, None, attach(system, devices[0]), connect_timeout=0.0)
    assert links(outcome, [devices[0]]) == [False] and asked(eem) == ["read"]
    assert len(link_warnings(outcome.after, [devices[0]], outcome.steps)) == 1


def test_check_mode_does_not_wait_and_shows_what_is_expected(
    eem: Simulator, client: Client, system: str, bare: str, devices: list[str]
) -> None:
    eem.set_options(link="never")
    for host, expected in ((system, True), (bare, None)):
        outcome = run(client, None, attach(host, devices[0]), check=True, connect_timeout=LONG)
        assert links(outcome, [devices[0]]) == [expected]
        assert link_warnings(outcome.after, devices, outcome.steps) == []
    assert {request["call"] for request in eem.log()} == {"GET /devices/detail"}
    eem.patch(system, power_status="off")
    outcome = run(client, None, attach(system, devices[0]), check=True)
    assert links(outcome, [devices[0]]) == [False]


def test_a_second_run_warns_without_waiting(eem: Simulator, client: Client, system: str, devices: list[str]) -> None:
    eem.set_options(link="never")
    run(client, None, attach(system, devices[0]))
    eem.reset_log()
    outcome = run(client, None, attach(system, devices[0]), connect_timeout=LONG)
    assert outcome.steps == () and len(eem.log()) == 1
    assert len(link_warnings(outcome.after, outcome.plan.cards, outcome.steps)) == 1


def test_a_detached_device_is_not_connected(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    run(client, registry, attach(system, *devices[:2]))
    eem.set_options(link="never")
    outcome = run(client, registry, detach(devices[0]), connect_timeout=LONG)
    assert (
        links(outcome, devices[:2])
        == [False, True]
        == [card["eesv_connection_status"] == "up" for card in map(eem.card, devices[:2])]
    )
    assert asked(eem, "DELETE /devices/{id}/group_id") == ["read"]
    assert link_warnings(outcome.after, devices, outcome.steps) == []


@pytest.mark.parametrize(
    ("why", "warned"),
    [("off", False), ("new group", False), ("not reported", False), ("silent", False), ("silent system", True)],
)
def test_what_cannot_come_up_is_not_waited_for(
    eem: Simulator, client: Client, system: str, bare: str, devices: list[str], why: str, warned: bool
) -> None:
    eem.set_options(link="never")
    host, silence = system, {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
    if why == "off":
        eem.patch(system, power_status="off")
    elif why == "new group":
        host = bare
    elif why == "not reported":
        eem.patch(devices[0], eesv_connection_status=None)
    else:
        card = devices[0] if why == "silent" else system
        eem.fault("change", card=card, set=silence, after=True, method="PUT", path="/group_id$")
    outcome = run(client, None, attach(host, devices[0]), connect_timeout=LONG)
    calls = [request for request in eem.log() if request["call"] == "GET /devices/detail"]
    assert groups_of(eem, devices[0]) == groups_of(eem, host)
    assert len(calls) == (3 if why == "new group" else 2)  # without a registry, a new group is read once more
    assert links(outcome, [devices[0]]) == [None if why == "not reported" else False]
    assert len(link_warnings(outcome.after, [devices[0]], outcome.steps)) == warned


def test_only_what_was_attached_is_waited_for(eem: Simulator, client: Client, system: str, devices: list[str]) -> None:
    eem.set_options(link="never")
    run(client, None, attach(system, devices[0]))
    eem.set_options(link="at-once")
    eem.reset_log()
    outcome = run(client, None, attach(system, *devices[:2]), connect_timeout=LONG)
    assert links(outcome, devices[:2]) == [False, True] and asked(eem) == ["read"]
    assert len(link_warnings(outcome.after, outcome.plan.cards, outcome.steps)) == 1


@pytest.mark.parametrize("silent", [False, True])
def test_a_disabled_or_silent_card_is_not_audited(
    eem: Simulator, client: Client, system: str, devices: list[str], silent: bool
) -> None:
    eem.set_options(link="never")
    change = {"notification_status0": ["down", "down"]} if silent else {"monitoring_status": "disabled"}
    eem.fault("change", card=devices[0], set=change, method="GET", path="/detail$", nth=3)
    run(client, None, attach(system, devices[0]), connect_timeout=SHORT_TIME)
    assert "audit" not in asked(eem)


def test_a_device_that_somebody_else_takes_meanwhile_is_not_reported_as_attached(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    eem.set_options(link="never")
    eem.fault("change", card=devices[0], set={"group_id": "18"}, method="GET", path="/detail$", nth=3)
    with pytest.raises(ExecutionFailed, match=f"{devices[0]} is attached to"):
        run(client, None, attach(system, *devices[:2]), connect_timeout=LONG)
    assert groups_of(eem, *devices[:2]) == ["18", "4093"]


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "fail", "status": 500},
        {"action": "drop"},
        {"action": "garbage", "body": "<html>"},
        {"action": "garbage", "body": '{"devices": [{"id": "?"}]}'},
        {"action": "fail", "status": 401},
    ],
)
@pytest.mark.parametrize("what", ["audit", "read", "both"])
def test_what_fails_while_waiting_neither_fails_nor_undoes_the_run(
    eem: Simulator,
    client: Client,
    registry: SqliteRegistry,
    system: str,
    fault: dict[str, t.Any],
    what: str,
) -> None:
    eem.set_options(link="never" if what == "both" else "late", link_delay=8)
    action = {key: value for key, value in fault.items() if key != "action"}
    if what != "read":
        eem.fault(fault["action"], **action, method="PUT", path="/audit$", times=-1)
    if what != "audit":
        eem.fault(fault["action"], **action, method="GET", path="/detail$", nth=3, times=2 if what == "read" else -1)
    outcome = run(client, registry, compose("n", system), connect_timeout=SHORT_TIME if what == "both" else LONG)
    cards = [card.id for card in outcome.fabric.devices_of(outcome.fabric.systems[system])]
    assert links(outcome, cards) == [what != "both"] * 2
    assert {row["status"] for row in outcome.rows} == {"done"} and client.waited == []
    assert nodes_in(registry) == {"n": "composed"} and held_in(registry) == []
    if what == "both":
        assert "audit" not in asked(eem)  # nothing was read


def test_an_eem_that_restarts_while_links_are_waited_for_is_waited_for_too(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    eem.set_options(link="late", link_delay=20)
    eem.fault("restart", down=0.1, starting=0.1, empty=0.1, mode="reset", method="GET", path="/detail$", nth=3)
    outcome = run(client, registry, compose("n", system), connect_timeout=LONG)
    cards = [card.id for card in outcome.fabric.devices_of(outcome.fabric.systems[system])]
    assert links(outcome, cards) == [True, True] and nodes_in(registry) == {"n": "composed"}


def test_a_signal_ends_the_wait_and_undoes_the_run(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    eem.set_options(link="never")

    def interrupt() -> None:
        while "audit" not in asked(eem):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    with listening():
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(ExecutionFailed, match="SIGTERM") as caught:
            run(client, registry, compose("n", system), connect_timeout=LONG)
    assert not caught.value.changed and {row["status"] for row in caught.value.rows} == {"undone"}
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}
    assert nodes_in(registry) == {} and held_in(registry) == []


def test_a_signal_ends_a_read_that_eem_does_not_answer(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str
) -> None:
    eem.set_options(link="never")
    eem.fault("freeze", method="GET", path="/detail$", nth=3)

    def interrupt() -> None:
        while not eem.faults()[0]["used"]:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    began = time.monotonic()
    with listening():
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(ExecutionFailed, match="SIGTERM"):
            run(make_client(timeout=300.0), registry, compose("n", system), connect_timeout=LONG)
    assert time.monotonic() - began < LONG
    assert {card["group_id"] for card in eem.eeios()} == {"4093"} and held_in(registry) == []


def test_claims_are_renewed_while_links_are_waited_for(
    eem: Simulator,
    make_client: MakeClient,
    registry: SqliteRegistry,
    system: str,
    devices: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another run sees a claim that is younger than the wait."""
    monkeypatch.setattr(claims, "RENEW_AFTER", 0.0)
    eem.set_options(link="late", link_delay=12)
    seen: set[float] = set()
    stored = claims.Claims(registry, PODM, "the other run", 60.0)
    take = claims.Claims.renew

    def renew(self: claims.Claims) -> bool:
        held = take(self)
        seen.update(claim.until for claim in stored._stored().held.values())
        return held

    monkeypatch.setattr(claims.Claims, "renew", renew)
    run(make_client(), registry, attach(system, devices[0]), connect_timeout=LONG)
    assert len(seen) >= 10


def test_a_plan_that_is_made_again_waits_for_what_the_first_one_attached(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    eem.set_options(link="audit")
    eem.fault("fail", code="50003", method="PUT", path=f"{devices[1]}/group_id$")
    outcome = run(client, registry, attach(system, *devices[:2]), connect_timeout=LONG)
    assert links(outcome, devices[:2]) == [True, True]
    assert sorted(row["device"] for row in outcome.rows) == devices[:2]
