# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules share: defaults of the action group, the environment, and the names of things."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
from eemsim.client import Simulator
from module_runs import MODULES, Ansible, Task, call

GPU = {"pci_device": {"type": ["GPU"]}}


def one_of_each(eesv: str, eeio: str) -> dict[str, Task]:
    """A task of each module without an EEM or a registry."""
    return {
        task.module.rpartition(".")[2]: task
        for task in (
            call("podm", name="rack1", location="Hall 2"),
            call("podm_info"),
            call("sync"),
            call("flavor", name="small", properties=GPU),
            call("flavor_info"),
            call("node", name="n1", node_index=eesv, state="managed"),
            call("node_info"),
            call("layout", nodes=[{"name": "n1"}]),
            call("layout_info"),
            call("system_info"),
            call("device_attach", node="n1", devices=eeio),
            call("device", device=eeio, uid_led="on"),
            call("device_action", device=eeio, action="audit"),
            call("registry", reencrypt=True),
            call("device_info"),
        )
    }


@pytest.mark.smoke
def test_defaults_of_the_action_group_reach_every_module(
    ansible: Ansible, rack1: Task, eesvs: list[str], eeios: list[str]
) -> None:
    tasks = one_of_each(eesvs[0], eeios[0])
    assert sorted(tasks) == MODULES, "a new module is to be tried here"
    elsewhere = {
        "registry": f"sqlite:///{ansible.files / 'other.sqlite3'}",
        "registry_key_file": str(ansible.files / "other.key"),
    }
    defaults = {**elsewhere, "podm": "rack1", "timeout": 7, "retries": 2}
    run = ansible.play(rack1, *tasks.values(), defaults=defaults)
    for result in run.results[1:]:
        arguments = result["invocation"]["module_args"]
        assert {key: arguments[key] for key in defaults} == defaults, result.task
    assert set(run[len(tasks)].after) == {"other.sqlite3", "other.sqlite3.locks", "other.key"}
    assert run[len(tasks)]["devices"][0]["node"] == "n1"


def test_with_an_url_as_default_there_is_the_pod_manager_that_is_registered_with_it(
    ansible: Ansible, eem: Simulator, eesvs: list[str], eeios: list[str]
) -> None:
    defaults = {"url": eem.url, "username": "admin", "password": eem.password}
    tasks = one_of_each(eesvs[0], eeios[0])
    wanted = ("expether_podm", "expether_podm_info", "expether_node", "expether_device_attach", "expether_node_info")
    run = ansible.play(*(tasks[name] for name in wanted), defaults=defaults)
    assert [node["podm"] for node in run[4]["nodes"]] == ["rack1"]


def test_the_environment_says_which_eem_is_meant(
    ansible: Ansible, eem: Simulator, eesvs: list[str], eeios: list[str]
) -> None:
    environment = {"EEM_URL": f"{eem.url}/", "EEM_USERNAME": "admin", "EEM_PASSWORD": eem.password}
    tasks = one_of_each(eesvs[0], eeios[0])
    run = ansible.play(*tasks.values(), environment=environment)
    assert len(run[len(tasks) - 1]["devices"]) == 12
    assert run[0]["podm"]["url"] == eem.url


def test_what_the_task_says_beats_the_environment(ansible: Ansible, eem: Simulator, rack1: Task) -> None:
    wrong = {"EEM_URL": "http://127.0.0.1:1/eem", "EEM_USERNAME": "nobody", "EEM_PASSWORD": "not-this-word"}
    reach = {"username": "admin", "password": eem.password}
    run = ansible.play(
        rack1.called("register"),
        call("device_info", podm="rack1").called("pod manager"),
        call("device_info", url=eem.url, **reach).called("url"),
        call("node", podm="rack1", name="n1", properties=GPU).called("node"),
        call("device_info", **reach, timeout=2, retries=0).failing().called("environment"),
        call("device_info", url=eem.url, timeout=2, retries=0).failing().called("credentials of the environment"),
        environment=wrong,
    )
    assert len(run["pod manager"]["devices"]) == len(run["url"]["devices"]) == 12
    assert run["environment"].kind == "unreachable" and run["environment"].wire == []
    assert run["credentials of the environment"].kind == "unauthorized"
    assert "nobody" in run["credentials of the environment"].msg


def test_the_pod_manager_of_the_environment_is_meant_by_tasks_that_name_none(
    ansible: Ansible, known: Task, eem: Simulator, other: Simulator
) -> None:
    tasks = one_of_each(other.eesvs()[0]["id"], other.eeios()[0]["id"])
    elsewhere = {"EEM_URL": eem.url, "EEM_USERNAME": "admin", "EEM_PASSWORD": eem.password}
    ansible.play(known, call("podm", name="rack2", url=other.url, username="admin", password=other.password))
    eem.reset_log()
    run = ansible.play(*tasks.values(), environment={"EEM_PODM": "RACK2", **elsewhere})
    results = dict(zip(tasks, run))
    assert eem.log() == [], "the pod manager of the environment comes before its URL"
    assert [podm["name"] for podm in results["expether_podm_info"]["podms"]] == ["rack2"]
    assert [podm["name"] for podm in results["expether_sync"]["podms"]] == ["rack2"]
    assert results["expether_node"]["node"]["podm"] == "rack2"
    assert {device["podm"] for device in results["expether_device_info"]["devices"]} == {"rack2"}
    stored = call("device_info", source="registry")
    run = ansible.play(
        call("device_info", url=eem.url, username="admin", password=eem.password).called("url of the task"),
        call("device_info", podm="rack1").called("podm of the task"),
        call("sync", podm=["rack1"]).called("sync"),
        call("podm_info", podm="rack1").called("podm_info"),
        stored.called("stored"),
        stored.with_environment(EEM_PODM="", EEM_URL="").called("all"),
        call("podm_info").with_environment(EEM_PODM="").called("all pod managers"),
        call("device_info").with_environment(EEM_PODM="rack3").failing().called("unknown"),
        call("sync").with_environment(EEM_PODM="rack3").failing().called("unknown to sync"),
        environment={"EEM_PODM": "rack2", **elsewhere},
    )
    for about in ("url of the task", "podm of the task"):
        assert {device["podm"] for device in run[about]["devices"]} == {"rack1"}, about
    for about in ("sync", "podm_info"):
        assert [podm["name"] for podm in run[about]["podms"]] == ["rack1"], about
    assert {device["podm"] for device in run["stored"]["devices"]} == {"rack2"}
    assert {device["podm"] for device in run["all"]["devices"]} == {"rack1", "rack2"}
    assert len(run["all pod managers"]["podms"]) == 2
    for about in ("unknown", "unknown to sync"):
        assert run[about].kind == "not_found"
        assert run[about].msg.startswith("Pod manager 'rack3' is not registered in ")
        assert "The environment variable EEM_PODM names it." in run[about].msg


def test_the_rest_of_the_environment_comes_after_what_is_registered(ansible: Ansible, eem: Simulator) -> None:
    environment = {"EEM_TIMEOUT": "7.5", "EEM_RETRIES": "2", "EEM_CONDITIONAL_UPDATES": "off", "EEM_VALIDATE_CERTS": ""}
    plain = call("podm", name="rack1", url=eem.url, username="admin", password=eem.password)
    run = ansible.play(
        plain,
        plain.with_environment(EEM_TIMEOUT="9"),
        plain.having(timeout=4, retries=1),
        plain.with_environment(EEM_TIMEOUT="9", EEM_RETRIES=""),
        environment=environment,
    )
    ways = [[result["podm"]["connection"][key] for key in ("timeout", "retries")] for result in run]
    assert ways == [[7.5, 2], [7.5, 2], [4, 1], [4, 1]]
    assert [result.changed for result in run] == [True, False, True, False]
    assert run[0]["podm"]["connection"]["conditional_updates"] is False
    assert run[0]["podm"]["connection"]["validate_certs"] is True


def test_the_environment_does_not_complete_what_the_task_leaves_out_on_purpose(
    ansible: Ansible, eem: Simulator
) -> None:
    file = ansible.folder / "file.pem"
    file.write_text("x", encoding="ascii")  # over HTTP no certificate is used
    way = {"url": eem.url, "username": "admin", "password": eem.password}
    environment = {"EEM_USERNAME": "admin", "EEM_PASSWORD": eem.password}
    pair = {"EEM_CLIENT_CERT": str(file), "EEM_CLIENT_KEY": str(file)}
    run = ansible.play(
        call("device_info", url=eem.url, username="").with_environment(**environment).failing(),
        call("device_info", **way).with_environment(EEM_CLIENT_KEY=str(file)).failing(),
        call("podm", name="rack1", client_cert=str(file), client_key=str(file), **way),
        call("device_info", podm="rack1", client_cert="").with_environment(**pair),
        call("podm", name="rack1", client_cert=""),
        call("podm", name="rack1", client_cert="").with_environment(**pair),
        call("device_info", url=eem.url).with_environment(EEM_PASSWORD=eem.password).failing(),
    )
    assert run[0].kind == "unauthorized"
    assert run[1].msg == "The environment variable EEM_CLIENT_KEY is set without `client_cert`."
    assert [result.changed for result in run.results[2:6]] == [True, False, True, False]
    assert run[6].msg == "The environment variable EEM_PASSWORD is set without `username`."
    assert {run[5]["podm"]["connection"][key] for key in ("client_cert", "client_key")} == {None}


def test_podm_limits_what_would_be_about_all_pod_managers(ansible: Ansible, known: Task, other: Simulator) -> None:
    """As an argument of an ad-hoc command, and as a default of the action group."""
    rack2 = call("podm", name="rack2", url=other.url, username="admin", password=other.password)
    ansible.play(known, rack2)
    for module in ("sync", "podm_info"):
        arguments = ["localhost", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ansible",
                "adhoc",
                *arguments,
                "-m",
                f"nec.expether.expether_{module}",
                "-a",
                "podm=rack1",
            ],
            env=ansible.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        result = json.loads(done.stdout.partition("=>")[2])
        assert [podm["name"] for podm in result["podms"]] == ["rack1"], module
        assert "warnings" not in result
    run = ansible.play(
        call("sync"),
        call("sync", podms=["rack1"]),
        call("podm_info"),
        call("podm_info", name="rack1"),
        call("flavor_info"),
        defaults={"podm": "rack2"},
    )
    names = [[podm["name"] for podm in result["podms"]] for result in run.results[:4]]
    assert names == [["rack2"], ["rack1"], ["rack2"], ["rack1"]]


def test_the_task_says_which_registry_and_which_key_before_the_environment(ansible: Ansible, rack1: Task) -> None:
    environment = {
        "EXPETHER_REGISTRY": str(ansible.files / "a.sqlite3"),
        "EXPETHER_REGISTRY_KEY_FILE": str(ansible.files / "a.key"),
    }
    there = {"registry": f"sqlite:///{ansible.files / 'b.sqlite3'}", "registry_key_file": str(ansible.files / "b.key")}
    run = ansible.play(
        rack1,
        rack1.having(**there),
        call("device_info", podm="rack1"),
        call("device_info", podm="rack1", **there),
        environment=environment,
    )
    assert set(run[0].after) == {"a.sqlite3", "a.key"}
    assert set(run[1].after) == {"a.sqlite3", "a.key", "b.sqlite3", "b.key"}
    assert len(run[2]["devices"]) == len(run[3]["devices"]) == 12


def test_things_are_named_by_name_uuid_or_id_however_it_is_written(
    ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    attach = call("device_attach", podm="rack1", node="n1", devices=eeios[:3])
    made = ansible.play(known, call("node", podm="rack1", name="n1", node_index=eesvs[0], state="managed"), attach)
    podm, node = made[0]["podm"]["uuid"], made[1]["node"]["uuid"]
    uuids = [device["uuid"] for device in made[2]["devices"]]
    bare = eeios[0][2:]
    mac = ":".join(bare[place : place + 2] for place in range(0, 12, 2))
    nodes = ["N1", node.upper(), node.replace("-", ""), eesvs[0].upper(), eesvs[0][2:].upper()]
    devices = [eeios[0], eeios[0].upper(), bare, bare.upper(), uuids[0], uuids[0].upper(), mac, mac.upper()]
    run = ansible.play(
        *(attach.having(node=name) for name in nodes),
        attach.having(podm="RACK1", devices=devices),
        attach.having(podm=podm.upper(), devices=uuids),
        call("device_info", podm=podm, devices=[*devices, uuids[1].upper()]),
        call("node", podm="rack1", name=node.upper(), state="managed"),
        call("node", podm="rack1", name=eesvs[0].upper(), node_index=eesvs[0][2:], state="managed"),
    )
    assert {result.changed for result in run} == {False}
    tail = run.results[len(nodes) :]
    assert [device["device_id"] for device in tail[0]["devices"]] == [eeios[0]]
    assert [device["device_id"] for device in tail[1]["devices"]] == eeios[:3]
    assert [device["device_id"] for device in tail[2]["devices"]] == eeios[:2]
    assert [result["node"]["name"] for result in tail[3:]] == ["n1", "n1"]


def test_an_id_without_quotes_which_yaml_makes_a_number_is_understood(
    ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    system, device, other = (int(card, 16) for card in (eesvs[0], eeios[0], eeios[1]))
    run = ansible.play(
        known,
        call("node", podm="rack1", name="n1", node_index=system, state="managed"),
        call("device_attach", podm="rack1", node=system, devices=[device, other]),
        call("device_info", devices=device),
        call("system_info", system=system),
        call("device_attach", podm="rack1", devices=device, state="detached"),
    )
    assert run[1]["node"]["index"] == eesvs[0]
    assert [step["device"] for step in run[2].steps] == eeios[:2]
    assert [device["device_id"] for device in run[3]["devices"]] == [eeios[0]]
    assert [system["id"] for system in run[4]["systems"]] == [eesvs[0]]
    assert [step["device"] for step in run[5].steps] == [eeios[0]]


def test_a_list_may_be_a_single_value_and_has_its_old_name(
    ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(
        known,
        call("device_attach", podm="rack1", node=eesvs[0], devices=eeios[0]),
        call("device_attach", podm="rack1", node=eesvs[0], resource_id=[eeios[1]]),
        call("device_attach", podm="rack1", node=eesvs[0], resource_id=f"{eeios[2]},{eeios[3]}"),
        call("device_info", type="GPU,NIC", state="allocated"),
        call("device_attach", podm="rack1", node=eesvs[0], devices=[eeios[0], eeios[0].upper()]),
        call("device_attach", podm="rack1", node=eesvs[0], devices=[]),
    )
    assert [len(result.steps) for result in run.results[1:4]] == [1, 1, 2]
    assert [device["device_id"] for device in run[4]["devices"]] == [eeios[0], eeios[2], eeios[3]]
    assert [len(result["devices"]) for result in run.results[5:]] == [1, 0]
    assert not run[5].changed and not run[6].changed


def test_which_eem_is_meant_is_found_or_asked_for(
    ansible: Ansible, eem: Simulator, rack1: Task, eesvs: list[str], eeios: list[str], other: Simulator
) -> None:
    attach = call("device_attach", node=eesvs[0], devices=eeios[0])
    run = ansible.play(
        attach.failing().called("none registered"),
        rack1,
        attach.called("the only one"),
        rack1.having(name="rack2", url=other.url),
        call("node", name="n3", properties=GPU).failing().called("which"),
        call("device_attach", node="t9", devices=eeios[0]).failing().called("misspelt"),
        call("device_attach", devices=eeios[0], state="detached").called("by its device"),
        call("node", podm="rack1", name="n1", properties=GPU),
        call("node", podm="rack2", name="n2", properties=GPU),
        call("node", podm="rack2", name="n1-too", properties=GPU).failing().called("no room"),
        call("node", name="n2", properties=GPU).called("by its node"),
        call("device_attach", node="n2", devices=[other.eeios()[1]["id"]]).called("attach by node"),
        call("node", name="n2", state="absent").called("release by node"),
    )
    assert "expether_podm" in run["none registered"].msg
    assert "rack1, rack2" in run["which"].msg and "podm" in run["which"].msg
    assert "Node 't9' does not exist" in run["misspelt"].msg
    assert run["by its device"]["devices"][0]["podm"] == "rack1"
    assert not run["by its node"].changed
    assert run["attach by node"]["devices"][0]["podm"] == "rack2"
    assert len(run["release by node"].steps) == 3
    assert run["no room"].kind == "refused"


def test_a_node_name_of_two_pod_managers_needs_podm(
    ansible: Ansible, eem: Simulator, known: Task, rack1: Task, other: Simulator
) -> None:
    node = call("node", name="n1", properties=GPU)
    run = ansible.play(
        known,
        rack1.having(name="rack2", url=other.url),
        node.having(podm="rack1"),
        node.having(podm="rack2"),
        node.failing().called("which"),
        call("node_info", name="n1").called("both"),
        node.having(podm="rack2", properties=GPU).called("said"),
    )
    assert run["which"].kind == "invalid" and "Several pod managers have a node" in run["which"].msg
    assert run["which"].left_all_alone
    assert [found["podm"] for found in run["both"]["nodes"]] == ["rack1", "rack2"]
    assert not run["said"].changed


@pytest.mark.smoke
def test_false_and_nothing_are_no_names_and_null_is_as_if_not_given(
    ansible: Ansible, known: Task, eeios: list[str]
) -> None:
    detach = call("device_attach", devices=eeios[0], state="detached")
    run = ansible.play(
        known,
        call("device_info", podm=False).failing(),
        call("node_info", podm="{{ 1 == 2 }}").failing(),
        call("podm_info", podm="").failing(),
        detach.having(node=False).failing(),
        call("sync", podms=[False]).failing(),
        call("flavor", name=True, properties=GPU).failing(),
        call("flavor", name="f", properties={"devices": [{"vendor_id": 0x10DE}]}).failing(),
        call("flavor", name="f", properties="{{ {'devices': [{'vendor_id': '4318'}]} }}"),
        call("device_info", podm=None, type=None, devices=None),
    )
    assert [result.msg.partition(";")[0] for result in run.results[1:7]] == [
        "`podm` is a boolean (true or false)",
        "`podm` is a boolean (true or false)",
        "`podm` is empty",
        "`node` is a boolean (true or false)",
        "`podms[0]` is a boolean (true or false)",
        "`name` is a boolean (true or false)",
    ]
    assert "properties.devices[0].vendor_id is the number 4318" in run[7].msg
    assert all(result.kind == "invalid" and result.left_all_alone and not result.wire for result in run.results[1:8])
    assert run[8]["flavor"]["properties"] == {"devices": [{"vendor_id": "4318"}]}
    assert len(run[9]["devices"]) == 12


@pytest.mark.smoke
def test_what_an_info_module_returns_can_be_given_back_as_it_is(ansible: Ansible, rack1: Task) -> None:
    def registering(task: Task) -> Task:
        return dataclasses.replace(task, keywords={"register": "found"})

    def again(thing: str, *keys: str) -> dict[str, str]:
        return {key.rpartition(".")[2]: f"{{{{ found.{thing}[0].{key} }}}}" for key in keys}

    podm = again("podms", "name", "url", "username", "description", "location")
    keys = ("validate_certs", "ca_path", "client_cert", "client_key", "timeout", "retries", "conditional_updates")
    podm |= again("podms", *(f"connection.{key}" for key in keys))
    run = ansible.play(
        rack1,
        call("flavor", name="f", properties={"devices": [{"vendor_id": "4318", "device_id": "0403"}]}),
        registering(call("podm_info")),
        call("podm", **podm).called("registered again"),
        registering(call("flavor_info")),
        call("flavor", **again("flavors", "name", "description", "properties")).called("the same flavor"),
    )
    assert (run[2]["podms"][0]["description"], run[4]["flavors"][0]["description"]) == (None, None)
    assert not run["registered again"].changed and run["registered again"]["podm"] == run[2]["podms"][0]
    assert not run["the same flavor"].changed and run["the same flavor"]["flavor"] == run[4]["flavors"][0]
