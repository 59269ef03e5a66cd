# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a layout meets it with the fewest changes, and a layout is refused only if it cannot be met."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.layout import plan_layout
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import Plan, nodes_after
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    devices_of,
    most_devices,
    walk,
    wanted,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.layouts import (
    Layout,
    fewest_changes,
    layouts,
    met_by,
    placements,
    rule,
)
from hypothesis import event, given


def planned(layout: Layout) -> Plan | None:
    try:
        return plan_layout(layout.fleet.observed, layout.request)
    except PlanRefused:
        return None


def chosen_by(layout: Layout, plan: Plan) -> dict[str, str]:
    return {each.name: node.system_id for each, node in zip(layout.wanted, plan.nodes) if each in layout.new}


@given(layouts())
def test_no_plan_has_fewer_changes_and_what_can_be_met_is_met(layout: Layout) -> None:
    plan, first = planned(layout), rule(layout)
    by_rule = fewest_changes(layout, first) if first is not None else None
    if plan is None:
        event("refused")
        assert by_rule is None
        assert [places for places in placements(layout) if fewest_changes(layout, places) is not None] == []
        return
    chosen = chosen_by(layout, plan)
    event("as the rule says" if chosen == first else "other systems")
    event(f"{len(plan.group_changes)} changes")
    assert chosen == first or by_rule is None
    assert len(plan.group_changes) == fewest_changes(layout, chosen)


@given(layouts())
def test_a_layout_that_was_carried_out_is_met_and_stays_as_it_is(layout: Layout) -> None:
    plan = planned(layout)
    if plan is None:
        return
    after = layout.fleet.after(plan.steps, nodes_after(layout.fleet.nodes, plan))
    for each, node in zip(layout.wanted, plan.nodes):
        here, before = devices_of(after.records, node.system_id), devices_of(layout.fleet.records, node.system_id)
        if each.entries is None:
            assert here == before
            continue
        assert met_by(each.entries, here) == wanted(each.entries)
        assert len(here) == wanted(each.entries) or not each.purge
        assert after.nodes[node.system_id] == node
    assert all(key not in after.nodes or after.nodes[key] in plan.nodes for key in layout.released)
    again = plan_layout(after.observed, layout.request)
    assert (again.steps, again.nodes) == ((), plan.nodes)


@given(layouts())
def test_devices_are_detached_before_others_need_their_slots_and_each_is_moved_once(layout: Layout) -> None:
    plan = planned(layout)
    if plan is None:
        return
    for step, records in walk(layout.fleet.records, plan.steps):
        card = next(record for record in records if record["id"] == step.card)
        assert card["group_id"] == step.old
        if step.action == "attach" and step.system_id:
            system = layout.fleet.card(step.system_id)
            assert len(
                [record for record in records if record["group_id"] == step.new and record["status"] == "eeio"]
            ) < (most_devices(system))
    for action in ("attach", "detach", "set_group"):
        cards = [step.card for step in plan.group_changes if step.action == action]
        assert len(cards) == len(set(cards))
    groups = [step.new for step in plan.group_changes if step.action == "set_group"]
    assert len(groups) == len(set(groups))


@given(layouts())
def test_the_same_layout_gives_the_same_plan(layout: Layout) -> None:
    shuffled = layout.fleet._replace(
        records=layout.fleet.records[::-1], nodes=dict(reversed(list(layout.fleet.nodes.items())))
    )
    assert planned(layout._replace(fleet=shuffled)) == planned(layout)
