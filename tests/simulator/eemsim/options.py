# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options for behaviour that the EEM interface notes leave open, or that differs between installations.

Set them on the command line (`--option NAME=VALUE`) or at run time (`PATCH /_control/options`). The table in README.md
is generated from `OPTIONS` below; a test compares the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One option. The first value is the default. If `values` is empty, any text that matches `pattern` is valid."""

    values: tuple[str, ...]
    text: str
    default: str = ""
    pattern: str = ""

    @property
    def start(self) -> str:
        return self.values[0] if self.values else self.default

    def check(self, name: str, value: Any) -> str:
        """Return the value as text. Raises ValueError if it is invalid."""
        text = str(value)
        valid = text in self.values if self.values else re.fullmatch(self.pattern, text)
        if not valid:
            raise ValueError(f"option {name}: {text!r} is not one of {', '.join(self.values) or self.pattern}")
        return text


OPTIONS = {
    "enforce": Option(
        ("strict", "none"),
        "strict: all rules of the interface notes; none: only checks that the card "
        "exists and the request is well-formed, so any card accepts any group id, even if it is taken",
    ),
    "conditional": Option(
        ("honour", "ignore", "refuse"),
        "update_time sent with a change: a condition, with answer "
        "40004 if the card has changed since; ignored; refused with HTTP 400 and an unknown code",
    ),
    "change_answer": Option(
        ("object", "empty", "none"),
        "answer to a change: its object, 200 with {}, or 204 without body and Content-Length",
    ),
    "empty_list": Option(
        ("object", "empty-body", "204"), "answer to an empty list: its object, 200 with an empty body, or 204"
    ),
    "time_type": Option(
        ("kept", "string", "number", "mixed"),
        "JSON type of update_time: as in the fleet, always "
        "text, always a number, or text for some cards and a number for others",
    ),
    "silent_change": Option(
        ("refuse", "accept"),
        "a change of a card that does not respond, its LED, audits and resets: refused with 50003, or carried out",
    ),
    "orphan_detach": Option(
        ("accept", "refuse"), "detaching an EEIO whose EESV does not respond: carried out, or refused with 50003"
    ),
    "repeat_delete": Option(
        ("refuse", "accept"),
        "deleting the group id of a card without one: refused, or accepted without effect",
    ),
    "shared_group": Option(("refuse", "accept"), "giving an EESV the group id of another EESV"),
    "group_pick": Option(("lowest", "highest", "random"), "which unused group id EEM picks if the request has none"),
    "peer_update_time": Option(
        ("moves", "stays"),
        "update_time of the card at the other end when only its dependent fields change (ports, connection states)",
    ),
    "link": Option(
        ("at-once", "late", "audit", "never"),
        "when the link of an EEIO that got the group id of an EESV with power comes up: at once; after `link_delay`; when "
        "the EEIO is audited; never. Links that are up stay up",
    ),
    "link_delay": Option(
        (), "with link=late: the link is up from this request on, after the change", "3", "[0-9]{1,6}"
    ),
    "refusal_code": Option(
        (),
        "code of every refusal whose real code is unknown; its first three digits are the HTTP status",
        "40900",
        "[45][0-9]{4}",
    ),
    "keep_alive_requests": Option(
        (), "number of answers after which a connection is closed; 0: any number", "100", "[0-9]{1,6}"
    ),
    "keep_alive_seconds": Option(
        (), "seconds after which an idle connection is closed; 0: never", "20", r"[0-9]{1,4}(\.[0-9]{1,3})?"
    ),
    "close_after_errors": Option(
        ("yes", "no"), "whether a connection is closed after 400, 408, 411, 413, 414, 500, 501 and 503"
    ),
    "close_header": Option(
        ("sent", "omitted"), "whether the last answer before a connection is closed says `Connection: close`"
    ),
    "chunk_above": Option(
        (), "bytes above which an answer is sent in chunks, without a Content-Length", "8192", "[0-9]{1,9}"
    ),
    "wrong_accept": Option(
        ("refuse", "ignore"), "a request whose Accept excludes JSON: refused with 406 and HTML, or answered with JSON"
    ),
    "latency_ms": Option((), "milliseconds of delay before every request", "0", "[0-9]{1,6}"),
}


class Options:
    """The current values, as attributes named after the options."""

    def __init__(self, start: dict[str, Any] | None = None) -> None:
        self._values = {name: option.start for name, option in OPTIONS.items()}
        self.update(start or {})

    def update(self, changes: dict[str, Any]) -> None:
        """Set several options, all or none."""
        checked = {}
        for name, value in changes.items():
            if name not in OPTIONS:
                raise ValueError(f"unknown option {name!r}; known options are {', '.join(OPTIONS)}")
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
