# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of PCI vendors and devices from the PCI id list (pci.ids). Private to the collection.

The list is searched for the few ids that a fabric has instead of being parsed by a library: reading all of it
takes longer than asking the EEM for 4,000 devices (tests/benchmarks shows what a listing costs).
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

ENV_PCI_IDS = "EXPETHER_PCI_IDS"
_PATHS = ("/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids")


class PciNames:
    """Looks names up in the list that the environment names, or else in the first one of the system; without one there are none.

    The list is read when the first name is needed. A vendor's line is C(10de  NVIDIA Corporation), those of its
    devices follow it, each with one tab before its id.

    :param warn: is told why the list that the environment names cannot be read, in sentences; the same ones each time
    """

    def __init__(self, warn: t.Callable[[str], None]) -> None:
        self._warn = warn
        self._names: dict[tuple[str, str | None], tuple[str | None, str | None]] = {}
        self._list: str | None = None

    def __call__(self, vendor: str, device: str | None) -> tuple[str | None, str | None]:
        """Return the names of a vendor and of its device, by 4 hex digits each; C(None) for what is not listed."""
        key = (vendor, device)
        if key not in self._names:
            if self._list is None:
                self._list = self._open(lambda path, file: f"\n{file.read()}")
            self._names[key] = self._look_up(vendor, device)
        return self._names[key]

    @property
    def version(self) -> str:
        """What tells this list from another one; C("") if there is none."""

        def told(path: str, file: t.TextIO) -> str:
            found = os.fstat(file.fileno())
            return f"{path} {found.st_size} {found.st_mtime_ns}"

        return self._open(told)

    def _open(self, use: t.Callable[[str, t.TextIO], str]) -> str:
        """Return what a use of the list gives; C("") if there is none that can be read."""
        named = os.environ.get(ENV_PCI_IDS)
        for path in (named,) if named else _PATHS:
            try:
                # Waits for no writer, if it is a named pipe.
                handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                with open(handle, encoding="utf-8", errors="replace") as file:
                    if not stat.S_ISREG(os.fstat(handle).st_mode):
                        raise OSError(errno.EINVAL, "It is not a regular file")
                    return use(path, file)
            except OSError as error:
                if named:
                    shown = os.fsencode(named).decode(errors="replace")
                    self._warn(
                        f"The PCI id list {shown} that {ENV_PCI_IDS} names cannot be read ({error.strerror or error}), so"
                        " that vendors and devices have no names."
                    )
        return ""

    def _look_up(self, vendor: str, device: str | None) -> tuple[str | None, str | None]:
        text = self._list or ""
        start = text.find(f"\n{vendor}  ")
        if start < 0:
            return (None, None)
        # A vendor's part ends at the next line that begins with neither a tab nor a comment.
        end = text.find("\n", start + 1)
        while end >= 0 and text[end + 1 : end + 2] in ("\t", "#"):
            end = text.find("\n", end + 1)
        part = text[start : end if end >= 0 else len(text)]
        return (_rest(part, f"\n{vendor}  "), _rest(part, f"\n\t{device}  ") if device else None)


def _rest(text: str, begin: str) -> str | None:
    """Return what stands on the line after its beginning, or C(None) if there is no such line."""
    start = text.find(begin)
    if start < 0:
        return None
    return text[start + len(begin) :].partition("\n")[0].strip() or None
