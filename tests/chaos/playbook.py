# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the modules of one round through ansible-playbook: one host a run, all at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from episode import Options, Run
from story import Report

HERE = Path(__file__).resolve().parent


def play(runs: t.Sequence[tuple[Run, Options]], folder: Path, by: str) -> list[Report]:
    """Run them. EEM cannot distinguish the runs of one play, so all have the same `by`."""
    folder.mkdir(parents=True)
    hosts = {
        f"h{place}": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        for place in range(len(runs))
    }
    tasks = [
        {
            "name": run.key,
            f"nec.expether.{run.module}": options,
            "when": f"inventory_hostname == 'h{place}'",
            "ignore_errors": True,
            "check_mode": run.check,
        }
        for place, (run, options) in enumerate(runs)
    ]
    playbook, inventory, results = folder / "play.yml", folder / "hosts.yml", folder / "results.jsonl"
    playbook.write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": tasks}]), encoding="utf-8"
    )
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    began = time.time()
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--forks={len(runs)}",
            f"--inventory={inventory}",
            str(playbook),
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={
            **os.environ,
            "CHAOS_RESULTS": str(results),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "chaos_results",
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
            "ANSIBLE_PIPELINING": "1",
        },
    )
    ended = time.time()
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    found = {each["task"]: each["result"] for each in map(json.loads, lines)}
    output = done.stdout + done.stderr
    return [Report(run, found.get(run.key), began, ended, by=by, output=output) for run, dummy in runs]
