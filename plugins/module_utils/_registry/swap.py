# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare-and-swap on the registry: read, decide, commit; retry on a conflict. Private to the collection."""

from __future__ import annotations

import random
import time
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryConflict

T = t.TypeVar("T")

TRIES = 50


def until_written(attempt: t.Callable[[], T], tries: int = TRIES, pause: float = 0.1) -> T:
    """Repeat an attempt until it meets no conflict; return its result.

    Each conflict means that another run has written something, so one of several runs always makes progress.

    :param attempt: reads, decides and commits with the revisions that it has read; leaves nothing behind if it fails
    :param pause: maximum of the pause between two attempts, in seconds; random, so that two runs get out of step
    :raises RegistryConflict: all attempts met conflicts
    """
    for tries_left in reversed(range(tries)):
        try:
            return attempt()
        except RegistryConflict as conflict:
            if not tries_left:
                raise RegistryConflict(
                    f"{conflict.message} This happened {tries} times in a row. Find out what keeps changing it, such as"
                    " a play that delegates a task without `run_once`, then run the task again."
                ) from None
        time.sleep(random.uniform(0.0, pause))  # noqa: S311
    raise ValueError(f"tries must be more than 0, not {tries}")
