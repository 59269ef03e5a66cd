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


def count(session: t.Mapping[str, t.Any]) -> tuple[int, int, int]:
    """Return how many tests of a session in nox's report passed, failed and were skipped."""
    junit = LOGS / f"{session['signatures'][0] if session['signatures'] else session['name']}.xml"
    failed_session = session["result"] in ("failed", "aborted")
    if not junit.exists():
        return int(session["result"] == "success"), int(failed_session), int(session["result"] == "skipped")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in ElementTree.parse(junit).getroot().iter("testsuite"):  # noqa: S314 - pytest wrote it
        for key in totals:
            totals[key] += int(suite.get(key, 0))
    failed = totals["failures"] + totals["errors"]
    # A session may also fail outside its tests.
    return max(0, totals["tests"] - failed - totals["skipped"]), max(failed, int(failed_session)), totals["skipped"]


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
    passed, failed, skipped = (sum(column) for column in zip(*counts))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return status or int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
