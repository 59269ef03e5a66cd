# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweep: each operation of each module, with each fault at each of its requests, and killed at each of them; see TESTING.md.

    sweep.py [--every K] [--only TEXT] [--sample N [--seed N]] [--workers N]

A case is one run from the same state, with one fault or kill, then the same task again and in check mode. Nothing is random,
except which operations and cases a sample has. The last line counts cases and violations. Ends with status 1 if a promise was not kept.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import multiprocessing
import random
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
from episode import Episode, Fault, Json, Kill, Options, Round, Run
from faults import orders_for
from invariants import violations
from invariants_cards import Violation
from invariants_reports import composed_nodes
from operations import FLEET, OPERATIONS, SPARE, Operation
from place import BACK_ENDS, back_end
from stage import Play, Simulator
from story import Look, Report, Story

RETRIES = 1
#: The timeout in seconds where an answer is late or never comes; in all other cases, a busy machine must not make it so.
TIMEOUT, PATIENT = 1.0, 10.0
SLOW_KINDS = {"delay", "freeze", "trickle"}
#: What a kill during a request needs: the EEM takes its time, and carries the change out after the client's death.
SLOW: Options = {"do": "delay", "seconds": 0.5}
KILLED_DURING = 0.2
COMMITS_AT_MOST = 20


class State(t.NamedTuple):
    """Where all cases of an operation begin."""

    records: list[Json]
    folder: Path


@dataclasses.dataclass(frozen=True)
class Case:
    """One run of an operation with one thing that goes wrong. ``foreign``: somebody else changes a card. ``lax``: EEM checks nothing."""

    text: str
    faults: tuple[Fault, ...] = ()
    kill: Kill | None = None
    foreign: bool = False
    lax: bool = False


class Ended(t.NamedTuple):
    """What there is at the end: the group of each card, and what the registry has."""

    groups: dict[str, str]
    look: Look


class Result(t.NamedTuple):
    """What came of all cases of an operation."""

    cases: int
    texts: list[str]


class _CasePlay(Play):
    """Plays the run of a case, then the same again, then once more in check mode."""

    def prepare(self, operation: Operation) -> None:
        if operation.registered:
            self._set_up()
        for place, (module, options) in enumerate(operation.before):
            done = self._alone(Run(f"set up {operation.name} {place}", module, options), "set up")
            assert not done.failed, done.output
        for card, changes in operation.patches.items():
            self._eems[0].patch(card, link=False, **changes)
        self._registry.save()

    def play_case(self) -> Story:
        run = self._episode.rounds[0].runs[0]
        self._round(0, self._episode.rounds[0])
        self._look("rounds over")
        if not run.repeats or self._reports[-1].failed:
            self._reports.append(self._alone(dataclasses.replace(run, key=f"{run.key} again", kill=None), "again"))
        if not run.repeats:
            self._reports.append(
                self._alone(dataclasses.replace(run, key=f"{run.key} checked", kill=None, check=True), "once more")
            )
        self._look("end")
        return self._story()


class Sweep:
    """All cases of one operation."""

    def __init__(self, eem: Simulator, operation: Operation, folder: Path) -> None:
        self._eem, self._operation, self._folder = eem, operation, folder
        eem.reset(**FLEET)
        play = _CasePlay(self._episode(Case("setup")), [eem], folder)
        play.prepare(operation)
        self._state = State(eem.records(), folder / "state")

    def _episode(self, case: Case) -> Episode:
        operation = self._operation
        rounds = Round(
            (Run("r0.0", operation.module, operation.options, kill=case.kill, spelled=operation.spelled),), case.faults
        )
        style = "swept" if case.foreign or operation.patches else "plain"
        slow = any(action["do"] in SLOW_KINDS for fault in case.faults for action in fault.actions)
        options = (
            {"enforce": "none", "conditional": "ignore"} if case.lax else {"enforce": "strict", "conditional": "honour"}
        )
        options |= operation.eem
        return Episode(
            0, ({**FLEET, "style": style},), options, "podm", TIMEOUT if slow else PATIENT, RETRIES, (rounds,)
        )

    def play(self, case: Case) -> Story:
        """Play a case from the operation's state."""
        episode = self._episode(case)
        self._eem.reset(devices=self._state.records, options=episode.eem_options)
        with tempfile.TemporaryDirectory(prefix="expether-sweep-") as folder:
            if self._state.folder.exists():
                shutil.copytree(self._state.folder, Path(folder, "state"))
            return _CasePlay(episode, [self._eem], Path(folder)).play_case()

    def sweep(self, every: int, offset: int) -> Result:
        """Play every k-th case, and judge it."""
        clean = self.play(Case("clean"))
        wanted = _ended(clean)
        texts = _texts(self._operation, Case("nothing goes wrong"), clean, wanted)
        first = clean.reports[0]
        assert not first.failed and not texts, f"{self._operation.name}: {first.output} {texts}"
        cases = [case for place, case in enumerate(self._cases(clean)) if (place + offset) % every == 0]
        for case in cases:
            texts += _texts(self._operation, case, self.play(case), wanted)
        played, kills = self._kill_at_commits(wanted, every)
        return Result(1 + len(cases) + played, texts + kills)

    def _cases(self, clean: Story) -> t.Iterator[Case]:
        """The cases of each request that the undisturbed run sends."""
        own = [request for request in clean.requests if request.by == "r0.0"]
        for nth, request in enumerate(own, 1):
            about = f"request {nth} of {len(own)} ({request.method} {request.path})"
            for kind, actions in orders_for(request.method, TIMEOUT, *self._operation.concerned or SPARE):
                if kind == "200 without doing it" and request.method != "GET" and clean.reports[0].run.repeats:
                    continue  # nothing that EEM reports shows whether it was done
                foreign = any(action["do"] == "change" for action in actions)
                faults = (Fault(kind, actions, nth=nth),)
                yield Case(f"{about}: {kind}", faults, foreign=foreign)
                if foreign:
                    yield Case(f"{about}: {kind}, and EEM checks nothing", faults, foreign=True, lax=True)
            yield Case(f"{about}: killed before", kill=Kill("request", nth))
            yield Case(f"{about}: killed after", kill=Kill("request", nth, after=True))
            if request.method != "GET":
                yield Case(
                    f"{about}: killed during",
                    (Fault("delay for a kill", (SLOW,), nth=nth),),
                    Kill("during", nth, seconds=KILLED_DURING),
                )
                late = Fault("delay before", ({"do": "delay", "seconds": 1.6 * TIMEOUT},), nth=nth)
                for times in (1, RETRIES + 1):
                    unread = Fault("fail unknown code", ({"do": "fail", "code": "40999"},), nth=nth + 1, times=times)
                    yield Case(f"{about}: carried out late, and the next {times} reads fail", (late, unread))

    def _kill_at_commits(self, wanted: Ended, every: int) -> tuple[int, list[str]]:
        """Kill at each commit of the registry, until a run ends before it gets there."""
        texts: list[str] = []
        played = 0
        for nth in range(1, COMMITS_AT_MOST if every == 1 else 2):
            for after in (False, True):
                case = Case(f"commit {nth}: killed {'after' if after else 'before'}", kill=Kill("commit", nth, after))
                story = self.play(case)
                if not any(each.killed for each in story.reports):
                    return played, texts
                texts += _texts(self._operation, case, story, wanted)
                played += 1
        return played, texts


def _ended(story: Story) -> Ended:
    return Ended(
        {card: story.group_at(card, float("inf")) for card in story.cards if not story.is_gone(card)}, story.looks[-1]
    )


def ends_right(story: Story, wanted: Ended) -> t.Iterator[Violation]:
    """The task, given again, succeeds, gives back all claims, and leaves what it leaves if nothing goes wrong."""
    again: Report | None = next((each for each in story.reports if each.stage == "again"), None)
    ended = _ended(story)
    if ended.look.held and (
        again is None or (again.result or {}).get("changed")
    ):  # what has nothing to do takes nothing over
        yield Violation("ends_right", f"still held at the end: {', '.join(ended.look.held)}")
    if (
        again is None
        or story.episode.fleets[0]["style"] != "plain"
        and any(change.by == "control" for change in story.changes)
    ):
        return
    if again.failed:
        yield Violation("ends_right", f"given again, it failed: {again.message or again.output[-500:]}")
    rows = [row for report in story.reports if not report.failed for row in (report.result or {}).get("plan") or ()]
    optional = {row["device"] for row in rows if row["status"] == "failed"}  # EEM need not detach what is replaced
    for card in sorted((wanted.groups.keys() | ended.groups.keys()) - optional):
        if wanted.groups.get(card) != ended.groups.get(card):
            text = f"{card} is in group {ended.groups.get(card)} at the end, not in {wanted.groups.get(card)}"
            yield Violation("ends_right", text, (card,))
    if [node[:3] for node in ended.look.nodes] != [node[:3] for node in wanted.look.nodes]:
        yield Violation("ends_right", f"the nodes are {ended.look.nodes}, not {wanted.look.nodes}")


def success_is_true(story: Story) -> t.Iterator[Violation]:
    """A run that reports success has read, after its last change, that its devices are in the group of their system."""
    first = story.reports[0]
    own = [request for request in story.requests if request.by == first.by]
    others = [move for move in story.moves if move.by == "control"]
    if (
        first.failed
        or first.run.kind not in ("compose", "layout", "attached")
        or not own
        or not others
        or own[-1].method == "GET"
        and others[-1].time > own[-1].time
    ):
        return
    if first.run.kind == "attached":
        expected = {first.run.options["node"]: set(first.run.options["devices"])}
    else:
        nodes = (node for dummy, node in composed_nodes([first]))
        expected = {node["index"]: {device["device_id"] for device in node["devices"]} for node in nodes}
    for system, devices in expected.items():
        lost = sorted(devices - story.members(story.group_at(system, first.ended), first.ended))
        if lost:
            yield Violation(
                "success_is_true",
                f"success was reported, but {', '.join(lost)} is not in the group of {system}",
                (system, *lost),
            )


def _texts(operation: Operation, case: Case, story: Story, wanted: Ended) -> list[str]:
    """The violations of a case, as text."""
    texts = []
    for violation in (*violations(story), *ends_right(story, wanted), *success_is_true(story)):
        lines = [f"{operation.name}, {case.text}: {violation.name}: {violation.text}"]
        lines += [f"  | {line}" for line in report.history_lines(story, sorted(story.cards))]
        texts.append("\n".join(lines))
    return texts


def sweep(number: int, every: int, offset: int) -> Result:
    """Sweep an operation, in a worker."""
    with Simulator() as eem, tempfile.TemporaryDirectory(prefix="expether-sweep-") as folder:
        return Sweep(eem, OPERATIONS[number], Path(folder)).sweep(every, number + offset)


def main() -> int:
    """Sweep; return an exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="play only every k-th case")
    parser.add_argument("--only", default="", help="operations whose name contains this text")
    parser.add_argument("--sample", type=int, help="play only so many operations, and other cases with each seed")
    parser.add_argument("--seed", type=int, help="seed of the sample (default: random)")
    parser.add_argument("--workers", type=int, default=2, help="number of parallel operations")
    parser.add_argument("--registry", choices=BACK_ENDS, default="sqlite", help="the back end of the registries")
    arguments = parser.parse_args()
    chosen = [number for number, operation in enumerate(OPERATIONS) if arguments.only in operation.name]
    seed = 0
    if arguments.sample:
        seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
        chosen = sorted(random.Random(seed).sample(chosen, min(arguments.sample, len(chosen))))
    cases = violated = 0
    # Fork all workers now, while this process has no threads.
    with (
        back_end(arguments.registry),
        concurrent.futures.ProcessPoolExecutor(arguments.workers, multiprocessing.get_context("fork")) as pool,
    ):
        for number, result in zip(
            chosen, pool.map(functools.partial(sweep, every=arguments.every, offset=seed), chosen)
        ):
            print(f"{OPERATIONS[number].name}: {result.cases} cases, {len(result.texts)} violations", flush=True)
            print(*result.texts, sep="\n", end="\n" if result.texts else "", flush=True)
            cases, violated = cases + result.cases, violated + len(result.texts)
    print(f"SEED={seed}: " * bool(arguments.sample) + f"{cases} cases, {violated} violations")
    return 1 if violated or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
