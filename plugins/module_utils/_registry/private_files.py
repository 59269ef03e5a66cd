# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that only their owner can read and that are complete from the start. Private to the collection."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import stat
import time

_LOCK_SECONDS = 30.0
_POLL = 0.05
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISLNK, "symbolic link"),
)


def why_not_private(path: str, status: os.stat_result, uid: int | None = None) -> str | None:
    """Return why a file must not be used, in sentences that begin with its path; `None` if it is private.

    :param uid: the id of the user whose rights root uses there; `None` if root does not use any
    """
    if not stat.S_ISREG(status.st_mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(status.st_mode)), "device")
        return f"{path} is a {kind}, not a regular file. Move it away, or set another path."
    if uid is not None and status.st_uid != uid:
        return (
            f"{path} belongs to the user with the id {status.st_uid}, but its folder to the user with the id {uid}."
            " Root works there with the rights of that user, so it can only use files of that user."
        )
    if status.st_mode & 0o077:
        return (
            f"{path} is accessible to users other than its owner (mode {stat.S_IMODE(status.st_mode):04o}). Remove"
            f" their rights (chmod 600 {shlex.quote(path)})."
        )
    return None


def publish(draft: str, path: str) -> None:
    """Give a complete file its name, unless the name is taken. If two runs do this at the same time, the first wins.

    No other process ever sees an incomplete file.

    :param draft: the complete file in the same folder; may remain there
    :raises OSError: this is not possible
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _rename(draft, path)


def _rename(draft: str, path: str) -> None:
    """Do the same on a file system without hard links: only the process that has locked the folder may give names."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL)
        if not os.path.lexists(path):
            with contextlib.suppress(FileExistsError):
                os.rename(draft, path)
    finally:
        os.close(folder)
