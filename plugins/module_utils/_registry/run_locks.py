# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel locks that show whether a run still lives, in one file beside an SQLite registry. Private to the collection.

Each run locks one byte of the file. The kernel unlocks it when the process dies, however it dies, and every process on the
same machine sees that, also in another container. The locks belong to the open file (Linux: F_OFD_SETLK), not to the
process, so that SQLite and other opened files do not interfere. The file is never needed: where it cannot be used, nothing is
known about a run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import struct
import sys
import tempfile
import typing as t
import uuid

from ansible_collections.nec.expether.plugins.module_utils._registry.owner_rights import (
    Owner,
    UnsafeFolder,
    rights_of,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.private_files import publish, why_not_private

_IS_POSSIBLE = sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK")
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK  # and never inherited, as all files that Python opens
_FLOCK = "@hhqqi0q"  # struct flock: type, whence, start, length, pid
_TOKEN = re.compile(rb"[0-9a-f]{32}")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class RunLocks:
    """The locks of one process.

    :param path: the file of the registry, without links
    :param owner: whose rights to use
    """

    def __init__(self, path: str, owner: Owner | None) -> None:
        self._path = f"{path}.locks"
        self._owner = owner
        self._file: int | None = None
        self._place = ""
        self._held: set[str] = set()

    def hold(self, run: str) -> str | None:
        """Lock the byte of a run until `close`; return which file has it, or `None` if that is not possible.

        :param run: the id of the run
        """
        if not self._open(make=True) or self._call("F_OFD_SETLK", run) is None:
            return None
        self._held.add(run)
        return self._place

    def is_held(self, run: str, place: str) -> bool | None:
        """Return whether the process that locked the byte of a run lives; `None` if that is not known.

        :param place: what `hold` returned to that process
        """
        if run in self._held:
            return True
        if not self._open(make=False) or place != self._place:
            return None  # a file that was replaced, or another machine with the same folder
        found = self._call("F_OFD_GETLK", run)
        return None if found is None else found != fcntl.F_UNLCK

    def close(self) -> None:
        """Give up all locks."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._held = None, set()

    def _call(self, command: str, run: str) -> int | None:
        """Set or test the lock of a run; return the type of lock that the kernel reports, or `None` if it cannot."""
        offset = int.from_bytes(hashlib.sha256(run.encode()).digest()[:7], "big")  # no two runs of a registry share one
        lock = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
        try:
            answer = fcntl.fcntl(t.cast(int, self._file), getattr(fcntl, command), lock)
        except OSError:  # also a file system without locks
            return None
        return int(struct.unpack(_FLOCK, answer)[0])

    def _open(self, make: bool) -> bool:
        """Open the file; return whether it is open now.

        :param make: whether to create it if it does not exist
        """
        if self._file is None and _IS_POSSIBLE:
            with contextlib.suppress(OSError, UnsafeFolder), rights_of(self._owner):
                try:
                    self._use(os.open(self._path, _FLAGS))
                except FileNotFoundError:
                    if make:
                        self._make()
                        self._use(os.open(self._path, _FLAGS))
        return self._file is not None

    def _use(self, file: int) -> None:
        """Use an open file, if it is one that this class has made; otherwise close it.

        :raises OSError: it is not
        """
        try:
            uid = self._owner.uid if self._owner else None
            # Bytes, because the user whose rights are in use may not be able to read Python's codecs.
            token = os.pread(file, 64, 0).strip()
            with open(_BOOT_ID, "rb") as boot:
                boot_id = boot.read().strip()
            status = os.fstat(file)
            if why_not_private(self._path, status, uid) or not _TOKEN.fullmatch(token):
                raise OSError(errno.EINVAL, "is not a file of locks")
        except BaseException:
            os.close(file)
            raise
        of_file = (
            f"{token.decode()} {status.st_dev}:{status.st_ino}"  # a copy on another file system may have its number
        )
        self._file, self._place = file, f"{of_file} {boot_id.decode(errors='replace')}"

    def _make(self) -> None:
        """Create the file with a token, by which a replacement is known.

        :raises OSError: it cannot be created
        """
        handle, draft = tempfile.mkstemp(prefix=".locks-", dir=os.path.dirname(self._path))  # 0600
        try:
            with open(handle, "wb") as file:
                file.write(f"{uuid.uuid4().hex}\n".encode())
                file.flush()
                os.fsync(handle)
            publish(draft, self._path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
