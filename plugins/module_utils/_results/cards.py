# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cards as results show them. Pure. Private to the collection.

Keys are named as in OpenStack Valence, if it has them. A value that EEM did not report is null; no key is ever absent.
"""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Eeio, Eesv, iso_time
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric, has_own_group
from ansible_collections.nec.expether.plugins.module_utils._model.names import device_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node

View = dict[str, t.Any]

#: Bump this when `device()` derives different values from the same EEM record. It is part of the listing digest, so the
#: next sync rewrites all stored devices even if EEM's answer is unchanged.
DEVICE_VERSION = 1

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
    """

    def __init__(
        self, podm_id: str, podm: str | None, nodes: t.Mapping[str, str], pci_names: FindPciNames = no_pci_names
    ) -> None:
        self.podm_id = podm_id
        self.podm = podm
        self._namespace = uuid.UUID(podm_id)
        self._nodes = nodes
        self._pci_names = pci_names

    def uuid_of(self, device_id: str) -> str:
        """Return a device's UUID."""
        return device_uuid(self._namespace, device_id)

    def device(self, fabric: Fabric, device: Eeio) -> View:
        """Return a device as in `devices`."""
        owner = fabric.owner(device)
        vendor_name, device_name = (
            self._pci_names(device.vendor_id, device.pci_device_id) if device.vendor_id else (None, None)
        )
        return {
            "uuid": self.uuid_of(device.id),
            "device_id": device.id,
            "podm_id": self.podm_id,
            "podm": self.podm,
            "type": device.type,
            "state": fabric.state(device),
            "node_id": owner.id if owner else None,
            "node": self._nodes.get(owner.id) if owner else None,
            "pooled_group_id": device.group_id,
            "resource_uri": f"devices/{device.id}",
            "mac_address": device.mac_address,
            "model": device.model,
            "serial_number": device.serial_number,
            "card_type": device.card_type,
            "vendor_id": device.vendor_id,
            "pci_device_id": device.pci_device_id,
            "class_code": device.class_code,
            "vendor_name": vendor_name,
            "device_name": device_name,
            "reachable": device.reachable,
            "ports_up": device.ports_up,
            "enabled": device.enabled,
            "power_state": device.power_state,
            "updated_at": iso_time(device.update_time),
            # Only for devices from the registry: those that EEM has just listed are neither old nor missing.
            "first_seen_at": None,
            "last_seen_at": None,
            "missing_since": None,
            "synced_at": None,
        }

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

    def node(self, fabric: Fabric, node: Node) -> View:
        """Return a node as in `nodes`, with its system.

        If EEM does not list the system, its values are null and `listed` is false.
        """
        system = fabric.systems.get(node.system_id)
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
            "devices": [self.device(fabric, device) for device in fabric.devices_of(system)] if system else [],
        }


#: The keys of a device, also for cards that are not devices.
DEVICE_KEYS = (
    "uuid",
    "device_id",
    "podm_id",
    "podm",
    "type",
    "state",
    "node_id",
    "node",
    "pooled_group_id",
    "resource_uri",
    "mac_address",
    "model",
    "serial_number",
    "card_type",
    "vendor_id",
    "pci_device_id",
    "class_code",
    "vendor_name",
    "device_name",
    "reachable",
    "ports_up",
    "enabled",
    "power_state",
    "updated_at",
    "first_seen_at",
    "last_seen_at",
    "missing_since",
    "synced_at",
)

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
