# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout of one node is what expether_node does with it, and what it leaves is untouched."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import name_key
from ansible_collections.nec.expether.plugins.module_utils._model.properties import parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.layout import LayoutRequest, plan_layout
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import (
    NodeRequest,
    plan_present,
    plan_release,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import Plan
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    Request,
    compose_requests,
    release_requests,
)
from hypothesis import event, given
from hypothesis import strategies as st

Answer = tuple[t.Any, ...]


def answer(decide: t.Callable[..., Plan], *arguments: t.Any) -> Answer:
    try:
        return "plan", decide(*arguments)
    except ExpetherError as error:
        return type(error).__name__, error.message, bool(error.blocked_by if isinstance(error, PlanRefused) else {})


@given(compose_requests(), st.booleans())
def test_a_layout_of_one_node_is_what_expether_node_does(request: Request, move: bool) -> None:
    arguments = dict(request.arguments)
    node, properties = arguments.pop("node"), parse_properties({"devices": arguments.pop("entries")})
    name, place = (node.name, node.system_id) if node else ("new", None)
    entry = NodeRequest(name, place, properties, **arguments)
    alone = answer(plan_present, request.fleet.observed, entry)
    layout = answer(plan_layout, request.fleet.observed, LayoutRequest((entry,), move=move))
    event(f"{alone[0]}{', waits' if alone[-1] is True else ''}")
    if alone[0] == "plan":
        assert layout == alone
    elif layout[0] == "plan":
        assert node is None, "another system may do where the first one does not"
        event("other system")
    else:
        assert layout[0] == alone[0]
        unclaimed = answer(plan_present, request.fleet._replace(held={}).observed, entry)
        assert layout[2] or unclaimed[0] != "plan", "it waits where that helps"
        assert not layout[2] or unclaimed[0] == "plan" or node is None


@given(release_requests())
def test_a_layout_without_nodes_releases_all_nodes_as_expether_node_does(request: Request) -> None:
    skip_silent = request.arguments["skip_silent"]
    nodes = sorted(request.fleet.nodes.values(), key=lambda node: name_key(node.name))
    alone = answer(plan_release, request.fleet.observed, nodes, skip_silent)
    layout = answer(
        plan_layout, request.fleet.observed, LayoutRequest((), release_others=True, skip_silent=skip_silent)
    )
    if alone[0] == "plan" or alone[-1]:
        assert layout == alone
    else:  # all nodes that cannot be released are named
        each = (answer(plan_release, request.fleet.observed, [node], skip_silent) for node in nodes)
        reasons = [f"Node {node.name}: {one[1]}" for node, one in zip(nodes, each) if one[0] != "plan" and not one[-1]]
        assert layout == (alone[0], " ".join(reasons), False)
    assert plan_layout(request.fleet.observed, LayoutRequest(())) == Plan()
