# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job is killed with its whole container in the middle of a request, and launched again at once.

The kernel drops the locks of the killed job with its processes, so the second job does not wait for the first one's claims.
"""

from __future__ import annotations

import typing as t

import pytest
from awx_jobs import Awx, Json
from eemsim.client import Simulator

pytestmark = pytest.mark.timeout(900)

CHANGES = "/group_id$"


def killed(awx: Awx, eem: Simulator, playbook: str, fault: int, **answers: Json) -> None:
    """Kill a job at a request, and launch it again at once."""
    awx.kill_at(eem, fault, awx.launch(playbook, **answers))
    again = awx.run(playbook, **answers)
    again.changed()
    assert "Waited for other runs" not in again.stdout


def killed_and_repaired(awx: Awx, eem: Simulator, playbook: str, fault: int, **answers: Json) -> None:
    """Kill a job at a request, launch it again at once, and once more: then nothing is left to change."""
    killed(awx, eem, playbook, fault, **answers)
    changes = eem.history()
    assert not awx.run(playbook, **answers).changed()
    assert eem.history() == changes


def attached(eem: Simulator) -> dict[str, str]:
    """Return the group id of each device that has one."""
    return {card["id"]: card["group_id"] for card in eem.eeios() if card["group_id"] != "4093"}


def test_killed_jobs_about_pod_managers(awx: Awx, eem: Simulator) -> None:
    for playbook, answers in (
        ("register", {"podm": "rack1"}),
        ("sync", {}),
        ("devices", {"podm": "rack1"}),
    ):
        killed_and_repaired(awx, eem, playbook, eem.fault("freeze", method="GET", path="^/devices"), **answers)
    assert eem.history() == []


@pytest.mark.parametrize("first", [True, pytest.param(False, marks=pytest.mark.long)], ids=["in turn", "the other way"])
def test_killed_jobs_about_nodes(awx: Awx, eem: Simulator, eeios: list[str], first: bool) -> None:
    """The EEM has carried out the change that the job was killed at, or will do so while the job runs again: in turn."""
    awx.run("register", podm="rack1")
    steps: t.Sequence[tuple[str, str, int, dict[str, Json], set[str]]] = (
        ("compose", "PUT", 2, {"node_name": "n1", "device_types": "GPU,SSD"}, {eeios[0], eeios[1]}),
        ("attach", "PUT", 1, {"node_name": "n1", "devices": [eeios[2]]}, {*eeios[:3]}),
        ("detach", "DELETE", 1, {"devices": eeios[0]}, {*eeios[1:3]}),
        ("release", "DELETE", 1, {"node_name": "n1"}, set()),
    )
    for place, (playbook, method, nth, answers, devices) in enumerate(steps):
        after = first == (place % 2 == 0)
        fault = eem.fault("freeze", after=after, method=method, path=CHANGES, nth=nth)
        killed_and_repaired(awx, eem, playbook, fault, **answers)
        assert {*attached(eem)} == devices and len({*attached(eem).values()}) <= 1, playbook
    # Each device was attached and detached once: no job has done anything twice.
    assert sorted((each["card"], each["to"] == "4093") for each in eem.history(field="group_id")) == sorted(
        (device, free) for device in eeios[:3] for free in (True, False)
    )


@pytest.mark.long
def test_a_job_may_be_killed_at_each_of_its_requests(awx: Awx, eem: Simulator, eeios: list[str]) -> None:
    """Each change when the EEM has received it and when it has carried it out, which make no difference for a read."""
    asked = {"node_name": "n1", "device_types": "GPU,SSD"}
    awx.run("register", podm="rack1")
    eem.reset_log()
    awx.run("compose", **asked)
    requests = [(number, each["method"] == "GET") for number, each in enumerate(eem.log(), 1)]
    assert sum(is_read for dummy, is_read in requests) >= 2 == sum(not is_read for dummy, is_read in requests)
    for number, is_read in requests:
        for after in (True,) if is_read else (True, False):
            awx.run("release", node_name="n1")
            killed(awx, eem, "compose", eem.fault("freeze", after=after, path=".", nth=number), **asked)
            assert {*attached(eem)} == {eeios[0], eeios[1]}, (number, after)
