# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_device: the locator LED, and forgetting cards."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Task, call, twelve_cases

GPU = {"pci_device": {"type": ["GPU"]}}
SILENT = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}


def device(name: str, **options: object) -> Task:
    return call("device", podm="rack1", device=name, **options)


def forget(name: str, **options: object) -> Task:
    return device(name, state="absent", **options)


@pytest.mark.smoke
def test_the_led_and_forgetting_in_twelve_cases(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    eem.silence(eeios[1])
    run = twelve_cases(
        ansible,
        ("create", device(eeios[2], uid_led="on")),
        ("change", device(eeios[2], uid_led="off")),
        ("remove", forget(eeios[1])),
        prepared=[known],
    )
    assert [run[word]["device"]["uid_led"] for word in ("create", "change", "remove")] == ["on", "off", None]
    assert [
        (step["action"], step["device"], step["from"], step["to"]) for word in run for step in word.data.get("plan", ())
    ] == [
        *[("uid_led", eeios[2], "off", "on")] * 2,
        *[("uid_led", eeios[2], "on", "off")] * 2,
        *[("forget_card", eeios[1], "listed", None)] * 2,
    ]
    assert run["create"]["diff"] == {"before": {"uid_led": "off"}, "after": {"uid_led": "on"}}
    assert run["remove"]["diff"]["before"]["state"] == "free" and run["remove"]["diff"]["after"] == {}
    assert (run["remove"]["device"]["device_id"], run["remove"]["device"]["kind"]) == (eeios[1], "eeio")
    assert run["remove again"]["device"] is None
    assert eeios[1] not in eem.cards()
    led = [(change["card"], change["to"]) for change in eem.history(field="uid_led_status")]
    assert led == [(eeios[2], "on"), (eeios[2], "off")]


@pytest.mark.parametrize("answer", ["refuse", "accept"])
def test_a_silent_card_is_asked_nothing_but_its_deletion(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], eesvs: list[str], answer: str
) -> None:
    eem.set_options(silent_change=answer)
    for card in (eeios[0], eesvs[0]):
        eem.silence(card)
    action = call("device_action", podm="rack1", device=eeios[0])
    asked = [
        device(eeios[0], uid_led="on"),
        device(eesvs[0], uid_led="off"),
        *(action.having(action=kind) for kind in ("audit", "reset", "reset_frame")),
    ]
    run = ansible.play(
        known,
        device(eeios[0]).called("device"),
        device(eesvs[0]).called("system"),
        *(task.failing() for task in asked),
        *(task.checked().failing() for task in asked),
        forget(eeios[0]).called("forget"),
    )
    for shown in (run["device"], run["system"]):
        assert (shown["device"]["uid_led"], shown["device"]["reachable"], shown.changed) == (None, False, False)
        assert [request["path"] for request in shown.wire] == ["/devices/detail"]
    refused = run.results[3:-1]
    assert len(refused) == 10
    for result in refused:
        assert result.kind == "refused" and result.left_all_alone
        assert "it does not respond. Only its deletion can be requested" in result.msg
        assert [request["method"] for request in result.wire] == ["GET"]
    assert run["forget"].changed and eeios[0] not in eem.cards()


def test_the_led_takes_two_reads_and_if_it_differs_one_change_and_one_read_more(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    run = ansible.play(known, device(eeios[0]), device(eeios[0], uid_led=True), device(eeios[0], uid_led="on"))
    assert [[request["method"] for request in result.wire] for result in run.results[1:]] == [
        ["GET", "GET"],
        ["GET", "GET", "PUT", "GET"],
        ["GET", "GET"],
    ]
    assert [result["device"]["uid_led"] for result in run.results[1:]] == ["off", "on", "on"]
    assert [result.changed for result in run.results[1:]] == [False, True, False]
    assert {result.connections for result in run.results[1:]} == {1}


def test_forgetting_takes_one_change_between_two_reads(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    run = ansible.play(known, forget(eeios[0]).after(orders.patch(eeios[0], **SILENT)), forget(eeios[0]))
    assert [request["method"] for request in run[1].wire] == ["GET", "DELETE", "GET"]
    assert run[1].wire[1]["query"] == {}, "what is gone needs no force"
    assert [request["method"] for request in run[2].wire] == ["GET"]


def test_a_system_is_shown_with_the_keys_of_a_device(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(
        known,
        call("node", podm="rack1", name="n1", node_index=eesvs[0], state="managed"),
        call("device_attach", podm="rack1", node="n1", devices=eeios[0]),
        device("n1", uid_led=True).called("by name"),
        device(eesvs[0].upper().replace("0X", "0x"), uid_led="on").called("by id"),
        device(eeios[0]).called("a device"),
    )
    system, other = run["by name"]["device"], run["a device"]["device"]
    assert system.keys() == other.keys()
    assert (system["kind"], other["kind"]) == ("eesv", "eeio")
    assert (system["device_id"], system["node"], system["node_id"]) == (eesvs[0], "n1", eesvs[0])
    assert (other["node"], other["node_id"], other["state"]) == ("n1", eesvs[0], "allocated")
    only_of_a_device = (
        "uuid",
        "type",
        "state",
        "vendor_id",
        "pci_device_id",
        "class_code",
        "vendor_name",
        "device_name",
    )
    assert {key: system[key] for key in only_of_a_device} == dict.fromkeys(only_of_a_device)
    assert system["resource_uri"] == f"devices/{eesvs[0]}" and system["card_type"] == "40g"
    assert run["by name"].changed and not run["by id"].changed


def test_a_card_is_named_by_id_uuid_or_node(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    made = ansible.play(
        known, call("node", podm="rack1", name="n1", node_index=eesvs[0], state="managed"), device(eeios[0])
    )
    node, uuid = made[1]["node"]["uuid"], made[2]["device"]["uuid"]
    mac = ":".join(eeios[0][2:][place : place + 2] for place in range(0, 12, 2))
    names = (eeios[0][2:], eeios[0].upper(), mac, int(eeios[0], 16), uuid, uuid.upper())
    run = ansible.play(
        *(device(name).called(f"device {name}") for name in names),
        *(device(name).called(f"system {name}") for name in ("n1", "N1", node, eesvs[0], eesvs[0][2:].upper())),
        call("device", device=uuid).called("device without podm"),
        call("device", device="n1").called("system without podm"),
        device("n9").failing().called("no node"),
        device("0x8cdf9dffffff").failing().called("no card"),
        device("a42bd6e0-6f45-5e5d-9b4c-2d0d4f2a1b3c").failing().called("no UUID"),
        forget("n9").failing().called("no node to forget"),
    )
    for result in run:
        if result.task.startswith("device"):
            assert result["device"]["device_id"] == eeios[0], result.task
        elif result.task.startswith("system"):
            assert result["device"]["device_id"] == eesvs[0], result.task
        else:
            assert result.kind == "not_found" and result.left_all_alone
    assert "its nodes are n1" in run["no node"].msg
    assert "EEM does not list card 0x8cdf9dffffff" in run["no card"].msg


def test_an_eem_by_its_url_needs_no_registry(ansible: Ansible, eem: Simulator, eeios: list[str]) -> None:
    reach = {"url": eem.url, "username": "admin", "password": eem.password, "device": eeios[0]}
    eem.silence(eeios[1])
    gone = {**reach, "device": eeios[1]}
    run = ansible.play(
        call("device", **reach, uid_led="on"),
        call("device", **gone, state="absent"),
        call("device", **gone, state="absent"),
    )
    assert [result.changed for result in run] == [True, True, False]
    assert run[2].after == {}
    assert run[0]["device"]["podm"] is None


def test_what_is_forgotten_leaves_the_registry_in_the_same_run(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    remembered = call("device_info", podm="rack1", source="registry", devices=eeios[0])
    run = ansible.play(
        known,
        remembered.called("before"),
        forget(eeios[0]).after(orders.patch(eeios[0], **SILENT)).called("forget"),
        remembered.called("after"),
    )
    assert [len(run[name]["devices"]) for name in ("before", "after")] == [1, 0]
    assert run["forget"]["device"]["uuid"] == run["before"]["devices"][0]["uuid"]


def test_a_device_that_only_the_registry_remembers_is_forgotten_there(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    uuid = ansible.play(known, device(eeios[0]))[1]["device"]["uuid"]
    eem.delete_card(eeios[0])
    task = forget(uuid)
    run = ansible.play(
        device(uuid).failing(),
        task.checked().called("check"),
        task.called("forget"),
        task.called("again"),
        call("device_info", podm="rack1", source="registry", devices=eeios[0]),
    )
    assert run["forget"].changed and run["forget"].steps == run["check"].steps
    assert [(step["action"], step["device"], step["from"]) for step in run["forget"].steps] == [
        ("forget", eeios[0], "missing")
    ]
    assert run["forget"]["device"]["device_id"] == eeios[0] and run["forget"].statuses == {"done"}
    assert [request["method"] for request in run["forget"].wire] == ["GET"]
    assert not run["again"].changed and run["again"].left_all_alone and run["again"]["device"] is None
    assert run[4]["devices"] == []


def test_an_eem_that_lists_no_card_yet_makes_nothing_be_forgotten(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    run = ansible.play(
        known,
        forget(eeios[0], timeout=1, retries=0).failing().after(orders.restart(empty=30, mode="reset")),
        call("device_info", podm="rack1", source="registry", devices=eeios[0]),
    )
    assert "does not list any of the cards that it had" in run[1].msg and run[1].left_all_alone
    assert len(run[2]["devices"]) == 1


def test_a_card_in_use_is_forgotten_only_with_force(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[3], admin_status="disabled", **SILENT)
    node = call("node", podm="rack1", name="n1", node_index=eesvs[0], properties=GPU)
    run = ansible.play(
        known,
        node,
        forget(eeios[2]).failing().called("it answers"),
        forget(eeios[3]).failing().called("it is disabled"),
        forget("n1").failing().called("it is a node"),
        forget(eeios[2], force=True).called("answers, forced"),
        forget(eeios[3], force=True).called("disabled, forced"),
        forget(eeios[0], force=True).checked().called("attached, forced"),
        forget("n1", force=True).checked().called("node, checked"),
        forget("n1", force=True).called("node, forced"),
        call("device_info", podm="rack1", source="registry", state="stranded").called("remembered"),
        forget("n1", force=True).called("node, again"),
        call("node", podm="rack1", name="n1", state="absent").called("release"),
    )
    for name in ("it answers", "it is disabled", "it is a node"):
        assert run[name].kind == "refused" and run[name].left_all_alone and "force: true" in run[name].msg
    assert "it still responds" in run["it answers"].msg and "is not enabled" in run["it is disabled"].msg
    for said in ("it is node n1", "it still responds", f"{eeios[0]} would be stranded in its group 17"):
        assert said in run["it is a node"].msg
    assert run["answers, forced"].changes[-1]["query"] == {"force": "enabled"}
    assert any("still responds" in warning for warning in run["answers, forced"].warnings)
    assert run["disabled, forced"].warnings == []
    assert f"Device {eeios[0]} was attached to n1." in run["attached, forced"].warnings
    assert run["node, checked"].warnings == run["node, forced"].warnings
    said = " ".join(run["node, forced"].warnings)
    assert f"Stranded in group 17 without system {eesvs[0]}: {eeios[0]}." in said
    assert "Node n1 stays stored" in said
    assert [device["device_id"] for device in run["remembered"]["devices"]] == [eeios[0]]
    assert not run["node, again"].changed
    assert [step["action"] for step in run["release"].steps] == ["detach", "forget"]
    assert eem.card(eeios[0])["group_id"] == "4093"
    assert {eeios[2], eeios[3], eesvs[0]}.isdisjoint(eem.cards())


def test_a_silent_system_with_devices_is_refused_for_them_alone(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[0], group_id="17")
    eem.silence(eesvs[0])
    eem.silence(eesvs[1])
    run = ansible.play(known, forget(eesvs[0]).failing(), forget(eesvs[1]))
    assert run[1].msg.startswith(f"Cannot forget {eesvs[0]}: {eeios[0]} would be stranded in its group 17.")
    assert run[2].changed and eesvs[1] not in eem.cards()


def test_a_card_that_answers_again_before_it_is_forgotten_is_kept(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    back = {"do": "change", "card": eeios[0], "set": {"notification_status0": ["up", "up"]}}
    run = ansible.play(
        known,
        forget(eeios[0])
        .failing()
        .after(orders.patch(eeios[0], **SILENT), orders.fault(back, method="DELETE", path=f"{eeios[0]}$")),
    )
    assert run[1].kind == "refused" and "it still responds" in run[1].msg
    assert [request["method"] for request in run[1].wire if request["method"] != "GET"] == ["DELETE"]
    assert eeios[0] in eem.cards()


def test_what_cannot_be_meant_or_asked_is_refused(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    eem.patch(eeios[0], monitoring_status="disabled")
    run = ansible.play(
        known,
        forget(eeios[1], uid_led="on").failing().called("both"),
        device(eeios[1], uid_led="blinking").failing().called("blinking"),
        device(eeios[0], uid_led="on").failing().called("disabled"),
        device(eeios[0], uid_led="off").called("as it is"),
    )
    assert run["both"].kind == "invalid" and "uid_led" in run["both"].msg and run["both"].wire == []
    assert "must be one of" in run["blinking"].msg
    assert run["disabled"].kind == "refused" and "is not enabled" in run["disabled"].msg
    assert all(result.left_all_alone for result in run.results[1:])
    assert not run["as it is"].changed


LOSSES = {
    "before": {"do": "drop"},
    "after": {"do": "drop", "after": True},
    "503 after": {"do": "fail", "status": 503, "html": True, "after": True},
    "refusal after": {"do": "fail", "code": "40999", "message": "no", "after": True},
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_answer_is_read_back_before_anything_is_sent_again(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders, loss: str
) -> None:
    eem.silence(eeios[1])
    run = ansible.play(
        known,
        device(eeios[0], uid_led="on").after(orders.fault(LOSSES[loss], method="PUT", path="uid_led")),
        forget(eeios[1]).after(orders.fault(LOSSES[loss], method="DELETE")),
    )
    again = ["PUT", "GET"] if loss == "before" else []
    assert [request["method"] for request in run[1].wire] == ["GET", "GET", "PUT", "GET", *again]
    wanted = ["GET", "DELETE", "GET"] + (["DELETE", "GET"] if loss == "before" else ["GET"])
    assert [request["method"] for request in run[2].wire] == wanted
    assert [change["to"] for change in eem.history(field="uid_led_status")] == ["on"]
    assert len(eem.history(field="card")) == 1
    assert all(result.statuses == {"done"} for result in run.results[1:])


def test_an_eem_that_goes_away_after_the_change_makes_the_outcome_unknown(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    gone = orders.fault({"do": "drop", "after": True}, path=".", nth=3, times=-1)
    hasty = {"timeout": 1, "retries": 0}
    led = device(eeios[0], uid_led="on", **hasty)
    run = ansible.play(known, led.failing().after(gone), led.called("again").after(orders.no_faults()))
    failed = run[1]
    assert failed.kind == "outcome_unknown" and failed.changed and failed.statuses == {"failed"}
    assert "is not known" in failed.msg and "Run the task again" in failed.msg
    assert not run["again"].changed and run["again"]["device"]["uid_led"] == "on"


def test_a_refusal_of_an_unknown_code_changes_nothing(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    no = orders.fault({"do": "fail", "code": "40999", "message": "not now"}, method="PUT", times=-1)
    run = ansible.play(known, device(eeios[0], uid_led="on").failing().after(no))
    assert run[1].kind == "eem_refused" and "not now" in run[1].msg and "Nothing was changed." in run[1].msg
    assert not run[1].changed and run[1].statuses == {"failed"}
    assert len(run[1].changes) == 1


def test_a_card_of_whose_led_eem_does_not_know_is_shown_and_not_called_gone(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    no = orders.fault({"do": "fail", "code": "40400", "message": "no LED"}, path="uid_led", times=-1)
    light = device(eeios[0], uid_led="on")
    run = ansible.play(known, device(eeios[0]).after(no), light.checked().failing().called("checked"), light.failing())
    assert run[1]["device"]["device_id"] == eeios[0] and run[1]["device"]["uid_led"] is None
    assert not run[1].changed
    for result in run.results[2:]:
        assert result.kind == "eem_refused" and "no LED" in result.msg and "any more" not in result.msg
        assert result.left_all_alone and result.warnings == []


def test_a_card_that_another_run_holds_is_waited_for_and_then_refused(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    """A run on another host holds the card: its claim is believed until its time is over."""
    uuid = ansible.play(known, device(eeios[0]))[0]["podm"]["uuid"]
    elsewhere = {"boot": "another", "space": None, "pid": 1, "start": "1", "host": "elsewhere"}
    claim = {
        "run": "r",
        "what": "a run for node n9",
        "until": time.time() + 300,
        "until_uptime": 1.0,
        "process": elsewhere,
    }
    with contextlib.closing(sqlite3.connect(ansible.files / "registry.sqlite3")) as connection:
        connection.execute("DELETE FROM documents WHERE kind = 'claims'")
        body = json.dumps({"epoch": 1, "held": {eeios[0]: claim}})
        connection.execute(
            "INSERT INTO documents (kind, uuid, revision, body) VALUES ('claims', ?, 1, ?)", (uuid, body)
        )
        connection.commit()
    hasty = {"timeout": 0.5, "retries": 0}
    run = ansible.play(
        device(eeios[0], uid_led="on", **hasty).failing().called("LED"),
        forget(eeios[0], **hasty).failing().called("forget").after(orders.patch(eeios[0], **SILENT)),
        device(eeios[1], uid_led="on").called("another"),
    )
    for result in (run["LED"], run["forget"]):
        assert result.kind == "refused" and f"{eeios[0]} (claimed by a run for node n9)" in result.msg
        assert result.left_all_alone
        assert any("Waited for other runs" in warning for warning in result.warnings)
    assert run["another"].changed
