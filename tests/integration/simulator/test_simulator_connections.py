# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the simulator closes a connection, and how it sends long answers: seen on a socket, without an HTTP library."""

from __future__ import annotations

import base64
import http.client
import socket
from collections.abc import Iterator

import pytest
from eemsim.client import Simulator

LONG = 10.0
"""Seconds that are enough on a busy machine for what happens at once."""


class Connection:
    """One connection, which stays open until the server closes it."""

    def __init__(self, eem: Simulator) -> None:
        self._eem = eem
        self.socket = socket.create_connection((eem.host, eem.port), timeout=30)

    def ask(self, method: str, path: str, version: str = "HTTP/1.1") -> tuple[int, str | None, str | None, bytes]:
        """Return status, `Connection`, `Content-Length` and body of an answer."""
        user = base64.b64encode(f"{self._eem.username}:{self._eem.password}".encode()).decode()
        lines = (f"{method} /eem{path} {version}", f"Host: {self._eem.host}", f"Authorization: Basic {user}", "", "")
        self.socket.sendall("\r\n".join(lines).encode())
        answer = http.client.HTTPResponse(self.socket, method=method)
        answer.begin()
        return answer.status, answer.getheader("Connection"), answer.getheader("Content-Length"), answer.read()

    def is_closed(self, seconds: float = LONG) -> bool:
        """Whether the server closes the connection within this time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(30)


@pytest.fixture(name="connection")
def fixture_connection(eem: Simulator) -> Iterator[Connection]:
    connection = Connection(eem)
    yield connection
    connection.socket.close()


def test_a_connection_ends_after_100_answers(connection: Connection) -> None:
    answers = [connection.ask("GET", "/api_version")[:2] for _each in range(100)]
    assert answers == [(200, None)] * 99 + [(200, "close")]
    assert connection.is_closed()


def test_keep_alive_requests(eem: Simulator, connection: Connection) -> None:
    eem.set_options(keep_alive_requests=0)
    assert {connection.ask("GET", "/api_version")[1] for _each in range(101)} == {None}
    eem.set_options(keep_alive_requests=102)
    assert connection.ask("GET", "/api_version")[1] == "close"


@pytest.mark.parametrize("status", [400, 408, 411, 413, 414, 500, 501, 503])
def test_a_connection_ends_after_some_errors(eem: Simulator, connection: Connection, status: int) -> None:
    eem.fault("fail", status=status, html=True)
    assert connection.ask("GET", "/api_version")[:2] == (status, "close")
    assert connection.is_closed()


@pytest.mark.parametrize("status", [401, 404, 405, 409, 415, 502, 504])
def test_a_connection_survives_other_errors(eem: Simulator, connection: Connection, status: int) -> None:
    eem.fault("fail", status=status, html=True)
    assert connection.ask("GET", "/api_version")[:2] == (status, None)
    assert connection.ask("GET", "/api_version")[:2] == (200, None)


def test_close_after_errors_no(eem: Simulator, connection: Connection) -> None:
    eem.set_options(close_after_errors="no")
    assert [connection.ask("GET", "/devices?status=gpu")[:2] for _each in range(2)] == [(400, None)] * 2


def test_close_header_omitted(eem: Simulator, connection: Connection) -> None:
    eem.set_options(close_header="omitted")
    assert connection.ask("GET", "/devices?status=gpu")[:2] == (400, None)
    assert connection.is_closed()


def test_keep_alive_seconds(eem: Simulator, connection: Connection) -> None:
    assert eem.options()["keep_alive_seconds"] == "20"
    connection.ask("GET", "/api_version")
    assert not connection.is_closed(0.3)
    eem.set_options(keep_alive_seconds="0.2")
    connection.ask("GET", "/api_version")
    assert connection.is_closed()


def test_a_connection_that_waits_for_its_answer_is_not_idle(eem: Simulator, connection: Connection) -> None:
    eem.set_options(keep_alive_seconds="0.2")
    eem.fault("delay", seconds=0.5)
    assert connection.ask("GET", "/api_version")[0] == 200
    assert connection.is_closed()


@pytest.mark.parametrize("above, in_chunks", [("8192", True), ("100000", False), ("0", True)])
def test_chunk_above(eem: Simulator, connection: Connection, above: str, in_chunks: bool) -> None:
    eem.set_options(chunk_above=above)
    _status, _close, length, body = connection.ask("GET", "/devices/detail")
    assert len(body) > 8192 and body.endswith(b'"}')
    assert length == (None if in_chunks else str(len(body)))
    assert (connection.ask("GET", "/api_version")[2] is None) is (above == "0")


def test_a_client_of_http_1_0_gets_no_chunks(eem: Simulator, connection: Connection) -> None:
    _status, _close, _length, body = connection.ask("GET", "/devices/detail", "HTTP/1.0")
    assert len(body) > 8192 and body.endswith(b'"}')
    assert connection.is_closed()
