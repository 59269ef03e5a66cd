# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With any bytes from a server, each call of the client returns a result or raises an error with a readable message."""

from __future__ import annotations

import gzip
import json
import time
import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from hypothesis import example, given
from hypothesis import strategies as st
from module_fuzz import CANARY, anything, fuzzed
from raw_server import Part, RawServer, http

CARD = "0x8cdf9d000001"


def _is_object(found: t.Any) -> bool:
    return isinstance(found, dict)


def _is_listing(found: t.Any) -> bool:
    return isinstance(found, list)


#: Every call, and what it may give.
CALLS: dict[str, tuple[t.Callable[[Client], t.Any], t.Callable[[t.Any], bool]]] = {
    "api_version": (lambda client: client.api_version(), lambda found: isinstance(found, str)),
    "devices": (lambda client: client.devices(), _is_listing),
    "devices_detail": (lambda client: client.devices_detail(), _is_listing),
    "device": (lambda client: client.device(CARD), _is_object),
    "uid_led": (lambda client: client.uid_led(CARD), lambda found: found is None or isinstance(found, str)),
    "set_group": (lambda client: client.set_group(CARD, "17", "1"), _is_object),
    "clear_group": (lambda client: client.clear_group(CARD, "1"), _is_object),
    "forget_device": (lambda client: client.forget_device(CARD, force=True), _is_object),
    "audit": (lambda client: client.audit(CARD), _is_object),
    "set_uid_led": (lambda client: client.set_uid_led(CARD, "on"), _is_object),
    "reset": (lambda client: client.reset(CARD), _is_object),
    "send_reset_frame": (lambda client: client.send_reset_frame(CARD), _is_object),
    "forget_port": (lambda client: client.forget_port(CARD, "0"), _is_object),
}


def test_every_call_of_the_client_is_tried() -> None:
    public = {
        name
        for name, value in vars(Client).items()
        if callable(value) and not isinstance(value, staticmethod) and not name.startswith("_")
    }
    assert set(CALLS) == public


def _told(server: RawServer, answer: t.Iterable[Part], call: str, timeout: float = 1.0) -> ExpetherError | None:
    """Make a call; return the error that it ended in, after looking at it."""
    server.answer = list(answer)
    began = time.monotonic()
    asked, allowed = CALLS[call]
    try:
        with Client(Settings(server.url, "admin", CANARY, timeout=timeout, retries=0)) as client:
            found = asked(client)
    except ExpetherError as error:
        assert time.monotonic() - began < timeout + 60
        message = error.message
        assert message.endswith((".", "?")) and len(message) < 1000, ascii(message)
        assert message == printable(message, limit=None) and CANARY not in message, ascii(message)
        assert all(value is None or len(str(value)) < 600 for value in (error.code, error.url)), ascii(
            error.as_failure()
        )
        return error
    assert allowed(found), ascii(found)
    return None


calls = st.sampled_from(sorted(CALLS))
statuses = st.sampled_from(
    [
        "200 OK",
        "201 Created",
        "202 Accepted",
        "204 No Content",
        "301 Moved",
        "304 Not Modified",
        "307 Temporary Redirect",
        "400 Bad",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "409 Conflict",
        "418",
        "500 x",
        "503 Busy",
        "599 ?",
        "999 ?",
        "100 Continue",
        "101 Switching",
        "199 ",
        "000 ",
        "-1 x",
        "20 x",
        "2000 x",
        "abc",
        "",
        "200",
        "200 \x00\x01",
        "200 \u00e9",
    ]
)
names = st.sampled_from(
    [
        "Content-Type",
        "Content-Encoding",
        "Transfer-Encoding",
        "Location",
        "Set-Cookie",
        "Connection",
        "Content-Length",
        "WWW-Authenticate",
        "Retry-After",
        "Keep-Alive",
        "",
        "x y",
        "X" * 70000,
    ]
)
values = st.sampled_from(
    [
        "application/json",
        "text/html; charset=utf-7",
        "application/json; charset=\x00",
        "gzip",
        "deflate",
        "br",
        "zstd",
        "gzip, gzip",
        "identity",
        "chunked",
        "chunked, gzip",
        "gzip, chunked",
        "http://[",
        "//\udcff",
        "http://127.0.0.1:1/",
        "a=b; expires=\x01",
        "close",
        "-5",
        "0",
        "99999999999999999999",
        "1, 2",
        "Basic",
        "Digest nonce",
        "x" * 70000,
    ]
) | st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20)
keys = st.sampled_from(
    [
        "devices",
        "device",
        "timestamp",
        "version_number",
        "group_id",
        "update_time",
        "code",
        "message",
        "groups",
        "id",
        "uid_led_status",
        "rotary_switch_status",
        "status",
    ]
)
documents = (
    st.dictionaries(keys, anything | st.lists(st.dictionaries(keys, anything, max_size=3), max_size=3), max_size=4)
    | anything
)
odd_json = st.sampled_from(
    [
        b'{"code": NaN}',
        b'{"devices": [], "devices": 5}',
        b"[" * 100000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b'{"devices": [1e999, -Infinity]}',
        b'{"code": ' + b"9" * 5000 + b"}",
        b'{"message": "' + b"\\ud800" * 50 + b'"}',
        b'\xef\xbb\xbf{"devices": []}',
        b"\xff\xfe{\x00}\x00",
        b'{"code": ' + b"[" * 400 + b"]" * 400 + b"}",
        b'{"message": ' + b"[" * 400 + b"]" * 400 + b"}",
        b"<html>",
        b"  ",
        b"\x00",
        b"null",
        b"0",
    ]
)
bodies = (
    documents.map(lambda document: json.dumps(document).encode())
    | odd_json
    | st.binary(max_size=40)
    | st.builds(lambda document, at: json.dumps(document).encode()[:at], documents, st.integers(0, 60))
)
bodies = (
    bodies
    | bodies.map(gzip.compress)
    | bodies.map(lambda body: b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    | st.builds(
        lambda length, body: length + b"\r\n" + body,
        st.sampled_from([b"-1", b"zz", b"ffffffffffffffffff", b"5;x=y", b""]),
        bodies,
    )
)


@pytest.mark.timeout(3600)
def test_any_json_is_a_result_or_a_sentence(server: RawServer) -> None:
    @fuzzed(examples=150)
    @given(calls, documents, statuses)
    @example("uid_led", {"uid_led_status": {"on": 1}}, "200 OK")
    @example("devices", {"code": {"a": 1}, "message": ["b\nc"]}, "404 Not Found")
    @example("devices", {"code": "\x1b[31m" * 300}, "404 Not Found")
    @example("devices", {"code": "\ud800", "message": "\ud800"}, "404 Not Found")
    def tried(call: str, document: t.Any, status: str) -> None:
        _told(server, [http(json.dumps(document).encode(), status)], call)

    tried()


@pytest.mark.timeout(3600)
def test_any_answer_of_http_is_a_result_or_a_sentence(server: RawServer) -> None:
    @fuzzed(examples=150)
    @given(calls, bodies, statuses, st.dictionaries(names, values, max_size=3))
    @example("devices", b"{}", "302 Found", {"Location": "//\udcff"})
    @example("devices", b"{}", "200 OK", {"Content-Encoding": "gzip"})
    def tried(call: str, body: bytes, status: str, headers: dict[str, str]) -> None:
        _told(server, [http(body, status, headers)], call)

    tried()


@pytest.mark.timeout(3600)
def test_any_bytes_are_a_result_or_a_sentence(server: RawServer) -> None:
    whole = http(b'{"devices": [], "device": {}, "version_number": "v1"}')
    lines = st.sampled_from(
        [
            b"",
            b"HTTP/1.1",
            b"HTTP/1.1 200",
            b"HTTP/9.9 200 OK\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"\r\n\r\n\r\n",
            b"HTTP/1.1 200 OK\n\n{}",
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
            b"HTTP/1.1 200 OK\r\n : \r\n\r\n{}",
            b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + whole,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n{}",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x15\x03\x01\x00\x02\x02",
        ]
    )
    cut = st.integers(0, len(whole)).map(lambda at: whole[:at])
    flipped = st.builds(
        lambda at, byte: whole[:at] + bytes([byte]) + whole[at + 1 :],
        st.integers(0, len(whole) - 1),
        st.integers(0, 255),
    )

    @fuzzed(examples=150)
    @given(calls, st.lists(lines | cut | flipped | st.binary(max_size=30), min_size=1, max_size=2))
    def tried(call: str, parts: list[bytes]) -> None:
        _told(server, parts, call)

    tried()


@pytest.mark.timeout(3600)
def test_any_records_are_a_fabric_or_a_sentence(server: RawServer) -> None:
    @fuzzed(examples=100)
    @given(st.lists(documents, max_size=3))
    def tried(records: list[t.Any]) -> None:
        server.answer = [http(json.dumps({"devices": records}).encode())]
        try:
            with Client(Settings(server.url, retries=0)) as client:
                Fabric.from_records(client.devices_detail())
        except ExpetherError as error:
            assert error.message.endswith(".") and error.message == printable(error.message, limit=None)

    tried()
