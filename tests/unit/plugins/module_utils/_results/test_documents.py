# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stored record a name, UUID or id refers to, and how it is shown."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound
from ansible_collections.nec.expether.plugins.module_utils._model.names import flavor_uuid, node_uuid, podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Named, find_by_name
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._results.documents import (
    find_flavor,
    find_podm,
    flavor_view,
    only_node,
    podm_view,
)
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import system_id

PODM_VIEW_KEYS = {
    "uuid",
    "name",
    "url",
    "driver",
    "username",
    "description",
    "location",
    "status",
    "api_version",
    "last_sync",
    "last_error",
    "created_at",
    "updated_at",
}


class Shelf:
    """As much of a registry as looking things up needs."""

    def __init__(self, things: t.Sequence[Named]) -> None:
        self._things = list(things)

    path = "/somewhere/registry.sqlite3"

    def all(self, record_type: type[Named]) -> list[Named]:
        return [thing for thing in self._things if isinstance(thing, record_type)]


def podm(name: str) -> PodManager:
    empty = dict.fromkeys(PodManager._fields)
    url = f"http://{name}:30500/eem"
    return PodManager(
        **{**empty, "uuid": podm_uuid(name), "revision": 1, "name": name, "url": url, "password": "S3cret"}
    )


def flavor(name: str) -> Flavor:
    return Flavor(flavor_uuid(name), 1, name, None, {"pci_device": {"type": ["GPU"]}}, None, None)


def node(podm_name: str, name: str, number: int, uuid: str | None = None) -> StoredNode:
    podm_id = podm_uuid(podm_name)
    return StoredNode(
        uuid or node_uuid(podm_id, name), 1, name, podm_id, system_id(number), "composed", None, None, None
    )


Make = t.Callable[[str], Named]
Find = t.Callable[[t.Any, str], Named]
KINDS: list[tuple[Make, Find]] = [(podm, find_podm), (flavor, find_flavor)]
SENTENCES = {
    find_podm: (
        "Pod manager {} is not registered in /somewhere/registry.sqlite3",
        "; no pod managers are registered. Register one with expether_podm.",
        ". Registered: {}.",
    ),
    find_flavor: (
        "Flavor {} does not exist",
        "; no flavors are defined. Create one with expether_flavor.",
        ". Defined: {}.",
    ),
}


@pytest.mark.parametrize(("make", "find"), KINDS)
def test_a_pod_manager_and_a_flavor_are_found_by_name_or_uuid_in_any_case(make: Make, find: Find) -> None:
    one, other = make("Lab-One"), make("other")
    shelf = Shelf([other, one])
    for wanted in ("Lab-One", "lab-one", "LAB-ONE", one.uuid, one.uuid.upper(), one.uuid.replace("-", "")):
        assert find(shelf, wanted) == one
    assert find(shelf, "OTHER") == other


@pytest.mark.parametrize(("make", "find"), KINDS)
@pytest.mark.parametrize("wanted", ["", "lab", "0" * 32, system_id(0)])
def test_what_is_not_there_is_not_known_and_the_sentence_names_what_is(make: Make, find: Find, wanted: str) -> None:
    missing, none, existing = SENTENCES[find]
    for names, more in (([], none), (["b"], existing.format("b")), (["b", "A"], existing.format("A, b"))):
        with pytest.raises(NotFound) as caught:
            find(Shelf([make(name) for name in names]), wanted)
        assert caught.value.message == missing.format(repr(wanted)) + more
        assert "S3cret" not in str(caught.value.as_failure())


def test_a_name_that_fits_exactly_comes_before_one_in_another_case() -> None:
    """Such two cannot be made any more, for their UUIDs are one; an older registry may have them."""
    one, other = node("lab", "node", 1, "1" * 32), node("lab", "Node", 2, "2" * 32)
    assert find_by_name([one, other], "Node") == [other]
    assert find_by_name([one, other], "NODE") == [one, other]


def test_a_node_is_found_by_name_uuid_or_eem_id_in_any_case() -> None:
    one, other = node("lab", "Node1", 1), node("lab", "node2", 2)
    for wanted in (
        "Node1",
        "NODE1",
        one.uuid,
        one.uuid.upper(),
        system_id(1),
        system_id(1).upper(),
        system_id(1)[2:],
        system_id(1)[2:].upper(),
    ):
        assert find_by_name([other, one], wanted) == [one]
        assert only_node(find_by_name([other, one], wanted), wanted) == one


def test_a_node_whose_name_is_an_id_is_found_in_all_forms_of_the_id() -> None:
    one = node("lab", system_id(1), 1)
    for wanted in (system_id(1), system_id(1).upper(), system_id(1)[2:].upper()):
        assert find_by_name([one, node("lab", "node2", 2)], wanted) == [one]


def test_a_name_comes_before_an_id() -> None:
    odd = node("lab", system_id(1), 2, "3" * 32)
    assert find_by_name([node("lab", "node1", 1), odd], system_id(1)) == [odd]


@pytest.mark.parametrize("wanted", ["", "node3", system_id(9), "0" * 32])
def test_what_names_no_node_finds_none(wanted: str) -> None:
    found = find_by_name([node("lab", "node1", 1)], wanted)
    assert found == []
    assert only_node(found, wanted) is None


def test_a_node_of_several_pod_managers_must_be_told_apart() -> None:
    here, there = node("lab", "node1", 1), node("hall", "Node1", 1)
    for wanted in ("NODE1", system_id(1)):
        with pytest.raises(InvalidInput, match="Several pod managers have a node") as caught:
            only_node(find_by_name([here, there], wanted), wanted)
        assert repr(wanted) in caught.value.message
        assert "podm" in caught.value.message
    assert only_node(find_by_name([here, there], here.uuid), here.uuid) == here
    assert only_node(find_by_name([here, there], there.uuid), there.uuid) == there


def test_a_pod_manager_is_shown_with_all_keys_and_without_its_password() -> None:
    record = podm("lab")
    shown = podm_view(record)
    assert set(shown) >= PODM_VIEW_KEYS
    assert (shown["uuid"], shown["name"], shown["driver"]) == (record.uuid, "lab", "expether")
    assert shown["description"] is None
    assert "S3cret" not in repr(shown)
    assert not [key for key in shown if "password" in key]


def test_a_flavor_is_shown_with_all_keys() -> None:
    shown = flavor_view(flavor("gpu"))
    assert shown["properties"] == {"pci_device": {"type": ["GPU"]}}
    assert {"uuid", "name", "properties", "description"} <= set(shown)
