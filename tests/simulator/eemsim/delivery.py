# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends an answer, or disturbs the sending as a fault requests."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import HttpVersion11, web

from .answers import Answer, reason_of
from .options import Options

# The server header of Tomcat at that time. Clients must not depend on it.
SERVER = "Apache-Coyote/1.1"


BUFFER = 8192
"""Bytes of a chunk: the size of Tomcat's output buffer."""


async def send(request: web.Request, answer: Answer, options: Options, last: bool) -> web.StreamResponse:
    """Send the response, as far as a fault allows. `last`: close the connection afterwards."""
    if answer.drop:
        return hang_up(request, answer.reset)
    headers = {"Server": SERVER, **answer.headers}
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    if answer.no_length:
        return _headers_alone(request, answer, headers)
    if answer.cut_at is not None:
        return await _truncated(request, answer, headers)
    if answer.trickle is not None:
        return await _trickled(request, answer, headers)
    in_chunks = len(answer.body) > int(options.chunk_above) and request.method != "HEAD"
    response = (
        web.StreamResponse(status=answer.status, headers=headers)
        if in_chunks
        else web.Response(status=answer.status, body=answer.body or None, headers=headers)
    )
    if last and options.close_header == "sent":
        response.force_close()
    if in_chunks and request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    await response.prepare(request)
    if in_chunks:
        body = memoryview(answer.body)
        for start in range(0, len(body), BUFFER):
            await response.write(body[start : start + BUFFER])
    await response.write_eof()
    if last and request.transport is not None:
        request.transport.close()
    return response


def hang_up(request: web.Request, reset: bool = False) -> web.Response:
    """Close the connection without an answer, with FIN or with RST."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if reset and raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def _headers_alone(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.Response:
    """Send status and headers without a Content-Length, and close. Written directly, because aiohttp would add a length."""
    lines = [
        f"HTTP/1.1 {answer.status} {reason_of(answer.status)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    transport = request.transport
    if transport is not None:
        transport.write("\r\n".join([*lines, "", ""]).encode())
        transport.close()
    return web.Response()


async def _truncated(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Send a truncated body: shorter than its Content-Length, or chunked without the last chunk."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(answer.body)
    await response.prepare(request)
    cut = answer.body[: int(len(answer.body) * (answer.cut_at or 0))]
    if cut:
        await response.write(cut)
    if request.transport is not None:
        request.transport.close()
    return response


async def _trickled(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Send one byte at a time with a pause before each: every read of the client succeeds, but the answer takes forever."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    for index in range(len(answer.body)):
        await asyncio.sleep(answer.trickle or 0)
        if request.transport is None or request.transport.is_closing():
            break
        await response.write(answer.body[index : index + 1])
    return response
