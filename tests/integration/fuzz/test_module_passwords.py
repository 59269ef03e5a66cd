# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An EEM that repeats passwords: neither the registry's files nor any output has one, in whichever form."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
import typing as t
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from forks import Forks, Report
from known_registry import NAME
from module_fuzz import check
from raw_server import RawServer

PASSWORDS = {"rack1": 'sesame/"open" & <shut>+é', "rack2": "another: of rack2/\\"}
USER = "operator"


def echoes(password: str) -> dict[str, str]:
    """A password as a server may repeat it."""
    packed = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return {
        "itself": password,
        "header": packed,
        "header-without-end": packed.rstrip("="),
        "url": quote(password, safe=""),
        "url-lower": re.sub("%..", lambda found: found[0].lower(), quote(password, safe="")),
        "form": quote_plus(password),
        "json": json.dumps(password)[1:-1],
        "json-unicode": json.dumps(password, ensure_ascii=False)[1:-1],
        "html": html.escape(password),
    }


FORMS = sorted(echoes(""))


def answer(status: int, message: str) -> list[bytes]:
    body = json.dumps({"code": f"{status}00", "message": message}).encode()
    return [
        b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
    ]


def environment(folder: Path) -> dict[str, str]:
    return {"EXPETHER_REGISTRY": f"sqlite:///{folder / NAME}", "HOME": str(folder), "XDG_STATE_HOME": str(folder)}


def leaks(data: bytes) -> list[str]:
    """Return which forms of which password are in some bytes, also as JSON has them once more."""
    found = []
    for name, password in PASSWORDS.items():
        for form, text in echoes(password).items():
            written = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
            found += [f"{form} of {name}" for each in written if each.encode() in data]
    return found


def nothing_leaked(folder: Path, report: Report) -> None:
    assert leaks((report.out + report.err).encode()) == []
    for file in folder.rglob("*"):
        if file.is_file():
            assert leaks(file.read_bytes()) == [], file.name


@pytest.fixture(name="registered")
def fixture_registered(forks: Forks, server: RawServer, tmp_path: Path) -> Path:
    """Two pod managers at one server; their passwords are stored encrypted."""
    version = json.dumps({"version_number": "v1.0.8", "devices": []}).encode()
    server.answer = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(version), version)]
    for name, password in PASSWORDS.items():
        podm = {"name": name, "url": f"{server.url}/{name}", "username": USER, "password": password}
        report = forks.run("expether_podm", podm, environment(tmp_path))
        assert not check(report, ()).get("failed"), report
        nothing_leaked(tmp_path, report)
    return tmp_path


@pytest.mark.parametrize(("form", "status"), list(zip(FORMS, itertools.cycle([401, 403, 500]))))
def test_what_a_server_repeats_of_a_password_is_stored_and_told_masked(
    forks: Forks, server: RawServer, registered: Path, form: str, status: int
) -> None:
    """Each pod manager's server repeats the passwords of both, if the module knows both."""
    (registered / "metrics").mkdir()
    both = " and ".join(echoes(password)[form] for password in PASSWORDS.values())
    server.answer = answer(status, f"Basic {both} was not expected")
    for module, options in (
        ("expether_sync", {"textfile_dir": str(registered / "metrics")}),
        ("expether_podm_info", {}),
        ("expether_podm_info", {"check": True}),
        ("expether_device_info", {}),
        ("expether_node", {"name": "n", "podm": "rack1", "properties": {"devices": [{"type": "GPU"}]}}),
    ):
        if module == "expether_node":
            server.answer = answer(status, f"Basic {echoes(PASSWORDS['rack1'])[form]} was not expected")
        report = forks.run(module, t.cast("dict[str, t.Any]", options), environment(registered))
        check(report, PASSWORDS.values())
        nothing_leaked(registered, report)
        if module != "expether_podm_info" or options:
            assert "********" in report.out
    (stored,) = (
        podm
        for podm in check(forks.run("expether_podm_info", {"name": ["rack1"]}, environment(registered)), ())["podms"]
    )
    assert "was not expected" in stored["last_error"] and "********" in stored["last_error"]


def test_a_password_that_is_cut_in_a_long_message_is_masked_before(
    forks: Forks, server: RawServer, registered: Path
) -> None:
    password = PASSWORDS["rack1"]
    for length in range(270, 301):
        server.answer = answer(500, "." * length + password)
        report = forks.run("expether_sync", {"podms": ["rack1"]}, environment(registered))
        check(report, PASSWORDS.values())
        nothing_leaked(registered, report)
        assert password[:5] not in report.out


def test_texts_of_cards_and_versions_are_stored_masked(forks: Forks, server: RawServer, registered: Path) -> None:
    password = PASSWORDS["rack1"]
    card = {"id": "0x8cdf9d000001", "status": "eeio", "group_id": "4093", "model": password, "serial_number": password}
    body = json.dumps({"devices": [card], "version_number": password}).encode()
    server.answer = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)]
    options: list[tuple[str, dict[str, t.Any]]] = [
        ("expether_sync", {"podms": ["rack1"]}),
        ("expether_podm", {"name": "rack1", "username": USER, "password": password, "timeout": 7}),
        ("expether_device_info", {"source": "registry"}),
    ]
    for module, given in options:
        report = forks.run(module, given, environment(registered))
        assert not check(report, PASSWORDS.values()).get("failed"), report
        nothing_leaked(registered, report)
    assert "0x8cdf9d000001" in report.out
