# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control path `/_control` for tests: outside the context, without authentication, never counted, never faulted."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Callable

from aiohttp import web

from .faults import Action
from .fleet import Fleet
from .runtime import Simulator

CONTROL = "/_control"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The handlers; README.md lists them."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/stats", self.stats),
            ("DELETE", "/stats", self.reset_stats),
            ("GET", "/log", self.log),
            ("DELETE", "/log", self.reset_log),
            ("GET", "/history", self.history),
            ("GET", "/cards", self.cards),
            ("GET", "/cards/{id}", self.card),
            ("PATCH", "/cards/{id}", self.patch_card),
            ("PUT", "/cards/{id}", self.put_card),
            ("DELETE", "/cards/{id}", self.delete_card),
            ("GET", "/options", self.options),
            ("PATCH", "/options", self.set_options),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.order_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("DELETE", "/faults/{number}", self.clear_faults),
            ("POST", "/restart", self.restart),
            ("POST", "/reset", self.reset),
        ]
        return [web.route(method, CONTROL + path, self._guarded(handler)) for method, path, handler in table]

    def _guarded(self, handler: Handler) -> Handler:
        """Answer invalid requests with 400 and the reason."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self.simulator.settings.control:
                return web.json_response(
                    {"error": "control is disabled because the simulator does not listen on loopback"}, status=403
                )
            try:
                return await handler(request)
            except (ValueError, TypeError) as exc:
                return web.json_response({"error": str(exc)}, status=400)
            except KeyError as exc:
                return web.json_response({"error": f"{exc.args[0]} does not exist"}, status=404)

        return guarded

    async def stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.simulator.traffic.stats())

    async def reset_stats(self, request: web.Request) -> web.Response:
        self.simulator.traffic.reset_stats()
        return web.json_response({})

    async def log(self, request: web.Request) -> web.Response:
        return web.json_response(self.simulator.traffic.log())

    async def reset_log(self, request: web.Request) -> web.Response:
        self.simulator.traffic.reset_log()
        return web.json_response({})

    async def history(self, request: web.Request) -> web.Response:
        return web.json_response(self.simulator.fabric.history)

    async def cards(self, request: web.Request) -> web.Response:
        return web.json_response([card.record for card in self.simulator.fabric.cards.values()])

    async def card(self, request: web.Request) -> web.Response:
        return web.json_response(self.simulator.fabric.cards[request.match_info["id"]].record)

    async def patch_card(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        self.simulator.fabric.patch(
            key, _object(await request.json()), bump=_yes(request, "bump", True), link=_yes(request, "link", True)
        )
        return await self.card(request)

    async def put_card(self, request: web.Request) -> web.Response:
        self.simulator.fabric.put(request.match_info["id"], await request.json(), link=_yes(request, "link", False))
        return await self.card(request)

    async def delete_card(self, request: web.Request) -> web.Response:
        self.simulator.fabric.remove(request.match_info["id"], "control")
        return web.json_response({})

    async def options(self, request: web.Request) -> web.Response:
        return web.json_response(self.simulator.options.as_dict())

    async def set_options(self, request: web.Request) -> web.Response:
        self.simulator.set_options(_object(await request.json()))
        return await self.options(request)

    async def faults(self, request: web.Request) -> web.Response:
        return web.json_response(self.simulator.book.as_list())

    async def order_fault(self, request: web.Request) -> web.Response:
        return web.json_response({"id": self.simulator.order_fault(await request.json())}, status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        number = request.match_info.get("number")
        self.simulator.clear_faults(None if number is None else int(number))
        return web.json_response({})

    async def restart(self, request: web.Request) -> web.Response:
        """Restart now, not at a later request."""
        order = Action.read({**_object(await _body(request)), "do": "restart"})
        response = web.json_response({})
        await response.prepare(request)
        await response.write_eof()
        self.simulator.restart(order)
        return response

    async def reset(self, request: web.Request) -> web.Response:
        body = _object(await _body(request))
        options = body.pop("options", None)
        self.simulator.reset(Fleet.read(body) if body else None, options)
        return web.json_response({"cards": len(self.simulator.fabric.cards)})


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")
    return value


async def _body(request: web.Request) -> Any:
    return await request.json() if await request.read() else {}


def _yes(request: web.Request, name: str, default: bool) -> bool:
    return request.query.get(name, "yes" if default else "no") not in ("no", "false", "0")
