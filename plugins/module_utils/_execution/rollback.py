# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoes the group changes of a run that failed, the last first. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import EemError
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import (
    OutcomeUnknown,
    Stale,
    StepRun,
    perform,
    read_when_listed,
)
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, Eesv, parse
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import GroupChange


def check_group_is_ours(client: Client, run: StepRun) -> None:
    """After a system got a group id: check whether somebody else took the same one at the same time.

    :raises Stale: a card of somebody else's is in the group; the step has been undone
    """
    step = t.cast(GroupChange, run.step)
    others = [card.id for card in _others_in_group(client, step) if isinstance(card, Eesv)]
    if others:
        _undo(client, run, step)
        raise Stale(f"Group id {step.new} was taken by {comma_list(others)} at the same time.")


def _others_in_group(client: Client, step: GroupChange) -> list[Card]:
    """Return the cards in the group that a system got, besides the system itself."""
    cards = [parse(record) for record in client.devices_detail(step.new)]
    return [card for card in cards if card.group_id == step.new and card.id != step.system_id]


def _undo(client: Client, run: StepRun, step: GroupChange) -> None:
    def read() -> Card:
        return read_when_listed(client, step.card, lambda: parse(client.device(step.card)))

    for tries_left in reversed(range(client.settings.retries + 1)):
        now = read()
        if now.group_id == step.old:
            # It is not in effect. EEM may still carry it out if it did not respond in time.
            run.status, run.unknown = "failed", run.unknown if run.timed_out else None
            return
        if now.group_id != step.new:
            raise Stale(f"card {step.card} is in group {now.group_id} now, which this run did not give it")
        if run.status != "done":
            run.note_in_effect()
            run.status = "done"
        back = StepRun(step.reversed(), now.update_time, listed=now)
        try:
            perform(client, back)
            break
        except Stale:
            if not tries_left:
                raise
            # Whether somebody else has moved the card shows when it is read again.
        finally:
            run.timed_out += back.timed_out
    if read().group_id == step.new:
        raise Stale(f"EEM reported success, but card {step.card} is still in group {step.new}")
    run.status, run.unknown = "undone", None


def undo_group_change(client: Client, run: StepRun) -> None:
    """Undo a group change that was done, or may have been, unless somebody else has changed the card since.

    :raises ExpetherError: it could not be undone; the message says why
    """
    step = t.cast(GroupChange, run.step)
    if step.action == "set_group":
        others = _others_in_group(client, step)
        if others and not any(isinstance(card, Eesv) for card in others):
            stranded = comma_list(card.id for card in others)
            raise Stale(f"the system keeps group {step.new}, because {stranded} would be stranded in it")
    _undo(client, run, step)


def undo_all(client: Client, runs: t.Sequence[StepRun], still_ours: t.Callable[[], bool]) -> None:
    """Undo all group changes that were done, or may have been, and note with each what became of it.

    :param still_ours: whether no other run has taken the cards over
    """
    stopped = ""
    for run in reversed(runs):
        if not isinstance(run.step, GroupChange) or not (run.status == "done" or run.unknown):
            continue
        if not stopped and not still_ours():
            stopped = "not tried: another run has taken it over"
        if stopped:
            run.not_undone = stopped
            continue
        try:
            undo_group_change(client, run)
        except (EemError, OutcomeUnknown) as error:
            # Each further undo would wait as long for an EEM that does not respond.
            stopped = "" if isinstance(error, EemError) and error.final else "not tried: EEM does not respond"
            run.not_undone = error.message
        except ExpetherError as error:
            run.not_undone = error.message
        else:
            run.rolled_back = run.status == "undone"
