# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the simulator, by name. Pure: what is random comes from the generator that is given."""

from __future__ import annotations

import random
import typing as t

from episode import Fault, Options

#: Name, and the actions of the simulator; ``after`` means: the change was made, and its answer is spoilt.
CATALOGUE: dict[str, tuple[Options, ...]] = {
    "fail stale": ({"do": "fail", "code": "40004", "message": "changed"},),
    "fail gone already": ({"do": "fail", "code": "40011", "message": "none"},),
    "fail not found": ({"do": "fail", "code": "40400", "message": "not found"},),
    "fail silent card": ({"do": "fail", "code": "50003", "message": "no answer"},),
    "fail unknown code": ({"do": "fail", "code": "40999", "message": "no"},),
    "fail unknown code after": ({"do": "fail", "code": "40999", "message": "no", "after": True},),
    "fail 500": ({"do": "fail", "status": 500, "code": "50099", "message": "broken"},),
    "fail no body": ({"do": "fail", "status": 500, "no_body": True},),
    "fail 401": ({"do": "fail", "status": 401, "html": True},),
    "502": ({"do": "fail", "status": 502, "html": True},),
    "503": ({"do": "fail", "status": 503, "html": True},),
    "503 after": ({"do": "fail", "status": 503, "html": True, "after": True},),
    "504 after": ({"do": "fail", "status": 504, "html": True, "after": True},),
    "html": ({"do": "html"},),
    "html 404": ({"do": "html", "status": 404},),
    "html after": ({"do": "html", "after": True},),
    "garbage": ({"do": "garbage", "body": "{"},),
    "garbage after": ({"do": "garbage", "body": "gP8=", "base64": True, "after": True},),
    "delay before": ({"do": "delay"},),
    "delay after": ({"do": "delay", "after": True},),
    "drop before": ({"do": "drop"},),
    "drop after": ({"do": "drop", "after": True},),
    "reset after": ({"do": "drop", "after": True, "reset": True},),
    "truncate": ({"do": "truncate"},),
    "truncate chunked": ({"do": "truncate", "chunked": True},),
    "truncate before": ({"do": "truncate", "after": False},),
    "trickle": ({"do": "trickle", "seconds": 0.3},),
    "freeze": ({"do": "freeze"},),
    "freeze after": ({"do": "freeze", "after": True},),
    "touched behind": ({"do": "change", "set": {}},),
    "taken behind": ({"do": "change", "set": {"group_id": "?"}},),
    "change and drop": ({"do": "change", "set": {}}, {"do": "drop", "after": True}),
    "delay and 503": ({"do": "delay", "after": True}, {"do": "fail", "status": 503, "html": True, "after": True}),
    "restart": ({"do": "restart", "down": 0.3, "starting": 0.3},),
    "restart reset": ({"do": "restart", "down": 0.6, "starting": 0.2, "mode": "reset"},),
    "restart after": ({"do": "restart", "down": 0.2, "starting": 0.4, "after": True},),
    "restart empty": ({"do": "restart", "down": 0.2, "starting": 0.2, "empty": 0.6},),
}
KINDS = tuple(CATALOGUE)


def fault(
    kind: str, rng: random.Random, timeout: float, cards: t.Sequence[str], groups: t.Sequence[str], eem: int = 0
) -> Fault:
    """One fault of a kind with its parameters: request, card and duration."""
    actions = []
    for action in CATALOGUE[kind]:
        order = dict(action)
        if order["do"] == "delay":
            # Some answers come in time, some do not.
            order["seconds"] = round(rng.choice((0.3, timeout * 1.2, timeout * 1.8)), 2)
        if order["do"] == "change":
            order["card"] = rng.choice(list(cards))
            if order["set"].get("group_id") == "?":
                order["set"] = {"group_id": rng.choice([*groups, "4093"])}
        actions.append(order)
    method = rng.choice(("PUT", "PUT", "DELETE", "GET"))
    asked = "uid_led|perst|frame|audit|ports|0x[0-9a-f]+$"
    path = rng.choice(("group_id$", ".", asked)) if method != "GET" else rng.choice((".", ".", "devices/0x", "detail$"))
    times = rng.choice((1, 1, 1, 2, 3)) if not kind.startswith(("restart", "freeze")) else 1
    return Fault(kind, tuple(actions), eem, method, path, rng.choice((1, 1, 2, 3)), times)


#: What only the sweep orders, because random episodes would play something else with more kinds.
_SWEPT_TOO: dict[str, tuple[Options, ...]] = {
    "200 without doing it": ({"do": "status", "status": 200, "body": "{}"},),
    "redirect": ({"do": "status", "status": 302, "location": "/login"},),
    "late and unreadable": ({"do": "delay"}, {"do": "garbage", "body": "{"}),
}


def orders_for(method: str, timeout: float, device: str, system: str) -> list[tuple[str, tuple[Options, ...]]]:
    """Every kind of fault that makes a difference to a request, with its actions, all durations and changes by others chosen.

    A read changes nothing, so its answer is spoilt only once for the kinds that differ in when they do it.
    """
    orders: dict[str, tuple[Options, ...]] = {}
    for kind, actions in {**CATALOGUE, **_SWEPT_TOO}.items():
        if any(action["do"] == "change" for action in actions):
            continue
        filled = tuple(
            {**action, "seconds": 1.6 * timeout} if action["do"] == "delay" else action for action in actions
        )
        if method == "GET":
            filled = tuple({key: value for key, value in action.items() if key != "after"} for action in filled)
        if filled not in orders.values():
            orders[kind] = filled
    down = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
    behind = {
        "touched": {},
        "taken": {"group_id": "18"},
        "stranded": {"group_id": "99"},
        "freed": {"group_id": "4093"},
        "silenced": down,
        "disabled": {"admin_status": "disabled"},
    }
    for what, changes in behind.items():
        for after in (False, True):
            orders[f"device {what} {'after' if after else 'before'}"] = (
                {"do": "change", "card": device, "set": changes, "after": after},
            )
    for what, changes in (
        ("touched", {}),
        ("regrouped", {"group_id": "30"}),
        ("silenced", down),
        ("disabled", {"admin_status": "disabled"}),
    ):
        for after in (False, True):
            orders[f"system {what} {'after' if after else 'before'}"] = (
                {"do": "change", "card": system, "set": changes, "after": after},
            )
    return list(orders.items())
