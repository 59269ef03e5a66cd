# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What devices a node shall have: from C(properties) to typed requests, and which devices meet them.

Pure. Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import TYPE_NAMES, Eeio
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list

_TYPES = {name.lower(): name for name in TYPE_NAMES}
_DEVICE_KEYS = ("type", "count", "vendor_id", "device_id", "model")
MAX_COUNT = 4096


class DeviceRequest(t.NamedTuple):
    """So many devices of a kind; a C(None) means: any."""

    number: int
    type: str | None
    vendor_id: str | None
    pci_device_id: str | None
    model: str | None

    def matches(self, device: Eeio) -> bool:
        """Whether a device is of this kind."""
        return (
            self.type in (None, device.type)
            and self.vendor_id in (None, device.vendor_id)
            and self.pci_device_id in (None, device.pci_device_id)
            and (self.model is None or (device.model or "").casefold() == self.model.casefold())
        )

    def __str__(self) -> str:
        ids = ":".join(filter(None, (self.vendor_id or (self.pci_device_id and "*"), self.pci_device_id)))
        kind = " ".join(filter(None, (self.type, ids, self.model and f'"{self.model}"')))
        return f"{self.number} {kind or 'device'}"


Properties = tuple[DeviceRequest, ...]


def parse_properties(properties: t.Any) -> Properties:
    """Return the requests of C(properties), alike ones added up, in a fixed order: equal wishes compare equal.

    The shapes are Valence's C({"pci_device": {"type": ["NIC", "SSD"]}}) and
    C({"devices": [{"type": "GPU", "count": 2, ...}]}); both may be given.

    :raises InvalidInput: an unknown key, type or value
    """
    if not isinstance(properties, t.Mapping):
        raise InvalidInput(f"properties must be a dictionary, not {type(properties).__name__}.")
    for key in properties:
        if key in ("memory", "processor"):
            raise InvalidInput(f"properties.{key} cannot be composed: ExpEther attaches PCI Express devices only.")
    _only_keys(properties, ("pci_device", "devices"), "properties")
    requests: list[DeviceRequest] = []
    if "pci_device" in properties:
        requests += _valence(properties["pci_device"])
    if "devices" in properties:
        entries = properties["devices"]
        if not isinstance(entries, (list, tuple)):
            raise InvalidInput("properties.devices must be a list of dictionaries.")
        requests += [_entry(entry, f"properties.devices[{place}]") for place, entry in enumerate(entries)]
    if not requests:
        raise InvalidInput(
            "properties names no device: give devices, or pci_device with a list of types"
            ' (for example {"pci_device": {"type": ["GPU", "SSD"]}}).'
        )
    total: dict[tuple[t.Any, ...], DeviceRequest] = {}
    for request in requests:
        kind = request._replace(number=0, model=request.model and request.model.casefold())
        known = total.get(kind)
        total[kind] = known._replace(number=known.number + request.number) if known else request
    return tuple(sorted(total.values(), key=str))


def _valence(value: t.Any) -> list[DeviceRequest]:
    if not isinstance(value, t.Mapping):
        raise InvalidInput("properties.pci_device must be a dictionary with the key type.")
    _only_keys(value, ("type",), "properties.pci_device")
    types = value.get("type")
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, (list, tuple)):
        raise InvalidInput("properties.pci_device.type must be a list of device types.")
    return [DeviceRequest(1, _type(item, "properties.pci_device.type"), None, None, None) for item in types]


def _entry(entry: t.Any, where: str) -> DeviceRequest:
    if not isinstance(entry, t.Mapping):
        raise InvalidInput(f"{where} must be a dictionary.")
    _only_keys(entry, _DEVICE_KEYS, where)
    for key, value in entry.items():
        if value is None:
            raise InvalidInput(f"{where}.{key} is null: set a value, or leave it out.")
    if not entry:
        raise InvalidInput(f"{where} says nothing: give at least one of {comma_list(_DEVICE_KEYS)}.")
    model = entry.get("model")
    if model is not None and (not isinstance(model, str) or not model.strip()):
        raise InvalidInput(f"{where}.model must be a text; put it in quotes.")
    return DeviceRequest(
        _count(entry.get("count", 1), f"{where}.count"),
        _type(entry["type"], f"{where}.type") if "type" in entry else None,
        _pci_id(entry["vendor_id"], f"{where}.vendor_id") if "vendor_id" in entry else None,
        _pci_id(entry["device_id"], f"{where}.device_id") if "device_id" in entry else None,
        model.strip() if model else None,
    )


def _only_keys(value: t.Mapping[t.Any, t.Any], allowed: t.Sequence[str], where: str) -> None:
    unknown = [str(key) for key in value if key not in allowed]
    if unknown:
        raise InvalidInput(f"{where} has no key {comma_list(map(repr, unknown))}; it takes {comma_list(allowed)}.")


def _type(value: t.Any, where: str) -> str:
    name = _TYPES.get(value.strip().lower()) if isinstance(value, str) else None
    if name is None:
        raise InvalidInput(f"{where}: {value!r} is no device type; the types are {comma_list(TYPE_NAMES)}.")
    return name


def _count(value: t.Any, where: str) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_COUNT:
        raise InvalidInput(f"{where} must be a whole number from 1 to {MAX_COUNT}, not {value!r}.")
    return value


def _pci_id(value: t.Any, where: str) -> str:
    """Return a PCI id as 4 hex digits.

    A number is refused, because it may not be what was written: YAML reads an unquoted 0x10de as 4318, and 0403 as 259.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise InvalidInput(
            f"{where} is the number {value}, which YAML makes of a PCI id without quotes: put its hex digits in quotes,"
            " such as '10de'."
        )
    text = value.strip().lower() if isinstance(value, str) else ""
    digits = text[2:] if text.startswith("0x") else text
    if 1 <= len(digits) <= 4 and all(digit in "0123456789abcdef" for digit in digits):
        return digits.zfill(4)
    raise InvalidInput(f"{where} must be a PCI id of up to 4 hex digits in quotes, such as '10de', not {value!r}.")
