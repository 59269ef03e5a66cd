# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chaos: random plays against simulated EEMs that fail, are killed and are changed behind their back; see TESTING.md.

    run.py [--seed N] [--episodes N | --seconds S] [--workers N]

Episode number i of a campaign has the seed N + i; so an episode is played again by its own seed and --episodes 1.
Ends with status 1 if a promise was not kept.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import multiprocessing
import random
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
from episode import Episode
from generation import episode
from invariants import violations
from invariants_cards import Violation
from place import BACK_ENDS, back_end
from shrinking import shrink
from stage import Counts, Stage
from story import Story

SHRINKING_SECONDS = 60.0
SHRUNK_AT_MOST = 6

Shown = tuple[Violation, Story]
_stages: list[Stage] = []  # of this worker


def _stage() -> Stage:
    if not _stages:
        _stages.append(Stage())
    return _stages[0]


class Result(t.NamedTuple):
    """What came of one episode."""

    seed: int
    counts: Counts
    shown: list[Shown]
    seconds: float


def play(seed: int) -> Result:
    """Play the episode of a seed, in a worker."""
    started = time.monotonic()
    played = _stage().play(episode(seed))
    return Result(
        seed, played.counts, [(each, played.story) for each in violations(played.story)], time.monotonic() - started
    )


def made_smaller(seed: int, name: str) -> tuple[int, str, Shown | None]:
    """Shrink an episode that violates the invariant of that name, in a worker."""
    deadline = time.monotonic() + SHRINKING_SECONDS

    def shows(candidate: Episode) -> Shown | None:
        story = _stage().play(candidate).story
        return next(((each, story) for each in violations(story) if each.name == name), None)

    return seed, name, shrink(episode(seed), shows, lambda: time.monotonic() > deadline)[1]


def campaign(
    pool: concurrent.futures.Executor, seed: int, episodes: int | None, seconds: float, workers: int
) -> list[Result]:
    """Run episodes until their number is reached or the time is over; print each violation when it occurs."""
    deadline = time.monotonic() + seconds
    results: list[Result] = []
    waiting: set[concurrent.futures.Future[Result]] = set()
    given = 0
    while True:
        while len(waiting) < 2 * workers and (given < episodes if episodes else time.monotonic() < deadline):
            waiting.add(pool.submit(play, seed + given))
            given += 1
        if not waiting:
            return results
        done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            result = future.result()
            results.append(result)
            for violation in {each.name: each for each, dummy in result.shown}.values():
                print(f"seed {result.seed}: {violation.name}: {violation.text[:300]}", flush=True)


def main() -> int:
    """Run a campaign; return an exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="seed of the first episode (default: random)")
    parser.add_argument("--episodes", type=int, help="number of episodes (default: as many as the time allows)")
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--workers", type=int, default=4, help="number of parallel episodes")
    parser.add_argument("--registry", choices=BACK_ENDS, default="sqlite", help="the back end of the registries")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"SEED={seed}", flush=True)
    workers = min(arguments.workers, arguments.episodes or arguments.workers)
    # Fork all workers now, while this process has no threads. They fork again, and have no threads either.
    with (
        back_end(arguments.registry),
        concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool,
    ):
        results = campaign(pool, seed, arguments.episodes, arguments.seconds, workers)
        violations = _shrunk(pool, results)
    counts: Counts = sum((result.counts for result in results), collections.Counter())
    print(*violations, sep="\n\n")
    print(report.coverage(counts))
    print(report.totals(seed, counts, sum(len(result.shown) for result in results)))
    return 1 if violations else 0


def _shrunk(pool: concurrent.futures.Executor, results: t.Sequence[Result]) -> list[str]:
    """Return the first violation of each kind, shrunk as far as possible."""
    first: dict[str, tuple[int, Shown]] = {}
    for result in sorted(results, key=lambda result: result.seed):
        for shown in result.shown:
            first.setdefault(shown[0].name, (result.seed, shown))
    chosen = list(first.items())[:SHRUNK_AT_MOST]
    smaller = [pool.submit(made_smaller, seed, name) for name, (seed, dummy) in chosen]
    texts = []
    for (dummy, (seed, seen)), future in zip(chosen, smaller):
        found = future.result()[2]
        violation, story = found or seen
        texts.append(report.violation_text(seed, violation, story, shrunk=found is not None))
    return texts


if __name__ == "__main__":
    sys.exit(main())
