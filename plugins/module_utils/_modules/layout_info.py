# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs expether_layout_info. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import target
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Eeio
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import name_key
from ansible_collections.nec.expether.plugins.module_utils._modules.listings import Listing, list_fabrics
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View


def run(context: Context) -> Result:
    """Return the nodes of a pod manager with their devices as a layout."""
    [(_where, listing)] = list_fabrics(context, [target(context, node=None)])
    if isinstance(listing, ExpetherError):
        raise listing
    nodes = []
    for stored in sorted(listing.nodes, key=lambda node: name_key(node.name)):
        why = _why_left_out(listing, stored.system_id, stored.state)
        if why:
            context.warn([f"Node {stored.name} is not part of the layout: {why}."])
        else:
            nodes.append(_node(listing.fabric, stored))
    return {
        "changed": False,
        "layout": {"nodes": nodes, "purge": True, "release_others": False, "move": False},
    }


def _why_left_out(listing: Listing, system_id: str, state: str) -> str | None:
    """Return why a node cannot be described, or `None`."""
    if state == "composing":
        return "it was left half composed. Compose it again, or release it"
    if system_id not in listing.fabric.systems:
        return f"EEM does not list its system {system_id}"
    return None


def _node(fabric: Fabric, node: StoredNode) -> View:
    """Return an entry of `nodes`: what expether_layout takes for a node as it is."""
    devices = fabric.devices_of(fabric.systems[node.system_id])
    described = [device for device in devices if device.populated]
    counts: dict[tuple[tuple[str, str], ...], int] = {}
    for device in described:
        counts[_kind(device)] = counts.get(_kind(device), 0) + 1
    entries = [{**dict(kind), "count": count} for kind, count in sorted(counts.items())]
    return {
        "name": node.name,
        "node_index": node.system_id,
        **({"properties": {"devices": entries}} if entries else {}),
        # No request is met by what may be an empty slot, so that a purge would detach it.
        **({"purge": False} if len(described) < len(devices) else {}),
    }


def _kind(device: Eeio) -> tuple[tuple[str, str], ...]:
    """Return the keys of `properties.devices` that describe a device: what it is, or else the model of its box."""
    kind: dict[str, t.Any] = {
        "type": device.type,
        "vendor_id": device.vendor_id,
        "pci_device_id": device.pci_device_id,
    }
    if None in kind.values() and device.model and device.model == device.model.strip():
        kind["model"] = device.model
    return tuple((key, value) for key, value in kind.items() if value is not None)
