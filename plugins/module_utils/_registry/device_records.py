# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed records of devices, and of the list that they were made from. Private to the collection."""

from __future__ import annotations

import operator
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.fields import is_text, is_whole, or_none, values
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Body, Kind, NotAsWritten


class StoredDevice(t.NamedTuple):
    """What is known of a device: facts alone. What follows from them or is looked up elsewhere is added when it is shown.

    `None` means that EEM did not give it.

    :ivar state: `free`, `allocated` or `stranded`
    :ivar node_id: the EESV that has it
    :ivar vendor_name: and `device_name`, as the PCI id list had them when EEM listed the device last
    :ivar updated_at: when EEM changed its record last
    :ivar last_seen_at: of a missing one, and since when it is missing (`missing_since`)
    """

    uuid: str
    revision: int
    device_id: str
    podm_id: str
    type: str | None
    state: str
    node_id: str | None
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
    ports_up: int | None
    enabled: bool | None
    power_state: str | None
    updated_at: str | None
    first_seen_at: str | None
    last_seen_at: str | None
    missing_since: str | None

    @staticmethod
    def kind() -> Kind:
        """Return which kind of document it is."""
        return "devices"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> StoredDevice:
        """Return the record of a document.

        Of schema 1 too: its documents have further values, which follow from these.

        :param body: with printable texts, as `read_json` returns them
        :raises NotAsWritten: it is none
        """
        # Written for speed: a registry has thousands of them.
        if not isinstance(body, dict) or not body.keys() >= _NEEDED:
            raise NotAsWritten(cls.kind(), uuid)
        record = cls._make((uuid, revision, *map(body.get, _KEYS)))
        if (
            not _TEXT_OR_NONE.issuperset(map(type, _texts(record)))
            or None in (record.device_id, record.podm_id, record.state)
            or not (record.ports_up is None or is_whole(record.ports_up))
            or not (record.enabled is None or isinstance(record.enabled, bool))
        ):
            raise NotAsWritten(cls.kind(), uuid)
        return record

    def to_body(self) -> Body:
        """Return what is stored of it."""
        return dict(zip(_KEYS, self[2:]))

    @property
    def reachable(self) -> bool | None:
        """Whether the card answers: any notification status is `up` [nec]."""
        return None if self.ports_up is None else self.ports_up > 0


_KEYS = StoredDevice._fields[2:]
_texts = operator.itemgetter(
    *(place for place, key in enumerate(StoredDevice._fields) if key not in ("revision", "ports_up", "enabled"))
)
_TEXT_OR_NONE = frozenset((str, type(None)))
_NEEDED = frozenset(("device_id", "podm_id", "node_id", "type", "state", "missing_since"))


class StoredListing(t.NamedTuple):
    """Which list of EEM's the devices of a pod manager were made from.

    It changes with each of them, so that who has asked EEM before notices it.

    :ivar uuid: the pod manager's
    :ivar digest: of the list, if the devices are just those of that list; else `None`
    :ivar devices: how many devices it has
    """

    uuid: str
    revision: int
    digest: str | None
    devices: int

    @staticmethod
    def kind() -> Kind:
        """Return which kind of document it is."""
        return "listings"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> StoredListing:
        """Return the record of a document.

        :raises NotAsWritten: it is none
        """
        found = values(cls.kind(), uuid, body, {"digest": or_none(is_text), "devices": is_whole})
        return cls(uuid, revision, **found)

    def to_body(self) -> Body:
        """Return what is stored of it."""
        return {"digest": self.digest, "devices": self.devices}
