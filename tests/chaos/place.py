# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the registry of an episode is: in a file of its own, or with `--registry postgresql` in a database of the worker."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from episode import Options

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from postgresql import Server, why_not

BACK_ENDS = ("sqlite", "postgresql")
#: The URL of the server, without a database: for the workers, which have forked.
SERVER = "EXPETHER_CHAOS_POSTGRESQL"

Rows = list[tuple[str, str, str]]


class Place(t.Protocol):
    """Where a registry is, for the options of runs; `rows` reads it, not through the library."""

    options: Options

    def rows(self) -> Rows:
        """Return kind, UUID and body of each document."""


class File:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "state" / "registry.sqlite3"
        self.options: Options = {"registry": f"sqlite:///{self._path}"}

    def rows(self) -> Rows:
        if not self._path.exists():
            return []
        with contextlib.closing(sqlite3.connect(self._path, timeout=20)) as connection:
            return connection.execute("SELECT kind, uuid, body FROM documents").fetchall()


class Database:
    def __init__(self, server: str, folder: Path) -> None:
        name = f"worker{os.getpid()}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(f"CREATE DATABASE {name}")
        self._url = f"{server}/{name}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS nec_expether CASCADE")
        key = folder / "registry.key"
        key.touch(mode=0o600)
        key.write_bytes(Fernet.generate_key())
        self.options: Options = {"registry": self._url, "registry_key_file": str(key)}

    def rows(self) -> Rows:
        with psycopg.connect(self._url, autocommit=True) as connection:
            if connection.execute("SELECT to_regclass('nec_expether.documents')").fetchone() == (None,):
                return []
            return connection.execute("SELECT kind, uuid, body FROM nec_expether.documents").fetchall()


def place(folder: Path) -> Place:
    """Return where the registry of an episode is that is played in a folder."""
    server = os.environ.get(SERVER)
    return Database(server, folder) if server else File(folder)


@contextlib.contextmanager
def back_end(name: str) -> Iterator[None]:
    """Have episodes keep their registries there."""
    if name == "sqlite":
        yield
        return
    reason = why_not()
    if reason:
        raise SystemExit(f"There is no registry in PostgreSQL: {reason}")
    server = Server(max_connections="200")
    os.environ[SERVER] = server.url("").removesuffix("/")
    try:
        yield
    finally:
        del os.environ[SERVER]
        server.close()
