# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of single cards, carried out at the simulator, with everything that can go wrong."""

from __future__ import annotations

import threading
import time
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.card_requests import (
    plan_action,
    plan_forget_card,
    plan_led,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_card
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import CardAction, ObservedState, Plan
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError
from eemsim.client import Simulator
from executor_runs import PODM, MakeClient, attach, detach, executor, groups_of, held_in, run

Drafts = Callable[[ObservedState], Plan]


@pytest.fixture(name="device")
def fixture_device(eem: Simulator) -> str:
    """A device that does not answer, and so may be forgotten."""
    card = str(eem.eeios()[0]["id"])
    eem.silence(card)
    return card


@pytest.fixture(name="answering")
def fixture_answering(eem: Simulator) -> str:
    """A device that answers, and so may be asked for its LED, audits and resets."""
    return str(eem.eeios()[0]["id"])


def led(card: str, now: str = "off", wanted: str = "on") -> Drafts:
    return lambda observed: plan_led(observed, find_card(observed, card), now, wanted)


def forget(card: str, force: bool = False) -> Drafts:
    def draft(observed: ObservedState) -> Plan:
        found = observed.fabric.card(card)
        return plan_forget_card(observed, found, force) if found else Plan()

    return draft


def ask(action: CardAction, card: str) -> Drafts:
    return lambda observed: plan_action(observed, find_card(observed, card), action)


LOSSES = [
    {"do": "drop"},
    {"do": "drop", "after": True},
    {"do": "truncate"},
    {"do": "garbage", "body": "<html>", "after": True},
    {"do": "html", "status": 404},
    {"do": "status", "status": 503, "after": True},
    {"do": "fail", "code": "40999", "message": "no", "after": True},
    {"do": "fail", "code": "50003", "message": "no"},
    {"do": "fail", "code": "40400", "message": "no"},
    {"do": "delay", "seconds": 1.0, "after": True},
    {"do": "delay", "seconds": 1.0},
    {"do": "restart", "down": 0.1, "starting": 0.1, "empty": 0.3, "mode": "reset"},
    {"do": "restart", "after": True, "down": 0.1, "starting": 0.1, "empty": 0.3, "mode": "reset"},
]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_whatever_becomes_of_the_answer_the_led_is_turned_once_and_told(
    eem: Simulator, make_client: MakeClient, answering: str, loss: dict[str, t.Any]
) -> None:
    client = make_client(timeout=0.6 if loss["do"] == "delay" else 5.0)
    eem.fault(loss, method="PUT")
    outcome = run(client, None, led(answering))
    assert [row["status"] for row in outcome.rows] == ["done"]
    assert [change["to"] for change in eem.history(field="uid_led_status")] == ["on"]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_whatever_becomes_of_the_answer_the_card_is_forgotten_and_told(
    eem: Simulator, make_client: MakeClient, device: str, loss: dict[str, t.Any]
) -> None:
    client = make_client(timeout=0.6 if loss["do"] == "delay" else 5.0)
    eem.fault(loss, method="DELETE")
    outcome = run(client, None, forget(device))
    assert [row["status"] for row in outcome.rows] == ["done"]
    assert device not in outcome.fabric.devices
    assert len(eem.history(field="card")) == 1


@pytest.mark.parametrize("action", ["audit", "reset", "reset_frame"])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_what_leaves_no_trace_is_never_done_twice_and_never_told_wrongly(
    eem: Simulator, make_client: MakeClient, answering: str, action: CardAction, loss: dict[str, t.Any]
) -> None:
    client = make_client(timeout=0.6 if loss["do"] == "delay" else 5.0)
    eem.reset_log()
    eem.fault(loss, method="PUT")
    try:
        outcome = run(client, None, ask(action, answering))
    except ExecutionFailed as error:
        assert (error.kind == "outcome_unknown") == error.changed
        assert [row["status"] for row in error.rows] == ["failed"]
    else:
        assert [row["status"] for row in outcome.rows] == ["done"]
    sent = [entry for entry in eem.log() if entry["method"] == "PUT"]
    refused = loss.get("code") in ("50003", "40400") or loss.get("status") == 404
    assert len(sent) == 1 + refused, "it is sent again only after it was refused, for now"
    assert len(eem.history(field={"reset": "perst", "reset_frame": "send_reset_frame"}.get(action, action))) <= 1


def test_a_card_is_not_taken_for_forgotten_by_an_eem_that_knows_no_card_yet(
    eem: Simulator, make_client: MakeClient, device: str
) -> None:
    client = make_client(timeout=0.4, retries=0)
    eem.fault("restart", method="DELETE", down=0.0, starting=0.0, empty=30.0, mode="reset")
    with pytest.raises(ExecutionFailed) as caught:
        run(client, None, forget(device))
    assert caught.value.kind == "outcome_unknown" and caught.value.changed
    assert device in eem.cards()


def test_a_group_of_which_an_empty_eem_tells_nothing_is_not_told_as_unchanged(
    eem: Simulator, make_client: MakeClient
) -> None:
    client = make_client(timeout=0.4, retries=0)
    system, device = str(eem.eesvs()[0]["id"]), str(eem.eeios()[1]["id"])
    eem.fault("restart", method="PUT", after=True, down=0.0, starting=0.0, empty=30.0, mode="reset")
    with pytest.raises(ExecutionFailed) as caught:
        run(client, None, attach(system, device))
    assert eem.card(device)["group_id"] == "17"
    assert caught.value.kind == "outcome_unknown" and caught.value.changed


def test_a_card_that_was_forgotten_by_somebody_else_is_no_failure(eem: Simulator, client: Client, device: str) -> None:
    eem.fault("change", method="DELETE", card=device, set={"id": "0x8cdf9dffffff"})
    assert [row["status"] for row in run(client, None, forget(device)).rows] == ["done"]


def test_a_run_that_changes_a_card_waits_for_one_that_holds_it(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, device: str
) -> None:
    other = Claims(open_registry(registry.path), PODM, "a run for node other", 60)
    epoch, _held = other.read()
    other.claim(epoch, [device])
    with pytest.raises(PlanRefused, match=f"{device} \\(claimed by a run for node other\\)"):
        run(make_client(timeout=0.1, retries=0), registry, forget(device))
    assert device in eem.cards()
    freed: list[float] = []

    def free() -> None:
        time.sleep(0.3)
        freed.append(time.monotonic())
        other.release(changed=False)

    runner = threading.Thread(target=free)
    runner.start()
    running = executor(make_client(), registry)
    outcome = running.run(forget(device))
    runner.join()
    assert [row["status"] for row in outcome.rows] == ["done"] and freed
    assert any("a run for node other" in sentence for sentence in running.waited)
    assert held_in(registry) == []


def test_a_card_is_held_while_it_is_forgotten(
    eem: Simulator, client: Client, registry: SqliteRegistry, device: str
) -> None:
    eem.fault("delay", seconds=0.5, method="DELETE")
    runner = threading.Thread(target=lambda: run(client, open_registry(registry.path), forget(device)))
    runner.start()
    seen: set[str] = set()
    while runner.is_alive():
        seen.update(held_in(registry))
        runner.join(0.02)
    assert seen == {device}
    assert held_in(registry) == []


def test_what_was_done_is_told_when_the_registry_fails_after_it(
    eem: Simulator, client: Client, registry: SqliteRegistry, answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: t.Any, **_more: t.Any) -> None:
        raise RegistryError("The registry is gone.")

    monkeypatch.setattr(Claims, "release", broken)
    with pytest.raises(ExecutionFailed, match=f"Done anyway: uid_led of {answering}") as caught:
        run(client, registry, led(answering))
    assert caught.value.changed
    assert "Nothing was changed" not in caught.value.message


def test_a_refusal_is_reported_without_a_change(eem: Simulator, client: Client, answering: str) -> None:
    eem.fault("fail", method="PUT", code="40999", times=-1)
    for draft in (led(answering), ask("reset", answering)):
        with pytest.raises(ExpetherError, match="Nothing was changed") as caught:
            run(client, None, draft)
        assert caught.value.kind == "eem_refused"
    assert eem.stats()["by_method"]["PUT"] == 2


def test_40011_means_list_again_when_a_card_is_deleted(eem: Simulator, client: Client, device: str) -> None:
    eem.fault("fail", code="40011", message="no", method="DELETE")
    eem.reset_stats()
    assert [row["status"] for row in run(client, None, forget(device)).rows] == ["done"]
    calls = eem.stats()["by_call"]
    assert (calls["GET /devices/detail"], calls["DELETE /devices/{id}"]) == (2, 2)


def test_40011_is_any_refusal_when_a_group_id_is_deleted(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    run(client, None, attach(system, devices[0]))
    eem.fault("fail", code="40011", message="no", method="DELETE", times=-1)
    eem.reset_stats()
    with pytest.raises(ExecutionFailed) as caught:
        run(client, None, detach(devices[0]))
    assert (caught.value.kind, caught.value.code, caught.value.changed) == ("eem_refused", "40011", False)
    calls = eem.stats()["by_call"]
    # Once with its condition, which may be what EEM refuses, and once without.
    assert (calls["GET /devices/detail"], calls["DELETE /devices/{id}/group_id"]) == (1, 2)
    assert groups_of(eem, devices[0]) == ["17"]
