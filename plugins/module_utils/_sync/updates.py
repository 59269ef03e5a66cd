# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates single stored devices after a change, without a whole listing. Private to the collection.

Separate from `reconcile`, so that modules that change cards do not carry the code of a synchronisation.
"""

from __future__ import annotations

import types
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import LastNodes, left, with_last_node
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, Change, Registry, put_anyway
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views


def device_updates(
    registry: Registry,
    fabric: Fabric,
    views: Views,
    nodes: t.Mapping[str, Node],
    cards: t.Collection[str],
    former: LastNodes = types.MappingProxyType({}),
) -> list[Change]:
    """Return the changes that update the stored devices among these cards from the fabric.

    Others are not added, except for those that a released node has left.

    :param nodes: the nodes of the pod manager after the run, by EESV id
    :param former: further devices with their last nodes, which are stored for those that are still in that group
    """
    changes = []
    for card in dict.fromkeys([*cards, *(device_id for device_id, _group in former)]):
        device = fabric.devices.get(card)
        found = registry.get(StoredDevice, views.uuid_of(card))
        listed = views.to_store(fabric, device) if device else None
        now = listed or found
        name = former.get((card, now.pooled_group_id or "")) if now else None
        if listed and listed.node_id in nodes:
            name = None  # its system is a node again
        if listed and found:
            after = with_history(listed, found, nodes)
            after = left(after, name) if name else after
            if card in cards or after != found:
                changes.append(put_anyway(after))
        elif listed and name and views.podm:
            changes.append(put_anyway(left(listed, name)))
        elif found and name and name != found.last_node:  # EEM does not list it, or was not asked
            changes.append(put_anyway(found._replace(last_node=name)))
    return [*changes, invalidate_listing(registry, views.podm_id, fabric)] if changes else []


def invalidate_listing(registry: Registry, podm_id: str, fabric: Fabric) -> Change:
    """Return the change that must go with every change of stored devices that does not come from a whole listing.

    The next synchronisation then compares all devices again. Until then, the pod manager keeps its systems, except for
    those that the fabric does not have any more.

    :param fabric: the cards that EEM lists now; empty if it was not asked
    """
    known = registry.get(StoredListing, podm_id)
    systems = known.systems if known else None
    if fabric.systems:
        systems = tuple(system for system in systems or fabric.systems if system in fabric.systems)
    return put_anyway(StoredListing(podm_id, NEVER, None, 0, systems))


def with_history(device: StoredDevice, stored: StoredDevice, nodes: t.Mapping[str, Node]) -> StoredDevice:
    """Return a device as EEM lists it now, with the revision and the history of its stored record.

    :param nodes: the nodes of its pod manager, by EESV id
    """
    device = with_last_node(device, stored, nodes)
    return device._replace(revision=stored.revision, first_seen_at=stored.first_seen_at)
