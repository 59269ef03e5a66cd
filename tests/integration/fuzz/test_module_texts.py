# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What arbitrary options and answers have shown, each by its name."""

from __future__ import annotations

import typing as t

import pytest
from forks import Options
from known_registry import Known
from module_fuzz import CANARY, check
from raw_server import RawServer, http


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"], ids=["NUL", "surrogate"])
@pytest.mark.parametrize(
    ("module", "option", "more"),
    [
        ("expether_podm", "name", {}),
        ("expether_podm", "description", {"name": "rack1"}),
        ("expether_podm", "password", {"name": "rack1", "username": "admin"}),
        ("expether_podm", "ca_path", {"name": "rack1"}),
        ("expether_node", "name", {"podm": "rack1", "flavor": "gpu"}),
        ("expether_node", "properties", {"podm": "rack1", "name": "new"}),
        ("expether_flavor_info", "registry", {}),
        ("expether_device_info", "devices", {"podm": "rack1"}),
    ],
)
def test_what_no_file_and_no_request_can_hold_is_refused(
    known: Known, module: str, option: str, more: Options, text: str
) -> None:
    value: t.Any = {"properties": {"devices": [{"model": text}]}, "devices": [text]}.get(option, text)
    with known.copy() as folder:
        result = check(known.run(module, {**more, option: value}, folder))
    said = f"Option {option} contains an invalid character (NUL or invalid UTF-8)."
    assert result["msg"] == (said if module.endswith("_info") else f"{said} Nothing was changed.")
    assert result["failure"]["kind"] == "invalid"


def test_what_the_environment_says_in_another_encoding_is_refused(known: Known) -> None:
    environment = {"EEM_PASSWORD": f"{CANARY}\udce9", "EEM_USERNAME": "admin"}
    with known.copy() as folder:
        result = check(known.run("expether_podm", {"name": "new", "url": known.eem.url}, folder, environment))
    assert result["msg"].startswith("The environment variable EEM_PASSWORD contains an invalid character")


def test_a_card_with_texts_that_are_none_is_listed(known: Known, server: RawServer) -> None:
    record = b'{"id": "0x8cdf9d000001", "status": "eeio", "group_id": "4093", "model": "a\\ud800b", "serial_number": "c\\u0000d"}'
    server.answer = [http(b'{"devices": [' + record + b"]}")]
    with known.copy() as folder:
        result = check(known.run("expether_device_info", {"url": server.url}, folder))
    assert [device["device_id"] for device in result["devices"]] == ["0x8cdf9d000001"]
