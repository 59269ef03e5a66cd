# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one JSON line a task: its result, what went over the wire meanwhile, and the registry's files afterwards.

Ansible calls it in its own process, before it starts the next task: so what a task did can be separated from what the
others did. It also carries out what a test wants done before a task: faults, silent cards, a restart.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import urllib.request

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_records
type: notification
short_description: Writes one JSON line a task
description: For tests.
"""


def ask(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return json.load(answer)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "task_records"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with open(os.environ["TASK_RECORDS"], encoding="utf-8") as file:
            self._orders = json.load(file)
        self._before = {}

    def v2_playbook_on_task_start(self, task, is_conditional):
        for method, url, body in self._orders["before"].get(task.name, ()):
            ask(method, url, body)
        self._before = self._files()
        for control in self._orders["controls"]:
            ask("DELETE", f"{control}/log")

    def v2_runner_on_ok(self, result):
        self._write(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result, failed=True)

    def _files(self):
        """The files where registries are, by what is in them."""
        folder = pathlib.Path(self._orders["folder"])
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def _write(self, result, failed):
        task = getattr(result, "task", None) or result._task
        record = {
            "task": task.name,
            "host": (getattr(result, "host", None) or result._host).name,
            "check": bool(task.check_mode),
            "failed": failed,
            "result": getattr(result, "result", None) or result._result,
            "wire": [ask("GET", f"{control}/log") for control in self._orders["controls"]],
            "before": self._before,
            "after": self._files(),
        }
        with open(self._orders["records"], "a", encoding="utf-8") as file:
            file.write(json.dumps(record, default=str) + "\n")
