# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actual state of all cards that the simulated EEM manages, without HTTP and without rules."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import cards, links
from .options import Options


@dataclass
class Card:
    """One card: its record as EEM reports it, and state that is not in the record."""

    key: str
    record: Any
    led: str = "off"
    group: str | None = None
    encoded: bytes | None = None

    @property
    def addressable(self) -> bool:
        return cards.has_id(self.record) and self.record["id"] == self.key


class Fabric:
    """All cards, by id and by group. Every change gets an update time, updates connected cards, and is recorded."""

    def __init__(self, records: Iterable[Any], options: Options, *, link: bool = False) -> None:
        self.options = options
        self.version = 0
        self.history: list[dict[str, Any]] = []
        self.cards: dict[str, Card] = {}
        self._groups: dict[str | None, dict[str, Card]] = {}
        self._late: dict[str, int] = {}
        """By card: how many requests later its link is up."""
        for record in records:
            self._add(copy.deepcopy(record))
        if link:
            self.relink(set(self._groups), bump=False)

    # -- finding

    def get(self, card_id: str) -> Card | None:
        """Return the card with exactly this id. Whether EEM accepts other spellings is unknown [?]."""
        card = self.cards.get(card_id)
        return card if card is not None and card.addressable else None

    def members(self, group: str | None) -> list[Card]:
        return list(self._groups.get(group, {}).values())

    def eesvs_of(self, group: str | None) -> list[Card]:
        if group is None or group in cards.NOBODY:
            return []
        return [card for card in self.members(group) if cards.is_eesv(card.record)]

    def eeios_of(self, group: str | None) -> list[Card]:
        return [card for card in self.members(group) if cards.is_eeio(card.record)]

    def groups(self) -> list[str]:
        """Return every group id in use except the two that mean "none". The notes show an answer but not the rule [?]."""
        used = [group for group, members in self._groups.items() if group and members and group not in cards.NOBODY]
        return sorted(used, key=lambda group: (len(group), group))

    # -- changing

    def set_group(self, card: Card, group: str, by: str, request: int | None = None) -> None:
        old = card.group
        self._record_change(card.key, "group_id", card.record.get("group_id"), group, by, request)
        card.record["group_id"] = group
        self.stamp(card)
        self._changed(card)
        self.relink({old, group}, also=[card], stamped=card)

    def set_led(self, card: Card, value: str, by: str, request: int | None = None) -> None:
        """Set the LED. If the record has `uid_switch_status`, it follows the LED [?]."""
        if card.led != value:
            self._record_change(card.key, "uid_led_status", card.led, value, by, request)
        card.led = value
        if "uid_switch_status" in card.record:
            card.record["uid_switch_status"] = value
        self.stamp(card)

    def event(self, card: Card, name: str, by: str, request: int | None = None) -> None:
        """Record an action that leaves no trace in the card's record, such as a reset."""
        self._record_change(card.key, name, None, "done", by, request)
        self.stamp(card)

    def forget_port(self, card: Card, port: dict[str, Any], by: str, request: int | None = None) -> None:
        name = f"downstream_ports/{port.get('downstream_port_id')}/eeio_mac_address"
        self._record_change(card.key, name, port.get("eeio_mac_address"), cards.ZERO_MAC, by, request)
        port["eeio_mac_address"] = cards.ZERO_MAC
        self.stamp(card)

    def remove(self, key: str, by: str, request: int | None = None) -> None:
        card = self.cards.pop(key)
        self._late.pop(key, None)
        self._groups[card.group].pop(key)
        self.version += 1
        self._record_change(key, "card", "present", None, by, request)
        self.relink({card.group})

    def patch(self, key: str, changes: dict[str, Any], *, bump: bool = True, link: bool = True) -> None:
        """Merge keys into a record without a client; None removes a key."""
        card = self.cards[key]
        if not isinstance(card.record, dict):
            raise ValueError(f"the record of {key} is not an object")
        old = card.group
        for name, value in changes.items():
            if card.record.get(name) != value:
                self._record_change(key, name, card.record.get(name), value, "control", None)
            if value is None:
                card.record.pop(name, None)
            else:
                card.record[name] = copy.deepcopy(value)
        if "uid_switch_status" in changes:
            card.led = "on" if changes["uid_switch_status"] == "on" else "off"
        if bump and "update_time" not in changes:
            self.stamp(card)
        self._changed(card)
        if link and {"group_id", "notification_status0", "notification_status1", "power_status", "status"} & set(
            changes
        ):
            self.relink({old, card.group}, also=[card], stamped=card)

    def put(self, key: str, record: Any, *, link: bool = False) -> None:
        """Add or replace a whole record without checks."""
        old = self.cards.get(key)
        if old is not None:
            self._groups[old.group].pop(key)
            old.record, old.led = copy.deepcopy(record), _led(record)
            old.group = cards.group_of(record)
            self._groups.setdefault(old.group, {})[key] = old
            self._changed(old)
        else:
            self._add(copy.deepcopy(record), key)
        self._record_change(key, "card", "present" if old else None, "present", "control", None)
        if link:
            self.relink({self.cards[key].group})

    def stamp(self, card: Card) -> None:
        """Give the card a new, later `update_time` of the same JSON type."""
        now = max(int(time.time() * 1000), cards.time_of(card.record) + 1)
        card.record["update_time"] = now if isinstance(card.record.get("update_time"), int) else str(now)
        self._changed(card)

    def shift_times(self, seconds: float) -> None:
        """Move every `update_time`, as if another EEM process had read all cards at other times [?]."""
        for card in self.cards.values():
            if isinstance(card.record, dict) and "update_time" in card.record:
                moved = cards.time_of(card.record) + int(seconds * 1000)
                card.record["update_time"] = moved if isinstance(card.record["update_time"], int) else str(moved)
                self._changed(card)

    def relink(
        self,
        groups: set[str | None],
        also: Iterable[Card] = (),
        stamped: Card | None = None,
        bump: bool = True,
        linked: Card | None = None,
    ) -> None:
        """Update the dependent fields of all cards in these groups, and of cards (`also`) that have just left one.

        Without `bump`, all links that are possible are up, as they were before the simulator started. The link of
        `linked` is up, too, whatever the option `link` is.
        """
        affected = {card.key: card for card in also}
        for group in groups:
            if group not in cards.NOBODY or not bump:
                affected.update((card.key, card) for card in self.members(group))
        # The ports of an EESV depend on the links of its EEIOs.
        for card in sorted(affected.values(), key=lambda card: cards.is_eesv(card.record)):
            eesvs = self.eesvs_of(card.group)
            if cards.is_eesv(card.record):
                eeios = self.eeios_of(card.group) if eesvs else []
                changed = links.link_eesv(card.record, [eeio.record for eeio in eeios])
            elif cards.is_eeio(card.record):
                eesv = eesvs[0].record if eesvs else None
                is_up = self._is_up(card, eesv, at_once=not bump or card is linked)
                changed = links.link_eeio(card.record, eesv if is_up else None)
            else:
                continue
            if changed:
                self._changed(card)
                if bump and card is not stamped and self.options.peer_update_time == "moves":
                    self.stamp(card)

    def _is_up(self, card: Card, eesv: cards.Record | None, at_once: bool) -> bool:
        """Whether the link of an EEIO is up now. With `link=late` and a new link, it is counted from now on."""
        if eesv is None or not links.can_link(card.record, eesv):
            self._late.pop(card.key, None)
            return False
        if at_once or links.is_linked(card.record, eesv) or self.options.link == "at-once":
            self._late.pop(card.key, None)
            return True
        if self.options.link == "late":
            self._late.setdefault(card.key, int(self.options.link_delay))
        return False

    def count_request(self) -> None:
        """Count a request to EEM: late links come up."""
        for key in list(self._late):
            self._late[key] -= 1
            if self._late[key] <= 0:
                self._link_up(self.cards[key])

    def _link_up(self, card: Card) -> None:
        """Make the link of an EEIO come up, if that is possible."""
        self.relink({card.group}, linked=card)

    def audit(self, card: Card) -> None:
        """Read the card's state again; with `link=audit`, its link is found up."""
        self.stamp(card)
        if cards.is_eeio(card.record) and self.options.link == "audit":
            self._link_up(card)

    def encodings_changed(self) -> None:
        """Discard all encoded records, because an option has changed their format."""
        for card in self.cards.values():
            card.encoded = None
        self.version += 1

    # -- inside

    def _add(self, record: Any, key: str | None = None) -> None:
        if key is None:
            # A broken record, or a second record with the same id, is still listed. Control uses this key for it.
            key = record["id"] if cards.has_id(record) and record["id"] not in self.cards else f"#{len(self.cards)}"
        card = Card(key, record, led=_led(record), group=cards.group_of(record))
        self.cards[key] = card
        self._groups.setdefault(card.group, {})[key] = card
        self.version += 1

    def _changed(self, card: Card) -> None:
        card.encoded = None
        self.version += 1
        group = cards.group_of(card.record)
        if group != card.group:
            self._groups[card.group].pop(card.key)
            self._groups.setdefault(group, {})[card.key] = card
            card.group = group

    def _record_change(self, key: str, field: str, old: Any, new: Any, by: str, request: int | None) -> None:
        self.history.append(
            {
                "seq": len(self.history) + 1,
                "time": time.time(),
                "card": key,
                "field": field,
                "from": copy.deepcopy(old),
                "to": copy.deepcopy(new),
                "by": by,
                "request": request,
            }
        )


def _led(record: Any) -> str:
    return "on" if isinstance(record, dict) and record.get("uid_switch_status") == "on" else "off"
