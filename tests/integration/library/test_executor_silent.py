# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that do not respond: with an EEM that refuses to change them, and with one that does not."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._execution.outcome import Outcome
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import NodeRequest, plan_absent, plan_present
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from eemsim.client import Simulator
from executor_runs import (
    PROPERTIES,
    Decide,
    MakeClient,
    attach,
    compose,
    executor,
    groups_of,
    held_in,
    nodes_in,
    release,
    run,
)

ANSWERS = ("refuse", "accept")


def replace(name: str) -> Decide:
    return lambda observed: plan_present(observed, NodeRequest(name, None, PROPERTIES, replace_silent=True))


def rows_of(outcome: Outcome) -> list[tuple[str, str | None, str]]:
    return [(row["action"], row["device"], row["status"]) for row in outcome.rows]


@pytest.fixture(name="node")
def fixture_node(eem: Simulator, client: Client, registry: SqliteRegistry, system: str) -> list[str]:
    """The two GPUs of node n, of which the first does not respond any more, and the GPU that may replace it."""
    run(client, registry, compose("n", system))
    mine = [str(card["id"]) for card in eem.eeios() if card["group_id"] == "17"]
    other = next(
        str(card["id"])
        for card in eem.eeios()
        if card["group_id"] == "4093" and card.get("pcie_class_code") == eem.card(mine[0])["pcie_class_code"]
    )
    eem.silence(mine[0])
    return [*mine, other]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("check", [True, False])
def test_a_node_with_a_silent_device_is_not_released_and_nothing_is_sent(
    eem: Simulator, client: Client, registry: SqliteRegistry, node: list[str], answer: str, check: bool
) -> None:
    eem.set_options(silent_change=answer)
    eem.reset_stats()
    with pytest.raises(PlanRefused, match="`skip_silent: true`"):
        run(client, registry, release("n"), check)
    assert eem.stats()["by_method"] == {"GET": 1}
    assert nodes_in(registry) == {"n": "composed"} and held_in(registry) == []


@pytest.mark.parametrize("answer", ANSWERS)
def test_with_skip_silent_no_request_goes_to_the_silent_device(
    eem: Simulator, client: Client, registry: SqliteRegistry, node: list[str], answer: str
) -> None:
    eem.set_options(silent_change=answer)
    eem.reset_stats()
    outcome = run(client, registry, lambda observed: plan_absent(observed, NodeRequest("n", skip_silent=True)))
    assert rows_of(outcome) == [("detach", node[1], "done"), ("forget", None, "done")]
    assert groups_of(eem, *node[:2]) == ["17", "4093"]
    assert eem.stats()["requests"] == 2 + 1
    assert nodes_in(registry) == {} and held_in(registry) == []


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_silent_device_is_replaced_in_one_run_and_a_second_run_does_nothing(
    eem: Simulator, client: Client, registry: SqliteRegistry, node: list[str], answer: str
) -> None:
    eem.set_options(silent_change=answer)
    planned = run(client, registry, replace("n"), check=True)
    assert rows_of(planned) == [("attach", node[2], "planned"), ("detach", node[0], "planned")]
    eem.reset_stats()
    outcome = run(client, registry, replace("n"))
    left = answer == "refuse"
    assert rows_of(outcome) == [("attach", node[2], "done"), ("detach", node[0], "failed" if left else "done")]
    assert groups_of(eem, *node) == ["17" if left else "4093", "17", "17"]
    assert outcome.fabric.devices[node[0]].group_id == eem.card(node[0])["group_id"]
    assert [step.device for step in outcome.steps] == ([node[2]] if left else [node[2], node[0]])
    assert eem.stats()["requests"] == 2 + 2 + (1 if left else 0)  # what was refused is read
    assert nodes_in(registry) == {"n": "composed"} and held_in(registry) == []
    for check in (True, False):
        assert run(client, registry, replace("n"), check).steps == ()


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "fail", "code": "40900", "message": "no"},
        {"do": "fail", "code": "50003", "message": "no answer"},
        {"do": "fail", "code": "40004", "message": "has changed"},
        {"do": "html", "status": 409},
        {"do": "html", "status": 500},
        {"do": "drop"},
        {"do": "garbage", "body": "{}"},
    ],
    ids=str,
)
def test_however_eem_does_not_let_it_go_the_run_succeeds(
    eem: Simulator, client: Client, registry: SqliteRegistry, node: list[str], fault: dict[str, object]
) -> None:
    eem.set_options(silent_change="accept")
    eem.fault(fault, method="DELETE", path=f"{node[0]}/group_id$", times=-1)
    outcome = run(client, registry, replace("n"))
    assert rows_of(outcome) == [("attach", node[2], "done"), ("detach", node[0], "failed")]
    assert groups_of(eem, *node) == ["17", "17", "17"]
    assert outcome.fabric.devices[node[0]].group_id == "17"


@pytest.mark.parametrize(
    "fault", [{"do": "drop"}, {"do": "drop", "after": True}, {"do": "status", "status": 502}], ids=str
)
def test_a_lost_answer_of_the_last_step_is_read_back(
    eem: Simulator, client: Client, registry: SqliteRegistry, node: list[str], fault: dict[str, object]
) -> None:
    eem.set_options(silent_change="accept")
    eem.fault(fault, method="DELETE", path=f"{node[0]}/group_id$", times=1)
    outcome = run(client, registry, replace("n"))
    assert rows_of(outcome) == [("attach", node[2], "done"), ("detach", node[0], "done")]
    assert groups_of(eem, *node) == ["4093", "17", "17"]


def test_a_request_that_times_out_because_of_the_silent_card_is_sent_once_and_undoes_nothing(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, node: list[str]
) -> None:
    """EEM may try to reach the card before it answers, and may still let it go later."""
    eem.set_options(silent_change="accept")
    eem.fault("freeze", method="DELETE", path=f"{node[0]}/group_id$", times=-1)
    eem.reset_stats()
    running = executor(make_client(timeout=0.5), registry)
    outcome = running.run(replace("n"))
    assert eem.stats()["by_method"]["DELETE"] == 1
    assert rows_of(outcome) == [("attach", node[2], "done"), ("detach", node[0], "failed")]
    assert [step.action for step in outcome.steps] == ["attach", "detach"], "it may still come"
    assert running.waited == [f"EEM did not respond in time to a change of {node[0]} and may still carry it out."]
    assert groups_of(eem, *node) == ["17", "17", "17"]
    assert nodes_in(registry) == {"n": "composed"} and held_in(registry) == []


def test_what_was_attached_is_undone_if_the_state_cannot_be_verified_and_the_silent_one_stays(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, node: list[str]
) -> None:
    """The best effort at the end does not hide that an attach had no effect."""
    eem.fault("garbage", body="{}", method="PUT", path="/group_id$", times=-1)
    with pytest.raises(ExecutionFailed, match=f"card {node[2]} is not in group 17") as caught:
        run(make_client(retries=1), registry, replace("n"))
    assert groups_of(eem, *node) == ["17", "17", "4093"]
    assert not caught.value.changed
    assert nodes_in(registry) == {"n": "composed"}


def test_what_eem_does_not_let_go_is_reported_once_although_the_plan_is_made_again(
    eem: Simulator, client: Client, registry: SqliteRegistry, node: list[str]
) -> None:
    eem.fault("garbage", body="{}", method="PUT", path="/group_id$", times=1)
    rows = rows_of(run(client, registry, replace("n")))
    assert [row for row in rows if row[1]] == [("attach", node[2], "done"), ("detach", node[0], "failed")]


def test_a_card_that_falls_silent_before_it_is_undone_is_reported_as_it_is(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    silent = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
    eem.fault(
        {"do": "change", "card": devices[0], "set": silent},
        {"do": "fail", "code": "40900", "message": "no"},
        method="PUT",
        path=f"{devices[1]}/group_id$",
        times=-1,
    )
    with pytest.raises(ExecutionFailed) as caught:
        run(client, None, attach(system, *devices[:2]))
    assert caught.value.changed
    assert f"Could not be undone: {devices[0]} back to group 4093" in caught.value.message
    assert "50003" in caught.value.message
    assert groups_of(eem, *devices[:2]) == ["17", "4093"]
    assert [row["status"] for row in caught.value.rows] == ["done", "failed"]
