# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all back ends have in common: texts of documents, conflicts about them, and errors. Private to the collection."""

from __future__ import annotations

import abc
import json
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.texts import read_json
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    SCHEMA,
    AnyOfPodm,
    AnyRecord,
    Body,
    Change,
    RegistryConflict,
    RegistryError,
)

Rows = t.Iterable[tuple[str, int, str]]

_NOUNS = {"pod_managers": "Pod manager", "nodes": "Node", "flavors": "Flavor"}


class BackEnd(abc.ABC):
    """The part of `Registry` that does not depend on where documents are.

    :ivar path: as in `Registry`
    """

    path: str

    def get(self, record_type: type[AnyRecord], uuid: str) -> AnyRecord | None:
        """Return a record, or `None`."""
        found = self._read(record_type, uuid)
        return found[0] if found else None

    def all(self, record_type: type[AnyRecord]) -> list[AnyRecord]:
        """Return all records of a type, in the order of their UUIDs."""
        return self._read(record_type, None)

    def of_podm(self, record_type: type[AnyOfPodm], podm_id: str) -> list[AnyOfPodm]:
        """Return all records of a type that belong to a pod manager, in the order of their UUIDs."""
        return [record for record in self.all(record_type) if record.podm_id == podm_id]

    @abc.abstractmethod
    def _read(self, record_type: type[AnyRecord], uuid: str | None) -> list[AnyRecord]:
        """Return the record with a UUID, or all records of a type, in the order of their UUIDs.

        :raises RegistryError: they cannot be read
        """

    def _check_schema(self, schema: int) -> None:
        """Check the schema of the registry.

        :raises RegistryError: a newer version has written it
        """
        if schema > SCHEMA:
            raise RegistryError(
                f"The registry {self.path} was written by a newer version of this collection (schema {schema};"
                f" this version supports {SCHEMA}). Install that version, or set `registry` to another registry."
            )


def unknown_outcome(error: RegistryError) -> RegistryError:
    """Return the error about a transaction that may have been made, from the one that it ended in."""
    unknown = RegistryError(
        f"{error.message} The connection was lost while a change was being committed, so it is not known whether it is stored."
    )
    unknown.changed = True
    return unknown


def loader(kind: str) -> t.Callable[[str], t.Any]:
    """Return what reads the text of a document of that kind."""
    # Texts in a device document come from its card. An older version may have stored them unfiltered.
    return read_json if kind == "devices" else json.loads


def records(record_type: type[AnyRecord], rows: Rows) -> list[AnyRecord]:
    """Return the records of documents.

    :param rows: their UUIDs, revisions and texts
    :raises ValueError: one is damaged
    :raises RecursionError: one is nested too deeply
    """
    loads = loader(record_type.kind())
    return [record_type.from_body(uuid, revision, loads(text)) for uuid, revision, text in rows]


def text_of(body: Body) -> str:
    """Return the text of a document: ASCII, so that any database can store it."""
    return json.dumps(body, sort_keys=True)


def upgraded_texts(rows: t.Iterable[tuple[str, str, int, str]]) -> t.Iterator[tuple[str, str, str]]:
    """Give the texts of documents as this version writes them, with their kinds and UUIDs; damaged ones are left out.

    :param rows: kinds, UUIDs, revisions and texts of all documents
    """
    # Imported here: this is done once in the life of a registry.
    from ansible_collections.nec.expether.plugins.module_utils._registry.upgrade import upgraded

    for kind, uuid, revision, text in rows:
        try:
            yield text_of(upgraded(kind, uuid, revision, loader(kind)(text))), kind, uuid
        except (ValueError, RecursionError):
            continue


def conflict(change: Change, stored: str | None, podm_text: t.Callable[[str], str | None]) -> RegistryConflict:
    """Return the conflict about a change, which names a pod manager, node or flavor as users know it.

    :param stored: the text of the document that there is
    :param podm_text: returns the text of a pod manager's document by its UUID
    """
    body = _object(stored) if stored is not None else change.body or {}
    if change.kind in _NOUNS:
        subject = f"{_NOUNS[change.kind]} {body['name']}" if "name" in body else f"A {_NOUNS[change.kind].lower()}"
    else:
        name = _object(podm_text(body.get("podm_id", change.uuid))).get("name")
        subject = f"Pod manager {name}" if name else "A pod manager"
    return RegistryConflict(f"{subject} has been changed by another run meanwhile.")


def _object(text: str | None) -> Body:
    """Return the object in a text; an empty one if it has none, because the document may be damaged."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
