# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EEM's JSON records as frozen typed values. Pure. Private to the collection.

The facts are those of the EEM interface notes. The mark in brackets names the source of each:
[hw] observed on real hardware, [nec] NEC's own clients, [drv] the OpenStack Valence driver, [?] inferred.
"""

from __future__ import annotations

import functools
import re
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable

Raw = t.Mapping[str, t.Any]

FREE_GROUP = "4093"  # the group of EEIOs that are attached to no system [nec][drv][hw]
NO_GROUP = "4094"  # the group of EESVs without a group id of their own yet [nec][drv]
SOFTWARE_GROUPS = range(16, 4093)  # group ids that software may assign [nec]; 1 to 15 are set by a rotary switch [hw]

#: PCI base class to type name [drv]. Any other class is "Unknown"; without a class code the type is null.
TYPES = {
    0x01: "SSD",
    0x02: "NIC",
    0x03: "GPU",
    0x04: "Multi",
    0x06: "SWITCH",
    0x0C: "USB",
    0x12: "ACS",
}
UNKNOWN_TYPE = "Unknown"
TYPE_NAMES = (*TYPES.values(), UNKNOWN_TYPE)

#: How many EEIOs an EESV can have, by card type, if it does not report `max_eeio_count` [hw][drv].
MAX_DEVICES_40G = 16
MAX_DEVICES_OLDER = 8

_ID = re.compile(r"(?:0x)?([0-9a-f]{12})\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class RecordError(ExpetherError):
    """A record lacks a mandatory key: `id`, `status` or `group_id`."""

    kind = "bad_record"


class Eesv(t.NamedTuple):
    """A card on the server side: the end of the fabric at one compute node.

    `None` means that EEM did not report the value. Group ids are decimal strings, as in EEM. `update_time` is EEM's
    value, a string of milliseconds. `raw` is the whole record as EEM sent it.
    """

    id: str
    group_id: str
    update_time: str | None
    enabled: bool | None
    ports_up: int | None
    card_type: str | None
    mac_address: str | None
    model: str | None
    serial_number: str | None
    power_state: str | None
    raw: Raw
    ee_version: str | None
    host_model: str | None
    host_serial_number: str | None
    max_devices: int

    @property
    def is_off(self) -> bool:
        """Whether the card reports that its host has no power; other states than `on` and `off` are unknown [?]."""
        return (self.power_state or "").lower() == "off"

    @property
    def reachable(self) -> bool | None:
        """Whether the card responds: any notification status is `up` [nec]."""
        return None if self.ports_up is None else self.ports_up > 0


class Eeio(t.NamedTuple):
    """A card on the I/O side with one PCI Express device. See `Eesv` for the common values.

    `vendor_id` and `pci_device_id` have 4 hex digits, `class_code` has 6, all without `0x`.
    `populated` is whether there is a device in the slot; `None` if nothing that the card reports shows it. Unless it is
    true, `type` and the three PCI values are `None`, whatever the record has.
    `eesv_id` is the other end of the connection as the card reports it, and `connected` whether the link to it is up
    [hw]: `False` for a device without a system. EEM may report a new link late, or only after an audit of the card [?].
    """

    id: str
    group_id: str
    update_time: str | None
    enabled: bool | None
    ports_up: int | None
    card_type: str | None
    mac_address: str | None
    model: str | None
    serial_number: str | None
    power_state: str | None
    raw: Raw
    vendor_id: str | None
    pci_device_id: str | None
    class_code: str | None
    type: str | None
    populated: bool | None
    eesv_id: str | None
    connected: bool | None

    @property
    def paths(self) -> tuple[str, str]:
        """The status of the two paths to the system, as the card reports them; `not reported` if it does not."""
        first, second = (_scalar(self.raw.get(key)).strip() for key in ("path_status0", "path_status1"))
        return printable(first, 20) or "not reported", printable(second, 20) or "not reported"

    @property
    def reachable(self) -> bool | None:
        """Whether the card responds: any notification status is `up` [nec]."""
        return None if self.ports_up is None else self.ports_up > 0


Card = t.Union[Eesv, Eeio]


class Port(t.NamedTuple):
    """A downstream port of an EESV.

    :ivar link_state: `up` or `down`; `None` if the record does not report it
    :ivar device_id: the EEIO that EEM has stored for it, which may be down or in another group [hw]
    """

    link_state: str | None
    device_id: str | None


def parse_card_id(text: str) -> str | None:
    """Return an EEM id in EEM's own form (`0x` and twelve hex digits [hw]), or `None` if the text is not an EEM id.

    Accepts any case, ids with and without `0x`, a MAC address with colons, and the decimal number that YAML makes of an
    unquoted id (13 to 15 digits; a number of 12 digits cannot be distinguished from hex digits).
    """
    if 13 <= len(text) <= 15 and text.isascii() and text.isdigit():
        text = f"{int(text):012x}"
    match = _ID.match(text.strip().lower().replace(":", ""))
    return f"0x{match[1]}" if match else None


def iso_time(milliseconds: t.Any) -> str | None:
    """Return milliseconds since 1970-01-01 UTC, a string or a number [hw], as ISO 8601; `None` if not valid."""
    try:
        days, rest = divmod(int(milliseconds), 86_400_000)
        day = _day(days)
    except (TypeError, ValueError, OverflowError):
        return None
    seconds, thousandths = divmod(rest, 1000)
    return f"{day}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{thousandths:03d}Z"


@functools.lru_cache(maxsize=1024)  # thousands of cards share few days
def _day(number: int) -> str:
    """Return the date that is this many days after 1970-01-01."""
    return (_EPOCH + timedelta(days=number)).date().isoformat()


def _core(raw: t.Any) -> tuple[str, str, str]:
    """Return the id, status and group id of a record: the mandatory keys."""
    if not isinstance(raw, t.Mapping):
        raise RecordError(f"EEM sent a card's record that is not an object but a value of type {type(raw).__name__}.")
    identity = parse_card_id(_scalar(raw.get("id")))
    if identity is None:
        raise RecordError(f"EEM sent a card's record without a usable id: {_describe(raw.get('id'))}.")
    status = _scalar(raw.get("status")).strip().lower()
    if status not in ("eesv", "eeio"):
        raise RecordError(
            f"EEM sent a record of card {identity} whose status is neither eesv nor eeio:"
            f" {_describe(raw.get('status'))}."
        )
    group = _scalar(raw.get("group_id")).strip()
    if not (group.isascii() and group.isdigit() and len(group) < 10):
        raise RecordError(
            f"EEM sent a record of card {identity} without a usable group_id: {_describe(raw.get('group_id'))}."
        )
    return identity, status, str(int(group))


def parse(raw: t.Any) -> Card:
    """Return the typed card of a record.

    :raises RecordError: it is not an object, or has no usable `id`, `status` or `group_id`
    """
    identity, status, group = _core(raw)
    get = raw.get
    card_type = _nonempty(get("type")) or _nonempty(get("eecard_type"))
    common = (
        identity,
        group,
        _nonempty(get("update_time")),
        _enabled(get("admin_status"), get("monitoring_status")),
        _ports_up(get("notification_status0"), get("notification_status1")),
        card_type,
        _nonempty(get("mac_address")),
        _nonempty(get("model")),
        _nonempty(get("serial_number")),
        _nonempty(get("power_status")),
        raw,
    )
    if status == "eesv":
        return Eesv(
            *common,
            _nonempty(get("ee_version")),
            _nonempty(get("host_model")),
            _nonempty(get("host_serial_number")),
            _max_devices(get("max_eeio_count"), card_type),
        )
    pci = (_hex(get("pcie_vendor_id"), 4), _hex(get("pcie_device_id"), 4), _hex(get("pcie_class_code"), 6))
    populated = _populated(get("pcie_connection_status"), card_type, *pci)
    vendor_id, pci_device_id, class_code = pci if populated else (None, None, None)
    return Eeio(
        *common,
        vendor_id,
        pci_device_id,
        class_code,
        None if class_code is None else TYPES.get(int(class_code[:2], 16), UNKNOWN_TYPE),
        populated,
        _mac_id(get("eesv_mac_address")),
        _is_up(get("eesv_connection_status")),
    )


def parse_ports(system: Eesv) -> dict[str, Port]:
    """Return the downstream ports of an EESV by their ids; old cards report none."""
    ports = system.raw.get("downstream_ports")
    return {
        name: Port(
            (_nonempty(port.get("eeio_connection_status")) or "").lower() or None, _mac_id(port.get("eeio_mac_address"))
        )
        for port in (ports if isinstance(ports, list) else ())
        if isinstance(port, t.Mapping) and (name := _nonempty(port.get("downstream_port_id")))
    }


def _scalar(value: t.Any) -> str:
    """Return a string, or a number or boolean as a string, as EEM usually sends it; `""` for anything else."""
    if value.__class__ is str:
        return value
    if value is None or isinstance(value, (list, tuple, t.Mapping)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # Milliseconds may be sent as 1.637e12. int() would fail for inf and nan.
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _describe(value: t.Any) -> str:
    """Describe a received value for a message, in a short text without control characters."""
    if value is None:
        return "it is missing"
    # printable() marks a cut, so that the first half of a password before it is masked.
    return printable(repr(value), 80) if isinstance(value, (str, int, float)) else f"it is a {type(value).__name__}"


def _nonempty(value: t.Any) -> str | None:
    """Return a text that is not empty, else `None`: old cards omit keys or leave them empty [hw]."""
    return (value if value.__class__ is str else _scalar(value)).strip() or None


def _enabled(admin: t.Any, monitoring: t.Any) -> bool | None:
    """Whether changes of a card may be requested [nec]; `None` if the record does not report it."""
    states = [state.lower() for state in (_nonempty(admin), _nonempty(monitoring)) if state]
    return states.count("enabled") == len(states) if states else None


def _is_up(status: t.Any) -> bool | None:
    """Whether a link is `up` or `down`; `None` if the record reports neither."""
    return {"up": True, "down": False}.get(_scalar(status).strip().lower())


def _ports_up(port0: t.Any, port1: t.Any) -> int | None:
    """Return on how many of its two ports a card responds [nec]; `None` if the record does not report it."""
    reported = 0
    ports_up = 0
    for port in (port0, port1):
        values = port if isinstance(port, list) else [_nonempty(port)]
        if any(value is not None for value in values):
            reported += 1
            ports_up += "up" in values
    return ports_up if reported else None


def _populated(
    link: t.Any, card_type: str | None, vendor_id: str | None, pci_device_id: str | None, class_code: str | None
) -> bool | None:
    """Whether there is a device in the slot of an EEIO; `None` if the record does not show it.

    A slot without a device reports ids that are missing, empty or `0x0`, depending on the card [?]. The link between the
    card and the device is `up` in captured records of cards with a device, free or not [hw]. Only of older cards, which
    report no ids, that alone is believed.

    :param link: `pcie_connection_status`
    """
    status = (_nonempty(link) or "").lower()
    if status == "down" or "0000" in (vendor_id, pci_device_id):
        return False
    if vendor_id or pci_device_id or (class_code and int(class_code, 16)):
        return True
    return True if status == "up" and card_type != "40g" else None


def _hex(value: t.Any, digits: int) -> str | None:
    """Return a hex number, sent with or without `0x` and leading zeros [hw], with this many digits; else `None`."""
    return _hex_text(_scalar(value), digits)


@functools.lru_cache(maxsize=1024)  # even a large fabric has few kinds of devices
def _hex_text(text: str, digits: int) -> str | None:
    try:
        number = int(text, 16)
    except ValueError:
        return None
    return f"{number:0{digits}x}" if 0 <= number < 16**digits else None


def _mac_id(value: t.Any) -> str | None:
    """Return the card id of a MAC address; `None` for all zeros, which mean no card [hw]."""
    identity = parse_card_id(value) if isinstance(value, str) else None
    return None if identity is None or not int(identity, 16) else identity


def _max_devices(value: t.Any, card_type: str | None) -> int:
    text = _scalar(value).strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return MAX_DEVICES_40G if card_type == "40g" else MAX_DEVICES_OLDER
