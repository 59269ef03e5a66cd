# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages for users contain: README.md and the guides in docs/docsite/rst."""

from __future__ import annotations

import re
import textwrap
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted((ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
PAGES = [ROOT / "README.md", *GUIDES]

_MARKDOWN = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")
_RST = re.compile(r"(?m)^\.\. code-block:: (\w+)\n\n((?:(?: {4}.*)?\n)+)")
_DEFINITION = re.compile(r"(?m)^(``.+)\n((?: {4}\S.*\n)+)")


class Block(t.NamedTuple):
    """A block of code on a page: its line, its language and its text."""

    line: int
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of code of a page in Markdown or reStructuredText."""
    text = page.read_text(encoding="utf-8")
    found = (_RST if page.suffix == ".rst" else _MARKDOWN).finditer(text)
    return [
        Block(text.count("\n", 0, each.start()) + 1, each[1], textwrap.dedent(each[2]).strip("\n") + "\n")
        for each in found
    ]


def literals_in(text: str) -> list[str]:
    """Return the inline literals of reStructuredText."""
    return re.findall(r"(?<![\w`])``(\S.*?)``(?!`)", text)


def definitions_of(page: Path) -> list[tuple[list[str], str]]:
    """Return the entries of definition lists whose terms are literals: the literals, and the text below."""
    found = _DEFINITION.finditer(page.read_text(encoding="utf-8"))
    return [(literals_in(each[1]), " ".join(each[2].split())) for each in found]
