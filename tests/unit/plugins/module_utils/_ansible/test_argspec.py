# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules share."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import (
    CONNECTION,
    EEM,
    REGISTRY,
    UNUSED_EEM,
    ArgSpec,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.records import CONNECTION_KEYS

SHARED = {
    "podm",
    "url",
    "username",
    "password",
    "validate_certs",
    "ca_path",
    "client_cert",
    "client_key",
    "timeout",
    "retries",
    "conditional_updates",
    "registry",
    "registry_key_file",
}


def test_merged_options_keep_all_options_and_all_constraints() -> None:
    one = ArgSpec({"a": {"type": "str"}}, (("a", "b"),), (("a", "x", ("b",)),), (("a", "b"),))
    other = ArgSpec({"b": {"type": "int"}}, (("b", "c"),), (("b", 1, ("c",)),), (("b", "c"),))
    both = one.merged(other, ArgSpec({"c": {}}))
    assert both == ArgSpec(
        {"a": {"type": "str"}, "b": {"type": "int"}, "c": {}},
        (("a", "b"), ("b", "c")),
        (("a", "x", ("b",)), ("b", 1, ("c",))),
        (("a", "b"), ("b", "c")),
    )
    assert list(one.options) == ["a"]
    assert one.mutually_exclusive == (("a", "b"),)


def test_all_shared_options_of_the_design_are_there() -> None:
    assert set(EEM.options) == SHARED
    assert set(CONNECTION_KEYS) < set(CONNECTION.options)
    assert set(REGISTRY.options) == {"registry", "registry_key_file"}


def test_podm_and_url_exclude_each_other() -> None:
    assert ("podm", "url") in EEM.mutually_exclusive


def test_a_module_that_needs_no_eem_takes_the_options_and_asks_for_nothing() -> None:
    """module_defaults of the action group set them for every module."""
    assert set(UNUSED_EEM.options) == SHARED
    assert (UNUSED_EEM.mutually_exclusive, UNUSED_EEM.required_one_of) == ((), ())


@pytest.mark.parametrize("name", sorted(SHARED))
def test_no_shared_option_is_filled_in_before_ansible_checks_what_excludes_what(name: str) -> None:
    """A default or an environment fallback would count as said by the task; and some are remembered with a podm."""
    assert not {"default", "fallback"} & set(EEM.options[name])


@pytest.mark.parametrize("name", sorted(SHARED))
def test_passwords_are_masked_and_paths_are_not(name: str) -> None:
    option = EEM.options[name]
    assert option.get("no_log") is (True if name == "password" else False if "key" in name else None)
    assert (option["type"] == "path") == (name in ("ca_path", "client_cert", "client_key", "registry_key_file"))
