#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate the modules' RETURN from returns.yml. With --check, only verify that it is up to date."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1] / "plugins" / "modules"
_BLOCK = re.compile(r'\nRETURN = r"""\n(.*?)"""\n', re.DOTALL)


def _keys(source: dict[str, Any], shape: str) -> dict[str, Any]:
    """Return the documented keys of a shape; the keys of its `_like` shape come first."""
    keys = dict(source["shapes"][shape])
    like = keys.pop("_like", None)
    return {**(_keys(source, like) if like else {}), **{key: _block(source, entry) for key, entry in keys.items()}}


def _block(source: dict[str, Any], entry: dict[str, Any] | str) -> dict[str, Any]:
    """Return one documented key. A plain string names one of the common blocks."""
    entry = dict(source["blocks"][entry] if isinstance(entry, str) else entry)
    shape = entry.pop("_contains", None)
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


def written(module: str) -> str:
    """Return the text of a module's RETURN."""
    source = yaml.safe_load((HERE / "returns.yml").read_text(encoding="utf-8"))
    blocks = {key: _block(source, entry) for key, entry in source["modules"][module].items()}
    return yaml.dump(blocks, Dumper=Dumper, sort_keys=False, width=104, allow_unicode=True)


def _place(text: str) -> tuple[int, int]:
    """Return the start and end offsets of a module's RETURN."""
    found = _BLOCK.search(text)
    if found is None:
        raise SystemExit("A module has no RETURN.")
    return found.span(1)


def main() -> int:
    """Write or check every module."""
    stale = []
    for path in sorted(path for path in MODULES.glob("*.py") if path.stem != "__init__"):
        text = path.read_text(encoding="utf-8")
        begin, end = _place(text)
        new = f"{text[:begin]}{written(path.stem)}{text[end:]}"
        if new != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"RETURN differs from returns.yml in {', '.join(stale)}. Run tests/tools/returns.py.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
