# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a registry in PostgreSQL, and what a transaction does with them. Private to the collection.

All tables are in the PostgreSQL schema `nec_expether`. Functions that write must be called in a transaction that has begun.
All functions let the errors of psycopg through.
"""

from __future__ import annotations

import contextlib
import json
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.bodies import (
    Rows,
    conflict,
    text_of,
    upgraded_texts,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import SCHEMA, Change

if t.TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[t.Any, ...]]

PROGRAM = "nec.expether"
CHANNEL = "nec_expether"  # of notifications
_LONGEST_NOTICE = 7900  # bytes; PostgreSQL allows 7999

_CREATE = """
CREATE TABLE nec_expether.registry (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  program text NOT NULL,
  schema integer NOT NULL,
  revision bigint NOT NULL
);
CREATE TABLE nec_expether.documents (
  kind text COLLATE "C" NOT NULL,
  uuid text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (kind, uuid)
);
CREATE TABLE nec_expether.commits (
  revision bigint PRIMARY KEY,
  token text NOT NULL
)
"""
_COLUMNS = """
SELECT c.relname::text, a.attname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'nec_expether')
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
"""
_HAS_SCHEMA = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'nec_expether'"
#: The columns that show which schema a registry has, and all columns of this schema.
WITH_SCHEMA = frozenset((("registry", "program"), ("registry", "schema")))
NEEDED = WITH_SCHEMA | {
    ("registry", "revision"),
    *(("documents", name) for name in ("kind", "uuid", "revision", "body")),
    *(("commits", name) for name in ("revision", "token")),
}
_SELECT_ONE = "SELECT uuid, revision, body FROM nec_expether.documents WHERE kind = %s AND uuid = %s"
_SELECT_ALL = "SELECT uuid, revision, body FROM nec_expether.documents WHERE kind = %s ORDER BY uuid"
_FIRST_CONFLICT = """
SELECT c.place, d.body
FROM unnest(%s::text[], %s::text[], %s::bigint[]) WITH ORDINALITY AS c (kind, uuid, expected, place)
LEFT JOIN nec_expether.documents d ON d.kind = c.kind AND d.uuid = c.uuid
WHERE coalesce(d.revision, 0) <> c.expected
ORDER BY c.place LIMIT 1
"""
_PUT = """
INSERT INTO nec_expether.documents (kind, uuid, revision, body)
SELECT kind, uuid, %s, body FROM unnest(%s::text[], %s::text[], %s::text[]) AS c (kind, uuid, body)
ON CONFLICT (kind, uuid) DO UPDATE SET revision = excluded.revision, body = excluded.body
"""
_REMOVE = """
DELETE FROM nec_expether.documents d USING unnest(%s::text[], %s::text[]) AS c (kind, uuid)
WHERE d.kind = c.kind AND d.uuid = c.uuid RETURNING d.kind, d.body
"""
_UPGRADE = """
UPDATE nec_expether.documents d SET body = c.body
FROM unnest(%s::text[], %s::text[], %s::text[]) AS c (body, kind, uuid) WHERE d.kind = c.kind AND d.uuid = c.uuid
"""


def columns(connection: Connection) -> set[tuple[t.Any, ...]]:
    """Return the tables in the PostgreSQL schema, each with its columns: `(table, column)`."""
    return set(connection.execute(_COLUMNS).fetchall())


def create(connection: Connection) -> None:
    """Create the tables, and the PostgreSQL schema if it does not exist."""
    # A schema that an administrator has created needs no right to create one.
    if connection.execute(_HAS_SCHEMA).fetchone() == (0,):
        connection.execute("CREATE SCHEMA nec_expether")
    connection.execute(_CREATE)
    sql = "INSERT INTO nec_expether.registry (program, schema, revision) VALUES (%s, %s, 0)"
    connection.execute(sql, (PROGRAM, SCHEMA))


def rows(connection: Connection, kind: str, uuid: str | None) -> Rows:
    """Return the documents of a kind, or the one with this UUID."""
    sql, parameters = (_SELECT_ALL, (kind,)) if uuid is None else (_SELECT_ONE, (kind, uuid))
    return connection.execute(sql, parameters).fetchall()


def apply(connection: Connection, changes: t.Sequence[Change], revision: int) -> None:
    """Make changes, and announce those of devices and nodes when the transaction is committed.

    :param revision: the revision of the changed documents
    :raises RegistryConflict: a document does not have the expected revision
    """
    notice = _Notice()
    for part in _without_repetitions(changes):
        _apply_part(connection, part, revision, notice)
    notice.send(connection, revision)


def upgrade(connection: Connection) -> None:
    """Write all documents as this version does; what is damaged stays as it is."""
    stored = connection.execute("SELECT kind, uuid, revision, body FROM nec_expether.documents").fetchall()
    new = list(upgraded_texts(stored))
    connection.execute(_UPGRADE, tuple([row[place] for row in new] for place in range(3)))
    connection.execute("UPDATE nec_expether.registry SET schema = %s", (SCHEMA,))


class _Notice:
    """What a transaction changed, for programs that listen on the channel."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._podms: set[str] = set()

    def add(self, kind: str, body: t.Any) -> None:
        """Add a document, if it is a device or node."""
        if kind in ("devices", "nodes"):
            self._kinds.add(kind)
            self._podms.add(str(body.get("podm_id")) if isinstance(body, dict) else "")

    def send(self, connection: Connection, revision: int) -> None:
        """Announce it when the transaction is committed: its revision, the kinds of documents, and the pod managers.

        Too many pod managers are `null`, which stands for all.
        """
        if self._kinds:
            notice: dict[str, t.Any] = {
                "revision": revision,
                "kinds": sorted(self._kinds),
                "podms": sorted(self._podms - {""}),
            }
            text = json.dumps(notice)
            if len(text) > _LONGEST_NOTICE:
                text = json.dumps({**notice, "podms": None})
            connection.execute("SELECT pg_catalog.pg_notify(%s, %s)", (CHANNEL, text))


def _without_repetitions(changes: t.Sequence[Change]) -> t.Iterator[list[Change]]:
    """Divide changes into parts, in none of which a document is changed twice."""
    part: dict[tuple[str, str], Change] = {}
    for change in changes:
        key = (change.kind, change.uuid)
        if key in part:
            yield list(part.values())
            part = {}
        part[key] = change
    yield list(part.values())


def _apply_part(connection: Connection, changes: t.Sequence[Change], revision: int, notice: _Notice) -> None:
    checked = [change for change in changes if change.expected is not None]
    if checked:
        expected = [change.expected for change in checked]
        found = connection.execute(_FIRST_CONFLICT, (*_keys_of(checked), expected)).fetchone()
        if found:
            raise conflict(checked[found[0] - 1], found[1], lambda uuid: _podm_text(connection, uuid))
    written = [change for change in changes if change.body is not None]
    if written:
        texts = [text_of(change.body) for change in written if change.body is not None]
        connection.execute(_PUT, (revision, *_keys_of(written), texts))
        for change in written:
            notice.add(change.kind, change.body)
    removed = [change for change in changes if change.body is None]
    if removed:
        for kind, text in connection.execute(_REMOVE, _keys_of(removed)).fetchall():
            with contextlib.suppress(ValueError, RecursionError):
                notice.add(kind, json.loads(text))


def _keys_of(changes: t.Sequence[Change]) -> tuple[list[str], list[str]]:
    return [change.kind for change in changes], [change.uuid for change in changes]


def _podm_text(connection: Connection, uuid: str) -> str | None:
    row = connection.execute(_SELECT_ONE, ("pod_managers", uuid)).fetchone()
    return row[2] if row else None
