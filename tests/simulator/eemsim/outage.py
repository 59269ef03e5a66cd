# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restart of the EEM: first nothing listens, then Tomcat runs without the context, then EEM has not found any card yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Callable, Protocol

UP, DOWN, STARTING, EMPTY = "up", "down", "starting", "empty"


class Listener(Protocol):
    """How an outage controls the listening socket and the connections."""

    def close(self) -> None:
        """Stop listening and abort every connection."""

    async def open(self) -> None:
        """Listen again on the same address and port."""


class Outage:
    """The phases of one restart. The state of the cards does not change."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._ends = {DOWN: 0.0, STARTING: 0.0, EMPTY: 0.0}
        self._task: asyncio.Task[None] | None = None

    @property
    def phase(self) -> str:
        now = time.monotonic()
        return next((phase for phase, end in self._ends.items() if now < end), UP)

    def begin(self, down: float, starting: float, empty: float, mode: str) -> None:
        """`refuse` closes the listening socket, so that control is also unreachable; `reset` keeps control reachable."""
        start = time.monotonic()
        self._ends = {DOWN: start + down, STARTING: start + down + starting, EMPTY: start + down + starting + empty}
        if mode == "refuse" and self._task is None:
            self._listener.close()
            self._task = asyncio.get_running_loop().create_task(self._reopen(self._listener.open))

    def cancel(self) -> None:
        """End the outage now. A closed socket is opened again within a few milliseconds."""
        self._ends = dict.fromkeys(self._ends, 0.0)

    async def _reopen(self, open_again: Callable[[], Awaitable[None]]) -> None:
        while self.phase == DOWN:
            await asyncio.sleep(0.005)
        while True:
            try:
                await open_again()
                break
            except OSError:
                # A client's outgoing connection may use the port for a moment.
                await asyncio.sleep(0.02)
        self._task = None
