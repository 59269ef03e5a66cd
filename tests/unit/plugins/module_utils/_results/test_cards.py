# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices, systems and nodes as results show them."""

from __future__ import annotations

import json
import typing as t
import uuid

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_KEYS as KEYS_OF_A_DEVICE
from ansible_collections.nec.expether.plugins.module_utils._results.cards import FindPciNames, Views
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    FREE,
    NONE,
    OTHER_PORT,
    PODM,
    SILENT,
    Fleet,
    Record,
    device_id,
    devices_of,
    eeio,
    eesv,
    fleets,
    mac,
    node_on,
    owner_of,
    system_id,
)
from hypothesis import given

DEVICE_KEYS = {
    "uuid",
    "device_id",
    "podm_id",
    "podm",
    "type",
    "state",
    "node_id",
    "node",
    "last_node",
    "pooled_group_id",
    "resource_uri",
    "mac_address",
    "model",
    "serial_number",
    "card_type",
    "vendor_id",
    "pci_device_id",
    "class_code",
    "vendor_name",
    "device_name",
    "populated",
    "connected",
    "reachable",
    "enabled",
    "power_state",
    "updated_at",
}
SYSTEM_KEYS = {
    "id",
    "resource_uri",
    "pooled_group_id",
    "type",
    "mac_address",
    "serial_number",
    "power_state",
    "host_model",
    "host_serial_number",
    "description",
    "ee_version",
    "updated_at",
    "reachable",
    "enabled",
    "max_devices",
    "free_slots",
    "device_ids",
    "node",
    "podm",
    "podm_id",
}
NODE_KEYS = SYSTEM_KEYS | {"uuid", "name", "index", "podm_id", "podm", "state", "devices", "connected_devices"}

NAMES = {("10de", "1db6"): ("NVIDIA Corporation", "GV100GL"), ("10de", None): ("NVIDIA Corporation", None)}


def names(vendor: str, device: str | None) -> tuple[str | None, str | None]:
    return NAMES.get((vendor, device), (None, None))


def views(nodes: t.Mapping[str, str] | None = None, podm: str | None = "lab", names: FindPciNames = names) -> Views:
    return Views(PODM, podm, nodes or {}, names)


def device_view(record: Record, *others: Record, nodes: t.Mapping[str, str] | None = None) -> dict[str, t.Any]:
    fabric = Fabric.from_records([record, *others])
    return views(nodes).device(fabric, fabric.devices[record["id"]])


def system_view(record: Record, *others: Record, nodes: t.Mapping[str, str] | None = None) -> dict[str, t.Any]:
    fabric = Fabric.from_records([record, *others])
    return views(nodes).system(fabric, fabric.systems[record["id"]])


def test_a_device_is_shown_with_all_that_eem_says_of_it() -> None:
    shown = device_view(
        eeio(0, "17", **OTHER_PORT, eesv_mac_address=mac(system_id(0)), eesv_connection_status="up"),
        eesv(0, "17"),
        nodes={system_id(0): "node0"},
    )
    assert shown == {
        **shown,  # further keys are free
        "uuid": str(uuid.uuid5(uuid.UUID(PODM), f"device:{device_id(0)}")),
        "device_id": device_id(0),
        "podm_id": PODM,
        "podm": "lab",
        "type": "GPU",
        "state": "allocated",
        "node_id": system_id(0),
        "node": "node0",
        "last_node": None,
        "pooled_group_id": "17",
        "resource_uri": f"devices/{device_id(0)}",
        "mac_address": "00:25:5c:0b:00:00",
        "model": "Expansion Box A",
        "serial_number": "S0000",
        "card_type": "40g",
        "vendor_id": "10de",
        "pci_device_id": "1db6",
        "class_code": "030200",
        "vendor_name": "NVIDIA Corporation",
        "device_name": "GV100GL",
        "populated": True,
        "connected": True,
        "reachable": True,
        "enabled": True,
        "power_state": "on",
        "updated_at": "2023-11-14T22:13:20.123Z",
    }


@pytest.mark.parametrize(("kind", "populated"), [("zero ids", False), ("empty ids", None), ("no ids", None)])
def test_an_empty_slot_is_shown_without_ids_and_names(kind: str, populated: bool | None) -> None:
    shown = device_view(eeio(0, kind=kind))
    keys = ("populated", "type", "vendor_id", "pci_device_id", "class_code", "vendor_name", "device_name")
    assert [shown[key] for key in keys] == [populated, *[None] * 6]
    assert shown["model"] == "Expansion Box A"


def test_only_a_device_that_is_stranded_in_that_group_shows_a_last_node() -> None:
    fabric = Fabric.from_records([eesv(0, "17"), eeio(0, "99"), eeio(1, "98"), eeio(2, "17")])
    last_nodes = {(device_id(number), group): "web1" for number, group in enumerate(("99", "99", "17"))}
    make = Views(PODM, "lab", {}, names, last_nodes)
    assert [make.device(fabric, device)["last_node"] for device in fabric.devices.values()] == ["web1", None, None]


def test_a_system_is_shown_with_all_that_eem_says_of_it() -> None:
    shown = system_view(
        eesv(0, "17", max_eeio_count="4"), eeio(1, "17"), eeio(0, "17"), eeio(2), nodes={system_id(0): "node0"}
    )
    assert shown == {
        **shown,
        "id": system_id(0),
        "resource_uri": f"devices/{system_id(0)}",
        "pooled_group_id": "17",
        "type": "40g",
        "mac_address": "00:25:5c:0a:00:00",
        "serial_number": "S0000",
        "power_state": "on",
        "host_model": "R640",
        "host_serial_number": "H77",
        "description": "Server Board",
        "ee_version": "v1.1",
        "updated_at": "2023-11-14T22:13:20.123Z",
        "reachable": True,
        "enabled": True,
        "max_devices": 4,
        "free_slots": 2,
        "device_ids": [device_id(0), device_id(1)],
        "node": "node0",
        "podm": "lab",
        "podm_id": PODM,
    }


def test_a_node_is_shown_as_its_system_with_its_name_and_its_devices() -> None:
    records = [eesv(0, "17"), eeio(0, "17"), eeio(1)]
    fabric = Fabric.from_records(records)
    shown = views({system_id(0): "node0"}).node(fabric, node_on(0, "node0", "managed"))
    system = system_view(*records, nodes={system_id(0): "node0"})
    assert {key: shown[key] for key in system} == system
    assert shown["uuid"] == node_on(0, "node0").uuid
    assert (shown["name"], shown["index"], shown["state"]) == ("node0", system_id(0), "managed")
    assert shown["devices"] == [device_view(records[1], records[0], nodes={system_id(0): "node0"})]


def test_what_eem_did_not_give_is_null_and_not_absent() -> None:
    bare_device = device_view({"id": device_id(0), "status": "eeio", "group_id": FREE})
    assert set(bare_device) >= DEVICE_KEYS
    given_keys = {"uuid", "device_id", "podm_id", "podm", "state", "pooled_group_id", "resource_uri"}
    assert {key for key in DEVICE_KEYS if bare_device[key] is not None} == given_keys
    bare_system = system_view({"id": system_id(0), "status": "eesv", "group_id": NONE})
    assert set(bare_system) >= SYSTEM_KEYS
    given_keys = {"id", "resource_uri", "pooled_group_id", "podm", "podm_id", "max_devices", "free_slots", "device_ids"}
    assert {key for key in SYSTEM_KEYS if bare_system[key] is not None} == given_keys


@given(fleets())
def test_every_card_of_every_fleet_has_all_keys_as_plain_data(fleet: Fleet) -> None:
    known = fleet.observed
    make = views({index: node.name for index, node in fleet.nodes.items()})
    for device in known.fabric.devices.values():
        shown = make.device(known.fabric, device)
        assert set(shown) >= DEVICE_KEYS
        assert json.loads(json.dumps(shown)) == shown
        owner = owner_of(fleet.records, fleet.card(device.id))
        assert shown["node_id"] == owner
        assert shown["node"] == (fleet.nodes[owner].name if owner in fleet.nodes else None)
    for system in known.fabric.systems.values():
        shown = make.system(known.fabric, system)
        assert set(shown) >= SYSTEM_KEYS
        assert json.loads(json.dumps(shown)) == shown
        assert shown["device_ids"] == [record["id"] for record in devices_of(fleet.records, system.id)]
    for node in fleet.nodes.values():
        shown = make.node(known.fabric, node)
        assert set(shown) >= NODE_KEYS
        assert json.loads(json.dumps(shown)) == shown
        assert [device["device_id"] for device in shown["devices"]] == shown["device_ids"]


@pytest.mark.parametrize("group_id", [FREE, NONE])
def test_a_system_without_a_group_of_its_own_is_shown_without_devices(group_id: str) -> None:
    shown = system_view(eesv(0, group_id), eeio(0), eeio(1, NONE))
    assert (shown["device_ids"], shown["free_slots"], shown["pooled_group_id"]) == ([], 16, group_id)


def test_a_node_whose_system_eem_does_not_list_is_shown_with_nulls() -> None:
    fabric = Fabric.from_records([eesv(1, "17"), eeio(0, "17")])
    shown = views({system_id(0): "lost"}).node(fabric, node_on(0, "lost"))
    assert set(shown) >= NODE_KEYS
    assert (shown["name"], shown["node"], shown["id"], shown["index"]) == ("lost", "lost", system_id(0), system_id(0))
    assert (shown["podm"], shown["podm_id"], shown["resource_uri"]) == ("lab", PODM, f"devices/{system_id(0)}")
    assert (shown["devices"], shown["device_ids"], shown["listed"]) == ([], [], False)
    assert (shown["reachable"], shown["enabled"], shown["max_devices"], shown["pooled_group_id"]) == (None,) * 4


@pytest.mark.parametrize(
    ("links", "connected"),
    [(["up", "down", "up"], 2), (["down"], 0), (["up", None], 1), ([None, None], None), ([], 0)],
)
def test_a_node_shows_how_many_of_its_devices_are_connected(links: list[str | None], connected: int | None) -> None:
    devices = [eeio(number, "17", eesv_connection_status=link) for number, link in enumerate(links)]
    fabric = Fabric.from_records([eesv(0, "17"), *devices])
    assert views().node(fabric, node_on(0, "node0"))["connected_devices"] == connected
    assert views().node(Fabric.from_records(devices), node_on(0, "node0"))["connected_devices"] is None


def test_a_listed_and_a_lost_node_have_the_same_keys() -> None:
    fabric = Fabric.from_records([eesv(0, "17")])
    make = views()
    assert set(make.node(fabric, node_on(0, "here"))) == set(make.node(fabric, node_on(1, "lost")))


@pytest.mark.parametrize(
    ("record", "state", "node_id"),
    [
        (eeio(0), "free", None),
        (eeio(0, "17"), "allocated", system_id(0)),
        (eeio(0, "900"), "stranded", None),
        (eeio(0, "3"), "stranded", None),
        (eeio(0, "18", eesv_mac_address=mac(system_id(2))), "allocated", system_id(2)),
        (eeio(0, "18"), "allocated", None),
    ],
)
def test_a_device_is_free_allocated_or_stranded(record: Record, state: str, node_id: str | None) -> None:
    shown = device_view(record, eesv(0, "17"), eesv(1, "18"), eesv(2, "18"))
    assert (shown["state"], shown["node_id"], shown["node"]) == (state, node_id, None)


def test_what_a_released_node_left_is_shown_as_stranded_while_it_does_not_respond() -> None:
    for odd, shown in ((SILENT, ["stranded", None, "train-1"]), ({}, ["allocated", system_id(0), None])):
        fabric = Fabric.from_records([eesv(0, "17"), eeio(0, "17", **odd)])
        make = Views(PODM, "lab", {}, last_nodes={(device_id(0), "17"): "train-1"})
        view = make.device(fabric, fabric.devices[device_id(0)])
        assert [view[key] for key in ("state", "node_id", "last_node")] == shown


def test_a_silent_or_disabled_card_says_so() -> None:
    shown = device_view(eeio(0, **SILENT, monitoring_status="disabled"))
    assert (shown["reachable"], shown["enabled"]) == (False, False)
    shown = system_view(eesv(0, **SILENT, admin_status="disabled"))
    assert (shown["reachable"], shown["enabled"]) == (False, False)


def test_names_of_vendors_and_devices_are_looked_up_only_where_there_are_ids() -> None:
    asked: list[tuple[str, str | None]] = []

    def look_up(vendor: str, device: str | None) -> tuple[str | None, str | None]:
        asked.append((vendor, device))
        return names(vendor, device)

    fabric = Fabric.from_records([eeio(0, kind="old card"), eeio(1, pcie_device_id=None), eeio(2, kind="nic")])
    make = Views(PODM, None, {}, look_up)
    shown = [make.device(fabric, device) for device in fabric.devices.values()]
    assert asked == [("10de", None), ("8086", "1533")]
    found = [(device["vendor_name"], device["device_name"]) for device in shown]
    assert found == [(None, None), ("NVIDIA Corporation", None), (None, None)]
    assert {device["podm"] for device in shown} == {None}


def test_without_a_list_there_are_no_names() -> None:
    fabric = Fabric.from_records([eeio(0)])
    shown = Views(PODM, "lab", {}).device(fabric, fabric.devices[device_id(0)])
    assert (shown["vendor_name"], shown["device_name"]) == (None, None)
    assert (shown["vendor_id"], shown["pci_device_id"]) == ("10de", "1db6")


@given(fleets())
def test_a_card_of_either_kind_has_the_keys_of_a_device(fleet: Fleet) -> None:
    fabric, views = (
        fleet.observed.fabric,
        Views(PODM, "lab", {node.system_id: node.name for node in fleet.nodes.values()}),
    )
    for device in fabric.devices.values():
        view = views.device(fabric, device)
        assert tuple(view) == KEYS_OF_A_DEVICE
        assert views.card(fabric, device) == {**view, "kind": "eeio"}
    for system in fabric.systems.values():
        view = views.card(fabric, system)
        assert view.keys() == {*KEYS_OF_A_DEVICE, "kind"}
        assert (view["kind"], view["device_id"], view["node_id"]) == ("eesv", system.id, system.id)
        assert (view["card_type"], view["model"]) == (system.card_type, system.model)
        assert view["node"] == views.system(fabric, system)["node"]
        of_devices = ("uuid", "type", "state", "vendor_id", "pci_device_id", "class_code", "vendor_name", "device_name")
        assert {view[key] for key in of_devices} == {None}
