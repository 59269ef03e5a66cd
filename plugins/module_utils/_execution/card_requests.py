# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries out one step that requests something of a card other than a group change. Private to the collection.

The request is sent once and never undone. If its answer is lost, the card is read to find out whether it was done.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import (
    EemError,
    EemRefused,
    UnexpectedAnswer,
)
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

#: Requests whose effect cannot be read from a card, and what to do if it is not known whether they were carried out.
_NO_TRACE = {
    "audit": "Run the task again: an audit does no harm.",
    "reset": "Check whether the host still works with the card. Run the task again if it must be reset in any case.",
    "reset_frame": "Check whether the card responds. Run the task again if the frame must be sent in any case.",
}


def led_of(client: Client, card: str) -> str | None:
    """Return whether a card's locator LED is `on` or `off`; `None` if EEM reports neither."""
    status = client.uid_led(card)
    return status.lower() if isinstance(status, str) and status.lower() in ("on", "off") else None


def perform_request(client: Client, run: StepRun) -> None:
    """Carry out a step that requests something of a card other than a group change.

    :raises Stale: the card has changed since the plan was made; this step changed nothing
    :raises OutcomeUnknown: it is not known whether the step was carried out
    :raises EemError: EEM refused the step or did not carry it out
    """
    step, tries_left = t.cast(CardRequest, run.step), client.settings.retries
    card = step.card
    while True:
        is_answered = False
        try:
            _send(client, card, step)
            is_answered = True
            try:
                problem = _problem(client, run, card, step)
            except EemError as unread:  # an error of this read says nothing about the request before it
                problem = f"card {card} cannot be read afterwards: {unread.message.removesuffix('.')}"
            if problem is None:
                return
            raise UnexpectedAnswer(f"EEM reported success, but {problem}.")
        except EemError as error:
            if not is_answered:
                run.note_error(error)
            refused = error.refused or client.is_stale(error)
            if step.action in _NO_TRACE and error.sent and not refused:
                raise OutcomeUnknown.after(
                    error,
                    f"{error.message} Whether it was done is not known, because nothing that EEM reports about card"
                    f" {card} shows it. {_NO_TRACE[step.action]}",
                ) from None
            try:
                now = read_back(client, step, error, lambda: _state(client, card, step))
            except CardGone:
                if step.action == "forget_card":
                    run.note_in_effect()
                    return
                raise
            if step.action not in _NO_TRACE and now == step.new:
                run.note_in_effect()
                return
            if now != step.old:
                raise Stale(_describe_state(step, now, error.message)) from None
            pause_before_again(client, run, error, tries_left)
        tries_left -= 1


def _describe_state(step: CardRequest, now: str | None, reason: str) -> str:
    """Return the message about a value that is neither the one before nor the requested one."""
    what = "The LED" if step.action == "uid_led" else f"Port {step.detail}"
    old, new = (value or "nothing" for value in (step.old, now))
    return f"{what} of {step.card} shows {new} now, not {old} as when it was listed ({reason})"


def _send(client: Client, card: str, step: CardRequest) -> None:
    if step.action == "uid_led":
        client.set_uid_led(card, t.cast(str, step.new))
    elif step.action == "forget_card":
        client.forget_device(card, force=step.detail == "force")
    elif step.action == "forget_port":
        client.forget_port(card, t.cast(str, step.detail))
    else:
        {"audit": client.audit, "reset": client.reset, "reset_frame": client.send_reset_frame}[step.action](card)


def _problem(client: Client, run: StepRun, card: str, step: CardRequest) -> str | None:
    """Return in which respect a request that EEM answered with success is not in effect, or `None`.

    Nothing shows the effect of an audit or a reset.
    """
    if step.action == "uid_led":
        led = led_of(client, card)
        return None if led in (None, step.new) else f"the LED of {card} is still {led}"
    if step.action == "forget_port":
        device = _state(client, card, step)
        return None if device is None else f"port {step.detail} of {card} still has {device}"
    if step.action == "forget_card":
        try:
            still = parse(client.device(card))
        except EemRefused as error:
            if error.http_status == 404:
                return None
            raise
        # EEM may have found a card again that responds; then its record is a new one.
        is_found_again = still.reachable and still.update_time != run.update_time
        return None if is_found_again else f"it still lists card {card}"
    return None


def _state(client: Client, card: str, step: CardRequest) -> str | None:
    """Return the current value of what the step changes; the step's `old` if its effect cannot be read."""
    if step.action == "uid_led":
        return led_of(client, card)
    current = parse(client.device(card))
    if step.action != "forget_port":
        return step.old
    port = parse_ports(current).get(t.cast(str, step.detail)) if isinstance(current, Eesv) else None
    return port.device_id if port else None
