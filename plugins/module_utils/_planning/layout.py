# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter writes spaces around the colon of a slice, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: E203
"""The plan of a layout: all nodes of a pod manager at once, or a refusal with reasons. Private to the collection.

The systems of new nodes are chosen first, then the devices of all nodes together (`assignment`), so that a layout is
refused only if its requests cannot be met in any way.
"""

from __future__ import annotations

import contextlib
import itertools
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import Eeio, parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    NotFound,
    PlanRefused,
)
from ansible_collections.nec.expether.plugins.module_utils._model.names import name_key, node_uuid, parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node, find_by_name
from ansible_collections.nec.expether.plugins.module_utils._model.properties import DeviceRequest, Properties
from ansible_collections.nec.expether.plugins.module_utils._planning.assignment import Own, Share, assign
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import (
    check_detachable,
    check_host,
    unused_groups,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_system
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import (
    NodeChanges,
    NodeRequest,
    Standing,
    members,
    new_node,
    node_changes,
    plan_release,
    present_node,
    standing,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.placement import Placements
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    ObservedState,
    Plan,
    SilentDevice,
    Step,
    cards_of,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.selection import (
    by_preference,
    can_be_detached,
    candidates,
    choose_system,
    claims_on,
    refuse_if_claimed,
    why_lacking,
    why_never,
    why_no_host,
    why_not_available,
)

#: For how many candidates a refusal says why they do not fit each node: a pod has many nodes, and many candidates.
_MOST_REASONS = 4


class LayoutRequest(t.NamedTuple):
    """What a task asks of a pod manager.

    :ivar nodes: what it asks of each node; without properties a node stays as it is
    :ivar release_others: whether the other nodes of the pod manager are released
    :ivar move: whether a listed node with properties may lose devices to another one, and get others in their place
    :ivar skip_silent: whether devices that do not respond are left where they are, instead of a refusal to detach them
    """

    nodes: tuple[NodeRequest, ...]
    release_others: bool = False
    move: bool = False
    skip_silent: bool = False


def plan_layout(observed: ObservedState, request: LayoutRequest) -> Plan:
    """Return the plan with the fewest changes of group ids that gives all listed nodes what they request.

    :raises ExpetherError: an entry is not valid, or not all requests can be met
    """
    try:
        return _plan(observed, request, explain=True)
    except PlanRefused as error:
        _add_ways_out(observed, request, error)
        raise


def _add_ways_out(observed: ObservedState, request: LayoutRequest, error: PlanRefused) -> None:
    """Add to a refusal which claims are in the way, and which options would make the layout possible."""

    def tried(state: ObservedState, other: LayoutRequest) -> Plan | None:
        try:
            return _plan(state, other)
        except ExpetherError:
            return None

    if observed.claimed_by_others and not error.blocked_by:
        plan = tried(observed._replace(claimed_by_others={}), request)
        if plan:
            groups = (step.new for step in plan.group_changes if step.action == "set_group")
            wanted = [node.properties for node in request.nodes if node.properties]
            free = (device for device in observed.fabric.devices.values() if observed.fabric.state(device) == "free")
            matching = (
                device.id for device in free if any(entry.matches(device) for entries in wanted for entry in entries)
            )
            error.blocked_by = claims_on(observed, (*cards_of(plan.steps), *groups, *matching))
    options = {
        "`move: true`": request._replace(move=True),
        "`purge: true` for all nodes": request._replace(
            nodes=tuple(node._replace(purge=True) for node in request.nodes)
        ),
        "`release_others: true`": request._replace(release_others=True),
    }
    helping = [key for key, other in options.items() if other != request and tried(observed, other)]
    if helping:
        error.message += f" The layout is possible with {' or with '.join(helping)}."


def _plan(observed: ObservedState, request: LayoutRequest, explain: bool = False) -> Plan:
    """Return the plan of a layout.

    :param explain: whether a refusal gives all reasons, which takes long for large pods
    :raises ExpetherError: as `plan_layout`
    """
    listed, misplaced = _listed(observed, request)
    ids = {node.system_id for node in listed if node and observed.nodes.get(node.system_id) == node}
    others = [node for node in observed.nodes.values() if node.system_id not in ids] if request.release_others else []
    others.sort(key=lambda node: name_key(node.name))
    planner = _Planner(observed, request, listed, misplaced, others)
    placements = iter(planner.placements())
    first = next(placements)
    for places in itertools.chain([first], placements):
        with contextlib.suppress(PlanRefused):
            return planner.plan(places)
    return planner.plan(first, explain)


def same_node(nodes: t.Sequence[NodeRequest], place: int, other: int, name: str) -> InvalidInput:
    """Return the error about two entries of a layout, by their places, that are about the node of this name."""
    return InvalidInput(
        f"`nodes[{place}]` ({nodes[place].name}) and `nodes[{other}]` ({nodes[other].name}) are the same node: {name}."
        " List it once."
    )


def _listed(observed: ObservedState, request: LayoutRequest) -> tuple[list[Node | None], dict[int, ExpetherError]]:
    """Return the node that each entry is about, `None` for a new one on a system that is still to be chosen; and why entries
    are refused, by their place.

    :raises ExpetherError: an entry is not valid, or two are about one node
    """
    by_name: dict[str, list[Node]] = {}
    for node in observed.nodes.values():
        by_name.setdefault(name_key(node.name), []).append(node)
    by_id: dict[str | None, Node] = {
        key: node for node in observed.nodes.values() for key in (node.uuid, node.system_id)
    }
    listed: list[Node | None] = []
    misplaced: dict[int, ExpetherError] = {}
    seen: dict[str, int] = {}
    for place, entry in enumerate(request.nodes):
        ids = parse_uuid(entry.name), parse_card_id(entry.name)
        named = by_name.get(name_key(entry.name)) or [by_id[key] for key in ids if key in by_id]
        found = next(iter(find_by_name(named, entry.name)), None)
        try:
            found = present_node(observed, entry, found)
        except (PlanRefused, NotFound) as error:
            misplaced[place] = error
        listed.append(found)
        for key in (found.uuid, found.system_id) if found else (node_uuid(observed.podm_id, entry.name),):
            other = seen.setdefault(key, place)
            if other != place:
                raise same_node(request.nodes, other, place, found.name if found else entry.name)
    return listed, misplaced


class _Demand(t.NamedTuple):
    """What one node requests and has.

    :ivar request: how many devices of each kind, by the kind's number
    :ivar own: its devices that count and that some node requests, by their sort, in the order in which they count
    :ivar more: how many devices more the system has if the request is met and no device is given to another node
    """

    now: Standing
    purge: bool
    skip_silent: bool
    request: dict[int, DeviceRequest]
    own: dict[Own, list[Eeio]]
    share: Share
    more: int


class _Planner:
    """Makes the plan of one layout.

    :ivar misplaced: why entries are refused whatever devices there are, by their place
    :ivar rest: the observed state without the nodes that are released
    """

    def __init__(
        self,
        observed: ObservedState,
        request: LayoutRequest,
        listed: list[Node | None],
        misplaced: dict[int, ExpetherError],
        released: list[Node],
    ) -> None:
        self.observed, self.request, self.listed, self.released = observed, request, listed, released
        self.misplaced = misplaced
        gone = {node.system_id for node in released}
        self.rest = observed._replace(nodes={key: node for key, node in observed.nodes.items() if key not in gone})
        self.left_behind = observed.left_behind
        self.kinds: dict[DeviceRequest, int] = {}
        for entries in (node.properties or () for node in request.nodes):
            for entry in entries:
                self.kinds.setdefault(entry.kind, len(self.kinds))
        self._signatures: dict[t.Any, int] = {}

    def placements(self) -> Placements:
        """Return the ways to place the new nodes on systems."""
        new = {
            place: t.cast(Properties, entry.properties)
            for place, entry in enumerate(self.request.nodes)
            if self.listed[place] is None and place not in self.misplaced
        }
        listed = {node.system_id for node in self.listed if node}
        released = {node.system_id for node in self.released}
        return Placements(self.rest, new, listed, released, self._signature)

    def _new(self, place: int, host: str) -> Node:
        return new_node(self.observed, self.request.nodes[place].name, host, "composed")

    def plan(self, places: t.Mapping[int, str], explain: bool = False) -> Plan:
        """Return the plan with new nodes on these systems.

        :param explain: whether a refusal gives all reasons
        :raises PlanRefused: a request cannot be met
        """
        nodes = {place: node for place, node in enumerate(self.listed) if node}
        nodes.update((place, self._new(place, host)) for place, host in places.items())
        named = self.observed._replace(nodes={**self.rest.nodes, **{node.system_id: node for node in nodes.values()}})
        demands, problems = self._demands(named, nodes)
        release, stuck = self._release({demand.now.system.id for demand in demands.values()})
        changes, unmet = self._changes(named, demands, release, explain)
        problems.update(unmet)
        named_problems = (
            (nodes.get(place, self.request.nodes[place]).name, problems[place]) for place in sorted(problems)
        )
        _refuse({**dict(named_problems), **stuck})
        silent: list[SilentDevice] = []
        for place, node in sorted(nodes.items()):
            system = find_system(self.observed.fabric, node.system_id)
            silent += changes[place].silent if place in changes else members(named, node, system)
        after = tuple(changes[place].node if place in changes else node for place, node in sorted(nodes.items()))
        steps = refuse_if_claimed(self.observed, _in_order(changes.values(), release))
        return Plan(steps, after, silent=(*silent, *release.silent))

    def _demands(
        self, named: ObservedState, nodes: t.Mapping[int, Node]
    ) -> tuple[dict[int, _Demand], dict[int, ExpetherError]]:
        """Return what the nodes with properties request and have, and why entries are refused, by their place.

        :param named: the observed state with the new nodes
        """
        demands: dict[int, _Demand] = {}
        problems = dict(self.misplaced)
        for place, entry in enumerate(self.request.nodes):
            if place in problems:
                continue
            try:
                if place not in nodes:
                    # There is none: this raises why.
                    choose_system(named, t.cast(Properties, entry.properties), _MOST_REASONS)
                elif entry.properties is None:
                    find_system(self.observed.fabric, nodes[place].system_id)
                else:
                    demands[place] = self._demand(nodes[place], entry.properties, entry)
            except (PlanRefused, NotFound) as error:
                problems[place] = error
        return demands, problems

    def _changes(
        self, named: ObservedState, demands: t.Mapping[int, _Demand], release: Plan, explain: bool
    ) -> tuple[dict[int, NodeChanges], dict[int, PlanRefused]]:
        """Return what changes for the nodes with demands, and why some cannot be met, by their place."""
        lost, gained = self._assign(demands, self._pools(release))
        receivers = {device.id: demands[place].now.node.name for place in gained for device in gained[place]}
        unused = unused_groups(self.observed)
        changes: dict[int, NodeChanges] = {}
        unmet: dict[int, PlanRefused] = {}
        for place, demand in demands.items():
            kept = [
                device for sort, devices in demand.own.items() for device in devices[: demand.share.kept.get(sort, 0)]
            ]
            try:
                self._check_met(demand, receivers, explain)
                extra, skipped = lost[place], list[Eeio]()
                if demand.purge:
                    extra, skipped = check_detachable(self.rest, demand.now.beyond(kept), demand.skip_silent)
                changes[place] = node_changes(named, demand.now, kept, gained[place], extra, skipped, unused)
            except PlanRefused as error:
                unmet[place] = error
        return changes, unmet

    def _release(self, taken_over: t.Container[str]) -> tuple[Plan, dict[str, PlanRefused]]:
        """Return the plan that releases nodes, and by name, why others cannot be released.

        :raises PlanRefused: other runs have claims on what nodes have
        """
        try:
            return self._released(self.released, taken_over), {}
        except PlanRefused as error:
            if error.blocked_by:
                raise
        ready, stuck = [], {}
        for node in self.released:
            try:
                self._released([node], taken_over)
                ready.append(node)
            except PlanRefused as error:
                if not error.blocked_by:
                    stuck[node.name] = error
        return self._released(ready, taken_over), stuck

    def _released(self, nodes: t.Sequence[Node], taken_over: t.Container[str]) -> Plan:
        return plan_release(self.observed, nodes, self.request.skip_silent, taken_over)

    def _signature(self, device: Eeio) -> int:
        """Return of which requested kinds a device is, a bit for each."""
        key = device.populated, device.type, device.vendor_id, device.pci_device_id, device.model
        if key not in self._signatures:
            self._signatures[key] = sum(1 << kind for entry, kind in self.kinds.items() if entry.matches(device))
        return self._signatures[key]

    def _demand(self, node: Node, properties: Properties, entry: NodeRequest) -> _Demand:
        now = standing(self.rest, node, properties, entry.replace_silent, self.left_behind)
        system, fabric = now.system, self.observed.fabric
        # A new node on the system of a released one keeps what it requests; the rest is detached with the released one.
        purge = entry.purge or (system.id in self.observed.nodes and system.id not in self.rest.nodes)
        claimed = self.observed.claimed_by_others
        request = {self.kinds[each.kind]: each for each in properties}
        order: list[Own] = []
        own: dict[Own, list[Eeio]] = {}
        for device in by_preference(now.counting):
            signature = self._signature(device)
            if signature:
                goes = can_be_detached(device)
                leaves = goes and why_never(device) is None and not {device.id, system.id} & claimed.keys()
                order.append(Own(signature, leaves and (purge or self.request.move), purge and goes, not purge))
                own.setdefault(order[-1], []).append(device)
        numbers = {kind: each.number for kind, each in request.items()}
        share = Share(numbers, order, takes=why_no_host(self.rest, system) is None)
        kept = share.kept
        going = [device for device in now.beyond(()) if can_be_detached(device)] if purge else []
        used = len(fabric.devices_in_group_of(system))
        more = sum(share.lacking.values()) + sum(kept[sort] for sort in kept if sort.due) - len(going)
        share.slots = system.max_devices - used - more
        if not share.lacking and (share.slots < 0 or system.id in claimed):
            share.takes, share.slots = False, 0
        skip_silent = self.request.skip_silent or entry.skip_silent or entry.replace_silent
        return _Demand(now, purge, skip_silent, request, own, share, more)

    def _pools(self, release: Plan) -> dict[int, list[tuple[int, Eeio]]]:
        """Return the devices that nodes may get, by signature, each with its place in the order in which they are taken.

        The free ones come first, then those of released nodes, lowest id first.
        """
        devices, claimed = self.observed.fabric.devices, self.observed.claimed_by_others
        free = (device for device in devices.values() if why_not_available(self.observed, device) is None)
        freed = (devices[device] for device in sorted(step.card for step in release.group_changes))
        available = (device for device in freed if why_never(device) is None and device.id not in claimed)
        pools: dict[int, list[tuple[int, Eeio]]] = {}
        for place, device in enumerate((*free, *available)):
            if self._signature(device):
                pools.setdefault(self._signature(device), []).append((place, device))
        return pools

    def _assign(
        self, demands: t.Mapping[int, _Demand], pools: t.Mapping[int, t.Sequence[tuple[int, Eeio]]]
    ) -> tuple[dict[int, list[Eeio]], dict[int, list[Eeio]]]:
        """Return which devices each node loses to others, and which it gets; the shares of the demands are changed."""
        shares = [demand.share for demand in demands.values()]
        places = {signature: [place for place, _device in pool] for signature, pool in pools.items()}
        used = assign(shares, places, self.request.move)
        ready = {
            signature: [device for _place, device in pools[signature][:number]] for signature, number in used.items()
        }
        lost: dict[int, list[Eeio]] = {}
        for place, demand in demands.items():
            kept = demand.share.kept
            given = {
                device.id: device
                for sort, number in demand.share.given.items()
                for device in demand.own[sort][kept.get(sort, 0) :][:number]
            }
            lost[place] = [device for device in demand.now.have if device.id in given]
            for device in lost[place]:
                ready.setdefault(self._signature(device), []).append(device)
        for devices in ready.values():
            devices.sort(key=lambda device: device.id, reverse=True)
        gained = {
            place: sorted(
                (
                    ready[signature].pop()
                    for signature, number in demand.share.taken.items()
                    for _device in range(number)
                ),
                key=lambda device: device.id,
            )
            for place, demand in demands.items()
        }
        return lost, gained

    def _check_met(self, demand: _Demand, receivers: t.Mapping[str, str], explain: bool) -> None:
        """Check that a node gets all that it requests.

        :param receivers: the nodes that get devices, by the id of the device
        :param explain: whether a refusal gives all reasons
        :raises PlanRefused: the message says what is lacking, and why each candidate is not available
        """
        lacking = demand.share.lacking
        if demand.share.slots < 0 or (lacking and not demand.share.takes):
            check_host(self.rest, demand.now.system, demand.more)
        if not lacking:
            return
        if not explain:
            raise PlanRefused("")  # the caller drops it
        unmet = tuple(demand.request[kind] for kind in lacking)
        own = by_preference(demand.now.counting)
        free, reasons = candidates(self.rest, unmet, {device.id for device in own}, demand.now.not_counted)
        for device in free:
            receiver = receivers.get(device.id, demand.now.node.name)
            if receiver != demand.now.node.name:
                reasons[device.id] = f"goes to {receiver}"
        counts = ((demand.request[kind], demand.request[kind].number - number) for kind, number in lacking.items())
        raise PlanRefused(
            f"{'; '.join(why_lacking(self.observed, counts, own, dict(sorted(reasons.items())), _MOST_REASONS))}.",
            details={"candidates": dict(sorted(reasons.items()))},
        )


def _in_order(changes: t.Collection[NodeChanges], release: Plan) -> list[Step]:
    """Return the steps of all nodes: each device is detached before it is attached."""
    return [
        *(step for each in changes for step in each.registry),
        *(step for each in changes for step in each.set_group),
        *release.steps,
        *(step for each in changes for step in each.detaches),
        *(step for each in changes for step in each.attaches),
        *(step for each in changes for step in each.replaced),
    ]


def _refuse(problems: t.Mapping[str, ExpetherError]) -> None:
    """Refuse a layout because of these nodes, if there are any."""
    if problems:
        is_missing = all(isinstance(error, NotFound) for error in problems.values())
        raise (NotFound if is_missing else PlanRefused)(
            " ".join(
                error.message if error.message.startswith(f"Node {name} ") else f"Node {name}: {error.message}"
                for name, error in problems.items()
            ),
            details={
                "candidates": {
                    name: dict(itertools.islice(error.details.get("candidates", {}).items(), _MOST_REASONS))
                    for name, error in problems.items()
                }
            },
        )
