# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""The requested devices of a node: `properties` in their normal form, and as typed requests.

Ansible checks the shape of a task's `properties` (see `PROPERTIES` in `_ansible/suboptions`), but not that of a stored
flavor.

Pure. Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import TYPE_NAMES, Eeio
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list

TYPES_BY_NAME = {name.lower(): name for name in TYPE_NAMES}
#: The keys that select a kind of device. A device in a result has the same keys.
KIND_KEYS = ("type", "vendor_id", "pci_device_id", "model")
_ENTRY_KEYS = (*KIND_KEYS, "count", "device_id")
MAX_COUNT = 4096


class DeviceRequest(t.NamedTuple):
    """A number of devices of one kind. `None` matches any value."""

    number: int
    type: str | None
    vendor_id: str | None
    pci_device_id: str | None
    model: str | None

    def matches(self, device: Eeio) -> bool:
        """Whether a device is of this kind. An empty slot, or one that may be empty, is of none."""
        return (
            device.populated is True
            and self.type in (None, device.type)
            and self.vendor_id in (None, device.vendor_id)
            and self.pci_device_id in (None, device.pci_device_id)
            and self._is_model(device)
        )

    def may_match(self, device: Eeio) -> bool:
        """Whether a device is of this kind, or its slot could have such a device: only the model of the box is known."""
        return self.matches(device) or (device.populated is not True and self._is_model(device))

    def _is_model(self, device: Eeio) -> bool:
        return self.model is None or (device.model or "").casefold() == self.model.casefold()

    @property
    def kind(self) -> DeviceRequest:
        """What it requests, whatever number and spelling: equal for requests of one kind."""
        return self._replace(number=0, model=self.model and self.model.casefold())

    def __str__(self) -> str:
        ids = ":".join(filter(None, (self.vendor_id or (self.pci_device_id and "*"), self.pci_device_id)))
        kind = " ".join(filter(None, (self.type, ids, self.model and f'"{self.model}"')))
        return f"{self.number} {kind or 'device'}"


Properties = tuple[DeviceRequest, ...]


def normal_properties(properties: t.Any) -> dict[str, t.Any]:
    """Return `properties` in the form in which flavors store and results show them.

    It has one or both of two keys: Valence's `{"pci_device": {"type": ["NIC", "SSD"]}}`, and
    `{"devices": [{"type": "GPU", "count": 2, "vendor_id": "10de", "pci_device_id": "1db6", "model": "..."}]}`. Keys without
    a value are dropped, types get their usual case, and PCI ids get 4 hex digits. `device_id`, which earlier versions
    stored, becomes `pci_device_id`.

    :raises InvalidInput: a key, type or value is unknown, or no device is requested
    """
    found = _mapping(properties, ("pci_device", "devices"), "properties")
    if "pci_device" in found:
        where = "properties.pci_device.type"
        types = _mapping(found["pci_device"], ("type",), "properties.pci_device").get("type", [])
        types = [types] if isinstance(types, str) else types
        found["pci_device"] = {"type": [_type(item, where) for item in _list(types, where)]}
    if "devices" in found:
        entries = enumerate(_list(found["devices"], "properties.devices"))
        found["devices"] = [_entry(entry, f"properties.devices[{place}]") for place, entry in entries]
    if not (found.get("devices") or found.get("pci_device", {}).get("type")):
        raise InvalidInput(
            "properties names no device: set devices, or pci_device with a list of types"
            ' (for example {"pci_device": {"type": ["GPU", "SSD"]}}).'
        )
    return found


def parse_properties(properties: t.Any) -> Properties:
    """Return the requests of `properties`, with equal kinds added up and in a fixed order, so that they can be compared.

    :raises InvalidInput: as `normal_properties`
    """
    found = normal_properties(properties)
    requests = [DeviceRequest(1, name, None, None, None) for name in found.get("pci_device", {}).get("type", ())]
    requests += [
        DeviceRequest(entry.get("count", 1), *(entry.get(key) for key in KIND_KEYS))
        for entry in found.get("devices", ())
    ]
    total: dict[DeviceRequest, DeviceRequest] = {}
    for request in requests:
        known = total.get(request.kind)
        total[request.kind] = known._replace(number=known.number + request.number) if known else request
    return tuple(sorted(total.values(), key=str))


def _mapping(value: t.Any, allowed: t.Sequence[str], where: str) -> dict[str, t.Any]:
    """Return a dictionary without its null values.

    :raises InvalidInput: it is not a dictionary, or it has an unknown key
    """
    if not isinstance(value, t.Mapping):
        raise InvalidInput(f"{where} must be a dictionary.")
    unknown = [str(key) for key in value if key not in allowed]
    if unknown:
        raise InvalidInput(f"{where} has no key {comma_list(map(repr, unknown))}; it takes {comma_list(allowed)}.")
    return {key: item for key, item in value.items() if item is not None}


def _list(value: t.Any, where: str) -> t.Sequence[t.Any]:
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{where} must be a list.")
    return value


def _entry(value: t.Any, where: str) -> dict[str, t.Any]:
    entry = _mapping(value, _ENTRY_KEYS, where)
    if "device_id" in entry:
        entry.setdefault("pci_device_id", entry.pop("device_id"))
        entry.pop("device_id", None)
    if not entry:
        raise InvalidInput(f"{where} is empty: set at least one of {comma_list((*KIND_KEYS, 'count'))}.")
    checks = {
        "type": _type,
        "count": _count,
        "vendor_id": normal_pci_id,
        "pci_device_id": normal_pci_id,
        "model": _model,
    }
    return {key: check(entry[key], f"{where}.{key}") for key, check in checks.items() if key in entry}


def _type(value: t.Any, where: str) -> str:
    name = TYPES_BY_NAME.get(value.strip().lower()) if isinstance(value, str) else None
    if name is None:
        raise InvalidInput(f"{where}: {value!r} is not a device type; the types are {comma_list(TYPE_NAMES)}.")
    return name


def _count(value: t.Any, where: str) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        value = int(value)  # as earlier versions stored it
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_COUNT:
        raise InvalidInput(f"{where} must be a whole number from 1 to {MAX_COUNT}, not {value!r}.")
    return value


def refuse_number_as_pci_id(value: t.Any, where: str) -> None:
    """Refuse a number in place of a PCI id: how it was written is no longer known.

    :param where: names the option
    :raises InvalidInput: it is a number
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise InvalidInput(
            f"{where} is the number {value}, which YAML makes of a PCI id without quotes: 0x10de becomes 4318, and 0403"
            " becomes 259. Put its hex digits in quotes, such as '10de'."
        )


def normal_pci_id(value: t.Any, where: str) -> str:
    """Return a PCI id, given with or without `0x` and leading zeros, as 4 hex digits in lower case.

    :param where: names the value in the message
    :raises InvalidInput: it is not one
    """
    text = value.strip().lower() if isinstance(value, str) else ""
    digits = text[2:] if text.startswith("0x") else text
    if 1 <= len(digits) <= 4 and all(digit in "0123456789abcdef" for digit in digits):
        return digits.zfill(4)
    raise InvalidInput(f"{where} must be a PCI id of up to 4 hex digits in quotes, such as '10de', not {value!r}.")


def _model(value: t.Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{where} must be a text.")
    return value.strip()
