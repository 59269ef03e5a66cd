# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry: a small store of JSON documents for what must be kept between runs. Private to the collection.

A document is identified by its kind and UUID and has a revision. Documents are changed by compare-and-swap, several in
one transaction. EEM is the source of truth about hardware; nothing here overrides it.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError

#: The schema version of the documents. A higher one means that a newer version of the collection wrote the registry.
SCHEMA = 1

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


class Document(t.NamedTuple):
    """A document as it was read."""

    uuid: str
    revision: int
    body: Body


class Change(t.NamedTuple):
    """One change of a transaction.

    :ivar body: the new body; `None` removes the document
    :ivar expected: the revision that the document must have; `NEVER` if it must not exist, `None` for any
    """

    kind: Kind
    uuid: str
    body: Body | None
    expected: int | None


class Registry(t.Protocol):
    """What every back end provides. Every method raises `RegistryError`.

    :ivar path: its location, for messages
    """

    path: str

    def get(self, kind: Kind, uuid: str) -> Document | None:
        """Return a document, or `None`."""

    def all(self, kind: Kind) -> list[Document]:
        """Return all documents of a kind, in the order of their UUIDs."""

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision of the changed documents.

        Revisions grow across the whole registry, so a document that is removed and created again never gets an old one.

        :raises RegistryConflict: a document does not have its expected revision
        """

    def close(self) -> None:
        """Close the registry."""


def iso_seconds(moment: datetime) -> str:
    """Return a time in UTC as stored in documents and shown in results: ISO 8601, seconds. Such texts sort by time."""
    return moment.strftime(TIME_FORMAT)


def now_iso() -> str:
    """Return the current time in this form."""
    return iso_seconds(datetime.now(timezone.utc))
