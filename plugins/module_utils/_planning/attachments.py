# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503
"""Plans of attached devices, and what every plan that attaches or detaches checks. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import FREE_GROUP, Eeio, Eesv
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import has_own_group
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import (
    find_device,
    find_system,
    resolve_devices,
    resolve_system,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    GroupChange,
    ObservedState,
    Plan,
    SilentDevice,
    Step,
    attach_step,
    detach_step,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import (
    claims_on,
    refuse_if_claimed,
    stranded,
    why_no_host,
    why_not_available,
    why_unchangeable,
)


def unused_groups(observed: ObservedState) -> t.Iterator[str]:
    """Give the group ids that systems without one may get, lowest first."""
    # A node whose system is not listed at the moment may still have its group id.
    unlisted = (node for node in observed.nodes.values() if node.system_id not in observed.fabric.systems)
    reserved = {node.group_id for node in unlisted if node.group_id}
    return observed.fabric.unused_groups(observed.claimed_by_others.keys() | reserved)


def group_of(
    observed: ObservedState, system: Eesv, unused: t.Iterator[str] | None = None
) -> tuple[str, tuple[Step, ...]]:
    """Return the group id that a system's devices get, and the step that gives it one if it has none.

    :param unused: the group ids that are left, for a plan that needs several
    """
    if has_own_group(system):
        return system.group_id, ()
    group_id = next(unused_groups(observed) if unused is None else unused, None)
    if group_id is None:
        raise PlanRefused(
            f"System {system.id} has no group id of its own, and all that software may assign are in use.",
            blocked_by={key: who for key, who in observed.claimed_by_others.items() if key.isdigit()},
        )
    return group_id, (GroupChange("set_group", None, observed.label(system), system.id, system.group_id, group_id),)


def check_host(observed: ObservedState, system: Eesv, more: int) -> None:
    reason = why_no_host(observed, system)
    if reason:
        raise PlanRefused(f"Nothing can be attached to system {system.id}: it {reason}.")
    free = observed.fabric.free_slots(system)
    used = len(observed.fabric.devices_in(system.group_id)) if has_own_group(system) else 0
    if used + more > system.max_devices:
        silent = [device.id for device in observed.fabric.devices_in_group_of(system) if device.reachable is False]
        raise PlanRefused(
            f"System {system.id} takes {system.max_devices} devices and has {free} free {'slot' if free == 1 else 'slots'},"
            f" but would have {used + more} devices."
            + (
                f" Devices that do not respond use slots too: {comma_list(silent)}. Forget those that are gone"
                " (expether_device with `state: absent`)."
                if silent
                else ""
            ),
            blocked_by=claims_on(observed, [system.id]),
        )


def check_detachable(
    observed: ObservedState, devices: t.Iterable[Eeio], skip_silent: bool, node: str | None = None
) -> tuple[list[Eeio], list[Eeio]]:
    """Return which devices are detached, and which are left where they are because they do not respond.

    NEC's client asks nothing of a card that does not respond but its deletion [nec].

    :param skip_silent: whether devices that do not respond are left
    :param node: the node that had them, if they may be stranded
    :raises PlanRefused: one of them cannot be detached; the message names each and its reason
    """
    devices = list(devices)
    silent = [device for device in devices if device.reachable is False]
    detached = [device for device in devices if not (skip_silent and device.reachable is False)]
    reasons: dict[str, str] = {}
    for device in detached:
        if device.reachable is False:
            where = f"attached to {node}" if node else why_not_available(observed, device)
            reasons[device.id] = f"does not respond ({where})"
        elif reason := why_unchangeable(device):
            reasons[device.id] = reason
    if reasons:
        message = f"Cannot detach: {comma_list(f'{device} {reason}' for device, reason in reasons.items())}."
        if not skip_silent and silent:
            message += (
                " Use `skip_silent: true` to leave devices that do not respond where they are, or forget them first"
                " (expether_device with `state: absent`)."
            )
        raise PlanRefused(message, details={"candidates": reasons})
    return detached, silent if skip_silent else []


def refuse_unapproved(steps: t.Iterable[Step], approved: t.Sequence[t.Mapping[str, t.Any]] | None) -> None:
    """Refuse steps that detach a device from a system although the approved plan does not.

    :param approved: the result `plan` of an earlier run; `None` approves everything
    :raises PlanRefused: the message names each such device
    """
    if approved is None:
        return
    known = {(step.get("device"), step.get("node_id")) for step in approved if step["action"] == "detach"}
    others = [
        f"{step.device} from {step.node or f'group {step.old}'}"
        for step in steps
        if step.action == "detach" and (step.device, step.system_id) not in known
    ]
    if others:
        raise PlanRefused(
            f"The devices have changed since the plan was approved: {comma_list(others)} would be detached, but"
            " `approved_plan` does not contain that. Plan again: run the task in check mode, and prepare the hosts."
        )


def plan_attached(observed: ObservedState, node: str, devices: t.Sequence[str], move: bool = False) -> Plan:
    """Return the plan that attaches the devices that a task names to the node that it names.

    :raises ExpetherError: one of them does not exist, or cannot be attached
    """
    ids = resolve_devices(observed, devices)
    return plan_attach(observed, resolve_system(observed, node), ids, move)


def plan_detached(
    observed: ObservedState, devices: t.Sequence[str], node: str | None, skip_silent: bool = False
) -> Plan:
    """Return the plan that detaches the devices that a task names, from the node that it may name.

    :param skip_silent: whether devices that do not respond are left where they are
    :raises ExpetherError: one of them does not exist, or cannot be detached
    """
    ids = resolve_devices(observed, devices)
    return plan_detach(observed, ids, resolve_system(observed, node) if node is not None else None, skip_silent)


def plan_attach(observed: ObservedState, system_id: str, device_ids: t.Sequence[str], move: bool = False) -> Plan:
    """Return the plan that attaches these devices to a system, in this order.

    :param move: take a device away from another system or from the group that it is stranded in
    :raises PlanRefused: one of them cannot be attached; the message names each and its reason
    """
    system = find_system(observed.fabric, system_id)
    ids = tuple(dict.fromkeys(device_ids))
    missing = [
        device
        for device in (find_device(observed.fabric, device_id) for device_id in ids)
        if not _is_on(observed, device, system)
    ]
    reasons = {device.id: reason for device in missing if (reason := _why_not_attachable(observed, device, move))}
    if reasons:
        raise PlanRefused(
            f"Cannot attach to {observed.label(system)}:"
            f" {comma_list(f'{device} {reason}' for device, reason in reasons.items())}.",
            details={"candidates": reasons},
        )
    if not missing:
        return Plan(cards=ids)
    # A device in the group of several systems uses one of its slots already.
    here = sum(has_own_group(system) and device.group_id == system.group_id for device in missing)
    check_host(observed, system, len(missing) - here)
    group_id, set_group = group_of(observed, system)
    steps = list(set_group)
    for device in missing:
        if device.group_id != FREE_GROUP:
            steps.append(detach_step(observed, device.id))
        steps.append(attach_step(observed, device.id, system, group_id))
    return Plan(refuse_if_claimed(observed, steps), cards=ids)


def _is_on(observed: ObservedState, device: Eeio, system: Eesv) -> bool:
    owner = observed.fabric.owner(device)
    return owner is not None and owner.id == system.id


def _why_not_attachable(observed: ObservedState, device: Eeio, move: bool) -> str | None:
    reason = why_unchangeable(device)
    if reason:
        return reason
    if device.reachable is False:
        return "does not respond"
    state = observed.fabric.state(device)
    if move or state == "free":
        return None
    if state == "allocated":
        owner = observed.label(observed.fabric.owner(device)) or f"one of the systems with group id {device.group_id}"
        return f"is attached to {owner} (`move: true` would take it from there)"
    return f"is {stranded(observed, device)} (detach it first, or set `move: true`)"


def plan_detach(
    observed: ObservedState, device_ids: t.Sequence[str], system_id: str | None = None, skip_silent: bool = False
) -> Plan:
    """Return the plan that frees these devices, in this order; free ones stay free.

    :param system_id: the system they must be on, where the task names one
    :param skip_silent: whether devices that do not respond are left where they are
    :raises PlanRefused: one of them cannot be detached, or is on another system
    """
    system = find_system(observed.fabric, system_id) if system_id else None
    ids = tuple(dict.fromkeys(device_ids))
    taken = [
        device
        for device in (find_device(observed.fabric, device_id) for device_id in ids)
        if device.group_id != FREE_GROUP
    ]
    if system is not None:
        elsewhere = {
            device.id: f"is {why}"
            for device in taken
            if not _is_on(observed, device, system) and (why := why_not_available(observed, device))
        }
        if elsewhere:
            raise PlanRefused(
                f"Cannot detach from {observed.label(system)}:"
                f" {comma_list(f'{device} {why}' for device, why in elsewhere.items())}.",
                details={"candidates": elsewhere},
            )
    detached, silent = check_detachable(observed, taken, skip_silent)
    return Plan(
        refuse_if_claimed(observed, (detach_step(observed, device.id) for device in detached)),
        cards=ids,
        silent=tuple(
            SilentDevice(device.id, observed.label(observed.fabric.owner(device)), "skipped") for device in silent
        ),
    )
