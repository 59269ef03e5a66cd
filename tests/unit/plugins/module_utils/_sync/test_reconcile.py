# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How EEM's listing changes the stored devices: nothing is lost, and nothing is written unnecessarily."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views, device_view
from ansible_collections.nec.expether.plugins.module_utils._sync.reconcile import (
    Moment,
    Reconciled,
    digest,
    listing_of,
    no_change_known,
    no_change_offline,
    podm_after_list,
    podm_with_cards_of_others,
    reconcile,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    FREE,
    NONE,
    PODM,
    SILENT,
    Fleet,
    Record,
    eeio,
    eesv,
    fleets,
    node_on,
)
from hypothesis import example, given
from hypothesis import strategies as st

START = datetime(2026, 11, 25, 12, 0, 0, tzinfo=timezone.utc)
WEEK = timedelta(days=7)


def at(hours: float, retention: timedelta | None = WEEK) -> Moment:
    """A synchronisation so many hours after the first; an hour after the one before it."""
    moment, last = START + timedelta(hours=hours), START + timedelta(hours=hours - 1)
    return Moment(moment, last.strftime("%Y-%m-%dT%H:%M:%SZ") if hours else None, retention)


def sync(
    known: t.Sequence[StoredDevice], records: t.Iterable[Record], moment: Moment, nodes: t.Iterable[Node] = ()
) -> Reconciled:
    on_systems = {node.system_id: node for node in nodes}
    return reconcile(known, Fabric.from_records(records), Views(PODM, "lab", {}), on_systems, moment)


def written(known: t.Iterable[StoredDevice], done: Reconciled) -> list[StoredDevice]:
    """What the registry has afterwards."""
    documents = {found.uuid: found for found in known}
    for change in done.changes:
        assert change.kind == "devices"
        assert change.expected == (documents[change.uuid].revision if change.uuid in documents else 0)
        documents.pop(change.uuid, None)
        if change.body is not None:
            documents[change.uuid] = StoredDevice.from_body(change.uuid, (change.expected or 0) + 1, change.body)
    return list(documents.values())


def ids(documents: t.Iterable[StoredDevice], missing: bool) -> set[str]:
    return {found.device_id for found in documents if bool(found.missing_since) is missing}


def eeios(records: t.Iterable[Record]) -> set[str]:
    return {record["id"] for record in records if record["status"] == "eeio"}


def test_what_a_node_left_behind_stays_stranded_until_it_answers() -> None:
    silent, well = (eeio(0, "17", **odd) for odd in (SILENT, {}))
    (known,) = written([], sync([], [silent, eesv(0, "17")], at(0)))
    left = [known._replace(state="stranded", node_id=None, last_node="train-1")]
    assert sync(left, [silent, eesv(0, "17")], at(1)).changes == []
    (again,) = written(left, sync(left, [well, eesv(0, "17")], at(1)))
    assert (again.state, again.node_id) == ("allocated", known.node_id)
    assert again.first_seen_at == known.first_seen_at


@given(fleets(), fleets())
def test_the_registry_has_what_eem_lists_and_keeps_the_rest_as_missing_and_again_there_is_nothing_to_do(
    first: Fleet, second: Fleet
) -> None:
    before = written([], sync([], first.records, at(0)))
    assert ids(before, missing=False) == eeios(first.records)
    done = sync(before, second.records, at(1))
    after = written(before, done)
    assert ids(after, missing=False) == eeios(second.records)
    assert ids(after, missing=True) == eeios(first.records) - eeios(second.records)
    assert done.counts["added"] == len(eeios(second.records) - eeios(first.records))
    assert done.counts["missing"] == len(ids(after, missing=True)) and not done.counts["removed"]
    assert sum(done.counts.values()) == len(after)
    again = sync(after, second.records, at(2))
    assert (again.changes, again.steps) == ([], [])
    assert sum(again.counts.values()) == len(after)


@given(fleets(), fleets())
def test_only_devices_that_differ_are_written(first: Fleet, second: Fleet) -> None:
    before = written([], sync([], first.records, at(0)))
    done = sync(before, second.records, at(1))
    bodies = {found.uuid: found.to_body() for found in before}
    for change in done.changes:
        assert change.body != bodies.get(change.uuid)
    assert len(done.changes) == len(done.steps)


def test_a_missing_device_tells_since_when_and_when_it_was_seen_last() -> None:
    before = written([], sync([], [eeio(1)], at(0)))
    (gone,) = written(before, sync(before, [], at(1)))
    assert gone.missing_since == "2026-11-25T13:00:00Z"
    assert gone.last_seen_at == "2026-11-25T12:00:00Z"
    (later,) = written([gone], sync([gone], [], at(2)))
    assert later == gone


def test_a_device_that_comes_back_has_its_uuid_and_its_history() -> None:
    (before,) = written([], sync([], [eeio(1)], at(0)))
    gone = written([before], sync([before], [], at(1)))
    (back,) = written(gone, sync(gone, [eeio(1)], at(2)))
    assert back == before._replace(revision=back.revision)
    assert back.first_seen_at == "2026-11-25T12:00:00Z"


# Whose a stranded device was


def name_of(device: StoredDevice) -> str | None:
    """What results show as `last_node`."""
    return t.cast("str | None", device_view(device, "lab", None)["last_node"])


WEB1 = node_on(0, "web1")


@pytest.mark.parametrize("system", [[eesv(0, "20")], [eesv(0)], []])
def test_a_device_whose_system_leaves_its_group_shows_the_node_that_had_it(system: list[Record]) -> None:
    before = written([], sync([], [eesv(0, "17"), eeio(1, "17")], at(0), [WEB1]))
    assert [name_of(device) for device in before] == [None]
    stranded = written(before, sync(before, [*system, eeio(1, "17")], at(1), [WEB1]))
    assert [name_of(device) for device in stranded] == ["web1"]
    later = sync(stranded, [*system, eeio(1, "17", model="Box")], at(2))  # the node has been released
    assert [name_of(device) for device in written(stranded, later)] == ["web1"]


def test_a_device_that_is_first_seen_stranded_shows_the_node_whose_group_was_stored() -> None:
    records = [eesv(0, "20"), eeio(1, "17"), eeio(2, "99")]
    nodes = [WEB1._replace(group_id="17"), node_on(2, "web2")._replace(group_id="18")]
    (known, unknown) = written([], sync([], records, at(0), nodes))
    assert (name_of(known), name_of(unknown)) == ("web1", None)


def test_of_two_nodes_that_had_the_group_none_is_shown() -> None:
    nodes = [WEB1._replace(group_id="17"), node_on(2, "web2")._replace(group_id="17")]
    (device,) = written([], sync([], [eeio(1, "17")], at(0), nodes))
    assert name_of(device) is None


GROUPS = st.sampled_from([FREE, "17", "18", "99"])


@example([("18", "17", True, "18"), ("18", "18", False, FREE), ("18", "17", False, FREE)])
@given(st.lists(st.tuples(GROUPS, st.sampled_from(["17", "18", NONE]), st.booleans(), GROUPS), min_size=1, max_size=8))
def test_the_last_node_is_shown_as_long_as_the_device_stays_stranded_in_that_group(
    listings: list[tuple[str, str, bool, str]],
) -> None:
    """Of a device and of one system, which is a node or not, at each synchronisation.

    A system that is no node may have the device in between: it is not a later node, so the name is kept.
    """
    known: list[StoredDevice] = []
    kept: str | None = None
    before = (FREE, NONE)
    for hour, (group, own, is_node, stored_group) in enumerate(listings):
        nodes = [WEB1._replace(group_id=stored_group)] if is_node else []
        known = written(known, sync(known, [eesv(0, own), eeio(1, group)], at(hour), nodes))
        was_attached = before[0] == before[1]
        kept = kept if before[0] == group else None
        if group in (FREE, own):
            kept = None if is_node or group == FREE else kept
            assert [name_of(device) for device in known] == [None]
        else:
            had_it = is_node and before[0] == group and was_attached
            kept = "web1" if had_it else kept or ("web1" if is_node and stored_group == group else None)
            assert [name_of(device) for device in known] == [kept]
        before = (group, own)


@pytest.mark.parametrize(
    ("hours", "retention", "removed"),
    [
        (1 + 7 * 24, WEEK, False),
        (2 + 7 * 24, WEEK, True),
        (2, timedelta(0), True),
        (24 * 365 * 50, None, False),
    ],
)
def test_a_missing_device_is_dropped_when_the_retention_is_over(
    hours: float, retention: timedelta | None, removed: bool
) -> None:
    known = written([], sync([], [eeio(1), eeio(2)], at(0)))
    known = written(known, sync(known, [eeio(2)], at(1)))
    done = sync(known, [eeio(2)], at(hours, retention))
    assert done.counts["removed"] == int(removed) and done.counts["missing"] == int(not removed)
    assert len(written(known, done)) == 2 - removed


def test_without_any_retention_too_a_device_is_not_dropped_by_the_run_that_misses_it_first() -> None:
    known = written([], sync([], [eeio(1)], at(0)))
    done = sync(known, [], at(1, timedelta(0)))
    assert done.counts["missing"] == 1 and not done.counts["removed"]


def test_a_device_that_is_missing_since_a_time_to_come_is_kept_for_the_retention_from_now_on() -> None:
    """A clock that was wrong for a while must keep nothing for years."""
    known = written([], sync([], [eeio(1)], at(0)))
    known = written(known, sync(known, [], at(24 * 365 * 50)))
    seen = known[0].last_seen_at
    done = sync(known, [], at(1))
    (kept,) = written(known, done)
    assert (kept.missing_since, kept.last_seen_at) == ("2026-11-25T13:00:00Z", seen)
    assert done.counts["missing"] == 1 and not done.counts["removed"]
    assert sync([kept], [], at(2)).changes == []
    assert sync([kept], [], at(2 + 7 * 24)).counts["removed"] == 1


def document(number: int) -> StoredDevice:
    return written([], sync([], [eeio(number)], at(0)))[0]


def podm(**values: t.Any) -> PodManager:
    known = {"uuid": PODM, "revision": 1, "name": "lab", "status": "Online", "systems": 4, "free_slots": 64}
    return PodManager(**{**dict.fromkeys(PodManager._fields), **known, **values})


@pytest.mark.parametrize(
    ("systems", "devices", "lost"),
    [
        (4, 4, None),
        (2, 2, None),
        (1, 4, "1 of 4 systems"),
        (0, 4, "0 of 4 systems"),
        (4, 1, "1 of 4 devices"),
        (0, 0, "0 of 4 devices and 0 of 4 systems"),
    ],
)
def test_a_list_that_has_lost_most_devices_or_systems_is_degraded(systems: int, devices: int, lost: str | None) -> None:
    known = [document(number) for number in range(4)]
    records = [eesv(number) for number in range(systems)] + [eeio(number) for number in range(devices)]
    news = podm_after_list(podm(), known, Fabric.from_records(records), at(1))
    assert news.status == ("Degraded" if lost else "Online")
    assert news.last_sync == "2026-11-25T13:00:00Z"
    if lost is None:
        assert (news.last_error, news.degraded_since) == (None, None)
        assert (news.systems, news.free_slots) == (systems, 16 * systems)
    else:
        assert f"EEM lists only {lost} that it had" in news.last_error and "for 7 days" in news.last_error
        assert news.degraded_since == "2026-11-25T13:00:00Z"
        assert (news.systems, news.free_slots) == (4, 64), "what it had is what it is measured by next time"


def test_a_degraded_list_is_believed_when_the_retention_is_over() -> None:
    lab, empty = podm(), Fabric([])
    lab = podm_after_list(lab, [], empty, at(1))
    for hours in (2, 3, 1 + 7 * 24):
        lab = podm_after_list(lab, [], empty, at(hours))
        assert (lab.status, lab.degraded_since) == ("Degraded", "2026-11-25T13:00:00Z")
    lab = podm_after_list(lab, [], empty, at(2 + 7 * 24))
    assert (lab.status, lab.degraded_since, lab.systems) == ("Online", None, 0)
    lab = podm_after_list(lab, [], empty, at(3 + 7 * 24))
    assert lab.status == "Online"


def test_a_list_that_is_degraded_since_a_time_to_come_is_believed_after_the_retention_from_now_on() -> None:
    lab = podm(degraded_since="2099-01-01T00:00:00Z")
    lab = podm_after_list(lab, [], Fabric([]), at(1))
    assert (lab.status, lab.degraded_since) == ("Degraded", "2026-11-25T13:00:00Z")
    lab = podm_after_list(lab, [], Fabric([]), at(2 + 7 * 24))
    assert lab.status == "Online"


def test_a_list_that_is_whole_again_forgets_that_it_was_degraded() -> None:
    lab = podm()
    lab = podm_after_list(lab, [], Fabric([]), at(1))
    lab = podm_after_list(lab, [], Fabric.from_records(eesv(number) for number in range(4)), at(2))
    assert (lab.status, lab.last_error, lab.degraded_since) == ("Online", None, None)


def test_without_a_retention_every_list_is_believed() -> None:
    assert podm_after_list(podm(), [document(1)], Fabric([]), at(1, None)).status == "Online"


def test_what_is_kept_is_counted() -> None:
    known = written([], sync([], [eeio(1), eeio(2), eeio(3)], at(0)))
    known = written(known, sync(known, [eeio(1)], at(1)))
    assert no_change_offline(known).counts == {"added": 0, "updated": 0, "missing": 2, "removed": 0, "unchanged": 1}
    assert no_change_known(5).counts == {"added": 0, "updated": 0, "missing": 0, "removed": 0, "unchanged": 5}
    assert no_change_offline(known).changes == no_change_known(5).changes == []


@given(fleets(), fleets())
def test_lists_have_the_same_digest_only_if_they_say_the_same(first: Fleet, second: Fleet) -> None:
    equal = first.records == second.records
    assert (digest(first.records, "") == digest(second.records, "")) is equal
    assert digest(first.records, "") != digest(first.records, "another list of names")


def test_a_digest_is_of_every_value_also_of_those_that_no_record_has_by_rights() -> None:
    odd = [{"id": "\ud800", "n": 1e400, "deep": [None, {"é": True}]}]
    assert digest(odd, "") != digest([{**odd[0], "deep": [None, {"é": False}]}], "")


def test_the_digest_of_a_list_is_written_against_what_was_read_before() -> None:
    fabric = Fabric.from_records([eesv(1), eesv(2), eeio(1), eeio(2), eeio(3)])
    ids = tuple(fabric.systems)
    assert listing_of(PODM, None, "d", fabric) == StoredListing(PODM, 0, "d", 3, ids)
    assert listing_of(PODM, StoredListing(PODM, 7, "e", 9, ()), None, fabric) == StoredListing(PODM, 7, None, 3, ids)
    assert listing_of(PODM, None, "d", fabric, {ids[0]}).systems == ids[1:]


@given(fleets(), st.data())
def test_cards_of_others_are_as_if_eem_did_not_list_them(fleet: Fleet, data: st.DataObject) -> None:
    devices = sorted(eeios(fleet.records))
    others = set(data.draw(st.lists(st.sampled_from(devices)))) if devices else set()
    fabric, views = Fabric.from_records(fleet.records), Views(PODM, "lab", {})
    done = reconcile([], fabric, views, {}, at(0), others)
    assert ids(written([], done), missing=False) == set(devices) - others
    stored = written([], sync([], fleet.records, at(0)))
    after = written(stored, reconcile(stored, fabric, views, {}, at(1), others))
    assert (ids(after, missing=False), ids(after, missing=True)) == (set(devices) - others, others)


def test_a_pod_manager_with_cards_of_others_is_degraded_and_keeps_its_numbers() -> None:
    old = podm(systems=4, free_slots=9)
    after = old._replace(status="Online", systems=7, free_slots=1)
    assert podm_with_cards_of_others(after, old, {}) == after
    marked = podm_with_cards_of_others(after, old, {"a": ["0x1", "0x2"], "b": ["0x3"]})
    assert (marked.status, marked.systems, marked.free_slots) == ("Degraded", 4, 9)
    assert marked.last_error is not None
    assert "pod manager lab lists cards of other pod managers (of a: 0x1, 0x2; of b: 0x3)." in marked.last_error
