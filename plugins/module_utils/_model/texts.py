# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""Makes texts from outside safe for results, terminals and logs. Pure. Private to the collection.

A card or a server may send anything that JSON can contain. Texts that we show are on one line, can be encoded in UTF-8,
and cannot control a terminal or reorder the text around them. Line breaks and tabs become a space. All other invisible
characters become U+FFFD, so that their place is visible. Visible text in any language is not changed.
"""

from __future__ import annotations

import functools
import json
import re
import typing as t

MAX_TEXT = 1024  # characters of one text; a longer text is cut and ends in an ellipsis
MAX_DEPTH = 50  # levels of nested lists and objects; EEM's own records have four

_BREAKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
#: Listed here instead of by Unicode category, so that every Python gives the same result. Variation selectors
#: (Kanji variants, emoji), private use and code points of later Unicode versions are kept.
_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u034f\u180e\u200b-\u200d\u2060-\u2065\ufeff"  # soft hyphen, joiners, zero width
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"  # line separators, bidirectional marks, embeddings, isolates
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff0-\ufffb"  # fillers without a shape, annotations
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"  # format controls, tags
    "\ud800-\udfff"  # halves of surrogate pairs
    "\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


def printable(text: str, limit: int | None = MAX_TEXT) -> str:
    """Return a text on one line, visible, encodable in UTF-8, and at most `limit` characters long.

    A second call returns the result unchanged.

    :param limit: `None` for no limit
    """
    if limit is not None and len(text) > limit:
        text = f"{text[: limit - 1]}…"
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(lambda match: " " if match[0] in _BREAKS else "\ufffd", text)


_NO_BRACES = str.maketrans("{}", "()")
_key = functools.lru_cache(maxsize=1024)(printable)  # thousands of records share a few keys


def never_template(value: t.Any) -> t.Any:
    """Return a JSON value without anything that Ansible or Jinja could evaluate as a template, for variables of other programs.

    Braces become parentheses, and the header that gives a template other marks becomes plain text. Keys are not changed.
    """
    if isinstance(value, str):
        return value.translate(_NO_BRACES).replace("#jinja2:", "# jinja2:")
    if isinstance(value, dict):
        return {key: never_template(item) for key, item in value.items()}
    return [never_template(item) for item in value] if isinstance(value, list) else value


def printable_json(value: t.Any, depth: int = 0) -> t.Any:
    """Return a JSON value with all texts and keys made printable; `None` for values nested deeper than MAX_DEPTH."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, (dict, list)):
        if depth >= MAX_DEPTH:
            return None
        if isinstance(value, list):
            return [printable_json(item, depth + 1) for item in value]
        return {_key(key): printable_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, int) and value.bit_length() > 3 * MAX_TEXT:
        return printable(str(value))
    return value


def read_json(content: bytes | str) -> t.Any:
    """Return the value of a JSON text, with printable texts.

    :raises ValueError: it is not JSON
    :raises RecursionError: it is nested too deeply for the parser
    """
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content), "surrogatepass")
    value = json.loads(text)
    return value if _is_plain(text) else printable_json(value)


def _is_plain(text: str) -> bool:
    """Whether all texts in JSON are certainly printable. Checks the JSON as a whole, because a listing has 100,000s."""
    # Raw control characters are not valid JSON. All other invisible ones are escaped, not ASCII, or DEL.
    return text.isascii() and "\\" not in text and "\x7f" not in text and not _has_long_run(text)


def _has_long_run(text: str) -> bool:
    """Whether there are more than MAX_TEXT characters between two quotation marks."""
    at = -1
    while at + MAX_TEXT + 1 < len(text):
        at = text.rfind('"', at + 1, at + MAX_TEXT + 2)
        if at < 0:
            return True
    return False
