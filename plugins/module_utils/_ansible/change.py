# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and executes the changes of a task. Private to the collection."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import Target
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.executor import Executor
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome
from ansible_collections.nec.expether.plugins.module_utils._execution.reservation import reservation_for
from ansible_collections.nec.expether.plugins.module_utils._model.errors import NotFound
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import refuse_unapproved
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import (
    reboot_required,
    rescan_required,
    silent_warnings,
    warnings,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan, Step
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import LastNodes, devices_left
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, Registry
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, Views
from ansible_collections.nec.expether.plugins.module_utils._sync.updates import device_updates


class ChangeRun:
    """One run that changes cards of one EEM.

    :param what: describes the run, for the messages of other runs that wait for it
    :param exclusive: whether the run excludes all other changes to this pod manager
    """

    def __init__(self, context: Context, where: Target, what: str, exclusive: bool = False) -> None:
        self._context = context
        self._where = where
        self._what = what
        self._exclusive = exclusive

    def views(self, nodes: t.Mapping[str, Node], last: LastNodes = types.MappingProxyType({})) -> Views:
        """Return the views of this EEM's cards and nodes.

        :param nodes: by EESV id
        :param last: of stranded devices, the last nodes that are known
        """
        where, names = self._where, {system_id: node.name for system_id, node in nodes.items()}
        return Views(where.podm_id, where.podm, names, self._context.pci_names, last)

    def execute(
        self,
        decide: t.Callable[[ObservedState, Client], Plan],
        more_changes: t.Callable[[Outcome], t.Sequence[Change]] = lambda outcome: (),
        connect_timeout: float = 0.0,
    ) -> Outcome:
        """Make a plan, and execute it unless in check mode. Issue the warnings about it.

        The last transaction also updates the stored devices.

        :param decide: makes the plan from the observed state; it may use the client for further reads
        :param more_changes: returns further registry changes for the last transaction, from the outcome
        :param connect_timeout: how many seconds to wait for the links of newly attached devices
        :raises ExpetherError: as `Executor.run`
        """
        where = self._where

        def changes(outcome: Outcome) -> list[Change]:
            views = self.views(outcome.nodes)
            cards = [step.device for step in outcome.steps if step.device]
            # Whether a silent device counts as stranded depends on whether its system is a node.
            cards += [each.device for each in outcome.plan.silent if each.device not in cards]
            updates: list[Change] = []
            if where.registry:
                former = self._former_nodes(where.registry, outcome)
                updates = device_updates(where.registry, outcome.fabric, views, outcome.nodes, cards, former)
            more = more_changes(outcome)
            # What is removed must not be updated in the same transaction: a document, or a pod manager with its devices.
            removed = {other.uuid for other in more}
            is_removed = any(other.kind == PodManager.kind() for other in more)
            updates = [] if is_removed else [change for change in updates if change.uuid not in removed]
            return [*updates, *more, *self._context.pci_names.changes()]

        with Client(where.settings) as client:

            def decided(observed: ObservedState) -> Plan:
                if where.podm and where.registry and where.registry.get(PodManager, where.podm_id) is None:
                    raise NotFound(f"Pod manager {where.podm} is no longer registered.")
                where.check_identity(observed.fabric.systems.keys() | observed.fabric.devices.keys())
                plan = decide(observed, client)
                refuse_unapproved(plan.steps, self._context.params.get("approved_plan"))
                return plan

            reservation = reservation_for(where.registry, where.podm_id, self._what, where.settings, self._exclusive)
            podm = where.podm or where.settings.url
            executor = Executor(client, where.podm_id, podm, reservation, changes, connect_timeout)
            try:
                outcome = executor.run(decided, self._context.check_mode)
            finally:
                self._context.warn([*executor.waited, *client.waited])
        self._context.warn(warnings(outcome.before, outcome.steps))
        self._context.warn(silent_warnings(outcome.plan.silent, outcome.fabric))
        return outcome

    def _former_nodes(self, registry: Registry, outcome: Outcome) -> LastNodes:
        """Return which node had each stranded device, and each device of a released node, before the run."""
        state, podm_id = outcome.last, self._where.podm_id
        forgotten = (state.nodes.get(step.system_id or "") for step in outcome.steps if step.action == "forget")
        released = [node for node in forgotten if node]
        return {**state.last_nodes, **devices_left(registry, podm_id, state.fabric, released)}


def plan_result(steps: t.Sequence[Step], rows: list[View], before: View, after: View) -> Result:
    """Return the keys of a result that describe the plan.

    :param rows: the steps with their status
    :param before: the state before the run, as the diff shows it; `after` the state after it
    """
    return {
        "changed": bool(steps),
        "plan": rows,
        "reboot_required": reboot_required(steps),
        "rescan_required": rescan_required(steps),
        "diff": {"before": before, "after": after},
    }
