# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control path reports the actual state, and makes the requested changes."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from eemsim.client import Simulator


def test_stats_count_requests_calls_and_connections(eem: Simulator, eeio: str) -> None:
    eem.reset_stats()
    with requests.Session() as session:
        session.trust_env = False
        session.auth = eem.auth
        for _each in range(3):
            session.get(eem.url + "/devices/detail")
        session.put(f"{eem.url}/devices/{eeio}/group_id", json={"group_id": "17"})
        stats = eem.stats()
    assert stats == {
        "requests": 4,
        "connections": 1,
        "open_connections": 1,
        "by_call": {"GET /devices/detail": 3, "PUT /devices/{id}/group_id": 1},
        "by_method": {"GET": 3, "PUT": 1},
        "by_status": {"200": 4},
    }


def test_a_connection_for_each_request_is_seen(eem: Simulator) -> None:
    for _each in range(3):
        eem.call("GET", "/devices")
    stats = eem.stats()
    assert (stats["requests"], stats["connections"], stats["open_connections"]) == (3, 3, 0)


def test_control_is_never_counted(eem: Simulator) -> None:
    eem.cards()
    eem.fault("status", status=503, times=-1)
    assert eem.stats()["requests"] == 0 and eem.log() == []
    requests.get(eem.control + "/nothing", timeout=5)
    assert eem.stats()["requests"] == 0


def test_failures_are_counted_too(eem: Simulator) -> None:
    eem.call("GET", "/devices", auth=None)
    eem.call("GET", "/nothing")
    requests.get(eem.url.replace("/eem", "/other"), timeout=5)
    assert eem.stats()["by_call"] == {"GET (outside)": 1, "GET (unknown)": 1, "GET /devices": 1}
    assert eem.stats()["by_status"] == {"401": 1, "404": 2}


def test_log_tells_what_was_sent_but_no_secret(eem: Simulator, eeio: str) -> None:
    eem.fault("fail", status=500, path="group_id")
    eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"}, params={"update_time": "5"})
    entry = eem.log()[-1]
    assert entry["method"] == "PUT" and entry["path"] == f"/devices/{eeio}/group_id"
    assert entry["query"] == {"update_time": "5"} and entry["body"] == {"group_id": "17"}
    assert (entry["accept"], entry["content_type"]) == ("application/json", "application/json")
    assert entry["authorization"] is True and entry["status"] == 500
    assert entry["faults"] == [{"id": 1, "do": "fail"}]
    assert eem.password not in str(entry)
    eem.reset_log()
    assert eem.log() == []


def test_history_tells_each_true_change_and_its_request(eem: Simulator, eeio: str) -> None:
    path = f"/devices/{eeio}/group_id"
    eem.call("PUT", path, json={"group_id": "17"})
    eem.call("PUT", path, json={"group_id": "18"})
    eem.call("DELETE", path)
    eem.patch(eeio, power_status="off")
    history = eem.history()
    assert [(each["field"], each["from"], each["to"], each["by"]) for each in history] == [
        ("group_id", "4093", "17", "api"),
        ("group_id", "17", "4093", "api"),
        ("power_status", "on", "off", "control"),
    ]
    assert [each["seq"] for each in history] == [1, 2, 3]
    numbers = {entry["number"]: entry["method"] for entry in eem.log()}
    assert [numbers.get(each["request"]) for each in history] == ["PUT", "DELETE", None]


def test_patch_merges_removes_and_stamps(eem: Simulator, eeio: str) -> None:
    before = eem.card(eeio)
    after = eem.patch(eeio, model=None, power_status="off")
    assert "model" not in after and after["power_status"] == "off"
    assert int(after["update_time"]) > int(before["update_time"])
    assert eem.patch(eeio, bump=False, power_status="on")["update_time"] == after["update_time"]
    assert eem.patch(eeio, update_time="5")["update_time"] == "5"


def test_patch_keeps_the_other_end_in_step_unless_told_not_to(eem: Simulator, eesv: str, eeio: str) -> None:
    eem.patch(eeio, link=False, group_id="17")
    assert eem.card(eesv)["downstream_ports"][0]["eeio_connection_status"] == "down"
    eem.patch(eeio, group_id="17")
    assert eem.card(eesv)["downstream_ports"][0]["eeio_connection_status"] == "up"
    eem.silence(eeio)
    assert eem.card(eesv)["downstream_ports"][0]["eeio_connection_status"] == "down"


def test_put_and_delete_cards(eem: Simulator, eeio: str) -> None:
    record = {**eem.card(eeio), "id": "0x8cdf9dffff00", "serial_number": "NEW"}
    eem.put_card(record)
    assert eem.call("GET", "/devices/0x8cdf9dffff00").json()["device"] == record
    eem.put_card({**record, "serial_number": "NEWER"})
    assert eem.call("GET", "/devices/0x8cdf9dffff00").json()["device"]["serial_number"] == "NEWER"
    eem.delete_card("0x8cdf9dffff00")
    assert eem.call("GET", "/devices/0x8cdf9dffff00").status_code == 404


def test_a_card_that_is_not_there(eem: Simulator) -> None:
    with pytest.raises(ValueError, match="404"):
        eem.patch("0x000000000000", model="x")


def test_reset_goes_back_to_the_start(eem: Simulator, eeio: str) -> None:
    before = eem.records()
    eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
    eem.set_options(enforce="none")
    eem.fault("drop", times=-1)
    eem.reset()
    assert eem.records() == before
    assert eem.options()["enforce"] == "strict"
    assert (eem.faults(), eem.log(), eem.history(), eem.stats()["requests"]) == ([], [], [], 0)


def test_reset_to_another_fleet_is_for_once(eem: Simulator) -> None:
    before = eem.records()
    eem.reset(eesv=1, eeio=2, seed=7, style="plain")
    assert (len(eem.eesvs()), len(eem.eeios())) == (1, 2)
    eem.reset(devices=[{"id": "0x1", "status": "eeio", "group_id": "4093"}])
    assert list(eem.cards()) == ["0x1"]
    eem.reset()
    assert eem.records() == before


def test_a_wrong_reset_changes_nothing(eem: Simulator) -> None:
    before = eem.records()
    wrongs: list[dict[str, Any]] = [{"eesvs": 1}, {"style": "odd"}, {"devices": {}}, {"eesv": "two"}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="400"):
            eem.reset(**wrong)
    assert eem.records() == before
