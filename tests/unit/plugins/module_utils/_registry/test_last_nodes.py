# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which last node is stored of a device, and when a device that a released node has left counts as stranded."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import left, with_last_node
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import (
    PODM,
    SILENT,
    UNKNOWN_PORTS,
    Record,
    device_id,
    eeio,
    eesv,
    node_on,
    system_id,
)

SYSTEMS = (eesv(0, "17"), eesv(1, "18"))


def listed(*records: Record) -> StoredDevice:
    """Device 0 as EEM lists it."""
    fabric = Fabric.from_records(records)
    return Views(PODM, "lab", {}).to_store(fabric, fabric.devices[device_id(0)])


#: Device 0 in group 17, as node train-1 has left it, which had system 0.
LEFT = left(listed(eeio(0, "17", **SILENT), *SYSTEMS), "train-1")


def test_what_does_not_respond_is_left_as_stranded_and_other_devices_to_their_system() -> None:
    assert (LEFT.state, LEFT.node_id, LEFT.last_node) == ("stranded", None, "train-1")
    well = left(listed(eeio(0, "17"), *SYSTEMS), "train-1")
    assert (well.state, well.node_id, well.last_node) == ("allocated", system_id(0), "train-1")


@pytest.mark.parametrize(
    ("record", "nodes", "state", "last_node"),
    [
        (eeio(0, "17", **SILENT), [], "stranded", "train-1"),
        (eeio(0, "17", **SILENT), [node_on(1, "other")], "stranded", "train-1"),
        (eeio(0, "17", **SILENT), [node_on(0, "train-1")], "allocated", None),
        (eeio(0, "17", **SILENT), [node_on(0, "train-2", "composing")], "stranded", "train-1"),
        (eeio(0, "17"), [], "allocated", "train-1"),
        (eeio(0, "17", **UNKNOWN_PORTS), [], "allocated", "train-1"),
        (eeio(0, "18", **SILENT), [], "allocated", None),
        (eeio(0, **SILENT), [], "free", None),
        (eeio(0, "99"), [], "stranded", None),
    ],
)
def test_what_was_left_counts_as_stranded_until_it_responds_moves_or_its_system_is_a_node(
    record: Record, nodes: list[Node], state: str, last_node: str | None
) -> None:
    found = with_last_node(listed(record, *SYSTEMS), LEFT, {node.system_id: node for node in nodes})
    assert (found.state, found.last_node) == (state, last_node)


def test_what_was_left_keeps_its_last_node_when_its_group_has_no_system_any_more() -> None:
    for odd in (SILENT, {}):
        found = with_last_node(listed(eeio(0, "17", **odd)), LEFT, {})
        assert (found.state, found.last_node) == ("stranded", "train-1")


def test_a_silent_device_that_nobody_has_left_belongs_to_its_system() -> None:
    device = listed(eeio(0, "17", **SILENT), *SYSTEMS)
    assert with_last_node(device, None, {}) == with_last_node(device, device, {}) == device
