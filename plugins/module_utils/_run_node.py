# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_node does. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._client import Settings
from ansible_collections.nec.expether.plugins.module_utils._documents import find_flavor, find_nodes, flavor_view, only_node
from ansible_collections.nec.expether.plugins.module_utils._errors import InvalidInput, NotKnown, Refused
from ansible_collections.nec.expether.plugins.module_utils._executor_forget import Forgetting, forget
from ansible_collections.nec.expether.plugins.module_utils._executor_nodes import Draft, node_of
from ansible_collections.nec.expether.plugins.module_utils._fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._glue import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._glue_changes import execute, plan_result, views_of
from ansible_collections.nec.expether.plugins.module_utils._glue_eem import Target, connection, target
from ansible_collections.nec.expether.plugins.module_utils._glue_options import said_podm_id
from ansible_collections.nec.expether.plugins.module_utils._names import (
    check_node_name,
    listed,
    node_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._plan import Node, NodeState, Plan, Step, World, find_node
from ansible_collections.nec.expether.plugins.module_utils._planner import (
    plan_compose,
    plan_manage,
    plan_release,
)
from ansible_collections.nec.expether.plugins.module_utils._planner_choice import choose_system, find_system
from ansible_collections.nec.expether.plugins.module_utils._records import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._registry import Body, Change, Document, Registry
from ansible_collections.nec.expether.plugins.module_utils._views import Views
from ansible_collections.nec.expether.plugins.module_utils._wish import Wish, parse_properties


def run(context: Context) -> Result:
    """Bring a node to what the task says."""
    params = context.params
    name = params["name"] if params["name"] is not None else params["node_index"]
    if params["state"] == "absent" and not params["detach_devices"]:
        return _only_forget(context, name)
    if params["state"] == "absent" and not _documents(context, name):
        return _result((), [], None, None)
    where = target(context, node=name)
    if params["state"] == "present":
        wish = _wish(context)
        return _carry_out(context, where, name, lambda world: _compose(context, where, world, name, wish))
    if params["state"] == "managed":
        return _carry_out(context, where, name, lambda world: _manage(context, where, world, name))
    there: set[str] = set()

    def release(world: World) -> Draft:
        there.update(world.fabric.devices)
        node = find_node(world, name)
        return Draft(plan_release(world, [node]), node) if node else Draft(())

    result = _carry_out(context, where, name, release)
    if result["node"] is not None:
        _warn_of_missing(context, where, result["node"], there)
    return result


def _warn_of_missing(context: Context, where: Target, node: Body, there: t.Container[str]) -> None:
    """Say which devices a released node had when they were last seen, and which EEM does not list any more."""
    missing = [
        found.body["device_id"]
        for found in t.cast(Registry, where.registry).all("devices")
        if found.body["podm_id"] == where.podm_id
        and found.body["node_id"] == node["index"]
        and found.body["device_id"] not in there
    ]
    if missing:
        context.warn(
            [f"Not detached, for EEM does not list them at the moment: {listed(missing)}, devices of {node['name']}."]
        )


def _wish(context: Context) -> Wish | None:
    """Return what devices the node shall have; C(None) if the task does not say."""
    params = context.params
    if params["properties"] is not None:
        return parse_properties(params["properties"])
    if params["flavor"] is not None:
        found = find_flavor(context.registry, params["flavor"])
        return parse_properties(flavor_view(found.uuid, found.body)["properties"])
    return None


def _index(context: Context) -> str | None:
    """Return the system that the task names."""
    given = context.params["node_index"]
    index = parse_card_id(given) if given is not None else None
    if given is not None and index is None:
        raise InvalidInput(f"node_index {given!r} is no EEM id of a system; it looks like 0x8cdf9d53f236.")
    return index


def _compose(context: Context, where: Target, world: World, name: str, wish: Wish | None) -> Draft:
    node, index = find_node(world, name), _index(context)
    if node is None:
        if wish is None:
            raise InvalidInput(f"Node {name!r} is not there yet: flavor or properties says what devices it shall have.")
        system = find_system(world.fabric, index).id if index else choose_system(world, wish).id
        node = _new(where, world, name, system, "composed")
    _check_place(node, index)
    if wish is None:
        if node.state == "composing":
            raise InvalidInput(
                f"Node {node.name} was left half composed: give its flavor or properties again, or release it."
            )
        find_system(world.fabric, node.system)
        return Draft((), node)
    plan = plan_compose(world, node._replace(state="composed"), wish, context.params["purge"])
    return Draft(plan, node._replace(state="composed") if plan else node)


def _manage(context: Context, where: Target, world: World, name: str) -> Draft:
    node, index = find_node(world, name), _index(context)
    if node is None:
        place = index or parse_card_id(name)
        if place is None:
            raise InvalidInput(f"Node {name!r} is not there yet: node_index says which system it is.")
        system = find_system(world.fabric, place).id
        node = _new(where, world, name, system, "managed")
    _check_place(node, index)
    plan = plan_manage(world, node)
    return Draft(plan, node._replace(state="managed") if plan else node)


def _new(where: Target, world: World, name: str, index: str, state: NodeState) -> Node:
    known = world.nodes.get(index)
    if known is not None:
        raise Refused(f"System {index} is node {known.name} already.")
    if parse_card_id(name) == index:
        name = index  # in EEM's own form, however the task writes it
    return Node(node_uuid(where.podm_id, name), check_node_name(name, index), index, state)


def _check_place(node: Node, index: str | None) -> None:
    if index is not None and node.system != index:
        raise Refused(f"Node {node.name} is on system {node.system}, not on {index}; release it first.")


def _carry_out(context: Context, where: Target, name: str, draft: t.Callable[[World], Draft]) -> Result:
    made: list[Draft] = []

    def drafted(world: World) -> Draft:
        made.append(draft(world))
        return made[-1]

    outcome = execute(context, where, f"a run for node {name}", drafted)
    node, pci_names = made[-1].node, context.pci_names
    before = _shown(views_of(where, outcome.world.nodes, pci_names), outcome.world.fabric, node, outcome.world.nodes)
    after = _shown(views_of(where, outcome.nodes, pci_names), outcome.fabric, node, outcome.nodes)
    return _result(outcome.plan, outcome.rows, before, after)


def _shown(views: Views, fabric: Fabric, node: Node | None, nodes: t.Mapping[str, Node]) -> Body | None:
    found = nodes.get(node.system) if node else None
    return views.node(fabric, found.document()) if found and node and found.uuid == node.uuid else None


def _brief(view: Body | None) -> Body:
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


def _documents(context: Context, name: str) -> list[Document]:
    """Return the nodes that the task may mean, of the pod manager that it says or else of all."""
    podm_id = said_podm_id(context)
    nodes = context.registry.all("nodes")
    return find_nodes([node for node in nodes if podm_id in (None, node.body["podm_id"])], name)


def _only_forget(context: Context, name: str) -> Result:
    """Forget a node and leave its devices where they are; the EEM is not asked."""
    found = only_node(_documents(context, name), name)
    if found is None:
        return _result((), [], None, None)
    registry, podm_id, node = context.registry, found.body["podm_id"], node_of(found)
    podm = registry.get("pod_managers", podm_id)
    settings = Settings("", **connection(context, podm.body["connection"] if podm else {}))
    plan = (Step("forget", None, node.name, node.system, node.state, None),)

    def changes() -> list[Change]:
        now = registry.get("nodes", found.uuid)
        if now is None:
            raise NotKnown(f"Another run has forgotten node {node.name} meanwhile.")
        if now.body["index"] != node.system:
            raise Refused(f"Node {node.name} is on system {now.body['index']} by now, not on {node.system} any more.")
        return [Change("nodes", found.uuid, None, now.revision)]

    wish = Forgetting(podm_id, node.system, f"a run for node {node.name}")
    try:
        context.warn(forget(registry, wish, settings, None if context.check_mode else changes))
    except NotKnown:
        return _result((), [], None, None)
    views = Views(podm_id, podm.body["name"] if podm else None, {})
    view = views.node(Fabric([]), node.document())
    return _result(plan, [step.view("planned" if context.check_mode else "done") for step in plan], view, None)


def _result(plan: Plan, rows: list[Body], before: Body | None, after: Body | None) -> Result:
    # A released node is shown as it was; what became of its devices is in the plan.
    return {"node": after or before, **plan_result(plan, rows, _brief(before), _brief(after))}
