# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which run is changing which card: claims in the registry. Private to the collection.

Each pod manager has one record, changed by compare-and-swap.

The epoch is raised whenever a run that changed hardware releases its claims, and when the claims of a dead run are
removed. A plan must not be carried out if the epoch was raised after its fabric was listed.
"""

from __future__ import annotations

import os
import platform
import time
import typing as t
import uuid

from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Patience, Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.process import (
    ProcessIdentity,
    is_hidden,
    process_start,
    uptime,
)
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import Claim, StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    Change,
    Registry,
    RegistryConflict,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written

WHOLE_PODM = "the pod manager"  # the key of a claim on everything that the pod manager has
RENEW_AFTER = 5.0  # seconds after which a run renews its claims before its next step


def waited_for(blocked_by: t.Mapping[str, str]) -> str:
    """Return the sentence about a wait.

    :param blocked_by: the keys that were waited for, with who claimed them
    """
    return f"Waited for other runs: {comma_list(f'{key} claimed by {who}' for key, who in blocked_by.items())}."


def lease_of(settings: Settings) -> float:
    """Return for how many seconds a claim is valid without being renewed.

    That is longer than the longest time between two renewals: one step in which the run waits as long as it may and
    receives a few slow answers.
    """
    return settings.patience + 3 * settings.timeout + 30.0


class Claims:
    """The claims of one run on cards of one pod manager.

    :param what: what the run does, for messages of other runs that wait for it
    :param lease: after how many seconds without renewal other runs may remove a claim
    :param pause: as in `until_written`
    """

    def __init__(self, registry: Registry, podm_id: str, what: str, lease: float, pause: float = 0.1) -> None:
        self._registry = registry
        self._podm_id = podm_id
        self._lease = lease
        self._pause = pause
        self._run = uuid.uuid4().hex
        self._what = what
        self._process = ProcessIdentity.of_this_process()
        self._lock: str | None = None
        self._keys: list[str] = []
        self._renewed = 0.0

    def read(self, clean: bool = True) -> tuple[int, dict[str, str]]:
        """Return the epoch, and the keys claimed by other runs with who claimed them.

        :param clean: whether the claims of dead runs are removed first; not in check mode
        """

        def attempt() -> tuple[int, dict[str, str]]:
            stored = self._stored()
            # The claims of a run are mostly equal, and each question may be a request to a server.
            is_alive = {claim: self._is_alive(claim) for claim in {*stored.held.values()}}
            epoch, alive = stored.epoch, {key: claim for key, claim in stored.held.items() if is_alive[claim]}
            if clean and len(alive) < len(stored.held):
                # The dead run may have changed the cards that it claimed: every earlier listing is out of date.
                epoch += 1
                self._registry.commit([put(stored._replace(epoch=epoch, held=alive))])
            return epoch, {key: claim.what for key, claim in alive.items() if claim.run != self._run}

        return until_written(attempt, pause=self._pause)

    def wait_for(self, blocked_by: t.Mapping[str, str], patience: Patience) -> bool:
        """Wait until another run releases one of these claims; return whether one did in time.

        A run that waits must hold no claims, because two runs that wait for each other would wait forever.

        :param blocked_by: the keys with who claimed them, as returned by `read`
        """
        while patience.pause(patience.pauses.claim):
            _epoch, claimed_by_others = self.read(clean=False)
            if any(claimed_by_others.get(key) != who for key, who in blocked_by.items()):
                return True
        return False

    def claim(self, epoch: int, keys: t.Iterable[str], with_changes: t.Sequence[Change] = ()) -> int:
        """Claim these cards and group ids, and make further changes in the same transaction.

        Return the revision of all documents of the transaction.

        :param epoch: the epoch before the fabric was listed
        :param keys: ids of cards and groups; `WHOLE_PODM` for everything that the pod manager has
        :raises RegistryConflict: the listing is out of date, or another run has claimed one of the keys
        """
        stored = self._stored()
        if stored.epoch != epoch:
            raise RegistryConflict("Another run may have changed cards since the fabric was listed.")
        keys = list(keys)
        claimed_by_others = {key for key, claim in stored.held.items() if claim.run != self._run}
        if claimed_by_others & {*keys, WHOLE_PODM} or (claimed_by_others and WHOLE_PODM in keys):
            raise RegistryConflict("Another run has claimed one of these cards.")
        if self._lock is None:  # held before others can read that it is
            self._lock = self._registry.hold(self._run)
        held = {**stored.held, **dict.fromkeys(keys, self._new_claim())}
        revision = self._registry.commit([put(stored._replace(held=held)), *with_changes])
        self._keys = sorted({*self._keys, *keys})
        self._renewed = time.monotonic()
        return revision

    def renew(self) -> bool:
        """Renew the claims unless that was done recently; return whether this run still holds all of them.

        They are always renewed if the lock was lost with its connection: another run may have removed them since then.
        """
        lock = self._registry.hold(self._run)
        if lock == self._lock and time.monotonic() - self._renewed < RENEW_AFTER:
            return True
        self._lock = lock

        def attempt() -> bool:
            stored = self._stored()
            if not {key for key, claim in stored.held.items() if claim.run == self._run}.issuperset(self._keys):
                return False
            held = {**stored.held, **dict.fromkeys(self._keys, self._new_claim())}
            self._registry.commit([put(stored._replace(held=held))])
            self._renewed = time.monotonic()
            return True

        return until_written(attempt, pause=self._pause)

    def release(self, changed: bool, with_changes: t.Sequence[Change] = ()) -> None:
        """Release all claims, and make further changes in the same transaction.

        :param changed: whether hardware was or may have been changed
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
                    raise  # another run has changed its claims: try again
                return conflict
            self._keys = []
            return None

        conflict = until_written(attempt, pause=self._pause)
        if conflict:
            raise conflict

    def _new_claim(self) -> Claim:
        pid = os.getpid()
        return Claim(
            run=self._run,
            what=self._what,
            until=time.time() + self._lease,
            until_uptime=uptime() + self._lease,
            boot_id=self._process.boot_id,
            pid_namespace=self._process.pid_namespace,
            pid=pid,
            start=process_start(pid),
            host=platform.node(),
            lock=self._lock,
        )

    def _is_alive(self, claim: Claim) -> bool:
        """Whether the run that made a claim may still be working: its lock tells, or else its process or the expiry.

        A lock may be held for some seconds longer than its owner lives, which its process shows on the same machine.

        Without a lock, only the expiry is known for a process in another container, by the clock that starts when the
        machine boots. For another machine, or this one before its last boot, it is known by the wall clock, which may be
        wrong.
        """
        own = self._process
        held = self._registry.is_held(claim.run, claim.lock) if claim.lock is not None else None
        is_here = own.boot_id is not None and claim.boot_id == own.boot_id
        if held is False:
            return False
        if is_here and claim.pid_namespace == own.pid_namespace and not is_hidden(claim.pid):
            return process_start(claim.pid) == claim.start
        if held:
            return True
        return uptime() < claim.until_uptime if is_here else time.time() < claim.until

    def _stored(self) -> StoredClaims:
        return self._registry.get(StoredClaims, self._podm_id) or StoredClaims(self._podm_id)
