# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed records of pod managers, nodes and flavors. Private to the collection.

Only `from_body` of a class reads its documents, and it checks every value; only `to_body` writes them. A new value in a
record requires a new schema (`store.SCHEMA`), because an older version of the collection would drop the value.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, NodeState
from ansible_collections.nec.expether.plugins.module_utils._model.properties import normal_properties
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from ansible_collections.nec.expether.plugins.module_utils._model.urls import eem_url
from ansible_collections.nec.expether.plugins.module_utils._registry.fields import (
    Test,
    is_any,
    is_card,
    is_count,
    is_flag,
    is_seconds,
    is_string,
    is_text,
    is_time,
    is_uuid,
    or_none,
    values,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Body, Kind, NotAsWritten

#: The connection options of a pod manager with the tests of their values. Earlier versions wrote fewer of them.
CONNECTION: t.Mapping[str, Test] = {
    "validate_certs": is_flag,
    "ca_path": or_none(is_text),
    "client_cert": or_none(is_text),
    "client_key": or_none(is_text),
    "timeout": is_seconds,
    "retries": is_count,
    "conditional_updates": is_flag,
}
CONNECTION_KEYS = tuple(CONNECTION)


def _is_connection(value: t.Any) -> bool:
    return isinstance(value, dict) and all(test(value[key]) for key, test in CONNECTION.items() if key in value)


class PodManager(t.NamedTuple):
    """A registered EEM.

    :ivar url: in normal form, also if an earlier version stored another form
    :ivar password: encrypted
    :ivar connection: its connection options, by `CONNECTION_KEYS`; those of an earlier version may lack some
    :ivar last_sync: when it last listed its cards
    :ivar systems: how many systems it listed when it was last `Online`; `free_slots` how many free slots they had
    :ivar degraded_since: since when its listings lack more than half of the cards that it had
    :ivar refused_at: when EEM refused its credentials with HTTP 401; `None` if it has accepted some since
    :ivar refused_credentials: which credentials that were, as a digest that reveals nothing about them
    """

    uuid: str
    revision: int
    name: str
    url: str
    username: str | None
    password: str | None
    description: str | None
    location: str | None
    connection: dict[str, t.Any]
    status: str
    api_version: str | None
    last_sync: str | None
    last_error: str | None
    systems: int | None
    free_slots: int | None
    degraded_since: str | None
    created_at: str | None
    updated_at: str | None
    refused_at: str | None = None
    refused_credentials: str | None = None

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "pod_managers"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> PodManager:
        """Return the record from the body of a document.

        :raises NotAsWritten: it is damaged
        """
        found = values(cls.kind(), uuid, body, _PODM, _PODM_OPTIONAL)
        if not is_uuid(uuid):
            raise NotAsWritten(cls.kind(), uuid)
        found["connection"] = {key: value for key, value in found["connection"].items() if key in CONNECTION}
        # Earlier versions stored empty texts instead of null, and an API version that need not be printable.
        for key in ("description", "location"):
            found[key] = found[key] or None
        if found["api_version"] is not None:
            found["api_version"] = printable(found["api_version"])
        with contextlib.suppress(InvalidInput):  # it will be reported when EEM is asked
            found["url"] = eem_url(found["url"])
        return cls(uuid, revision, **found)

    def to_body(self) -> Body:
        """Return the body of its document."""
        return _to_body(self)


_PODM: t.Mapping[str, Test] = {
    "name": is_text,
    "url": is_text,
    "username": or_none(is_text),
    "password": or_none(is_text),
    "connection": _is_connection,
    "status": is_text,
    "last_sync": or_none(is_time),
    "systems": or_none(is_count),
    "free_slots": or_none(is_count),
    "degraded_since": or_none(is_text),
}
_PODM_OPTIONAL: t.Mapping[str, Test] = {
    "description": is_string,
    "location": is_string,
    "api_version": is_string,
    "last_error": is_string,
    "created_at": is_string,
    "updated_at": is_string,
    "refused_at": is_time,
    "refused_credentials": is_text,
}


class RegisteredUrl(t.NamedTuple):
    """Reserves the URL of an EEM for one pod manager, so that two runs cannot register it under two names.

    The document `REGISTRATIONS` is written with each registration and each new URL. So of two runs that register one
    EEM by two URLs at the same time, one gets a conflict, and then sees the cards of the other.

    :ivar uuid: derived from the URL, or `REGISTRATIONS`
    """

    uuid: str
    revision: int
    podm_id: str

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "urls"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> RegisteredUrl:
        """Return the record from the body of a document.

        :raises NotAsWritten: it is damaged
        """
        return cls(uuid, revision, **values(cls.kind(), uuid, body, {"podm_id": is_text}))

    def to_body(self) -> Body:
        """Return the body of its document."""
        return _to_body(self)


class StoredNode(t.NamedTuple):
    """A node as it is stored; `index` in its document is `system_id` here.

    :ivar group_id: last known group id of the system
    """

    uuid: str
    revision: int
    name: str
    podm_id: str
    system_id: str
    state: NodeState
    group_id: str | None
    created_at: str | None
    updated_at: str | None

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "nodes"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> StoredNode:
        """Return the record from the body of a document.

        :raises NotAsWritten: it is damaged
        """
        found = values(cls.kind(), uuid, body, _NODE, _NODE_OPTIONAL)
        if not is_uuid(uuid):
            raise NotAsWritten(cls.kind(), uuid)
        return cls(uuid, revision, system_id=found.pop("index"), **found)

    def to_body(self) -> Body:
        """Return the body of its document."""
        body = _to_body(self)
        body["index"] = body.pop("system_id")
        return body

    def node(self) -> Node:
        """Return the node as plans use it."""
        return Node(self.uuid, self.name, self.system_id, self.state, self.group_id)


_NODE: t.Mapping[str, Test] = {"name": is_text, "podm_id": is_uuid, "index": is_card, "state": is_text}
_NODE_OPTIONAL: t.Mapping[str, Test] = {"group_id": is_text, "created_at": is_string, "updated_at": is_string}


class Flavor(t.NamedTuple):
    """A named set of properties.

    :ivar properties: in the form of the option `properties`
    """

    uuid: str
    revision: int
    name: str
    description: str | None
    properties: t.Any
    created_at: str | None
    updated_at: str | None

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "flavors"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> Flavor:
        """Return the record from the body of a document.

        :raises NotAsWritten: it is damaged
        """
        found = values(cls.kind(), uuid, body, _FLAVOR, {"updated_at": is_string})
        found["description"] = found["description"] or None
        found["properties"] = _normal(found["properties"])
        return cls(uuid, revision, **found)

    def to_body(self) -> Body:
        """Return the body of its document."""
        return _to_body(self)


_FLAVOR: t.Mapping[str, Test] = {
    "name": is_text,
    "description": or_none(is_text),
    "properties": is_any,
    "created_at": or_none(is_string),
}


def _normal(properties: t.Any) -> t.Any:
    """Return a flavor's properties in their normal form; earlier versions stored PCI ids as numbers.

    Invalid properties are returned unchanged, and rejected when they are used.
    """
    entries = properties.get("devices") if isinstance(properties, dict) else None
    if isinstance(entries, list):
        properties = {**properties, "devices": [_entry(entry) for entry in entries]}
    try:
        return normal_properties(properties)
    except InvalidInput:
        return properties


def _entry(entry: t.Any) -> t.Any:
    if not isinstance(entry, dict):
        return entry
    numbers = {key: entry.get(key) for key in ("vendor_id", "device_id")}
    ids = {
        key: str(number) for key, number in numbers.items() if isinstance(number, int) and not isinstance(number, bool)
    }
    return {**entry, **ids}


def _to_body(record: t.Any) -> Body:
    body: Body = record._asdict()
    del body["uuid"], body["revision"]
    return body
