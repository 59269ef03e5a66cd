# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which documents of the registry are valid, and which are reported as damaged."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.schema import CONNECTION, SHAPES, fits

UUID = "12345678-1234-5678-9234-567812345678"
CARD = "0x8cdf9d000001"
HOW = {"validate_certs": True, "ca_path": None, "client_cert": None, "client_key": None, "timeout": 30.0, "retries": 3, "conditional_updates": True}
CLAIM = {"run": "a", "what": "b", "until": 1.5, "until_uptime": 1, "process": {"boot": None, "space": None, "pid": 1, "start": "2", "host": "h"}}
DOCUMENTS: dict[str, dict[str, t.Any]] = {
    "pod_managers": {
        "uuid": UUID, "name": "rack1", "url": "http://a/eem", "username": None, "password": None, "connection": HOW,
        "status": "Online", "last_sync": "2026-11-25T12:00:00Z", "systems": 4, "free_slots": None, "degraded_since": None,
    },
    "urls": {"podm_id": UUID},
    "nodes": {"uuid": UUID, "name": "train", "podm_id": UUID, "index": CARD, "state": "composed"},
    "devices": {"uuid": UUID, "device_id": CARD, "podm_id": UUID, "node_id": None, "type": "GPU", "state": "free", "missing_since": None},
    "listings": {"digest": None, "devices": 0},
    "flavors": {"uuid": UUID, "name": "gpu", "description": None, "properties": {}, "created_at": "2026"},
    "claims": {"epoch": 0, "held": {CARD: CLAIM}},
    "pci_names": {"version": "1 /usr/share/misc/pci.ids 1 2", "names": {"10de:1db6": ["NVIDIA", None]}},
}


@pytest.mark.parametrize("kind", SHAPES)
def test_a_document_fits_with_further_keys_and_not_without_one(kind: str) -> None:
    document = DOCUMENTS[kind]
    assert fits(document, SHAPES[kind]) and fits({**document, "of_next_year": 1}, SHAPES[kind])
    for key in SHAPES[kind]:
        assert not fits({name: value for name, value in document.items() if name != key}, SHAPES[kind])


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("pod_managers", "uuid", "rack1"),
        ("pci_names", "names", {"10de:1db6": ["NVIDIA"]}),
        ("pci_names", "names", {"10de:1db6": [1, None]}),
        ("pod_managers", "name", None),
        ("pod_managers", "name", "\ud800"),
        ("pod_managers", "password", 5),
        ("pod_managers", "connection", None),
        ("pod_managers", "connection", {"timeout": float("nan")}),
        ("pod_managers", "connection", {"timeout": 0}),
        ("pod_managers", "connection", {"retries": -1}),
        ("pod_managers", "connection", {"retries": "3"}),
        ("pod_managers", "last_sync", "yesterday"),
        ("pod_managers", "last_sync", "2026-02-30T12:00:00Z"),
        ("pod_managers", "systems", "4"),
        ("listings", "devices", None),
        ("nodes", "podm_id", "rack1"),
        ("nodes", "index", [CARD]),
        ("nodes", "index", CARD.upper()),
        ("devices", "type", ["GPU"]),
        ("flavors", "name", {}),
        ("claims", "epoch", None),
        ("claims", "held", []),
        ("claims", "held", {CARD: {**CLAIM, "process": None}}),
        ("claims", "held", {CARD: {**CLAIM, "until": "soon"}}),
    ],
)
def test_a_value_of_another_sort_does_not_fit(kind: str, key: str, value: t.Any) -> None:
    assert not fits({**DOCUMENTS[kind], key: value}, SHAPES[kind])


def test_a_connection_that_knows_fewer_options_fits() -> None:
    for key in CONNECTION:
        fewer = {name: value for name, value in HOW.items() if name != key}
        assert fits({**DOCUMENTS["pod_managers"], "connection": fewer}, SHAPES["pod_managers"])
