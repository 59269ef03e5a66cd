# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot's indexes against a plain look through all records."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.cards import RecordError
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import (
    Fabric,
    from_rotary_switch,
    has_own_group,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    FREE,
    NONE,
    Fleet,
    device_id,
    devices_in,
    devices_of,
    eeio,
    eesv,
    fleets,
    mac,
    owner_of,
    room,
    system_id,
    systems_in,
)
from hypothesis import given
from hypothesis import strategies as st

GROUPS = (FREE, NONE, "17", "18", "19", "20", "900", "3", "5", "4092")


@given(fleets())
def test_every_card_is_there_lowest_id_first(fleet: Fleet) -> None:
    fabric = fleet.observed.fabric
    assert list(fabric.systems) == sorted(record["id"] for record in fleet.records if record["status"] == "eesv")
    assert list(fabric.devices) == sorted(record["id"] for record in fleet.records if record["status"] == "eeio")
    assert all(card.id == key for key, card in (*fabric.systems.items(), *fabric.devices.items()))


@given(fleets())
def test_who_is_in_a_group_is_what_a_look_through_all_cards_finds(fleet: Fleet) -> None:
    fabric = fleet.observed.fabric
    for group_id in GROUPS:
        found = [system.id for system in fabric.systems_in(group_id)]
        assert found == sorted(record["id"] for record in systems_in(fleet.records, group_id))
        there = [device.id for device in fabric.devices_in(group_id)]
        assert there == sorted(record["id"] for record in devices_in(fleet.records, group_id))


@given(fleets())
def test_whose_a_device_is_is_what_a_look_through_all_cards_finds(fleet: Fleet) -> None:
    fabric = fleet.observed.fabric
    for device in fabric.devices.values():
        record = fleet.card(device.id)
        owner = fabric.owner(device)
        assert (owner.id if owner else None) == owner_of(fleet.records, record)
        if record["group_id"] == FREE:
            assert fabric.state(device) == "free"
        else:
            has_system = bool(systems_in(fleet.records, record["group_id"]))
            assert fabric.state(device) == ("allocated" if has_system else "stranded")


@given(fleets())
def test_what_a_system_has_and_could_take_is_what_a_look_through_all_cards_finds(fleet: Fleet) -> None:
    fabric = fleet.observed.fabric
    for system in fabric.systems.values():
        found = [device.id for device in fabric.devices_of(system)]
        assert found == [record["id"] for record in devices_of(fleet.records, system.id)]
        assert fabric.free_slots(system) == room(fleet.records, fleet.card(system.id))
        assert 0 <= fabric.free_slots(system) <= system.max_devices


@pytest.mark.parametrize("group_id", [FREE, NONE])
def test_a_system_without_a_group_of_its_own_has_no_devices(group_id: str) -> None:
    """Not even those that name it, or have the same number: 4093 is that of all free devices."""
    names_it = {"eesv_mac_address": mac(system_id(0))}
    records = [
        eesv(0, group_id),
        *(eeio(number, group, **names_it) for number, group in enumerate((FREE, NONE, "900"))),
    ]
    fabric = Fabric.from_records(records)
    system = fabric.systems[system_id(0)]
    assert not has_own_group(system)
    assert fabric.devices_of(system) == []
    assert fabric.free_slots(system) == 16
    assert [fabric.state(device) for device in fabric.devices.values()] == ["free", "stranded", "stranded"]
    assert all(fabric.owner(device) is None for device in fabric.devices.values())


def test_of_two_systems_in_one_group_the_one_that_a_device_names_has_it() -> None:
    records = [
        eesv(0, "17"),
        eesv(1, "17"),
        eeio(0, "17", eesv_mac_address=mac(system_id(1))),
        eeio(1, "17"),
        eeio(2, "17", eesv_mac_address=mac(system_id(7))),
    ]
    fabric = Fabric.from_records(records)
    owners = [fabric.owner(device) for device in fabric.devices.values()]
    assert [owner.id if owner else None for owner in owners] == [system_id(1), None, None]
    assert {fabric.state(device) for device in fabric.devices.values()} == {"allocated"}
    assert [fabric.free_slots(system) for system in fabric.systems.values()] == [13, 13]


def test_a_lone_system_has_all_devices_of_its_group_whatever_they_name() -> None:
    fabric = Fabric.from_records([eesv(0, "17"), eeio(0, "17", eesv_mac_address=mac(system_id(7))), eeio(1, "17")])
    assert [device.id for device in fabric.devices_of(fabric.systems[system_id(0)])] == [device_id(0), device_id(1)]


def test_what_a_system_has_does_not_depend_on_which_snapshot_it_was_taken_from() -> None:
    records = [eesv(0, "17"), eeio(0, "17")]
    one, other = Fabric.from_records(records), Fabric.from_records(records)
    assert [device.id for device in other.devices_of(one.systems[system_id(0)])] == [device_id(0)]


def test_a_group_with_more_devices_than_its_system_takes_has_no_room() -> None:
    fabric = Fabric.from_records([eesv(0, "17", max_eeio_count="1"), eeio(0, "17"), eeio(1, "17")])
    assert fabric.free_slots(fabric.systems[system_id(0)]) == 0


def test_of_two_records_of_one_card_the_last_counts() -> None:
    fabric = Fabric.from_records([eesv(0, "17"), eesv(0, "18"), eeio(0, "18")])
    assert list(fabric.systems) == [system_id(0)]
    assert fabric.systems[system_id(0)].group_id == "18"
    assert not fabric.systems_in("17")


def test_a_bad_record_is_a_typed_error() -> None:
    with pytest.raises(RecordError):
        Fabric.from_records([eesv(0), {"id": "?"}])


def test_no_cards_are_a_snapshot_too() -> None:
    fabric = Fabric.from_records([])
    assert (dict(fabric.systems), dict(fabric.devices), next(fabric.unused_groups(), None)) == ({}, {}, "16")


@given(st.sets(st.integers(14, 24)), st.sets(st.integers(14, 24)), st.sets(st.integers(14, 24)))
def test_the_unused_group_is_the_lowest_that_no_card_has(ours: set[int], devices: set[int], besides: set[int]) -> None:
    records = [eesv(place, str(number)) for place, number in enumerate(sorted(ours))]
    records += [eeio(place, str(number)) for place, number in enumerate(sorted(devices))]
    expected = min(set(range(16, 40)) - ours - devices - besides)
    assert next(Fabric.from_records(records).unused_groups({str(number) for number in besides}), None) == str(expected)


def test_no_group_is_unused_when_all_that_software_may_assign_are_taken() -> None:
    all_but_last = [{"id": f"0x{number:012x}", "status": "eeio", "group_id": str(number)} for number in range(16, 4092)]
    assert next(Fabric.from_records(all_but_last).unused_groups(), None) == "4092"
    assert next(Fabric.from_records(all_but_last).unused_groups({"4092"}), None) is None
    last = {"id": "0x0", "status": "eesv", "group_id": "4092"}
    last["id"] = f"0x{4092:012x}"
    assert next(Fabric.from_records([*all_but_last, last]).unused_groups(), None) is None


@given(fleets(), st.dictionaries(st.integers(0, 9), st.sampled_from(GROUPS), max_size=4), st.booleans())
def test_a_changed_snapshot_is_the_one_of_changed_records(fleet: Fleet, moves: dict[int, str], timed: bool) -> None:
    before = fleet.observed.fabric
    ids = [record["id"] for record in fleet.records]
    cards = {ids[place % len(ids)]: group_id for place, group_id in moves.items()}
    time = "1700000099999" if timed else None
    changed = before.changed({card_id: (group_id, time) for card_id, group_id in cards.items()})
    records = [
        {**record, "group_id": cards[record["id"]], **({"update_time": time} if time else {})}
        if record["id"] in cards
        else record
        for record in fleet.records
    ]
    expected = Fabric.from_records(records)
    assert [card._replace(raw={}) for card in changed.systems.values()] == [
        card._replace(raw={}) for card in expected.systems.values()
    ]
    assert [card._replace(raw={}, connected=None) for card in changed.devices.values()] == [
        card._replace(raw={}, connected=None) for card in expected.devices.values()
    ]
    for group_id in GROUPS:
        assert [card.id for card in changed.systems_in(group_id)] == [card.id for card in expected.systems_in(group_id)]
        assert [card.id for card in changed.devices_in(group_id)] == [card.id for card in expected.devices_in(group_id)]
    again = fleet.observed.fabric
    assert (before.systems, before.devices) == (again.systems, again.devices)


@pytest.mark.parametrize(
    ("before", "link", "changes", "system", "connected"),
    [
        (FREE, "down", {device_id(0): "17"}, {}, True),
        ("17", "up", {device_id(0): FREE}, {}, False),
        ("17", "up", {device_id(0): "900"}, {}, False),
        (FREE, "down", {device_id(0): "17"}, {"power_status": "off"}, False),
        (FREE, None, {device_id(0): "17"}, {}, None),
        (FREE, "down", {system_id(0): "18", device_id(0): "18"}, {}, None),
        ("17", "down", {device_id(0): "17"}, {}, False),
        ("17", "up", {device_id(1): "17"}, {}, True),
        (FREE, "down", {device_id(0): NONE}, {"group_id": NONE}, False),
    ],
)
def test_a_changed_snapshot_shows_the_links_that_are_expected(
    before: str, link: str | None, changes: dict[str, str], system: dict[str, str], connected: bool | None
) -> None:
    host = eesv(0, **{"group_id": "17", **system})
    fabric = Fabric.from_records([host, eeio(0, before, eesv_connection_status=link), eeio(1)])
    changed = fabric.changed({card: (group_id, None) for card, group_id in changes.items()})
    assert changed.devices[device_id(0)].connected is connected


def test_a_change_of_a_card_that_is_not_there_changes_nothing() -> None:
    fabric = Fabric.from_records([eesv(0, "17")])
    assert fabric.changed({"0x0": ("18", None)}).systems == fabric.systems


@pytest.mark.parametrize(
    ("group_id", "rotary"), [("0", False), ("1", True), ("3", True), ("15", True), ("16", False), (FREE, False)]
)
def test_groups_1_to_15_come_from_the_rotary_switch(group_id: str, rotary: bool) -> None:
    assert from_rotary_switch(group_id) is rotary


@pytest.mark.parametrize(("group_id", "own"), [(NONE, False), (FREE, False), ("3", True), ("16", True), ("4092", True)])
def test_a_system_has_a_group_of_its_own_unless_its_number_says_none(group_id: str, own: bool) -> None:
    assert has_own_group(Fabric.from_records([eesv(0, group_id)]).systems[system_id(0)]) is own


def test_a_card_that_was_read_later_or_is_gone_changes_the_snapshot() -> None:
    before = Fabric.from_records([eesv(0, "17"), eesv(1, "18"), eeio(0, "17"), eeio(1)])
    fresh = Fabric.from_records([eeio(1, "18")]).devices[device_id(1)]
    now = before.read_later({system_id(0): None, device_id(1): fresh})
    assert list(now.systems) == [system_id(1)]
    assert now.state(now.devices[device_id(0)]) == "stranded"
    assert now.devices_of(now.systems[system_id(1)]) == [fresh]
    assert before.state(before.devices[device_id(0)]) == "allocated"
    assert before.read_later({}) is before
