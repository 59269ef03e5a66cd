# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_podm_info: pod managers with their stored or current status."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, assert_check_mode_tells_the_truth, call


@pytest.mark.smoke
def test_pod_managers_are_listed_without_asking_them(
    ansible: Ansible, known: Task, rack1: Task, other: Simulator
) -> None:
    ansible.play(known, rack1.having(name="Rack0", url=other.url))
    run = ansible.play(
        call("podm_info").checked(),
        call("podm_info"),
        call("podm_info", name="RACK1"),
        call("podm_info", name=["rack1", "no such", "rack0"]),
        call("podm_info", name="no such"),
    )
    assert [[podm["name"] for podm in result["podms"]] for result in run] == [
        ["Rack0", "rack1"],
        ["Rack0", "rack1"],
        ["rack1"],
        ["Rack0", "rack1"],
        [],
    ]
    assert_check_mode_tells_the_truth(run[0], run[1])
    assert all(result.wire == [] and result.left_all_alone for result in run)
    assert {podm["status"] for podm in run[1]["podms"]} == {"Online"}
    by_uuid = ansible.play(call("podm_info", name=run[2]["podms"][0]["uuid"]))
    assert [podm["name"] for podm in by_uuid[0]["podms"]] == ["rack1"]


def test_with_check_each_is_asked_and_one_that_is_away_does_not_hide_the_others(
    ansible: Ansible, eem: Simulator, known: Task, rack1: Task
) -> None:
    away = Simulator(eesv=1, eeio=1, seed=200)
    with away:
        ansible.play(known, rack1.having(name="away", url=away.url, retries=0, timeout=2))
    run = ansible.play(
        call("podm_info", source="live"), call("podm_info", source="registry"), call("podm_info", check=True)
    )
    asked, remembered = ({podm["name"]: podm for podm in result["podms"]} for result in run.results[:2])
    assert (asked["rack1"]["status"], asked["rack1"]["last_error"]) == ("Online", None)
    assert asked["away"]["status"] == "Offline"
    assert away.url in asked["away"]["last_error"]
    assert remembered["away"]["status"] == "Online"
    assert [request["path"] for request in run[0].wire] == ["/api_version"]
    assert run[2]["podms"] == run[0]["podms"] and len(run[2].wire) == 1
    assert not run[0].changed
    assert all(result.left_all_alone for result in run)


def test_podm_names_one_of_them_also_as_a_default_of_the_action_group(
    ansible: Ansible, known: Task, rack1: Task, other: Simulator
) -> None:
    ansible.play(known, rack1.having(name="rack2", url=other.url))
    run = ansible.play(call("podm_info", podm="rack2"), call("podm_info", podm=["rack1", "rack2"]))
    assert [[podm["name"] for podm in result["podms"]] for result in run] == [["rack2"], ["rack1", "rack2"]]
    tasks = (call("podm_info"), call("podm_info", name="rack1"), call("sync"), call("sync", podms=["rack1", "rack2"]))
    run = ansible.play(*tasks, defaults={"podm": "rack2"})
    names = [[podm["name"] for podm in result["podms"]] for result in run]
    assert names == [["rack2"], ["rack1"], ["rack2"], ["rack1", "rack2"]]
    assert all(result.warnings == [] for result in run)


def test_without_a_registry_there_are_none_and_none_is_made(ansible: Ansible) -> None:
    run = ansible.play(call("podm_info"), call("podm_info", check=True), call("podm_info", name="rack1"))
    assert [result["podms"] for result in run] == [[], [], []]
    assert run[2].after == {}
