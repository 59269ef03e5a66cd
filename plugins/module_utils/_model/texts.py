# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts from outside, made fit for a result, a terminal and a log. Pure. Private to the collection.

A card or a server may send anything that JSON can hold. What is shown is on one line, can be encoded in UTF-8, and
cannot steer a terminal or reorder what stands beside it. Line breaks and tabs become a space. Everything else that
cannot be seen becomes U+FFFD, so that its place is visible. Visible text of any language is left alone.
"""

from __future__ import annotations

import functools
import json
import re
import typing as t

MAX_TEXT = 1024  # characters of one text; what is longer ends in an ellipsis
MAX_DEPTH = 50  # of lists and objects in each other; EEM's own go four deep

_BREAKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
#: Listed here, and not by Unicode category, so that every Python makes the same of a text. Variation selectors
#: (Kanji variants, emoji), private use and code points of a later Unicode stay.
_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u034f\u180e\u200b-\u200d\u2060-\u2065\ufeff"  # soft hyphen, joiners, zero width
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"  # line separators, bidirectional marks, embeddings, isolates
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff0-\ufffb"  # fillers without a shape, annotations
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"  # format controls, tags
    "\ud800-\udfff"  # halves of surrogate pairs
    "\ufdd0-\ufdef" + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)) + "]"
)


def printable(text: str, limit: int | None = MAX_TEXT) -> str:
    """Return a text on one line, visible, encodable in UTF-8, and at most C(limit) characters long.

    The result is returned unchanged when it is given again.

    :param limit: C(None) for no limit
    """
    if limit is not None and len(text) > limit:
        text = f"{text[: limit - 1]}…"
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(lambda found: " " if found[0] in _BREAKS else "\ufffd", text)


_key = functools.lru_cache(maxsize=1024)(printable)  # thousands of records have the same few keys


def printable_json(value: t.Any, depth: int = 0) -> t.Any:
    """Return a JSON value with all its texts, also keys, made printable; C(None) for what lies deeper than any of EEM's."""
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
    """Return what JSON says, with printable texts.

    :raises ValueError: it is no JSON
    :raises RecursionError: it goes deeper than JSON can be read
    """
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content), "surrogatepass")
    value = json.loads(text)
    return value if _is_plain(text) else printable_json(value)


def _is_plain(text: str) -> bool:
    """Whether all texts in JSON are printable at a glance at the whole: a listing has hundreds of thousands of them."""
    # Raw control characters are no JSON; all others that cannot be seen are escaped, not ASCII, or DEL.
    return text.isascii() and "\\" not in text and "\x7f" not in text and not _has_long_run(text)


def _has_long_run(text: str) -> bool:
    """Whether there are more than C(MAX_TEXT) characters between two quotation marks."""
    at = -1
    while at + MAX_TEXT + 1 < len(text):
        at = text.rfind('"', at + 1, at + MAX_TEXT + 2)
        if at < 0:
            return True
    return False
