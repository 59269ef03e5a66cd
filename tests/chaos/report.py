# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output about episodes: counts, and each violation with its plays and history. Pure."""

from __future__ import annotations

import collections
import dataclasses
import json
import typing as t

from episode import Episode, Run
from faults import KINDS
from invariants import concerned
from invariants_cards import Violation
from story import Report, Request, Story


def totals(seed: int, counts: collections.Counter[str], violations: int) -> str:
    """The last line of a campaign, with the seed that repeats it."""
    return (
        f"SEED={seed}: {counts['episodes']} episodes, {counts['runs']} runs ({counts['runs through ansible-playbook']} through ansible-playbook),"
        f" {counts['faults']} faults, {counts['kills']} kills, {counts['foreign changes']} foreign changes, {violations} violations"
    )


def coverage(counts: collections.Counter[str]) -> str:
    """Which faults hit a request, alone or in pairs."""
    missing = [kind for kind in KINDS if not counts[f"fault {kind}"]]
    pairs = sum(key.startswith("pair ") for key in counts)
    kinds = len(KINDS) - len(missing)
    return f"{kinds} of {len(KINDS)} kinds of faults hit, and {pairs} pairs of them" + (
        f"; not: {', '.join(missing)}" if missing else ""
    )


def episode_lines(episode: Episode) -> list[str]:
    """The plays and the planned events."""
    lines = [
        f"reach: {episode.reach}; timeout: {episode.timeout:g} s, retries: {episode.retries}"
        + ("" if episode.conditional else ", conditional_updates: false"),
        f"EEM: {json.dumps(episode.fleets)} {json.dumps(episode.eem_options)}",
    ]
    for number, each in enumerate(episode.rounds):
        lines.append(
            f"round {number}"
            + (" through ansible-playbook" if each.through_ansible else "")
            + ("" if each.settle else ", not waited for")
        )
        lines += [
            f"  fault {fault.kind}: {fault.method} {fault.path} from the {fault.nth}. on, {fault.times} times: {json.dumps(fault.actions)}"
            for fault in each.faults
        ]
        lines += [
            f"  somebody else after {other.seconds:g} s: {other.card} {other.method or 'control'} {json.dumps(other.body or other.changes)}"
            for other in each.foreign
        ]
        lines += [f"  {_run(run)}" for run in each.runs]
    return lines


def _run(run: Run) -> str:
    more = [f"after {run.start:g} s"] if run.start else []
    more += ["check mode"] if run.check else []
    if run.kill:
        kill = {key: value for key, value in dataclasses.asdict(run.kill).items() if value}
        more.append(f"killed {json.dumps(kill)}")
    return f"{run.key} {run.module} {json.dumps(run.options)}" + (f" ({', '.join(more)})" if more else "")


def report_line(report: Report) -> str:
    """One line about the report of a run."""
    if report.result is None:
        return f"{report.run.key}: {'killed' if report.killed else 'no result'}"
    rows = [
        f"{row['action']} {row['device'] or row['node_id']} {row['from']}->{row['to']} {row['status']}"
        for row in report.result.get("plan") or []
    ]
    status = f"failed ({report.failure_kind})" if report.failed else "succeeded"
    return (
        f"{report.run.key}: {status}, changed: {report.result.get('changed')}"
        + (f" [{'; '.join(rows)}]" if rows else "")
        + f" {report.message}"
    )


def history_lines(story: Story, cards: t.Collection[str]) -> list[str]:
    """Requests and changes that concern these cards, and the reports of runs, in the order of time."""
    start = min((request.time for request in story.requests), default=0.0)
    events = [
        (
            request.time,
            f"{request.by}: {request.method} {request.path} {json.dumps(request.body) if request.body else ''}"
            f" -> {request.status}{'' if request.true else ' (fault)'}",
        )
        for request in story.requests
        if _about(request, cards)
    ]
    events += [
        (change.time, f"    {change.card} {change.field} {change.old} -> {change.new} by {change.by}")
        for change in story.changes
        if change.card in cards
    ]
    events += [
        (report.ended, f"{report_line(report)}")
        for report in story.reports
        if report.run.kind != "info" and report.stage != "set up"
    ]
    return [f"{moment - start:8.3f}  {text}" for moment, text in sorted(events)]


def _about(request: Request, cards: t.Collection[str]) -> bool:
    if request.by == "look":
        return False
    return request.path.startswith("/devices/detail") or any(card in request.path for card in cards)


def violation_text(seed: int, violation: Violation, story: Story, shrunk: bool) -> str:
    """The complete text about a violation."""
    lines = [
        f"VIOLATION of {violation.name}: {violation.text}",
        f"  again: make chaos SEED={seed} EPISODES=1"
        + ("" if shrunk else " (it did not occur again; this is the original run)"),
    ]
    lines += [f"  | {line}" for line in episode_lines(story.episode)]
    lines += ["  cards at the start:"]
    cards = concerned(story, violation)
    lines += [
        f"  | {card} {story.cards[card].get('status')} group {story.cards[card].get('group_id')}" for card in cards
    ]
    lines += ["  history:"]
    return "\n".join(lines + [f"  | {line}" for line in history_lines(story, cards)])
