# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an episode with a violation smaller, one part at a time, for as long as it still shows it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from episode import Episode, Round

T = t.TypeVar("T")
#: Runs at the same time do not go the same way twice.
TRIES = 3


def smaller(episode: Episode) -> t.Iterator[Episode]:
    """The episodes with one part less, the largest parts first: a round, a run, a fault, a foreign change, a kill."""
    if len(episode.rounds) > 1:
        yield from (dataclasses.replace(episode, rounds=rest) for rest in _without_one(episode.rounds))
    for field in ("runs", "faults", "foreign"):
        for place, each in enumerate(episode.rounds):
            parts = getattr(each, field)
            if field == "runs" and len(parts) == 1:
                continue
            for rest in _without_one(parts):
                yield _with_round(episode, place, dataclasses.replace(each, **{field: rest}))
    for place, each in enumerate(episode.rounds):
        if each.through_ansible:
            yield _with_round(episode, place, dataclasses.replace(each, through_ansible=False))
        for index, run in enumerate(each.runs):
            for plainer in (dataclasses.replace(run, kill=None), dataclasses.replace(run, start=0.0)):
                if plainer != run:
                    runs = (*each.runs[:index], plainer, *each.runs[index + 1 :])
                    yield _with_round(episode, place, dataclasses.replace(each, runs=runs))
    for name in episode.eem_options:
        options = {key: value for key, value in episode.eem_options.items() if key != name}
        yield dataclasses.replace(episode, eem_options=options)


def _without_one(parts: tuple[T, ...]) -> t.Iterator[tuple[T, ...]]:
    return (parts[:place] + parts[place + 1 :] for place in range(len(parts)))


def _with_round(episode: Episode, place: int, changed: Round) -> Episode:
    return dataclasses.replace(episode, rounds=(*episode.rounds[:place], changed, *episode.rounds[place + 1 :]))


def shrink(
    episode: Episode, shows: t.Callable[[Episode], T | None], is_over: t.Callable[[], bool]
) -> tuple[Episode, T | None]:
    """The smallest episode found that still shows the violation, and what it showed; ``None`` if it never showed again."""
    best, seen = episode, _tried(episode, shows, is_over)
    while True:
        for candidate in smaller(best):
            if is_over():
                return best, seen
            found = _tried(candidate, shows, is_over)
            if found is not None:
                best, seen = candidate, found
                break
        else:
            return best, seen


def _tried(episode: Episode, shows: t.Callable[[Episode], T | None], is_over: t.Callable[[], bool]) -> T | None:
    for dummy in range(TRIES):
        found = shows(episode)
        if found is not None or is_over():
            return found
    return None
