# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Converts documents of earlier versions of the collection. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.pci_records import StoredNames
from ansible_collections.nec.expether.plugins.module_utils._registry.records import (
    Flavor,
    PodManager,
    RegisteredUrl,
    StoredNode,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Body, Record

RECORD_TYPES: tuple[type[Record], ...] = (
    PodManager,
    RegisteredUrl,
    StoredNode,
    StoredDevice,
    StoredListing,
    Flavor,
    StoredClaims,
    StoredNames,
)
_BY_KIND: t.Mapping[str, type[Record]] = {record_type.kind(): record_type for record_type in RECORD_TYPES}


def upgraded(kind: str, uuid: str, revision: int, body: t.Any) -> Body:
    """Return the body of a document of an earlier version as this version writes it.

    :raises ValueError: it is damaged, or of an unknown kind
    """
    if kind not in _BY_KIND:
        raise ValueError(kind)
    return _BY_KIND[kind].from_body(uuid, revision, body).to_body()
