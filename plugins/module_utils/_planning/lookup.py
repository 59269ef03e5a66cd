# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503
"""What the names and ids of a task mean in the observed state. Private to the collection."""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, Eeio, Eesv, parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    InvalidInput,
    NotFound,
    NotStored,
    PlanRefused,
)
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list, device_uuid, parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, find_by_name
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState


def find_node(observed: ObservedState, wanted: str) -> Node | None:
    """Return the node that a name, UUID or EESV id means, or `None`."""
    return next(iter(find_by_name(observed.nodes.values(), wanted)), None)


def find_system(fabric: Fabric, system_id: str) -> Eesv:
    """Return an EESV by its id.

    :raises NotFound: EEM does not list such a card
    :raises PlanRefused: the card is an EEIO
    """
    if system_id in fabric.systems:
        return fabric.systems[system_id]
    if system_id in fabric.devices:
        raise PlanRefused(f"{system_id} is a device (EEIO), but a system (EESV) is required here.")
    raise NotFound(f"EEM does not list system {system_id}. expether_system_info lists the systems that exist.")


def find_device(fabric: Fabric, device_id: str) -> Eeio:
    """Return an EEIO by its id.

    :raises NotFound: EEM does not list such a card
    :raises PlanRefused: the card is an EESV
    """
    if device_id in fabric.devices:
        return fabric.devices[device_id]
    if device_id in fabric.systems:
        raise PlanRefused(f"{device_id} is a system (EESV), but a device (EEIO) is required here.")
    raise NotFound(f"EEM does not list device {device_id}. expether_device_info lists the devices that exist.")


def no_such_node(observed: ObservedState, wanted: str) -> NotStored:
    """Return the error about a name that no node has."""
    names = comma_list(sorted(node.name for node in observed.nodes.values()))
    return NotStored(
        f"Node {wanted!r} does not exist in pod manager {observed.podm}; "
        + (f"its nodes are {names}." if names else "it has no nodes.")
        + (" The EEM id of a card has twelve hex digits." if wanted.lower().startswith("0x") else "")
    )


def resolve_system(observed: ObservedState, wanted: str) -> str:
    """Return the EESV id that a node's name or UUID, or a system's EEM id means.

    :raises NotFound: no node has that name
    """
    node = find_node(observed, wanted)
    system_id = node.system_id if node else parse_card_id(wanted)
    if system_id is None:
        raise no_such_node(observed, wanted)
    return system_id


def _devices_by_uuid(observed: ObservedState) -> dict[str, str]:
    podm = uuid.UUID(observed.podm_id)
    return {device_uuid(podm, device): device for device in observed.fabric.devices}


def resolve_devices(observed: ObservedState, wanted: t.Sequence[str]) -> tuple[str, ...]:
    """Return the EEIO ids of devices named by EEM id or UUID, each once, in the task's order.

    :raises ExpetherError: one of them does not exist, or is not a device
    """
    found: dict[str, None] = {}
    by_uuid: dict[str, str] | None = None
    for text in wanted:
        card, device_uuid_ = parse_card_id(text), parse_uuid(text)
        if card is None and device_uuid_ is not None:
            by_uuid = _devices_by_uuid(observed) if by_uuid is None else by_uuid
            card = by_uuid.get(device_uuid_)
            if card is None:
                raise NotFound(
                    f"EEM does not list a device with the UUID {device_uuid_}. expether_device_info lists the devices"
                    " that exist."
                )
        if card is None:
            raise InvalidInput(f"{text!r} is not a device: use its EEM id, such as 0x8cdf9d512930, or its UUID.")
        found[find_device(observed.fabric, card).id] = None
    return tuple(found)


def resolve_card(observed: ObservedState, wanted: str) -> str | None:
    """Return the id of a card of either kind, named by EEM id, UUID, or the name of the node on it.

    EEM may not list a card that is named by its EEM id. `None` for a UUID of no device that EEM lists.

    :raises NotFound: it is neither an id nor the name of a node
    """
    node, card, wanted_uuid = find_node(observed, wanted), parse_card_id(wanted), parse_uuid(wanted)
    if node or card:
        return node.system_id if node else card
    if wanted_uuid is None:
        raise no_such_node(observed, wanted)
    return _devices_by_uuid(observed).get(wanted_uuid)


def find_card(observed: ObservedState, wanted: str) -> Card:
    """Return a card of either kind by anything that names it, as `resolve_card`.

    :raises NotFound: EEM does not list such a card
    """
    card_id = resolve_card(observed, wanted)
    card = observed.fabric.card(card_id)
    if card is None:
        named = f"card {card_id}" if card_id else f"a card with the UUID {parse_uuid(wanted)}"
        raise NotFound(f"EEM does not list {named}. expether_device_info and expether_system_info list the cards.")
    return card
