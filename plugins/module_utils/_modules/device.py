# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs expether_device and expether_device_action, which send requests to one card. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.change import ChangeRun
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import Target, target
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import EemRefused
from ansible_collections.nec.expether.plugins.module_utils._execution.card_requests import led_of
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import CardGone, listed_ids
from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import parse_uuid
from ansible_collections.nec.expether.plugins.module_utils._planning.card_requests import (
    plan_action,
    plan_forget_card,
    plan_forget_stored,
    plan_led,
)
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_card, resolve_card
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import CardAction, ObservedState, Plan
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, remove_anyway
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, device_view
from ansible_collections.nec.expether.plugins.module_utils._sync.updates import device_updates, invalidate_listing


def run(context: Context) -> Result:
    """Turn a card's locator LED on or off, or forget a card that is gone."""
    params, wanted = context.params, context.params["uid_led"]
    if params["state"] == "absent":
        if wanted is not None:
            raise InvalidInput("`uid_led` cannot be set with `state: absent`: a forgotten card has no LED to turn.")
        return _absent(context)
    run_ = ChangeRun(context, _where(context), f"a run for the LED of {params['device']}")

    def decide(observed: ObservedState, client: Client) -> Plan:
        card = find_card(observed, params["device"])
        # A card that does not respond is asked nothing, see `card_requests.SILENT`.
        led = None if card.reachable is False else _read_led(client, card.id, needed=wanted is not None)
        return plan_led(observed, card, led, wanted)

    outcome = run_.execute(decide)
    led = wanted or outcome.plan.led
    before = outcome.steps[0].old if outcome.steps else outcome.plan.led
    return _with_plan({**_to_result(run_, outcome), "uid_led": led}, outcome, {"uid_led": before}, {"uid_led": led})


def run_action(context: Context) -> Result:
    """Audit or reset a card, send it a reset frame, or clear the device that one of its ports has stored."""
    params = context.params
    action, port = t.cast(CardAction, params["action"]), params["port"]
    if port is not None and action != "forget_port":
        raise InvalidInput(f"`port` cannot be set with action {action}; it belongs to forget_port.")
    run_ = ChangeRun(context, _where(context), f"{action} of {params['device']}")
    outcome = run_.execute(
        lambda observed, _client: plan_action(observed, find_card(observed, params["device"]), action, port)
    )
    shown = _to_result(run_, outcome)
    if action != "forget_port":
        return _with_plan(shown, outcome, {}, {"action": action})
    after: View = {"port": port, "device": None}
    return _with_plan(
        shown, outcome, next(({"port": port, "device": step.old} for step in outcome.steps), after), after
    )


def _where(context: Context) -> Target:
    wanted = context.params["device"]
    by_name = parse_card_id(wanted) is None and parse_uuid(wanted) is None
    return target(context, wanted, [wanted], names_needed=by_name)


def _read_led(client: Client, card: str, needed: bool) -> str | None:
    """Return the state of a card's locator LED; `None` if EEM does not report it.

    :raises EemRefused: EEM does not report it, although it is needed
    """
    try:
        return led_of(client, card)
    except EemRefused as error:
        if error.http_status == 404 and card not in listed_ids(client):
            raise CardGone(f"EEM does not list card {card} any more.") from None
        if needed:
            raise
        return None


def _absent(context: Context) -> Result:
    params, where = context.params, _where(context)
    run_ = ChangeRun(context, where, f"a run that forgets {params['device']}")
    stored = _stored(where, run_, params["device"])

    def decide(observed: ObservedState, _client: Client) -> Plan:
        # Read again for each plan, because another run may have removed it in the meantime.
        now = _stored(where, run_, params["device"])
        card_id = resolve_card(observed, params["device"]) or (now.device_id if now else None)
        card = observed.fabric.card(card_id)
        if card:
            return plan_forget_card(observed, card, params["force"])
        return plan_forget_stored(observed, now.device_id) if now else Plan()

    outcome = run_.execute(decide, more_changes=lambda outcome: _forget_in_registry(where, run_, outcome))
    before = _before(where, run_, stored, outcome)
    keys = ("kind", "state", "node", "pooled_group_id", "missing_since")
    diff = {key: before[key] for key in keys} if before and outcome.steps else {}
    return _with_plan({**before, "uid_led": None} if before else None, outcome, diff, {})


def _stored(where: Target, run_: ChangeRun, wanted: str) -> StoredDevice | None:
    """Return the stored device with an EEM id or UUID."""
    card, uuid = parse_card_id(wanted), parse_uuid(wanted)
    if where.registry is None or not (card or uuid):
        return None
    return where.registry.get(StoredDevice, run_.views({}).uuid_of(card) if card else str(uuid))


def _forget_in_registry(where: Target, run_: ChangeRun, outcome: Outcome) -> list[Change]:
    """Return the changes that remove a forgotten device, and update the devices that a forgotten system leaves stranded."""
    views, steps, registry = run_.views(outcome.nodes), outcome.steps, where.registry
    changes = [remove_anyway(StoredDevice, views.uuid_of(step.device)) for step in steps if step.device]
    changes += (
        [invalidate_listing(registry, where.podm_id, outcome.fabric)] if registry and steps and where.podm else []
    )
    systems = (outcome.before.fabric.systems.get(step.system_id or "") for step in steps if not step.device)
    orphans = [card.id for system in systems if system for card in outcome.before.fabric.devices_in(system.group_id)]
    updates = device_updates(registry, outcome.fabric, views, outcome.nodes, orphans) if registry else ()
    return [*changes, *updates]


def _to_result(run_: ChangeRun, outcome: Outcome) -> View:
    """Return the card of the plan as it is after the run."""
    card = outcome.fabric.card(outcome.plan.cards[0])
    return run_.views(outcome.nodes, outcome.last.last_nodes).card(outcome.fabric, card) if card else {}


def _before(where: Target, run_: ChangeRun, stored: StoredDevice | None, outcome: Outcome) -> View | None:
    """Return the card that the plan forgets, as it was when the plan was made; `None` if the plan forgets none.

    :param stored: the stored device before the run, for one that EEM does not list
    """
    state, cards = outcome.last, outcome.plan.cards
    card = state.fabric.card(cards[0]) if cards else None
    if card:
        return run_.views(state.nodes, state.last_nodes).card(state.fabric, card)
    if where.registry is None or stored is None or not cards:
        return None
    podm, node = where.registry.get(PodManager, where.podm_id), state.nodes.get(stored.node_id or "")
    name, synced_at = (podm.name, podm.last_sync) if podm else (None, None)
    return {**device_view(stored, name, node.name if node else None, synced_at), "kind": "eeio"}


def _with_plan(device: View | None, outcome: Outcome, before: View, after: View) -> Result:
    return {
        "changed": bool(outcome.steps),
        "device": device,
        "plan": outcome.rows,
        "diff": {"before": before, "after": after},
    }
