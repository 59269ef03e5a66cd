# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an episode is made of: a fleet, options of the EEM, rounds of runs, faults, kills and foreign changes. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

Json = t.Any
Options = dict[str, Json]


@dataclasses.dataclass(frozen=True)
class Kill:
    """How a run is killed by SIGKILL, by itself.

    ``at`` is ``request`` or ``commit``: before or after the n-th HTTP exchange or registry commit; ``during``: while
    the n-th exchange is under way, so many seconds after it began; or ``time``: so many seconds after the start.
    """

    at: str
    nth: int = 1
    after: bool = False
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a module; its key is unique in the episode. The way to the EEM is added when it is started.

    ``spelled``: the task names a registered pod manager by a URL that is written otherwise than the registered one.
    """

    key: str
    module: str
    options: Options
    eem: int = 0
    check: bool = False
    start: float = 0.0
    kill: Kill | None = None
    spelled: bool = False

    @property
    def kind(self) -> str:
        """What it does: compose, managed, absent, layout, attached, detached, registered, removed, info, synced, led,
        forgotten, or an action of a card.
        """
        if self.module.endswith("_info"):
            return "info"
        if self.module == "expether_sync":
            return "synced"
        if self.module == "expether_node":
            return {"present": "compose"}.get(self.options.get("state", "present"), self.options.get("state", ""))
        if self.module == "expether_layout":
            return "layout"
        if self.module == "expether_device_attach":
            return str(self.options.get("state", "attached"))
        if self.module == "expether_podm":
            return "removed" if self.options.get("state") == "absent" else "registered"
        if self.module == "expether_device":
            return "forgotten" if self.options.get("state") == "absent" else "led"
        if self.module == "expether_device_action":
            return str(self.options.get("action"))
        return "other"

    @property
    def repeats(self) -> bool:
        """Whether it does the same once more when it is given again."""
        return self.kind in ("audit", "reset", "reset_frame")

    @property
    def about(self) -> str:
        """The nodes or the cards of the run, as named by the task."""
        nodes = ", ".join(each["name"] for each in self.options.get("nodes", ()))
        return str(self.name or nodes or self.options.get("devices") or self.options.get("device") or "")

    @property
    def writes(self) -> bool:
        """Whether it may change cards."""
        return not self.check and self.kind not in ("info", "registered", "synced", "other")

    @property
    def composed(self) -> dict[str, Options]:
        """The nodes that it composes, by name, with what the task requests of each."""
        if self.kind == "layout":
            purge = {"purge": self.options.get("purge")}
            return {each["name"]: {**purge, **each} for each in self.options["nodes"]}
        return {self.options["name"]: self.options} if self.kind == "compose" else {}

    @property
    def name(self) -> str | None:
        """The node of the run, as named by the task."""
        return self.options.get("name") if self.module == "expether_node" else None


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault that the simulator is ordered; ``kind`` is its name in the catalogue."""

    kind: str
    actions: tuple[Options, ...]
    eem: int = 0
    method: str | None = None
    path: str = "."
    nth: int = 1
    times: int = 1


@dataclasses.dataclass(frozen=True)
class Foreign:
    """A change of a card by somebody else: by control (``changes``), or by a REST call (``method``, ``body``)."""

    seconds: float
    card: str
    eem: int = 0
    changes: Options = dataclasses.field(default_factory=dict)
    method: str | None = None
    body: Options | None = None


@dataclasses.dataclass(frozen=True)
class Round:
    """Runs that start together, and what happens to them. ``settle``: the next round waits for held up requests."""

    runs: tuple[Run, ...]
    faults: tuple[Fault, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    through_ansible: bool = False
    settle: bool = True


@dataclasses.dataclass(frozen=True)
class Episode:
    """``reach``: ``podm`` (registered pod managers), ``url`` (no registry at all), ``url and names`` (both mixed)."""

    seed: int
    fleets: tuple[Options, ...]
    eem_options: Options
    reach: str
    timeout: float
    retries: int
    rounds: tuple[Round, ...]
    conditional: bool = True

    @property
    def runs(self) -> list[Run]:
        return [run for each in self.rounds for run in each.runs]

    @property
    def claims(self) -> bool:
        """Whether all runs keep each other off by claims in one registry."""
        return self.reach == "podm"

    @property
    def guarded(self) -> bool:
        """Whether the EEM itself refuses what is not to be: taken devices, or cards that have changed since."""
        honoured = self.eem_options.get("conditional") == "honour" and self.conditional
        return self.eem_options.get("enforce") == "strict" or honoured

    @property
    def plain(self) -> bool:
        """Whether all cards are healthy, and nobody else changes that."""
        healthy = all(fleet["style"] == "plain" for fleet in self.fleets)
        return (
            healthy
            and not any(each.foreign for each in self.rounds)
            and not any(
                action["do"] == "change" for each in self.rounds for fault in each.faults for action in fault.actions
            )
        )
