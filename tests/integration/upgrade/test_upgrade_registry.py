# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This version takes over a registry of 0.1.0, its key file and its EEMs, with all that can be under way."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import sqlite3
import time
import typing as t
from pathlib import Path

import pytest
from eemsim.client import Simulator
from forks import Json, Options
from versions import Site, Version, differences

#: What shows the whole registry, and the fabric.
SHOWN: tuple[tuple[str, Options], ...] = (
    ("podm_info", {}),
    ("flavor_info", {}),
    ("node_info", {}),
    ("device_info", {"source": "registry"}),
    ("device_info", {"podm": "rack1"}),
    ("system_info", {"podm": "rack1"}),
)
#: What the killed run was about.
HALF: Options = {"podm": "rack1", "name": "half", "properties": {"pci_device": {"type": ["USB", "USB"]}}}
FLAVOR: Options = {"name": "new", "properties": {"devices": [{"type": "GPU"}]}}
NEWER = "was written by a newer version of this collection"


@dataclasses.dataclass(frozen=True)
class Left:
    """What 0.1.0 has left.

    :ivar records: the cards of each EEM
    :ivar shown: what its modules showed at the end
    """

    folder: Path
    records: list[list[Json]]
    shown: list[dict[str, Json]]


def show(site: Site, version: Version) -> list[dict[str, Json]]:
    return [site.run(version, module, options) for module, options in SHOWN]


def done(site: Site, version: Version, module: str, check: bool = False, **options: Json) -> dict[str, Json]:
    """Run a task that must succeed."""
    result = site.run(version, module, options, check)
    assert not result.get("failed"), result
    return result


@contextlib.contextmanager
def frozen(site: Site, version: Version, nth: int, options: Options) -> t.Iterator[int]:
    """A run of expether_node at rack1, given by its process id, whose request to change a card with this number has no answer."""
    eem = site.eems[0]
    eem.fault("freeze", method="PUT", path="group_id$", nth=nth, after=True)
    (pid,) = version.forks.start([("expether_node", options)], site.environment)
    try:
        while not eem.faults()[0]["used"]:
            time.sleep(0.01)
        yield pid
    finally:
        eem.clear_faults()


@pytest.fixture(name="left", scope="session")
def fixture_left(earlier: Version, simulators: list[Simulator], tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What 0.1.0 leaves: nodes of each kind, devices that are stranded, silent or missing, an EEM that is away, a killed run."""
    folder = tmp_path_factory.mktemp("left") / "registry"
    eem, other = simulators[:2]
    eem.reset()
    systems = sorted(card["id"] for card in eem.eesvs())
    gpus, ssds, nics = (sorted(card["id"] for card in eem.eeios())[kind::3] for kind in range(3))
    for usb in nics[4:7]:
        eem.patch(usb, pcie_class_code="0x0c0330")
    other.reset()
    site = Site(folder, eem, other)

    def then(module: str, **options: Json) -> dict[str, Json]:
        return done(site, earlier, module, **options)

    for name, url in (("rack1", eem.url), ("rack2", other.url)):
        then("podm", name=name, url=url, username=eem.username, password=eem.password, location="Hall 2", retries=0)
    then("flavor", name="gpu-small", properties={"pci_device": {"type": ["GPU", "SSD"]}}, description="Valence's form")
    exact = {"type": "gpu", "count": 2, "vendor_id": "10de", "device_id": "1DB6"}
    then("flavor", name="exact", properties={"devices": [exact]})
    then("node", podm="rack1", name="train-1", flavor="gpu-small")
    then("node", podm="rack1", name="Zug 2", properties={"devices": [{"type": "NIC", "count": 2}]})
    eem.patch(ssds[5], group_id=eem.card(systems[2])["group_id"])
    then("node", podm="rack1", name="storage-1", node_index=systems[2], state="managed")
    then("node", podm="rack2", name="train-1", flavor="gpu-small")
    then("device_attach", podm="rack1", node="train-1", devices=[nics[2], ssds[6]])
    eem.patch(gpus[5], group_id="4000")
    eem.silence(ssds[6])
    eem.delete_card(gpus[7])
    then("sync", podms=["rack1"])
    eem.patch(ssds[7], model="Changed since")  # what the next synchronisation finds
    other.fault("fail", status=503, times=-1)
    assert then("sync", podms=["rack2"])["podms"][0]["status"] == "Offline"
    other.clear_faults()
    with frozen(site, earlier, 2, HALF) as pid:
        os.kill(pid, signal.SIGKILL)
    assert earlier.forks.ended()[0].status == -signal.SIGKILL
    assert claims(site)
    shown = show(site, earlier)
    assert {node["state"] for node in shown[2]["nodes"]} == {"composing", "composed", "managed"}
    return Left(folder, [each.records() for each in (eem, other)], shown)


@pytest.fixture(name="taken")
def fixture_taken(left: Left, simulators: list[Simulator], tmp_path: Path) -> Site:
    """A copy of what 0.1.0 has left."""
    for eem, records in zip(simulators, left.records):
        eem.reset(devices=records)
    site = Site(tmp_path / "taken", *simulators[:2])
    shutil.copytree(left.folder, site.folder, dirs_exist_ok=True)
    return site


def rows(site: Site) -> list[tuple[t.Any, ...]]:
    with contextlib.closing(sqlite3.connect(site.folder / "registry.sqlite3")) as database:
        schema = database.execute("PRAGMA user_version").fetchall()
        return schema + database.execute("SELECT * FROM documents ORDER BY kind, uuid").fetchall()


def claims(site: Site) -> bool:
    """Whether cards of rack1 or rack2 are claimed."""
    return any('"held": {"' in str(row[3]) for row in rows(site)[1:])


def unlike(then: list[dict[str, Json]], now: list[dict[str, Json]]) -> list[str]:
    found = [
        f"{module}: {each}"
        for (module, _options), one, other in zip(SHOWN, then, now)
        for each in differences(one, other, times=True)
    ]
    return [each for each in found if not each.startswith("flavor_info: .flavors[].properties.devices[].")]


def test_everything_is_there_before_and_after_the_first_change(left: Left, taken: Site, current: Version) -> None:
    before = rows(taken)
    assert unlike(left.shown, show(taken, current)) == []
    assert rows(taken) == before, "listing upgrades nothing"
    done(taken, current, "flavor", **FLAVOR)
    done(taken, current, "flavor", name="new", state="absent")
    assert rows(taken)[0] > before[0]
    assert unlike(left.shown, show(taken, current)) == []


def test_the_passwords_are_read_and_a_synchronisation_finds_only_what_is_new(
    left: Left, taken: Site, current: Version
) -> None:
    key = (taken.folder / "registry.sqlite3.key").read_bytes()
    devices = left.shown[3]["devices"]
    # At each device: what 0.1.0 did not store.
    for updated in (True, False):
        for podm in done(taken, current, "sync")["podms"]:
            count = len([device for device in devices if device["podm"] == podm["name"]])
            missing = int(podm["name"] == "rack1")
            assert (podm["status"], podm["error"], podm["missing"]) == ("Online", None, missing)
            assert (podm["added"], podm["updated"]) == (0, count - missing if updated else 0)
    assert (taken.folder / "registry.sqlite3.key").read_bytes() == key
    again = done(taken, current, "device_info", source="registry")["devices"]
    assert [device["uuid"] for device in again] == [device["uuid"] for device in devices]
    assert [device["last_node"] for device in again if device["state"] == "stranded"] == [None]
    for name in ("rack1", "rack2"):
        assert not done(taken, current, "podm", name=name)["changed"]


def test_plays_of_the_earlier_version_change_nothing_in_what_it_has_left(taken: Site, current: Version) -> None:
    eem = taken.eems[0]
    cards = eem.cards()
    tasks: tuple[tuple[str, Options], ...] = (
        ("podm", {"name": "rack1", "url": eem.url, "username": eem.username, "password": eem.password}),
        ("flavor", {"name": "gpu-small", "properties": {"pci_device": {"type": ["GPU", "SSD"]}}}),
        ("node", {"podm": "rack1", "name": "train-1", "flavor": "gpu-small"}),
        ("node", {"podm": "rack1", "name": "Zug 2", "properties": {"devices": [{"type": "NIC", "count": 2}]}}),
        ("node", {"podm": "rack1", "name": "storage-1", "state": "managed"}),
        ("device_attach", {"node": "storage-1", "devices": devices_of(taken, "storage-1", current)}),
    )
    for module, options in tasks:
        for check in (True, False):
            assert not done(taken, current, module, check, **options)["changed"], (module, options)
    assert eem.cards() == cards


def devices_of(site: Site, node: str, version: Version) -> list[str]:
    """The devices of a node."""
    (found,) = done(site, version, "node_info", podm="rack1", name=node)["nodes"]
    return t.cast("list[str]", found["device_ids"])


def test_what_a_killed_run_has_left_is_repaired(taken: Site, current: Version) -> None:
    """The same task again composes the whole node, and does not wait for the claims."""
    checked = done(taken, current, "node", check=True, **HALF)
    result = done(taken, current, "node", **HALF)
    assert (checked["changed"], result["changed"], result["node"]["state"]) == (True, True, "composed")
    assert [device["type"] for device in result["node"]["devices"]] == ["USB", "USB"]
    assert not done(taken, current, "node", **HALF)["changed"]
    assert not claims(taken)


def test_everything_can_be_released(taken: Site, current: Version) -> None:
    eem, other = taken.eems
    for podm in ("rack1", "rack2"):
        done(taken, current, "podm", name=podm, state="absent", cascade=True, skip_silent=True)
    groups = sorted(str(card["group_id"]) for card in eem.eeios())
    assert groups.count("4093") == len(groups) - 2, "a device is stranded, and one does not respond"
    assert {str(card["group_id"]) for card in other.eeios()} == {"4093"}
    assert done(taken, current, "device_info", source="registry")["devices"] == []


def test_the_earlier_version_refuses_it_afterwards_and_leaves_it_alone(
    taken: Site, current: Version, earlier: Version
) -> None:
    done(taken, current, "flavor", **FLAVOR)
    before, cards = rows(taken), taken.eems[0].cards()
    tasks: tuple[tuple[str, Options], ...] = (
        *SHOWN,
        ("podm", {"name": "rack1", "description": "another"}),
        ("podm", {"name": "rack1", "state": "absent", "cascade": True}),
        ("flavor", {"name": "gpu-small", "state": "absent"}),
        ("node", HALF),
        ("node", {"podm": "rack1", "name": "train-1", "state": "absent"}),
        (
            "device_attach",
            {"podm": "rack1", "devices": [devices_of(taken, "train-1", current)[0]], "state": "detached"},
        ),
        ("device", {"podm": "rack1", "device": "train-1", "uid_led": "on"}),
        ("device_action", {"podm": "rack1", "device": "train-1", "action": "reset"}),
        ("sync", {}),
    )
    for module, options in tasks:
        result = taken.run(earlier, module, options)
        assert result.get("failed") and NEWER in result["msg"], (module, result)
        assert result["failure"]["kind"] == "registry" and "\n" not in result["msg"]
    assert (rows(taken), taken.eems[0].cards()) == (before, cards)
    assert not done(taken, current, "flavor", **FLAVOR)["changed"]


def test_a_run_that_is_under_way_during_the_upgrade_damages_nothing(
    taken: Site, current: Version, earlier: Version
) -> None:
    """It has the registry open, and writes documents as 0.1.0 does to it when this version has already upgraded it."""
    options = {"podm": "rack1", "name": "late", "properties": {"pci_device": {"type": ["GPU", "SSD"]}}}
    with frozen(taken, earlier, 2, options):
        done(taken, current, "flavor", **FLAVOR)
        busy = done(taken, current, "node_info", podm="rack1", name="late")["nodes"]
        assert [node["state"] for node in busy] == ["composing"]
    earlier.forks.ended()
    result = done(taken, current, "node", **options)
    assert (result["node"]["state"], len(result["node"]["devices"])) == ("composed", 2)
    assert not done(taken, current, "node", **options)["changed"]
    done(taken, current, "sync")
    assert not done(taken, current, "sync")["changed"]


def test_an_eem_that_the_earlier_version_registered_twice_becomes_one_pod_manager(
    then: Site, earlier: Version, current: Version
) -> None:
    eem = then.eems[0]
    password = {"username": eem.username, "password": eem.password}
    for name, url in (("rack1", eem.url), ("twin", eem.url.replace("127.0.0.1", "localhost"))):
        done(then, earlier, "podm", name=name, url=url, **password)
        done(then, earlier, "node", podm=name, name="train", properties={"pci_device": {"type": ["GPU"]}})
    before = done(then, earlier, "node_info")["nodes"]
    assert len({node["id"] for node in before}) == 2
    errors = [podm["error"] for podm in done(then, current, "sync")["podms"]]
    assert all("If it is the same EEM, remove one of the pod managers" in error for error in errors)
    after = done(then, current, "node_info")["nodes"]
    assert sorted(node["uuid"] for node in after) == sorted(node["uuid"] for node in before)
    for podm in ("twin", "rack1"):
        assert not done(then, current, "node", podm=podm, name="train")["changed"]
    done(then, current, "node", podm="twin", name="train", state="absent")
    done(then, current, "podm", name="twin", state="absent")
    assert done(then, current, "sync")["podms"][0]["status"] == "Online"
    (node,) = done(then, current, "node_info")["nodes"]
    assert len(node["device_ids"]) == 1
    assert [str(card["group_id"]) for card in eem.eeios()].count("4093") == len(eem.eeios()) - 1
    assert len(done(then, current, "device_info", source="registry")["devices"]) == len(eem.eeios())
