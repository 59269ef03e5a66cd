# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry in an SQLite file (WAL mode, file 0600, folder 0700). Private to the collection."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.bodies import (
    BackEnd,
    conflict,
    records,
    text_of,
    upgraded_texts,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.owner_rights import (
    Owner,
    UnsafeFolder,
    make_folder,
    owner_of,
    rights_of,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.private_files import publish, why_not_private
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    AnyRecord,
    Change,
    RegistryError,
)

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._registry.run_locks import RunLocks

_APPLICATION_ID = 0x45784574  # "ExEt": distinguishes our file from other SQLite files
_BUSY_SECONDS = 30.0
_SIBLINGS = ("-wal", "-shm", "-journal")  # files that SQLite creates beside its own

_TABLE = """
CREATE TABLE documents (
  kind TEXT NOT NULL,
  uuid TEXT NOT NULL,
  revision INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, uuid)
) WITHOUT ROWID
"""
_SELECT_ONE = "SELECT uuid, revision, body FROM documents WHERE kind = ? AND uuid = ?"
_SELECT_ALL = "SELECT uuid, revision, body FROM documents WHERE kind = ? ORDER BY uuid"


class SqliteRegistry(BackEnd):
    """See `Registry`. The file is opened when it is first needed, and created by the first write."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._owner: Owner | None = None
        self._locks: RunLocks | None = None

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision of the changed documents."""
        if not changes:
            return NEVER
        connection = t.cast(sqlite3.Connection, self._open(make=True))
        with self._translate_errors("written"), rights_of(self._owner):
            connection.execute("BEGIN IMMEDIATE")
            try:
                # Again in each transaction: another process may have upgraded the file since it was opened.
                if self._schema(connection) < SCHEMA:
                    _upgrade(connection)
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

    def hold(self, run: str) -> str | None:
        """Hold a lock for a run; return where it is held, or `None` if no lock can be held beside the file."""
        self._open(make=True)
        return self._run_locks().hold(run)

    def is_held(self, run: str, place: str) -> bool | None:
        """Return whether the lock of a run is held; `None` if that is not known."""
        self._open(make=False)
        return self._run_locks().is_held(run, place)

    def close(self) -> None:
        """Close the file, and give up the locks."""
        if self._locks is not None:
            self._locks.close()
            self._locks = None
        if self._connection is not None:
            with rights_of(self._owner):  # SQLite removes the files that it has created, by name
                self._connection.close()
            self._connection = None

    def _run_locks(self) -> RunLocks:
        # Imported here, because only runs that change cards, or meet claims of others, need it.
        from ansible_collections.nec.expether.plugins.module_utils._registry.run_locks import RunLocks

        if self._locks is None:
            self._locks = RunLocks(os.path.realpath(self.path), self._owner)
        return self._locks

    def _read(self, record_type: type[AnyRecord], uuid: str | None) -> list[AnyRecord]:
        connection = self._open(make=False)
        if connection is None:
            return []
        sql, parameters = (_SELECT_ALL, ()) if uuid is None else (_SELECT_ONE, (uuid,))
        with self._translate_errors("read"):
            with rights_of(self._owner):
                rows = connection.execute(sql, (record_type.kind(), *parameters)).fetchall()
            return records(record_type, rows)

    def _open(self, make: bool) -> sqlite3.Connection | None:
        """Return the open database; `None` if it does not exist and must not be created."""
        if self._connection is not None:
            return self._connection
        with self._translate_errors("opened"):
            # Checked at each attempt: the folder may have been created, or its owner changed, since the last one.
            self._owner = owner_of(self.path)
            with rights_of(self._owner):
                is_there = self._is_there()
            if not is_there:
                if not make:
                    return None
                self._make()
            with rights_of(self._owner):
                self._connection = self._connect(make)
        return self._connection

    def _is_there(self) -> bool:
        try:
            os.stat(self.path)  # a folder without permission is an error, not "no registry"
        except FileNotFoundError:
            return False
        return True

    def _connect(self, make: bool) -> sqlite3.Connection:
        self._check_files()
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
        return connection

    def _check_files(self) -> None:
        """Check the file and those beside it before SQLite opens them, which would wait for a named pipe."""
        found, uid = os.stat(self.path), self._owner.uid if self._owner else None
        problem = why_not_private(self.path, found, uid)
        if not problem and found.st_size == 0:
            raise self._damaged("it is empty")
        real = os.path.realpath(self.path)  # SQLite creates its own files beside the real file
        for end in _SIBLINGS if not problem else ():
            with contextlib.suppress(FileNotFoundError):
                problem = problem or why_not_private(real + end, os.lstat(real + end), uid)
        if problem:
            raise RegistryError(f"The registry cannot be used: {problem}")

    def _make(self) -> None:
        """Create the file under another name and publish it when it is complete."""
        folder = os.path.dirname(self.path)
        make_folder(folder, 0o700)
        self._owner = owner_of(self.path)
        with rights_of(self._owner):
            handle, draft = tempfile.mkstemp(prefix=".registry-", dir=folder)  # 0600
            try:
                os.close(handle)
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
                publish(draft, self.path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft)

    def _check(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise self._damaged("it is the database of another program")
        self._schema(connection)

    def _schema(self, connection: sqlite3.Connection) -> int:
        """Return the file's schema.

        :raises RegistryError: a newer version has written it
        """
        schema: int = connection.execute("PRAGMA user_version").fetchone()[0]
        self._check_schema(schema)
        return schema

    def _damaged(self, why: str) -> RegistryError:
        return RegistryError(
            f"The registry {self.path} is damaged or was not created by this collection ({why}). It was not changed."
            " Restore it from a backup, or move it away and register the pod managers again."
        )

    @contextlib.contextmanager
    def _translate_errors(self, what: str) -> t.Iterator[None]:
        """Translate errors of SQLite and of the operating system into `RegistryError`."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise RegistryError(
                f"The registry {self.path} cannot be {what} ({error}). Check that this user can write the file and"
                " its folder, that the disk has free space, and that no other program has locked the file."
            ) from None
        except (sqlite3.DatabaseError, ValueError, RecursionError) as error:  # a document may be nested too deeply
            raise self._damaged(str(error)) from None
        except UnsafeFolder as error:
            raise RegistryError(f"The registry {self.path} cannot be {what}: {error}") from None
        except OSError as error:
            raise RegistryError(
                f"The registry {self.path} cannot be {what} ({error.strerror or error}). Check that its folder exists"
                " or can be created, and that this user can write to it."
            ) from None


def _upgrade(connection: sqlite3.Connection) -> None:
    """Write all documents as this version does, in a transaction that has begun; what is damaged stays as it is."""
    rows = connection.execute("SELECT kind, uuid, revision, body FROM documents").fetchall()
    connection.executemany("UPDATE documents SET body = ? WHERE kind = ? AND uuid = ?", upgraded_texts(rows))
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _apply(connection: sqlite3.Connection, change: Change, new: int) -> None:
    key = (change.kind, change.uuid)
    row = connection.execute("SELECT revision, body FROM documents WHERE kind = ? AND uuid = ?", key).fetchone()
    revision = row[0] if row else NEVER
    if change.expected is not None and revision != change.expected:
        raise conflict(change, row[1] if row else None, lambda uuid: _podm_text(connection, uuid))
    if change.body is None:
        connection.execute("DELETE FROM documents WHERE kind = ? AND uuid = ?", key)
    else:
        connection.execute(
            "INSERT INTO documents (kind, uuid, revision, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, uuid) DO UPDATE SET revision = excluded.revision, body = excluded.body",
            (*key, new, text_of(change.body)),
        )


def _podm_text(connection: sqlite3.Connection, uuid: str) -> str | None:
    row = connection.execute(_SELECT_ONE, ("pod_managers", uuid)).fetchone()
    return row[2] if row else None


def _quoted(path: str) -> str:
    """Return a path, quoted for a `file:` URI."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
