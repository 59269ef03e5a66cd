# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules in processes forked from a warm one (`fork_server.py`)."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent

Json = t.Any
Options = dict[str, Json]


@dataclasses.dataclass(frozen=True)
class Report:
    """The exit status and output of one run of a module."""

    status: int | None
    out: str
    err: str

    @property
    def result(self) -> dict[str, Json]:
        """The result of the module, which must be the only line of its output."""
        lines = self.out.strip().splitlines()
        assert len(lines) == 1, f"no single result: {self.out[:2000]!r} {self.err[-3000:]}"
        found = json.loads(lines[0])
        assert isinstance(found, dict)
        return found


class Forks:
    """Runs modules in forked processes. Several threads may use it: a run has a server of its own.

    :param environment: the environment of all runs, besides what each run adds; nothing else is inherited
    :param pauses: seconds of every pause of the library; its own defaults if not given
    :param tests: the folder of the server, which runs the modules of its own tree; another version has a copy of it
    """

    def __init__(
        self, environment: t.Mapping[str, str] | None = None, pauses: float | None = None, tests: Path = HERE
    ) -> None:
        self._environment = dict(environment or {})
        self._server = tests / "fork_server.py"
        self._arguments = [] if pauses is None else [str(pauses)]
        self._idle: list[subprocess.Popen[str]] = []
        self._started: subprocess.Popen[str] | None = None

    def run(self, module: str, arguments: Options, environment: t.Mapping[str, str], seconds: float = 20.0) -> Report:
        (report,) = self._ended(self._begin([(module, arguments)], environment, seconds)[0])
        return report

    def start(
        self, runs: t.Iterable[tuple[str, Options]], environment: t.Mapping[str, str], seconds: float = 60.0
    ) -> list[int]:
        """Start several modules at once, and return their process ids; `ended` must follow."""
        self._started, pids = self._begin(runs, environment, seconds)
        return pids

    def ended(self) -> list[Report]:
        """Wait for the started runs, and return their reports in order."""
        assert self._started
        server, self._started = self._started, None
        return self._ended(server)

    def together(self, runs: t.Iterable[tuple[str, Options]], environment: t.Mapping[str, str]) -> list[Report]:
        """Run several modules at once."""
        self.start(runs, environment)
        return self.ended()

    def close(self) -> None:
        for server in self._idle:
            server.communicate(timeout=30)

    def _begin(
        self, runs: t.Iterable[tuple[str, Options]], environment: t.Mapping[str, str], seconds: float
    ) -> tuple[subprocess.Popen[str], list[int]]:
        whole = {**self._environment, **environment}
        orders = [
            {"module": module, "arguments": arguments, "environment": whole, "seconds": seconds}
            for module, arguments in runs
        ]
        try:
            server = self._idle.pop()
        except IndexError:
            command = [sys.executable, str(self._server), *self._arguments]
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return server, _exchange(server, orders)

    def _ended(self, server: subprocess.Popen[str]) -> list[Report]:
        reports = [Report(**each) for each in _exchange(server, None)]
        self._idle.append(server)
        return reports


def _exchange(server: subprocess.Popen[str], order: Json) -> Json:
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())
