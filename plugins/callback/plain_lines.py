# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a play has to say and nothing else: for a journal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plain_lines
type: stdout
short_description: Prints what a play says, and nothing else
version_added: 0.1.0
author:
  - nec.expether contributors (@nec-expether)
description:
  - Prints the texts of the tasks of M(ansible.builtin.debug), a line each, and the message of a task that fails.
    A text is printed on one line, whatever is in it; a list of texts has a line for each.
    Line breaks and tabs become a space, and characters that cannot be seen become U+FFFD, so that no text can add lines
    of its own or steer a terminal.
    There are no banners, no names of tasks and no recap, so that a play that runs as a service fills its log with its own words.
  - A failure that the play ignores is not printed. Neither is what C(no_log) hides.
  - Warnings go to standard error, as with every other callback.
requirements:
  - to be set as the stdout callback, for example with C(stdout_callback=nec.expether.plain_lines) in the configuration
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
        """Print what a debug task says."""
        self._handle_warnings(result._result)
        if result._task.action in _DEBUG:
            self._say(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Print why a task failed."""
        self._handle_warnings(result._result)
        if not ignore_errors:
            self._say(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Print why a host was not reached."""
        self._say(result)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        """Print what an item of a looped debug task says."""
        self.v2_runner_on_ok(result)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        """Print why an item failed."""
        self.v2_runner_on_failed(result, bool(result._task.ignore_errors))

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Say that the play did nothing."""
        self._display.display("The play has no hosts: nothing was done.")

    def _say(self, result: t.Any) -> None:
        content = result._result
        if "results" in content:
            return  # of a loop: each item has been printed
        said = content.get("censored") or content.get("msg") or "A task failed without a message."
        for item in said if isinstance(said, list) else [said]:
            self._display.display(printable(str(item).rstrip(), limit=None))
