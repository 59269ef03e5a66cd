# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes to sysfs, and waiting for what the kernel makes of it. Private to the collection."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused

SLICE = 0.05  # seconds between two looks
KILL_WAIT = 0.5  # seconds for a writer to end after SIGKILL


class HotplugFailed(ExpetherError):
    """The kernel did not do in time what it was asked for."""

    kind = "hotplug"


class Deadline:
    """A point in time.

    :param seconds: how far away it is
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds are left."""
        return max(0.0, self._end - time.monotonic())

    def wait(self, is_done: t.Callable[[], bool]) -> bool:
        """Wait until something is done; whether it was done in time."""
        while not is_done():
            if not self.left():
                return False
            time.sleep(SLICE)
        return True


def check_writable(path: str) -> None:
    """Reject a run that could not write a file of sysfs.

    :raises PlanRefused: it does not exist, or this user may not write it
    """
    if not os.access(path, os.W_OK):
        raise PlanRefused(
            f"{path} cannot be written. Run the task as root (`become: true`) on the host itself, not in a container."
        )


def write_one(path: str, deadline: Deadline) -> None:
    """Write 1 to a file of sysfs that makes the kernel do something. A file that has vanished is left alone.

    The kernel does it within the write, which may never return, and such a process cannot even be killed. Therefore a
    child process writes. It has none of our files open, so that nobody waits for it when we have ended.

    :raises HotplugFailed: it could not be written, or the write did not return in time
    """
    pid = os.fork()
    if pid == 0:
        _write_and_exit(path)
    status: list[int] = []

    def has_ended() -> bool:
        ended, value = os.waitpid(pid, os.WNOHANG)
        if ended:
            status.append(os.waitstatus_to_exitcode(value))
        return bool(ended)

    if not deadline.wait(has_ended):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        is_gone = Deadline(KILL_WAIT).wait(has_ended)
        rest = "" if is_gone else f" Process {pid} still waits for it and cannot be killed: the host may need a reboot."
        raise HotplugFailed(
            f"The kernel did not finish within {deadline.seconds:g} s what writing to {path} started."
            f" Check the kernel's log (`dmesg`).{rest}"
        )
    if status[0]:
        raise HotplugFailed(f"Writing to {path} failed ({os.strerror(status[0])}). Check the kernel's log (`dmesg`).")


def _write_and_exit(path: str) -> t.NoReturn:
    code = 0
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        os.closerange(3, 1024)
        file = os.open(path, os.O_WRONLY)
        os.write(file, b"1")
    except FileNotFoundError:
        pass
    except OSError as error:
        code = error.errno or 255
    finally:
        os._exit(code)


def is_claimed(name: str, number: str) -> bool:
    """Whether the kernel itself uses a block device: a file system, a pool, a RAID, an exported target.

    :param number: `MAJOR:MINOR`; a node of another device with that name is not opened
    """
    path = f"/dev/{name}"
    try:
        status = os.stat(path)
        if f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" != number:
            return False
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False
