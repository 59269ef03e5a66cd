# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up cards and fleets for the tests of the pure layers, and plain answers to check those layers against.

The records have the shape of EEM's, the values are made up. What is computed here is computed from the records
alone, by scanning them, and never with the code that is tested.
"""

from __future__ import annotations

import random
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import node_uuid, podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._model.properties import parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import plan_attach, plan_detach
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import (
    NodeRequest,
    plan_managed,
    plan_present,
    plan_release,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import GroupChange, ObservedState, Plan, Step
from hypothesis import strategies as st

Record = dict[str, t.Any]

PODM = podm_uuid("lab")
FREE = "4093"
NONE = "4094"
ROTARY = {str(number) for number in range(1, 16)}
ZERO_MAC = "00:00:00:00:00:00"

#: What a device can be: type, class code, vendor, device, model.
KINDS: dict[str, tuple[str | None, str | None, str | None, str | None, str | None]] = {
    "gpu": ("GPU", "0x30200", "0x10de", "0x1db6", "Expansion Box A"),
    "other gpu": ("GPU", "0x30000", "0x10de", "0x1eb8", "Expansion Box B"),
    "nic": ("NIC", "0x20000", "0x8086", "0x1533", "Expansion Box A"),
    "ssd": ("SSD", "0x10802", "0x144d", "0xa808", None),
    "old card": (None, None, None, None, None),
    "no ids": (None, None, None, None, "Expansion Box A"),
    "empty ids": (None, "", "", "", "Expansion Box A"),
    "zero ids": (None, "0x0", "0x0", "0x0", "Expansion Box A"),
}


def system_id(number: int) -> str:
    return f"0x00255c0a00{number:02x}"


def device_id(number: int) -> str:
    return f"0x00255c0b00{number:02x}"


def mac(card_id: str) -> str:
    digits = card_id[2:]
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2))


def _card(card_id: str, status: str, group_id: str) -> Record:
    return {
        "id": card_id,
        "status": status,
        "update_time": "1700000000123",
        "admin_status": "enabled",
        "monitoring_status": "enabled",
        "mac_address": mac(card_id),
        "group_id": group_id,
        "type": "40g",
        "power_status": "on",
        "serial_number": f"S{card_id[-4:]}",
        "notification_status0": ["up", "up"],
        "notification_status1": ["down", "down"],
    }


def eesv(number: int, group_id: str = NONE, **other: t.Any) -> Record:
    """Return the record of a healthy EESV; a value of None takes the key away."""
    record = _card(system_id(number), "eesv", group_id)
    record.update(
        model="Server Board", ee_version="v1.1", max_eeio_count="16", host_model="R640", host_serial_number="H77"
    )
    return _changed(record, other)


def eeio(number: int, group_id: str = FREE, kind: str = "gpu", **other: t.Any) -> Record:
    """Return the record of a healthy EEIO; a value of None takes the key away."""
    dummy, class_code, vendor, device, model = KINDS[kind]
    record = _card(device_id(number), "eeio", group_id)
    record.update(
        pcie_class_code=class_code,
        pcie_vendor_id=vendor,
        pcie_device_id=device,
        model=model,
        eesv_mac_address=ZERO_MAC,
        eesv_connection_status="down",
        pcie_connection_status="up" if kind == "old card" else None,
    )
    if kind == "old card":
        record["type"] = "10g"
    return _changed({key: value for key, value in record.items() if value is not None}, other)


def _changed(record: Record, other: Record) -> Record:
    return {key: value for key, value in {**record, **other}.items() if value is not None}


SILENT = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
OTHER_PORT = {"notification_status0": ["down", "down"], "notification_status1": ["down", "up"]}
UNKNOWN_PORTS = {"notification_status0": None, "notification_status1": None}
DISABLED = {"admin_status": "disabled"}


def node_on(number: int, name: str, state: t.Any = "composed") -> Node:
    return Node(node_uuid(PODM, name), name, system_id(number), state)


def observed(
    records: t.Iterable[Record], nodes: t.Iterable[Node] = (), held: t.Mapping[str, str] | None = None
) -> ObservedState:
    return ObservedState(
        PODM, "lab", Fabric.from_records(records), {node.system_id: node for node in nodes}, held or {}
    )


def systems_in(records: t.Iterable[Record], group_id: str) -> list[Record]:
    """Return the EESVs that have this group id as their own."""
    if group_id in (FREE, NONE):
        return []
    return [record for record in records if record["status"] == "eesv" and record["group_id"] == group_id]


def devices_in(records: t.Iterable[Record], group_id: str) -> list[Record]:
    return [record for record in records if record["status"] == "eeio" and record["group_id"] == group_id]


def owner_of(records: t.Sequence[Record], device: Record) -> str | None:
    """Return the id of the EESV that has a device; of several in its group the one that the card names."""
    there = [record["id"] for record in systems_in(records, device["group_id"])]
    if len(there) == 1:
        return t.cast(str, there[0])
    return next((card_id for card_id in there if mac(card_id) == device.get("eesv_mac_address")), None)


def devices_of(records: t.Sequence[Record], card_id: str) -> list[Record]:
    found = [record for record in records if record["status"] == "eeio" and owner_of(records, record) == card_id]
    return sorted(found, key=lambda record: t.cast(str, record["id"]))


def answers(record: Record) -> bool | None:
    statuses = [word for port in "01" for word in record.get(f"notification_status{port}", [])]
    return "up" in statuses if statuses else None


def is_disabled(record: Record) -> bool:
    return "disabled" in (record.get("admin_status"), record.get("monitoring_status"))


def is_populated(record: Record) -> bool | None:
    """Whether there is a device in a slot; None if the card does not say."""
    link, *ids = (record.get(f"pcie_{key}") for key in ("connection_status", "vendor_id", "device_id", "class_code"))
    if link == "down" or "0x0" in ids[:2]:
        return False
    return True if any(ids) or (link == "up" and record.get("type") != "40g") else None


def most_devices(record: Record) -> int:
    return int(record.get("max_eeio_count", 16 if record.get("type") == "40g" else 8))


def room(records: t.Sequence[Record], system: Record) -> int:
    used = 0 if system["group_id"] in (FREE, NONE) else len(devices_in(records, system["group_id"]))
    return max(0, most_devices(system) - used)


Entry = dict[str, t.Any]


def fits(entry: Entry, device: Record) -> bool:
    """Whether a device is there and is what one entry of properties.devices says."""
    if not is_populated(device):
        return False
    kind = next(
        known
        for known in KINDS.values()
        if known[1:4] == tuple(device.get(key) for key in ("pcie_class_code", "pcie_vendor_id", "pcie_device_id"))
    )
    return (
        entry.get("type") in (None, kind[0])
        and entry.get("vendor_id") in (None, (kind[2] or "")[2:])
        and entry.get("pci_device_id") in (None, (kind[3] or "")[2:])
        and ("model" not in entry or entry["model"].lower() == device.get("model", "").lower())
    )


def most_met(entries: t.Sequence[Entry], devices: t.Sequence[Record]) -> int:
    """Return of how many wanted devices these can be, by trying all ways to hand them out."""
    counts = tuple(entry.get("count", 1) for entry in entries)
    best: dict[tuple[int, ...], int] = {counts: 0}
    for device in devices:
        further = dict(best)
        for left, met in best.items():
            for place, entry in enumerate(entries):
                if left[place] and fits(entry, device):
                    key = (*left[:place], left[place] - 1, *left[place + 1 :])
                    further[key] = max(further.get(key, 0), met + 1)
        best = further
    return max(best.values())


def wanted(entries: t.Sequence[Entry]) -> int:
    return sum(entry.get("count", 1) for entry in entries)


def walk(records: t.Iterable[Record], plan: t.Iterable[Step]) -> t.Iterator[tuple[GroupChange, list[Record]]]:
    """Give each step that changes a card, and the records as they are before it."""
    now = {record["id"]: record for record in records}
    for step in plan:
        if isinstance(step, GroupChange):
            yield step, list(now.values())
            now[step.card] = {**now[step.card], "group_id": step.new}


def carried_out(records: t.Iterable[Record], plan: t.Iterable[Step]) -> list[Record]:
    """Return the records as they are after a plan."""
    now = {record["id"]: record for record in records}
    for step in plan:
        if isinstance(step, GroupChange):
            now[step.card] = {**now[step.card], "group_id": step.new}
    return list(now.values())


class Fleet(t.NamedTuple):
    """Everything that an observed state is made from."""

    records: list[Record]
    nodes: dict[str, Node]
    held: dict[str, str]

    @property
    def observed(self) -> ObservedState:
        return observed(self.records, self.nodes.values(), dict(self.held))

    def card(self, card_id: str) -> Record:
        return next(record for record in self.records if record["id"] == card_id)

    def after(self, plan: t.Sequence[Step], nodes: t.Mapping[str, Node]) -> Fleet:
        return Fleet(carried_out(self.records, plan), dict(nodes), self.held)


class Choices:
    """Reads choices from bytes: a fleet is one draw, which is fast, and zeros, towards which hypothesis shrinks, are
    the usual.
    """

    def __init__(self, source: bytes) -> None:
        self._source = iter(source)

    def pick(self, *options: t.Any) -> t.Any:
        return options[next(self._source) % len(options)]

    def some(self, things: t.Sequence[t.Any], most: int) -> list[t.Any]:
        """Return one thing or more, up to so many, maybe one of them twice."""
        return [self.pick(*things) for dummy in range(self.pick(*range(1, most + 1)))]

    def part(self) -> Choices:
        """Return the choices for one card: how many of them it makes does not matter to the next one."""
        return Choices(bytes(next(self._source) for dummy in range(_PART)))


_PART = 12
_BYTES = st.binary(min_size=16 * _PART + 28, max_size=16 * _PART + 28)
_SYSTEM_ODDITIES: tuple[Record, ...] = (
    SILENT,
    UNKNOWN_PORTS,
    DISABLED,
    {"monitoring_status": "disabled"},
    {"admin_status": None, "monitoring_status": None},
    {"group_id": "17"},
    {"group_id": "3"},
    {"group_id": FREE},
    {"max_eeio_count": "0"},
)
_DEVICE_ODDITIES: tuple[Record, ...] = (
    SILENT,
    UNKNOWN_PORTS,
    DISABLED,
    {"monitoring_status": "disabled"},
    {"admin_status": None, "monitoring_status": None},
    {"group_id": "900"},
    {"group_id": "3"},
    {"group_id": "5"},
    {"pcie_connection_status": "down"},
    {"pcie_connection_status": "up"},
    {"group_id": NONE},
)


def _oddities(choices: Choices, calm: bool, odd: t.Sequence[Record]) -> tuple[Record, bool]:
    """Return what is odd about a card, mostly nothing, and whether another run holds it."""
    if calm:
        return {}, False
    changes: Record = {}
    for _number in range(choices.pick(0, 0, 0, 1, 0, 0, 1, 2)):
        changes.update(choices.pick(*odd))
    return changes, choices.pick(*[False] * 11, True)


def _system(number: int, choices: Choices, calm: bool) -> tuple[Record, Node | None, bool]:
    own = str(17 + number)
    group_id = choices.pick(own, own, own, NONE)
    size = choices.pick(
        {},
        {},
        {"max_eeio_count": "3"},
        {"max_eeio_count": "2"},
        {"max_eeio_count": None, "type": "1g"},
        OTHER_PORT,
        {"max_eeio_count": "1"},
        {"max_eeio_count": None},
    )
    state = choices.pick(None, None, None, "composed", "managed", "composing")
    node = node_on(number, f"node{number}", state) if state else None
    odd, held = _oddities(choices, calm, _SYSTEM_ODDITIES)
    return eesv(number, **{"group_id": group_id, **size, **odd}), node, held


def _device(number: int, choices: Choices, calm: bool, groups: t.Sequence[str]) -> tuple[Record, bool]:
    kind = choices.pick("gpu", "gpu", "other gpu", "nic", "nic", "ssd", "old card", "no ids", "empty ids", "zero ids")
    group_id = choices.pick(FREE, FREE, FREE, *groups)
    named = choices.pick({}, OTHER_PORT, *({"eesv_mac_address": mac(system_id(place))} for place in range(len(groups))))
    odd, held = _oddities(choices, calm, _DEVICE_ODDITIES)
    return eeio(number, **{"group_id": group_id, "kind": kind, **named, **odd}), held


def _fleet(choices: Choices, calm: bool | None, most_systems: int = 4) -> Fleet:
    calm = choices.pick(True, False) if calm is None else calm
    records: list[Record] = []
    nodes: dict[str, Node] = {}
    held: dict[str, str] = {}
    for number in range(choices.pick(*range(1, most_systems + 1))):
        record, node, is_held = _system(number, choices.part(), calm)
        records.append(record)
        if node:
            nodes[node.system_id] = node
        if is_held:
            held[record["id"]] = f"run {number}"
    groups = sorted({record["group_id"] for record in records} - {NONE})
    for number in range(choices.pick(*range(2, 11))):
        record, is_held = _device(number, choices.part(), calm, groups)
        records.append(record)
        if is_held:
            held[record["id"]] = f"run 1{number}"
    if not calm:
        held.update(dict.fromkeys(choices.pick((), (), ("16",), ("16", "900", "901")), "run 99"))
    random.Random(choices.pick(*range(100))).shuffle(records)
    return Fleet(records, nodes, held)


@st.composite
def fleets(draw: st.DrawFn, calm: bool | None = None, most_systems: int = 4) -> Fleet:
    """Give whole fleets; calm ones have healthy cards only, nothing shared, stranded or held."""
    return _fleet(Choices(draw(_BYTES)), calm, most_systems)


_ENTRIES: tuple[Entry, ...] = (
    {"type": "GPU"},
    {"type": "NIC"},
    {"vendor_id": "10de"},
    {"model": "expansion box a"},
    {},
    {"type": "GPU", "vendor_id": "10de", "pci_device_id": "1db6"},
    {"type": "SSD"},
)


def _wish(choices: Choices) -> list[Entry]:
    entries = range(choices.pick(1, 1, 1, 2, 3))
    return [{**choices.pick(*_ENTRIES), "count": choices.pick(1, 1, 1, 2, 3)} for dummy in entries]


@st.composite
def device_requests(draw: st.DrawFn) -> list[Entry]:
    """Give entries of properties.devices."""
    return _wish(Choices(draw(st.binary(min_size=8, max_size=8))))


class Request(t.NamedTuple):
    """Something asked of the planner, so that it can be asked again, of another observed too."""

    kind: str
    fleet: Fleet
    arguments: dict[str, t.Any]

    def made(self, of: ObservedState | None = None) -> Plan:
        return _CALLS[self.kind](self.fleet.observed if of is None else of, **self.arguments)

    def plan(self, of: ObservedState | None = None) -> tuple[Step, ...]:
        return self.made(of).steps

    def again(self, fleet: Fleet) -> Request:
        return self._replace(fleet=fleet)


def _compose(
    of: ObservedState, node: Node | None, entries: list[Entry], purge: bool, skip_silent: bool, replace_silent: bool
) -> Plan:
    properties = parse_properties({"devices": entries})
    name, place = (node.name, node.system_id) if node else ("new", None)
    return plan_present(of, NodeRequest(name, place, properties, purge, skip_silent, replace_silent))


def _manage(of: ObservedState, node: Node) -> Plan:
    return plan_managed(of, NodeRequest(node.name, node.system_id))


_CALLS: dict[str, t.Callable[..., Plan]] = {
    "compose": _compose,
    "attach": plan_attach,
    "detach": plan_detach,
    "release": plan_release,
    "manage": _manage,
}


def systems(fleet: Fleet) -> list[str]:
    return sorted(record["id"] for record in fleet.records if record["status"] == "eesv")


def devices(fleet: Fleet) -> list[str]:
    return sorted(record["id"] for record in fleet.records if record["status"] == "eeio")


def serves(fleet: Fleet, index: str, count: int) -> bool:
    """Whether a system can become a node with so many devices."""
    card = fleet.card(index)
    return (
        answers(card) is True
        and not is_disabled(card)
        and card["group_id"] not in ROTARY
        and index not in fleet.nodes
        and index not in fleet.held
        and len(systems_in(fleet.records, card["group_id"])) < 2
        and room(fleet.records, card) >= count
    )


def best_system(fleet: Fleet, count: int) -> str | None:
    """Return the system that a new node with so many devices gets: one with a group id of its own before one without,
    then one without devices, then the one with most room, then the lowest id.
    """
    serving = sorted(
        (
            fleet.card(index)["group_id"] in (FREE, NONE),
            bool(devices_of(fleet.records, index)),
            -room(fleet.records, fleet.card(index)),
            index,
        )
        for index in systems(fleet)
        if serves(fleet, index, count)
    )
    return serving[0][-1] if serving else None


def as_composed(fleet: Fleet, index: str) -> Node:
    """Return the node on a system, or a new one, as a task of state present plans it."""
    known = fleet.nodes.get(index)
    return known._replace(state="composed") if known else Node(node_uuid(PODM, "new"), "new", index, "composed")


def compose_request(choices: Choices, calm: bool | None, chosen: bool | None, purge: bool | None) -> Request:
    purge = choices.pick(False, True) if purge is None else purge
    choose = choices.pick(False, True) if chosen is None else chosen
    silent = {option: choices.pick(False, True) for option in ("skip_silent", "replace_silent")}
    entries, place = _wish(choices.part()), choices.part()
    fleet = _fleet(choices, calm)
    node = None if choose else as_composed(fleet, place.pick(*systems(fleet)))
    return Request("compose", fleet, {"node": node, "entries": entries, "purge": purge, **silent})


def attach_request(choices: Choices, calm: bool | None) -> Request:
    move, place = choices.pick(True, False), choices.part()
    fleet = _fleet(choices, calm)
    system_id = place.pick(*systems(fleet))
    return Request("attach", fleet, {"system_id": system_id, "device_ids": place.some(devices(fleet), 5), "move": move})


def detach_request(choices: Choices, calm: bool | None) -> Request:
    place = choices.part()
    fleet = _fleet(choices, calm)
    system_id = place.pick(None, None, None, *systems(fleet))
    mine = (
        [record["id"] for record in devices_of(fleet.records, system_id)] if system_id and place.pick(1, 1, 0) else []
    )
    wanted_ids = place.some(mine or devices(fleet), 4)
    skip = place.pick(False, True)
    return Request("detach", fleet, {"system_id": system_id, "device_ids": wanted_ids, "skip_silent": skip})


def release_request(choices: Choices, calm: bool | None) -> Request:
    """Return the release of some nodes, some with a system that EEM does not list any more."""
    place = choices.part()
    fleet = _fleet(choices, calm)
    for system, node in fleet.nodes.items():
        fleet.nodes[system] = node._replace(group_id=fleet.card(system)["group_id"])
    for number in range(place.pick(0, 0, 1, 2)):
        group_id = place.pick("900", "900", "17", FREE, NONE, None)
        node = node_on(90 + number, f"gone{number}")._replace(group_id=group_id)
        fleet.nodes[node.system_id] = node
    nodes = sorted(fleet.nodes.values(), key=lambda node: node.uuid)
    released = list(dict.fromkeys(place.some(nodes, 3))) if nodes else []
    return Request("release", fleet, {"nodes": released, "skip_silent": place.pick(False, True)})


def manage_request(choices: Choices, calm: bool | None) -> Request:
    place = choices.part()
    fleet = _fleet(choices, calm)
    index = place.pick(*systems(fleet))
    node = fleet.nodes.get(index) or Node(node_uuid(PODM, "new"), "new", index, "managed")
    return Request("manage", fleet, {"node": node})


@st.composite
def compose_requests(
    draw: st.DrawFn, calm: bool | None = None, chosen: bool | None = None, purge: bool | None = None
) -> Request:
    return compose_request(Choices(draw(_BYTES)), calm, chosen, purge)


@st.composite
def attach_requests(draw: st.DrawFn, calm: bool | None = None) -> Request:
    return attach_request(Choices(draw(_BYTES)), calm)


@st.composite
def detach_requests(draw: st.DrawFn, calm: bool | None = None) -> Request:
    return detach_request(Choices(draw(_BYTES)), calm)


@st.composite
def release_requests(draw: st.DrawFn, calm: bool | None = None) -> Request:
    return release_request(Choices(draw(_BYTES)), calm)


@st.composite
def manage_requests(draw: st.DrawFn, calm: bool | None = None) -> Request:
    return manage_request(Choices(draw(_BYTES)), calm)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Give everything that can be asked of the planner."""
    choices = Choices(draw(_BYTES))
    kind = choices.pick(*["compose"] * 4, *["attach"] * 3, "detach", "release", "manage")
    if kind == "compose":
        return compose_request(choices, None, None, None)
    return _MAKERS[kind](choices, None)


_MAKERS: dict[str, t.Callable[[Choices, bool | None], Request]] = {
    "attach": attach_request,
    "detach": detach_request,
    "release": release_request,
    "manage": manage_request,
}
