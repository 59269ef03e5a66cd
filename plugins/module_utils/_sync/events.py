# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares two listings of a pod manager's devices, and describes the differences as events. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._results.cards import View

#: In the order in which the events of one device, and those of one pod manager, follow each other.
DEVICE_EVENTS = (
    "device_added",
    "device_missing",
    "device_unreachable",
    "device_reachable",
    "device_disconnected",
    "device_detached",
    "device_attached",
    "device_connected",
)
PODM_EVENTS = ("podm_offline", "podm_online")


class Seen(t.NamedTuple):
    """A device as it was last listed, with what its card last reported: it may not report everything in each listing.

    :ivar reachable: `None` if it never reported it
    :ivar connected: of the link to its present system; false until the card of a device that was attached reports it
    """

    view: View
    reachable: bool | None
    connected: bool | None


class Cards(t.NamedTuple):
    """The ids of cards, of which an EEM that has just started may list only some."""

    devices: t.Collection[str] = ()
    systems: t.Collection[str] = ()


class Source(t.NamedTuple):
    """The EEM that an event comes from.

    :ivar podm: the name of its pod manager; `None` if it is not registered
    """

    podm: str | None
    podm_id: str
    url: str


class Event(t.NamedTuple):
    """What happened at one EEM. Every event has every key.

    :ivar type: one of `DEVICE_EVENTS` or `PODM_EVENTS`
    :ivar device: the device as it is now; a missing one as it was last listed
    :ivar previous: the device as it was before; `None` for one that was added
    :ivar reason: why an EEM counts as offline
    :ivar failure: the same for programs, as in results of modules
    """

    type: str
    device: View | None = None
    previous: View | None = None
    reason: str | None = None
    failure: View | None = None

    def view(self, source: Source, at: str) -> View:
        """Return the event as rules get it.

        :param at: when it was noticed, in UTC
        """
        return {"type": self.type, "at": at, **source._asdict(), **self._asdict()}


def changes_of(before: t.Mapping[str, Seen], now: t.Mapping[str, View], at: str) -> list[Event]:
    """Return what happened between two listings, device by device, in the order of their ids.

    :param before: the devices as they were seen, by EEM id
    :param now: the devices as results show them, by EEM id
    :param at: when they were listed, in UTC
    """
    events: list[Event] = []
    for device_id in sorted({*before, *now}):
        old, new = before.get(device_id), now.get(device_id)
        if old is None:
            events.append(Event("device_added", new))
        elif new is None:
            gone = {**old.view, "missing_since": old.view["missing_since"] or at}
            events.append(Event("device_missing", gone, old.view))
        else:
            events += [Event(kind, new, old.view) for kind in _changes_of_device(old, new)]
    return events


def _changes_of_device(old: Seen, new: View) -> t.Iterator[str]:
    if None not in (old.reachable, new["reachable"]) and old.reachable != new["reachable"]:
        yield "device_reachable" if new["reachable"] else "device_unreachable"
    was, now = old.view["state"] == "allocated", new["state"] == "allocated"
    if was and now and _is_same_place(old.view, new):
        if None not in (old.connected, new["connected"]) and old.connected != new["connected"]:
            yield "device_connected" if new["connected"] else "device_disconnected"
        return
    # A free device that is put into a group that no system has is not in the pool any more, nor attached.
    if was or (old.view["state"], new["state"]) == ("free", "stranded"):
        yield "device_detached"
    if now:
        yield "device_attached"
        if new["connected"]:
            yield "device_connected"


def _is_same_place(old: View, new: View) -> bool:
    """Return whether an attached device still belongs to the same system.

    If several systems share a group, the system is known only while the card reports a connection; then groups must do.
    """
    if old["node_id"] and new["node_id"]:
        return bool(old["node_id"] == new["node_id"])
    return bool(old["pooled_group_id"] == new["pooled_group_id"])


def seen(before: t.Mapping[str, Seen], now: t.Mapping[str, View]) -> dict[str, Seen]:
    """Return the devices of a listing for the comparison with the next one. The parameters are those of `changes_of`."""
    return {device_id: _seen(before.get(device_id), view) for device_id, view in now.items()}


def _seen(old: Seen | None, new: View) -> Seen:
    reachable, connected = new["reachable"], new["connected"]
    if old is not None and reachable is None:
        reachable = old.reachable
    if old is not None and connected is None:
        is_same = old.view["state"] == new["state"] and _is_same_place(old.view, new)
        connected = old.connected if is_same else False
    return Seen(new, reachable, connected)


def lost_most(before: Cards, now: Cards) -> str | None:
    """Return why a listing counts as incomplete: it lacks more than half of the devices or systems; else `None`.

    Without its system, an attached device would look like a stranded one.

    :param before: what was listed before; `now` what is listed now
    """
    lost = []
    for what, had, has in zip(Cards._fields, before, now):
        still = len({*had} & {*has})
        if 2 * still < len(had):
            lost.append(f"{still} of {len(had)} {what}")
    return f"EEM lists only {' and '.join(lost)} that it had; it may have just started." if lost else None
