# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work of root in folders of other users, with these users' rights. Private to the collection.

Whoever can write to a folder can put a link in the place of anything in it, between a look at it and its use. Root
would follow the link with all its rights. With the rights of the folder's owner it reaches what this user reaches anyway.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import typing as t

MAX_LINKS = 40  # as the kernel
_NO_GROUP = 65534
_UNCHANGED = 0xFFFFFFFF  # no id: the kernel tells the current one instead of setting it
# The supplementary groups belong to the process, the rest to the thread.
_LOCK = threading.RLock()


class UnsafeFolder(Exception):
    """Root cannot work in a folder without the danger of being led elsewhere; the text says why, in sentences."""


class Owner(t.NamedTuple):
    """A user with whose rights root works, by number."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def owner_of(path: str, shared: bool = False) -> Owner | None:
    """Return the first user but root who decides where a path leads, as the owner of a folder or link on the way.

    :param path: absolute and normalised; its end need not exist
    :param shared: whether the path may end in a folder in which others than root can write
    :returns: C(None) if root alone decides it, and for a process that is not root's
    :raises UnsafeFolder: it is not a single user who decides it
    :raises OSError: a folder on the way cannot be looked into
    """
    if os.geteuid() != 0:
        return None
    place, rest, links = "/", _parts(path), 0
    sticky: str | None = None
    while True:
        try:
            found = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            found = None
        is_link = found is not None and stat.S_ISLNK(found.st_mode)
        if found is None or not (is_link or stat.S_ISDIR(found.st_mode)):
            if sticky and not rest and not shared:
                raise _writable_by_others(sticky)
            return None
        if found.st_uid != 0:
            return _user(found.st_uid)
        sticky = None
        if is_link:
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = os.readlink(place)
            rest += _parts(target)
            place = "/" if os.path.isabs(target) else os.path.dirname(place)
        elif _is_writable_by_others(place, found) and (rest or not shared):
            # In a folder with the sticky bit a folder or link of root's stays root's, but names can be taken by anybody.
            if not found.st_mode & stat.S_ISVTX:
                raise _writable_by_others(place)
            sticky = place
        if not rest:
            return None
        name = rest.pop()
        place = os.path.dirname(place) if name == ".." else os.path.join(place, name)


@contextlib.contextmanager
def rights_of(owner: Owner | None) -> t.Iterator[None]:
    """Reach files with an owner's rights alone; C(None) for those that the process has.

    This holds for the calling thread: others go on as root meanwhile, who needs no supplementary groups.

    :raises UnsafeFolder: the system does not let root do so
    """
    if owner is None:
        yield
        return
    with _LOCK:
        groups, gid = os.getgroups(), os.getegid()
        try:
            try:
                os.setgroups(owner.groups)
                done = _set_id("setfsgid", owner.gid) and _set_id("setfsuid", owner.uid)
            except (OSError, ImportError, AttributeError):
                done = False
            if not done:
                raise UnsafeFolder(
                    f"It is in a folder of the user with the id {owner.uid}, and this system does not let root work there"
                    " with the rights of that user. Run the task as that user (become_user)."
                )
            yield
        finally:
            with contextlib.suppress(OSError, ImportError, AttributeError):
                _set_id("setfsuid", 0)
                _set_id("setfsgid", gid)
                os.setgroups(groups)


def make_folder(folder: str, mode: int) -> None:
    """Make a folder, and those above it that are missing, each with the rights of whom the one above belongs to.

    :param mode: of the folder itself; those above get what the umask leaves
    :raises OSError: it cannot be made
    :raises UnsafeFolder: as C(owner_of)
    """
    if os.path.isdir(folder):
        return
    make_folder(os.path.dirname(folder), 0o777)
    with rights_of(owner_of(folder, shared=True)), contextlib.suppress(FileExistsError):
        os.mkdir(folder, mode)


def _parts(path: str) -> list[str]:
    """Return the names in a path, the last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _user(uid: int) -> Owner:
    import pwd

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        # Not the folder's group: its owner need not be in it.
        return Owner(uid, _NO_GROUP, ())
    return Owner(uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def _is_writable_by_others(place: str, found: os.stat_result) -> bool:
    """Return whether a folder of root's can be written by others; the group root is trusted, users in an ACL are not."""
    if found.st_mode & stat.S_IWOTH:
        return True
    if not found.st_mode & stat.S_IWGRP:
        return False
    return found.st_gid != 0 or "system.posix_acl_access" in os.listxattr(place, follow_symlinks=False)


def _writable_by_others(folder: str) -> UnsafeFolder:
    return UnsafeFolder(
        f"Other users than root can write in {folder}, and could lead root to other files. Use a folder in which only"
        " root can write, or one that belongs to the user whose files these are."
    )


def _set_id(call: str, value: int) -> bool:
    """Set one of the ids by which the kernel decides about files, for this thread; return whether it is set now."""
    import ctypes

    function = getattr(ctypes.CDLL(None), call)
    function.argtypes, function.restype = [ctypes.c_uint], ctypes.c_uint
    function(value)
    return bool(function(_UNCHANGED) == value)
