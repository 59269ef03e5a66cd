# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another connection writes what a module is about to write, right before each of its commits: it reads and decides again."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._ansible import context as _context
from ansible_collections.nec.expether.plugins.module_utils._model.cards import FREE_GROUP
from ansible_collections.nec.expether.plugins.module_utils._model.names import podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._modules import sync
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    Change,
    Registry,
    RegistryConflict,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from back_ends import on_each_back_end
from eemsim.client import Simulator
from executor_runs import MakeClient, compose, executor, nodes_in, release
from module_main import ALWAYS, Meanwhile, Meddled, Result, Run, rewrite, run_main

RACK1 = podm_uuid("rack1")


@pytest.fixture(name="run")
def fixture_run(
    eem: Simulator,
    registry_url: str,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs a module in this process, with another connection that is quicker before its commit number `at`."""
    monkeypatch.setenv("EXPETHER_REGISTRY", registry_url)
    monkeypatch.setenv("EXPETHER_REGISTRY_KEY_FILE", str(key_file))
    monkeypatch.setattr(_context, "open_registry", Meddled)

    def run(module: str, at: int = 0, meanwhile: Meanwhile = rewrite, **options: t.Any) -> Result:
        Meddled.begin(at, meanwhile)
        return run_main(capsys, module, **options)

    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    for module, options in (
        ("podm", {"name": "rack1", **way}),
        ("flavor", {"name": "gpu", "properties": {"devices": [{"type": "GPU"}]}}),
        ("node", {"name": "train", "podm": "rack1", "flavor": "gpu"}),
    ):
        assert run(module, **options)["changed"]
    return run


RUNS: list[tuple[str, Result]] = [
    ("podm", {"name": "rack1", "description": "another"}),
    ("podm", {"name": "rack1", "state": "absent", "cascade": True}),
    ("flavor", {"name": "gpu", "description": "another"}),
    ("flavor", {"name": "gpu", "state": "absent"}),
    ("node", {"name": "new", "podm": "rack1", "properties": {"devices": [{"type": "SSD"}]}}),
    ("node", {"name": "train", "podm": "rack1", "properties": {"devices": [{"type": "SSD"}, {"type": "GPU"}]}}),
    ("node", {"name": "train", "podm": "rack1", "state": "absent"}),
    ("node", {"name": "train", "podm": "rack1", "state": "absent", "detach_devices": False}),
    ("sync", {}),
]


@on_each_back_end
@pytest.mark.parametrize(("module", "options"), RUNS, ids=str)
def test_a_module_decides_again_at_whichever_commit_another_run_was_quicker(
    run: Run, eem: Simulator, module: str, options: Result
) -> None:
    for number, record in enumerate(eem.eeios()[6:8] if module == "sync" else ()):
        eem.patch(record["id"], model=f"another {number}")
    result = run(module, at=1, **options)
    assert Meddled.conflicts, "the first commit met no conflict"
    assert not result.get("failed"), result["msg"]
    assert result["changed"]
    assert not run(module, **options)["changed"]


@on_each_back_end
@pytest.mark.parametrize("at", [2, 3])
@pytest.mark.parametrize(
    ("module", "options"), [each for each in RUNS if each[0] == "node" or "cascade" in each[1]], ids=str
)
def test_a_run_that_changes_cards_also_ends_well_when_its_later_commits_meet_a_conflict(
    run: Run, module: str, options: Result, at: int
) -> None:
    result = run(module, at=at, **options)
    assert not result.get("failed"), result["msg"]
    assert result["changed"]
    assert Meddled.conflicts or at > Meddled.commits
    assert not run(module, **options)["changed"]


@pytest.mark.parametrize(
    ("module", "options", "what"),
    [
        (*RUNS[0], "Pod manager rack1"),
        (*RUNS[2], "Flavor gpu"),
        (*RUNS[3], "Flavor gpu"),
        (*RUNS[5], "rack1"),
        (*RUNS[7], "rack1"),
    ],
    ids=str,
)
def test_what_changes_all_the_time_is_named_as_the_user_knows_it(
    run: Run, module: str, options: Result, what: str
) -> None:
    result = run(module, at=ALWAYS, **options)
    assert result["failed"] and result["failure"]["kind"] == "registry_conflict"
    assert f"{what} has been changed by another run meanwhile. This happened 50 times in a row." in result["msg"]
    assert "document" not in result["msg"] and "/" not in result["msg"]
    assert result["msg"].endswith("Nothing was changed.")


def test_eem_is_asked_once_while_only_the_pod_manager_is_written_meanwhile(run: Run, eem: Simulator) -> None:
    assert run("podm", name="rack1", state="absent", cascade=True)["changed"]
    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    run("podm", name="rack1", **way, sync=False)
    eem.reset_log()
    result = run("podm", at=1, name="rack1", description="another", timeout=9, sync=True)
    assert result["changed"] and Meddled.conflicts
    assert [request["path"] for request in eem.log()] == ["/api_version", "/devices/detail"]


# What another run has done by then


@on_each_back_end
def test_a_pod_manager_that_gets_a_node_while_it_is_removed_is_kept(
    run: Run, registry: Registry, eem: Simulator, make_client: MakeClient
) -> None:
    assert run("node", name="train", podm="rack1", state="absent")["changed"]

    def compose_new(other: Registry, _changes: t.Sequence[Change]) -> None:
        executor(make_client(), other, podm_id=RACK1).run(compose("new"))

    result = run("podm", at=1, meanwhile=compose_new, name="rack1", state="absent")
    assert Meddled.conflicts == 1
    assert result["failed"] and result["failure"]["kind"] == "refused"
    assert "Another run has created a node on pod manager rack1. Run the task again." in result["msg"] and result[
        "msg"
    ].endswith("Nothing was changed.")
    assert nodes_in(registry) == {"new": "composed"}
    assert [podm["name"] for podm in run("podm_info")["podms"]] == ["rack1"]
    assert run("podm", name="rack1", state="absent", cascade=True)["changed"]
    assert {card["group_id"] for card in eem.eeios()} == {FREE_GROUP}


@on_each_back_end
def test_a_node_that_moves_to_another_system_while_it_is_forgotten_is_kept(
    run: Run, registry: Registry, eem: Simulator, make_client: MakeClient
) -> None:
    first, second = (card["id"] for card in eem.eesvs()[:2])

    def move(other: Registry, _changes: t.Sequence[Change]) -> None:
        for decide in (release("train"), compose("train", second)):
            executor(make_client(), other, podm_id=RACK1).run(decide)

    result = run("node", at=1, meanwhile=move, name="train", state="absent", detach_devices=False)
    assert Meddled.conflicts == 1
    assert result["failed"] and result["failure"]["kind"] == "refused"
    assert f"Another run has moved node train to system {second}. Run the task again." in result["msg"]
    assert [node.system_id for node in registry.all(StoredNode)] == [second]


@on_each_back_end
def test_a_node_that_another_run_forgets_first_is_no_failure(
    run: Run, registry: Registry, make_client: MakeClient
) -> None:
    def forget(other: Registry, _changes: t.Sequence[Change]) -> None:
        executor(make_client(), other, podm_id=RACK1).run(release("train"))

    result = run("node", at=1, meanwhile=forget, name="train", state="absent", detach_devices=False)
    assert Meddled.conflicts == 1
    assert not result.get("failed") and not result["changed"] and result["plan"] == []
    assert nodes_in(registry) == {}


def test_a_synchronisation_that_meets_conflicts_all_the_time_gives_that_pod_manager_up_and_says_so(
    run: Run, eem: Simulator
) -> None:
    device = eem.eeios()[6]["id"]
    eem.patch(device, model="another")
    eem.reset_log()
    result = run("sync", at=ALWAYS)
    assert not result.get("failed") and not result["changed"]
    (podm,) = result["podms"]
    assert f"This happened {sync.TRIES} times in a row." in podm["error"] and podm["status"] == "Online"
    assert (podm["unchanged"], podm["updated"]) == (12, 0)
    assert [request["path"] for request in eem.log()] == ["/devices/detail"] * sync.TRIES
    assert Meddled.conflicts == sync.TRIES
    assert run("sync")["podms"][0]["updated"] == 1


def test_a_password_that_cannot_be_decrypted_makes_its_pod_manager_offline_with_the_reason(
    run: Run, key_file: Path, eem: Simulator
) -> None:
    """Another run stores it with another key while this one has asked EEM already."""
    eem.patch(eem.eeios()[6]["id"], model="another")

    def lose_password(other: Registry, _changes: t.Sequence[Change]) -> None:
        found = other.get(PodManager, RACK1)
        assert found
        other.commit([put(found._replace(password="of another key"))])

    for at, meanwhile in ((1, lose_password), (0, rewrite)):
        eem.reset_log()
        result = run("sync", at=at, meanwhile=meanwhile)
        assert not result.get("failed")
        (podm,) = result["podms"]
        assert podm["status"] == "Offline" and str(key_file) in podm["error"] and podm["unchanged"] == 12
        assert len(eem.log()) == at, "it was asked without a password"
    assert Meddled.conflicts == 0
    assert len(run("device_info", source="registry")["devices"]) == 12


def test_it_is_tried_no_more_often_than_was_said() -> None:
    tried = []

    def attempt() -> None:
        tried.append(1)
        raise RegistryConflict("Flavor gpu has been changed by another run meanwhile.")

    with pytest.raises(RegistryConflict, match="3 times in a row"):
        until_written(attempt, 3)
    assert len(tried) == 3
