# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the servlet container closes a connection, as Tomcat's HTTP connector does with its default settings.

That EEM's Tomcat has these settings is an assumption [?]; each is an option.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from .options import Options

CLOSING = frozenset((400, 408, 411, 413, 414, 500, 501, 503))
"""After an answer with one of these statuses Tomcat closes the connection: it may not have read the whole request."""


class KeepAlive:
    """Counts the answers of each connection, and closes those that stay idle."""

    def __init__(self) -> None:
        self._answers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._idle: weakref.WeakKeyDictionary[Any, asyncio.TimerHandle] = weakref.WeakKeyDictionary()

    def begin(self, transport: asyncio.Transport) -> None:
        """A request has arrived: the connection is not idle."""
        timer = self._idle.pop(transport, None)
        if timer is not None:
            timer.cancel()
        self._answers[transport] = self._answers.get(transport, 0) + 1

    def is_last(self, transport: asyncio.Transport, status: int, options: Options) -> bool:
        """Whether the connection is closed after the answer with this status."""
        most = int(options.keep_alive_requests)
        return 0 < most <= self._answers[transport] or (options.close_after_errors == "yes" and status in CLOSING)

    def end(self, transport: asyncio.Transport, options: Options) -> None:
        """The answer is sent: close the connection if no other request arrives in time."""
        seconds = float(options.keep_alive_seconds)
        if seconds and not transport.is_closing():
            self._idle[transport] = asyncio.get_running_loop().call_later(seconds, transport.close)
