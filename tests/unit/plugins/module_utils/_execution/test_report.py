# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a failed run: what was done, undone, or could not be undone, and whether anything is changed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._execution.report import (
    ExecutionFailed,
    describe_failure,
    is_begun,
    is_changed,
)
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import OutcomeUnknown, StepRun
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    CardAction,
    CardRequest,
    GroupChange,
    RegistryChange,
    Step,
)
from hypothesis import event, given
from hypothesis import strategies as st

ADVICE = "Run the same task again when EEM responds, or correct these cards with expether_device_attach."
SILENT = "no complete answer within 30 s."


def attach(device: str) -> GroupChange:
    return GroupChange("attach", device, "node", "system", "4093", "17")


REMEMBER = RegistryChange("remember", None, "node", "system", None, "composed")
LED = CardRequest("uid_led", "device1", "node", "system", "off", "on")


class What(t.NamedTuple):
    """How a step of a failed run can end after all was undone that could be.

    :ivar hardware: whether EEM was asked
    :ivar left: whether something is different, or may be
    """

    run: StepRun
    hardware: bool
    left: bool


def never_tried(step: Step) -> What:
    return What(StepRun(step), False, False)


def group_changes(step: GroupChange) -> st.SearchStrategy[What]:
    return st.sampled_from(
        [
            lambda: never_tried(step),
            lambda: What(StepRun(step, status="undone", rolled_back=True), True, False),
            lambda: What(StepRun(step, status="undone"), True, False),  # undone at once, because the group was taken
            lambda: What(StepRun(step, status="done", not_undone=SILENT), True, True),
            lambda: What(StepRun(step, status="failed"), True, False),  # EEM refused it
            lambda: What(StepRun(step, status="failed", timed_out=True), True, True),  # and was then refused
            lambda: What(StepRun(step, status="undone", timed_out=True, rolled_back=True), True, True),
            lambda: What(StepRun(step, status="failed", unknown=OutcomeUnknown("?"), timed_out=True), True, True),
            lambda: What(StepRun(step, status="failed", unknown=OutcomeUnknown("?"), not_undone=SILENT), True, True),
        ]
    ).map(lambda make: make())


def requests(action: CardAction, device: str) -> st.SearchStrategy[What]:
    step = CardRequest(action, device, "node", "system", None, None)
    return st.sampled_from(
        [
            lambda: never_tried(step),
            lambda: What(StepRun(step, status="done"), True, True),
            lambda: What(StepRun(step, status="failed"), True, False),
            lambda: What(StepRun(step, status="failed", unknown=OutcomeUnknown("?")), True, True),
        ]
    ).map(lambda make: make())


def registry_changes() -> st.SearchStrategy[What]:
    statuses: list[t.Literal["planned", "undone", "failed"]] = ["planned", "undone", "failed"]
    return st.sampled_from(statuses).map(lambda status: What(StepRun(REMEMBER, status=status), False, False))


@st.composite
def failed_runs(draw: st.DrawFn) -> list[What]:
    """Give the steps of runs that failed, in every combination of what can become of each."""
    actions = st.sampled_from(("uid_led", "forget_card", "audit", "reset", "reset_frame", "forget_port"))
    made: list[What] = []
    for place in range(draw(st.integers(0, 5))):
        device = f"device{place}"
        kind = draw(st.sampled_from(["group", "group", "request", "registry"]))
        if kind == "group":
            made.append(draw(group_changes(attach(device))))
        elif kind == "request":
            made.append(draw(requests(draw(actions), device)))
        else:
            made.append(draw(registry_changes()))
    return made


def runs_of(whats: t.Iterable[What]) -> list[StepRun]:
    return [what.run for what in whats]


@given(failed_runs())
def test_changed_is_false_exactly_if_nothing_is_left_changed(whats: list[What]) -> None:
    left = any(what.left for what in whats)
    event(f"left: {left}")
    assert is_changed(runs_of(whats), claims_lost=False) is left


@given(failed_runs())
def test_whatever_was_begun_is_left_to_the_run_that_has_taken_the_claims_over(whats: list[What]) -> None:
    begun = any(what.hardware for what in whats)
    assert is_begun(runs_of(whats)) is begun
    assert is_changed(runs_of(whats), claims_lost=True) is begun


@given(failed_runs(), st.sampled_from([None, "Stored as composing: node. Run the task again, or release it."]))
def test_a_message_says_that_nothing_was_changed_exactly_if_nothing_was(whats: list[What], problem: str | None) -> None:
    runs = runs_of(whats)
    changed = is_changed(runs, claims_lost=False) or problem is not None
    message = describe_failure("EEM refused it.", runs, changed, problem)
    assert message.startswith("EEM refused it.")
    assert message.endswith("Nothing was changed.") is not changed
    assert (problem or "") in message


@given(failed_runs())
def test_a_message_names_each_card_whose_state_is_not_what_it_was(whats: list[What]) -> None:
    runs = runs_of(whats)
    message = describe_failure("cause.", runs, is_changed(runs, claims_lost=False), None)
    for run in runs:
        if isinstance(run.step, RegistryChange):
            continue
        said = f"{run.step.card} back to group" if isinstance(run.step, GroupChange) else f"{run.step.action} of"
        if run.not_undone:
            assert f"{said} 4093 ({run.not_undone})" in message
        if isinstance(run.step, CardRequest) and run.status == "done":
            assert f"{said} {run.step.card}" in message
        if run.status == "planned":
            assert run.step.card not in message
    assert ("Could not be undone: " in message) == any(run.not_undone for run in runs)
    assert ("Undone: " in message) == any(run.rolled_back for run in runs)
    assert ("Done anyway: " in message) == any(
        run.status == "done" for run in runs if isinstance(run.step, CardRequest)
    )
    assert ("EEM may still carry out " in message) == any(run.timed_out for run in runs)


@given(failed_runs())
def test_reporting_changes_nothing_and_says_the_same_again(whats: list[What]) -> None:
    runs = runs_of(whats)
    before = [(run.status, run.unknown, run.not_undone) for run in runs]
    changed = is_changed(runs, claims_lost=False)
    assert describe_failure("cause.", runs, changed, None) == describe_failure("cause.", runs, changed, None)
    assert [(run.status, run.unknown, run.not_undone) for run in runs] == before


def test_what_was_undone_is_told_in_the_order_in_which_it_was() -> None:
    runs = [
        StepRun(REMEMBER, status="undone"),
        StepRun(attach("device0"), status="undone", rolled_back=True),
        StepRun(attach("device1"), status="undone", rolled_back=True),
        StepRun(attach("device2"), status="failed"),
        StepRun(attach("device3")),
    ]
    assert describe_failure("EEM refused it.", runs, False, None) == (
        "EEM refused it. Undone: device1 back to group 4093, device0 back to group 4093. Nothing was changed."
    )


def test_a_group_that_was_given_back_at_once_is_not_told_as_undone() -> None:
    step = GroupChange("set_group", None, "node", "system", "4094", "17")
    runs = [StepRun(step, status="undone"), StepRun(step, status="failed")]
    assert describe_failure("EEM refused it.", runs, False, None) == "EEM refused it. Nothing was changed."


def test_everything_that_a_message_can_tell_is_told_from_the_cause_to_the_registry() -> None:
    runs = [
        StepRun(LED, status="done"),
        StepRun(attach("device2"), status="done", not_undone="not tried: EEM does not respond"),
        StepRun(attach("device3"), status="undone", rolled_back=True),
        StepRun(attach("device4"), status="failed", unknown=OutcomeUnknown("?"), timed_out=True),
    ]
    assert describe_failure("No answer.", runs, True, "The registry could not be put right: it is gone.") == (
        "No answer. EEM may still carry out what it did not respond to in time: read device4 again later."
        " Done anyway: uid_led of device1."
        " Undone: device3 back to group 4093. Could not be undone: device2 back to group 4093"
        f" (not tried: EEM does not respond). {ADVICE} The registry could not be put right: it is gone."
    )


@pytest.mark.parametrize("changed", [True, False])
def test_a_failure_keeps_what_its_cause_says_to_machines(changed: bool) -> None:
    cause = PlanRefused("cause.", code="40900", http_status=409, url="http://eem", details={"candidates": {}})
    rows = [StepRun(REMEMBER).view()]
    failed: ExpetherError = ExecutionFailed(cause, "cause. And more.", rows, changed)
    assert failed.as_failure() == {**cause.as_failure(), "message": "cause. And more."}
    assert failed.changed is changed
