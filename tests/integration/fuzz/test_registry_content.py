# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With any JSON in the registry, a module returns a result or reports that the registry is damaged."""

from __future__ import annotations

import typing as t

import pytest
from forks import Options
from hypothesis import given
from hypothesis import strategies as st
from known_registry import Document, Known, overwrite
from module_fuzz import anything, check, fuzzed, texts

TASKS: list[tuple[str, Options]] = [
    ("expether_podm", {"name": "rack1", "description": "another"}),
    ("expether_podm", {"name": "rack1", "state": "absent", "cascade": True}),
    ("expether_podm_info", {}),
    ("expether_podm_info", {"check": True}),
    ("expether_flavor", {"name": "gpu", "description": "another"}),
    ("expether_flavor_info", {}),
    ("expether_node", {"name": "train", "flavor": "gpu"}),
    ("expether_node", {"name": "train", "state": "absent"}),
    ("expether_node", {"name": "train", "state": "absent", "detach_devices": False}),
    ("expether_node", {"podm": "rack1", "name": "other", "flavor": "gpu"}),
    ("expether_layout", {"nodes": [{"name": "train", "flavor": "gpu"}, {"name": "other", "flavor": "gpu"}]}),
    ("expether_layout", {"nodes": [], "release_others": True}),
    ("expether_layout_info", {}),
    ("expether_node_info", {}),
    ("expether_system_info", {}),
    ("expether_device_info", {}),
    ("expether_device_info", {"source": "registry"}),
    ("expether_sync", {}),
]


def _paths(body: t.Any, way: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    """Return where in a body something can be put instead."""
    yield way
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, item in items:
        yield from _paths(item, (*way, key))


def _put(body: t.Any, way: tuple[t.Any, ...], value: t.Any) -> t.Any:
    if not way:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[way[0]] = _put(body[way[0]], way[1:], value)
    return copy


def _spoilt(document: Document) -> st.SearchStrategy[Document]:
    kind, uuid, body = document
    places = st.sampled_from(list(_paths(body)))
    other = st.builds(lambda way, value: (kind, uuid, _put(body, way, value)), places, anything)
    names = texts.filter(lambda name: name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name))
    return other | other | other | st.builds(lambda name: (kind, name, body), names)


@pytest.mark.parametrize("kind", ["pod_managers", "urls", "nodes", "devices", "listings", "flavors", "claims"])
@pytest.mark.timeout(3600)
def test_any_content_of_the_registry_gives_a_result_or_a_sentence(known: Known, kind: str) -> None:
    documents = [document for document in known.documents if document[0] == kind]
    assert documents

    @fuzzed(examples=40)
    @given(st.sampled_from(documents).flatmap(_spoilt), st.sampled_from(TASKS), st.booleans())
    def tried(document: Document, task: tuple[str, Options], check_mode: bool) -> None:
        module, options = task
        with known.copy() as folder:
            overwrite(folder, *document)
            report = known.run(module, {**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}, folder)
        check(report, (known.eem.password,))

    tried()
