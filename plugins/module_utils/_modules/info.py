# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs expether_device_info, expether_system_info and expether_node_info. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import podm_name, podm_option, url_option
from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.names import node_uuid, parse_uuid, same_name
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import find_by_name
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, connected_devices, device_view

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
    from ansible_collections.nec.expether.plugins.module_utils._modules.listings import Listing


def run_devices(context: Context) -> Result:
    """List devices, live or as stored."""
    if context.params["source"] == "registry" or _is_name(context.params["node"]):
        context.warn_without_lasting_registry()
    if context.params["source"] == "registry":
        found = stored_devices(context, podm_option(context))
        return {"changed": False, "devices": _selected(context, found), "errors": []}
    listings, errors = _live(context)
    return {"changed": False, "devices": _selected(context, _devices(listings)), "errors": errors}


def run_systems(context: Context) -> Result:
    """List systems, and all devices of the same answers if the task asks for them."""
    wanted = context.params["system"]
    if any(map(_is_name, wanted or ())):
        context.warn_without_lasting_registry()

    def systems_of(listing: Listing) -> list[View]:
        systems = list(listing.fabric.systems.values())
        if wanted is not None:
            ids = {parse_card_id(text) for text in wanted}
            ids |= {node.system_id for text in wanted for node in find_by_name(listing.nodes, text)}
            systems = [system for system in systems if system.id in ids]
        return [listing.views.system(listing.fabric, system) for system in systems]

    listings, errors = _live(context)
    result = {"changed": False, "systems": [view for each in listings for view in systems_of(each)], "errors": errors}
    return {**result, "devices": _devices(listings)} if context.params["include_devices"] else result


def run_nodes(context: Context) -> Result:
    """List nodes with their devices, live or as stored."""
    wanted = context.params["name"]
    context.warn_without_lasting_registry()

    def selected(nodes: t.Sequence[StoredNode]) -> list[Node]:
        found = nodes if wanted is None else [node for text in wanted for node in find_by_name(nodes, text)]
        unique = {node.uuid: node.node() for node in found}
        return sorted(unique.values(), key=lambda node: node.name.casefold())

    if context.params["source"] == "registry":
        return {"changed": False, "nodes": stored_nodes(context, podm_option(context), selected), "errors": []}

    listings, errors = _live(context)
    nodes = [each.views.node(each.fabric, node) for each in listings for node in selected(each.nodes)]
    return {"changed": False, "nodes": nodes, "errors": errors}


def stored_nodes(
    context: Context, only: str | None, selected: t.Callable[[t.Sequence[StoredNode]], list[Node]]
) -> list[View]:
    """Return the stored nodes with their stored devices, without asking any EEM.

    :param only: the UUID of the only pod manager to list, or `None` for all
    :param selected: returns the nodes to list, of those of one pod manager
    """
    from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
    from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views

    names = {podm.uuid: podm.name for podm in context.registry.all(PodManager)}
    nodes = context.registry.all(StoredNode)
    podm_ids = {node.podm_id for node in nodes if only in (None, node.podm_id)}
    devices = stored_devices(context, only)
    shown = []
    for podm_id in sorted(podm_ids, key=lambda uuid: str(names.get(uuid)).casefold()):
        views = Views(podm_id, names.get(podm_id), {})
        for node in selected([node for node in nodes if node.podm_id == podm_id]):
            own = [each for each in devices if (each["podm_id"], each["node_id"]) == (podm_id, node.system_id)]
            ids = [device["device_id"] for device in own]
            known = {"device_ids": ids, "devices": own, "connected_devices": connected_devices(own)}
            shown.append({**views.node(Fabric([]), node), **known})
    return shown


def _devices(listings: t.Iterable[Listing]) -> list[View]:
    """Return all devices that EEMs list."""
    return [each.views.device(each.fabric, device) for each in listings for device in each.fabric.devices.values()]


def _live(context: Context) -> tuple[list[Listing], list[View]]:
    """Ask the selected EEMs at the same time. Return what they list, and the errors of those that failed.

    :raises ExpetherError: the task selects one EEM, and it failed
    """
    # Imported here, because reading the registry does not need HTTP.
    from ansible_collections.nec.expether.plugins.module_utils._ansible.target import targets
    from ansible_collections.nec.expether.plugins.module_utils._modules.listings import list_fabrics

    found: list[Listing] = []
    errors: list[View] = []
    for where, listing in list_fabrics(context, targets(context)):
        if isinstance(listing, ExpetherError):
            if podm_name(context) is not None or url_option(context) is not None:
                raise listing
            errors.append(
                {"podm": where.podm, "podm_id": where.podm_id, "msg": listing.message, "failure": listing.as_failure()}
            )
            context.warn([f"Pod manager {where.podm} could not be asked: {listing.message}"])
            continue
        found.append(listing)
    return found, errors


def stored_devices(context: Context, only: str | None) -> list[View]:
    """Return the stored devices, without asking any EEM.

    :param only: the UUID of the only pod manager to list, or `None` for all
    """
    registry = context.registry
    podms = {podm.uuid: podm for podm in registry.all(PodManager)}
    if only is not None:
        podms = {uuid: podm for uuid, podm in podms.items() if uuid == only}
    nodes = {(node.podm_id, node.system_id): node.name for node in registry.all(StoredNode)}
    shown = [
        device_view(device, podm.name, nodes.get((podm.uuid, device.node_id or "")), podm.last_sync)
        for device in registry.all(StoredDevice)
        if (podm := podms.get(device.podm_id))
    ]
    return sorted(shown, key=lambda device: (str(device["podm"]).casefold(), device["device_id"]))


def _selected(context: Context, devices: list[View]) -> list[View]:
    """Return the devices that meet all of the task's conditions."""
    params = context.params
    if params["devices"] is not None:
        ids = {parse_card_id(text) or parse_uuid(text) for text in params["devices"]}
        devices = [device for device in devices if device["device_id"] in ids or device["uuid"] in ids]
    for key in ("type", "state"):
        if params[key] is not None:
            devices = [device for device in devices if device[key] in params[key]]
    if params["node"] is not None:
        devices = [device for device in devices if _is_on(device, params["node"])]
    return devices


def _is_name(wanted: str | None) -> bool:
    """Whether it is the name of a node, which only the registry knows."""
    return wanted is not None and parse_card_id(wanted) is None


def _is_on(device: View, wanted: str) -> bool:
    name = device["node"]
    if name is not None and (same_name(name, wanted) or node_uuid(device["podm_id"], name) == parse_uuid(wanted)):
        return True
    return device["node_id"] is not None and device["node_id"] == parse_card_id(wanted)
