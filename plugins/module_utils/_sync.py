# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings what the registry knows of a pod manager's devices to what its EEM says. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._documents import device_body
from ansible_collections.nec.expether.plugins.module_utils._fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._registry import NEVER, Change, Registry, now_iso
from ansible_collections.nec.expether.plugins.module_utils._views import Views


def device_changes(registry: Registry, fabric: Fabric, views: Views) -> list[Change]:
    """Return the changes of the registry that make its devices of a pod manager those of a snapshot.

    Only what changed is in it. A device that EEM does not list any more is kept, with the time since when.
    """
    known = {found.uuid: found for found in registry.all("devices") if found.body["podm_id"] == views.podm_id}
    changes = []
    for device in fabric.devices.values():
        view = views.device(fabric, device)
        found = known.pop(view["uuid"], None)
        body = device_body(view)
        if found is None or found.body != body:
            changes.append(Change("devices", view["uuid"], body, found.revision if found else NEVER))
    for found in known.values():
        if found.body["missing_since"] is None:
            changes.append(Change("devices", found.uuid, {**found.body, "missing_since": now_iso()}, found.revision))
    return changes


def touched_changes(registry: Registry, fabric: Fabric, views: Views, cards: t.Iterable[str]) -> list[Change]:
    """Return the changes that bring the devices among these cards up to date, as far as the registry knows them."""
    changes = []
    for card in cards:
        device = fabric.devices.get(card)
        found = registry.get("devices", views.uuid_of(card)) if device else None
        if device and found:
            changes.append(Change("devices", found.uuid, device_body(views.device(fabric, device)), None))
    return changes
