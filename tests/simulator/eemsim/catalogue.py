# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of cards of the three generations, in the format of captured responses [hw], with invented values.

PCI values have EEM's format: hex with `0x` and without leading zeros [hw].
"""

from __future__ import annotations

import random
from typing import Any

from .cards import FREE, UNSET, ZERO_MAC, Record

START = 1_760_000_000_000
"""Update times start here (October 2025), so that a fleet does not depend on the current day."""

# kind: (class code, [(vendor, device, link width), ...])
DEVICES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "gpu": ("0x30200", [("0x10de", "0x1db6", "x8"), ("0x10de", "0x15f8", "x8"), ("0x10de", "0x2330", "x8")]),
    "ssd": ("0x10802", [("0x144d", "0xa822", "x4"), ("0x8086", "0x953", "x4"), ("0x144d", "0xa804", "x4")]),
    "nic": ("0x20000", [("0x8086", "0x1572", "x8"), ("0x15b3", "0x1017", "x8"), ("0x8086", "0x10fb", "x8")]),
    "usb": ("0xc0330", [("0x1912", "0x15", "x1")]),
    "switch": ("0x60400", [("0x10b5", "0x8747", "x8")]),
}


def card_id(status: str, index: int, seed: int) -> str:
    """Return the id of a card. Fleets of seeds less than 96 apart have no ids in common. Ids are even."""
    block = (0x10 if status == "eesv" else 0x80) + seed % 0x60
    return f"0x8cdf9d{block:02x}{index * 2:04x}"


def _common(status: str, index: int, seed: int, rng: random.Random, generation: str, group: str) -> Record:
    identity = card_id(status, index, seed)
    digits = identity[2:]
    return {
        "id": identity,
        "status": status,
        "update_time": str(START + rng.randrange(5_000_000_000)),
        "admin_status": "enabled",
        "monitoring_status": "enabled",
        "mac_address": ":".join(digits[i : i + 2] for i in range(0, 12, 2)),
        "group_id": group,
        "vlan_tagging": "disabled",
        "multi_mac_addresses": "enabled" if generation == "40g" else "disabled",
        "type": generation,
        "eecard_type": generation,
        "uid_switch_status": "off",
        "power_status": "on",
        "pcie_link_width": "x8",
        "interrupt_vector": "0x0",
        "ee_version": "v1.0",
        "revision": "0x0",
        "eeprom_variation": "0x0",
        "serial_number": f"{rng.choice('4578')}X{rng.randrange(100000):05d}",
        "link_status0": "up",
        "link_status1": "down",
        "notification_status0": ["up", "up"],
        "notification_status1": ["down", "down"],
    }


def eesv(
    index: int, seed: int, rng: random.Random, generation: str = "40g", group: str = UNSET, host: bool = True
) -> Record:
    record = _common("eesv", index, seed, rng, generation, group)
    ports = 16 if generation == "40g" else 8
    record.update(
        {
            "device_id": "0x1d" if generation == "40g" else "0x12",
            "fpga_version": "0x340031",
            "eeprom_data_version": "0x1",
            "model": f"ExpEther Board ({generation.upper()})",
            "max_eeio_count": str(ports),
            "eesv_type": "nbc",
            "host_serial_number": f"SIM{seed:03d}{index:04d}" if host else "",
            "host_model": rng.choice(["Express5800/R120h", "UCSC-C220-M5SX", "PowerEdge R740"]) if host else "",
            "encryption": ["disabled"] * ports,
            "compatibility": ["default"],
            "downstream_ports": [
                {"downstream_port_id": str(port), "eeio_connection_status": "down", "eeio_mac_address": ZERO_MAC}
                for port in range(ports)
            ],
        }
    )
    return record


def eeio(
    index: int,
    seed: int,
    rng: random.Random,
    kind: str = "gpu",
    choice: int = 0,
    generation: str = "40g",
    group: str = FREE,
) -> Record:
    """An EEIO with one device; `kind` "none" is an empty slot without ids. Only 40G cards report their device [hw]."""
    record = _common("eeio", index, seed, rng, generation, group)
    record.update(
        {
            "device_id": "0x1e" if generation == "40g" else "0x13",
            "fpga_version": "0x440031",
            "eeprom_data_version": "0x3",
            "model": "EE I/O Expansion Unit (40G)-2S" if generation == "40g" else "I/O Expansion Unit (10G)",
            "path_status0": "down",
            "path_status1": "down",
            "eesv_connection_status": "down",
            "eesv_mac_address": ZERO_MAC,
            "pcie_connection_status": "down" if kind == "none" else "up",
            "encryption": ["disabled"],
        }
    )
    if generation == "40g" and kind != "none":
        class_code, models = DEVICES[kind]
        vendor, device, width = models[choice % len(models)]
        record.update(
            {
                "pcie_vendor_id": vendor,
                "pcie_device_id": device,
                "pcie_class_code": class_code,
                "pcie_link_width": width,
            }
        )
    return record


PCI_IDS = ("pcie_vendor_id", "pcie_device_id", "pcie_class_code")


def empty_slot(record: Record, ids: str | None) -> Record:
    """A slot whose ids are all this text, or missing; what EEM reports depends on the card [?]."""
    found = without(record, *PCI_IDS)
    return found if ids is None else {**found, **dict.fromkeys(PCI_IDS, ids)}


def minimal(record: Record) -> Record:
    """The record of an old card: 1G cards report 10 keys, 10G cards 13 on the I/O side and 12 on the server side.

    That cards report so few, and neither `admin_status` nor `mac_address`, is known [nec]; which keys it are is partly
    inferred [?].
    """
    kept = {
        "id",
        "status",
        "type",
        "update_time",
        "group_id",
        "monitoring_status",
        "notification_status0",
        "notification_status1",
        "link_status0",
        "link_status1",
    }
    if record["type"] == "10g":
        kept |= {"eesv_connection_status", "path_status0", "path_status1", "downstream_ports", "max_eeio_count"}
    return {key: value for key, value in record.items() if key in kept}


def silent(record: Record) -> Record:
    """A card that no longer responds on either path."""
    return _notify(record, ["down", "down"], ["down", "down"], "down", "down")


def second_port(record: Record) -> Record:
    """Cabled on the second port only."""
    return _notify(record, ["down", "down"], ["up", "up"], "down", "up")


def second_value(record: Record) -> Record:
    """Responds, but not in the first value of either status."""
    return _notify(record, ["down", "up"], ["down", "down"], "up", "down")


def _notify(record: Record, first: list[str], second: list[str], link0: str, link1: str) -> Record:
    changes: dict[str, Any] = {
        "notification_status0": first,
        "notification_status1": second,
        "link_status0": link0,
        "link_status1": link1,
    }
    return {**record, **changes}


def numbered(record: Record) -> Record:
    """`update_time` as a JSON number, which also occurs [hw]."""
    return {**record, "update_time": int(record["update_time"])}


def newer(record: Record) -> Record:
    """A newer firmware that reports unknown keys."""
    return {**record, "temperature_status": "normal", "thermal_sensors": [{"sensor_id": "0", "celsius": "41"}]}


def without(record: Record, *keys: str) -> Record:
    return {key: value for key, value in record.items() if key not in keys}
