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
    """Return the last nodes of the stranded devices of a fabric. Stored devices are read only if there are any.

    :param nodes: the nodes of the pod manager, by EESV id
    """
    found = {}
    for device in fabric.devices.values():
        if fabric.state(device) == "stranded":
            stored = registry.get(StoredDevice, device_uuid(uuid.UUID(podm_id), device.id))
            name = _of_stranded(device.group_id, stored, nodes)
            if name is not None:
                found[device.id, device.group_id] = name
    return found


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


def last_node(device: StoredDevice, stored: StoredDevice | None, nodes: t.Mapping[str, Node]) -> str | None:
    """Return the last node to store of a device.

    A device that was left to a system when the node on it was released keeps the node's name, which is shown if the
    device becomes stranded.

    :param device: the device as EEM lists it now
    :param stored: its stored record
    :param nodes: the nodes of its pod manager, by EESV id
    """
    if device.state == "stranded":
        return _of_stranded(device.pooled_group_id, stored, nodes)
    is_left = (
        device.state == "allocated"
        and device.node_id not in nodes
        and stored is not None
        and stored.pooled_group_id == device.pooled_group_id
    )
    return stored.last_node if stored and is_left else None


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
