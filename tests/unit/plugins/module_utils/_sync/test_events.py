# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events two listings of the same devices make."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_KEYS
from ansible_collections.nec.expether.plugins.module_utils._sync.events import (
    DEVICE_EVENTS,
    Cards,
    Event,
    Source,
    changes_of,
    lost_most,
    seen,
)
from hypothesis import given
from hypothesis import strategies as st

AT = "2026-11-28T08:00:00Z"
FREE = {"state": "free", "node_id": None, "pooled_group_id": "4093", "connected": False}
ON_A = {"state": "allocated", "node_id": "0xa", "pooled_group_id": "17", "connected": True}
ON_B = {"state": "allocated", "node_id": "0xb", "pooled_group_id": "18", "connected": True}
STRANDED = {"state": "stranded", "node_id": None, "pooled_group_id": "17", "connected": False}
SHARED = {"state": "allocated", "node_id": None, "pooled_group_id": "3", "connected": True}
SYSTEM_UNKNOWN = {"node_id": None}
OTHER_GROUP = {"pooled_group_id": "99"}
DOWN, UNKNOWN = {"connected": False}, {"connected": None}
SILENT, QUIET = {"reachable": False}, {"reachable": None}


def device(*values: t.Mapping[str, t.Any], device_id: str = "0x1") -> dict[str, t.Any]:
    found = {**dict.fromkeys(DEVICE_KEYS), "device_id": device_id, "reachable": True}
    for value in values:
        found.update(value)
    return found


def events(*listings: t.Mapping[str, t.Any] | None) -> list[list[str]]:
    """Return what follows the first of several listings of one device; `None` is a listing without it."""
    known: dict[str, t.Any] = {}
    found = []
    for listing in listings:
        now = {} if listing is None else {"0x1": dict(listing)}
        found.append([event.type.removeprefix("device_") for event in changes_of(known, now, AT)])
        known = seen(known, now)
    return found[1:]


@pytest.mark.parametrize(
    ("listings", "expected"),
    [
        ((device(FREE), device(FREE)), [[]]),
        ((None, device(ON_A), None, device(FREE)), [["added"], ["missing"], ["added"]]),
        ((device(FREE), device(ON_A)), [["attached", "connected"]]),
        ((device(FREE), device(ON_A, DOWN), device(ON_A)), [["attached"], ["connected"]]),
        ((device(FREE), device(ON_A, UNKNOWN), device(ON_A)), [["attached"], ["connected"]]),
        ((device(ON_A), device(FREE)), [["detached"]]),
        ((device(ON_A), device(ON_B)), [["detached", "attached", "connected"]]),
        ((device(ON_A), device(ON_A, OTHER_GROUP)), [[]]),
        ((device(ON_A), device(STRANDED), device(ON_A, OTHER_GROUP)), [["detached"], ["attached", "connected"]]),
        ((device(FREE), device(STRANDED), device(FREE)), [["detached"], []]),
        ((device(FREE), device(STRANDED), device(STRANDED, OTHER_GROUP)), [["detached"], []]),
        ((device(FREE), device(SHARED), device(SHARED)), [["attached", "connected"], []]),
        # Of two systems that share a group, only the card knows which one it is connected to.
        ((device(ON_A), device(ON_A, SYSTEM_UNKNOWN, DOWN), device(ON_A)), [["disconnected"], ["connected"]]),
        ((device(ON_A, SYSTEM_UNKNOWN), device(ON_B)), [["detached", "attached", "connected"]]),
        ((device(ON_A), device(ON_A, DOWN), device(ON_A)), [["disconnected"], ["connected"]]),
        ((device(ON_A), device(ON_A, UNKNOWN), device(ON_A)), [[], []]),
        ((device(ON_A), device(ON_A, UNKNOWN), device(ON_A, DOWN)), [[], ["disconnected"]]),
        ((device(ON_A, UNKNOWN), device(ON_A), device(ON_A, DOWN)), [[], ["disconnected"]]),
        ((device(ON_A), device(ON_A, SILENT), device(ON_A)), [["unreachable"], ["reachable"]]),
        ((device(ON_A), device(ON_A, QUIET), device(ON_A, SILENT)), [[], ["unreachable"]]),
        ((device(ON_A, QUIET), device(ON_A)), [[]]),
        ((device(ON_A), device(FREE, SILENT)), [["unreachable", "detached"]]),
        ((device(ON_A), device(ON_A, {"node": "renamed", "model": "x", "updated_at": AT})), [[]]),
    ],
)
def test_events_of_one_device(listings: t.Any, expected: list[list[str]]) -> None:
    assert events(*listings) == expected


def test_an_event_has_the_device_before_and_after() -> None:
    before, after = device(ON_A), device(FREE)
    (detached,) = changes_of(seen({}, {"0x1": before}), {"0x1": after}, AT)
    assert (detached.device, detached.previous) == (after, before)
    (missing,) = changes_of(seen({}, {"0x1": before}), {}, AT)
    assert (missing.device, missing.previous) == ({**before, "missing_since": AT}, before)
    (added,) = changes_of({}, {"0x1": after}, AT)
    assert (added.device, added.previous) == (after, None)


def test_devices_follow_each_other_by_their_ids() -> None:
    before = {name: device(FREE, device_id=name) for name in ("0x3", "0x1")}
    now = {name: device(ON_A, DOWN, device_id=name) for name in ("0x2", "0x3")}
    found = [
        (event.type, event.device and event.device["device_id"]) for event in changes_of(seen({}, before), now, AT)
    ]
    assert found == [("device_missing", "0x1"), ("device_added", "0x2"), ("device_attached", "0x3")]


PLACES = [
    device(place, how, ports) for place in (FREE, ON_A, ON_B, STRANDED) for how in ({}, DOWN) for ports in ({}, SILENT)
]
HISTORIES = st.lists(st.sampled_from([None, *PLACES]), min_size=2, max_size=12)


@given(HISTORIES)
def test_opposite_events_alternate(history: list[t.Any]) -> None:
    """Nothing is attached, missing or silent twice without having been the opposite in between.

    A device that is free is detached once more if it is taken out of the pool and stranded.
    """
    names: list[str] = []
    for before, now, between in zip(history, history[1:], events(*history)):
        is_taken = before and now and (before["state"], now["state"]) == ("free", "stranded")
        assert not is_taken or "detached" in between
        names += [name for name in between if not (is_taken and name == "detached")]
    for one, other in (("missing", "added"), ("detached", "attached"), ("unreachable", "reachable")):
        same = [name for name in names if name in (one, other, "added", "missing")]
        pairs = [pair for pair in zip(same, same[1:]) if pair[0] == pair[1]]
        assert pairs == []


@given(HISTORIES)
def test_the_events_between_two_listings_are_known_and_in_order(history: list[t.Any]) -> None:
    order = [name.removeprefix("device_") for name in DEVICE_EVENTS]
    for names in events(*history):
        assert names == sorted(set(names), key=order.index)


def test_every_event_has_every_key() -> None:
    source = Source("rack1", "u", "http://h/eem")
    views = [event.view(source, AT) for event in (Event("podm_online"), Event("device_added", device(FREE)))]
    assert {*views[0]} == {*views[1]}
    assert views[0]["type"] == "podm_online" and views[0]["url"] == "http://h/eem"


@pytest.mark.parametrize(
    ("before", "now", "lost"),
    [
        (("", ""), ("", ""), None),
        (("", ""), ("a", "s"), None),
        (("a", "s"), ("", "s"), "0 of 1 devices"),
        (("ab", "st"), ("a", "s"), None),
        (("abc", ""), ("a", ""), "1 of 3 devices"),
        (("ab", ""), ("cd", ""), "0 of 2 devices"),
        (("ab", "stu"), ("ab", "s"), "1 of 3 systems"),
        (("abc", "s"), ("a", ""), "1 of 3 devices and 0 of 1 systems"),
    ],
)
def test_a_listing_without_most_devices_or_systems_is_incomplete(
    before: tuple[str, str], now: tuple[str, str], lost: str | None
) -> None:
    reason = lost and f"EEM lists only {lost} that it had; it may have just started."
    assert lost_most(Cards(*before), Cards(*now)) == reason
