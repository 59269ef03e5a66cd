# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST calls of the EEM interface notes without HTTP: each maps a request and the state to an answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable

from . import cards
from .answers import Answer, error, html, json_answer
from .listing import Listing, wrap
from .options import Options
from .rules import MALFORMED, EemRefused, Rules
from .state import Card, Fabric


@dataclass
class Request:
    """The parts of an HTTP request that a call needs. `path` is relative to the context."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = ""
    accept: str = ""
    number: int | None = None

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, `{}` without a body. Anything else is refused, also blanks, which are not JSON [?]."""
        if not self.body:
            return {}
        try:
            value = json.loads(self.body)
        except ValueError:
            raise EemRefused(MALFORMED, "the body is not JSON") from None
        if not isinstance(value, dict):
            raise EemRefused(MALFORMED, "the body is not a JSON object")
        return value


Call = Callable[["Eem", Request, dict[str, str]], Answer]
_TABLE: list[tuple[str, re.Pattern[str], str, Call]] = []


def call(name: str) -> Callable[[Call], Call]:
    """Register a method as a call with a name such as `GET /devices/{id}`."""
    method, template = name.split(" ")

    def enter(function: Call) -> Call:
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
        _TABLE.append((method, pattern, name, function))
        return function

    return enter


class Eem:
    """One EEM: its cards, its rules and its calls."""

    def __init__(self, fabric: Fabric, options: Options) -> None:
        self.fabric = fabric
        self.options = options
        self.rules = Rules(fabric, options)
        self.listing = Listing(fabric, options)
        self.empty = False
        """True for some time after a restart: EEM has not found any card yet."""

    def answer(self, request: Request) -> Answer:
        self.fabric.count_request()
        found, _name, function, parts = find(request.method, request.path)
        if function is None:
            # The notes do not mention it; this is what a servlet container answers [?].
            return html(405 if found else 404, f"{request.method} {request.path}" if found else request.path)
        if request.method == "PUT" and not sends_json(request):
            return html(415, request.content_type or "no Content-Type")
        if self.options.wrong_accept == "refuse" and not accepts_json(request.accept):
            return html(406, request.accept)
        try:
            return function(self, request, parts)
        except EemRefused as exc:
            return error(exc.code, exc.message)

    def card(self, parts: dict[str, str]) -> Card:
        if self.empty:
            raise EemRefused("40400", f"device {parts['id']} is not found")
        return self.rules.card(parts["id"])

    def changed(self, value: dict[str, Any]) -> Answer:
        """The answer to a change: 200 with an object, 200 with {}, or 204 with no body [nec]."""
        if self.options.change_answer == "none":
            return Answer(204, content_type=None)
        return json_answer({} if self.options.change_answer == "empty" else value)

    def no_devices(self, name: str) -> Answer:
        """An empty list. One known client also accepts an empty 200 as "no devices"."""
        if self.options.empty_list == "204":
            return Answer(204, content_type=None)
        return Answer(body=wrap(name, b"[]") if self.options.empty_list == "object" else b"")

    # -- reading

    @call("GET /api_version")
    def api_version(self, request: Request, parts: dict[str, str]) -> Answer:
        return json_answer({"version_number": "v1.0.8"})

    @call("GET /devices")
    def devices(self, request: Request, parts: dict[str, str]) -> Answer:
        return self._list(request, detail=False)

    @call("GET /devices/detail")
    def devices_detail(self, request: Request, parts: dict[str, str]) -> Answer:
        return self._list(request, detail=True)

    def _list(self, request: Request, detail: bool) -> Answer:
        status = request.query.get("status")
        if status not in (None, "eesv", "eeio"):
            raise EemRefused(MALFORMED, f"status {status!r} is not one of eesv, eeio")
        since = request.query.get("update_time")
        if since is not None and not since.isdigit():
            raise EemRefused(MALFORMED, f"update_time {since!r} is not a time")
        group = request.query.get("group_id")
        body = self.listing.devices(detail, status, group, None if since is None else int(since))
        if body is None or self.empty:
            return self.no_devices("devices")
        return Answer(body=body)

    @call("GET /devices/{id}")
    def device(self, request: Request, parts: dict[str, str]) -> Answer:
        return Answer(body=wrap("device", self.listing.record(self.card(parts))))

    @call("GET /groups")
    def groups(self, request: Request, parts: dict[str, str]) -> Answer:
        groups = [] if self.empty else self.fabric.groups()
        if not groups and self.options.empty_list != "object":
            return self.no_devices("groups")
        return json_answer({"groups": [{"id": group} for group in groups]})

    @call("GET /devices/{id}/uid_led_status")
    def uid_led(self, request: Request, parts: dict[str, str]) -> Answer:
        return json_answer({"uid_led_status": self.card(parts).led})

    @call("GET /devices/{id}/rotary_switch_status")
    def rotary(self, request: Request, parts: dict[str, str]) -> Answer:
        return json_answer({"rotary_switch_status": cards.rotary_of(self.card(parts).record)})

    # -- changing

    @call("PUT /devices/{id}/group_id")
    def set_group(self, request: Request, parts: dict[str, str]) -> Answer:
        card = self.card(parts)
        body = request.json()
        # The notes mention an optional update_time but not its place, so both body and query are accepted [?].
        self.rules.unchanged_since(card, body.get("update_time", request.query.get("update_time")))
        self.rules.may_change(card)
        group = body.get("group_id")
        if group is None:
            group = self.rules.pick_group(card)
        elif not isinstance(group, str) or not group:
            raise EemRefused(MALFORMED, "group_id must be text")
        self.rules.may_set_group(card, group)
        self.fabric.set_group(card, group, "api", request.number)
        return self.changed({"group_id": group, "update_time": self.listing.time_value(card)})

    @call("DELETE /devices/{id}/group_id")
    def delete_group(self, request: Request, parts: dict[str, str]) -> Answer:
        card = self.card(parts)
        self.rules.unchanged_since(card, request.query.get("update_time"))
        self.rules.may_change(card)
        self.rules.may_delete_group(card)
        none = cards.UNSET if cards.is_eesv(card.record) else cards.FREE
        if card.group != none:
            self.fabric.set_group(card, none, "api", request.number)
        return self.changed({"update_time": self.listing.time_value(card)})

    @call("PUT /devices/{id}/audit")
    def audit(self, request: Request, parts: dict[str, str]) -> Answer:
        """Reads the card's state again, even of a disabled card [nec]. It is an assumption that update_time moves [?]."""
        card = self.card(parts)
        self.rules.may_ask(card)
        self.fabric.audit(card)
        return self.changed({"update_time": self.listing.time_value(card)})

    @call("PUT /devices/{id}/uid_led_status")
    def set_uid_led(self, request: Request, parts: dict[str, str]) -> Answer:
        card = self.card(parts)
        value = request.json().get("uid_led_status")
        self.rules.may_change(card)
        if value not in ("on", "off"):
            raise EemRefused(MALFORMED, "uid_led_status must be on or off")
        self.fabric.set_led(card, value, "api", request.number)
        return self.changed({"uid_led_status": value})

    @call("PUT /devices/{id}/perst")
    def perst(self, request: Request, parts: dict[str, str]) -> Answer:
        return self._event(request, parts, "perst")

    @call("PUT /devices/{id}/send_reset_frame")
    def send_reset_frame(self, request: Request, parts: dict[str, str]) -> Answer:
        return self._event(request, parts, "send_reset_frame")

    def _event(self, request: Request, parts: dict[str, str], name: str) -> Answer:
        card = self.card(parts)
        self.rules.may_change(card)
        self.fabric.event(card, name, "api", request.number)
        return self.changed({})

    @call("DELETE /devices/{id}")
    def forget(self, request: Request, parts: dict[str, str]) -> Answer:
        card = self.card(parts)
        self.rules.may_forget(card, request.query.get("force") == "enabled")
        self.fabric.remove(card.key, "api", request.number)
        return self.changed({})

    @call("DELETE /devices/{id}/ports/{port}/eeio_mac_address")
    def forget_port(self, request: Request, parts: dict[str, str]) -> Answer:
        card = self.card(parts)
        self.rules.may_change(card)
        port = self.rules.port(card, parts["port"])
        self.fabric.forget_port(card, port, "api", request.number)
        return self.changed({})

    @call("PUT /dump_statistics")
    def dump_statistics(self, request: Request, parts: dict[str, str]) -> Answer:
        return self.changed({})


def sends_json(request: Request) -> bool:
    """Whether a PUT has JSON, or neither a body nor a media type. Parameters and case do not matter."""
    if not request.content_type:
        return not request.body
    return _media_type(request.content_type) == "application/json"


def accepts_json(accept: str) -> bool:
    """Whether the header `Accept` allows JSON. Without one, everything is allowed."""
    ranges = [part for part in accept.split(",") if part.strip()]
    return not ranges or any(
        _media_type(part) in ("application/json", "application/*", "*/*", "*")
        and not re.search(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)", part, re.IGNORECASE)
        for part in ranges
    )


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def find(method: str, path: str) -> tuple[bool, str, Call | None, dict[str, str]]:
    """Return whether the path is known, the call's name for the statistics, the call, and the variable parts of the path.

    HEAD is answered like GET, without the body, as servlets do unless told otherwise [?].
    """
    known = False
    for its_method, pattern, name, function in _TABLE:
        match = pattern.fullmatch(path)
        if match:
            known = True
            if its_method == method:
                return True, name, function, match.groupdict()
            if (its_method, method) == ("GET", "HEAD"):
                return True, name.replace("GET", "HEAD"), function, match.groupdict()
    return known, f"{method} (unknown)", None, {}
