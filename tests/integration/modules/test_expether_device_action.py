# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_device_action: audit, resets, and the stored device of a port."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Task, assert_check_mode_tells_the_truth, call

SENT = {"audit": "audit", "reset": "perst", "reset_frame": "send_reset_frame"}


def ask(action: str, card: str, **options: object) -> Task:
    return call("device_action", podm="rack1", device=card, action=action, **options)


def remembers(port: int, mac: str, connection: str) -> dict[str, str]:
    return {"downstream_port_id": str(port), "eeio_connection_status": connection, "eeio_mac_address": mac}


@pytest.fixture(name="ports")
def fixture_ports(eem: Simulator, eesvs: list[str], eeios: list[str]) -> list[str]:
    """Two devices: port 0 of a system has stored one that is down, port 1 has the other, port 2 is empty."""
    first, second = (eem.card(card)["mac_address"] for card in eeios[:2])
    memories = [(0, first, "down"), (1, second, "up"), (2, "00:00:00:00:00:00", "down")]
    eem.patch(eesvs[0], link=False, downstream_ports=[remembers(*each) for each in memories])
    return eeios[:2]


@pytest.mark.smoke
def test_each_action_is_done_each_time_and_check_mode_tells_it(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    tasks = []
    for action in SENT:
        task = ask(action, eeios[0])
        tasks += [task.checked().called(f"{action} checked"), task.called(action), task.called(f"{action} again")]
    run = ansible.play(known, *tasks)
    for action, sent in SENT.items():
        assert_check_mode_tells_the_truth(run[f"{action} checked"], run[action])
        for result in (run[action], run[f"{action} again"]):
            assert result.changed
            assert [(step["action"], step["device"], step["from"], step["to"]) for step in result.steps] == [
                (action, eeios[0], None, None)
            ]
            read = ["GET"] if action == "audit" else []
            assert [request["method"] for request in result.wire] == ["GET", "PUT", *read]
            assert result.wire[1]["path"] == f"/devices/{eeios[0]}/{sent}"
            assert result.connections == 1
            assert result["diff"] == {"before": {}, "after": {"action": action}}
            assert result["device"]["device_id"] == eeios[0]
    assert [len(eem.history(field=field)) for field in ("perst", "send_reset_frame")] == [2, 2]


def test_an_audit_shows_the_card_as_it_is_after_it(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    found = {"do": "change", "card": eeios[0], "set": {"power_status": "standby"}}
    run = ansible.play(
        known,
        ask("audit", eeios[0]).after(orders.fault(found, method="PUT", path="audit$")),
        call("device_info", podm="rack1", source="registry", devices=eeios[0]),
    )
    assert run[1]["device"]["power_state"] == "standby"
    assert run[2]["devices"][0]["power_state"] == "standby"
    assert run[2]["devices"][0]["updated_at"] == run[1]["device"]["updated_at"]


def test_what_a_port_remembers_is_forgotten_once(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], ports: list[str]
) -> None:
    task = ask("forget_port", eesvs[0], port=0)
    run = ansible.play(
        known,
        task.checked().called("check"),
        task.called("first"),
        task.called("again"),
        task.checked().called("again checked"),
    )
    assert_check_mode_tells_the_truth(run["check"], run["first"])
    assert [(step["action"], step["device"], step["node_id"], step["from"]) for step in run["first"].steps] == [
        ("forget_port", None, eesvs[0], ports[0])
    ]
    assert run["first"]["diff"]["before"] == {"port": "0", "device": ports[0]}
    assert [request["method"] for request in run["first"].wire] == ["GET", "DELETE"]
    for name in ("again", "again checked"):
        assert not run[name].changed and run[name].left_all_alone and run[name]["plan"] == []
        assert [request["method"] for request in run[name].wire] == ["GET"]
    assert [port["eeio_mac_address"][-2:] for port in eem.card(eesvs[0])["downstream_ports"]][0] == "00"
    assert run["first"]["device"]["kind"] == "eesv"


def test_what_eems_rules_do_not_allow_is_refused_with_the_reason(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], ports: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[5], admin_status="disabled")
    eem.patch(
        eesvs[1],
        monitoring_status="disabled",
        downstream_ports=[remembers(0, eem.card(eeios[3])["mac_address"], "down")],
    )
    eem.patch(eesvs[2], downstream_ports=None)
    run = ansible.play(
        known,
        ask("forget_port", eesvs[0], port="1").failing().called("connected"),
        ask("forget_port", eesvs[0], port="9").failing().called("no port"),
        ask("forget_port", eesvs[2], port="0").failing().called("no ports"),
        ask("forget_port", eesvs[1], port="0").failing().called("disabled system"),
        ask("forget_port", ports[0], port="0").failing().called("a device"),
        ask("reset", eeios[5]).failing().called("disabled"),
        ask("reset_frame", eesvs[1]).failing().called("not monitored"),
        ask("audit", eeios[5]).called("audit of a disabled card"),
        ask("reset", "0x8cdf9dffffff").failing().called("unknown"),
    )
    said = {
        "connected": "The connection of port 1",
        "no port": "has no downstream port 9; its ports are 0, 1, 2",
        "no ports": "it reports no ports",
        "disabled system": "is not enabled",
        "a device": "is a device (EEIO)",
        "disabled": "Only an audit can be requested",
        "not monitored": "is not enabled",
    }
    for name, words in said.items():
        assert run[name].kind == "refused" and words in run[name].msg, name
    assert run["unknown"].kind == "not_found"
    assert all(result.left_all_alone for result in run.results[1:] if result.failed)
    assert run["audit of a disabled card"].changed


def test_options_that_do_not_fit_the_action_are_refused(ansible: Ansible, known: Task, eesvs: list[str]) -> None:
    run = ansible.play(
        known,
        ask("forget_port", eesvs[0]).failing().called("no port"),
        ask("reset", eesvs[0], port="0").failing().called("port"),
        ask("explode", eesvs[0]).failing().called("action"),
    )
    assert "port" in run["no port"].msg and "must be one of" in run["action"].msg
    assert run["port"].kind == "invalid" and "belongs to forget_port" in run["port"].msg
    assert all(result.wire == [] for result in run.results[1:])


def test_a_reset_warns_of_the_hosts_it_may_disturb(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(
        known,
        call("node", podm="rack1", name="n1", node_index=eesvs[0], state="managed"),
        call("device_attach", podm="rack1", node="n1", devices=eeios[:2]),
        call("device_attach", podm="rack1", node=eesvs[1], devices=eeios[2]),
        ask("reset", eeios[0]).checked().called("of a node"),
        ask("reset_frame", eeios[2]).called("of a system"),
        ask("reset", eeios[3]).called("of nobody"),
        ask("reset", "n1").called("node"),
        ask("reset_frame", eesvs[2]).called("system without devices"),
        ask("audit", "n1").called("audit"),
    )
    assert run["of a node"].warnings == [
        f"Resetting device {eeios[0]} may disturb the running operating system of the host of n1, which has it."
    ]
    assert run["of a system"].warnings == [
        f"A reset frame to device {eeios[2]} may disturb the running operating system of the host of {eesvs[1]}, which has it."
    ]
    assert run["node"].warnings == [
        f"Resetting system {eesvs[0]}, node n1, may disturb the running operating system of its host."
        f" It may affect its devices too: {eeios[0]}, {eeios[1]}."
    ]
    assert [len(run[name].warnings) for name in ("of nobody", "system without devices", "audit")] == [0, 1, 0]


@pytest.mark.parametrize("action", SENT)
def test_an_answer_that_is_lost_is_not_asked_for_again(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders, action: str
) -> None:
    lost = orders.fault({"do": "drop", "after": True}, method="PUT")
    broken = orders.fault({"do": "fail", "status": 503, "html": True}, method="PUT")
    no = orders.fault({"do": "fail", "code": "40999", "message": "not now"}, method="PUT")
    task = ask(action, eeios[0])
    run = ansible.play(
        known,
        task.failing().after(lost).called("lost"),
        task.failing().after(broken).called("broken"),
        task.failing().after(no).called("refused"),
    )
    for name in ("lost", "broken"):
        assert run[name].kind == "outcome_unknown" and run[name].statuses == {"failed"} and run[name].changed
        assert "is not known" in run[name].msg and "ive the task again" in run[name].msg
        assert len(run[name].changes) == 1
    assert run["refused"].kind == "eem_refused" and "Nothing was changed." in run["refused"].msg
    assert not run["refused"].changed and len(run["refused"].changes) == 1


def test_a_lost_answer_about_a_port_is_read_back(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], ports: list[str], orders: Orders
) -> None:
    lost = orders.fault({"do": "drop", "after": True}, method="DELETE")
    run = ansible.play(known, ask("forget_port", eesvs[0], port="0").after(lost))
    assert [request["method"] for request in run[1].wire] == ["GET", "DELETE", "GET"]
    assert run[1].statuses == {"done"}


def test_an_audit_that_is_done_is_told_though_the_card_cannot_be_read_after_it(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], orders: Orders
) -> None:
    gone = orders.fault({"do": "fail", "code": "40999", "message": "no"}, method="GET", path=f"{eeios[0]}$")
    run = ansible.play(known, ask("audit", eeios[0]).failing().after(gone))
    assert run[1].changed and run[1].statuses == {"done"}
    assert f"Done anyway: audit of {eeios[0]}." in run[1].msg
