# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a snapshot and a wish to a plan, or a refusal with reasons. Private to the collection.

Pure: no clock, no chance.
C(changed), check mode and diffs all come from the plans made here. All that can be checked is checked
before a plan is returned.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import FREE_GROUP, NO_GROUP, Eeio, Eesv
from ansible_collections.nec.expether.plugins.module_utils._model.errors import Refused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import has_own_group
from ansible_collections.nec.expether.plugins.module_utils._model.names import listed
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Wish
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    Node,
    Plan,
    Step,
    World,
    attach_step,
    detach_step,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import (
    choose_devices,
    find_device,
    find_system,
    held_of,
    unheld,
    why_no_host,
    why_not_available,
    why_unchangeable,
)


def _group_of(world: World, system: Eesv) -> tuple[str, Plan]:
    """Return the group id that a system's devices get, and the step that gives it one if it has none."""
    if has_own_group(system):
        return system.group_id, ()
    # A node whose system is not listed at the moment may still have its group id.
    unlisted = (node for node in world.nodes.values() if node.system not in world.fabric.systems)
    remembered = {node.group_id for node in unlisted if node.group_id}
    group_id = world.fabric.unused_group(world.held.keys() | remembered)
    if group_id is None:
        raise Refused(
            f"System {system.id} has no group id of its own and all that software may assign are in use.",
            waits_for={key: who for key, who in world.held.items() if key.isdigit()},
        )
    return group_id, (Step("set_group", None, world.label(system), system.id, system.group_id, group_id),)


def _check_host(world: World, system: Eesv, more: int) -> None:
    reason = why_no_host(world, system)
    if reason:
        raise Refused(f"Nothing can be attached to system {system.id}: it {reason}.")
    used = len(world.fabric.devices_in(system.group_id)) if has_own_group(system) else 0
    if used + more > system.max_devices:
        raise Refused(
            f"{more} more devices wanted on system {system.id}, which takes {system.max_devices} and has room for"
            f" {world.fabric.room(system)}.",
            waits_for=held_of(world, [system.id]),
        )


def plan_compose(world: World, node: Node, wish: Wish, purge: bool = False) -> Plan:
    """Return the plan that brings a node to its wish: attach what is missing, with C(purge) detach what is over.

    :param node: where and under which name; its system is found or chosen beforehand
    :raises Refused: what is wished cannot be had
    """
    system = find_system(world.fabric, node.system)
    known = world.nodes.get(system.id)
    if known is not None and known.uuid != node.uuid:
        raise Refused(f"System {system.id} is node {known.name} already.")
    have = world.fabric.devices_of(system)
    kept, missing = choose_devices(world, wish, have)
    kept_ids = {device.id for device in kept}
    over = [device for device in have if device.id not in kept_ids] if purge else []
    # The group comes first in the plan, the devices get its id; what is over makes room before the rest comes.
    group_id, set_group = _group_of(world, system) if missing else (system.group_id, ())
    if missing:
        _check_host(world, system, len(missing) - len(over))
    _check_detachable(over)
    steps: list[Step] = []
    if known is None or known.state == "composing" or (known.state == "managed" and (missing or over)):
        steps.append(Step("remember", None, node.name, system.id, known.state if known else None, "composed"))
    named = world._replace(nodes={**world.nodes, system.id: node})
    steps += (step._replace(node=node.name) for step in set_group)
    steps += (detach_step(named, device.id) for device in over)
    steps += (attach_step(named, device.id, system, group_id) for device in missing)
    return unheld(world, steps)


def plan_manage(world: World, node: Node) -> Plan:
    """Return the plan that adopts a system as it is.

    :raises Refused: it is a node under another name
    """
    system = find_system(world.fabric, node.system)
    known = world.nodes.get(system.id)
    if known is not None and known.uuid != node.uuid:
        raise Refused(f"System {system.id} is node {known.name} already.")
    if known is not None and known.state != "composing":
        return ()
    return unheld(world, [Step("remember", None, node.name, system.id, known.state if known else None, "managed")])


def plan_release(world: World, nodes: t.Iterable[Node]) -> Plan:
    """Return the plan that detaches all devices of some nodes and forgets the nodes.

    :raises Refused: a device of one of them cannot be detached, or EEM does not list what they had
    """
    steps: list[Step] = []
    for node in nodes:
        system = world.fabric.systems.get(node.system)
        if system is None:
            group_id = node.group_id
            left = () if group_id in (None, FREE_GROUP, NO_GROUP) else world.fabric.devices_in(group_id)
            devices = [device for device in left if world.fabric.state(device) == "stranded"]
            if not devices:
                raise Refused(
                    f"EEM lists neither system {node.system} of node {node.name} nor devices that it has left behind, so"
                    " that nobody can tell what is attached to it. Try again when EEM lists it, or say"
                    " detach_devices: false (of expether_node) to only forget the node."
                )
        else:
            _check_alone(world, system)
            devices = world.fabric.devices_of(system)
        _check_detachable(devices)
        # Two systems that EEM does not list any more may have had one group.
        seen = {step.device for step in steps}
        steps += (detach_step(world, device.id) for device in devices if device.id not in seen)
        steps.append(Step("forget", None, node.name, node.system, node.state, None))
    return unheld(world, steps)


def _check_alone(world: World, system: Eesv) -> None:
    """Refuse to free a whole group that several systems have: nobody can tell whose devices these are."""
    others = [other.id for other in world.fabric.systems_in(system.group_id) if other.id != system.id]
    if others and world.fabric.devices_in(system.group_id):
        raise Refused(
            f"System {system.id} shares its group id {system.group_id} with {listed(others)}, so that nobody can tell"
            " whose devices are in it. Give one of them another group id, or detach the devices by their own ids."
        )


def _check_detachable(devices: t.Iterable[Eeio]) -> None:
    reasons = {device.id: reason for device in devices if (reason := why_unchangeable(device))}
    if reasons:
        raise Refused(
            f"Cannot detach: {listed(f'{device} {reason}' for device, reason in reasons.items())}.",
            details={"candidates": reasons},
        )


def plan_attach(world: World, system_id: str, device_ids: t.Sequence[str], move: bool = False) -> Plan:
    """Return the plan that attaches these devices to a system, in this order.

    :param move: take a device away from another system or from the group that it is stranded in
    :raises Refused: one of them cannot be attached; the message names each and its reason
    """
    system = find_system(world.fabric, system_id)
    wanted = [find_device(world.fabric, device_id) for device_id in dict.fromkeys(device_ids)]
    missing = [device for device in wanted if not _is_on(world, device, system)]
    reasons = {device.id: reason for device in missing if (reason := _why_not_attachable(world, device, move))}
    if reasons:
        raise Refused(
            f"Cannot attach to {world.label(system)}:"
            f" {listed(f'{device} {reason}' for device, reason in reasons.items())}.",
            details={"candidates": reasons},
        )
    if not missing:
        return ()
    # A device in the group of several systems takes its place there already.
    here = sum(has_own_group(system) and device.group_id == system.group_id for device in missing)
    _check_host(world, system, len(missing) - here)
    group_id, set_group = _group_of(world, system)
    steps = list(set_group)
    for device in missing:
        if device.group_id != FREE_GROUP:
            steps.append(detach_step(world, device.id))
        steps.append(attach_step(world, device.id, system, group_id))
    return unheld(world, steps)


def _is_on(world: World, device: Eeio, system: Eesv) -> bool:
    owner = world.fabric.owner(device)
    return owner is not None and owner.id == system.id


def _why_not_attachable(world: World, device: Eeio, move: bool) -> str | None:
    reason = why_unchangeable(device)
    if reason:
        return reason
    if device.reachable is False:
        return "does not answer"
    state = world.fabric.state(device)
    if move or state == "free":
        return None
    if state == "allocated":
        owner = world.label(world.fabric.owner(device)) or f"one of the systems with group id {device.group_id}"
        return f"is attached to {owner} (move: true would take it from there)"
    return f"is stranded in group {device.group_id} (detach it first, or say move: true)"


def plan_detach(world: World, device_ids: t.Sequence[str], system_id: str | None = None) -> Plan:
    """Return the plan that frees these devices, in this order; what is free already stays.

    :param system_id: the system they must be on, where the task names one
    :raises Refused: one of them cannot be detached, or is on another system
    """
    system = find_system(world.fabric, system_id) if system_id else None
    taken = [
        device
        for device in (find_device(world.fabric, device_id) for device_id in dict.fromkeys(device_ids))
        if device.group_id != FREE_GROUP
    ]
    if system is not None:
        elsewhere = {
            device.id: f"is {why}"
            for device in taken
            if not _is_on(world, device, system) and (why := why_not_available(world, device))
        }
        if elsewhere:
            raise Refused(
                f"Cannot detach from {world.label(system)}:"
                f" {listed(f'{device} {why}' for device, why in elsewhere.items())}.",
                details={"candidates": elsewhere},
            )
    _check_detachable(taken)
    return unheld(world, (detach_step(world, device.id) for device in taken))


def reboot_required(plan: Plan) -> bool:
    """Whether a host must be rebooted before a plan takes effect: its EESV got another group id [drv]."""
    return any(step.action == "set_group" for step in plan)


def rescan_required(plan: Plan) -> bool:
    """Whether a host must rescan its PCI bus before it sees its devices [nec]."""
    return any(step.action == "attach" for step in plan)


def warnings(world: World, plan: Plan) -> list[str]:
    """Return what a user must know beyond the success of a plan."""
    said = []
    for step in plan:
        if step.action == "set_group":
            said.append(
                f"System {step.node_id} had no group id of its own and gets {step.new}: its host may need a reboot"
                " before that takes effect."
            )
    hosts = sorted({str(step.node) for step in plan if step.action == "attach"})
    if hosts:
        said.append(f"The host of {listed(hosts)} sees its new devices only after it has rescanned its PCI bus.")
    losers = sorted({str(step.node) for step in plan if step.action == "detach" and step.node_id})
    if losers:
        said.append(f"The host of {listed(losers)} loses devices: a running operating system may be disturbed.")
    for step in plan:
        system = world.fabric.systems.get(step.node_id or "")
        have = world.fabric.devices_of(system) if system and step.action == "remember" and step.old is None else []
        if have and step.new == "composed":
            said.append(
                f"System {step.node_id} was in use without being a node: its {len(have)} devices are the node's now, and"
                " are detached when it is released."
            )
    cards = {step.device or step.node_id for step in plan if step.action in ("set_group", "attach")}
    cards |= {step.node_id for step in plan if step.action == "attach"}
    single = sorted(
        card
        for card in cards
        if card and getattr(world.fabric.card(card), "ports_up", None) == 1
    )
    if single:
        said.append(f"Answering on one of two ports only, so with no second path: {listed(single)}.")
    return said
