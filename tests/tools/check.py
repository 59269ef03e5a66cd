#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run sessions of noxfile.py two at a time, and count the results: `check.py -t TAG...`, or other arguments of nox.

Each test of a pytest session counts, any other session counts as one. A session that cannot run on this machine counts
as skipped; nox prints the reason.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import typing as t
from pathlib import Path
from xml.etree import ElementTree

LOGS = Path(__file__).resolve().parents[2] / ".ansible" / "log"
REPORT = LOGS / "report.json"


def failed_tests(report: Path) -> set[str]:
    """Return the names of the failed tests in a report of pytest."""
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314 - pytest wrote it
    return {
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }


def last_line(name: str) -> str:
    """Return the last line of a session's log: chaos, for example, ends with its seed."""
    log = LOGS / f"{name}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "no log")


class Counts(t.NamedTuple):
    """How many tests of a session passed, failed and were skipped, and the names of those that failed at first."""

    passed: int
    failed: int
    skipped: int
    names: tuple[str, ...] = ()


def count(session: t.Mapping[str, t.Any]) -> Counts:
    """Count the tests of a session in nox's report."""
    name = session["signatures"][0] if session["signatures"] else session["name"]
    junit, again = LOGS / f"{name}.xml", LOGS / f"{name}-again.xml"
    failed_session = session["result"] in ("failed", "aborted")
    if not junit.exists():
        passed, skipped = (int(session["result"] == result) for result in ("success", "skipped"))
        return Counts(
            passed, int(failed_session), skipped, (f"failed: {name}: {last_line(name)}",) if failed_session else ()
        )
    suites = list(ElementTree.parse(junit).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it
    tests, skipped = (sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "skipped"))
    first = failed_tests(junit)
    failed = failed_tests(again) if again.exists() else first
    names = tuple(
        f"failed: {name}: {test}" if test in failed else f"passed only alone: {name}: {test}" for test in sorted(first)
    )
    # A session may also fail outside its tests.
    number = max(len(failed), int(failed_session))
    return Counts(
        max(0, tests - number - skipped),
        number,
        skipped,
        names or ((f"failed: {name}: {last_line(name)}",) if number else ()),
    )


def main() -> int:
    """Run nox; return an exit status."""
    for old in (REPORT, *LOGS.glob("*.xml")):
        old.unlink(missing_ok=True)
    nox = subprocess.Popen(["nox", "--parallel", "2", "--report", str(REPORT), *sys.argv[1:]], start_new_session=True)
    # nox stops its sessions, which needs a moment.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, dummy: nox.send_signal(number))
    status = nox.wait()
    if not REPORT.exists():
        return status or 1
    counts = [count(session) for session in json.loads(REPORT.read_text(encoding="utf-8"))["sessions"]]
    passed, failed, skipped = (sum(column) for column in zip(*(each[:3] for each in counts)))
    print("", *(name for each in counts for name in each.names), sep="\n")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return status or int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
