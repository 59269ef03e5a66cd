# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the reports of runs are true, compared with the simulators' histories. Pure."""

from __future__ import annotations

import collections
import re
import typing as t

from episode import Json, Options
from invariants_cards import Found, Violation
from story import FREE, Change, Report, Story

Move = tuple[str, str, str]
#: Kinds of failures that only EEM can cause, which are allowed for info modules and for runs without faults.
OF_THE_EEM = (
    "unreachable",
    "connection_lost",
    "timeout",
    "unauthorized",
    "not_eem",
    "server_error",
    "eem_refused",
    "bad_record",
)
NOT_CHANGED = re.compile(r"Nothing was changed\.$")
LATE = re.compile(r"EEM may still carry |may still carry it out")


def gives_a_reason(story: Story) -> Found:
    """Every run ends in time with a result. A failure has a message and a kind, and contains no password."""
    for report in story.reports:
        about = f"{report.run.key} ({report.run.kind})"
        if report.hung:
            yield Violation("gives_a_reason", f"{about} did not end")
        elif report.result is None and not report.killed:
            yield Violation("gives_a_reason", f"{about} ended without a result: {report.output[-1500:]}")
        elif (
            report.failed and not report.killed and not (report.failure_kind and re.search(r"[.?)!]$", report.message))
        ):
            yield Violation("gives_a_reason", f"{about} failed without a reason: {report.message}")
        if "eemeem" in report.output:
            yield Violation("gives_a_reason", f"{about} shows the password")


def reported_as_done(story: Story) -> Found:
    """Changes reported as done or undone happened, and all changes of a run are reported, at least as unknown."""
    for by, reports in _reports(story).items():
        if any(report.result is None for report in reports):
            continue
        reported, unknown = _reported(reports)
        own = collections.Counter((move.card, str(move.old), str(move.new)) for move in story.moves_by(by))
        if not story.episode.guarded:
            # Claims keep other runs off, but not what a killed run has sent before; conditional changes keep everybody off.
            # Without, a run cannot know a card's group at its change.
            late = {move.card for move in story.moves if story.is_late(move)}
            known = {card for card in story.cards if story.episode.claims and not story.is_foreign(card)} - late
            reported, own = _without_old(reported, known), _without_old(own, known)
        began, ended = min(each.began for each in reports), max(each.ended for each in reports)
        for card, old, new in (own - reported).elements():
            if card not in unknown and not _undone(story, by, reported, (card, new), began, ended):
                yield Violation(
                    "reported_as_done", f"{by} changed {card} from group {old} to {new} and did not report it", (card,)
                )
        for card, old, new in (reported - own).elements():
            if not _came_about(story, (card, old, new), "" if len(reports) > 1 else by, began, ended):
                yield Violation(
                    "reported_as_done",
                    f"{by} reported that {card} was changed from group {old} to {new}; it was not",
                    (card,),
                )


def _without_old(moves: collections.Counter[Move], known: t.Collection[str]) -> collections.Counter[Move]:
    found: collections.Counter[Move] = collections.Counter()
    for (card, old, new), count in moves.items():
        found[card, old if card in known else "", new] += count
    return found


def _undone(
    story: Story, by: str, reported: t.Iterable[Move], change: tuple[str, str], began: float, ended: float
) -> bool:
    """Whether somebody else has undone a change: the run cannot distinguish that from one that EEM never made.

    If it has made it again, it reports it once.
    """
    card, new = change
    moves = [move for move in story.moves_of(card) if began <= move.time <= ended]
    undone = [move.time for move in moves if move.by != by and str(move.old) == new]
    made = [move.time for move in moves if move.by == by and str(move.new) == new]
    is_reported = any((each[0], each[2]) == change for each in reported)
    return bool(undone) and (is_reported or max(undone) > max(made, default=ended))


def _reports(story: Story) -> dict[str, list[Report]]:
    """Group the reports by the key that the simulator sees: a single run, or all runs of one playbook."""
    found: dict[str, list[Report]] = collections.defaultdict(list)
    for report in story.reports:
        if report.by and not report.run.check:
            found[report.by].append(report)
    return found


def _reported(reports: t.Iterable[Report]) -> tuple[collections.Counter[Move], set[str]]:
    moves: collections.Counter[Move] = collections.Counter()
    unknown = set()
    for report in reports:
        for row in report.rows:
            card = row["device"] or row["node_id"]
            if row["status"] in ("done", "undone"):
                moves[card, row["from"], row["to"]] += 1
            if row["status"] == "undone":
                moves[card, row["to"], row["from"]] += 1
            if row["status"] == "failed":
                unknown.add(card)
        unknown |= _pending(report)
    return moves, unknown


def _pending(report: Report) -> set[str]:
    """Return the cards of which a run warns that EEM may still carry out a change that timed out."""
    warnings = str((report.result or {}).get("warnings", ""))
    return set(re.findall(r"to a change of (0x\w{12}) and may still carry it out", warnings))


def _came_about(story: Story, move: Move, by: str, began: float, ended: float) -> bool:
    """Whether somebody else made it so: a device left its group, or came to the one that it was to have.

    The runs of one playbook cannot be distinguished, so each of them may have made any change.
    """
    card, old, new = move
    others = [each for each in story.moves_of(card) if each.by != by and began <= each.time <= ended]
    return any(str(each.old) == old or str(each.new) == new for each in others)


def changed_is_true(story: Story) -> Found:
    """`changed` is true if anything is changed now; "Nothing was changed" is only reported if nothing is."""
    for report in story.reports:
        if (
            report.result is None
            or report.by != report.run.key
            or report.run.kind in ("info", "registered", "removed", "synced", "other")
        ):
            continue
        moves = _net(story.moves_by(report.by))
        net = {card: ends for card, ends in moves.items() if not _undone_by_others(story, report, card, ends[0])}
        claims_nothing = not report.result.get("changed") or NOT_CHANGED.search(report.message)
        if claims_nothing and net and not report.run.check:
            text = (
                f"{report.by} reports that nothing was changed ({report.message or 'changed: false'}), but left {net}"
            )
            yield Violation("changed_is_true", text, tuple(sorted(net)))
        if NOT_CHANGED.search(report.message) and report.result.get("changed"):
            yield Violation("changed_is_true", f"{report.by} reports changed: true and {report.message}")
        if not report.failed and bool(report.result.get("changed")) != bool(report.result.get("plan")):
            yield Violation(
                "changed_is_true",
                f"{report.by} reports changed: {report.result.get('changed')} with the plan {report.result.get('plan')}",
            )
        rows = report.result.get("plan") or []
        # A request that EEM may still carry out is a failed step, also of a run that succeeds.
        pending = _pending(report)
        if report.run.options.get("replace_silent"):  # what is replaced stays if EEM refuses to detach it
            pending |= {row["device"] for row in rows if (row["action"], row["status"]) == ("detach", "failed")}
        statuses = {row["status"] for row in rows if (row["device"] or row["node_id"]) not in pending}
        if not report.failed and not statuses <= ({"planned"} if report.run.check else {"done", "undone"}):
            yield Violation("changed_is_true", f"{report.by} succeeded, but its steps are {sorted(statuses)}")
        late = LATE.search(f"{report.message} {report.result.get('warnings', '')}")
        shown = late or {row["status"] for row in rows} & {"done", "failed"}
        if report.failed and report.result.get("changed") and not shown:
            yield Violation(
                "changed_is_true",
                f"{report.by} reports changed: true, but no step of its plan is done or failed: {report.message}",
            )


def _undone_by_others(story: Story, report: Report, card: str, group: str) -> bool:
    """Whether somebody else has given a card back its group before a run ended."""
    return any(
        move.by != report.by and str(move.new) == group and report.began <= move.time <= report.ended
        for move in story.moves_of(card)
    )


def _net(moves: t.Sequence[Change]) -> dict[str, tuple[str, str]]:
    """What the moves of one run come to, by card."""
    found: dict[str, tuple[str, str]] = {}
    for move in moves:
        found[move.card] = (found.get(move.card, (str(move.old), ""))[0], str(move.new))
    return {card: ends for card, ends in found.items() if ends[0] != ends[1]}


def node_is_as_reported(story: Story) -> Found:
    """A composed node has the devices that its run reported, and all requested ones; with purge, no others."""
    for report, node in composed_nodes(story.reports):
        options = report.run.composed[node["name"]]
        if report.failed or report.run.check or report.by != report.run.key or _disturbed(story, report):
            continue
        eem = story.eem_of(node["index"])
        true = story.members(story.group_at(node["index"], report.ended), report.ended, eem)
        named = {device["device_id"] for device in node["devices"]}
        if named != true:
            yield Violation(
                "node_is_as_reported",
                f"{report.by} reported that {node['name']} has {sorted(named)}; it has {sorted(true)}",
                tuple(named ^ true),
            )
        requested = requested_types(options)
        have = collections.Counter(story.type_of(card) for card in true)
        if (
            any(have[kind] < count for kind, count in requested.items())
            or options.get("purge")
            and len(true) != sum(requested.values())
        ):
            yield Violation(
                "node_is_as_reported",
                f"{report.by} requested {dict(requested)} (purge: {options.get('purge')}) and {node['name']}"
                f" has {dict(have)}",
                tuple(sorted(true)),
            )


def composed_nodes(reports: t.Iterable[Report]) -> t.Iterator[tuple[Report, Json]]:
    """Give the nodes that runs report to have composed, and the run of each."""
    for report in reports:
        if report.run.composed and report.result is not None:
            nodes = report.result.get("nodes") or [report.result.get("node")]
            yield from ((report, node) for node in nodes if node)


def _disturbed(story: Story, report: Report) -> bool:
    """Whether somebody else changed cards of that EEM during a run, so that its report may be outdated."""
    return any(
        change.by != report.by and report.began <= change.time <= report.ended and change.eem == report.run.eem
        for change in story.changes
    )


def requested_types(options: Options) -> collections.Counter[str]:
    """Return the devices that a task requests, by type."""
    if options.get("flavor"):
        return collections.Counter(("GPU", "SSD"))
    properties = options.get("properties") or {}
    requested: collections.Counter[str] = collections.Counter(properties.get("pci_device", {}).get("type", ()))
    for each in properties.get("devices", ()):
        requested[each["type"]] += each.get("count", 1)
    return requested


def info_answers(story: Story) -> Found:
    """An info module fails only for the EEM's sake, or for a pod manager that is not registered; with all in order never."""
    removed = any(report.run.kind == "removed" for report in story.reports)
    for report in story.reports:
        if report.run.kind != "info" or report.result is None or not report.failed:
            continue
        alone = report.stage != "round"
        unregistered = report.failure_kind in ("not_found", "invalid") and removed and report.stage != "at the end"
        if not unregistered and (alone or report.failure_kind not in OF_THE_EEM):
            yield Violation("info_answers", f"{report.run.key} failed ({report.failure_kind}): {report.message}")


def info_is_true(story: Story) -> Found:
    """While nothing changes, the info modules return the actual nodes of the registry and devices of the EEM."""
    for report in story.reports:
        result = report.result or {}
        if report.run.kind != "info" or report.stage == "round" or report.failed:
            continue
        for device in result.get("devices", ()):
            true = story.group_at(device["device_id"], report.ended)
            if device["pooled_group_id"] != true or (device["state"] == "free") != (true == FREE):
                yield Violation(
                    "info_is_true",
                    f"{report.run.key} reported {device['state']} in group {device['pooled_group_id']} of"
                    f" {device['device_id']}, which is in {true}",
                    (device["device_id"],),
                )
        looks = [look for look in story.looks if look.time <= report.began]
        if "nodes" in result and looks and report.stage == "after the rounds":
            named = {(node["name"], node["index"], node["state"]) for node in result["nodes"]}
            true_nodes = {node[:3] for node in looks[-1].nodes if story.eem_of(node[1]) == report.run.eem}
            if named != true_nodes:
                yield Violation(
                    "info_is_true",
                    f"{report.run.key} reported the nodes {sorted(named)}; the registry has {sorted(true_nodes)}",
                )
        seen = collections.Counter(
            device["device_id"] for node in result.get("nodes", ()) for device in node["devices"]
        )
        double = [card for card, count in seen.items() if count > 1]
        if double and not any(story.is_foreign(card) for card in story.cards):
            yield Violation("info_is_true", f"{report.run.key} shows {double} in two nodes", tuple(double))


ALL = (gives_a_reason, reported_as_done, changed_is_true, node_is_as_reported, info_answers, info_is_true)
