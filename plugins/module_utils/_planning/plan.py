# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan is: an ordered list of steps. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import FREE_GROUP, Eesv, parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import parse_uuid, same_name

Action = t.Literal[
    "remember",
    "set_group",
    "attach",
    "detach",
    "forget",
    "uid_led",
    "forget_card",
    "audit",
    "reset",
    "reset_frame",
    "forget_port",
]
Status = t.Literal["planned", "done", "undone", "failed"]
NodeState = t.Literal["composing", "composed", "managed"]


class Node(t.NamedTuple):
    """A node as the registry remembers it.

    :ivar system: the EESV id; the registry and results call it index
    :ivar group_id: the system's group id when it was last changed; its devices are stranded there on the day on
        which EEM does not list the system any more
    """

    uuid: str
    name: str
    system: str
    state: NodeState
    group_id: str | None = None

    def document(self) -> dict[str, str]:
        """Return the node with the keys of results."""
        return {"uuid": self.uuid, "name": self.name, "index": self.system, "state": self.state}


class Step(t.NamedTuple):
    """One change.

    C(set_group), C(attach) and C(detach) change the group id of a card, from one to another;
    C(remember) and C(forget) change the state of a node or device in the registry, C(None) for not there;
    the others ask something else of one card, which is not taken back.

    :ivar device: the EEIO's id; C(None) where no device is changed
    :ivar node: the node's name, or the EESV's id where it is no node; C(None) for a stranded device
    :ivar node_id: the EESV's id
    :ivar detail: the port of C(forget_port), C(force) of a C(forget_card) that is forced
    """

    action: Action
    device: str | None
    node: str | None
    node_id: str | None
    old: str | None
    new: str | None
    detail: str | None = None

    @property
    def card(self) -> str | None:
        """The id of the card whose group id is changed, if one is."""
        return self.asked if self.action in ("set_group", "attach", "detach") else None

    @property
    def asked(self) -> str | None:
        """The id of the card that EEM is asked to change; C(None) if only the registry is changed."""
        return None if self.action in ("remember", "forget") else self.device or self.node_id

    def reversed(self) -> Step:
        """Return the step that takes a change of a group id back."""
        action: Action = {"attach": "detach", "detach": "attach"}.get(self.action, self.action)  # type: ignore[assignment]
        return self._replace(action=action, old=self.new, new=self.old)

    def view(self, status: Status) -> dict[str, t.Any]:
        """Return the step as in C(plan)."""
        return {
            "action": self.action,
            "device": self.device,
            "node": self.node,
            "node_id": self.node_id,
            "from": self.old,
            "to": self.new,
            "status": status,
        }


Plan = tuple[Step, ...]


class World(t.NamedTuple):
    """All that a plan is made from.

    :ivar nodes: the nodes of this pod manager, by EESV id
    :ivar held: what other runs hold at the moment: a card's id or a group id, and who holds it
    """

    fabric: Fabric
    nodes: t.Mapping[str, Node]
    held: t.Mapping[str, str]

    def label(self, system: Eesv | None) -> str | None:
        """Return what users call a system: its node's name, or else its id."""
        if system is None:
            return None
        node = self.nodes.get(system.id)
        return node.name if node else system.id


def find_node(world: World, wanted: str) -> Node | None:
    """Return the node that a name, UUID or EESV id means; a name that fits exactly comes first."""
    nodes = list(world.nodes.values())
    uuid, index = parse_uuid(wanted), parse_card_id(wanted)
    tests: tuple[t.Callable[[Node], bool], ...] = (
        lambda node: node.name == wanted,
        lambda node: same_name(node.name, wanted),
        lambda node: node.uuid == uuid or node.system == index,
    )
    return next((node for test in tests for node in nodes if test(node)), None)


def after(fabric: Fabric, plan: t.Iterable[Step]) -> Fabric:
    """Return the snapshot as it is when a plan has been carried out."""
    return fabric.changed({step.card: (step.new or FREE_GROUP, None) for step in plan if step.card})


def nodes_after(nodes: t.Mapping[str, Node], plan: t.Iterable[Step], node: Node | None) -> dict[str, Node]:
    """Return the nodes by EESV id as they are when a plan about this node has been carried out."""
    result = dict(nodes)
    for step in plan:
        if step.action == "forget" and step.node_id:
            result.pop(step.node_id, None)
        elif step.action == "remember" and node is not None:
            result[node.system] = node
    return result


def attach_step(world: World, device: str, system: Eesv, group_id: str) -> Step:
    """Return the step that gives a free device a system's group id."""
    return Step("attach", device, world.label(system), system.id, FREE_GROUP, group_id)


def detach_step(world: World, device: str) -> Step:
    """Return the step that frees a device."""
    card = world.fabric.devices[device]
    owner = world.fabric.owner(card)
    return Step("detach", device, world.label(owner), owner.id if owner else None, card.group_id, FREE_GROUP)
