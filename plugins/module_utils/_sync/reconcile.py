# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings what the registry knows of a pod manager's devices to what its EEM says. Private to the collection."""

from __future__ import annotations

import hashlib
import json
import typing as t
from datetime import datetime, timedelta

from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Change,
    Registry,
    iso_seconds,
    put,
    put_anyway,
    remove,
)
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_VERSION, Views


class Moment(t.NamedTuple):
    """When devices are reconciled, and since when they may have been missing.

    :ivar now: the time, UTC
    :ivar last_sync: when the EEM was asked before, as in documents; `None` if never
    :ivar retention: how long a device is kept that EEM does not list; `None` for ever
    """

    now: datetime
    last_sync: str | None = None
    retention: timedelta | None = None


class Reconciled(t.NamedTuple):
    """What reconciling changes in the registry.

    :ivar changes: of devices, for one transaction
    :ivar steps: each device that changes before and after; `None` for not there
    :ivar counts: `added`, `updated`, `unchanged` of the devices that EEM lists; `missing` and `removed` of those
        that it does not list: kept, and dropped now
    """

    changes: list[Change]
    steps: list[tuple[StoredDevice | None, StoredDevice | None]]
    counts: dict[str, int]


def whole(podm: PodManager, moment: Moment) -> PodManager:
    """Return what a list that has not lost most of its cards makes of a pod manager."""
    return podm._replace(status="Online", last_error=None, last_sync=iso_seconds(moment.now), degraded_since=None)


def facts(podm: PodManager, fabric: Fabric, moment: Moment) -> PodManager:
    """Return the same with what such a list tells beside the devices."""
    systems = fabric.systems.values()
    return whole(podm, moment)._replace(systems=len(systems), free_slots=sum(map(fabric.free_slots, systems)))


def judged(podm: PodManager, known: t.Sequence[StoredDevice], fabric: Fabric, moment: Moment) -> PodManager:
    """Return what a list makes of a pod manager: `Degraded` if it has lost most of its cards.

    That it stays for the retention; then the list is believed.
    """
    now, lost = iso_seconds(moment.now), _lost_most(known, podm.systems, fabric)
    since = min(podm.degraded_since or now, now)  # a clock that was wrong must not make it wait for years
    if lost is None or moment.retention is None or since < iso_seconds(moment.now - moment.retention):
        return facts(podm, fabric, moment)
    error = (
        f"EEM lists only {lost} that it had; it may have just started. What it does not list is kept for"
        f" {moment.retention.total_seconds() / 86400:g} days; forget what is gone for good with expether_device."
    )
    return podm._replace(status="Degraded", last_error=error, last_sync=now, degraded_since=since)


COUNTS = ("added", "updated", "missing", "removed", "unchanged")


def keep(known: t.Sequence[StoredDevice]) -> Reconciled:
    """Return what leaves all devices as they are remembered."""
    missing = sum(found.missing_since is not None for found in known)
    return Reconciled([], [], {**dict.fromkeys(COUNTS, 0), "missing": missing, "unchanged": len(known) - missing})


def same(devices: int) -> Reconciled:
    """Return what leaves so many devices as they are remembered, of which none is missing."""
    return Reconciled([], [], {**dict.fromkeys(COUNTS, 0), "unchanged": devices})


def reconcile(known: t.Iterable[StoredDevice], fabric: Fabric, views: Views, moment: Moment) -> Reconciled:
    """Return what makes the remembered devices of a pod manager those of a snapshot.

    Only what changed is in it. A device that EEM does not list any more is kept for the retention, and dropped by a
    later sync than the one that missed it first: an EEM that has just restarted must not empty the registry.

    :param known: the pod manager's devices as they are remembered
    """
    left = {found.uuid: found for found in known}
    now = iso_seconds(moment.now)
    oldest = None if moment.retention is None else iso_seconds(moment.now - moment.retention)
    result = Reconciled([], [], dict.fromkeys(COUNTS, 0))

    def change(before: StoredDevice | None, after: StoredDevice) -> None:
        result.changes.append(put(after))
        result.steps.append((before, after))

    for card in fabric.devices.values():
        device = views.to_store(fabric, card)
        found = left.pop(device.uuid, None)
        device = seen_again(device, found) if found else device._replace(first_seen_at=now)
        if found is None:
            result.counts["added"] += 1
            change(None, device)
        elif found != device:
            result.counts["updated"] += 1
            change(found, device)
        else:
            result.counts["unchanged"] += 1
    for found in left.values():
        since = found.missing_since
        if since is not None and oldest is not None and since < oldest:
            result.counts["removed"] += 1
            result.changes.append(remove(found))
            result.steps.append((found, None))
            continue
        result.counts["missing"] += 1
        if since is None:
            change(found, found._replace(missing_since=now, last_seen_at=moment.last_sync))
        elif since > now:  # by a clock that was wrong: the retention begins now
            change(found, found._replace(missing_since=now))
    return result


def seen_again(device: StoredDevice, known: StoredDevice) -> StoredDevice:
    """Return a device as EEM lists it now with the history that is stored of it."""
    return device._replace(revision=known.revision, first_seen_at=known.first_seen_at)


def _lost_most(known: t.Iterable[StoredDevice], systems: int | None, fabric: Fabric) -> str | None:
    """Return what a list lacks if it has lost most of the devices or of the systems, as a phrase; else `None`.

    :param known: the pod manager's devices as they are remembered, also those that are missing already
    :param systems: how many systems EEM listed when it was C(Online) last
    """
    devices = {found.device_id for found in known}
    there, before = len(devices & fabric.devices.keys()), systems or 0
    lost = []
    if 2 * there < len(devices):
        lost.append(f"{there} of {len(devices)} devices")
    if 2 * len(fabric.systems) < before:
        lost.append(f"{len(fabric.systems)} of {before} systems")
    return " and ".join(lost) or None


def digest(records: t.Sequence[t.Any], pci_names: str) -> str:
    """Return what tells one list of EEM's from another, with all else that makes what is stored of the devices.

    :param pci_names: what tells one list of PCI names from another
    """
    made_of = [DEVICE_VERSION, StoredDevice._fields, pci_names, records]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def listing_change(podm_id: str, known: StoredListing | None, value: str | None, devices: int = 0) -> Change:
    """Return the change that remembers which list the stored devices of a pod manager were made from.

    It goes into every transaction that changes such devices, so that who has asked EEM before notices it.

    :param known: what is stored so far, which nobody may have changed since
    :param value: the digest, if the devices are just those of that list; else `None`
    :param devices: how many it has
    """
    return put(StoredListing(podm_id, known.revision if known else NEVER, value, devices))


def touched(podm_id: str) -> Change:
    """Return the change that goes with changed devices that come from no whole list."""
    return put_anyway(StoredListing(podm_id, NEVER, None, 0))


def touched_changes(registry: Registry, fabric: Fabric, views: Views, cards: t.Iterable[str]) -> list[Change]:
    """Return the changes that bring the devices among these cards up to date, as far as the registry knows them."""
    changes = []
    for card in cards:
        device = fabric.devices.get(card)
        found = registry.get(StoredDevice, views.uuid_of(card)) if device else None
        if device and found:
            changes.append(put_anyway(seen_again(views.to_store(fabric, device), found)))
    return [*changes, touched(views.podm_id)] if changes else []
