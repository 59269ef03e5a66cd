# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry in an SQLite file: WAL, file 0600, folder 0700. Private to the collection."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry import (
    NEVER,
    SCHEMA,
    Body,
    Change,
    Document,
    Kind,
    RegistryConflict,
    RegistryError,
    give_to_owner,
)
from ansible_collections.nec.expether.plugins.module_utils._registry_shapes import SHAPES, fits
from ansible_collections.nec.expether.plugins.module_utils._texts import read_json

_APPLICATION_ID = 0x45784574  # "ExEt": tells our file from any other SQLite file
_BUSY_SECONDS = 30.0

_TABLE = """
CREATE TABLE documents (
  kind TEXT NOT NULL,
  uuid TEXT NOT NULL,
  revision INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, uuid)
) WITHOUT ROWID
"""


class SqliteRegistry:
    """See C(Registry). The file is opened when it is first needed, and made when it is first written."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def get(self, kind: Kind, uuid: str) -> Document | None:
        """Return a document, or C(None)."""
        rows = self._read("SELECT uuid, revision, body FROM documents WHERE kind = ? AND uuid = ?", (kind, uuid))
        return rows[0] if rows else None

    def all(self, kind: Kind) -> list[Document]:
        """Return all documents of a kind, in the order of their UUIDs."""
        return self._read("SELECT uuid, revision, body FROM documents WHERE kind = ? ORDER BY uuid", (kind,))

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision that the changed documents have now."""
        if not changes:
            return NEVER
        connection = t.cast(sqlite3.Connection, self._open(make=True))
        with self._told("written"):
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("UPDATE counter SET revision = revision + 1")
                revision: int = connection.execute("SELECT revision FROM counter").fetchone()[0]
                for change in changes:
                    _apply(connection, change, revision)
                connection.execute("COMMIT")
                return revision
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, sql: str, parameters: tuple[str, ...]) -> list[Document]:
        connection = self._open(make=False)
        if connection is None:
            return []
        with self._told("read"):
            rows = connection.execute(sql, parameters).fetchall()
            # What a device's document says comes from its card, perhaps by a version that stored any text.
            loads = read_json if parameters[0] == "devices" else json.loads
            documents = [Document(uuid, revision, loads(body)) for uuid, revision, body in rows]
        for document in documents:
            body: t.Any = document.body
            if not isinstance(body, dict) or not fits({**body, "uuid": document.uuid}, SHAPES[parameters[0]]):
                raise self._damaged(f"{parameters[0]}/{document.uuid} is not as it was written")
        return documents

    def _open(self, make: bool) -> sqlite3.Connection | None:
        """Return the open file; C(None) if it is not there and is not to be made."""
        if self._connection is not None:
            return self._connection
        with self._told("opened"):
            try:
                os.stat(self.path)  # a folder that may not be looked into is an error, not "no registry"
            except FileNotFoundError:
                if not make:
                    return None
                self._make()
            if os.path.getsize(self.path) == 0:
                raise self._damaged("it is empty")
            mode = "rw" if make or os.access(self.path, os.W_OK) else "ro"
            connection = sqlite3.connect(
                f"file:{_quoted(self.path)}?mode={mode}",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._check(connection)
                connection.execute("PRAGMA synchronous = FULL")
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        return connection

    def _make(self) -> None:
        """Make the file beside its place and link it there: of two runs at once one wins, and no half file is seen."""
        folder = os.path.dirname(self.path)
        if not os.path.isdir(folder):
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        handle, draft = tempfile.mkstemp(prefix=".registry-", dir=folder)  # 0600
        try:
            with os.fdopen(handle, "wb"):
                give_to_owner(handle, folder)
            connection = sqlite3.connect(draft, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
                connection.execute(_TABLE)
                connection.execute("CREATE TABLE counter (revision INTEGER NOT NULL)")
                connection.execute("INSERT INTO counter VALUES (0)")
            finally:
                connection.close()
            with contextlib.suppress(FileExistsError):
                os.link(draft, self.path)
        finally:
            os.unlink(draft)

    def _check(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise self._damaged("it is a database of something else")
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema > SCHEMA:
            raise RegistryError(
                f"The registry {self.path} was written by a newer version of this collection (its schema is {schema},"
                f" this version knows {SCHEMA}). Install that version, or name another registry."
            )

    def _damaged(self, why: str) -> RegistryError:
        return RegistryError(
            f"The registry {self.path} is damaged or none of this collection's ({why}). It was left as it is: restore"
            " it from a backup, or move it away and register the pod managers again."
        )

    @contextlib.contextmanager
    def _told(self, what: str) -> t.Iterator[None]:
        """Turn SQLite's and the system's errors into sentences."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise RegistryError(
                f"The registry {self.path} cannot be {what} ({error}). Check that its folder and it can be written by"
                " this user, that its disk has room, and that no other program holds it."
            ) from None
        except (sqlite3.DatabaseError, ValueError) as error:
            raise self._damaged(str(error)) from None
        except OSError as error:
            raise RegistryError(
                f"The registry {self.path} cannot be {what} ({error.strerror or error}). Check that its folder exists"
                " or can be made, and can be written by this user."
            ) from None


def _apply(connection: sqlite3.Connection, change: Change, new: int) -> None:
    key = (change.kind, change.uuid)
    row = connection.execute("SELECT revision, body FROM documents WHERE kind = ? AND uuid = ?", key).fetchone()
    revision = row[0] if row else NEVER
    if change.expected is not None and revision != change.expected:
        body = json.loads(row[1]) if row else change.body
        raise RegistryConflict(f"{_subject(connection, change, body or {})} has been changed by another run meanwhile.")
    if change.body is None:
        connection.execute("DELETE FROM documents WHERE kind = ? AND uuid = ?", key)
    else:
        connection.execute(
            "INSERT INTO documents (kind, uuid, revision, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, uuid) DO UPDATE SET revision = excluded.revision, body = excluded.body",
            (*key, new, json.dumps(change.body, sort_keys=True)),
        )


_NOUNS = {"pod_managers": "Pod manager", "nodes": "Node", "flavors": "Flavor"}


def _subject(connection: sqlite3.Connection, change: Change, body: Body) -> str:
    """Return what a change is about, in the user's words: a pod manager, node or flavor by its name."""
    if change.kind in _NOUNS:
        return f"{_NOUNS[change.kind]} {body['name']}" if "name" in body else f"A {_NOUNS[change.kind].lower()}"
    podm_id = body.get("podm_id", change.uuid)
    row = connection.execute("SELECT body FROM documents WHERE kind = 'pod_managers' AND uuid = ?", (podm_id,)).fetchone()
    return f"Pod manager {json.loads(row[0])['name']}" if row else "A pod manager"


def _quoted(path: str) -> str:
    """Return a path for a file: URI."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
