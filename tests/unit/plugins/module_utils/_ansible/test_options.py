# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as a task says them, before Ansible has converted them."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import (
    check_types,
    in_one_form,
    prepared,
)
from ansible_collections.nec.expether.plugins.module_utils._ansible.suboptions import PROPERTIES
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.properties import normal_properties
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_KEYS
from hypothesis import given
from hypothesis import strategies as st

OPTIONS: dict[str, dict[str, t.Any]] = {
    "podm": {"type": "str"},
    "name": {"type": "str", "required": True},
    "description": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "registry": {},
    "devices": {"type": "list", "elements": "str", "aliases": ["resource_id"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "uid_led": {"type": "str", "choices": ["on", "off"]},
    "timeout": {"type": "float"},
    "forks": {"type": "int", "default": 8},
    "move": {"type": "bool", "default": False},
}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("podm", False, "`podm` is a boolean (true or false); quote the name if it is meant."),
        ("podm", True, "`podm` is a boolean"),
        ("podm", "", "`podm` is empty; set a name, or leave it out."),
        ("podm", " \n", "`podm` is empty"),
        ("podm", [], "`podm` is a list; set a name."),
        ("podm", ["rack1"], "`podm` is a list"),
        ("podm", {}, "`podm` is a dictionary; set a name."),
        ("podm", 1.5, "`podm` is a number with a fraction; quote the name if it is meant."),
        ("name", None, "`name` is null; set a name."),
        ("description", False, "`description` is a boolean (true or false); quote the text if it is meant."),
        ("description", 1.10, "`description` is a number with a fraction; quote the text"),
        ("password", False, "`password` is a boolean"),
        ("password", 0.5, "`password` is a number"),
        ("ca_path", False, "`ca_path` is a boolean"),
        ("ca_path", [], "`ca_path` is a list"),
        ("registry", "", "`registry` is empty; set a text, or leave it out."),
        ("registry", False, "`registry` is a boolean"),
        ("devices", "", "`devices` is empty"),
        ("devices", "a,,b", "`devices` is empty"),
        ("devices", False, "`devices` is a boolean"),
        ("devices", 0.5, "`devices` is a number with a fraction"),
        ("devices", {}, "`devices` is a dictionary"),
        ("devices", [None], "`devices[0]` is null; set a name."),
        ("devices", ["a", ""], "`devices[1]` is empty"),
        ("devices", [True], "`devices[0]` is a boolean"),
        ("devices", [["a"]], "`devices[0]` is a list"),
        ("devices", [1.5], "`devices[0]` is a number with a fraction"),
        ("resource_id", [None], "`resource_id[0]` is null"),
        ("timeout", True, "`timeout` is a boolean (true or false); set a number."),
        ("forks", False, "`forks` is a boolean"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_with_its_option(option: str, value: t.Any, said: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check_types(OPTIONS, {"name": "a", option: value})
    assert error.value.message.startswith(said)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("podm", "no"),
        ("podm", "False"),
        ("podm", 0),
        ("podm", 0x8CDF9D512930),
        ("podm", None),
        ("description", ""),
        ("password", ""),
        ("password", 12345),
        ("ca_path", ""),
        ("devices", []),
        ("devices", None),
        ("devices", 0x8CDF9D512930),
        ("devices", [0x8CDF9D512930, "a"]),
        ("devices", "a, b"),
        ("uid_led", True),  # what YAML makes of `on`, which Ansible puts right
        ("timeout", "5"),
        ("timeout", 5),
        ("move", False),
        ("of_another_module", False),
    ],
)
def test_a_value_that_can_be_meant_is_taken(option: str, value: t.Any) -> None:
    check_types(OPTIONS, {"name": "a", option: value})


def test_a_null_is_as_if_not_given_where_nothing_is_needed_and_nothing_is_usual() -> None:
    nulls = dict.fromkeys(OPTIONS)
    assert set(prepared(OPTIONS, {**nulls, "_ansible_tmpdir": None})) == {
        "name",
        "state",
        "forks",
        "move",
        "_ansible_tmpdir",
    }
    assert prepared(OPTIONS, {"resource_id": None, "devices": ["a"]}) == {"devices": ["a"]}


def test_names_are_in_the_form_in_which_they_are_stored() -> None:
    params = {"podm": "cafe\u0301", "devices": ["o\u0308", "b"], "description": "e\u0301", "forks": 8}
    assert in_one_form(OPTIONS, {**params, "resource_id": "x"}, params) == {
        **params,
        "podm": "caf\u00e9",
        "devices": ["\u00f6", "b"],
    }


def test_things_in_one_text_may_have_spaces_between_them() -> None:
    params = {"devices": ["a", " b"]}
    for name in ("devices", "resource_id"):
        assert in_one_form(OPTIONS, params, {name: "a, b"})["devices"] == ["a", "b"]
        assert in_one_form(OPTIONS, params, {name: ["a", " b"]})["devices"] == ["a", " b"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(["podm", "devices"]), anything)
def test_of_whatever_a_task_says_only_names_are_left(option: str, value: t.Any) -> None:
    try:
        check_types(OPTIONS, {"name": "a", option: value})
    except InvalidInput as error:
        assert f"`{option}" in error.message
        return
    things = value if isinstance(value, list) and option == "devices" else [value] if value is not None else []
    assert all(
        (isinstance(thing, int) and not isinstance(thing, bool)) or (isinstance(thing, str) and thing.strip())
        for thing in things
    )


# -- several names of one option


def test_two_names_of_one_option_must_not_say_different_things() -> None:
    check_types(OPTIONS, {"name": "a", "devices": ["x"], "resource_id": ["x"]})
    with pytest.raises(InvalidInput) as error:
        check_types(OPTIONS, {"name": "a", "devices": ["x"], "resource_id": ["y"]})
    assert error.value.message == "`devices` and `resource_id` are the same option: set only one of them."


def test_podm_as_a_default_of_the_action_group_gives_way_to_what_it_is_an_alias_of() -> None:
    options: dict[str, dict[str, t.Any]] = {"name": {"type": "list", "elements": "str", "aliases": ["podm"]}}
    assert prepared(options, {"name": ["rack2"], "podm": "rack1"}) == {"name": ["rack2"]}
    assert prepared(options, {"name": None, "podm": "rack1"}) == {"podm": "rack1"}
    assert prepared({"podm": {"type": "str"}}, {"podm": "rack1"}) == {"podm": "rack1"}


# -- properties, by Ansible itself

PROPERTIES_ONLY = {"properties": PROPERTIES}


def taken(properties: t.Any) -> t.Any:
    """Return what Ansible makes of properties; fail with its words if it refuses them."""
    given_ = prepared(PROPERTIES_ONLY, {"properties": properties})
    result = ArgumentSpecValidator(PROPERTIES_ONLY).validate(given_)
    check_types(PROPERTIES_ONLY, given_)
    if result.error_messages:
        raise InvalidInput(result.error_messages[0])  # the only one that a user sees
    return normal_properties(result.validated_parameters["properties"])


LISTED = {
    **dict.fromkeys((*DEVICE_KEYS, "kind", "uid_led")),
    "uuid": "92b7c2d4-5f3e-5d0c-9a35-5d6b2f0a8c11",
    "device_id": "0x8cdf9d512930",
    "type": "GPU",
    "state": "free",
    "vendor_id": "10de",
    "pci_device_id": "1db6",
    "enabled": True,
    "ports_up": 1,
}


@pytest.mark.parametrize(
    ("properties", "normal"),
    [
        ({"pci_device": {"type": ["GPU", "ssd"]}}, {"pci_device": {"type": ["GPU", "SSD"]}}),
        ({"pci_device": {"type": "GPU,gpu, Ssd"}}, {"pci_device": {"type": ["GPU", "GPU", "SSD"]}}),
        ({"pci_device": {"type": "multi"}, "devices": None}, {"pci_device": {"type": ["Multi"]}}),
        ({"devices": [{"type": "unknown", "count": "2"}]}, {"devices": [{"type": "Unknown", "count": 2}]}),
        ({"devices": [{"device_id": "0x1DB6"}]}, {"devices": [{"pci_device_id": "1db6"}]}),
        ({"devices": [{"pci_device_id": "5", "vendor_id": None}]}, {"devices": [{"pci_device_id": "0005"}]}),
        ({"devices": [{"type": "GPU", "model": 2080}]}, {"devices": [{"type": "GPU", "model": "2080"}]}),
        ('{"devices": [{"type": "gpu", "model": null}]}', {"devices": [{"type": "GPU"}]}),
        ({"devices": ["type=nic,vendor_id=8086"]}, {"devices": [{"type": "NIC", "vendor_id": "8086"}]}),
        ({"devices": [LISTED]}, {"devices": [{"type": "GPU", "vendor_id": "10de", "pci_device_id": "1db6"}]}),
        ({"devices": [{**LISTED, "model": "Box", "count": 2}]},
         {"devices": [{"type": "GPU", "count": 2, "vendor_id": "10de", "pci_device_id": "1db6", "model": "Box"}]}),
    ],
)  # fmt: skip
def test_properties_are_converted_to_their_normal_form(properties: t.Any, normal: t.Any) -> None:
    assert taken(properties) == normal
    assert taken(normal) == normal


def refusal(properties: t.Any) -> str:
    with pytest.raises(InvalidInput) as error:
        taken(properties)
    return error.value.message


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"memory": {"capacity_mib": "4096"}, "pci_device": {"type": ["GPU"]}}, "properties.memory"),
        ({"processor": {"total_cores": 4}}, "properties.processor"),
        ({"gpu": 2}, "properties.gpu"),
        ({"pci_device": {"types": ["GPU"]}}, "properties.pci_device.types"),
        ({"devices": [{"type": "GPU", "kind": "GPU"}]}, "properties.devices.kind"),
        ({"devices": [{"type": "GPU", "state": "free"}]}, "properties.devices.state"),
        ({"devices": [{**LISTED, "modle": "Box"}]}, "properties.devices.modle"),
        ({}, "properties names no device: set devices, or pci_device"),
        ({"devices": None}, "properties names no device"),
        (
            {"devices": [{}]},
            "properties.devices[0] is empty: set at least one of type, vendor_id, pci_device_id, model, count",
        ),
        ({"devices": [{"type": None}]}, "properties.devices[0] is empty"),
        ({"devices": [dict.fromkeys(LISTED) | {"uuid": "x"}]}, "properties.devices[0] is empty"),
        ({"pci_device": {}}, "properties names no device"),
        ({"pci_device": {"type": None}}, "properties names no device"),
        ({"pci_device": {"type": ["GPU"], "modle": None}}, "properties.pci_device.modle"),
        (
            "{pci_device:{type:[GPU]}}",
            "`properties` must be a dictionary. In an ad-hoc command, write all options as JSON",
        ),
        (False, "`properties` must be a dictionary."),
        ({"pci_device": "GPU"}, "`properties.pci_device` must be a dictionary."),
        ({"devices": False}, "`properties.devices` must be a list of dictionaries"),
        ({"pci_device": {"type": ["GPU", "TPU"]}}, "TPU"),
        ({"pci_device": {"type": [None]}}, "type"),
        ({"devices": [{"type": ""}]}, "type"),
        ({"devices": [{"type": True}]}, "type"),
        ({"devices": {"type": "GPU"}}, "`properties.devices` must be a list of dictionaries"),
        ({"devices": [{"type": "GPU"}, "GPU"]}, "`properties.devices[1]` must be a dictionary"),
        ({"devices": []}, "names no device"),
        ({"devices": [{"count": "two"}]}, "count"),
        ({"devices": [{"count": float("inf")}]}, "count"),
        ({"devices": [{"count": True}]}, "`properties.devices[0].count` is a boolean"),
        ({"devices": [{"count": 0}]}, "properties.devices[0].count must be a whole number from 1 to 4096"),
        ({"devices": [{"type": "GPU"}, {"model": False}]}, "`properties.devices[1].model` is a boolean"),
        ({"devices": [{"model": 1.5}]}, "`properties.devices[0].model` is a number with a fraction"),
        ({"devices": [{"model": " "}]}, "`properties.devices[0].model` is empty"),
        ({"devices": [{"model": ["a"]}]}, "`properties.devices[0].model` is a list"),
        ({"devices": [{"vendor_id": True}]}, "`properties.devices[0].vendor_id` is a boolean"),
        ({"devices": [{"device_id": "1db6", "pci_device_id": "1db7"}]}, "are the same option"),
    ],
)
def test_properties_that_cannot_be_meant_are_refused_by_name(properties: t.Any, said: str) -> None:
    assert said in refusal(properties)


@pytest.mark.parametrize("key", ["vendor_id", "pci_device_id", "device_id"])
@pytest.mark.parametrize("text", ["0x10de", "0403", "1533", "0x8086", "-5", "0", "190:20:30"])
def test_a_number_that_yaml_makes_of_a_pci_id_is_refused(key: str, text: str) -> None:
    number = yaml.safe_load(text)
    for properties in ({"devices": [{key: number}]}, json.dumps({"devices": [{key: number}]})):
        message = refusal(properties)
        assert message.startswith(f"properties.devices[0].{key} is the number {number}, ")
        assert "Put its hex digits in quotes, such as '10de'" in message


def test_a_number_with_an_exponent_is_refused_as_a_pci_id() -> None:
    assert "vendor_id is the number 10000.0" in refusal({"devices": [{"vendor_id": 10e3}]})


@given(anything)
def test_of_whatever_properties_are_only_normal_ones_are_left(properties: t.Any) -> None:
    for value in (properties, {"devices": [properties]}, {"devices": [{"model": properties}]}):
        try:
            normal = taken(value) if value is not None else {"devices": [{"count": 1}]}
        except InvalidInput as error:
            assert error.message
            continue
        assert taken(normal) == normal
