# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds stored records by name, and shows them in results. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotStored
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Named, find_by_name
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View


def podm_view(podm: PodManager) -> View:
    """Return a pod manager as in `podms`, without its password."""
    return {
        "uuid": podm.uuid,
        "driver": "expether",
        "name": podm.name,
        "url": podm.url,
        "username": podm.username,
        "description": podm.description,
        "location": podm.location,
        "connection": podm.connection,
        "status": podm.status,
        "api_version": podm.api_version,
        "last_sync": podm.last_sync,
        "last_error": podm.last_error,
        "systems": podm.systems,
        "free_slots": podm.free_slots,
        "created_at": podm.created_at,
        "updated_at": podm.updated_at,
    }


def flavor_view(flavor: Flavor) -> View:
    """Return a flavor as in `flavors`."""
    return {
        "uuid": flavor.uuid,
        "name": flavor.name,
        "description": flavor.description,
        "properties": flavor.properties,
        "created_at": flavor.created_at,
        "updated_at": flavor.updated_at,
    }


def find_podm(registry: Registry, wanted: str) -> PodManager:
    """Return a registered pod manager by its name or UUID.

    :raises NotStored: it is not registered
    """
    podms = registry.all(PodManager)
    found = find_by_name(podms, wanted)
    if found:
        return found[0]
    others = (
        f". Registered: {_names(podms)}."
        if podms
        else "; no pod managers are registered. Register one with expether_podm."
    )
    raise NotStored(f"Pod manager {wanted!r} is not registered in {registry.path}{others}")


def find_flavor(registry: Registry, wanted: str) -> Flavor:
    """Return a flavor by its name or UUID.

    :raises NotStored: it does not exist
    """
    flavors = registry.all(Flavor)
    found = find_by_name(flavors, wanted)
    if found:
        return found[0]
    others = (
        f". Defined: {_names(flavors)}." if flavors else "; no flavors are defined. Create one with expether_flavor."
    )
    raise NotStored(f"Flavor {wanted!r} does not exist{others}")


def only_node(found: t.Sequence[StoredNode], wanted: str) -> StoredNode | None:
    """Return the only node among those found by a name; `None` if none was found.

    :raises InvalidInput: several pod managers have a node of that name
    """
    if len(found) > 1:
        raise InvalidInput(
            f"Several pod managers have a node {wanted!r}. Set `podm` to one of them, or use the UUID of the node."
        )
    return found[0] if found else None


def _names(things: t.Sequence[Named]) -> str:
    return comma_list(sorted(thing.name for thing in things))
