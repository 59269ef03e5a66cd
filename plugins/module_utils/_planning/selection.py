# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which system and which devices serve a wish, and why each other does not. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import SOFTWARE_GROUPS, Eeio, Eesv
from ansible_collections.nec.expether.plugins.module_utils._model.errors import NotKnown, Refused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric, from_rotary_switch, has_own_group
from ansible_collections.nec.expether.plugins.module_utils._model.names import listed
from ansible_collections.nec.expether.plugins.module_utils._model.properties import Wish, choose
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import Plan, Step, World

NOT_ENABLED = "is not enabled (admin_status or monitoring_status)"


def find_system(fabric: Fabric, system_id: str) -> Eesv:
    """Return an EESV by its id.

    :raises NotKnown: EEM lists no such card
    :raises Refused: the card is an EEIO
    """
    if system_id in fabric.systems:
        return fabric.systems[system_id]
    if system_id in fabric.devices:
        raise Refused(f"{system_id} is a device (EEIO); a system (EESV) is wanted here.")
    raise NotKnown(f"EEM lists no system {system_id}; expether_system_info lists those it has.")


def find_device(fabric: Fabric, device_id: str) -> Eeio:
    """Return an EEIO by its id.

    :raises NotKnown: EEM lists no such card
    :raises Refused: the card is an EESV
    """
    if device_id in fabric.devices:
        return fabric.devices[device_id]
    if device_id in fabric.systems:
        raise Refused(f"{device_id} is a system (EESV); a device (EEIO) is wanted here.")
    raise NotKnown(f"EEM lists no device {device_id}; expether_device_info lists those it has.")


def why_unchangeable(card: Eeio | Eesv) -> str | None:
    """Return why software may not change the group id of a card, or C(None)."""
    if card.enabled is False:
        return NOT_ENABLED
    if from_rotary_switch(card.group_id):
        return f"has group id {card.group_id} from its rotary switch, which software does not change"
    return None


def why_no_host(world: World, system: Eesv) -> str | None:
    """Return why no device may be attached to a system, or C(None)."""
    if system.reachable is False:
        return "does not answer"
    reason = why_unchangeable(system)
    if reason:
        return reason
    if has_own_group(system) and int(system.group_id) not in SOFTWARE_GROUPS:
        return f"has group id {system.group_id}, which software cannot give to devices"
    others = [other.id for other in world.fabric.systems_in(system.group_id) if other.id != system.id]
    if has_own_group(system) and others:
        return f"shares its group id {system.group_id} with {listed(others)}"
    return None


def _why_never(device: Eeio) -> str | None:
    """Return why a device cannot be chosen whatever other runs do, or C(None)."""
    if not device.reachable:  # a card that tells nothing of its ports is not chosen either
        return "not answering"
    if device.enabled is False:
        return "not enabled"
    return "in a group of a rotary switch" if from_rotary_switch(device.group_id) else None


def why_not_available(world: World, device: Eeio) -> str | None:
    """Return why a device cannot be chosen for a node, or C(None)."""
    state = world.fabric.state(device)
    if state == "allocated":
        owner = world.label(world.fabric.owner(device))
        return f"attached to {owner}" if owner else f"in group {device.group_id} of several systems"
    if state == "stranded":
        why = why_unchangeable(device) if from_rotary_switch(device.group_id) else None
        return why or f"stranded in group {device.group_id}"
    never = _why_never(device)
    if never is None and device.id in world.held:
        return f"held by {world.held[device.id]}"
    return never


def held_of(world: World, keys: t.Iterable[str]) -> dict[str, str]:
    """Return which of these another run holds at the moment, and who."""
    return {key: world.held[key] for key in keys if key in world.held}


def unheld(world: World, steps: t.Iterable[Step]) -> Plan:
    """Return the plan of these steps, unless another run holds what they change.

    :raises Refused: another run does
    """
    plan = tuple(steps)
    held = held_of(world, {key: None for step in plan for key in (step.device, step.node_id) if key})
    if held:
        raise Refused(
            f"Being changed by another run: {listed(f'{card} by {who}' for card, who in held.items())}.",
            waits_for=held,
        )
    return plan


def choose_system(world: World, wish: Wish) -> Eesv:
    """Return the system for a new node: reachable, enabled, no node, with room for the whole wish; of those
    one that has its own group id (so that no reboot is needed), then one without devices, then most room,
    then the lowest id.

    :raises Refused: none fits; the message says why each does not
    """
    wanted = sum(want.number for want in wish)
    reasons: dict[str, str] = {}
    passing: list[str] = []
    fitting: list[Eesv] = []
    for system in world.fabric.systems.values():
        room = world.fabric.room(system)
        lasting = (
            why_no_host(world, system)
            or ("tells nothing of its ports" if system.reachable is None else None)
            or (f"has room for {room} more" if system.max_devices < wanted else None)
        )
        # What another run is changing may be another way when that run has ended.
        reason = (
            (f"is node {world.nodes[system.id].name}" if system.id in world.nodes else None)
            or lasting
            or (f"has room for {room} more" if room < wanted else None)
            or (f"is held by {world.held[system.id]}" if system.id in world.held else None)
        )
        if reason is None:
            fitting.append(system)
            continue
        reasons[system.id] = reason
        if lasting is None:
            passing.append(system.id)
    if fitting:
        # A system with devices that is no node is somebody's: an idle one comes first, though it may have less room.
        return min(
            fitting,
            key=lambda system: (
                not has_own_group(system),
                bool(world.fabric.devices_of(system)),
                -world.fabric.room(system),
                system.id,
            ),
        )
    what = "1 device" if wanted == 1 else f"{wanted} devices"
    why = listed(f"{system} {reason}" for system, reason in reasons.items()) or "EEM lists no system at all"
    raise Refused(
        f"No system can become a node with {what}: {why}.",
        waits_for=held_of(world, passing),
        details={"candidates": reasons},
    )


def choose_devices(world: World, wish: Wish, have: t.Sequence[Eeio]) -> tuple[list[Eeio], list[Eeio]]:
    """Return which of a system's devices a wish counts, and which free ones it needs besides, lowest id first.

    :raises Refused: there are not enough; the message says for each candidate why it does not serve
    """
    own = sorted(have, key=lambda device: (not device.reachable, device.id))
    reasons: dict[str, str] = {}
    free: list[Eeio] = []
    own_ids = {device.id for device in own}
    for device in world.fabric.devices.values():
        if device.id in own_ids or not any(want.matches(device) for want in wish):
            continue
        reason = why_not_available(world, device)
        if reason:
            reasons[device.id] = reason
        else:
            free.append(device)
    chosen, counts = choose(wish, [*own, *free])
    lacking = []
    passing: list[str] = []
    for want, count in zip(wish, counts):
        if count < want.number:
            serving = [device for device in reasons if want.matches(world.fabric.devices[device])]
            passing += (device for device in serving if _why_never(world.fabric.devices[device]) is None)
            kept = min(count, sum(want.matches(device) for device in own))
            there = f"{kept} there already, " if kept else ""
            others = listed(f"{device} {reasons[device]}" for device in serving)
            lacking.append(f"{want} wanted, {there}{count - kept} free" + (f": {others}" if others else ""))
    if lacking:
        raise Refused(
            f"{'; '.join(lacking)}.",
            waits_for=held_of(world, passing),
            details={"candidates": reasons},
        )
    return [device for device in chosen if device.id in own_ids], [
        device for device in chosen if device.id not in own_ids
    ]
