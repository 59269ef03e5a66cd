# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that try to block a client or to fill its memory, by name."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Pauses, Settings
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from raw_server import Part, RawServer, http

BOMB = gzip.compress(bytes(2**28), compresslevel=1)
MUCH_LESS = 50.0  # seconds: less than any of these answers takes, and more than a busy machine holds a client up
TLS_RECORD = b"\x16\x03\x03\x3f\xff"  # the beginning of a handshake of 16 KiB


def _error(server: RawServer, *answer: Part, timeout: float = 5.0, scheme: str = "http") -> ExpetherError:
    server.answer = answer
    settings = Settings(server.url.replace("http", scheme, 1), timeout=timeout, retries=0, validate_certs=False)
    with Client(settings) as client, pytest.raises(ExpetherError) as error:
        client.devices_detail()
    return error.value


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("200 OK", "the answer is longer than 64 MiB, so it is not from EEM."),
        ("302 Found", "HTTP 302 redirects to "),
        ("500 Failed", "EEM failed (HTTP 500)."),
    ],
)
def test_an_answer_that_unpacks_to_more_than_any_eem_has_is_not_unpacked(
    server: RawServer, status: str, message: str
) -> None:
    tracemalloc.start()
    error = _error(server, http(BOMB, status, {"Content-Encoding": "gzip", "Location": "/elsewhere"}))
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message in error.message
    assert most < 2**28


def test_an_answer_without_end_is_ended(server: RawServer) -> None:
    error = _error(server, b"HTTP/1.1 200 OK\r\n\r\n", *[bytes(2**20)] * 200)
    assert "the answer is longer than 64 MiB" in error.message


def test_headers_without_end_are_ended(server: RawServer) -> None:
    assert _error(server, b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n" * 50] * 100).kind == "connection_lost"


def test_interim_answers_without_end_are_ended_in_time(server: RawServer) -> None:
    began = time.monotonic()
    assert _error(server, *[b"HTTP/1.1 100 Continue\r\n\r\n", 0.05] * 2000, timeout=0.5).kind == "timeout"
    assert time.monotonic() - began < MUCH_LESS


def test_the_time_out_holds_for_headers_that_trickle(server: RawServer) -> None:
    began = time.monotonic()
    assert _error(server, b"HTTP/1.1 200 OK\r\nA: ", *[b"b", 0.1] * 1000, timeout=0.5).kind == "timeout"
    assert time.monotonic() - began < MUCH_LESS


def test_the_time_out_holds_for_a_tls_handshake_that_trickles(tls_server: RawServer) -> None:
    began = time.monotonic()
    assert _error(tls_server, TLS_RECORD, *[b"\x02", 0.1] * 1000, timeout=0.5, scheme="https").kind == "timeout"
    assert time.monotonic() - began < MUCH_LESS


def test_a_redirect_to_what_is_no_address_is_told_as_the_wrong_answer_that_it_is(server: RawServer) -> None:
    error = _error(server, http(b"", "302 Found", {"Location": "http://[\udcff"}))
    assert (error.kind, error.http_status) == ("not_eem", 302)


def test_a_code_or_message_that_has_parts_or_colours_is_not_repeated(server: RawServer) -> None:
    error = _error(server, http(b'{"code": {"a": [1]}, "message": ["x"]}', "409 Conflict"))
    assert (error.code, error.message.endswith("EEM refused it (HTTP 409).")) == (None, True)
    error = _error(server, http(b'{"code": "\\u001b[31m40900", "message": "\\ud800no"}', "409 Conflict"))
    assert error.message.endswith("EEM refused it (HTTP 409, code \ufffd[31m40900: \ufffdno).")


EMPTY_LIST = b'{"devices": []}'
WHOLE = {
    "length": http(EMPTY_LIST),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n" + EMPTY_LIST + b"\r\n0\r\n\r\n",
    "until the end": b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + EMPTY_LIST,
    "empty": http(b""),
    "packed": http(gzip.compress(EMPTY_LIST), headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("form", WHOLE)
def test_an_answer_that_is_cut_off_anywhere_is_not_taken_for_a_whole_one(server: RawServer, form: str) -> None:
    whole = WHOLE[form]
    # The last bytes of chunks and headers say nothing more.
    least = len(whole) - {"chunks": 7, "empty": 4, "packed": 8}.get(form, 0)
    cards = http(b'{"devices": [1]}')
    settings = Settings(server.url, timeout=5.0, retries=0, pauses=Pauses(read=0.001))
    for at in range(least):
        server.answer, server.then = [whole[:at]], [cards]
        with Client(settings) as client:
            try:
                assert client.devices_detail() == [1], whole[:at]  # asked again
            except ExpetherError as error:
                assert error.kind in ("connection_lost", "not_eem"), whole[:at]
        server.answer, server.then = [whole[:at]], None
        with Client(settings) as client, pytest.raises(ExpetherError):
            client.set_group("0x8cdf9d000001", "17")
    server.answer = [whole]
    with Client(settings) as client:
        assert client.devices_detail() == []


@pytest.mark.parametrize("status", ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK"])
def test_an_eem_whose_empty_list_is_nothing_at_all_without_a_length_is_asked_twice_and_believed(
    server: RawServer, status: str
) -> None:
    server.answer, before = [f"{status}\r\nServer: x\r\n\r\n".encode()], server.served
    with Client(Settings(server.url, timeout=5.0, retries=0)) as client:
        assert client.devices_detail() == []
    assert server.served == before + 2


def test_a_204_has_no_content_and_no_length(server: RawServer) -> None:
    server.answer, before = [b"HTTP/1.1 204 No Content\r\n\r\n"], server.served
    with Client(Settings(server.url, timeout=5.0, retries=0)) as client:
        assert client.set_group("0x8cdf9d000001", "17") == {}
    assert server.served == before + 1


def test_a_time_out_in_the_midst_of_the_headers_is_no_success_without_content(server: RawServer) -> None:
    server.answer = [b"HTTP/1.1 200 OK\r\nA: ", 2.0]
    with Client(Settings(server.url, timeout=0.3, retries=0)) as client:
        for call in (lambda: client.set_group("0x8cdf9d000001", "17"), client.devices):
            with pytest.raises(ExpetherError) as error:
                call()
            assert error.value.kind == "timeout"
