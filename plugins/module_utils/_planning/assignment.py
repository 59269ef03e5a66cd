# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices meet the requests of several nodes with the fewest changes. Private to the collection.

A minimum-cost flow. Only the *signature* of a device matters, which is the set of the requested kinds that it is of (a
bit for each kind), so the flow is one of numbers of devices: a *pool* for each signature collects the free devices and
those that nodes give away, and the nodes take from the pools.

`assign` starts from nodes that keep as many of their own devices as possible, and meets the other requests one device
after the other, each by a shortest path in the residual graph: perhaps a free device for one node, whose own goes to the
next. Such a flow has no cycle of negative cost, and augmenting by a shortest path keeps that: the result costs the least
of all that meet as many requests. A device without a path cannot be had by any other assignment either.

A path visits pools and the insides of nodes. A `Share` computes the cheapest ways through one node, and `_Network` keeps
for each pair of pools a heap of them. So the effort for a device depends on the number of pools and on the few nodes on
its path, and not on the number of nodes.
"""

from __future__ import annotations

import enum
import heapq
import typing as t
from collections import deque

# What counts first: devices that a node loses without `move`, changes, that a device is free and not only due to be
# detached, the place of a free device in the order, nodes passed.
_LOST = 1 << 80
_CHANGE = 1 << 60
_DUE = 1 << 40
_PLACE = 1 << 16
_HOP = 1


class End(enum.Enum):
    """Where paths begin and end."""

    SUPPLY = 0  # devices that no node needs: free ones, spare ones of nodes, and those that are due to be detached
    MET = 1  # a request that is met
    EXCESS = 2  # spare devices of a node with too few slots


class Own(t.NamedTuple):
    """A sort of devices that a node has: those that differ in nothing that matters.

    :ivar signature: the requested kinds that they are of, a bit for each
    :ivar leaves: whether they may be given to other nodes
    :ivar due: whether they are detached unless the node keeps them
    :ivar stays: whether they may stay although the node does not keep them for its request
    """

    signature: int
    leaves: bool
    due: bool
    stays: bool


# A requested kind inside a node is `~kind`, which is negative; a pool is its signature, which is positive.
_Vertex = t.Union[int, Own, End]
_Path = tuple[_Vertex, ...]


def _add(numbers: dict[t.Any, int], key: t.Any, number: int) -> None:
    numbers[key] = numbers.get(key, 0) + number
    if not numbers[key]:
        del numbers[key]


class Share:
    """What one node requests and has, and where each device is.

    :ivar lacking: how many devices of each requested kind are still missing
    :ivar held: by requested kind, how many own devices (`Own`) and devices from a pool (its signature) meet it
    :ivar spare: own devices that meet no request and are still with the node, or are due to be detached
    :ivar given: own devices that other nodes get
    :ivar takes: whether devices can be attached to the node
    :ivar slots: how many spare devices more could stay when the request is met; less than 0 if some must go
    """

    slots = 0

    def __init__(self, requested: t.Mapping[int, int], own: t.Iterable[Own], takes: bool) -> None:
        """Keep as many of the node's own devices as possible; of several, those that come first in `own`."""
        self.lacking = dict(requested)
        self.held: dict[int, dict[Own | int, int]] = {kind: {} for kind in requested}
        self.spare: dict[Own, int] = {}
        self.given: dict[Own, int] = {}
        self.takes = takes
        for each in own:
            path = self.ways(each, 0).get(End.MET) if self.lacking else None
            if path:
                self.pass_along(path[1])
            else:
                _add(self.spare, each, 1)

    @property
    def kept(self) -> dict[Own, int]:
        """How many of the own devices of each sort the node keeps for its request."""
        return self._held_by(Own)

    @property
    def taken(self) -> dict[int, int]:
        """How many devices of each signature the node gets."""
        return self._held_by(int)

    def _held_by(self, sort: type) -> dict[t.Any, int]:
        result: dict[t.Any, int] = {}
        for holders in self.held.values():
            for holder, number in holders.items():
                if isinstance(holder, sort):
                    _add(result, holder, number)
        return result

    def ways(self, start: _Vertex, leaving: int) -> dict[_Vertex, tuple[int, _Path]]:
        """Return the cheapest ways through the node, by where they end: a pool, a request that is met, or `End.SUPPLY` if
        one device more is spare then.

        :param start: a pool that a device comes from, an own device, `End.SUPPLY` for any spare one, or `End.EXCESS`
        :param leaving: the cost of an own device that leaves the node
        """
        best: dict[_Vertex, tuple[int, _Path]] = {start: (0, (start,))}
        queue: deque[_Vertex] = deque([start])
        while queue:
            vertex = queue.popleft()
            if vertex != start and _is_end(vertex):
                continue
            so_far, path = best[vertex]
            for onward, cost in self._onward(vertex, leaving):
                if onward != start and (onward not in best or so_far + cost < best[onward][0]):
                    best[onward] = so_far + cost, (*path, onward)
                    queue.append(onward)
        return {end: way for end, way in best.items() if end != start and _is_end(end)}

    def _onward(self, vertex: _Vertex, leaving: int) -> t.Iterator[tuple[_Vertex, int]]:
        """Give what a device can move on to, or push out, and the cost of that."""
        if vertex is End.SUPPLY:
            yield from ((each, _DUE - leaving if each.due else 0) for each in self.spare)
        elif vertex is End.EXCESS:
            yield from ((each, 0) for each in self.spare if each.stays)
        elif isinstance(vertex, Own):
            yield from ((~kind, 0) for kind in self.held if vertex.signature >> kind & 1)
            if vertex.leaves:
                yield vertex.signature, leaving
            if vertex.due or (vertex.stays and self.slots > 0):
                yield End.SUPPLY, leaving - _DUE if vertex.due else 0
            elif vertex.stays:  # it can be spare only in the slot of another one
                yield from ((each, 0) for each in self.spare if each.stays)
        elif isinstance(vertex, int) and vertex < 0:
            if ~vertex in self.lacking:
                yield End.MET, 0
            yield from ((holder, 0 if isinstance(holder, Own) else -_CHANGE) for holder in self.held[~vertex])
        elif isinstance(vertex, int):
            if self.takes:
                yield from ((~kind, _CHANGE) for kind in self.held if vertex >> kind & 1)
            yield from ((each, -leaving) for each in self.given if each.signature == vertex)

    def pass_along(self, path: _Path) -> None:
        """Move each device on a way through the node to the next place."""
        for before, after in zip(path, path[1:]):
            # Where the device is that moves on here, and where it goes; a request pushes the device out that it has.
            if isinstance(before, int) and before < 0:
                if after is End.MET:
                    _add(self.lacking, ~before, -1)
                else:
                    _add(self.held[~before], after, -1)
            elif isinstance(before, Own):
                if isinstance(after, int) and after > 0:
                    _add(self.given, before, 1)
                elif not isinstance(after, int):
                    self._spare(before, 1)
            if isinstance(after, int) and after < 0:
                _add(self.held[~after], before, 1)
            elif isinstance(after, Own):
                if not isinstance(before, int):
                    self._spare(after, -1)
                elif before > 0:
                    _add(self.given, after, -1)

    def _spare(self, own: Own, number: int) -> None:
        _add(self.spare, own, number)
        self.slots -= 0 if own.due else number


def _is_end(vertex: _Vertex) -> bool:
    return isinstance(vertex, End) or (isinstance(vertex, int) and vertex > 0)


class _Network:
    """The pools and the ways between them."""

    def __init__(self, shares: t.Sequence[Share], free: t.Mapping[int, t.Sequence[int]], move: bool) -> None:
        self.shares = shares
        self.free = free
        self.used = dict.fromkeys(free, 0)
        self.leaving = _CHANGE if move else _CHANGE + _LOST
        own = {each.signature for share in shares for each in (*share.spare, *share.kept)}
        self._starts: tuple[_Vertex, ...] = (End.SUPPLY, *sorted(own | free.keys()))
        self._versions = [0] * len(shares)
        # From where, to where: the ways as (cost, place of the node, version of the node, path).
        self._ways: dict[_Vertex, dict[_Vertex, list[tuple[int, int, int, _Path]]]] = {
            start: {} for start in self._starts
        }
        for place in range(len(shares)):
            self._update(place)

    def _update(self, place: int) -> None:
        """Compute the ways through a node again; those of its earlier versions are dropped when they come up."""
        self._versions[place] += 1
        for start in self._starts:
            for end, (cost, path) in self.shares[place].ways(start, self.leaving).items():
                if cost < _LOST // 2:
                    way = cost, place, self._versions[place], path
                    heapq.heappush(self._ways[start].setdefault(end, []), way)

    def augment(self, end: End, place: int | None = None) -> bool:
        """Move devices along a shortest path; return whether there is one.

        :param end: where the path ends
        :param place: the node with too few slots where the path begins; `None` if it begins at `End.SUPPLY`
        """
        start = End.SUPPLY if place is None else End.EXCESS
        best: dict[_Vertex, int] = {start: 0}
        # How each vertex is reached: from where, and through which node; from or to the free devices without one.
        came: dict[_Vertex, tuple[_Vertex, int | None, _Path]] = {}
        queue: deque[_Vertex] = deque([start])
        while queue:
            vertex = queue.popleft()
            if vertex is end:
                continue
            for onward, cost, through, path in self._edges(vertex, place):
                total = best[vertex] + cost + _HOP
                if onward is not start and (onward not in best or total < best[onward]):
                    best[onward] = total
                    came[onward] = vertex, through, path
                    queue.append(onward)
        if end not in came:
            return False
        vertex, touched = end, set()
        while vertex is not start:
            vertex, through, path = came[vertex]
            if through is not None:
                self.shares[through].pass_along(path)
                touched.add(through)
            elif path[0] is End.SUPPLY:
                self.used[t.cast(int, path[1])] += 1
            else:
                self.used[t.cast(int, path[0])] -= 1
        for through in sorted(touched):
            self._update(through)
        return True

    def _edges(self, vertex: _Vertex, place: int | None) -> t.Iterator[tuple[_Vertex, int, int | None, _Path]]:
        if vertex is End.EXCESS and place is not None:
            for end, (cost, path) in self.shares[place].ways(vertex, self.leaving).items():
                if cost < _LOST // 2:
                    yield end, cost, place, path
        if vertex is End.SUPPLY:
            for signature, places in self.free.items():
                if self.used[signature] < len(places):
                    yield signature, places[self.used[signature]] * _PLACE, None, (vertex, signature)
        elif isinstance(vertex, int) and self.used.get(vertex):
            yield End.SUPPLY, -self.free[vertex][self.used[vertex] - 1] * _PLACE, None, (vertex, End.SUPPLY)
        for end, heap in self._ways.get(vertex, {}).items():
            while heap and heap[0][2] != self._versions[heap[0][1]]:
                heapq.heappop(heap)
            if heap:
                cost, through, _version, path = heap[0]
                yield end, cost, through, path


def assign(shares: t.Sequence[Share], free: t.Mapping[int, t.Sequence[int]], move: bool) -> dict[int, int]:
    """Meet as many requests as possible with the fewest changes; the shares are changed.

    Of the devices in the pools those that come first are used. Earlier nodes are served first. What cannot be met is
    still `lacking` afterwards; if only slots are missing, `slots` is less than 0.

    :param free: by signature, the places of the devices that are free, in an order of all of them
    :param move: whether nodes may give away devices that they would keep otherwise, or that are not due to be detached
    :returns: how many of the free devices of each signature are used, the first ones
    """
    network = _Network(shares, free, move)
    while network.augment(End.MET):
        pass
    for place, share in enumerate(shares):
        while share.slots < 0 and network.augment(End.SUPPLY, place):
            pass
    return network.used
