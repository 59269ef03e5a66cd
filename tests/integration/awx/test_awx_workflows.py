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
    """AWX gives the statistics of a job to the next one as variables: the names are those that its survey asks for."""
    awx.run("register", podm="rack1")
    composed = awx.run("compose", node_name="n1", device_types="GPU").set_stats
    assert composed["node_name"] == "n1"
    attached = awx.run("attach", node_name=composed["node_name"], devices=eeios[1]).set_stats
    assert attached["node_name"] == "n1"
    assert awx.run("detach", node_name="n1", devices=attached["devices"]).changed()
    assert awx.run("release", node_name=composed["node_name"]).changed()
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}


@pytest.mark.parametrize("hosts", ["a limit without localhost", "no such host"])
def test_a_job_that_has_no_host_fails(awx: Awx, eem: Simulator, hosts: str) -> None:
    awx.hosts["web1"] = {}
    limit = ["--limit", "web1"] if hosts.startswith("a limit") else []
    awx.host = "" if limit else "registry-host"
    job = awx.run("compose", *limit, node_name="n1", device_types="GPU")
    assert job.status == "failed" and eem.history() == []
