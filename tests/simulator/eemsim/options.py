# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the EEM interface notes leave open, or what installations do differently, as options.

Each can be set on the command line (``--option NAME=VALUE``) and at run time (``PATCH /_control/options``). The table in
README.md is written from ``OPTIONS`` below; a test compares the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option: its values, the first being the default. An empty tuple of values means any text of ``pattern``."""

    values: tuple[str, ...]
    text: str
    default: str = ""
    pattern: str = ""

    @property
    def start(self) -> str:
        return self.values[0] if self.values else self.default

    def check(self, name: str, value: Any) -> str:
        """The value as text, or ``ValueError``."""
        text = str(value)
        fits = text in self.values if self.values else re.fullmatch(self.pattern, text)
        if not fits:
            raise ValueError(f"option {name}: {text!r} is not one of {', '.join(self.values) or self.pattern}")
        return text


OPTIONS = {
    "enforce": Option(("strict", "none"), "strict: all rules of the interface notes; none: only that the card exists and "
                      "that the request is well-formed, so any group id goes on any card, also a taken one"),
    "conditional": Option(("honour", "ignore", "refuse"), "update_time sent with a change: a condition, answered 40004 "
                          "when the card changed since; not looked at; refused with HTTP 400 and an unknown code"),
    "change_answer": Option(("object", "empty", "none"), "a change is answered with its object, with 200 and {}, or with "
                            "204, no body and no Content-Length"),
    "empty_list": Option(("object", "empty-body", "204"), "a list without devices is answered with its object, with 200 "
                         "and an empty body, or with 204"),
    "time_type": Option(("kept", "string", "number", "mixed"), "JSON type of update_time: as the fleet has it, always "
                        "text, always a number, or text for one card and a number for the next"),
    "silent_change": Option(("accept", "refuse"), "a change asked of a card that does not answer: carried out, or "
                            "refused with 50003"),
    "orphan_detach": Option(("accept", "refuse"), "detaching an EEIO whose EESV does not answer: carried out, or refused "
                            "with 50003"),
    "repeat_delete": Option(("refuse", "accept"), "deleting the group id of a card that has none: refused with 40011, or "
                            "accepted without effect"),
    "shared_group": Option(("refuse", "accept"), "giving an EESV the group id of another EESV"),
    "group_pick": Option(("lowest", "highest", "random"), "which unused group id EEM picks when asked to pick"),
    "peer_update_time": Option(("moves", "stays"), "update_time of the card at the other end when only its dependent "
                               "fields change (ports, connection states)"),
    "refusal_code": Option((), "code of every refusal whose true code is unknown; its first three digits are the HTTP "
                           "status", "40900", "[45][0-9]{4}"),
    "latency_ms": Option((), "milliseconds that every request waits first", "0", "[0-9]{1,6}"),
}


class Options:
    """The values in force, as attributes named after the options."""

    def __init__(self, start: dict[str, Any] | None = None) -> None:
        self._values = {name: option.start for name, option in OPTIONS.items()}
        self.update(start or {})

    def update(self, changes: dict[str, Any]) -> None:
        """Set several; all or none."""
        checked = {}
        for name, value in changes.items():
            if name not in OPTIONS:
                raise ValueError(f"unknown option {name!r}; there are {', '.join(OPTIONS)}")
            checked[name] = OPTIONS[name].check(name, value)
        self._values.update(checked)

    def as_dict(self) -> dict[str, str]:
        return dict(self._values)

    def __getattr__(self, name: str) -> str:
        values: dict[str, str] = self.__dict__.get("_values", {})
        if name not in values:
            raise AttributeError(name)
        return values[name]


def table() -> str:
    """The rows of README.md's table."""
    rows = []
    for name, option in OPTIONS.items():
        values = " ".join(f"`{value}`" for value in option.values) or f"`{option.default}` or any `{option.pattern}`"
        rows.append(f"| `{name}` | {values} | {option.text} |")
    return "\n".join(rows)
