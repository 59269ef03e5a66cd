# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts from outside are visible, on one line, bounded, and otherwise as they were."""

from __future__ import annotations

import json
import typing as t
import unicodedata

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.texts import (
    MAX_DEPTH,
    MAX_TEXT,
    never_template,
    printable,
    printable_json,
    read_json,
)
from hypothesis import example, given
from hypothesis import strategies as st

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

any_text = st.text(st.characters(categories=None), max_size=60)
#: Mostly of the characters that must not be seen.
odd_text = st.text(
    st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp"))
    | st.sampled_from("a \u200d\u202e\ufdd0\uffff\U0010ffff\x7f\x85")
)


def is_safe(text: str) -> bool:
    """Whether a text is one visible line; written with Unicode's own properties, unlike what is tested."""
    text.encode()
    return not any(
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char) in DIRECTIONS
        or unicodedata.name(char, "") in ("LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK", "ARABIC LETTER MARK")
        or unicodedata.name(char, "").startswith(("ZERO WIDTH", "TAG "))
        or ord(char) & 0xFFFE == 0xFFFE
        or 0xFDD0 <= ord(char) <= 0xFDEF
        for char in text
    )


@given(any_text | odd_text, st.sampled_from([None, MAX_TEXT, 10]))
@example("x" * 3 * MAX_TEXT, MAX_TEXT)
@example("\ud83d" * 3 * MAX_TEXT, MAX_TEXT)
def test_any_text_becomes_safe_bounded_and_stays_so(text: str, limit: int | None) -> None:
    found = printable(text, limit)
    assert is_safe(found)
    assert limit is None or len(found) <= limit
    assert printable(found, limit) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "N8000-1006 (40G)",
        "日本語モデル\u3000第2世代",
        "葛\U000e0100城",  # a Kanji with its variant
        "\U0001f600 \u2764\ufe0f",
        "Größe\u00a0µ",
        "بطاقة",
        "कार्ड",
        "\ue000",  # private use
        "  two spaces  ",
        "x" * MAX_TEXT,
    ],
)
def test_visible_text_of_any_language_is_left_alone(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\ud83db", "a\ufffdb"),
        ("a\nb\tc\r\nd\u2028e", "a b c  d e"),
        ("\x1b[31mred", "\ufffd[31mred"),
        ("a\x9b31m\x7f\x00", "a\ufffd31m\ufffd\ufffd"),
        ("abc\u202efed\u2066", "abc\ufffdfed\ufffd"),
        ("GPU\u200b", "GPU\ufffd"),
        ("GPU\U000e0041", "GPU\ufffd"),
        ("a\uffff\U0001fffe\ufdd0", "a\ufffd\ufffd\ufffd"),
        ("x" * (MAX_TEXT + 1), "x" * (MAX_TEXT - 1) + "…"),
        ("x" * 10_000_000, "x" * (MAX_TEXT - 1) + "…"),
    ],
)
def test_what_cannot_be_seen_leaves_a_visible_mark(text: str, shown: str) -> None:
    assert printable(text) == shown


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text | odd_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
)


def texts_of(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *texts_of(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)


@given(values, st.booleans(), st.sampled_from(["utf-8", "utf-16", "utf-32-be"]))
@example("\u202e \u2000", False, "utf-16-le")  # as bytes these are ASCII
@example({"a": "x" * 1025}, True, "utf-8")
@example({"x" * 1025: ["\x7f"]}, False, "utf-8")
def test_all_texts_of_json_are_printable_however_it_is_written(value: t.Any, escaped: bool, encoding: str) -> None:
    content = json.dumps(value, ensure_ascii=escaped).encode(encoding, "surrogatepass")
    found = read_json(content)
    assert found == printable_json(json.loads(content))
    assert all(is_safe(text) and len(text) <= MAX_TEXT for text in texts_of(found))


@given(st.lists(st.sampled_from(['"', " ", "x" * 1000, "x" * 24, "x"]), max_size=12))
def test_a_text_that_is_too_long_is_found_wherever_it_is(parts: list[str]) -> None:
    value = {"a": "b", "c": ["".join(parts).replace('"', ""), 1]}
    assert all(len(text) <= MAX_TEXT for text in texts_of(read_json(json.dumps(value))))


def test_a_number_longer_than_any_text_is_a_text_of_bounded_length() -> None:
    found = read_json('{"model": ' + "9" * 2000 + "}")
    assert len(found["model"]) == MAX_TEXT


def test_what_lies_deeper_than_any_record_is_left_out() -> None:
    deep: t.Any = "\x7f"
    for _level in range(MAX_DEPTH + 5):
        deep = [deep]
    found = read_json(json.dumps(deep))
    for _level in range(MAX_DEPTH):
        assert isinstance(found, list)
        found = found[0]
    assert found is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xfd", b"\xc3(", b'{"a": "\n"}'])
def test_what_is_no_json_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_json(content)


def test_no_text_of_an_event_is_a_template() -> None:
    value = {"{{ key }}": ["{{ lookup('pipe', 'id') }}", {"model": "{% raw %}"}, 1, None], "a": "#jinja2: x\n[[ y ]]"}
    assert never_template(value) == {
        "{{ key }}": ["(( lookup('pipe', 'id') ))", {"model": "(% raw %)"}, 1, None],
        "a": "# jinja2: x\n[[ y ]]",
    }
    assert never_template("plain, 40 °C") == "plain, 40 °C"
