# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sweep reports a run that does not end as it should, and covers what can be asked and what can go wrong."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulator"))

import faults
import pytest
from eemsim.faults import KINDS
from module_process import MODULES, mains
from operations import D0, OPERATIONS, S0
from story import Look, Story
from sweep import Ended, ends_right, success_is_true
from test_chaos_invariants import (
    AGAIN,
    COMPOSE,
    D1,
    GIVEN,
    NODE_A,
    S1,
    episode,
    failed,
    get,
    move,
    node,
    report,
    row,
    sent,
    story,
)

LAST = Look("end", 20, nodes=(NODE_A,))
SUCCEEDED = report(AGAIN, row(D1, "4093", "17"), stage="again")
KEPT = story(GIVEN, SUCCEEDED, LAST)
WANTED = Ended({card: KEPT.group_at(card, 20) for card in KEPT.cards}, LAST)
DISTURBED = dataclasses.replace(episode(), fleets=({"style": "swept"},))
BROKEN = {
    "a claim is left": story(GIVEN, SUCCEEDED, dataclasses.replace(LAST, held=(S1,))),
    "again fails": story(GIVEN, failed(AGAIN, stage="again"), LAST),
    "a device is somewhere else": story(SUCCEEDED, LAST),
    "a node is lost": story(GIVEN, SUCCEEDED, dataclasses.replace(LAST, nodes=())),
    "a node is unfinished": story(GIVEN, SUCCEEDED, dataclasses.replace(LAST, nodes=(("a", S1, "composing", "p"),))),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_wrong_end_is_reported(case: str) -> None:
    assert [each.name for each in ends_right(BROKEN[case], WANTED)] == ["ends_right"]


@pytest.mark.parametrize(
    "kept",
    [
        KEPT,
        # What a killed run holds is taken over only by a run that has something to do.
        story(GIVEN, report(AGAIN, stage="again"), dataclasses.replace(LAST, held=(S1,))),
        # Somebody else's change may prevent the task.
        story(move(1, D1, "4093", "18", "control"), failed(AGAIN, stage="again"), LAST, on=DISTURBED),
    ],
)
def test_a_right_end_is_accepted(kept: Story) -> None:
    assert list(ends_right(kept, WANTED)) == []


def test_a_success_must_be_true_if_it_could_have_been_read() -> None:
    done = report(COMPOSE, row(D1, "4093", "17"), node=node(D1))
    given, regrouped = (get(0), sent(1, "group_id"), GIVEN), move(1.5, S1, "17", "30", "control")
    assert [each.name for each in success_is_true(story(done, *given, regrouped))] == ["success_is_true"]
    assert [each.name for each in success_is_true(story(done, *given, regrouped, get(2)))] == ["success_is_true"]
    for kept in (
        story(done, *given),
        story(done, *given, get(1.2), regrouped),
        story(failed(COMPOSE), *given, regrouped),
    ):
        assert list(success_is_true(kept)) == []


def test_every_module_that_changes_something_is_swept_with_each_state_and_action() -> None:
    # expether_registry asks no EEM, and writes in one transaction: test_registry_copy disturbs it.
    changing = [name for name in MODULES if not name.endswith("_info") and name != "expether_registry"]
    specs = {name: mains[name].SPEC.options for name in changing}
    swept = {
        (each.module, key, each.options.get(key, specs[each.module][key].get("default")))
        for each in OPERATIONS
        for key in ("state", "action")
        if key in specs[each.module]
    }
    aliases = {("expether_device_attach", "state", alias) for alias in ("present", "absent")}
    choices = {
        (name, key, choice)
        for name in changing
        for key in ("state", "action")
        if key in specs[name]
        for choice in specs[name][key]["choices"]
    }
    assert {each.module for each in OPERATIONS} == set(changing)
    assert swept == choices - aliases


def test_every_fault_of_the_simulator_is_swept() -> None:
    kinds = {action["do"] for dummy, actions in faults.orders_for("PUT", 1.0, D0, S0) for action in actions}
    assert kinds == set(KINDS)
    reads = {action["do"] for dummy, actions in faults.orders_for("GET", 1.0, D0, S0) for action in actions}
    assert reads == set(KINDS)
