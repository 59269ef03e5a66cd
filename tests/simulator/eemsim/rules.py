# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EEM refuses. Pure: each function checks the state, and raises `EemRefused` or does nothing.

Only four error codes are known: 40004, 40011, 40400 and 50003. The reasons for which they are used here are inferred [?]
from the situations in which clients treat them as "my view is outdated"; NEC's client knows 40011 for the deletion of a
card only. Every other refusal has the code of the option `refusal_code`, so that no client relies on a number.
"""

from __future__ import annotations

import random
from typing import Any

from . import cards
from .options import Options
from .state import Card, Fabric

MALFORMED = "40000"
CONDITION_UNKNOWN = "40017"
STALE = "40004"
NOT_DELETED = "40011"
NOT_FOUND = "40400"
SILENT = "50003"

ASSIGNABLE = frozenset(map(str, range(cards.LOWEST, cards.HIGHEST + 1)))


class EemRefused(Exception):
    """EEM refuses a request. The first three digits of the code are the HTTP status [nec][drv]."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Rules:
    """The rules for one fabric."""

    def __init__(self, fabric: Fabric, options: Options) -> None:
        self.fabric = fabric
        self.options = options

    @property
    def strict(self) -> bool:
        return self.options.enforce == "strict"

    def refuse(self, message: str) -> EemRefused:
        return EemRefused(self.options.refusal_code, message)

    def card(self, card_id: str) -> Card:
        card = self.fabric.get(card_id)
        if card is None:
            raise EemRefused(NOT_FOUND, f"device {card_id} is not found")
        return card

    def unchanged_since(self, card: Card, update_time: Any) -> None:
        """`update_time` on a change is a condition [?]."""
        if update_time is None or self.options.conditional == "ignore":
            return
        if self.options.conditional == "refuse":
            raise EemRefused(CONDITION_UNKNOWN, "unknown parameter update_time")
        try:
            known = int(update_time)
        except (TypeError, ValueError):
            raise EemRefused(MALFORMED, f"update_time {update_time!r} is not a time") from None
        if known != cards.time_of(card.record):
            raise EemRefused(STALE, f"device {card.key} has been changed")

    def may_change(self, card: Card) -> None:
        """A card with an administrative or monitoring state other than enabled accepts no change [nec]."""
        if self.strict and not cards.enabled(card.record):
            raise self.refuse(f"device {card.key} is disabled")
        self.may_ask(card)

    def may_ask(self, card: Card) -> None:
        if self.options.silent_change == "refuse" and not cards.responds(card.record):
            raise EemRefused(SILENT, f"device {card.key} does not respond")

    def may_set_group(self, card: Card, group: str) -> None:
        """An EEIO must be free. The group must belong to an EESV, which must have a free slot [nec][hw][drv]."""
        if not self.strict:
            return
        if group not in ASSIGNABLE:
            raise self.refuse(f"group id {group} cannot be assigned")
        self._not_rotary(card)
        if cards.is_eesv(card.record):
            self._group_of_no_other(card, group)
            return
        if card.group != cards.FREE:
            raise self.refuse(f"device {card.key} already has group id {card.group}")
        eesvs = self.fabric.eesvs_of(group)
        if not eesvs:
            raise self.refuse(f"no EESV has group id {group}")
        limit = cards.max_devices(eesvs[0].record)
        if len(self.fabric.eeios_of(group)) >= limit:
            raise self.refuse(f"EESV {eesvs[0].key} already has {limit} EEIOs")

    def _group_of_no_other(self, card: Card, group: str) -> None:
        """The notes do not mention two EESVs in one group; "the EESV whose group id it has" suggests only one [?]."""
        others = [eesv.key for eesv in self.fabric.eesvs_of(group) if eesv is not card]
        if others and self.options.shared_group == "refuse":
            raise self.refuse(f"group id {group} belongs to EESV {others[0]}")

    def may_delete_group(self, card: Card) -> None:
        none = cards.UNSET if cards.is_eesv(card.record) else cards.FREE
        if self.strict and card.group == none and self.options.repeat_delete == "refuse":
            raise self.refuse(f"device {card.key} has no group id")
        if self.strict:
            self._not_rotary(card)
        if self.options.orphan_detach == "refuse" and cards.is_eeio(card.record):
            eesvs = self.fabric.eesvs_of(card.group)
            if eesvs and not cards.responds(eesvs[0].record):
                raise EemRefused(SILENT, f"EESV {eesvs[0].key} does not respond")

    def _not_rotary(self, card: Card) -> None:
        """Software cannot change a group id from the rotary switch [hw]. That EEM refuses it is an assumption [?]."""
        if cards.rotary_of(card.record) != "0":
            raise self.refuse(f"group id {card.group} of device {card.key} is set by its rotary switch")

    def pick_group(self, card: Card) -> str:
        """EEM picks an unused id, only for an EESV [nec][drv]. Which one is unknown [?]."""
        if not cards.is_eesv(card.record):
            raise self.refuse("a group id can only be picked for an EESV")
        if self.strict:
            self._not_rotary(card)
        free = sorted(ASSIGNABLE.difference(self.fabric.groups()), key=int)
        if not free:
            raise self.refuse("all group ids are in use")
        pick = self.options.group_pick
        return random.choice(free) if pick == "random" else free[0 if pick == "lowest" else -1]

    def may_forget(self, card: Card, forced: bool) -> None:
        """Without force, only a card that no longer responds can be removed [nec]."""
        if self.strict and not forced:
            if cards.responds(card.record):
                raise EemRefused(NOT_DELETED, f"device {card.key} still responds")
            if not cards.enabled(card.record):
                raise self.refuse(f"device {card.key} is disabled")

    def port(self, card: Card, port_id: str) -> dict[str, Any]:
        """Return the port if its stored device may be deleted. NEC's client offers this only while the link is down [nec]."""
        ports = card.record.get("downstream_ports")
        for port in ports if isinstance(ports, list) else []:
            if isinstance(port, dict) and str(port.get("downstream_port_id")) == port_id:
                if self.strict and port.get("eeio_connection_status") == "up":
                    raise self.refuse(f"port {port_id} of device {card.key} is connected")
                return port
        raise EemRefused(NOT_FOUND, f"device {card.key} has no downstream port {port_id}")
