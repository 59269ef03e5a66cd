# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each invariant reports a story that breaks its promise, and accepts a story that keeps it."""

from __future__ import annotations

import dataclasses
import typing as t

import invariants
import pytest
from episode import Episode, Foreign, Json, Kill, Round, Run
from story import Change, Look, Report, Request, Story

S1, S2 = "0x8cdf9d000001", "0x8cdf9d000002"
D1, D2, D3 = "0x8cdf9d0000d1", "0x8cdf9d0000d2", "0x8cdf9d0000d3"
GPU, SSD = "0x30200", "0x10802"
COMPOSE = Run("r0.0", "expether_node", {"name": "a", "properties": {"devices": [{"type": "GPU", "count": 1}]}})
PURGE = Run("r0.0", "expether_node", {**COMPOSE.options, "purge": True})
ABSENT = Run("r0.0", "expether_node", {"name": "a", "state": "absent"})
ATTACH = Run("r0.0", "expether_device_attach", {"node": S1, "devices": [D1]})
MOVE = Run("r0.0", "expether_device_attach", {"node": S1, "devices": [D1], "move": True})
INFO = Run("i", "expether_device_info", {})
NODES = Run("i", "expether_node_info", {})
OTHER = Run("r0.1", "expether_node", {"name": "b", "properties": {"devices": [{"type": "GPU", "count": 1}]}})


def cards(**groups: str) -> dict[str, dict[str, Json]]:
    """Two systems in groups 17 and 18, two GPUs and an SSD, all free except for those in `groups`."""
    found = {
        "s1": {"id": S1, "status": "eesv", "group_id": "17"},
        "s2": {"id": S2, "status": "eesv", "group_id": "18"},
        "d1": {"id": D1, "status": "eeio", "group_id": "4093", "pcie_class_code": GPU},
        "d2": {"id": D2, "status": "eeio", "group_id": "4093", "pcie_class_code": GPU},
        "d3": {"id": D3, "status": "eeio", "group_id": "4093", "pcie_class_code": SSD},
    }
    return {
        card["id"]: {**card, "group_id": groups.get(name, card["group_id"]), "eem": 0} for name, card in found.items()
    }


def episode(reach: str = "podm", enforce: str = "none", conditional: str = "ignore", **more: Json) -> Episode:
    fleet = {"style": "plain", "eesv": 2, "eeio": 3, "seed": 1, "no_group": 0}
    return Episode(
        1, (fleet,), {"enforce": enforce, "conditional": conditional}, reach, 1.0, 1, more.pop("rounds", ()), **more
    )


def move(
    time: float, card: str, old: str, new: str, by: str = "r0.0", sent: float | None = None, field: str = "group_id"
) -> Change:
    return Change(time, card, field, old, new, by, time if sent is None else sent)


def row(card: str, old: str, new: str, status: str = "done") -> dict[str, Json]:
    return {
        "action": "detach" if new == "4093" else "attach",
        "device": card,
        "node_id": S1,
        "node": "a",
        "from": old,
        "to": new,
        "status": status,
    }


def report(
    run: Run,
    *rows: dict[str, Json],
    began: float = 0.0,
    ended: float = 10.0,
    by: str | None = None,
    stage: str = "round",
    killed: bool = False,
    **result: Json,
) -> Report:
    found = None if killed else {"changed": bool(rows), "plan": list(rows), **result}
    return Report(run, found, began, ended, killed, stage=stage, by=run.key if by is None else by)


def failed(
    run: Run,
    *rows: dict[str, Json],
    msg: str = "It failed.",
    kind: str = "eem_refused",
    changed: bool = False,
    **more: t.Any,
) -> Report:
    return report(run, *rows, failed=True, msg=msg, failure={"kind": kind}, changed=changed, **more)


def story(*parts: Change | Request | Report | Look, on: Episode | None = None, **groups: str) -> Story:
    def of(kind: type) -> tuple[t.Any, ...]:
        return tuple(part for part in parts if isinstance(part, kind))

    return Story(on or episode(), cards(**groups), of(Change), of(Request), of(Report), of(Look))


def get(time: float, by: str = "r0.0", path: str = "/devices/detail", **more: t.Any) -> Request:
    return Request(time, by, "GET", path, **more)


def node(*devices: str, index: str = S1) -> dict[str, Json]:
    return {"name": "a", "index": index, "state": "composed", "devices": [{"device_id": each} for each in devices]}


def device(card: str, state: str, group: str) -> dict[str, Json]:
    return {"device_id": card, "state": state, "pooled_group_id": group}


def layout(**options: Json) -> Run:
    """A run for a layout of the node that `COMPOSE` is for."""
    return Run("r0.0", "expether_layout", {"nodes": [COMPOSE.options], **options})


GIVEN = move(1, D1, "4093", "17")
NODE_A = ("a", S1, "composed", "p")
COMPOSED = report(COMPOSE, row(D1, "4093", "17"), node=node(D1))
TAKEN = (move(1, D1, "4093", "17"), get(0, "r0.1"), move(2, D1, "17", "18", "r0.1"))
HANDED_ON = (move(1, D1, "4093", "17"), move(2, D1, "17", "4093", "r0.1"))
AGAIN = dataclasses.replace(COMPOSE, key="r0.0 again")
MORE = dataclasses.replace(COMPOSE, key="r0.0 once more")
REFUSED = {"kind": "refused", "msg": "1 GPU requested, 0 free. Nothing was changed."}
OVER = Look("rounds over", 0)
RELEASE = Run("release 0 a", "expether_node", {"name": "a", "state": "absent"})
NO_ONE = Look("released", 20)
ONE = Look("before release", 0, nodes=(NODE_A,))

SYNC = Run("synced", "expether_sync", {})
ALL_FREE = tuple((card, "4093", False) for card in (D1, D2, D3))

LED = Run("r0.0", "expether_device", {"device": D1, "uid_led": "on"})
FORGET = Run("r0.0", "expether_device", {"device": D1, "state": "absent", "force": False})
FORCED = Run("r0.0", "expether_device", {"device": S1, "state": "absent", "force": True})
FORGET_S1 = Run("r0.0", "expether_device", {"device": S1, "state": "absent", "force": False})
RESET = Run("r0.0", "expether_device_action", {"device": D1, "action": "reset"})
PORT = Run("r0.0", "expether_device_action", {"device": S1, "action": "forget_port", "port": "0"})
UP = {"notification_status0": ["up", "up"]}


def synced(*devices: tuple[str, str, bool]) -> Look:
    return Look("synced", 20, devices=devices)


def event(time: float, field: str, new: Json, old: Json = None, card: str = D1, by: str = "r0.0") -> Change:
    return Change(time, card, field, old, new, by, time)


def asked(run: Run, status: str = "done", **more: t.Any) -> Report:
    """The report of a run with a request to a card."""
    action = {"led": "uid_led", "forgotten": "forget_card"}.get(run.kind, run.kind)
    shown = {"device": {"uid_led": "on"}} if run.kind == "led" else {}
    return report(
        run,
        {"action": action, "device": run.about, "node_id": None, "from": None, "to": None, "status": status},
        **{**shown, **more},
    )


def sent(time: float, what: str = "perst", method: str = "PUT", status: int | None = None, **more: t.Any) -> Request:
    return Request(time, "r0.0", method, f"/devices/{D1}/{what}", status=status, **more)


def with_card(of: Story, card: str, **keys: Json) -> Story:
    """The same story with other keys in a card's record."""
    return dataclasses.replace(of, cards={**of.cards, card: {**of.cards[card], **keys}})


LIT = event(1, "uid_led_status", "on", "off")
GONE = event(1, "card", None, "present")
S1_GONE = event(1, "card", None, "present", S1)
PERST = event(1, "perst", "done")
EMPTIED = event(1, "downstream_ports/0/eeio_mac_address", "00:00:00:00:00:00", "8c:df:9d:00:00:d1", S1)
FULL = {"downstream_ports": [{"downstream_port_id": "0", "eeio_mac_address": "8c:df:9d:00:00:d1"}]}

CASES: dict[str, tuple[str, Story, Story]] = {
    "a device goes from one node straight to another": ("no_double_gift", story(*TAKEN), story(*HANDED_ON)),
    "without claims, an EEM that refuses it is held to it": (
        "no_double_gift",
        story(*TAKEN, on=episode("url", "strict")),
        story(*TAKEN, on=episode("url")),
    ),
    "a request that was given up is nobody's gift": (
        "no_double_gift",
        story(*TAKEN),
        story(TAKEN[0], move(9, D1, "17", "18", "r0.1", sent=2)),
    ),
    "a card that another run has changed since it was listed": (
        "no_stale_change",
        story(get(0, "r0.1"), *HANDED_ON),
        story(GIVEN, get(1.5, "r0.1"), HANDED_ON[1]),
    ),
    "compose without purge takes a device away": (
        "touched_only_what_was_asked",
        story(move(1, D1, "17", "4093"), report(COMPOSE), d1="17"),
        story(move(1, D1, "17", "4093"), report(PURGE), d1="17"),
    ),
    "a layout without move takes a device away": (
        "touched_only_what_was_asked",
        story(move(1, D1, "17", "4093"), report(layout()), d1="17"),
        story(move(1, D1, "17", "4093"), report(layout(move=True)), d1="17"),
    ),
    "a device that was not named is attached": (
        "touched_only_what_was_asked",
        story(move(1, D2, "4093", "17"), report(ATTACH)),
        story(GIVEN, report(ATTACH)),
    ),
    "attaching without move takes a device away": (
        "touched_only_what_was_asked",
        story(move(1, D1, "18", "4093"), report(ATTACH), d1="18"),
        story(move(1, D1, "18", "4093"), GIVEN, report(MOVE), d1="18"),
    ),
    "what a run attached itself it may take back": (
        "touched_only_what_was_asked",
        story(move(1, D1, "17", "4093"), report(ATTACH), d1="17"),
        story(GIVEN, move(2, D1, "17", "4093"), report(ATTACH)),
    ),
    "a run resets a card": (
        "only_groups_change",
        story(move(1, D1, "", "done", field="perst")),
        story(move(1, D1, "", "done", "control", field="perst")),
    ),
    "a run resets another card than requested": (
        "only_groups_change",
        story(event(1, "perst", "done", card=D2), asked(RESET)),
        story(PERST, asked(RESET)),
    ),
    "a run that turns the LED has the card forgotten": (
        "only_groups_change",
        story(GONE, asked(LED)),
        story(LIT, asked(LED)),
    ),
    "a card that answers is forgotten": (
        "forgotten_only_when_gone",
        with_card(story(GONE, asked(FORGET)), D1, **UP),
        story(GONE, asked(FORGET)),
    ),
    "a card that answers is forgotten without force": (
        "forgotten_only_when_gone",
        with_card(story(S1_GONE, asked(FORGET_S1)), S1, **UP),
        with_card(story(S1_GONE, asked(FORCED)), S1, **UP),
    ),
    "a disabled card is forgotten": (
        "forgotten_only_when_gone",
        with_card(story(GONE, asked(FORGET)), D1, admin_status="disabled"),
        with_card(story(GONE, asked(FORGET)), D1, admin_status="enabled"),
    ),
    "a system is forgotten that has a device": (
        "forgotten_only_when_gone",
        story(S1_GONE, asked(FORGET_S1), d1="17"),
        story(S1_GONE, asked(FORGET_S1), d1="18"),
    ),
    "a lost reset is sent again": (
        "asked_once",
        story(sent(1), get(2), sent(3, status=200), asked(RESET)),
        story(sent(1, status=409), get(2), sent(3, status=200), asked(RESET)),
    ),
    "a LED is turned again without looking": (
        "asked_once",
        story(sent(1, "uid_led_status"), sent(2, "uid_led_status"), asked(LED)),
        story(sent(1, "uid_led_status"), get(2), sent(3, "uid_led_status"), asked(LED)),
    ),
    "a LED is turned on that was seen to be on": (
        "asked_with_need",
        with_card(
            story(sent(1, "uid_led_status", "GET", 200), sent(2, "uid_led_status"), asked(LED)),
            D1,
            uid_switch_status="on",
        ),
        story(sent(1, "uid_led_status", "GET", 200), sent(2, "uid_led_status"), asked(LED)),
    ),
    "a card is reset twice": (
        "asked_as_reported",
        story(PERST, event(2, "perst", "done"), asked(RESET)),
        story(PERST, asked(RESET)),
    ),
    "a reset is reported but was not done": (
        "asked_as_reported",
        story(asked(RESET)),
        story(asked(RESET, "failed", failed=True)),
    ),
    "a reset is done but reported as not done": (
        "asked_as_reported",
        story(PERST, asked(RESET, "failed", failed=True, changed=False)),
        story(PERST, asked(RESET, "failed", failed=True, changed=True)),
    ),
    "an EEM that refuses what it does is believed": (
        "asked_as_reported",
        story(PERST, sent(1, status=409), asked(RESET, "failed", failed=True, changed=False)),
        story(PERST, sent(1, status=409, true=False), asked(RESET, "failed", failed=True, changed=False)),
    ),
    "a LED is reported as on but is off": (
        "asked_as_reported",
        story(LIT, event(2, "uid_led_status", "off", "on"), asked(LED)),
        story(LIT, event(2, "uid_led_status", "off", "on", by="r0.1"), asked(LED)),
    ),
    "a card is reported as removed but exists": (
        "asked_as_reported",
        story(report(FORGET)),
        story(GONE, asked(FORGET)),
    ),
    "a port still stores its device": (
        "asked_as_reported",
        with_card(story(report(PORT)), S1, **FULL),
        with_card(story(EMPTIED, asked(PORT)), S1, **FULL),
    ),
    "a system leaves its device behind": (
        "none_stranded",
        story(move(1, S1, "17", "4094"), d1="17"),
        story(move(1, S1, "17", "4094", "control"), d1="17"),
    ),
    "a device is put where no system is": (
        "none_stranded",
        story(move(1, D1, "4093", "40")),
        story(move(1, D1, "4093", "40"), move(2, D1, "40", "4093")),
    ),
    "two systems in one group": (
        "no_shared_group",
        story(move(1, S1, "4094", "18"), s1="4094"),
        story(move(1, S1, "4094", "18"), move(2, S1, "18", "19"), s1="4094"),
    ),
    "check mode writes": (
        "no_write_without_need",
        story(
            Request(1, "r0.0", "PUT", f"/devices/{D1}/group_id", {"group_id": "17"}),
            report(dataclasses.replace(COMPOSE, check=True)),
        ),
        story(get(1), report(dataclasses.replace(COMPOSE, check=True))),
    ),
    "a card is given the group that it was seen in": (
        "no_write_without_need",
        story(get(0), Request(1, "r0.0", "PUT", f"/devices/{D1}/group_id", {"group_id": "17"}), d1="17"),
        story(get(0), Request(1, "r0.0", "PUT", f"/devices/{D1}/group_id", {"group_id": "17"})),
    ),
    "a free card is freed": (
        "no_write_without_need",
        story(get(0), Request(1, "r0.0", "DELETE", f"/devices/{D1}/group_id")),
        story(get(0, status=503, true=False), Request(1, "r0.0", "DELETE", f"/devices/{D1}/group_id")),
    ),
    "no result": (
        "gives_a_reason",
        story(Report(COMPOSE, None, 0, 1, output="Traceback")),
        story(Report(COMPOSE, None, 0, 1, killed=True)),
    ),
    "no end": ("gives_a_reason", story(Report(COMPOSE, None, 0, 1, hung=True)), story(COMPOSED)),
    "a failure without a kind": ("gives_a_reason", story(failed(COMPOSE, kind="")), story(failed(COMPOSE))),
    "a failure without a sentence": (
        "gives_a_reason",
        story(failed(COMPOSE, msg="KeyError: 'x'")),
        story(failed(COMPOSE)),
    ),
    "a password": (
        "gives_a_reason",
        story(dataclasses.replace(COMPOSED, output="eemeem")),
        story(dataclasses.replace(COMPOSED, output="***")),
    ),
    "a change is not reported": ("reported_as_done", story(GIVEN, report(COMPOSE)), story(GIVEN, COMPOSED)),
    "a change is reported as failed": (
        "reported_as_done",
        story(GIVEN, failed(COMPOSE, row(D2, "4093", "17", "failed"))),
        story(GIVEN, failed(COMPOSE, row(D1, "4093", "17", "failed"))),
    ),
    "a change is reported as done, but nothing was done": (
        "reported_as_done",
        story(COMPOSED),
        story(COMPOSED, move(1, D1, "4093", "17", "foreign")),
    ),
    "a change is reported as undone, but it was not": (
        "reported_as_done",
        story(GIVEN, failed(COMPOSE, row(D1, "4093", "17", "undone"))),
        story(GIVEN, move(2, D1, "17", "4093"), failed(COMPOSE, row(D1, "4093", "17", "undone"))),
    ),
    "runs of one playbook together report everything": (
        "reported_as_done",
        story(move(1, D1, "4093", "17", "ansible 0"), report(COMPOSE, by="ansible 0"), report(OTHER, by="ansible 0")),
        story(
            move(1, D1, "4093", "17", "ansible 0"),
            report(COMPOSE, by="ansible 0"),
            report(OTHER, row(D1, "4093", "17"), by="ansible 0"),
        ),
    ),
    "nothing is changed, it reports": (
        "changed_is_true",
        story(GIVEN, failed(COMPOSE, row(D1, "4093", "17", "undone"), msg="No. Nothing was changed.")),
        story(
            GIVEN,
            move(2, D1, "17", "4093"),
            failed(COMPOSE, row(D1, "4093", "17", "undone"), msg="No. Nothing was changed."),
        ),
    ),
    "a request that was given up is carried out in the end": (
        "changed_is_true",
        story(move(20, D1, "4093", "17", sent=1), failed(COMPOSE, msg="No. Nothing was changed.")),
        story(move(20, D1, "4093", "17", sent=1), failed(COMPOSE, row(D1, "4093", "17", "failed"), changed=True)),
    ),
    "changed, with nothing in the plan": (
        "changed_is_true",
        story(report(COMPOSE, changed=True)),
        story(GIVEN, COMPOSED),
    ),
    "changed, and so nothing is": (
        "changed_is_true",
        story(failed(COMPOSE, row(D1, "4093", "17", "failed"), changed=True, msg="Nothing was changed.")),
        story(failed(COMPOSE, row(D1, "4093", "17", "undone"), msg="Nothing was changed.")),
    ),
    "a success with a step that is not done": (
        "changed_is_true",
        story(report(COMPOSE, row(D1, "4093", "17", "planned"))),
        story(report(dataclasses.replace(COMPOSE, check=True), row(D1, "4093", "17", "planned"))),
    ),
    "a success with a step that EEM may still carry out": (
        "changed_is_true",
        story(report(COMPOSE, row(D1, "4093", "17", "failed"))),
        story(
            report(
                COMPOSE,
                row(D1, "4093", "17", "failed"),
                warnings=[f"EEM did not respond in time to a change of {D1} and may still carry it out."],
            )
        ),
    ),
    "changed by a failure in which everything was undone and may still come": (
        "changed_is_true",
        story(failed(COMPOSE, row(D1, "4093", "17", "undone"), changed=True)),
        story(
            failed(
                COMPOSE,
                row(D1, "4093", "17", "undone"),
                changed=True,
                msg=f"No. EEM may still carry out what it did not respond to in time: read {D1} again later.",
            )
        ),
    ),
    "changed by a failure in which nothing was left": (
        "changed_is_true",
        story(failed(COMPOSE, row(D1, "4093", "17", "undone"), changed=True)),
        story(GIVEN, failed(COMPOSE, row(D1, "4093", "17"), changed=True)),
    ),
    "a node has another device than reported": (
        "node_is_as_reported",
        story(GIVEN, report(COMPOSE, row(D1, "4093", "17"), node=node(D2))),
        story(GIVEN, COMPOSED),
    ),
    "a node lacks a requested device": (
        "node_is_as_reported",
        story(report(COMPOSE, node=node(D3)), d3="17"),
        story(report(COMPOSE, node=node(D1, D3)), d1="17", d3="17"),
    ),
    "purge leaves too much": (
        "node_is_as_reported",
        story(report(PURGE, node=node(D1, D3)), d1="17", d3="17"),
        story(report(PURGE, node=node(D1)), d1="17"),
    ),
    "a node of a layout has another device than reported": (
        "node_is_as_reported",
        story(GIVEN, report(layout(), row(D1, "4093", "17"), nodes=[node(D2)])),
        story(GIVEN, report(layout(), row(D1, "4093", "17"), nodes=[node(D1)])),
    ),
    "a layout that purges leaves too much": (
        "node_is_as_reported",
        story(report(layout(purge=True), nodes=[node(D1, D3)]), d1="17", d3="17"),
        story(report(layout(purge=True), nodes=[node(D1)]), d1="17"),
    ),
    "an info module fails with all in order": (
        "info_answers",
        story(failed(INFO, kind="timeout", stage="at the end")),
        story(failed(INFO, kind="timeout")),
    ),
    "an info module fails for a reason of its own": (
        "info_answers",
        story(failed(INFO, kind="registry_conflict")),
        story(failed(INFO, kind="server_error")),
    ),
    "a device is reported in a wrong group": (
        "info_is_true",
        story(report(INFO, stage="at the end", devices=[device(D1, "free", "4093")]), d1="17"),
        story(report(INFO, stage="at the end", devices=[device(D1, "allocated", "17")]), d1="17"),
    ),
    "a node is not shown": (
        "info_is_true",
        story(
            Look("rounds over", 0, nodes=(("a", S1, "composing", "p"),)),
            report(NODES, stage="after the rounds", nodes=[]),
        ),
        story(Look("rounds over", 0, nodes=(NODE_A,)), report(NODES, stage="after the rounds", nodes=[node()])),
    ),
    "a device in two nodes": (
        "info_is_true",
        story(report(NODES, stage="at the end", nodes=[node(D1), node(D1, index=S2)])),
        story(report(NODES, stage="at the end", nodes=[node(D1), node(D2, index=S2)])),
    ),
    "claims are left": (
        "no_claims_left",
        story(COMPOSED, Look("round 0", 11, (D1,))),
        story(report(COMPOSE, killed=True), Look("round 0", 11, (D1,))),
    ),
    "composing without a failure": (
        "composing_only_after_failure",
        story(COMPOSED, Look("round 0", 11, nodes=(("a", S1, "composing", "p"),))),
        story(failed(COMPOSE), Look("round 0", 11, nodes=(("a", S1, "composing", "p"),))),
    ),
    "two nodes on a system": (
        "one_node_a_system",
        story(Look("end", 1, nodes=(NODE_A, ("b", S1, "composed", "p")))),
        story(Look("end", 1, nodes=(NODE_A, ("b", S2, "composed", "p")))),
    ),
    "given again it fails": (
        "again_reaches_the_wish",
        story(OVER, failed(AGAIN, kind="stale", stage="again"), failed(MORE, kind="stale", stage="once more")),
        story(
            OVER, failed(AGAIN, **REFUSED, stage="again"), failed(MORE, **REFUSED, stage="once more"), d1="18", d2="18"
        ),
    ),
    "given again it is refused what is there": (
        "again_reaches_the_wish",
        story(OVER, failed(AGAIN, **REFUSED, stage="again"), failed(MORE, **REFUSED, stage="once more")),
        story(OVER, report(AGAIN, row(D1, "4093", "17"), stage="again"), report(MORE, stage="once more")),
    ),
    "given once more it changes again": (
        "again_reaches_the_wish",
        story(OVER, report(AGAIN, stage="again"), report(MORE, row(D1, "4093", "17"), stage="once more")),
        story(OVER, report(AGAIN, stage="again"), report(MORE, stage="once more")),
    ),
    "given once more it fails, but changes something": (
        "again_reaches_the_wish",
        story(
            OVER,
            failed(AGAIN, **REFUSED, stage="again"),
            failed(MORE, row(D1, "17", "4093"), changed=True, stage="once more"),
            d1="18",
            d2="18",
        ),
        story(
            OVER,
            failed(AGAIN, **REFUSED, stage="again"),
            failed(MORE, row(D1, "17", "4093", "failed"), stage="once more"),
            d1="18",
            d2="18",
        ),
    ),
    "given once more it fails": (
        "again_reaches_the_wish",
        story(OVER, report(AGAIN, stage="again"), failed(MORE, stage="once more")),
        story(OVER, report(AGAIN, stage="again"), report(MORE, stage="once more")),
    ),
    "a released node keeps a device": (
        "released_are_free",
        story(ONE, report(RELEASE, node=node(), stage="release"), NO_ONE, d1="17"),
        story(
            ONE, move(1, D1, "17", "4093", RELEASE.key), report(RELEASE, node=node(), stage="release"), NO_ONE, d1="17"
        ),
    ),
    "a released node is still there": (
        "released_are_free",
        story(ONE, report(RELEASE, node=node(), stage="release"), dataclasses.replace(ONE, stage="released")),
        story(ONE, report(RELEASE, node=node(), stage="release"), NO_ONE),
    ),
    "a synchronisation fails": (
        "sync_never_fails",
        story(failed(SYNC)),
        story(report(SYNC, podms=[{"error": "EEM failed."}])),
    ),
    "a device is stored in a wrong group": (
        "registry_follows",
        story(synced((D1, "4093", False), (D2, "4093", False), (D3, "4093", False)), d1="17"),
        story(synced((D1, "17", False), (D2, "4093", False), (D3, "4093", False)), d1="17"),
    ),
    "a device is not stored": (
        "registry_follows",
        story(synced((D1, "4093", False), (D2, "4093", True))),
        story(synced((D1, "4093", False), (D2, "4093", False), (D3, "4093", False))),
    ),
    "a device that is gone is stored as present": (
        "registry_follows",
        story(GONE, synced((D1, "4093", False), (D2, "4093", False), (D3, "4093", False))),
        story(GONE, synced((D1, "4093", True), (D2, "4093", False), (D3, "4093", False))),
    ),
    "synchronising again changes something": (
        "registry_follows",
        story(synced(*ALL_FREE), report(SYNC, stage="synced again", changed=True)),
        story(synced(*ALL_FREE), report(SYNC, stage="synced again", changed=False)),
    ),
    "a node cannot be released": (
        "released_are_free",
        story(ONE, failed(RELEASE, stage="release"), NO_ONE),
        story(
            ONE,
            failed(RELEASE, stage="release"),
            NO_ONE,
            on=episode(rounds=(Round((COMPOSE,), foreign=(Foreign(0, D1),)),)),
        ),
    ),
}


def named(name: str, of: Story) -> list[invariants.Violation]:
    invariant = next(each for each in invariants.ALL if each.__name__ == name)
    return list(invariant(of))


@pytest.mark.parametrize("case", CASES)
def test_a_broken_promise_is_told(case: str) -> None:
    name, broken, _kept = CASES[case]
    assert {each.name for each in named(name, broken)} == {name}


@pytest.mark.parametrize("case", CASES)
def test_a_kept_promise_is_silent(case: str) -> None:
    name, _broken, kept = CASES[case]
    assert named(name, kept) == []


def test_every_invariant_has_a_case() -> None:
    assert {name for name, _broken, _kept in CASES.values()} == {each.__name__ for each in invariants.ALL}


def test_a_good_story_breaks_no_promise() -> None:
    kept = story(get(0), GIVEN, COMPOSED, Look("round 0", 11, nodes=(NODE_A,)))
    assert invariants.violations(kept) == []


def test_where_nothing_keeps_runs_apart_a_run_needs_not_know_from_which_group_it_took_a_card() -> None:
    taken = (move(1, D1, "18", "17"), report(ATTACH, row(D1, "4093", "17")))
    alone = episode("url", conditional="ignore")
    assert named("reported_as_done", story(*taken, on=alone)) == []
    assert named("reported_as_done", story(*taken, on=episode("url", enforce="strict"))) != []
    assert named("reported_as_done", story(taken[0], report(ATTACH), on=alone)) != []


def test_a_run_may_report_once_what_it_did_again_because_somebody_else_had_undone_it() -> None:
    twice, undone = (GIVEN, move(4, D1, "4093", "17")), move(2, D1, "17", "4093", "control")
    assert named("reported_as_done", story(*twice, undone, COMPOSED)) == []
    assert named("reported_as_done", story(*twice, COMPOSED)) != []
    assert named("reported_as_done", story(*twice, undone, report(COMPOSE, node=node(D1)))) != []


def test_claims_do_not_tell_a_run_that_somebody_else_has_changed_a_card() -> None:
    both = (move(1, D1, "18", "17"), report(ATTACH, row(D1, "4093", "17")))
    behind = move(0.5, D1, "4093", "18", "control")
    assert named("reported_as_done", story(behind, *both)) == []
    assert named("reported_as_done", story(*both)) != []
    assert named("reported_as_done", story(behind, *both, on=episode(enforce="strict"))) != []


def test_of_two_runs_of_a_playbook_that_give_a_device_to_one_system_either_may_have_been_the_one() -> None:
    both = [
        dataclasses.replace(
            report(ATTACH, row(D1, "4093", "17"), by="ansible 0"), run=dataclasses.replace(ATTACH, key=key)
        )
        for key in ("a", "b")
    ]
    given = move(1, D1, "4093", "17", by="ansible 0")
    assert named("reported_as_done", story(given, *both)) == []
    assert named("reported_as_done", story(*both)) != []
    alone = report(ATTACH, row(D1, "4093", "17"), row(D1, "4093", "17"))
    assert named("reported_as_done", story(move(1, D1, "4093", "17"), alone)) != []


def test_a_killed_run_needs_not_tell_what_it_did() -> None:
    killed = dataclasses.replace(COMPOSE, kill=Kill("request", 2, True))
    assert named("reported_as_done", story(GIVEN, report(killed, killed=True))) == []
