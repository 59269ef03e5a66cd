# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A claim dies with its owner, also where its process cannot be seen: the kernel gives up the lock beside the registry."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import namespaces
import pytest
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._execution.process import ProcessIdentity
from ansible_collections.nec.expether.plugins.module_utils._model.names import podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import Claim, StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry
from back_ends import on_each_back_end
from eemsim.client import Simulator
from executor_runs import PODM, held_in
from module_main import run_main

CARD = "0x8cdf9d120001"
LEASE = 60.0
TESTS = str(Path(__file__).resolve().parents[2])
GPU = {"devices": [{"type": "GPU"}]}

in_another_container = pytest.mark.skipif(
    namespaces.why_impossible() is not None, reason=str(namespaces.why_impossible())
)

#: Claims a card, starts a program that inherits all that it can, and waits.
HOLDER = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
claims = Claims(SqliteRegistry(sys.argv[2]), sys.argv[3], "a run elsewhere", float(sys.argv[4]))
claims.claim(claims.read()[0], [sys.argv[5]])
subprocess.Popen(["sleep", "600"], close_fds=False, stdout=subprocess.DEVNULL, start_new_session=True)
print("ready", flush=True)
sys.stdin.read()
"""
MODULE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.nec.expether.plugins.modules.expether_node import main
from ansible_collections.nec.expether.plugins.module_utils._registry import etcd, etcd_lease
etcd.SECONDS, etcd_lease._BETWEEN = 3, 1.0
with patch_module_args(json.loads(sys.argv[2])):
    main()
"""


@contextlib.contextmanager
def elsewhere(program: str, *arguments: str, command: t.Sequence[str] = namespaces.NEW) -> t.Iterator[t.Any]:
    """A Python program that runs in another PID namespace."""
    process = subprocess.Popen(
        [*command, sys.executable, "-c", program, TESTS, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _claim(registry: SqliteRegistry) -> Claim:
    found = registry.get(StoredClaims, PODM)
    assert found
    return found.held[CARD]


def _is_held(registry: SqliteRegistry) -> bool:
    return CARD in Claims(registry, PODM, "a test", LEASE).read(clean=False)[1]


@in_another_container
def test_what_a_run_in_another_container_claims_is_free_when_it_dies_and_not_before(registry: SqliteRegistry) -> None:
    # Its lease is over at once: only the lock shows that it lives.
    with elsewhere(HOLDER, registry.path, PODM, "0.001", CARD) as process:
        assert process.stdout.readline() == "ready\n"
        claim, here = _claim(registry), ProcessIdentity.of_this_process()
        assert (claim.boot_id, claim.lock is None) == (here.boot_id, False)
        assert claim.pid_namespace != here.pid_namespace
        assert claim.until_uptime < time.clock_gettime(time.CLOCK_BOOTTIME)
        assert _is_held(registry)
        run = namespaces.first_process(process.pid)
        os.kill(run, signal.SIGSTOP)
        assert _is_held(registry)
        os.kill(run, signal.SIGKILL)
        process.wait()
        assert Claims(registry, PODM, "a test", LEASE).read() == (1, {})
    assert held_in(registry) == []


def test_a_program_that_a_run_has_started_does_not_hold_its_lock(registry: SqliteRegistry) -> None:
    with elsewhere(HOLDER, registry.path, PODM, str(LEASE), CARD, command=()) as process:
        assert process.stdout.readline() == "ready\n"
        (program,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        claim = _claim(registry)
        assert claim.lock and registry.is_held(claim.run, claim.lock)
        process.kill()
        process.wait()
        assert registry.is_held(claim.run, claim.lock) is False
        os.kill(int(program), signal.SIGKILL)  # it has outlived the run


@in_another_container
@on_each_back_end
def test_a_task_that_was_killed_in_another_container_can_be_run_again_at_once(
    eem: Simulator,
    registry: Registry,
    registry_url: str,
    back_end: str,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In etcd when its lease has ended, which is a short one here."""
    monkeypatch.setenv("EXPETHER_REGISTRY", registry_url)
    monkeypatch.setenv("EXPETHER_REGISTRY_KEY_FILE", str(key_file))
    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    assert run_main(capsys, "podm", name="rack1", **way)["changed"]
    task = {"podm": "rack1", "name": "n1", "properties": GPU, "connect_timeout": 0}
    eem.fault("freeze", after=True, method="PUT", path="/group_id$")
    with elsewhere(MODULE, json.dumps(task)) as process:
        while not eem.faults()[0]["used"]:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(namespaces.first_process(process.pid), signal.SIGKILL)
        process.wait()
    (held,) = registry.all(StoredClaims)
    assert held.uuid == podm_uuid("rack1") and len({claim.run for claim in held.held.values()}) == 1
    eem.clear_faults()
    if back_end == "sqlite":  # a server may notice a moment later
        monkeypatch.setattr(Claims, "wait_for", lambda *_args: pytest.fail("the killed run is waited for"))
    began = time.monotonic()
    result = run_main(capsys, "node", **task)
    assert time.monotonic() - began < 10, "nobody waits until the claims expire"
    assert result["changed"] and result["node"]["state"] == "composed" and len(result["node"]["devices"]) == 1
    assert [card["group_id"] for card in eem.eeios()].count(result["node"]["pooled_group_id"]) == 1
    assert held_in(registry) == []
    assert not run_main(capsys, "node", **task)["changed"]


def test_each_run_has_a_lock_of_its_own_until_its_registry_is_closed(registry: SqliteRegistry) -> None:
    other = SqliteRegistry(registry.path)
    place = other.hold("a")
    assert place and registry.hold("b") == place
    runs = ("a", "b", "c", "no hex digits ☃")
    assert [other.is_held(run, place) for run in runs] == [True, True, False, False]
    assert [registry.is_held(run, place) for run in runs] == [True, True, False, False]
    other.close()
    assert [registry.is_held(run, place) for run in runs] == [False, True, False, False]
    status = os.stat(f"{registry.path}.locks")
    assert (status.st_mode & 0o777, status.st_nlink) == (0o600, 1)
    assert f" {status.st_dev}:{status.st_ino} " in place, "a copy on another file system may have the same number"
    assert not [path for path in Path(registry.path).parent.iterdir() if path.name.startswith(".locks")]


def test_a_registry_behind_a_link_has_the_same_locks(registry: SqliteRegistry, tmp_path: Path) -> None:
    place = registry.hold("a")
    link = tmp_path / "link.sqlite3"
    link.symlink_to(registry.path)
    other = SqliteRegistry(str(link))
    assert place and other.is_held("a", place) and other.hold("b") == place
    assert not (tmp_path / "link.sqlite3.locks").exists()
    other.close()


def _replaced(path: Path) -> None:
    content = path.read_bytes()
    path.rename(path.with_name("former"))
    path.write_bytes(content)
    path.chmod(0o600)


def _made_anew(path: Path) -> None:
    path.unlink()
    other = SqliteRegistry(str(path).removesuffix(".locks"))
    assert other.hold("c")
    other.close()


def _linked(path: Path) -> None:
    path.rename(path.with_name("former"))
    path.symlink_to(path.with_name("former"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


SPOILT: dict[str, t.Callable[[Path], object]] = {
    "a copy": _replaced,
    "another one": _made_anew,
    "a link": _linked,
    "a named pipe": _pipe,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "empty": lambda path: path.write_bytes(b""),
    "of something else": lambda path: path.write_bytes(b"\xff" * 100),
    "everybody's": lambda path: path.chmod(0o666),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("about", SPOILT)
def test_of_a_run_with_a_lock_that_cannot_be_asked_nothing_is_known(registry: SqliteRegistry, about: str) -> None:
    claims = Claims(registry, PODM, "a test", LEASE)
    claims.claim(claims.read()[0], [CARD])
    claim = _claim(registry)
    assert claim.lock
    SPOILT[about](Path(f"{registry.path}.locks"))
    other = SqliteRegistry(registry.path)
    assert other.is_held(claim.run, claim.lock) is None
    assert _is_held(other)  # its process lives
    assert registry.is_held(claim.run, claim.lock)
    assert registry.is_held("0" * 32, claim.lock.replace(claim.lock[-1], "x")) is None, "another machine"
    # What cannot be locked is claimed without.
    assert (other.hold("b") is None) == (about not in ("a copy", "another one", "gone"))
    more = Claims(other, PODM, "another", LEASE)
    more.claim(more.read()[0], ["0x8cdf9d120002"])
    more.release(changed=False)
    other.close()


def test_without_locks_in_the_system_everything_goes_on(
    registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.nec.expether.plugins.module_utils._registry.run_locks._IS_POSSIBLE", False)
    claims = Claims(registry, PODM, "a test", LEASE)
    claims.claim(claims.read()[0], [CARD])
    assert _claim(registry).lock is None and _is_held(registry)
    assert not Path(f"{registry.path}.locks").exists()
