# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs expether_device_attach. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.change import ChangeRun, plan_result
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import connect_timeout
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import target
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._planning.attachments import plan_attached, plan_detached
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import link_warnings
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View


def run(context: Context) -> Result:
    """Attach devices to a node, or detach them."""
    params = context.params
    node, devices, seconds = params["node"], params["devices"], connect_timeout(params)
    where = target(context, node, devices, names_needed=node is not None and parse_card_id(node) is None)

    def decide(observed: ObservedState, _client: Client) -> Plan:
        if params["state"] in ("detached", "absent"):
            return plan_detached(observed, devices, node, params["skip_silent"])
        return plan_attached(observed, node, devices, params["move"])

    run_ = ChangeRun(context, where, f"a run for {node}" if node else "a run that detaches devices")
    outcome = run_.execute(decide, connect_timeout=seconds)
    context.warn(link_warnings(outcome.after, outcome.plan.cards, outcome.steps))
    before, after = (_to_results(run_, state, outcome.plan.cards) for state in (outcome.before, outcome.after))
    return {"devices": after, **plan_result(outcome.steps, outcome.rows, _to_diff(before), _to_diff(after))}


def _to_results(run_: ChangeRun, state: ObservedState, cards: t.Sequence[str]) -> list[View]:
    views, devices = run_.views(state.nodes, state.last_nodes), state.fabric.devices
    return [views.device(state.fabric, devices[card]) for card in cards if card in devices]


def _to_diff(devices: t.Sequence[View]) -> View:
    """Return devices as the diff shows them."""
    return {
        device["device_id"]: {
            "state": device["state"],
            "node": device["node"] or device["node_id"],
            "pooled_group_id": device["pooled_group_id"],
        }
        for device in devices
    }
