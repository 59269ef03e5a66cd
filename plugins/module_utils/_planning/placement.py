# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which systems the new nodes of a layout may be. Private to the collection."""

from __future__ import annotations

import heapq
import itertools
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Eeio
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Properties
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import (
    can_be_detached,
    match_devices,
    number_of,
    system_rank,
    why_no_node,
)

#: In a fabric of at most this many cards, placements are tried whatever devices they have; and how many placements.
_SMALL, _TRIES = 64, 120


class Placements:
    """Ways to place new nodes: the system of each, by the node's place in the layout.

    The first way follows the rule for new nodes. The others are for layouts whose requests cannot be met with it; other
    systems may help because they already have devices. If there are not enough systems, the only way lacks some nodes.

    :param observed: without the nodes that are released
    :param new: what the new nodes request, by their place in the layout
    :param listed: the systems of the other nodes in the layout
    :param released: the systems of the nodes that are released
    :param sort_of: returns equal numbers for devices between which the requests do not distinguish
    """

    def __init__(
        self,
        observed: ObservedState,
        new: t.Mapping[int, Properties],
        listed: t.Container[str],
        released: t.Container[str],
        sort_of: t.Callable[[Eeio], int],
    ) -> None:
        self._observed, self._released, self._sort_of = observed, released, sort_of
        self._properties = new
        # The systems that a smaller node fits on include those that a larger one fits on, so if the larger ones choose
        # first, all find one if that is possible.
        self._new = sorted(new, key=lambda place: -number_of(new[place]))
        self._slots = self._hosts(listed) if new else {}

    def __iter__(self) -> t.Iterator[dict[int, str]]:
        new, slots, fabric = self._new, self._slots, self._observed.fabric
        first = self._by_rule({})
        yield first
        if len(first) < len(new):
            return
        seen = [first]
        many = 1
        while many < 2 * len(new) and any(fabric.devices_of(fabric.systems[host]) for host in slots):
            chosen = self._by_rule(self._where_devices_are(new[:many]))
            many *= 2
            if chosen not in seen:
                seen.append(chosen)
                yield chosen
        if len(fabric.devices) + len(fabric.systems) <= _SMALL:
            for hosts in itertools.islice(itertools.permutations(slots, len(new)), _TRIES):
                fits = all(slots[host] >= number_of(self._properties[place]) for place, host in zip(new, hosts))
                if fits and dict(zip(new, hosts)) not in seen:
                    yield dict(zip(new, hosts))

    def _hosts(self, listed: t.Container[str]) -> dict[str, int]:
        """Return the systems that can become new nodes, best first, and how many devices each can get."""
        fabric = self._observed.fabric
        fitting = [
            system
            for system in fabric.systems.values()
            if system.id not in listed and why_no_node(self._observed, system, 0)[0] is None
        ]
        # The host of a node that is released may still be in use, so others come first.
        fitting.sort(key=lambda system: (system.id in self._released, system_rank(self._observed, system)))
        slots = {system.id: fabric.free_slots(system) for system in fitting}
        for system in fitting:
            if system.id in self._released:
                slots[system.id] += sum(map(can_be_detached, fabric.devices_of(system)))
        return slots

    def _by_rule(self, given: t.Mapping[int, str]) -> dict[int, str]:
        """Return a system for each new node, the best that is left, while there are any; some have one already."""
        slots = self._slots
        ranks = {host: rank for rank, host in enumerate(slots)}
        used = set(given.values())
        largest = sorted((host for host in slots if host not in used), key=lambda host: slots[host])
        fitting: list[tuple[int, str]] = []
        result = dict(given)
        for place in self._new:
            if place in given:
                continue
            while largest and slots[largest[-1]] >= number_of(self._properties[place]):
                host = largest.pop()
                heapq.heappush(fitting, (ranks[host], host))
            if fitting:
                result[place] = heapq.heappop(fitting)[1]
        return result

    def _where_devices_are(self, new: t.Sequence[int]) -> dict[int, str]:
        """Return for each of some new nodes the system that has most of what it requests already."""
        fabric = self._observed.fabric
        have = {host: fabric.devices_of(fabric.systems[host]) for host in self._slots}
        sorts = {host: tuple(sorted(map(self._sort_of, devices))) for host, devices in have.items()}
        best: dict[t.Any, int] = {}

        def matching(properties: Properties, host: str) -> int:
            key = properties, sorts[host]
            if key not in best:
                best[key] = len(match_devices(properties, have[host])[0])
            return best[key]

        result: dict[int, str] = {}
        left = list(self._slots)
        for place in new:
            properties = self._properties[place]
            wanted = number_of(properties)
            host = max(
                (host for host in left if self._slots[host] >= wanted), key=lambda host: matching(properties, host)
            )
            result[place] = host
            left.remove(host)
        return result
