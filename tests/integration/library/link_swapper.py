# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user who owns a folder in which root works, and tries to lead root out of it.

Names in the folder, and the folder itself, are replaced by links to files elsewhere that
this user cannot write, by hard links and by named pipes.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import time
import traceback
from pathlib import Path

NAMES = ["registry.sqlite3", "registry.sqlite3-wal", "registry.sqlite3-shm", "registry.sqlite3-journal"]
NAMES += ["registry.sqlite3.key", "registry.sqlite3.locks", "expether.prom"]


def replace(name: str, target: Path, how: str) -> None:
    """Put something else in the place of a name at once, so that the name is never missing."""
    other = f"x{os.getpid()}"
    if how == "pipe":
        os.mkfifo(other, 0o600)
    elif how == "hard link":
        os.link(target, other)
    else:
        os.symlink(target, other)
    os.rename(other, name)


def replace_folder(folder: Path, outside: Path, rng: random.Random) -> None:
    """Replace the folder for a moment by a link to another one."""
    away = folder.with_name("away")
    os.rename(folder, away)
    os.symlink(outside, folder)
    time.sleep(rng.random() / 500)
    os.unlink(folder)
    os.rename(away, folder)


def clean() -> None:
    for entry in list(os.scandir(".")):
        with contextlib.suppress(OSError):
            os.unlink(entry.path)


class Swapper:
    """A process of a user that swaps until it is stopped; forked, because the user may not reach the Python."""

    def __init__(self, uid: int, folder: Path, outside: Path, seed: int) -> None:
        stop, self._stop = os.pipe()
        self._ready, ready = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            status = 71
            try:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                os.close(self._stop)
                _swap(folder, outside, random.Random(seed), stop, ready)
                status = 0
            except BaseException:  # noqa: BLE001 - must not go on in the fork
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(stop)
        os.close(ready)
        assert os.read(self._ready, 1) == b"r"

    def end(self) -> int:
        """Stop it; return how often it has replaced something."""
        os.write(self._stop, b"e")
        os.close(self._stop)
        swaps = int(os.read(self._ready, 100))
        os.close(self._ready)
        assert os.waitpid(self._pid, 0)[1] == 0
        return swaps


def _swap(folder: Path, outside: Path, rng: random.Random, stop: int, ready: int) -> None:
    victims = sorted(outside.iterdir())
    swaps = 0
    os.chdir(folder)
    os.write(ready, b"r")
    while not select.select([stop], [], [], 0)[0]:
        target = rng.choice([*victims, outside / f"new-{rng.randrange(10**9)}"])
        with contextlib.suppress(OSError):
            swaps += _turn(folder, outside, target, rng)
        if rng.random() < 0.7:
            clean()  # or root would refuse from then on what lies there
    os.write(ready, str(swaps).encode())


def _turn(folder: Path, outside: Path, target: Path, rng: random.Random) -> bool:
    """Look for a draft for a while, and replace it; replace something else if there is none."""
    until = time.monotonic() + rng.random() / 20
    chances = rng.choice([0.0, 0.0, 0.1, 1.0])  # or no registry would ever be complete
    while time.monotonic() < until:
        # Drafts first: they are there for the shortest time.
        drafts = [entry.name for entry in os.scandir(".") if entry.name.startswith(".")]
        if drafts and rng.random() < chances:
            replace(rng.choice(drafts), target, "link")
            return True
        time.sleep(rng.random() / 2000)
    chance = rng.random()
    if chance < 0.1:
        replace_folder(folder, outside, rng)
    elif chance < 0.6:
        replace(rng.choice(NAMES), target, rng.choice(["link", "link", "pipe", "hard link"]))
    return chance < 0.6
