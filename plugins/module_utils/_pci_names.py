# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of PCI vendors and devices from the PCI id list (pci.ids). Private to the collection.

The list is searched for the few ids that a fabric has instead of being parsed by a library: reading all of it
takes longer than asking the EEM for 4,000 devices (tests/benchmarks shows what a listing costs).
"""

from __future__ import annotations

import os

ENV_PCI_IDS = "EXPETHER_PCI_IDS"
_PATHS = ("/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids")


class PciNames:
    """Looks names up in the first list that is there; without one there are none.

    The list is read when the first name is needed. A vendor's line is C(10de  NVIDIA Corporation), those of its
    devices follow it, each with one tab before its id.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[str, str | None], tuple[str | None, str | None]] = {}
        self._list: str | None = None

    def __call__(self, vendor: str, device: str | None) -> tuple[str | None, str | None]:
        """Return the names of a vendor and of its device, by 4 hex digits each; C(None) for what is not listed."""
        key = (vendor, device)
        if key not in self._names:
            if self._list is None:
                self._list = _read_list()
            self._names[key] = self._look_up(vendor, device)
        return self._names[key]

    @property
    def version(self) -> str:
        """What tells this list from another one; C("") if there is none."""
        for path in filter(None, (os.environ.get(ENV_PCI_IDS), *_PATHS)):
            try:
                found = os.stat(path)
            except OSError:
                continue
            return f"{path} {found.st_size} {found.st_mtime_ns}"
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


def _read_list() -> str:
    """Return the list, beginning with a line's end; C("") if there is none that can be read."""
    for path in (os.environ.get(ENV_PCI_IDS), *_PATHS):
        if path:
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    return f"\n{file.read()}"
            except OSError:
                continue
    return ""
