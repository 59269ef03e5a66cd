# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may never happen to cards, judged by the simulators' own histories. Pure.

What protects a card depends on the episode. ``claims``: all our runs use one registry, so they keep each other off,
whatever the EEM does; but no claim holds back a request that was given up, or whose run is dead, and that the EEM
carries out later (``Story.is_late``), nor somebody else. ``guarded``: the EEM refuses such changes itself.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

from story import FOREIGN, FREE, UNSET, Change, Request, Story


@dataclasses.dataclass(frozen=True)
class Violation:
    """A promise that was not kept: its name, what was seen, and the cards that it is about."""

    name: str
    text: str
    cards: tuple[str, ...] = ()


Found = t.Iterator[Violation]


def _attaches(move: Change) -> bool:
    return move.new not in (FREE, UNSET)


def _ours(story: Story, move: Change) -> bool:
    return move.by not in FOREIGN and not story.is_late(move)


def no_double_gift(story: Story) -> Found:
    """No run puts a device that is in a group into another one: it was somebody's."""
    for move in story.moves:
        if not story.is_device(move.card) or move.by in FOREIGN or move.old == FREE or not _attaches(move):
            continue
        late_before = any(story.is_late(other) for other in story.moves_of(move.card) if other.time <= move.time)
        if not story.episode.guarded and (not story.episode.claims or late_before or story.is_foreign(move.card)):
            continue
        yield Violation(
            "no_double_gift", f"{move.by} put {move.card} from group {move.old} straight into {move.new}", (move.card,)
        )


def no_stale_change(story: Story) -> Found:
    """No run changes a card after another run did, unless it has listed the cards in between."""
    if not story.episode.claims:
        return
    listings: dict[str, list[float]] = collections.defaultdict(list)
    for request in story.requests:
        if request.method == "GET" and request.path.endswith("/devices/detail") and request.status == 200:
            listings[request.by].append(request.time)
    for card in story.cards:
        moves = story.moves_of(card)
        for first, second in zip(moves, moves[1:]):
            if (
                first.by == second.by
                or not _ours(story, first)
                or not _ours(story, second)
                or second.by.startswith("ansible")
            ):
                continue
            if not any(first.time < moment < second.time for moment in listings[second.by]):
                yield Violation(
                    "no_stale_change",
                    f"{second.by} changed {card}, which {first.by} had changed since it was listed",
                    (card,),
                )


def touched_only_what_was_asked(story: Story) -> Found:
    """Devices are detached only by runs that were to detach them, or that take their own attaching back; attached as asked."""
    for report in story.reports:
        own: set[str] = set()  # devices that this run itself has attached, or detached
        asked_for = _asked_for(story, report.run.key)
        for move in story.moves_by(report.run.key):
            if not story.is_device(move.card):
                continue
            # Somebody else may have put it there just before, which an EEM that checks nothing accepts from both.
            if not _attaches(move):
                own |= {card for card, moment in asked_for if moment < move.time}
            options, kind = report.run.options, report.run.kind
            asked = move.card in options.get("devices", ())
            may_detach = (
                kind in ("absent", "removed")
                or kind == "compose"
                and (options.get("purge") or options.get("replace_silent"))
                or kind == "layout"
                and (
                    options.get("move")
                    or options.get("release_others")
                    or any(node.get("purge") for node in report.run.composed.values())
                )
                or kind == "detached"
                and asked
                or kind == "attached"
                and asked
                and options.get("move")
            )
            may_attach = kind in ("compose", "layout") or kind == "attached" and asked
            if move.card not in own and not (may_attach if _attaches(move) else may_detach):
                text = f"{report.run.key} ({kind}) changed {move.card} from group {move.old} to {move.new}, which nobody requested"
                yield Violation("touched_only_what_was_asked", text, (move.card,))
            own.add(move.card)


def _asked_for(story: Story, by: str) -> list[tuple[str, float]]:
    """The cards that a run asked EEM to give a group, and when."""
    path = re.compile("(?:^|/)devices/(0x[0-9a-f]{12})/group_id$")
    sent = ((path.search(each.path), each.time) for each in story.requests if (each.by, each.method) == (by, "PUT"))
    return [(found[1], moment) for found, moment in sent if found]


#: What a kind of run may change of the card that it names, besides group ids: the beginning of the field.
ASKED = {
    "led": "uid_led_status",
    "forgotten": "card",
    "reset": "perst",
    "reset_frame": "send_reset_frame",
    "forget_port": "downstream_ports/",
}


def only_groups_change(story: Story) -> Found:
    """A run changes only group ids, and the requested field of the card that its task names."""
    for change in story.changes:
        allowed = any(
            report.run.kind in ASKED
            and change.field.startswith(ASKED[report.run.kind])
            and report.run.about == change.card
            for report in story.reports_by(change.by)
        )
        if change.by not in FOREIGN and change.field != "group_id" and not allowed:
            yield Violation(
                "only_groups_change", f"{change.by} changed {change.field} of {change.card}", (change.card,)
            )


def none_stranded(story: Story) -> Found:
    """No device is left in a group without a system by what a run did."""
    groups = {card: str(record.get("group_id")) for card, record in story.cards.items()}
    culprit: dict[str, Change | None] = dict.fromkeys(_stranded(story, groups))
    for move in story.moves:
        groups[move.card] = str(move.new)
        now = _stranded(story, groups)
        culprit = {card: culprit.get(card, move) for card in now}
    for card, move in culprit.items():
        own = story.moves_of(card)
        given = own[-1] if own else None
        if move is None or not _ours(story, move) or given and not _ours(story, given) or story.is_foreign(move.card):
            continue
        yield Violation(
            "none_stranded",
            f"{card} was left in group {groups[card]}, which no system has, by {move.by}'s change of {move.card}",
            (card, move.card),
        )


def _stranded(story: Story, groups: t.Mapping[str, str]) -> list[str]:
    hosts = {(story.eem_of(card), group) for card, group in groups.items() if not story.is_device(card)}
    return [
        card
        for card, group in groups.items()
        if story.is_device(card)
        and group.isdigit()
        and 16 <= int(group) < int(FREE)
        and (story.eem_of(card), group) not in hosts
    ]


def no_shared_group(story: Story) -> Found:
    """No run gives a system the group id of another one and leaves it so."""
    final = {
        card: story.group_at(card, float("inf"))
        for card in story.cards
        if not story.is_device(card) and not story.is_gone(card)
    }
    for move in story.moves:
        if (
            move.card not in final
            or move.by in FOREIGN
            or story.is_late(move)
            or final[move.card] != move.new
            or move.new == UNSET
        ):
            continue
        others = [
            card
            for card, group in final.items()
            if card != move.card
            and group == move.new
            and story.eem_of(card) == story.eem_of(move.card)
            and not story.is_foreign(card)
        ]
        if others and story.moves_of(move.card)[-1] is move:
            yield Violation(
                "no_shared_group",
                f"{move.by} gave {move.card} group {move.new}, which {others[0]} has too",
                (move.card, *others),
            )


def no_write_without_need(story: Story) -> Found:
    """No change is sent for a card that its sender has seen to be as wanted, in check mode or by an info module none at all."""
    quiet = {report.run.key: report.run for report in story.reports if not report.run.writes}
    seen: dict[tuple[str, str], float] = {}
    for request in story.requests:
        card = request.path.split("/")[2] if request.path.startswith("/devices/0x") else None
        if request.method == "GET" and request.status == 200 and request.true:
            for known in (
                [card] if card else story.cards if request.path == "/devices/detail" and not request.query else ()
            ):
                seen[request.by, str(known)] = request.time
        elif request.method != "GET" and request.by in quiet:
            run = quiet[request.by]
            yield Violation(
                "no_write_without_need",
                f"{request.by} ({run.kind}, check mode: {run.check}) sent {request.method} {request.path}",
            )
        elif card in story.cards and request.path.endswith("/group_id") and request.by not in (*FOREIGN, "look"):
            yield from _without_need(story, request, str(card), seen.get((request.by, str(card))))


def _without_need(story: Story, request: Request, card: str, seen: float | None) -> Found:
    wanted = (
        str((request.body or {}).get("group_id"))
        if request.method == "PUT"
        else FREE
        if story.is_device(card)
        else UNSET
    )
    since = [move.time for move in story.moves_of(card) if move.time <= request.time]
    if seen is not None and story.group_at(card, request.time) == wanted and (not since or since[-1] < seen):
        text = (
            f"{request.by} sent {request.method} for {card}, which was in group {wanted} already and which it had read"
        )
        yield Violation("no_write_without_need", text, (card,))


ALL = (
    no_double_gift,
    no_stale_change,
    touched_only_what_was_asked,
    only_groups_change,
    none_stranded,
    no_shared_group,
    no_write_without_need,
)
