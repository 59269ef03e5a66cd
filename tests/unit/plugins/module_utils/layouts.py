# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up layouts of small pods, and the fewest changes that each needs, found by trying all ways to place the devices.

As in `fleets`, what is computed here is computed from the records alone, and never with the code that is tested.
"""

from __future__ import annotations

import functools
import itertools
import json
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Properties, parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.layout import LayoutRequest
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import NodeRequest
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    FREE,
    NONE,
    Choices,
    Entry,
    Fleet,
    Record,
    devices_of,
    eeio,
    eesv,
    fleets,
    is_populated,
    most_devices,
    most_met,
    node_on,
    observed,
    system_id,
    wanted,
)
from hypothesis import strategies as st


class Wanted(t.NamedTuple):
    """One entry of a layout: `entries` is `properties.devices`, `None` if the node stays as it is."""

    name: str
    system_id: str | None
    entries: list[Entry] | None
    purge: bool


class Layout(t.NamedTuple):
    """A layout and the pod that it is about."""

    fleet: Fleet
    wanted: list[Wanted]
    release_others: bool = False
    move: bool = False

    @property
    def request(self) -> LayoutRequest:
        nodes = (
            NodeRequest(
                each.name,
                each.system_id,
                None if each.entries is None else parse_properties({"devices": each.entries}),
                each.purge,
            )
            for each in self.wanted
        )
        return LayoutRequest(tuple(nodes), self.release_others, self.move)

    def known(self, each: Wanted) -> Node | None:
        return next((node for node in self.fleet.nodes.values() if node.name == each.name), None)

    @property
    def new(self) -> list[Wanted]:
        """The nodes whose systems are to be chosen."""
        return [each for each in self.wanted if self.known(each) is None and each.system_id is None]

    @property
    def released(self) -> set[str]:
        """The systems of the nodes that are released."""
        listed = {each.name for each in self.wanted}
        return {key for key, node in self.fleet.nodes.items() if self.release_others and node.name not in listed}

    def hosts(self, chosen: t.Mapping[str, str]) -> dict[str, Wanted]:
        """Return the system of each listed node with a request, if the new nodes get the chosen ones."""
        result = {}
        for each in self.wanted:
            known = self.known(each)
            if each.entries is not None:
                result[known.system_id if known else each.system_id or chosen[each.name]] = each
        return result


def _kind(device: Record) -> str:
    """Return what a request sees of a device."""
    return json.dumps(
        {key: device[key] for key in sorted(device) if key.startswith("pcie_") or key in ("model", "type")}
    )


def met_by(entries: list[Entry], devices: t.Iterable[Record]) -> int:
    """Return how many of the requested devices these can be."""
    return _most_met(json.dumps(entries), tuple(sorted(map(_kind, devices))))


@functools.lru_cache(maxsize=100_000)
def _most_met(entries: str, kinds: tuple[str, ...]) -> int:
    return most_met(json.loads(entries), list(map(json.loads, kinds)))


def fewest_changes(layout: Layout, chosen: t.Mapping[str, str]) -> int | None:
    """Return how many changes of groups a layout needs at least, with new nodes on these systems; `None` if it cannot be met.

    All cards respond and are enabled. Each device stays, or goes to a listed node or becomes free, where that is allowed.
    """
    records = layout.fleet.records
    hosts = layout.hosts(chosen)
    have = {record["id"]: devices_of(records, record["id"]) for record in records if record["status"] == "eesv"}
    owner = {device["id"]: host for host, devices in have.items() for device in devices}
    # A new node on the system of a released one keeps what it requests; the rest is released.
    purged = {host for host, each in hosts.items() if each.purge or host in layout.released}
    own = {host: met_by(each.entries or [], have[host]) for host, each in hosts.items()}
    devices = [record for record in records if record["status"] == "eeio"]
    devices.sort(key=lambda device: (owner.get(device["id"], ""), _kind(device)))
    kinds = list(map(_kind, devices))
    met: dict[tuple[t.Any, ...], int] = {}
    choices = []
    for device in devices:
        at = owner.get(device["id"])
        others = sorted(hosts.keys() - {at}) if is_populated(device) else []
        if at is None:
            choices.append(["", *others])
        elif at in purged:
            choices.append([at, "", *others])
        elif at in hosts:
            choices.append([at, *(others if layout.move else [])])
        elif at in layout.released:
            choices.append(["", *others])
        else:
            choices.append([at])
    best: int | None = None

    def place(number: int, places: list[str], cost: int) -> None:
        nonlocal best
        if best is not None and cost >= best:
            return
        if number == len(devices):
            total = cost + _groups(places)
            if (best is None or total < best) and _is_right(places):
                best = total
            return
        at = owner.get(devices[number]["id"], "")
        for where in choices[number]:
            same = number and owner.get(devices[number - 1]["id"], "") == at
            if same and kinds[number] == kinds[number - 1] and where < places[-1]:
                continue  # devices that are alike may be exchanged
            place(number + 1, [*places, where], cost + (where != at and bool(at)) + (where != at and bool(where)))

    def _groups(places: list[str]) -> int:
        return sum(
            record["group_id"] in (FREE, NONE) and record["id"] in places
            for record in records
            if record["status"] == "eesv"
        )

    def _most(host: str, which: list[int]) -> int:
        key = (host, *(kinds[number] for number in which))
        if key not in met:
            met[key] = met_by(hosts[host].entries or [], [devices[number] for number in which])
        return met[key]

    def _is_right(places: list[str]) -> bool:
        for host, each in hosts.items():
            here = [number for number, where in enumerate(places) if where == host]
            new = [number for number in here if owner.get(devices[number]["id"]) != host]
            number = wanted(each.entries or [])
            if len(here) < number or (host in purged and len(here) > number) or _most(host, here) < number:
                return False
            if not layout.move and host in purged and len(here) - len(new) < own[host]:
                return False
            if _most(host, new) < len(new):
                return False  # a node gets nothing that it does not request
            if new and len(here) > most_devices(layout.fleet.card(host)):
                return False
        return True

    place(0, [], 0)
    return best


def rule(layout: Layout) -> dict[str, str] | None:
    """Return the systems that the rule for new nodes gives them; `None` if there are not enough."""
    chosen: dict[str, str] = {}
    for each in sorted(layout.new, key=lambda each: -wanted(each.entries or [])):
        fitting = [host for host in possible_hosts(layout, each) if host not in chosen.values()]
        if not fitting:
            return None
        chosen[each.name] = min(fitting, key=lambda host: _rank(layout, host))
    return chosen


def possible_hosts(layout: Layout, each: Wanted) -> list[str]:
    """Return the systems that a new node may get."""
    named = {one.system_id for one in layout.wanted}
    return [
        record["id"]
        for record in layout.fleet.records
        if record["status"] == "eesv"
        and (record["id"] not in layout.fleet.nodes or record["id"] in layout.released)
        and record["id"] not in named
        and _slots(layout, record) >= wanted(each.entries or [])
    ]


def _slots(layout: Layout, system: Record) -> int:
    used = 0 if system["id"] in layout.released else len(devices_of(layout.fleet.records, system["id"]))
    return most_devices(system) - used


def _rank(layout: Layout, host: str) -> tuple[t.Any, ...]:
    system, have = layout.fleet.card(host), devices_of(layout.fleet.records, host)
    return (
        host in layout.released,
        system["group_id"] in (FREE, NONE),
        bool(have),
        len(have) - most_devices(system),
        host,
    )


def placements(layout: Layout) -> t.Iterator[dict[str, str]]:
    """Give all systems that the new nodes may get."""
    new = layout.new
    for hosts in itertools.product(*(possible_hosts(layout, each) for each in new)):
        if len(set(hosts)) == len(hosts):
            yield dict(zip((each.name for each in new), hosts))


_KINDS = ("gpu", "gpu", "other gpu", "nic", "gpu", "other gpu", "nic", "zero ids")
_ENTRIES: tuple[Entry, ...] = (
    {"type": "GPU"},
    {"type": "GPU", "vendor_id": "10de", "pci_device_id": "1db6"},
    {"type": "NIC"},
    {"model": "expansion box a"},
    {},
)
_SIZE = 80


def _layout(choices: Choices) -> Layout:
    records: list[Record] = []
    nodes: dict[str, Node] = {}
    groups = []
    for number in range(choices.pick(2, 3, 3, 1, 4)):
        group = choices.pick(str(17 + number), str(17 + number), str(17 + number), NONE)
        groups += [group] if group != NONE else []
        records.append(eesv(number, group, max_eeio_count=choices.pick("16", "2", "3", "16", "1", "4", "2")))
        state = choices.pick("composed", "composed", None, "managed", "composing")
        if state:
            nodes[system_id(number)] = node_on(number, f"node{number}", state)
    for number in range(choices.pick(2, 4, 5, 6, 7, 8)):
        records.append(eeio(number, choices.pick(FREE, *groups, *groups), choices.pick(*_KINDS)))
    for system in list(records):  # a system never has more devices than it takes
        extra = devices_of(records, system["id"])[most_devices(system) :] if system["status"] == "eesv" else []
        for device in extra:
            device["group_id"] = FREE
    wishes = []
    for node in nodes.values():
        if choices.pick(True, True, True, False):
            entries = _entries(choices) if node.state == "composing" or choices.pick(1, 1, 1, 1, 0) else None
            wishes.append(Wanted(node.name, None, entries, choices.pick(False, True)))
    places = [record["id"] for record in records if record["status"] == "eesv" and record["id"] not in nodes]
    for number in range(choices.pick(0, 1, 2, 0)):
        place = choices.pick(None, None, *places[number : number + 1])
        wishes.append(Wanted(f"new{number}", place, _entries(choices), choices.pick(False, True)))
    if choices.pick(False, True):
        wishes.reverse()
    return Layout(Fleet(records, nodes, {}), wishes, choices.pick(False, True), choices.pick(True, False))


def _entries(choices: Choices) -> list[Entry]:
    return [
        {**choices.pick(*_ENTRIES), "count": choices.pick(1, 1, 1, 2)} for _number in range(choices.pick(1, 1, 1, 2))
    ]


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Give layouts of small pods whose cards are all healthy."""
    return _layout(Choices(draw(st.binary(min_size=_SIZE, max_size=_SIZE))))


@st.composite
def wild_layouts(draw: st.DrawFn) -> Layout:
    """Give layouts of pods with cards of all sorts: silent, disabled, stranded, of shared groups, claimed by others."""
    fleet = draw(fleets())
    choices = Choices(draw(st.binary(min_size=_SIZE, max_size=_SIZE)))
    wishes = [
        Wanted(node.name, None, _entries(choices), choices.pick(False, True))
        for node in fleet.nodes.values()
        if choices.pick(True, True, True, False)
    ]
    for number in range(choices.pick(0, 1, 2)):
        wishes.append(Wanted(f"new{number}", None, _entries(choices), choices.pick(False, True)))
    return Layout(fleet, wishes, choices.pick(False, True), choices.pick(True, False))


#: What a layout of a large pod asks for: new nodes; more devices, of kinds that overlap or not; nothing new; that all nodes
#: exchange their devices, or some of them.
CASES = ("new", "free", "overlapping", "nothing", "moves", "swaps")
GPU, V100, NIC = {"type": "GPU"}, {"type": "GPU", "pci_device_id": "1db6"}, {"type": "NIC"}


def properties(*entries: Entry) -> Properties:
    return parse_properties({"devices": list(entries)})


def entry(number: int, *entries: Entry, **more: t.Any) -> NodeRequest:
    return NodeRequest(f"node{number}", None, properties(*entries) if entries else None, **more)


def large_pod(case: str, nodes: int) -> tuple[ObservedState, LayoutRequest]:
    """Return a pod of so many systems, with 8 devices for each or 1 (`moves`, `swaps`), and a layout for all of them.

    :param case: one of `CASES`
    """
    kinds = ["gpu", "other gpu", "nic", "ssd"] * 2 * nodes
    groups = [FREE] * 8 * nodes
    requests: list[list[Entry]] = [[V100, NIC], [GPU, V100], [{**GPU, "count": 2}], [{"count": 2}, V100]]
    if case in ("new", "free", "nothing"):
        requests = [[V100, NIC]]
    elif case != "overlapping":  # each node has what another one needs, and nothing is free
        kinds, requests = ["gpu", "nic"] * (nodes // 2), [[NIC], [V100]]
        groups = [str(17 + number) for number in range(nodes)]
    if case == "nothing":
        groups = [str(17 + number // 8) if number % 8 in (0, 2) else FREE for number in range(8 * nodes)]
    if case == "swaps":  # a V100 for any GPU, while others need a V100
        kinds, requests = ["gpu", "other gpu"] * (nodes // 2), [[GPU], [V100]]
        groups = [str(17 + number) if number % 2 == 0 else FREE for number in range(nodes)]
    records = [eesv(0, str(17 + number), id=f"0x00255c0a{number:04x}") for number in range(nodes)]
    records += [
        eeio(0, group, kind, id=f"0x00255c0b{number:04x}") for number, (kind, group) in enumerate(zip(kinds, groups))
    ]
    known = (
        []
        if case == "new"
        else [node_on(0, f"node{number}")._replace(system_id=records[number]["id"]) for number in range(nodes)]
    )
    entries = (entry(number, *requests[number % len(requests)]) for number in range(nodes))
    return observed(records, known), LayoutRequest(tuple(entries), move=True)
