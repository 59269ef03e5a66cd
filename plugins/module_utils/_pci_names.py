# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of PCI vendors and devices from the PCI id list. Private to the collection."""

from __future__ import annotations

import os

ENV_PCI_IDS = "EXPETHER_PCI_IDS"
_PATHS = ("/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids")


class PciNames:
    """Looks names up with the library C(hwdata); without it or without a list there are none.

    The list is read when the first name is needed: that takes longer than all else that a module does.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[str, str | None], tuple[str | None, str | None]] = {}
        self._list: object = None

    def __call__(self, vendor: str, device: str | None) -> tuple[str | None, str | None]:
        """Return the names of a vendor and of its device; C(None) for what the list does not have."""
        key = (vendor, device)
        if key not in self._names:
            self._names[key] = self._look_up(vendor, device)
        return self._names[key]

    def _look_up(self, vendor: str, device: str | None) -> tuple[str | None, str | None]:
        if self._list is None:
            self._list = _open_list()
        if not self._list:
            return (None, None)
        get = self._list
        return (
            get.get_vendor(vendor) or None,  # type: ignore[attr-defined]
            (get.get_device(vendor, device) or None) if device else None,  # type: ignore[attr-defined]
        )


def _open_list() -> object:
    """Return the library's list, or C(False) if there is none."""
    paths = (os.environ.get(ENV_PCI_IDS), *_PATHS)
    path = next((path for path in paths if path and os.access(path, os.R_OK)), None)
    if path is None:
        return False
    try:
        from hwdata import PCI

        return PCI(path)
    except (ImportError, OSError, LookupError, TypeError):
        return False  # not installed, or the file is no PCI id list
