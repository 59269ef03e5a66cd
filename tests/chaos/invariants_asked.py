# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what is asked of single cards is done once, only where it may be, and told truly. Pure."""

from __future__ import annotations

import typing as t

from episode import Run
from invariants_cards import ASKED, Found, Violation
from story import UNSET, Change, Request, Story, Told

#: What EEM may answer to a change that it has surely not made, so that it may be sent again without reading.
REFUSALS = range(400, 501)
#: What leaves no trace in a card that could be read.
NO_TRACE = ("audit", "reset", "reset_frame")


def forgotten_only_when_gone(story: Story) -> Found:
    """Without force no run has a card forgotten that answers, that is disabled, or that leaves devices behind."""
    for change in story.changes:
        if change.field != "card" or change.new is not None or story.is_late(change):
            continue
        tellers = [told for told in story.told_by(change.by) if told.run.kind == "forgotten" and told.run.about == change.card]
        if not tellers or any(told.run.options.get("force") for told in tellers) or story.is_foreign(change.card):
            continue
        why = _why_not(story, change)
        if why:
            yield Violation("forgotten_only_when_gone", f"{change.by} had {change.card} forgotten without force: it {why}", (change.card,))


def _why_not(story: Story, change: Change) -> str | None:
    card = story.cards[change.card]
    values = {key: story.value_at(change.card, key, change.time, card.get(key)) for key in
              ("notification_status0", "notification_status1", "admin_status", "monitoring_status")}
    if any("up" in (values[key] or ()) for key in ("notification_status0", "notification_status1")):
        return "answers"
    if any(values[key] not in (None, "enabled") for key in ("admin_status", "monitoring_status")):
        return "is disabled"
    group = story.group_at(change.card, change.time)
    left = set() if story.is_device(change.card) or group == UNSET else story.members(group, change.time, change.eem)
    # Only claims keep other runs from attaching something meanwhile.
    return f"leaves {sorted(left)} behind" if left and story.episode.claims and not any(map(story.is_foreign, left)) else None


def asked_once(story: Story) -> Found:
    """No change is sent twice by one run without reading in between; what leaves no trace only after a refusal."""
    last: dict[tuple[str, str], Request] = {}
    read: set[str] = set()
    runs = {told.by: told.run for told in story.told if told.by == told.run.key}
    for request in story.requests:
        run = runs.get(request.by)
        if run is None or run.kind not in (*ASKED, *NO_TRACE):
            continue
        if request.method == "GET":
            read.add(request.by)
            continue
        key = (request.by, request.path)
        before = last.get(key)
        if before and (request.by not in read or run.kind in NO_TRACE and before.status not in REFUSALS):
            yield Violation("asked_once", f"{request.by} sent {request.method} {request.path} again, after the answer {before.status}", (run.about,))
        read.discard(request.by)
        last[key] = request


def asked_with_need(story: Story) -> Found:
    """A LED that its run has seen to be right is left alone."""
    seen: dict[str, float] = {}
    for request in story.requests:
        if not request.path.endswith("uid_led_status"):
            continue
        if request.method == "GET":
            if request.status == 200 and request.true:
                seen[request.by] = request.time
            continue
        for told in story.told_by(request.by):
            card, wanted = told.run.about, told.run.options.get("uid_led")
            was = _led(story, card, seen[request.by]) if request.by in seen and card in story.cards else None
            if told.by == told.run.key and told.run.kind == "led" and was == wanted and not _others(story, told, request.time):
                yield Violation("asked_with_need", f"{request.by} turned the LED of {card} {wanted}, which it had seen to be so", (card,))


def _led(story: Story, card: str, moment: float) -> str:
    start = "on" if story.cards[card].get("uid_switch_status") == "on" else "off"
    return str(story.value_at(card, "uid_led_status", moment, start))


def _own(story: Story, told: Told) -> list[Change]:
    """What a run changed of the card that it names, besides group ids."""
    field = ASKED.get(told.run.kind)
    mine = (each for each in story.changes if each.by == told.by and each.card == told.run.about and each.old != each.new)
    return [each for each in mine if field and each.field.startswith(field)]


def _others(story: Story, told: Told, until: float) -> list[Change]:
    """What others changed of it while the run was at work."""
    return [each for each in story.changes if each.by != told.by and each.card == told.run.about and told.began <= each.time <= until]


def asked_as_told(story: Story) -> Found:
    """What is told as done was done, once; what is told as not done was not."""
    for told in story.told:
        if told.result is None or told.run.kind not in ASKED or told.run.check or told.by != told.run.key:
            continue
        own, others = _own(story, told), _others(story, told, told.ended)
        statuses = [row["status"] for row in told.result.get("plan") or []]
        about = f"{told.by} ({told.run.kind} of {told.run.about})"
        if len(own) > 1:
            yield Violation("asked_as_told", f"{about} did it {len(own)} times", (told.run.about,))
        if statuses == ["done"] and not own and not others and told.result["plan"][0]["action"] != "forget":
            yield Violation("asked_as_told", f"{about} told it as done, and it was not", (told.run.about,))
        if own and "done" not in statuses and not told.result.get("changed") and not _refused_falsely(story, told):
            yield Violation("asked_as_told", f"{about} did it and told {statuses or 'nothing'}: {told.message}", (told.run.about,))
        if not told.failed and not others:
            yield from _as_wished(story, told, about)


def _refused_falsely(story: Story, told: Told) -> bool:
    """Whether the EEM did what leaves no trace and said that it refused it."""
    return told.run.kind in NO_TRACE and any(
        request.by == told.by and request.method != "GET" and not request.true and (request.status or 0) in REFUSALS for request in story.requests)


def _as_wished(story: Story, told: Told, about: str) -> Found:
    """After a success that nobody disturbed, the card is as the task says."""
    card, result = told.run.about, t.cast("dict[str, t.Any]", told.result)
    if told.run.kind == "led":
        true, wanted = _led(story, card, told.ended), told.run.options["uid_led"]
        if true != wanted or result["device"]["uid_led"] != wanted:
            yield Violation("asked_as_told", f"{about}: the LED is {true}, told {result['device']['uid_led']}, wanted {wanted}", (card,))
    if told.run.kind == "forgotten" and not story.is_gone(card, told.ended):
        yield Violation("asked_as_told", f"{about}: the card is still there", (card,))
    if told.run.kind == "forget_port" and _remembers(story, told.run, told.ended):
        yield Violation("asked_as_told", f"{about}: the port still remembers", (card,))


def _remembers(story: Story, run: Run, moment: float) -> bool:
    """Whether a port that nothing was attached to or detached from since remembers a device."""
    if any(not story.is_device(run.about) and (move.new == group or move.old == group) for group in [story.group_at(run.about, moment)]
           for move in story.moves if move.time <= moment):
        return False  # what a port remembers follows from what is attached, which the history does not tell
    ports = story.cards[run.about].get("downstream_ports") or ()
    start = next((port.get("eeio_mac_address") for port in ports if str(port.get("downstream_port_id")) == run.options["port"]), None)
    now = story.value_at(run.about, f"downstream_ports/{run.options['port']}/eeio_mac_address", moment, start)
    return now not in (None, "00:00:00:00:00:00")


ALL = (forgotten_only_when_gone, asked_once, asked_with_need, asked_as_told)
