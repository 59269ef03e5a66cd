# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules that change hardware do alike. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._client import Client
from ansible_collections.nec.expether.plugins.module_utils._errors import NotKnown
from ansible_collections.nec.expether.plugins.module_utils._executor import Executor, Outcome
from ansible_collections.nec.expether.plugins.module_utils._executor_nodes import Draft
from ansible_collections.nec.expether.plugins.module_utils._glue import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._glue_eem import Target
from ansible_collections.nec.expether.plugins.module_utils._names import listed
from ansible_collections.nec.expether.plugins.module_utils._pci_names import PciNames
from ansible_collections.nec.expether.plugins.module_utils._plan import Node, Plan, World
from ansible_collections.nec.expether.plugins.module_utils._planner import reboot_required, rescan_required, warnings
from ansible_collections.nec.expether.plugins.module_utils._planner_card import card_warnings
from ansible_collections.nec.expether.plugins.module_utils._registry import Body, Change
from ansible_collections.nec.expether.plugins.module_utils._sync import touched_changes
from ansible_collections.nec.expether.plugins.module_utils._views import Views


def views_of(where: Target, nodes: t.Mapping[str, Node], pci_names: PciNames) -> Views:
    """Return how things of an EEM are shown, with these nodes by EESV id."""
    return Views(where.podm_id, where.podm, {index: node.name for index, node in nodes.items()}, pci_names)


def execute(
    context: Context,
    where: Target,
    what: str,
    draft: t.Callable[[World], Draft],
    *,
    read: t.Callable[[Client, World], None] = lambda client, world: None,
    more_changes: t.Callable[[Outcome], t.Sequence[Change]] = lambda outcome: (),
    whole: bool = False,
) -> Outcome:
    """Make a plan and carry it out, or in check mode only make it; warn of what the user must know.

    What the registry remembers of the devices is brought up to date with it.

    :param what: what the run does, for other runs that wait for it
    :param read: reads of EEM what else the draft needs, each time right before it
    :param more_changes: further changes of the registry in the last transaction, from the outcome
    :param whole: whether no other run may change anything of this pod manager meanwhile
    :raises ExpetherError: as C(Executor.run)
    """
    def changes(outcome: Outcome) -> list[Change]:
        cards = [step.device for step in outcome.plan if step.device]
        views = views_of(where, outcome.nodes, context.pci_names)
        touched = touched_changes(where.registry, outcome.fabric, views, cards) if where.registry else []
        more = more_changes(outcome)
        # What is forgotten need not be brought up to date.
        return [*(change for change in touched if change.uuid not in {other.uuid for other in more}), *more]

    def drafted(world: World) -> Draft:
        if where.podm is not None and where.registry and where.registry.get("pod_managers", where.podm_id) is None:
            raise NotKnown(f"Pod manager {where.podm} is not registered any more.")
        read(client, world)
        return draft(world)

    with Client(where.settings) as client:
        executor = Executor(client, where.podm_id, where.registry, what, changes, whole)
        try:
            outcome = executor.run(drafted, context.check_mode)
        finally:
            context.warn([*executor.waited, *client.waited])
    context.warn([*warnings(outcome.world, outcome.plan), *card_warnings(outcome.world, outcome.plan)])
    return outcome


def no_such_node(where: Target, nodes: t.Mapping[str, Node], wanted: str) -> NotKnown:
    """Return the error about a node's name that nobody has."""
    names = listed(sorted(node.name for node in nodes.values()))
    return NotKnown(
        f"There is no node {wanted!r} of pod manager {where.podm or where.settings.url}; "
        + (f"its nodes are {names}." if names else "it has no nodes.")
        + (" The EEM id of a card has twelve hex digits." if wanted.lower().startswith("0x") else "")
    )


def plan_result(plan: Plan, rows: list[Body], before: Body, after: Body) -> Result:
    """Return the part of a result that comes from the plan alone.

    :param rows: the steps with their status
    :param before: what a diff shows of the state before, C(after) of that afterwards
    """
    return {
        "changed": bool(plan),
        "plan": rows,
        "reboot_required": reboot_required(plan),
        "rescan_required": rescan_required(plan),
        "diff": {"before": before, "after": after},
    }
