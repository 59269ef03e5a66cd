# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be written to copy the content of one registry into another. Private to the collection.

Nothing that the other one has is ever overwritten. What is in both must be the same, as far as users set it; what an EEM
reported about it stays as it is, because the next synchronisation updates it. Claims are not copied: they belong to runs
that use the first registry.
"""

from __future__ import annotations

import typing as t
import uuid as uuids

from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    REGISTRATIONS,
    comma_list,
    unregistered_podm_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.bodies import text_of
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.pci_records import StoredNames
from ansible_collections.nec.expether.plugins.module_utils._registry.records import (
    Flavor,
    PodManager,
    RegisteredUrl,
    StoredNode,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    AnyRecord,
    Change,
    Record,
    Registry,
    RegistryError,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.upgrade import RECORD_TYPES

#: The kinds that results count.
COUNTED: tuple[type[Record], ...] = (PodManager, StoredNode, StoredDevice, Flavor)
Counts = dict[str, dict[str, int]]
_READS = 10


class Content:
    """All records of a registry."""

    def __init__(self, records: t.Iterable[Record] = ()) -> None:
        self._records: dict[str, dict[str, Record]] = {record_type.kind(): {} for record_type in RECORD_TYPES}
        for record in records:
            self._records[record.kind()][record.uuid] = record

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and self._records == other._records

    def __hash__(self) -> int:
        raise TypeError("the content of a registry has no hash")

    def of(self, record_type: type[AnyRecord]) -> dict[str, AnyRecord]:
        """Return the records of a type by UUID."""
        return t.cast("dict[str, AnyRecord]", self._records[record_type.kind()])

    def counts(self) -> dict[str, int]:
        """Return how many records there are, by the kinds that results count."""
        return {record_type.kind(): len(self.of(record_type)) for record_type in COUNTED}


def read_once(registry: Registry, record_types: t.Iterable[type[Record]] = RECORD_TYPES) -> Content:
    """Return all records of these types, which other runs may change between two of them.

    :raises RegistryError: a document is damaged
    """
    return Content(record for record_type in record_types for record in registry.all(record_type))


def content_of(registry: Registry) -> Content:
    """Return all records of a registry as they were at one moment.

    :raises RegistryError: a document is damaged, or other runs change the registry all the time
    """
    last = None
    for _dummy in range(_READS):
        now = read_once(registry)
        # Revisions never come back: what is the same in two readings was so all the time from the first to the second.
        if now == last:
            return now
        last = now
    raise RegistryError(
        f"The registry {registry.path} changes all the time. Stop what writes to it, such as the periodic synchronisation,"
        " then run the task again."
    )


def are_one(one: Registry, other: Registry, content: Content, there: Content) -> bool:
    """Return whether two registries are known to be the same one. Its URLs may differ.

    Only if they have the same documents with the same revisions, it takes a lock for a moment, to tell a registry from
    a backup of it.

    :param content: of the first registry
    :param there: of the other one
    """
    if content != there:
        return False
    run = uuids.uuid4().hex
    try:
        place = one.hold(run)
        return place is not None and bool(other.is_held(run, place))
    except RegistryError:  # this user must not write to it
        return False


class Copy(t.NamedTuple):
    """What a copy writes.

    :ivar records: the new records, with the revisions that their documents must have
    :ivar counts: by kind, how many are `added`, and how many of the others are there already and `kept`
    """

    records: list[Record]
    counts: Counts

    @property
    def changes(self) -> list[Change]:
        """The changes of the transaction."""
        return [put(record) for record in self.records]


def copy_of(source: Content, target: Content, same_password: t.Callable[[PodManager, PodManager], bool]) -> Copy:
    """Return what must be written so that the second registry also has what the first one has.

    :param same_password: whether the passwords of two pod managers are the same
    :raises PlanRefused: what is in both is not the same, or it does not fit together
    """
    podms = source.of(PodManager), target.of(PodManager)
    clashes = [*_different(source, target, same_password), *_not_fitting(source, target)]
    if clashes:
        raise PlanRefused(
            f"The registries cannot be merged: {comma_list(clashes)}. Change or remove it in one of them with the modules,"
            " then run the task again."
        )
    new_podms = podms[0].keys() - podms[1].keys()
    records: list[Record] = []
    counts: Counts = {record_type.kind(): {"added": 0, "kept": 0} for record_type in COUNTED}

    def add(record: Record, is_new: bool) -> None:
        known = target.of(type(record)).get(record.uuid)
        if is_new:
            records.append(t.cast(t.Any, record)._replace(revision=known.revision if known else NEVER))
        if record.kind() in counts and (is_new or known):
            counts[record.kind()]["added" if is_new else "kept"] += 1

    for record_type in (PodManager, StoredNode, Flavor, StoredNames):
        for record in source.of(record_type).values():
            add(record, record.uuid not in target.of(record_type))
    # Of a pod manager that is in both, what its EEM listed last is in the target.
    for device in source.of(StoredDevice).values():
        add(device, device.podm_id in new_podms)
    for listing in source.of(StoredListing).values():
        add(listing, listing.uuid in new_podms)
    for uuid, url in source.of(RegisteredUrl).items():
        add(url, url.podm_id in new_podms and uuid != REGISTRATIONS)
    if new_podms:  # a registration by another run meanwhile is a conflict
        there = target.of(RegisteredUrl).get(REGISTRATIONS)
        records.append(RegisteredUrl(REGISTRATIONS, there.revision if there else NEVER, min(new_podms)))
    # A run that has read the nodes of a pod manager before must not choose the systems of those that are added.
    for podm_id in sorted({record.podm_id for record in records if isinstance(record, StoredNode)}):
        claims = target.of(StoredClaims).get(podm_id)
        if claims or podm_id in podms[1]:
            claims = claims or StoredClaims(podm_id)
            records.append(claims._replace(epoch=claims.epoch + 1))
    return Copy(records, counts)


def check_written(
    registry: Registry, records: t.Sequence[Record], revision: int, masked: t.Callable[[t.Any], t.Any]
) -> None:
    """Read back what was written. What other runs have changed meanwhile is not compared.

    :param revision: the one that `commit` returned
    :param masked: what the registry does to texts before it stores them
    :raises RegistryError: it is not as it was written
    """
    found = read_once(registry, {type(record): None for record in records})
    for record in records:
        stored = found.of(type(record)).get(record.uuid)
        if stored is None or (stored.revision == revision and not _are_equal(stored, record, masked)):
            raise RegistryError(
                f"The registry {registry.path} does not contain {record.kind()}/{record.uuid} as it was written. Do not use"
                " it: remove what it contains, then run the task again."
            )


def _are_equal(stored: Record, record: Record, masked: t.Callable[[t.Any], t.Any]) -> bool:
    one, other = stored.to_body(), record.to_body()
    # Masking thousands of documents takes long, and changes only those in which an EEM repeats a password.
    return text_of(one) == text_of(other) or text_of(masked(one)) == text_of(masked(other))


def _different(
    source: Content, target: Content, same_password: t.Callable[[PodManager, PodManager], bool]
) -> t.Iterator[str]:
    """Give what is in both and not the same, as far as users set it."""
    for podm, other in _in_both(source, target, PodManager):
        keys = ("url", "username", "connection", "description", "location")
        found = [key for key in keys if getattr(podm, key) != getattr(other, key)]
        if not same_password(podm, other):
            found.append("password")
        if found:
            yield f"pod manager {podm.name} has another {comma_list(found)} there"
    for node, there in _in_both(source, target, StoredNode):
        if node.system_id != there.system_id:
            yield f"node {node.name} is {node.system_id} here and {there.system_id} there"
        elif node.state != there.state:
            yield f"node {node.name} is {node.state} here and {there.state} there"
    for flavor, known in _in_both(source, target, Flavor):
        if (flavor.properties, flavor.description) != (known.properties, known.description):
            yield f"flavor {flavor.name} has other properties or another description there"


def _in_both(source: Content, target: Content, record_type: type[AnyRecord]) -> t.Iterator[tuple[AnyRecord, AnyRecord]]:
    there = target.of(record_type)
    return ((record, there[uuid]) for uuid, record in source.of(record_type).items() if uuid in there)


def _not_fitting(source: Content, target: Content) -> t.Iterator[str]:
    """Give what is in one of them and cannot be in a registry with what is in the other."""
    known, cards = target.of(PodManager), _cards(source)
    urls = {podm.url: podm for podm in known.values()}
    owners = {card: known[podm_id] for podm_id, found in _cards(target).items() if podm_id in known for card in found}
    for podm in source.of(PodManager).values():
        other = urls.get(podm.url)
        if other is not None and other.uuid != podm.uuid:
            yield f"pod manager {podm.name} has the URL of pod manager {other.name} there"
            continue
        shared = sorted(card for card in cards.get(podm.uuid, ()) if owners.get(card, podm).uuid != podm.uuid)
        if shared:
            yield (
                f"pod manager {podm.name} has cards of pod manager {owners[shared[0]].name} there ({comma_list(shared, 4)})"
            )
    nodes = target.of(StoredNode)
    on_systems = {(node.podm_id, node.system_id): node for node in nodes.values()}
    for node in source.of(StoredNode).values():
        there = on_systems.get((node.podm_id, node.system_id))
        if there is not None and there.uuid != node.uuid:
            yield f"node {node.name} is on the system of node {there.name} there ({node.system_id})"
    for one, other_one in ((source, target), (target, source)):
        at_urls = {unregistered_podm_uuid(podm.url): podm.name for podm in one.of(PodManager).values()}
        for node in other_one.of(StoredNode).values():
            if node.podm_id in at_urls:
                yield (
                    f"node {node.name} was created with the URL of pod manager {at_urls[node.podm_id]}, which its registry does"
                    " not have (register it there)"
                )


def _cards(content: Content) -> dict[str, set[str]]:
    """Return the ids of the cards of each pod manager by its UUID."""
    found: dict[str, set[str]] = {}
    for listing in content.of(StoredListing).values():
        found.setdefault(listing.uuid, set()).update(listing.systems or ())
    for node in content.of(StoredNode).values():
        found.setdefault(node.podm_id, set()).add(node.system_id)
    for device in content.of(StoredDevice).values():
        if device.missing_since is None:
            found.setdefault(device.podm_id, set()).add(device.device_id)
    return found
