# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An EEM that is away, slow, starting, or answers what no EEM answers: a sentence, and nothing is changed."""

from __future__ import annotations

import socket
import time
import typing as t

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Task, call

GPU = {"pci_device": {"type": ["GPU"]}}


def attach(eem: Simulator, **options: t.Any) -> Task:
    """A task that would change something, if it could; impatient."""
    eesv, eeio = (sorted(card["id"] for card in cards)[0] for cards in (eem.eesvs(), eem.eeios()))
    reach = {"url": eem.url, "username": "admin", "password": eem.password, "timeout": 0.7, "retries": 0}
    return call("device_attach", **{**reach, "node": eesv, "devices": eeio, **options})


def body(content: str) -> dict[str, t.Any]:
    return {"do": "garbage", "body": content}


#: What comes instead of the list of cards, the failure's kind, and what the message says.
ANSWERS: dict[str, tuple[dict[str, t.Any], str, str]] = {
    "HTML with 200": ({"do": "html"}, "not_eem", "HTML"),
    "HTML with 404": ({"do": "html", "status": 404}, "not_eem", "has it started"),
    "half JSON": ({"do": "truncate", "at": 0.5}, "connection_lost", "before the answer was complete"),
    "half JSON with its length": (body('{"devices": [{"id": "0x8cdf9d11'), "not_eem", "broken JSON"),
    "a list": (body("[]"), "not_eem", "JSON of another form"),
    "devices: null": (body('{"devices": null}'), "not_eem", "no list of devices"),
    "a record without id": (body('{"devices": [{"status": "eeio", "group_id": "4093"}]}'), "bad_record", "id"),
    "a record without group_id": (
        body('{"devices": [{"id": "0x8cdf9d810000", "status": "eeio"}]}'),
        "bad_record",
        "group_id",
    ),
    "a record that is null": (body('{"devices": [null]}'), "bad_record", "is not an object"),
    "an error in EEM's form": (
        {"do": "fail", "code": "50099", "message": "out of\norder"},
        "server_error",
        "code 50099: out of order",
    ),
    "a refusal": ({"do": "fail", "code": "40999", "message": "no"}, "eem_refused", "40999"),
    "forbidden": ({"do": "fail", "status": 403, "html": True}, "unauthorized", "403"),
    "a closed connection": ({"do": "drop"}, "connection_lost", "connection ended"),
    "too slow": ({"do": "delay", "seconds": 3}, "timeout", "0.7 s"),
    "byte by byte": ({"do": "trickle", "seconds": 0.2}, "timeout", "0.7 s"),
    "frozen": ({"do": "freeze"}, "timeout", "0.7 s"),
}


def test_what_no_eem_answers_is_said_and_nothing_is_changed(ansible: Ansible, eem: Simulator, orders: Orders) -> None:
    task = attach(eem)
    run = ansible.play(
        *(
            task.failing().called(about).after(orders.no_faults(), orders.fault(action, times=-1))
            for about, (action, _kind, _said) in ANSWERS.items()
        )
    )
    for about, (_action, kind, said) in ANSWERS.items():
        failed = run[about]
        assert (about, failed.kind) == (about, kind), failed.msg
        assert said in failed.msg, about
        assert "/eem/devices/detail" in (failed["failure"]["url"] or failed.msg) or kind == "bad_record"
        assert failed.left_all_alone and "Nothing was changed." in failed.msg
    assert run["an error in EEM's form"]["failure"]["code"] == "50099"
    assert run["a refusal"]["failure"]["http_status"] == 409
    eem.clear_faults()


def test_records_of_the_wrong_form_fail_every_module_with_the_same_sentence(
    ansible: Ansible, eem: Simulator, rack1: Task, orders: Orders
) -> None:
    bad = orders.fault(body('{"devices": [{"status": "eeio"}]}'), path="detail", times=-1)
    run = ansible.play(
        rack1.failing().after(bad),
        rack1.having(sync=False),
        call("device_info", podm="rack1").failing(),
        call("node", podm="rack1", name="n1", properties=GPU).failing(),
        call("node", podm="rack1", name="n1", node_index="0x8cdf9d110000", state="managed").failing(),
        call("device", podm="rack1", device="0x8cdf9d810000", uid_led="on").failing(),
        call("device", podm="rack1", device="0x8cdf9d810000", state="absent").failing(),
        call("device_action", podm="rack1", device="0x8cdf9d810000", action="reset").failing(),
        call("device_info").called("all"),
    )
    failed = [result for result in run if result.failed]
    assert {result.kind for result in failed} == {"bad_record"}
    assert all(result.left_all_alone for result in failed)
    assert [error["failure"]["kind"] for error in run["all"]["errors"]] == ["bad_record"]


def test_a_wrong_place_a_wrong_user_and_a_closed_port_are_told_apart(ansible: Ansible, eem: Simulator) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/eem"
        run = ansible.play(
            attach(eem, url=eem.url.replace("/eem", "/manager")).failing(),
            attach(eem, url=eem.url.replace("/eem", "")).failing(),
            attach(eem, password="not-this-word").failing(),
            attach(eem, username=None, password=None).failing(),
            attach(eem, url=closed).failing(),
            attach(eem, url="http://no-such-host.invalid:30500/eem").failing(),
            attach(eem, url=eem.url.replace("http:", "https:")).failing(),
            call("podm", name="rack1", url=closed, timeout=1, retries=0).failing(),
            call(
                "podm",
                name="rack1",
                url=eem.url.replace("/eem", "/manager"),
                username="admin",
                password=eem.password,
                retries=0,
            ).failing(),
        )
    assert [result.kind for result in run] == [
        "not_eem",
        "not_eem",
        "unauthorized",
        "unauthorized",
        "unreachable",
        "unreachable",
        "tls",
        "unreachable",
        "not_eem",
    ]
    assert "http://HOST:30500/eem" in run[0].msg and "404" in run[0].msg
    assert "'admin'" in run[2].msg and run[2]["failure"]["http_status"] == 401
    assert "without a user name" in run[3].msg
    assert closed in run[4].msg
    assert all(result.left_all_alone for result in run)
    assert run[8].after == {}


def test_an_url_that_is_none_is_refused(ansible: Ansible, eem: Simulator) -> None:
    urls = [
        "eem.example.com:30500/eem",
        "ftp://eem.example.com/eem",
        "http://[::1/eem",
        f"{eem.url}?status=eeio",
        "http://admin:not-this-word@127.0.0.1/eem",
    ]
    run = ansible.play(
        *(attach(eem, url=url).failing().called(url) for url in urls),
        attach(eem, timeout=0).failing(),
        attach(eem, retries=-1).failing(),
        attach(eem, client_key="/etc/hostname").failing(),
        attach(eem, ca_path="/no/such/file").failing(),
    )
    for url in urls:
        assert run[url].kind == "invalid" and run[url].wire == []
        assert "not-this-word" not in str(run[url].data)
    assert "timeout" in run[len(urls)].msg and "retries" in run[len(urls) + 1].msg
    assert "client_cert" in run[len(urls) + 2].msg and "/no/such/file" in run[len(urls) + 3].msg
    assert all(result.left_all_alone for result in run)


def test_reads_are_tried_again_and_the_user_is_told(ansible: Ansible, eem: Simulator, orders: Orders) -> None:
    faults = [
        {"do": "fail", "status": 503, "html": True},
        {"do": "drop"},
        {"do": "html", "status": 404},
        {"do": "delay", "seconds": 2},
    ]
    task = attach(eem, retries=1)
    free = task.having(state="detached")
    run = ansible.play(
        *((task, free)[place % 2].after(orders.fault(fault)) for place, fault in enumerate(faults)),
        task.having(retries=0).failing().after(orders.fault(faults[0])),
        task.failing().after(orders.fault({"do": "fail", "code": "50099", "message": "no"})),
    )
    for result in run.results[: len(faults)]:
        assert [request["method"] for request in result.wire][:2] == ["GET", "GET"]
        assert len(result.changes) == 1
        assert any(warning.startswith("Asked EEM again: ") for warning in result.warnings)
    assert [len(result.wire) for result in run.results[len(faults) :]] == [1, 1]


def test_an_eem_that_restarts_is_waited_for(ansible: Ansible, eem: Simulator, orders: Orders) -> None:
    patient = attach(eem, retries=6, timeout=5)
    run = ansible.play(patient.after(orders.restart(down=0.5, starting=1.5, mode="reset")))
    assert run[0].statuses == {"done"}
    assert len(run[0].changes) == 1
    assert run[0].warnings


def test_a_restart_in_the_middle_of_a_change_is_waited_for(
    ansible: Ansible, eem: Simulator, rack1: Task, orders: Orders, eeios: list[str]
) -> None:
    restart = orders.fault(
        {"do": "restart", "after": True, "down": 0.3, "starting": 0.7, "mode": "reset"}, method="PUT", path="group_id$"
    )
    properties = {"pci_device": {"type": ["GPU", "SSD"]}}
    run = ansible.play(
        rack1.having(retries=6), call("node", podm="rack1", name="n1", properties=properties).after(restart)
    )
    assert run[1].statuses == {"done"}
    assert [device["device_id"] for device in run[1]["node"]["devices"]] == eeios[:2]
    assert len(eem.history(field="group_id")) == 2


def test_an_eem_that_goes_away_in_the_middle_leaves_nothing_that_running_again_does_not_mend(
    ansible: Ansible, eem: Simulator, rack1: Task, orders: Orders, eeios: list[str]
) -> None:
    properties = {"pci_device": {"type": ["GPU", "SSD"]}}
    node = call("node", podm="rack1", name="n1", properties=properties)
    gone = orders.fault({"do": "drop", "after": True}, path=".", nth=3, times=-1)
    run = ansible.play(
        rack1.having(retries=0, timeout=1),
        node.failing().after(gone),
        call("node_info").after(orders.no_faults()).called("left"),
        node.called("again"),
        node.called("once more"),
    )
    failed = run[1]
    assert failed.kind == "outcome_unknown" and "is not known" in failed.msg
    assert [found["state"] for found in run["left"]["nodes"]] == ["composing"]
    assert [device["device_id"] for device in run["again"]["node"]["devices"]] == eeios[:2]
    assert run["again"]["node"]["state"] == "composed"
    assert not run["once more"].changed


def test_no_task_waits_longer_than_it_was_told(ansible: Ansible, eem: Simulator, orders: Orders) -> None:
    started = time.monotonic()
    with pytest.raises(AssertionError, match="timeout|no complete answer"):
        ansible.play(attach(eem, timeout=1, retries=2).after(orders.fault({"do": "freeze"}, times=-1)))
    assert time.monotonic() - started < 30
    eem.clear_faults()
