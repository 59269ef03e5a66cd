# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows cards in results, and derives the stored records of devices. Pure. Private to the collection.

Keys are named as in OpenStack Valence, if it has them. A value that EEM did not report is null; no key is ever absent.
"""

from __future__ import annotations

import types
import typing as t
import uuid

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Eeio, Eesv, iso_time
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric, has_own_group
from ansible_collections.nec.expether.plugins.module_utils._model.names import device_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import LastNodes, left
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER

View = dict[str, t.Any]

#: Bump this when `to_store()` derives different values from the same EEM record. It is part of the listing digest, so the
#: next sync rewrites all stored devices even if EEM's answer is unchanged. A new field is noticed without it.
DEVICE_VERSION = 2

#: Vendor id and device id (4 hex digits each) to their names; `None` for unknown ones.
FindPciNames = t.Callable[[str, t.Optional[str]], tuple[t.Optional[str], t.Optional[str]]]


def no_pci_names(_vendor: str, _device: str | None) -> tuple[None, None]:
    """Return no names, for use without a PCI id list."""
    return (None, None)


class Views:
    """Builds the views of cards and nodes of one pod manager.

    :param podm_id: the UUID of the pod manager
    :param podm: its name; `None` if it is used by its URL without being registered
    :param nodes: EESV id to the name of the node on it
    :param last_nodes: of stranded devices, the last nodes that are known
    """

    def __init__(
        self,
        podm_id: str,
        podm: str | None,
        nodes: t.Mapping[str, str],
        pci_names: FindPciNames = no_pci_names,
        last_nodes: LastNodes = types.MappingProxyType({}),
    ) -> None:
        self.podm_id = podm_id
        self.podm = podm
        self._namespace = uuid.UUID(podm_id)
        self._nodes = nodes
        self._pci_names = pci_names
        self._last_nodes = last_nodes

    def uuid_of(self, device_id: str) -> str:
        """Return a device's UUID."""
        return device_uuid(self._namespace, device_id)

    def to_store(self, fabric: Fabric, device: Eeio) -> StoredDevice:
        """Return what is stored of a device that EEM lists, without any history."""
        owner = fabric.owner(device)
        vendor_name, device_name = (
            self._pci_names(device.vendor_id, device.pci_device_id) if device.vendor_id else (None, None)
        )
        record = StoredDevice(
            uuid=self.uuid_of(device.id),
            revision=NEVER,
            device_id=device.id,
            podm_id=self.podm_id,
            type=device.type,
            state=fabric.state(device),
            node_id=owner.id if owner else None,
            last_node=None,
            pooled_group_id=device.group_id,
            mac_address=device.mac_address,
            model=device.model,
            serial_number=device.serial_number,
            card_type=device.card_type,
            vendor_id=device.vendor_id,
            pci_device_id=device.pci_device_id,
            class_code=device.class_code,
            vendor_name=vendor_name,
            device_name=device_name,
            populated=device.populated,
            connected=device.connected,
            ports_up=device.ports_up,
            enabled=device.enabled,
            power_state=device.power_state,
            updated_at=iso_time(device.update_time),
            # A device that EEM is listing now is not missing; its history is added from its stored record.
            first_seen_at=None,
            last_seen_at=None,
            missing_since=None,
        )
        last_node = self._last_nodes.get((device.id, device.group_id))
        return record if last_node is None else left(record, last_node)

    def device(self, fabric: Fabric, device: Eeio) -> View:
        """Return a device as in `devices`."""
        facts = self.to_store(fabric, device)
        return device_view(facts, self.podm, self._nodes.get(facts.node_id) if facts.node_id else None)

    def card(self, fabric: Fabric, card: Eesv | Eeio) -> View:
        """Return a card of either kind with the keys of a device, and with its `kind`."""
        if isinstance(card, Eeio):
            return {**self.device(fabric, card), "kind": "eeio"}
        view = self.system(fabric, card)
        return {
            **dict.fromkeys(DEVICE_KEYS),
            **{key: value for key, value in view.items() if key in DEVICE_KEYS},
            "device_id": card.id,
            "node_id": card.id,
            "type": None,  # the type of a device; for a system, `type` is the generation of its card
            "kind": "eesv",
        }

    def system(self, fabric: Fabric, system: Eesv) -> View:
        """Return a system as in `systems`."""
        return {
            "id": system.id,
            "resource_uri": f"devices/{system.id}",
            "pooled_group_id": system.group_id,
            "type": system.card_type,
            "card_type": system.card_type,
            "model": system.model,
            "mac_address": system.mac_address,
            "serial_number": system.serial_number,
            "power_state": system.power_state,
            "host_model": system.host_model,
            "host_serial_number": system.host_serial_number,
            "description": system.model,
            "ee_version": system.ee_version,
            "updated_at": iso_time(system.update_time),
            "reachable": system.reachable,
            "ports_up": system.ports_up,
            "enabled": system.enabled,
            "max_devices": system.max_devices,
            "free_slots": fabric.free_slots(system),
            "device_ids": [device.id for device in fabric.devices_of(system)] if has_own_group(system) else [],
            "node": self._nodes.get(system.id),
            "podm": self.podm,
            "podm_id": self.podm_id,
        }

    def system_without_node(self, fabric: Fabric, system: Eesv) -> View:
        """Return a system that is not a node with the keys of a node. Those that only a node has are null."""
        view = self.system(fabric, system)
        devices = [self.device(fabric, fabric.devices[device_id]) for device_id in view["device_ids"]]
        return {
            **view,
            "uuid": None,
            "name": None,
            "index": system.id,
            "state": None,
            "listed": True,
            "devices": devices,
            "connected_devices": connected_devices(devices),
        }

    def node(self, fabric: Fabric, node: Node) -> View:
        """Return a node as in `nodes`, with its system.

        If EEM does not list the system, its values are null and `listed` is false.
        """
        system = fabric.systems.get(node.system_id)
        devices = [self.device(fabric, device) for device in fabric.devices_of(system)] if system else []
        view: View = (
            self.system(fabric, system)
            if system
            else {
                **dict.fromkeys(SYSTEM_KEYS),
                "id": node.system_id,
                "resource_uri": f"devices/{node.system_id}",
                "device_ids": [],
                "podm": self.podm,
                "podm_id": self.podm_id,
            }
        )
        return {
            **view,
            "node": node.name,
            "uuid": node.uuid,
            "name": node.name,
            "index": node.system_id,
            "state": node.state,
            "listed": system is not None,
            "devices": devices,
            "connected_devices": connected_devices(devices) if system else None,
        }


def connected_devices(devices: t.Sequence[View]) -> int | None:
    """Return how many of these devices are connected to their system; `None` if none of them reports it."""
    links = [device["connected"] for device in devices if device["connected"] is not None]
    return sum(links) if links or not devices else None


def device_view(device: StoredDevice, podm: str | None, node: str | None, synced_at: str | None = None) -> View:
    """Return a device as in `devices`.

    :param podm: the name of its pod manager; `None` if that is not registered
    :param node: the name of the node that has it
    :param synced_at: when its EEM last listed it, for a stored device
    """
    return {
        "uuid": device.uuid,
        "device_id": device.device_id,
        "podm_id": device.podm_id,
        "podm": podm,
        "type": device.type,
        "state": device.state,
        "node_id": device.node_id,
        "node": node,
        # A device that was left to a system is not stranded; the name is stored for the case that it will be.
        "last_node": device.last_node if device.state == "stranded" else None,
        "pooled_group_id": device.pooled_group_id,
        "resource_uri": f"devices/{device.device_id}",
        "mac_address": device.mac_address,
        "model": device.model,
        "serial_number": device.serial_number,
        "card_type": device.card_type,
        "vendor_id": device.vendor_id,
        "pci_device_id": device.pci_device_id,
        "class_code": device.class_code,
        "vendor_name": device.vendor_name,
        "device_name": device.device_name,
        "populated": device.populated,
        "connected": device.connected,
        "reachable": device.reachable,
        "ports_up": device.ports_up,
        "enabled": device.enabled,
        "power_state": device.power_state,
        "updated_at": device.updated_at,
        "first_seen_at": device.first_seen_at,
        "last_seen_at": device.last_seen_at or synced_at,
        "missing_since": device.missing_since,
        "synced_at": synced_at,
    }


#: The keys of a device, also for cards that are not devices.
DEVICE_KEYS = tuple(device_view(StoredDevice._make([None] * len(StoredDevice._fields)), None, None))

#: The keys of a system, also for systems that EEM does not list.
SYSTEM_KEYS = (
    "id",
    "resource_uri",
    "pooled_group_id",
    "type",
    "card_type",
    "model",
    "mac_address",
    "serial_number",
    "power_state",
    "host_model",
    "host_serial_number",
    "description",
    "ee_version",
    "updated_at",
    "reachable",
    "ports_up",
    "enabled",
    "max_devices",
    "free_slots",
    "device_ids",
    "node",
    "podm",
    "podm_id",
)

#: The keys of a node.
NODE_KEYS = (*SYSTEM_KEYS, "uuid", "name", "index", "state", "listed", "devices", "connected_devices")
