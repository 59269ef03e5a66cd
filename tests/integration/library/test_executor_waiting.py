# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor waits: for an EEM that restarts or does not answer, and for other runs; and not for ever."""

from __future__ import annotations

import contextlib
import json
import threading
import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import WHOLE_PODM, Claims
from ansible_collections.nec.expether.plugins.module_utils._execution.forget import Forgetting, forget
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import ObservedState, Plan
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Change,
    Registry,
    put,
    remove_anyway,
)
from eemsim.client import Simulator
from executor_runs import PODM, MakeClient, attach, compose, executor, groups_of, held_in, nodes_in, release, run

RESTART = {"down": 0.3, "starting": 0.3, "empty": 0.5, "mode": "reset"}


@pytest.fixture(name="other_run")
def fixture_other_run(registry: SqliteRegistry) -> t.Iterator[Claims]:
    """Claims of another run, of this very process, so of one that is alive."""
    yield Claims(registry, PODM, "the other run", 60.0)


# For an EEM that restarts


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_a_restart_in_the_middle_of_a_run_is_waited_for_and_each_card_is_changed_once(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, nth: int, after: bool
) -> None:
    eem.fault({"do": "restart", "after": after, **RESTART}, method="PUT", nth=nth)
    outcome = run(client, registry, compose("n", system))
    assert {row["status"] for row in outcome.rows} == {"done"}
    assert len(eem.history(field="group_id")) == 2
    assert nodes_in(registry) == {"n": "composed"}
    assert client.waited


def test_a_restart_while_steps_are_undone_is_waited_for(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    eem.fault("fail", status=409, code="40900", method="PUT", nth=3)
    eem.fault({"do": "restart", **RESTART}, method="DELETE")
    with pytest.raises(ExecutionFailed, match="Nothing was changed"):
        run(client, None, attach(system, *devices[:3]))
    assert set(groups_of(eem, *devices)) == {"4093"}


def test_a_card_that_eem_knows_again_by_the_time_that_it_lists_its_cards_is_undone_too(
    eem: Simulator, client: Client, system: str, devices: list[str]
) -> None:
    """EEM's start is over between the two requests by which it is found out whether the card is gone."""
    eem.fault("fail", status=409, code="40900", method="PUT", nth=3)
    eem.fault("fail", status=404, code="40400", method="GET", path=f"{devices[1]}$", times=1)
    with pytest.raises(ExecutionFailed, match="Nothing was changed"):
        run(client, None, attach(system, *devices[:3]))
    assert set(groups_of(eem, *devices)) == {"4093"}


def test_a_list_that_lost_most_cards_in_the_middle_of_a_run_is_not_planned_from(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str]
) -> None:
    few = {"devices": [eem.card(system), eem.card(devices[11])], "timestamp": "1"}
    eem.fault("fail", code="50003", method="PUT")
    eem.fault({"do": "garbage", "body": json.dumps(few)}, path="devices/detail", nth=2, times=3)
    running = executor(client, registry)
    outcome = running.run(compose("n", system))
    assert {row["status"] for row in outcome.rows} == {"done"}
    assert any("cards that it listed before" in sentence for sentence in running.waited)


@pytest.mark.parametrize("times", [3, -1], ids=["listed again", "never again"])
def test_a_list_that_has_lost_a_card_which_this_run_changed_is_not_planned_from(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str, devices: list[str], times: int
) -> None:
    rest = {"devices": [record for record in eem.records() if record["id"] != devices[0]], "timestamp": "1"}
    eem.fault("fail", code="50003", method="PUT", nth=2)
    eem.fault({"do": "garbage", "body": json.dumps(rest)}, path="devices/detail$", nth=2, times=times)
    running = executor(make_client(timeout=0.5, retries=2), registry)
    lost = f"{devices[0]}, which this run has changed"
    if times > 0:
        outcome = running.run(attach(system, *devices[:2]))
        assert {row["status"] for row in outcome.rows} == {"done"}
        assert groups_of(eem, *devices[:2]) == ["17", "17"]
        assert len(eem.history(field="group_id")) == 2
    else:
        with pytest.raises(ExecutionFailed, match=f"EEM does not list {lost}; it may have just started") as caught:
            running.run(attach(system, *devices[:2]))
        assert not caught.value.changed
        assert groups_of(eem, *devices[:2]) == ["4093", "4093"]
    assert f"Waited for EEM to list {lost}, because it may have just started." in running.waited
    assert held_in(registry) == []


def test_an_eem_that_lists_no_card_at_all_is_waited_for_if_the_registry_knows_cards(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str
) -> None:
    run(client, registry, compose("n", system))
    eem.fault("garbage", body='{"devices": []}', path="devices/detail", times=3)
    assert [step.action for step in run(client, registry, release("n")).steps] == ["detach", "detach", "forget"]


def test_an_eem_that_never_lists_its_cards_again_is_refused_in_a_sentence(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str
) -> None:
    run(make_client(), registry, compose("n", system))
    eem.fault("garbage", body='{"devices": []}', path="devices/detail", times=-1)
    with pytest.raises(PlanRefused, match="EEM does not list any of the cards that it had; it may have just started"):
        run(make_client(timeout=0.2, retries=0), registry, release("n"))
    assert nodes_in(registry) == {"n": "composed"}


def test_an_eem_without_cards_of_which_nothing_is_known_is_not_waited_for(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry
) -> None:
    eem.reset(devices=[])
    known = {"podm_id": PODM, "device_id": "0x8cdf9d120000", "state": "free", "missing_since": "2026-01-01T00:00:00Z"}
    gone = StoredDevice(**{**dict.fromkeys(StoredDevice._fields), "uuid": PODM, "revision": NEVER, **known})
    eem.reset_stats()
    registry.commit([put(gone)])
    with pytest.raises(PlanRefused):
        run(make_client(), registry, compose("n"))
    assert eem.stats()["requests"] == 1


# For an EEM that does not answer


def test_after_a_change_an_eem_is_asked_for_longer_than_before_it(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    """Before it C(retries) tries are enough; after it somebody must learn what the change did."""
    client = make_client(retries=1)
    eem.fault("status", status=503, method="GET", times=2)
    with pytest.raises(ExpetherError, match="503"):
        run(client, None, attach(system, devices[0]))
    eem.clear_faults()
    eem.fault("drop", after=True, method="PUT")
    eem.fault("status", status=503, method="GET", path="devices/0x", times=5)
    assert run(make_client(retries=1), None, attach(system, devices[0])).rows[0]["status"] == "done"
    assert len(eem.history(field="group_id")) == 1


def test_a_frozen_eem_uses_up_one_patience_and_not_one_for_each_wait(
    eem: Simulator, make_client: MakeClient, registry: SqliteRegistry, system: str
) -> None:
    client = make_client(timeout=0.5, retries=3)
    eem.fault("freeze", nth=2, times=-1)
    eem.reset_stats()
    with pytest.raises(ExecutionFailed, match="is not known"):
        run(client, registry, compose("n", system))
    assert client.patience.seconds_left < 1
    # Those that are not answered cost half a second each, of two seconds of patience, and one more of the run and of its undoing.
    assert eem.stats()["requests"] <= 1 + 4 + 2
    assert held_in(registry) == []


def test_a_change_of_unknown_outcome_is_read_again_when_the_rest_is_undone(
    eem: Simulator, make_client: MakeClient, system: str, devices: list[str]
) -> None:
    """EEM made the change after all when nobody looked any more; it is taken back with the others."""
    eem.fault("drop", after=True, method="PUT", nth=2)
    eem.fault("drop", method="GET", path="devices/0x", times=1)
    client = make_client(retries=0)
    client.patience.seconds_left = 0.0  # so that the card is not read again at once
    with pytest.raises(ExecutionFailed) as caught:
        run(client, None, attach(system, *devices[:2]))
    assert groups_of(eem, *devices[:2]) == ["4093", "4093"], caught.value.message
    assert [row["status"] for row in caught.value.rows] == ["undone", "undone"]
    assert not caught.value.changed


# For other runs


def _later(seconds: float, work: t.Callable[[], object]) -> contextlib.AbstractContextManager[None]:
    @contextlib.contextmanager
    def running() -> t.Iterator[None]:
        timer = threading.Timer(seconds, work)
        timer.start()
        yield
        timer.join()

    return running()


@pytest.mark.parametrize("check", [False, True])
def test_a_run_and_its_check_wait_for_the_system_that_another_run_holds(
    client: Client, registry: SqliteRegistry, system: str, other_run: Claims, check: bool
) -> None:
    other_run.claim(other_run.read()[0], [system])
    running = executor(client, registry)
    with _later(0.3, lambda: other_run.release(changed=False)):
        outcome = running.run(compose("n", system), check)
    assert {row["status"] for row in outcome.rows} == {"planned" if check else "done"}
    assert running.waited == [f"Waited for other runs: {system} claimed by the other run."]


def test_a_run_whose_new_plan_must_wait_gives_back_what_it_held(
    eem: Simulator, client: Client, registry: SqliteRegistry, system: str, devices: list[str], other_run: Claims
) -> None:
    """Two that hold something and wait for each other would wait for ever."""
    seen: list[list[str]] = []

    def draft(observed: ObservedState) -> Plan:
        if not seen:
            seen.append([])
            return attach(system, devices[0])(observed)
        if len(seen) == 1:
            other_run.claim(other_run.read()[0], [devices[1]])
            seen.append([])
            ending.start()
            return attach(system, devices[1])(observed._replace(claimed_by_others={devices[1]: "the other run"}))
        return attach(system, devices[0])(observed)

    def other_ends() -> None:
        seen.append(held_in(registry))
        other_run.release(changed=False)

    ending = threading.Timer(0.5, other_ends)
    eem.fault("fail", code="50003", method="PUT")
    run(client, registry, draft)
    ending.join()
    assert seen[2] == [devices[1]]
    assert groups_of(eem, devices[0]) == ["17"]


def test_nothing_is_claimed_beside_a_run_that_forgets_the_pod_manager(
    client: Client, registry: SqliteRegistry, system: str, other_run: Claims
) -> None:
    other_run.claim(other_run.read()[0], [WHOLE_PODM])
    running = executor(client, registry)
    with _later(0.3, lambda: other_run.release(changed=True)):
        running.run(compose("n", system))
    assert running.waited == ["Waited for other runs: the pod manager claimed by the other run."]


def test_a_run_that_forgets_the_pod_manager_waits_for_all_others(
    client: Client, registry: SqliteRegistry, system: str, other_run: Claims
) -> None:
    run(client, registry, compose("n", system))
    other_run.claim(other_run.read()[0], ["0x8cdf9d1200ff"])
    running = executor(client, registry, exclusive=True)
    with _later(0.3, lambda: other_run.release(changed=False)):
        running.run(release("n"))
    assert len(running.waited) == 1
    assert nodes_in(registry) == {}


@pytest.mark.parametrize(("key", "waits"), [("0x8cdf9d1200ff", True), (WHOLE_PODM, True), ("0x8cdf9d1200fe", False)])
def test_what_is_only_forgotten_waits_for_who_is_changing_it(
    registry: SqliteRegistry, other_run: Claims, key: str, waits: bool
) -> None:
    other_run.claim(other_run.read()[0], ["0x8cdf9d1200ff"])
    registry.commit([put(Flavor("a", NEVER, "a", None, {}, None, None))])
    change = Forgetting(PODM, key, "a test")
    settings = Settings("", timeout=2.0, retries=1)
    with _later(0.3, lambda: other_run.release(changed=False)):
        waited = forget(registry, change, settings, lambda: [remove_anyway(Flavor, "a")])
    assert bool(waited) == waits
    assert registry.all(Flavor) == []
    other_run.claim(other_run.read()[0], ["0x8cdf9d1200ff"])
    with pytest.raises(PlanRefused) if waits else contextlib.nullcontext():
        forget(registry, change, settings._replace(timeout=0.1), None)


def test_what_is_only_forgotten_is_decided_again_when_another_run_changed_cards_meanwhile(
    registry: SqliteRegistry, other_run: Claims
) -> None:
    """After nobody was seen to hold the card, and before it is claimed."""
    decided: list[str] = []

    def changes() -> list[Change]:
        decided.append("again" if decided else "first")
        if len(decided) == 1:
            other_run.claim(other_run.read()[0], ["0x8cdf9d1200ff"])
            other_run.release(changed=True)
        return [put(Flavor(decided[-1], NEVER, decided[-1], None, {}, None, None))]

    assert forget(registry, Forgetting(PODM, "0x8cdf9d1200ff", "a test"), Settings(""), changes) == []
    assert decided == ["first", "again"]
    assert [found.uuid for found in registry.all(Flavor)] == ["again"]
    assert held_in(registry) == []


def test_what_is_only_forgotten_is_refused_when_another_run_claims_it_first(
    registry: SqliteRegistry, other_run: Claims
) -> None:
    """After nobody was seen to hold the card, and before it is claimed; the other run does not end."""

    def changes() -> list[Change]:
        other_run.claim(other_run.read()[0], ["0x8cdf9d1200ff"])
        return [put(Flavor("a", NEVER, "a", None, {}, None, None))]

    settings = Settings("", timeout=0.1, retries=0)
    with pytest.raises(PlanRefused, match="Blocked by another run: the other run"):
        forget(registry, Forgetting(PODM, "0x8cdf9d1200ff", "a test"), settings, changes)
    assert registry.all(Flavor) == []
    assert held_in(registry) == ["0x8cdf9d1200ff"]


def test_steps_are_not_undone_that_another_run_has_taken_over(
    eem: Simulator, client: Client, registry: Registry, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    eem.fault("fail", status=409, code="40900", method="PUT", nth=2)
    calls: list[int] = []
    monkeypatch.setattr(Claims, "renew", lambda self: calls.append(1) or len(calls) < 3)
    with pytest.raises(ExecutionFailed, match="not tried: another run has taken it over"):
        run(client, registry, compose("n", system))
    assert [card["group_id"] for card in eem.eeios()].count("17") == 1
