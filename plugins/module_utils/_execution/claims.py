# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is changing which card at the moment: claims in the registry. Private to the collection.

One record a pod manager, changed by compare-and-swap. Its epoch grows whenever a run that changed hardware gives its
claims back, or a dead run's claims are taken away: a picture of the fabric that is older than the epoch must not be
planned from.
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
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import Claim, StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, Registry, RegistryConflict, put
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written

WHOLE = "the pod manager"  # claimed by whoever is about to forget the pod manager
POLL = 0.2  # seconds between two looks at another run's claims
RENEW_AFTER = 5.0  # seconds after which a run renews its claims before its next step


def waited_for(held_by: t.Mapping[str, str]) -> str:
    """Return the sentence about a wait."""
    return f"Waited for other runs: {comma_list(f'{key} held by {who}' for key, who in held_by.items())}."


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
        self._here = ProcessIdentity.of_this_process()
        self._mine: list[str] = []
        self._renewed = 0.0

    def look(self, clean: bool = True) -> tuple[int, dict[str, str]]:
        """Return the epoch and what other runs hold, and who.

        :param clean: whether what dead runs held is taken away first; not in check mode
        """

        def attempt() -> tuple[int, dict[str, str]]:
            stored = self._stored()
            epoch, alive = stored.epoch, {key: claim for key, claim in stored.held.items() if self._is_alive(claim)}
            if clean and len(alive) < len(stored.held):
                # Whoever died may have changed what it held: all that was seen before is stale.
                epoch += 1
                self._registry.commit([put(stored._replace(epoch=epoch, held=alive))])
            return epoch, {key: claim.what for key, claim in alive.items() if claim.run != self._run}

        return until_written(attempt)

    def wait_for(self, held_by: t.Mapping[str, str], patience: Patience) -> bool:
        """Wait until another run gives back one of these; return whether one did in time.

        Whoever waits must hold nothing: two that wait for each other would wait for ever.

        :param held_by: the keys with who holds them, as `look` told them
        """
        while patience.pause(POLL):
            _epoch, held = self.look(clean=False)
            if any(held.get(key) != who for key, who in held_by.items()):
                return True
        return False

    def take(self, epoch: int, keys: t.Iterable[str], with_changes: t.Sequence[Change] = ()) -> int:
        """Claim these cards and group ids, and make further changes in the same transaction.

        Returns the revision that all documents of the transaction have now.

        :param keys: of cards and group ids; `WHOLE` for all that the pod manager has
        :param epoch: the one that was current before the fabric was listed
        :raises RegistryConflict: the picture is stale, or one of them is held by another run
        """
        stored = self._stored()
        if stored.epoch != epoch:
            raise RegistryConflict("Another run has changed cards since the fabric was listed.")
        keys = list(keys)
        others = {key for key, claim in stored.held.items() if claim.run != self._run}
        if others & {*keys, WHOLE} or (others and WHOLE in keys):
            raise RegistryConflict("Another run holds one of these cards.")
        held = {**stored.held, **dict.fromkeys(keys, self._claim())}
        revision = self._registry.commit([put(stored._replace(held=held)), *with_changes])
        self._mine = sorted({*self._mine, *keys})
        self._renewed = time.monotonic()
        return revision

    def renew(self) -> bool:
        """Renew the claims if that was not done just now; return whether this run still holds them all."""
        if time.monotonic() - self._renewed < RENEW_AFTER:
            return True

        def attempt() -> bool:
            stored = self._stored()
            if not {key for key, claim in stored.held.items() if claim.run == self._run}.issuperset(self._mine):
                return False
            held = {**stored.held, **dict.fromkeys(self._mine, self._claim())}
            self._registry.commit([put(stored._replace(held=held))])
            self._renewed = time.monotonic()
            return True

        return until_written(attempt)

    def release(self, changed: bool, with_changes: t.Sequence[Change] = ()) -> None:
        """Give all claims back, and make further changes in the same transaction.

        :param changed: whether hardware was changed, or may have been
        :raises RegistryConflict: one of the further changes is not possible any more
        """

        def attempt() -> RegistryConflict | None:
            stored = self._stored()
            held = {key: claim for key, claim in stored.held.items() if claim.run != self._run}
            now = stored._replace(epoch=stored.epoch + bool(changed), held=held)
            changes = list(with_changes)
            if now != stored:
                changes.append(put(now))
            try:
                self._registry.commit(changes)
            except RegistryConflict as conflict:
                if self._stored().revision != stored.revision:
                    raise  # another run's claims came between
                return conflict
            self._mine = []
            return None

        conflict = until_written(attempt)
        if conflict:
            raise conflict

    def _claim(self) -> Claim:
        pid = os.getpid()
        return Claim(
            run=self._run,
            what=self._what,
            until=time.time() + self._lease,
            until_uptime=uptime() + self._lease,
            boot_id=self._here.boot_id,
            pid_namespace=self._here.pid_namespace,
            pid=pid,
            start=process_start(pid),
            host=platform.node(),
        )

    def _is_alive(self, claim: Claim) -> bool:
        """Whether the run that made a claim may still be at work: its process is there, or its time is not over.

        Of a process in another container only the time is known, by the clock that starts with the machine; on
        another machine (or on this one before it was started anew) by the clock on the wall, which may be wrong.
        """
        here = self._here
        if here.boot_id is None or claim.boot_id != here.boot_id:
            return time.time() < claim.until
        if claim.pid_namespace == here.pid_namespace and not is_hidden(claim.pid):
            return process_start(claim.pid) == claim.start
        return uptime() < claim.until_uptime

    def _stored(self) -> StoredClaims:
        return self._registry.get(StoredClaims, self._podm_id) or StoredClaims(self._podm_id)
