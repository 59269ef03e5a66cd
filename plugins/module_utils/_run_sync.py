# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_sync does. Private to the collection."""

from __future__ import annotations

import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.nec.expether.plugins.module_utils._client import Client, Settings
from ansible_collections.nec.expether.plugins.module_utils._documents import find_podm
from ansible_collections.nec.expether.plugins.module_utils._errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
)
from ansible_collections.nec.expether.plugins.module_utils._fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._glue import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._glue_eem import connection, remembered
from ansible_collections.nec.expether.plugins.module_utils._pci_names import PciNames
from ansible_collections.nec.expether.plugins.module_utils._registry import (
    Body,
    Change,
    Document,
    Registry,
    RegistryConflict,
)
from ansible_collections.nec.expether.plugins.module_utils._side_by_side import side_by_side
from ansible_collections.nec.expether.plugins.module_utils._sync import Moment, judged, keep, reconcile
from ansible_collections.nec.expether.plugins.module_utils._textfile import Textfile
from ansible_collections.nec.expether.plugins.module_utils._views import Views

MAX_FORKS = 64
BRIEF = ("type", "state", "node_id", "model")
TRIES = 5  # of one pod manager, when the registry is written by others meanwhile
MAX_RETENTION = 36500.0  # days


class Known(t.NamedTuple):
    """What the registry knows of a pod manager.

    It is read before its EEM is asked, so that whatever is written to the registry after EEM has answered is
    noticed as a conflict.
    """

    podm: Document
    devices: list[Document]
    nodes: dict[str, str]


class Row(t.NamedTuple):
    """What came of one pod manager.

    :ivar result: its part of the result
    :ivar changed: whether its status or a device changed
    :ivar before: what a diff shows of it before, C(after) of it afterwards
    :ivar waited: what was waited for, as sentences
    """

    result: Body
    changed: bool
    before: Body
    after: Body
    waited: list[str]


def run(context: Context) -> Result:
    """Bring the registry to what the EEMs say."""
    params, started = context.params, time.monotonic()
    if not 1 <= params["forks"] <= MAX_FORKS:
        raise InvalidInput(f"forks must be from 1 to {MAX_FORKS}, not {params['forks']}.")
    if not 0 <= params["retention"] <= MAX_RETENTION:
        raise InvalidInput(f"retention must be from 0 to {MAX_RETENTION:g} days, not {params['retention']:g}.")
    textfile = Textfile(params["textfile_dir"]) if params["textfile_dir"] else None
    registry = context.registry
    podms = _wanted(registry, params["podms"])
    sync = _Sync(context, _read(registry, podms))
    answers = [answer for _podm, answer in side_by_side(podms, sync.one, params["forks"])]
    rows = [answer for answer in answers if not isinstance(answer, ExpetherError)]
    changed = [row for row in rows if row.changed]
    context.warn(sentence for row in rows for sentence in row.waited)
    results = [row.result for row in rows]
    try:
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


def _wanted(registry: Registry, names: t.Sequence[str] | None) -> list[Document]:
    """Return the pod managers that the task means, each once, in the order of their names.

    :raises NotKnown: one of them is not registered
    """
    found = registry.all("pod_managers") if names is None else [find_podm(registry, name) for name in names]
    unique = {document.uuid: document for document in found}
    return sorted(unique.values(), key=lambda document: str(document.body["name"]).casefold())


def _read(registry: Registry, podms: t.Sequence[Document]) -> dict[str, Known]:
    known = {podm.uuid: Known(podm, [], {}) for podm in podms}
    for device in registry.all("devices") if known else ():
        if device.body["podm_id"] in known:
            known[device.body["podm_id"]].devices.append(device)
    for node in registry.all("nodes") if known else ():
        if node.body["podm_id"] in known:
            known[node.body["podm_id"]].nodes[node.body["index"]] = node.body["name"]
    return known


class _Sync:
    """One run: asks EEMs at once, and reads and writes the registry one after the other."""

    def __init__(self, context: Context, known: dict[str, Known]) -> None:
        self._context = context
        self._known = known
        self._lock = threading.Lock()
        self._names = PciNames()
        self._retention = timedelta(days=context.params["retention"])
        # What is given as an option holds for all; passwords are decrypted here, before any thread starts.
        self._settings = {uuid: self._reach(found.podm) for uuid, found in known.items()}

    def _reach(self, podm: Document) -> Settings | ExpetherError:
        """Return how to reach an EEM, or why that cannot be known, which must not hinder the others."""
        try:
            settings = remembered(self._context, podm)
            return settings._replace(**connection(self._context, podm.body["connection"]))
        except MissingLibrary:
            raise
        except ExpetherError as error:
            return error

    def one(self, podm: Document) -> Row:
        """Ask one EEM, and write what it says; ask it again if somebody else has written the same meanwhile.

        :raises RegistryError: the registry cannot be used
        """
        started, known, left = time.monotonic(), self._known[podm.uuid], TRIES
        waited: list[str] = []
        while True:
            left -= 1
            fabric, error = self._ask(known.podm, waited)
            with self._lock:
                row, changes = self._written(known, fabric, error, time.monotonic() - started)
                row = row._replace(waited=waited)
                if self._context.check_mode:
                    return row
                registry = self._context.registry
                try:
                    registry.commit(changes)
                    return row
                except RegistryConflict as conflict:
                    now = registry.get("pod_managers", podm.uuid)
                    if now is None:
                        return _unwritten(row, known, "It was removed while it was synchronised.")
                    known = _read(registry, [now])[podm.uuid]
                    if not left:
                        return _unwritten(row, known, conflict.message)
                    self._settings[podm.uuid] = self._reach(now)

    def _ask(self, podm: Document, waited: list[str]) -> tuple[Fabric | None, str | None]:
        """Return what an EEM has, or why it cannot be told."""
        settings = self._settings[podm.uuid]
        if isinstance(settings, ExpetherError):
            return None, settings.message
        with Client(settings) as client:
            try:
                return Fabric.from_records(client.devices_detail().devices), None
            except MissingLibrary:
                raise
            except ExpetherError as error:
                return None, error.message
            finally:
                waited += client.waited

    def _written(
        self, known: Known, fabric: Fabric | None, error: str | None, seconds: float
    ) -> tuple[Row, list[Change]]:
        """Return what one EEM's answer, or its failure, makes of the registry."""
        old = known.podm.body
        if fabric is None:
            done = keep(known.devices)
            body: Body = {**old, "status": "Offline", "last_error": error}
        else:
            moment = Moment(datetime.now(timezone.utc), old.get("last_sync"), self._retention)
            views = Views(known.podm.uuid, old["name"], known.nodes, self._names)
            done = reconcile(known.devices, fabric, views, moment)
            body = {**old, **judged(old, known.devices, fabric, moment)}
        changes = [*done.changes]
        if body != old:
            changes.append(Change("pod_managers", known.podm.uuid, body, known.podm.revision))
        result = {"uuid": known.podm.uuid, "name": old["name"], "url": old["url"], "status": body["status"], **done.counts}
        shown = [(device, *_differences(before, after)) for device, before, after in done.steps]
        row = Row(
            {**result, "seconds": round(seconds, 3), "error": body["last_error"]},
            bool(done.steps) or body["status"] != old["status"],
            {"status": old["status"], "devices": {device: before for device, before, _after in shown}},
            {"status": body["status"], "devices": {device: after for device, _before, after in shown}},
            [],
        )
        return row, changes


def _unwritten(row: Row, known: Known, error: str) -> Row:
    """Return what came of a pod manager when nothing could be written."""
    result = {**row.result, **keep(known.devices).counts, "status": known.podm.body["status"], "error": error}
    return Row(result, False, {}, {}, row.waited)


def _differences(before: Body | None, after: Body | None) -> tuple[Body | None, Body | None]:
    """Return what a diff shows of a device: what differs, or what one is that comes or goes."""
    if before is None or after is None:
        return before and {key: before[key] for key in BRIEF}, after and {key: after[key] for key in BRIEF}
    keys = [key for key in after if before.get(key) != after[key]]
    return {key: before.get(key) for key in keys}, {key: after[key] for key in keys}
