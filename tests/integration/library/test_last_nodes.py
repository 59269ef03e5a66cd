# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry knows of stranded devices: which node had them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import warnings
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import devices_left, last_nodes
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import put
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views, device_view
from ansible_collections.nec.expether.plugins.module_utils._sync.updates import device_updates
from eemsim.client import Simulator
from executor_runs import PODM, attach, compose, run

VIEWS = Views(PODM, "test", {})


def fabric_of(client: Client) -> Fabric:
    return Fabric.from_records(client.devices_detail())


def store(registry: SqliteRegistry, fabric: Fabric) -> None:
    """Store the devices as EEM lists them, as a first synchronisation does."""
    registry.commit([put(VIEWS.to_store(fabric, device)) for device in fabric.devices.values()])


def stored(registry: SqliteRegistry, device: str) -> StoredDevice:
    found = registry.get(StoredDevice, VIEWS.uuid_of(device))
    assert found is not None
    return found


def shown(registry: SqliteRegistry, device: str) -> t.Any:
    return device_view(stored(registry, device), None, None)["last_node"]


def nodes_by_system(registry: SqliteRegistry) -> dict[str, Node]:
    return {found.system_id: found.node() for found in registry.all(StoredNode)}


@pytest.mark.parametrize("synchronised", [True, False])
def test_a_run_names_the_node_of_a_stranded_device_and_warns_when_it_takes_it(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str], synchronised: bool
) -> None:
    outcome = run(client, registry, compose("web1", system))
    taken = outcome.plan.group_changes[0].card
    if synchronised:
        store(registry, fabric_of(client))
    eem.patch(system, group_id="500")
    other = str(eem.eesvs()[1]["id"])
    with pytest.raises(
        PlanRefused, match=f"{taken} is stranded in group 17, last used by node web1 \\(detach it first"
    ):
        run(client, registry, attach(other, taken))
    moved = run(client, registry, attach(other, taken, move=True))
    said = [sentence for sentence in warnings(moved.before, moved.steps) if "stranded" in sentence]
    assert said == [
        f"Device {taken} was stranded in group 17, last used by node web1: the host of node web1 may still be using it."
    ]
    assert eem.card(taken)["group_id"] == "18"


def test_without_a_registry_no_node_is_named(eem: Simulator, client: Client, system: str, devices: list[str]) -> None:
    eem.patch(devices[0], group_id="99")
    with pytest.raises(PlanRefused, match="is stranded in group 99 \\(detach it first"):
        run(client, None, attach(system, devices[0]))


def test_stored_devices_are_read_only_for_those_that_are_stranded(
    eem: Simulator, client: Client, registry: SqliteRegistry, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    get = registry.get

    def counting(record_type: t.Any, uuid: str) -> t.Any:
        read.append(uuid)
        return get(record_type, uuid)

    store(registry, fabric_of(client))
    monkeypatch.setattr(registry, "get", counting)
    monkeypatch.setattr(registry, "of_podm", pytest.fail)
    assert last_nodes(registry, PODM, fabric_of(client), {}) == {} and read == []
    eem.patch(devices[3], group_id="99")
    assert last_nodes(registry, PODM, fabric_of(client), {}) == {} and read == [VIEWS.uuid_of(devices[3])]


def test_what_a_released_node_leaves_behind_keeps_its_name_until_it_leaves_the_group(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    outcome = run(client, registry, compose("web1", system))
    left, detached = [step.card for step in outcome.plan.group_changes]
    store(registry, fabric_of(client))
    former = devices_left(registry, PODM, fabric_of(client), [nodes_by_system(registry)[system]])
    assert former == {(left, "17"): "web1", (detached, "17"): "web1"}
    eem.patch(detached, group_id="4093")

    def update(nodes: t.Mapping[str, Node]) -> None:
        changes = device_updates(registry, fabric_of(client), VIEWS, nodes, (left, detached), former)
        registry.commit(changes)

    update({})  # without the node, which is released
    assert (stored(registry, left).last_node, stored(registry, detached).last_node) == ("web1", None)
    assert shown(registry, left) is None, "it is not stranded, but attached to a system"
    eem.patch(system, group_id="500")
    assert last_nodes(registry, PODM, fabric_of(client), {}) == {(left, "17"): "web1"}
    former = {}
    update({})
    assert shown(registry, left) == "web1"
    eem.patch(left, group_id="501")
    assert last_nodes(registry, PODM, fabric_of(client), {}) == {}
    update({})
    assert stored(registry, left).last_node is None


def test_a_device_that_eem_does_not_list_keeps_the_name_too(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    lost = run(client, registry, compose("web1", system)).plan.group_changes[0].card
    store(registry, fabric_of(client))
    eem.delete_card(lost)
    node = nodes_by_system(registry)[system]
    fabric = fabric_of(client)
    registry.commit(device_updates(registry, fabric, VIEWS, {}, (), devices_left(registry, PODM, fabric, [node])))
    assert stored(registry, lost).last_node == "web1"
