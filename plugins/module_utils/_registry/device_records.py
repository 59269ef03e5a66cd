# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""Typed records of devices, and of the listing that they come from. Private to the collection."""

from __future__ import annotations

import operator
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.fields import (
    is_card,
    is_count,
    is_text,
    or_none,
    values,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Body, Kind, NotAsWritten


class StoredDevice(t.NamedTuple):
    """A stored device: only facts. Derived values are added when the device is shown.

    `None` means that EEM did not report the value.

    :ivar state: `free`, `allocated` or `stranded`
    :ivar node_id: the EESV id of the system that it is attached to
    :ivar last_node: the name of the node that had its group, see `_registry.last_nodes`
    :ivar populated: whether there is a device in the slot
    :ivar vendor_name: from the PCI id list when EEM last listed the device, as is `device_name`
    :ivar connected: whether its link to the system is up
    :ivar updated_at: when EEM last changed its record
    :ivar last_seen_at: when EEM last listed it, if it is missing since (`missing_since`)
    """

    uuid: str
    revision: int
    device_id: str
    podm_id: str
    type: str | None
    state: str
    node_id: str | None
    last_node: str | None
    pooled_group_id: str | None
    mac_address: str | None
    model: str | None
    serial_number: str | None
    card_type: str | None
    vendor_id: str | None
    pci_device_id: str | None
    class_code: str | None
    vendor_name: str | None
    device_name: str | None
    populated: bool | None
    connected: bool | None
    ports_up: int | None
    enabled: bool | None
    power_state: str | None
    updated_at: str | None
    first_seen_at: str | None
    last_seen_at: str | None
    missing_since: str | None

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "devices"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> StoredDevice:
        """Return the record from the body of a document.

        Documents of earlier schemas are accepted too. What they lack is `None`; derived values of schema 1 are ignored.

        :param body: with printable texts, as `read_json` returns them
        :raises NotAsWritten: it is damaged
        """
        # Optimised, because a registry has thousands of devices.
        if not isinstance(body, dict) or not body.keys() >= _REQUIRED:
            raise NotAsWritten(cls.kind(), uuid)
        record = cls._make((uuid, revision, *map(body.get, _KEYS)))
        if (
            not _TEXT_OR_NONE.issuperset(map(type, _texts(record)))
            or None in (record.device_id, record.podm_id, record.state)
            or not (record.ports_up is None or is_count(record.ports_up))
            or not _BOOL_OR_NONE.issuperset(map(type, (record.populated, record.connected, record.enabled)))
        ):
            raise NotAsWritten(cls.kind(), uuid)
        return record

    def to_body(self) -> Body:
        """Return the body of its document."""
        return dict(zip(_KEYS, self[2:]))

    @property
    def reachable(self) -> bool | None:
        """Whether the card responds: a notification status is `up` [nec]."""
        return None if self.ports_up is None else self.ports_up > 0


_KEYS = StoredDevice._fields[2:]
_texts = operator.itemgetter(
    *(
        place
        for place, key in enumerate(StoredDevice._fields)
        if key not in ("revision", "populated", "connected", "ports_up", "enabled")
    )
)
_TEXT_OR_NONE = frozenset((str, type(None)))
_BOOL_OR_NONE = frozenset((bool, type(None)))
_REQUIRED = frozenset(("device_id", "podm_id", "node_id", "type", "state", "missing_since"))


class StoredListing(t.NamedTuple):
    """The listing that the stored devices of a pod manager come from.

    It changes with every change of a device, so a run that asked EEM before gets a conflict.

    :ivar uuid: the pod manager's
    :ivar digest: the digest of the listing if the stored devices are exactly those of it, else `None`
    :ivar devices: the number of devices in the listing
    :ivar systems: the EEM ids of the systems that EEM listed, except for those of other pod managers; `None` in a
        document of an earlier schema
    """

    uuid: str
    revision: int
    digest: str | None
    devices: int
    systems: tuple[str, ...] | None = None

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "listings"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> StoredListing:
        """Return the record from the body of a document.

        :raises NotAsWritten: it is damaged
        """
        found = values(cls.kind(), uuid, body, _LISTING, {"systems": _are_cards})
        systems = found.pop("systems")
        return cls(uuid, revision, **found, systems=None if systems is None else tuple(systems))

    def to_body(self) -> Body:
        """Return the body of its document."""
        known = {} if self.systems is None else {"systems": list(self.systems)}
        return {"digest": self.digest, "devices": self.devices, **known}


def _are_cards(value: t.Any) -> bool:
    return isinstance(value, list) and all(map(is_card, value))


_LISTING = {"digest": or_none(is_text), "devices": is_count}
