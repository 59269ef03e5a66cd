# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One snapshot of all cards that an EEM manages. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import (
    FREE_GROUP,
    NO_GROUP,
    SOFTWARE_GROUPS,
    Card,
    Eeio,
    Eesv,
    parse,
)

State = t.Literal["free", "allocated", "stranded"]


class Fabric:
    """Which cards share a group, which devices are free, and how many free slots a system has.

    :ivar systems: every EESV by id, lowest id first
    :ivar devices: every EEIO by id, lowest id first
    """

    def __init__(self, cards: t.Iterable[Card]) -> None:
        self.systems: dict[str, Eesv] = {}
        self.devices: dict[str, Eeio] = {}
        self._systems_in: dict[str, list[Eesv]] = {}
        self._devices_in: dict[str, list[Eeio]] = {}
        for card in sorted(cards, key=lambda card: card.id):
            if isinstance(card, Eesv):
                self.systems[card.id] = card
                if card.group_id not in (NO_GROUP, FREE_GROUP):
                    self._systems_in.setdefault(card.group_id, []).append(card)
            else:
                self.devices[card.id] = card
                self._devices_in.setdefault(card.group_id, []).append(card)

    @classmethod
    def from_records(cls, records: t.Iterable[t.Any]) -> Fabric:
        """Return the snapshot of an answer's records; if two records describe one card, the last one counts.

        :raises RecordError: as `_model.cards.parse`
        """
        return cls({card.id: card for card in map(parse, records)}.values())

    def card(self, card_id: str | None) -> Card | None:
        """Return a card of either kind by its id, or `None` if EEM does not list it."""
        return self.devices.get(card_id or "") or self.systems.get(card_id or "")

    def systems_in(self, group_id: str) -> t.Sequence[Eesv]:
        """Return the EESVs that have this group id as their own."""
        return self._systems_in.get(group_id, ())

    def devices_in(self, group_id: str) -> t.Sequence[Eeio]:
        """Return the EEIOs that have this group id."""
        return self._devices_in.get(group_id, ())

    def state(self, device: Eeio) -> State:
        """Return whether a device is free, belongs to a system, or is in a group that no EESV has."""
        if device.group_id == FREE_GROUP:
            return "free"
        return "allocated" if device.group_id in self._systems_in else "stranded"

    def owner(self, device: Eeio) -> Eesv | None:
        """Return the system that a device is attached to.

        If several systems share the group, it is the one that the card reports as its other end. If the card reports
        none of them, the owner is unknown: `None`.
        """
        systems = self.systems_in(device.group_id)
        if len(systems) == 1:
            return systems[0]
        return next((system for system in systems if system.id == device.eesv_id), None)

    def devices_of(self, system: Eesv) -> list[Eeio]:
        """Return the devices of a system, lowest id first."""
        return [device for device in self.devices_in_group_of(system) if _is_same(self.owner(device), system)]

    def devices_in_group_of(self, system: Eesv) -> t.Sequence[Eeio]:
        """Return the devices in a system's group, including those of another system in it, lowest id first."""
        return self.devices_in(system.group_id) if has_own_group(system) else ()

    def free_slots(self, system: Eesv) -> int:
        """Return how many more devices a system can have; every EEIO in its group uses a slot."""
        return max(0, system.max_devices - len(self.devices_in_group_of(system)))

    def unused_groups(self, besides: t.Container[str] = ()) -> t.Iterator[str]:
        """Give the group ids that software may assign and that no card has, lowest first.

        :param besides: further group ids that are not available
        """
        for group_id in map(str, SOFTWARE_GROUPS):
            if group_id not in self._systems_in and group_id not in self._devices_in and group_id not in besides:
                yield group_id

    def changed(self, cards: t.Mapping[str, tuple[str, str | None]]) -> Fabric:
        """Return this snapshot with other group ids and times of change for some cards, and with the links expected then.

        A device whose card reports its link is connected if it is in the group of a system that has power. If that
        system gets its group id now, this is unknown, because its host may need a reboot [drv].

        :param cards: card id to (group id, update_time); a time of `None` keeps the old one
        """
        new_groups = {group_id for card_id, (group_id, _time) in cards.items() if card_id in self.systems}
        with_power = {
            system.group_id for system in self.systems.values() if not system.is_off and has_own_group(system)
        }

        def after(card: Card) -> Card:
            if card.id not in cards:
                return card
            group_id, update_time = cards[card.id]
            if isinstance(card, Eeio) and card.connected is not None and card.group_id != group_id:
                card = card._replace(connected=None if group_id in new_groups else group_id in with_power)
            return card._replace(group_id=group_id, update_time=update_time or card.update_time)

        return Fabric(map(after, self._cards()))

    def read_later(self, cards: t.Mapping[str, Card | None]) -> Fabric:
        """Return this snapshot with some cards as they were read later; `None` for one that does not exist any more."""
        unchanged = [card for card in self._cards() if card.id not in cards]
        return Fabric([*unchanged, *(card for card in cards.values() if card)]) if cards else self

    def _cards(self) -> list[Card]:
        return [*self.systems.values(), *self.devices.values()]


def _is_same(one: Eesv | None, other: Eesv) -> bool:
    """Whether two values are the same system, perhaps from two snapshots."""
    return one is not None and one.id == other.id


def has_own_group(system: Eesv) -> bool:
    """Whether an EESV has a group id of its own, set by software or by its rotary switch."""
    return system.group_id not in (NO_GROUP, FREE_GROUP)


def from_rotary_switch(group_id: str) -> bool:
    """Whether a group id is set by a card's rotary switch, so software must not change it [hw]."""
    return 1 <= int(group_id) <= 15
