# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays an episode against simulators and gathers what happened: rounds, then everything again without faults."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import sys
import tempfile
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulator"))

import module_process
import playbook
import requests
from eemsim.client import Simulator
from episode import Episode, Fault, Foreign, Options, Round, Run
from generation import FLAVOR
from module_process import Process
from place import place
from story import Change, Look, Report, Request, Story

AGENT = "chaos "
LEFT_TO_SETTLE = 8.0
CONNECT_TIMEOUT = 1.0  # seconds
AGAIN_AT_MOST = 5

Counts = collections.Counter[str]
R = t.TypeVar("R")


@dataclasses.dataclass(frozen=True)
class Played:
    """An episode as it went, and what was done in it: faults by kind, pairs, kills, runs."""

    story: Story
    counts: Counts


class Stage:
    """Plays one episode after the other; keeps its simulators."""

    def __init__(self) -> None:
        self._eems: list[Simulator] = []

    def close(self) -> None:
        for eem in self._eems:
            eem.stop()

    def play(self, episode: Episode) -> Played:
        """Play an episode."""
        while len(self._eems) < len(episode.fleets):
            self._eems.append(Simulator().start())
        for eem, fleet in zip(self._eems, episode.fleets):
            eem.reset(options=episode.eem_options, **fleet)
        with tempfile.TemporaryDirectory(prefix="expether-chaos-") as folder:
            return Play(episode, self._eems[: len(episode.fleets)], Path(folder)).play()


class Play:
    """One episode being played in a folder, which has the registry."""

    def __init__(self, episode: Episode, eems: t.Sequence[Simulator], folder: Path) -> None:
        self._episode, self._eems, self._folder = episode, eems, folder
        self._registry = place(folder)
        self._reports: list[Report] = []
        self._looks: list[Look] = []
        self._counts: Counts = collections.Counter(episodes=1)
        self._ansible: list[tuple[float, str]] = []
        self._cards = {
            card: {**record, "eem": number} for number, eem in enumerate(eems) for card, record in eem.cards().items()
        }

    def play(self) -> Played:
        self._set_up()
        for number, each in enumerate(self._episode.rounds):
            self._round(number, each)
        self._end()
        return Played(self._story(), self._counts)

    # -- the parts of an episode

    def _set_up(self) -> None:
        if self._episode.reach != "podm":
            return
        for number in range(len(self._eems)):
            self._register(number)
        report = self._alone(Run("set up flavor", "expether_flavor", FLAVOR), "set up")
        assert not report.failed, report.output

    def _register(self, eem: int) -> None:
        report = self._alone(Run(f"set up {eem}", "expether_podm", {"state": "present"}, eem), "set up")
        assert not report.failed, report.output

    def _round(self, number: int, each: Round) -> None:
        ordered = [(fault, self._order(fault)) for fault in each.faults]
        helpers = [
            module_process.start_function(lambda change=change: self._disturb(change), self._folder)
            for change in each.foreign
        ]
        if each.through_ansible:
            by = f"ansible {number}"
            self._ansible.append((time.time(), by))
            self._reports += playbook.play(
                [(run, self._options(run)) for run in each.runs], self._folder / by.replace(" ", ""), by
            )
            self._counts["runs through ansible-playbook"] += len(each.runs)
            module_process.wait(helpers)
        else:
            processes = [self._start(run) for run in each.runs]
            module_process.wait([*processes, *helpers])
            reports = [process.report("round") for process in processes]
            self._reports += reports
            self._counts["kills"] += sum(report.killed for report in reports)
        self._counts["runs"] += len(each.runs)
        self._counts["foreign changes"] += len(each.foreign)
        self._count_faults(ordered)
        if each.settle or each.through_ansible:
            self._settle()
        self._look(f"round {number}")

    def _end(self) -> None:
        """Repeat everything that failed or was killed, twice and without faults; look at the state; then release all nodes."""
        self._settle()
        self._look("rounds over")
        self._inform("after the rounds")
        chosen: dict[tuple[str, str], Run] = {}
        for report in self._reports:
            run = report.run
            if report.stage == "round" and report.failed and run.writes and not run.repeats:
                chosen.pop((run.kind, f"{run.eem} {run.about}"), None)
                chosen[run.kind, f"{run.eem} {run.about}"] = run
        # Remove the pod manager last, because the other runs need it.
        again = sorted(list(chosen.values())[-AGAIN_AT_MOST:], key=lambda run: run.kind == "removed")
        for run in again:
            for stage in ("again", "once more"):
                self._reports.append(
                    self._alone(dataclasses.replace(run, key=f"{run.key} {stage}", kill=None, start=0.0), stage)
                )
        if self._episode.reach == "podm":
            for number in range(len(self._eems)):
                self._register(number)
        self._inform("at the end")
        self._look("end")
        if self._episode.reach != "url":
            for name, index, dummy_state, dummy_podm in self._look("before release").nodes:
                eem = int(self._cards[index]["eem"])
                self._reports.append(
                    self._alone(
                        Run(f"release {eem} {name}", "expether_node", {"name": name, "state": "absent"}, eem), "release"
                    )
                )
            self._look("released")
        if self._episode.reach == "podm":
            for stage in ("synced", "synced again"):
                self._reports.append(self._alone(Run(stage, "expether_sync", {}), stage))
                self._look(stage)

    def _inform(self, when: str) -> None:
        for number in range(len(self._eems)):
            for module in ("expether_node_info", "expether_device_info"):
                if module == "expether_device_info" or self._episode.reach != "url":
                    self._reports.append(self._alone(Run(f"{module} {number} {when}", module, {}, number), when))

    # -- runs

    def _options(self, run: Run) -> Options:
        """The options of a run with the way to its EEM."""
        episode, eem = self._episode, self._eems[run.eem]
        known: Options = {**self._registry.options}
        way = {
            "url": eem.url,
            "username": eem.username,
            "password": eem.password,
            "timeout": episode.timeout,
            "retries": episode.retries,
            "conditional_updates": episode.conditional,
        }
        if run.module == "expether_podm":
            return {**known, "name": f"p{run.eem}", **(way if run.kind == "registered" else {}), **run.options}
        if run.module in ("expether_podm_info", "expether_flavor", "expether_sync"):
            return {**known, **run.options}
        if episode.reach == "podm" and not run.spelled:
            way = {"podm": f"p{run.eem}"}
        elif run.spelled:
            way["url"] = eem.url.replace("127.0.0.1", "localhost")
        if run.module in ("expether_node", "expether_layout", "expether_device_attach"):
            known["connect_timeout"] = CONNECT_TIMEOUT
        return {**known, **way, **run.options}

    def _start(self, run: Run) -> Process:
        return module_process.start(run, self._options(run), self._folder / run.key.replace(" ", "_"))

    def _alone(self, run: Run, stage: str) -> Report:
        process = self._start(run)
        module_process.wait([process])
        return process.report(stage)

    # -- the simulators

    def _order(self, fault: Fault) -> int | None:
        """Return the number of an ordered fault; ``None`` if it changes a card that a run has had forgotten."""
        eem = self._eems[fault.eem]
        if not {action["card"] for action in fault.actions if "card" in action} <= _reached(eem.cards).keys():
            return None
        return _reached(
            lambda: eem.fault(*fault.actions, method=fault.method, path=fault.path, nth=fault.nth, times=fault.times)
        )

    def _count_faults(self, ordered: t.Sequence[tuple[Fault, int | None]]) -> None:
        used = {}
        for number, eem in enumerate(self._eems):
            used.update({(number, each["id"]): each["used"] for each in _reached(eem.faults)})
            _reached(eem.clear_faults)
        fired = sorted({fault.kind for fault, number in ordered if used.get((fault.eem, number or 0))})
        self._counts["faults"] += sum(used.get((fault.eem, number or 0), 0) for fault, number in ordered)
        self._counts.update(f"fault {kind}" for kind in fired)
        self._counts.update(
            f"pair {first} + {second}" for place, first in enumerate(fired) for second in fired[place + 1 :]
        )

    def _disturb(self, change: Foreign) -> None:
        """What a foreign client's process does; it does not care whether it succeeds."""
        time.sleep(change.seconds)
        eem = self._eems[change.eem]
        with contextlib.suppress(requests.RequestException, ValueError):
            if change.method:
                body = {"json": change.body} if change.body else {}
                eem.call(
                    change.method,
                    f"/devices/{change.card}/group_id",
                    headers={"User-Agent": "chaos foreign"},
                    timeout=3,
                    **body,
                )
            else:
                eem.patch(change.card, **change.changes)

    def _settle(self) -> None:
        """Wait until the EEMs are up and no request is held up any more."""
        deadline = time.monotonic() + LEFT_TO_SETTLE
        for eem in self._eems:
            while time.monotonic() < deadline:
                with contextlib.suppress(requests.RequestException):
                    answer = eem.call("GET", "/devices", headers={"User-Agent": "chaos look"}, timeout=2)
                    if (
                        answer.ok
                        and b"0x" in answer.content
                        and all(entry["seconds"] is not None for entry in eem.log())
                    ):
                        break
                time.sleep(0.05)

    # -- what there is to see

    def _look(self, stage: str) -> Look:
        """Read the registry, not through the library."""
        found: dict[str, dict[str, t.Any]] = {"claims": {}, "nodes": {}, "devices": {}}
        for kind, uuid, body in self._registry.rows():
            found.setdefault(kind, {})[uuid] = json.loads(body)
        look = Look(
            stage,
            time.time(),
            tuple(sorted(key for body in found["claims"].values() for key in body["held"])),
            tuple(
                sorted(
                    (body["name"], body["index"], body["state"], body["podm_id"]) for body in found["nodes"].values()
                )
            ),
            tuple(
                sorted(
                    (body["device_id"], body["pooled_group_id"], body["missing_since"] is not None)
                    for body in found["devices"].values()
                )
            ),
        )
        self._looks.append(look)
        return look

    def _story(self) -> Story:
        changes, wire = [], []
        for number, eem in enumerate(self._eems):
            log = {entry["number"]: entry for entry in eem.log()}
            senders = {key: self._sender(entry) for key, entry in log.items()}
            wire += [
                Request(
                    entry["time"],
                    senders[key],
                    entry["method"],
                    entry["path"],
                    entry["body"],
                    entry["query"],
                    entry["status"],
                    not entry["faults"],
                    number,
                )
                for key, entry in log.items()
            ]
            for each in eem.history():
                entry = log.get(each["request"])
                changes.append(
                    Change(
                        each["time"],
                        each["card"],
                        each["field"],
                        each["from"],
                        each["to"],
                        senders[entry["number"]] if entry else "control",
                        entry["time"] if entry else each["time"],
                        number,
                    )
                )
        changes.sort(key=lambda change: change.time)
        wire.sort(key=lambda request: request.time)
        return Story(self._episode, self._cards, tuple(changes), tuple(wire), tuple(self._reports), tuple(self._looks))

    def _sender(self, entry: t.Mapping[str, t.Any]) -> str:
        agent = entry["user_agent"] or ""
        if agent.startswith(AGENT):
            return str(agent[len(AGENT) :])
        return next((by for began, by in reversed(self._ansible) if began <= entry["time"]), "?")


def _reached(call: t.Callable[[], R]) -> R:
    """Ask the control of a simulator that may be restarting."""
    deadline = time.monotonic() + LEFT_TO_SETTLE
    while True:
        try:
            return call()
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
