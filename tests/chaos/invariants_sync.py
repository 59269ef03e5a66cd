# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What synchronising promises: no EEM makes it fail, and in the end the registry has what the EEMs have. Pure."""

from __future__ import annotations

from invariants_cards import Found, Violation
from story import Story


def sync_never_fails(story: Story) -> Found:
    """Whatever an EEM does, a synchronisation succeeds and tells its error."""
    for told in story.told:
        if told.run.kind == "synced" and told.result is not None and told.failed:
            yield Violation("sync_never_fails", f"{told.run.key} failed ({told.failure_kind}): {told.message}")


def registry_follows(story: Story) -> Found:
    """With the EEMs in order, every device is remembered as it is, and once more nothing changes."""
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
                yield Violation("registry_follows", f"{card} is gone, and remembered as there", (card,))
        elif missing or group != story.group_at(card, look.time):
            yield Violation("registry_follows", f"{card} is in group {story.group_at(card, look.time)}, remembered: {group}", (card,))
    for told in story.told:
        if told.stage == "synced again" and (told.result or {}).get("changed") is not False:
            yield Violation("registry_follows", f"{told.run.key} changed something again: {told.result}")


ALL = (sync_never_fails, registry_follows)
