# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stored records as results show them, and how they are found. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Named, find_by_name
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View


def podm_view(podm: PodManager) -> View:
    """Return a pod manager as in `podms`: all but its password."""
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

    :raises NotFound: there is none
    """
    podms = registry.all(PodManager)
    found = find_by_name(podms, wanted)
    if found:
        return found[0]
    raise NotFound(
        f"No pod manager {wanted!r} is registered in {registry.path}; {_there(podms)} expether_podm registers one.",
    )


def find_flavor(registry: Registry, wanted: str) -> Flavor:
    """Return a flavor by its name or UUID.

    :raises NotFound: there is none
    """
    flavors = registry.all(Flavor)
    found = find_by_name(flavors, wanted)
    if found:
        return found[0]
    raise NotFound(f"There is no flavor {wanted!r}; {_there(flavors)} expether_flavor makes one.")


def only_node(found: t.Sequence[StoredNode], wanted: str) -> StoredNode | None:
    """Return the one node that was found by a name, or `None`.

    :raises InvalidInput: several pod managers have a node of that name
    """
    if len(found) > 1:
        raise InvalidInput(
            f"{wanted!r} is a node of several pod managers: say with podm which one is meant, or give its UUID."
        )
    return found[0] if found else None


def _there(things: t.Sequence[Named]) -> str:
    names = comma_list(sorted(thing.name for thing in things))
    return f"there {'are' if len(things) > 1 else 'is'} {names}." if names else "there is none."
