# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One EEM is one pod manager, whatever its URL: its cards tell."""

from __future__ import annotations

import sqlite3
import typing as t
import uuid
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.names import device_uuid, node_uuid, podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import (
    PodManager,
    RegisteredUrl,
    StoredNode,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import put
from eemsim.client import Simulator
from module_main import Result, Run, run_main

GPU: Result = {"devices": [{"type": "GPU"}]}


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path) -> Path:
    return tmp_path / "r.sqlite3"


@pytest.fixture(name="run")
def fixture_run(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a module in this process with an empty registry."""
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{path}")

    def run(module: str, **options: t.Any) -> Result:
        return run_main(capsys, module, **options)

    return run


@pytest.fixture(name="way")
def fixture_way(eem: Simulator) -> Result:
    """Options that say how to reach the simulator."""
    return {"url": eem.url, "username": eem.username, "password": eem.password, "retries": 1, "timeout": 5}


@pytest.fixture(name="name")
def fixture_name(eem: Simulator, way: Result) -> Result:
    """The same by a name of the host."""
    return {**way, "url": eem.url.replace("127.0.0.1", "localhost")}


@pytest.fixture(name="other")
def fixture_other() -> t.Iterator[Simulator]:
    """Another EEM."""
    with Simulator(eesv=1, eeio=3, seed=200) as other:
        yield other


def reach(eem: Simulator) -> Result:
    return {"url": eem.url, "username": eem.username, "password": eem.password}


def warnings(result: Result) -> list[str]:
    """The texts of a module's warnings."""
    found = result.get("warnings", [])
    return [
        each if isinstance(each, str) else each["event"]["msg"] for each in found
    ]  # objects since ansible-core 2.19


def registered_last(podm: PodManager, name: str, url: str) -> PodManager:
    """A second pod manager with the EEM of another one, as an earlier version registered it."""
    return podm._replace(uuid=podm_uuid(name), revision=0, name=name, url=url, created_at="2999-01-01T00:00:00Z")


def move(card: str, source: Simulator, destination: Simulator) -> None:
    destination.put_card({**source.card(card), "group_id": "4093"})
    source.delete_card(card)


def stored(path: Path, name: str) -> set[str]:
    """The ids of the devices that are stored for a pod manager and not missing."""
    found = open_registry(str(path)).of_podm(StoredDevice, podm_uuid(name))
    return {device.device_id for device in found if device.missing_since is None}


# Registration


@pytest.mark.parametrize("spelling", ["localhost", "[::ffff:127.0.0.1]", "127.0.0.1/x/..", "127.0.0.1/%2e"])
def test_an_eem_is_not_registered_twice(run: Run, eem: Simulator, way: Result, path: Path, spelling: str) -> None:
    run("podm", name="rack1", **way)
    host, slash, rest = spelling.partition("/")
    url = eem.url.replace("127.0.0.1", host).replace("/eem", f"{slash}{rest}/%65em")
    before = path.read_bytes()
    for check_mode in (True, False):
        result = run("podm", name="rack2", _ansible_check_mode=check_mode, **{**way, "url": url})
        assert result["failed"] and result["failure"]["kind"] == "refused"
        assert "pod manager rack1" in result["msg"]
        if host == "localhost":
            assert (
                "so it cannot be pod manager rack2 too. Use rack1; if its EEM has moved, change its URL"
                in result["msg"]
            )
    assert [podm["name"] for podm in run("podm_info")["podms"]] == ["rack1"]
    assert path.read_bytes() == before
    same = run("podm", name="rack1", **{**way, "url": url})
    assert same["changed"] is (host == "localhost")


@pytest.mark.parametrize("kind", ["eesv", "eeio"])
def test_one_card_is_enough_to_know_an_eem(run: Run, eem: Simulator, way: Result, other: Simulator, kind: str) -> None:
    run("podm", name="rack1", **way)
    card = (eem.eesvs() if kind == "eesv" else eem.eeios())[0]
    other.put_card({**card, "group_id": "4094" if kind == "eesv" else "4093"})
    result = run("podm", name="rack2", **reach(other))
    assert result["failed"] and f"lists cards of pod manager rack1 ({card['id']})" in result["msg"]
    eem.delete_card(card["id"])
    assert run("sync", podms=["rack1"])["podms"][0]["status"] == "Online"
    assert run("podm", name="rack2", **reach(other))["changed"]


def test_an_eem_that_has_just_started_and_lists_nothing_is_still_the_pod_manager_that_it_was(
    run: Run, eem: Simulator, way: Result, name: Result
) -> None:
    run("podm", name="rack1", **way)
    fleet = eem.records()
    eem.reset(devices=[])
    assert run("sync")["podms"][0]["status"] == "Degraded"
    eem.reset(devices=fleet[:1])
    result = run("podm", name="rack2", **name)
    assert result["failed"] and "lists cards of pod manager rack1" in result["msg"]
    eem.reset(devices=fleet[-1:])
    assert "lists cards of pod manager rack1" in run("podm", name="rack2", **name)["msg"]


def test_a_pod_manager_whose_url_is_stored_in_an_earlier_form_is_found_by_it(
    run: Run, eem: Simulator, way: Result, path: Path
) -> None:
    run("podm", name="rack1", **way)
    odd = eem.url.replace("/eem", "/x/../%65em")
    database = sqlite3.connect(path)
    database.execute("UPDATE documents SET body = replace(body, ?, ?) WHERE kind = 'pod_managers'", (eem.url, odd))
    database.commit()
    assert odd in database.execute("SELECT body FROM documents WHERE kind = 'pod_managers'").fetchone()[0]
    database.close()
    registry = open_registry(str(path))
    registry.commit([put(RegisteredUrl("of-an-earlier-form", 0, podm_uuid("rack1")))])
    assert [podm.url for podm in registry.all(PodManager)] == [eem.url]
    assert not run("podm", name="rack1", **{**way, "url": odd})["changed"]
    assert "already registered as pod manager rack1" in run("podm", name="rack2", **way)["msg"]
    eem.reset_log()
    (device, *_others) = run("device_info", **{**way, "url": odd})["devices"]
    assert (device["podm"], len(eem.log())) == ("rack1", 1)
    assert run("podm", name="rack1", state="absent")["changed"]
    assert registry.all(RegisteredUrl) == []
    assert run("podm", name="rack2", **way)["changed"]


# Another address


def test_an_eem_that_moves_to_another_address_stays_the_same_pod_manager(
    run: Run, eem: Simulator, way: Result, name: Result
) -> None:
    first = run("podm", name="rack1", **way)["podm"]
    node = run("node", name="train", podm="rack1", properties=GPU)["node"]
    devices = run("device_info", source="registry")["devices"]
    moved = run("podm", name="rack1", **name)
    assert moved["changed"] and (moved["podm"]["uuid"], moved["podm"]["url"]) == (first["uuid"], name["url"])
    assert not [warning for warning in warnings(moved) if "lists none of" in warning]
    (after,) = run("node_info", podm="rack1")["nodes"]
    assert (after["uuid"], after["devices"][0]["uuid"]) == (node["uuid"], node["devices"][0]["uuid"])
    assert [device["uuid"] for device in run("device_info", source="registry")["devices"]] == [
        device["uuid"] for device in devices
    ]
    assert not run("node", name="train", podm="rack1", properties=GPU)["changed"]


def test_an_eem_that_fails_over_and_lists_nothing_yet_keeps_its_nodes(
    run: Run, eem: Simulator, way: Result, name: Result
) -> None:
    run("podm", name="rack1", **way)
    run("node", name="train", podm="rack1", properties=GPU)
    fleet = eem.records()
    eem.reset(devices=[])
    result = run("podm", name="rack1", **name)
    assert result["failed"] and "the systems of these nodes: train. It may have just started." in result["msg"]
    eem.reset(devices=fleet)
    assert run("podm", name="rack1", **name)["changed"]
    assert [node["name"] for node in run("node_info", podm="rack1")["nodes"]] == ["train"]


def test_a_new_url_with_none_of_the_cards_is_a_warning_and_with_those_of_another_is_refused(
    run: Run, eem: Simulator, way: Result, other: Simulator
) -> None:
    run("podm", name="rack1", **way)
    run("podm", name="rack2", **reach(other))
    with Simulator(eesv=1, eeio=2, seed=300) as third:
        to_other = run("podm", name="rack1", **{**reach(other), "url": other.url.replace("127.0.0.1", "localhost")})
        assert to_other["failed"] and "lists cards of pod manager rack2" in to_other["msg"]
        moved = run("podm", name="rack1", **reach(third))
        assert moved["changed"]
        assert (
            f"The EEM at {third.url} lists none of the 16 cards that pod manager rack1 had. Check whether it is the same EEM."
            in warnings(moved)
        )


# Synchronisation


def test_an_eem_that_was_registered_twice_without_its_cards_is_marked_at_the_first_synchronisation(
    run: Run, eem: Simulator, way: Result, name: Result, path: Path
) -> None:
    run("podm", name="a", sync=False, **way)
    run("podm", name="b", sync=False, **name)
    for check_mode in (True, False, False):
        result = run("sync", forks=1, _ansible_check_mode=check_mode)
        assert [podm["status"] for podm in result["podms"]] == ["Online", "Degraded"]
        warning = result["podms"][1]["error"]
        assert warning in warnings(result)
        assert warning.startswith("The EEM of pod manager b lists cards of other pod managers (of a: 0x")
        assert result["podms"][1]["added"] == 0
    assert (len(stored(path, "a")), stored(path, "b")) == (12, set())
    shown = {podm["name"]: podm for podm in run("podm_info")["podms"]}
    assert (shown["a"]["status"], shown["a"]["last_error"]) == ("Online", None)
    assert (shown["b"]["status"], shown["b"]["last_error"]) == ("Degraded", warning)
    assert shown["b"]["systems"] is None
    assert run("podm", name="a", state="absent")["changed"]
    after = run("sync")
    assert [podm["status"] for podm in after["podms"]] == ["Online"] and after["podms"][0]["error"] is None
    assert len(stored(path, "b")) == 12


def test_what_an_earlier_version_stored_twice_stays_with_the_one_that_was_registered_first(
    run: Run, eem: Simulator, way: Result, name: Result, path: Path
) -> None:
    run("podm", name="b", **way)
    registry = open_registry(str(path))
    (b,) = registry.all(PodManager)
    a = registered_last(b, "a", name["url"])
    copies = [
        device._replace(uuid=device_uuid(uuid.UUID(a.uuid), device.device_id), revision=0, podm_id=a.uuid)
        for device in registry.all(StoredDevice)
    ]
    listing = registry.get(StoredListing, b.uuid)
    assert listing is not None and listing.systems is not None and len(listing.systems) == 4
    earlier = [listing._replace(systems=None), listing._replace(uuid=a.uuid, revision=0, systems=None)]
    registry.commit([put(a), *map(put, copies), *map(put, earlier)])
    for dummy in range(2):
        assert {podm["name"]: podm["status"] for podm in run("sync")["podms"]} == {"a": "Degraded", "b": "Online"}
    assert (stored(path, "a"), len(stored(path, "b"))) == (set(), 12)


@pytest.mark.parametrize("last", ["a", "c"])
def test_a_node_of_an_eem_that_was_registered_twice_stays_with_its_pod_manager_whichever_is_synchronised_first(
    run: Run, eem: Simulator, way: Result, name: Result, path: Path, last: str
) -> None:
    run("podm", name="b", **way)
    registry = open_registry(str(path))
    (b,) = registry.all(PodManager)
    # Pod managers are asked in the order of their names.
    twin = registered_last(b, last, name["url"])
    listing = registry.get(StoredListing, b.uuid)
    assert listing is not None
    system = eem.eesvs()[1]["id"]
    node = StoredNode(node_uuid(twin.uuid, "train"), 0, "train", twin.uuid, system, "composed", None, None, None)
    registry.commit([put(twin), put(listing._replace(systems=None)), put(node)])
    for dummy in range(2):
        synced = {podm["name"]: podm for podm in run("sync", forks=1)["podms"]}
        assert {podm["status"] for podm in synced.values()} == {"Degraded"}
        assert f"lists cards of other pod managers (of {last}: {system})" in synced["b"]["error"]


def test_a_card_that_moves_to_another_eem_is_its_card_once_the_first_has_lost_it(
    run: Run, eem: Simulator, way: Result, other: Simulator, path: Path
) -> None:
    run("podm", name="rack1", **way)
    run("podm", name="rack2", **reach(other))
    card = str(eem.eeios()[0]["id"])
    move(card, eem, other)
    marked = run("sync", podms=["rack2"])
    assert marked["podms"][0]["status"] == "Degraded"
    assert marked["podms"][0]["error"] in warnings(marked)
    assert f"manager rack2 lists cards of other pod managers (of rack1: {card})." in marked["podms"][0]["error"]
    assert card in stored(path, "rack1") and stored(path, "rack2") == {each["id"] for each in other.eeios()} - {card}
    assert run("podm_info", name="rack1")["podms"][0]["status"] == "Online"
    assert run("sync", podms=["rack1"])["podms"][0]["missing"] == 1
    after = run("sync", podms=["rack2"])
    assert after["podms"][0] == {**after["podms"][0], "status": "Online", "error": None, "added": 1}
    assert card not in stored(path, "rack1") and card in stored(path, "rack2")
    again = run("sync")
    assert {podm["status"] for podm in again["podms"]} == {"Online"} and not again["changed"]


def test_a_card_that_moves_is_settled_by_the_second_synchronisation_of_all(
    run: Run, eem: Simulator, way: Result, other: Simulator, path: Path
) -> None:
    run("podm", name="rack2", **way)
    run("podm", name="rack1", **reach(other))
    card = str(eem.eeios()[0]["id"])
    move(card, eem, other)
    run("sync", forks=1)  # rack1 first
    assert {podm["status"] for podm in run("sync", forks=1)["podms"]} == {"Online"}
    assert card in stored(path, "rack1") and card not in stored(path, "rack2")


# Tasks by URL


def test_a_task_by_another_url_acts_as_the_registered_pod_manager_for_one_more_request(
    run: Run, eem: Simulator, way: Result, name: Result
) -> None:
    run("podm", name="rack1", **way)
    made = run("node", name="train", podm="rack1", properties=GPU)["node"]
    eem.reset_log()
    assert not run("node", name="train", properties=GPU, **name)["changed"]
    assert [request["path"] for request in eem.log()] == ["/devices", "/devices/detail"]
    eem.reset_log()
    for module in ("node_info", "device_info", "system_info"):
        found = run(module, **name)[f"{module.partition('_')[0]}s"]
        assert {each["podm"] for each in found} == {"rack1"}
    assert [request["path"] for request in eem.log()] == ["/devices/detail"] * 3
    assert [node["uuid"] for node in run("node_info", **name)["nodes"]] == [made["uuid"]]
    second = run("node", name="second", properties=GPU, **name)
    assert second["changed"] and second["node"]["podm"] == "rack1"
    assert second["node"]["index"] != made["index"]
    (device,) = second["node"]["devices"]
    assert run("device_attach", devices=[device["uuid"]], state="detached", **name)["changed"]
    assert {node["name"] for node in run("node_info", podm="rack1")["nodes"]} == {"train", "second"}
    for node in ("train", "second"):
        assert run("node", name=node, state="absent", **name)["changed"]
    assert run("node_info", podm="rack1")["nodes"] == []


def test_a_task_at_an_eem_that_is_not_registered_asks_first_only_if_others_are(
    run: Run, eem: Simulator, way: Result, other: Simulator
) -> None:
    device = str(eem.eeios()[0]["id"])
    run("device", device=device, **way)
    run("podm", name="rack2", **reach(other))
    eem.reset_log()
    shown = run("device", device=device, **way)["device"]
    assert shown["podm"] is None
    assert [request["path"] for request in eem.log()][:2] == ["/devices", "/devices/detail"]
    assert run("node", name="train", properties=GPU, **way)["node"]["podm"] is None
    eem.reset_log()
    assert not run("node", name="train", properties=GPU, **way)["changed"]
    assert [request["path"] for request in eem.log()] == ["/devices/detail"]


def test_nodes_of_an_eem_that_is_not_registered_are_found_by_its_other_urls(
    run: Run, eem: Simulator, way: Result, name: Result
) -> None:
    made = run("node", name="train", properties=GPU, **way)["node"]
    again = run("node", name="train", properties=GPU, **name)
    assert not again["changed"] and again["node"]["uuid"] == made["uuid"]
    assert run("podm", name="rack1", **name)["changed"]
    assert [node["index"] for node in run("node_info", podm="rack1")["nodes"]] == [made["index"]]
    assert run("node", name="train", state="absent", **way)["changed"]


@pytest.mark.parametrize("sync", [True, False])
def test_nodes_of_an_eem_are_given_to_its_pod_manager_also_if_its_devices_are_not_stored(
    run: Run, eem: Simulator, way: Result, name: Result, other: Simulator, sync: bool
) -> None:
    run("node", name="train", properties=GPU, **way)
    assert run("podm", name="rack2", sync=sync, **reach(other))["changed"]
    assert run("node_info", podm="rack2")["nodes"] == []
    assert run("podm", name="rack1", sync=sync, **name)["changed"]
    assert [node["name"] for node in run("node_info", podm="rack1")["nodes"]] == ["train"]
    assert len(run("device_info", podm="rack1", source="registry")["devices"]) == (12 if sync else 0)


def test_a_task_by_url_that_learns_only_from_the_second_listing_whose_eem_it_is_changes_nothing(
    run: Run, eem: Simulator, way: Result, name: Result
) -> None:
    run("podm", name="rack1", **way)
    cards = eem.cards()
    eem.fault("status", path="/devices$", status=200, body='{"devices": [], "timestamp": "1"}')
    result = run("node", name="train", properties=GPU, **name)
    assert result["failed"] and result["failure"]["kind"] == "refused"
    assert f"{name['url']} turns out to be pod manager rack1. Run the task again." in result["msg"]
    assert eem.cards() == cards
    assert run("node", name="train", properties=GPU, **name)["node"]["podm"] == "rack1"


def test_one_moved_card_does_not_make_an_eem_another_pod_manager(
    run: Run, eem: Simulator, way: Result, other: Simulator
) -> None:
    run("podm", name="rack1", **way)
    run("podm", name="rack2", **reach(other))
    move(str(eem.eeios()[0]["id"]), eem, other)
    by_name = {**reach(other), "url": other.url.replace("127.0.0.1", "localhost")}
    assert {device["podm"] for device in run("device_info", **by_name)["devices"]} == {"rack2"}


@pytest.mark.parametrize("kind", ["eesv", "eeio"])
def test_a_forgotten_card_is_not_a_card_of_the_pod_manager_any_more(
    run: Run, eem: Simulator, way: Result, other: Simulator, path: Path, kind: str
) -> None:
    run("podm", name="rack1", **way)
    record = (eem.eesvs() if kind == "eesv" else eem.eeios())[-1]
    card = str(record["id"])
    eem.silence(card)
    assert run("device", device=card, state="absent", podm="rack1")["changed"]
    listing = open_registry(str(path)).get(StoredListing, podm_uuid("rack1"))
    assert listing is not None and card not in (listing.systems or ())
    other.put_card(record)
    assert run("podm", name="rack2", **reach(other))["changed"]
