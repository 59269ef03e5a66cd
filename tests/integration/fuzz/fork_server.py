# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules in processes forked from this one, which has everything imported and no threads: real, and quick.

One line of JSON on standard input is one run (``module``, ``arguments``, ``environment``), one line on standard output
what came of it. A line with ``runs`` starts several at once: their process ids are one line of output, and when another
line of input comes, what came of all is the next. The fork runs the module's own ``main()``; nothing of the library is replaced but the pauses between tries.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import conftest  # noqa: F401  # pylint: disable=unused-import  # lets the collection be imported
from forked import end_with, redirect

COLLECTION = "ansible_collections.nec.expether.plugins"
PAUSES = {
    "_eem.client": ("FIRST_PAUSE", "LONGEST_PAUSE"),
    "_execution.claims": ("POLL",),
    "_execution.executor": ("STALE_PAUSE",),
    "_execution.observe": ("EMPTY_PAUSE",),
    "_execution.steps": ("EMPTY_PAUSE", "PAUSE"),
}


def run(main: t.Callable[[], None], order: dict[str, t.Any], folder: Path) -> t.NoReturn:
    """What the fork does."""
    os.environ.update(order["environment"])
    os.chdir(folder)
    redirect(folder)
    end_with(main, order["arguments"])


def wait(pid: int, seconds: float) -> int | None:
    """Return a fork's exit status; none if it took too long and was ended."""
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
        order = json.loads(line)
        if "runs" in order:
            serve_together(mains, order["runs"], folder)
            continue
        pid = os.fork()
        if pid == 0:
            run(mains[order["module"]], order, folder)
        print(json.dumps(report(pid, order, folder)), flush=True)


def report(pid: int, order: dict[str, t.Any], folder: Path) -> dict[str, t.Any]:
    """Wait for a fork, and return what came of it."""
    found: dict[str, t.Any] = {"status": wait(pid, order["seconds"])}
    for name in ("out", "err"):
        found[name] = (folder / name).read_text(encoding="utf-8", errors="replace")
    return found


def serve_together(mains: t.Mapping[str, t.Callable[[], None]], orders: t.Sequence[dict[str, t.Any]], folder: Path) -> None:
    """Start several runs, none of which begins before all are there."""
    starting, start = os.pipe()
    folders = [folder / str(number) for number in range(len(orders))]
    pids = []
    for order, own in zip(orders, folders):
        own.mkdir(exist_ok=True)
        for name in ("out", "err"):
            (own / name).write_text("", encoding="utf-8")
        pid = os.fork()
        if pid == 0:
            os.close(start)
            os.read(starting, 1)
            run(mains[order["module"]], order, own)
        pids.append(pid)
    os.close(start)
    os.close(starting)
    print(json.dumps(pids), flush=True)
    sys.stdin.readline()
    print(json.dumps([report(*each) for each in zip(pids, orders, folders)]), flush=True)


if __name__ == "__main__":
    for late in ("_registry.secrets", "_registry.sqlite", "_eem.parallel"):  # imported late by the library
        importlib.import_module(f"{COLLECTION}.module_utils.{late}")
    for file, names in PAUSES.items():
        library = importlib.import_module(f"{COLLECTION}.module_utils.{file}")
        for constant in names:
            assert hasattr(library, constant), constant
            setattr(library, constant, 0.005)
    modules = {name: importlib.import_module(f"{COLLECTION}.modules.{name}") for name in sys.argv[1:]}
    with tempfile.TemporaryDirectory(prefix="expether-fuzz-") as scratch:
        serve({name: module.main for name, module in modules.items()}, Path(scratch))
