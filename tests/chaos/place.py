# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the registry of an episode is: in a file of its own, or with `--registry` in PostgreSQL or etcd.

In PostgreSQL each worker has a database, in etcd each episode has a prefix. `place.py NAME` prints why a back end is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import typing as t
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from episode import Options

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import etcd
import postgresql

BACK_ENDS = ("sqlite", "postgresql", "etcd")
#: The URL of the server, without a database or prefix: for the workers, which have forked.
SERVER = "EXPETHER_CHAOS_SERVER"

SAVED = "saved"
TABLES = ("registry", "documents", "commits")

Rows = list[tuple[str, str, str]]


class Place(t.Protocol):
    """Where a registry is, for the options of runs; `rows` reads it, not through the library."""

    options: Options

    def rows(self) -> Rows:
        """Return kind, UUID and body of each document."""

    def save(self) -> None:
        """Save it for places whose folders have a copy of the folder `state` of this one."""


class File:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "state" / "registry.sqlite3"
        self.options: Options = {"registry": f"sqlite:///{self._path}"}

    def rows(self) -> Rows:
        if not self._path.exists():
            return []
        with contextlib.closing(sqlite3.connect(self._path, timeout=20)) as connection:
            return connection.execute("SELECT kind, uuid, body FROM documents").fetchall()

    def save(self) -> None:
        """The file is in the folder."""


class Database:
    def __init__(self, server: str, folder: Path) -> None:
        name = f"worker{os.getpid()}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(f"CREATE DATABASE {name}")
        self._url = f"{server}/{name}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            if (folder / "state" / SAVED).exists():
                for table in TABLES:
                    connection.execute(f"TRUNCATE nec_expether.{table}")
                    sql = f"INSERT INTO nec_expether.{table} SELECT * FROM saved.{table}"  # noqa: S608  # of constants
                    connection.execute(sql)
            else:
                connection.execute("DROP SCHEMA IF EXISTS nec_expether CASCADE")
        self._folder = folder
        self.options: Options = {"registry": self._url, "registry_key_file": _key(folder)}

    def rows(self) -> Rows:
        with psycopg.connect(self._url, autocommit=True) as connection:
            if connection.execute("SELECT to_regclass('nec_expether.documents')").fetchone() == (None,):
                return []
            return connection.execute("SELECT kind, uuid, body FROM nec_expether.documents").fetchall()

    def save(self) -> None:
        if self.rows():
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved")
                for table in TABLES:
                    connection.execute(f"CREATE TABLE saved.{table} AS TABLE nec_expether.{table}")
            (self._folder / "state" / SAVED).touch()


class Prefix:
    def __init__(self, server: str, folder: Path) -> None:
        self._member = f"http://{server.partition('://')[2]}"
        self._prefix = f"/{uuid.uuid4().hex}/"
        self.options: Options = {"registry": f"{server}{self._prefix}", "registry_key_file": _key(folder)}
        self._saved = folder / "state" / SAVED
        if self._saved.exists():
            for key, value in json.loads(self._saved.read_text(encoding="utf-8")).items():
                etcd.put(self._member, f"{self._prefix}{key}", value)

    def rows(self) -> Rows:
        found = etcd.values(self._member, self._prefix)
        if any(key.startswith("pending/") for key in found):
            raise RuntimeError("a transaction of an episode is larger than those of etcd")
        rows = []
        for key, value in found.items():
            folder, _slash, name = key.partition("/")
            if folder == "documents":
                kind, _slash, uuid_ = name.partition("/")
                rows.append((kind, uuid_, value.partition(" ")[2]))
        return rows

    def save(self) -> None:
        found = etcd.values(self._member, self._prefix)
        kept = {key: value for key, value in found.items() if key == "registry" or key.startswith("documents/")}
        if kept:
            self._saved.write_text(json.dumps(kept), encoding="utf-8")


def _key(folder: Path) -> str:
    """Return the path of the key file, which is made if it is not in the folder yet."""
    key = folder / "state" / "registry.key"
    key.parent.mkdir(exist_ok=True)
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(Fernet.generate_key())
    return str(key)


def place(folder: Path) -> Place:
    """Return where the registry of an episode is that is played in a folder."""
    server = os.environ.get(SERVER)
    if server is None:
        return File(folder)
    return Prefix(server, folder) if server.startswith("etcd") else Database(server, folder)


def why_not(name: str) -> str | None:
    """Return why there can be no registry in a back end here, or `None`."""
    return {"sqlite": lambda: None, "postgresql": postgresql.why_not, "etcd": etcd.why_not}[name]()


@contextlib.contextmanager
def back_end(name: str) -> Iterator[None]:
    """Have episodes keep their registries there."""
    if name == "sqlite":
        yield
        return
    reason = why_not(name)
    if reason:
        raise SystemExit(f"There is no registry in {name}: {reason}")
    server = etcd.Etcd() if name == "etcd" else postgresql.Server(max_connections="200")
    os.environ[SERVER] = server.url("/").removesuffix("/") if name == "etcd" else server.url("").removesuffix("/")
    try:
        yield
    finally:
        del os.environ[SERVER]
        server.close()


if __name__ == "__main__":
    print(why_not(sys.argv[1]) or "")
