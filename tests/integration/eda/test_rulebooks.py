# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample rulebooks, run by ansible-rulebook: it is started once, with all of them."""

from __future__ import annotations

import http.server
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from eemsim.client import Simulator
from module_main import Run
from running_source import COLLECTION, GPU, SCHEMA

#: The session `eda` of nox sets it to the one in its environment.
PROGRAM = os.environ.get("EXPETHER_ANSIBLE_RULEBOOK") or shutil.which("ansible-rulebook")
RULEBOOKS = sorted((COLLECTION / "extensions" / "eda" / "rulebooks").glob("*.yml"))


def why_not() -> str | None:
    if PROGRAM is None:
        return "ansible-rulebook is not installed: run nox -s eda"
    if shutil.which("java") is None:
        return "java is not installed (Debian: openjdk-17-jre-headless), which ansible-rulebook needs"
    return None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


class Webhook:
    """A web server that keeps what is sent to it."""

    def __init__(self) -> None:
        received = self.received = queue.Queue[t.Any]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                content = self.rfile.read(int(self.headers["Content-Length"]))
                received.put((self.path, json.loads(content)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *dummy: t.Any) -> None:
                """Print nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(name="webhook")
def fixture_webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    yield webhook
    webhook.close()


@pytest.fixture(name="rulebook")
def fixture_rulebook(path: Path, tmp_path: Path, webhook: Webhook) -> Iterator[t.Callable[[], subprocess.Popen[str]]]:
    """Starts ansible-rulebook with all rulebooks and an inventory of localhost."""
    rules = [ruleset for rulebook in RULEBOOKS for ruleset in yaml.safe_load(rulebook.read_text(encoding="utf-8"))]
    values = {
        "webhook_url": f"{webhook.url}/events",
        "alarm_url": f"{webhook.url}/alarms",
        "flavor": "gpu",
        "interval": 1,
    }
    python = str(Path(str(PROGRAM)).with_name("python"))
    host = {"ansible_connection": "local", "ansible_python_interpreter": python}
    for name, content in (
        ("rules.yml", rules),
        ("vars.yml", values),
        ("inventory.yml", {"all": {"hosts": {"localhost": host}}}),
    ):
        (tmp_path / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [str(PROGRAM), "--rulebook=rules.yml", "--vars=vars.yml", "--inventory=inventory.yml", "-v"]
        environment = {
            **{key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")},
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
            "EXPETHER_REGISTRY": f"sqlite:///{path}",
            "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}",
        }
        with open(tmp_path / "log", "w", encoding="utf-8") as log:
            started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log, text=True))
        return started[0]

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if started:
        sys.stdout.write((tmp_path / "log").read_text(encoding="utf-8"))


def alarm(webhook: Webhook) -> str:
    """Return the text of the next alarm."""
    while (received := webhook.received.get(timeout=50))[0] != "/alarms":
        pass
    return str(received[1]["text"])


def test_rulebooks_notify_replace_and_raise_alarms(
    rulebook: t.Callable[[], subprocess.Popen[str]],
    webhook: Webhook,
    run: Run,
    eem: Simulator,
    by_url: dict[str, t.Any],
    tmp_path: Path,
) -> None:
    run("podm", name="rack1", **by_url)
    run("flavor", name="gpu", properties=GPU)
    node = run("node", name="n1", flavor="gpu")["node"]
    (gpu,) = node["device_ids"]
    stray = next(record["id"] for record in eem.eeios() if record["id"] != gpu)
    eem.call("PUT", f"/devices/{stray}/group_id", json={"group_id": eem.eesvs()[1]["group_id"]})
    run("sync")
    marker = tmp_path / "marker"
    # Text of a card must not run anything, neither in the rulebook nor in the playbook.
    eem.patch(gpu, model=f"{{{{ lookup('pipe', 'touch {marker}') }}}}")
    process = rulebook()
    until = time.monotonic() + 60
    # Until all sources have seen what is there at first.
    while (tmp_path / "log").read_text(encoding="utf-8").count("The first poll has ended.") < len(RULEBOOKS):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    eem.silence(gpu)
    events = [webhook.received.get(timeout=50)]
    assert events[0][0] == "/events" and events[0][1]["text"] == f"device_unreachable at rack1: {gpu}"
    while {"device_unreachable", "device_attached"} - {event["event"]["type"] for dummy, event in events}:
        events.append(webhook.received.get(timeout=50))
    for path, sent in events:
        event = {key: value for key, value in sent["event"].items() if key != "meta"}
        assert path == "/events" and SCHEMA.is_valid(event)
    new = next(event["event"]["device"] for dummy, event in events if event["event"]["type"] == "device_attached")
    assert new["device_id"] != gpu and new["node"] == "n1" and new["type"] == "GPU"
    # The group of a system changes: what was in it is stranded.
    eem.patch(eem.eesvs()[1]["id"], group_id="99")
    assert alarm(webhook).startswith(f"Device {stray} of rack1 is stranded in group ")
    # A free device is put into a group that no system has.
    taken = next(record["id"] for record in eem.eeios() if record["group_id"] == "4093")
    eem.patch(taken, group_id="98")
    assert alarm(webhook).startswith(f"Device {taken} of rack1 is stranded in group 98.")
    # In events about an EEM, there is no device.
    eem.fault({"do": "drop"}, times=200)
    while (received := webhook.received.get(timeout=50))[1]["text"].split(" ")[0] != "podm_offline":
        pass
    assert "the connection ended" in received[1]["text"]
    eem.clear_faults()
    assert webhook.received.get(timeout=50)[1]["text"] == "podm_online at rack1: EEM responds"
    assert not marker.exists()
    process.terminate()
    process.wait(20)
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Traceback" not in log and "a-secret-word" not in log
    assert [line for line in log.splitlines() if " - ERROR - " in line] == []
