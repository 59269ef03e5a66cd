# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How hosts of the inventory are called, and when a kept answer is used."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.names import name_key, node_uuid, podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._modules.inventory import (
    HostCache,
    Listed,
    clean,
    host_names,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, iso_seconds
from ansible_collections.nec.expether.plugins.module_utils._results.cards import NODE_KEYS, View
from hypothesis import given
from hypothesis import strategies as st

GROUPS = ("all", "ungrouped", "gpu")


def view(podm: str, name: str | None, number: int) -> View:
    podm_id = podm_uuid(podm)
    uuid = None if name is None else node_uuid(podm_id, name)
    index = f"0x8cdf9d{number:06x}"
    return {**dict.fromkeys(NODE_KEYS), "podm": podm, "podm_id": podm_id, "name": name, "uuid": uuid, "index": index}


def stored(node: View) -> StoredNode:
    known = {"uuid": node["uuid"], "revision": NEVER, "podm_id": node["podm_id"], "name": node["name"]}
    return StoredNode(**{**dict.fromkeys(StoredNode._fields), **known, "system_id": node["index"]})


@pytest.mark.parametrize(
    ("node", "host"),
    [
        ("train-1", "train-1"),
        ("Ä_計算.9", "Ä_計算.9"),
        ("{{ x }}", "___x___"),
        ("-oProxyCommand=x", "_oProxyCommand_x"),
        ("../etc", "_._etc"),
        ("a:22,b[1:2]", "a_22_b_1_2_"),
    ],
)
def test_a_host_has_the_name_of_its_node_without_what_means_something_else(node: str, host: str) -> None:
    assert clean(node) == host
    assert host_names([view("rack1", node, 1)], [], GROUPS) == ([host], [])


def test_names_that_are_not_unique_get_the_pod_manager_and_after_that_the_id() -> None:
    views = [
        view("rack1", "web", 1),
        view("rack2", "WEB", 2),
        view("rack1", "a b", 3),
        view("rack1", "a_b", 4),
        view("rack1", "localhost", 5),
        view("rack1", "GPU", 6),
        view("rack1", None, 7),
        view("rack1", "rack1-web", 8),
    ]
    names, warnings = host_names(views, [], GROUPS)
    assert names == [
        *(views[0]["index"], "rack2-WEB", views[2]["index"], views[3]["index"]),
        *("rack1-localhost", "rack1-GPU", views[6]["index"], "rack1-web"),
    ]
    assert len(warnings) == 6
    assert warnings[4] == (
        "Node localhost of pod manager rack1 is the host rack1-localhost, because another node, a group or this machine"
        " has its name."
    )


def test_the_name_of_a_node_whose_eem_is_away_does_not_pass_to_another_node() -> None:
    away, here = view("rack1", "web", 1), view("rack2", "web", 2)
    assert host_names([here], [stored(away), stored(here)], GROUPS)[0] == ["rack2-web"]
    assert host_names([here], [stored(here)], GROUPS)[0] == ["web"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["r", "r-a", "R2"]), st.sampled_from(["a", "A", "r-a", "r_a", "r a", "all", "r-a-a"])
        ),
        unique=True,
    )
)
def test_no_two_hosts_have_one_name_and_none_that_of_a_group(nodes: list[tuple[str, str]]) -> None:
    unique = {(name_key(podm), name_key(name)): (podm, name) for podm, name in nodes}
    views = [view(podm, name, number) for number, (podm, name) in enumerate(unique.values())]
    names = [name_key(name) for name in host_names(views, [], GROUPS)[0]]
    assert len({*names}) == len(views)
    assert not {*names} & {*GROUPS}


def answer(age: float, **changes: t.Any) -> dict[str, t.Any]:
    at = iso_seconds(datetime.now(timezone.utc) - timedelta(seconds=age))
    return {"at": at, "hosts": [view("rack1", "web", 1)], **changes}


def test_an_answer_is_fresh_until_its_time_is_over_and_stays_after_that() -> None:
    entries = {"s_a": answer(10), "s_b": answer(100), "s_c": answer(-100)}
    cache = HostCache(entries, "s_", 60, refresh=False)
    assert [bool(cache.fresh(key)) for key in "abcd"] == [True, False, False, False]
    assert [bool(cache.last(key)) for key in "abcd"] == [True, True, True, False]
    assert HostCache(entries, "s_", 0, refresh=False).fresh("b")
    assert not HostCache(entries, "s_", 60, refresh=True).fresh("a")
    listed = Listed(entries["s_a"]["at"], entries["s_a"]["hosts"])
    cache.keep("d", listed)
    assert cache.last("d") == listed


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        1,
        [],
        {},
        answer(1, at=5),
        answer(1, at="yesterday"),
        answer(1, hosts=None),
        answer(1, hosts=[{"name": "a"}]),
    ],
)
def test_an_entry_of_another_version_or_a_damaged_one_is_not_used(damaged: t.Any) -> None:
    assert HostCache({"s_a": damaged}, "s_", 60, refresh=False).fresh("a") is None
