# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One running simulator: the EEM, its traffic and its faults, and how a request passes through them."""

from __future__ import annotations

import asyncio
import base64
import hmac
from dataclasses import dataclass, field
from typing import Any

from . import answers
from .answers import Answer
from .calls import Eem, Request
from .faults import REPLACING, Action, Book
from .fleet import Fleet
from .options import Options
from .outage import DOWN, EMPTY, STARTING, Listener, Outage
from .state import Fabric
from .traffic import Traffic


@dataclass
class Settings:
    """The settings from the command line."""

    fleet: Fleet
    options: dict[str, Any] = field(default_factory=dict)
    username: str | None = None
    password: str = ""
    context: str = "/eem"
    control: bool = True


class Simulator:
    """Everything except HTTP itself."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self.settings = settings
        self.outage = Outage(listener)
        self.traffic = Traffic()
        self.thaw = asyncio.Event()
        self.reset()

    def reset(self, fleet: Fleet | None = None, options: dict[str, Any] | None = None) -> None:
        """Restore the initial cards, options, faults, statistics, log and history."""
        fleet = fleet or self.settings.fleet
        records = fleet.records()
        new_options = Options({**self.settings.options, **(options or {})})
        self.outage.cancel()
        self.book = Book()
        self._thaw()
        self.options = new_options
        self.fabric = Fabric(records, new_options, link=fleet.generated)
        self.eem = Eem(self.fabric, new_options)
        # Encode the list before the first request, so that benchmarks do not include it.
        self.eem.listing.devices(True, None, None, None)
        self.traffic.reset_stats()
        self.traffic.reset_log()

    def order_fault(self, spec: Any) -> int:
        """Add a fault. Raises ValueError if it is invalid or names an unknown card, whose change would never happen."""
        number = self.book.order(spec)
        for action in self.book.actions(number):
            if action.do == "change" and action.card not in self.fabric.cards:
                self.book.remove(number)
                raise ValueError(f"card {action.card!r} does not exist")
        return number

    def clear_faults(self, number: int | None = None) -> None:
        """Remove one fault or all. Frozen requests continue."""
        self.book.remove(number)
        self._thaw()

    def _thaw(self) -> None:
        """Let all frozen requests continue. Later ones wait for the next call."""
        self.thaw.set()
        self.thaw = asyncio.Event()

    def set_options(self, changes: dict[str, Any]) -> None:
        self.options.update(changes)
        self.fabric.encodings_changed()

    def authorized(self, header: str | None) -> bool:
        """Check HTTP Basic authentication; without a configured user name everybody is authorized [nec]."""
        if self.settings.username is None:
            return True
        scheme, _space, given = (header or "").partition(" ")
        try:
            decoded = base64.b64decode(given, validate=True)
        except ValueError:
            return False
        expected = f"{self.settings.username}:{self.settings.password}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(decoded, expected)

    def fire(self, request: Request) -> list[tuple[int, Action]]:
        """Return the faults for this request. While the EEM is down or starting, no fault is used up."""
        return [] if self.outage.phase in (DOWN, STARTING) else self.book.fire(request.method, request.path)

    async def serve(self, request: Request, authorization: str | None, fired: list[tuple[int, Action]]) -> Answer:
        """Pass one request through outage, faults, authentication and the call."""
        phase = self.outage.phase
        if phase == DOWN:
            return Answer(drop=True, reset=True)
        if phase == STARTING:
            return answers.html(404, f"{self.settings.context}{request.path}")
        self.eem.empty = phase == EMPTY
        fabric = self.fabric
        latency = int(self.options.latency_ms)
        if latency:
            await asyncio.sleep(latency / 1000)
        replaced = await self._apply([action for _number, action in fired if not action.after], None)
        if self.fabric is not fabric:
            return Answer(drop=True, reset=True)  # after a reset: a delayed request must not reach the new fleet
        if replaced is not None:
            return replaced
        answer = self._call(request, authorization)
        return await self._apply([action for _number, action in fired if action.after], answer) or answer

    def outside(self, path: str) -> Answer:
        """Answer a path outside the context with Tomcat's own 404."""
        return Answer(drop=True, reset=True) if self.outage.phase == DOWN else answers.html(404, path)

    def _call(self, request: Request, authorization: str | None) -> Answer:
        if not self.authorized(authorization):
            challenge = {"WWW-Authenticate": 'Basic realm="ExpEther Manager"'}
            return answers.html(401, "This request requires HTTP authentication", challenge)
        return self.eem.answer(request)

    async def _apply(self, actions: list[Action], answer: Answer | None) -> Answer | None:
        """Carry out actions in order. `answer` is None before the call; return an answer only if an action replaces it."""
        for action in actions:
            if action.do == "delay":
                await asyncio.sleep(action.seconds)
            elif action.do == "freeze":
                await self.thaw.wait()
            elif action.do == "change":
                self._change(action)
            elif action.do == "restart":
                self.restart(action)
                answer = Answer(drop=True, reset=True)
            elif action.do == "drop":
                answer = Answer(drop=True, reset=action.reset)
            elif action.do in REPLACING:
                answer = _replacement(action)
            else:
                answer = answer or _replacement(Action("status", status=200, body='{"devices": [], "timestamp": "0"}'))
                if action.do == "truncate":
                    answer.cut_at, answer.chunked = action.at, action.chunked
                else:
                    answer.trickle = action.seconds
        return answer

    def restart(self, action: Action) -> None:
        """Begin a restart. With `shift`, the new process reports other times."""
        self.outage.begin(action.down, action.starting, action.empty, action.mode)
        self.fabric.shift_times(action.shift)

    def _change(self, action: Action) -> None:
        """Change a card as another client would. With an empty set, only its update_time moves."""
        if action.card in self.fabric.cards:
            self.fabric.patch(action.card, action.set)


def _replacement(action: Action) -> Answer:
    if action.do == "garbage":
        text = action.body or ""
        body = base64.b64decode(text) if action.base64 else text.encode()
        return Answer(action.status or 200, body, action.content_type)
    if action.do == "html":
        return answers.html(action.status or 200, action.message)
    status = action.status or int((action.code or "500")[:3])
    headers = {"Location": action.location} if action.location else {}
    if action.no_body:
        return Answer(status, content_type=None, headers=headers, no_length=action.no_length)
    if action.html or action.do == "status" and action.body is None:
        return answers.html(status, action.message)
    if action.body is not None:
        return Answer(status, action.body.encode(), action.content_type)
    return answers.error(action.code or f"{status}00", action.message, status)
