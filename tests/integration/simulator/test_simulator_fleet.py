# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleets are as described: deterministic, clean when small, odd when large, and given records stay as they are."""

from __future__ import annotations

import json
from typing import Any

from eemsim import cards
from eemsim.client import Simulator
from eemsim.fleet import Fleet
from eemsim.listing import Listing
from eemsim.options import Options
from eemsim.state import Card, Fabric


def mixed(eesv: int, eeio: int, seed: int = 1) -> list[dict[str, Any]]:
    """The records as served, with the dependent fields worked out."""
    fleet = Fleet(eesv, eeio, seed)
    return [card.record for card in Fabric(fleet.records(), Options(), link=True).cards.values()]


def kinds(records: list[dict[str, Any]]) -> list[str]:
    """Base classes of clean free devices."""
    return [
        record["pcie_class_code"]
        for record in records
        if cards.is_eeio(record)
        and record["group_id"] == "4093"
        and cards.responds(record)
        and cards.enabled(record)
        and "pcie_class_code" in record
    ]


def test_the_same_seed_makes_the_same_fleet_and_another_shares_no_card() -> None:
    assert mixed(30, 100, 5) == mixed(30, 100, 5)
    assert not {card["id"] for card in mixed(30, 100, 5)} & {card["id"] for card in mixed(30, 100, 6)}


def test_a_small_mixed_fleet_is_enough_for_a_demo() -> None:
    records = mixed(4, 12)
    free = kinds(records)
    assert free.count("0x30200") >= 3 and free.count("0x10802") >= 3 and free.count("0x20000") >= 2
    assert all(cards.responds(record) and cards.enabled(record) and len(record) > 25 for record in records)
    own = [record for record in records if cards.is_eesv(record) and record["group_id"] != "4094"]
    assert len(own) == 3
    assert any(cards.is_eeio(record) and record["group_id"] not in ("4093",) for record in records)


def test_a_tiny_mixed_fleet_is_all_free() -> None:
    assert {record["group_id"] for record in mixed(1, 3) if cards.is_eeio(record)} == {"4093"}


def test_a_large_mixed_fleet_has_every_oddity() -> None:
    records = mixed(24, 96)
    eesvs = [record for record in records if cards.is_eesv(record)]
    eeios = [record for record in records if cards.is_eeio(record)]
    groups = {record["group_id"] for record in eesvs}
    for side in (eesvs, eeios):
        assert {record["type"] for record in side} == {"1g", "10g", "40g"}
        assert any(not cards.responds(record) for record in side)
        assert any(cards.responds(record) and "up" not in record["notification_status0"] for record in side)
        assert any(record.get("admin_status") == "disabled" for record in side)
        assert any(record["monitoring_status"] == "disabled" for record in side)
        poor = [record for record in side if len(record) < 15]
        assert {(record["type"], len(record)) for record in poor} == {("1g", 10), ("10g", 12 if side is eesvs else 13)}
        assert not any({"admin_status", "mac_address", "model"} & set(record) for record in poor)
        assert any(isinstance(record["update_time"], int) for record in side)
        assert any("thermal_sensors" in record for record in side)
        assert any("model" not in record for record in side)
    assert any(record["group_id"] == "4094" for record in eesvs)
    assert any(record.get("host_serial_number") == "" for record in eesvs)
    assert any(record["group_id"] == "3" for record in eeios)
    assert any(record["group_id"] not in groups | {"3", "4093"} for record in eeios)
    assert any(record["group_id"] in groups for record in eeios)
    assert any(record.get("pcie_connection_status") == "down" for record in eeios)
    codes = {record.get("pcie_class_code") for record in eeios}
    assert codes == {"0x30200", "0x10802", "0x20000", "0xc0330", "0x60400", "0x0", "", None}
    empty = [
        (record.get("pcie_vendor_id"), record.get("pcie_device_id"), record.get("pcie_connection_status"))
        for record in eeios
        if record["type"] == "40g" and record.get("pcie_vendor_id", "") in ("", "0x0") and "model" in record
    ]
    kinds_of_slots = {(ids, ids, link) for ids in (None, "", "0x0") for link in ("down", None)}
    assert set(empty) == kinds_of_slots and len(empty) == 2 * len(kinds_of_slots)
    assert any(record.get("pcie_device_id") == "0x953" for record in eeios)


def test_two_systems_sit_in_one_host_and_two_cards_in_one_box() -> None:
    records = mixed(24, 96)
    for key, healthy in (("host_serial_number", records[:4]), ("serial_number", records[24:36])):
        numbers = [record[key] for record in records if record.get(key)]
        pairs = {number for number in numbers if numbers.count(number) == 2}
        assert pairs and all(numbers.count(number) <= 2 for number in numbers)
        assert not pairs & {record[key] for record in healthy}, "the first cards have nothing unusual"


def test_dependent_fields_agree_at_both_ends() -> None:
    records = mixed(24, 96)
    by_mac = {cards.mac_of(record): record for record in records}
    connected = [record for record in records if record.get("eesv_connection_status") == "up"]
    assert connected
    for eeio in connected:
        eesv = by_mac[eeio["eesv_mac_address"]]
        assert eesv["group_id"] == eeio["group_id"]
        if "downstream_ports" in eesv:
            up = [
                port["eeio_mac_address"] for port in eesv["downstream_ports"] if port["eeio_connection_status"] == "up"
            ]
            assert up.count(cards.mac_of(eeio)) == 1


def test_group_ids_of_eesvs_are_distinct_also_in_a_very_large_fleet() -> None:
    for fleet in (Fleet(5000, 0), Fleet(5000, 0, style="plain")):
        groups = [record["group_id"] for record in fleet.records() if record["group_id"] != "4094"]
        assert len(groups) == len(set(groups)) and all(16 <= int(group) <= 4092 for group in groups)


def test_plain_fleet(eem: Simulator) -> None:
    assert [card["group_id"] for card in eem.eesvs()] == ["17", "18", "19", "4094"]
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}
    codes = [card["pcie_class_code"] for card in eem.eeios()]
    assert codes == ["0x30200", "0x10802", "0x20000"] * 4
    assert all(cards.responds(card) and cards.enabled(card) and card["type"] == "40g" for card in eem.records())


BROKEN: list[Any] = [
    {"status": "eeio", "group_id": "4093"},
    {"id": "0x1", "status": "eeio"},
    {"id": 7, "status": "eesv"},
    "text",
    None,
    {"id": "0x2", "status": "eeio", "group_id": 4093, "pcie_class_code": "?"},
    {"id": "0x2", "status": "eeio"},
    {"id": "0x3", "status": "eesv", "group_id": "17", "downstream_ports": "none", "notification_status0": "up"},
]


def test_given_records_are_served_as_they_are() -> None:
    with Simulator(fleet=BROKEN) as eem:
        eem.set_options(silent_change="accept")  # most of them report nothing of their ports
        assert eem.call("GET", "/devices/detail").json()["devices"] == BROKEN
        ids = eem.call("GET", "/devices").json()["devices"]
        assert ids[:5] == [{}, {"id": "0x1"}, {"id": 7}, "text", None]
        assert eem.call("GET", "/devices", params={"status": "eesv"}).status_code == 200
        assert eem.call("PUT", "/devices/0x1/audit").status_code == 200
        assert eem.call("PUT", "/devices/0x3/group_id").json()["group_id"] == "16"
        assert eem.call("DELETE", "/devices/0x2", params={"force": "enabled"}).status_code == 200
        eem.patch("#0", id="0x9")
        assert eem.records()[0]["id"] == "0x9"
        eem.reset()
        assert eem.records() == BROKEN


class Counting(Listing):
    """Counts how often a card is encoded, and how often what was encoded is put in a list."""

    encoded = joined = 0

    def record(self, card: Card) -> bytes:
        self.encoded += card.encoded is None
        self.joined += 1
        return super().record(card)


def test_a_large_list_is_encoded_once_per_card_and_joined_once_per_change() -> None:
    fabric = Fabric(Fleet(400, 3600, 1).records(), Options(), link=True)
    listing = Counting(fabric, Options())
    lists = [listing.devices(True, None, None, None) for _each in range(5)]
    assert [len(json.loads(found or b"")["devices"]) for found in lists] == [4000] * 5
    assert (listing.encoded, listing.joined) == (4000, 4000)
    fabric.patch(next(iter(fabric.cards)), {"model": "another"})
    assert b'"another"' in (listing.devices(True, None, None, None) or b"")
    assert (listing.encoded, listing.joined) == (4001, 8000)
