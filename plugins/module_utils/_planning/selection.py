# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503
"""Which system and which devices fit a request, and why the others do not. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import SOFTWARE_GROUPS, Card, Eeio, Eesv
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import from_rotary_switch, has_own_group
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.properties import DeviceRequest, Properties
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Step, cards_of

MOST_REASONS = 12  # of candidates that do not fit, in the message about one node
NOT_ENABLED = "is not enabled (admin_status or monitoring_status)"


def why_unchangeable(card: Card) -> str | None:
    """Return why software may not change the group id of a card, or `None`."""
    if card.enabled is False:
        return NOT_ENABLED
    if from_rotary_switch(card.group_id):
        return f"has group id {card.group_id} from its rotary switch, which software does not change"
    return None


def can_be_detached(device: Eeio) -> bool:
    """Whether EEM detaches a device."""
    return device.reachable is not False and why_unchangeable(device) is None


def why_no_host(observed: ObservedState, system: Eesv) -> str | None:
    """Return why no device may be attached to a system, or `None`."""
    if system.reachable is False:
        return "does not respond"
    reason = why_unchangeable(system)
    if reason:
        return reason
    if has_own_group(system) and int(system.group_id) not in SOFTWARE_GROUPS:
        return f"has group id {system.group_id}, which software cannot give to devices"
    others = [other.id for other in observed.fabric.systems_in(system.group_id) if other.id != system.id]
    if has_own_group(system) and others:
        return f"shares its group id {system.group_id} with {comma_list(others)}"
    return None


def why_no_device(device: Eeio) -> str | None:
    """Return why no request is met by what is in the slot of an EEIO, or `None`."""
    if device.populated is None:
        return "not chosen: it does not report whether its slot has a device; attach it by its id"
    return None if device.populated else "not chosen: its slot is empty"


def why_never(device: Eeio) -> str | None:
    """Return why a device cannot be chosen whatever other runs do, or `None`."""
    if not device.reachable:  # a card that reports nothing of its ports is not chosen either
        return "not responding"
    if device.enabled is False:
        return "not enabled"
    return "in a group of a rotary switch" if from_rotary_switch(device.group_id) else why_no_device(device)


def why_not_available(observed: ObservedState, device: Eeio) -> str | None:
    """Return why a device cannot be chosen for a node, or `None`."""
    state = observed.fabric.state(device)
    if state == "allocated":
        owner = observed.label(observed.fabric.owner(device))
        return f"attached to {owner}" if owner else f"in group {device.group_id} of several systems"
    if state == "stranded":
        why = why_unchangeable(device) if from_rotary_switch(device.group_id) else None
        return why or stranded(observed, device)
    never = why_never(device)
    if never is None and device.id in observed.claimed_by_others:
        return f"claimed by {observed.claimed_by_others[device.id]}"
    return never


def stranded(observed: ObservedState, device: Eeio) -> str:
    """Return where a device is stranded, and which node had it, as a phrase."""
    name = observed.last_node(device)
    return f"stranded in group {device.group_id}" + (f", last used by node {name}" if name else "")


def claims_on(observed: ObservedState, keys: t.Iterable[str]) -> dict[str, str]:
    """Return which of these another run has claimed at the moment, and who."""
    return {key: observed.claimed_by_others[key] for key in keys if key in observed.claimed_by_others}


def refuse_if_claimed(observed: ObservedState, steps: t.Iterable[Step]) -> tuple[Step, ...]:
    """Return these steps, unless another run has claimed a card that they change.

    :raises PlanRefused: another run has
    """
    steps = tuple(steps)
    claimed = claims_on(observed, cards_of(steps))
    if claimed:
        raise PlanRefused(
            f"Another run is changing {comma_list(f'{card} (claimed by {who})' for card, who in claimed.items())}.",
            blocked_by=claimed,
        )
    return steps


def number_of(properties: Properties) -> int:
    """Return how many devices are requested."""
    return sum(request.number for request in properties)


def why_no_node(observed: ObservedState, system: Eesv, wanted: int) -> tuple[str | None, bool]:
    """Return why a system cannot become a new node with so many devices, or `None`; and whether waiting may change that."""
    free = observed.fabric.free_slots(system)
    slots = f"has {free} free {'slot' if free == 1 else 'slots'}"
    lasting = (
        why_no_host(observed, system)
        or ("reports nothing of its ports" if system.reachable is None else None)
        or (slots if system.max_devices < wanted else None)
    )
    # What another run is changing may be different when that run has ended.
    reason = (
        (f"is node {observed.nodes[system.id].name}" if system.id in observed.nodes else None)
        or (f"is {observed.nodes_elsewhere[system.id]}" if system.id in observed.nodes_elsewhere else None)
        or lasting
        or (slots if free < wanted else None)
        or (
            f"is claimed by {observed.claimed_by_others[system.id]}"
            if system.id in observed.claimed_by_others
            else None
        )
    )
    return reason, reason is not None and lasting is None


def system_rank(observed: ObservedState, system: Eesv) -> tuple[bool, bool, int, str]:
    """Return the rank of a system for a new node, the best first.

    A system with devices that is not a node is somebody's: an idle one comes first, even with fewer free slots.
    """
    fabric = observed.fabric
    return not has_own_group(system), bool(fabric.devices_of(system)), -fabric.free_slots(system), system.id


def choose_system(observed: ObservedState, properties: Properties, most: int = MOST_REASONS) -> Eesv:
    """Return the system for a new node: responding, enabled, not a node, with enough free slots for the request; of
    those one that has its own group id (so that no reboot is needed), then one without devices, then the one with the
    most free slots, then the lowest id.

    :param most: for how many systems the message says why they do not fit
    :raises PlanRefused: none fits
    """
    wanted = number_of(properties)
    why = {system.id: why_no_node(observed, system, wanted) for system in observed.fabric.systems.values()}
    fitting = [system for system in observed.fabric.systems.values() if why[system.id][0] is None]
    if fitting:
        return min(fitting, key=lambda system: system_rank(observed, system))
    reasons = {system: reason for system, (reason, _passing) in why.items() if reason}
    what = "1 device" if wanted == 1 else f"{wanted} devices"
    all_reasons = comma_list((f"{system} {reason}" for system, reason in reasons.items()), most)
    raise PlanRefused(
        f"No system can host {what}: {all_reasons or 'EEM does not list any system'}.",
        blocked_by=claims_on(observed, (system for system, (_reason, passing) in why.items() if passing)),
        details={"candidates": reasons},
    )


def match_devices(properties: Properties, candidates: t.Iterable[Eeio]) -> tuple[list[Eeio], list[int]]:
    """Return the devices that meet a request, and how many each of its entries got.

    Maximum bipartite matching by augmenting paths: candidates are tried in order of preference and kept if all earlier
    ones can still be placed. Entries may overlap ("a GPU" and "a GPU of this model").
    """
    placed: list[list[Eeio]] = [[] for _request in properties]

    def place(device: Eeio, tried: set[int]) -> bool:
        fitting = [index for index, request in enumerate(properties) if index not in tried and request.matches(device)]
        for index in fitting:
            if len(placed[index]) < properties[index].number:
                placed[index].append(device)
                return True
        for index in fitting:
            if index in tried:
                continue
            tried.add(index)
            for at, other in enumerate(placed[index]):
                if place(other, tried):
                    placed[index][at] = device
                    return True
        return False

    wanted = number_of(properties)
    chosen: list[Eeio] = []
    for device in candidates:
        if len(chosen) == wanted:
            break
        if place(device, set()):
            chosen.append(device)
    return chosen, [len(devices) for devices in placed]


def by_preference(have: t.Iterable[Eeio]) -> list[Eeio]:
    """Return the devices of a system in the order in which they count towards a request.

    Those that respond come first, then those that report nothing of their ports, then those that do not respond.
    """
    return sorted(have, key=lambda device: (device.reachable is False, not device.reachable, device.id))


def choose_devices(
    observed: ObservedState, properties: Properties, have: t.Sequence[Eeio], not_counted: t.Container[str] = ()
) -> tuple[list[Eeio], list[Eeio]]:
    """Return which of a system's devices a request counts, and which free ones it needs besides, lowest id first.

    :param have: the devices of the system, except for those that do not count
    :param not_counted: the ids of its devices that do not count because they do not respond
    :raises PlanRefused: there are not enough; the message says for each candidate why it does not fit
    """
    own = by_preference(have)
    own_ids = {device.id for device in own}
    free, reasons = candidates(observed, properties, own_ids, not_counted)
    chosen, counts = match_devices(properties, [*own, *free])
    lacking = why_lacking(observed, zip(properties, counts), own, reasons)
    if lacking:
        # Of an entry that overlaps another, the other's claimed devices may be what is missing.
        unfit_now = (observed.fabric.devices[device] for device in reasons if device in observed.claimed_by_others)
        claimed = [device for device in unfit_now if why_never(device) is None]
        suffices = len(match_devices(properties, [*own, *free, *claimed])[0]) == number_of(properties)
        raise PlanRefused(
            f"{'; '.join(lacking)}.",
            blocked_by=claims_on(observed, (device.id for device in claimed)) if suffices else {},
            details={"candidates": reasons},
        )
    return [device for device in chosen if device.id in own_ids], [
        device for device in chosen if device.id not in own_ids
    ]


def candidates(
    observed: ObservedState, properties: Properties, own: t.Container[str], not_counted: t.Container[str]
) -> tuple[list[Eeio], dict[str, str]]:
    """Return the free devices that a request may get, and why others that could match are not available."""
    free: list[Eeio] = []
    reasons: dict[str, str] = {}
    for device in observed.fabric.devices.values():
        if not any(request.may_match(device) for request in properties) or (device.id in own and device.populated):
            continue
        reason = (
            "not responding"
            if device.id in not_counted
            else why_no_device(device) or why_not_available(observed, device)
        )
        if reason:
            reasons[device.id] = reason
        else:
            free.append(device)
    return free, reasons


def why_lacking(
    observed: ObservedState,
    counts: t.Iterable[tuple[DeviceRequest, int]],
    own: t.Sequence[Eeio],
    reasons: t.Mapping[str, str],
    most: int = MOST_REASONS,
) -> list[str]:
    """Return a sentence for each part of a request that is not met.

    :param counts: how many devices each part of the request got
    :param own: the devices of the node that count
    :param reasons: why others are not available
    :param most: how many of these reasons a sentence contains
    """
    lacking = []
    for request, count in counts:
        if count < request.number:
            unfit = [device for device in reasons if request.may_match(observed.fabric.devices[device])]
            kept = min(count, sum(request.matches(device) for device in own))
            already = f"{kept} attached already, " if kept else ""
            others = comma_list((f"{device} {reasons[device]}" for device in unfit), most)
            lacking.append(
                f"{request} requested, {already}{count - kept} free" + (f". Not available: {others}" if others else "")
            )
    return lacking
