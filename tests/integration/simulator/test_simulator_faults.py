# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault has its documented effect on the matching requests, and on no others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import requests
from eemsim.client import Simulator

GROUP = "/group_id$"


def attach(eem: Simulator, eeio: str, **kwargs: object) -> requests.Response:
    return eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"}, **kwargs)


def group(eem: Simulator, eeio: str) -> str:
    return str(eem.card(eeio)["group_id"])


def in_background(function: Callable[[], int], results: list[int]) -> threading.Thread:
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    return thread


@pytest.mark.parametrize("after, expected", [(False, "4093"), (True, "17")])
def test_fail_before_and_after_the_change(eem: Simulator, eeio: str, after: bool, expected: str) -> None:
    eem.fault("fail", code="50003", message="no", after=after, method="PUT", path=GROUP)
    answer = attach(eem, eeio)
    assert (answer.status_code, answer.json()) == (500, {"code": "50003", "message": "no"})
    assert group(eem, eeio) == expected


def test_fail_as_html_and_without_a_body(eem: Simulator) -> None:
    eem.fault("fail", status=500, html=True)
    eem.fault("fail", status=500, no_body=True, nth=2)
    page, nothing = eem.call("GET", "/devices"), eem.call("GET", "/devices")
    assert page.status_code == nothing.status_code == 500
    assert "<html>" in page.text and nothing.content == b""


def test_fail_with_headers_alone(eem: Simulator) -> None:
    eem.fault("fail", status=301, no_body=True, no_length=True, location="https://elsewhere/eem")
    nothing = eem.call("GET", "/devices", allow_redirects=False)
    assert (nothing.status_code, nothing.content) == (301, b"")
    assert nothing.headers["Location"] == "https://elsewhere/eem"
    assert not {"Content-Length", "Transfer-Encoding"} & set(nothing.headers)
    assert eem.call("GET", "/devices").status_code == 200


@pytest.mark.parametrize("status", [502, 503, 504])
def test_status(eem: Simulator, status: int) -> None:
    eem.fault("status", status=status)
    assert eem.call("GET", "/devices").status_code == status
    assert eem.call("GET", "/devices").status_code == 200


@pytest.mark.parametrize("body", ["", "{}"])
def test_status_with_a_body_that_may_be_empty(eem: Simulator, body: str) -> None:
    eem.fault("status", status=200, body=body)
    answer = eem.call("GET", "/devices")
    assert (answer.status_code, answer.text) == (200, body)


@pytest.mark.parametrize("after, expected", [(False, "4093"), (True, "17")])
@pytest.mark.parametrize("reset", [False, True])
def test_drop_before_and_after_the_change(eem: Simulator, eeio: str, after: bool, expected: str, reset: bool) -> None:
    eem.fault("drop", after=after, reset=reset, path=GROUP)
    with pytest.raises(requests.ConnectionError, match="reset by peer" if reset else "without response"):
        attach(eem, eeio)
    assert group(eem, eeio) == expected
    assert eem.log()[-1]["status"] is None


def test_html_with_200(eem: Simulator) -> None:
    eem.fault("html")
    answer = eem.call("GET", "/devices")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")


def test_garbage(eem: Simulator) -> None:
    eem.fault("garbage", body="{]")
    eem.fault("garbage", body="/wA=", base64=True, nth=2)
    assert eem.call("GET", "/devices").content == b"{]"
    assert eem.call("GET", "/devices").content == b"\xff\x00"


@pytest.mark.parametrize("chunked", [False, True])
def test_truncate(eem: Simulator, chunked: bool) -> None:
    eem.fault("truncate", at=0.5, chunked=chunked)
    answer = eem.call("GET", "/devices/detail", stream=True)
    assert ("Content-Length" in answer.headers) is not chunked
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        answer.json()


@pytest.mark.parametrize("after, expected", [(False, "4093"), (True, "17")])
def test_truncate_before_and_after_the_change(eem: Simulator, eeio: str, after: bool, expected: str) -> None:
    eem.fault("truncate", after=after, path=GROUP)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        attach(eem, eeio)
    assert group(eem, eeio) == expected


@pytest.mark.parametrize("after, expected", [(False, "4093"), (True, "17")])
def test_delay_before_and_after_the_change(eem: Simulator, eeio: str, after: bool, expected: str) -> None:
    eem.fault("delay", seconds=0.4, after=after, path=GROUP)
    with pytest.raises(requests.ReadTimeout):
        attach(eem, eeio, timeout=0.15)
    assert group(eem, eeio) == expected
    time.sleep(0.35)
    assert group(eem, eeio) == "17"


def test_trickle_never_times_out_a_read_yet_takes_long(eem: Simulator) -> None:
    eem.fault("trickle", seconds=0.01)
    start = time.monotonic()
    answer = eem.call("GET", "/api_version", timeout=0.2)
    assert answer.json() == {"version_number": "v1.0.8"}
    assert time.monotonic() - start > 0.01 * len(answer.content)


def test_freeze_until_the_faults_are_deleted(eem: Simulator, eeio: str) -> None:
    eem.fault("freeze", path=GROUP)
    statuses: list[int] = []
    thread = in_background(lambda: attach(eem, eeio).status_code, statuses)
    time.sleep(0.15)
    assert statuses == [] and group(eem, eeio) == "4093"
    eem.clear_faults()
    thread.join(5)
    assert statuses == [200] and group(eem, eeio) == "17"


@pytest.mark.parametrize("held_up", ["freeze", "delay"])
def test_what_was_held_up_at_a_reset_ends_without_reaching_the_new_fleet(
    eem: Simulator, eeio: str, held_up: str
) -> None:
    eem.fault(held_up, **({"seconds": 0.3} if held_up == "delay" else {}), path=GROUP)
    outcomes: list[str] = []

    def change() -> str:
        try:
            return str(attach(eem, eeio).status_code)
        except requests.ConnectionError:
            return "dropped"

    thread = in_background(change, outcomes)
    time.sleep(0.1)
    eem.reset()
    thread.join(5)
    assert outcomes == ["dropped"]
    assert group(eem, eeio) == "4093"


def test_change_behind_the_clients_back(eem: Simulator, eeio: str) -> None:
    eem.fault({"do": "change", "card": eeio, "set": {"group_id": "18"}}, method="PUT", path=GROUP)
    seen = eem.card(eeio)["update_time"]
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17", "update_time": seen})
    assert answer.json()["code"] == "40004" and group(eem, eeio) == "18"
    assert [each["by"] for each in eem.history(field="group_id")] == ["control"]


def test_change_just_after_the_request(eem: Simulator, eeio: str) -> None:
    eem.fault({"do": "change", "after": True, "card": eeio, "set": {"group_id": "18"}}, path=GROUP)
    assert attach(eem, eeio).status_code == 200
    assert [each["to"] for each in eem.history(field="group_id", card=eeio)] == ["17", "18"]


def test_actions_combine(eem: Simulator, eeio: str) -> None:
    eem.fault({"do": "delay", "seconds": 0.2}, {"do": "drop", "after": True}, path=GROUP)
    start = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        attach(eem, eeio)
    assert time.monotonic() - start >= 0.2 and group(eem, eeio) == "17"


def test_nth_and_times(eem: Simulator) -> None:
    eem.fault("status", status=503, method="GET", path="^/devices$", nth=2, times=2)
    eem.call("GET", "/groups")
    assert [eem.call("GET", "/devices").status_code for _each in range(5)] == [200, 503, 503, 200, 200]
    assert [(each["seen"], each["used"]) for each in eem.faults()] == [(5, 2)]


def test_forever_until_deleted(eem: Simulator) -> None:
    eem.fault("status", status=503, times=-1)
    assert {eem.call("GET", "/devices").status_code for _each in range(5)} == {503}
    eem.clear_faults()
    assert eem.call("GET", "/devices").status_code == 200 and eem.faults() == []


@pytest.mark.parametrize(
    "order",
    [
        {"do": "explode"},
        {"do": "fail", "statsu": 500},
        {"do": "fail", "status": "500"},
        {"do": "drop", "after": 1},
        {"do": "change", "card": "0x000000000000"},
    ],
)
def test_wrong_orders_are_refused(eem: Simulator, order: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="400"):
        eem.fault(order)
    assert eem.faults() == []


def phases(eem: Simulator, seconds: float) -> list[str]:
    """What a client sees, each thing once in its order."""
    seen: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = eem.call("GET", "/devices", timeout=1)
            now = f"{answer.status_code} {len(answer.json()['devices'])}" if answer.ok else f"{answer.status_code}"
        except requests.ConnectionError:
            now = "refused"
        if not seen or seen[-1] != now:
            seen.append(now)
        time.sleep(0.02)
    return seen


@pytest.mark.parametrize("mode", ["refuse", "reset"])
def test_restart(eem: Simulator, eeio: str, mode: str) -> None:
    attach(eem, eeio)
    eem.fault("restart", down=0.2, starting=0.2, empty=0.2, mode=mode, path="^/devices$", after=True)
    assert phases(eem, 0.8) == ["refused", "404", "200 0", "200 16"]
    assert group(eem, eeio) == "17"


def test_restart_resets_connections_that_were_open(eem: Simulator) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = eem.auth
        session.get(eem.url + "/devices")
        eem.restart(down=0.1)
        with pytest.raises(requests.ConnectionError):
            session.get(eem.url + "/devices")
        time.sleep(0.3)
        assert session.get(eem.url + "/devices").status_code == 200


def test_during_a_restart_in_reset_mode_control_stays(eem: Simulator) -> None:
    eem.restart(down=30, mode="reset")
    with pytest.raises(requests.ConnectionError):
        eem.call("GET", "/devices")
    eem.reset()
    assert eem.call("GET", "/devices").status_code == 200


def test_after_a_restart_single_cards_are_unknown_for_a_while(eem: Simulator, eeio: str) -> None:
    eem.restart(empty=30, mode="reset")
    assert eem.call("GET", f"/devices/{eeio}").json()["code"] == "40400"
    assert eem.call("GET", "/groups").json()["groups"] == []
