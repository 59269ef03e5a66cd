# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL server for tests, in a folder of its own, and standbys of it. Root runs it as another user."""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import psycopg

#: Nothing of these servers outlives a test, so that they need not write to the disk.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_wal_senders": "4",
    "wal_level": "replica",
    "listen_addresses": "127.0.0.1",
    "autovacuum": "off",
}


def binaries() -> Path | None:
    """Return the folder of the newest installed server, or `None`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    name = shutil.which("postgres")
    return Path(name).resolve().parent if name else None


def why_not() -> str | None:
    """Return why no server can be started here, or `None`."""
    if binaries() is None:
        return "no PostgreSQL server is installed (Debian: postgresql)"
    if os.geteuid() == 0 and _user() is None:
        return "PostgreSQL refuses to run as root, and there is no user nobody or postgres"
    return None


def _user() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return t.cast(int, probe.getsockname()[1])


class Server:
    """A server. Its superuser is `postgres`, and everybody on this machine is trusted, unless `hba` says otherwise.

    :param primary: the server of which it is a standby
    """

    def __init__(self, primary: Server | None = None, **settings: str) -> None:
        self.bin = t.cast(Path, binaries())
        self.port = free_port()
        # Not below pytest's folder, which other users cannot enter, and whose path is too long for sockets.
        self.folder = Path(tempfile.mkdtemp(prefix="expether-pg-", dir="/tmp"))
        self.data = self.folder / "data"
        if os.geteuid() == 0:
            user = t.cast(pwd.struct_passwd, _user())
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.folder.chmod(0o755)
        try:
            if primary is None:
                self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
            else:
                source = f"host=127.0.0.1 port={primary.port} user=postgres"
                self._run("pg_basebackup", "-R", "-d", source, "-c", "fast", "--no-sync", "-X", "stream")
            lines = {**SETTINGS, **settings, "unix_socket_directories": str(self.folder)}
            with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
                file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())
            try:
                self.start()
            except RuntimeError:  # another process may have got the port in between
                self.port = free_port()
                self.start()
        except BaseException:
            self.close()
            raise

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as the user of its files."""
        user = _user() if os.geteuid() == 0 else None
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        command = [str(self.bin / program), "-D", str(self.data), *arguments]
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            done = subprocess.run(command, check=False, cwd="/", stdout=log, stderr=log, timeout=250, **as_user)  # type: ignore[call-overload]
        if done.returncode:
            logs = (self.folder / name for name in ("log", "server.log"))
            log_text = "".join(path.read_text(encoding="utf-8") for path in logs if path.exists())
            raise RuntimeError(f"{program} failed:\n{log_text}")

    def start(self) -> None:
        if os.geteuid() == 0:
            user = t.cast(pwd.struct_passwd, _user())
            (self.folder / "server.log").touch()
            os.chown(self.folder / "server.log", user.pw_uid, user.pw_gid)
        self._run("pg_ctl", "-w", "-o", f"-p {self.port}", "-l", str(self.folder / "server.log"), "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it at once, as in a crash."""
        self._run("pg_ctl", "-m", how, "stop")

    def promote(self) -> None:
        """Make the standby the primary."""
        self._run("pg_ctl", "-w", "promote")

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, content: bytes) -> None:
        """Write a file in the folder of the data, for its user only."""
        path = self.data / name
        path.write_bytes(content)
        path.chmod(0o600)
        if os.geteuid() == 0:
            user = t.cast(pwd.struct_passwd, _user())
            os.chown(path, user.pw_uid, user.pw_gid)

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, *parameters: t.Any, database: str = "postgres") -> list[tuple[t.Any, ...]]:
        """Execute a statement, not through the library; return its rows."""
        how = {"client_encoding": "utf8", "options": "-c search_path=nec_expether,public"}
        with psycopg.connect(self.url(database), autocommit=True, **how) as connection:
            cursor = connection.execute(sql, parameters or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def create(self, database: str) -> str:
        """Create an empty database; return its URL."""
        self.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)


class Proxy:
    """Forwards connections to a server, and loses one when a client commits on it.

    :ivar losses: what happens at the next commits: `before` loses the connection before the server gets COMMIT, `after`
        when the server has answered it, and `late` loses only the client's side, while the server waits for more
    :ivar meanwhile: called when a connection was lost
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = t.cast(int, self._listener.getsockname()[1])
        self.losses: list[str] = []
        self.meanwhile: t.Callable[[], object] = lambda: None
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                return
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        loss = None
        with client:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    try:
                        data = source.recv(1 << 16)
                    except OSError:
                        data = b""
                    if source is client and b"COMMIT\0" in data and self.losses:
                        loss = self.losses.pop(0)
                    if not data or loss in ("before", "late") or (loss == "after" and source is server):
                        if loss == "late":
                            self._kept.append(server)
                        else:
                            server.close()
                        if loss:
                            self.meanwhile()
                        return
                    (server if source is client else client).sendall(data)

    def end_kept(self) -> None:
        """Close the connections to the server that were kept."""
        for server in self._kept:
            server.close()
        self._kept.clear()

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.end_kept()


class Pooler:
    """A PgBouncer in front of a server.

    :param mode: `session` or `transaction`
    """

    def __init__(self, server: Server, mode: str) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="expether-pgbouncer-", dir="/tmp"))
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
            "logfile": "",
        }
        text = f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres\n[pgbouncer]\n"
        (self._folder / "pgbouncer.ini").write_text(
            text + "".join(f"{name} = {value}\n" for name, value in lines.items())
        )
        self._folder.chmod(0o755)
        user = _user() if os.geteuid() == 0 else None
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        command = [t.cast(str, pooler_program()), str(self._folder / "pgbouncer.ini")]
        self._process = subprocess.Popen(
            command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user
        )  # type: ignore[call-overload]
        for _dummy in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        self.close()
        raise RuntimeError("pgbouncer does not listen")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def pooler_program() -> str | None:
    """Return the program of PgBouncer, or `None` if it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
