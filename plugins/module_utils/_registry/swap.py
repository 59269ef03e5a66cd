# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry's compare-and-swap: read, decide and commit, and do it again when another run came between. Private to the collection."""

from __future__ import annotations

import random
import time
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryConflict

T = t.TypeVar("T")

TRIES = 50
PAUSE = 0.1  # seconds at most between two tries; a random part of it, so that two runs do not meet again in step


def until_written(attempt: t.Callable[[], T], tries: int = TRIES) -> T:
    """Return what an attempt returns that met no conflict.

    Each conflict means that another run has written something, so that of several runs one always gets on.

    :param attempt: reads, decides and commits with the revisions that it has read; nothing of a failed one may stay
    :raises RegistryConflict: all attempts met conflicts
    """
    for left in reversed(range(tries)):
        try:
            return attempt()
        except RegistryConflict as conflict:
            if not left:
                raise RegistryConflict(
                    f"{conflict.message} That happened {tries} times in a row. Look what changes it all the time, such as a"
                    " play that delegates a task without `run_once`, and run the task again."
                ) from None
        time.sleep(random.uniform(0.0, PAUSE))  # noqa: S311
    raise ValueError(f"tries must be more than 0, not {tries}")
