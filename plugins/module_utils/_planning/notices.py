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
        *_group_warnings(observed, changes),
        *_adoptions(observed, steps),
        *_single_ports(observed, changes),
        *_request_warnings(observed, requests),
    ]


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


def _group_warnings(observed: ObservedState, changes: t.Sequence[GroupChange]) -> list[str]:
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


def _adoptions(observed: ObservedState, steps: t.Sequence[Step]) -> list[str]:
    sentences = []
    for step in steps:
        system = observed.fabric.systems.get(step.system_id or "")
        new = step.action == "remember" and step.old is None and step.new == "composed"
        have = observed.fabric.devices_of(system) if system and new else []
        if have:
            sentences.append(
                f"System {step.system_id} already had {len(have)} devices. They now belong to the node and will be detached"
                " when it is released."
            )
    return sentences


def _single_ports(observed: ObservedState, changes: t.Sequence[GroupChange]) -> list[str]:
    changed = {step.card for step in changes if step.action != "detach"}
    changed |= {step.system_id for step in changes if step.action == "attach" and step.system_id}
    cards = (observed.fabric.card(card) for card in sorted(changed))
    single = [card.id for card in cards if card is not None and card.ports_up == 1]
    return [f"Only one of two ports is up (no redundant path): {comma_list(single)}."] if single else []


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
