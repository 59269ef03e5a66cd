# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of an answer decides what a call of the client makes of it, whatever body follows or not."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import EemError
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from raw_server import Part, RawServer, http
from test_client_answers import CALLS, CARD

STATUSES = (
    101,
    103,
    199,
    203,
    205,
    206,
    300,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    409,
    418,
    429,
    500,
    502,
    503,
    504,
    599,
)
JSON = b'{"code": "99999", "message": "no", "devices": [], "device": {}, "version_number": "v1"}'


def headers_of(status: int) -> bytes:
    return f"HTTP/1.1 {status} Whatever\r\nServer: x\r\n".encode()


#: What follows the status line.
BODIES = {
    "neither a body nor a length": b"\r\n",
    "cut off in its headers": b"",
    "a length of 0": b"Content-Length: 0\r\n\r\n",
    "HTML": b"Content-Length: 13\r\n\r\n<html></html>",
    "JSON": b"Content-Length: %d\r\n\r\n%b" % (len(JSON), JSON),
    "half of a body": b"Content-Length: 99\r\n\r\n{",
    "a broken chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no gzip": b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
}


def kind_of(status: int, body: str) -> str:
    if status in (401, 403):
        return "unauthorized"
    if status >= 500:
        return "server_error"
    return "eem_refused" if status >= 400 and body == "JSON" else "not_eem"


@pytest.mark.parametrize("call", CALLS)
def test_the_status_decides_for_every_call_and_it_is_sent_once(server: RawServer, call: str) -> None:
    for status in STATUSES:
        for about, rest in BODIES.items():
            server.answer, before = [headers_of(status) + rest], server.served
            with (
                Client(Settings(server.url, "admin", "secret", timeout=5.0, retries=0)) as client,
                pytest.raises(EemError) as caught,
            ):
                CALLS[call][0](client)
            error, case = caught.value, (call, status, about)
            assert (error.kind, error.http_status) == (kind_of(status, about), status), (case, error.message)
            assert server.served == before + 1, case
            assert error.refused == (300 <= status < 500), case
            assert (error.code == "99999") == (about == "JSON" and status >= 200 and status != 304), (case, error.code)


@pytest.mark.parametrize("status", [401, 403, 500, 503, 404])
def test_a_status_is_believed_although_its_body_does_not_come_in_time(server: RawServer, status: int) -> None:
    server.answer = [headers_of(status) + b"Content-Length: 5\r\n\r\n", 2.0, b"later"]
    with Client(Settings(server.url, timeout=0.3, retries=0)) as client, pytest.raises(EemError) as caught:
        client.devices_detail()
    assert (caught.value.kind, caught.value.http_status) == (kind_of(status, ""), status)


@pytest.mark.parametrize("rest", [b"Content-Length: 5\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_a_body_that_no_204_has_is_not_taken_for_the_next_answer(server: RawServer, rest: bytes) -> None:
    server.answer, server.then = (
        [headers_of(204) + rest, 0.2, b"HTTP/1.1 403 No\r\n\r\n"],
        [http(b'{"device": {"id": "x"}}')],
    )
    before = server.served
    try:
        with Client(Settings(server.url, timeout=5.0, retries=0)) as client:
            assert client.set_group(CARD, "17") == {}
            assert client.device(CARD) == {"id": "x"}
    finally:
        server.then = None
    assert server.served == before + 2


# -- redirects

REDIRECTS = (301, 302, 303, 307, 308)


def _redirect(server: RawServer, *location: str, status: int = 302, body: bytes = b"") -> EemError:
    lines: list[Part] = [
        headers_of(status)
        + b"".join(b"Location: " + text.encode("utf-8", "surrogateescape") + b"\r\n" for text in location)
        + b"\r\n",
        body,
    ]
    server.answer, before = lines, server.served
    with (
        Client(Settings(server.url, "admin", "secret", timeout=5.0, retries=3)) as client,
        pytest.raises(EemError) as caught,
    ):
        client.devices_detail()
    assert server.served == before + 1, "it is neither followed nor asked for again"
    error = caught.value
    assert (error.kind, error.http_status) == ("not_eem", status)
    assert error.message.isprintable() and len(error.message) < 1000
    assert "has it started" not in error.message
    return error


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_named_with_the_place_it_leads_to(server: RawServer, status: int) -> None:
    with RawServer() as other:
        error = _redirect(server, f"{other.url}/devices/detail", status=status, body=b"<html>")
        assert other.served == 0
    assert f"HTTP {status} redirects to {other.url}/devices/detail. " in error.message
    assert error.message.endswith("Redirects are not followed: set `url` to the address of EEM itself.")


def test_a_redirect_to_https_at_the_same_host_says_which_url_to_set(server: RawServer) -> None:
    error = _redirect(server, "https://127.0.0.1/eem/devices/detail?a=b")
    assert "redirects to https://127.0.0.1/eem/devices/detail. " in error.message
    assert error.message.endswith("set `url` to https://127.0.0.1/eem if EEM is reached by HTTPS.")
    error = _redirect(server, "https://127.0.0.1:8443/login")
    assert "set `url` to https://127.0.0.1:8443/eem if EEM" in error.message


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/login", "http://127.0.0.1:{port}/login."),
        ("//elsewhere/x", "http://elsewhere/x."),
        ("https://admin:secret@elsewhere/x", "https://elsewhere/x."),
        ("http://elsewhere/x;jsessionid=CAFE/y?token=CAFE#CAFE", "http://elsewhere/x/y."),
        ("http://elsewhere/a\x1b[31m\u202eb", "http://elsewhere/a\ufffd[31m\ufffdb."),
        ("http://elsewhere/日本", "http://elsewhere/日本."),
        ("http://elsewhere/" + "a" * 5000, "http://elsewhere/" + "a" * 282 + "…."),
    ],
)
def test_the_place_of_a_redirect_is_shown_without_secrets_printable_and_bounded(
    server: RawServer, location: str, shown: str
) -> None:
    message = _redirect(server, location).message
    assert f"redirects to {shown.format(port=server.url.split(':')[2].split('/')[0])} " in message
    assert "secret" not in message and "CAFE" not in message


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_that_leads_nowhere_says_so(server: RawServer, status: int) -> None:
    assert f"HTTP {status} redirects without a target. " in _redirect(server, status=status).message
    for location in ("javascript:alert(1)", "http://[", "mailto:a@b", "https://"):
        assert (
            "redirects to something that is not an HTTP address. " in _redirect(server, location, status=status).message
        )
