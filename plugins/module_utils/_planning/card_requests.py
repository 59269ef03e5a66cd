# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of requests to one card: its locator LED, audits and resets, and what EEM forgets. Private to the collection."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, Eeio, Eesv, Port, parse_ports
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    CardAction,
    CardRequest,
    ObservedState,
    Plan,
    RegistryChange,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import (
    NOT_ENABLED,
    claims_on,
    refuse_if_claimed,
)

#: NEC's client asks nothing of a card that does not respond but its deletion [nec].
SILENT = "does not respond. Only its deletion can be requested (expether_device with `state: absent`)."


def _plan(observed: ObservedState, card: Card, request: CardRequest) -> Plan:
    return Plan(refuse_if_claimed(observed, [request]), cards=(card.id,))


def _request(
    observed: ObservedState, card: Card, action: CardAction, old: str | None, new: str | None, detail: str | None = None
) -> CardRequest:
    if isinstance(card, Eesv):
        return CardRequest(action, None, observed.label(card), card.id, old, new, detail)
    owner = observed.fabric.owner(card)
    return CardRequest(action, card.id, observed.label(owner), owner.id if owner else None, old, new, detail)


def plan_led(observed: ObservedState, card: Card, now: str | None, wanted: str | None) -> Plan:
    """Return the plan that turns a card's locator LED `on` or `off`.

    :param now: what it is, `None` if that is not known
    :param wanted: what it should be, `None` to leave it as it is
    :raises PlanRefused: the card cannot be asked for a change
    """
    if wanted in (None, now):
        return Plan(cards=(card.id,), led=now)
    if card.reachable is False:
        raise PlanRefused(f"Cannot turn the LED of {card.id} {wanted}: it {SILENT}")
    if card.enabled is False:
        raise PlanRefused(f"Cannot turn the LED of {card.id} {wanted}: it {NOT_ENABLED}.")
    return _plan(observed, card, _request(observed, card, "uid_led", now, wanted))._replace(led=now)


def plan_forget_card(observed: ObservedState, card: Card, force: bool = False) -> Plan:
    """Return the plan after which EEM does not list a card any more.

    :raises PlanRefused: it still responds, is in use, or others depend on it, and `force` is not set
    """
    reasons = [] if force else _why_not_forgotten(observed, card)
    if reasons:
        raise PlanRefused(
            f"Cannot forget {card.id}: {'; '.join(reasons)}. Use `force: true` to forget it anyway.",
            blocked_by=claims_on(observed, [card.id]),
        )
    return _plan(observed, card, _request(observed, card, "forget_card", "listed", None, "force" if force else None))


def _why_not_forgotten(observed: ObservedState, card: Card) -> list[str]:
    reasons = []
    if card.reachable:
        reasons.append("it still responds")
    if card.enabled is False:
        reasons.append(f"it {NOT_ENABLED}")
    if isinstance(card, Eesv):
        if card.id in observed.nodes:
            reasons.append(
                f"it is node {observed.nodes[card.id].name} (expether_node with `state: absent` releases it)"
            )
        orphans = [device.id for device in observed.fabric.devices_in_group_of(card)]
        if orphans:
            reasons.append(f"{comma_list(orphans)} would be stranded in its group {card.group_id}")
    return reasons


def plan_forget_stored(observed: ObservedState, device_id: str) -> Plan:
    """Return the plan that removes a device that EEM does not list from the registry.

    :raises PlanRefused: another run has claimed it
    """
    step = RegistryChange("forget", device_id, None, None, "missing", None)
    return Plan(refuse_if_claimed(observed, [step]), cards=(device_id,))


def plan_action(observed: ObservedState, card: Card, action: CardAction, port: str | None = None) -> Plan:
    """Return the plan that audits or resets a card, sends it a reset frame, or clears what one of its ports has stored.

    :param port: the downstream port of `forget_port`
    :raises PlanRefused: EEM's rules do not allow that request to the card
    """
    found = _port(card, str(port)) if action == "forget_port" else None
    if found and found.device_id is None:
        return Plan(cards=(card.id,))
    if card.reachable is False:
        raise PlanRefused(f"Cannot request {action} of {card.id}: it {SILENT}")
    if card.enabled is False and action != "audit":
        raise PlanRefused(
            f"Cannot request {action} of {card.id}: it {NOT_ENABLED}. Only an audit can be requested of it."
        )
    if found and found.link_state != "down":
        raise PlanRefused(
            f"The connection of port {port} of system {card.id} is {found.link_state or 'not reported'}: the device"
            " that a port has stored can be cleared only while its connection is down.",
            blocked_by=claims_on(observed, [card.id]),
        )
    return _plan(observed, card, _request(observed, card, action, found and found.device_id, None, port))


def _port(card: Card, port: str) -> Port:
    if isinstance(card, Eeio):
        raise PlanRefused(f"{card.id} is a device (EEIO); only a system (EESV) has ports that store devices.")
    ports = parse_ports(card)
    if port not in ports:
        known = f"its ports are {comma_list(ports)}" if ports else "it reports no ports"
        raise PlanRefused(f"System {card.id} has no downstream port {port}; {known}.")
    return ports[port]
