# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the executor for tests, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.executor import Executor
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome
from ansible_collections.nec.expether.plugins.module_utils._execution.reservation import reservation_for
from ansible_collections.nec.expether.plugins.module_utils._model.names import unregistered_podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.properties import parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import plan_attach, plan_detach
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import NodeRequest, plan_absent, plan_present
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry
from eemsim.client import Simulator

PODM = unregistered_podm_uuid("http://test/eem")
PROPERTIES = parse_properties({"devices": [{"type": "GPU", "count": 2}]})
MakeClient = Callable[..., Client]
Decide = Callable[[ObservedState], Plan]


def run(
    client: Client, registry: Registry | None, decide: Decide, check: bool = False, connect_timeout: float = 0.0
) -> Outcome:
    return executor(client, registry, connect_timeout=connect_timeout).run(decide, check)


def executor(
    client: Client,
    registry: Registry | None,
    what: str = "a test",
    exclusive: bool = False,
    podm_id: str = PODM,
    connect_timeout: float = 0.0,
) -> Executor:
    reservation = reservation_for(registry, podm_id, what, client.settings, exclusive)
    return Executor(client, podm_id, "test", reservation, connect_timeout=connect_timeout)


def attach(system: str, *devices: str, move: bool = False) -> Decide:
    return lambda observed: plan_attach(observed, system, devices, move)


def detach(*devices: str) -> Decide:
    return lambda observed: plan_detach(observed, devices)


def compose(name: str, system: str | None = None) -> Decide:
    return lambda observed: plan_present(observed, NodeRequest(name, system, PROPERTIES))


def release(name: str) -> Decide:
    return lambda observed: plan_absent(observed, NodeRequest(name))


def groups_of(eem: Simulator, *cards: str) -> list[str]:
    return [str(eem.card(card)["group_id"]) for card in cards]


def nodes_in(registry: Registry) -> dict[str, str]:
    return {node.name: node.state for node in registry.all(StoredNode)}


def held_in(registry: Registry) -> list[str]:
    return [key for claims in registry.all(StoredClaims) for key in claims.held]
