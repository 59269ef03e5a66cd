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
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    Body,
    Change,
    Document,
    Registry,
    RegistryConflict,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm, pci_names_changes
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
    noticed as a conflict. The documents of its devices may be read later: C(listing) changes with them.

    :ivar nodes: the names of its nodes by EESV id
    """

    podm: Document
    listing: Document | None
    nodes: dict[str, str]


class Answer(t.NamedTuple):
    """What an EEM has.

    :ivar fabric: C(None) if it is what the registry remembers already
    """

    digest: str
    fabric: Fabric | None


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


def _stop_if_interrupted(answered: t.Sequence[tuple[Document, Row | ExpetherError]]) -> None:
    """Say which pod managers a run synchronised before a signal ended it.

    :raises Interrupted: it did not synchronise all
    """
    interrupted = [answer for _podm, answer in answered if isinstance(answer, Interrupted)]
    if interrupted:
        done = [podm.body["name"] for podm, answer in answered if not isinstance(answer, Interrupted)]
        left = [podm.body["name"] for podm, answer in answered if isinstance(answer, Interrupted)]
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


def _wanted(registry: Registry, names: t.Sequence[str] | None) -> list[Document]:
    """Return the pod managers that the task means, each once, in the order of their names.

    :raises NotFound: one of them is not registered
    """
    found = registry.all("pod_managers") if names is None else [find_podm(registry, name) for name in names]
    unique = {document.uuid: document for document in found}
    return sorted(unique.values(), key=lambda document: str(document.body["name"]).casefold())


def _read(registry: Registry, podms: t.Sequence[Document]) -> dict[str, Known]:
    known = {podm.uuid: Known(podm, registry.get("listings", podm.uuid), {}) for podm in podms}
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
        self._names = context.pci_names
        self._names_version = self._names.version
        self._devices: dict[str, list[Document]] | None = None
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

    def _devices_of(self, podm: Document) -> list[Document]:
        """Return the devices of a pod manager as they are remembered."""
        if self._devices is None:
            self._devices = {}
            for device in self._context.registry.all("devices"):
                self._devices.setdefault(device.body["podm_id"], []).append(device)
        return self._devices.get(podm.uuid, [])

    def one(self, podm: Document) -> Row:
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
                    now = registry.get("pod_managers", podm.uuid)
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
                is_known = known.listing is not None and known.listing.body["digest"] == value
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
        old, uuid = known.podm.body, known.podm.uuid
        moment = Moment(datetime.now(timezone.utc), old.get("last_sync"), self._retention)
        if isinstance(answer, ExpetherError):
            done = keep(self._devices_of(known.podm))
            body: Body = {**old, "status": "Offline", "last_error": answer.message}
        elif answer.fabric is None:
            done = same(t.cast(Document, known.listing).body["devices"])
            body = {**old, **whole(moment)}
        else:
            devices = self._devices_of(known.podm)
            views = Views(uuid, old["name"], known.nodes, self._names)
            done = reconcile(devices, answer.fabric, views, moment)
            body = {**old, **judged(old, devices, answer.fabric, moment)}
        changes = [*done.changes]
        if isinstance(answer, Answer) and answer.fabric is not None:
            # Missing devices must be looked at again next time, also if EEM says the same.
            all_there = body["status"] == "Online" and not done.counts["missing"]
            value = answer.digest if all_there else None
            if changes or known.listing is None or known.listing.body["digest"] != value:
                changes.append(listing_change(uuid, known.listing, value, len(answer.fabric.devices)))
            changes += pci_names_changes(self._names)
        if body != old:
            changes.append(Change("pod_managers", uuid, body, known.podm.revision))
        shown = [(device, *_differences(before, after)) for device, before, after in done.steps]
        row = Row(
            _result(known.podm, body["status"], done.counts, started, body["last_error"]),
            bool(done.steps) or body["status"] != old["status"],
            {"status": old["status"], "devices": {device: before for device, before, _after in shown}},
            {"status": body["status"], "devices": {device: after for device, _before, after in shown}},
            waited,
        )
        return row, changes

    def _unwritten(self, podm: Document, waited: list[str], started: float, error: str) -> Row:
        """Return what came of a pod manager when nothing could be written."""
        counts = keep(self._devices_of(podm)).counts
        return Row(_result(podm, podm.body["status"], counts, started, error), False, {}, {}, waited)


def _result(podm: Document, status: str, counts: t.Mapping[str, int], started: float, error: str | None) -> Body:
    """Return a pod manager's part of the result."""
    return {
        "uuid": podm.uuid,
        "name": podm.body["name"],
        "url": podm.body["url"],
        "status": status,
        **counts,
        "seconds": round(time.monotonic() - started, 3),
        "error": error,
    }


def _differences(before: Body | None, after: Body | None) -> tuple[Body | None, Body | None]:
    """Return what a diff shows of a device: what differs, or what one is that comes or goes."""
    if before is None or after is None:
        return before and {key: before[key] for key in BRIEF}, after and {key: after[key] for key in BRIEF}
    keys = [key for key in after if before.get(key) != after[key]]
    return {key: before.get(key) for key in keys}, {key: after[key] for key in keys}
