# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_registry imports what OpenStack Valence stored in etcd; valence/ has dumps of the same objects by both APIs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import typing as t
from base64 import b64decode, b64encode
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.names import node_uuid, podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, PodManager, StoredNode
from back_ends import on_each_back_end
from cryptography.fernet import Fernet
from etcd import Etcd, put
from module_main import Result, run_main

DUMPS = Path(__file__).with_name("valence")
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "docsite" / "rst" / "guide_valence.rst"
LEFT_OUT = {
    "Pod manager rsd has another driver than expether.",
    "Node rsd-node is not of a pod manager with the driver expether.",
    "Node train-1 of pod manager rack1 is called 0x8cdf9d53f238: another node has this name.",
    "Flavor big has no memory, processor any more: ExpEther cannot compose it.",
}


@pytest.fixture(name="take")
def fixture_take(
    registry_url: str, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> t.Callable[..., Result]:
    """Imports a dump, given as the path of a file or as its text."""

    def take(dump: Path | str, **options: t.Any) -> Result:
        path = dump if isinstance(dump, Path) else tmp_path / "dump.json"
        if isinstance(dump, str):
            path.write_text(dump, encoding="utf-8")
        where = {"registry": registry_url, "registry_key_file": str(key_file)}
        result = run_main(capsys, "registry", **{**where, "valence_dump": str(path), "_ansible_diff": True, **options})
        assert "Kanari" not in json.dumps(result)
        return result

    return take


@on_each_back_end
def test_pod_managers_nodes_and_flavors_of_the_driver_are_imported(
    take: t.Callable[..., Result], registry_url: str, key_file: Path
) -> None:
    planned = take(DUMPS / "v3.json", _ansible_check_mode=True)
    done = take(DUMPS / "v3.json")
    assert done["copied"] == planned["copied"] and done["changed"] and planned["changed"]
    assert [done["copied"][kind]["added"] for kind in ("pod_managers", "nodes", "devices", "flavors")] == [2, 3, 0, 2]
    cpu = [sentence for sentence in done["left_out"] if sentence not in LEFT_OUT]
    assert {*done["left_out"]} > LEFT_OUT and len(cpu) == 1 and cpu[0].startswith("Flavor cpu requests no devices")
    with closing(open_registry(registry_url)) as registry:
        podms = {podm.name: podm for podm in registry.all(PodManager)}
        nodes = {node.uuid: node for node in registry.all(StoredNode)}
        flavors = {flavor.name: flavor.properties for flavor in registry.all(Flavor)}
    assert (podms["rack1"].url, podms["rack1"].username) == ("http://eem1.example.com:30500/eem", "admin")
    assert (podms["rack1"].description, podms["rack1"].location) == ("GPUs", "Hall 2")
    fernet = Fernet(key_file.read_bytes())
    words = {name: fernet.decrypt(podm.password or "").decode() for name, podm in podms.items()}
    assert words == {"rack1": "Kanari-Valence-1", "rack2": "Kanari-Valence-2"}
    systems = {
        ("rack1", "train-1"): "0x8cdf9d53f236",
        ("rack1", "0x8cdf9d53f238"): "0x8cdf9d53f238",
        ("rack2", "train-1"): "0x8cdf9d53f240",
    }
    assert {uuid: node.system_id for uuid, node in nodes.items()} == {
        node_uuid(podm_uuid(podm), name): system for (podm, name), system in systems.items()
    }
    assert flavors == {
        "gpu-small": {"pci_device": {"type": ["GPU", "SSD"]}},
        "big": {"pci_device": {"type": ["NIC", "NIC"]}},
    }
    # A dump by the other API has the same.
    again = take(DUMPS / "v2.json")
    assert not again["changed"] and {*again["left_out"]} == {*done["left_out"]}
    assert [again["copied"][kind]["kept"] for kind in ("pod_managers", "nodes", "flavors")] == [2, 3, 2]
    assert "is not empty" in take(v2("pod_managers", PODM))["msg"]


def test_what_other_programs_store_in_the_same_etcd_is_ignored(take: t.Callable[..., Result]) -> None:
    dump = json.loads((DUMPS / "v3.json").read_text(encoding="utf-8"))
    dump["kvs"].append({name: b64encode(b"/pods/\xff\0").decode() for name in ("key", "value")})
    assert take(json.dumps(dump))["copied"]["nodes"]["added"] == 3
    flavor = next(pair for pair in dump["kvs"] if b64decode(pair["key"]).startswith(b"/flavors/"))
    flavor["value"] = b64encode(b'{"name": "\xff"}').decode()
    assert "is not an object of Valence with a name" in take(json.dumps(dump))["msg"]


@pytest.mark.skipif(shutil.which("etcdctl") is None, reason="no etcdctl is installed (Debian: etcd-client)")
def test_the_command_of_the_guide_makes_a_dump(take: t.Callable[..., Result], one_etcd: Etcd, tmp_path: Path) -> None:
    url = one_etcd.members[0].client_url
    for pair in json.loads((DUMPS / "v3.json").read_text(encoding="utf-8"))["kvs"]:
        put(url, *(b64decode(pair[name]).decode() for name in ("key", "value")))
    (command,) = re.findall(r"(?m)^    (.*etcdctl get .*)$", GUIDE.read_text(encoding="utf-8"))
    environment = {**os.environ, "ETCDCTL_ENDPOINTS": url}
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, env=environment, check=True, timeout=60)
    done = take(tmp_path / "valence.json")
    assert [done["copied"][kind]["added"] for kind in ("pod_managers", "nodes", "devices", "flavors")] == [2, 3, 0, 2]


def v2(folder: str, body: t.Any) -> str:
    inner = {"key": f"/{folder}/1", "value": body if isinstance(body, str) else json.dumps(body)}
    return json.dumps({"node": {"dir": True, "nodes": [{"key": f"/{folder}", "dir": True, "nodes": [inner]}]}})


def basic(username: str, password: str) -> dict[str, t.Any]:
    return {"authentication": [{"type": "basic", "auth_items": {"username": username, "password": password}}]}


PODM = {"name": "r", "driver": "expether", "url": "http://h:30500/eem"}


@pytest.mark.parametrize(
    ("dump", "said"),
    [
        ("not JSON, Kanari", r"is not a dump of Valence's etcd"),
        ("[]", r"is not a dump of Valence's etcd"),
        ('{"kvs": [{"key": "###Kanari"}]}', r"is not a dump of Valence's etcd|has none of"),
        ('{"header": {"revision": 1}}', r"has none of .+ It writes with version 2 of etcd's API"),
        ('{"kvs": [{"key": "L2Zvbw==", "value": "e30="}]}', r"has none of /pod_managers/, /nodes/ and /flavors/"),
        (v2("nodes", "Kanari {"), r"The value of /nodes/1 in `valence_dump` is not an object of Valence with a name\."),
        (v2("pod_managers", {"driver": "expether"}), r"The value of /pod_managers/1 in"),
        (v2("pod_managers", {**PODM, "url": "ftp://x"}), r"Pod manager r in `valence_dump`: "),
        (v2("pod_managers", {**PODM, "url": "http://admin:Kanari@h/eem"}), r"Pod manager r in `valence_dump`: "),
        (v2("pod_managers", {**PODM, "name": " "}), r"in `valence_dump`: ' ' cannot be the name of a pod manager"),
        (
            v2("pod_managers", {**PODM, **basic("admin\0", "Kanari")}),
            r"r in `valence_dump`: its user name or password con",
        ),
        (
            v2("pod_managers", {**PODM, **basic("admin", "Kanari\ud800")}),
            r"its user name or password contains an invalid",
        ),
        (Path("/nonexistent/dump"), r"The file /nonexistent/dump in `valence_dump` cannot be read \(No such file"),
    ],
)
def test_what_cannot_be_read_is_refused(
    take: t.Callable[..., Result], registry_url: str, dump: str | Path, said: str
) -> None:
    refused = take(dump)
    assert refused["failed"] and refused["failure"]["kind"] == "invalid" and re.search(said, refused["msg"]), refused[
        "msg"
    ]
    with closing(open_registry(registry_url)) as registry:
        assert not registry.all(PodManager)


def test_what_does_not_fit_together_is_refused(take: t.Callable[..., Result]) -> None:
    dump = json.loads((DUMPS / "v2.json").read_text(encoding="utf-8"))
    folders = {folder["key"]: folder["nodes"] for folder in dump["node"]["nodes"]}
    first, second = folders["/pod_managers"][:2]
    second["value"] = second["value"].replace("eem2.", "eem1.")
    assert "has two pod managers rack1, rack2 with one name or URL" in take(json.dumps(dump))["msg"]
    first["value"] = first["value"].replace("eem1.", "eem3.")
    node = folders["/nodes"][0]
    node["value"] = node["value"].replace("0x8cdf9d53f236", "the first one")
    assert "The index of node train-1 in `valence_dump` is not the EEM id" in take(json.dumps(dump))["msg"]


def test_a_pod_manager_without_a_user_has_no_credentials(take: t.Callable[..., Result], registry_url: str) -> None:
    assert take(v2("pod_managers", {**PODM, **basic("", "")}))["changed"]
    with closing(open_registry(registry_url)) as registry:
        assert [(podm.username, podm.password) for podm in registry.all(PodManager)] == [(None, None)]
