# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EEM's JSON records as frozen typed values. Pure. Private to the collection.

The facts are those of the EEM interface notes; the mark in brackets says how sure each is:
[hw] seen from real hardware, [nec] NEC's own clients, [drv] the OpenStack Valence driver, [?] inferred.
"""

from __future__ import annotations

import functools
import re
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable

Raw = t.Mapping[str, t.Any]

FREE_GROUP = "4093"  # an EEIO that belongs to nobody [nec][drv][hw]
NO_GROUP = "4094"  # an EESV without a group id of its own yet [nec][drv]
SOFTWARE_GROUPS = range(16, 4093)  # what software may assign [nec]; 1 to 15 come from a rotary switch [hw]

#: PCI base class to type name [drv]; any other class code is "Unknown", none at all is null.
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

#: How many EEIOs an EESV takes when it does not say (max_eeio_count): by card type [hw][drv].
MAX_DEVICES_40G = 16
MAX_DEVICES_OLDER = 8

_ID = re.compile(r"(?:0x)?([0-9a-f]{12})\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class RecordError(ExpetherError):
    """A record lacks what no record may lack: C(id), C(status) or C(group_id)."""

    kind = "bad_record"


class Eesv(t.NamedTuple):
    """A card on the server side: one compute node's end of the fabric.

    C(None) means that EEM did not give it. Group ids are decimal strings, as EEM's.
    C(update_time) is what EEM gave, as a string of milliseconds; C(raw) is the whole record as it came.
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
    def reachable(self) -> bool | None:
        """Whether the card answers: any notification status is C(up) [nec]."""
        return None if self.ports_up is None else self.ports_up > 0


class Eeio(t.NamedTuple):
    """A card on the I/O side with one PCI Express device. See C(Eesv) for what the values mean.

    C(vendor_id) and C(pci_device_id) have 4 hex digits, C(class_code) 6, all without C(0x).
    C(eesv_id) is the other end as the card sees it.
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
    eesv_id: str | None

    @property
    def reachable(self) -> bool | None:
        """Whether the card answers: any notification status is C(up) [nec]."""
        return None if self.ports_up is None else self.ports_up > 0


Card = t.Union[Eesv, Eeio]


class Port(t.NamedTuple):
    """A downstream port of an EESV.

    :ivar link_state: C(up) or C(down); C(None) if the record does not tell
    :ivar device_id: the EEIO that it remembers, which may be down or in another group [hw]
    """

    link_state: str | None
    device_id: str | None


def parse_card_id(text: str) -> str | None:
    """Return an EEM id in EEM's own form (C(0x) and twelve hex digits [hw]), or C(None) if it is none.

    Takes any case, with and without C(0x), a MAC address with its colons, and the decimal number that YAML
    makes of an id without quotes (13 to 15 digits; with 12 it cannot be told from hex digits).
    """
    if 13 <= len(text) <= 15 and text.isascii() and text.isdigit():
        text = f"{int(text):012x}"
    found = _ID.match(text.strip().lower().replace(":", ""))
    return f"0x{found[1]}" if found else None


def iso_time(milliseconds: t.Any) -> str | None:
    """Return milliseconds since 1970-01-01 UTC, a string or a number [hw], as ISO 8601, or C(None)."""
    try:
        days, rest = divmod(int(milliseconds), 86_400_000)
        day = _day(days)
    except (TypeError, ValueError, OverflowError):
        return None
    seconds, thousandths = divmod(rest, 1000)
    return f"{day}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{thousandths:03d}Z"


@functools.lru_cache(maxsize=1024)  # thousands of cards changed on few days
def _day(number: int) -> str:
    """Return the date so many days after 1970-01-01."""
    return (_EPOCH + timedelta(days=number)).date().isoformat()


def _core(raw: t.Any) -> tuple[str, str, str]:
    """Return the id, status and group id of a record: the three that no record may lack."""
    if not isinstance(raw, t.Mapping):
        raise RecordError(f"EEM sent a card's record that is no object but {type(raw).__name__}.")
    identity = parse_card_id(_scalar(raw.get("id")))
    if identity is None:
        raise RecordError(f"EEM sent a card's record without a usable id: {_shown(raw.get('id'))}.")
    status = _scalar(raw.get("status")).strip().lower()
    if status not in ("eesv", "eeio"):
        raise RecordError(
            f"EEM sent a record of card {identity} whose status is neither eesv nor eeio: {_shown(raw.get('status'))}."
        )
    group = _scalar(raw.get("group_id")).strip()
    if not (group.isascii() and group.isdigit() and len(group) < 10):
        raise RecordError(
            f"EEM sent a record of card {identity} without a usable group_id: {_shown(raw.get('group_id'))}."
        )
    return identity, status, str(int(group))


def parse(raw: t.Any) -> Card:
    """Return the typed card of one record.

    :raises RecordError: it is not an object, or has no usable `id`, `status` or `group_id`
    """
    identity, status, group = _core(raw)
    get = raw.get
    card_type = _given(get("type")) or _given(get("eecard_type"))
    common = (
        identity,
        group,
        _given(get("update_time")),
        _enabled(get("admin_status"), get("monitoring_status")),
        _ports_up(get("notification_status0"), get("notification_status1")),
        card_type,
        _given(get("mac_address")),
        _given(get("model")),
        _given(get("serial_number")),
        _given(get("power_status")),
        raw,
    )
    if status == "eesv":
        return Eesv(
            *common,
            _given(get("ee_version")),
            _given(get("host_model")),
            _given(get("host_serial_number")),
            _max_devices(get("max_eeio_count"), card_type),
        )
    class_code = _hex(get("pcie_class_code"), 6)
    return Eeio(
        *common,
        _hex(get("pcie_vendor_id"), 4),
        _hex(get("pcie_device_id"), 4),
        class_code,
        None if class_code is None else TYPES.get(int(class_code[:2], 16), UNKNOWN_TYPE),
        _mac_id(get("eesv_mac_address")),
    )


def parse_ports(system: Eesv) -> dict[str, Port]:
    """Return the downstream ports of an EESV by their ids; old cards tell none."""
    ports = system.raw.get("downstream_ports")
    return {
        name: Port((_given(port.get("eeio_connection_status")) or "").lower() or None, _mac_id(port.get("eeio_mac_address")))
        for port in (ports if isinstance(ports, list) else ())
        if isinstance(port, t.Mapping) and (name := _given(port.get("downstream_port_id")))
    }


def _scalar(value: t.Any) -> str:
    """Return a string, or a number or boolean as EEM's usual string; `""` for all else."""
    if value.__class__ is str:
        return value
    if value is None or isinstance(value, (list, tuple, t.Mapping)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # A number of milliseconds may come as 1.637e12; int() of it would fail for inf and nan.
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _shown(value: t.Any) -> str:
    """Return a received value for a message: never long, never with control characters."""
    if value is None:
        return "it is missing"
    # Where a text is cut shows, so that the first half of a password in it is masked.
    return printable(repr(value), 80) if isinstance(value, (str, int, float)) else f"it is a {type(value).__name__}"


def _given(value: t.Any) -> str | None:
    """Return a string that says something, else C(None): old cards leave keys out or empty [hw]."""
    return (value if value.__class__ is str else _scalar(value)).strip() or None


def _enabled(admin: t.Any, monitoring: t.Any) -> bool | None:
    """Whether a change may be asked of a card [nec]; C(None) if the record says nothing about it."""
    said = [word.lower() for word in (_given(admin), _given(monitoring)) if word]
    return said.count("enabled") == len(said) if said else None


def _ports_up(port0: t.Any, port1: t.Any) -> int | None:
    """On how many of its two ports a card answers [nec]; C(None) if the record says nothing about it."""
    said = 0
    ports_up = 0
    for port in (port0, port1):
        values = port if isinstance(port, list) else [_given(port)]
        if any(value is not None for value in values):
            said += 1
            ports_up += "up" in values
    return ports_up if said else None


def _hex(value: t.Any, digits: int) -> str | None:
    """Return hex text, with or without C(0x) and leading zeros [hw], with so many digits; else C(None)."""
    return _hex_text(_scalar(value), digits)


@functools.lru_cache(maxsize=1024)  # a large fabric has few kinds of devices
def _hex_text(text: str, digits: int) -> str | None:
    try:
        number = int(text, 16)
    except ValueError:
        return None
    return f"{number:0{digits}x}" if 0 <= number < 16**digits else None


def _mac_id(value: t.Any) -> str | None:
    """Return the card id of a MAC address; all zeros mean none [hw]."""
    identity = parse_card_id(value) if isinstance(value, str) else None
    return None if identity is None or not int(identity, 16) else identity


def _max_devices(value: t.Any, card_type: str | None) -> int:
    text = _scalar(value).strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    return MAX_DEVICES_40G if card_type == "40g" else MAX_DEVICES_OLDER
