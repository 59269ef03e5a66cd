# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message says that somebody else has changed a card only if somebody did, and otherwise what happened to it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._planning.card_requests import plan_led
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_card
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan
from eemsim.client import Simulator
from executor_runs import MakeClient, attach, executor, groups_of, run

SAME_GROUP = "EEM reports another time of change for card {} than when it was listed, but the same group ("
DOWN = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
Action = dict[str, t.Any]


def planned_again(sentences: list[str]) -> list[str]:
    assert not any("somebody" in sentence for sentence in sentences)
    return [sentence.removeprefix("Planned again: ") for sentence in sentences if sentence.startswith("Planned again")]


@pytest.mark.parametrize("shift", [-3600.0, 3600.0], ids=["back", "forward"])
def test_another_eem_process_with_other_times_is_nobody(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], shift: float
) -> None:
    """It takes over while the second of three devices is attached."""
    eem.fault("restart", mode="reset", empty=0.1, shift=shift, method="PUT", path="/group_id$", nth=2)
    running = executor(make_client(), None)
    running.run(attach(system, *devices[:3]))
    assert groups_of(eem, *devices[:3]) == ["17"] * 3
    (sentence,) = planned_again(running.waited)
    assert sentence.startswith(SAME_GROUP.format(devices[1]))


@pytest.mark.parametrize("shift", [-3600.0, 3600.0], ids=["back", "forward"])
def test_what_was_done_is_undone_although_another_eem_process_took_over(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], shift: float
) -> None:
    eem.fault("fail", status=409, code="40900", method="PUT", path=f"{devices[1]}/group_id$", times=-1)
    eem.fault("restart", mode="reset", shift=shift, method="DELETE", path="/group_id$")
    with pytest.raises(ExecutionFailed, match=f"Undone: {devices[0]} back to group 4093") as caught:
        run(make_client(), None, attach(system, *devices[:2]))
    assert "somebody" not in caught.value.message and not caught.value.changed
    assert groups_of(eem, *devices[:2]) == ["4093", "4093"]


CASES: list[tuple[str, Action, str]] = [
    ("audited by another client", {}, SAME_GROUP),
    ("silent", DOWN, "Card {} has stopped responding since it was listed ("),
    ("disabled", {"admin_status": "disabled"}, "Card {} is not enabled any more ("),
    (
        "regrouped by another client",
        {"group_id": "18"},
        "Card {} is in group 18 now, not in 4093 any more: somebody else has changed its group.",
    ),
]


@pytest.mark.parametrize(("changes", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("conditional", [True, False])
def test_what_happened_to_a_card_before_its_change_is_said_as_it_is(
    eem: Simulator,
    make_client: MakeClient,
    system: str,
    devices: list[str],
    changes: Action,
    said: str,
    conditional: bool,
) -> None:
    """EEM refuses the change because of it, or the answer is lost."""
    actions: list[Action] = [{"do": "change", "card": devices[0], "set": changes}]
    eem.fault(*actions, *([] if conditional else [{"do": "drop"}]), method="PUT", path="/group_id$")
    with pytest.raises(ExpetherError) as caught:
        run(make_client(retries=0, conditional_updates=conditional), None, attach(system, devices[0]))
    assert caught.value.kind == "stale"
    assert caught.value.message.startswith(said.format(devices[0]))
    assert ("somebody else" in caught.value.message) == ("group_id" in changes)


def test_an_audit_by_another_client_is_planned_again(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    eem.fault("change", card=devices[0], method="PUT", path="/group_id$")
    running = executor(make_client(), None)
    running.run(attach(system, devices[0]))
    (sentence,) = planned_again(running.waited)
    assert sentence.startswith(SAME_GROUP.format(devices[0]))


def test_a_late_request_of_this_run_is_not_somebody_else(
    eem: Simulator, make_client: MakeClient, devices: list[str]
) -> None:
    """The first plan attaches to one system, in vain at first; the second one to another, when the device comes to the first."""
    systems = [str(record["id"]) for record in eem.eesvs()[:2]]
    plans: list[str] = []

    def decide(observed: ObservedState) -> Plan:
        plans.append(systems[min(len(plans), 1)])
        return attach(plans[-1], devices[0])(observed)

    eem.fault({"do": "change", "card": devices[0]}, {"do": "freeze"}, method="PUT", path="/group_id$")
    comes = {"do": "change", "card": devices[0], "set": {"group_id": "17"}}
    eem.fault(comes, {"do": "fail", "code": "40900"}, method="PUT", path="/group_id$", nth=2)
    with pytest.raises(ExecutionFailed) as caught:
        run(make_client(timeout=0.5, retries=1), None, decide)
    assert "is in group 17 now, not in 4093 any more, by a late request of this run." in caught.value.message
    assert "somebody" not in caught.value.message


def test_an_led_that_is_not_reported_any_more_was_not_changed_by_anybody(
    eem: Simulator, make_client: MakeClient, devices: list[str]
) -> None:
    path = f"{devices[0]}/uid_led_status$"
    eem.fault("drop", method="PUT", path=path)
    eem.fault("garbage", body='{"uid_led_status": ""}', method="GET", path=path, times=-1)
    with pytest.raises(ExpetherError) as caught:
        run(
            make_client(retries=0),
            None,
            lambda observed: plan_led(observed, find_card(observed, devices[0]), "off", "on"),
        )
    assert caught.value.message.startswith(
        f"The LED of {devices[0]} shows nothing now, not off as when it was listed ("
    )
