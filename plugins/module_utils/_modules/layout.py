# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs expether_layout. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.change import ChangeRun, plan_result
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import connect_timeout
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import Target, target
from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import name_key, parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, find_by_name
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Properties, parse_properties
from ansible_collections.nec.expether.plugins.module_utils._modules.node import parse_system_id, warn_of_missing
from ansible_collections.nec.expether.plugins.module_utils._planning.layout import LayoutRequest, plan_layout, same_node
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import NodeRequest, needs_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import link_warnings
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_flavor


def run(context: Context) -> Result:
    """Bring a pod manager to a layout."""
    params = context.params
    seconds = connect_timeout(params)
    context.require_lasting_registry()
    requests = _requests(context)
    where = target(context, node=None)
    _check_stored(where, requests)
    layout = LayoutRequest(requests, *(params[key] for key in ("release_others", "move", "skip_silent")))
    run_ = ChangeRun(context, where, f"a run for a layout of {len(requests)} nodes")
    outcome = run_.execute(lambda observed, _client: plan_layout(observed, layout), connect_timeout=seconds)
    former, views = run_.views(outcome.before.nodes), run_.views(outcome.nodes)
    nodes = [views.node(outcome.fabric, node) for node in outcome.plan.nodes]
    kept = {node.uuid for node in outcome.nodes.values()}
    released = [node for node in _sorted(outcome.before.nodes) if node.uuid not in kept]
    devices = [device["device_id"] for node in nodes for device in node["devices"]]
    context.warn(link_warnings(outcome.after, devices, outcome.steps))
    warn_of_missing(context, where, released, outcome)
    before, after = _to_diff(outcome.before.fabric, outcome.before.nodes), _to_diff(outcome.fabric, outcome.nodes)
    return {
        "nodes": nodes,
        "released": [former.node(outcome.before.fabric, node) for node in released],
        **plan_result(outcome.steps, outcome.rows, before, after),
    }


def _requests(context: Context) -> tuple[NodeRequest, ...]:
    """Return what the task asks of each node.

    :raises ExpetherError: an entry is invalid, two entries are the same node, or a flavor does not exist
    """
    flavors: dict[str, Properties] = {}
    requests: list[NodeRequest] = []
    seen: dict[tuple[str, str], int] = {}
    for place, entry in enumerate(context.params["nodes"]):
        where, index = f"nodes[{place}]", entry["node_index"]
        name = entry["name"] if entry["name"] is not None else index
        if name is None:
            raise InvalidInput(f"`{where}` has neither `name` nor `node_index`: set one of them, or both.")
        if entry["flavor"] is not None and entry["properties"] is not None:
            raise InvalidInput(f"`{where}` ({name}) has both `flavor` and `properties`: set only one of them.")
        request = NodeRequest(
            name,
            None if index is None else parse_system_id(index, f"{where}.node_index"),
            purge=context.params["purge"] if entry["purge"] is None else entry["purge"],
            skip_silent=context.params["skip_silent"],
        )
        for key in _keys(request):
            other = seen.setdefault(key, place)
            if other != place:
                raise same_node([*requests, request], other, place, requests[other].name)
        if entry["properties"] is not None:
            try:
                request = request._replace(properties=parse_properties(entry["properties"]))
            except InvalidInput as error:
                raise InvalidInput(f"{where}.{error.message}") from None
        requests.append(request)
    for place, entry in enumerate(context.params["nodes"]):
        if entry["flavor"] is not None:
            properties = flavors.get(entry["flavor"]) or _flavor(context, entry["flavor"], requests[place].name)
            flavors[entry["flavor"]] = properties
            requests[place] = requests[place]._replace(properties=properties)
    return tuple(requests)


def _keys(request: NodeRequest) -> set[tuple[str, str]]:
    """Return the keys by which two entries are the same node, whatever is stored."""
    uuid, card = parse_uuid(request.name), parse_card_id(request.name)
    keys = (("name", name_key(request.name)), ("uuid", uuid), ("card", card), ("card", request.system_id))
    return {(kind, value) for kind, value in keys if value is not None}


def _flavor(context: Context, flavor: str, node: str) -> Properties:
    """Return the devices of a flavor.

    :raises ExpetherError: it does not exist, or cannot be read; the message names the node that has it
    """
    try:
        return parse_properties(find_flavor(context.registry, flavor).properties)
    except ExpetherError as error:
        error.message = f"Node {node}: {error.message}"
        raise


def _check_stored(where: Target, requests: t.Sequence[NodeRequest]) -> None:
    """Check the entries against the stored nodes, before EEM is asked.

    :raises InvalidInput: two entries are the same node, or one has no devices and its node does not exist
    """
    nodes = where.registry.of_podm(StoredNode, where.podm_id) if where.registry else []
    seen: dict[str, int] = {}
    for place, request in enumerate(requests):
        found = find_by_name(nodes, request.name)
        if not found and request.properties is None:
            raise needs_properties(request.name)
        for node in found:
            other = seen.setdefault(node.uuid, place)
            if other != place:
                raise same_node(requests, other, place, node.name)


def _sorted(nodes: t.Mapping[str, Node]) -> list[Node]:
    return sorted(nodes.values(), key=lambda node: name_key(node.name))


def _to_diff(fabric: Fabric, nodes: t.Mapping[str, Node]) -> View:
    """Return all nodes of a pod manager by name, as the diff shows them."""
    return {node.name: _node_diff(fabric, node) for node in _sorted(nodes)}


def _node_diff(fabric: Fabric, node: Node) -> View:
    always, system = {"index": node.system_id, "state": node.state}, fabric.systems.get(node.system_id)
    if system is None:
        return always  # its devices are unknown
    devices = [f"{device.id} {device.type}" for device in fabric.devices_of(system)]
    return {**always, "pooled_group_id": system.group_id, "devices": devices}
