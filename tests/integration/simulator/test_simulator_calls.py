# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each REST call answers in the form of the EEM interface notes."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator


def test_api_version(eem: Simulator) -> None:
    assert eem.call("GET", "/api_version").json() == {"version_number": "v1.0.8"}


def test_devices_lists_ids_only(eem: Simulator) -> None:
    answer = eem.call("GET", "/devices").json()
    assert answer["devices"] == [{"id": card_id} for card_id in eem.cards()]
    assert isinstance(answer["timestamp"], str) and answer["timestamp"].isdigit()


def test_detail_lists_whole_records_of_both_kinds(eem: Simulator) -> None:
    answer = eem.call("GET", "/devices/detail").json()
    assert answer["devices"] == eem.records()
    assert {device["status"] for device in answer["devices"]} == {"eesv", "eeio"}
    assert set(answer) == {"devices", "timestamp"}


@pytest.mark.parametrize("path", ["/devices", "/devices/detail"])
def test_filter_by_status(eem: Simulator, path: str) -> None:
    eesvs = eem.call("GET", path, params={"status": "eesv"}).json()["devices"]
    eeios = eem.call("GET", path, params={"status": "eeio"}).json()["devices"]
    assert [each["id"] for each in eesvs] == [each["id"] for each in eem.eesvs()]
    assert [each["id"] for each in eeios] == [each["id"] for each in eem.eeios()]


def test_filter_by_group(eem: Simulator, eesv: str, eeio: str) -> None:
    eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
    devices = eem.call("GET", "/devices", params={"group_id": "17"}).json()["devices"]
    assert devices == [{"id": eesv}, {"id": eeio}]
    devices = eem.call("GET", "/devices", params={"group_id": "17", "status": "eeio"}).json()["devices"]
    assert devices == [{"id": eeio}]


def test_filter_by_update_time_keeps_what_changed_after_it(eem: Simulator, eeio: str) -> None:
    latest = max(int(card["update_time"]) for card in eem.records())
    assert eem.call("GET", "/devices", params={"update_time": latest}).json()["devices"] == []
    eem.patch(eeio, power_status="off")
    assert eem.call("GET", "/devices", params={"update_time": latest}).json()["devices"] == [{"id": eeio}]


def test_unknown_status_filter_is_refused(eem: Simulator) -> None:
    assert eem.call("GET", "/devices", params={"status": "gpu"}).status_code == 400


def test_one_device(eem: Simulator, eeio: str) -> None:
    answer = eem.call("GET", f"/devices/{eeio}").json()
    assert answer["device"] == eem.card(eeio) and answer["timestamp"].isdigit()


def test_unknown_device_is_40400_with_the_code_as_text(eem: Simulator) -> None:
    answer = eem.call("GET", "/devices/0x000000000000")
    assert answer.status_code == 404
    assert answer.json()["code"] == "40400" and answer.json()["message"]


def test_group_id_attaches_and_both_ends_show_it(eem: Simulator, eesv: str, eeio: str) -> None:
    before = eem.cards()
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
    after = eem.cards()
    assert answer.json() == {"group_id": "17", "update_time": after[eeio]["update_time"]}
    assert after[eeio]["group_id"] == "17"
    assert after[eeio]["eesv_mac_address"] == after[eesv]["mac_address"]
    assert after[eeio]["eesv_connection_status"] == "up"
    assert after[eesv]["downstream_ports"][0] == {
        "downstream_port_id": "0",
        "eeio_connection_status": "up",
        "eeio_mac_address": after[eeio]["mac_address"],
    }
    for card in (eesv, eeio):
        assert int(after[card]["update_time"]) > int(before[card]["update_time"])


def test_delete_group_id_frees_and_the_port_remembers(eem: Simulator, eesv: str, eeio: str) -> None:
    eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
    answer = eem.call("DELETE", f"/devices/{eeio}/group_id")
    card, port = eem.card(eeio), eem.card(eesv)["downstream_ports"][0]
    assert answer.json() == {"update_time": card["update_time"]}
    assert (card["group_id"], card["eesv_connection_status"], card["eesv_mac_address"]) == (
        "4093",
        "down",
        "00:00:00:00:00:00",
    )
    assert port["eeio_connection_status"] == "down" and port["eeio_mac_address"] == card["mac_address"]


def test_attaching_again_uses_the_remembered_port(eem: Simulator, eesv: str, eeio: str) -> None:
    for _each in range(2):
        eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
        macs = [port["eeio_mac_address"] for port in eem.card(eesv)["downstream_ports"]]
        assert macs == [eem.card(eeio)["mac_address"]] + ["00:00:00:00:00:00"] * 15
        eem.call("DELETE", f"/devices/{eeio}/group_id")


@pytest.mark.parametrize("body", [None, {"group_id": None}, {}])
def test_eem_picks_a_group_for_an_eesv(eem: Simulator, bare_eesv: str, body: object) -> None:
    arguments = {} if body is None else {"json": body}
    answer = eem.call("PUT", f"/devices/{bare_eesv}/group_id", **arguments)
    assert answer.json()["group_id"] == "16" == eem.card(bare_eesv)["group_id"]


def test_picked_group_is_not_one_of_a_stranded_device(eem: Simulator, eeio: str, bare_eesv: str) -> None:
    eem.patch(eeio, group_id="16")
    assert eem.call("PUT", f"/devices/{bare_eesv}/group_id").json()["group_id"] == "20"


def test_delete_group_id_of_an_eesv(eem: Simulator, eesv: str) -> None:
    assert eem.call("DELETE", f"/devices/{eesv}/group_id").status_code == 200
    assert eem.card(eesv)["group_id"] == "4094"


def test_audit_answers_a_new_update_time(eem: Simulator, eeio: str) -> None:
    before = int(eem.card(eeio)["update_time"])
    answer = eem.call("PUT", f"/devices/{eeio}/audit").json()
    assert answer == {"update_time": eem.card(eeio)["update_time"]} and int(answer["update_time"]) > before


def test_uid_led(eem: Simulator, eeio: str) -> None:
    path = f"/devices/{eeio}/uid_led_status"
    assert eem.call("GET", path).json() == {"uid_led_status": "off"}
    assert eem.call("PUT", path, json={"uid_led_status": "on"}).status_code == 200
    assert eem.call("GET", path).json() == {"uid_led_status": "on"}
    assert eem.call("PUT", path, json={"uid_led_status": "blue"}).status_code == 400


def test_rotary_switch(eem: Simulator, eeio: str) -> None:
    path = f"/devices/{eeio}/rotary_switch_status"
    assert eem.call("GET", path).json() == {"rotary_switch_status": "0"}
    eem.patch(eeio, group_id="14")
    assert eem.call("GET", path).json() == {"rotary_switch_status": "14"}


@pytest.mark.parametrize("name", ["perst", "send_reset_frame"])
def test_resets_are_remembered(eem: Simulator, eeio: str, name: str) -> None:
    assert eem.call("PUT", f"/devices/{eeio}/{name}").status_code == 200
    assert [each["card"] for each in eem.history(field=name)] == [eeio]


def test_forget_a_card_that_is_gone(eem: Simulator, eeio: str) -> None:
    eem.silence(eeio)
    assert eem.call("DELETE", f"/devices/{eeio}").status_code == 200
    assert eeio not in eem.cards()
    assert eem.call("GET", f"/devices/{eeio}").status_code == 404


def test_forget_the_eeio_of_a_port(eem: Simulator, eesv: str, eeio: str) -> None:
    eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
    eem.call("DELETE", f"/devices/{eeio}/group_id")
    assert eem.call("DELETE", f"/devices/{eesv}/ports/0/eeio_mac_address").status_code == 200
    assert eem.card(eesv)["downstream_ports"][0]["eeio_mac_address"] == "00:00:00:00:00:00"
    assert eem.call("DELETE", f"/devices/{eesv}/ports/16/eeio_mac_address").json()["code"] == "40400"


def test_groups(eem: Simulator) -> None:
    assert eem.call("GET", "/groups").json() == {"groups": [{"id": "17"}, {"id": "18"}, {"id": "19"}]}


def test_dump_statistics(eem: Simulator) -> None:
    assert eem.call("PUT", "/dump_statistics", params={"verbose": "true"}).status_code == 200


@pytest.mark.parametrize(
    "method, path, status",
    [("GET", "/nothing", 404), ("GET", "/devices/", 404), ("POST", "/devices", 405), ("PUT", "/devices/detail", 405)],
)
def test_what_is_no_call_is_answered_by_tomcat(eem: Simulator, method: str, path: str, status: int) -> None:
    answer = eem.call(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html") and "<html>" in answer.text


@pytest.mark.parametrize(
    "body, content_type, status",
    [
        ('{"group_id": ', "application/json", 400),
        ('["17"]', "application/json", 400),
        ('{"group_id": 17}', "application/json", 400),
        ('{"group_id": ""}', "application/json", 400),
        (" \r\n", "application/json", 400),
        ('{"group_id": "17"}', "text/plain", 415),
        ('{"group_id": "17"}', "application/jsonp", 415),
        ('{"group_id": "17"}', None, 415),
        ("", "text/plain", 415),
    ],
)
def test_a_put_body_must_be_json(eem: Simulator, eeio: str, body: str, content_type: str | None, status: int) -> None:
    # As bytes, because requests gives a text a media type.
    headers = {"Content-Type": content_type} if content_type else {}
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", data=body.encode(), headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html" if status == 415 else "application/json")
    assert eem.card(eeio)["group_id"] == "4093"


@pytest.mark.parametrize("content_type", ["application/json;charset=UTF-8", "Application/JSON", "application/json"])
def test_parameters_and_case_of_the_media_type_do_not_matter(eem: Simulator, eeio: str, content_type: str) -> None:
    path, headers = f"/devices/{eeio}/group_id", {"Content-Type": content_type}
    assert eem.call("PUT", path, data=b'{"group_id": "17"}', headers=headers).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", None])
def test_an_empty_body_is_none(eem: Simulator, bare_eesv: str, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = eem.call("PUT", f"/devices/{bare_eesv}/group_id", data=b"", headers=headers)
    assert (answer.status_code, answer.json()["group_id"]) == (200, "16")


@pytest.mark.parametrize("path", ["/api_version", "/devices/detail", "/devices/{eeio}", "/devices/0x0"])
def test_head_is_get_without_the_body(eem: Simulator, eeio: str, path: str) -> None:
    path = path.format(eeio=eeio)
    get, head = eem.call("GET", path), eem.call("HEAD", path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.headers["Content-Length"] == str(len(get.content))


def test_head_of_what_has_no_get_is_405(eem: Simulator, eeio: str) -> None:
    assert eem.call("HEAD", f"/devices/{eeio}/group_id").status_code == 405


@pytest.mark.parametrize(
    "accept, status",
    [
        ("text/html", 406),
        ("text/html, application/json;q=0", 406),
        ("text/html, */*;q=0.0", 406),
        ("text/html, */*; q=0.2", 200),
        ("Application/*", 200),
        ("", 200),
    ],
)
def test_accept_must_allow_json(eem: Simulator, eeio: str, accept: str, status: int) -> None:
    headers = {"Accept": accept}
    answer = eem.call("GET", "/devices", headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html" if status == 406 else "application/json")
    change = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"}, headers=headers)
    assert (change.status_code, eem.card(eeio)["group_id"]) == (status, "4093" if status == 406 else "17")
