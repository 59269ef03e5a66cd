# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the observed state that a plan is made from, and waits for an EEM that has just started. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.reservation import AnyReservation
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState


class Observer:
    """Lists the fabric for one run.

    :ivar first: what was observed first; `None` before that
    :ivar waited: what was waited for, as sentences
    """

    def __init__(self, client: Client, podm_id: str, podm: str, reservation: AnyReservation) -> None:
        self._client = client
        self._podm_id = podm_id
        self._podm = podm
        self._reservation = reservation
        self.first: ObservedState | None = None
        self.waited: list[str] = []

    def observe(self, changed_cards: t.AbstractSet[str], check_mode: bool) -> ObservedState:
        """Return the observed state.

        Read the claims before the fabric. A run that changes cards after our listing either already holds a claim, which
        we see here, or raises the epoch when it releases, which makes our own claim fail.

        :param changed_cards: the cards that this run has changed so far
        :raises PlanRefused: another run has claimed the whole pod manager, or EEM does not list its cards in time
        """
        nodes, claimed_by_others = self._reservation.read(clean=not check_mode)
        fabric = self._fabric(changed_cards)
        last_nodes = self._reservation.last_nodes(fabric, nodes)
        elsewhere = self._reservation.nodes_elsewhere()
        state = ObservedState(self._podm_id, self._podm, fabric, nodes, claimed_by_others, last_nodes, elsewhere)
        self.first = self.first or state
        return state

    def _fabric(self, changed_cards: t.AbstractSet[str]) -> Fabric:
        while True:
            fabric = Fabric.from_records(self._client.devices_detail())
            missing = self._not_listed_yet(fabric, changed_cards)
            if not missing:
                return fabric
            self.waited.append(f"Waited for EEM to list {missing}, because it may have just started.")
            if not self._client.patience.pause(self._client.patience.pauses.listing):
                raise PlanRefused(
                    f"EEM does not list {missing}; it may have just started. Run the task again when it does."
                )

    def _not_listed_yet(self, fabric: Fabric, changed_cards: t.AbstractSet[str]) -> str:
        """Return, as a phrase, what a listing lacks so that it cannot be planned from.

        On the first listing: an empty list while the registry knows cards. On later ones: a list that lacks a card that
        this run has changed, or more than half of the cards.
        """
        listed_now = fabric.systems.keys() | fabric.devices.keys()
        if self.first is None:
            known = set() if listed_now else self._reservation.known_cards()
            return "any of the cards that it had" if known else ""
        known = self.first.fabric.systems.keys() | self.first.fabric.devices.keys()
        lost = known - listed_now
        if lost & changed_cards:
            return f"{comma_list(sorted(lost & changed_cards))}, which this run has changed"
        return f"{len(lost)} of {len(known)} cards that it listed before" if 2 * len(lost) > len(known) else ""
