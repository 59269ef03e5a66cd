# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left after runs, and whether running the same again mends it. Pure."""

from __future__ import annotations

import collections

from invariants_asked import ALL as ASKED
from invariants_cards import ALL as OF_CARDS
from invariants_cards import Found, Violation
from invariants_reports import ALL as REPORTS
from invariants_reports import OF_THE_EEM, requested_types
from invariants_sync import ALL as OF_SYNC
from story import FOREIGN, FREE, UNSET, Look, Report, Story

#: Why a run may be refused although nothing is wrong with the EEM.
REASONS = ("refused", "not_found", "invalid")


def no_claims_left(story: Story) -> Found:
    """When all runs have ended, nothing is held; what killed runs held is taken over by the next run."""
    for look in story.looks:
        before = [report for report in story.reports if report.ended <= look.time]
        if look.held and not any(report.killed or report.hung for report in before):
            yield Violation("no_claims_left", f"{look.stage}: still held: {', '.join(look.held)}", look.held)


def composing_only_after_failure(story: Story) -> Found:
    """A node is left as composing only by a run that failed or was killed."""
    for look in story.looks:
        for name, index, state, dummy in look.nodes:
            troubled = [
                report for report in story.reports if report.failed and report.run.writes and report.ended <= look.time
            ]
            if state == "composing" and not troubled:
                yield Violation(
                    "composing_only_after_failure", f"{look.stage}: {name} is composing, and no run failed", (index,)
                )


def one_node_a_system(story: Story) -> Found:
    """No system is two nodes, and no name is two systems."""
    for look in story.looks:
        for place, what in ((1, "system"), (0, "name")):
            counted = collections.Counter((node[place], node[3]) for node in look.nodes)
            for (key, dummy), count in counted.items():
                if count > 1:
                    yield Violation("one_node_a_system", f"{look.stage}: {what} {key} is there {count} times", (key,))


def again_reaches_the_wish(story: Story) -> Found:
    """The same task again, with the EEM in order, succeeds or is refused with a true reason; once more changes nothing."""
    for again, more in _pairs(story):
        about = f"{again.run.key} ({again.run.options})"
        if again.result is None or more.result is None:
            continue  # another invariant reports it
        if again.failed and again.failure_kind not in (REASONS if story.episode.plain else REASONS + OF_THE_EEM):
            yield Violation("again_reaches_the_wish", f"{about} failed ({again.failure_kind}): {again.message}")
        elif again.failed and (why := _possible(story, again)):
            yield Violation("again_reaches_the_wish", f"{about} was refused, but {why}: {again.message}")
        done = more.result.get("changed") or not more.failed and more.result.get("plan")
        if story.moves_by(more.by) or done:
            yield Violation(
                "again_reaches_the_wish",
                f"{about}, given once more, changed something: {more.result.get('plan')} {more.message}",
            )
        if not again.failed and more.failed:
            yield Violation("again_reaches_the_wish", f"{about}, given once more, failed: {more.message}")


def _pairs(story: Story) -> list[tuple[Report, Report]]:
    """The same run given again, and once more right after it."""
    return [
        (first, second)
        for first, second in zip(story.reports, story.reports[1:])
        if (first.stage, second.stage) == ("again", "once more")
    ]


def _possible(story: Story, report: Report) -> str | None:
    """Why a refused compose could have been carried out: calculated again, and only where every card is in order."""
    looks = [look for look in story.looks if look.stage == "rounds over"]
    if report.run.kind != "compose" or not story.episode.plain or not story.episode.claims or not looks:
        return None
    if any(each.run.kind == "removed" for each in story.reports):
        return None
    nodes = _nodes_before(story, looks[0], report)
    systems = [
        card
        for card in story.cards
        if not story.is_device(card) and story.eem_of(card) == report.run.eem and not story.is_gone(card, report.began)
    ]
    groups = {card: story.group_at(card, report.began) for card in systems}
    if any(count > 1 for group, count in collections.Counter(groups.values()).items() if group != UNSET):
        return None
    index = nodes.get(str(report.run.name))
    wanted_index = report.run.options.get("node_index")
    if index and wanted_index not in (None, index):
        return None
    chosen = (
        [index]
        if index
        else [card for card in ([wanted_index] if wanted_index else systems) if card not in nodes.values()]
    )
    candidates = [card for card in chosen if card in systems]
    free = collections.Counter(story.type_of(card) for card in story.members(FREE, report.began, report.run.eem))
    for card in candidates:
        here = story.members(groups[card], report.began, report.run.eem) if groups[card] != UNSET else set()
        have = collections.Counter(story.type_of(device) for device in here)
        missing = {
            kind: count - have[kind]
            for kind, count in requested_types(report.run.options).items()
            if count > have[kind]
        }
        # Without a node of that name the emptiest system is chosen before its devices are counted: ask for no more than that.
        fits = index or wanted_index or not here
        if (
            fits
            and all(free[kind] >= count for kind, count in missing.items())
            and len(here) + sum(missing.values()) <= 16
        ):
            return f"system {card} could have it: {dict(missing)} missing, {dict(free)} free"
    return None


def _nodes_before(story: Story, look: Look, report: Report) -> dict[str, str]:
    """The nodes by name when a run began: those of the registry, updated from later reports."""
    nodes = {name: index for name, index, dummy, dummy2 in look.nodes if story.eem_of(index) == report.run.eem}
    for other in story.reports:
        if other.stage in ("again", "once more") and other.ended <= report.began and other.run.eem == report.run.eem:
            result = {} if other.failed else other.result or {}
            now = result.get("nodes") or [result["node"]] if result.get("nodes") or result.get("node") else []
            nodes.update((node["name"], node["index"]) for node in now)
            for node in now if other.run.kind == "absent" else result.get("released") or ():
                nodes.pop(node["name"], None)
    return nodes


def released_are_free(story: Story) -> Found:
    """Releasing a node frees all its devices and forgets it; with every card in order this succeeds."""
    before = next((look for look in story.looks if look.stage == "before release"), None)
    after = next((look for look in story.looks if look.stage == "released"), None)
    for report in story.reports:
        if report.stage != "release" or report.result is None or before is None or after is None:
            continue
        if report.failed:
            if story.episode.plain and not _shares(story, report) and not any(map(story.is_gone, story.cards)):
                yield Violation("released_are_free", f"{report.run.key} failed: {report.message}")
            continue
        node = report.result.get("node") or {}
        index = node.get("index")
        if index is None or story.group_at(index, report.ended) == UNSET:
            continue
        left = story.members(story.group_at(index, report.ended), report.ended, report.run.eem)
        if left:
            yield Violation(
                "released_are_free", f"{report.run.key}: {sorted(left)} are still in its group", tuple(sorted(left))
            )
        if any(other[1] == index for other in after.nodes):
            yield Violation("released_are_free", f"{report.run.key}: the node is still in the registry", (index,))


def _shares(story: Story, report: Report) -> bool:
    """Whether systems share a group id, which another invariant reports."""
    groups = collections.Counter(
        (story.eem_of(card), story.group_at(card, report.began)) for card in story.cards if not story.is_device(card)
    )
    return any(count > 1 for (dummy, group), count in groups.items() if group != UNSET)


ALL = (
    *OF_CARDS,
    *ASKED,
    *REPORTS,
    *OF_SYNC,
    no_claims_left,
    composing_only_after_failure,
    one_node_a_system,
    again_reaches_the_wish,
    released_are_free,
)


def violations(story: Story) -> list[Violation]:
    """All that was not kept in an episode."""
    return [violation for invariant in ALL for violation in invariant(story)]


def concerned(story: Story, violation: Violation) -> list[str]:
    """The cards to show with a violation: those that it names, or else all that were changed."""
    named = [card for card in violation.cards if card in story.cards]
    return named or sorted({change.card for change in story.changes if change.by not in FOREIGN})
