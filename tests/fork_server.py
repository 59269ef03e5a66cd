# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules in processes forked from this one, which has everything imported and no threads: real, and quick.

`forks.Forks` starts it. A line of JSON on standard input is a list of runs (`module`, `arguments`, `environment`,
`seconds`) that start together. Their process ids are the first line of output; after another line of input, their
reports are the second. A fork runs the module's own `main()`. Nothing of the library is replaced, but the command line
may set the pauses before another attempt.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import conftest  # noqa: F401  # pylint: disable=unused-import  # lets the collection be imported
from forked import end_with, redirect

COLLECTION = "ansible_collections.nec.expether.plugins"
PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
#: Modules that the library imports only when it needs them. An earlier version has others.
LATE = [
    name
    for name in ("_registry.secrets", "_registry.sqlite", "_eem.parallel", "_sync.textfile")
    if PLUGINS.joinpath("module_utils", *name.split(".")).with_suffix(".py").exists()
]
Order = dict[str, t.Any]


def run(main: t.Callable[[], None], order: Order, folder: Path) -> t.NoReturn:
    """Run a module in the fork."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(folder)
    redirect(folder)
    end_with(main, order["arguments"])


def wait(pid: int, seconds: float) -> int | None:
    """Return the exit status of a fork, or none if it took too long and was killed."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        time.sleep(0.002)


def serve(mains: t.Mapping[str, t.Callable[[], None]], folder: Path) -> None:
    for line in sys.stdin:
        orders = json.loads(line)
        folders = [folder / str(number) for number in range(len(orders))]
        pids = start(mains, orders, folders)
        print(json.dumps(pids), flush=True)
        sys.stdin.readline()
        print(json.dumps([report(*each) for each in zip(pids, orders, folders)]), flush=True)


def start(
    mains: t.Mapping[str, t.Callable[[], None]], orders: t.Sequence[Order], folders: t.Sequence[Path]
) -> list[int]:
    """Start the runs; none begins before all processes exist."""
    assert threading.active_count() == 1, "a process with threads must not fork"
    waiting, all_there = os.pipe()
    pids = []
    for order, own in zip(orders, folders):
        own.mkdir(exist_ok=True)
        for name in ("out", "err"):
            (own / name).write_text("", encoding="utf-8")
        pid = os.fork()
        if pid == 0:
            os.close(all_there)
            os.read(waiting, 1)
            run(mains[order["module"]], order, own)
        pids.append(pid)
    os.close(all_there)
    os.close(waiting)
    return pids


def report(pid: int, order: Order, folder: Path) -> dict[str, t.Any]:
    """Wait for a fork, and return its status and output."""
    found: dict[str, t.Any] = {"status": wait(pid, order["seconds"])}
    for name in ("out", "err"):
        found[name] = (folder / name).read_text(encoding="utf-8", errors="replace")
    return found


def set_pauses(seconds: float) -> None:
    """Replace the default pauses of all settings. This is not an option of any module."""
    settings = importlib.import_module(f"{COLLECTION}.module_utils._eem.settings").Settings
    usual = settings("").pauses
    settings.__new__.__defaults__ = (*settings.__new__.__defaults__[:-1], type(usual)(*[seconds] * len(usual)))
    assert {*settings("").pauses} == {seconds}


if __name__ == "__main__":
    for late in LATE:
        importlib.import_module(f"{COLLECTION}.module_utils.{late}")
    if len(sys.argv) > 1:
        set_pauses(float(sys.argv[1]))
    modules = {name: importlib.import_module(f"{COLLECTION}.modules.{name}") for name in MODULES}
    with tempfile.TemporaryDirectory(prefix="expether-forks-") as scratch:
        serve({name: module.main for name, module in modules.items()}, Path(scratch))
