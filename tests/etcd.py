# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real etcd for tests, with one or more members on this machine, and requests to it that do not use the library."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import typing as t
from base64 import b64decode, b64encode
from pathlib import Path

import requests
from postgresql import free_port

Json = dict[str, t.Any]


def why_not() -> str | None:
    """Return why no etcd can be started here, or `None`."""
    return None if shutil.which("etcd") else "no etcd is installed (Debian: etcd-server)"


def text64(text: str) -> str:
    return b64encode(text.encode()).decode()


def call(client_url: str, path: str, token: str | None = None, **body: t.Any) -> Json:
    """Return the answer of a member to a request."""
    headers = {"Authorization": token} if token else {}
    found = requests.post(f"{client_url}/v3/{path}", json=body, headers=headers, timeout=20)
    found.raise_for_status()
    return t.cast(Json, found.json())


def put(client_url: str, key: str, value: str) -> None:
    call(client_url, "kv/put", key=text64(key), value=text64(value))


def values(client_url: str, prefix: str) -> dict[str, str]:
    """Return the values of all keys that begin with this, by the rest of their names."""
    end = f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"
    pairs = call(client_url, "kv/range", key=text64(prefix), range_end=text64(end)).get("kvs", [])
    return {
        b64decode(pair["key"]).decode()[len(prefix) :]: b64decode(pair.get("value", "")).decode(errors="replace")
        for pair in pairs
    }


class Member:
    """One member.

    :param name: in `cluster`
    :param cluster: the peer ports of all members by their names
    :param tls: options for TLS
    :param on_disk: whether its data is on a disk
    """

    def __init__(self, name: str, cluster: t.Mapping[str, int], *tls: str, on_disk: bool = False) -> None:
        self.port = free_port()
        scheme = "https" if tls else "http"
        self.client_url = f"{scheme}://127.0.0.1:{self.port}"
        # In memory, because nothing outlives a test.
        shared = "/dev/shm"  # noqa: S108
        in_memory = os.access(shared, os.W_OK) and not on_disk
        self.folder = Path(tempfile.mkdtemp(prefix="expether-etcd-", dir=shared if in_memory else None))
        peers = {other: f"http://127.0.0.1:{port}" for other, port in cluster.items()}
        options = {
            "name": name,
            "data-dir": str(self.folder / "data"),
            "listen-client-urls": self.client_url,
            "advertise-client-urls": self.client_url,
            "listen-peer-urls": peers[name],
            "initial-advertise-peer-urls": peers[name],
            "initial-cluster": ",".join(f"{other}={url}" for other, url in peers.items()),
            "heartbeat-interval": "50",
            "election-timeout": "500",
            "log-level": "error",
            "logger": "zap",
        }
        self._command = ["etcd", *(f"--{key}={value}" for key, value in options.items()), *tls]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env={
                    "PATH": os.environ["PATH"],
                    "ETCD_UNSUPPORTED_ARCH": os.uname().machine.replace("aarch64", "arm64"),
                },
            )

    def kill(self) -> None:
        """End it at once, as in a crash."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self, stop: bool) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP if stop else signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Etcd:
    """An etcd that is ready for requests.

    :param size: how many members it has
    :param tls: options for TLS; the members need not answer yet then
    """

    def __init__(self, size: int = 1, *tls: str, on_disk: bool = False) -> None:
        self._prefixes = 0
        self._is_tls = bool(tls)
        self.token: str | None = None
        self.members: list[Member] = []
        for tries_left in (2, 1, 0):
            cluster = {f"m{place}": free_port() for place in range(size)}
            try:
                for name in cluster:
                    self.members.append(Member(name, cluster, *tls, on_disk=on_disk))
                if not tls:
                    self.wait()
                return
            except BaseException as error:
                self.close()
                if not (
                    tries_left and isinstance(error, RuntimeError)
                ):  # another program may have taken a port meanwhile
                    raise

    def wait(self) -> None:
        """Wait until all members that run answer, which they only do when they have a leader."""
        deadline = time.monotonic() + 30
        for member in self.members:
            while member.process is not None:
                with contextlib.suppress(requests.RequestException):
                    found = requests.get(f"{member.client_url}/health", timeout=2)
                    if found.json().get("health") == "true":
                        break
                if time.monotonic() > deadline or member.process.poll() is not None:
                    raise RuntimeError((member.folder / "log").read_text(encoding="utf-8")[-2000:])
                time.sleep(0.05)

    def close(self) -> None:
        for member in self.members:
            member.close()
        self.members.clear()

    def url(self, prefix: str | None = None) -> str:
        """Return the URL of a registry with this prefix, or with one that was never used."""
        self._prefixes += 1
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"etcd{'s' * self._is_tls}://{hosts}{prefix or f'/test/{self._prefixes}'}"

    def call(self, path: str, **body: t.Any) -> Json:
        """Return the answer to a request."""
        return call(self._client_url(), path, self.token, **body)

    def _client_url(self) -> str:
        """Return the URL of a member that runs."""
        return next(member for member in self.members if member.process).client_url

    def put(self, key: str, value: str) -> None:
        put(self._client_url(), key, value)

    def values(self, prefix: str) -> dict[str, str]:
        """Return the values of all keys that begin with this, by the rest of their names."""
        return values(self._client_url(), prefix)

    def leader(self) -> Member:
        for member in self.members:
            if member.process is not None:
                found = requests.post(f"{member.client_url}/v3/maintenance/status", json={}, timeout=5).json()
                if found.get("leader") == found["header"]["member_id"]:
                    return member
        raise RuntimeError("there is no leader")


class Proxy:
    """Forwards requests to a member, and loses the answers to transactions that write.

    :ivar losses: what happens at the next of them: `before` loses it before the member gets it, `after` when the member
        has carried it out, and `late` lets the member carry it out half a second after it was lost
    :ivar meanwhile: called when one was lost
    """

    def __init__(self, member: Member) -> None:
        self.losses: list[str] = []
        self.meanwhile: t.Callable[[], object] = lambda: None
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Forwards one request."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))

                def ask() -> requests.Response:
                    return requests.post(f"{member.client_url}{self.path}", data=body, timeout=20)

                loss = proxy.losses.pop(0) if b'"request_put"' in body and proxy.losses else None
                if loss == "late":
                    threading.Timer(0.5, ask).start()
                if loss in ("before", "late"):
                    proxy.meanwhile()
                    self.close_connection = True
                    return
                answer = ask()
                if loss:
                    proxy.meanwhile()
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
