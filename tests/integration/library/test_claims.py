# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long a claim holds: as long as its process is there, or where that cannot be seen, for its time."""

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
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry, put
from executor_runs import PODM

CARD = "0x8cdf9d120001"
LEASE = 60.0


def _claims(registry: Registry) -> Claims:
    return Claims(registry, PODM, "a test", LEASE)


def _claim_of(registry: Registry, process: dict[str, t.Any] | None = None, **changed: t.Any) -> None:
    """Have a run of this process claim the card, and then change what the claim says."""
    claims = _claims(registry)
    claims.take(claims.look()[0], [CARD])
    found = registry.get(StoredClaims, PODM)
    assert found
    claim = found.held[CARD]._replace(**changed, **(process or {}))
    registry.commit([put(found._replace(held={CARD: claim}))])


def _is_held(registry: Registry) -> bool:
    return CARD in _claims(registry).look(clean=False)[1]


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
    ids=["alive", "its pid is another's now", "gone", "no pid", "container", "container, over", "machine", "machine, over"],
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


def test_a_process_that_is_hidden_holds_its_claim_for_its_time(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.nec.expether.plugins.module_utils._execution.claims.is_hidden", lambda pid: pid == 1)
    _claim_of(registry, {"pid": 1, "start": "of which nothing can be seen"})
    assert _is_held(registry)
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(time, "clock_gettime", lambda dummy: uptime + LEASE + 1.0)
    assert not _is_held(registry)
