# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be asked of a single card, and what that does to others. Pure. Private to the collection."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, Eeio, Eesv, Port, parse_ports
from ansible_collections.nec.expether.plugins.module_utils._model.errors import NotKnown, Refused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import has_own_group
from ansible_collections.nec.expether.plugins.module_utils._model.names import listed
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import Action, Plan, Step, World
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import NOT_ENABLED, held_of, unheld


def listed_card(world: World, card_id: str) -> Card:
    """Return a card of either kind by its id.

    :raises NotKnown: EEM lists no such card
    """
    card = world.fabric.card(card_id)
    if card is None:
        raise NotKnown(
            f"EEM lists no card {card_id}; expether_device_info and expether_system_info list those it has."
        )
    return card


def _step(world: World, card: Card, action: Action, old: str | None, new: str | None, detail: str | None = None) -> Step:
    if isinstance(card, Eesv):
        return Step(action, None, world.label(card), card.id, old, new, detail)
    owner = world.fabric.owner(card)
    return Step(action, card.id, world.label(owner), owner.id if owner else None, old, new, detail)


def _left_behind(world: World, system: Eesv) -> list[str]:
    """Return the devices in a system's group."""
    return [device.id for device in world.fabric.devices_in(system.group_id)] if has_own_group(system) else []


def plan_led(world: World, card: Card, now: str | None, wanted: str) -> Plan:
    """Return the plan that brings a card's locator LED to C(on) or C(off).

    :param now: what it is, C(None) if that is not known
    :raises Refused: no change may be asked of the card
    """
    if now == wanted:
        return ()
    if card.enabled is False:
        raise Refused(f"Cannot turn the LED of {card.id} {wanted}: it {NOT_ENABLED}.")
    return unheld(world, [_step(world, card, "uid_led", now, wanted)])


def plan_forget_card(world: World, card: Card, force: bool = False) -> Plan:
    """Return the plan after which EEM does not list a card any more.

    :raises Refused: it is still there, in use, or others depend on it, and C(force) is not said
    """
    reasons = [] if force else _why_not_forgotten(world, card)
    if reasons:
        raise Refused(
            f"Cannot forget {card.id}: {'; '.join(reasons)}. force: true forgets it all the same.",
            waits_for=held_of(world, [card.id]),
        )
    return unheld(world, [_step(world, card, "forget_card", "listed", None, "force" if force else None)])


def _why_not_forgotten(world: World, card: Card) -> list[str]:
    reasons = []
    if card.reachable:
        reasons.append("it still answers")
    if card.enabled is False:
        reasons.append(f"it {NOT_ENABLED}")
    if isinstance(card, Eesv):
        if card.id in world.nodes:
            reasons.append(f"it is node {world.nodes[card.id].name} (expether_node, state: absent releases it)")
        left = _left_behind(world, card)
        if left:
            reasons.append(f"{listed(left)} would be left behind in its group {card.group_id}")
    return reasons


def plan_forget_memory(world: World, device_id: str) -> Plan:
    """Return the plan by which the registry forgets a device that EEM does not list.

    :raises Refused: another run holds it for longer than this one has patience
    """
    return unheld(world, [Step("forget", device_id, None, None, "missing", None)])


def plan_action(world: World, card: Card, action: Action, port: str | None = None) -> Plan:
    """Return the plan that has a card audited, reset, sent a reset frame, or a port of it forgotten.

    :param port: the downstream port of C(forget_port)
    :raises Refused: EEM's rules do not let that be asked of the card
    """
    there = _port(card, str(port)) if action == "forget_port" else None
    if there and there.device_id is None:
        return ()
    if card.enabled is False and action != "audit":
        raise Refused(f"Cannot ask {action} of {card.id}: it {NOT_ENABLED}. Only an audit may be asked of it.")
    if there and there.connection != "down":
        raise Refused(
            f"The connection of port {port} of system {card.id} is {there.connection or 'not told'}: what a port remembers"
            " can be forgotten only while its connection is down.",
            waits_for=held_of(world, [card.id]),
        )
    return unheld(world, [_step(world, card, action, there and there.device_id, None, port)])


def _port(card: Card, port: str) -> Port:
    if isinstance(card, Eeio):
        raise Refused(f"{card.id} is a device (EEIO); only a system (EESV) has ports that remember devices.")
    ports = parse_ports(card)
    if port not in ports:
        there = f"its ports are {listed(ports)}" if ports else "it tells of no ports"
        raise Refused(f"System {card.id} has no downstream port {port}; {there}.")
    return ports[port]


def card_warnings(world: World, plan: Plan) -> list[str]:
    """Return what a user must know of what a plan asks of a card."""
    said: list[str] = []
    for step in plan:
        card = world.fabric.card(step.asked)
        if card and step.action in ("reset", "reset_frame"):
            said += _disturbed(world, card, "Resetting" if step.action == "reset" else "A reset frame to")
        if card and step.action == "forget_card":
            said += _forgotten(world, card)
    return said


def _disturbed(world: World, card: Card, what: str) -> list[str]:
    """Return whom a reset may disturb."""
    if isinstance(card, Eesv):
        left = _left_behind(world, card)
        who = f"{card.id}, node {world.nodes[card.id].name}," if card.id in world.nodes else card.id
        hit = f" It may hit its devices too: {listed(left)}." if left else ""
        return [f"{what} system {who} may disturb the running operating system of its host.{hit}"]
    owner = world.fabric.owner(card)
    if world.fabric.state(card) != "allocated":
        return []
    host = world.label(owner) or f"one of the systems with group id {card.group_id}"
    return [f"{what} device {card.id} may disturb the running operating system of the host of {host}, which has it."]


def _forgotten(world: World, card: Card) -> list[str]:
    """Return what a card leaves behind that EEM forgets."""
    said = []
    if card.reachable:
        said.append(f"{card.id} still answers: EEM may find it again, and then list it.")
    if isinstance(card, Eeio):
        owner = world.label(world.fabric.owner(card))
        return [*said, f"Device {card.id} was attached to {owner}."] if owner else said
    left = _left_behind(world, card)
    if left:
        said.append(f"Left behind in group {card.group_id} without system {card.id}: {listed(left)}.")
    if card.id in world.nodes:
        name = world.nodes[card.id].name
        said.append(
            f"Node {name} stays remembered, without its system: release it (expether_node, state: absent), which frees"
            " what it has left behind."
        )
    return said
