# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module in a process of its own, forked from one that has everything imported: real, quick, and to be killed.

The fork runs the module's own ``main()``. Nothing of the library is replaced; around two of its methods is counted,
for kills at the n-th request or commit, and the `User-Agent` of each request names the run.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import sys
import threading
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  # pylint: disable=unused-import  # lets the collection be imported
from episode import Kill, Options, Run
from forked import end_with, redirect
from story import Report

HANG_SECONDS = 60.0
MODULES = sorted(
    path.stem for path in (Path(__file__).resolve().parents[2] / "plugins" / "modules").glob("expether_*.py")
)
COLLECTION = "ansible_collections.nec.expether.plugins"

mains = {name: importlib.import_module(f"{COLLECTION}.modules.{name}") for name in MODULES}
transport = importlib.import_module(f"{COLLECTION}.module_utils._eem.transport").Transport
registries = (
    importlib.import_module(f"{COLLECTION}.module_utils._registry.sqlite").SqliteRegistry,
    importlib.import_module(f"{COLLECTION}.module_utils._registry.postgresql").PostgresqlRegistry,
    importlib.import_module(f"{COLLECTION}.module_utils._registry.etcd").EtcdRegistry,
)
for needed in ("_registry.secrets",):  # imported late by the library
    importlib.import_module(f"{COLLECTION}.module_utils.{needed}")


@dataclasses.dataclass
class Process:
    """A started run, or (without one) a foreign client."""

    pid: int
    run: Run | None
    folder: Path
    began: float
    ended: float = 0.0
    status: int = 0
    hung: bool = False

    def report(self, stage: str) -> Report:
        run = t.cast(Run, self.run)
        killed = os.WIFSIGNALED(self.status) and not self.hung
        output = "".join((self.folder / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))
        lines = (self.folder / "out").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        result = None
        if lines and not killed:
            try:
                result = json.loads(lines[-1])
            except ValueError:
                result = None
        return Report(run, result, self.began, self.ended, killed, self.hung, stage, run.key, output)


def start(run: Run, options: Options, folder: Path) -> Process:
    """Start a run; ``options`` are all options of the module."""
    folder.mkdir(parents=True, exist_ok=True)
    return _fork(lambda: _run_module(run, options, folder), run, folder)


def start_function(function: t.Callable[[], object], folder: Path) -> Process:
    """Start something else in a process of its own: a foreign client, which must not hold the others up."""
    return _fork(function, None, folder)


def _fork(function: t.Callable[[], object], run: Run | None, folder: Path) -> Process:
    assert threading.active_count() == 1, "a process with threads must not fork"
    sys.stdout.flush()
    sys.stderr.flush()
    began = time.time()
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os._exit(70)
    return Process(pid, run, folder, began)


def wait(processes: t.Sequence[Process]) -> None:
    """Wait until all have ended; end those that take far too long."""
    deadline = time.monotonic() + HANG_SECONDS
    left = list(processes)
    while left:
        for process in list(left):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid:
                process.status, process.ended = status, time.time()
                left.remove(process)
            elif time.monotonic() > deadline:
                process.hung = True
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.004)


def _run_module(run: Run, options: Options, folder: Path) -> None:
    """What the fork does."""
    redirect(folder)
    _tag_and_count(run.key, run.kill)
    time.sleep(run.start)
    end_with(mains[run.module].main, {**options, "_ansible_check_mode": run.check, "_ansible_diff": True})


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_in(seconds: float) -> None:
    timer = threading.Timer(seconds, _die)
    timer.daemon = True
    timer.start()


def _tag_and_count(key: str, kill: Kill | None) -> None:
    """Name the run in each request, and die at the point given by `kill`."""
    exchange = transport.exchange
    counts = {"request": 0, "commit": 0}

    def is_now(what: str, after: bool) -> bool:
        return kill is not None and kill.at == what and kill.nth == counts[what] and kill.after == after

    def counted_exchange(self: t.Any, *arguments: t.Any, **named: t.Any) -> t.Any:
        self._session.headers["User-Agent"] = f"chaos {key}"
        counts["request"] += 1
        if is_now("request", after=False):
            _die()
        if kill is not None and kill.at == "during" and kill.nth == counts["request"]:
            _die_in(kill.seconds)
        try:
            return exchange(self, *arguments, **named)
        finally:
            if is_now("request", after=True):
                _die()

    def counted(commit: t.Callable[..., int]) -> t.Callable[..., int]:
        def counted_commit(self: t.Any, changes: t.Any) -> int:
            counts["commit"] += bool(changes)
            if changes and is_now("commit", after=False):
                _die()
            done = commit(self, changes)
            if changes and is_now("commit", after=True):
                _die()
            return done

        return counted_commit

    transport.exchange = counted_exchange
    for registry in registries:
        registry.commit = counted(registry.commit)
    if kill is not None and kill.at == "time":
        _die_in(kill.seconds)
