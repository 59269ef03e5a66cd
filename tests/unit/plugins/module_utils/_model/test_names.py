# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, derived UUIDs and URLs."""

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
    eem_url,
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


# URLs


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://eem:30500/eem", "http://eem:30500/eem"),
        ("http://eem:30500/eem/", "http://eem:30500/eem"),
        ("http://eem:30500/eem///", "http://eem:30500/eem"),
        (" HTTPS://EEM.Example.COM:30500/eem\n", "https://eem.example.com:30500/eem"),
        ("http://eem", "http://eem"),
        ("http://eem/", "http://eem"),
        ("http://eem/EEM/Lab", "http://eem/EEM/Lab"),
        ("http://[2001:DB8::1]:30500/eem/", "http://[2001:db8::1]:30500/eem"),
        ("http://192.0.2.7:30500/eem", "http://192.0.2.7:30500/eem"),
        ("http://eem:030500/eem", "http://eem:30500/eem"),
    ],
)
def test_a_url_has_one_form(text: str, url: str) -> None:
    assert eem_url(text) == url


hosts = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z]{1,5})?", fullmatch=True) | st.just("[2001:db8::1]")
paths = st.lists(st.from_regex(r"[A-Za-z0-9._~%-]{1,6}", fullmatch=True), max_size=3).map("/".join)
ports = st.none() | st.integers(0, 65535).filter(lambda port: port not in (80, 443))  # these are left out


@given(st.sampled_from(["http", "https", "HTTP"]), hosts, ports, paths, st.integers(0, 3))
def test_slashes_at_the_end_and_the_case_of_the_host_do_not_matter(
    scheme: str, host: str, port: int | None, path: str, slashes: int
) -> None:
    place = host if port is None else f"{host}:{port}"
    plain = f"{scheme.lower()}://{place}/{path}".rstrip("/")
    assert eem_url(plain) == plain
    assert eem_url(f" {scheme}://{place.upper()}/{path}{'/' * slashes} ") == plain


@given(st.text() | st.text(alphabet="htp:/eAm3[]@%. \t\\").map(lambda text: f"http://h{text}"))
@example("http://eem/eem/ /")
@example("http://eem/eem/\x1f/")
def test_the_form_of_a_url_does_not_change_when_it_is_read_again(text: str) -> None:
    try:
        url = eem_url(text)
    except InvalidInput:
        return
    assert eem_url(url) == url
    assert url.startswith(("http://", "https://"))
    assert not url.endswith("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "eem",
        "eem:30500",
        "eem:30500/eem",
        "/eem",
        "ftp://eem/eem",
        "http:///eem",
        "http://",
        "http://:30500/eem",
        "http://eem:port/eem",
        "http://eem:70000/eem",
        "http://[2001:db8::1/eem",
        "http://eem/eem?x=1",
        "http://eem/eem#x",
    ],
)
def test_what_is_no_url_of_an_eem_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="it must look like http://HOST:30500/eem"):
        eem_url(text)


SECRET = "S3cretPw"


@pytest.mark.parametrize(
    "text",
    [
        f"http://admin:{SECRET}@eem:30500/eem",
        f"HTTPS://admin:{SECRET}@eem/eem/",
        f"http://:{SECRET}@eem/eem",
        f"http://{SECRET}@eem/eem",
        f"http://admin:{SECRET}@eem:port/eem",
        f"http://admin:{SECRET}@[eem/eem",
        f"ftp://admin:{SECRET}@eem/eem",
        f"//admin:{SECRET}@eem/eem",
        # without the scheme, or with a slip in it
        f"admin:{SECRET}@eem:30500/eem",
        f"http:/admin:{SECRET}@eem:30500/eem",
        f"http:admin:{SECRET}@eem:30500/eem",
        f"http:\\\\admin:{SECRET}@eem:30500/eem",
        f"http//admin:{SECRET}@eem:30500/eem",
        f"ht tp://admin:{SECRET}@eem:30500/eem",
        # with what has a meaning in URLs in the password
        f"http://admin:1/{SECRET}@eem:30500/eem",
        f"http://admin:1#{SECRET}@eem:30500/eem",
        f"http://admin:1?{SECRET}@eem:30500/eem",
        f"http://admin:#{SECRET}@eem:30500/eem",
        f"http://admin:/{SECRET}@eem:30500/eem",
        f"http://admin:@{SECRET}@eem:30500/eem",
        # where some services take it
        f"http://eem:30500/eem?password={SECRET}",
        f"http://eem:30500/eem#{SECRET}",
    ],
)
def test_a_url_with_credentials_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        eem_url(text)
    assert SECRET not in str(caught.value.as_failure())
    assert SECRET not in repr(caught.value)
