# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter writes spaces around the colon of a slice, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: E203
"""Carries a plan out: observe, plan, reserve, change, verify, store; or undo and report. Private to the collection."""

from __future__ import annotations

import random
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import settle, stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._execution.card_requests import perform_request
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import waited_for
from ansible_collections.nec.expether.plugins.module_utils._execution.links import wait_for_links
from ansible_collections.nec.expether.plugins.module_utils._execution.observe import Observer
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome, outcome_of
from ansible_collections.nec.expether.plugins.module_utils._execution.report import (
    ClaimsLost,
    ExecutionFailed,
    describe_failure,
    is_begun,
    is_changed,
)
from ansible_collections.nec.expether.plugins.module_utils._execution.reservation import AnyReservation
from ansible_collections.nec.expether.plugins.module_utils._execution.rollback import (
    check_group_is_ours,
    undo_all,
    undo_group_change,
)
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import (
    Declined,
    OutcomeUnknown,
    Stale,
    StepRun,
    describe_move,
    perform,
)
from ansible_collections.nec.expether.plugins.module_utils._execution.verify import (
    in_effect,
    last_changes,
    misplaced,
    verify,
    without_effect,
)
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, parse
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    CardRequest,
    GroupChange,
    HardwareStep,
    ObservedState,
    Plan,
    RegistryChange,
    Step,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written


class Executor:
    """Runs plans at one EEM.

    :param podm: what users call the pod manager
    :param more_changes: further changes of the registry in the last transaction, from the outcome
    :param connect_timeout: how many seconds to wait for the links of newly attached devices
    """

    def __init__(
        self,
        client: Client,
        podm_id: str,
        podm: str,
        reservation: AnyReservation,
        more_changes: t.Callable[[Outcome], t.Sequence[Change]] = lambda _outcome: (),
        connect_timeout: float = 0.0,
    ) -> None:
        self._client = client
        self._reservation = reservation
        self._observer = Observer(client, podm_id, podm, reservation)
        self._more_changes = more_changes
        self._connect_timeout = connect_timeout
        self._runs: list[StepRun] = []
        self._stale: StepRun | None = None
        # The state before the first plan of this run that was carried out.
        self._since: ObservedState | None = None
        #: What the run waited for, as sentences.
        self.waited: list[str] = self._observer.waited

    def run(self, decide: t.Callable[[ObservedState], Plan], check_mode: bool = False) -> Outcome:
        """Make a plan from the observed state and carry it out; make it again when that state has changed.

        :raises ExecutionFailed: something was changed or may have been, and the message says what is left of it
        :raises ExpetherError: nothing was changed
        """
        retries = tries_left = self._client.settings.retries
        while True:
            try:
                return until_written(
                    lambda: self._attempt(decide, check_mode), pause=self._client.patience.pauses.write
                )
            except PlanRefused as error:
                if not error.blocked_by or not self._wait(error):
                    self._fail(error)
            except Stale as error:
                # Two runs that disturbed each other must not do so again in step.
                longer = 2 ** (retries - tries_left) * random.uniform(0.5, 1.5)  # noqa: S311
                patience = self._client.patience
                if not tries_left or not patience.pause(patience.pauses.plan * longer):
                    if self._stale:
                        self._stale.status = "failed"
                    self._fail(error)
                self.waited.append(f"Planned again: {error.message}")
                tries_left -= 1
            except ExpetherError as error:
                self._fail(error)

    def _attempt(self, decide: t.Callable[[ObservedState], Plan], check_mode: bool) -> Outcome:
        stop_if_interrupted()
        observed = self._observe(check_mode)
        if not self._runs:
            self._since = observed
        plan = self._from_the_beginning(decide(observed))
        if check_mode or not (plan.steps or self._reservation.is_held):
            self._drop_planned()
            self._warn_of_late()
            return self._outcome(observed, plan)
        self._check_not_taken(plan)
        self._reservation.take(observed, plan)
        self._carry_out(observed, plan)
        return self._finish(observed, plan)

    def _from_the_beginning(self, plan: Plan) -> Plan:
        """Return a plan whose nodes begin with their state before this run, which itself stores them as `composing`."""
        nodes = t.cast(ObservedState, self._since).nodes

        def step_of(step: Step) -> Step:
            if not isinstance(step, RegistryChange) or step.action != "remember":
                return step
            before = nodes.get(step.system_id or "")
            # Before a new node, the system may have been another one, which the plan releases.
            return step._replace(old=before.state if before and before.name == step.node else None)

        return plan._replace(steps=tuple(map(step_of, plan.steps)))

    def _observe(self, check_mode: bool) -> ObservedState:
        """Return the observed state, in which no change of an earlier plan has given a device no host, or two."""
        changed_cards = last_changes(self._runs).keys()
        observed = self._observer.observe(changed_cards, check_mode)
        for run in self._runs:
            run.read = None  # older than this listing
        for run in without_effect(self._runs, observed):
            run.note_not_done()
        wrong = misplaced(self._runs, observed)
        if not wrong:
            return observed
        self._renew()
        for run in reversed(wrong):
            undo_group_change(self._client, run)
        return self._observer.observe(changed_cards, check_mode)

    def _check_not_taken(self, plan: Plan) -> None:
        """Refuse to take a card away from whoever got it since this run began.

        :raises PlanRefused: a device is in a group that it was not in then and that this run did not give it
        """
        first = t.cast(ObservedState, self._since).fabric.devices
        given = {(run.step.device, run.step.new) for run in self._runs if run.status == "done" or run.timed_out}
        for step in plan.group_changes:
            card = first.get(step.card) if step.action == "detach" else None
            if card and step.old != card.group_id and (card.id, step.old) not in given:
                raise PlanRefused(
                    f"Device {card.id} was in group {card.group_id} when this run began and is in group {step.old} now:"
                    " somebody else has taken it."
                )

    def _wait(self, error: PlanRefused) -> bool:
        """Wait until another run gives back what blocks this one; return whether it did in time.

        A run that has changed hardware does not wait, because it keeps its claims on what it has changed.
        """
        if any(run.status == "done" or run.timed_out for run in self._runs if not isinstance(run.step, RegistryChange)):
            return False
        if self._reservation.is_held and self._give_back(hardware_changed=False, restore=True):
            return False
        self.waited.append(waited_for(error.blocked_by))
        return self._reservation.wait_for(error.blocked_by, self._client.patience)

    def _carry_out(self, observed: ObservedState, plan: Plan) -> None:
        self._drop_planned()
        late = [run.step for run in self._runs if run.timed_out and isinstance(run.step, GroupChange)]
        runs = []
        for step in plan.steps:
            card = None if isinstance(step, RegistryChange) else observed.fabric.card(step.card)
            groups = frozenset(change.new for change in late if card and change.card == card.id)
            runs.append(StepRun(step, card.update_time if card else None, listed=card, own_groups=groups))
        self._runs += runs
        for place, run in enumerate(runs):
            if isinstance(run.step, RegistryChange):
                continue
            stop_if_interrupted()
            self._renew()
            self._perform(run)
            later_changes = [later for later in runs[place + 1 :] if isinstance(later.step, GroupChange)]
            if run.step.action == "set_group" and run.update_time is None and later_changes:
                self._check_given(run)
            for later in later_changes:  # a move: the card is detached, then attached
                if t.cast(GroupChange, later.step).card == run.step.card:
                    if run.update_time is None:
                        self._read(run)
                    self._check_free(run)
                    later.update_time = run.update_time
        if plan.group_changes:
            changes = [*in_effect(self._runs[: -len(runs)], observed), *runs]
            cards = verify(self._client, changes)
            wait_for_links(self._client, changes, cards, self._connect_timeout, self._renew)
        stop_if_interrupted()
        self._renew()

    def _renew(self) -> None:
        if not self._reservation.renew():
            raise ClaimsLost(
                "The claims of this run had expired, and another run has taken them over: what this run has done so far"
                " now belongs to the other, and was not undone."
            )

    def _drop_planned(self) -> None:
        """Forget the steps that were not carried out, also those that EEM declined: a later plan tries them again."""
        self._runs = [
            run
            for run in self._runs
            if not isinstance(run.step, RegistryChange) and run.status != "planned" and not run.is_declined
        ]

    def _drop_made_again(self) -> None:
        """Report a change that timed out, and that a later plan has made, once and as done."""
        made = {_change_of(run): run for run in self._runs if run.status == "done"}
        for run in [run for run in self._runs if run.status == "failed" and _change_of(run) in made]:
            made[_change_of(run)].timed_out += run.timed_out
            self._runs.remove(run)

    def _check_free(self, run: StepRun) -> None:
        """Check that the detached device of a move is free, before it is attached elsewhere.

        :raises Stale: somebody else has put it into a third group
        """
        if run.read and run.read.group_id != run.step.new:
            self._stale = run
            if run.by_others:
                run.note_not_done()
            raise Stale(describe_move(run, run.read))

    def _read(self, run: StepRun) -> Card:
        """Read the card of a change whose answer reports nothing of it: it may be in its old group."""
        run.read = parse(self._client.device(t.cast(GroupChange, run.step).card))
        run.update_time = run.read.update_time
        return run.read

    def _check_given(self, run: StepRun) -> None:
        """Check that a system has its new group id, of which the answer reports nothing, before devices are attached to it.

        Otherwise a run that is killed after it has attached one leaves it in a group that no system has.

        :raises Stale: it does not have it
        """
        step = t.cast(GroupChange, run.step)
        if self._read(run).group_id != step.new:
            self._stale = run
            run.note_not_done()
            raise Stale(f"EEM reported success, but card {step.card} is not in group {step.new}.")

    def _perform(self, run: StepRun) -> None:
        try:
            (perform if isinstance(run.step, GroupChange) else perform_request)(self._client, run)
        except Stale:
            self._stale = run
            run.note_not_done()
            raise
        except Declined:
            run.status = "failed"
            return
        except ExpetherError as error:
            run.status = "failed"
            if isinstance(error, OutcomeUnknown):
                run.unknown = error
            elif run.timed_out:  # an earlier request of this step
                run.unknown = OutcomeUnknown(error.message)
            raise
        run.status = "done"
        if run.step.action == "set_group" and not self._reservation.is_held:
            # Runs that claim group ids do not meet here. Other programs are noticed by the read after the last change.
            check_group_is_ours(self._client, run)
        if isinstance(run.step, CardRequest) and run.step.action == "audit":
            run.read = parse(self._client.device(run.step.card))

    def _finish(self, observed: ObservedState, plan: Plan) -> Outcome:
        """Store the nodes and devices as they are now, and give the claims back."""
        self._drop_made_again()
        self._warn_of_late()
        outcome = self._outcome(observed, plan)
        self._reservation.finish(plan, outcome.fabric, self._more_changes(outcome))
        for run in self._runs:
            if run.status == "planned":  # what the registry stores or forgets
                run.status = "done"
        return self._outcome(observed, plan)

    def _warn_of_late(self) -> None:
        for card in sorted({t.cast(HardwareStep, run.step).card for run in self._runs if run.timed_out}):
            self.waited.append(f"EEM did not respond in time to a change of {card} and may still carry it out.")

    def _outcome(self, observed: ObservedState, plan: Plan) -> Outcome:
        return outcome_of(self._observer.first or observed, observed, plan, self._runs)

    def _fail(self, error: ExpetherError) -> t.NoReturn:
        """Undo what was done, give the claims back, and report what is left.

        :raises ExpetherError: the error, if no change was begun
        :raises ExecutionFailed: the error with what was done and undone
        """
        settle()
        runs, lost, begun = self._runs, isinstance(error, ClaimsLost), is_begun(self._runs)
        if not lost:
            undo_all(self._client, runs, self._reservation.still_ours)
        changed, problem = is_changed(runs, lost), None
        if self._reservation.is_held and not lost:
            problem = self._give_back(begun, restore=not changed)
            changed = changed or problem is not None
        if not begun and not changed:
            raise error
        message = describe_failure(error.message, runs, changed, problem)
        raise ExecutionFailed(error, message, [run.view() for run in runs], changed) from None

    def _give_back(self, hardware_changed: bool, restore: bool) -> str | None:
        """Give the claims back without finishing; return what stays unfinished, as a sentence."""
        problem = self._reservation.give_back(hardware_changed, restore)
        for run in self._runs:
            if run.step.action == "remember" and run.status == "planned":
                run.status = "failed" if problem else "undone"
        return problem


def _change_of(run: StepRun) -> tuple[str, str, str | None]:
    """Return what a step changes: the action, the card, and the value that it gets."""
    step = t.cast(HardwareStep, run.step)
    return step.action, step.card, step.new
