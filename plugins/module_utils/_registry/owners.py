# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds out from its cards which pod manager an EEM is, whatever its URL. Private to the collection."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry


class Owners:
    """The pod manager of each card, as far as the registry knows.

    Card ids are MAC addresses [hw], and only one EEM runs in a broadcast domain [nec]: an EEM that lists a card of a
    pod manager is that pod manager. A card belongs to the pod manager that it was last stored for and not missing, and
    a system also while it is stored as a node. While most cards of a pod manager are missing, its EEM may have just
    started, so all stay its own. A card that two registered pod managers have belongs to the one that was registered
    first.

    :param devices: all stored devices, if they were read already
    :ivar registry: the registry, of which all cards are read
    :ivar names: the names of the registered pod managers by UUID
    """

    def __init__(self, registry: Registry, devices: t.Iterable[StoredDevice] | None = None) -> None:
        podms = sorted(registry.all(PodManager), key=lambda podm: (podm.created_at or "", podm.uuid))
        degraded = {podm.uuid for podm in podms if podm.degraded_since is not None}
        cards: dict[str, list[str]] = {podm.uuid: [] for podm in podms}
        for listing in registry.all(StoredListing):
            cards.setdefault(listing.uuid, []).extend(listing.systems or ())
        for device in registry.all(StoredDevice) if devices is None else devices:
            if device.missing_since is None or device.podm_id in degraded:
                cards.setdefault(device.podm_id, []).append(device.device_id)
        for node in registry.all(StoredNode):
            cards.setdefault(node.podm_id, []).append(node.system_id)
        self.registry = registry
        self.names = {podm.uuid: podm.name for podm in podms}
        self._podm_of: dict[str, str] = {}
        for podm_id, own in cards.items():
            self.add(podm_id, own)

    def add(self, podm_id: str, cards: t.Iterable[str]) -> None:
        """Give a pod manager those of the cards that no other has."""
        for card in cards:
            self._podm_of.setdefault(card, podm_id)

    def replace(self, podm_id: str, cards: t.Iterable[str]) -> None:
        """Give a pod manager those of the cards that no other has, and take all others away from it."""
        self._podm_of = {card: owner for card, owner in self._podm_of.items() if owner != podm_id}
        self.add(podm_id, cards)

    def cards(self, podm_id: str) -> set[str]:
        """Return the ids of the cards of a pod manager."""
        return {card for card, owner in self._podm_of.items() if owner == podm_id}

    def owner(self, cards: t.Iterable[str]) -> str | None:
        """Return the UUID of the pod manager that has most of these cards, registered or not; `None` if none has one.

        A card may have moved between two EEMs since they were synchronised, so one of many does not decide.
        """
        owners = collections.Counter(self._podm_of[card] for card in sorted(cards) if card in self._podm_of)
        return next((podm_id for podm_id, _count in owners.most_common(1)), None)

    def others(self, podm_id: str, cards: t.Iterable[str]) -> dict[str, list[str]]:
        """Return which of these cards belong to other registered pod managers, by the name of the pod manager."""
        found: dict[str, list[str]] = {}
        for card in sorted(cards):
            owner = self._podm_of.get(card, podm_id)
            if owner != podm_id and owner in self.names:
                found.setdefault(self.names[owner], []).append(card)
        return dict(sorted(found.items()))
