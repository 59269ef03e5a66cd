# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_sync does. Private to the collection."""

from __future__ import annotations

import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import connection, remembered
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import Interrupted, stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.parallel import side_by_side
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
)
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, Registry, RegistryConflict, put
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, Views, device_view
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm
from ansible_collections.nec.expether.plugins.module_utils._sync.reconcile import (
    Moment,
    digest,
    judged,
    keep,
    listing_change,
    reconcile,
    same,
    whole,
)

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._sync.textfile import Textfile

MAX_FORKS = 64
BRIEF = ("type", "state", "node_id", "model")
TRIES = 5  # of one pod manager, when the registry is written by others meanwhile
MAX_RETENTION = 36500.0  # days


class Known(t.NamedTuple):
    """What the registry knows of a pod manager.

    It is read before its EEM is asked, so that whatever is written to the registry after EEM has answered is
    noticed as a conflict. Its devices may be read later: `listing` changes with them.

    :ivar nodes: the names of its nodes by EESV id
    """

    podm: PodManager
    listing: StoredListing | None
    nodes: dict[str, str]


class Answer(t.NamedTuple):
    """What an EEM has.

    :ivar fabric: `None` if it is what the registry remembers already
    """

    digest: str
    fabric: Fabric | None


class Row(t.NamedTuple):
    """What came of one pod manager.

    :ivar result: its part of the result
    :ivar changed: whether its status or a device changed
    :ivar before: what a diff shows of it before, `after` of it afterwards
    :ivar waited: what was waited for, as sentences
    """

    result: View
    changed: bool
    before: View
    after: View
    waited: list[str]


def run(context: Context) -> Result:
    """Bring the registry to what the EEMs say."""
    params, started = context.params, time.monotonic()
    if not 1 <= params["forks"] <= MAX_FORKS:
        raise InvalidInput(f"forks must be from 1 to {MAX_FORKS}, not {params['forks']}.")
    if not 0 <= params["retention"] <= MAX_RETENTION:
        raise InvalidInput(f"retention must be from 0 to {MAX_RETENTION:g} days, not {params['retention']:g}.")
    textfile = _textfile(params["textfile_dir"])
    registry = context.registry
    podms = _wanted(registry, params["podms"])
    if not podms:
        nothing = f"No pod manager is registered in {registry.path}."
        context.warn([nothing if params["podms"] is None else "`podms` is an empty list: no pod manager was synchronised."])
    sync = _Sync(context, _read(registry, podms))
    answered = side_by_side(podms, sync.one, params["forks"])
    answers = [answer for _podm, answer in answered]
    rows = [answer for answer in answers if not isinstance(answer, ExpetherError)]
    changed = [row for row in rows if row.changed]
    context.warn(sentence for row in rows for sentence in row.waited)
    results = [row.result for row in rows]
    try:
        _stop_if_interrupted(answered)
        for answer in answers:
            if isinstance(answer, ExpetherError):  # the registry itself failed
                raise answer
        if textfile and not context.check_mode:
            textfile.write(registry, results, time.monotonic() - started)
    except ExpetherError as error:
        error.changed = bool(changed) and not context.check_mode
        raise
    return {
        "changed": bool(changed),
        "podms": results,
        "diff": {
            "before": {row.result["name"]: row.before for row in changed},
            "after": {row.result["name"]: row.after for row in changed},
        },
    }


def _stop_if_interrupted(answered: t.Sequence[tuple[PodManager, Row | ExpetherError]]) -> None:
    """Say which pod managers a run synchronised before a signal ended it.

    :raises Interrupted: it did not synchronise all
    """
    interrupted = [answer for _podm, answer in answered if isinstance(answer, Interrupted)]
    if interrupted:
        done = [podm.name for podm, answer in answered if not isinstance(answer, Interrupted)]
        left = [podm.name for podm, answer in answered if isinstance(answer, Interrupted)]
        raise Interrupted(
            f"{interrupted[0].message} Not synchronised: {comma_list(left)}."
            + (f" Synchronised before: {comma_list(done)}." if done else "")
        )


def _textfile(folder: str | None) -> Textfile | None:
    if not folder:
        return None
    # Imported here: only who wants the file pays for prometheus_client.
    from ansible_collections.nec.expether.plugins.module_utils._sync.textfile import Textfile

    return Textfile(folder)


def _wanted(registry: Registry, names: t.Sequence[str] | None) -> list[PodManager]:
    """Return the pod managers that the task means, each once, in the order of their names.

    :raises NotFound: one of them is not registered
    """
    found = registry.all(PodManager) if names is None else [find_podm(registry, name) for name in names]
    unique = {podm.uuid: podm for podm in found}
    return sorted(unique.values(), key=lambda podm: podm.name.casefold())


def _read(registry: Registry, podms: t.Sequence[PodManager]) -> dict[str, Known]:
    known = {podm.uuid: Known(podm, registry.get(StoredListing, podm.uuid), {}) for podm in podms}
    for node in registry.all(StoredNode) if known else ():
        if node.podm_id in known:
            known[node.podm_id].nodes[node.system_id] = node.name
    return known


class _Sync:
    """One run: asks EEMs at once, and reads and writes the registry one after the other."""

    def __init__(self, context: Context, known: dict[str, Known]) -> None:
        self._context = context
        self._known = known
        self._lock = threading.Lock()
        self._names = context.pci_names
        self._names_version = self._names.version
        self._devices: dict[str, list[StoredDevice]] | None = None
        self._retention = timedelta(days=context.params["retention"])
        # What is given as an option holds for all; passwords are decrypted here, before any thread starts.
        self._settings = {uuid: self._reach(found.podm) for uuid, found in known.items()}

    def _reach(self, podm: PodManager) -> Settings | ExpetherError:
        """Return how to reach an EEM, or why that cannot be known, which must not hinder the others."""
        try:
            settings = remembered(self._context, podm)
            return settings._replace(**connection(self._context, podm.connection))
        except MissingLibrary:
            raise
        except ExpetherError as error:
            return error

    def _devices_of(self, podm: PodManager) -> list[StoredDevice]:
        """Return the devices of a pod manager as they are remembered."""
        if self._devices is None:
            self._devices = {}
            for device in self._context.registry.all(StoredDevice):
                self._devices.setdefault(device.podm_id, []).append(device)
        return self._devices.get(podm.uuid, [])

    def one(self, podm: PodManager) -> Row:
        """Ask one EEM, and write what it says; ask it again if somebody else has written the same meanwhile.

        :raises RegistryError: the registry cannot be used
        """
        started = time.monotonic()
        waited: list[str] = []

        def attempt() -> Row:
            known = self._known[podm.uuid]
            answer = self._ask(known, waited)
            with self._lock:
                stop_if_interrupted()
                row, changes = self._written(known, answer, waited, started)
                if self._context.check_mode:
                    return row
                registry = self._context.registry
                try:
                    registry.commit(changes)
                    return row
                except RegistryConflict:
                    self._devices = None
                    now = registry.get(PodManager, podm.uuid)
                    if now is None:
                        return self._unwritten(podm, waited, started, "It was removed while it was synchronised.")
                    self._known[podm.uuid] = _read(registry, [now])[podm.uuid]
                    self._settings[podm.uuid] = self._reach(now)
                    raise

        try:
            return until_written(attempt, TRIES)
        except RegistryConflict as conflict:
            with self._lock:
                return self._unwritten(self._known[podm.uuid].podm, waited, started, conflict.message)

    def _ask(self, known: Known, waited: list[str]) -> Answer | ExpetherError:
        """Return what an EEM has, or why it cannot be told."""
        settings = self._settings[known.podm.uuid]
        if isinstance(settings, ExpetherError):
            return settings
        with Client(settings) as client:
            try:
                records = client.devices_detail()
                value = digest(records, self._names_version)
                is_known = known.listing is not None and known.listing.digest == value
                return Answer(value, None if is_known else Fabric.from_records(records))
            except MissingLibrary:
                raise
            except ExpetherError as error:
                return error
            finally:
                waited += client.waited

    def _written(
        self, known: Known, answer: Answer | ExpetherError, waited: list[str], started: float
    ) -> tuple[Row, list[Change]]:
        """Return what one EEM's answer, or its failure, makes of the registry."""
        old = known.podm
        moment = Moment(datetime.now(timezone.utc), old.last_sync, self._retention)
        if isinstance(answer, ExpetherError):
            done = keep(self._devices_of(old))
            podm = old._replace(status="Offline", last_error=answer.message)
        elif answer.fabric is None:
            done = same(t.cast(StoredListing, known.listing).devices)
            podm = whole(old, moment)
        else:
            devices = self._devices_of(old)
            done = reconcile(devices, answer.fabric, Views(old.uuid, old.name, known.nodes, self._names), moment)
            podm = judged(old, devices, answer.fabric, moment)
        changes = [*done.changes]
        if isinstance(answer, Answer) and answer.fabric is not None:
            # Missing devices must be looked at again next time, also if EEM says the same.
            all_there = podm.status == "Online" and not done.counts["missing"]
            value = answer.digest if all_there else None
            if changes or known.listing is None or known.listing.digest != value:
                changes.append(listing_change(old.uuid, known.listing, value, len(answer.fabric.devices)))
            changes += self._names.changes()
        if podm != old:
            changes.append(put(podm))
        shown = [_differences(before, after) for before, after in done.steps]
        row = Row(
            _result(old, podm.status, done.counts, started, podm.last_error),
            bool(done.steps) or podm.status != old.status,
            {"status": old.status, "devices": {device: before for device, before, _after in shown}},
            {"status": podm.status, "devices": {device: after for device, _before, after in shown}},
            waited,
        )
        return row, changes

    def _unwritten(self, podm: PodManager, waited: list[str], started: float, error: str) -> Row:
        """Return what came of a pod manager when nothing could be written."""
        counts = keep(self._devices_of(podm)).counts
        return Row(_result(podm, podm.status, counts, started, error), False, {}, {}, waited)


def _result(
    podm: PodManager, status: str, counts: t.Mapping[str, int], started: float, error: str | None
) -> View:
    """Return a pod manager's part of the result."""
    return {
        "uuid": podm.uuid,
        "name": podm.name,
        "url": podm.url,
        "status": status,
        **counts,
        "seconds": round(time.monotonic() - started, 3),
        "error": error,
    }


def _differences(before: StoredDevice | None, after: StoredDevice | None) -> tuple[str, View | None, View | None]:
    """Return which device it is, and what a diff shows of it: what differs, or what one is that comes or goes."""
    old, new = (device and device_view(device, None, None) for device in (before, after))
    shown = old or new or {}
    keys = [key for key in shown if old[key] != new[key]] if old and new else BRIEF
    return shown["device_id"], old and {key: old[key] for key in keys}, new and {key: new[key] for key in keys}
