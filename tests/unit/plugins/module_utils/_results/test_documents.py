# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stored record a name, UUID or id refers to, and how it is shown."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound
from ansible_collections.nec.expether.plugins.module_utils._model.names import flavor_uuid, node_uuid, podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Document
from ansible_collections.nec.expether.plugins.module_utils._results.documents import (
    device_body,
    find_flavor,
    find_nodes,
    find_podm,
    flavor_view,
    named,
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

    def __init__(self, **kinds: list[Document]) -> None:
        self._kinds = kinds

    path = "/somewhere/registry.sqlite3"

    def all(self, kind: str) -> list[Document]:
        return self._kinds.get(kind, [])


def podm(name: str) -> Document:
    return Document(podm_uuid(name), 1, {"name": name, "url": f"http://{name}:30500/eem", "password": "S3cret"})


def flavor(name: str) -> Document:
    return Document(flavor_uuid(name), 1, {"name": name, "properties": {}})


def node(podm_name: str, name: str, number: int) -> Document:
    podm_id = podm_uuid(podm_name)
    body = {"name": name, "podm_id": podm_id, "index": system_id(number), "state": "composed"}
    return Document(node_uuid(podm_id, name), 1, body)


KINDS: list[tuple[str, t.Callable[[str], Document], t.Callable[[t.Any, str], Document]]] = [
    ("pod_managers", podm, find_podm),
    ("flavors", flavor, find_flavor),
]


@pytest.mark.parametrize(("kind", "make", "find"), KINDS)
def test_a_pod_manager_and_a_flavor_are_found_by_name_or_uuid_in_any_case(
    kind: str, make: t.Callable[[str], Document], find: t.Callable[[t.Any, str], Document]
) -> None:
    one, other = make("Lab-One"), make("other")
    shelf = Shelf(**{kind: [other, one]})
    for wanted in ("Lab-One", "lab-one", "LAB-ONE", one.uuid, one.uuid.upper(), one.uuid.replace("-", "")):
        assert find(shelf, wanted) == one
    assert find(shelf, "OTHER") == other


@pytest.mark.parametrize(("kind", "make", "find"), KINDS)
@pytest.mark.parametrize("wanted", ["", "lab", "0" * 32, system_id(0)])
def test_what_is_not_there_is_not_known_and_the_sentence_names_what_is(
    kind: str, make: t.Callable[[str], Document], find: t.Callable[[t.Any, str], Document], wanted: str
) -> None:
    for names, said in (([], "there is none"), (["b"], "there is b."), (["b", "A"], "there are A, b.")):
        with pytest.raises(NotFound) as caught:
            find(Shelf(**{kind: [make(name) for name in names]}), wanted)
        assert repr(wanted) in caught.value.message
        assert said in caught.value.message
        assert "S3cret" not in str(caught.value.as_failure())


def test_a_name_that_fits_exactly_comes_before_one_in_another_case() -> None:
    """Such two cannot be made any more, for their UUIDs are one; an older registry may have them."""
    one, other = Document("1" * 32, 1, {"name": "node"}), Document("2" * 32, 1, {"name": "Node"})
    assert named([one, other], "Node") == [other]
    assert named([one, other], "NODE") == [one, other]


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
        assert find_nodes([other, one], wanted) == [one]
        assert only_node(find_nodes([other, one], wanted), wanted) == one


def test_a_node_whose_name_is_an_id_is_found_in_all_forms_of_the_id() -> None:
    one = node("lab", system_id(1), 1)
    for wanted in (system_id(1), system_id(1).upper(), system_id(1)[2:].upper()):
        assert find_nodes([one, node("lab", "node2", 2)], wanted) == [one]


def test_a_name_comes_before_a_uuid_and_a_uuid_before_an_id() -> None:
    odd = Document("3" * 32, 1, {"name": system_id(1), "index": system_id(2)})
    assert find_nodes([node("lab", "node1", 1), odd], system_id(1)) == [odd]


@pytest.mark.parametrize("wanted", ["", "node3", system_id(9), "0" * 32])
def test_what_names_no_node_finds_none(wanted: str) -> None:
    found = find_nodes([node("lab", "node1", 1)], wanted)
    assert found == []
    assert only_node(found, wanted) is None


def test_a_node_of_several_pod_managers_must_be_told_apart() -> None:
    here, there = node("lab", "node1", 1), node("hall", "Node1", 1)
    for wanted in ("NODE1", system_id(1)):
        with pytest.raises(InvalidInput, match="several pod managers") as caught:
            only_node(find_nodes([here, there], wanted), wanted)
        assert repr(wanted) in caught.value.message
        assert "podm" in caught.value.message
    assert only_node(find_nodes([here, there], here.uuid), here.uuid) == here
    assert only_node(find_nodes([here, there], there.uuid), there.uuid) == there


def test_a_pod_manager_is_shown_with_all_keys_and_without_its_password() -> None:
    document = podm("lab")
    shown = podm_view(document.uuid, document.body)
    assert set(shown) >= PODM_VIEW_KEYS
    assert (shown["uuid"], shown["name"], shown["driver"]) == (document.uuid, "lab", "expether")
    assert shown["description"] is None
    assert "S3cret" not in repr(shown)
    assert not [key for key in shown if "password" in key]


def test_a_flavor_is_shown_with_all_keys() -> None:
    shown = flavor_view("u", {"name": "gpu", "properties": {"pci_device": {"type": ["GPU"]}}, "surprise": 1})
    assert shown["properties"] == {"pci_device": {"type": ["GPU"]}}
    assert {"uuid", "name", "properties", "description"} <= set(shown)
    assert "surprise" not in shown


def test_a_device_is_remembered_without_the_names_that_may_change() -> None:
    view = {
        "uuid": "u",
        "device_id": "d",
        "node": "n",
        "node_id": "s",
        "podm": "lab",
        "podm_id": "p",
        "synced_at": None,
    }
    new = device_body(view, None, "2026-11-25T00:00:00Z")
    assert new == {"uuid": "u", "device_id": "d", "node_id": "s", "podm_id": "p", "first_seen_at": "2026-11-25T00:00:00Z"}
    assert device_body(view, new, "2026-11-26T00:00:00Z") == new
    assert view["node"] == "n"
