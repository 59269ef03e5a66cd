# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry that never stores a password that an EEM repeats. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    AnyOfPodm,
    AnyRecord,
    Body,
    Change,
    Kind,
    Registry,
)

#: Free text from an EEM: no lookup and no decision depends on it.
FREE_TEXT: dict[Kind, tuple[str, ...]] = {
    "pod_managers": ("last_error", "api_version"),
    "devices": ("model", "serial_number"),
}


class MaskedRegistry:
    """See `Registry`. Free text from an EEM is masked before it is written.

    :param masked: returns a value without the passwords known so far
    """

    def __init__(self, registry: Registry, masked: t.Callable[[t.Any], t.Any]) -> None:
        self._registry = registry
        self._masked = masked
        self.path = registry.path

    def get(self, record_type: type[AnyRecord], uuid: str) -> AnyRecord | None:
        """Return a record, or `None`."""
        return self._registry.get(record_type, uuid)

    def all(self, record_type: type[AnyRecord]) -> list[AnyRecord]:
        """Return all records of a type, in the order of their UUIDs."""
        return self._registry.all(record_type)

    def of_podm(self, record_type: type[AnyOfPodm], podm_id: str) -> list[AnyOfPodm]:
        """Return all records of a type that belong to a pod manager, in the order of their UUIDs."""
        return self._registry.of_podm(record_type, podm_id)

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision of the changed documents."""
        return self._registry.commit([change._replace(body=self._without_secrets(change)) for change in changes])

    def hold(self, run: str) -> str | None:
        """Hold a lock for a run; return where it is held."""
        return self._registry.hold(run)

    def is_held(self, run: str, place: str) -> bool | None:
        """Return whether the lock of a run is held."""
        return self._registry.is_held(run, place)

    def close(self) -> None:
        """Close the registry."""
        self._registry.close()

    def _without_secrets(self, change: Change) -> Body | None:
        body = change.body
        if body is None:
            return None
        return {**body, **{key: self._masked(body[key]) for key in FREE_TEXT.get(change.kind, ()) if key in body}}
