# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks and reads the values of a document. A document that fails is reported as damaged and never used.

Pure. Private to the collection.
"""

from __future__ import annotations

import re
import sys
import typing as t
from datetime import datetime

from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.names import has_half_characters, parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.store import TIME_FORMAT, Kind, NotAsWritten

_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[012]\d:[0-5]\d:[0-5]\dZ", re.ASCII)  # as store.iso_seconds

Test = t.Callable[[t.Any], bool]


def values(
    kind: Kind, uuid: str, body: t.Any, required: t.Mapping[str, Test], optional: t.Mapping[str, Test] | None = None
) -> dict[str, t.Any]:
    """Return the values of a document by key.

    :param required: the keys that it must have, with the tests of their values
    :param optional: keys that earlier versions did not write; `None` is returned for missing ones
    :raises NotAsWritten: a required key is missing, or a value fails its test
    """
    if not isinstance(body, dict):
        raise NotAsWritten(kind, uuid)
    found: dict[str, t.Any] = {}
    for key, test in required.items():
        if key not in body or not test(body[key]):
            raise NotAsWritten(kind, uuid)
        found[key] = body[key]
    for key, test in (optional or {}).items():
        value = body.get(key)
        if value is not None and not test(value):
            raise NotAsWritten(kind, uuid)
        found[key] = value
    return found


def is_any(_value: t.Any) -> bool:
    """Accept any value."""
    return True


def is_string(value: t.Any) -> bool:
    """Whether it is a text, even one that is not valid UTF-8."""
    return isinstance(value, str)


def is_text(value: t.Any) -> bool:
    """Whether it is a text that is valid UTF-8."""
    return isinstance(value, str) and not has_half_characters(value)


def is_uuid(value: t.Any) -> bool:
    """Whether it is a UUID in its usual form."""
    return isinstance(value, str) and parse_uuid(value) == value


def is_card(value: t.Any) -> bool:
    """Whether it is an EEM id in EEM's form."""
    return isinstance(value, str) and parse_card_id(value) == value


def is_count(value: t.Any) -> bool:
    """Whether it is a whole number from 0."""
    return isinstance(value, int) and value >= 0


def is_seconds(value: t.Any) -> bool:
    """Whether it is a finite number of seconds above 0."""
    return isinstance(value, (int, float)) and 0 < value <= sys.float_info.max


def is_time(value: t.Any) -> bool:
    """Whether it is a time as `iso_seconds` writes it."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.strptime(value, TIME_FORMAT)
    except ValueError:
        return False  # no such date, such as February 30
    return True


def is_flag(value: t.Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def or_none(test: Test) -> Test:
    """Return a test that also accepts `None`."""
    return lambda value: value is None or test(value)
