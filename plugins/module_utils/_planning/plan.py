# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observed state that plans are made from, and what a plan is: an ordered list of steps. Private to the collection."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import FREE_GROUP, Eeio, Eesv
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node

GroupAction = t.Literal["set_group", "attach", "detach"]
RegistryAction = t.Literal["remember", "forget"]
CardAction = t.Literal["uid_led", "forget_card", "audit", "reset", "reset_frame", "forget_port"]
Status = t.Literal["planned", "done", "undone", "failed"]
SilentRole = t.Literal["member", "counted", "extra", "replaced", "skipped", "left"]


class GroupChange(t.NamedTuple):
    """A change of a card's group id. It can be undone.

    :ivar device: the EEIO's id; `None` for `set_group`, which changes a system
    :ivar node: the node's name, or the EESV's id if it is not a node; `None` for a stranded device
    :ivar system_id: the EESV's id
    :ivar old: the group id before
    :ivar new: the group id afterwards
    :ivar optional: whether the run succeeds although EEM refuses this change
    """

    action: GroupAction
    device: str | None
    node: str | None
    system_id: str | None
    old: str
    new: str
    optional: bool = False

    @property
    def card(self) -> str:
        """The id of the card that EEM is asked to change."""
        return t.cast(str, self.device or self.system_id)

    def reversed(self) -> GroupChange:
        """Return the step that undoes this one."""
        opposite: dict[GroupAction, GroupAction] = {"attach": "detach", "detach": "attach", "set_group": "set_group"}
        return self._replace(action=opposite[self.action], old=self.new, new=self.old, optional=False)


class RegistryChange(t.NamedTuple):
    """A change of what the registry stores of a node (or, for a missing device, of a device).

    :ivar device: the EEIO's id; `None` if a node is changed
    :ivar node: the node's name
    :ivar system_id: the EESV's id
    :ivar old: the state before, `None` if it was not stored
    :ivar new: the state afterwards, `None` if it is not stored any more
    """

    action: RegistryAction
    device: str | None
    node: str | None
    system_id: str | None
    old: str | None
    new: str | None


class CardRequest(t.NamedTuple):
    """A request to one card besides its group id. It cannot be undone.

    :ivar device: the EEIO's id; `None` if a system is asked
    :ivar node: the name or EESV id of the node whose card it is
    :ivar system_id: the EESV's id
    :ivar old: what the card shows before, as far as that can be read
    :ivar new: what it shows afterwards
    :ivar detail: the port of `forget_port`, `force` of a forced `forget_card`
    """

    action: CardAction
    device: str | None
    node: str | None
    system_id: str | None
    old: str | None
    new: str | None
    detail: str | None = None

    @property
    def card(self) -> str:
        """The id of the card that EEM is asked to change."""
        return t.cast(str, self.device or self.system_id)


HardwareStep = t.Union[GroupChange, CardRequest]
Step = t.Union[GroupChange, RegistryChange, CardRequest]


def cards_of(steps: t.Iterable[Step]) -> tuple[str, ...]:
    """Return the ids of the cards that steps concern, devices and systems, each once."""
    return tuple(dict.fromkeys(card for step in steps for card in (step.device, step.system_id) if card))


def step_view(step: Step, status: Status) -> dict[str, t.Any]:
    """Return a step as in the result `plan`."""
    return {
        "action": step.action,
        "device": step.device,
        "node": step.node,
        "node_id": step.system_id,
        "from": step.old,
        "to": step.new,
        "status": status,
    }


class SilentDevice(t.NamedTuple):
    """A device that does not respond, and what the plan means for it.

    :ivar device: the EEIO's id
    :ivar node: the name of the node that has or had it, or the EESV's id if it is not a node; `None` for a stranded device
    :ivar role: `member` of a node without a request, `counted` towards the request of its node, `extra` beyond it,
        `replaced` by another device and detached if EEM does that, `skipped` by a task that detaches the others,
        `left` behind by a node that is released
    """

    device: str
    node: str | None
    role: SilentRole


class Plan(t.NamedTuple):
    """What a task changes, and what it is about.

    :ivar steps: the changes, in their order
    :ivar nodes: the nodes that the task is about, in the task's order, as they are afterwards (as they were, if they are
        released)
    :ivar cards: the ids of the cards that the task names, each once, in the task's order
    :ivar led: what a card's locator LED shows before, where the task is about one
    :ivar silent: the devices that the task is about and that do not respond
    """

    steps: tuple[Step, ...] = ()
    nodes: tuple[Node, ...] = ()
    cards: tuple[str, ...] = ()
    led: str | None = None
    silent: tuple[SilentDevice, ...] = ()

    @property
    def node(self) -> Node | None:
        """The node of a task that is about one at most."""
        return self.nodes[0] if self.nodes else None

    @property
    def group_changes(self) -> list[GroupChange]:
        """The changes of group ids."""
        return [step for step in self.steps if isinstance(step, GroupChange)]

    @property
    def hardware_steps(self) -> list[HardwareStep]:
        """All steps that ask EEM for something."""
        return [step for step in self.steps if not isinstance(step, RegistryChange)]


class ObservedState(t.NamedTuple):
    """Everything that a plan is made from.

    :ivar podm_id: the pod manager's UUID
    :ivar podm: what users call it: its name, or its URL if it is not registered
    :ivar nodes: the nodes of this pod manager, by EESV id
    :ivar claimed_by_others: what other runs hold at the moment: a card's id or a group id, and who holds it
    :ivar last_nodes: of stranded devices, by device id and group id, the name of the node that had that group, where the
        registry knows it
    :ivar nodes_elsewhere: the nodes of other pod managers by EESV id, as messages name them. Card ids are MAC addresses
        [hw]: such a system has moved between EEMs, or two pod managers are one EEM.
    """

    podm_id: str
    podm: str
    fabric: Fabric
    nodes: t.Mapping[str, Node]
    claimed_by_others: t.Mapping[str, str]
    last_nodes: t.Mapping[tuple[str, str], str] = types.MappingProxyType({})
    nodes_elsewhere: t.Mapping[str, str] = types.MappingProxyType({})

    def last_node(self, device: Eeio) -> str | None:
        """Return the name of the node that had the group which a device is stranded in, where the registry knows it."""
        return self.last_nodes.get((device.id, device.group_id))

    @property
    def left_behind(self) -> set[str]:
        """The ids of silent devices that released nodes have left in the groups of their systems."""
        devices = (self.fabric.devices.get(device) for device, _group in self.last_nodes)
        return {device.id for device in devices if device and self.fabric.state(device) == "allocated"}

    def label(self, system: Eesv | None) -> str | None:
        """Return what users call a system: its node's name, or else its id."""
        if system is None:
            return None
        node = self.nodes.get(system.id)
        return node.name if node else system.id


def fabric_after(fabric: Fabric, steps: t.Iterable[Step]) -> Fabric:
    """Return the fabric as it is when these steps have been carried out."""
    return fabric.changed({step.card: (step.new, None) for step in steps if isinstance(step, GroupChange)})


def nodes_after(nodes: t.Mapping[str, Node], plan: Plan) -> dict[str, Node]:
    """Return the nodes by EESV id as they are when a plan has been carried out."""
    forgotten = {step.system_id for step in plan.steps if step.action == "forget"}
    remembered = {step.system_id for step in plan.steps if step.action == "remember"}
    return {
        **{system_id: node for system_id, node in nodes.items() if system_id not in forgotten},
        **{node.system_id: node for node in plan.nodes if node.system_id in remembered},
    }


def attach_step(observed: ObservedState, device: str, system: Eesv, group_id: str) -> GroupChange:
    """Return the step that gives a free device a system's group id."""
    return GroupChange("attach", device, observed.label(system), system.id, FREE_GROUP, group_id)


def detach_step(observed: ObservedState, device: str) -> GroupChange:
    """Return the step that frees a device."""
    card = observed.fabric.devices[device]
    owner = observed.fabric.owner(card)
    return GroupChange("detach", device, observed.label(owner), owner.id if owner else None, card.group_id, FREE_GROUP)
