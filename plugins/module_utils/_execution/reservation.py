# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run reserves before its first change: claims on cards, and its nodes, stored as `composing`. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Patience, Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import WHOLE_PODM, Claims, lease_of
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, NodeState
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    ObservedState,
    Plan,
    cards_of,
    fabric_after,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import LastNodes, last_nodes
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Change,
    Registry,
    RegistryConflict,
    RegistryError,
    now_iso,
    put,
    remove_anyway,
)


class NoReservation:
    """The reservation of a run without a registry: EEM's own rules and its conditional changes are the only protection."""

    is_held = False

    def read(self, clean: bool) -> tuple[dict[str, Node], dict[str, str]]:
        """Return that nothing is stored or claimed."""
        del clean
        return {}, {}

    def last_nodes(self, fabric: Fabric, nodes: t.Mapping[str, Node]) -> LastNodes:
        """Return that nothing is known of stranded devices."""
        del fabric, nodes
        return {}

    def nodes_elsewhere(self) -> dict[str, str]:
        """Return that no node of another pod manager is known."""
        return {}

    def known_cards(self) -> set[str]:
        """Return that no card is known."""
        return set()

    def take(self, observed: ObservedState, plan: Plan) -> None:
        """Reserve nothing."""

    def still_ours(self) -> bool:
        """Return true: without a registry, nobody can take claims over."""
        return True

    def renew(self) -> bool:
        """Whether the claims still hold: there are none."""
        return True

    def finish(self, plan: Plan, fabric: Fabric, changes: t.Sequence[Change]) -> None:
        """Store nothing."""

    def give_back(self, hardware_changed: bool, restore: bool) -> str | None:
        """Give nothing back."""
        del hardware_changed, restore
        return None

    def wait_for(self, blocked_by: t.Mapping[str, str], budget: Patience) -> bool:
        """Whether another run gave back what blocks this one; which cannot be known."""
        del blocked_by, budget
        return False


class Reservation:
    """Claims and nodes of one pod manager, as one run reads and changes them.

    :param exclusive: whether no other run may change anything of this pod manager meanwhile
    :ivar is_held: whether this run holds claims
    """

    def __init__(self, registry: Registry, podm_id: str, claims: Claims, exclusive: bool = False) -> None:
        self._registry = registry
        self._podm_id = podm_id
        self._claims = claims
        self._exclusive = exclusive
        self._epoch = 0
        self._known: dict[str, StoredNode] = {}
        # By UUID: the node before this run wrote it, and the revision that it has written.
        self._written: dict[str, tuple[StoredNode | None, int]] = {}
        self.is_held = False

    def read(self, clean: bool) -> tuple[dict[str, Node], dict[str, str]]:
        """Return the nodes by EESV id, and what other runs have claimed and who.

        :param clean: whether the claims of dead runs are taken away first; not in check mode
        :raises PlanRefused: another run has claimed the pod manager, or with `exclusive` anything of it
        """
        self._epoch, claimed = self._claims.read(clean)
        blocking = claimed if self._exclusive else {key: who for key, who in claimed.items() if key == WHOLE_PODM}
        if blocking:
            raise PlanRefused(
                f"The pod manager is being changed by {comma_list(sorted(set(blocking.values())))}.",
                blocked_by=blocking,
            )
        self._known = {found.system_id: found for found in self._registry.of_podm(StoredNode, self._podm_id)}
        return {system_id: found.node() for system_id, found in self._known.items()}, claimed

    def last_nodes(self, fabric: Fabric, nodes: t.Mapping[str, Node]) -> LastNodes:
        """Return the last nodes of the stranded devices, as `_registry.last_nodes`."""
        return last_nodes(self._registry, self._podm_id, fabric, nodes)

    def nodes_elsewhere(self) -> dict[str, str]:
        """Return the nodes of other pod managers by EESV id, as messages name them."""
        others = [node for node in self._registry.all(StoredNode) if node.podm_id != self._podm_id]
        podms = {podm.uuid: f"pod manager {podm.name}" for podm in self._registry.all(PodManager)} if others else {}
        return {
            node.system_id: f"node {node.name} of {podms.get(node.podm_id, 'an EEM that is not registered')}"
            for node in others
        }

    def known_cards(self) -> set[str]:
        """Return the ids of all systems and devices that the registry stores of this pod manager and that are not missing."""
        devices = self._registry.of_podm(StoredDevice, self._podm_id)
        return {*self._known, *(device.device_id for device in devices if device.missing_since is None)}

    def take(self, observed: ObservedState, plan: Plan) -> None:
        """Claim everything that a plan changes, and store the nodes that it changes as `composing`, in one transaction.

        :raises RegistryConflict: the observed state is out of date, or another run has claimed one of the cards
        """
        keys = set(cards_of(plan.steps))
        keys |= {step.new for step in plan.group_changes if step.action == "set_group"}
        keys |= {WHOLE_PODM} if self._exclusive else set()
        changes = self._mark_composing(observed, plan)
        revision = self._claims.claim(self._epoch, keys, changes)
        self.is_held = True
        known = {found.uuid: found for found in self._known.values()}
        for change in changes:
            before = self._written[change.uuid][0] if change.uuid in self._written else known.get(change.uuid)
            self._written[change.uuid] = (before, revision)

    def _mark_composing(self, observed: ObservedState, plan: Plan) -> list[Change]:
        """Return the changes that store the nodes of a plan before its first request.

        A system is one node at a time: a new node that gets the system of a released one is stored when that is forgotten.
        """
        hardware = bool(plan.group_changes)
        forgotten = self._forgotten(plan)
        released = forgotten.values() if hardware else ()
        # A node that is released keeps the group in which its devices were left, until they are detached.
        changes = [put(found._replace(state="composing", updated_at=now_iso())) for found in released]
        fabric = fabric_after(observed.fabric, plan.steps)
        touched = {step.system_id for step in plan.steps} - forgotten.keys()
        for node in plan.nodes:
            if node.system_id in touched:
                changes.append(self._node_change(fabric, node, "composing" if hardware else node.state))
        return changes

    def _forgotten(self, plan: Plan) -> dict[str, StoredNode]:
        """Return the stored nodes that a plan forgets, by EESV id."""
        ids = (step.system_id for step in plan.steps if step.action == "forget" and step.system_id in self._known)
        return {system_id: self._known[system_id] for system_id in ids if system_id}

    def _node_change(self, fabric: Fabric, node: Node, state: NodeState) -> Change:
        """Return the change that stores a node.

        :param fabric: the fabric after the plan
        """
        found = self._known.get(node.system_id)
        if found and found.uuid != node.uuid:
            found = None  # the node that it takes the place of
        system = fabric.systems.get(node.system_id)
        group_id = system.group_id if system else (found.group_id if found else None)
        now = now_iso()
        stored = StoredNode(
            uuid=node.uuid,
            revision=found.revision if found else NEVER,
            name=node.name,
            podm_id=self._podm_id,
            system_id=node.system_id,
            state=state,
            group_id=group_id,
            created_at=(found.created_at if found else None) or now,
            updated_at=now,
        )
        return put(stored)

    def renew(self) -> bool:
        """Renew the claims; return whether this run still holds them all."""
        return self._claims.renew()

    def still_ours(self) -> bool:
        """Whether no other run has taken over what this one claimed, as far as can be known."""
        try:
            return not self.is_held or self._claims.renew()
        except RegistryError:
            return True  # the claims are younger than their lease, because they were renewed before each step

    def finish(self, plan: Plan, fabric: Fabric, changes: t.Sequence[Change]) -> None:
        """Store the nodes as they are now with further changes, and give the claims back, in one transaction."""
        self._claims.release(changed=True, with_changes=[*self._final_nodes(plan, fabric), *changes])

    def _final_nodes(self, plan: Plan, fabric: Fabric) -> list[Change]:
        forgotten = self._forgotten(plan)
        remembered = {step.system_id for step in plan.steps if step.action == "remember"}
        # No expected revision: this run holds the claim on the system and wrote the document itself.
        changes = [remove_anyway(StoredNode, found.uuid) for found in forgotten.values()]
        gone = {change.uuid for change in changes}
        stored = self._stored()
        for node in plan.nodes:
            current = stored.get(node.uuid)
            if current and current.uuid not in gone and current.state != node.state:
                changes.append(put(current._replace(state=node.state, updated_at=now_iso())))
            elif current is None and node.system_id in forgotten.keys() & remembered:
                changes.append(self._node_change(fabric, node, node.state))
        gone |= {node.uuid for node in plan.nodes}
        for system_id in sorted({step.system_id for step in plan.group_changes if step.system_id}):
            other, system = self._known.get(system_id), fabric.systems.get(system_id)
            if other and system and other.uuid not in gone and other.group_id != system.group_id:
                changes.append(put(other._replace(group_id=system.group_id)))
        return changes

    def give_back(self, hardware_changed: bool, restore: bool) -> str | None:
        """Give the claims back without finishing; return what stays unfinished, as a sentence. Nothing is held then.

        :param restore: whether nodes are stored again as they were before this run
        """
        rollback = [
            (put(before) if before else remove_anyway(StoredNode, uuid))._replace(expected=revision)
            for uuid, (before, revision) in self._written.items()
        ]
        try:
            try:
                self._claims.release(changed=hardware_changed, with_changes=rollback if restore else [])
            except RegistryConflict:  # somebody else has changed a node of this run: that one is theirs
                self._claims.release(changed=hardware_changed)
            unfinished = self._unfinished()
        except ExpetherError as error:
            return f"The registry could not be put right: {error.message}"
        if unfinished:
            which = "it" if len(unfinished) == 1 else "them"
            return f"Stored as composing: {comma_list(unfinished)}. Run the task again, or release {which}."
        self.is_held = False
        self._written = {}
        return None

    def _unfinished(self) -> list[str]:
        stored = self._stored() if self._written else {}
        return [node.name for uuid in self._written if (node := stored.get(uuid)) and node.state == "composing"]

    def _stored(self) -> dict[str, StoredNode]:
        """Return the nodes of the pod manager as they are stored now, by UUID."""
        return {found.uuid: found for found in self._registry.of_podm(StoredNode, self._podm_id)}

    def wait_for(self, blocked_by: t.Mapping[str, str], budget: Patience) -> bool:
        """Wait until another run gives back one of these; return whether it did in time. This run must hold nothing."""
        return self._claims.wait_for(blocked_by, budget)


AnyReservation = t.Union[Reservation, NoReservation]


def reservation_for(
    registry: Registry | None, podm_id: str, what: str, settings: Settings, exclusive: bool = False
) -> AnyReservation:
    """Return the reservation of a run.

    :param registry: `None` if the EEM is used by its URL and no names are needed
    :param what: what the run does, for other runs that wait for it
    :param exclusive: whether no other run may change anything of this pod manager meanwhile
    """
    if registry is None:
        return NoReservation()
    claims = Claims(registry, podm_id, what, lease_of(settings), settings.pauses.write)
    return Reservation(registry, podm_id, claims, exclusive)
