# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a play has to say and nothing else: for a journal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plain_lines
type: stdout
short_description: Print only the messages of a play
version_added: 0.1.0
author:
  - nec.expether contributors (@nec-expether)
description:
  - Prints the messages of M(ansible.builtin.debug) tasks, and the error messages of failed tasks. There are no banners,
    task names or recap, so that the log of a play that runs as a service contains only its messages.
  - Each message takes exactly one line, and so does each entry of a list. Line breaks and tabs become a space, and
    invisible characters become U+FFFD, so that no text can add log lines or send control sequences to a terminal.
  - Ignored failures and results hidden by C(no_log) are not printed.
  - Warnings go to standard error, as with other callbacks.
requirements:
  - must be set as stdout callback, for example with C(stdout_callback=nec.expether.plain_lines) in the configuration
"""

import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable

_DEBUG = ("debug", "ansible.builtin.debug", "ansible.legacy.debug")


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """The standard output of a play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "nec.expether.plain_lines"

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Print the message of a debug task."""
        self._handle_warnings(result._result)
        if result._task.action in _DEBUG:
            self._print(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Print why a task failed."""
        self._handle_warnings(result._result)
        if not ignore_errors:
            self._print(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Print why a host was unreachable."""
        self._print(result)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        """Print the message of one item of a looped debug task."""
        self.v2_runner_on_ok(result)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        """Print why an item failed."""
        self.v2_runner_on_failed(result, bool(result._task.ignore_errors))

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Print that the play did nothing."""
        self._display.display("The play has no hosts: nothing was done.")

    def _print(self, result: t.Any) -> None:
        content = result._result
        if "results" in content:
            return  # a loop: each item was printed already
        message = content.get("censored") or content.get("msg") or "A task failed without a message."
        for item in message if isinstance(message, list) else [message]:
            self._display.display(printable(str(item).rstrip(), limit=None))
