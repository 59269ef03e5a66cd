# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""The registry in a PostgreSQL database, for several controllers. Private to the collection.

Every transaction that writes locks the only row of the table `registry` first, so that they run one after the other, as
in SQLite; none of them can fail to serialise. Every read is one statement, and so sees one moment.

The table `commits` has a token for each of the last transactions. If the connection is lost during COMMIT, the same
transaction is begun again on a new connection: it gets the lock when the old one has ended on the server, and then the
token shows whether the old one was committed. It works on a promoted standby too, where ids of transactions may be given
again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import selectors
import time
import typing as t
import uuid as uuids

from ansible_collections.nec.expether.plugins.module_utils._model.libraries import need
from ansible_collections.nec.expether.plugins.module_utils._registry import postgresql_tables as tables
from ansible_collections.nec.expether.plugins.module_utils._registry.bodies import (
    BackEnd,
    Rows,
    records,
    unknown_outcome,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.postgresql_url import shown_url
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    AnyRecord,
    Change,
    RegistryError,
)

MISSING: Exception | None = None
try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
    MISSING = missing

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._registry.postgresql_tables import Connection

T = t.TypeVar("T")

RECONNECT_SECONDS = 60.0  # how long a run waits for a server to accept writes again, such as a standby that is promoted
_PAUSE = 0.25  # seconds between two attempts
_KEPT = 10_000  # how many transactions `commits` has
_MAKING = 0x45784574  # the advisory lock of whoever creates the tables
_DEFAULTS: t.Mapping[str, tuple[str, str]] = {  # parameters of libpq, with their environment variables
    "connect_timeout": ("PGCONNECT_TIMEOUT", "10"),  # seconds, for each host
    "target_session_attrs": ("PGTARGETSESSIONATTRS", "read-write"),
    "fallback_application_name": ("", tables.PROGRAM),
    # A server that does not respond any more is noticed after half a minute, not after the two hours of the kernel.
    "keepalives_idle": ("", "10"),
    "keepalives_interval": ("", "5"),
    "keepalives_count": ("", "4"),
    "tcp_user_timeout": ("", "30000"),
}

# The row of the registry is locked by those who wait for it; one that has stopped in between is ended by the server.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout = '30s';
SET LOCAL idle_in_transaction_session_timeout = '20s'
"""
_COUNT = "UPDATE nec_expether.registry SET revision = revision + 1 RETURNING revision, schema"
_SERVER = "extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text"
_IS_READ_ONLY = re.compile("session is read-only|server is in hot standby mode|server is not in primary mode")
# Of each host that psycopg has tried: its name, its port, and the reason.
_VALUE = "(?:'([^'\n]*)'|None|(?=[0-9]))"
_ATTEMPT = re.compile(
    rf"(?ms)^- host: {_VALUE}, port: {_VALUE}[0-9]*, hostaddr: [^\n]*?(?:'|None): (.*?)(?=^- host: |\Z)"
)
# What psycopg and libpq add to the reason of each attempt.
_NOISE = re.compile(
    r"\.?\s*Is the server running on that host .*?\?|connection failed: |connection to server at .*? failed: "
)
_IS_LOCKED = f"""
SELECT {_SERVER}, EXISTS (
  SELECT FROM pg_catalog.pg_locks
  WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = %s::bigint
)
"""  # noqa: S608  # of constants


@dataclasses.dataclass
class _Transaction:
    """A transaction that is tried until its outcome is known.

    :ivar is_sent: whether a COMMIT was sent whose outcome is not known
    """

    changes: t.Sequence[Change]
    token: str
    is_sent: bool = False


class PostgresqlRegistry(BackEnd):
    """See `Registry`. The first write creates the tables.

    A connection that is lost is made again, also to another host. Reads are repeated then, and so is a transaction,
    unless it turns out to be committed.

    :raises MissingLibrary: psycopg is not installed or too old
    :raises RegistryError: the URL is not valid, or contains a password
    """

    def __init__(self, url: str) -> None:
        self.path = shown_url(url)
        need("psycopg", MISSING)
        self._url = url
        self._connection: Connection | None = None
        self._was_connected = False
        self._is_made = False  # whether the tables are there, as far as this connection has seen
        self._place: str | None = None  # of locks, see `hold`; `None` if a pooler does not keep them
        self._runs: set[str] = set()

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision of the changed documents."""
        if not changes:
            return NEVER
        transaction = _Transaction(changes, uuids.uuid4().hex)
        try:
            return self._repeat("written", lambda connection: self._commit(connection, transaction))
        except RegistryError as error:
            if not transaction.is_sent:
                raise
            raise unknown_outcome(error) from None

    def hold(self, run: str) -> str | None:
        """Hold a lock for a run; return where, or `None` if a pooler does not keep locks.

        If the connection was lost, the lock is held on another one, which is another place: another run may have believed
        meanwhile that this run is dead.
        """
        self._repeat("locked", lambda connection: connection.execute("SELECT 1"))  # notices a lost connection
        if self._place is not None and run not in self._runs:
            self._repeat("locked", lambda connection: _lock(connection, run))
            self._runs.add(run)
        return self._place

    def is_held(self, run: str, place: str) -> bool | None:
        """Return whether the lock of a run is held; `None` if the server was started since then, or is another one."""

        def look(connection: Connection) -> bool | None:
            server, is_held = t.cast(tuple[str, bool], connection.execute(_IS_LOCKED, (_key_of(run),)).fetchone())
            return is_held if place.split(" ")[0] == server else None

        return self._repeat("read", look)

    def wait_for_change(self, seconds: float) -> bool:
        """Wait until a transaction changes a device or node; return whether one has, or may have.

        It may have while there was no connection: then this returns at once, and listens from now on.

        :param seconds: how long to wait
        :raises RegistryError: the connection was lost, or cannot be made
        """
        try:
            if self._connection is None:
                self._open().execute(f"LISTEN {tables.CHANNEL}")
                return True
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection.fileno(), selectors.EVENT_READ)
                if not selector.select(seconds):
                    return False
            self._connection.pgconn.consume_input()
            notices = [*iter(self._connection.pgconn.notifies, None)]
            return bool(notices)
        except psycopg.Error as error:
            self._drop()
            raise self._translated("read", error) from None

    def close(self) -> None:
        """Close the connection, which gives up the locks."""
        self._runs.clear()
        self._drop()

    # -- connections -------------------------------------------------------------------------------------------------

    def _repeat(self, what: str, operation: t.Callable[[Connection], T]) -> T:
        """Return the result of an operation; repeat it on a new connection while this one is lost.

        The first connection of a run is tried once, so that a wrong URL is reported at once.
        """
        deadline = None
        while True:
            try:
                return operation(self._open())
            except psycopg.Error as error:
                connection = self._connection
                is_lost = connection.closed if connection else isinstance(error, psycopg.OperationalError)
                # The server became a standby, or cancelled a transaction for a reason that may not be there next time.
                is_standby, is_cancelled = error.sqlstate == "25006", (error.sqlstate or "").startswith("40")
                if is_lost or is_standby:
                    self._drop()
                if deadline is None:
                    deadline = time.monotonic() + RECONNECT_SECONDS
                if (
                    not (is_lost or is_standby or is_cancelled)
                    or not self._was_connected
                    or time.monotonic() > deadline
                ):
                    raise self._translated(what, error) from None
                time.sleep(_PAUSE)

    def _open(self) -> Connection:
        if self._connection is None:
            connection = self._connect()
            try:
                self._is_made = self._inspect(connection)
                self._place = self._place_of(connection)
                for run in self._runs if self._place is not None else ():
                    _lock(connection, run)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._was_connected = True
        return self._connection

    def _connect(self) -> Connection:
        try:
            given = conninfo_to_dict(self._url)
        except psycopg.ProgrammingError as error:
            raise RegistryError(
                f"The URL of the registry {self.path} is not valid ({_one_line(error)}). Correct `registry`."
            ) from None
        has_service = "service" in given or "PGSERVICE" in os.environ  # whose file may have all parameters
        defaults: dict[str, t.Any] = {
            name: value
            for name, (variable, value) in _DEFAULTS.items()
            if not (has_service or name in given or variable in os.environ)
        }
        # Prepared statements and poolers do not go together.
        return psycopg.connect(self._url, autocommit=True, prepare_threshold=None, client_encoding="utf8", **defaults)

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, record_type: type[AnyRecord], uuid: str | None) -> list[AnyRecord]:
        def rows(connection: Connection) -> Rows:
            if not self._is_made:
                self._is_made = self._inspect(connection)
            return tables.rows(connection, record_type.kind(), uuid) if self._is_made else []

        found = self._repeat("read", rows)
        try:
            return records(record_type, found)
        except (ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from None

    def _inspect(self, connection: Connection) -> bool:
        """Return whether the tables are there.

        :raises RegistryError: they are not those of a registry, or of a newer version
        """
        columns = tables.columns(connection)
        if not columns:
            return False
        if not columns >= tables.WITH_SCHEMA:
            raise self._damaged("the schema nec_expether has tables of another program")
        found = connection.execute("SELECT program, schema FROM nec_expether.registry").fetchall()
        if len(found) != 1 or found[0][0] != tables.PROGRAM:
            raise self._damaged("the schema nec_expether has tables of another program")
        self._check_schema(found[0][1])
        if not columns >= tables.NEEDED:
            raise self._damaged("tables or columns in the schema nec_expether are missing")
        return True

    # -- writing -----------------------------------------------------------------------------------------------------

    def _commit(self, connection: Connection, transaction: _Transaction) -> int:
        is_sent = False  # COMMIT, by this attempt
        connection.execute(_BEGIN)
        try:
            if not self._is_made:
                self._make(connection)
            # Waits for the end of other transactions, also for that of an earlier attempt of this one.
            counted = connection.execute(_COUNT).fetchone()
            if counted is None:
                raise self._damaged("the table nec_expether.registry is empty")
            revision, schema = counted
            if transaction.is_sent:
                sql = "SELECT revision FROM nec_expether.commits WHERE token = %s"
                committed = connection.execute(sql, (transaction.token,)).fetchone()
                transaction.is_sent = False
                if committed:
                    connection.execute("ROLLBACK")
                    return t.cast(int, committed[0])
            self._check_schema(schema)
            if schema < SCHEMA:
                tables.upgrade(connection)
            tables.apply(connection, transaction.changes, revision)
            connection.execute("INSERT INTO nec_expether.commits VALUES (%s, %s)", (revision, transaction.token))
            connection.execute("DELETE FROM nec_expether.commits WHERE revision <= %s", (revision - _KEPT,))
            is_sent = transaction.is_sent = True
            connection.execute("COMMIT")
            transaction.is_sent = False
            self._is_made = True
            return t.cast(int, revision)
        except BaseException:
            # The server rolls back by itself if this connection is lost.
            with contextlib.suppress(psycopg.Error):
                connection.execute("ROLLBACK")
                transaction.is_sent = transaction.is_sent and not is_sent
            raise

    def _make(self, connection: Connection) -> None:
        """Create the tables in a transaction that has begun, unless another run has created them meanwhile."""
        connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", (_MAKING,))
        if self._inspect(connection):
            return
        tables.create(connection)

    # -- locks -------------------------------------------------------------------------------------------------------

    def _place_of(self, connection: Connection) -> str | None:
        """Return where a connection has its locks: when the server was started, and which of its processes it is."""
        sql = f"SELECT {_SERVER}, pg_catalog.pg_backend_pid()"  # noqa: S608  # of constants
        started, pid = t.cast(tuple[str, int], connection.execute(sql).fetchone())
        if pid != connection.info.backend_pid and not self._keeps_process(connection, pid):
            return None
        return f"{started} {pid}"

    def _keeps_process(self, connection: Connection, pid: int) -> bool:
        """Whether a pooler gives this connection one process of the server for as long as it lasts.

        It does not if a second connection gets the process that the first one had, or if the first one has another
        process while the second one is in a transaction.
        """
        sql = "SELECT pg_catalog.pg_backend_pid()"
        with contextlib.closing(self._connect()) as other:
            other.execute("BEGIN")
            return pid not in (other.execute(sql).fetchone() or ()) and connection.execute(sql).fetchone() == (pid,)

    # -- messages ----------------------------------------------------------------------------------------------------

    def _damaged(self, why: str) -> RegistryError:
        return RegistryError(
            f"The registry {self.path} is damaged or was not created by this collection ({why}). It was not changed."
            " Restore it from a backup, or use another database and register the pod managers again."
        )

    def _translated(self, what: str, error: psycopg.Error) -> RegistryError:
        """Return the `RegistryError` for an error of PostgreSQL. Its messages contain no password."""
        reason = _reason(error)
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return RegistryError(
                f"The registry {self.path} cannot be {what}, because the role lacks a right ({reason}). The first write needs"
                " the right CREATE on the database, or a schema nec_expether that belongs to the role; afterwards the role"
                " needs USAGE on that schema, and SELECT, INSERT, UPDATE and DELETE on its tables."
            )
        if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)):
            return self._damaged(reason)
        if _IS_READ_ONLY.search(reason):
            return RegistryError(
                f"The registry {self.path} cannot be {what}, because no host of its URL accepts changes ({reason}). Add the"
                " primary to the URL, or run the task again when a standby is promoted."
            )
        return RegistryError(
            f"The registry {self.path} cannot be {what} ({reason}). Check that the database exists, that the server accepts"
            " connections from this host, and that the user and its password are right (PGPASSWORD, or PGPASSFILE, which must"
            " have a line for this connection, and is ignored unless only its owner can read it)."
        )


def _lock(connection: Connection, run: str) -> None:
    # Shared: a connection of this run that is lost may keep its lock until the server notices.
    connection.execute("SELECT pg_catalog.pg_advisory_lock_shared(%s)", (_key_of(run),))


def _key_of(run: str) -> int:
    """Return the number of the advisory lock of a run."""
    return int.from_bytes(hashlib.sha256(run.encode()).digest()[:8], "big", signed=True)


def _reason(error: psycopg.Error) -> str:
    """Return what an error says in one line; if several hosts were tried, what each of them said."""
    attempts = _ATTEMPT.findall(str(error).partition("Multiple connection attempts failed")[2])
    if not attempts:
        return _one_line(error)
    return "; ".join(
        f"{host}:{port}".strip(":") + f": {_NOISE.sub('', _one_line(text))}" for host, port, text in attempts
    )


def _one_line(error: BaseException | str) -> str:
    """Return a message of several lines as one, without the statement that PostgreSQL quotes, and without repetitions.

    libpq reports the same for its attempts with and without TLS.
    """
    lines = str(error).partition("\nLINE ")[0].removeprefix("connection failed: ").split("\n")
    parts = dict.fromkeys(" ".join(line.split()).rstrip(".") for line in lines if line.strip())
    return "".join(
        part if number == 0 else f"{'. ' if part[0].isupper() else ', '}{part}" for number, part in enumerate(parts)
    )
