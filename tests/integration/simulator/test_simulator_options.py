# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option has its documented effect, on the command line and at run time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from eemsim.client import Simulator
from eemsim.options import OPTIONS, table

README = Path(__file__).resolve().parents[2] / "simulator" / "README.md"


def attach(eem: Simulator, eeio: str, group: str = "17", **more: object) -> int:
    return eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": group, **more}).status_code


def detach(eem: Simulator, card: str) -> int:
    return eem.call("DELETE", f"/devices/{card}/group_id").status_code


def test_the_readme_has_the_table_of_options() -> None:
    assert table() in README.read_text(encoding="utf-8")


def test_options_start_with_their_first_value(eem: Simulator) -> None:
    assert eem.options() == {name: option.start for name, option in OPTIONS.items()}


@pytest.mark.parametrize(
    "change", [{"enforce": "sometimes"}, {"colour": "red"}, {"refusal_code": "20000"}, {"latency_ms": "-1"}]
)
def test_wrong_options_are_refused_whole(eem: Simulator, change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="option"):
        eem.set_options(group_pick="highest", **change)
    assert eem.options()["group_pick"] == "lowest"


def test_options_of_the_command_line_survive_a_reset() -> None:
    with Simulator(eesv=1, eeio=1, options={"group_pick": "highest"}) as eem:
        eem.set_options(group_pick="random")
        eem.reset()
        assert eem.options()["group_pick"] == "highest"


def test_enforce_none(eem: Simulator, eeio: str) -> None:
    eem.set_options(enforce="none")
    assert [attach(eem, eeio, group) for group in ("17", "18", "500", "3")] == [200] * 4
    assert eem.card(eeio)["group_id"] == "3"
    assert [detach(eem, eeio), detach(eem, eeio)] == [200, 200]
    eem.patch(eeio, admin_status="disabled")
    assert attach(eem, eeio) == 200
    assert eem.call("PUT", "/devices/0x0/group_id", json={"group_id": "17"}).status_code == 404


def test_conditional_ignore(eem: Simulator, eeio: str) -> None:
    eem.set_options(conditional="ignore")
    assert attach(eem, eeio, update_time="1") == 200


def test_conditional_refuse(eem: Simulator, eeio: str) -> None:
    eem.set_options(conditional="refuse")
    now = eem.card(eeio)["update_time"]
    assert attach(eem, eeio, update_time=now) == 400
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"}, params={"update_time": now})
    assert answer.json()["code"] not in ("40004", "40011")
    assert eem.card(eeio)["group_id"] == "4093"
    assert attach(eem, eeio) == 200


def test_change_answer_empty(eem: Simulator, eeio: str) -> None:
    eem.set_options(change_answer="empty")
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert eem.card(eeio)["group_id"] == "17"


def test_change_answer_none(eem: Simulator, eeio: str) -> None:
    eem.set_options(change_answer="none")
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert not {"content-length", "content-type", "transfer-encoding"} & {name.lower() for name in answer.headers}
    assert eem.card(eeio)["group_id"] == "17"


@pytest.mark.parametrize("value, status", [("object", 200), ("empty-body", 200), ("204", 204)])
@pytest.mark.parametrize("path", ["/devices", "/devices/detail", "/groups"])
def test_empty_list(eem: Simulator, value: str, status: int, path: str) -> None:
    eem.reset(devices=[], options={"empty_list": value})
    answer = eem.call("GET", path)
    assert answer.status_code == status
    if value == "object":
        assert answer.json()[path.split("/")[1]] == []
    else:
        assert answer.content == b""


@pytest.mark.parametrize("value, types", [("string", {str}), ("number", {int}), ("mixed", {str, int})])
def test_time_type(eem: Simulator, eeio: str, value: str, types: set[type]) -> None:
    eem.reset(eesv=4, eeio=30, style="mixed", options={"time_type": value})
    devices = eem.call("GET", "/devices/detail").json()["devices"]
    assert {type(device["update_time"]) for device in devices} == types
    answer = eem.call("PUT", f"/devices/{devices[0]['id']}/audit").json()
    assert isinstance(answer["update_time"], type(devices[0]["update_time"]))


def test_time_type_kept_keeps_the_type_of_each_card(eem: Simulator, eeio: str) -> None:
    eem.patch(eeio, update_time=1700000000000)
    assert isinstance(eem.call("PUT", f"/devices/{eeio}/audit").json()["update_time"], int)


def requests_of(card: str, group: str | None = None) -> list[tuple[str, str, dict[str, str] | None]]:
    """Every change that can be asked of a card but its deletion."""
    return [
        ("PUT", f"/devices/{card}/audit", None),
        ("PUT", f"/devices/{card}/perst", None),
        ("PUT", f"/devices/{card}/send_reset_frame", None),
        ("PUT", f"/devices/{card}/uid_led_status", {"uid_led_status": "on"}),
        ("PUT", f"/devices/{card}/group_id", {"group_id": group})
        if group
        else ("DELETE", f"/devices/{card}/group_id", None),
    ]


def test_silent_change_accept(eem: Simulator, eesv: str, eeio: str) -> None:
    eem.set_options(silent_change="accept")
    eem.silence(eeio)
    for method, path, body in [*requests_of(eeio, "17"), *requests_of(eeio)]:
        assert eem.call(method, path, json=body).status_code == 200, path
    eem.silence(eesv)
    for method, path, body in requests_of(eesv, "17"):
        assert eem.call(method, path, json=body).status_code == 200, path


def test_silent_change_refuse(eem: Simulator, eesv: str, eeio: str) -> None:
    """The default, because NEC's client asks nothing of such a card but its deletion [nec]."""
    port = eem.card(eesv)["downstream_ports"][0]["downstream_port_id"]
    eem.silence(eeio)
    eem.silence(eesv)
    asked = [*requests_of(eeio, "17"), *requests_of(eesv, "17"), *requests_of(eesv)]
    asked.append(("DELETE", f"/devices/{eesv}/ports/{port}/eeio_mac_address", None))
    for method, path, body in asked:
        answer = eem.call(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (500, "50003"), path
    assert [step for step in eem.history() if step["by"] == "api"] == []
    assert eem.call("GET", f"/devices/{eeio}/uid_led_status").status_code == 200
    for card in (eeio, eesv):
        assert eem.call("DELETE", f"/devices/{card}").status_code == 200
        assert card not in eem.cards()


@pytest.mark.parametrize("value, status", [("accept", 200), ("refuse", 500)])
def test_orphan_detach(eem: Simulator, eesv: str, eeio: str, value: str, status: int) -> None:
    eem.set_options(orphan_detach=value)
    attach(eem, eeio)
    eem.silence(eesv)
    assert eem.card(eeio)["eesv_connection_status"] == "down"
    assert detach(eem, eeio) == status


def test_repeat_delete_accept(eem: Simulator, eeio: str) -> None:
    eem.set_options(repeat_delete="accept")
    assert detach(eem, eeio) == 200
    assert eem.history() == []


def test_shared_group_accept(eem: Simulator, bare_eesv: str) -> None:
    eem.set_options(shared_group="accept")
    assert attach(eem, bare_eesv) == 200


def test_group_pick(eem: Simulator, bare_eesv: str) -> None:
    eem.set_options(group_pick="highest")
    path = f"/devices/{bare_eesv}/group_id"
    assert eem.call("PUT", path).json()["group_id"] == "4092"
    eem.set_options(group_pick="random")
    assert 16 <= int(eem.call("PUT", path).json()["group_id"]) <= 4092


@pytest.mark.parametrize("value, moves", [("moves", True), ("stays", False)])
def test_peer_update_time(eem: Simulator, eesv: str, eeio: str, value: str, moves: bool) -> None:
    eem.set_options(peer_update_time=value)
    before = eem.card(eesv)
    attach(eem, eeio)
    after = eem.card(eesv)
    assert after["downstream_ports"] != before["downstream_ports"]
    assert (after["update_time"] != before["update_time"]) is moves


def test_refusal_code_gives_the_status(eem: Simulator, eeio: str) -> None:
    eem.set_options(refusal_code="42277")
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "500"})
    assert (answer.status_code, answer.json()["code"]) == (422, "42277")


def test_wrong_accept_ignore(eem: Simulator) -> None:
    eem.set_options(wrong_accept="ignore")
    answer = eem.call("GET", "/api_version", headers={"Accept": "text/html"})
    assert answer.json() == {"version_number": "v1.0.8"}


def test_latency(eem: Simulator) -> None:
    eem.set_options(latency_ms=150)
    start = time.monotonic()
    eem.call("GET", "/devices")
    assert time.monotonic() - start >= 0.15


def link(eem: Simulator, eeio: str) -> str:
    """The state of an EEIO's link as the next request shows it; the port of the EESV shows the same."""
    record = eem.call("GET", f"/devices/{eeio}").json()["device"]
    state = str(record["eesv_connection_status"])
    ports = [port for card in eem.eesvs() for port in card["downstream_ports"]]
    joined = {port["eeio_mac_address"] for port in ports if port["eeio_connection_status"] == "up"}
    assert (record["mac_address"] in joined) is (state == "up")
    assert (record["eesv_mac_address"] != "00:00:00:00:00:00") is (record["path_status0"] == "up") is (state == "up")
    return state


def test_a_link_is_up_at_once(eem: Simulator, eeio: str) -> None:
    assert link(eem, eeio) == "down"
    attach(eem, eeio)
    assert link(eem, eeio) == "up"
    detach(eem, eeio)
    assert link(eem, eeio) == "down"


@pytest.mark.parametrize("delay", [1, 3])
def test_a_late_link_is_up_from_the_request_on_that_its_delay_says(eem: Simulator, eeio: str, delay: int) -> None:
    eem.set_options(link="late", link_delay=delay)
    attach(eem, eeio)
    time_of_change = eem.card(eeio)["update_time"]
    assert [link(eem, eeio) for _request in range(delay)] == ["down"] * (delay - 1) + ["up"]
    assert eem.card(eeio)["update_time"] > time_of_change
    detach(eem, eeio)
    assert link(eem, eeio) == "down"
    attach(eem, eeio)
    detach(eem, eeio)
    assert [link(eem, eeio) for _request in range(4)] == ["down"] * 4


def test_a_link_that_is_found_by_an_audit(eem: Simulator, eesv: str, eeio: str) -> None:
    eem.set_options(link="audit")
    attach(eem, eeio)
    assert eem.call("PUT", f"/devices/{eesv}/audit").ok
    assert [link(eem, eeio) for _request in range(3)] == ["down"] * 3
    assert eem.call("PUT", f"/devices/{eeio}/audit").ok
    assert link(eem, eeio) == "up"


def test_a_link_that_never_comes(eem: Simulator, eeio: str) -> None:
    eem.set_options(link="never")
    attach(eem, eeio)
    assert eem.call("PUT", f"/devices/{eeio}/audit").ok
    assert [link(eem, eeio) for _request in range(3)] == ["down"] * 3


@pytest.mark.parametrize("value", ["at-once", "never"])
def test_links_need_the_power_of_the_host_and_stay_up_with_it(eem: Simulator, eesv: str, eeio: str, value: str) -> None:
    attach(eem, eeio)
    eem.set_options(link=value)
    eem.patch(eesv, max_eeio_count="8", notification_status1=["up", "up"])
    assert link(eem, eeio) == "up"
    eem.patch(eesv, power_status="off")
    assert link(eem, eeio) == "down"
    eem.patch(eesv, power_status="on")
    assert link(eem, eeio) == ("up" if value == "at-once" else "down")
