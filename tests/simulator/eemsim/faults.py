# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a test orders: which requests they apply to, and what they do. Pure; `delivery` carries them out."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, fields
from typing import Any

REPLACING = ("fail", "status", "html", "garbage")
KINDS = REPLACING + ("delay", "drop", "truncate", "trickle", "freeze", "restart", "change")


@dataclass(frozen=True)
class Action:
    """One thing that goes wrong. README.md lists the fields of each kind."""

    do: str
    after: bool = False
    status: int | None = None
    code: str | None = None
    message: str = "a fault that a test ordered"
    html: bool = False
    no_body: bool = False
    no_length: bool = False
    location: str = ""
    seconds: float = 0.0
    reset: bool = False
    at: float = 0.5
    chunked: bool = False
    body: str | None = None
    base64: bool = False
    content_type: str = "application/json;charset=UTF-8"
    down: float = 0.0
    starting: float = 0.0
    empty: float = 0.0
    mode: str = "refuse"
    shift: float = 0.0
    card: str = ""
    set: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, spec: Any) -> Action:
        if not isinstance(spec, dict) or spec.get("do") not in KINDS:
            raise ValueError(f"an action needs 'do', one of {', '.join(KINDS)}")
        known = {each.name for each in fields(cls)}
        unknown = set(spec) - known
        if unknown:
            raise ValueError(
                f"unknown key {', '.join(sorted(unknown))} in an action; known keys are {', '.join(sorted(known))}"
            )
        for name, value in spec.items():
            if not isinstance(value, TYPES[name]) or isinstance(value, bool) and bool not in TYPES[name]:
                raise ValueError(f"{name!r} in an action cannot be {value!r}")
        if spec["do"] in ("truncate", "trickle"):
            # These disturb the sending of the real answer. Therefore the call is carried out first, unless ordered otherwise.
            spec = {"after": True, **spec}
        return cls(**spec)


TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("do", "code", "message", "body", "content_type", "mode", "card", "location"), (str,)),
    **dict.fromkeys(("after", "html", "no_body", "no_length", "reset", "chunked", "base64"), (bool,)),
    **dict.fromkeys(("seconds", "at", "down", "starting", "empty", "shift"), (int, float)),
    "status": (int,),
    "set": (dict,),
}


@dataclass
class Fault:
    """One order: it applies to the `nth` matching request from now on, for `times` matching requests in total."""

    number: int
    spec: dict[str, Any]
    actions: list[Action]
    method: str | None = None
    path: re.Pattern[str] | None = None
    nth: int = 1
    times: int = 1
    seen: int = 0
    used: int = 0

    def fires(self, method: str, path: str) -> bool:
        if self.method not in (None, method) or self.path is not None and not self.path.search(path):
            return False
        self.seen += 1
        if self.seen < self.nth or 0 <= self.times <= self.used:
            return False
        self.used += 1
        return True


class Book:
    """All orders, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)

    def order(self, spec: Any) -> int:
        """Add an order and return its number. Raises ValueError with the reason if it is invalid."""
        if not isinstance(spec, dict) or "action" not in spec or set(spec) - {"match", "times", "action"}:
            raise ValueError("a fault is an object with 'action' and, optionally, 'match' and 'times'")
        match = spec.get("match") or {}
        if not isinstance(match, dict) or set(match) - {"method", "path", "nth"}:
            raise ValueError("'match' accepts 'method', 'path' (a regular expression) and 'nth'")
        actions = spec["action"] if isinstance(spec["action"], list) else [spec["action"]]
        try:
            path = re.compile(match["path"]) if match.get("path") else None
        except re.error as exc:
            raise ValueError(f"'path' is not a regular expression: {exc}") from None
        fault = Fault(
            next(self._numbers),
            spec,
            [Action.read(action) for action in actions],
            match.get("method"),
            path,
            int(match.get("nth", 1)),
            int(spec.get("times", 1)),
        )
        self._faults.append(fault)
        return fault.number

    def fire(self, method: str, path: str) -> list[tuple[int, Action]]:
        """Return the actions for this request. Every matching order counts it."""
        return [
            (fault.number, action) for fault in self._faults if fault.fires(method, path) for action in fault.actions
        ]

    def actions(self, number: int) -> list[Action]:
        return next(fault.actions for fault in self._faults if fault.number == number)

    def as_list(self) -> list[dict[str, Any]]:
        return [{"id": fault.number, **fault.spec, "seen": fault.seen, "used": fault.used} for fault in self._faults]

    def remove(self, number: int | None = None) -> None:
        self._faults = [fault for fault in self._faults if number is not None and fault.number != number]
