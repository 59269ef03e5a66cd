# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks up names of PCI vendors and devices with the package hwdata, as Valence does. Private to the collection.

Reading the list takes longer than listing 4,000 devices. Therefore the registry stores names that were looked up once,
and they are used as long as the list is unchanged (see tests/benchmarks for the cost of a listing).
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t
import warnings

from ansible_collections.nec.expether.plugins.module_utils._model.errors import MissingLibrary
from ansible_collections.nec.expether.plugins.module_utils._model.libraries import how_to_install, need
from ansible_collections.nec.expether.plugins.module_utils._registry.pci_records import StoredNames
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, put_anyway

ENV_PCI_IDS = "EXPETHER_PCI_IDS"
_PATHS = ("/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids")
# Bump this when the same list gives other names.
_VERSION = 1

Names = tuple[t.Optional[str], t.Optional[str]]


class Lookup(t.Protocol):
    """What is used of `hwdata.PCI`."""

    def get_vendor(self, vendor: str) -> str | None:
        """Return a vendor's name by its 4 hex digits."""

    def get_device(self, vendor: str, device: str) -> str | None:
        """Return a device's name by 4 hex digits each."""


class PciNames:
    """Looks up names among those stored for this list, else in the list itself, which is read at most once.

    :param warn: called with a sentence that explains why there are no names; always the same sentence
    :param load: returns the stored names; called when the first name is needed
    """

    def __init__(self, warn: t.Callable[[str], None], load: t.Callable[[], StoredNames | None] = lambda: None) -> None:
        self._warn = warn
        self._load = load
        self._names: dict[str, Names] | None = None
        self._list: Lookup | None = None
        self._is_read = False
        self._version: str | None = None

    def __call__(self, vendor: str, device: str | None) -> Names:
        """Return the names of a vendor and its device, by 4 hex digits each; `None` for unknown ones."""
        if self._names is None:
            stored = self._load()
            self._names = dict(stored.names) if stored and self.version and stored.version == self.version else {}
        key = f"{vendor}:{device or ''}"
        if key not in self._names:
            self._names[key] = self._look_up(vendor, device)
        return self._names[key]

    @property
    def version(self) -> str:
        """Identifies this list and how it is read, without reading it; `""` if no list exists."""
        if self._version is None:
            path = self._path()
            status = os.stat(path) if path else None
            self._version = f"{_VERSION} {path} {status.st_size} {status.st_mtime_ns}" if status else ""
        return self._version

    @property
    def learned(self) -> StoredNames | None:
        """The names to store: all known ones, or `None` if none of them was read from the list."""
        return StoredNames(self.version, self._names) if self._names and self._list is not None else None

    def changes(self) -> list[Change]:
        """Return the change that stores what was learned."""
        learned = self.learned
        return [] if learned is None else [put_anyway(learned)]

    def _look_up(self, vendor: str, device: str | None) -> Names:
        if not self._is_read:
            self._is_read = True
            self._list = self._read()
        if self._list is None:
            return (None, None)
        device_name = self._list.get_device(vendor, device) if device else None
        return _text(self._list.get_vendor(vendor)), _text(device_name)

    def _path(self) -> str | None:
        """Return the list set in the environment, or else the first list of the system that can be read."""
        configured = os.environ.get(ENV_PCI_IDS)
        for path in (configured,) if configured else _PATHS:
            try:
                # O_NONBLOCK: do not wait for a writer if it is a named pipe.
                handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    if stat.S_ISREG(os.fstat(handle).st_mode):
                        return path
                finally:
                    os.close(handle)
                raise OSError(errno.EINVAL, "it is not a regular file")
            except OSError as error:
                if configured:
                    self._warn(
                        f"The PCI id list {_shown(configured)} that {ENV_PCI_IDS} names cannot be read"
                        f" ({error.strerror or error}), so vendors and devices have no names."
                    )
        return None

    def _read(self) -> Lookup | None:
        path = self._path()
        if path is None:
            if not os.environ.get(ENV_PCI_IDS):
                self._warn(
                    "Vendors and devices have no names, because the host where the module runs has no PCI id list: install"
                    " the package pci.ids (Debian, Ubuntu) or hwdata (Fedora, RHEL)."
                )
            return None
        try:
            # Imported here, because only a lookup in the list needs it.
            import hwdata
        except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            self._warn(f"{_without_library(missing)} {how_to_install('hwdata')}")
            return None
        try:
            need("hwdata", None)
        except MissingLibrary as error:
            self._warn(_without_library(error))
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # hwdata does not close the file
            hwdata.PCI.devices = None  # hwdata keeps the list that it read first in this process
            try:
                return t.cast(Lookup, hwdata.PCI(path))
            except (OSError, LookupError, TypeError, ValueError):
                hwdata.PCI.devices = None
        self._warn(f"{_shown(path)} is not a PCI id list, so vendors and devices have no names.")
        return None


def _without_library(error: Exception) -> str:
    return (
        "Vendors and devices have no names, because the Python package hwdata cannot be used on the host where the module"
        f" runs ({error})."
    )


def _text(name: str | None) -> str | None:
    """Return a name as in the list: hwdata decodes UTF-8 as Latin-1."""
    return name.encode("latin-1", "replace").decode("utf-8", "replace").strip() or None if name else None


def _shown(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")
