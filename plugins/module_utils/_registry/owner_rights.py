# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets root work in folders of other users with the rights of these users. Private to the collection.

A user who can write to a folder can replace anything in it by a link, between a check and the use. Root would follow
the link with all its rights. With the rights of the folder's owner it reaches only what this user can reach anyway.
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
_UNCHANGED = 0xFFFFFFFF  # not a valid id: the kernel returns the current one instead of setting it
# The supplementary groups belong to the process, the other ids to the thread.
_LOCK = threading.RLock()


class UnsafeFolder(Exception):
    """Root cannot work in a folder without the risk of being redirected; the text explains why, in sentences."""


class Owner(t.NamedTuple):
    """The numeric ids of a user whose rights root uses."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def owner_of(path: str, shared: bool = False) -> Owner | None:
    """Return the first user other than root who controls where a path leads, as the owner of a folder or link on it.

    :param path: absolute and normalised; its end need not exist
    :param shared: whether the path may end in a folder that users other than root can write
    :returns: `None` if only root controls it, and if the process does not run as root
    :raises UnsafeFolder: more than one user controls it
    :raises OSError: a folder on the path cannot be searched
    """
    if os.geteuid() != 0:
        return None
    place, rest, links = "/", _parts(path), 0
    sticky: str | None = None
    while True:
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            status = None
        is_link = status is not None and stat.S_ISLNK(status.st_mode)
        if status is None or not (is_link or stat.S_ISDIR(status.st_mode)):
            if sticky and not rest and not shared:
                raise _writable_by_others(sticky)
            return None
        if status.st_uid != 0:
            return _user(status.st_uid)
        sticky = None
        if is_link:
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = os.readlink(place)
            rest += _parts(target)
            place = "/" if os.path.isabs(target) else os.path.dirname(place)
        elif _is_writable_by_others(place, status) and (rest or not shared):
            # In a folder with the sticky bit, folders and links of root stay, but any user can create new names.
            if not status.st_mode & stat.S_ISVTX:
                raise _writable_by_others(place)
            sticky = place
        if not rest:
            return None
        name = rest.pop()
        place = os.path.dirname(place) if name == ".." else os.path.join(place, name)


@contextlib.contextmanager
def rights_of(owner: Owner | None) -> t.Iterator[None]:
    """Access files with only the rights of an owner; `None` for the rights of the process.

    This applies to the calling thread. Other threads continue as root, which needs no supplementary groups.

    :raises UnsafeFolder: the system does not allow root to do this
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
                    f"It is in a folder of the user with the id {owner.uid}, but this system does not allow root to work"
                    " there with the rights of that user. Run the task as that user (`become_user`)."
                )
            yield
        finally:
            with contextlib.suppress(OSError, ImportError, AttributeError):
                _set_id("setfsuid", 0)
                _set_id("setfsgid", gid)
                os.setgroups(groups)


def make_folder(folder: str, mode: int) -> None:
    """Create a folder and its missing parents, each with the rights of the owner of the folder above.

    :param mode: of the folder itself; its parents get the default mode, reduced by the umask
    :raises OSError: it cannot be created
    :raises UnsafeFolder: as `owner_of`
    """
    if os.path.isdir(folder):
        return
    make_folder(os.path.dirname(folder), 0o777)
    with rights_of(owner_of(folder, shared=True)), contextlib.suppress(FileExistsError):
        os.mkdir(folder, mode)


def _parts(path: str) -> list[str]:
    """Return the components of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _user(uid: int) -> Owner:
    import pwd

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        # Not the group of the folder, because its owner need not be a member.
        return Owner(uid, _NO_GROUP, ())
    return Owner(uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def _is_writable_by_others(place: str, status: os.stat_result) -> bool:
    """Whether users other than root can write to a folder of root. The group root is trusted, but not users in an ACL."""
    if status.st_mode & stat.S_IWOTH:
        return True
    if not status.st_mode & stat.S_IWGRP:
        return False
    return status.st_gid != 0 or "system.posix_acl_access" in os.listxattr(place, follow_symlinks=False)


def _writable_by_others(folder: str) -> UnsafeFolder:
    return UnsafeFolder(
        f"Users other than root can write to {folder} and could redirect root to other files. Use a folder that only"
        " root can write, or one that belongs to the user who owns these files."
    )


def _set_id(call: str, value: int) -> bool:
    """Set one of the ids that the kernel uses for file access, for this thread; return whether it is set now."""
    import ctypes

    function = getattr(ctypes.CDLL(None), call)
    function.argtypes, function.restype = [ctypes.c_uint], ctypes.c_uint
    function(value)
    return bool(function(_UNCHANGED) == value)
