# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of cards as bytes. Cached per card and per change, so that benchmarks measure the client, not the encoding."""

from __future__ import annotations

import json
import time
from typing import Any, Callable

from . import cards
from .options import Options
from .state import Card, Fabric

MAX_KEPT = 64
STAMP = b', "timestamp": "%s"}'


class Listing:
    """Encodes records and lists in the format that the options select."""

    def __init__(self, fabric: Fabric, options: Options) -> None:
        self.fabric = fabric
        self.options = options
        self._kept: dict[tuple[Any, ...], bytes] = {}
        self._version = -1

    def time_value(self, card: Card) -> Any:
        """`update_time` in the type that is reported for this card: usually text, but numbers also occur [hw]."""
        value = card.record.get("update_time")
        kind = self.options.time_type
        if value is None or kind == "kept":
            return value
        if kind == "mixed":
            kind = "number" if sum(card.key.encode()) % 2 else "string"
        return cards.time_of(card.record) if kind == "number" else str(value)

    def record(self, card: Card) -> bytes:
        if card.encoded is None:
            record = card.record
            if isinstance(record, dict) and "update_time" in record:
                record = {**record, "update_time": self.time_value(card)}
            card.encoded = json.dumps(record).encode()
        return card.encoded

    def devices(self, detail: bool, status: str | None, group: str | None, since: int | None) -> bytes | None:
        """The answer as JSON text; None if no card matches.

        `since` selects cards that changed after that time. The exact meaning of EEM's filter `update_time` is unknown [?].
        """
        if self._version != self.fabric.version:
            self._kept.clear()
            self._version = self.fabric.version
        key = (detail, status, group, since)
        if key not in self._kept:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            write = self.record if detail else _only_id
            matching = self._matching(status, group, since)
            self._kept[key] = b'{"devices": [%s]' % b",".join(map(write, matching)) if matching else b""
        kept = self._kept[key]
        # Copy the list only once: it may have several megabytes.
        return b"".join((kept, STAMP % timestamp().encode())) if kept else None

    def _matching(self, status: str | None, group: str | None, since: int | None) -> list[Card]:
        tests: list[Callable[[Card], bool]] = []
        if status is not None:
            tests.append(cards_with_status(status))
        if group is not None:
            tests.append(lambda card: card.group == group)
        if since is not None:
            tests.append(lambda card: cards.time_of(card.record) > since)
        return [card for card in self.fabric.cards.values() if all(test(card) for test in tests)]


def cards_with_status(status: str) -> Callable[[Card], bool]:
    return lambda card: isinstance(card.record, dict) and card.record.get("status") == status


def _only_id(card: Card) -> bytes:
    """`GET /devices` returns ids only [drv][hw]. A broken record is returned as it is."""
    if not isinstance(card.record, dict):
        return json.dumps(card.record).encode()
    return json.dumps({key: card.record[key] for key in ("id",) if key in card.record}).encode()


def timestamp() -> str:
    return str(int(time.time() * 1000))


def wrap(name: str, body: bytes) -> bytes:
    """Wrap a JSON value in an object under `name`, followed by the timestamp of the answer [hw]."""
    return b'{"%s": %s' % (name.encode(), body) + STAMP % timestamp().encode()
