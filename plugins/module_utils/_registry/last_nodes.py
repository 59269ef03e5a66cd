# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which node had the group that a device is stranded in, as far as the registry knows. Private to the collection."""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import device_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry

#: Device id and group id to the name of a node. With the group id, a device that has left the group is not found.
LastNodes = t.Mapping[tuple[str, str], str]


def last_nodes(registry: Registry, podm_id: str, fabric: Fabric, nodes: t.Mapping[str, Node]) -> LastNodes:
    """Return the last nodes of the stranded devices of a fabric, and of those that count as stranded (see `left`).

    Stored devices are read only if some device may be one of them.

    :param nodes: the nodes of the pod manager, by EESV id
    """
    found = {}
    for device in fabric.devices.values():
        state = fabric.state(device)
        is_silent = state == "allocated" and device.reachable is False
        if not (state == "stranded" or (is_silent and not _has_node(fabric, device.group_id, nodes))):
            continue
        stored = registry.get(StoredDevice, device_uuid(uuid.UUID(podm_id), device.id))
        if state == "stranded":
            name = _of_stranded(device.group_id, stored, nodes)
        else:
            name = stored.last_node if stored and _counts_as_stranded(stored, device.group_id) else None
        if name is not None:
            found[device.id, device.group_id] = name
    return found


def left(device: StoredDevice, name: str) -> StoredDevice:
    """Return a device that a released node has left in its group, as the registry stores it.

    A device that does not respond cannot be detached: it counts as stranded until it responds, its group changes, or its
    system is a node again.
    """
    if device.state == "allocated" and device.reachable is False:
        device = device._replace(state="stranded", node_id=None)
    return device._replace(last_node=name)


def _has_node(fabric: Fabric, group_id: str, nodes: t.Mapping[str, Node]) -> bool:
    return any(_is_node(system.id, nodes) for system in fabric.systems_in(group_id))


def _is_node(system_id: str | None, nodes: t.Mapping[str, Node]) -> bool:
    """Whether a system is a node; not while it is composed, so that the plan may be made again with the same outcome."""
    node = nodes.get(system_id or "")
    return node is not None and node.state != "composing"


def _counts_as_stranded(stored: StoredDevice, group_id: str | None) -> bool:
    return stored.state == "stranded" and stored.pooled_group_id == group_id


def devices_left(registry: Registry, podm_id: str, fabric: Fabric, released: t.Collection[Node]) -> LastNodes:
    """Return the devices that nodes have when they are released: those that are not detached keep the node's name.

    :param fabric: the cards as EEM lists them; devices that it does not list are those of the registry
    """
    found = {}
    for stored in registry.of_podm(StoredDevice, podm_id) if released else ():
        for node in released:
            in_group = stored.state == "stranded" and stored.pooled_group_id == node.group_id
            if stored.node_id == node.system_id or (in_group and stored.last_node is None):
                found[stored.device_id, stored.pooled_group_id or ""] = node.name
    for node in released:
        system = fabric.systems.get(node.system_id)
        found |= {(device.id, device.group_id): node.name for device in (fabric.devices_of(system) if system else ())}
    return found


def with_last_node(device: StoredDevice, stored: StoredDevice | None, nodes: t.Mapping[str, Node]) -> StoredDevice:
    """Return a device with the last node to store of it.

    A device that was left to a system when the node on it was released keeps the node's name, which is shown if the
    device becomes stranded.

    :param device: the device as EEM lists it now
    :param stored: its stored record
    :param nodes: the nodes of its pod manager, by EESV id
    """
    if device.state == "stranded":
        return device._replace(last_node=_of_stranded(device.pooled_group_id, stored, nodes))
    name = stored.last_node if stored and stored.pooled_group_id == device.pooled_group_id else None
    if stored is None or name is None or device.state != "allocated" or _is_node(device.node_id, nodes):
        return device
    if _counts_as_stranded(stored, device.pooled_group_id):
        return left(device, name)
    return device._replace(last_node=name)


def _of_stranded(group_id: str | None, stored: StoredDevice | None, nodes: t.Mapping[str, Node]) -> str | None:
    """Return the node that had a group, from the stored record of a device in it, or else from the stored nodes."""
    if stored is not None and stored.pooled_group_id == group_id:
        owner = nodes.get(stored.node_id or "")
        if owner is not None:
            return owner.name
        if stored.last_node is not None:
            return stored.last_node
    names = [node.name for node in nodes.values() if node.group_id == group_id]
    return names[0] if len(names) == 1 else None
