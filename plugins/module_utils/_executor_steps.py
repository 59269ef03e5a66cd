# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step of a plan at the EEM: sent once, read back when its answer is lost, undone if need be.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._client import Client
from ansible_collections.nec.expether.plugins.module_utils._errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._names import listed
from ansible_collections.nec.expether.plugins.module_utils._plan import Status, Step
from ansible_collections.nec.expether.plugins.module_utils._records import (
    FREE_GROUP,
    NO_GROUP,
    Card,
    Eesv,
    parse,
    parse_card_id,
)
from ansible_collections.nec.expether.plugins.module_utils._texts import printable
from ansible_collections.nec.expether.plugins.module_utils._transport_errors import (
    Denied,
    EemError,
    NotEem,
    TimedOut,
)

T = t.TypeVar("T")

_ADVICE = "Give the same task again when EEM answers: it goes on from what is true then."
PAUSE = 0.5  # seconds before a change that EEM did not make, as reading showed, is sent again
EMPTY_PAUSE = 1.0  # seconds between two looks at an EEM that knows no card at all, as after a restart


class Stale(ExpetherError):
    """The card is not as it was when the plan was made: list again, plan again."""

    kind = "stale"


class Gone(Stale):
    """EEM lists other cards, and this one not any more."""


class OutcomeUnknown(ExpetherError):
    """A change was sent, its answer was lost, and the card cannot be read: it may have been made or not.

    :ivar late: the card could be read and is unchanged, but EEM did not answer and may make the change yet
    """

    kind = "outcome_unknown"
    late = False


class Row:
    """A step with its status and the card's time of change: before the step, then after it.

    :ivar unknown: why nobody knows whether the step was done
    :ivar read: the card as it was read after the step, where it was
    """

    def __init__(self, step: Step, update_time: str | None = None) -> None:
        self.step = step
        self.status: Status = "planned"
        self.update_time = update_time
        self.unknown: OutcomeUnknown | None = None
        self.read: Card | None = None

    def view(self) -> dict[str, t.Any]:
        """Return the row as in C(plan)."""
        return self.step.view(self.status)


def perform(client: Client, row: Row) -> None:
    """Carry out a step that changes a card's group id.

    :raises Stale: the card was changed meanwhile; this step changed nothing
    :raises OutcomeUnknown: nobody knows whether the step was done
    :raises EemError: EEM refused the step or did not do it; the card was read and is unchanged
    """
    step, left = row.step, client.settings.retries
    card = t.cast(str, step.card)
    condition_refused = False
    while True:
        conditional = client.conditional and row.update_time is not None and not condition_refused
        try:
            row.update_time = _send(client, step, row.update_time if conditional else None)
            if condition_refused:
                client.conditional = False  # taken without it: this EEM does not know it
            return
        except EemError as error:
            now = read_back(client, step, error, lambda: parse(client.device(card)))
            # A device that has left its group is detached, wherever it was taken since.
            if now.group_id == step.new or (step.action == "detach" and error.sent and now.group_id != step.old):
                row.update_time = now.update_time
                return
            if now.group_id != step.old:
                raise Stale(f"Card {card} is in group {now.group_id} now, not in {step.old} any more.") from None
            changed = now.update_time != row.update_time
            if conditional and not changed and client.may_refuse_condition(error):
                condition_refused = True  # the card is as it was: perhaps EEM does not take a condition
                continue
            if changed:
                raise Stale(f"Card {card} was changed by somebody else meanwhile ({error.message})") from None
            pause_before_again(client, step, error, left)
        left -= 1


def pause_before_again(client: Client, step: Step, error: EemError, left: int) -> None:
    """After a change that was not made, as reading showed: pause before it is sent again, or give it up.

    :param left: how often it may still be sent
    :raises Stale: EEM says that the plan was made from a stale picture
    :raises OutcomeUnknown: EEM did not answer, and may make the change yet
    :raises EemError: the error, if sending it again is of no use
    """
    if client.is_stale(error, deleting=_deletes(step)):
        raise _stale(error) from None
    if not left or error.final or not client.patience.pause(PAUSE):
        if isinstance(error, TimedOut):
            raise _late(t.cast(str, step.asked), error) from None
        raise error


def _stale(error: EemError) -> Stale:
    stale = Stale(error.message, code=error.code, http_status=error.http_status, url=error.url)
    stale.kind = error.kind  # what to call it if planning again does not help
    return stale


def _late(card: str, error: EemError) -> OutcomeUnknown:
    unknown = OutcomeUnknown(
        f"{error.message} Card {card} is unchanged so far, but EEM may still carry it out. {_ADVICE}", url=error.url
    )
    unknown.late = True
    return unknown


def _deletes(step: Step) -> bool:
    return step.new in (FREE_GROUP, NO_GROUP, None)


def _send(client: Client, step: Step, update_time: str | None) -> str | None:
    """Send the change once; return the card's new time of change, if the answer has it."""
    card = t.cast(str, step.card)
    if _deletes(step):
        answer = client.clear_group(card, update_time)
    else:
        answer = client.set_group(card, step.new, update_time)
        given = answer.get("group_id")
        if given is not None and str(given) != step.new:
            raise NotEem(f"EEM was asked to give {card} group id {step.new} and answered {printable(str(given), 20)!r}.")
    found = answer.get("update_time")
    return str(found) if isinstance(found, (str, int)) else None


def read_back(client: Client, step: Step, error: EemError, read: t.Callable[[], T]) -> T:
    """Read what tells of a card whether a change of it that failed was made.

    :raises Gone: the card is not there any more
    :raises Stale: it cannot be read, and need not: EEM has said that it made no change, for the plan was stale
    :raises OutcomeUnknown: it cannot be read
    :raises EemError: the error, if nothing was sent and nothing can be read either
    """
    card = t.cast(str, step.asked)
    try:
        return _when_it_lists_cards(client, card, read)
    except EemError as second:
        if not error.sent:
            raise error from None
        if client.is_stale(error, deleting=_deletes(step)):
            raise _stale(error) from None  # what somebody else made of the card must not be taken for this change
        raise OutcomeUnknown(
            f"{error.message} Whether card {card} was changed is not known, for it cannot be read: {second.message}"
            f" {_ADVICE}",
            code=error.code,
            http_status=error.http_status,
            url=error.url,
        ) from None
    except Gone:
        raise
    except ExpetherError as second:
        if not error.sent:
            raise error from None
        raise OutcomeUnknown(f"{error.message} {second.message}") from None


def listed_ids(client: Client) -> list[str | None]:
    """Return the ids of the cards that EEM lists."""
    return [parse_card_id(str(each.get("id"))) for each in client.devices().devices if isinstance(each, dict)]


def _when_it_lists_cards(client: Client, card: str, read: t.Callable[[], T]) -> T:
    """Read something of a card; an EEM that has just started and knows no card at all is waited for.

    :raises Gone: EEM lists other cards, and this one not
    :raises Stale: EEM does not know its cards, and all patience was spent
    """
    while True:
        try:
            return read()
        except Denied as error:
            if error.http_status != 404:
                raise
            ids = listed_ids(client)
            # It may have come to know its cards between the two requests: what it lists counts.
            if ids and card not in ids:
                raise Gone(f"EEM does not list card {card} any more.") from None
            if not client.patience.pause(EMPTY_PAUSE):
                raise Stale(f"EEM does not tell its cards at the moment, so that nobody knows what became of {card}.") from None


def check_group_is_ours(client: Client, row: Row) -> None:
    """After a system got a group id: look whether somebody else took the same one at the same time.

    :raises Stale: a card of somebody else's is in the group; the step has been undone
    """
    step = row.step
    others = [card.id for card in _cards_in(client, step) if isinstance(card, Eesv)]
    if others:
        _take_back(client, row)
        raise Stale(f"Group id {step.new} was taken by {listed(others)} at the same time.")


def _cards_in(client: Client, step: Step) -> list[Card]:
    """Return the cards in the group that a system got, besides it."""
    cards = [parse(record) for record in client.devices_detail(group_id=t.cast(str, step.new)).devices]
    return [card for card in cards if card.group_id == step.new and card.id != step.node_id]


def undo(client: Client, row: Row) -> None:
    """Take a step back that was done, or may have been, unless somebody else has changed the card since.

    :raises ExpetherError: it could not be done; the message says why
    """
    if row.step.action == "set_group":
        others = [card.id for card in _cards_in(client, row.step)]
        if others:
            raise Stale(f"the system keeps group {row.step.new}, for {listed(others)} would be stranded in it")
    _take_back(client, row)


def _take_back(client: Client, row: Row) -> None:
    back = Row(row.step.reversed())
    card = t.cast(str, back.step.card)
    now = _when_it_lists_cards(client, card, lambda: parse(client.device(card)))
    if row.unknown and now.group_id == back.step.new:
        row.unknown = row.unknown if row.unknown.late else None
        return  # as it turns out, it was not done so far
    if now.group_id != back.step.new:
        if now.group_id != back.step.old:
            raise Stale(f"card {card} is in group {now.group_id} now, which this run did not give it")
        back.update_time = now.update_time
        perform(client, back)
    row.status, row.unknown = "undone", None


class Undone(t.NamedTuple):
    """What became of steps that were to be taken back, as phrases.

    :ivar back: what was taken back
    :ivar left: what could not be, and why
    :ivar never: the cards of steps of unknown outcome that are unchanged
    """

    back: list[str]
    left: list[str]
    never: list[str]


def undo_all(client: Client, rows: t.Sequence[Row], still_ours: t.Callable[[], bool] = lambda: True) -> Undone:
    """Take back all steps that were done, or may have been, the last first.

    :param still_ours: whether no other run has taken the cards over
    """
    done = Undone([], [], [])
    stopped = ""
    for row in reversed(rows):
        if row.step.card is None or not (row.status == "done" or row.unknown):
            continue
        what = f"{row.step.card} back to group {row.step.old}"
        if not stopped and not still_ours():
            stopped = "not tried: another run has taken it over"
        if stopped:
            done.left.append(f"{what} ({stopped})")
            continue
        try:
            undo(client, row)
        except (EemError, OutcomeUnknown) as error:
            # An EEM that does not answer one undo would make each further one wait as long.
            stopped = "" if isinstance(error, EemError) and error.final else "not tried: EEM does not answer"
            done.left.append(f"{what} ({error.message})")
        except ExpetherError as error:
            done.left.append(f"{what} ({error.message})")
        else:
            if row.status == "undone":
                done.back.append(what)
            else:
                done.never.append(row.step.card)
    return done
