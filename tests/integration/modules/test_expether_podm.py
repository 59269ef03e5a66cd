# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_podm: registering an EEM, changing the registration, and removing it."""

from __future__ import annotations

import base64
import stat

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, call, twelve_cases

GPU = {"pci_device": {"type": ["GPU"]}}


@pytest.mark.smoke
def test_a_pod_manager_in_twelve_cases(ansible: Ansible, eem: Simulator, rack1: Task) -> None:
    run = twelve_cases(
        ansible,
        ("create", rack1),
        ("change", rack1.having(location="Hall 2", description="GPUs", timeout=7)),
        ("remove", call("podm", name="rack1", state="absent")),
    )
    podm = run["create"]["podm"]
    assert (podm["name"], podm["url"], podm["driver"], podm["username"]) == ("rack1", eem.url, "expether", "admin")
    assert (podm["status"], podm["last_error"]) == ("Online", None)
    assert podm["api_version"] and podm["last_sync"] and podm["created_at"] and podm["updated_at"]
    assert (podm["location"], podm["connection"]["timeout"]) == (None, 5)
    changed = run["change"]["podm"]
    assert (changed["location"], changed["description"], changed["connection"]["timeout"]) == ("Hall 2", "GPUs", 7)
    assert changed["uuid"] == podm["uuid"]
    assert run["remove"]["podm"]["name"] == "rack1"
    assert run["remove again"]["podm"] is None


def test_check_mode_makes_neither_registry_nor_key(ansible: Ansible, rack1: Task) -> None:
    run = ansible.play(rack1.checked(), arguments=("--diff",))
    assert run[0].changed
    assert run[0].after == {}


def test_registering_costs_two_requests_on_one_connection_and_again_none(ansible: Ansible, rack1: Task) -> None:
    run = ansible.play(
        rack1.having(sync=False),
        rack1,
        rack1,
        call("podm", name="other", state="absent"),
        call("podm", name="rack1", state="absent"),
        rack1,
    )
    assert [[request["path"] for request in result.wire] for result in run] == [
        ["/api_version"],
        ["/api_version", "/devices/detail"],
        [],
        [],
        [],
        ["/api_version", "/devices/detail"],
    ]
    assert all(result.connections <= 1 for result in run)
    assert [result.changed for result in run] == [True, True, False, False, True, True]


def test_the_first_synchronisation_remembers_the_devices(ansible: Ansible, rack1: Task, eeios: list[str]) -> None:
    run = ansible.play(
        rack1.having(sync=False),
        call("device_info", source="registry").called("before"),
        rack1,
        call("device_info", source="registry").called("after"),
        call("podm", name="rack1", state="absent"),
        call("device_info", source="registry").called("forgotten"),
    )
    assert run["before"]["devices"] == run["forgotten"]["devices"] == []
    assert [device["device_id"] for device in run["after"]["devices"]] == eeios
    assert all(device["podm"] == "rack1" and device["synced_at"] for device in run["after"]["devices"])


def test_an_url_is_one_however_it_is_written(ansible: Ansible, eem: Simulator, known: Task, rack1: Task) -> None:
    shouted = f"HTTP://127.0.0.1:{eem.port}/eem///"
    run = ansible.play(
        known,
        rack1.having(url=shouted),
        rack1.having(name="rack2", url=shouted).failing(),
        rack1.having(name="RACK1"),
    )
    assert [result.changed for result in run] == [True, False, False, False]
    assert "rack1" in run[2].msg and run[2].kind == "refused"
    assert run[2].left_all_alone
    assert run[3]["podm"]["name"] == "rack1"


def test_another_url_is_asked_and_its_devices_are_remembered(
    ansible: Ansible, eem: Simulator, known: Task, other: Simulator
) -> None:
    run = ansible.play(
        known,
        call("podm", name="rack1", url=other.url, password=other.password),
        call("podm", name="rack1"),
        call("device_info"),
    )
    assert [result.changed for result in run.results[:3]] == [True, True, False]
    assert run[1]["diff"]["before"]["url"] == eem.url
    assert run[1]["diff"]["after"]["url"] == other.url
    assert {device["device_id"] for device in run[3]["devices"]} == {card["id"] for card in other.eeios()}


def test_a_remembered_password_is_not_sent_to_another_url(ansible: Ansible, eem: Simulator, known: Task) -> None:
    with Simulator(eesv=1, eeio=2) as other:
        run = ansible.play(known, call("podm", name="rack1", url=other.url).failing())
        assert "Changing the URL of rack1 requires `password`" in run[1].msg
        assert other.log() == []


def test_a_new_password_is_a_change_that_the_diff_shows_without_showing_it(ansible: Ansible, rack1: Task) -> None:
    with Simulator(eesv=1, eeio=2, password="second-word") as other:
        task = rack1.having(url=other.url)
        run = ansible.play(
            task.having(password="first-word").failing().called("wrong"),
            task.having(password="second-word").called("right"),
            task.having(password="third-word").failing().called("wrong again"),
            task.having(password="second-word").called("same"),
            call("device_info", podm="rack1").called("still known"),
        )
        assert run["wrong"].kind == run["wrong again"].kind == "unauthorized"
        assert "admin" in run["wrong"].msg and "401" in run["wrong"].msg
        assert run["wrong"].after == {}
        assert run["wrong again"].left_all_alone
        assert not run["same"].changed
        assert len(run["still known"]["devices"]) == 2
    with Simulator(eesv=1, eeio=2, password="fourth-word", port=other.port):
        run = ansible.play(task.having(password="fourth-word"))
        before, after = run[0]["diff"]["before"], run[0]["diff"]["after"]
        assert before["password"] != after["password"]
        assert {key for key in after if before[key] != after[key]} <= {"password", "updated_at"}
        assert "fourth-word" not in run.stdout + str(run[0].data)


def test_words_for_people_can_be_taken_away(ansible: Ansible, rack1: Task) -> None:
    run = ansible.play(
        rack1.having(location="Hall 2"),
        call("podm", name="rack1", location=""),
        call("podm", name="rack1", location=""),
    )
    assert [result.changed for result in run] == [True, True, False]
    assert not run[1]["podm"]["location"]


def test_registry_and_key_are_for_their_owner_only_and_hold_no_password(
    ansible: Ansible, rack1: Task, eem: Simulator
) -> None:
    nested = ansible.files / "made" / "here"
    ansible.play(rack1, environment={"EXPETHER_REGISTRY": f"sqlite:///{nested / 'registry.sqlite3'}"})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (nested, *nested.iterdir())}
    assert modes == {"here": 0o700, "registry.sqlite3": 0o600, "registry.sqlite3.key": 0o600}
    content = (nested / "registry.sqlite3").read_bytes()
    assert b"rack1" in content
    for secret in (eem.password, base64.b64encode(f"{eem.username}:{eem.password}".encode()).decode()):
        assert secret.encode() not in content


def test_a_pod_manager_with_nodes_is_removed_only_with_cascade(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    absent = call("podm", name="rack1", state="absent")
    cascade = absent.having(cascade=True)
    run = ansible.play(
        known,
        call("node", podm="rack1", name="n1", properties=GPU),
        call("node", podm="rack1", name="n2", properties=GPU),
        absent.failing().called("refused"),
        cascade.checked().called("check"),
        cascade.called("cascade"),
        call("node_info").called("nodes"),
    )
    assert "n1, n2" in run["refused"].msg and "cascade" in run["refused"].msg
    assert run["refused"].kind == "refused"
    assert run["refused"].left_all_alone
    assert [(step["action"], step["node"]) for step in run["check"].steps] == [
        ("detach", "n1"),
        ("forget", "n1"),
        ("detach", "n2"),
        ("forget", "n2"),
    ]
    assert run["check"].steps == run["cascade"].steps
    assert run["check"].changed and run["cascade"].changed
    assert run["cascade"].statuses == {"done"}
    assert len(run["cascade"].wire) <= 2 + 2
    assert run["cascade"].connections == 1
    assert {eem.card(card)["group_id"] for card in eeios} == {"4093"}
    assert run["nodes"]["nodes"] == []


def test_the_environment_says_where_a_new_one_is_and_leaves_a_known_one_alone(ansible: Ansible, eem: Simulator) -> None:
    with Simulator(eesv=1, eeio=1, seed=200, username="root", password="other-word") as other:
        environment = {"EEM_URL": other.url, "EEM_USERNAME": "root", "EEM_PASSWORD": "other-word"}
        run = ansible.play(
            call("podm", name="by-task", url=eem.url, username="admin", password=eem.password),
            call("podm", name="by-environment"),
            call("podm", name="by-task"),
            call("device_info", podm="by-task"),
            call("podm", name="by-task", state="absent"),
            environment=environment,
        )
        assert [result.changed for result in run] == [True, True, False, False, True]
        assert [run[place]["podm"]["url"] for place in range(3)] == [eem.url, other.url, eem.url]
        assert [run[place]["podm"]["username"] for place in range(3)] == ["admin", "root", "admin"]
        assert len(run[3]["devices"]) == 12


def test_a_new_one_needs_an_url_and_a_name_that_can_be_told(ansible: Ansible, rack1: Task) -> None:
    uuid = "a42bd6e0-6f45-5e5d-9b4c-2d0d4f2a1b3c"
    run = ansible.play(
        call("podm", name="rack1").failing(), rack1.having(name="").failing(), rack1.having(name=uuid).failing()
    )
    assert "rack1" in run[0].msg and "url" in run[0].msg
    assert all(result.kind == "invalid" and result.left_all_alone and result.after == {} for result in run)


def test_a_known_one_is_named_by_its_uuid_too(ansible: Ansible, known: Task) -> None:
    uuid = ansible.play(known)[0]["podm"]["uuid"]
    run = ansible.play(
        call("podm", name=uuid.upper(), location="Hall 2"),
        call("device_info", podm=uuid),
        call("podm", name=uuid, state="absent"),
        call("podm_info"),
    )
    assert run[0]["podm"]["name"] == "rack1"
    assert len(run[1]["devices"]) == 12
    assert run[3]["podms"] == []
