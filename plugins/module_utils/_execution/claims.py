# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is changing which card at the moment: claims in the registry. Private to the collection.

One document a pod manager, changed by compare-and-swap:
C({"epoch": n, "held": {CARD OR GROUP ID: {"run": …, "what": …, "until": …, "until_uptime": …, "process": …}}}).

The epoch grows whenever a run that changed hardware gives its claims back, or a dead run's claims are taken
away: a picture of the fabric that is older than the epoch must not be planned from.
"""

from __future__ import annotations

import os
import platform
import time
import typing as t
import uuid

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Settings
from ansible_collections.nec.expether.plugins.module_utils._eem.patience import Patience
from ansible_collections.nec.expether.plugins.module_utils._execution.process import ProcessIdentity, is_hidden, process_start, uptime
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Body,
    Change,
    Document,
    Registry,
    RegistryConflict,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written

WHOLE_PODM = "the pod manager"  # claimed by whoever is about to forget the pod manager
POLL = 0.2  # seconds between two looks at another run's claims
RENEW_AFTER = 5.0  # seconds after which a run renews its claims before its next step


def waited_for(blocked_by: t.Mapping[str, str]) -> str:
    """Return the sentence about a wait."""
    return f"Waited for other runs: {comma_list(f'{key} held by {who}' for key, who in blocked_by.items())}."


def lease_of(settings: Settings) -> float:
    """Return for how many seconds a claim holds that is not renewed.

    That outlasts the longest time between two renewals: one step with all that a run may wait in vain and a few
    answers that are slow.
    """
    return settings.patience + 3 * settings.timeout + 30.0


class Claims:
    """The claims of one run on cards of one pod manager.

    :param what: what the run does, for those who wait for it
    :param lease: after how many seconds a claim that was not renewed may be taken away
    """

    def __init__(self, registry: Registry, podm_id: str, what: str, lease: float) -> None:
        self._registry = registry
        self._podm_id = podm_id
        self._lease = lease
        self._run = uuid.uuid4().hex
        self._what = what
        self._process = ProcessIdentity.of_this_process()
        self._keys: list[str] = []
        self._renewed = 0.0

    def read(self, clean: bool = True) -> tuple[int, dict[str, str]]:
        """Return the epoch and what other runs hold, and who.

        :param clean: whether what dead runs held is taken away first; not in check mode
        """

        def attempt() -> tuple[int, dict[str, str]]:
            document = self._document()
            epoch, held = document.body["epoch"], document.body["held"]
            alive = {key: claim for key, claim in held.items() if self._is_alive(claim)}
            if clean and len(alive) < len(held):
                # Whoever died may have changed what it held: all that was seen before is stale.
                epoch += 1
                self._registry.commit([self._change(document, {"epoch": epoch, "held": alive})])
            return epoch, {key: claim["what"] for key, claim in alive.items() if claim["run"] != self._run}

        return until_written(attempt)

    def wait_for(self, blocked_by: t.Mapping[str, str], patience: Patience) -> bool:
        """Wait until another run gives back one of these; return whether one did in time.

        Whoever waits must hold nothing: two that wait for each other would wait for ever.

        :param blocked_by: the keys with who holds them, as `read` told them
        """
        while patience.pause(POLL):
            _epoch, held = self.read(clean=False)
            if any(held.get(key) != who for key, who in blocked_by.items()):
                return True
        return False

    def claim(self, epoch: int, keys: t.Iterable[str], with_changes: t.Sequence[Change] = ()) -> int:
        """Claim these cards and group ids, and make further changes in the same transaction.

        Returns the revision that all documents of the transaction have now.

        :param keys: of cards and group ids; C(WHOLE_PODM) for all that the pod manager has
        :param epoch: the one that was current before the fabric was listed
        :raises RegistryConflict: the picture is stale, or one of them is held by another run
        """
        document = self._document()
        if document.body["epoch"] != epoch:
            raise RegistryConflict("Another run has changed cards since the fabric was listed.")
        keys = list(keys)
        held = dict(document.body["held"])
        others = {key for key, claim in held.items() if claim["run"] != self._run}
        if others & {*keys, WHOLE_PODM} or (others and WHOLE_PODM in keys):
            raise RegistryConflict("Another run holds one of these cards.")
        held.update(dict.fromkeys(keys, self._claim()))
        revision = self._registry.commit([self._change(document, {"epoch": epoch, "held": held}), *with_changes])
        self._keys = sorted({*self._keys, *keys})
        self._renewed = time.monotonic()
        return revision

    def renew(self) -> bool:
        """Renew the claims if that was not done just now; return whether this run still holds them all."""
        if time.monotonic() - self._renewed < RENEW_AFTER:
            return True

        def attempt() -> bool:
            document = self._document()
            held = dict(document.body["held"])
            if any(held.get(key, {}).get("run") != self._run for key in self._keys):
                return False
            held.update(dict.fromkeys(self._keys, self._claim()))
            self._registry.commit([self._change(document, {**document.body, "held": held})])
            self._renewed = time.monotonic()
            return True

        return until_written(attempt)

    def release(self, changed: bool, with_changes: t.Sequence[Change] = ()) -> None:
        """Give all claims back, and make further changes in the same transaction.

        :param changed: whether hardware was changed, or may have been
        :raises RegistryConflict: one of the further changes is not possible any more
        """

        def attempt() -> RegistryConflict | None:
            document = self._document()
            held = {key: claim for key, claim in document.body["held"].items() if claim["run"] != self._run}
            body = {"epoch": document.body["epoch"] + bool(changed), "held": held}
            changes = list(with_changes)
            if body != document.body:
                changes.append(self._change(document, body))
            try:
                self._registry.commit(changes)
            except RegistryConflict as conflict:
                if self._document().revision != document.revision:
                    raise  # another run's claims came between
                return conflict
            self._keys = []
            return None

        conflict = until_written(attempt)
        if conflict:
            raise conflict

    def _claim(self) -> Body:
        pid = os.getpid()
        return {
            "run": self._run,
            "what": self._what,
            "until": time.time() + self._lease,
            "until_uptime": uptime() + self._lease,
            "process": {"boot": self._process.boot_id, "space": self._process.pid_namespace, "pid": pid, "start": process_start(pid), "host": platform.node()},
        }

    def _is_alive(self, claim: Body) -> bool:
        """Whether the run that made a claim may still be at work: its process is there, or its time is not over.

        Of a process in another container only the time is known, by the clock that starts with the machine; on
        another machine (or on this one before it was started anew) by the clock on the wall, which may be wrong.
        """
        process, here = claim["process"], self._process
        if here.boot_id is None or process["boot"] != here.boot_id:
            return bool(time.time() < claim["until"])
        if process["space"] == here.pid_namespace and not is_hidden(process["pid"]):
            return bool(process_start(process["pid"]) == process["start"])
        return bool(uptime() < claim["until_uptime"])

    def _document(self) -> Document:
        found = self._registry.get("claims", self._podm_id)
        return found or Document(self._podm_id, NEVER, {"epoch": 0, "held": {}})

    def _change(self, document: Document, body: Body) -> Change:
        return Change("claims", self._podm_id, body, document.revision)
