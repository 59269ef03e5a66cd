# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""Runs expether_sync: updates the registry from the EEMs. Private to the collection."""

from __future__ import annotations

import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import selected_podm
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import settings_or_error
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import Unauthorized
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import Interrupted, stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.parallel import side_by_side
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
)
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.owners import Owners
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    Change,
    Registry,
    RegistryConflict,
    iso_seconds,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, Views, device_view
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm
from ansible_collections.nec.expether.plugins.module_utils._sync.reconcile import (
    Moment,
    Reconciled,
    digest,
    listing_of,
    no_change_known,
    no_change_offline,
    online,
    podm_after_list,
    podm_with_cards_of_others,
    reconcile,
)
from ansible_collections.nec.expether.plugins.module_utils._sync.refusals import (
    CredentialsRefused,
    credentials_mark,
    describe_refusal,
    refusal_that_lasts,
    time_to_retry,
)

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._sync.textfile import Textfile

MAX_FORKS = 64
DIFF_KEYS = ("type", "state", "node_id", "model")
TRIES = 5  # attempts for one pod manager if other runs keep writing to the registry
MAX_RETENTION = 36500.0  # days
MAX_WAIT = 86400  # seconds


class Known(t.NamedTuple):
    """What the registry stores of a pod manager.

    Read before asking EEM, so that any later write causes a conflict. Device documents may be read afterwards: every change
    of them also changes the `listing` document.

    :ivar nodes: its nodes by EESV id
    """

    podm: PodManager
    listing: StoredListing | None
    nodes: dict[str, Node]


class Answer(t.NamedTuple):
    """A listing of an EEM.

    :ivar digest: identifies the listing
    :ivar fabric: `None` if the registry already stores this listing
    """

    digest: str
    fabric: Fabric | None


class PodManagerResult(t.NamedTuple):
    """The outcome for one pod manager.

    :ivar result: its entry in the result
    :ivar changed: whether its status or a device changed
    :ivar before: its state before, as the diff shows it; `after` its state afterwards
    :ivar waited: sentences about what was waited for, and about cards of other pod managers
    """

    result: View
    changed: bool
    before: View
    after: View
    waited: list[str]


def run(context: Context) -> Result:
    """Update the registry from the EEMs."""
    params, started = context.params, time.monotonic()
    if not 1 <= params["forks"] <= MAX_FORKS:
        raise InvalidInput(f"`forks` must be from 1 to {MAX_FORKS}, not {params['forks']}.")
    if not 0 <= params["retention"] <= MAX_RETENTION:
        raise InvalidInput(f"`retention` must be from 0 to {MAX_RETENTION:g} days, not {params['retention']:g}.")
    if not 0 <= params["wait_after_refusal"] <= MAX_WAIT:
        raise InvalidInput(
            f"`wait_after_refusal` must be from 0 to {MAX_WAIT} seconds, not {params['wait_after_refusal']}."
        )
    context.require_lasting_registry()
    textfile = _textfile(params["textfile_dir"])
    registry = context.registry
    podms = _wanted(context)
    if not podms:
        none_registered = f"No pod manager is registered in {registry.path}."
        context.warn(
            [
                none_registered
                if params["podms"] is None
                else "`podms` is an empty list: no pod manager was synchronised."
            ]
        )
    sync = _Sync(context, _read(registry, podms))
    answered = side_by_side(podms, sync.sync_one, params["forks"])
    answers = [answer for _podm, answer in answered]
    outcomes = [answer for answer in answers if not isinstance(answer, ExpetherError)]
    changed = [outcome for outcome in outcomes if outcome.changed]
    context.warn(sentence for outcome in outcomes for sentence in outcome.waited)
    results = [outcome.result for outcome in outcomes]
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
            "before": {outcome.result["name"]: outcome.before for outcome in changed},
            "after": {outcome.result["name"]: outcome.after for outcome in changed},
        },
    }


def _stop_if_interrupted(answered: t.Sequence[tuple[PodManager, PodManagerResult | ExpetherError]]) -> None:
    """Fail if a signal ended the run, and report which pod managers it had synchronised.

    :raises Interrupted: some pod managers were not synchronised
    """
    interrupted = [answer for _podm, answer in answered if isinstance(answer, Interrupted)]
    if interrupted:
        done = [podm.name for podm, answer in answered if not isinstance(answer, Interrupted)]
        not_done = [podm.name for podm, answer in answered if isinstance(answer, Interrupted)]
        raise Interrupted(
            f"{interrupted[0].message} Not synchronised: {comma_list(not_done)}."
            + (f" Synchronised before: {comma_list(done)}." if done else "")
        )


def _textfile(folder: str | None) -> Textfile | None:
    if not folder:
        return None
    # Imported here, because only this file needs prometheus_client.
    from ansible_collections.nec.expether.plugins.module_utils._sync.textfile import Textfile

    return Textfile(folder)


def _wanted(context: Context) -> list[PodManager]:
    """Return the selected pod managers, each once, ordered by name.

    :raises NotFound: one of them is not registered
    """
    registry, names = context.registry, context.params["podms"]
    if names is not None:
        found = [find_podm(registry, name) for name in names]
    else:
        only = selected_podm(context)  # by the environment
        found = registry.all(PodManager) if only is None else [only]
    unique = {podm.uuid: podm for podm in found}
    return sorted(unique.values(), key=lambda podm: podm.name.casefold())


def _read(registry: Registry, podms: t.Sequence[PodManager]) -> dict[str, Known]:
    known = {podm.uuid: Known(podm, registry.get(StoredListing, podm.uuid), {}) for podm in podms}
    for node in registry.all(StoredNode) if known else ():
        if node.podm_id in known:
            known[node.podm_id].nodes[node.system_id] = node.node()
    return known


class _Sync:
    """One run. It asks several EEMs at the same time, but uses the registry for one pod manager at a time."""

    def __init__(self, context: Context, known: dict[str, Known]) -> None:
        self._context = context
        self._known = known
        self._lock = threading.Lock()
        self._names = context.pci_names
        self._names_version = self._names.version
        self._devices: dict[str, list[StoredDevice]] | None = None
        self._owners: Owners | None = None
        self._retention = timedelta(days=context.params["retention"])
        self._wait_after_refusal = timedelta(seconds=context.params["wait_after_refusal"])
        # Options of the task apply to all pod managers. Passwords are decrypted here, before any thread starts.
        self._settings = {uuid: settings_or_error(context, found.podm) for uuid, found in known.items()}

    def _devices_of(self, podm: PodManager) -> list[StoredDevice]:
        """Return the stored devices of a pod manager."""
        if self._devices is None:
            self._devices = {}
            for device in self._context.registry.all(StoredDevice):
                self._devices.setdefault(device.podm_id, []).append(device)
        return self._devices.get(podm.uuid, [])

    def _owners_of_cards(self) -> Owners:
        """Return the pod manager of each card, including what this run has stored so far."""
        if self._owners is None:
            stored = [device for devices in (self._devices or {}).values() for device in devices]
            self._owners = Owners(self._context.registry, None if self._devices is None else stored)
        return self._owners

    def sync_one(self, podm: PodManager) -> PodManagerResult:
        """Ask one EEM and store its listing. Try again if another run changed the same documents in the meantime.

        :raises RegistryError: the registry cannot be used
        """
        started = time.monotonic()
        waited: list[str] = []
        refused: dict[str, CredentialsRefused] = {}

        def attempt() -> PodManagerResult:
            known = self._known[podm.uuid]
            answer = self._ask(known, waited, refused)
            if isinstance(answer, CredentialsRefused):
                refused[answer.mark] = answer
            with self._lock:
                stop_if_interrupted()
                registry = self._context.registry
                try:
                    outcome, changes = self._with_update(known, answer, waited, started)
                    if not self._context.check_mode:
                        registry.commit(changes)
                    return outcome
                except RegistryConflict:
                    self._devices = self._owners = None
                    now = registry.get(PodManager, podm.uuid)
                    if now is None:
                        return self._without_update(podm, waited, started, "It was removed while it was synchronised.")
                    self._known[podm.uuid] = _read(registry, [now])[podm.uuid]
                    self._settings[podm.uuid] = settings_or_error(self._context, now)
                    raise

        try:
            return until_written(attempt, TRIES)
        except RegistryConflict as conflict:
            with self._lock:
                return self._without_update(self._known[podm.uuid].podm, waited, started, conflict.message)

    def _ask(
        self, known: Known, waited: list[str], refused: t.Mapping[str, CredentialsRefused]
    ) -> Answer | ExpetherError:
        """Return the listing of an EEM, or the error if it has none.

        :param refused: what this run already knows about credentials that the EEM refused, by their mark
        """
        settings, podm = self._settings[known.podm.uuid], known.podm
        if isinstance(settings, ExpetherError):
            return settings
        mark, now = credentials_mark(podm.password, settings), datetime.now(timezone.utc)
        if mark is not None and mark in refused:
            return refused[mark]
        stored = podm.refused_credentials, podm.refused_at
        refusal = refusal_that_lasts(settings, mark, stored, self._wait_after_refusal, now)
        if refusal is not None:
            return refusal
        with Client(settings) as client:
            try:
                records = client.devices_detail()
                value = digest(records, self._names_version)
                # The stored listing of an earlier version has no systems.
                is_known = bool(known.listing and known.listing.digest == value and known.listing.systems is not None)
                return Answer(value, None if is_known else Fabric.from_records(records))
            except MissingLibrary:
                raise
            except ExpetherError as error:
                if mark is None or not (isinstance(error, Unauthorized) and error.http_status == 401):
                    return error
                at = iso_seconds(now)
                until = time_to_retry(at, self._wait_after_refusal, now)
                message = error.message if until is None else describe_refusal(settings, at, until)
                return CredentialsRefused(message, mark, at, until)
            finally:
                waited += client.waited

    def _with_update(
        self, known: Known, answer: Answer | ExpetherError, waited: list[str], started: float
    ) -> tuple[PodManagerResult, list[Change]]:
        """Return the outcome for one pod manager, and the registry changes, from its EEM's listing or error."""
        old = known.podm
        moment = Moment(datetime.now(timezone.utc), old.last_sync, self._retention)
        listing_changes: list[Change] = []
        if isinstance(answer, ExpetherError):
            done = no_change_offline(self._devices_of(old))
            podm = old._replace(status="Offline", last_error=answer.message)
            if isinstance(answer, CredentialsRefused):
                podm = podm._replace(refused_at=answer.at, refused_credentials=answer.mark)
        elif answer.fabric is None:
            done = no_change_known(t.cast(StoredListing, known.listing).devices)
            podm = online(old, moment)
        else:
            done, podm, listing_changes = self._after_list(known, answer.digest, answer.fabric, moment, waited)
        changes = [*done.changes, *listing_changes]
        if podm != old:
            changes.append(put(podm))
        retry_at = answer.retry_at if isinstance(answer, CredentialsRefused) else None
        shown = [_to_diff(before, after) for before, after in done.steps]
        outcome = PodManagerResult(
            {**_to_result(old, podm.status, done.counts, started, podm.last_error), "retry_at": retry_at},
            bool(done.steps) or podm.status != old.status,
            {"status": old.status, "devices": {device: before for device, before, _after in shown}},
            {"status": podm.status, "devices": {device: after for device, _before, after in shown}},
            waited,
        )
        return outcome, changes

    def _after_list(
        self, known: Known, value: str, fabric: Fabric, moment: Moment, waited: list[str]
    ) -> tuple[Reconciled, PodManager, list[Change]]:
        """Return what a new listing changes of the devices, the pod manager after it, and the other registry changes.

        Cards of other pod managers stay theirs, with a warning. If most are those of one, it is the same EEM: none is
        stored twice, not even those that are not known yet.

        :param value: the digest of the listing
        :param waited: gets the warning
        """
        old, devices = known.podm, self._devices_of(known.podm)
        owners, cards = self._owners_of_cards(), fabric.systems.keys() | fabric.devices.keys()
        by_podm = owners.others(old.uuid, cards)
        others = {card for found in by_podm.values() for card in found}
        if owners.owner(cards) in owners.names.keys() - {old.uuid}:  # the same EEM, not a few cards that were moved
            others = set(cards)
        # What is stored has no names of nodes but that of a last one.
        views = Views(old.uuid, old.name, {}, self._names)
        done = reconcile(devices, fabric, views, known.nodes, moment, others)
        podm = podm_with_cards_of_others(podm_after_list(old, devices, fabric, moment), old, by_podm)
        if by_podm:
            waited.append(t.cast(str, podm.last_error))
        # With missing devices, the next sync must compare again even if EEM's answer is unchanged: their retention ends.
        is_complete = podm.status == "Online" and not done.counts["missing"]
        listing = listing_of(old.uuid, known.listing, value if is_complete else None, fabric, others)
        if podm.degraded_since:  # EEM may have just started: the systems that it had are still its own
            had = known.listing.systems if known.listing else None
            listing = listing._replace(systems=tuple(sorted({*(had or ()), *(listing.systems or ())})))
        (owners.add if podm.degraded_since else owners.replace)(old.uuid, {*known.nodes, *(cards - others)})
        is_new = known.listing is None or known.listing[2:] != listing[2:]
        return done, podm, [*([put(listing)] if done.changes or is_new else ()), *self._names.changes()]

    def _without_update(self, podm: PodManager, waited: list[str], started: float, error: str) -> PodManagerResult:
        """Return the outcome for a pod manager for which nothing could be stored."""
        counts = no_change_offline(self._devices_of(podm)).counts
        return PodManagerResult(_to_result(podm, podm.status, counts, started, error), False, {}, {}, waited)


def _to_result(podm: PodManager, status: str, counts: t.Mapping[str, int], started: float, error: str | None) -> View:
    """Return a pod manager's entry in the result."""
    return {
        "uuid": podm.uuid,
        "name": podm.name,
        "url": podm.url,
        "status": status,
        **counts,
        "seconds": round(time.monotonic() - started, 3),
        "error": error,
        "retry_at": None,
    }


def _to_diff(before: StoredDevice | None, after: StoredDevice | None) -> tuple[str, View | None, View | None]:
    """Return the id of a device, and its changed keys before and after; `DIFF_KEYS` of a device that was added or removed."""
    old, new = (device and device_view(device, None, None) for device in (before, after))
    shown = old or new or {}
    keys = [key for key in shown if old[key] != new[key]] if old and new else DIFF_KEYS
    return shown["device_id"], old and {key: old[key] for key in keys}, new and {key: new[key] for key in keys}
