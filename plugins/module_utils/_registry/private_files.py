# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that only their owner may read, and whose content is complete from the start. Private to the collection."""

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


def why_not_private(path: str, found: os.stat_result, uid: int | None = None) -> str | None:
    """Return why a file must not be used, in sentences that begin with its path; C(None) if it is a private one.

    :param uid: of the user with whose rights root works there
    """
    if not stat.S_ISREG(found.st_mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "device")
        return f"{path} is a {kind}, not a regular file. Move it away, or name another path."
    if uid is not None and found.st_uid != uid:
        return (
            f"{path} belongs to the user with the id {found.st_uid}. Its folder belongs to the user with the id {uid}, with"
            " whose rights root works there: only files of that user can be used."
        )
    if found.st_mode & 0o077:
        return (
            f"{path} can be used by other users than its owner (mode {stat.S_IMODE(found.st_mode):04o}). Take that"
            f" right away (chmod 600 {shlex.quote(path)})."
        )
    return None


def publish(draft: str, path: str) -> None:
    """Give a complete file its name unless that is taken: of two runs at once one wins, and no half file is seen.

    :param draft: in the same folder; may be left there
    :raises OSError: it cannot be done
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
    """Do the same where the file system has no hard links: a name may be given only by who has locked the folder."""
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
