# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side: reads, counts and answers all requests outside the control path."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from . import delivery
from .calls import Request, find
from .control import CONTROL
from .keepalive import KeepAlive
from .runtime import Simulator

MAX_BODY = 512 * 1024 * 1024
"""A new fleet, which is sent through control, may be large."""


class Front:
    """Passes requests from aiohttp to the simulator, and the answers back."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.keep_alive = KeepAlive()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == CONTROL or request.path.startswith(CONTROL + "/"):
            return web.json_response({"error": f"unknown control call {request.method} {request.path}"}, status=404)
        transport = request.transport
        if transport is not None:
            self.keep_alive.begin(transport)
        body = await request.read()
        context = self.simulator.settings.context
        inside = request.path.startswith(context + "/")
        path = request.path[len(context) :] if inside else request.path
        name = find(request.method, path)[1] if inside else f"{request.method} (outside)"
        entry = self.simulator.traffic.begin(
            transport,
            method=request.method,
            path=path,
            call=name,
            query=dict(request.query),
            body=_readable(body),
            accept=request.headers.get("Accept"),
            content_type=request.headers.get("Content-Type"),
            user_agent=request.headers.get("User-Agent"),
            authorization="Authorization" in request.headers,
        )
        eem_request = Request(
            request.method,
            path,
            dict(request.query),
            body,
            request.headers.get("Content-Type", ""),
            ", ".join(request.headers.getall("Accept", [])),
            entry.number,
        )
        fired = self.simulator.fire(eem_request) if inside else []
        entry.faults = [{"id": number, "do": action.do} for number, action in fired]
        try:
            if inside:
                answer = await self.simulator.serve(eem_request, request.headers.get("Authorization"), fired)
            else:
                answer = self.simulator.outside(request.path)
            # Logged before sending, so that a test that has received the answer finds it in the log.
            self.simulator.traffic.end(entry, None if answer.drop else answer.status)
            options = self.simulator.options
            last = transport is not None and self.keep_alive.is_last(transport, answer.status, options)
            response = await delivery.send(request, answer, options, last)
            if transport is not None and request.keep_alive:
                self.keep_alive.end(transport, options)
            return response
        except ConnectionError:
            # The client gave up while a fault kept it waiting.
            return web.Response()


def _readable(body: bytes) -> Any:
    """The body for the log: parsed JSON, otherwise text; None if it is empty."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
