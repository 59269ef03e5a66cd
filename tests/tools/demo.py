#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start two simulated EEMs, run playbooks/demo.yml against them, stop them. `make demo` calls this.

The playbook gets `demo_url_1`, `demo_url_2` (the EEMs), `demo_registry` and `demo_report` as extra variables, and the user
name and password of both EEMs in the environment, as EEM_USERNAME and EEM_PASSWORD. Arguments are passed on to
ansible-playbook: `tests/tools/in_env.sh demo tests/tools/demo.py -vvv`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIMULATOR = ROOT / "tests" / "simulator" / "eem_simulator.py"
PLAYBOOK = ROOT / "playbooks" / "demo.yml"
STATE = ROOT / ".ansible" / "demo"
REPORT = STATE / "report.html"
FLEETS = ((4, 14, 1), (3, 10, 2))  # EESVs, EEIOs, seed
USERNAME = "admin"
READY_SECONDS = 20

# Readable output: no advice about an inventory, and unwrapped tables. (YAML would wrap long lines.)
ANSIBLE = {
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_NOCOWS": "true",
}


def ready_line(process: subprocess.Popen[bytes]) -> dict[str, t.Any]:
    """Return the ready line of a simulator."""
    assert process.stdout is not None
    readable, dummy, dummy = select.select([process.stdout], [], [], READY_SECONDS)
    line = process.stdout.readline() if readable else b""
    if not line:
        sys.exit(f"The simulator did not start: {SIMULATOR} printed no ready line within {READY_SECONDS} seconds.")
    return t.cast("dict[str, t.Any]", json.loads(line))


@contextlib.contextmanager
def simulator(eesv: int, eeio: int, seed: int, password: str) -> t.Iterator[str]:
    """Run a simulator on a free port; yield its URL."""
    command = [sys.executable, str(SIMULATOR), "--port", "0", "--username", USERNAME, "--eesv", str(eesv)]
    # Its standard input is a pipe from this program, so it exits with this program, even if this is killed.
    command += ["--eeio", str(eeio), "--seed", str(seed), "--exit-with-stdin"]
    environment = {**os.environ, "EEM_SIM_PASSWORD": password}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield ready_line(process)["url"]
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def play(urls: list[str], password: str, arguments: list[str]) -> int:
    """Run the playbook and return its exit status."""
    variables = {f"demo_url_{number}": url for number, url in enumerate(urls, 1)}
    variables["demo_registry"] = f"sqlite://{STATE}/registry.sqlite3"
    variables["demo_report"] = str(REPORT)
    command = ["ansible-playbook", str(PLAYBOOK), "-e", json.dumps(variables), *arguments]
    environment = {**os.environ, **ANSIBLE, "EEM_USERNAME": USERNAME, "EEM_PASSWORD": password}
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        environment["ANSIBLE_FORCE_COLOR"] = "true"
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


def main(arguments: list[str]) -> int:
    """Run the demo and return an exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, dummy: sys.exit(128 + number))
    start = time.monotonic()
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True, mode=0o700)
    password = secrets.token_urlsafe(12)
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(simulator(*fleet, password)) for fleet in FLEETS]
        print(f"Two simulated EEMs are listening: {urls[0]} and {urls[1]}", flush=True)
        status = play(urls, password, arguments)
    word = "finished" if status == 0 else f"FAILED (ansible-playbook exited with {status})"
    print(f"The simulated EEMs were stopped. The demo {word} after {time.monotonic() - start:.0f} seconds.")
    if REPORT.exists():
        print(f"A picture of the fabric, as it was before the end of the demo: {REPORT.as_uri()}")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
