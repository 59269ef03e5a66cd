# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs expether_node. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.change import ChangeRun, plan_result
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import connect_timeout, podm_option
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import (
    Target,
    target,
    waiting_settings,
)
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
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import link_warnings
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import step_view
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import devices_left
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, remove
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, Views
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_flavor, only_node
from ansible_collections.nec.expether.plugins.module_utils._sync.updates import device_updates

PLANS = {"present": plan_present, "managed": plan_managed, "absent": plan_absent}


def run(context: Context) -> Result:
    """Compose, update, adopt or release a node."""
    params = context.params
    name, state = params["name"] if params["name"] is not None else params["node_index"], params["state"]
    seconds = connect_timeout(params)
    context.require_lasting_registry()
    if state == "absent" and not params["detach_devices"]:
        return _forget_only(context, name)
    if state == "absent" and not _may_exist(context, name):
        _warn_of_namesake(context, podm_option(context), name)
        return _node_result(None, None)
    where = target(context, node=name)
    if state == "absent":
        request = NodeRequest(name, skip_silent=params["skip_silent"])
    else:
        properties = _properties(context) if state == "present" else None
        silent = {key: params[key] for key in ("skip_silent", "replace_silent")}
        index = params["node_index"]
        system_id = None if index is None else parse_system_id(index, "node_index")
        request = NodeRequest(name, system_id, properties, params["purge"], **silent)
    run_ = ChangeRun(context, where, f"a run for node {name}")
    outcome = run_.execute(lambda observed, _client: PLANS[state](observed, request), connect_timeout=seconds)
    node = outcome.plan.node
    before = _to_result(run_.views(outcome.before.nodes), outcome.before.fabric, node, outcome.before.nodes)
    after = _to_result(run_.views(outcome.nodes), outcome.fabric, node, outcome.nodes)
    devices = [device["device_id"] for device in after["devices"]] if after else []
    context.warn(link_warnings(outcome.after, devices, outcome.steps))
    if state == "absent" and node:
        warn_of_missing(context, where, [node], outcome)
    if before is None:
        _warn_of_namesake(context, where.podm_id, name)
    return {
        **_node_result(before, after),
        **plan_result(outcome.steps, outcome.rows, _to_diff(before), _to_diff(after)),
    }


def _properties(context: Context) -> Properties | None:
    """Return the requested devices; `None` if the task requests none."""
    params = context.params
    if params["properties"] is not None:
        return parse_properties(params["properties"])
    if params["flavor"] is not None:
        return parse_properties(find_flavor(context.registry, params["flavor"]).properties)
    return None


def parse_system_id(index: str, option: str) -> str:
    """Return the id of the system that a task names.

    :param option: the name of the option
    :raises InvalidInput: it is not an EEM id
    """
    system_id = parse_card_id(index)
    if system_id is None:
        raise InvalidInput(f"`{option}` {index!r} is not the EEM id of a system, such as 0x8cdf9d53f236.")
    return system_id


def _warn_of_namesake(context: Context, podm_id: str | None, name: str) -> None:
    """Warn if the environment selects a pod manager that did not have the node, and another one has it.

    :param podm_id: the UUID of the selected one
    """
    if podm_id is None or context.params["podm"] is not None or context.params["url"] is not None:
        return
    others = {node.podm_id for node in find_by_name(context.registry.all(StoredNode), name)} - {podm_id}
    names = sorted(podm.name for podm in context.registry.all(PodManager) if podm.uuid in others)
    if names:
        context.warn(
            [
                f"Node {name} of pod manager {comma_list(names)} is not meant, because EEM_PODM or EEM_URL in the environment"
                " selects another EEM. Set `podm` to use it."
            ]
        )


def warn_of_missing(context: Context, where: Target, released: t.Sequence[Node], outcome: Outcome) -> None:
    """Warn of stored devices of released nodes that EEM did not list, and that were therefore not detached."""
    seen = outcome.before.fabric.devices.keys() | outcome.last.fabric.devices.keys()
    stored = where.registry.of_podm(StoredDevice, where.podm_id) if where.registry and released else ()
    for node in released:
        missing = [
            device.device_id for device in stored if device.node_id == node.system_id and device.device_id not in seen
        ]
        if missing:
            context.warn(
                [f"EEM is not listing these devices of {node.name}, so they were not detached: {comma_list(missing)}."]
            )


def _to_result(views: Views, fabric: Fabric, node: Node | None, nodes: t.Mapping[str, Node]) -> View | None:
    found = nodes.get(node.system_id) if node else None
    return views.node(fabric, found) if found and node and found.uuid == node.uuid else None


def _to_diff(view: View | None) -> View:
    """Return a node as the diff shows it."""
    if view is None:
        return {}
    always = {key: view[key] for key in ("name", "index", "state")}
    if not view["listed"]:
        return always  # its devices are unknown, because EEM was not asked or does not list its system
    return {
        **always,
        "pooled_group_id": view["pooled_group_id"],
        "devices": [f"{device['device_id']} {device['type']}" for device in view["devices"]],
    }


def _stored(context: Context, name: str) -> list[StoredNode]:
    """Return the stored nodes that match the name, of the selected pod manager or else of all."""
    podm_id = podm_option(context)
    registry = context.registry
    return find_by_name(registry.all(StoredNode) if podm_id is None else registry.of_podm(StoredNode, podm_id), name)


def _may_exist(context: Context, name: str) -> bool:
    """Whether such a node is stored for the selected pod manager, or for one that the task's URL may turn out to be."""
    podm_id, nodes = podm_option(context), context.registry.all(StoredNode)
    known = {podm.uuid for podm in context.registry.all(PodManager)} | {node.podm_id for node in nodes}
    return bool(find_by_name(nodes, name) if podm_id not in known else _stored(context, name))


def _forget_only(context: Context, name: str) -> Result:
    """Forget a node and leave its devices attached, without asking EEM."""
    found = only_node(_stored(context, name), name)
    if found is None:
        return _node_result(None, None)
    registry, podm_id, node = context.registry, found.podm_id, found.node()
    podm = registry.get(PodManager, podm_id)
    settings = waiting_settings(context, podm)

    def changes() -> list[Change]:
        now = registry.get(StoredNode, found.uuid)
        if now is None:
            raise NotFound(f"Another run has forgotten node {node.name}.")
        if now.system_id != node.system_id:
            raise PlanRefused(f"Another run has moved node {node.name} to system {now.system_id}. Run the task again.")
        left = devices_left(registry, podm_id, Fabric([]), [node])
        views = Views(podm_id, podm.name if podm else None, {})
        return [remove(now), *device_updates(registry, Fabric([]), views, {}, (), left)]

    forgetting = Forgetting(podm_id, node.system_id, f"a run for node {node.name}")
    try:
        context.warn(forget(registry, forgetting, settings, None if context.check_mode else changes))
    except NotFound:
        return _node_result(None, None)
    view = Views(podm_id, podm.name if podm else None, {}).node(Fabric([]), node)
    steps = plan_forget_node(node).steps
    rows = [step_view(step, "planned" if context.check_mode else "done") for step in steps]
    return {**_node_result(view, None), **plan_result(steps, rows, _to_diff(view), {})}


def _node_result(before: View | None, after: View | None) -> Result:
    # A released node is shown as it was before; the plan shows what happened to its devices.
    return {"node": after or before, **plan_result((), [], {}, {})}
