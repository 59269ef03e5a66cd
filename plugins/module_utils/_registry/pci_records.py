# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The typed record of the names of PCI vendors and devices. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.names import PCI_NAMES
from ansible_collections.nec.expether.plugins.module_utils._registry.fields import is_text, values
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, Body, Kind


class StoredNames(t.NamedTuple):
    """The names of PCI vendors and devices that were looked up in a list.

    :ivar version: identifies the list
    :ivar names: by `VENDOR:DEVICE`, or `VENDOR:` without a device id
    """

    version: str
    names: t.Mapping[str, tuple[str | None, str | None]]
    uuid: str = PCI_NAMES
    revision: int = NEVER

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "pci_names"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> StoredNames:
        """Return the record from the body of a document.

        :raises NotAsWritten: it is damaged
        """
        found = values(cls.kind(), uuid, body, {"version": is_text, "names": _are_names})
        names = {key: (vendor, device) for key, (vendor, device) in found["names"].items()}
        return cls(found["version"], names, uuid, revision)

    def to_body(self) -> Body:
        """Return the body of its document."""
        return {"version": self.version, "names": {key: list(names) for key, names in self.names.items()}}


def _are_names(value: t.Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(names, list) and len(names) == 2 and all(name is None or is_text(name) for name in names)
        for names in value.values()
    )
