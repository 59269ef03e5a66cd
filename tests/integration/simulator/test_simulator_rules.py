# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the EEM refuses, and that a refusal changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from eemsim.client import Simulator


def set_group(eem: Simulator, card: str, group: str, **kwargs: Any) -> requests.Response:
    return eem.call("PUT", f"/devices/{card}/group_id", json={"group_id": group}, **kwargs)


def assert_refused(eem: Simulator, answer: requests.Response, status: int = 409, code: str = "40900") -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [each for each in eem.history() if each["by"] == "api"] == []


def test_an_eeio_takes_a_group_only_while_free(eem: Simulator, eeio: str) -> None:
    eem.patch(eeio, group_id="17")
    assert_refused(eem, set_group(eem, eeio, "18"))
    assert_refused(eem, set_group(eem, eeio, "17"))


def test_an_eeio_takes_only_a_group_that_an_eesv_has(eem: Simulator, eeio: str) -> None:
    assert_refused(eem, set_group(eem, eeio, "500"))


@pytest.mark.parametrize("group", ["0", "3", "15", "4093", "4094", "017", "-17", "seventeen", "\u0661\u0667"])
def test_only_16_to_4092_can_be_assigned(eem: Simulator, eesv: str, group: str) -> None:
    assert_refused(eem, set_group(eem, eesv, group))


@pytest.mark.parametrize("group", ["16", "4092"])
def test_the_first_and_the_last_assignable_group(eem: Simulator, eesv: str, group: str) -> None:
    assert set_group(eem, eesv, group).status_code == 200


def test_an_eesv_takes_no_more_than_its_maximum(eem: Simulator, eesv: str) -> None:
    eem.patch(eesv, max_eeio_count="2")
    first, second, third = [card["id"] for card in eem.eeios()][:3]
    assert set_group(eem, first, "17").status_code == 200
    assert set_group(eem, second, "17").status_code == 200
    assert set_group(eem, third, "17").status_code == 409
    assert eem.card(third)["group_id"] == "4093"


def test_an_old_eesv_that_does_not_tell_takes_eight(eem: Simulator, eesv: str) -> None:
    eem.patch(eesv, max_eeio_count=None, type="10g")
    answers = [set_group(eem, card["id"], "17").status_code for card in eem.eeios()]
    assert answers == [200] * 8 + [409] * 4


@pytest.mark.parametrize("key", ["admin_status", "monitoring_status"])
@pytest.mark.parametrize(
    "method, path",
    [
        ("PUT", "/group_id"),
        ("DELETE", "/group_id"),
        ("PUT", "/uid_led_status"),
        ("PUT", "/perst"),
        ("PUT", "/send_reset_frame"),
        ("DELETE", "/ports/0/eeio_mac_address"),
    ],
)
def test_a_disabled_card_refuses_changes(eem: Simulator, eesv: str, key: str, method: str, path: str) -> None:
    changes: dict[str, Any] = {key: "disabled"}
    eem.patch(eesv, **changes)
    body = {"uid_led_status": "on"} if "led" in path else {"group_id": "30"}
    assert_refused(eem, eem.call(method, f"/devices/{eesv}{path}", json=body))


def test_a_disabled_card_can_be_audited(eem: Simulator, eeio: str) -> None:
    eem.patch(eeio, admin_status="disabled")
    assert eem.call("PUT", f"/devices/{eeio}/audit").status_code == 200


def test_a_group_of_the_rotary_switch_stays(eem: Simulator, eeio: str) -> None:
    eem.patch(eeio, group_id="3")
    assert_refused(eem, set_group(eem, eeio, "17"))
    assert_refused(eem, eem.call("DELETE", f"/devices/{eeio}/group_id"))


def test_eem_picks_no_group_for_an_eeio(eem: Simulator, eeio: str) -> None:
    assert_refused(eem, eem.call("PUT", f"/devices/{eeio}/group_id"))


@pytest.mark.parametrize("where", ["body", "query"])
def test_a_change_on_condition_of_an_old_time_is_40004(eem: Simulator, eeio: str, where: str) -> None:
    seen = eem.card(eeio)["update_time"]
    eem.patch(eeio, power_status="off")
    extra = {"params": {"update_time": seen}} if where == "query" else {}
    body = {"group_id": "17", **({"update_time": seen} if where == "body" else {})}
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json=body, **extra)
    assert_refused(eem, answer, 400, "40004")


def test_a_change_on_condition_of_the_present_time_is_done(eem: Simulator, eeio: str) -> None:
    seen = eem.card(eeio)["update_time"]
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17", "update_time": int(seen)})
    assert answer.status_code == 200
    new = answer.json()["update_time"]
    path = f"/devices/{eeio}/group_id"
    assert eem.call("DELETE", path, params={"update_time": seen}).json()["code"] == "40004"
    assert eem.call("DELETE", path, params={"update_time": new}).status_code == 200


def test_a_time_that_is_none_is_malformed(eem: Simulator, eeio: str) -> None:
    answer = eem.call("DELETE", f"/devices/{eeio}/group_id", params={"update_time": "yesterday"})
    assert_refused(eem, answer, 400, "40000")


def test_a_card_that_answers_is_forgotten_only_by_force(eem: Simulator, eeio: str) -> None:
    assert_refused(eem, eem.call("DELETE", f"/devices/{eeio}"), 400, "40011")
    assert eem.call("DELETE", f"/devices/{eeio}", params={"force": "enabled"}).status_code == 200
    assert eeio not in eem.cards()


def test_a_card_on_its_second_path_answers(eem: Simulator, eeio: str) -> None:
    eem.patch(eeio, notification_status0=["down", "down"], notification_status1=["down", "up"])
    assert_refused(eem, eem.call("DELETE", f"/devices/{eeio}"), 400, "40011")


def test_a_disabled_silent_card_is_forgotten_only_by_force(eem: Simulator, eeio: str) -> None:
    eem.silence(eeio)
    eem.patch(eeio, admin_status="disabled")
    assert_refused(eem, eem.call("DELETE", f"/devices/{eeio}"))
    assert eem.call("DELETE", f"/devices/{eeio}", params={"force": "enabled"}).status_code == 200


def test_a_connected_port_is_not_forgotten(eem: Simulator, eesv: str, eeio: str) -> None:
    eem.patch(eeio, group_id="17")
    assert_refused(eem, eem.call("DELETE", f"/devices/{eesv}/ports/0/eeio_mac_address"))


def test_deleting_no_group_is_refused(eem: Simulator, eeio: str, bare_eesv: str) -> None:
    assert_refused(eem, eem.call("DELETE", f"/devices/{eeio}/group_id"))
    assert_refused(eem, eem.call("DELETE", f"/devices/{bare_eesv}/group_id"))


def test_a_group_belongs_to_one_eesv(eem: Simulator, bare_eesv: str, eesv: str) -> None:
    assert_refused(eem, set_group(eem, bare_eesv, "17"))
    assert set_group(eem, eesv, "17").status_code == 200


def test_eeios_are_stranded_when_their_eesv_changes_group(eem: Simulator, eesv: str, eeio: str) -> None:
    set_group(eem, eeio, "17")
    set_group(eem, eesv, "99")
    stranded, ports = eem.card(eeio), eem.card(eesv)["downstream_ports"]
    assert (stranded["group_id"], stranded["eesv_connection_status"]) == ("17", "down")
    assert ports[0]["eeio_connection_status"] == "down"
    assert set_group(eem, eesv, "17").status_code == 200
    assert eem.card(eeio)["eesv_connection_status"] == "up"


def test_a_stranded_eeio_can_be_freed(eem: Simulator, eeio: str) -> None:
    eem.patch(eeio, group_id="4000")
    assert eem.call("DELETE", f"/devices/{eeio}/group_id").status_code == 200
    assert eem.card(eeio)["group_id"] == "4093"


def test_update_time_always_grows(eem: Simulator, eeio: str) -> None:
    future = "9999999999999"
    eem.patch(eeio, update_time=future)
    assert eem.call("PUT", f"/devices/{eeio}/audit").json()["update_time"] == str(int(future) + 1)
