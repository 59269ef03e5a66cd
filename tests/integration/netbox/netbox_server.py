# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small stand-in for NetBox that keeps what is sent to it, and a record of all calls.

It answers as NetBox 4.2's REST API is documented: pages, nested objects, choices, custom fields that are merged, tags that are replaced, and
errors as lists of sentences per field. It is stricter in one thing: it refuses what it does not know, which NetBox ignores.
"""

from __future__ import annotations

import http.server
import json
import re
import ssl
import threading
import typing as t
from urllib.parse import parse_qsl, urlencode, urlsplit

Json = dict[str, t.Any]
STATUSES = ("offline", "active", "planned", "staged", "failed", "inventory", "decommissioning")
PAGE = {"dcim/devices": 4}  # a client gets no more, whatever its limit is; NetBox's MAX_PAGE_SIZE is 1000 for all


class Kind(t.NamedTuple):
    """A kind of object: its fields, by what is done with them."""

    required: tuple[str, ...]
    texts: t.Mapping[str, int] = {}  # and how long they may be
    values: tuple[str, ...] = ()  # kept as they are
    choices: t.Mapping[str, tuple[str, ...]] = {}
    links: t.Mapping[str, str] = {}  # to the kind that they name
    tagged: bool = False


NAMED = {"name": 100, "slug": 100, "description": 200}
KINDS = {
    "dcim/sites": Kind(("name", "slug"), NAMED),
    "dcim/manufacturers": Kind(("name", "slug"), NAMED),
    "dcim/device-roles": Kind(("name", "slug"), {**NAMED, "color": 6}, ("vm_role",)),
    "dcim/device-types": Kind(
        ("manufacturer", "model", "slug"),
        {"model": 100, "slug": 100},
        ("u_height", "is_full_depth"),
        links={"manufacturer": "dcim/manufacturers"},
        tagged=True,
    ),
    "dcim/devices": Kind(
        ("device_type", "role", "site"),
        {"name": 64, "serial": 50, "description": 200},
        choices={"status": STATUSES},
        links={"device_type": "dcim/device-types", "role": "dcim/device-roles", "site": "dcim/sites"},
        tagged=True,
    ),
    "extras/tags": Kind(("name", "slug"), {**NAMED, "color": 6}),
    "extras/custom-fields": Kind(
        ("name", "object_types"),
        {"name": 50, "label": 50, "group_name": 50, "description": 200},
        ("object_types",),
        {"type": ("text", "integer")},
    ),
    "extras/custom-links": Kind(
        ("name", "object_types", "link_text", "link_url"),
        {"name": 100, "link_text": 2000, "link_url": 2000},
        ("object_types",),
    ),
}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: t.Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class NetBox:
    """Serves on a free port of 127.0.0.1. `tokens` are what each token may do: write, read, or nothing."""

    def __init__(self, tokens: t.Mapping[str, str], tls: ssl.SSLContext) -> None:
        self._tokens = {f"Token {token}": may for token, may in tokens.items()}
        self.calls: list[str] = []
        self.objects: dict[str, dict[int, Json]] = {kind: {} for kind in KINDS}
        netbox = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = netbox.answer(
                    self.command, self.path, self.headers.get("Authorization"), json.loads(content) if content else None
                )
                sent = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("API-Version", "4.2")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

            def log_message(self, *dummy: t.Any) -> None:
                """Print nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- what tests do

    def add(self, kind: str, **values: t.Any) -> int:
        """Make an object as a person does; return its id."""
        return int(self._create(kind, values)["id"])

    def entries(self) -> dict[str, Json]:
        """Return all devices by name, as NetBox shows them."""
        return {entry["name"]: self._shown("dcim/devices", entry) for entry in self.objects["dcim/devices"].values()}

    def take_calls(self) -> list[str]:
        """Return the calls since the last time."""
        taken, self.calls = self.calls, []
        return taken

    # -- what NetBox does

    def answer(self, method: str, target: str, authorization: str | None, body: t.Any) -> tuple[int, t.Any]:
        parts = urlsplit(target)
        query = sorted(parse_qsl(parts.query, keep_blank_values=True))
        try:
            status, answer = self._answer(method, parts.path, query, authorization, body)
        except Refused as exc:
            status, answer = exc.status, exc.body
        shown = f"{status} {method} {parts.path}{'?' if query else ''}{urlencode(query, safe=':/')}"
        self.calls.append(shown if body is None else f"{shown} {json.dumps(body, sort_keys=True)}")
        return status, answer

    def _answer(
        self, method: str, path: str, query: list[tuple[str, str]], authorization: str | None, body: t.Any
    ) -> tuple[int, t.Any]:
        if authorization not in self._tokens:
            raise Refused(403, {"detail": "Invalid token"})
        may = self._tokens[authorization]
        if path == "/api/":
            return 200, {}
        if path == "/api/status/":
            return 200, {"netbox-version": "4.2.9"}
        if may != "write" and not (may == "read" and method in ("GET", "OPTIONS")):
            raise Refused(403, {"detail": "You do not have permission to perform this action."})
        found = re.fullmatch(r"/api/([a-z]+/[a-z-]+)/(?:(\d+)/)?", path)
        if not found or found[1] not in KINDS:
            raise Refused(404, {"detail": "Not found."})
        kind, number = found[1], int(found[2] or 0)
        if number and number not in self.objects[kind]:
            raise Refused(404, {"detail": f"No {kind} matches the given query."})
        if method == "OPTIONS":
            choices = {
                name: {"choices": [{"value": value, "display_name": value.capitalize()} for value in values]}
                for name, values in KINDS[kind].choices.items()
            }
            return 200, {"actions": {"POST": choices}} if may == "write" else {}
        if method == "GET":
            return 200, self._shown(kind, self.objects[kind][number]) if number else self._page(kind, path, query)
        if method == "POST":
            return 201, self._shown(kind, self._create(kind, body))
        if method == "PATCH":
            merged = {**self.objects[kind][number], **self._checked(kind, body, number)}
            self.objects[kind][number] = merged
            return 200, self._shown(kind, merged)
        del self.objects[kind][number]
        return 204, None

    def _create(self, kind: str, values: Json) -> Json:
        lacking = {name: ["This field is required."] for name in KINDS[kind].required if name not in values}
        if lacking:
            raise Refused(400, lacking)
        number = max(self.objects[kind], default=0) + 1
        empty: Json = {**dict.fromkeys(KINDS[kind].texts, ""), **({"tags": []} if KINDS[kind].tagged else {})}
        defaults = {"status": "active", "type": "text", "custom_fields": {}}
        empty.update({name: defaults[name] for name in (*KINDS[kind].choices, *self._own(kind))})
        self.objects[kind][number] = {**empty, **self._checked(kind, values, 0), "id": number}
        return self.objects[kind][number]

    @staticmethod
    def _own(kind: str) -> tuple[str, ...]:
        return ("custom_fields",) if kind == "dcim/devices" else ()

    def _checked(self, kind: str, values: Json, number: int) -> Json:
        """Return the values to keep, or raise what NetBox says about them."""
        about, kept, wrong = KINDS[kind], {}, {}
        for name, value in values.items():
            if name in about.texts:
                kept[name] = value.strip() if isinstance(value, str) else value
                others = [each for key, each in self.objects[kind].items() if key != number]
                if not isinstance(value, str) or len(kept[name]) > about.texts[name]:
                    wrong[name] = [f"Ensure this field has no more than {about.texts[name]} characters."]
                elif name == "slug" and not re.fullmatch(r"[-\w]+", value, re.ASCII):
                    wrong[name] = ['Enter a valid "slug".']
                elif name in ("name", "slug") and any(each[name] == kept[name] for each in others):
                    wrong[name] = [f"{kind} with this {name} already exists."]
            elif name in about.choices:
                kept[name] = value
                if value not in about.choices[name]:
                    wrong[name] = [f"{value} is not a valid choice."]
            elif name in about.links:
                kept[name] = value
                if value not in self.objects[about.links[name]]:
                    wrong[name] = [f"Related object not found using the provided numeric ID: {value}"]
            elif name == "tags" and about.tagged:
                kept[name] = value
                if not set(value) <= set(self.objects["extras/tags"]):
                    wrong[name] = ["Related object not found"]
            elif name in self._own(kind):
                unknown = set(value) - self._custom_fields()
                if unknown:
                    wrong[name] = [f"Unknown field name '{key}' in custom field data." for key in sorted(unknown)]
                kept[name] = {**(self.objects[kind][number][name] if number else {}), **value}
            elif name in about.values:
                kept[name] = value
            else:
                wrong[name] = ["This stand-in does not know the field."]
        if wrong:
            raise Refused(400, wrong)
        return kept

    def _custom_fields(self) -> set[str]:
        fields = self.objects["extras/custom-fields"].values()
        return {field["name"] for field in fields if "dcim.device" in field["object_types"]}

    def _shown(self, kind: str, entry: Json) -> Json:
        def brief(of: str, number: int) -> Json:
            target = self.objects[of][number]
            url = f"{self.url}/api/{of}/{number}/"
            return {
                "id": number,
                "url": url,
                **{key: target[key] for key in ("name", "model", "slug") if key in target},
            }

        about = KINDS[kind]
        shown = {**entry, "url": f"{self.url}/api/{kind}/{entry['id']}/", "display": entry.get("name", entry["id"])}
        shown.update({name: brief(of, entry[name]) for name, of in about.links.items()})
        shown.update({name: {"value": entry[name], "label": entry[name].capitalize()} for name in about.choices})
        if about.tagged:
            shown["tags"] = [brief("extras/tags", number) for number in entry["tags"]]
        if self._own(kind):
            shown["custom_fields"] = {**dict.fromkeys(sorted(self._custom_fields())), **entry["custom_fields"]}
        return shown

    def _page(self, kind: str, path: str, query: list[tuple[str, str]]) -> Json:
        options, filters = {"limit": "50", "offset": "0", "brief": ""}, dict[str, list[str]]()
        for name, value in query:
            if name in options:
                options[name] = value
            else:
                filters.setdefault(name, []).append(value)
        found = [entry for entry in self.objects[kind].values() if self._matches(kind, entry, filters)]
        most = PAGE.get(kind, 1000)
        limit, offset = min(most, int(options["limit"]) or most), int(options["offset"])
        results = [self._shown(kind, entry) for entry in found[offset : offset + limit]]
        if options["brief"]:
            results = [{key: entry[key] for key in ("id", "url", "display", "name")} for entry in results]
        again = [each for each in query if each[0] not in ("limit", "offset")]

        def link(to: int) -> str | None:
            more = urlencode([*again, ("limit", limit), ("offset", max(0, to))])
            return f"{self.url}{path}?{more}" if -limit < to < len(found) else None

        following, previous = link(offset + limit), link(offset - limit) if offset else None
        return {"count": len(found), "next": following, "previous": previous, "results": results}

    def _matches(self, kind: str, entry: Json, filters: t.Mapping[str, list[str]]) -> bool:
        matches = True
        for name, values in filters.items():
            plain = name.removesuffix("__isw").removesuffix("_id")
            if name == "tag" and KINDS[kind].tagged:
                slugs = {tag["slug"]: number for number, tag in self.objects["extras/tags"].items()}
                for value in values:
                    if value not in slugs:
                        error = f"Select a valid choice. {value} is not one of the available choices."
                        raise Refused(400, {"tag": [error]})
                matches &= all(slugs[value] in entry["tags"] for value in values)
            elif name.endswith("_id") and plain in KINDS[kind].links:
                matches &= str(entry[plain]) in values
            elif plain not in KINDS[kind].texts:
                raise Refused(400, {name: ["This stand-in does not know the filter."]})
            elif name.endswith("__isw"):
                matches &= entry[plain].lower().startswith(tuple(value.lower() for value in values))
            else:
                matches &= entry[plain] in values
        return matches
