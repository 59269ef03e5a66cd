# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken for a document of the registry, and what is told as spoilt."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.records import CONNECTION
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Kind, NotAsWritten, put
from ansible_collections.nec.expether.plugins.module_utils._registry.upgrade import RECORD_TYPES, upgraded

UUID = "12345678-1234-5678-9234-567812345678"
CARD = "0x8cdf9d000001"
HOW = {
    "validate_certs": True,
    "ca_path": None,
    "client_cert": None,
    "client_key": None,
    "timeout": 30.0,
    "retries": 3,
    "conditional_updates": True,
}
CLAIM = {
    "run": "a",
    "what": "b",
    "until": 1.5,
    "until_uptime": 1,
    "lock": "a place",
    "process": {"boot": None, "space": None, "pid": 1, "start": "2", "host": "h"},
}
DOCUMENTS: dict[str, dict[str, t.Any]] = {
    "pod_managers": {
        "name": "rack1",
        "url": "http://a/eem",
        "username": None,
        "password": None,
        "connection": HOW,
        "status": "Online",
        "last_sync": "2026-11-25T12:00:00Z",
        "systems": 4,
        "free_slots": None,
        "degraded_since": None,
    },
    "urls": {"podm_id": UUID},
    "nodes": {"name": "train", "podm_id": UUID, "index": CARD, "state": "composed"},
    "devices": {
        "device_id": CARD,
        "podm_id": UUID,
        "node_id": None,
        "type": "GPU",
        "state": "free",
        "missing_since": None,
    },
    "listings": {"digest": None, "devices": 0},
    "flavors": {"name": "gpu", "description": None, "properties": {}, "created_at": "2026"},
    "claims": {"epoch": 0, "held": {CARD: CLAIM}},
    "pci_names": {"version": "1 /usr/share/misc/pci.ids 1 2", "names": {"10de:1db6": ["NVIDIA", None]}},
}


TYPES = {record_type.kind(): record_type for record_type in RECORD_TYPES}


def read(kind: str, body: t.Any, uuid: str = UUID) -> t.Any:
    return TYPES[kind].from_body(uuid, 7, body)


def test_a_device_of_an_earlier_version_has_no_last_node_and_may_be_populated_or_not() -> None:
    device = read("devices", DOCUMENTS["devices"])
    assert (device.last_node, device.populated) == (None, None)
    newer = {**DOCUMENTS["devices"], "last_node": "web1", "populated": False}
    assert (read("devices", newer).last_node, read("devices", newer).populated) == ("web1", False)
    for spoilt in ({"last_node": 1}, {"populated": "yes"}, {"populated": 0}):
        with pytest.raises(NotAsWritten):
            read("devices", {**newer, **spoilt})


def test_every_kind_of_document_has_its_record() -> None:
    assert set(TYPES) == set(t.get_args(Kind)) == set(DOCUMENTS)


@pytest.mark.parametrize("kind", TYPES)
def test_a_document_is_read_with_further_keys_and_not_without_one(kind: str) -> None:
    document = DOCUMENTS[kind]
    assert read(kind, {**document, "of_next_year": 1}) == read(kind, document)
    for key in document:
        with pytest.raises(NotAsWritten, match=f"{kind}/{UUID} is not as it was written"):
            read(kind, {name: value for name, value in document.items() if name != key})


def test_a_claim_of_a_version_without_locks_has_none() -> None:
    earlier = {name: value for name, value in CLAIM.items() if name != "lock"}
    document = {"epoch": 0, "held": {CARD: earlier}}
    record = t.cast(StoredClaims, read("claims", document))
    assert record.held[CARD].lock is None and record.to_body() == document


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("body", [None, [], "", 5, {}])
def test_what_is_no_document_is_told(kind: str, body: t.Any) -> None:
    with pytest.raises(NotAsWritten):
        read(kind, body)


@pytest.mark.parametrize("kind", TYPES)
def test_a_record_is_written_with_what_it_was_read_from_and_read_again_as_it_was(kind: str) -> None:
    record = read(kind, DOCUMENTS[kind])
    change = put(record)
    assert (change.kind, change.uuid, change.expected) == (kind, UUID, 7)
    assert change.body is not None and DOCUMENTS[kind].items() <= change.body.items()
    assert read(kind, json.loads(json.dumps(change.body))) == record
    assert upgraded(kind, UUID, 7, change.body) == change.body


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
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
        ("devices", "model", 5),
        ("devices", "state", None),
        ("devices", "ports_up", "1"),
        ("devices", "ports_up", -1),
        ("devices", "enabled", 1),
        ("devices", "connected", "up"),
        ("nodes", "group_id", 17),
        ("pod_managers", "api_version", 1.0),
        ("flavors", "name", {}),
        ("claims", "epoch", None),
        ("claims", "held", []),
        ("claims", "held", {CARD: {**CLAIM, "process": None}}),
        ("claims", "held", {CARD: {**CLAIM, "lock": 5}}),
        ("claims", "held", {CARD: {**CLAIM, "until": "soon"}}),
        ("claims", "held", {CARD: {**CLAIM, "until": 10**400}}),
        ("claims", "held", {CARD: {**CLAIM, "until": float("inf")}}),
    ],
)
def test_a_value_of_another_sort_is_told(kind: str, key: str, value: t.Any) -> None:
    with pytest.raises(NotAsWritten):
        read(kind, {**DOCUMENTS[kind], key: value})


@pytest.mark.parametrize("kind", ["pod_managers", "nodes"])
def test_a_document_under_a_key_that_is_no_uuid_is_told(kind: str) -> None:
    with pytest.raises(NotAsWritten):
        read(kind, DOCUMENTS[kind], "rack1")


def test_a_connection_that_knows_fewer_options_is_read() -> None:
    for key in CONNECTION:
        fewer = {name: value for name, value in HOW.items() if name != key}
        assert read("pod_managers", {**DOCUMENTS["pod_managers"], "connection": fewer}).connection == fewer


def test_what_earlier_versions_wrote_otherwise_is_read_as_today() -> None:
    podm = read("pod_managers", {**DOCUMENTS["pod_managers"], "description": "", "api_version": "v1\n\u202e"})
    assert (podm.description, podm.api_version) == (None, "v1 \ufffd")
    properties = {"devices": [{"type": "GPU", "vendor_id": 4318, "count": 2, "model": None}]}
    flavor = read("flavors", {**DOCUMENTS["flavors"], "description": "", "properties": properties})
    assert flavor.description is None
    assert flavor.properties["devices"][0].items() >= {"type": "GPU", "vendor_id": "4318", "count": 2}.items()
    assert "model" not in flavor.properties["devices"][0]
    assert read("flavors", {**DOCUMENTS["flavors"], "properties": {"devices": ["GPU"]}}).properties == {
        "devices": ["GPU"]
    }


def test_what_follows_from_a_device_is_not_stored_and_a_document_that_has_it_is_read() -> None:
    facts = read("devices", {**DOCUMENTS["devices"], "ports_up": 1})
    older = {**facts.to_body(), "uuid": UUID, "resource_uri": f"devices/{CARD}", "reachable": True}
    assert read("devices", older) == facts
    assert upgraded("devices", UUID, 7, older) == facts.to_body()
    assert set(older) - set(facts.to_body()) == {"uuid", "resource_uri", "reachable"}


def test_a_document_of_no_known_kind_is_not_upgraded() -> None:
    with pytest.raises(ValueError, match="of_next_year"):
        upgraded("of_next_year", UUID, 7, {})
