# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each kind of document has at least, so that one which somebody else wrote or spoilt is told, and not used.

Pure. Private to the collection.
"""

from __future__ import annotations

import math
import re
import typing as t
from datetime import datetime

from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.names import has_half_characters, parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.store import TIME_FORMAT

_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[012]\d:[0-5]\d:[0-5]\dZ", re.ASCII)  # as _registry.iso_seconds

#: A test of a value, or the keys of an object with the shapes of their values; further keys may be there.
Shape = t.Union[t.Callable[[t.Any], bool], t.Mapping[str, "Shape"]]


def fits(value: t.Any, shape: Shape) -> bool:
    """Whether a value has a shape."""
    if callable(shape):
        return shape(value)
    return isinstance(value, dict) and all(key in value and fits(value[key], inner) for key, inner in shape.items())


def _anything(_value: t.Any) -> bool:
    return True


def _text(value: t.Any) -> bool:
    return isinstance(value, str) and not has_half_characters(value)


def _uuid(value: t.Any) -> bool:
    return isinstance(value, str) and parse_uuid(value) == value


def _card(value: t.Any) -> bool:
    return isinstance(value, str) and parse_card_id(value) == value


def _whole(value: t.Any) -> bool:
    return isinstance(value, int) and value >= 0


def _seconds(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0


def _time(value: t.Any) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.strptime(value, TIME_FORMAT)
    except ValueError:
        return False  # a day that no calendar has
    return True


def _flag(value: t.Any) -> bool:
    return isinstance(value, bool)


def _or_none(test: t.Callable[[t.Any], bool]) -> t.Callable[[t.Any], bool]:
    return lambda value: value is None or test(value)


def _names(value: t.Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(names, list) and len(names) == 2 and all(name is None or _text(name) for name in names)
        for names in value.values()
    )


def _claims(value: t.Any) -> bool:
    return isinstance(value, dict) and all(fits(claim, _CLAIM) for claim in value.values())


_CLAIM: Shape = {
    "run": _text,
    "what": _text,
    "until": _seconds,
    "until_uptime": _seconds,
    "process": {"boot": _or_none(_text), "space": _or_none(_text), "pid": _whole, "start": _or_none(_text)},
}

#: How to reach a pod manager, besides its URL and credentials; a version that knows fewer of them wrote fewer.
CONNECTION: t.Mapping[str, Shape] = {
    "validate_certs": _flag,
    "ca_path": _or_none(_text),
    "client_cert": _or_none(_text),
    "client_key": _or_none(_text),
    "timeout": _seconds,
    "retries": _whole,
    "conditional_updates": _flag,
}


def _connection(value: t.Any) -> bool:
    return isinstance(value, dict) and all(fits(value[key], shape) for key, shape in CONNECTION.items() if key in value)


#: By kind; C(uuid) is the document's own.
SHAPES: t.Mapping[str, t.Mapping[str, Shape]] = {
    "pod_managers": {
        "uuid": _uuid,
        "name": _text,
        "url": _text,
        "username": _or_none(_text),
        "password": _or_none(_text),
        "connection": _connection,
        "status": _text,
        "last_sync": _or_none(_time),
        "systems": _or_none(_whole),
        "free_slots": _or_none(_whole),
        "degraded_since": _or_none(_text),
    },
    "urls": {"podm_id": _anything},
    "nodes": {"uuid": _uuid, "name": _text, "podm_id": _uuid, "index": _card, "state": _text},
    "devices": {
        "uuid": _text,
        "device_id": _text,
        "podm_id": _text,
        "node_id": _or_none(_text),
        "type": _or_none(_text),
        "state": _text,
        "missing_since": _or_none(_text),
    },
    "listings": {"digest": _or_none(_text), "devices": _whole},
    "flavors": {"name": _text, "description": _or_none(_text), "properties": _anything, "created_at": _anything},
    "claims": {"epoch": _whole, "held": _claims},
    "pci_names": {"version": _text, "names": _names},
}
