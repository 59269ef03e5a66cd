# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be remembered between runs: a small store of JSON documents. Private to the collection.

Documents are C(kind/uuid), each with a revision, changed by compare-and-swap, several in one transaction.
EEM is the truth about hardware; nothing here overrides it.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError

#: The schema of the documents. A registry with a higher one was written by a newer version of the collection.
SCHEMA = 1

Kind = t.Literal["pod_managers", "urls", "nodes", "devices", "listings", "flavors", "claims", "pci_names"]
Body = dict[str, t.Any]

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"  # of times in documents, in UTC
NEVER = 0  # the revision of a document that is not there


class RegistryError(ExpetherError):
    """The registry cannot be opened, read or written, or what is in it cannot be used."""

    kind = "registry"


class RegistryConflict(ExpetherError):
    """Another run has changed a document since it was read; nothing of the transaction was written."""

    kind = "registry_conflict"


class Document(t.NamedTuple):
    """One document as it was read."""

    uuid: str
    revision: int
    body: Body


class Change(t.NamedTuple):
    """One change of a transaction.

    :ivar body: the new body; C(None) removes the document
    :ivar expected: the revision that the document must have, C(NEVER) if it must not be there;
        C(None) for any
    """

    kind: Kind
    uuid: str
    body: Body | None
    expected: int | None


class Registry(t.Protocol):
    """What every back end does. Every method raises C(RegistryError).

    :ivar path: where it is, for messages
    """

    path: str

    def get(self, kind: Kind, uuid: str) -> Document | None:
        """Return a document, or C(None)."""

    def all(self, kind: Kind) -> list[Document]:
        """Return all documents of a kind, in the order of their UUIDs."""

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision that the changed documents have now.

        Revisions grow over the whole registry, so that none comes back with a document that was removed and
        made again.

        :raises RegistryConflict: a document has not its expected revision
        """

    def close(self) -> None:
        """Give back what the registry holds."""


def iso_seconds(moment: datetime) -> str:
    """Return a time in UTC as documents and results have it: ISO 8601, seconds. Such texts sort by time."""
    return moment.strftime(TIME_FORMAT)


def now_iso() -> str:
    """Return the time as documents and results have it."""
    return iso_seconds(datetime.now(timezone.utc))
