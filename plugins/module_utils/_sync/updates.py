# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates single stored devices after a change, without a whole listing. Private to the collection.

Separate from `reconcile`, so that modules that change cards do not carry the code of a synchronisation.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, Change, Registry, put_anyway
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views


def device_updates(registry: Registry, fabric: Fabric, views: Views, cards: t.Iterable[str]) -> list[Change]:
    """Return the changes that update the stored devices among these cards from the fabric; others are not added."""
    changes = []
    for card in cards:
        device = fabric.devices.get(card)
        found = registry.get(StoredDevice, views.uuid_of(card)) if device else None
        if device and found:
            changes.append(put_anyway(with_history(views.to_store(fabric, device), found)))
    return [*changes, invalidate_listing(views.podm_id, fabric)] if changes else []


def invalidate_listing(podm_id: str, fabric: Fabric) -> Change:
    """Return the change that must go with every change of stored devices that does not come from a whole listing.

    The next synchronisation then compares all devices again.
    """
    return put_anyway(StoredListing(podm_id, NEVER, None, 0, tuple(fabric.systems)))


def with_history(device: StoredDevice, stored: StoredDevice) -> StoredDevice:
    """Return a device as EEM lists it now, with the revision and the history of its stored record."""
    return device._replace(revision=stored.revision, first_seen_at=stored.first_seen_at)
