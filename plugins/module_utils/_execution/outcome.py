# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a plan. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._execution.steps import StepRun
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    ObservedState,
    Plan,
    RegistryChange,
    Step,
    nodes_after,
)


class Outcome(t.NamedTuple):
    """What came of a plan, or in check mode would come.

    :ivar before: what was observed first
    :ivar plan: the plan that was carried out last
    :ivar last: what that plan was made from
    :ivar steps: all steps but those that were undone or failed, also those of earlier plans of this run, and what EEM did
        not respond to in time and may still carry out
    :ivar rows: the steps with their status, as in the result `plan`
    :ivar fabric: the fabric afterwards
    :ivar nodes: the nodes afterwards, by EESV id
    """

    before: ObservedState
    plan: Plan
    last: ObservedState
    steps: tuple[Step, ...]
    rows: list[dict[str, t.Any]]
    fabric: Fabric
    nodes: dict[str, Node]

    @property
    def after(self) -> ObservedState:
        """The state afterwards."""
        return self.last._replace(fabric=self.fabric, nodes=self.nodes)


def outcome_of(first: ObservedState, observed: ObservedState, plan: Plan, runs: t.Sequence[StepRun]) -> Outcome:
    """Return what came of a plan.

    :param first: what was observed first
    :param observed: what the plan was made from
    :param runs: all steps as they were carried out; none in check mode, and if nothing was to be done
    """
    times = {run.step.card: run.update_time for run in runs if not isinstance(run.step, RegistryChange)}
    cards = {step.card: (step.new, times.get(step.card)) for step in plan.group_changes}
    later: dict[str, Card | None] = {run.read.id: run.read for run in runs if run.read}
    later |= {step.card: None for step in plan.hardware_steps if step.action == "forget_card"}
    runs = runs or [StepRun(step) for step in plan.steps]
    steps = [run.step for run in runs if run.status not in ("undone", "failed")]
    steps += dict.fromkeys(run.step for run in runs if run.timed_out and run.step not in steps)
    return Outcome(
        first,
        plan,
        observed,
        tuple(steps),
        [run.view() for run in runs],
        observed.fabric.changed(cards).read_later(later),
        nodes_after(observed.nodes, plan),
    )
