# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Episodes come from their seed alone, have everything in them, and are made smaller without losing what they show."""

from __future__ import annotations

import functools

import pytest
from episode import Episode
from faults import KINDS
from generation import Fleet, episode
from shrinking import shrink, smaller


@functools.cache
def many() -> list[Episode]:
    return [episode(seed) for seed in range(10 * len(KINDS))]


@pytest.mark.parametrize("seed", [0, 7, 123456])
def test_the_same_seed_gives_the_same_episode(seed: int) -> None:
    assert episode(seed) == episode(seed)
    assert episode(seed) != episode(seed + 1)


def test_seeds_in_a_row_have_every_kind_of_fault() -> None:
    first = many()[: len(KINDS)]
    assert {fault.kind for each in first for part in each.rounds for fault in part.faults} >= set(KINDS)


def test_keys_of_runs_are_unique() -> None:
    for each in many():
        assert len({run.key for run in each.runs}) == len(each.runs)


def test_all_ways_and_kinds_of_runs_come_up() -> None:
    assert {each.reach for each in many()} == {"podm", "url", "url and names"}
    assert {len(each.fleets) for each in many()} == {1, 2}
    assert {run.kind for each in many() for run in each.runs} == {
        "compose",
        "managed",
        "absent",
        "layout",
        "attached",
        "detached",
        "registered",
        "removed",
        "info",
        "synced",
        "led",
        "forgotten",
        "audit",
        "reset",
        "reset_frame",
        "forget_port",
    }
    assert {run.kill.at for each in many() for run in each.runs if run.kill} == {"request", "commit", "during", "time"}
    assert any(run.check for each in many() for run in each.runs)
    assert any(part.through_ansible for each in many() for part in each.rounds)
    assert any(part.foreign for each in many() for part in each.rounds)
    assert any(len({fault.kind for fault in part.faults}) > 1 for each in many() for part in each.rounds)


def test_no_card_is_in_two_eems() -> None:
    for each in many():
        ids = [card["id"] for fleet in each.fleets for card in Fleet.read(fleet).records()]
        assert len(set(ids)) == len(ids)


def test_nothing_is_killed_in_a_playbook() -> None:
    for each in many():
        assert not [run for part in each.rounds if part.through_ansible for run in part.runs if run.kill]


def _parts(each: Episode) -> int:
    return sum(1 + len(part.runs) + len(part.faults) + len(part.foreign) for part in each.rounds)


def test_every_smaller_episode_lacks_something() -> None:
    for each in many()[:40]:
        for candidate in smaller(each):
            assert candidate != each
            assert _parts(candidate) <= _parts(each)
            assert candidate.rounds and all(part.runs for part in candidate.rounds)


def test_shrinking_ends_with_what_is_needed() -> None:
    big = next(each for each in many() if len(each.runs) > 8)
    needed = {big.rounds[-1].runs[-1].key}

    def shows(candidate: Episode) -> str | None:
        return "seen" if needed <= {run.key for run in candidate.runs} else None

    small, seen = shrink(big, shows, lambda: False)
    assert seen == "seen"
    assert [run.key for run in small.runs] == list(needed)
    assert not any(part.faults or part.foreign for part in small.rounds)
    assert small.eem_options == {}


def test_shrinking_says_when_nothing_shows_again() -> None:
    tried = []

    def shows(candidate: Episode) -> None:
        tried.append(candidate)

    assert shrink(many()[0], shows, lambda: len(tried) > 5)[1] is None


def test_shrinking_stops_when_the_time_is_over() -> None:
    big = many()[1]
    assert shrink(big, lambda candidate: "seen", lambda: True) == (big, "seen")
