# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of a card or a server that no result, terminal or log can carry: shown so that they do no harm."""

from __future__ import annotations

import json
import typing as t

import pytest
from known_registry import Known, overwrite
from module_fuzz import check
from raw_server import RawServer, http

HARM = 'x\ud83d\x1b[2K\n"rack1 Online"\u202e\u2066\u2028\x85\x7f\x00\ufeff\uffff'
SHOWN = 'x\ufffd\ufffd[2K "rack1 Online"\ufffd\ufffd  \ufffd\ufffd\ufffd\ufffd'
LONG, CUT = "y" * 10_000_000, "y" * 1023 + "…"
RECORD = {"id": "0x8cdf9d000001", "status": "eeio", "group_id": "4093", "type": "40g", "pcie_class_code": "0x30200"}
SYSTEM = {"id": "0x8cdf9d000002", "status": "eesv", "group_id": "17", "type": "40g"}
TEXTS = ("model", "serial_number", "mac_address", "power_status", "host_model", "host_serial_number", "ee_version")


@pytest.mark.parametrize(
    ("text", "shown"),
    [(HARM, SHOWN), (LONG, CUT), ("日本語\U0001f600", "日本語\U0001f600")],
    ids=["harmful", "long", "Japanese"],
)
def test_every_text_of_a_card_is_printable_and_bounded(known: Known, server: RawServer, text: str, shown: str) -> None:
    texts = dict.fromkeys(TEXTS if text != LONG else ("model",), text)
    server.answer = [
        http(json.dumps({"devices": [{**RECORD, **texts, text[:50]: text[:50]}, {**SYSTEM, **texts}]}).encode())
    ]
    with known.copy() as folder:
        listed = check(known.run("expether_device_info", {"url": server.url}, folder))
        systems = check(known.run("expether_system_info", {"url": server.url}, folder))
    (device,), (system,) = listed["devices"], systems["systems"]
    assert {device[key] for key in ("model", "serial_number", "mac_address", "power_state")} <= {shown, None}
    assert device["model"] == system["description"] == shown
    assert {system[key] for key in ("host_model", "host_serial_number", "ee_version", "mac_address")} <= {shown, None}
    json.dumps([listed, systems], ensure_ascii=False).encode()


def test_the_words_of_an_error_are_printable(known: Known, server: RawServer) -> None:
    server.answer = [http(json.dumps({"code": HARM, "message": HARM}).encode(), "409 Conflict")]
    with known.copy() as folder:
        result = check(known.run("expether_device_info", {"url": server.url}, folder))
    assert result["failure"]["code"] == SHOWN
    assert f"(HTTP 409, code {SHOWN}: {SHOWN})" in result["msg"]


def test_the_version_and_the_led_are_printable(known: Known, server: RawServer) -> None:
    card = {"device": RECORD, "devices": [RECORD], "version_number": HARM, "uid_led_status": HARM}
    server.answer = [http(json.dumps(card).encode())]
    with known.copy() as folder:
        podm = check(known.run("expether_podm", {"name": "strange", "url": server.url}, folder))
        led = check(known.run("expether_device", {"url": server.url, "device": RECORD["id"]}, folder))
    assert podm["podm"]["api_version"] == SHOWN
    assert led["device"]["uid_led"] is None


def test_what_an_earlier_version_stored_is_shown_printable_and_put_right(known: Known) -> None:
    with known.copy() as folder:
        found = {kind: (uuid, body) for kind, uuid, body in known.documents if kind in ("devices", "pod_managers")}
        uuid, device = found["devices"]
        overwrite(folder, "devices", uuid, {**device, "model": HARM, "serial_number": LONG})
        podm_uuid, podm = found["pod_managers"]
        overwrite(folder, "pod_managers", podm_uuid, {**podm, "api_version": HARM})
        listed = check(known.run("expether_device_info", {"source": "registry"}, folder))
        (shown,) = [each for each in listed["devices"] if each["uuid"] == uuid]
        assert (shown["model"], shown["serial_number"]) == (SHOWN, CUT)
        assert check(known.run("expether_podm_info", {}, folder))["podms"][0]["api_version"] == SHOWN
        overwrite(folder, "listings", podm_uuid, {"digest": None, "devices": 0})
        synced = check(known.run("expether_sync", {"_ansible_diff": True}, folder))
        json.dumps(synced, ensure_ascii=False).encode()
        assert synced["podms"][0]["updated"] == 1
        listed = check(known.run("expether_device_info", {"source": "registry"}, folder))
    assert [each for each in listed["devices"] if each["uuid"] == uuid][0]["model"] == device["model"]


@pytest.mark.parametrize("depth", [60, 500, 900, 990, 100_000])
def test_a_record_that_goes_deeper_than_any_is_a_result_or_a_sentence(
    known: Known, server: RawServer, depth: int
) -> None:
    record = json.dumps(RECORD)[:-1] + ', "more": ' + "[" * depth + "]" * depth + "}"
    server.answer = [http(b'{"devices": [' + record.encode() + b'], "version_number": "v1"}')]
    with known.copy() as folder:
        registered: dict[str, t.Any] = check(known.run("expether_podm", {"name": "deep", "url": server.url}, folder))
        synced = (
            check(known.run("expether_sync", {"podms": ["deep"]}, folder)) if not registered.get("failed") else None
        )
    assert synced is None or synced["podms"][0]["status"] == "Online"
