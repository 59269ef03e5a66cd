# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers made of mount and PID namespaces. The root is a tmpfs, into which the programs of this machine are mounted."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
#: Where containers have this checkout as an installed collection.
COLLECTIONS = "/runner/requirements_collections"


def why_impossible() -> str:
    """Return why this machine has no containers, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    if missing := [program for program in ("unshare", "mount", "chroot") if not shutil.which(program)]:
        return f"needs {', '.join(missing)}, which is not installed"
    command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "none", "/mnt"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return "needs permission to mount and to create mount and PID namespaces"
    return ""


@dataclasses.dataclass(frozen=True)
class Container:
    """What a container is made of.

    :ivar root: an empty folder of this machine, on which the root is mounted, seen by the container only
    :ivar uid: the number of its user, whose group is 0
    :ivar environment: all variables of its first program
    :ivar volumes: folders and files of this machine, with their paths in the container
    :ivar pythons: further Python environments
    :ivar marks: files that tell that it is a container
    :ivar accounts: lines of /etc/passwd; without them it has those of this machine
    """

    root: Path
    uid: int
    environment: t.Mapping[str, str]
    volumes: t.Mapping[Path, str]
    pythons: t.Sequence[str] = ()
    marks: t.Sequence[str] = ()
    accounts: str = ""

    def start(self, script: Path, log: Path, *command: str) -> subprocess.Popen[bytes]:
        """Start a program as the container's only one. The container ends with it, and all its processes with the container.

        :param script: where to write what makes the container
        """
        self.root.mkdir(exist_ok=True)
        script.write_text("\n".join(self._lines(script, command)) + "\n", encoding="utf-8")
        namespaces = ("--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation=private")
        with log.open("wb") as output:
            return subprocess.Popen(
                ["unshare", *namespaces, "sh", str(script)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _lines(self, script: Path, command: t.Sequence[str]) -> t.Iterator[str]:
        place = shlex.quote(str(self.root))
        yield "set -eu"
        yield f"mount -t tmpfs -o mode=755 container {place}"
        yield f"cd {place}"
        for name in ("bin", "etc", "lib", "lib64", "sbin", "usr"):
            path = Path("/", name)
            if path.is_symlink():
                yield f"ln -s {os.readlink(path)} {name}"
            elif path.exists():
                yield from self._mount(path, str(path), read_only=True)
        if self.accounts:
            file = script.with_suffix(".passwd")
            file.write_text(self.accounts, encoding="utf-8")
            yield f"mount --bind {shlex.quote(str(file))} etc/passwd"
        yield from self._mount("/dev", "/dev")
        yield "mkdir -p proc run tmp var/lib"
        yield "chmod 1777 tmp"
        yield "mount -t proc proc proc"
        yield "mount -t tmpfs -o mode=1777 shm dev/shm"
        for path in sorted({sys.base_prefix, sys.prefix, *self.pythons, str(ROOT)}):
            if not path.startswith("/usr"):
                yield from self._mount(path, path, read_only=True)
        for source, target in self.volumes.items():
            yield from self._mount(source, target)
        if "/runner" in self.volumes.values():
            yield from self._mount(ROOT, f"{COLLECTIONS}/ansible_collections/nec/expether", read_only=True)
        for mark in self.marks:
            yield f"touch .{mark}"
        variables = (f"{name}={value}" for name, value in self.environment.items())
        yield shlex.join(
            ["chroot", f"--userspec={self.uid}:0", str(self.root), "env", "--ignore-environment", *variables, *command]
        )

    @staticmethod
    def _mount(source: Path | str, target: str, read_only: bool = False) -> t.Iterator[str]:
        place = shlex.quote(f".{target}")
        yield f"mkdir -p {place}"
        yield f"mount --rbind {shlex.quote(str(source))} {place}"
        if read_only:
            yield f"mount -o remount,bind,ro {place}"
