# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether requests to single cards are sent once, only when allowed, and reported truly. Pure."""

from __future__ import annotations

import typing as t

from episode import Run
from invariants_cards import ASKED, Found, Violation
from story import UNSET, Change, Report, Request, Story

#: What EEM may answer to a change that it has surely not made, so that it may be sent again without reading.
REFUSALS = range(400, 501)
#: What leaves no trace in a card that could be read.
NO_TRACE = ("audit", "reset", "reset_frame")


def forgotten_only_when_gone(story: Story) -> Found:
    """Without force no run has a card forgotten that answers, that is disabled, or that leaves devices behind."""
    for change in story.changes:
        if change.field != "card" or change.new is not None or story.is_late(change):
            continue
        reports = [
            report
            for report in story.reports_by(change.by)
            if report.run.kind == "forgotten" and report.run.about == change.card
        ]
        if not reports or any(report.run.options.get("force") for report in reports) or story.is_foreign(change.card):
            continue
        why = _why_not(story, change)
        if why:
            yield Violation(
                "forgotten_only_when_gone",
                f"{change.by} had {change.card} forgotten without force: it {why}",
                (change.card,),
            )


def _why_not(story: Story, change: Change) -> str | None:
    card = story.cards[change.card]
    values = {
        key: story.value_at(change.card, key, change.time, card.get(key))
        for key in ("notification_status0", "notification_status1", "admin_status", "monitoring_status")
    }
    if any("up" in (values[key] or ()) for key in ("notification_status0", "notification_status1")):
        return "answers"
    if any(values[key] not in (None, "enabled") for key in ("admin_status", "monitoring_status")):
        return "is disabled"
    group = story.group_at(change.card, change.time)
    left = set() if story.is_device(change.card) or group == UNSET else story.members(group, change.time, change.eem)
    # Only claims prevent other runs from attaching something in the meantime.
    return (
        f"leaves {sorted(left)} behind"
        if left and story.episode.claims and not any(map(story.is_foreign, left))
        else None
    )


def asked_once(story: Story) -> Found:
    """No change is sent twice by one run without reading in between; what leaves no trace only after a refusal."""
    last: dict[tuple[str, str], Request] = {}
    read: set[str] = set()
    runs = {report.by: report.run for report in story.reports if report.by == report.run.key}
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
            yield Violation(
                "asked_once",
                f"{request.by} sent {request.method} {request.path} again, after the answer {before.status}",
                (run.about,),
            )
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
        for report in story.reports_by(request.by):
            card, wanted = report.run.about, report.run.options.get("uid_led")
            was = _led(story, card, seen[request.by]) if request.by in seen and card in story.cards else None
            if (
                report.by == report.run.key
                and report.run.kind == "led"
                and was == wanted
                and not _others(story, report, request.time)
            ):
                yield Violation(
                    "asked_with_need",
                    f"{request.by} turned the LED of {card} {wanted}, which it had seen to be so",
                    (card,),
                )


def _led(story: Story, card: str, moment: float) -> str:
    start = "on" if story.cards[card].get("uid_switch_status") == "on" else "off"
    return str(story.value_at(card, "uid_led_status", moment, start))


def _own(story: Story, report: Report) -> list[Change]:
    """What a run changed of the card that it names, besides group ids."""
    field = ASKED.get(report.run.kind)
    mine = (
        each
        for each in story.changes
        if each.by == report.by and each.card == report.run.about and each.old != each.new
    )
    return [each for each in mine if field and each.field.startswith(field)]


def _others(story: Story, report: Report, until: float) -> list[Change]:
    """What others changed of it while the run was at work."""
    return [
        each
        for each in story.changes
        if each.by != report.by and each.card == report.run.about and report.began <= each.time <= until
    ]


def asked_as_reported(story: Story) -> Found:
    """Requests reported as done were done exactly once; requests reported as not done were not done."""
    for report in story.reports:
        if report.result is None or report.run.kind not in ASKED or report.run.check or report.by != report.run.key:
            continue
        own, others = _own(story, report), _others(story, report, report.ended)
        statuses = [row["status"] for row in report.result.get("plan") or []]
        about = f"{report.by} ({report.run.kind} of {report.run.about})"
        if len(own) > 1:
            yield Violation("asked_as_reported", f"{about} did it {len(own)} times", (report.run.about,))
        believed = statuses == ["done"] and report.result["plan"][0]["action"] != "forget"
        if believed and not own and not others and not _accepted_falsely(story, report):
            yield Violation("asked_as_reported", f"{about} reported it as done, but it was not", (report.run.about,))
        if own and "done" not in statuses and not report.result.get("changed") and not _refused_falsely(story, report):
            yield Violation(
                "asked_as_reported",
                f"{about} did it and reported {statuses or 'nothing'}: {report.message}",
                (report.run.about,),
            )
        if not report.failed and not others:
            yield from _as_requested(story, report, about)


def _accepted_falsely(story: Story, report: Report) -> bool:
    """Whether something that leaves no trace was answered with success, but not done."""
    return report.run.kind in NO_TRACE and any(
        request.by == report.by and request.method != "GET" and not request.true and request.status == 200
        for request in story.requests
    )


def _refused_falsely(story: Story, report: Report) -> bool:
    """Whether EEM did something that leaves no trace, but answered with a refusal."""
    return report.run.kind in NO_TRACE and any(
        request.by == report.by and request.method != "GET" and not request.true and (request.status or 0) in REFUSALS
        for request in story.requests
    )


def _as_requested(story: Story, report: Report, about: str) -> Found:
    """After an undisturbed success, the card is in the requested state."""
    card, result = report.run.about, t.cast("dict[str, t.Any]", report.result)
    if report.run.kind == "led":
        true, wanted = _led(story, card, report.ended), report.run.options["uid_led"]
        if true != wanted or result["device"]["uid_led"] != wanted:
            yield Violation(
                "asked_as_reported",
                f"{about}: the LED is {true}, reported {result['device']['uid_led']}, requested {wanted}",
                (card,),
            )
    if report.run.kind == "forgotten" and not story.is_gone(card, report.ended):
        yield Violation("asked_as_reported", f"{about}: the card still exists", (card,))
    if report.run.kind == "forget_port" and _stores_device(story, report.run, report.ended):
        yield Violation("asked_as_reported", f"{about}: the port still stores its device", (card,))


def _stores_device(story: Story, run: Run, moment: float) -> bool:
    """Whether a port still stores a device, if nothing was attached to it or detached from it since."""
    if any(
        not story.is_device(run.about) and (move.new == group or move.old == group)
        for group in [story.group_at(run.about, moment)]
        for move in story.moves
        if move.time <= moment
    ):
        return False  # the stored device of a port depends on attached devices, which are not in the history
    ports = story.cards[run.about].get("downstream_ports") or ()
    start = next(
        (port.get("eeio_mac_address") for port in ports if str(port.get("downstream_port_id")) == run.options["port"]),
        None,
    )
    now = story.value_at(run.about, f"downstream_ports/{run.options['port']}/eeio_mac_address", moment, start)
    return now not in (None, "00:00:00:00:00:00")


ALL = (forgotten_only_when_gone, asked_once, asked_with_need, asked_as_reported)
