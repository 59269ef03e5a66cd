# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets of cards: generated reproducibly from numbers and a seed, or given as raw records."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import mixed, plain


@dataclass(frozen=True)
class Fleet:
    """Where the cards come from."""

    eesv: int = 4
    eeio: int = 12
    seed: int = 1
    style: str = "mixed"
    no_group: int = 0
    devices: tuple[Any, ...] | None = None

    @property
    def generated(self) -> bool:
        """The simulator computes dependent fields of generated cards. Given records are used as they are."""
        return self.devices is None

    @classmethod
    def read(cls, body: dict[str, Any]) -> Fleet:
        """Read from JSON: `{"devices": [...]}`, or any of eesv, eeio, seed, style, no_group."""
        unknown = set(body) - {"devices", "timestamp", "eesv", "eeio", "seed", "style", "no_group"}
        if unknown:
            raise ValueError(f"unknown key {', '.join(sorted(unknown))} in a fleet")
        if "devices" in body:
            if not isinstance(body["devices"], list):
                raise ValueError("'devices' must be a list of records")
            return cls(devices=tuple(body["devices"]))
        if body.get("style", "mixed") not in ("mixed", "plain"):
            raise ValueError("style must be mixed or plain")
        return cls(**body)

    @classmethod
    def load(cls, path: str) -> Fleet:
        """Read the raw records of a file. Raises ValueError or OSError with the path in the message."""
        try:
            body = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"fleet {path}: not JSON ({exc})") from None
        if not isinstance(body, dict) or not isinstance(body.get("devices"), list):
            raise ValueError(f'fleet {path}: not an object {{"devices": [...]}} with a list of records')
        return cls(devices=tuple(body["devices"]))

    def records(self) -> list[Any]:
        if self.devices is not None:
            return list(self.devices)
        # Not for secrets: the same seed must give the same fleet.
        rng = random.Random(self.seed)
        if self.style == "plain":
            return plain.fleet(self.eesv, self.eeio, self.seed, rng, self.no_group)
        return mixed.fleet(self.eesv, self.eeio, self.seed, rng)

    def count(self, status: str) -> int:
        return sum(1 for record in self.records() if isinstance(record, dict) and record.get("status") == status)
