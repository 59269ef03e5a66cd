# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries one change of a group id out at EEM, whatever happens to its answer. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import (
    EemError,
    EemRefused,
    TimedOut,
    UnexpectedAnswer,
)
from ansible_collections.nec.expether.plugins.module_utils._model.cards import (
    FREE_GROUP,
    NO_GROUP,
    Card,
    parse,
    parse_card_id,
)
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    GroupChange,
    HardwareStep,
    Status,
    Step,
    step_view,
)

T = t.TypeVar("T")

_ADVICE = "Run the task again when EEM responds; it continues from the actual state."


class Stale(ExpetherError):
    """The card is not as it was when the plan was made: list again, plan again."""

    kind = "stale"


class Declined(ExpetherError):
    """EEM refused an optional change or has not made it; the card was read and is unchanged. The run goes on without it."""


class CardGone(Stale):
    """EEM lists other cards, and this one not any more."""


class OutcomeUnknown(ExpetherError):
    """A change was sent and its answer was lost: the card cannot be read, or EEM may still make the change."""

    kind = "outcome_unknown"

    @classmethod
    def after(cls, error: EemError, message: str) -> OutcomeUnknown:
        """Return the error with this message, and what it keeps of the failed exchange for programs."""
        return cls(message, code=error.code, http_status=error.http_status, url=error.url)


@dataclasses.dataclass
class StepRun:
    """A step as it is carried out.

    :ivar update_time: the card's time of change as it was read or answered last
    :ivar unknown: why it is not known whether the step was done
    :ivar not_undone: why the step could not be undone
    :ivar rolled_back: whether the step was undone because the run failed
    :ivar timed_out: how many requests EEM did not respond to in time and may still carry out, whatever the card shows now
    :ivar lost: whether the answer to a request was lost in another way
    :ivar by_others: whether EEM refused the detach, because somebody else had moved the device
    :ivar read: the card as it was read after the step, where it was
    :ivar listed: the card as it was when the step was planned
    :ivar own_groups: group ids that this run itself may give the card late, by earlier requests
    """

    step: Step
    update_time: str | None = None
    status: Status = "planned"
    unknown: OutcomeUnknown | None = None
    not_undone: str | None = None
    rolled_back: bool = False
    timed_out: int = 0
    lost: bool = False
    read: Card | None = None
    by_others: bool = False
    listed: Card | None = None
    own_groups: frozenset[str] = frozenset()

    def view(self) -> dict[str, t.Any]:
        """Return the step as in the result `plan`."""
        return step_view(self.step, self.status)

    @property
    def is_declined(self) -> bool:
        """Whether EEM did not make an optional change, and will not."""
        optional = isinstance(self.step, GroupChange) and self.step.optional
        return optional and self.status == "failed" and not self.timed_out

    def note_error(self, error: EemError) -> None:
        """Note that a request failed which EEM may have carried out, or may still carry out."""
        self.timed_out += isinstance(error, TimedOut)
        self.lost = self.lost or (error.sent and not error.refused and not isinstance(error, TimedOut))

    def note_in_effect(self) -> None:
        """Note that one of the failed requests was carried out, so that it is not expected any more."""
        if not self.lost:
            self.timed_out = max(0, self.timed_out - 1)

    def note_not_done(self) -> None:
        """Note that the step was not done: it is planned again, unless EEM may still carry it out."""
        self.status = "failed" if self.timed_out else "planned"


def perform(client: Client, run: StepRun) -> None:
    """Carry out a change of a card's group id.

    :raises Stale: the card was changed meanwhile; this step changed nothing
    :raises OutcomeUnknown: it is not known whether the step was done
    :raises EemError: EEM refused the step or did not do it; the card was read and is unchanged
    :raises Declined: the same, if the step is optional
    """
    step, tries_left = t.cast(GroupChange, run.step), client.settings.retries
    card = step.card
    condition_refused = False
    while True:
        conditional = client.conditional and run.update_time is not None and not condition_refused
        try:
            run.update_time = _send(client, step, run.update_time if conditional else None)
            if condition_refused:
                client.conditional = False  # accepted without it: this EEM does not know it
            return
        except EemError as error:
            run.note_error(error)
            now = read_back(client, step, error, lambda: parse(client.device(card)))
            # A device that has left its group is detached, wherever it was taken since.
            if now.group_id == step.new or (step.action == "detach" and error.sent and now.group_id != step.old):
                run.update_time, run.read = now.update_time, now
                if now.group_id == step.new:
                    run.note_in_effect()
                run.by_others = error.refused and now.group_id != step.new
                return
            if now.group_id != step.old:
                raise Stale(describe_move(run, now)) from None
            changed = now.update_time != run.update_time
            if conditional and not changed and client.may_refuse_condition(error):
                condition_refused = True  # the card is as it was: perhaps EEM does not accept a condition
                continue
            if changed:
                raise Stale(_describe_update(run, now, error.message)) from None
            # EEM that has tried to reach a card in vain until the time was over would do so each time.
            given_up = error.refused or error.code is not None or isinstance(error, TimedOut) or not tries_left
            if step.optional and given_up:
                run.read = now
                raise Declined(error.message) from None
            pause_before_again(client, run, error, tries_left)
        tries_left -= 1


def describe_move(run: StepRun, now: Card) -> str:
    """Return the message about a card in a group that it was not in when the step was planned, and is not to get."""
    old = t.cast(GroupChange, run.step).old
    if now.group_id in run.own_groups:
        return f"Card {now.id} is in group {now.group_id} now, not in {old} any more, by a late request of this run."
    return f"Card {now.id} is in group {now.group_id} now, not in {old} any more: somebody else has changed its group."


def _describe_update(run: StepRun, now: Card, reason: str) -> str:
    """Return what happened to a card whose time of change is another one, but whose group is the same.

    An audit and a changed link do that, and an EEM process that took over and has read the cards anew [?]. So it does not
    mean that somebody has changed the card.
    """
    if run.listed and run.listed.reachable and not now.reachable:
        return f"Card {now.id} has stopped responding since it was listed ({reason})"
    if run.listed and run.listed.enabled is not False and now.enabled is False:
        return f"Card {now.id} is not enabled any more ({reason})"
    return (
        f"EEM reports another time of change for card {now.id} than when it was listed, but the same group ({reason})"
    )


def pause_before_again(client: Client, run: StepRun, error: EemError, tries_left: int) -> None:
    """After a change that was not made, as reading showed: pause before it is sent again, or give it up.

    :param tries_left: how often it may still be sent
    :raises Stale: EEM reports that the plan was made from an outdated state
    :raises OutcomeUnknown: EEM did not respond in time, and may still make the change
    :raises EemError: the error, if sending it again is of no use
    """
    step = t.cast(HardwareStep, run.step)
    if client.is_stale(error, deletes_card=step.action == "forget_card"):
        raise _stale(error) from None
    if not tries_left or error.final or not client.patience.pause(client.patience.pauses.change):
        if isinstance(error, TimedOut):
            raise OutcomeUnknown.after(
                error,
                f"{error.message} Card {step.card} is unchanged so far, but EEM may still carry it out. {_ADVICE}",
            ) from None
        raise error


def _stale(error: EemError) -> Stale:
    stale = Stale(error.message, code=error.code, http_status=error.http_status, url=error.url)
    stale.kind = error.kind  # what to call it if planning again does not help
    return stale


def is_deletion(step: GroupChange) -> bool:
    """Whether EEM is asked to delete the group id of the card."""
    return step.new in (FREE_GROUP, NO_GROUP)


def _send(client: Client, step: GroupChange, update_time: str | None) -> str | None:
    """Send the change once; return the card's new time of change, if the answer has it."""
    if is_deletion(step):
        answer = client.clear_group(step.card, update_time)
    else:
        answer = client.set_group(step.card, step.new, update_time)
        given = answer.get("group_id")
        if given is not None and str(given) != step.new:
            raise UnexpectedAnswer(
                f"EEM was asked to give {step.card} group id {step.new} and answered {printable(str(given), 20)!r}."
            )
    found = answer.get("update_time")
    return str(found) if isinstance(found, (str, int)) else None


def read_back(client: Client, step: HardwareStep, error: EemError, read: t.Callable[[], T]) -> T:
    """Read what shows whether a failed change of a card was made.

    :raises CardGone: the card does not exist any more
    :raises Stale: it cannot be read, and need not: EEM has reported that the plan was outdated
    :raises OutcomeUnknown: it cannot be read
    :raises EemError: the error, if nothing was sent and nothing can be read either
    """
    card = step.card
    try:
        return read_when_listed(client, card, read)
    except EemError as second:
        if not error.sent:
            raise error from None
        if client.is_stale(error, deletes_card=step.action == "forget_card"):
            raise _stale(error) from None  # what somebody else made of the card must not be taken for this change
        raise OutcomeUnknown.after(
            error,
            f"{error.message} Whether card {card} was changed is not known, because it cannot be read: {second.message}"
            f" {_ADVICE}",
        ) from None
    except CardGone:
        raise
    except ExpetherError as second:
        if not error.sent:
            raise error from None
        raise OutcomeUnknown(f"{error.message} {second.message}") from None


def listed_ids(client: Client) -> list[str | None]:
    """Return the ids of the cards that EEM lists."""
    return [parse_card_id(str(each.get("id"))) for each in client.devices() if isinstance(each, dict)]


def read_when_listed(client: Client, card: str, read: t.Callable[[], T]) -> T:
    """Read something of a card; wait for an EEM that has just started and knows no card at all.

    :raises CardGone: EEM lists other cards, and this one not
    :raises Stale: EEM does not know its cards, and the wait budget is used up
    """
    while True:
        try:
            return read()
        except EemRefused as error:
            if error.http_status != 404:
                raise
            ids = listed_ids(client)
            # It may have found its cards between the two requests: what it lists counts.
            if ids and card not in ids:
                raise CardGone(f"EEM does not list card {card} any more.") from None
            if not client.patience.pause(client.patience.pauses.listing):
                raise Stale(f"EEM is not listing its cards right now, so the state of {card} is unknown.") from None
