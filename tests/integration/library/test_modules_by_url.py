# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that name an EEM by its URL, before it is registered and after: nodes keep their EEM, and nothing needs a registry but names."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import typing as t
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.cards import FREE_GROUP
from ansible_collections.nec.expether.plugins.module_utils._model.names import node_uuid, podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry import containers
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import put
from eemsim.client import Simulator
from module_main import Result, Run, run_main

GPU: Result = {"devices": [{"type": "GPU"}]}


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a module in this process with an empty registry."""
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{tmp_path / 'r.sqlite3'}")

    def run(module: str, **options: t.Any) -> Result:
        return run_main(capsys, module, **options)

    return run


@pytest.fixture(name="way")
def fixture_way(eem: Simulator) -> Result:
    """Options that say how to reach the simulator."""
    return {"url": eem.url, "username": eem.username, "password": eem.password}


def test_nodes_composed_by_url_are_handed_over_to_the_pod_manager_that_is_registered_with_it(
    run: Run, eem: Simulator, way: Result
) -> None:
    made = run("node", name="train", properties=GPU, **way)
    assert made["changed"] and made["node"]["podm"] is None
    registered = run("podm", name="rack1", **way)
    assert registered["changed"]
    (node,) = run("node_info", podm="rack1")["nodes"]
    assert (node["name"], node["index"], node["state"]) == ("train", made["node"]["index"], "composed")
    assert (node["podm"], node["podm_id"]) == ("rack1", podm_uuid("rack1"))
    assert node["uuid"] == node_uuid(podm_uuid("rack1"), "train") != made["node"]["uuid"]
    assert [device["device_id"] for device in node["devices"]] == [
        device["device_id"] for device in made["node"]["devices"]
    ]
    eem.reset_log()
    for reach in ({"podm": "rack1"}, way, {}):
        assert not run("node", name="train", properties=GPU, **reach)["changed"]
    assert {request["method"] for request in eem.log()} == {"GET"}
    assert run("node", name="train", state="absent")["changed"]
    assert run("node_info", **way)["nodes"] == []


@pytest.mark.parametrize("same", ["name", "system"])
def test_a_node_composed_by_url_is_not_handed_over_to_a_pod_manager_that_has_one_of_its_name_or_on_its_system(
    run: Run, eem: Simulator, way: Result, tmp_path: Path, same: str
) -> None:
    """The EEM is registered already, by another of its URLs, but its cards are not known.

    Only earlier versions composed a second node on a system.
    """
    systems = [card["id"] for card in eem.eesvs()]
    elsewhere = {**way, "url": eem.url.replace("127.0.0.1", "localhost")}
    run("podm", name="rack1", sync=False, **way)
    name = "Train" if same == "name" else "other"
    assert run("node", name=name, node_index=systems[1], properties=GPU, **elsewhere)["changed"]
    assert run("node", name="train", node_index=systems[0], podm="rack1", properties=GPU)["changed"]
    if same == "system":
        refused = run("node", name="third", node_index=systems[1], podm="rack1", properties=GPU)
        assert refused["msg"].startswith(f"System {systems[1]} is already node other of an EEM that is not registered.")
        registry = SqliteRegistry(str(tmp_path / "r.sqlite3"))
        (node,) = registry.of_podm(StoredNode, podm_uuid("rack1"))
        registry.commit([put(node._replace(system_id=systems[1]))])
    for options in (way, elsewhere):
        result = run("podm", name="rack1", **options)
        assert result["failed"] and result["failure"]["kind"] == "refused"
        assert (
            f"Node {name} was created with a URL of this EEM before it was registered, and pod manager rack1 already has a"
            " node of that name or on its system." in result["msg"]
        )
    assert {node["name"] for node in run("node_info", podm="rack1")["nodes"]} == {"train"}
    assert {node["name"] for node in run("node_info", **elsewhere)["nodes"]} == {name}
    assert run("node", name=name, state="absent", **elsewhere)["changed"]
    assert run("podm", name="rack1", **elsewhere)["changed"]


@pytest.mark.parametrize("registered", [False, True])
def test_a_node_is_released_by_url_whether_or_not_its_eem_is_registered(
    run: Run, eem: Simulator, way: Result, registered: bool
) -> None:
    if registered:
        run("podm", name="rack1", **way)
    assert run("node", name="train", properties=GPU, **({"podm": "rack1"} if registered else way))["changed"]
    released = run("node", name="train", state="absent", **way)
    assert released["changed"] and [step["action"] for step in released["plan"]] == ["detach", "forget"]
    assert {card["group_id"] for card in eem.eeios()} == {FREE_GROUP}
    eem.reset_log()
    assert not run("node", name="train", state="absent", **way)["changed"]
    assert eem.log() == []


def test_a_node_of_another_eem_is_not_released_by_url(run: Run, way: Result) -> None:
    run("podm", name="rack1", **way)
    run("node", name="train", podm="rack1", properties=GPU)
    with Simulator(eesv=1, eeio=3, seed=200) as other:
        released = run("node", name="train", state="absent", **{**way, "url": other.url})
    assert not released["changed"] and "failed" not in released and released["node"] is None
    unknown = run("node", name="train", state="absent", url="http://127.0.0.1:1/eem", retries=0)
    assert unknown["failed"] and unknown["failure"]["kind"] == "unreachable"
    assert [node["name"] for node in run("node_info")["nodes"]] == ["train"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_node_whose_eem_is_not_registered_asks_for_its_url(run: Run, eem: Simulator, way: Result, state: str) -> None:
    run("node", name="train", properties=GPU, **way)
    eem.reset_log()
    result = run("node", name="train", state=state)
    assert result["failed"] and result["failure"]["kind"] == "invalid"
    assert "Node 'train' is on an EEM that is not registered. Set `url` to reach it." in result["msg"]
    assert eem.log() == []


def test_a_pod_manager_behind_whose_url_another_eem_is_keeps_its_nodes_and_is_not_changed(
    run: Run, eem: Simulator, way: Result
) -> None:
    run("podm", name="rack1", **way)
    run("node", name="train", podm="rack1", properties=GPU)
    before = run("podm_info")["podms"]
    eem.reset(eesv=1, eeio=3, seed=200)
    result = run("podm", name="rack1", timeout=9)
    assert result["failed"] and result["failure"]["kind"] == "refused"
    assert f"{eem.url} does not list the systems of these nodes: train. Release them first." in result["msg"]
    assert run("podm_info")["podms"] == before


@pytest.fixture(name="damaged")
def fixture_damaged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default registry of a user who is not root, which cannot be opened."""
    del run
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("EXPETHER_REGISTRY")
    monkeypatch.setattr(containers, "job_container", lambda environ: None)  # the tests may run in one
    path = tmp_path / "expether" / "registry.sqlite3"
    path.parent.mkdir()
    path.write_bytes(b"no registry" * 100)
    return path


def test_with_an_url_a_default_registry_that_cannot_be_opened_is_passed_over(
    run: Run, eem: Simulator, way: Result, damaged: Path
) -> None:
    system, device = eem.eesvs()[0]["id"], eem.eeios()[0]["id"]
    content = damaged.read_bytes()
    assert len(run("device_info", **way)["devices"]) == 12
    assert len(run("system_info", **way)["systems"]) == 4
    assert run("device_attach", node=system, devices=[device], **way)["changed"]
    assert run("device", device=device, uid_led="on", **way)["changed"]
    assert eem.card(device)["group_id"] == "17"
    assert damaged.read_bytes() == content


@pytest.mark.parametrize("kind", ["devices", "listings"])
def test_with_an_url_a_default_registry_that_is_damaged_in_part_is_passed_over_too(
    run: Run, eem: Simulator, way: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    default = tmp_path / "expether" / "registry.sqlite3"
    default.parent.mkdir()
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{default}")
    run("podm", name="rack1", **way)
    with contextlib.closing(sqlite3.connect(default, isolation_level=None)) as database:
        database.execute("UPDATE documents SET body = '[]' WHERE kind = ?", (kind,))
    monkeypatch.setattr(os, "geteuid", lambda: 65534)  # whose default registry is in the state directory
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("EXPETHER_REGISTRY")
    monkeypatch.setattr(containers, "job_container", lambda environ: None)  # the tests may run in one
    elsewhere = {**way, "url": eem.url.replace("127.0.0.1", "localhost")}
    assert len(run("device_info", **elsewhere)["devices"]) == 12
    device = eem.eeios()[0]["id"]
    assert run("device_attach", node=eem.eesvs()[0]["id"], devices=[device], **elsewhere)["changed"]


@pytest.mark.parametrize("how", ["option", "environment"])
def test_with_an_url_a_named_registry_that_cannot_be_opened_is_an_error(
    run: Run, eem: Simulator, way: Result, damaged: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    named = {"registry": str(damaged)} if how == "option" else {}
    if how == "environment":
        monkeypatch.setenv("EXPETHER_REGISTRY", str(damaged))
    eem.reset_log()
    attach = {"node": eem.eesvs()[0]["id"], "devices": [eem.eeios()[0]["id"]]}
    for module, options in (("device_info", {}), ("device_attach", attach)):
        result = run(module, **options, **way, **named)
        assert result["failed"] and result["failure"]["kind"] == "registry" and str(damaged) in result["msg"]
    assert eem.log() == []


def test_what_is_about_names_needs_the_default_registry_also_with_an_url(
    run: Run, eem: Simulator, way: Result, damaged: Path
) -> None:
    eem.reset_log()
    result = run("node", name="train", properties=GPU, **way)
    assert result["failed"] and result["failure"]["kind"] == "registry" and str(damaged) in result["msg"]
    assert eem.log() == []
