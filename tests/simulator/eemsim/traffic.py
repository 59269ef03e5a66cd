# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts and logs requests and connections."""

from __future__ import annotations

import time
import weakref
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 100_000
"""Maximum number of log entries, so that a long benchmark does not use up the memory."""


@dataclass
class Entry:
    """One request outside the control path."""

    number: int
    time: float
    connection: int
    method: str
    path: str
    call: str
    query: dict[str, str]
    body: Any = None
    accept: str | None = None
    content_type: str | None = None
    user_agent: str | None = None
    authorization: bool = False
    status: int | None = None
    """None until an answer is sent. Remains None if the connection is dropped."""
    seconds: float | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)


class Traffic:
    """The counters and the log. Control requests are not included."""

    def __init__(self) -> None:
        self._open: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._connections = 0
        self._requests = 0
        self.reset_stats()
        self.reset_log()

    def reset_stats(self) -> None:
        self._calls: Counter[str] = Counter()
        self._methods: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._used: set[int] = set()

    def reset_log(self) -> None:
        self._log: deque[Entry] = deque(maxlen=KEPT)

    def begin(self, transport: Any, **about: Any) -> Entry:
        """Count and log a new request. Connections are numbered in the order of their first request."""
        if transport is None:
            number = 0
        else:
            if transport not in self._open:
                self._connections += 1
                self._open[transport] = self._connections
            number = self._open[transport]
        self._used.add(number)
        self._requests += 1
        entry = Entry(self._requests, time.time(), number, **about)
        self._calls[entry.call] += 1
        self._methods[entry.method] += 1
        self._log.append(entry)
        return entry

    def end(self, entry: Entry, status: int | None) -> None:
        entry.status = status
        entry.seconds = round(time.time() - entry.time, 6)
        self._statuses[str(status) if status else "none"] += 1

    def stats(self) -> dict[str, Any]:
        return {
            "requests": sum(self._methods.values()),
            "connections": len(self._used),
            "open_connections": sum(1 for transport in list(self._open) if not transport.is_closing()),
            "by_call": dict(sorted(self._calls.items())),
            "by_method": dict(sorted(self._methods.items())),
            "by_status": dict(sorted(self._statuses.items())),
        }

    def log(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._log]
