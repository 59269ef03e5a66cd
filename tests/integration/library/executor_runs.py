# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the executor for tests, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.executor import Executor, Outcome
from ansible_collections.nec.expether.plugins.module_utils._execution.nodes import Draft
from ansible_collections.nec.expether.plugins.module_utils._model.names import node_uuid, unregistered_podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.properties import parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import (
    plan_attach,
    plan_compose,
    plan_detach,
    plan_release,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import Node, World
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import choose_system
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry
from eemsim.client import Simulator

PODM = unregistered_podm_uuid("http://test/eem")
WISH = parse_properties({"devices": [{"type": "GPU", "count": 2}]})
MakeClient = Callable[..., Client]


def run(client: Client, registry: Registry | None, draft: Callable[[World], Draft], check: bool = False) -> Outcome:
    return Executor(client, PODM, registry, "a test").run(draft, check)


def attach(system: str, *devices: str, move: bool = False) -> Callable[[World], Draft]:
    return lambda world: Draft(plan_attach(world, system, devices, move))


def detach(*devices: str) -> Callable[[World], Draft]:
    return lambda world: Draft(plan_detach(world, devices))


def compose(name: str, system: str | None = None) -> Callable[[World], Draft]:
    def draft(world: World) -> Draft:
        known = next((node for node in world.nodes.values() if node.name == name), None)
        place = known.system if known else system or choose_system(world, WISH).id
        node = Node(node_uuid(PODM, name), name, place, "composed")
        return Draft(plan_compose(world, node, WISH), node)

    return draft


def release(name: str) -> Callable[[World], Draft]:
    def draft(world: World) -> Draft:
        known = next((node for node in world.nodes.values() if node.name == name), None)
        return Draft(plan_release(world, [known]), known) if known else Draft(())

    return draft


def groups_of(eem: Simulator, *cards: str) -> list[str]:
    return [str(eem.card(card)["group_id"]) for card in cards]


def nodes_in(registry: Registry) -> dict[str, str]:
    return {found.body["name"]: found.body["state"] for found in registry.all("nodes")}


def held_in(registry: Registry) -> list[str]:
    return [key for found in registry.all("claims") for key in found.body["held"]]
