# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry: a small store of typed records for what must be kept between runs. Private to the collection.

A record is stored as a JSON document, identified by its kind and UUID, with a revision. Documents are changed by
compare-and-swap, several in one transaction. EEM is the source of truth about hardware; nothing here overrides it.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError

#: The schema of the documents. A registry with a higher one was written by a newer version of the collection; one with
#: a lower one is read as it is, and upgraded by the first transaction. 2: devices without derived values. 3: devices
#: with `populated`, `connected` and `last_node`, listings with `systems`, pod managers with refused credentials, and
#: `REGISTRATIONS`.
SCHEMA = 3

Kind = t.Literal["pod_managers", "urls", "nodes", "devices", "listings", "flavors", "claims", "pci_names"]
Body = dict[str, t.Any]

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"  # of times in documents, which are in UTC
NEVER = 0  # the revision of a document that does not exist


class RegistryError(ExpetherError):
    """The registry cannot be opened, read or written, or its content cannot be used."""

    kind = "registry"


class RegistryConflict(ExpetherError):
    """Another run has changed a document since it was read; nothing of the transaction was written."""

    kind = "registry_conflict"


class NotAsWritten(ValueError):
    """A document is damaged: no version of the collection writes it like this."""

    def __init__(self, kind: Kind, uuid: str) -> None:
        super().__init__(f"{kind}/{uuid} is not as it was written")


class Record(t.Protocol):
    """The typed content of a document."""

    @property
    def uuid(self) -> str:
        """The UUID of the document."""

    @property
    def revision(self) -> int:
        """The revision that was read; `NEVER` if the record is not stored yet."""

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""

    @classmethod
    def from_body(cls: type[AnyRecord], uuid: str, revision: int, body: t.Any) -> AnyRecord:
        """Return the record from the body of a document of any known schema.

        :raises NotAsWritten: it is damaged
        """

    def to_body(self) -> Body:
        """Return the body of its document."""


class RecordOfPodm(Record, t.Protocol):
    """A record that belongs to one pod manager."""

    @property
    def podm_id(self) -> str:
        """The pod manager's UUID."""


AnyRecord = t.TypeVar("AnyRecord", bound=Record)
AnyOfPodm = t.TypeVar("AnyOfPodm", bound=RecordOfPodm)


class Change(t.NamedTuple):
    """One change of a transaction, made by one of the functions below.

    :ivar body: the new body; `None` removes the document
    :ivar expected: the revision that the document must have; `NEVER` if it must not exist, `None` for any
    """

    kind: Kind
    uuid: str
    body: Body | None
    expected: int | None


def put(record: Record) -> Change:
    """Return the change that stores a record if its document has not changed since it was read, or still does not exist."""
    return Change(record.kind(), record.uuid, record.to_body(), record.revision)


def put_anyway(record: Record) -> Change:
    """Return the change that stores a record, even if its document has changed."""
    return put(record)._replace(expected=None)


def remove(record: Record) -> Change:
    """Return the change that removes a record if its document has not changed since it was read."""
    return Change(record.kind(), record.uuid, None, record.revision)


def remove_anyway(record_type: type[Record], uuid: str) -> Change:
    """Return the change that removes a document, even if it has changed."""
    return Change(record_type.kind(), uuid, None, None)


class Registry(t.Protocol):
    """What every back end provides. Every method raises `RegistryError`.

    :ivar path: its location, for messages
    """

    path: str

    def get(self, record_type: type[AnyRecord], uuid: str) -> AnyRecord | None:
        """Return a record, or `None`."""

    def all(self, record_type: type[AnyRecord]) -> list[AnyRecord]:
        """Return all records of a type, in the order of their UUIDs."""

    def of_podm(self, record_type: type[AnyOfPodm], podm_id: str) -> list[AnyOfPodm]:
        """Return all records of a type that belong to a pod manager, in the order of their UUIDs."""

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision of the changed documents.

        Revisions grow across the whole registry, so a document that is removed and created again never gets an old one.

        :raises RegistryConflict: a document does not have its expected revision
        """

    def hold(self, run: str) -> str | None:
        """Hold a lock for a run, which ends with this process or connection, however that ends.

        Return where it is held, for `is_held` of other runs; `None` if this registry cannot hold one. May be called again,
        and holds it again if it was lost with its connection; that is another place.

        :param run: the id of the run
        """

    def is_held(self, run: str, place: str) -> bool | None:
        """Return whether the lock of a run is held; `None` if that is not known, for example on another machine.

        :param place: what `hold` returned to that run
        """

    def close(self) -> None:
        """Close the registry, and give up its locks."""


def iso_seconds(moment: datetime) -> str:
    """Return a time in UTC as stored in documents and shown in results: ISO 8601, seconds. Such texts sort by time."""
    return moment.strftime(TIME_FORMAT)


def now_iso() -> str:
    """Return the current time in this form."""
    return iso_seconds(datetime.now(timezone.utc))
