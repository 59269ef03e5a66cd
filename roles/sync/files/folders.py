# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the owner of directories and of files in them, without being redirected elsewhere. Runs on the host, as root.

  folders.py [--check] verify FOLDER                     fails unless only root can change what FOLDER leads to
  folders.py [--check] give FOLDER UID GID NAME...       gives FOLDER, and the named files in it, to UID
  folders.py [--check] take FOLDER UID NAME...           undoes `give`: takes a folder of UID back for root
  folders.py [--check] open FOLDER UID GID               lets GID write to a folder of root; creates a missing one for UID
  folders.py [--check] clear FOLDER UID GID NAME         undoes `open`, and removes the file NAME

Prints {"changed": bool}. If it refuses, prints {"message": sentence} and exits with status 1. With --check nothing is
changed.

Modules that accept a path first check it and then change it. In between, the owner of the folder can put a link there.
This program opens each folder below its parent, and changes exactly the open file that it has checked.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MAX_LINKS = 40


class Refused(Exception):
    """Why the role stops, as a sentence for its user."""


def others_can_write(fd: int) -> bool:
    """Whether other users can write to this folder, assuming that root owns it."""
    status = os.fstat(fd)
    if not status.st_mode & stat.S_IWGRP:
        return bool(status.st_mode & stat.S_IWOTH)
    if status.st_gid != 0 or status.st_mode & stat.S_IWOTH:
        return True
    try:
        # With an access control list these bits are its mask, and any of its entries can allow writing.
        return "system.posix_acl_access" in os.listxattr(fd)
    except OSError:
        return False  # a file system without access control lists


class Way:
    """The folder that a path leads to.

    If it `exists`, `fd` is the open folder, and `name` is its name in the folder `parent`. Symbolic links are followed only
    where nobody but root can have created them, so that a folder below one of another user is really located there.
    `owners`: the users besides root who may own folders on the way; None for any user. With `make`, a missing folder is
    created; its missing parents are created for root. Raises Refused and OSError.
    """

    def __init__(self, path: str, owners: set[int] | None, make: bool) -> None:
        self.parent = os.open("/", FOLDER)
        self.fd = self.parent
        self.name, self.exists, self.made = "/", True, False
        self.only_root = True
        parts, links = path.split("/"), 0
        while parts:
            name = parts.pop(0)
            if name in ("", "."):
                continue
            self.parent, self.name = self.fd, name
            here, writable = os.fstat(self.parent), others_can_write(self.parent)
            try:
                entry = os.stat(name, dir_fd=self.parent, follow_symlinks=False)
            except FileNotFoundError:
                entry = None
            # In a sticky folder such as /tmp, nobody can replace an entry of root.
            kept = bool(here.st_mode & stat.S_ISVTX and entry and entry.st_uid == 0)
            if owners is not None and (here.st_uid not in {0, *owners} or (writable and not kept)):
                raise Refused(
                    f"{path} is below a folder that users other than root can change. Choose a place where root owns all parent folders."
                )
            self.only_root = self.only_root and here.st_uid == 0 and (kept or not writable)
            if entry is None:
                if not make:
                    self.exists = False
                    return
                last = not any(part not in ("", ".") for part in parts)
                self.fd, self.made = self._make(path, 0o700 if last else 0o755), last
            elif stat.S_ISLNK(entry.st_mode):
                links += 1
                if not self.only_root or links > MAX_LINKS:
                    raise Refused(
                        f"{path} leads through a symbolic link that users other than root can change. Set the path to the target of the link."
                    )
                target = os.readlink(name, dir_fd=self.parent)
                if target.startswith("/"):
                    self.fd = os.open("/", FOLDER)
                parts[:0] = target.split("/")
            elif stat.S_ISDIR(entry.st_mode):
                self.fd = os.open(name, FOLDER, dir_fd=self.parent)
            else:
                raise Refused(
                    f"{path} leads through something that is not a folder. Remove it, or choose another path."
                )

    def _make(self, path: str, mode: int) -> int:
        os.mkdir(self.name, mode, dir_fd=self.parent)
        fd = os.open(self.name, FOLDER, dir_fd=self.parent)
        if os.fstat(fd).st_uid != os.geteuid() or os.listdir(fd):
            raise Refused(
                f"{path} was replaced while it was created. Choose a place where root owns all parent folders."
            )
        os.fchmod(fd, mode)
        return fd


def file_to_change(folder: int, path: str, name: str, uid: int, gid: int, owner: int) -> int | None:
    """Open and return the file if its owner must change; otherwise return None. Raises Refused unless `owner` or `uid` owns it."""

    def judge(status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{path}/{name} is not a regular file. Remove it.")
        if status.st_nlink > 1:
            raise Refused(f"{path}/{name} has another hard link. Remove it, or replace it by a copy.")
        # In a folder of another user, a file of root may be a hard link to any file of root.
        if status.st_uid != owner and (status.st_uid != uid or uid == 0):
            raise Refused(
                f"{path}/{name} belongs to user {status.st_uid}, but its folder belongs to user {owner}. "
                f"Remove it, or give it to the owner of the folder: chown -h {owner} {path}/{name}"
            )

    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        judge(status)
        if (status.st_uid, status.st_gid) == (uid, gid):
            return None
        # Open without blocking: the file may have been replaced by a FIFO.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return None  # SQLite removes its -wal and -shm files when the last process closes the registry
    judge(os.fstat(fd))
    return fd


def give(path: str, uid: int, gid: int, names: list[str], check: bool) -> bool:
    """Give the folder and its files to `uid`; create a missing folder."""
    way = Way(path, {uid}, make=not check)
    return not way.exists or change_owner(way, path, uid, gid, names, check) or way.made


def take(path: str, uid: int, names: list[str], check: bool) -> bool:
    """Give a folder of `uid` and its files to root."""
    way = Way(path, {uid}, make=False)
    return way.exists and os.fstat(way.fd).st_uid == uid and change_owner(way, path, 0, 0, names, check)


def change_owner(way: Way, path: str, uid: int, gid: int, names: list[str], check: bool) -> bool:
    """Change the owner of the folder and of its files with these names.

    While it works, the folder belongs to root with mode 0700, so that nobody can change its content. If anything is
    refused, the previous owner and mode are restored. The files must have the same owner as the folder: any other file
    may be a hard link to a file elsewhere.
    """
    folder, before = way.fd, os.fstat(way.fd)
    taken = before.st_uid != uid and not check
    if taken:
        os.fchown(folder, 0, 0)
        os.fchmod(folder, 0o700)
    try:
        found = [file_to_change(folder, path, name, uid, gid, before.st_uid) for name in names]
        files = [fd for fd in found if fd is not None]
        if not check:
            for fd in files:
                os.fchown(fd, uid, gid)
    except BaseException:
        if taken:
            os.fchmod(folder, stat.S_IMODE(before.st_mode))
            os.fchown(folder, before.st_uid, before.st_gid)
        raise
    if not check:
        os.fchmod(folder, 0o700)
        os.fchown(folder, uid, gid)
    return bool(files) or (before.st_uid, before.st_gid, stat.S_IMODE(before.st_mode)) != (uid, gid, 0o700)


def let_write(path: str, uid: int, gid: int, check: bool) -> bool:
    """Create a missing folder for `uid`, or let `gid` write to a folder that belongs to user and group root; leave all others."""
    way = Way(path, None, make=not check)
    if not way.exists:
        return True
    before = os.fstat(way.fd)
    if way.made:
        os.fchmod(way.fd, 0o755)
        os.fchown(way.fd, uid, gid)
        return True
    mode = stat.S_IMODE(before.st_mode) | stat.S_IRWXG
    if (
        before.st_uid != 0
        or before.st_gid not in (0, gid)
        or (before.st_gid, stat.S_IMODE(before.st_mode)) == (gid, mode)
    ):
        return False
    if not check:
        os.fchown(way.fd, -1, gid)
        os.fchmod(way.fd, mode)
    return True


def clear(path: str, uid: int, gid: int, name: str, check: bool) -> bool:
    """Remove the file. Then remove the folder if `uid` owns it and it is empty, or remove `gid`'s access to a folder of root."""
    way = Way(path, None, make=False)
    if not way.exists:
        return False
    status, content = os.fstat(way.fd), os.listdir(way.fd)
    removed = name in content
    if removed and not check:
        os.unlink(name, dir_fd=way.fd)
    if status.st_uid == uid != 0 and len(content) == removed:
        if not check:
            # rmdir fails if somebody has put anything there in the meantime.
            os.rmdir(way.name, dir_fd=way.parent)
        return True
    if status.st_uid == 0 and status.st_gid == gid != 0:
        if not check:
            os.fchown(way.fd, -1, 0)
            os.fchmod(way.fd, stat.S_IMODE(status.st_mode) & ~stat.S_IWGRP)
        return True
    return removed


def verify(path: str) -> bool:
    way = Way(path, set(), make=False)
    if way.exists and (os.fstat(way.fd).st_uid != 0 or others_can_write(way.fd)):
        raise Refused(
            f"{path} can be changed by users other than root, and root would run its content. Choose a folder that belongs to root, or"
            " one that does not exist yet."
        )
    return False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("action", choices=["verify", "give", "take", "open", "clear"])
    parser.add_argument("folder")
    parser.add_argument("ids", nargs="*")
    given = parser.parse_args()
    uid = int(given.ids[0]) if given.ids else 0
    gid = int(given.ids[1]) if given.action in ("give", "open", "clear") else 0
    names, check = given.ids[1 if given.action == "take" else 2 :], given.check
    try:
        if os.geteuid() != 0:
            raise Refused("The role must change the host as root. Set become: true.")
        if given.action == "verify":
            changed = verify(given.folder)
        elif given.action == "give":
            changed = give(given.folder, uid, gid, names, check)
        elif given.action == "take":
            changed = take(given.folder, uid, names, check)
        elif given.action == "open":
            changed = let_write(given.folder, uid, gid, check)
        else:
            changed = clear(given.folder, uid, gid, *names, check=check)
    except Refused as refusal:
        print(json.dumps({"message": str(refusal)}))
        sys.exit(1)
    except OSError as error:
        print(
            json.dumps(
                {
                    "message": f"{given.folder} cannot be prepared: {error.strerror}. Run the role again if somebody has just changed it."
                }
            )
        )
        sys.exit(1)
    print(json.dumps({"changed": changed}))


if __name__ == "__main__":
    main()
