# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook in docs/netbox, with the real modules of netbox.netbox, against a stand-in for NetBox.

All calls of its story are compared with those in recording.txt. To write that file again:

    tests/tools/in_env.sh dev nox -s netbox -- --record
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
import trustme
from netbox_server import NetBox

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "simulator"), str(TESTS / "integration" / "library")]

from eemsim.client import Simulator
from module_main import Run, run_main

PLAYBOOK = TESTS.parent / "docs" / "netbox" / "mirror.yml"
RECORDING = Path(__file__).with_name("recording.txt")
#: The session `netbox` of nox sets it to the folder with netbox.netbox and pynetbox.
LIBRARIES = os.environ.get("EXPETHER_NETBOX")
TOKEN, READER, BLIND = "0123456789abcdef-may-write", "0123456789abcdef-may-read", "0123456789abcdef-sees-nothing"
PASSWORD = "eem-password-of-test"

pytestmark = [
    pytest.mark.skipif(not LIBRARIES, reason="netbox.netbox is not installed: run nox -s netbox"),
    pytest.mark.timeout(900),  # some 80 tasks of Ansible, beside other sessions
]


class Played(t.NamedTuple):
    """What a run of the playbook printed, and the calls that NetBox got."""

    status: int
    output: str
    calls: list[str]

    @property
    def writes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.calls if call.split()[1] in ("POST", "PATCH", "DELETE", "PUT")]

    def changed(self) -> int:
        found = re.search(r"changed=(\d+)", self.output)
        assert found, self.output
        return int(found[1])

    def says(self, *texts: str) -> None:
        for text in texts:
            assert text in self.output, self.output[-3000:]


class Mirror:
    """A pod manager with three devices and one with none, and a NetBox that has a site and a server of its own."""

    def __init__(self, netbox: NetBox, eems: list[Simulator], run: Run, folder: Path) -> None:
        self.netbox, self.eems, self.run = netbox, eems, run
        self._folder = folder

    def play(self, *options: str, token: str = TOKEN, **values: t.Any) -> Played:
        """Run the playbook as a user does, with all messages that Ansible can print."""
        variables = self._folder / "variables.json"
        usual = {
            "netbox_url": f"{self.netbox.url}/",
            "netbox_site": "tokyo-1",
            "netbox_ca_path": f"{self._folder}/ca.pem",
        }
        variables.write_text(json.dumps({**usual, **values}))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": f"{LIBRARIES}{os.pathsep}{os.environ['ANSIBLE_HOME']}/collections",
            "ANSIBLE_PIPELINING": "true",
            "NETBOX_TOKEN": token,
            "NO_COLOR": "1",
            "PYTHONPATH": f"{LIBRARIES}/python",
            # Many machines set it; it has nothing to do with NetBox.
            "REQUESTS_CA_BUNDLE": certifi.where(),
        }
        command = ["ansible-playbook", str(PLAYBOOK), "-e", f"@{variables}", *(options or ["-vvvvv", "--diff"])]
        ended = subprocess.run(
            command,
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        for secret in (token, PASSWORD):
            assert secret not in ended.stdout
        for line in ended.stdout.splitlines():
            expected = re.search(
                "only localhost is available|mplicit localhost|Pod manager rack2 could not be asked", line
            )
            assert expected or not re.match(r"\[(WARNING|DEPRECATION)|.*Traceback", line), line
        return Played(ended.returncode, ended.stdout, self.netbox.take_calls())


@pytest.fixture(name="mirror")
def fixture_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Mirror]:
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{tmp_path / 'r.sqlite3'}")
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    netbox = NetBox({TOKEN: "write", READER: "read", BLIND: "nothing"}, tls)
    netbox.add("dcim/sites", name="Tokyo 1", slug="tokyo-1")
    netbox.add("dcim/manufacturers", name="Others", slug="others")
    netbox.add("dcim/device-roles", name="Server", slug="server")
    netbox.add("dcim/device-types", model="Server", slug="server", manufacturer=1)
    netbox.add("dcim/devices", name="web-1", site=1, role=1, device_type=1, serial="S1")

    def run(module: str, **options: t.Any) -> dict[str, t.Any]:
        return run_main(capsys, module, **options)

    with (
        Simulator(eesv=2, eeio=3, password=PASSWORD) as first,
        Simulator(eesv=1, eeio=0, seed=7, password=PASSWORD) as second,
    ):
        for name, eem in (("rack1", first), ("rack2", second)):
            access = {"url": eem.url, "username": eem.username, "password": eem.password, "retries": 0}
            assert "podm" in run("podm", name=name, **access)
        yield Mirror(netbox, [first, second], run, tmp_path)
    netbox.close()


class Recording:
    """The calls of each run of the story, as they were stored. With --record they are stored again."""

    def __init__(self, again: bool) -> None:
        self._again = again
        self._stored = {} if again else dict(re.findall(r"(?s)## (.+?)\n\n(.*?)\n\n", RECORDING.read_text("utf-8")))

    def compare(self, run: str, played: Played) -> None:
        if self._again:
            self._stored[run] = "\n".join(played.calls)
            runs = "".join(f"## {name}\n\n{calls}\n\n" for name, calls in self._stored.items())
            RECORDING.write_text(f"# {WHAT}\n\n{runs}# The end\n", "utf-8")
        assert played.calls == self._stored[run].splitlines()


WHAT = (
    "Calls to NetBox: status of the answer, method, path and query, what was sent. Written by nox -s netbox -- --record"
)
HOSTILE = "{{ lookup('pipe', 'touch marker') }} <b>" + "long " * 16


def test_a_fabric_is_mirrored_and_followed(mirror: Mirror, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    recording = Recording(pytestconfig.getoption("--record"))
    eem, netbox = mirror.eems[0], mirror.netbox
    one, two = (str(record["id"]) for record in eem.eesvs())
    gpu, ssd, odd = (str(record["id"]) for record in eem.eeios())
    (other,) = (str(record["id"]) for record in mirror.eems[1].eesvs())
    eem.patch(odd, model=HOSTILE, serial_number=HOSTILE)

    assert mirror.play("--syntax-check").status == 0
    checked = mirror.play("--check")
    assert (checked.status, checked.writes, checked.changed()) == (0, [], 1)
    checked.says(f"create {gpu}: GPU free", "create device roles: expether-system, expether-device")

    first = mirror.play()
    assert first.status == 0
    recording.compare("first run", first)
    entries = netbox.entries()
    assert set(entries) == {"web-1", one, two, other, gpu, ssd, odd}
    shown = entries[gpu]
    assert shown["custom_fields"] == {
        "expether_id": gpu,
        "expether_mac": re.sub("(..)(?=.)", r"\1:", gpu.removeprefix("0x")),
        "expether_node": "",
        "expether_podm": "rack1",
        "expether_state": "free",
        "expether_system": "",
        "expether_type": "GPU",
    }
    assert shown["serial"] == eem.card(gpu)["serial_number"] and shown["description"].startswith("NVIDIA")
    assert (shown["role"]["slug"], shown["site"]["slug"], shown["status"]["value"]) == (
        "expether-device",
        "tokyo-1",
        "active",
    )
    assert [tag["slug"] for tag in shown["tags"]] == ["expether"]
    assert entries[one]["role"]["slug"] == "expether-system" and "R120h" in entries[one]["description"]
    assert not (tmp_path / "marker").exists()

    # What people do with entries stays, in the next run and in those that change something.
    numbers = {name: entry["id"] for name, entry in entries.items()}
    netbox.add("extras/custom-fields", name="owner", object_types=["dcim.device"])
    own = {"name": "shelf-1", "status": "staged", "tags": [1, netbox.add("extras/tags", name="Own", slug="own")]}
    netbox.objects["dcim/devices"][numbers[gpu]].update(own)
    netbox.objects["dcim/devices"][numbers[gpu]]["custom_fields"]["owner"] = "storage"
    second = mirror.play()
    assert (second.status, second.writes, second.changed()) == (0, [], 0)
    recording.compare("second run", second)
    second.says("Nothing differs.")

    # A device is attached, two disappear, and the EEM of the other pod manager stops.
    spare = eem.card(ssd)
    assert "node" in mirror.run(
        "node", podm="rack1", name="a", node_index=one, properties={"devices": [{"type": "GPU"}]}
    )
    eem.delete_card(ssd)
    eem.delete_card(odd)
    mirror.eems[1].stop()
    third = mirror.play(netbox_ca_path="", netbox_validate_certs=False)
    recording.compare("attached, missing, and one EEM away", third)
    assert third.status == 2 and [call.split(" {")[0] for call in third.writes] == [
        f"200 PATCH /api/dcim/devices/{numbers[name]}/" for name in (one, gpu, ssd, odd)
    ]
    third.says("Its entries in NetBox were left as they are.", f"update {gpu}: ", "expether_node none -> a")
    entries = netbox.entries()
    fields = entries["shelf-1"]["custom_fields"]
    assert (fields["expether_state"], fields["expether_node"], fields["expether_system"]) == ("allocated", "a", one)
    assert fields["owner"] == "storage" and entries["shelf-1"]["status"]["value"] == "staged"
    assert [tag["slug"] for tag in entries["shelf-1"]["tags"]] == ["expether", "own"]
    for name in (ssd, odd):
        assert entries[name]["status"]["value"] == "offline"
        assert entries[name]["custom_fields"]["expether_state"] == "missing"

    # The device moves to another node, one comes back, and the entry of the other one may go.
    mirror.run("node", podm="rack1", name="a", state="absent")
    mirror.run("node", podm="rack1", name="b", node_index=two, properties={"devices": [{"type": "GPU"}]})
    eem.put_card(spare)
    fourth = mirror.play(podm="rack1", netbox_missing="delete")
    recording.compare("moved, back, and deleted", fourth)
    assert fourth.status == 0
    fourth.says("expether_node a -> b", f"delete {odd}: missing")
    entries = netbox.entries()
    assert set(entries) == {"web-1", one, two, other, "shelf-1", ssd}
    fields = entries["shelf-1"]["custom_fields"]
    assert (fields["expether_node"], fields["expether_system"]) == ("b", two)
    assert entries["shelf-1"]["id"] == numbers[gpu]
    assert (entries[one]["custom_fields"]["expether_node"], entries[two]["custom_fields"]["expether_node"]) == ("", "b")
    assert entries[ssd]["status"]["value"] == "active" and entries[ssd]["custom_fields"]["expether_state"] == "free"
    assert entries["web-1"]["serial"] == "S1" and entries["web-1"]["tags"] == []


def test_refusals_are_sentences_and_change_nothing(mirror: Mirror) -> None:
    eem, netbox = mirror.eems[0], mirror.netbox
    before = json.dumps(netbox.objects)
    (one, dummy) = (str(record["id"]) for record in eem.eesvs())

    refused = mirror.play(token="0123456789abcdef-unknown")
    assert refused.status == 2 and len(refused.calls) == 1
    refused.says(f"NetBox at {netbox.url} refuses the token (HTTP 403).")

    refused = mirror.play(netbox_url="http://127.0.0.1:9")
    assert refused.status == 2
    refused.says("NetBox at http://127.0.0.1:9 does not respond", "Connection refused")

    refused = mirror.play(netbox_ca_path=None)
    assert refused.status == 2 and refused.calls == []
    refused.says("certificate verify failed")

    refused = mirror.play(token=BLIND)
    assert refused.status == 2
    refused.says(f"Received HTTP error for {netbox.url}/api/dcim/sites/?slug=tokyo-1", "HTTP Error 403: Forbidden")

    refused = mirror.play(token=READER)
    assert refused.status == 2
    refused.says("You do not have permission to perform this action.")
    assert json.dumps(netbox.objects) == before

    netbox.add("dcim/devices", name=one, site=1, role=1, device_type=1)
    netbox.add("extras/custom-fields", name="expether_mac", object_types=["dcim.site"])
    refused = mirror.play(netbox_site="osaka")
    assert refused.status == 2 and refused.writes == []
    refused.says(
        "NetBox has no site with the slug osaka: set netbox_site.",
        "The custom field expether_mac in NetBox is not a text of devices: rename it.",
        f"NetBox has devices that this playbook did not create, with names that it needs: {one}. Rename them.",
    )
