# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user must know of a plan beyond its success: warnings, required reboots and rescans. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, Eeio, Eesv
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    CardRequest,
    GroupChange,
    ObservedState,
    SilentDevice,
    SilentRole,
    Step,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import stranded


def reboot_required(steps: t.Iterable[Step]) -> bool:
    """Whether a host must be rebooted before a plan takes effect: its EESV got another group id [drv]."""
    return any(step.action == "set_group" for step in steps)


def rescan_required(steps: t.Iterable[Step]) -> bool:
    """Whether a host must rescan its PCI bus before it sees its devices [nec]."""
    return any(step.action == "attach" for step in steps)


def warnings(observed: ObservedState, steps: t.Sequence[Step]) -> list[str]:
    """Return the warnings about a plan.

    :param observed: what the plan was made from
    """
    changes = [step for step in steps if isinstance(step, GroupChange)]
    requests = [step for step in steps if isinstance(step, CardRequest)]
    return [
        *_group_warnings(changes),
        *_former_hosts(observed, changes),
        *_empty_slots(observed, changes),
        *_adoptions(observed, steps),
        *_request_warnings(observed, requests),
    ]


def link_warnings(after: ObservedState, devices: t.Iterable[str], steps: t.Iterable[Step]) -> list[str]:
    """Return the warnings about devices that are attached and whose link to the system is down.

    There is none about the devices of a system that is off, or that got its group id in this run: their links come up
    when its host starts. Devices that do not respond are not reported here either.

    :param after: the state after the run
    :param devices: the ids of the devices that the task is about
    :param steps: what the run did
    """
    new_hosts = {step.system_id for step in steps if step.action == "set_group"}
    sentences = []
    for device in sorted(set(devices)):
        card = after.fabric.devices.get(device)
        system = after.fabric.owner(card) if card else None
        if card is None or system is None or system.is_off or system.id in new_hosts:
            continue
        if card.connected is False and card.reachable is not False:
            first, second = card.paths
            sentences.append(
                f"Device {device} is attached to {after.label(system)}, but its link is down (path_status0: {first},"
                f" path_status1: {second}). Check the cables of both ports and whether the host has power; it may need a"
                " reboot."
            )
    return sentences


def silent_warnings(silent: t.Sequence[SilentDevice], fabric: Fabric) -> list[str]:
    """Return the warnings about devices that do not respond.

    :param silent: the plan's
    :param fabric: the fabric after the plan
    """
    by_role: dict[tuple[SilentRole, str | None], list[str]] = {}
    for each in silent:
        device = fabric.devices.get(each.device)
        if each.role == "replaced" and (device is None or fabric.state(device) == "free"):
            continue
        role: SilentRole = "skipped" if each.role == "left" else each.role
        by_role.setdefault((role, each.node), []).append(each.device)
    return [_silent_warning(role, node, comma_list(devices)) for (role, node), devices in by_role.items()]


def _silent_warning(role: SilentRole, node: str | None, devices: str) -> str:
    if role == "counted":
        return (
            f"Node {node} has less than was requested, because these devices do not respond: {devices}. Set"
            " `replace_silent: true` to attach others in their place."
        )
    if role == "extra":
        return f"These devices in the group of {node} do not respond and do not count, but use slots: {devices}."
    if role == "replaced":
        return (
            f"EEM did not detach these devices of {node}, which do not respond: {devices}. They stay in its group and use"
            " slots."
        )
    if role == "member":
        return f"These devices of {node} do not respond: {devices}."
    return f"Not detached{f' from {node}' if node else ''}, because they do not respond: {devices}."


def _group_warnings(changes: t.Sequence[GroupChange]) -> list[str]:
    sentences = [
        f"System {step.system_id} had no group id of its own and gets {step.new}: its host may need a reboot before that"
        " takes effect."
        for step in changes
        if step.action == "set_group"
    ]
    hosts = sorted({str(step.node) for step in changes if step.action == "attach"})
    if hosts:
        sentences.append(f"The host of {comma_list(hosts)} must rescan its PCI bus before it sees its new devices.")
    losers = sorted({str(step.node) for step in changes if step.action == "detach" and step.system_id})
    if losers:
        sentences.append(
            f"The host of {comma_list(losers)} loses devices: its running operating system may be disturbed."
        )
    return sentences


def _former_hosts(observed: ObservedState, changes: t.Sequence[GroupChange]) -> list[str]:
    """Return the warnings about stranded devices that a plan takes away: their former hosts may still be using them."""
    sentences = []
    for step in changes:
        device = observed.fabric.devices.get(step.device or "")
        if device and step.action == "detach" and observed.fabric.state(device) == "stranded":
            name = observed.last_node(device)
            host = f"of node {name}" if name else "that had it, which is unknown,"
            sentences.append(
                f"Device {device.id} was {stranded(observed, device)}: the host {host} may still be using it."
            )
    return sentences


def _empty_slots(observed: ObservedState, changes: t.Sequence[GroupChange]) -> list[str]:
    """Return the warnings about attached devices whose slots are empty, or may be: only a task that names them does that."""
    attached = (observed.fabric.devices.get(step.device or "") for step in changes if step.action == "attach")
    cards = [device for device in attached if device]
    empty = [device.id for device in cards if device.populated is False]
    unknown = [device.id for device in cards if device.populated is None]
    return [
        *([f"Attached although the slot is empty: {comma_list(empty)}."] if empty else ()),
        *([f"Attached without knowing whether the slot has a device: {comma_list(unknown)}."] if unknown else ()),
    ]


def _adoptions(observed: ObservedState, steps: t.Sequence[Step]) -> list[str]:
    sentences = []
    for step in steps:
        system = observed.fabric.systems.get(step.system_id or "")
        new = step.action == "remember" and step.old is None and step.new == "composed"
        new = new and step.system_id not in observed.nodes  # a node that takes the place of another one
        have = observed.fabric.devices_of(system) if system and new else []
        if have:
            sentences.append(
                f"System {step.system_id} already had {len(have)} devices. They now belong to the node and will be detached"
                " when it is released."
            )
    return sentences


def _request_warnings(observed: ObservedState, requests: t.Sequence[CardRequest]) -> list[str]:
    sentences: list[str] = []
    for step in requests:
        card = observed.fabric.card(step.card)
        if card and step.action in ("reset", "reset_frame"):
            sentences += _disturbed(observed, card, "Resetting" if step.action == "reset" else "A reset frame to")
        if card and step.action == "forget_card":
            sentences += _forgotten(observed, card)
    return sentences


def _disturbed(observed: ObservedState, card: Card, what: str) -> list[str]:
    """Return which hosts a reset may disturb."""
    if isinstance(card, Eesv):
        devices = [device.id for device in observed.fabric.devices_in_group_of(card)]
        who = f"{card.id}, node {observed.nodes[card.id].name}," if card.id in observed.nodes else card.id
        hit = f" It may affect its devices too: {comma_list(devices)}." if devices else ""
        return [f"{what} system {who} may disturb the running operating system of its host.{hit}"]
    if observed.fabric.state(card) != "allocated":
        return []
    host = observed.label(observed.fabric.owner(card)) or f"one of the systems with group id {card.group_id}"
    return [f"{what} device {card.id} may disturb the running operating system of the host of {host}, which has it."]


def _forgotten(observed: ObservedState, card: Card) -> list[str]:
    """Return what stays behind when EEM forgets a card."""
    sentences = []
    if card.reachable:
        sentences.append(f"{card.id} still responds: EEM may find it again, and then list it.")
    if isinstance(card, Eeio):
        owner = observed.label(observed.fabric.owner(card))
        return [*sentences, f"Device {card.id} was attached to {owner}."] if owner else sentences
    orphans = [device.id for device in observed.fabric.devices_in_group_of(card)]
    if orphans:
        sentences.append(f"Stranded in group {card.group_id} without system {card.id}: {comma_list(orphans)}.")
    if card.id in observed.nodes:
        sentences.append(
            f"Node {observed.nodes[card.id].name} stays stored without its system. Release it (expether_node with"
            " `state: absent`) to free its devices."
        )
    return sentences
