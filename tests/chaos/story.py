# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened in an episode: the simulators' actual histories, and the report of each run. Pure."""

from __future__ import annotations

import collections
import dataclasses
import functools
import typing as t

from episode import Episode, Json, Run

FREE, UNSET = "4093", "4094"
FOREIGN = ("control", "foreign")
TYPE_OF_CLASS = {"0x1": "SSD", "0x2": "NIC", "0x3": "GPU"}


@dataclasses.dataclass(frozen=True)
class Change:
    """A true change of a card. ``by``: the run's key, ``control``, ``foreign``, or ``ansible ROUND`` for its runs together.

    ``sent`` is when the simulator got the request; between that and ``time`` it may have been held up.
    """

    time: float
    card: str
    field: str
    old: Json
    new: Json
    by: str
    sent: float = 0.0
    eem: int = 0


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that the simulator got; ``true`` is whether its answer was the true one."""

    time: float
    by: str
    method: str
    path: str
    body: Json = None
    query: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    status: int | None = 200
    true: bool = True
    eem: int = 0


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run reported. `stage` is `round` or a stage at the end of the episode; `result` is None if the run had none."""

    run: Run
    result: dict[str, Json] | None
    began: float
    ended: float
    killed: bool = False
    hung: bool = False
    stage: str = "round"
    by: str = ""
    output: str = ""

    @property
    def failed(self) -> bool:
        return self.result is None or bool(self.result.get("failed"))

    @property
    def rows(self) -> list[dict[str, Json]]:
        return [
            row
            for row in (self.result or {}).get("plan") or []
            if row.get("action") in ("set_group", "attach", "detach")
        ]

    @property
    def message(self) -> str:
        return str((self.result or {}).get("msg", ""))

    @property
    def failure_kind(self) -> str:
        return str(((self.result or {}).get("failure") or {}).get("kind", ""))


@dataclasses.dataclass(frozen=True)
class Look:
    """What the registry held at a moment: claims, nodes as (name, system, state, pod manager's UUID), and devices as (id,
    group, whether it is missing).
    """

    stage: str
    time: float
    held: tuple[str, ...] = ()
    nodes: tuple[tuple[str, str, str, str], ...] = ()
    devices: tuple[tuple[str, str, bool], ...] = ()


@dataclasses.dataclass(frozen=True)
class Story:
    """An episode as it went. ``cards`` are the records at the start, of all EEMs; ids differ between EEMs."""

    episode: Episode
    cards: t.Mapping[str, t.Mapping[str, Json]]
    changes: tuple[Change, ...] = ()
    requests: tuple[Request, ...] = ()
    reports: tuple[Report, ...] = ()
    looks: tuple[Look, ...] = ()

    @functools.cached_property
    def moves(self) -> list[Change]:
        """The changes of group ids, in their order."""
        return sorted(
            (each for each in self.changes if each.field == "group_id" and each.old != each.new),
            key=lambda each: each.time,
        )

    @functools.cached_property
    def _moves_of(self) -> dict[str, list[Change]]:
        found: dict[str, list[Change]] = collections.defaultdict(list)
        for move in self.moves:
            found[move.card].append(move)
        return found

    def moves_of(self, card: str) -> list[Change]:
        return self._moves_of.get(card, [])

    def moves_by(self, by: str) -> list[Change]:
        return [move for move in self.moves if move.by == by]

    def is_device(self, card: str) -> bool:
        return self.cards.get(card, {}).get("status") == "eeio"

    def eem_of(self, card: str) -> int:
        return int(self.cards[card].get("eem", 0))

    def group_at(self, card: str, moment: float) -> str:
        """The group of a card at that time."""
        before = [move.new for move in self.moves_of(card) if move.time <= moment]
        return str(before[-1] if before else self.cards[card].get("group_id"))

    def members(self, group: str, moment: float, eem: int = 0) -> set[str]:
        """The devices in a group at that time."""
        return {
            card
            for card in self.cards
            if self.is_device(card)
            and self.eem_of(card) == eem
            and self.group_at(card, moment) == group
            and not self.is_gone(card, moment)
        }

    @functools.cached_property
    def _forgotten(self) -> dict[str, float]:
        return {change.card: change.time for change in self.changes if change.field == "card" and change.new is None}

    def is_gone(self, card: str, moment: float = float("inf")) -> bool:
        """Whether the EEM had forgotten a card by then."""
        return self._forgotten.get(card, float("inf")) <= moment and card in self._forgotten

    def value_at(self, card: str, field: str, moment: float, start: Json) -> Json:
        """A field of a card at that time, other than its group."""
        before = [each.new for each in self.changes if (each.card, each.field) == (card, field) and each.time <= moment]
        return before[-1] if before else start

    def type_of(self, card: str) -> str | None:
        code = str(self.cards[card].get("pcie_class_code") or "")
        return TYPE_OF_CLASS.get(code[:-4]) if code else None

    def reports_by(self, by: str) -> list[Report]:
        return [report for report in self.reports if report.by == by]

    def is_late(self, change: Change) -> bool:
        """Whether its client had given the request up, or was dead, when it took effect: no claim guards it any more."""
        if change.by in FOREIGN:
            return False
        ends = [report.ended for report in self.reports_by(change.by)]
        return change.time - change.sent > 0.9 * self.episode.timeout or bool(ends) and change.time > max(ends)

    def is_foreign(self, card: str) -> bool:
        """Whether somebody else has changed a card."""
        return any(change.by in FOREIGN for change in self.changes if change.card == card)
