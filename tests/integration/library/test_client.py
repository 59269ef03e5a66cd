# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against the simulator over real HTTP."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import (
    AnswerLost,
    EemError,
    EemRefused,
    ServerFailed,
    TimedOut,
    TlsFailed,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from eemsim.client import Simulator


def _sent(eem: Simulator, method: str = "GET") -> int:
    return int(eem.stats()["by_method"].get(method, 0))


def test_every_call_reaches_eem_over_one_connection(eem: Simulator, client: Client) -> None:
    system, device = eem.eesvs()[0]["id"], eem.eeios()[0]["id"]
    eem.reset_stats()
    assert client.api_version().startswith("v")
    assert len(client.devices()) == 16
    assert len(client.devices_detail()) == 16
    assert [card["id"] for card in client.devices_detail("17")] == [system]
    assert client.device(device)["id"] == device
    assert client.set_group(device, "17")["group_id"] == "17"
    assert "update_time" in client.clear_group(device)
    client.set_uid_led(device, "on")
    assert client.uid_led(device) == "on"
    client.audit(device)
    client.reset(device)
    client.send_reset_frame(device)
    client.forget_device(device, force=True)
    assert client.device(system)["status"] == "eesv"
    assert eem.stats()["connections"] == 1
    assert eem.stats()["requests"] == 14


def test_requests_ask_for_json_and_name_their_body_json(eem: Simulator, client: Client) -> None:
    eem.reset_log()
    client.set_group(eem.eeios()[0]["id"], "17")
    entry = eem.log()[0]
    assert entry["accept"] == "application/json"
    assert entry["content_type"].startswith("application/json")


@pytest.mark.parametrize("fault", ["drop", "freeze", "status502", "status503", "status504", "html404"])
def test_a_read_is_tried_again_until_it_succeeds(eem: Simulator, client: Client, fault: str) -> None:
    if fault == "html404":
        eem.fault("html", status=404, times=2)
    elif fault.startswith("status"):
        eem.fault("status", status=int(fault[6:]), times=2)
    else:
        eem.fault(fault, times=1)
    eem.reset_stats()
    assert client.api_version().startswith("v")
    assert len(client.waited) == _sent(eem) - 1 >= 1


def test_a_read_is_tried_as_often_as_retries_say_and_no_more(eem: Simulator, client: Client) -> None:
    eem.fault("drop", times=-1)
    eem.reset_stats()
    with pytest.raises(AnswerLost, match="connection ended before the answer was complete"):
        client.api_version()
    assert _sent(eem) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
def test_a_read_that_eem_refuses_is_not_tried_again(eem: Simulator, client: Client, status: int) -> None:
    eem.fault("fail", status=status, code=f"{status}00", message="no", times=-1)
    eem.reset_stats()
    with pytest.raises(EemError) as caught:
        client.api_version()
    assert _sent(eem) == 1
    assert caught.value.http_status == status
    assert caught.value.code == f"{status}00"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"do": "drop"}, AnswerLost),
        ({"do": "drop", "after": True}, AnswerLost),
        ({"do": "drop", "reset": True}, AnswerLost),
        ({"do": "freeze"}, TimedOut),
        ({"do": "delay", "seconds": 1.5}, TimedOut),
        ({"do": "trickle", "seconds": 0.2}, TimedOut),
        ({"do": "status", "status": 503}, ServerFailed),
        ({"do": "html", "status": 200}, UnexpectedAnswer),
        ({"do": "truncate"}, AnswerLost),
        ({"do": "garbage", "body": '{"group_id": '}, UnexpectedAnswer),
        ({"do": "fail", "status": 409, "code": "40900"}, EemRefused),
        ({"do": "fail", "status": 401, "html": True}, Unauthorized),
    ],
)
def test_a_change_is_never_sent_twice_by_the_client(
    eem: Simulator, make_client: object, fault: dict[str, object], error: type[EemError]
) -> None:
    client: Client = make_client(timeout=0.8)  # type: ignore[operator]
    eem.fault(fault, method="PUT", times=-1)
    eem.reset_stats()
    with pytest.raises(error):
        client.set_group(eem.eeios()[0]["id"], "17")
    assert _sent(eem, "PUT") == 1


@pytest.mark.parametrize("action", ["trickle", "freeze", "delay"])
def test_the_time_out_holds_for_the_whole_answer(eem: Simulator, make_client: object, action: str) -> None:
    client: Client = make_client(timeout=0.7, retries=0)  # type: ignore[operator]
    eem.fault(action, **({} if action == "freeze" else {"seconds": 0.3 if action == "trickle" else 90.0}), times=-1)
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"no complete answer within 0\.7 s"):
        client.devices_detail()
    assert time.monotonic() - started < 60  # the whole answer would take longer, or never come


def test_after_a_time_out_the_next_request_gets_its_own_answer(eem: Simulator, make_client: object) -> None:
    client: Client = make_client(timeout=0.7, retries=0)  # type: ignore[operator]
    eem.fault("delay", seconds=1.0, path="/api_version")
    with pytest.raises(TimedOut):
        client.api_version()
    assert len(client.devices()) == 16


def test_a_port_where_nobody_listens_is_unreachable_and_nothing_was_sent() -> None:
    with Client(Settings("http://127.0.0.1:9/eem", timeout=1.0, retries=0)) as client:
        with pytest.raises(Unreachable, match="Connection refused") as caught:
            client.api_version()
        assert not caught.value.sent


def test_a_host_that_does_not_take_the_connection_in_time_is_unreachable_and_nothing_was_sent() -> None:
    """Its queue of connections is full: the kernel drops whatever asks for another one."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for dummy in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        client = stack.enter_context(
            Client(Settings(f"http://127.0.0.1:{server.getsockname()[1]}/eem", timeout=0.3, retries=0))
        )
        with pytest.raises(Unreachable, match=r"no connection within 0\.3 s\. Is EEM running there"):
            client.set_group("0x8cdf9d000001", "17")


@pytest.mark.parametrize(
    "files", [{"ca_path": "gone"}, {"client_cert": "gone"}, {"client_cert": "there", "client_key": "gone"}], ids=str
)
def test_a_certificates_file_that_has_gone_meanwhile_is_told_with_its_path(
    tmp_path: Path, files: dict[str, str]
) -> None:
    """Options are checked first; a file may go between that and its use."""
    (tmp_path / "there").write_text("", encoding="utf-8")
    paths = {option: str(tmp_path / name) for option, name in files.items()}
    client = Client(Settings("https://127.0.0.1:1/eem", retries=0, **paths))  # type: ignore[arg-type]
    with client, pytest.raises(TlsFailed, match="a certificate file cannot be used") as caught:
        client.api_version()
    assert str(tmp_path / "gone") in caught.value.message


def test_a_host_that_has_no_address_is_unreachable() -> None:
    with Client(Settings("http://eem.invalid:30500/eem", timeout=1.0, retries=0)) as client, pytest.raises(Unreachable):
        client.api_version()


def test_a_plain_server_asked_for_tls_is_a_sentence(eem: Simulator) -> None:
    with (
        Client(Settings(eem.url.replace("http:", "https:"), timeout=2.0, retries=0)) as client,
        pytest.raises((TlsFailed, AnswerLost)),
    ):
        client.api_version()


def test_a_wrong_password_is_told_with_the_user_and_not_with_the_password(eem: Simulator, make_client: object) -> None:
    client: Client = make_client(password="wrong-pass-word")  # type: ignore[operator]
    with pytest.raises(Unauthorized, match="user 'admin'") as caught:
        client.api_version()
    assert "wrong-pass-word" not in repr(caught.value.as_failure())


def test_a_wrong_context_path_is_told_with_the_right_form(eem: Simulator, make_client: object) -> None:
    client: Client = make_client(url=eem.url.replace("/eem", "/eme"), retries=0)  # type: ignore[operator]
    with pytest.raises(UnexpectedAnswer, match=r"HTTP 404 with HTML instead of EEM's JSON.*http://HOST:30500/eem"):
        client.api_version()


def test_redirects_are_not_followed(eem: Simulator, client: Client) -> None:
    eem.fault("garbage", status=302, body="", times=-1)
    with pytest.raises(UnexpectedAnswer, match="HTTP 302"):
        client.api_version()


@pytest.mark.parametrize("body", ["", "{}", '{"devices": []}'])
def test_an_empty_success_to_a_list_means_no_devices(eem: Simulator, client: Client, body: str) -> None:
    eem.fault("garbage", body=body, times=-1)
    assert client.devices_detail() == []


@pytest.mark.parametrize(
    "body", ['{"devices": null}', '{"devices": {}}', '{"timestamp": "1"}', "[]", "null", '"x"', "7"]
)
def test_a_list_of_another_form_is_not_taken_for_an_empty_one(eem: Simulator, client: Client, body: str) -> None:
    eem.fault("garbage", body=body, times=-1)
    with pytest.raises(UnexpectedAnswer):
        client.devices_detail()


def test_an_answer_that_goes_deeper_than_json_can_be_read_is_a_sentence(eem: Simulator, client: Client) -> None:
    eem.fault("garbage", body='{"devices": ' + "[" * 100_000, times=-1)
    with pytest.raises(UnexpectedAnswer, match="broken JSON"):
        client.devices_detail()


def test_a_message_of_eem_is_repeated_shortly_and_in_one_line(eem: Simulator, client: Client) -> None:
    eem.fault("fail", status=409, code="40900", message="no\x1b[31m\n" + "x" * 5000, times=-1)
    with pytest.raises(EemRefused) as caught:
        client.set_group(eem.eeios()[0]["id"], "17")
    assert len(caught.value.message) < 600
    assert caught.value.message.isprintable()


def test_settings_of_the_environment_are_left_out(
    eem: Simulator, make_client: object, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    client: Client = make_client()  # type: ignore[operator]
    assert client.api_version()


def test_the_condition_is_sent_only_when_it_may_be(eem: Simulator, make_client: object) -> None:
    device = eem.eeios()[0]
    for conditional in (True, False):
        client: Client = make_client(conditional_updates=conditional)  # type: ignore[operator]
        eem.reset_log()
        client.set_group(device["id"], "17", eem.card(device["id"])["update_time"])
        client.clear_group(device["id"], eem.card(device["id"])["update_time"])
        put, delete = (entry for entry in eem.log() if entry["method"] in ("PUT", "DELETE"))
        assert ("update_time" in put["body"]) is conditional
        assert ("update_time" in delete["query"]) is conditional


def test_a_card_that_changed_since_is_told_as_stale(eem: Simulator, client: Client) -> None:
    device = eem.eeios()[0]
    eem.patch(device["id"], model="another")
    with pytest.raises(ExpetherError) as caught:
        client.set_group(device["id"], "17", str(device["update_time"]))
    assert isinstance(caught.value, EemRefused)
    assert client.is_stale(caught.value)
