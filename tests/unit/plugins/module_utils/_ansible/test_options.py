# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as a task says them, before Ansible has converted them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import (
    check_types,
    in_one_form,
    without_nulls,
)
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
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
    assert set(without_nulls(OPTIONS, {**nulls, "_ansible_tmpdir": None})) == {"name", "state", "forks", "move", "_ansible_tmpdir"}


def test_names_are_in_the_form_in_which_they_are_stored() -> None:
    params = {"podm": "cafe\u0301", "devices": ["o\u0308", "b"], "description": "e\u0301", "forks": 8}
    assert in_one_form(OPTIONS, params, params) == {**params, "podm": "caf\u00e9", "devices": ["\u00f6", "b"]}


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
        (isinstance(thing, int) and not isinstance(thing, bool)) or (isinstance(thing, str) and thing.strip()) for thing in things
    )
