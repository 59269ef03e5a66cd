# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of a run in the registry: remembered before the first change, and put right after the last.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._planning.plan import Node, NodeState, Plan, World, after
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Body,
    Change,
    Document,
    Registry,
    now_iso,
)


class Draft(t.NamedTuple):
    """A plan, and the node that it makes or changes, as it is afterwards."""

    plan: Plan
    node: Node | None = None


def node_of(document: Document) -> Node:
    """Return the node of a registry's document."""
    body = document.body
    return Node(document.uuid, body["name"], body["index"], body["state"], body.get("group_id"))


class Nodes:
    """The nodes of one pod manager, as one run reads and changes them."""

    def __init__(self, registry: Registry, podm_id: str) -> None:
        self._registry = registry
        self._podm_id = podm_id
        self._known: dict[str, Document] = {}
        # By UUID: what this run found before it wrote a node, and the revision that it has written.
        self._written: dict[str, tuple[Document | None, int]] = {}

    def read(self) -> dict[str, Node]:
        """Return the nodes by EESV id."""
        mine = (found for found in self._registry.all("nodes") if found.body["podm_id"] == self._podm_id)
        self._known = {found.body["index"]: found for found in mine}
        return {index: node_of(found) for index, found in self._known.items()}

    def known_cards(self) -> set[str]:
        """Return the ids of all devices and nodes that the registry knows of this pod manager and that were not missing."""
        devices = (found.body for found in self._registry.all("devices") if found.body["podm_id"] == self._podm_id)
        return {*self._known, *(body["device_id"] for body in devices if body["missing_since"] is None)}

    def begin(self, world: World, made: Draft) -> list[Change]:
        """Return the changes to make before the first change of hardware: the node is C(composing)."""
        hardware = any(step.card for step in made.plan)
        if made.node is None or not (hardware or any(step.action == "remember" for step in made.plan)):
            return []
        state: NodeState = "composing" if hardware else made.node.state
        found = self._known.get(made.node.system)
        system = after(world.fabric, made.plan).systems.get(made.node.system)
        body: Body = {
            "created_at": now_iso(),
            **(found.body if found else {}),
            "name": made.node.name,
            "podm_id": self._podm_id,
            "index": made.node.system,
            "state": state,
            "group_id": system.group_id if system else (found.body.get("group_id") if found else None),
            "updated_at": now_iso(),
        }
        return [Change("nodes", made.node.uuid, body, found.revision if found else NEVER)]

    def begun(self, made: Draft, changes: t.Iterable[Change], revision: int) -> None:
        """Note that the changes of C(begin) have been written, with that revision."""
        for change in changes:
            before = (
                self._written[change.uuid][0]
                if change.uuid in self._written
                else self._known.get(made.node.system if made.node else "")
            )
            self._written[change.uuid] = (before, revision)

    def finish(self, made: Draft) -> list[Change]:
        """Return the changes to make after the last change of hardware."""
        forgotten = (self._known.get(step.node_id or "") for step in made.plan if step.action == "forget")
        # Its revision is not asked for: this run holds its system, and has written it itself.
        changes = [Change("nodes", found.uuid, None, None) for found in forgotten if found]
        gone = {change.uuid for change in changes}
        current = self._registry.get("nodes", made.node.uuid) if made.node else None
        if made.node and current and current.uuid not in gone and current.body["state"] != made.node.state:
            body = {**current.body, "state": made.node.state, "updated_at": now_iso()}
            changes.append(Change("nodes", current.uuid, body, current.revision))
        for step in made.plan:
            other = self._known.get(step.node_id or "") if step.action == "set_group" else None
            if other and (made.node is None or other.uuid != made.node.uuid):
                changes.append(Change("nodes", other.uuid, {**other.body, "group_id": step.new}, other.revision))
        return changes

    def restore(self) -> list[Change]:
        """Return the changes that make the nodes again what they were before this run."""
        return [
            Change("nodes", uuid, before.body if before else None, revision)
            for uuid, (before, revision) in self._written.items()
        ]

    def begin_anew(self) -> None:
        """Forget what this run has written: it is restored."""
        self._written = {}

    def left_composing(self) -> list[str]:
        """Return the names of the nodes that this run has remembered and that are not whole."""
        found = (self._registry.get("nodes", uuid) for uuid in self._written)
        return [document.body["name"] for document in found if document and document.body["state"] == "composing"]
