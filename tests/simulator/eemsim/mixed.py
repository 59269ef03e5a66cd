# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mixed fleet: cards of a site that has grown over ten years.

Small fleets are clean: unusual cards start at the 5th EESV and the 13th EEIO, and recur every 24 EESVs and 48 EEIOs.
Therefore at least half of any fleet are healthy 40G cards.
"""

from __future__ import annotations

import random

from . import catalogue
from .cards import FREE, UNSET, Record, enabled, max_devices, responds

EESV_TURN = 24
EEIO_TURN = 48
ROTARY = "3"
FIRST_GROUP = 17

CLEAN = ("gpu", "gpu", "ssd", "nic", "gpu", "ssd", "nic", "gpu", "ssd", "nic", "usb", "gpu")
ATTACHED = (4, 9)
"""Of the first twelve EEIOs, these start in the group of an EESV, if the fleet has at least twelve."""

EMPTY_SLOTS = {
    13: (None, True),
    27: ("", True),
    29: ("", False),
    30: ("0x0", True),
    31: ("0x0", False),
    32: (None, False),
}
"""Which EEIOs have no device: the ids that they report, and whether they report that the link to the slot is down."""
TWO_SYSTEMS = ((13, 14), (16, 17))
"""Places of EESVs that sit in one host."""
TWO_CARDS = ((28, 29), (34, 35))
"""Places of EEIOs that sit in one box, whose two cards report the same serial number [hw]."""


def fleet(eesvs: int, eeios: int, seed: int, rng: random.Random) -> list[Record]:
    """Return EESVs, then EEIOs. Some EEIOs are in the groups of suitable EESVs."""
    groups = _group_ids(eesvs, rng)
    servers = [_eesv(index, seed, rng, groups[index]) for index in range(eesvs)]
    takers = [
        server
        for server in servers
        if server["group_id"] != UNSET and server["type"] != "1g" and responds(server) and enabled(server)
    ]
    stranded = _unused(groups)
    taken: dict[str, int] = {}
    devices = []
    for index in range(eeios):
        device = _eeio(index, seed, rng, stranded)
        if takers and _starts_attached(index, eeios) and device["group_id"] == FREE:
            taker = takers[(index // 5) % len(takers)]
            group = taker["group_id"]
            # Keep half of the slots free, so that nodes can be composed from any fleet.
            if taken.get(group, 0) < max_devices(taker) // 2:
                taken[group] = taken.get(group, 0) + 1
                device["group_id"] = group
        devices.append(device)
    for first, second in TWO_SYSTEMS:
        _share(servers, EESV_TURN, first, second, "host_serial_number", "host_model")
    for first, second in TWO_CARDS:
        _share(devices, EEIO_TURN, first, second, "serial_number")
    return servers + devices


def _share(records: list[Record], turn: int, first: int, second: int, *keys: str) -> None:
    """Give the card at the second place of each turn these values of the card at the first place."""
    for one, other in zip(records[first::turn], records[second::turn]):
        other.update({key: one[key] for key in keys})


def _group_ids(count: int, rng: random.Random) -> list[str]:
    """Return ascending ids with gaps. If the ids are used up, the remaining cards get no group."""
    ids, last = [], FIRST_GROUP - 1
    for _each in range(count):
        last += rng.choice((1, 1, 1, 2)) if count < 2000 else 1
        ids.append(str(last) if last < 4000 else UNSET)
    return ids


def _unused(groups: list[str]) -> str:
    """Return a group that no EESV has, for stranded devices."""
    return next(str(number) for number in range(4000, 4093) if str(number) not in groups)


def _starts_attached(index: int, eeios: int) -> bool:
    if eeios < len(CLEAN):
        return False
    return index in ATTACHED if index < 24 else index % 4 == 0


def _eesv(index: int, seed: int, rng: random.Random, group: str) -> Record:
    def make(generation: str = "40g", own: bool = True, host: bool = True) -> Record:
        return catalogue.eesv(index, seed, rng, generation, group if own else UNSET, host)

    place = index % EESV_TURN
    if place < 2:
        return make(host=place == 0)
    if place in (2, 4):
        return make(own=False)
    if place == 3:
        return make("10g")
    if place == 5:
        return catalogue.second_port(make())
    if place == 6:
        return catalogue.silent(make())
    if place == 7:
        return catalogue.minimal(make("1g"))
    if place == 8:
        return {**make(own=False), "admin_status": "disabled"}
    if place == 9:
        return {**make(), "monitoring_status": "disabled"}
    if place == 10:
        return catalogue.newer(catalogue.numbered(make(host=False)))
    if place == 11:
        return catalogue.without(make("10g"), "model", "host_serial_number", "host_model", "max_eeio_count")
    if place == 12:
        return catalogue.minimal(make("10g", own=False))
    return make(own=place % 3 != 0, host=place % 5 != 0)


def _eeio(index: int, seed: int, rng: random.Random, stranded: str) -> Record:
    def make(kind: str = "gpu", generation: str = "40g", group: str = FREE) -> Record:
        return catalogue.eeio(index, seed, rng, kind, index, generation, group)

    place = index % EEIO_TURN
    if place == 12:
        return make("switch")
    if place == 14:
        return catalogue.second_port(make("gpu"))
    if place == 15:
        return catalogue.silent(make("ssd"))
    if place == 16:
        return {**make("gpu"), "admin_status": "disabled"}
    if place == 17:
        return make("nic", group=stranded)
    if place == 18:
        return make("gpu", group=ROTARY)
    if place == 19:
        return make("nic", "10g")
    if place == 20:
        return catalogue.minimal(make("nic", "1g"))
    if place == 21:
        return catalogue.numbered(make("ssd"))
    if place == 22:
        return catalogue.newer(make("gpu"))
    if place == 23:
        return catalogue.without(make("gpu"), "pcie_vendor_id", "pcie_device_id", "pcie_class_code", "model")
    if place == 24:
        return {**make("nic"), "monitoring_status": "disabled"}
    if place == 25:
        return catalogue.second_value(make("ssd"))
    if place == 26:
        return catalogue.minimal(make("nic", "10g"))
    if place in EMPTY_SLOTS:
        ids, reports_link = EMPTY_SLOTS[place]
        slot = catalogue.empty_slot(make("none"), ids)
        return slot if reports_link else catalogue.without(slot, "pcie_connection_status")
    return make(CLEAN[place % len(CLEAN)])
