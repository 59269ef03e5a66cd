# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and derived UUIDs."""

from __future__ import annotations

import unicodedata
import uuid

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    check_name,
    check_node_name,
    comma_list,
    device_uuid,
    flavor_uuid,
    node_uuid,
    parse_uuid,
    podm_uuid,
    same_name,
    unregistered_podm_uuid,
)
from hypothesis import example, given
from hypothesis import strategies as st

LAB = "35f7fc8d-b2a7-56be-8d79-76cca51ffe16"

names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30)


# UUIDs: every controller and every version gives the same thing the same one


def test_uuids_are_what_they_have_always_been() -> None:
    assert podm_uuid("lab") == LAB
    assert unregistered_podm_uuid("http://eem:30500/eem") == "0656dfa6-91b2-5ff1-bab2-08ffcc9f85df"
    assert flavor_uuid("gpu-box") == "07997825-1f38-56a9-b49b-fc25945a1f81"
    assert node_uuid(LAB, "node1") == "781ca81b-376f-57ba-8bd1-38919e5a31bd"
    assert device_uuid(uuid.UUID(LAB), "0x8cdf9d512930") == "df678184-6c6a-563b-b348-b105fbf91e5b"


@given(names)
def test_uuids_do_not_depend_on_the_case_of_a_name(name: str) -> None:
    for other in (name.upper(), name.lower(), name.casefold()):
        if same_name(name, other):
            assert podm_uuid(other) == podm_uuid(name)
            assert flavor_uuid(other) == flavor_uuid(name)
            assert node_uuid(LAB, other) == node_uuid(LAB, name)


@given(names, names)
def test_different_things_have_different_uuids(one: str, other: str) -> None:
    found = [podm_uuid(one), unregistered_podm_uuid(one), flavor_uuid(one), node_uuid(LAB, one)]
    found += [device_uuid(uuid.UUID(LAB), one), node_uuid(podm_uuid("other"), one)]
    if not same_name(one, other):
        found += [podm_uuid(other), flavor_uuid(other), node_uuid(LAB, other)]
    assert len(set(found)) == len(found)


@given(st.uuids(), st.text(max_size=20))
def test_the_uuid_of_a_device_is_a_uuid_of_version_5(podm: uuid.UUID, device_id: str) -> None:
    try:
        device_id.encode()
    except UnicodeEncodeError:
        return
    assert device_uuid(podm, device_id) == str(uuid.uuid5(podm, f"device:{device_id}"))


@given(st.uuids())
def test_a_uuid_is_read_in_any_case_and_with_or_without_hyphens(value: uuid.UUID) -> None:
    for text in (str(value), str(value).upper(), value.hex, f"{{{value}}}", value.urn):
        assert parse_uuid(text) == str(value)


@pytest.mark.parametrize("text", ["", "node1", "0x8cdf9d512930", "8cdf9d512930", LAB[:-1], f"{LAB}0", "g" * 32])
def test_what_is_no_uuid_is_none(text: str) -> None:
    assert parse_uuid(text) is None


# Names


@pytest.mark.parametrize("name", ["a", "node1", "GPU box (2nd floor)", "ノード", "x" * 255, "0x8cdf9d512930"])
def test_a_name_that_can_be_seen_is_taken_as_it_is(name: str) -> None:
    assert check_name(name, "node") == name


@pytest.mark.parametrize(
    "name", ["", " ", "\t", " a", "a ", "a\n", "a\nb", "a\x00b", "x" * 256, "a\u200bb", "\u202ea", "a\x1b[0m", "\ud800"]
)
def test_a_name_that_cannot_be_seen_is_refused_with_a_sentence_that_can(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name of a flavor") as caught:
        check_name(name, "flavor")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1400


@pytest.mark.parametrize("name", [LAB, LAB.upper(), LAB.replace("-", ""), f"{{{LAB}}}"])
def test_a_name_that_would_be_taken_for_a_uuid_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="taken for a UUID"):
        check_name(name, "node")


@given(st.text())
def test_a_name_is_taken_as_it_is_or_refused(name: str) -> None:
    try:
        assert check_name(name, "node") == unicodedata.normalize("NFC", name)
    except InvalidInput:
        return
    assert name
    assert name.isprintable()
    assert parse_uuid(name) is None


@given(st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=8))
@example("caf\u00e9")
@example("\u0390\u1e9e")
@example("\uac00\u0344")
def test_a_name_composed_and_decomposed_is_one_name(name: str) -> None:
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    for form in (*forms, *(form.upper() for form in forms if same_name(form, form.upper()))):
        assert same_name(form, name)
        assert podm_uuid(form) == podm_uuid(name)
        assert flavor_uuid(form) == flavor_uuid(name)
        assert node_uuid(LAB, form) == node_uuid(LAB, name)
    assert check_name(f"x{forms[1]}x", "node") == unicodedata.normalize("NFC", f"x{forms[0]}x")


def test_a_node_may_have_the_id_of_its_system_as_name_and_no_other_id() -> None:
    index = "0x8cdf9d53f236"
    for name in (index, "8CDF9D53F236", "8c:df:9d:53:f2:36", "node1"):
        assert check_node_name(name, index) == name
    for name in ("0x8cdf9d53f237", "8CDF9D53F237"):
        with pytest.raises(InvalidInput, match="mistaken for the id of a card"):
            check_node_name(name, index)


@pytest.mark.parametrize(
    ("things", "shown"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a, b"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_a_long_list_is_cut_and_says_how_much_more_there_is(things: list[str], shown: str) -> None:
    assert comma_list(iter(things), 3) == shown
