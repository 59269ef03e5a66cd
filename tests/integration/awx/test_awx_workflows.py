# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job passes on to the next one of its workflow, and how a job is seen that has no host to run on."""

from __future__ import annotations

import json

import pytest
from awx_jobs import UID, Awx
from eemsim.client import Simulator


def test_a_job_is_started_as_awx_starts_it(awx: Awx) -> None:
    """Of this file's own stage: the other tests would also pass in a shell."""
    job = awx.run("devices")
    (command,) = job.artifacts.glob("command")
    env = json.loads(command.read_text(encoding="utf-8"))["env"]
    assert (env["HOME"], env["JOB_ID"]) == ("/runner", "1") and env["AWX_PRIVATE_DATA_DIR"]
    assert f"uid={UID}" in job.stdout and (job.folder / ".ansible").stat().st_uid == UID
    assert "!unsafe ''" in (job.folder / "env" / "extravars").read_text(encoding="utf-8")
    assert [*awx.folder.glob("root/*")] == [], "its root was seen by the job only"


def test_a_job_passes_its_node_and_devices_on(awx: Awx, eem: Simulator, eeios: list[str]) -> None:
    """The variables of the next job templates name them, as the guide shows."""
    awx.run("register", podm="rack1")
    awx.run("compose", node_name="n2", device_types="NIC")
    awx.artifacts = awx.run("compose", node_name="n1", device_types="GPU,SSD").set_stats
    assert awx.artifacts == {"expether_job": {"node": "n1", "devices": eeios[:2], "podm": "rack1"}}
    awx.template_variables = {"devices": "{{ expether_job.devices }}", "podm": "{{ expether_job.podm }}"}
    awx.artifacts = awx.run("detach", node_name="n1").set_stats
    assert awx.artifacts["expether_job"]["devices"] == eeios[:2]
    awx.artifacts = awx.run("attach", node_name="n2").set_stats
    awx.template_variables = {"node_name": "{{ expether_job.node }}"}
    assert awx.run("release").changed()
    assert {card["id"]: card["group_id"] for card in eem.eeios() if card["group_id"] != "4093"} == {}


@pytest.mark.parametrize("hosts", ["a limit without localhost", "no such host"])
def test_a_job_that_has_no_host_fails(awx: Awx, eem: Simulator, hosts: str) -> None:
    awx.hosts["web1"] = {}
    limit = ["--limit", "web1"] if hosts.startswith("a limit") else []
    awx.host = "" if limit else "registry-host"
    job = awx.run("compose", *limit, node_name="n1", device_types="GPU")
    assert job.status == "failed" and eem.history() == []


def test_localhost_needs_its_connection_only_if_the_inventory_has_it(awx: Awx) -> None:
    awx.hosts = {"localhost": {}}
    job = awx.run("devices")
    assert job.status == "failed" and "UNREACHABLE" in job.stdout
    awx.hosts = {}
    assert len(awx.run("devices").result["devices"]) == 12
