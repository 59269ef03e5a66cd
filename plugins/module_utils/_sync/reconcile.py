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
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Body,
    Change,
    Document,
    Registry,
    iso_seconds,
)
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_KEYS, DEVICE_VERSION, Views
from ansible_collections.nec.expether.plugins.module_utils._results.documents import device_body


class Moment(t.NamedTuple):
    """When devices are reconciled, and since when they may have been missing.

    :ivar now: the time, UTC
    :ivar last_sync: when the EEM was asked before, as in documents; C(None) if never
    :ivar retention: how long a device is kept that EEM does not list; C(None) for ever
    """

    now: datetime
    last_sync: str | None = None
    retention: timedelta | None = None


class Reconciled(t.NamedTuple):
    """What reconciling changes in the registry.

    :ivar changes: of devices, for one transaction
    :ivar steps: of each device that changes its EEM id and its document before and after; C(None) for not there
    :ivar counts: C(added), C(updated), C(unchanged) of the devices that EEM lists; C(missing) and C(removed) of those
        that it does not list: kept, and dropped now
    """

    changes: list[Change]
    steps: list[tuple[str, Body | None, Body | None]]
    counts: dict[str, int]


def whole(moment: Moment) -> Body:
    """Return what a list that has not lost most of its cards makes of a pod manager's document."""
    return {"status": "Online", "last_error": None, "last_sync": iso_seconds(moment.now), "degraded_since": None}


def facts(fabric: Fabric, moment: Moment) -> Body:
    """Return the same with what such a list tells beside the devices."""
    systems = fabric.systems.values()
    return {**whole(moment), "systems": len(systems), "free_slots": sum(map(fabric.free_slots, systems))}


def judged(podm: Body, known: t.Sequence[Document], fabric: Fabric, moment: Moment) -> Body:
    """Return what a list makes of a pod manager's document: C(Degraded) if it has lost most of its cards.

    That it stays for the retention; then the list is believed.
    """
    now, lost = iso_seconds(moment.now), _lost_most(known, podm.get("systems"), fabric)
    since = min(podm.get("degraded_since") or now, now)  # a clock that was wrong must not make it wait for years
    if lost is None or moment.retention is None or since < iso_seconds(moment.now - moment.retention):
        return facts(fabric, moment)
    error = (
        f"EEM lists only {lost} that it had; it may have just started. What it does not list is kept for"
        f" {moment.retention.total_seconds() / 86400:g} days; forget what is gone for good with expether_device."
    )
    return {"status": "Degraded", "last_error": error, "last_sync": now, "degraded_since": since}


COUNTS = ("added", "updated", "missing", "removed", "unchanged")


def keep(known: t.Sequence[Document]) -> Reconciled:
    """Return what leaves all devices as they are remembered."""
    missing = sum(found.body["missing_since"] is not None for found in known)
    return Reconciled([], [], {**dict.fromkeys(COUNTS, 0), "missing": missing, "unchanged": len(known) - missing})


def same(devices: int) -> Reconciled:
    """Return what leaves so many devices as they are remembered, of which none is missing."""
    return Reconciled([], [], {**dict.fromkeys(COUNTS, 0), "unchanged": devices})


def reconcile(known: t.Iterable[Document], fabric: Fabric, views: Views, moment: Moment) -> Reconciled:
    """Return what makes the remembered devices of a pod manager those of a snapshot.

    Only what changed is in it. A device that EEM does not list any more is kept for the retention, and dropped by a
    later sync than the one that missed it first: an EEM that has just restarted must not empty the registry.

    :param known: the pod manager's devices as they are remembered
    """
    left = {found.uuid: found for found in known}
    now = iso_seconds(moment.now)
    oldest = None if moment.retention is None else iso_seconds(moment.now - moment.retention)
    result = Reconciled([], [], dict.fromkeys(COUNTS, 0))

    def change(found: Document | None, uuid: str, before: Body | None, after: Body | None) -> None:
        result.changes.append(Change("devices", uuid, after, found.revision if found else NEVER))
        result.steps.append(((after or before or {})["device_id"], before, after))

    for device in fabric.devices.values():
        view = views.device(fabric, device)
        found = left.pop(view["uuid"], None)
        body = device_body(view, found.body if found else None, now)
        if found is None:
            result.counts["added"] += 1
            change(None, view["uuid"], None, body)
        elif found.body != body:
            result.counts["updated"] += 1
            change(found, found.uuid, found.body, body)
        else:
            result.counts["unchanged"] += 1
    for found in left.values():
        since = found.body["missing_since"]
        if since is not None and oldest is not None and since < oldest:
            result.counts["removed"] += 1
            change(found, found.uuid, found.body, None)
            continue
        result.counts["missing"] += 1
        if since is None:
            seen = {"missing_since": now, "last_seen_at": moment.last_sync}
            change(found, found.uuid, found.body, {**found.body, **seen})
        elif since > now:  # by a clock that was wrong: the retention begins now
            change(found, found.uuid, found.body, {**found.body, "missing_since": now})
    return result


def _lost_most(known: t.Iterable[Document], systems: int | None, fabric: Fabric) -> str | None:
    """Return what a list lacks if it has lost most of the devices or of the systems, as a phrase; else C(None).

    :param known: the pod manager's devices as they are remembered, also those that are missing already
    :param systems: how many systems EEM listed when it was C(Online) last
    """
    devices = {found.body["device_id"] for found in known}
    there, before = len(devices & fabric.devices.keys()), systems or 0
    lost = []
    if 2 * there < len(devices):
        lost.append(f"{there} of {len(devices)} devices")
    if 2 * len(fabric.systems) < before:
        lost.append(f"{len(fabric.systems)} of {before} systems")
    return " and ".join(lost) or None


def digest(records: t.Sequence[t.Any], pci_names: str) -> str:
    """Return what tells one list of EEM's from another, with all else that makes the devices' documents.

    :param pci_names: what tells one list of PCI names from another
    """
    return hashlib.sha256(json.dumps([DEVICE_VERSION, DEVICE_KEYS, pci_names, records]).encode()).hexdigest()


def listing_change(podm_id: str, known: Document | None, value: str | None, unchanged: int = 0) -> Change:
    """Return the change that remembers which list the devices' documents of a pod manager were made from.

    It goes into every transaction that changes such documents, so that who has asked EEM before notices it.

    :param known: the document so far, which nobody may have changed since
    :param value: the digest, if the documents are just those of that list; else C(None)
    :param unchanged: how many devices it has
    """
    return Change("listings", podm_id, {"digest": value, "devices": unchanged}, known.revision if known else NEVER)


def touched(podm_id: str) -> Change:
    """Return the change that goes with changed documents of devices that come from no whole list."""
    return Change("listings", podm_id, {"digest": None, "devices": 0}, None)


def touched_changes(registry: Registry, fabric: Fabric, views: Views, cards: t.Iterable[str]) -> list[Change]:
    """Return the changes that bring the devices among these cards up to date, as far as the registry knows them."""
    changes = []
    for card in cards:
        device = fabric.devices.get(card)
        found = registry.get("devices", views.uuid_of(card)) if device else None
        if device and found:
            body = device_body(views.device(fabric, device), found.body)
            changes.append(Change("devices", found.uuid, body, None))
    return [*changes, touched(views.podm_id)] if changes else []
