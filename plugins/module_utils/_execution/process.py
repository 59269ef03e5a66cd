# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process holds a claim, and whether it still runs (Linux: /proc). Private to the collection."""

from __future__ import annotations

import os
import time
import typing as t


def process_start(pid: int) -> str | None:
    """Return when a process of this machine started, in clock ticks; `None` if it does not exist (or is a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def is_hidden(pid: int) -> bool:
    """Whether a process exists that this user cannot inspect: /proc may hide those of others (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False


class ProcessIdentity(t.NamedTuple):
    """Where a process runs, so that another one can tell whether it can look for it.

    :ivar boot_id: identifies this boot of this machine; `None` where the system does not provide it
    :ivar pid_namespace: identifies the processes that this one can see, as opposed to those in other containers
    """

    boot_id: str | None
    pid_namespace: str | None

    @classmethod
    def of_this_process(cls) -> ProcessIdentity:
        """Return where this process runs."""
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                return cls(file.read().strip(), os.readlink("/proc/self/ns/pid"))
        except OSError:
            return cls(None, None)


def uptime() -> float:
    """Return the seconds since the machine's boot: the same in all containers, and no clock change affects them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
