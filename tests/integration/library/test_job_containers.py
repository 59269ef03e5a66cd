# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In a container that lives only for a job, the default registry is refused for what must be stored."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nec.expether.plugins.module_utils._ansible.plugin_run import PluginFailed, run_plugin
from ansible_collections.nec.expether.plugins.module_utils._modules.inventory import SPEC, Host, find_hosts
from eemsim.client import Simulator
from module_main import Result, Run, run_main

GPU: Result = {"devices": [{"type": "GPU"}]}
REFUSED = (
    "This task needs a registry that outlives the job, but none is set, and the default one is a file in this job's"
    ' container (AWX_PRIVATE_DATA_DIR is set). Set `registry` or EXPETHER_REGISTRY. The guide "Playbooks and AWX" shows'
    " where a registry can be."
)


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a module in this process as in a job of AWX: with its variables, a home that is new, and no registry set."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000660000)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("EXPETHER_REGISTRY", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", "/runner")

    warned: list[str] = []  # Ansible collects the warnings of all modules of a process
    monkeypatch.setattr(AnsibleModule, "warn", lambda dummy, warning: warned.append(warning))

    def run(module: str, **options: t.Any) -> Result:
        warned.clear()
        return {**run_main(capsys, module, **options), "warnings": [*warned]}

    return run


@pytest.fixture(name="way")
def fixture_way(eem: Simulator) -> Result:
    return {"url": eem.url, "username": eem.username, "password": eem.password}


@pytest.mark.parametrize("check", [False, True], ids=["", "check mode"])
def test_nothing_is_stored_in_a_registry_that_ends_with_the_job(
    run: Run, eem: Simulator, way: Result, tmp_path: Path, check: bool
) -> None:
    system, device = eem.eesvs()[0]["id"], eem.eeios()[0]["id"]
    tasks: list[tuple[str, Result]] = [
        ("podm", {"name": "rack1", **way}),
        ("podm", {"name": "rack1", "state": "absent"}),
        ("flavor", {"name": "small", "properties": GPU}),
        ("flavor", {"name": "small", "state": "absent"}),
        ("node", {"name": "n1", "properties": GPU, **way}),
        ("node", {"name": "n1", "state": "managed", "node_index": system, **way}),
        ("node", {"name": "n1", "state": "absent", **way}),
        ("node", {"node_index": system, "state": "absent", "detach_devices": False, **way}),
        ("sync", {}),
        # What has a name that only the registry could know.
        ("device_attach", {"node": "n1", "devices": [device], **way}),
        ("device_attach", {"podm": "rack1", "devices": [device], "state": "detached"}),
        ("device", {"device": "n1", "uid_led": "on", **way}),
        ("device_info", {"podm": "rack1"}),
    ]
    for module, options in tasks:
        result = run(module, **options, _ansible_check_mode=check)
        asked = (module, options)
        assert result["failed"] and result["failure"]["kind"] == "registry", asked
        assert result["failure"]["message"] == REFUSED and not result.get("changed"), asked
        assert result["msg"].startswith(REFUSED), asked
    assert eem.log() == [] and list(tmp_path.iterdir()) == []


def test_a_pod_manager_of_the_environment_needs_a_registry_too(
    run: Run, eem: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EEM_PODM", "rack1")
    monkeypatch.setenv("EEM_URL", eem.url)
    for module in ("device_info", "system_info", "node_info", "sync"):
        result = run(module)
        assert result["failed"] and result["failure"]["message"] == REFUSED, module
    assert eem.log() == [] and list(tmp_path.iterdir()) == []


def test_what_needs_no_registry_goes_on(run: Run, eem: Simulator, way: Result, tmp_path: Path) -> None:
    system, device = eem.eesvs()[0]["id"], eem.eeios()[0]["id"]
    attach = {"node": system, "devices": [device], **way}
    results = [
        run("device_attach", **attach, connect_timeout=0),
        run("device_info", **way),
        run("system_info", system=[system], **way),
        run("device", device=device, uid_led="on", **way),
        run("device_action", device=device, action="audit", **way),
        run("device_attach", devices=[device], state="detached", **way),
    ]
    assert [result["changed"] for result in results] == [True, False, False, True, True, True]
    assert not any(REFUSED in result["warnings"] for result in results)
    assert list(tmp_path.iterdir()) == []


def test_a_listing_of_what_only_a_registry_knows_is_empty_and_says_why(run: Run, way: Result, tmp_path: Path) -> None:
    listings: list[tuple[str, str, Result]] = [
        ("podm_info", "podms", {}),
        ("flavor_info", "flavors", {}),
        ("node_info", "nodes", way),
        ("node_info", "nodes", {}),
        ("device_info", "devices", {"node": "n1", **way}),
        ("device_info", "devices", {"source": "registry"}),
        ("device_info", "devices", {}),
        ("system_info", "systems", {"system": ["n1"], **way}),
    ]
    for module, key, options in listings:
        result = run(module, **options)
        assert result[key] == [] and result["warnings"] == [REFUSED], (module, options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", ["live", "registry"])
@pytest.mark.usefixtures("run")
def test_an_inventory_that_is_empty_for_this_reason_removes_no_hosts(
    eem: Simulator, way: Result, tmp_path: Path, source: str
) -> None:
    warned: list[str] = []

    def hosts(**options: t.Any) -> list[Host]:
        warned.clear()
        return run_plugin(SPEC, options, warned.append, lambda context: find_hosts(context, None, []))

    for options in ({}, way):
        assert hosts(source=source, **options) == [] and REFUSED in warned
        with pytest.raises(PluginFailed) as refused:
            hosts(source=source, require_all=True, **options)
        assert str(refused.value) == REFUSED
    if source == "live":
        systems = hosts(include_systems=True, require_all=True, **way)
        assert [host.name for host in systems] == sorted(card["id"] for card in eem.eesvs()) and REFUSED in warned
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_registry_that_is_named_is_believed(
    run: Run, eem: Simulator, way: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = str(tmp_path / "volume" / "r.sqlite3")
    named = {"registry": path} if how == "option" else {}
    if how == "environment":
        monkeypatch.setenv("EXPETHER_REGISTRY", path)
    monkeypatch.setattr(os, "geteuid", os.getuid)
    made = run("node", name="n1", properties=GPU, connect_timeout=0, **way, **named)
    again = run("node", name="n1", properties=GPU, connect_timeout=0, **way, **named)
    assert made["changed"] and not again["changed"] and again["node"]["index"] == made["node"]["index"]
    assert [node["name"] for node in run("node_info", **way, **named)["nodes"]] == ["n1"]
    assert run("node", name="n1", state="absent", **way, **named)["changed"]
    assert {str(record["group_id"]) for record in eem.eeios()} == {"4093"}


def test_without_a_home_nothing_is_made_in_a_folder_that_is_called_like_its_sign(
    run: Run, eem: Simulator, way: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 1000660000)
    monkeypatch.setattr(
        "ansible_collections.nec.expether.plugins.module_utils._registry.containers.job_container",
        lambda environ: None,
    )
    named = str(tmp_path / "r.sqlite3")
    cases: list[tuple[Result, str]] = [
        ({}, "This user (id 1000660000) has no home folder"),
        # The default of the demo, and a key file beside the default registry.
        ({"registry": "sqlite:///~/.local/state/expether/demo.sqlite3"}, "in `registry` cannot be expanded"),
        ({"registry": "~/r.sqlite3"}, "in `registry` cannot be expanded"),
        ({"registry": named, "registry_key_file": "~/key"}, "in `registry_key_file` cannot be expanded"),
        ({"registry_key_file": "~/key"}, "This user (id 1000660000) has no home folder"),
    ]
    for options, said in cases:
        result = run("podm", name="rack1", sync=False, **way, **options)
        assert result["failed"] and result["failure"]["kind"] == "registry", options
        assert said in result["msg"] and not result["changed"], options
    assert list(tmp_path.iterdir()) == []
    assert eem.card(eem.eeios()[0]["id"])["group_id"] == "4093"
