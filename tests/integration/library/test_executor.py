# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor: plans carried out at the simulator, with everything that can go wrong."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable
from contextlib import closing

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._model.properties import parse_properties
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import plan_compose
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, Registry, RegistryError
from back_ends import on_each_back_end
from eemsim.client import Simulator
from executor_runs import MakeClient, attach, compose, detach, executor, groups_of, held_in, nodes_in, release, run

# What is asked is done, in as few requests as can be


def test_attaching_takes_two_listings_and_one_request_a_device_over_one_connection(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    eem.reset_stats()
    outcome = run(client, None, attach(system, *devices[:3]))
    assert [row["status"] for row in outcome.rows] == ["done"] * 3
    assert groups_of(eem, *devices[:3]) == ["17"] * 3
    stats = eem.stats()
    assert (stats["requests"], stats["connections"]) == (2 + 3, 1)


@pytest.mark.parametrize("answer", ["object", "empty", "none"])
def test_composing_on_a_system_without_group_takes_two_reads_one_group_and_one_request_a_device(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str, answer: str
) -> None:
    eem.set_options(change_answer=answer)
    eem.reset_stats()
    outcome = run(client, registry, compose("n", bare))
    stats = eem.stats()
    assert (stats["requests"], stats["connections"]) == (2 + 1 + 2, 1)
    group = groups_of(eem, bare)[0]
    assert 16 <= int(group) <= 4092
    assert sum(eem.card(row["device"])["group_id"] == group for row in outcome.rows if row["device"]) == 2
    assert nodes_in(registry) == {"n": "composed"}
    assert held_in(registry) == []


def test_a_second_run_reads_once_and_changes_nothing(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    run(client, registry, compose("n", system))
    eem.reset_stats()
    assert run(client, registry, compose("n", system)).steps == ()
    assert eem.stats()["by_method"] == {"GET": 1}


def test_check_mode_reads_once_and_makes_no_registry(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str
) -> None:
    eem.reset_stats()
    planned = run(client, registry, compose("n", bare), check=True)
    assert eem.stats()["by_method"] == {"GET": 1}
    assert registry.all(StoredNode) == registry.all(StoredClaims) == []
    done = run(client, registry, compose("n", bare))
    assert planned.steps == done.steps
    assert planned.fabric.systems[bare].group_id == eem.card(bare)["group_id"]


def test_a_node_is_remembered_as_composing_before_the_first_change(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    eem.fault("delay", seconds=0.5, method="PUT")
    runner = threading.Thread(target=lambda: run(client, open_registry(registry.path), compose("n", system)))
    runner.start()
    seen = []
    while runner.is_alive():
        seen.append(nodes_in(registry).get("n"))
        runner.join(0.02)
    assert "composing" in seen
    assert nodes_in(registry) == {"n": "composed"}


# Whatever is lost or broken on the way, the result says what is true

LOSSES = [
    {"do": "drop"},
    {"do": "drop", "after": True},
    {"do": "drop", "after": True, "reset": True},
    {"do": "truncate"},
    {"do": "garbage", "body": "<html>", "after": True},
    {"do": "html", "status": 200, "after": True},
    {"do": "status", "status": 502},
    {"do": "status", "status": 503, "after": True},
    {"do": "html", "status": 404},
    {"do": "fail", "status": 500, "code": "50000", "after": True},
    {"do": "delay", "seconds": 1.0, "after": True},
    {"do": "delay", "seconds": 1.0},
    {"do": "garbage", "body": '{"group_id": "99"}', "after": True},
]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_answer_is_read_back_and_each_group_is_set_once(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], loss: dict[str, t.Any], nth: int
) -> None:
    client = make_client(timeout=0.6 if loss["do"] == "delay" else 5.0)
    eem.fault(loss, method="PUT", nth=nth)
    outcome = run(client, None, attach(system, *devices[:2]))
    assert [row["status"] for row in outcome.rows] == ["done", "done"]
    assert groups_of(eem, *devices[:2]) == ["17", "17"]
    sets = [entry for entry in eem.history(field="group_id") if entry["card"] in devices]
    assert len(sets) == 2


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_lost_answer_to_a_detach_is_read_back(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str], loss: dict[str, t.Any]
) -> None:
    client = make_client(timeout=0.6 if loss["do"] == "delay" else 5.0)
    run(client, None, attach(system, *devices[:2]))
    eem.fault(loss, method="DELETE")
    assert [row["status"] for row in run(client, None, detach(*devices[:2])).rows] == ["done", "done"]
    assert groups_of(eem, *devices[:2]) == ["4093", "4093"]


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_step_that_eem_refuses_for_good_undoes_those_before_it(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str, nth: int
) -> None:
    """Composing on a bare system: the group id, then two devices."""
    eem.fault("fail", status=409, code="40900", message="no", method="PUT", nth=nth, times=1)
    with pytest.raises(ExecutionFailed, match="Nothing was changed") as caught:
        run(client, registry, compose("n", bare))
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}
    assert groups_of(eem, bare) == ["4094"]
    assert nodes_in(registry) == {}
    assert held_in(registry) == []
    hardware = [row["status"] for row in caught.value.rows if row["action"] != "remember"]
    assert hardware == ["undone"] * (nth - 1) + ["failed"] + ["planned"] * (3 - nth)


def test_a_failed_move_gives_the_device_back_to_the_node_that_had_it(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    other = eem.eesvs()[1]
    run(client, None, attach(other["id"], devices[0], devices[1]))
    eem.fault("fail", status=409, code="40900", method="PUT", nth=2)
    with pytest.raises(ExecutionFailed):
        run(client, None, attach(system, devices[0], devices[1], move=True))
    assert groups_of(eem, devices[0], devices[1]) == [other["group_id"]] * 2


def test_an_undo_that_fails_is_named_with_its_device(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    eem.fault("fail", status=409, code="40900", method="PUT", nth=2)
    eem.fault("fail", status=409, code="40901", method="DELETE", times=-1)
    with pytest.raises(ExecutionFailed, match=f"Could not be undone: {devices[0]} back to group 4093") as caught:
        run(client, None, attach(system, *devices[:2]))
    assert [row["status"] for row in caught.value.rows] == ["done", "failed"]
    assert groups_of(eem, *devices[:2]) == ["17", "4093"]


def test_a_card_that_cannot_be_read_after_a_lost_answer_is_told_as_unknown(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    eem.fault("drop", after=True, method="PUT")
    eem.fault("drop", method="GET", path="^/?devices/0x", times=-1)
    with pytest.raises(ExecutionFailed, match="is not known, because it cannot be read") as caught:
        run(client, registry, compose("n", system))
    assert caught.value.kind == "outcome_unknown"
    assert nodes_in(registry) == {"n": "composing"}
    assert held_in(registry) == []
    eem.clear_faults()
    run(client, registry, compose("n", system))
    assert run(client, registry, compose("n", system)).steps == ()
    assert nodes_in(registry) == {"n": "composed"}
    assert [card["group_id"] for card in eem.eeios()].count("17") == 2


def test_an_eem_that_stays_away_is_unknown_and_says_so(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    client = make_client(retries=0, timeout=0.5)
    eem.fault("drop", nth=2, times=-1)
    with pytest.raises(ExecutionFailed, match="is not known"):
        run(client, None, attach(system, *devices[:2]))


# Others change what we are about to change


def test_a_device_that_somebody_takes_in_between_is_left_to_them_and_another_is_chosen(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    gpus = [card["id"] for card in eem.eeios() if card.get("pcie_class_code", "").startswith("0x3")]
    other = eem.eesvs()[1]
    eem.fault("change", card=gpus[0], set={"group_id": other["group_id"]}, method="PUT")
    outcome = run(client, registry, compose("n", system))
    assert groups_of(eem, gpus[0]) == [other["group_id"]]
    assert {row["device"] for row in outcome.rows if row["action"] == "attach"} == set(gpus[1:3])


def test_a_named_device_that_somebody_takes_in_between_is_refused_and_the_rest_undone(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    other = eem.eesvs()[1]
    eem.fault("change", card=devices[1], set={"group_id": other["group_id"]}, method="PUT", nth=2)
    with pytest.raises(ExecutionFailed, match=f"{devices[1]} is attached to {other['id']}"):
        run(client, None, attach(system, *devices[:2]))
    assert groups_of(eem, *devices[:2]) == ["4093", other["group_id"]]


def test_an_undo_does_not_take_a_device_from_whoever_got_it_in_between(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    other = eem.eesvs()[1]
    eem.fault(
        {"do": "change", "card": devices[0], "set": {"group_id": other["group_id"]}},
        {"do": "fail", "status": 409, "code": "40900"},
        method="PUT",
        nth=2,
    )
    with pytest.raises(ExecutionFailed, match="which this run did not give it"):
        run(client, None, attach(system, *devices[:2]))
    assert groups_of(eem, *devices[:2]) == [other["group_id"], "4093"]


def test_a_card_that_changed_without_its_group_is_planned_again_and_attached(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    eem.fault("change", card=devices[0], set={"uid_switch_status": "on"}, method="PUT")
    running = executor(client, None)
    running.run(attach(system, devices[0]))
    assert groups_of(eem, devices[0]) == ["17"]
    assert any("Planned again" in said for said in running.waited)


def test_a_card_that_never_keeps_still_is_given_up_after_as_many_plans_as_retries_say(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    eem.fault("change", card=devices[0], set={"model": "x"}, method="PUT", times=-1)
    eem.reset_stats()
    with pytest.raises(ExpetherError) as caught:
        run(client, None, attach(system, devices[0]))
    assert caught.value.kind == "stale"
    assert eem.stats()["by_method"]["PUT"] == 1 + client.settings.retries


def test_a_group_id_that_another_client_takes_at_the_same_moment_is_given_up_for_another(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str
) -> None:
    group = (
        run(client, None, lambda observed: compose("n", bare)(observed)._replace(nodes=()), check=True)
        .fabric.systems[bare]
        .group_id
    )
    thief = eem.eesvs()[1]["id"]
    eem.fault("change", after=True, card=thief, set={"group_id": group}, method="PUT", path=bare)
    run(client, registry, compose("n", bare))
    ours = groups_of(eem, bare)[0]
    assert ours not in (group, "4094")
    assert sorted(card["group_id"] for card in eem.eeios()).count(ours) == 2
    assert eem.card(thief)["group_id"] == group


@pytest.mark.parametrize("conditional", ["honour", "ignore", "refuse"])
@pytest.mark.parametrize("enforce", ["strict", "none"])
def test_an_eem_of_any_kind_is_served(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str, conditional: str, enforce: str
) -> None:
    eem.set_options(conditional=conditional, enforce=enforce)
    run(client, registry, compose("n", bare))
    assert [card["group_id"] for card in eem.eeios()].count(groups_of(eem, bare)[0]) == 2
    run(client, registry, release("n"))
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}
    assert client.conditional is (conditional != "refuse")


# Several at once


def _side_by_side(count: int, work: Callable[[int], object]) -> list[object]:
    results: list[object] = [None] * count

    def one(place: int) -> None:
        try:
            results[place] = work(place)
        except ExpetherError as error:
            results[place] = error

    threads = [threading.Thread(target=one, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _only_gpus(eem: Simulator, systems: int, devices: int) -> None:
    eem.reset(eesv=systems, eeio=12 * devices, no_group=1, style="plain")
    gpus = [card for card in eem.eeios() if card["pcie_class_code"].startswith("0x3")][:devices]
    eem.reset(devices=[*eem.eesvs(), *gpus])


def _run_apart(client: Client, registry: Registry, name: str) -> object:
    """Compose a node on a connection of its own to the registry."""
    with closing(open_registry(registry.path)) as own:
        return run(client, own, compose(name))


@on_each_back_end
@pytest.mark.parametrize("enforce", ["strict", "none"])
def test_runs_at_once_share_the_pool_and_give_nothing_twice(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, enforce: str
) -> None:
    _only_gpus(eem, systems=8, devices=16)
    eem.set_options(enforce=enforce, conditional="honour" if enforce == "strict" else "ignore")
    clients = [make_client(timeout=5.0) for dummy in range(8)]
    results = _side_by_side(8, lambda place: _run_apart(clients[place], registry, f"n{place}"))
    assert [result for result in results if not isinstance(result, Outcome)] == []
    attached = [entry for entry in eem.history(field="group_id") if entry["to"] != "4093"]
    assert len({entry["card"] for entry in attached}) == len(attached) == 16 + 1  # the last system gets a group id too
    nodes = registry.all(StoredNode)
    assert len({node.system_id for node in nodes}) == 8
    assert held_in(registry) == []


def test_of_runs_at_once_that_want_too_much_some_are_refused_and_leave_nothing(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry
) -> None:
    _only_gpus(eem, systems=8, devices=5)
    clients = [make_client(timeout=5.0) for dummy in range(4)]
    results = _side_by_side(4, lambda place: _run_apart(clients[place], registry, f"n{place}"))
    refused = [result for result in results if isinstance(result, PlanRefused)]
    assert len(refused) == 2, results
    assert all("2 GPU requested, 1 free" in error.message for error in refused)
    assert len(registry.all(StoredNode)) == 2
    assert len(eem.history(field="group_id")) == 4
    assert held_in(registry) == []


@on_each_back_end
def test_what_a_killed_run_held_is_taken_over(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    """A claim of a process that is not there any more stands in nobody's way."""
    import multiprocessing
    import os
    import signal

    def work() -> None:
        eem.fault("freeze", after=True, method="PUT", nth=2)
        run(client, open_registry(registry.path), compose("n", system))

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    for dummy in range(200):
        if eem.faults() and eem.faults()[0]["used"]:
            break
        child.join(0.02)
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    eem.clear_faults()
    assert nodes_in(registry) == {"n": "composing"}
    assert len(held_in(registry)) >= 3
    outcome = run(client, registry, compose("n", system))
    assert nodes_in(registry) == {"n": "composed"}
    assert outcome.steps
    assert [card["group_id"] for card in eem.eeios()].count("17") == 2
    assert held_in(registry) == []


# What an attack on all this found


def test_a_system_keeps_its_new_group_while_a_device_that_could_not_be_undone_is_in_it(
    eem: Simulator, client: Client, registry: SqliteRegistry, bare: str
) -> None:
    eem.fault("fail", status=409, code="40900", method="PUT", nth=3)
    eem.fault("fail", status=409, code="40901", method="DELETE", times=1)
    with pytest.raises(ExecutionFailed, match="the system keeps group") as caught:
        run(client, registry, compose("n", bare))
    group = groups_of(eem, bare)[0]
    assert group != "4094"
    assert [card["group_id"] for card in eem.eeios()].count(group) == 1
    assert caught.value.changed
    assert nodes_in(registry) == {"n": "composing"}
    run(client, registry, compose("n", bare))
    assert [card["group_id"] for card in eem.eeios()].count(group) == 2
    run(client, registry, release("n"))
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}


def test_a_device_that_was_detached_and_taken_while_the_answer_was_lost_is_left_to_whoever_has_it(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    other = eem.eesvs()[1]
    run(client, None, attach(system, devices[0]))
    taken = {"do": "change", "card": devices[0], "set": {"group_id": other["group_id"]}, "after": True}
    eem.fault({"do": "drop", "after": True}, taken, method="DELETE")
    outcome = run(client, None, detach(devices[0]))
    assert [row["status"] for row in outcome.rows] == ["done"]
    assert groups_of(eem, devices[0]) == [other["group_id"]]


def test_a_move_does_not_take_the_device_from_whoever_got_it_on_the_way(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    first, thief = eem.eesvs()[1], eem.eesvs()[2]
    run(client, None, attach(first["id"], devices[0]))
    eem.fault("change", card=devices[0], set={"group_id": thief["group_id"]}, method="PUT")
    with pytest.raises(ExecutionFailed, match="somebody else has taken it"):
        run(client, None, attach(system, devices[0], move=True))
    assert groups_of(eem, devices[0]) == [thief["group_id"]]


def test_a_node_is_not_forgotten_while_eem_does_not_list_its_system(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    run(client, registry, compose("n", system))
    eem.delete_card(system)
    for device in [card["id"] for card in eem.eeios() if card["group_id"] == "17"]:
        eem.delete_card(device)
    with pytest.raises(PlanRefused, match="EEM lists neither system"):
        run(client, registry, release("n"))
    assert nodes_in(registry) == {"n": "composed"}


def test_a_failing_run_leaves_the_node_that_another_run_has_composed_meanwhile(
    eem: Simulator, client: Client, make_client: MakeClient, registry: SqliteRegistry, system: str
) -> None:
    first = [True]

    def draft(observed: ObservedState) -> Plan:
        made = compose("n", system)(observed)
        if first.pop() if first else False:  # another run composes the node between our plan and our claims
            run(make_client(), open_registry(registry.path), compose("n", system))
            return made
        extended = parse_properties({"devices": [{"type": "GPU", "count": 3}]})
        return plan_compose(observed, t.cast(Node, made.node), extended)

    eem.fault("fail", status=409, code="40900", method="PUT", nth=3)
    with pytest.raises(ExecutionFailed, match="Nothing was changed"):
        run(client, registry, draft)
    assert nodes_in(registry) == {"n": "composed"}
    assert [card["group_id"] for card in eem.eeios()].count("17") == 2


def test_a_change_that_eem_may_still_carry_out_is_not_called_nothing(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str
) -> None:
    eem.fault("freeze", method="PUT", nth=2)
    with pytest.raises(ExecutionFailed, match="EEM may still carry it out") as caught:
        run(make_client(timeout=0.6, retries=0), registry, compose("n", system))
    assert caught.value.changed
    assert nodes_in(registry) == {"n": "composing"}


def test_a_run_whose_claims_another_has_taken_over_undoes_nothing_and_forgets_nothing(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims

    calls = []
    monkeypatch.setattr(Claims, "renew", lambda self: calls.append(1) or len(calls) < 2)
    with pytest.raises(ExecutionFailed, match="another run has taken them over") as caught:
        run(client, registry, compose("n", system))
    assert caught.value.kind == "claims_lost"
    assert [card["group_id"] for card in eem.eeios()].count("17") == 1
    assert nodes_in(registry) == {"n": "composing"}


@pytest.mark.parametrize("nth", [1, 2])
def test_a_registry_that_cannot_be_written_is_told_as_it_is(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = []
    commit = registry.commit

    def failing(changes: t.Sequence[Change]) -> int:
        commits.append(1)
        if len(commits) == nth:
            raise RegistryError("disk full")
        return commit(changes)

    monkeypatch.setattr(registry, "commit", failing)
    with pytest.raises(RegistryError if nth == 1 else ExecutionFailed, match="disk full") as caught:
        run(client, registry, compose("n", system))
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}
    assert nodes_in(registry) == {}
    if isinstance(caught.value, ExecutionFailed):
        assert {row["status"] for row in caught.value.rows} == {"undone"}
        assert not caught.value.changed


def test_a_node_that_is_extended_is_composing_until_it_is_whole(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    run(client, registry, compose("n", system))
    seen = []

    def more(observed: ObservedState) -> Plan:
        node = observed.nodes[system]
        return plan_compose(observed, node, parse_properties({"devices": [{"type": "GPU", "count": 3}]}))

    eem.fault("delay", seconds=0.4, method="PUT")
    runner = threading.Thread(target=lambda: run(client, open_registry(registry.path), more))
    runner.start()
    while runner.is_alive():
        seen.append(nodes_in(registry)["n"])
        runner.join(0.02)
    assert "composing" in seen
    assert nodes_in(registry) == {"n": "composed"}


def test_what_somebody_else_made_of_a_card_is_not_undone_when_it_cannot_be_read_after_a_stale_answer(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    client = make_client(retries=0, timeout=1.0)
    eem.fault({"do": "change", "card": devices[0], "set": {"group_id": "17"}}, method="PUT")
    # The card cannot be read for as long as the run has patience, and can be when it undoes what it did.
    eem.fault("drop", method="GET", path=f"{devices[0]}$", times=6)
    with pytest.raises(ExecutionFailed, match="Nothing was changed") as caught:
        run(client, None, attach(system, *devices[:2]))
    assert caught.value.code == "40004" and not caught.value.changed
    assert groups_of(eem, *devices[:2]) == ["17", "4093"]
    assert [change["by"] for change in eem.history(card=devices[0], field="group_id")] == ["control"]
