# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that answers every request with given bytes, and closes the connection."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import typing as t

Part = t.Union[bytes, float]  # what to send, or how many seconds to wait


class RawServer:
    """A context manager. ``answer`` is what every request gets, or ``then`` every one but the first; with ``at_once``
    no request is waited for."""

    def __init__(self, at_once: bool = False) -> None:
        self._at_once = at_once
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/eem"
        self.answer: t.Iterable[Part] = ()
        self.then: t.Iterable[Part] | None = None
        self.served = 0

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if not self._at_once:
                _read_request(connection)
            parts, self.served = self.answer, self.served + 1
            if self.then is not None:
                self.answer = self.then
            for part in parts:
                if isinstance(part, bytes):
                    connection.sendall(part)
                else:
                    time.sleep(part)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # lest what was sent be lost to a reset
                pass


def _read_request(connection: socket.socket) -> None:
    with connection.makefile("rb") as request:
        length = 0
        for line in request:
            name, _colon, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if line in (b"\r\n", b"\n"):
                break
        request.read(length)


def http(body: bytes, status: str = "200 OK", headers: t.Mapping[str, str] | None = None) -> bytes:
    """Return a whole answer."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body
