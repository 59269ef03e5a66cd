# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices that a node requests, and which devices match."""

from __future__ import annotations

import itertools
import random
import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.properties import (
    Properties,
    normal_properties,
    parse_properties,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import match_devices
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    KINDS,
    Entry,
    Record,
    device_id,
    device_requests,
    eeio,
    most_met,
    wanted,
)
from hypothesis import given
from hypothesis import strategies as st


def request_of(*entries: Entry) -> Properties:
    return parse_properties({"devices": list(entries)})


def matching(entry: Entry, **record: t.Any) -> bool:
    """Whether one entry means a device with this record."""
    device = Fabric.from_records([eeio(0, **record)]).devices[device_id(0)]
    (want,) = request_of(entry)
    return want.matches(device)


# The two shapes


def test_a_repeated_type_means_several_devices() -> None:
    requested = parse_properties({"pci_device": {"type": ["NIC", "NIC", "SSD"]}})
    assert requested == request_of({"type": "NIC", "count": 2}, {"type": "SSD"})


def test_one_type_needs_no_list() -> None:
    assert parse_properties({"pci_device": {"type": "gpu"}}) == request_of({"type": "GPU"})


def test_both_shapes_may_be_given_at_once_and_add_up() -> None:
    both = parse_properties({"pci_device": {"type": ["GPU"]}, "devices": [{"type": "gpu", "count": 2}]})
    assert both == request_of({"type": "GPU", "count": 3})


@pytest.mark.parametrize("name", ["SSD", "NIC", "GPU", "Multi", "SWITCH", "USB", "ACS", "Unknown"])
def test_every_type_is_taken_in_any_case(name: str) -> None:
    for text in (name, name.lower(), name.upper(), f" {name} "):
        assert request_of({"type": text}) == parse_properties({"pci_device": {"type": [name]}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"vendor_id": "0x10DE"}, {"vendor_id": "10de"}),
        ({"vendor_id": "5"}, {"vendor_id": "0x0005"}),
        ({"vendor_id": "4318"}, {"vendor_id": "0x4318"}),
        ({"type": "GPU"}, {"type": "gpu", "count": 1}),
        ({"type": "GPU", "count": "2"}, {"type": "GPU", "count": 2}),
        ({"model": " Box "}, {"model": "Box"}),
    ],
)
def test_one_wish_written_in_two_ways_is_one_wish(one: Entry, other: Entry) -> None:
    assert request_of(one) == request_of(other)
    assert request_of(one, other) == request_of(other, one)


@given(device_requests(), st.randoms(use_true_random=False))
def test_the_order_and_the_splitting_of_entries_do_not_matter(entries: list[Entry], chance: random.Random) -> None:
    split = [{**entry, "count": 1} for entry in entries for dummy in range(entry["count"])]
    chance.shuffle(split)
    assert request_of(*split) == request_of(*entries)


def test_models_that_differ_in_case_only_are_one_model() -> None:
    assert request_of({"model": "Box A"}, {"model": "box a"})[0] == request_of({"model": "Box A", "count": 2})[0]
    assert len(request_of({"model": "Box A"}, {"model": "box a"})) == 1


def test_the_normal_form_keeps_the_shape_and_drops_what_is_not_set() -> None:
    given_ = {
        "pci_device": {"type": [" nic", "NIC"]},
        "devices": [
            {"type": "gpu", "count": "2", "vendor_id": "0x10DE", "device_id": "DB6", "model": None},
            {"count": 1},
        ],
    }
    normal = {
        "pci_device": {"type": ["NIC", "NIC"]},
        "devices": [{"type": "GPU", "count": 2, "vendor_id": "10de", "pci_device_id": "0db6"}, {"count": 1}],
    }
    assert normal_properties(given_) == normal
    assert normal_properties(normal) == normal
    assert parse_properties(given_) == parse_properties(normal)


# What an entry means


def test_a_device_is_meant_if_all_that_an_entry_says_is_so() -> None:
    gpu = {"type": "GPU", "vendor_id": "10de", "pci_device_id": "1db6", "model": "expansion box a"}
    assert matching(gpu, kind="gpu")
    for key, value in {"type": "NIC", "vendor_id": "8086", "pci_device_id": "1db7", "model": "Expansion Box"}.items():
        assert not matching({**gpu, key: value}, kind="gpu")
        assert not matching({key: value}, kind="gpu")


def test_a_device_that_does_not_say_what_it_is_is_meant_only_by_who_does_not_ask() -> None:
    assert matching({"count": 1}, kind="old card")
    for entry in (
        {"type": "GPU"},
        {"type": "Unknown"},
        {"vendor_id": "0000"},
        {"pci_device_id": "0"},
        {"model": "Box"},
    ):
        assert not matching(entry, kind="old card")


@pytest.mark.parametrize("kind", ["no ids", "empty ids", "zero ids"])
@pytest.mark.parametrize(
    "entry",
    [
        {"count": 1},
        {"type": "Unknown"},
        {"vendor_id": "0000"},
        {"pci_device_id": "0000"},
        {"model": "Expansion Box A"},
    ],
)
def test_an_empty_slot_is_meant_by_nobody(entry: Entry, kind: str) -> None:
    assert not matching(entry, kind=kind)
    assert not matching(entry, kind=kind, pcie_connection_status="down")


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"type": "gpu", "count": 2}, "2 GPU"),
        ({"count": 3}, "3 device"),
        ({"vendor_id": "10DE", "pci_device_id": "1db6"}, "1 10de:1db6"),
        ({"pci_device_id": "1db6"}, "1 *:1db6"),
        ({"type": "GPU", "vendor_id": "10de", "model": "Box A"}, '1 GPU 10de "Box A"'),
    ],
)
def test_a_want_reads_as_a_phrase(entry: Entry, shown: str) -> None:
    assert [str(want) for want in request_of(entry)] == [shown]


# What is refused, by name


def refusal(properties: t.Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_properties(properties)
    return caught.value.message


@pytest.mark.parametrize(
    ("properties", "place", "key"),
    [
        ({"gpu": 2}, "properties has no key", "'gpu'"),
        ({"pci_device": {"type": ["GPU"]}, "Devices": []}, "properties has no key", "'Devices'"),
        ({"pci_device": {"types": ["GPU"]}}, "properties.pci_device has no key", "'types'"),
        ({"devices": [{"type": "GPU"}, {"kind": "GPU"}]}, "properties.devices[1] has no key", "'kind'"),
        ({7: 1}, "properties has no key", "'7'"),
    ],
)
def test_an_unknown_key_is_refused_by_name_and_place(properties: t.Any, place: str, key: str) -> None:
    message = refusal(properties)
    assert place in message
    assert key in message
    assert "it takes" in message


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        (None, "properties must be a dictionary"),
        ([{"type": "GPU"}], "properties must be a dictionary"),
        ({}, "names no device"),
        ({"devices": []}, "names no device"),
        ({"devices": None}, "names no device"),
        ({"pci_device": {"type": []}}, "names no device"),
        ({"devices": {"type": "GPU"}}, "properties.devices must be a list"),
        ({"devices": ["GPU"]}, "properties.devices[0] must be a dictionary"),
        ({"devices": [{}]}, "properties.devices[0] is empty: set at least one of type, "),
        ({"devices": [{"type": None, "model": None}]}, "properties.devices[0] is empty"),
        ({"devices": [{"type": "", "count": 2}]}, "'' is not a device type"),
        ({"pci_device": ["GPU"]}, "properties.pci_device must be a dictionary"),
        ({"pci_device": {}}, "names no device"),
        ({"pci_device": {"type": None}}, "names no device"),
        ({"pci_device": {"type": 3}}, "properties.pci_device.type must be a list"),
        ({"pci_device": {"type": ["GPU", "FPGA"]}}, "'FPGA' is not a device type"),
        ({"pci_device": {"type": [3]}}, "3 is not a device type"),
        ({"devices": [{"type": ["GPU"]}]}, "properties.devices[0].type"),
        ({"devices": [{"model": ""}]}, "properties.devices[0].model must be a text"),
        ({"devices": [{"model": 4000}]}, "properties.devices[0].model must be a text"),
        ({"devices": [{"vendor_id": 4318}]}, "properties.devices[0].vendor_id must be a PCI id"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(properties: t.Any, said: str) -> None:
    assert said in refusal(properties)


@pytest.mark.parametrize("count", [0, -1, 4097, 1.5, "two", "", True, [1], "1e2", "\u0662", 10**12])
def test_a_count_that_is_no_whole_number_in_reason_is_refused(count: t.Any) -> None:
    assert "properties.devices[0].count must be a whole number" in refusal({"devices": [{"count": count}]})


@pytest.mark.parametrize("key", ["vendor_id", "pci_device_id"])
@pytest.mark.parametrize(
    "value",
    [
        "10dex",
        "0x",
        "",
        "10de0",
        "0x10de0",
        "-1",
        " ",
        "10 de",
        "1_0",
        "\u0661",
        True,
        False,
        ["10de"],
        {},
    ],
)
def test_what_is_no_pci_id_is_refused_with_an_example_in_quotes(key: str, value: t.Any) -> None:
    message = refusal({"devices": [{key: value}]})
    assert f"properties.devices[0].{key} must be a PCI id" in message
    assert "'10de'" in message


@pytest.mark.parametrize(
    ("value", "device"), [("4318", "0x4318"), ("1533", "0x1533"), ("8086", "0x8086"), ("0005", "0x5"), ("0X00A", "0xa")]
)
def test_quoted_digits_are_hex_digits(value: str, device: str) -> None:
    assert matching({"pci_device_id": value}, kind="gpu", pcie_device_id=device)
    assert matching({"vendor_id": value}, kind="gpu", pcie_vendor_id=device)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["GPU", "nic", "10de"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["pci_device", "devices", "type", "count", "vendor_id", "device_id", "pci_device_id", "model", "memory"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(json_values)
def test_whatever_properties_are_they_are_a_wish_or_refused(properties: t.Any) -> None:
    try:
        requested = parse_properties(properties)
    except InvalidInput as error:
        assert error.message.endswith(".")
        return
    assert requested
    assert parse_properties(normal_properties(properties)) == requested


# Which devices


def cards(kinds: t.Sequence[str]) -> list[Record]:
    return [eeio(number, kind=kind) for number, kind in enumerate(kinds)]


def best(entries: t.Sequence[Entry], records: t.Sequence[Record]) -> list[str]:
    """Return the ids that should be chosen, by trying every set of devices: most requests met, then first in preference."""
    size = most_met(entries, records)
    sets = itertools.combinations(records, size)
    return next([record["id"] for record in some] for some in sets if most_met(entries, some) == size)


@given(device_requests(), st.lists(st.sampled_from(list(KINDS)), max_size=7), st.randoms(use_true_random=False))
def test_the_choice_meets_most_of_the_wish_with_what_is_preferred(
    entries: list[Entry], kinds: list[str], chance: random.Random
) -> None:
    records = cards(kinds)
    chance.shuffle(records)
    devices = Fabric.from_records(records).devices
    requested = request_of(*entries)
    chosen, counts = match_devices(requested, [devices[record["id"]] for record in records])
    assert [device.id for device in chosen] == best(entries, records)
    assert sum(counts) == len(chosen)
    assert all(0 <= count <= want[0] for count, want in zip(counts, requested))
    # So many of each want can really be had at once.
    each = [{**_entry(want), "count": count} for want, count in zip(requested, counts) if count]
    assert most_met(each, [record for record in records if record["id"] in {device.id for device in chosen}]) == len(
        chosen
    )


def _entry(want: t.Any) -> Entry:
    keys = ("type", "vendor_id", "pci_device_id", "model")
    values = (want.type, want.vendor_id, want.pci_device_id, want.model)
    return {key: value for key, value in zip(keys, values) if value is not None}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_choosy_want_gets_the_device_that_the_easy_one_could_take(order: tuple[int, int]) -> None:
    records = cards(["gpu", "other gpu"])
    devices = Fabric.from_records(records).devices
    requested = request_of({"type": "GPU"}, {"type": "GPU", "pci_device_id": "1db6"})
    chosen, counts = match_devices(requested, [devices[records[place]["id"]] for place in order])
    assert len(chosen) == 2
    assert counts == [1, 1]


def test_no_more_is_chosen_than_is_wished() -> None:
    devices = Fabric.from_records(cards(["gpu"] * 5)).devices
    chosen, counts = match_devices(request_of({"type": "GPU", "count": 2}), devices.values())
    assert [device.id for device in chosen] == [device_id(0), device_id(1)]
    assert counts == [2]


def test_nothing_is_chosen_where_nothing_is_meant() -> None:
    devices = Fabric.from_records(cards(["gpu", "ssd"])).devices
    assert match_devices(request_of({"type": "NIC"}), devices.values()) == ([], [0])
    assert match_devices(request_of({"type": "NIC"}), []) == ([], [0])
    assert wanted([{"type": "NIC"}]) == 1
