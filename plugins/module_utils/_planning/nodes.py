# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503
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
    SilentDevice,
    SilentRole,
    Step,
    attach_step,
    cards_of,
    detach_step,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import (
    by_preference,
    choose_devices,
    choose_system,
    claims_on,
    match_devices,
    refuse_if_claimed,
    why_unchangeable,
)


class NodeRequest(t.NamedTuple):
    """What a task asks of a node.

    :ivar name: its name, UUID or EESV id
    :ivar system_id: the system that the task names for it
    :ivar properties: the devices that it should have; `None` if the task does not say
    :ivar purge: whether devices beyond these are detached
    :ivar skip_silent: whether devices that do not respond are left where they are, instead of a refusal to detach them
    :ivar replace_silent: whether devices of the node that do not respond do not count, and are replaced
    """

    name: str
    system_id: str | None = None
    properties: Properties | None = None
    purge: bool = False
    skip_silent: bool = False
    replace_silent: bool = False


def plan_present(observed: ObservedState, request: NodeRequest) -> Plan:
    """Return the plan that composes a node, or gives an existing one what it lacks.

    :raises ExpetherError: the request cannot be met
    """
    node = present_node(observed, request, find_node(observed, request.name))
    if node is None:
        return _plan_anywhere(observed, request, t.cast(Properties, request.properties))
    if request.properties is None:
        return Plan((), (node,), silent=members(observed, node, find_system(observed.fabric, node.system_id)))
    return _plan_requested(observed, node, request.properties, request)


def needs_properties(name: str) -> InvalidInput:
    """Return the error about a request without properties for a node that does not exist."""
    return InvalidInput(f"Node {name!r} does not exist. Set `flavor` or `properties` to create it.")


def present_node(observed: ObservedState, request: NodeRequest, found: Node | None) -> Node | None:
    """Return the node that a request is about; `None` for a new one on a system that is still to be chosen.

    :param found: the stored node that the request names
    :raises ExpetherError: it is on another system, or the request does not say enough
    """
    if found is None:
        if request.properties is None:
            raise needs_properties(request.name)
        if request.system_id is None:
            return None
        found = new_node(observed, request.name, find_system(observed.fabric, request.system_id).id, "composed")
    _check_place(found, request.system_id)
    if request.properties is None and found.state == "composing":
        raise InvalidInput(
            f"Node {found.name} was left half composed. Set `flavor` or `properties` again, or release it."
        )
    return found


def _plan_anywhere(observed: ObservedState, request: NodeRequest, properties: Properties) -> Plan:
    """Return the plan that composes a new node on the system that fits best.

    :raises PlanRefused: the request cannot be met
    """
    node = new_node(observed, request.name, choose_system(observed, properties).id, "composed")
    try:
        return _plan_requested(observed, node, properties, request)
    except PlanRefused as error:
        if observed.claimed_by_others and not error.blocked_by:
            error.blocked_by = _claims_in_the_way(observed, request, properties)
        raise


def _plan_requested(observed: ObservedState, node: Node, properties: Properties, request: NodeRequest) -> Plan:
    return plan_compose(observed, node, properties, request.purge, request.skip_silent, request.replace_silent)


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
        node = new_node(observed, request.name, find_system(observed.fabric, place).id, "managed")
    _check_place(node, request.system_id)
    return plan_manage(observed, node)


def plan_absent(observed: ObservedState, request: NodeRequest) -> Plan:
    """Return the plan that releases a node; an empty one if it does not exist.

    :raises PlanRefused: as `plan_release`
    """
    node = find_node(observed, request.name)
    return plan_release(observed, [node], request.skip_silent)._replace(nodes=(node,)) if node else Plan()


def new_node(observed: ObservedState, name: str, system_id: str, state: NodeState) -> Node:
    """Return a node that is not stored yet.

    :raises InvalidInput: as `check_node_name`
    """
    if parse_card_id(name) == system_id:
        name = system_id  # in EEM's own form, however the task writes it
    return Node(node_uuid(observed.podm_id, name), check_node_name(name, system_id), system_id, state)


def _check_place(node: Node, system_id: str | None) -> None:
    if system_id is not None and node.system_id != system_id:
        raise PlanRefused(f"Node {node.name} is on system {node.system_id}, not on {system_id}. Release it first.")


def _known_node(observed: ObservedState, node: Node) -> Node | None:
    """Return the node as it is stored.

    :raises PlanRefused: its system is another node, also one of another pod manager
    """
    known = observed.nodes.get(node.system_id)
    if known is not None and known.uuid != node.uuid:
        raise PlanRefused(f"System {node.system_id} is node {known.name} already.")
    if known is None and node.system_id in observed.nodes_elsewhere:
        raise PlanRefused(f"System {node.system_id} is already {observed.nodes_elsewhere[node.system_id]}.")
    return known


def plan_compose(
    observed: ObservedState,
    node: Node,
    properties: Properties,
    purge: bool = False,
    skip_silent: bool = False,
    replace_silent: bool = False,
) -> Plan:
    """Return the plan that gives a node the requested devices: attach what is missing, with `purge` detach the others.

    What a released node has left behind in the group of the system uses a slot, but does not count.

    :param node: on which system, and under which name; it is found or chosen beforehand
    :param skip_silent: whether `purge` leaves devices that do not respond
    :param replace_silent: whether devices that do not respond do not count; what is attached in their place comes first,
        and if EEM refuses to detach them, they are left. `purge` leaves other devices that do not respond.
    :raises PlanRefused: the request cannot be met
    """
    now = standing(observed, node, properties, replace_silent, observed.left_behind)
    kept, missing = choose_devices(observed, properties, now.counting, now.not_counted)
    beyond = now.beyond(kept)
    extra, skipped = check_detachable(observed, beyond, skip_silent or replace_silent) if purge else ([], [])
    named = observed._replace(nodes={**observed.nodes, node.system_id: node})
    changes = node_changes(named, now, kept, missing, extra, skipped)
    steps = (*changes.registry, *changes.set_group, *changes.detaches, *changes.attaches, *changes.replaced)
    return Plan(refuse_if_claimed(observed, steps), (changes.node,), silent=changes.silent)


class Standing(t.NamedTuple):
    """What a node has before a plan.

    :ivar node: the node as it is stored afterwards
    :ivar known: the node as it is stored, `None` for a new one
    :ivar have: the devices of its system
    :ivar counting: those of them that count towards the request
    :ivar replaced: those of them that others replace, because they do not respond
    """

    node: Node
    known: Node | None
    system: Eesv
    have: t.Sequence[Eeio]
    counting: t.Sequence[Eeio]
    replaced: t.Sequence[Eeio]

    @property
    def not_counted(self) -> set[str]:
        """The ids of the devices that do not count."""
        return {device.id for device in self.have} - {device.id for device in self.counting}

    def beyond(self, kept: t.Iterable[Eeio]) -> list[Eeio]:
        """Return the devices that are neither kept for the request nor replaced."""
        staying = {device.id for device in (*kept, *self.replaced)}
        return [device for device in self.have if device.id not in staying]


def standing(
    observed: ObservedState, node: Node, properties: Properties, replace_silent: bool, left_behind: t.Container[str]
) -> Standing:
    """Return what a node has.

    :param left_behind: the ids of the devices that released nodes have left behind, which do not count
    :raises ExpetherError: its system does not exist or is another node
    """
    system = find_system(observed.fabric, node.system_id)
    known = _known_node(observed, node)
    have = observed.fabric.devices_of(system)
    counting = [device for device in have if device.id not in left_behind]
    replaced = _replaced(counting, properties, known) if replace_silent else []
    if replace_silent:
        counting = [device for device in counting if device.reachable is not False]
    return Standing(node._replace(state="composed"), known, system, have, counting, replaced)


class NodeChanges(t.NamedTuple):
    """What a plan changes of one node, and the node afterwards."""

    node: Node
    registry: t.Sequence[Step]
    set_group: t.Sequence[Step]
    detaches: t.Sequence[Step]
    attaches: t.Sequence[Step]
    replaced: t.Sequence[Step]
    silent: tuple[SilentDevice, ...]


def node_changes(
    observed: ObservedState,
    now: Standing,
    kept: t.Sequence[Eeio],
    missing: t.Sequence[Eeio],
    extra: t.Sequence[Eeio],
    skipped: t.Sequence[Eeio],
    unused: t.Iterator[str] | None = None,
) -> NodeChanges:
    """Return what changes of a node.

    :param observed: with the node under its name
    :param kept: its devices that count
    :param missing: the devices that it gets
    :param extra: the devices that it loses
    :param skipped: those that it should lose, but that do not respond
    :param unused: as `group_of`
    :raises PlanRefused: the devices cannot be attached to its system
    """
    node, known, system = now.node, now.known, now.system
    # The group comes first in the plan, because devices get its id; extra devices free their slots before others come.
    group_id, set_group = group_of(observed, system, unused) if missing else (system.group_id, ())
    if missing:
        check_host(observed, system, len(missing) - len(extra))
    registry: list[Step] = []
    becomes_composed = known is not None and known.state == "managed" and (missing or extra or now.replaced)
    if known is None or known.state == "composing" or becomes_composed:
        before = known.state if known else None
        registry.append(RegistryChange("remember", None, node.name, system.id, before, "composed"))
    gone = {device.id for device in (*extra, *skipped)}
    others = [device for device in now.beyond(kept) if device.id not in gone]
    roles: list[tuple[SilentRole, t.Sequence[Eeio]]] = [
        ("counted", kept),
        ("replaced", now.replaced),
        ("skipped", skipped),
        ("extra", others),
    ]
    silent = (
        SilentDevice(device.id, node.name, role)
        for role, devices in roles
        for device in devices
        if device.reachable is False
    )
    return NodeChanges(
        known if known is not None and not (registry or missing or extra or now.replaced) else node,
        registry,
        set_group,
        [detach_step(observed, device.id) for device in extra],
        [attach_step(observed, device.id, system, group_id) for device in missing],
        [detach_step(observed, device.id)._replace(optional=True) for device in now.replaced],
        tuple(silent),
    )


def _replaced(have: t.Sequence[Eeio], properties: Properties, known: Node | None) -> list[Eeio]:
    """Return which devices of a node are replaced: they do not respond, and would count towards the request.

    If an earlier run has ended in between, others may have come in their place already: then all that match the request.
    """
    unfinished = known is not None and known.state == "composing"
    counted = {device.id for device in match_devices(properties, by_preference(have))[0]}
    return [
        device
        for device in have
        if device.reachable is False
        and why_unchangeable(device) is None
        and (device.id in counted or (unfinished and any(request.matches(device) for request in properties)))
    ]


def members(observed: ObservedState, node: Node, system: Eesv) -> tuple[SilentDevice, ...]:
    """Return the devices of a node that do not respond, where the task does not say which devices it should have."""
    devices = observed.fabric.devices_of(system)
    return tuple(SilentDevice(device.id, node.name, "member") for device in devices if device.reachable is False)


def plan_manage(observed: ObservedState, node: Node) -> Plan:
    """Return the plan that adopts a system as it is.

    :raises PlanRefused: it is a node under another name
    """
    system = find_system(observed.fabric, node.system_id)
    known = _known_node(observed, node)
    silent = members(observed, known or node, system)
    if known is not None and known.state != "composing":
        return Plan((), (known,), silent=silent)
    step = RegistryChange("remember", None, node.name, system.id, known.state if known else None, "managed")
    return Plan(refuse_if_claimed(observed, [step]), (node._replace(state="managed"),), silent=silent)


def plan_release(
    observed: ObservedState, nodes: t.Iterable[Node], skip_silent: bool = False, taken_over: t.Container[str] = ()
) -> Plan:
    """Return the plan that detaches all devices of some nodes and forgets the nodes.

    :param skip_silent: whether devices that do not respond are left behind
    :param taken_over: the systems, by EESV id, that become other nodes, which decide about their devices
    :raises PlanRefused: a device of one of them cannot be detached, or EEM does not list what they had
    """
    steps: list[Step] = []
    left: dict[str, SilentDevice] = {}
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
        elif system.id not in taken_over:
            _check_alone(observed, system)
            devices = [*observed.fabric.devices_of(system), *devices]
        detached, silent = check_detachable(observed, devices, skip_silent, node.name)
        # Two systems that EEM does not list any more may have had one group.
        seen = {step.device for step in steps}
        steps += (detach_step(observed, device.id) for device in detached if device.id not in seen)
        left = {**{device.id: SilentDevice(device.id, node.name, "left") for device in silent}, **left}
        steps.append(RegistryChange("forget", None, node.name, node.system_id, node.state, None))
    return Plan(refuse_if_claimed(observed, steps), silent=tuple(left.values()))


def _left_behind(observed: ObservedState, node: Node) -> list[Eeio]:
    """Return the devices in the last known group of a node that no system has any more."""
    in_group = () if node.group_id in (None, FREE_GROUP, NO_GROUP) else observed.fabric.devices_in(node.group_id)
    return [device for device in in_group if observed.fabric.state(device) == "stranded"]


def plan_forget_node(node: Node) -> Plan:
    """Return the plan that forgets a node and leaves its devices where they are."""
    return Plan((RegistryChange("forget", None, node.name, node.system_id, node.state, None),), (node,))


def _check_alone(observed: ObservedState, system: Eesv) -> None:
    """Refuse to free a whole group that several systems have, because its devices cannot be told apart."""
    others = [other.id for other in observed.fabric.systems_in(system.group_id) if other.id != system.id]
    if others and observed.fabric.devices_in(system.group_id):
        raise PlanRefused(
            f"System {system.id} shares its group id {system.group_id} with {comma_list(others)}, so which of them has"
            " the devices in it is unknown. Give one of them another group id, or detach the devices by their own ids."
        )
