# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One EEM with two URLs, as tasks: what is refused, what is marked, and that check mode says the same."""

from __future__ import annotations

from eemsim.client import Simulator
from module_runs import Ansible, Task, assert_check_mode_tells_the_truth, call


def by_name(task: Task, eem: Simulator) -> Task:
    return task.having(url=eem.url.replace("127.0.0.1", "localhost"))


def test_a_second_registration_is_refused_and_leaves_nothing(ansible: Ansible, eem: Simulator, known: Task) -> None:
    task = known.having()
    second = by_name(call("podm", **task.options), eem).having(name="rack2").failing()
    run = ansible.play(known, second.called("check").checked(), second.called("real"))
    assert run["check"].msg == run["real"].msg
    assert run["real"].kind == "refused" and "rack1" in run["real"].msg and "rack2" in run["real"].msg
    assert run["real"].left_all_alone
    assert [request["path"] for request in run["real"].wire] == ["/api_version", "/devices/detail"]


def test_a_registration_without_cards_is_marked_by_the_synchronisation(
    ansible: Ansible, eem: Simulator, known: Task
) -> None:
    second = by_name(call("podm", **known.options), eem).having(name="rack2", sync=False)
    run = ansible.play(
        known,
        second,
        call("sync", podms=["rack2"]).called("check").checked(),
        call("sync", podms=["rack2"]).called("real"),
        call("sync").called("again"),
        call("podm_info").called("marked"),
        call("podm", name="rack1", state="absent"),
        call("sync").called("repaired"),
    )
    assert_check_mode_tells_the_truth(run["check"], run["real"])
    (podm,) = run["real"]["podms"]
    assert podm["status"] == "Degraded" and run["real"].changed
    assert run["real"].warnings == [podm["error"]]
    assert "rack1" in podm["error"] and "rack2" in podm["error"]
    assert [each["status"] for each in run["again"]["podms"]] == ["Online", "Degraded"]
    assert not run["again"].changed
    assert [(each["status"], bool(each["last_error"])) for each in run["marked"]["podms"]] == [
        ("Online", False),
        ("Degraded", True),
    ]
    (podm,) = run["repaired"]["podms"]
    assert (podm["status"], podm["error"], podm["added"], run["repaired"].warnings) == ("Online", None, 12, [])


def test_a_task_by_url_of_a_registered_eem_is_about_its_pod_manager(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    way = {"url": eem.url.replace("127.0.0.1", "localhost"), "username": eem.username, "password": eem.password}
    gpu = {"pci_device": {"type": ["GPU"]}}
    run = ansible.play(
        known,
        call("node", name="train", podm="rack1", properties=gpu),
        call("node", name="train", properties=gpu, **way).called("same"),
        call("device_attach", node="train", devices=eeios[1:3], **way).called("attach"),
        call("node", name="train", state="absent", **way).called("check").checked(),
        call("node", name="train", state="absent", **way).called("release"),
        call("node_info", podm="rack1").called("nodes"),
    )
    assert not run["same"].changed and run["same"]["node"]["podm"] == "rack1"
    assert [request["path"] for request in run["same"].wire] == ["/devices", "/devices/detail"]
    assert len(run["attach"].wire) <= 1 + 2 + 2
    assert all(device["podm"] == "rack1" for device in run["attach"]["devices"])
    assert_check_mode_tells_the_truth(run["check"], run["release"])
    assert run["nodes"]["nodes"] == []


def test_a_system_is_one_node_although_its_eem_is_registered_twice(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str]
) -> None:
    second = by_name(call("podm", **known.options), eem).having(name="rack2", sync=False)
    gpu = {"pci_device": {"type": ["GPU"]}}
    taken = {"podm": "rack2", "name": "second", "node_index": eesvs[0]}
    run = ansible.play(
        known,
        call("node", podm="rack1", name="first", node_index=eesvs[0], properties=gpu),
        second,
        call("node", properties=gpu, **taken).called("check").checked().failing(),
        call("node", properties=gpu, **taken).called("compose").failing(),
        call("node", state="managed", **taken).called("adopt").failing(),
        call("node", podm="rack2", name="other", properties=gpu).called("other"),
        call("node_info", podm="rack1").called("nodes"),
    )
    refused = f"System {eesvs[0]} is already node first of pod manager rack1. Nothing was changed."
    for name in ("check", "compose", "adopt"):
        assert (run[name].kind, run[name].msg) == ("refused", refused)
        assert run[name].left_all_alone
    assert run["other"]["node"]["id"] != eesvs[0]
    assert [len(node["device_ids"]) for node in run["nodes"]["nodes"]] == [1]
