# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_device and expether_device_action do. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._client import Client
from ansible_collections.nec.expether.plugins.module_utils._documents import remembered_device
from ansible_collections.nec.expether.plugins.module_utils._errors import InvalidInput, NotKnown
from ansible_collections.nec.expether.plugins.module_utils._executor import Outcome
from ansible_collections.nec.expether.plugins.module_utils._executor_card import led_of
from ansible_collections.nec.expether.plugins.module_utils._executor_nodes import Draft
from ansible_collections.nec.expether.plugins.module_utils._executor_steps import Stale, listed_ids
from ansible_collections.nec.expether.plugins.module_utils._glue import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._glue_changes import (
    execute,
    no_such_node,
    views_of,
)
from ansible_collections.nec.expether.plugins.module_utils._glue_eem import Target, target
from ansible_collections.nec.expether.plugins.module_utils._names import parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._plan import Action, Node, World, find_node
from ansible_collections.nec.expether.plugins.module_utils._planner_card import (
    listed_card,
    plan_action,
    plan_forget_card,
    plan_forget_memory,
    plan_led,
)
from ansible_collections.nec.expether.plugins.module_utils._records import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._registry import Body, Change
from ansible_collections.nec.expether.plugins.module_utils._sync import touched, touched_changes
from ansible_collections.nec.expether.plugins.module_utils._transport_errors import Denied
from ansible_collections.nec.expether.plugins.module_utils._views import Views


def run(context: Context) -> Result:
    """Light a card's locator LED or not, or forget a card that is gone."""
    params = context.params
    if params["state"] == "absent":
        if params["uid_led"] is not None:
            raise InvalidInput("uid_led is given with state: absent: a card that is forgotten has no LED to turn.")
        return _absent(context, _Named(context))
    named, wanted = _Named(context), params["uid_led"]
    led: list[str | None] = [None]

    def read(client: Client, world: World) -> None:
        card = listed_card(world, named.known(world)).id
        try:
            led[0] = led_of(client, card)
        except Denied as error:
            if error.http_status == 404 and card not in listed_ids(client):
                raise Stale(f"EEM does not list card {card} any more.") from None
            if wanted:
                raise
            led[0] = None  # it is there, and EEM does not tell

    def draft(world: World) -> Draft:
        card = listed_card(world, named.known(world))
        return Draft(plan_led(world, card, led[0], wanted) if wanted else ())

    outcome = execute(context, named.where, f"a run for the LED of {params['device']}", draft, read=read)
    device = {**t.cast(Body, named.shown(outcome)), "uid_led": wanted or led[0]}
    return _result(device, outcome, {"uid_led": outcome.plan[0].old if outcome.plan else led[0]}, {"uid_led": device["uid_led"]})


def run_action(context: Context) -> Result:
    """Have a card audited or reset, send it a reset frame, or forget what one of its ports remembers."""
    params = context.params
    action, port = t.cast(Action, params["action"]), params["port"]
    if port is not None and action != "forget_port":
        raise InvalidInput(f"port is given, which action {action} does not take; it is for forget_port only.")
    named = _Named(context)

    def draft(world: World) -> Draft:
        return Draft(plan_action(world, listed_card(world, named.known(world)), action, port))

    outcome = execute(context, named.where, f"{action} of {params['device']}", draft)
    before, after = ({"port": port, "device": step.old} for step in outcome.plan), {"port": port, "device": None}
    if action == "forget_port":
        return _result(named.shown(outcome), outcome, next(before, after), after)
    return _result(named.shown(outcome), outcome, {}, {"action": action})


def _absent(context: Context, named: _Named) -> Result:
    where, registry = named.where, named.where.registry
    before: list[Body | None] = [None]

    def draft(world: World) -> Draft:
        card_id = named.find(world)
        card = world.fabric.card(card_id)
        if card:
            before[0] = named.views(world.nodes).card(world.fabric, card)
            return Draft(plan_forget_card(world, card, context.params["force"]))
        before[0] = named.remembered(world, card_id)
        return Draft(plan_forget_memory(world, t.cast(str, card_id)) if before[0] else ())

    def forget(outcome: Outcome) -> list[Change]:
        """Forget the device in the registry too; what a system leaves behind is stranded there as well."""
        views, steps = named.views(outcome.nodes), outcome.plan
        gone = [Change("devices", views.uuid_of(step.device), None, None) for step in steps if step.device]
        gone += [touched(where.podm_id)] if gone else []
        systems = (outcome.world.fabric.systems.get(step.asked or "") for step in steps)
        left = [card.id for system in systems if system for card in outcome.world.fabric.devices_in(system.group_id)]
        return [*gone, *(touched_changes(registry, outcome.fabric, views, left) if registry else ())]

    what = f"a run that forgets {context.params['device']}"
    outcome = execute(context, where, what, draft, more_changes=forget)
    keys = ("kind", "state", "node", "pooled_group_id", "missing_since")
    shown = {key: before[0][key] for key in keys} if before[0] and outcome.plan else {}
    return _result({**before[0], "uid_led": None} if before[0] else None, outcome, shown, {})


def _result(device: Body | None, outcome: Outcome, before: Body, after: Body) -> Result:
    return {
        "changed": bool(outcome.plan),
        "device": device,
        "plan": outcome.rows,
        "diff": {"before": before, "after": after},
    }


class _Named:
    """The card that the task names, in whichever form."""

    def __init__(self, context: Context) -> None:
        self._wanted: str = context.params["device"]
        self._pci_names = context.pci_names
        by_name = parse_card_id(self._wanted) is None and parse_uuid(self._wanted) is None
        self.where: Target = target(context, self._wanted, [self._wanted], names_needed=by_name)

    def views(self, nodes: t.Mapping[str, Node]) -> Views:
        """Return how cards are shown, with these nodes."""
        return views_of(self.where, nodes, self._pci_names)

    def find(self, world: World) -> str | None:
        """Return the card's EEM id, which EEM may not list; C(None) for a UUID of nothing that EEM lists or had.

        :raises NotKnown: it is the name of no node
        """
        node, card, uuid = find_node(world, self._wanted), parse_card_id(self._wanted), parse_uuid(self._wanted)
        if node or card:
            return node.system if node else card
        if uuid is None:
            raise no_such_node(self.where, world.nodes, self._wanted)
        views = self.views(world.nodes)
        listed_there = (device for device in world.fabric.devices if views.uuid_of(device) == uuid)
        found = self.where.registry.get("devices", uuid) if self.where.registry else None
        return next(listed_there, found.body["device_id"] if found else None)

    def known(self, world: World) -> str:
        """Return the card's EEM id.

        :raises NotKnown: there is no such card
        """
        card = self.find(world)
        if card is None:
            raise NotKnown(f"EEM lists no card with the UUID {parse_uuid(self._wanted)}.")
        return card

    def shown(self, outcome: Outcome) -> Body | None:
        """Return the card as it is after a run."""
        card = outcome.fabric.card(self.known(outcome.world))
        return self.views(outcome.nodes).card(outcome.fabric, card) if card else None

    def remembered(self, world: World, card: str | None) -> Body | None:
        """Return a device that EEM does not list as the registry remembers it, if it does."""
        registry = self.where.registry
        found = registry.get("devices", self.views({}).uuid_of(card)) if registry and card else None
        if registry is None or found is None:
            return None
        podm = registry.get("pod_managers", self.where.podm_id)
        node = world.nodes.get(found.body["node_id"])
        shown = remembered_device(found.body, podm.body if podm else None, node.name if node else None)
        return {**shown, "kind": "eeio"}
