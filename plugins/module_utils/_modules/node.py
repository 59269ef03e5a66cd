# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What expether_node does. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.change import ChangeRun, plan_result
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import said_podm_id
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import (
    Target,
    connection,
    target,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.forget import Forgetting, forget
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome
from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, find_by_name
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Properties, parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import (
    NodeRequest,
    plan_absent,
    plan_forget_node,
    plan_managed,
    plan_present,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import step_view
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, remove
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, Views
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_flavor, only_node

PLANS = {"present": plan_present, "managed": plan_managed, "absent": plan_absent}


def run(context: Context) -> Result:
    """Compose, update, adopt or release a node."""
    params = context.params
    name, state = params["name"] if params["name"] is not None else params["node_index"], params["state"]
    if state == "absent" and not params["detach_devices"]:
        return _only_forget(context, name)
    if state == "absent" and not _stored(context, name):
        return _result(None, None)
    where = target(context, node=name)
    if state == "absent":
        request = NodeRequest(name)
    else:
        properties = _properties(context) if state == "present" else None
        request = NodeRequest(name, _system_id(context), properties, params["purge"])
    run_ = ChangeRun(context, where, f"a run for node {name}")
    outcome = run_.execute(lambda observed, _client: PLANS[state](observed, request))
    node = outcome.plan.node
    before = _shown(run_.views(outcome.before.nodes), outcome.before.fabric, node, outcome.before.nodes)
    after = _shown(run_.views(outcome.nodes), outcome.fabric, node, outcome.nodes)
    if state == "absent" and node:
        _warn_of_missing(context, where, node, outcome)
    return {**_result(before, after), **plan_result(outcome.steps, outcome.rows, _to_diff(before), _to_diff(after))}


def _properties(context: Context) -> Properties | None:
    """Return what devices the node should have; `None` if the task does not say."""
    params = context.params
    if params["properties"] is not None:
        return parse_properties(params["properties"])
    if params["flavor"] is not None:
        return parse_properties(find_flavor(context.registry, params["flavor"]).properties)
    return None


def _system_id(context: Context) -> str | None:
    """Return the system that the task names."""
    given = context.params["node_index"]
    system_id = parse_card_id(given) if given is not None else None
    if given is not None and system_id is None:
        raise InvalidInput(f"node_index {given!r} is not the EEM id of a system; it looks like 0x8cdf9d53f236.")
    return system_id


def _warn_of_missing(context: Context, where: Target, node: Node, outcome: Outcome) -> None:
    """Warn of the devices that a released node had when they were last seen, and that EEM does not list any more."""
    seen = outcome.before.fabric.devices.keys() | outcome.last.fabric.devices.keys()
    missing = [
        device.device_id
        for device in (where.registry.of_podm(StoredDevice, where.podm_id) if where.registry else ())
        if device.node_id == node.system_id and device.device_id not in seen
    ]
    if missing:
        context.warn(
            [f"Not detached, because EEM does not list them at the moment: {comma_list(missing)}, devices of {node.name}."]
        )


def _shown(views: Views, fabric: Fabric, node: Node | None, nodes: t.Mapping[str, Node]) -> View | None:
    found = nodes.get(node.system_id) if node else None
    return views.node(fabric, found) if found and node and found.uuid == node.uuid else None


def _to_diff(view: View | None) -> View:
    """Return what a diff shows of a node."""
    if view is None:
        return {}
    brief = {key: view[key] for key in ("name", "index", "state")}
    if not view["listed"]:
        return brief  # EEM was not asked, or does not list it: what it has is not known
    return {
        **brief,
        "pooled_group_id": view["pooled_group_id"],
        "devices": [f"{device['device_id']} {device['type']}" for device in view["devices"]],
    }


def _stored(context: Context, name: str) -> list[StoredNode]:
    """Return the nodes that the task may mean, of the pod manager that it names or else of all."""
    podm_id = said_podm_id(context)
    registry = context.registry
    return find_by_name(registry.all(StoredNode) if podm_id is None else registry.of_podm(StoredNode, podm_id), name)


def _only_forget(context: Context, name: str) -> Result:
    """Forget a node and leave its devices where they are; EEM is not asked."""
    found = only_node(_stored(context, name), name)
    if found is None:
        return _result(None, None)
    registry, podm_id, node = context.registry, found.podm_id, found.node()
    podm = registry.get(PodManager, podm_id)
    settings = Settings("", **connection(context, podm.connection if podm else {}))

    def changes() -> list[Change]:
        now = registry.get(StoredNode, found.uuid)
        if now is None:
            raise NotFound(f"Another run has forgotten node {node.name} meanwhile.")
        if now.system_id != node.system_id:
            raise PlanRefused(f"Node {node.name} is on system {now.system_id} now, not on {node.system_id} any more.")
        return [remove(now)]

    wish = Forgetting(podm_id, node.system_id, f"a run for node {node.name}")
    try:
        context.warn(forget(registry, wish, settings, None if context.check_mode else changes))
    except NotFound:
        return _result(None, None)
    view = Views(podm_id, podm.name if podm else None, {}).node(Fabric([]), node)
    steps = plan_forget_node(node).steps
    rows = [step_view(step, "planned" if context.check_mode else "done") for step in steps]
    return {**_result(view, None), **plan_result(steps, rows, _to_diff(view), {})}


def _result(before: View | None, after: View | None) -> Result:
    # A released node is shown as it was; what became of its devices is in the plan.
    return {"node": after or before, **plan_result((), [], {}, {})}
