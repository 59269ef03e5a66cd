# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer of 200 is not proof: what a run reports as done is in effect when it ends."""

from __future__ import annotations

import threading
import typing as t
from functools import partial

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._planning.card_requests import plan_forget_card, plan_led
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_card
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import NodeRequest, plan_managed
from ansible_collections.nec.expether.plugins.module_utils._planning.notices import warnings
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from eemsim.client import Simulator
from executor_runs import (
    PODM,
    MakeClient,
    attach,
    compose,
    detach,
    executor,
    groups_of,
    held_in,
    nodes_in,
    release,
    run,
)

#: Answers with success in EEM's place; the change never reaches EEM.
BODIES = ["{}", '{"status": "ok"}', ""]


def pretend(eem: Simulator, method: str, body: str = "{}", times: int = 1, nth: int = 1) -> None:
    eem.fault("garbage", body=body, method=method, path="/group_id$", times=times, nth=nth)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("nth", [1, 2])
def test_an_attach_without_effect_is_planned_again(
    eem: Simulator, client: Client, system: str, devices: list[str], body: str, nth: int
) -> None:
    pretend(eem, "PUT", body, nth=nth)
    outcome = run(client, None, attach(system, *devices[:2]))
    assert groups_of(eem, *devices[:2]) == ["17", "17"]
    assert sorted((row["device"], row["status"]) for row in outcome.rows) == [(card, "done") for card in devices[:2]]


@pytest.mark.parametrize("body", BODIES)
def test_an_attach_that_never_has_an_effect_fails_and_undoes_the_others(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], body: str
) -> None:
    eem.fault("garbage", body=body, method="PUT", path=f"{devices[1]}/group_id$", times=-1)
    with pytest.raises(ExecutionFailed, match=f"card {devices[1]} is not in group 17") as caught:
        run(make_client(retries=1), None, attach(system, *devices[:2]))
    assert groups_of(eem, *devices[:2]) == ["4093", "4093"]
    assert "Nothing was changed." in caught.value.message and not caught.value.changed
    assert {row["device"]: row["status"] for row in caught.value.rows} == {devices[0]: "undone", devices[1]: "failed"}


@pytest.mark.parametrize("body", BODIES)
def test_a_detach_without_effect_is_planned_again(
    eem: Simulator, client: Client, system: str, devices: list[str], body: str
) -> None:
    run(client, None, attach(system, *devices[:2]))
    pretend(eem, "DELETE", body)
    outcome = run(client, None, detach(*devices[:2]))
    assert groups_of(eem, *devices[:2]) == ["4093", "4093"]
    assert {row["status"] for row in outcome.rows} == {"done"} and len(outcome.rows) == 2


@pytest.mark.parametrize("nth", [1, 2])
def test_a_move_without_effect_is_planned_again(
    eem: Simulator, client: Client, system: str, devices: list[str], nth: int
) -> None:
    run(client, None, attach(str(eem.eesvs()[1]["id"]), devices[0]))
    pretend(eem, "DELETE" if nth == 1 else "PUT")
    run(client, None, attach(system, devices[0], move=True))
    assert groups_of(eem, devices[0]) == ["17"]


@pytest.mark.parametrize("enforce", ["strict", "none"])
def test_a_device_that_somebody_else_moves_before_it_is_moved_stays_with_its_new_owner(
    eem: Simulator, client: Client, system: str, devices: list[str], enforce: str
) -> None:
    """EEM refuses the detach, because the device has changed. Its new time of change must not serve to take it away."""
    run(client, None, attach(system, devices[0]))
    eem.set_options(enforce=enforce)
    eem.fault("change", card=devices[0], set={"group_id": "19"}, method="DELETE", path="/group_id$")
    with pytest.raises(ExpetherError, match="somebody else has taken it"):
        run(client, None, attach(str(eem.eesvs()[1]["id"]), devices[0], move=True))
    assert groups_of(eem, devices[0]) == ["19"]


@pytest.mark.parametrize("enforce", ["strict", "none"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_composing_with_a_change_without_effect_makes_it_again(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str, nth: int, enforce: str
) -> None:
    """The group id, then two devices.

    No device is attached before: if the run was killed then, it would be left in a group that no system has.
    """
    eem.set_options(enforce=enforce)
    pretend(eem, "PUT", nth=nth)
    run(client, registry, compose("n", bare))
    assert [change["card"] for change in eem.history(field="group_id")].index(bare) == 0
    group = groups_of(eem, bare)[0]
    assert [card["group_id"] for card in eem.eeios()].count(group) == 2
    assert {card["group_id"] for card in eem.eeios()} == {group, "4093"}
    assert nodes_in(registry) == {"n": "composed"} and held_in(registry) == []


def test_a_release_without_effect_is_no_success(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str
) -> None:
    client = make_client(retries=1)
    run(client, registry, compose("n", system))
    pretend(eem, "DELETE", times=-1)
    with pytest.raises(ExecutionFailed, match="is still in group 17"):
        run(client, registry, release("n"))
    assert nodes_in(registry) == {"n": "composed"}
    eem.clear_faults()
    run(client, registry, release("n"))
    assert {card["group_id"] for card in eem.eeios()} == {"4093"} and nodes_in(registry) == {}


@pytest.mark.parametrize("enforce", ["strict", "none"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_system_that_is_moved_before_a_device_comes_leaves_nothing_stranded(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, enforce: str, nth: int
) -> None:
    """Also where EEM lets a device into a group that no system has any more."""
    eem.set_options(enforce=enforce)
    eem.fault("change", card=system, set={"group_id": "30"}, method="PUT", path="/group_id$", nth=nth)
    if enforce == "strict":
        with pytest.raises(ExecutionFailed, match="Nothing was changed"):
            run(client, registry, compose("n", system))
        assert {card["group_id"] for card in eem.eeios()} == {"4093"}
    run(client, registry, compose("n", system))
    assert sorted(card["group_id"] for card in eem.eeios())[:2] == ["30", "30"]
    assert [card["group_id"] for card in eem.eeios()].count("4093") == len(eem.eeios()) - 2


def test_a_group_that_another_program_gives_to_its_system_too_is_left_to_it(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str
) -> None:
    other = str(eem.eesvs()[2]["id"])
    eem.fault("change", card=other, set={"group_id": "16"}, after=True, method="PUT", path="/group_id$", nth=3)
    run(client, registry, compose("n", bare))
    group = groups_of(eem, bare)[0]
    assert group != "16"
    assert [card["group_id"] for card in eem.eeios()].count(group) == 2
    assert [card["group_id"] for card in eem.eeios()].count("16") == 0


def led(card: str, wanted: str) -> t.Callable[[ObservedState], Plan]:
    def decide(observed: ObservedState) -> Plan:
        return plan_led(observed, find_card(observed, card), "off", wanted)

    return decide


def plan_forget(card: str, observed: ObservedState) -> Plan:
    return plan_forget_card(observed, find_card(observed, card), force=True)


@pytest.mark.parametrize("body", BODIES)
def test_an_led_that_stays_as_it_was_is_set_again_and_then_a_failure(
    eem: Simulator, make_client: MakeClient, devices: list[str], body: str
) -> None:
    eem.fault("garbage", body=body, method="PUT", path="/uid_led_status$", times=1)
    run(make_client(), None, led(devices[0], "on"))
    assert [change["to"] for change in eem.history(field="uid_led_status")] == ["on"]
    eem.fault("garbage", body=body, method="PUT", path="/uid_led_status$", times=-1)
    with pytest.raises(ExpetherError, match=f"the LED of {devices[1]} is still off"):
        run(make_client(retries=1), None, led(devices[1], "on"))


def test_a_card_that_eem_still_lists_was_not_forgotten(
    eem: Simulator, make_client: MakeClient, devices: list[str]
) -> None:
    eem.silence(devices[0])
    eem.fault("garbage", body="{}", method="DELETE", times=-1)
    with pytest.raises(ExpetherError, match=f"it still lists card {devices[0]}"):
        run(make_client(retries=1), None, lambda observed: plan_forget_card(observed, find_card(observed, devices[0])))


def test_a_move_is_not_made_before_the_device_is_free(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    """The detach is answered with success and not made, and EEM would accept a device that is not free."""
    eem.patch(devices[0], group_id="18")
    eem.set_options(enforce="none")
    eem.fault("garbage", body="{}", method="DELETE", times=1)
    outcome = run(client, None, attach(system, devices[0], move=True))
    assert [(change["from"], change["to"]) for change in eem.history(field="group_id")][-2:] == [
        ("18", "4093"),
        ("4093", "17"),
    ]
    assert [(row["action"], row["status"]) for row in outcome.rows] == [("detach", "done"), ("attach", "done")]


def test_a_card_that_responds_and_is_listed_as_before_was_not_forgotten_by_force(
    eem: Simulator, make_client: MakeClient, devices: list[str]
) -> None:
    eem.fault("garbage", body="{}", method="DELETE", times=-1)
    wish = partial(plan_forget, devices[0])
    with pytest.raises(ExpetherError, match=f"it still lists card {devices[0]}"):
        run(make_client(retries=1), None, wish)
    eem.clear_faults()
    eem.fault("garbage", body="{}", method="DELETE")
    eem.fault("change", card=devices[0], set={}, method="DELETE")  # as if it had been found again
    assert [row["status"] for row in run(make_client(retries=0), None, wish).rows] == ["done"]


@pytest.mark.parametrize("what", ["led", "forget"])
def test_a_request_whose_effect_cannot_be_read_is_not_called_nothing(
    eem: Simulator, make_client: MakeClient, devices: list[str], what: str
) -> None:
    """EEM answers it with success, and then refuses the password."""
    wish = {
        "led": led(devices[0], "on"),
        "forget": partial(plan_forget, devices[0]),
    }[what]
    eem.fault("fail", status=401, html=True, method="GET", path=f"/{devices[0]}", times=-1)
    with pytest.raises(ExecutionFailed, match="Whether card .* was changed is not known") as caught:
        run(make_client(retries=1), None, wish)
    assert caught.value.changed and "Nothing was changed" not in caught.value.message
    assert caught.value.kind == "outcome_unknown"


@pytest.mark.parametrize("read", ["drop", "fail"])
def test_a_request_whose_effect_is_read_at_the_second_try_is_done(
    eem: Simulator, make_client: MakeClient, devices: list[str], read: str
) -> None:
    options = {"status": 503, "html": True} if read == "fail" else {}
    eem.fault(read, method="GET", path=f"/{devices[0]}", times=1, **options)
    outcome = run(make_client(retries=0), None, led(devices[0], "on"))
    assert [row["status"] for row in outcome.rows] == ["done"]
    assert [change["to"] for change in eem.history(field="uid_led_status")] == ["on"]


@pytest.mark.parametrize("unreadable", [False, True])
def test_a_change_that_timed_out_may_still_come_whatever_a_read_shows(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], unreadable: bool
) -> None:
    """EEM carries it out later than it is read; the first read may fail, too."""
    eem.fault("freeze", method="PUT", path="/group_id$")
    if unreadable:
        eem.fault("drop", method="GET", path=f"{devices[0]}$", times=1)
    with pytest.raises(ExecutionFailed) as caught:
        run(make_client(retries=0, timeout=0.5), None, attach(system, devices[0]))
    failed = caught.value
    assert failed.changed and [row["status"] for row in failed.rows] == ["failed"]
    assert "EEM may still carry" in failed.message and "Nothing was changed" not in failed.message


def test_a_change_that_timed_out_and_that_a_later_plan_made_is_reported_once(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    eem.fault("freeze", method="PUT", path="/group_id$")
    eem.fault("fail", status=500, code="50003", method="PUT", path="/group_id$", nth=2)
    running = executor(make_client(timeout=0.5), None)
    outcome = running.run(attach(system, devices[0]))
    assert [(run["action"], run["status"]) for run in outcome.rows] == [("attach", "done")]
    assert f"EEM did not respond in time to a change of {devices[0]} and may still carry it out." in running.waited


def test_a_change_that_timed_out_and_was_undone_is_still_reported_as_pending(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    eem.fault("freeze", method="PUT", path=f"{devices[0]}/group_id$")
    eem.fault("fail", status=409, code="40900", method="PUT", path=f"{devices[1]}/group_id$", times=-1)
    running = executor(make_client(timeout=0.5), None)
    with pytest.raises(ExecutionFailed) as caught:
        running.run(attach(system, *devices[:2]))
    assert caught.value.changed
    assert (
        f"EEM may still carry out what it did not respond to in time: read {devices[0]} again" in caught.value.message
    )


def test_an_undo_without_effect_is_reported_as_not_undone(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    eem.fault("fail", status=409, code="40900", method="PUT", nth=2)
    pretend(eem, "DELETE", times=-1)
    with pytest.raises(ExecutionFailed, match="Could not be undone") as caught:
        run(client, registry, compose("n", system))
    assert caught.value.changed and nodes_in(registry) == {"n": "composing"}


def test_a_card_that_was_taken_before_the_last_plan_is_not_in_the_result(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    """Its first answer was lost, so it was read while this run had it."""
    eem.fault("drop", after=True, method="PUT", path=f"{devices[0]}/group_id$")
    eem.fault({"do": "change", "card": devices[0], "set": {"group_id": "18"}}, method="PUT", path="/group_id$", nth=2)
    eem.fault("fail", code="50003", method="PUT", path="/group_id$", nth=2)
    outcome = run(make_client(retries=3), registry, compose("n", system))
    assert {card.id: card.group_id for card in outcome.fabric.devices.values()} == {
        card["id"]: card["group_id"] for card in eem.eeios()
    }
    assert len(outcome.fabric.devices_of(outcome.fabric.systems[system])) == 2


def test_a_release_that_waited_frees_what_the_other_run_has_attached(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    client = make_client()
    run(client, registry, compose("n", system))
    other = Claims(registry, PODM, "the other run", 60.0)
    other.claim(other.read()[0], [system, devices[5]])

    def end() -> None:
        make_client().set_group(devices[5], "17")
        other.release(changed=True)

    def decide(observed: ObservedState) -> Plan:
        if not ending.ident:
            ending.start()
        return release("n")(observed)

    ending = threading.Timer(0.1, end)
    run(client, registry, decide)
    ending.join()
    assert {card["group_id"] for card in eem.eeios()} == {"4093"} and nodes_in(registry) == {}


def test_a_node_keeps_the_group_id_that_an_earlier_plan_gave_its_system(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str, devices: list[str]
) -> None:
    run(client, registry, lambda observed: plan_managed(observed, NodeRequest("m", bare)))
    eem.fault("fail", code="50003", method="PUT", path=f"{devices[0]}/group_id$")
    run(client, registry, attach(bare, devices[0]))
    assert [node.group_id for node in registry.all(StoredNode)] == groups_of(eem, bare)


def test_a_new_node_is_adopted_from_nothing_however_often_it_is_planned(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    run(client, None, attach(system, devices[1]))
    eem.fault("fail", code="50003", method="PUT", path="/group_id$")
    outcome = run(client, registry, compose("n", system))
    assert [(row["from"], row["to"]) for row in outcome.rows if row["action"] == "remember"] == [(None, "composed")]
    assert any("already had 1 device" in warning for warning in warnings(outcome.before, outcome.steps))


def test_a_device_in_the_group_of_two_systems_is_not_reported_as_attached(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    other = str(eem.eesvs()[1]["id"])
    eem.fault("change", card=other, set={"group_id": "17"}, after=True, method="PUT", path="/group_id$")
    with pytest.raises(ExpetherError, match=f"shares its group id 17 with {other}"):
        run(client, None, attach(system, devices[0]))
    assert groups_of(eem, devices[0]) == ["4093"]


def test_a_move_whose_detach_timed_out_warns_that_it_may_come_after_the_attach(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    """The detach is sent again and done, and so is the attach. Then EEM may carry the first detach out."""
    run(make_client(), None, attach(str(eem.eesvs()[1]["id"]), devices[0]))
    eem.fault("freeze", method="DELETE", path="/group_id$")
    running = executor(make_client(timeout=0.5), None)
    outcome = running.run(attach(system, devices[0], move=True))
    assert {row["status"] for row in outcome.rows} == {"done"}
    assert f"EEM did not respond in time to a change of {devices[0]} and may still carry it out." in running.waited
