# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""Waits until the links of newly attached devices are up. Private to the collection.

The changes are verified before, and a request that fails here does not make the run fail.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import sleep
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Patience
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import StepRun
from ansible_collections.nec.expether.plugins.module_utils._execution.verify import check, last_changes, read_groups
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Card, Eeio, Eesv
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import GroupChange


def wait_for_links(
    client: Client,
    runs: t.Sequence[StepRun],
    cards: t.Mapping[str, Card],
    seconds: float,
    renew: t.Callable[[], None],
) -> None:
    """Wait until the attached devices report their links up, and note the cards as they are then.

    Real cards may report a new link late, or only after an audit [?]. Therefore the groups are read again first, then
    each card that is still down is audited once, then the groups are read until the time is over; one request after each
    pause. A signal ends the wait.

    Not waited for are devices that do not respond, and those of a system that is off, does not respond, or has just got
    its group id.

    :param runs: the changes that are in effect
    :param cards: the cards of their groups, as they were read after the last change
    :param seconds: the time to wait, without the last pause and request
    :param renew: called before each request
    :raises Stale: as `verify`: somebody has taken a device away meanwhile, or moved its system
    """
    new_hosts = {run.step.system_id for run in runs if run.step.action == "set_group"}
    changes = last_changes(runs).values()
    attached = [run for run in changes if run.step.action == "attach" and run.step.system_id not in new_hosts]
    down = [run for run in attached if _is_awaited(run, cards)]
    groups = {t.cast(GroupChange, run.step).new for run in attached}
    pauses = client.patience.pauses
    patience = Patience(seconds, pauses)
    to_audit: list[str] | None = None  # before the first read
    is_audited = False  # since the last read
    while down:
        in_time = patience.pause(pauses.link)
        if not in_time and not (is_audited and sleep(pauses.link)):
            break
        renew()
        started = time.monotonic()
        is_audited = in_time and bool(to_audit)
        cards = {}
        try:
            if to_audit and in_time:
                client.audit(to_audit.pop(0))
            else:
                cards = read_groups(client, groups, once=True)
        except ExpetherError:
            pass  # the changes are verified, and the next request may succeed
        patience.spend(time.monotonic() - started)
        if cards:  # an EEM that has just started lists none
            check(attached, cards)
            down = [run for run in down if _is_awaited(run, cards)]
            to_audit = _may_be_audited(down) if to_audit is None else to_audit


def _may_be_audited(runs: t.Iterable[StepRun]) -> list[str]:
    """Return the ids of the devices that may be audited: those that EEM monitors [nec]."""
    return [run.read.id for run in runs if run.read and run.read.enabled is not False]


def _is_awaited(run: StepRun, cards: t.Mapping[str, Card]) -> bool:
    """Whether the link of an attached device is down, and may come up.

    :param cards: the cards of its group
    """
    step = t.cast(GroupChange, run.step)
    card, system = cards.get(step.card), cards.get(step.system_id or "")
    return (
        isinstance(card, Eeio)
        and isinstance(system, Eesv)
        and card.connected is False
        and card.reachable is not False
        and not system.is_off
        and system.reachable is not False
    )
