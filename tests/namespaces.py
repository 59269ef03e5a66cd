# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that cannot see those of the tests, like those of another container on the same machine."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

#: Before a command: it runs in a PID namespace of its own, with its own /proc.
NEW = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@functools.cache
def why_impossible() -> str | None:
    """Why this machine gives no namespace to these tests; none if it does."""
    try:
        done = subprocess.run([*NEW, "true"], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return "unshare is not installed"
    return f"no PID namespace: {done.stderr.strip()}" if done.returncode else None


def first_process(unshare: int) -> int:
    """The number, as it is seen here, of the process that `NEW` with this number has started."""
    (child,) = Path(f"/proc/{unshare}/task/{unshare}/children").read_text(encoding="ascii").split()
    return int(child)
