# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Updates the stored devices of a pod manager from a listing of its EEM. Private to the collection."""

from __future__ import annotations

import hashlib
import json
import typing as t
from datetime import datetime, timedelta

from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import with_last_node
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Change,
    iso_seconds,
    put,
    remove,
)
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_VERSION, Views
from ansible_collections.nec.expether.plugins.module_utils._sync.updates import with_history

#: The keys of `Reconciled.counts`.
COUNTS = ("added", "updated", "missing", "removed", "unchanged")


class Moment(t.NamedTuple):
    """The time of a listing, and how long missing devices are kept.

    :ivar now: the time, UTC
    :ivar last_sync: when EEM listed its cards before, as in documents; `None` if never
    :ivar retention: how long a device that EEM does not list is kept; `None` means forever
    """

    now: datetime
    last_sync: str | None = None
    retention: timedelta | None = None


class Reconciled(t.NamedTuple):
    """The changes that update the registry from a listing.

    :ivar changes: the changes of device documents, for one transaction
    :ivar steps: each changed device before and after; `None` where it does not exist
    :ivar counts: `added`, `updated` and `unchanged` count the devices that EEM lists, `missing` those that it does not list
        and that are kept, `removed` those that are dropped now
    """

    changes: list[Change]
    steps: list[tuple[StoredDevice | None, StoredDevice | None]]
    counts: dict[str, int]


def online(podm: PodManager, moment: Moment) -> PodManager:
    """Return the pod manager after EEM listed its cards: `Online`, without error."""
    return accepted(podm)._replace(last_sync=iso_seconds(moment.now), degraded_since=None)


def accepted(podm: PodManager) -> PodManager:
    """Return the pod manager after EEM accepted its credentials: `Online`, without error."""
    return podm._replace(status="Online", last_error=None, refused_at=None, refused_credentials=None)


def podm_facts(podm: PodManager, fabric: Fabric, moment: Moment) -> PodManager:
    """Return the pod manager after a complete listing: `Online`, with its numbers of systems and free slots."""
    systems = fabric.systems.values()
    return online(podm, moment)._replace(systems=len(systems), free_slots=sum(map(fabric.free_slots, systems)))


def podm_after_list(podm: PodManager, known: t.Sequence[StoredDevice], fabric: Fabric, moment: Moment) -> PodManager:
    """Return the pod manager after a listing: `Degraded` if the listing lacks more than half of its devices or systems.

    It stays `Degraded` until the retention is over; then the listing counts as complete.
    """
    now, lost = iso_seconds(moment.now), _lost_most(known, podm.systems, fabric)
    since = min(podm.degraded_since or now, now)  # a wrong clock may have stored a time far in the future
    if lost is None or moment.retention is None or since < iso_seconds(moment.now - moment.retention):
        return podm_facts(podm, fabric, moment)
    error = (
        f"EEM lists only {lost} that it had; it may have just started. Devices that it does not list are kept for"
        f" {moment.retention.total_seconds() / 86400:g} days. Forget cards that are gone for good with expether_device."
    )
    return accepted(podm)._replace(status="Degraded", last_error=error, last_sync=now, degraded_since=since)


def podm_with_cards_of_others(podm: PodManager, old: PodManager, others: t.Mapping[str, t.Sequence[str]]) -> PodManager:
    """Return the pod manager after a listing with cards of other pod managers: `Degraded`, with its former numbers.

    :param podm: the pod manager after the listing; `old` before it
    :param others: the cards by the names of their pod managers
    """
    if not others:
        return podm
    whose = "; ".join(f"of {name}: {comma_list(cards, 4)}" for name, cards in others.items())
    error = (
        f"The EEM of pod manager {podm.name} lists cards of other pod managers ({whose}). If it is the same EEM, remove one"
        " of the pod managers with expether_podm. If the cards were moved, synchronise the other pod manager first."
    )
    return podm._replace(status="Degraded", last_error=error, systems=old.systems, free_slots=old.free_slots)


def no_change_offline(known: t.Sequence[StoredDevice]) -> Reconciled:
    """Return no changes, for an EEM that did not list its cards, with the counts of its stored devices."""
    missing = sum(found.missing_since is not None for found in known)
    return Reconciled([], [], {**dict.fromkeys(COUNTS, 0), "missing": missing, "unchanged": len(known) - missing})


def no_change_known(devices: int) -> Reconciled:
    """Return no changes, for a listing that is already stored and has so many devices."""
    return Reconciled([], [], {**dict.fromkeys(COUNTS, 0), "unchanged": devices})


def reconcile(
    known: t.Iterable[StoredDevice],
    fabric: Fabric,
    views: Views,
    nodes: t.Mapping[str, Node],
    moment: Moment,
    others: t.Container[str] = (),
) -> Reconciled:
    """Return the changes that update the stored devices of a pod manager from a listing.

    A device that EEM no longer lists is kept until the retention is over, and never removed by the sync that first misses
    it: an EEM that has just restarted must not empty the registry.

    :param known: the stored devices of the pod manager
    :param nodes: its nodes, by EESV id
    :param others: cards of other pod managers, which are treated as if EEM did not list them
    """
    unlisted = {found.uuid: found for found in known}
    now = iso_seconds(moment.now)
    oldest = None if moment.retention is None else iso_seconds(moment.now - moment.retention)
    result = Reconciled([], [], dict.fromkeys(COUNTS, 0))

    def change(before: StoredDevice | None, after: StoredDevice) -> None:
        result.changes.append(put(after))
        result.steps.append((before, after))

    for card in fabric.devices.values():
        if card.id in others:
            continue
        device = views.to_store(fabric, card)
        found = unlisted.pop(device.uuid, None)
        if found is None:
            result.counts["added"] += 1
            change(None, with_last_node(device, None, nodes)._replace(first_seen_at=now))
            continue
        device = with_history(device, found, nodes)
        if found != device:
            result.counts["updated"] += 1
            change(found, device)
        else:
            result.counts["unchanged"] += 1
    for found in unlisted.values():
        since = found.missing_since
        if since is not None and oldest is not None and since < oldest:
            result.counts["removed"] += 1
            result.changes.append(remove(found))
            result.steps.append((found, None))
            continue
        result.counts["missing"] += 1
        if since is None:
            change(found, found._replace(missing_since=now, last_seen_at=moment.last_sync))
        elif since > now:  # a wrong clock stored it: the retention starts now
            change(found, found._replace(missing_since=now))
    return result


def _lost_most(known: t.Iterable[StoredDevice], systems: int | None, fabric: Fabric) -> str | None:
    """Return how much a listing still has, as a phrase, if it lacks more than half of the devices or systems; else `None`.

    :param known: the stored devices of the pod manager, including missing ones
    :param systems: how many systems EEM listed when it was last `Online`
    """
    devices = {found.device_id for found in known}
    still_listed, before = len(devices & fabric.devices.keys()), systems or 0
    lost = []
    if 2 * still_listed < len(devices):
        lost.append(f"{still_listed} of {len(devices)} devices")
    if 2 * len(fabric.systems) < before:
        lost.append(f"{len(fabric.systems)} of {before} systems")
    return " and ".join(lost) or None


def digest(records: t.Sequence[t.Any], pci_names: str) -> str:
    """Return a digest of EEM's answer and of everything else from which the stored devices are derived.

    :param pci_names: identifies the list of PCI names
    """
    inputs = [DEVICE_VERSION, StoredDevice._fields, pci_names, records]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def listing_of(
    podm_id: str, known: StoredListing | None, value: str | None, fabric: Fabric, others: t.Container[str] = ()
) -> StoredListing:
    """Return which listing the devices of a pod manager come from.

    Every transaction that changes devices includes it, so a run that asked EEM before gets a conflict.

    :param known: the stored document, which must be unchanged
    :param value: the digest if the stored devices are exactly those of the listing, else `None`
    :param others: cards of other pod managers
    """
    systems = tuple(system for system in fabric.systems if system not in others)
    return StoredListing(podm_id, known.revision if known else NEVER, value, len(fabric.devices), systems)
