# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503
"""Reads after the last change of a run whether its changes are in effect. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import Stale, StepRun, is_deletion
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, Eesv, parse
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import GroupChange, ObservedState


def last_changes(runs: t.Iterable[StepRun]) -> dict[str, StepRun]:
    """Return the last group change of each card that was carried out, by the card's id."""
    return {run.step.card: run for run in runs if run.status == "done" and isinstance(run.step, GroupChange)}


def verify(client: Client, runs: t.Sequence[StepRun]) -> dict[str, Card]:
    """Read the groups that the changes of a run concern, in one request, and note the cards as they are now.

    Return at least all cards of these groups, by their ids.

    An answer of 200 to a change is not proof: a proxy may give it, and somebody may move the system meanwhile. An optional
    change that is not in effect is noted as failed.

    :raises Stale: a device is not in its group, or not out of it, or its system is not in the group
    """
    changes = last_changes(runs)
    groups = {_group(t.cast(GroupChange, run.step)) for run in changes.values()}
    if not groups:
        return {}
    cards = read_groups(client, groups)
    check(changes.values(), cards)
    return cards


def read_groups(client: Client, groups: t.Collection[str], once: bool = False) -> dict[str, Card]:
    """Return at least all cards of these groups, by their ids, in one request.

    :param once: as `Client.devices_detail`
    :raises ExpetherError: EEM does not list them
    """
    records = client.devices_detail(next(iter(groups)) if len(groups) == 1 else None, once=once)
    return {card.id: card for card in map(parse, records)}


def check(changes: t.Iterable[StepRun], cards: t.Mapping[str, Card]) -> None:
    """Check that changes are in effect, and note the cards as they are now.

    :param cards: at least all cards of the groups that the changes concern
    :raises Stale: as `verify`
    """
    changes, problems = list(changes), []
    for run in changes:
        step = t.cast(GroupChange, run.step)
        problem = _problem(step, cards)
        if problem and step.optional:
            run.status = "failed"
        elif problem:
            problems.append(problem)
    if problems:
        raise Stale(f"EEM reported success, but {'; '.join(problems)}.")
    for run in changes:
        run.read = cards.get(t.cast(GroupChange, run.step).card, run.read)


def without_effect(runs: t.Iterable[StepRun], observed: ObservedState) -> list[StepRun]:
    """Return the group changes that were carried out and that a later listing does not show.

    A card that is in a group which this run never gave it was changed by somebody else: its changes were in effect.
    """
    by_card: dict[str, list[StepRun]] = {}
    for run in runs:
        if run.status == "done" and isinstance(run.step, GroupChange):
            by_card.setdefault(run.step.card, []).append(run)
    found = []
    for card_id, changes in by_card.items():
        card = observed.fabric.card(card_id)
        groups = [changes[0].step.old, *(run.step.new for run in changes)]
        if card and card.group_id in groups:
            latest = len(groups) - 1 - groups[::-1].index(card.group_id)
            found += changes[latest:]
    return found


def in_effect(runs: t.Iterable[StepRun], observed: ObservedState) -> list[StepRun]:
    """Return the group changes of earlier plans that the listing for the current plan shows."""
    return [
        run
        for run in runs
        if isinstance(run.step, GroupChange)
        and (card := observed.fabric.card(run.step.card))
        and card.group_id == run.step.new
    ]


def misplaced(runs: t.Sequence[StepRun], observed: ObservedState) -> list[StepRun]:
    """Return the changes in effect that must be undone, because somebody else has changed a system meanwhile.

    The system of an attached device has left the group, or another system has got the same group id.
    """
    found = []
    for run in last_changes(runs).values():
        step = t.cast(GroupChange, run.step)
        card = observed.fabric.card(step.card)
        if is_deletion(step) or card is None or card.group_id != step.new:
            continue
        systems = [system.id for system in observed.fabric.systems_in(step.new)]
        if systems != [step.system_id]:
            found.append(run)
    return found


def _group(step: GroupChange) -> str:
    """Return the group in which a change shows: the new one, or the one that the card has left."""
    return step.old if is_deletion(step) else step.new


def _problem(step: GroupChange, cards: t.Mapping[str, Card]) -> str | None:
    """Return in which respect a change is not in effect, or `None`.

    :param cards: at least all cards of the groups that the changes concern
    """
    card = cards.get(step.card)
    if is_deletion(step):
        return f"card {step.card} is still in group {step.old}" if card and card.group_id == step.old else None
    if card is None or card.group_id != step.new:
        return f"card {step.card} is not in group {step.new}"
    systems = [card.id for card in cards.values() if isinstance(card, Eesv) and card.group_id == step.new]
    if step.system_id not in systems:
        return f"system {step.system_id} is not in group {step.new} any more, so it does not have {step.card}"
    if len(systems) > 1:
        return f"group {step.new} was given to {comma_list(systems)} at the same time"
    return None
