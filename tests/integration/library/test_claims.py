# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long a claim holds: as long as its lock, or else its process, is there, or where that cannot be seen, for its time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.records import RegisteredUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    Change,
    Registry,
    RegistryConflict,
    put,
)
from back_ends import BACK_ENDS
from executor_runs import PODM, held_in
from module_main import Meddled

CARD = "0x8cdf9d120001"
LEASE = 60.0


@pytest.fixture(name="back_end", params=BACK_ENDS)
def fixture_back_end(request: pytest.FixtureRequest) -> str:
    return t.cast(str, request.param)


def _claims(registry: Registry) -> Claims:
    return Claims(registry, PODM, "a test", LEASE)


def _claim_of(registry: Registry, process: dict[str, t.Any] | None = None, **changed: t.Any) -> None:
    """Have a run of this process claim the card without a lock, and then change what the claim says."""
    _take(registry, CARD)
    _rewrite(registry, CARD, lock=None, **changed, **(process or {}))


def _rewrite(registry: Registry, card: str, **changed: t.Any) -> None:
    found = registry.get(StoredClaims, PODM)
    assert found
    registry.commit([put(found._replace(held={**found.held, card: found.held[card]._replace(**changed)}))])


def _is_held(registry: Registry) -> bool:
    return CARD in _claims(registry).read(clean=False)[1]


ELSEWHERE = {"pid_namespace": "pid:[1]"}
BEFORE = {"boot_id": "another", "pid_namespace": "pid:[1]"}


@pytest.mark.parametrize(
    ("process", "seconds", "held"),
    [
        ({}, -1.0, True),
        ({"start": "1"}, 60.0, False),
        ({"pid": 2**31 - 1}, 60.0, False),
        ({"pid": 2**70}, 60.0, False),
        (ELSEWHERE, 60.0, True),
        (ELSEWHERE, -1.0, False),
        (BEFORE, 60.0, True),
        (BEFORE, -1.0, False),
    ],
    ids=[
        "alive",
        "its pid is another's now",
        "gone",
        "no pid",
        "container",
        "container, over",
        "machine",
        "machine, over",
    ],
)
def test_a_claim_holds_while_its_process_is_there_or_elsewhere_for_its_time(
    registry: Registry, process: dict[str, t.Any], seconds: float, held: bool
) -> None:
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    _claim_of(registry, process, until=time.time() + seconds, until_uptime=uptime + seconds)
    assert _is_held(registry) == held


@pytest.mark.parametrize("jump", [-1e8, 1e8], ids=["back", "forward"])
def test_a_clock_that_is_set_neither_frees_nor_keeps_what_another_container_holds(
    registry: Registry, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    _claim_of(registry, ELSEWHERE)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert _is_held(registry)
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(time, "clock_gettime", lambda dummy: uptime + LEASE + 1.0)
    assert not _is_held(registry)


HIDDEN = """
import os, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._execution import process
os.setuid(65534)
print(process.is_hidden(os.getpid()), process.is_hidden(1), process.is_hidden(2**31 - 1), process.is_hidden(2**70))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_process_of_another_user_is_there_also_where_it_is_hidden() -> None:
    tests = str(Path(__file__).resolve().parents[2])
    done = subprocess.run([sys.executable, "-c", HIDDEN, tests], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True", "False", "False"]


def test_a_process_that_is_hidden_holds_its_claim_for_its_time(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ansible_collections.nec.expether.plugins.module_utils._execution.claims.is_hidden", lambda pid: pid == 1
    )
    _claim_of(registry, {"pid": 1, "start": "of which nothing can be seen"})
    assert _is_held(registry)
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(time, "clock_gettime", lambda dummy: uptime + LEASE + 1.0)
    assert not _is_held(registry)


# When another run is quicker

OTHER_CARD = "0x8cdf9d120002"


@pytest.fixture(name="meddled")
def fixture_meddled(registry: Registry) -> t.Iterator[Meddled]:
    """A second connection to the registry, on which another run may be quicker."""
    Meddled.begin(0)
    meddled = Meddled(registry.path)
    yield meddled
    meddled.close()


def _take(registry: Registry, *cards: str) -> Claims:
    claims = _claims(registry)
    claims.claim(claims.read()[0], cards)
    return claims


def _other_takes(other: Registry, _changes: t.Sequence[Change]) -> None:
    _take(other, OTHER_CARD)
    _rewrite(other, OTHER_CARD, lock=None)  # which ends when the connection is closed


def test_what_a_dead_run_held_is_freed_once_by_two_who_look_at_the_same_moment(
    registry: Registry, meddled: Meddled
) -> None:
    _claim_of(registry, {"pid": 2**31 - 1})
    Meddled.begin(1, lambda other, _changes: t.cast(None, _claims(other).read()))
    assert _claims(meddled).read() == (1, {})
    assert Meddled.conflicts == 1
    assert held_in(registry) == []


def test_nothing_is_claimed_from_a_list_that_is_older_than_another_runs_changes(registry: Registry) -> None:
    claims = _claims(registry)
    epoch, _held = claims.read()
    _take(registry, OTHER_CARD).release(changed=True)
    with pytest.raises(RegistryConflict, match="may have changed cards since the fabric was listed"):
        claims.claim(epoch, [CARD])
    assert held_in(registry) == []
    claims.claim(claims.read()[0], [CARD])
    assert held_in(registry) == [CARD]


def test_a_card_that_another_run_claims_first_is_not_claimed(registry: Registry, meddled: Meddled) -> None:
    claims = _claims(meddled)
    epoch, _held = claims.read()
    Meddled.begin(1, _other_takes)
    with pytest.raises(RegistryConflict):
        claims.claim(epoch, [OTHER_CARD])
    with pytest.raises(RegistryConflict, match="Another run has claimed one of these cards"):
        claims.claim(epoch, [OTHER_CARD])
    assert held_in(registry) == [OTHER_CARD]


def test_claims_are_renewed_also_when_another_run_claims_something_else_at_the_same_moment(
    registry: Registry, meddled: Meddled, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = _take(meddled, CARD)
    before = _until(registry)
    monkeypatch.setattr("ansible_collections.nec.expether.plugins.module_utils._execution.claims.RENEW_AFTER", 0.0)
    Meddled.begin(1, _other_takes)
    assert claims.renew()
    assert Meddled.conflicts == 1
    assert sorted(held_in(registry)) == [CARD, OTHER_CARD]
    assert _until(registry) > before


def test_claims_are_not_renewed_that_another_run_takes_over_at_the_same_moment(
    registry: Registry, meddled: Meddled, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = _take(meddled, CARD)
    monkeypatch.setattr("ansible_collections.nec.expether.plugins.module_utils._execution.claims.RENEW_AFTER", 0.0)

    def take_over(other: Registry, _changes: t.Sequence[Change]) -> None:
        _rewrite(other, CARD, lock=None, pid=2**31 - 1)  # as if this run had died
        _take(other, CARD)

    Meddled.begin(1, take_over)
    assert not claims.renew()
    assert Meddled.conflicts == 1
    assert held_in(registry) == [CARD]


def test_claims_are_given_back_also_when_another_run_claims_something_at_the_same_moment(
    registry: Registry, meddled: Meddled
) -> None:
    claims = _take(meddled, CARD)
    Meddled.begin(1, _other_takes)
    claims.release(changed=True)
    assert Meddled.conflicts == 1
    assert held_in(registry) == [OTHER_CARD]
    assert _claims(registry).read()[0] == 1


def test_claims_are_kept_when_a_change_that_goes_with_them_is_not_possible_any_more(
    registry: Registry, meddled: Meddled
) -> None:
    """Not tried again in vain: what the caller has decided on is out of date."""
    claims = _take(meddled, CARD)
    Meddled.begin(0)
    with pytest.raises(RegistryConflict):
        claims.release(changed=True, with_changes=[put(RegisteredUrl("a", 99, ""))])
    assert Meddled.commits == 1
    assert held_in(registry) == [CARD]
    assert registry.all(RegisteredUrl) == []


def _until(registry: Registry) -> float:
    found = registry.get(StoredClaims, PODM)
    assert found
    return found.held[CARD].until


def test_a_server_is_asked_once_about_the_claims_of_a_run(registry: Registry, registry_url: str) -> None:
    """However many cards it has claimed: with a server each question is a request."""
    run = _claims(registry)
    run.claim(run.read()[0], [f"{CARD[:-1]}{digit}" for digit in range(9)])
    asked: list[str] = []

    class Counted(Meddled):
        def is_held(self, run: str, place: str) -> bool | None:
            asked.append(run)
            return t.cast("bool | None", self._registry.is_held(run, place))

    other = t.cast(Registry, Counted(registry_url))
    assert len(_claims(other).read()[1]) == 9 and len(asked) == 1
    other.close()
