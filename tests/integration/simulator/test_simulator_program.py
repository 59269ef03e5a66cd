# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: ready line, authentication, TLS, where control is served, and how it ends."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import trustme
from eemsim.client import PROGRAM, Simulator


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, timeout=20, check=False
    )


def start(*arguments: str, **environment: str) -> tuple[subprocess.Popen[str], dict[str, object]]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--port=0", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    return process, json.loads(process.stdout.readline() if process.stdout else "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_and_orderly_end(number: signal.Signals) -> None:
    process, ready = start("--eesv=2", "--eeio=5")
    port = str(ready["url"]).split(":")[2].split("/")[0]
    assert ready == {
        "ready": True,
        "url": f"http://127.0.0.1:{port}/eem",
        "control": f"http://127.0.0.1:{port}/_control",
        "pid": process.pid,
        "eesv": 2,
        "eeio": 5,
    }
    with requests.Session() as session:
        session.get(str(ready["url"]) + "/devices", timeout=5)
        process.send_signal(number)
        output, _errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")


def test_a_frozen_request_does_not_hold_up_the_end() -> None:
    with Simulator() as eem:
        eem.fault("freeze")
        with pytest.raises(requests.ReadTimeout):
            eem.call("GET", "/devices", timeout=(30, 0.1))
        assert eem.stop() == 0, "it had to be killed"


def test_it_ends_with_its_parent() -> None:
    process, _ready = start("--exit-with-stdin")
    process.communicate(timeout=5)
    assert process.returncode == 0


def test_without_a_user_there_is_no_authentication() -> None:
    with Simulator(username=None) as eem:
        assert eem.call("GET", "/devices").status_code == 200


@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("Admin", "eemeem"), ("", "")])
def test_401_is_html(eem: Simulator, auth: tuple[str, str] | None) -> None:
    answer = eem.call("GET", "/devices", auth=auth)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("header", ["Bearer abc", "Basic", "Basic ???", "Basic YWJj"])
def test_odd_authorization_is_401(eem: Simulator, header: str) -> None:
    assert eem.call("GET", "/devices", auth=None, headers={"Authorization": header}).status_code == 401


def test_no_change_without_authentication(eem: Simulator, eeio: str) -> None:
    answer = eem.call("PUT", f"/devices/{eeio}/group_id", json={"group_id": "17"}, auth=None)
    assert answer.status_code == 401 and eem.history() == []


def test_password_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("pass:wörd\n", encoding="utf-8")
    for arguments, environment in (([f"--password-file={path}"], {}), ([], {"EEM_SIM_PASSWORD": "pass:wörd"})):
        process, ready = start("--username=jane", *arguments, **environment)
        try:
            url = f"{ready['url']}/devices"
            login = base64.b64encode("jane:pass:wörd".encode()).decode()
            assert requests.get(url, headers={"Authorization": f"Basic {login}"}, timeout=5).status_code == 200
            assert requests.get(url, auth=("jane", "other"), timeout=5).status_code == 401
        finally:
            process.terminate()
            process.communicate(timeout=5)


@pytest.mark.parametrize("path", ["/", "/eem", "/EEM/devices", "/other/devices"])
def test_outside_the_context_tomcat_answers(eem: Simulator, path: str) -> None:
    answer = requests.get(eem.url.removesuffix("/eem") + path, timeout=5)
    assert answer.status_code == 404 and "<html>" in answer.text


def test_another_context_and_none() -> None:
    for context, end in (("/manager/eem/", "/manager/eem"), ("/", "")):
        with Simulator(context=context) as eem:
            assert eem.url.endswith(f":{eem.port}{end}")
            assert eem.call("GET", "/devices").status_code == 200
            assert eem.stats()["requests"] == 1


@pytest.fixture(name="ca", scope="module")
def fixture_ca(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    server, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("client@example.com")
    paths = {name: str(folder / name) for name in ("ca", "cert", "key", "client")}
    ca.cert_pem.write_to_path(paths["ca"])
    server.private_key_pem.write_to_path(paths["key"])
    for index, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(paths["cert"], append=index > 0)
    client.private_key_and_cert_chain_pem.write_to_path(paths["client"])
    return paths


def test_https(ca: dict[str, str]) -> None:
    with Simulator(tls=(ca["cert"], ca["key"]), verify=ca["ca"]) as eem:
        assert eem.url.startswith("https://")
        assert eem.call("GET", "/devices").status_code == 200
        assert eem.stats()["connections"] == 1
        with pytest.raises(requests.exceptions.SSLError):
            eem.call("GET", "/devices", verify=True)
        eem.fault("drop", reset=True)
        with pytest.raises(requests.ConnectionError):
            eem.call("GET", "/devices")
        eem.restart(down=0.1)
        with pytest.raises(requests.ConnectionError):
            eem.call("GET", "/devices")
        time.sleep(0.3)
        assert eem.call("GET", "/devices").status_code == 200


def test_client_certificates(ca: dict[str, str]) -> None:
    with Simulator(
        tls=(ca["cert"], ca["key"]), client_ca=ca["ca"], verify=ca["ca"], cert=(ca["client"], ca["client"])
    ) as eem:
        assert eem.call("GET", "/devices").status_code == 200
        with pytest.raises(requests.ConnectionError):
            eem.call("GET", "/devices", cert=None)
        assert eem.stats()["requests"] == 1


def test_latency_of_the_command_line() -> None:
    with Simulator(latency_ms=120) as eem:
        assert eem.options()["latency_ms"] == "120"
        assert eem.call("GET", "/devices").elapsed.total_seconds() >= 0.12


@pytest.mark.parametrize("arguments, status", [([], 403), (["--control-anywhere"], 200)])
def test_control_only_on_loopback_unless_told_otherwise(arguments: list[str], status: int) -> None:
    process, ready = start("--host=0.0.0.0", *arguments)
    try:
        port = str(ready["url"]).split(":")[2].split("/")[0]
        assert requests.get(f"http://127.0.0.1:{port}/_control/stats", timeout=5).status_code == status
        assert (ready["control"] is None) is (status == 403)
    finally:
        process.terminate()
        process.communicate(timeout=5)


@pytest.mark.parametrize(
    "arguments",
    [["--option=enforce=maybe"], ["--option=nothing"], ["--fleet=/nonexistent.json"], ["--tls-cert=/nonexistent.pem"]],
)
def test_wrong_arguments_end_with_a_reason(arguments: list[str]) -> None:
    result = run("--port=0", *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("eem_simulator.py: ") and "Traceback" not in result.stderr


def assert_one_sentence(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("eem_simulator.py: ") and result.stderr.count("\n") == 1
    assert all(part in result.stderr for part in parts)


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_does_not_exist_ends_with_a_reason(port: int) -> None:
    assert_one_sentence(run(f"--port={port}"), f"port {port} is not in the range 0 to 65535")


def test_a_port_in_use_ends_with_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert_one_sentence(run(f"--port={taken.getsockname()[1]}"), "address already in use")


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "with a list of records"),
        (b'"text"', "with a list of records"),
        (b"{}", "with a list of records"),
        (b'{"eesv": 4}', "with a list of records"),
        (b'{"devices": {}}', "with a list of records"),
    ],
)
def test_a_fleet_that_is_none_ends_with_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "fleet.json"
    path.write_bytes(content)
    assert_one_sentence(run("--port=0", f"--fleet={path}"), str(path), reason)


def test_a_fleet_that_cannot_be_read_ends_with_a_reason(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.json"):
        assert_one_sentence(run("--port=0", f"--fleet={path}"), str(path))
