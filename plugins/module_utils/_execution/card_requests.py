# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step that asks something else of a card than another group id. Private to the collection.

It is sent once, and what can be read tells whether it was done when its answer is lost; it is never taken back.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import EemError
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import (
    CardGone,
    OutcomeUnknown,
    Stale,
    StepRun,
    pause_before_again,
    read_back,
)
from ansible_collections.nec.expether.plugins.module_utils._model.cards import Eesv, parse, parse_ports
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import CardRequest

#: What leaves no trace that could be read, and what to do when nobody knows whether it was done.
_NO_TRACE = {
    "audit": "Give the task again: an audit does no harm.",
    "reset": "Look whether the host still works with the card, and give the task again if it is to be reset in any case.",
    "reset_frame": "Look whether the card answers, and give the task again if the frame is to be sent in any case.",
}


def led_of(client: Client, card: str) -> str | None:
    """Return whether a card's locator LED is C(on) or C(off); C(None) if EEM says neither."""
    said = client.uid_led(card)
    return said.lower() if isinstance(said, str) and said.lower() in ("on", "off") else None


def perform_request(client: Client, run: StepRun) -> None:
    """Carry out a step that asks something of a card, besides its group id.

    :raises Stale: the card is not as it was when the plan was made; this step changed nothing
    :raises OutcomeUnknown: nobody knows whether the step was done
    :raises EemError: EEM refused the step or did not do it
    """
    step, tries_left = t.cast(CardRequest, run.step), client.settings.retries
    card = step.card
    while True:
        try:
            _send(client, card, step)
            return
        except EemError as error:
            refused = error.refused or client.is_stale(error)
            if step.action in _NO_TRACE and error.sent and not refused:
                raise OutcomeUnknown(
                    f"{error.message} Whether it was done is not known, for nothing of card {card} tells."
                    f" {_NO_TRACE[step.action]}",
                    code=error.code,
                    http_status=error.http_status,
                    url=error.url,
                ) from None
            try:
                now = read_back(client, step, error, lambda: _state(client, card, step))
            except CardGone:
                if step.action == "forget_card":
                    return
                raise
            if step.action not in _NO_TRACE and now == step.new:
                return
            if now != step.old:
                raise Stale(f"Card {card} was changed by somebody else meanwhile ({error.message})") from None
            pause_before_again(client, step, error, tries_left)
        tries_left -= 1


def _send(client: Client, card: str, step: CardRequest) -> None:
    if step.action == "uid_led":
        client.set_uid_led(card, t.cast(str, step.new))
    elif step.action == "forget_card":
        client.forget_device(card, force=step.detail == "force")
    elif step.action == "forget_port":
        client.forget_port(card, t.cast(str, step.detail))
    else:
        {"audit": client.audit, "reset": client.reset, "reset_frame": client.send_reset_frame}[step.action](card)


def _state(client: Client, card: str, step: CardRequest) -> str | None:
    """Return of a card what the step changes, as it is now; the step's own C(old) where nothing can be read."""
    if step.action == "uid_led":
        return led_of(client, card)
    found = parse(client.device(card))
    if step.action != "forget_port":
        return step.old
    port = parse_ports(found).get(t.cast(str, step.detail)) if isinstance(found, Eesv) else None
    return port.device_id if port else None
