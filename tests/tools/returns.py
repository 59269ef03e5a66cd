#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate the modules' RETURN from returns.yml, and that of the event source. With --check, only verify that it is up to date.

The JSON schemas of the event source are generated, too: of its events from returns.yml, of its options from its documentation.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1] / "plugins" / "modules"
EVENT_SOURCE = HERE.parents[1] / "extensions" / "eda" / "plugins" / "event_source" / "expether.py"
JSON_TYPES = {
    "str": "string",
    "path": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "dict": "object",
    "list": "array",
}
#: The keys of an event that are never null.
NEVER_NULL = ("type", "at", "podm_id", "url")
_BLOCK = re.compile(r'\nRETURN = r"""\n(.*?)"""\n', re.DOTALL)


def _keys(source: dict[str, Any], shape: str) -> dict[str, Any]:
    """Return the documented keys of a shape; the keys of its `_like` shape come first."""
    keys = dict(source["shapes"][shape])
    like = keys.pop("_like", None)
    return {**(_keys(source, like) if like else {}), **{key: _block(source, entry) for key, entry in keys.items()}}


def _block(source: dict[str, Any], entry: dict[str, Any] | str) -> dict[str, Any]:
    """Return one documented key. A plain string names one of the common blocks."""
    entry = dict(source["blocks"][entry] if isinstance(entry, str) else entry)
    shape, dummy = entry.pop("_contains", None), entry.pop("_keys", None)
    entry["description"] = [entry["description"]]
    entry.setdefault("returned", "always")
    if shape:
        entry["contains"] = _keys(source, shape)
    return entry


class Dumper(yaml.SafeDumper):
    """Indents lists below their key, as everywhere in the collection, and never writes YAML aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _source() -> dict[str, Any]:
    source: dict[str, Any] = yaml.safe_load((HERE / "returns.yml").read_text(encoding="utf-8"))
    return source


def written(module: str | None) -> str:
    """Return the text of a module's RETURN; without a module, that of the event source, which has the keys of its events."""
    source = _source()
    blocks = (
        {key: _block(source, entry) for key, entry in source["modules"][module].items()}
        if module
        else _keys(source, "event")
    )
    return yaml.dump(blocks, Dumper=Dumper, sort_keys=False, width=104, allow_unicode=True)


def _place(text: str) -> tuple[int, int]:
    """Return the start and end offsets of a module's RETURN."""
    found = _BLOCK.search(text)
    if found is None:
        raise SystemExit("A module has no RETURN.")
    return found.span(1)


def _schema_of(source: dict[str, Any], shape: str, never_null: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON schema of an object with all keys of a shape."""
    entries = source["shapes"][shape]
    keys: dict[str, dict[str, Any]] = {}
    for key, entry in entries.items():
        inner = entry.get("_contains") or entry.get("_keys")
        kind = JSON_TYPES[entry["type"]]
        keys[key] = (
            {"anyOf": [{"$ref": f"#/$defs/{inner}"}, {"type": "null"}]}
            if inner
            else {"type": kind if key in never_null else [kind, "null"]}
        )
        keys[key]["description"] = " ".join(re.sub(r"\b[CO]\(([^)]*)\)", r"\1", entry["description"]).split())
        if "choices" in entry:
            keys[key]["enum"] = entry["choices"]
    return {"type": "object", "properties": keys, "required": [*keys], "additionalProperties": False}


def _written_schema(title: str, schema: dict[str, Any]) -> str:
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps({**about, **schema}, indent=2, ensure_ascii=False) + "\n"


def event_schema() -> str:
    """Return the text of the JSON schema of events. What they are about decides which keys are null."""
    source = _source()
    nothing, something = {"type": "null"}, {"not": {"type": "null"}}
    about_podm = {"properties": {"device": nothing, "previous": nothing}}
    about_device = {"properties": {"device": something, "reason": nothing, "failure": nothing}}
    is_about_podm = {"properties": {"type": {"pattern": "^podm_"}}}
    schema = {
        **_schema_of(source, "event", NEVER_NULL),
        "if": is_about_podm,
        "then": about_podm,
        "else": about_device,
        "$defs": {shape: _schema_of(source, shape, ()) for shape in ("device", "failure")},
    }
    return _written_schema("An event of nec.expether.expether", schema)


def options_schema() -> str:
    """Return the text of the JSON schema of the event source's options, from its documentation."""
    tree = ast.parse(EVENT_SOURCE.read_text(encoding="utf-8"))
    texts = {
        ast.unparse(line.targets[0]): line.value.value
        for line in tree.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
    }
    keys: dict[str, dict[str, Any]] = {}
    for name, option in yaml.safe_load(str(texts["DOCUMENTATION"]))["options"].items():
        sentences = option["description"]
        about = " ".join(sentences if isinstance(sentences, list) else [sentences])
        about = re.sub(r"\b[CEOV]\(([^)]*)\)", r"\1", about)
        kind = JSON_TYPES[option["type"]]
        # As in modules, a text is converted: a name in place of a list, or what a template in a rulebook gives.
        schema: dict[str, Any] = {"description": about, "type": kind if kind == "string" else [kind, "string"]}
        schema |= {"enum": option["choices"]} if "choices" in option else {}
        schema |= {"items": {"type": JSON_TYPES[option["elements"]]}} if "elements" in option else {}
        schema |= {"default": option["default"]} if "default" in option else {}
        keys |= dict.fromkeys((name, *option.get("aliases", ())), schema)
    options = {"type": "object", "properties": keys, "additionalProperties": False}
    return _written_schema("Options of nec.expether.expether", options)


def main() -> int:
    """Write or check every module and the event source."""
    stale = []
    modules = {path: path.stem for path in sorted(MODULES.glob("*.py")) if path.stem != "__init__"}
    for path, module in {**modules, EVENT_SOURCE: None}.items():
        text = path.read_text(encoding="utf-8")
        begin, end = _place(text)
        new = f"{text[:begin]}{written(module)}{text[end:]}"
        if new != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    for name, schema in (("expether", options_schema()), ("expether_events", event_schema())):
        path = EVENT_SOURCE.with_name("schemas") / f"{name}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != schema:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(schema, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"RETURN differs from returns.yml in {', '.join(stale)}. Run tests/tools/returns.py.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
