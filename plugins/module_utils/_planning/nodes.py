# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of nodes: compose, update, adopt, release, or a refusal with reasons. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import (
    FREE_GROUP,
    NO_GROUP,
    Eeio,
    Eesv,
    parse_card_id,
)
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import check_node_name, comma_list, node_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, NodeState
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Properties
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import (
    check_detachable,
    check_host,
    group_of,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_node, find_system
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    ObservedState,
    Plan,
    RegistryChange,
    Step,
    attach_step,
    cards_of,
    detach_step,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import (
    choose_devices,
    choose_system,
    claims_on,
    refuse_if_claimed,
)


class NodeRequest(t.NamedTuple):
    """What a task asks of a node.

    :ivar name: its name, UUID or EESV id
    :ivar system_id: the system that the task names for it
    :ivar properties: the devices that it should have; `None` if the task does not say
    :ivar purge: whether devices beyond these are detached
    """

    name: str
    system_id: str | None = None
    properties: Properties | None = None
    purge: bool = False


def plan_present(observed: ObservedState, request: NodeRequest) -> Plan:
    """Return the plan that composes a node, or gives an existing one what it lacks.

    :raises ExpetherError: the request cannot be met
    """
    node, properties = find_node(observed, request.name), request.properties
    if node is None:
        if properties is None:
            raise InvalidInput(f"Node {request.name!r} does not exist. Set `flavor` or `properties` to create it.")
        if request.system_id is None:
            return _plan_anywhere(observed, request, properties)
        node = _new_node(observed, request.name, find_system(observed.fabric, request.system_id).id, "composed")
    _check_place(node, request.system_id)
    if properties is None:
        if node.state == "composing":
            raise InvalidInput(
                f"Node {node.name} was left half composed. Set `flavor` or `properties` again, or release it."
            )
        find_system(observed.fabric, node.system_id)
        return Plan((), node)
    return plan_compose(observed, node, properties, request.purge)


def _plan_anywhere(observed: ObservedState, request: NodeRequest, properties: Properties) -> Plan:
    """Return the plan that composes a new node on the system that fits best.

    :raises PlanRefused: the request cannot be met
    """
    node = _new_node(observed, request.name, choose_system(observed, properties).id, "composed")
    try:
        return plan_compose(observed, node, properties, request.purge)
    except PlanRefused as error:
        if observed.claimed_by_others and not error.blocked_by:
            error.blocked_by = _claims_in_the_way(observed, request, properties)
        raise


def _claims_in_the_way(observed: ObservedState, request: NodeRequest, properties: Properties) -> dict[str, str]:
    """Return the claims without which the node could be composed on another system; none if it could not."""
    try:
        plan = _plan_anywhere(observed._replace(claimed_by_others={}), request, properties)
    except PlanRefused:
        return {}
    return claims_on(observed, cards_of(plan.steps))


def plan_managed(observed: ObservedState, request: NodeRequest) -> Plan:
    """Return the plan that adopts a system as it is.

    :raises ExpetherError: it does not exist, or is another node
    """
    node = find_node(observed, request.name)
    if node is None:
        place = request.system_id or parse_card_id(request.name)
        if place is None:
            raise InvalidInput(f"Node {request.name!r} does not exist. Set `node_index` to the system to adopt.")
        node = _new_node(observed, request.name, find_system(observed.fabric, place).id, "managed")
    _check_place(node, request.system_id)
    return plan_manage(observed, node)


def plan_absent(observed: ObservedState, request: NodeRequest) -> Plan:
    """Return the plan that releases a node; an empty one if it does not exist.

    :raises PlanRefused: as `plan_release`
    """
    node = find_node(observed, request.name)
    return plan_release(observed, [node])._replace(node=node) if node else Plan()


def _new_node(observed: ObservedState, name: str, system_id: str, state: NodeState) -> Node:
    if parse_card_id(name) == system_id:
        name = system_id  # in EEM's own form, however the task writes it
    return Node(node_uuid(observed.podm_id, name), check_node_name(name, system_id), system_id, state)


def _check_place(node: Node, system_id: str | None) -> None:
    if system_id is not None and node.system_id != system_id:
        raise PlanRefused(f"Node {node.name} is on system {node.system_id}, not on {system_id}. Release it first.")


def _known_node(observed: ObservedState, node: Node) -> Node | None:
    """Return the node as it is stored.

    :raises PlanRefused: its system is another node
    """
    known = observed.nodes.get(node.system_id)
    if known is not None and known.uuid != node.uuid:
        raise PlanRefused(f"System {node.system_id} is node {known.name} already.")
    return known


def plan_compose(observed: ObservedState, node: Node, properties: Properties, purge: bool = False) -> Plan:
    """Return the plan that gives a node the requested devices: attach what is missing, with `purge` detach the others.

    :param node: on which system, and under which name; it is found or chosen beforehand
    :raises PlanRefused: the request cannot be met
    """
    system = find_system(observed.fabric, node.system_id)
    known = _known_node(observed, node)
    have = observed.fabric.devices_of(system)
    kept, missing = choose_devices(observed, properties, have)
    kept_ids = {device.id for device in kept}
    extra = [device for device in have if device.id not in kept_ids] if purge else []
    # The group comes first in the plan, because devices get its id; extra devices free their slots before others come.
    group_id, set_group = group_of(observed, system) if missing else (system.group_id, ())
    if missing:
        check_host(observed, system, len(missing) - len(extra))
    check_detachable(extra)
    node = node._replace(state="composed")
    steps: list[Step] = []
    if known is None or known.state == "composing" or (known.state == "managed" and (missing or extra)):
        steps.append(RegistryChange("remember", None, node.name, system.id, known.state if known else None, "composed"))
    named = observed._replace(nodes={**observed.nodes, system.id: node})
    steps += (step._replace(node=node.name) for step in set_group)
    steps += (detach_step(named, device.id) for device in extra)
    steps += (attach_step(named, device.id, system, group_id) for device in missing)
    return Plan(refuse_if_claimed(observed, steps), node if steps else known)


def plan_manage(observed: ObservedState, node: Node) -> Plan:
    """Return the plan that adopts a system as it is.

    :raises PlanRefused: it is a node under another name
    """
    system = find_system(observed.fabric, node.system_id)
    known = _known_node(observed, node)
    if known is not None and known.state != "composing":
        return Plan((), known)
    step = RegistryChange("remember", None, node.name, system.id, known.state if known else None, "managed")
    return Plan(refuse_if_claimed(observed, [step]), node._replace(state="managed"))


def plan_release(observed: ObservedState, nodes: t.Iterable[Node]) -> Plan:
    """Return the plan that detaches all devices of some nodes and forgets the nodes.

    :raises PlanRefused: a device of one of them cannot be detached, or EEM does not list what they had
    """
    steps: list[Step] = []
    for node in nodes:
        system = observed.fabric.systems.get(node.system_id)
        # Somebody else may have given the system another group id.
        devices = _left_behind(observed, node)
        if system is None:
            if not devices:
                raise PlanRefused(
                    f"EEM lists neither system {node.system_id} of node {node.name} nor devices in its group, so what is"
                    " attached to it is unknown. Run the task again when EEM lists it, or set `detach_devices: false`"
                    " (of expether_node) to only forget the node."
                )
        else:
            _check_alone(observed, system)
            devices = [*observed.fabric.devices_of(system), *devices]
        check_detachable(devices)
        # Two systems that EEM does not list any more may have had one group.
        seen = {step.device for step in steps}
        steps += (detach_step(observed, device.id) for device in devices if device.id not in seen)
        steps.append(RegistryChange("forget", None, node.name, node.system_id, node.state, None))
    return Plan(refuse_if_claimed(observed, steps))


def _left_behind(observed: ObservedState, node: Node) -> list[Eeio]:
    """Return the devices in the last known group of a node that no system has any more."""
    in_group = () if node.group_id in (None, FREE_GROUP, NO_GROUP) else observed.fabric.devices_in(node.group_id)
    return [device for device in in_group if observed.fabric.state(device) == "stranded"]


def plan_forget_node(node: Node) -> Plan:
    """Return the plan that forgets a node and leaves its devices where they are."""
    return Plan((RegistryChange("forget", None, node.name, node.system_id, node.state, None),), node)


def _check_alone(observed: ObservedState, system: Eesv) -> None:
    """Refuse to free a whole group that several systems have, because its devices cannot be told apart."""
    others = [other.id for other in observed.fabric.systems_in(system.group_id) if other.id != system.id]
    if others and observed.fabric.devices_in(system.group_id):
        raise PlanRefused(
            f"System {system.id} shares its group id {system.group_id} with {comma_list(others)}, so which of them has"
            " the devices in it is unknown. Give one of them another group id, or detach the devices by their own ids."
        )
