# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one JSON line a task: its result, and what ``Traces`` saw of it.

Ansible calls it in its own process, before it starts the next task: so what a task did can be separated from what the
others did. It also carries out what a test wants done before a task: faults, silent cards, a restart.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from ansible.plugins.callback import CallbackBase
from traces import Traces

DOCUMENTATION = """
name: task_records
type: notification
short_description: Writes one JSON line a task
description: For tests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "task_records"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        with open(os.environ["TASK_RECORDS"], encoding="utf-8") as file:
            self._orders = json.load(file)
        self._traces = Traces(self._orders["controls"], self._orders["folder"])

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._traces.begin(self._orders["before"].get(task.name, ()))

    def v2_runner_on_ok(self, result):
        self._write(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result, failed=True)

    def _write(self, result, failed):
        task = getattr(result, "task", None) or result._task
        record = {
            "task": task.name,
            "module": task.action,
            "host": (getattr(result, "host", None) or result._host).name,
            "check": bool(task.check_mode),
            "failed": failed,
            "result": getattr(result, "result", None) or result._result,
            **self._traces.seen(),
        }
        with open(self._orders["records"], "a", encoding="utf-8") as file:
            file.write(json.dumps(record, default=str) + "\n")
