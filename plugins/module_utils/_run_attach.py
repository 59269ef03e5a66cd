# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_device_attach does. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._errors import InvalidInput, NotKnown
from ansible_collections.nec.expether.plugins.module_utils._executor_nodes import Draft
from ansible_collections.nec.expether.plugins.module_utils._fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._glue import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._glue_changes import (
    execute,
    no_such_node,
    plan_result,
    views_of,
)
from ansible_collections.nec.expether.plugins.module_utils._glue_eem import Target, target
from ansible_collections.nec.expether.plugins.module_utils._names import parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._plan import World, find_node
from ansible_collections.nec.expether.plugins.module_utils._planner import (
    plan_attach,
    plan_detach,
)
from ansible_collections.nec.expether.plugins.module_utils._planner_choice import find_device
from ansible_collections.nec.expether.plugins.module_utils._records import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._registry import Body
from ansible_collections.nec.expether.plugins.module_utils._views import Views


def run(context: Context) -> Result:
    """Attach devices to a node, or free them."""
    params = context.params
    node = params["node"]
    by_name = node is not None and parse_card_id(node) is None
    where = target(context, node, params["devices"], names_needed=by_name)
    asked: list[str] = []
    pci_names = context.pci_names

    def draft(world: World) -> Draft:
        asked[:] = _devices(views_of(where, world.nodes, pci_names), world.fabric, params["devices"])
        system = _system(where, world, node) if node is not None else None
        if params["state"] == "detached":
            return Draft(plan_detach(world, asked, system))
        return Draft(plan_attach(world, t.cast(str, system), asked, params["move"]))

    outcome = execute(context, where, f"a run for {node}" if node else "a run that detaches devices", draft)
    before = _shown(views_of(where, outcome.world.nodes, pci_names), outcome.world.fabric, asked)
    after = _shown(views_of(where, outcome.nodes, pci_names), outcome.fabric, asked)
    return {"devices": after, **plan_result(outcome.plan, outcome.rows, _brief(before), _brief(after))}


def _system(where: Target, world: World, wanted: str) -> str:
    """Return the EESV id of a node or of a system that is none.

    :raises NotKnown: there is no node of that name
    """
    node = find_node(world, wanted)
    if node is not None:
        return node.system
    index = parse_card_id(wanted)
    if index is None:
        raise no_such_node(where, world.nodes, wanted)
    return index


def _devices(views: Views, fabric: Fabric, wanted: t.Sequence[str]) -> list[str]:
    """Return the EEIO ids of devices that are named by id or UUID, each once, in the order of the task.

    :raises ExpetherError: one of them is not there, or is no device
    """
    by_uuid: dict[str, str] | None = None
    found: dict[str, None] = {}
    for text in wanted:
        card, uuid = parse_card_id(text), parse_uuid(text)
        if card is None and uuid is not None:
            by_uuid = {views.uuid_of(device): device for device in fabric.devices} if by_uuid is None else by_uuid
            card = by_uuid.get(uuid)
            if card is None:
                raise NotKnown(f"EEM lists no device with the UUID {uuid}; expether_device_info lists those it has.")
        if card is None:
            raise InvalidInput(f"{text!r} names no device: give its id, such as 0x8cdf9d512930, or its UUID.")
        found[find_device(fabric, card).id] = None
    return list(found)


def _shown(views: Views, fabric: Fabric, cards: t.Sequence[str]) -> list[Body]:
    return [views.device(fabric, fabric.devices[card]) for card in cards if card in fabric.devices]


def _brief(devices: t.Sequence[Body]) -> Body:
    """Return what a diff shows of devices."""
    return {
        device["device_id"]: {
            "state": device["state"],
            "node": device["node"] or device["node_id"],
            "pooled_group_id": device["pooled_group_id"],
        }
        for device in devices
    }
