# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What synchronising promises: no EEM makes it fail, and in the end the registry has what the EEMs have. Pure."""

from __future__ import annotations

from invariants_cards import Found, Violation
from story import Story


def sync_never_fails(story: Story) -> Found:
    """A synchronisation always succeeds, and reports the errors of EEMs."""
    for report in story.reports:
        if report.run.kind == "synced" and report.result is not None and report.failed:
            yield Violation("sync_never_fails", f"{report.run.key} failed ({report.failure_kind}): {report.message}")


def registry_follows(story: Story) -> Found:
    """If the EEMs are healthy, every device is stored with its actual state, and a second synchronisation changes nothing."""
    look = next((look for look in story.looks if look.stage == "synced"), None)
    if look is None:
        return
    known = {card: (group, missing) for card, group, missing in look.devices}
    for card in story.cards:
        if not story.is_device(card):
            continue
        group, missing = known.get(card, (None, True))
        if story.is_gone(card, look.time):
            if not missing:
                yield Violation("registry_follows", f"{card} is gone, but stored as present", (card,))
        elif missing or group != story.group_at(card, look.time):
            yield Violation(
                "registry_follows", f"{card} is in group {story.group_at(card, look.time)}, stored: {group}", (card,)
            )
    for report in story.reports:
        if report.stage == "synced again" and (report.result or {}).get("changed") is not False:
            yield Violation("registry_follows", f"{report.run.key} changed something again: {report.result}")


ALL = (sync_never_fails, registry_follows)
