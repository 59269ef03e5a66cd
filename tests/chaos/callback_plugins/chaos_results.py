# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one JSON line a task: its name and its result."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: chaos_results
type: notification
short_description: Writes one JSON line a task
description: For tests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "chaos_results"

    def v2_runner_on_ok(self, result):
        self._write(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result, failed=True)

    def _write(self, result, failed):
        task = getattr(result, "task", None) or result._task
        found = dict(getattr(result, "result", None) or result._result)
        with open(os.environ["CHAOS_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"task": task.name, "result": {**found, "failed": failed}}, default=str) + "\n")
