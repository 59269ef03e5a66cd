# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watches the devices of pod managers, for the event source. Private to the collection."""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import CONNECTION, REGISTRY, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import podm_option, url_option
from ansible_collections.nec.expether.plugins.module_utils._ansible.plugin_run import PluginFailed, run_plugin
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import Target, targets
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import Unauthorized
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import Interrupted, interrupt, resume
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, InvalidInput, NotFound
from ansible_collections.nec.expether.plugins.module_utils._model.texts import never_template
from ansible_collections.nec.expether.plugins.module_utils._modules.info import stored_devices
from ansible_collections.nec.expether.plugins.module_utils._modules.listings import list_fabrics
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.location import ENV_REGISTRY, listening_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError, iso_seconds, now_iso
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm
from ansible_collections.nec.expether.plugins.module_utils._sync.events import (
    Cards,
    Event,
    Seen,
    Source,
    changes_of,
    lost_most,
    seen,
)
from ansible_collections.nec.expether.plugins.module_utils._sync.refusals import (
    CredentialsRefused,
    credentials_mark,
    refusal_that_lasts,
)

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._registry.postgresql import PostgresqlRegistry

Out = t.TypeVar("Out")

SPEC = ArgSpec({name: option for name, option in CONNECTION.options.items() if name != "conditional_updates"}).merged(
    REGISTRY,
    ArgSpec(
        {
            "podms": {"type": "list", "elements": "str", "aliases": ["podm"]},
            "source": {"type": "str", "choices": ["live", "registry"], "default": "live"},
            "interval": {"type": "float", "default": 60},
        },
        mutually_exclusive=(("podms", "url"),),
    ),
)
MAX_INTERVAL = 86400  # seconds
INCOMPLETE_SECONDS = 900.0  # how long a listing that lacks most devices counts as incomplete
WAIT_AFTER_REFUSAL = timedelta(minutes=15)  # until credentials that an EEM refused are sent again
_READS = 5  # attempts to read the registry at one moment, while synchronisations write to it
_SLICE = 1.0  # seconds after which a wait for notifications checks whether it is to end


class Answer(t.NamedTuple):
    """What is known of one EEM at a moment.

    :ivar key: the UUID of the pod manager that was asked for
    :ivar source: the EEM that events name
    :ivar devices: its devices as results show them, by EEM id; `None` if they are not known
    :ivar reason: why it could not be asked; `None` if it could, or if it has never been asked
    :ivar failure: the same for programs, if it is known
    :ivar systems: the ids of the systems that it lists
    :ivar expected: the cards that it is known to have
    :ivar incomplete: why the last synchronisation considered the listing incomplete; `None` if it did not
    """

    key: str
    source: Source
    devices: dict[str, View] | None
    reason: str | None = None
    failure: View | None = None
    systems: t.Collection[str] = ()
    expected: Cards = Cards()
    incomplete: str | None = None


@dataclasses.dataclass
class _Known:
    """What events have said of one EEM, or what it had at the first look.

    :ivar podm_id: the pod manager whose devices these are
    :ivar devices: `None` before it has listed any
    :ivar systems: the ids of its systems
    :ivar incomplete_since: since when it has listed only some of its cards, by the monotonic clock
    """

    podm_id: str = ""
    is_offline: bool = False
    devices: dict[str, Seen] | None = None
    systems: t.Collection[str] = ()
    incomplete_since: float | None = None


class Watch:
    """Asks the EEMs, or the registry, again and again. Its methods block; `stop` may be called from another thread.

    :param given: the options as the user sets them
    :param log: logs a sentence; each is logged once as long as its cause lasts
    """

    def __init__(self, given: t.Mapping[str, t.Any], log: t.Callable[[str], None]) -> None:
        self._given = given
        self._log = log
        self._logged: set[str] = set()  # during the last poll
        self._logging: set[str] = set()  # during this one
        self._interval = 0.0
        self._known: dict[str, _Known] = {}
        self._refused: dict[str, tuple[str, str]] = {}  # mark of credentials, and when they were refused
        self._listening: PostgresqlRegistry | None = None
        self._has_polled = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Check the options, and listen to the registry if it announces changes.

        :raises PluginFailed: an option is invalid, or a library is missing
        """
        resume()
        self._run(self._check)
        if self._listening is not None:
            self._wait_for_change(self._listening, 0)  # before the first poll, so that no change is missed

    def _check(self, context: Context) -> None:
        self._interval = context.params["interval"]
        if not 1 <= self._interval <= MAX_INTERVAL:
            raise InvalidInput(f"`interval` must be from 1 to {MAX_INTERVAL} seconds, not {self._interval:g}.")
        if context.params["source"] == "registry":
            self._listening = listening_registry(context.option("registry", ENV_REGISTRY))
        if url_option(context) is None or self._listening is not None:
            context.require_lasting_registry()

    def poll(self) -> list[View]:
        """Return the events since the last call; the first call returns only which EEMs cannot be asked.

        A registry that cannot be read is logged, and read again by the next call.

        :raises PluginFailed: the first call cannot work, and neither could a later one
        """
        self._logged, self._logging = self._logging, set()
        try:
            events = self._run(self._poll)
        except PluginFailed as error:
            if error.kind == Interrupted.kind:  # this source ends, or another one in this process, see `close`
                return []
            if not self._has_polled and error.kind != RegistryError.kind:
                raise
            self._warn(f"{error} No events can be noticed until this is repaired.")
            return []
        self._has_polled = True
        return events

    def wait(self) -> None:
        """Wait until the interval is over, the registry announces a change, or `stop` is called."""
        until = time.monotonic() + self._interval
        while not self._stopped.is_set() and (seconds := until - time.monotonic()) > 0:
            if self._listening is None:
                self._stopped.wait(seconds)
            elif self._wait_for_change(self._listening, min(seconds, _SLICE)):
                return

    def stop(self) -> None:
        """End all waiting and the requests in progress. The watch cannot be used any more."""
        self._stopped.set()
        interrupt("the end of the event source")

    def close(self) -> None:
        """Close the connection to the registry, after the last of the other calls has ended.

        Other sources in this process may go on: `stop` has ended their requests, too.
        """
        if self._stopped.is_set():
            resume()
        if self._listening is not None:
            self._listening.close()

    def _wait_for_change(self, registry: PostgresqlRegistry, seconds: float) -> bool:
        """Return as `PostgresqlRegistry.wait_for_change`; wait, too, if the registry is away, which is logged."""
        try:
            return registry.wait_for_change(seconds)
        except RegistryError as error:
            self._warn(error.message)
            self._stopped.wait(seconds)
            return False

    def _run(self, run: t.Callable[[Context], Out]) -> Out:
        """Run a function with the options, and log where an unexpected error happened.

        :raises PluginFailed: the function failed
        """
        try:
            return run_plugin(SPEC, self._given, self._warn, run)
        except PluginFailed as error:
            if error.details:
                self._warn(error.details)
            raise

    def _warn(self, sentence: str) -> None:
        if sentence not in self._logged | self._logging:
            self._log(sentence)
        self._logging.add(sentence)

    # -- one poll ----------------------------------------------------------------------------------------------------

    def _poll(self, context: Context) -> list[View]:
        at = now_iso()
        answers = self._stored(context) if context.params["source"] == "registry" else self._live(context)
        if not answers:
            self._warn_of_nothing(context)
        found = [(answer.source, event) for answer in answers for event in self._events(answer, at)]
        # A pod manager that is not registered any more is forgotten.
        self._known = {answer.key: self._known[answer.key] for answer in answers}
        # Texts of cards may come from anybody, and rules pass them on to playbooks.
        views: list[View] = never_template(context.masked([event.view(source, at) for source, event in found]))
        return views

    def _events(self, answer: Answer, at: str) -> t.Iterator[Event]:
        """Give the events of one EEM, and remember what they say."""
        known = self._known.setdefault(answer.key, _Known())
        reason, failure = answer.reason, answer.failure
        if reason is not None:
            known.incomplete_since = None  # EEM may have just started when it responds again
        elif answer.devices is not None:
            reason = self._why_incomplete(known, answer)
        if reason is not None:
            if not known.is_offline:
                known.is_offline = True
                yield Event("podm_offline", reason=reason, failure=failure)
        elif answer.devices is not None:
            if known.is_offline:
                known.is_offline = False
                yield Event("podm_online")
            before = known.devices or {}
            if known.devices is not None and known.podm_id == answer.source.podm_id:
                yield from changes_of(before, answer.devices, at)
            known.podm_id, known.devices = answer.source.podm_id, seen(before, answer.devices)
            known.systems = answer.systems

    def _why_incomplete(self, known: _Known, answer: Answer) -> str | None:
        """Return why a listing does not count: EEM has just started, or another EEM responds; `None` if it counts."""
        before = answer.expected if known.devices is None else Cards(known.devices, known.systems)
        reason = answer.incomplete or lost_most(before, Cards(answer.devices or (), answer.systems))
        if reason is None:
            known.incomplete_since = None
            return None
        now = time.monotonic()
        if known.incomplete_since is None:
            known.incomplete_since = now
        return reason if now - known.incomplete_since < INCOMPLETE_SECONDS else None

    def _names(self, context: Context) -> list[str] | None:
        """Return the pod managers that the user names and that are registered; `None` if the user names none.

        :raises NotFound: one of them was never registered
        """
        names: list[str] | None = context.params["podms"]
        if names is None:
            return None
        found = []
        for name in names:
            try:
                found.append(find_podm(context.registry, name).uuid)
            except NotFound as error:
                if not self._has_polled:
                    raise
                context.warn([error.message])
        return found

    def _warn_of_nothing(self, context: Context) -> None:
        """Warn if there is nothing to watch; `_names` has warned if the named pod managers are not registered any more."""
        if context.params["podms"] is None:
            url = url_option(context)
            who = "No pod manager is" if url is None else f"No pod manager with the URL {url} is"
            context.warn([f"{who} registered in {context.registry.path}, so nothing is watched."])
        elif not context.params["podms"]:
            context.warn(["`podms` is an empty list, so nothing is watched."])

    def _live(self, context: Context) -> list[Answer]:
        """Ask the EEMs."""
        asked, answers = [], []
        for where in targets(context, self._names(context)):
            refused = self._why_not_sent(context, where)
            if refused is None:
                asked.append(self._asked_once(where))
            else:
                answers.append(_away(where, refused))
        listings = list_fabrics(context, asked, lambda where, error: self._note_refusal(context, where, error))
        for where, (identified, listing) in zip(asked, listings):
            if isinstance(listing, ExpetherError):
                answers.append(_away(where, listing))
                continue
            fabric = listing.fabric
            views = [listing.views.device(fabric, device) for device in fabric.devices.values()]
            is_new = where.podm_id not in self._known or self._known[where.podm_id].devices is None
            expected = _stored_cards(identified) if is_new else Cards()
            # An EEM that lists nothing at the first look may have just started: its cards will not be new.
            is_known = bool(fabric.systems or fabric.devices or any(expected)) or not is_new
            devices = {view["device_id"]: view for view in views} if is_known else None
            source = Source(identified.podm, identified.podm_id, where.settings.url)
            answers.append(Answer(where.podm_id, source, devices, systems=fabric.systems.keys(), expected=expected))
        return answers

    def _asked_once(self, where: Target) -> Target:
        """Return an EEM, without retries if it is offline, so that it does not delay the events of others at each poll."""
        known = self._known.get(where.podm_id)
        return where._replace(settings=where.settings._replace(retries=0)) if known and known.is_offline else where

    def _note_refusal(self, context: Context, where: Target, error: ExpetherError) -> None:
        mark = self._mark(context, where)
        if mark is not None and isinstance(error, Unauthorized) and error.http_status == 401:
            self._refused[where.podm_id] = (mark, now_iso())

    def _why_not_sent(self, context: Context, where: Target) -> CredentialsRefused | None:
        """Return why no request is sent to an EEM: it refused the same credentials, here or in a synchronisation."""
        mark = self._mark(context, where)
        podm = _registered(where)
        refusals = (self._refused.get(where.podm_id), podm and (podm.refused_credentials, podm.refused_at))
        now = datetime.now(timezone.utc)
        found = (refusal_that_lasts(where.settings, mark, each, WAIT_AFTER_REFUSAL, now) for each in refusals if each)
        return next(filter(None, found), None)

    def _mark(self, context: Context, where: Target) -> str | None:
        podm = _registered(where)
        is_stored = podm is not None and context.params["password"] is None
        return credentials_mark(podm.password if podm and is_stored else where.settings.password, where.settings)

    def _stored(self, context: Context) -> list[Answer]:
        """Read from the registry what synchronisations have stored."""
        names, only = self._names(context), podm_option(context) if context.params["podms"] is None else None
        stored, views = _read_at_once(context)
        podms = [podm for podm in stored if (names is None or podm.uuid in names) and only in (None, podm.uuid)]
        devices: dict[str, dict[str, View]] = {podm.uuid: {} for podm in podms}
        for view in views:
            if view["podm_id"] in devices and view["missing_since"] is None:
                devices[view["podm_id"]][view["device_id"]] = view
        oldest = iso_seconds(datetime.now(timezone.utc) - timedelta(seconds=INCOMPLETE_SECONDS))
        answers = []
        for podm in podms:
            reason = (podm.last_error or podm.status) if podm.status == "Offline" else None
            incomplete = podm.last_error if podm.degraded_since and podm.degraded_since > oldest else None
            known = None if podm.last_sync is None else devices[podm.uuid]
            source = Source(podm.name, podm.uuid, podm.url)
            answers.append(Answer(podm.uuid, source, known, reason, incomplete=incomplete))
        return answers


def _read_at_once(context: Context) -> tuple[list[PodManager], list[View]]:
    """Return pod managers and devices as they were stored at one moment.

    A synchronisation that writes devices also writes its time into the pod manager, so pod managers that are equal before
    and after the devices were read belong to them. After `_READS` attempts, the last ones are returned as they are.
    """
    podms, tries_left = context.registry.all(PodManager), _READS
    while True:
        views, before = stored_devices(context, None), podms
        podms, tries_left = context.registry.all(PodManager), tries_left - 1
        if podms == before or not tries_left:
            return podms, views


def _stored_cards(where: Target) -> Cards:
    """Return the cards that an EEM listed at its last synchronisation."""
    if where.registry is None:
        return Cards()
    devices = where.registry.of_podm(StoredDevice, where.podm_id)
    listing = where.registry.get(StoredListing, where.podm_id)
    return Cards(
        [device.device_id for device in devices if device.missing_since is None],
        (listing.systems if listing else None) or (),
    )


def _registered(where: Target) -> PodManager | None:
    return where.registry.get(PodManager, where.podm_id) if where.registry else None


def _away(where: Target, error: ExpetherError) -> Answer:
    """Return the answer about an EEM that did not list its cards."""
    source = Source(where.podm, where.podm_id, where.settings.url)
    return Answer(where.podm_id, source, None, error.message, error.as_failure())
