# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that the last version with an earlier schema wrote: it shows the same, and one transaction makes it one of today's."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import typing as t
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    RegistryConflict,
    RegistryError,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._sync.reconcile import COUNTS
from eemsim.client import Simulator
from module_main import run_main

FILES = Path(__file__).with_name("schemas")
Result = dict[str, t.Any]
Run = Callable[..., Result]
Row = tuple[str, str, int, str]
NEW = Flavor("11111111-1111-5111-8111-111111111111", NEVER, "new", None, {"devices": [{"type": "GPU"}]}, None, None)
#: What earlier versions did not store of a device: null until EEM lists it again.
NOT_STORED = {"last_node": None, "populated": None, "connected": None}
NOT_STORED_OF_PODM = {"refused_at": None, "refused_credentials": None}
INFOS: dict[str, Result] = {"podm_info": {}, "flavor_info": {}, "device_info": {"source": "registry"}}


@pytest.fixture(name="old", params=[1, 2])
def fixture_old(request: pytest.FixtureRequest) -> int:
    """An earlier schema."""
    return t.cast(int, request.param)


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path, eem: Simulator, old: int) -> Path:
    """The registry of that schema; the EEM of rack1 is the simulator, with the cards that it had."""
    shown = (FILES / "shown.json").read_text()
    if eem.url in {*re.findall(r'"url": "(.+)"', shown)} - {json.loads(shown)["url"]}:
        pytest.skip("by chance, the simulator has the port that the EEM of another pod manager had")
    eem.reset(devices=list(json.loads((FILES / "cards.json").read_text()).values()))
    path = tmp_path / "r.sqlite3"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_here((FILES / f"{old}.sql").read_text(), eem))
    shutil.copy(FILES / "registry.key", f"{path}.key")
    os.chmod(f"{path}.key", 0o600)
    return path


def _here(text: str, eem: Simulator) -> str:
    """Return a text with the URL of the simulator in the place of the one that rack1 had."""
    return text.replace(json.loads((FILES / "shown.json").read_text())["url"], eem.url)


@pytest.fixture(name="run")
def fixture_run(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{path}")

    def run(module: str, **options: t.Any) -> Result:
        result = run_main(capsys, module, **options)
        assert not result.get("failed"), result
        return result

    yield run


def shown(run: Run) -> Result:
    """Return what the info modules show of the registry."""
    return {f"expether_{module}": run(module, **options) for module, options in INFOS.items()}


def shown_then(eem: Simulator) -> Result:
    """Return what they showed in the version that wrote the file."""
    results: Result = json.loads(_here((FILES / "shown.json").read_text(), eem))["results"]
    return results


def is_shown(now: Result, then: Result) -> None:
    """Check that all keys of all results have the values that they had, and that newer keys of devices are null."""
    for module, result in then.items():
        devices = [{**device, **NOT_STORED} for device in result.get("devices", ())]
        assert {**result, **({"devices": devices} if devices else {})}.items() <= now[module].items()


def schema(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return t.cast(int, database.execute("PRAGMA user_version").fetchone()[0])


def rows(path: Path) -> list[Row]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT kind, uuid, revision, body FROM documents ORDER BY kind, uuid").fetchall()


def test_what_is_shown_is_the_same_before_and_after_the_upgrade(run: Run, path: Path, old: int, eem: Simulator) -> None:
    before = rows(path)
    is_shown(shown(run), shown_then(eem))
    assert (schema(path), rows(path)) == (old, before), "reading upgrades nothing"
    assert run("flavor", name="new", properties={"devices": [{"type": "GPU"}]})["changed"]
    assert schema(path) == SCHEMA
    assert run("flavor", name="new", state="absent")["changed"]
    is_shown(shown(run), shown_then(eem))


def test_the_upgrade_keeps_all_documents_with_their_revisions_and_devices_have_facts_alone(path: Path) -> None:
    before = {(kind, uuid): (revision, json.loads(body)) for kind, uuid, revision, body in rows(path)}
    registry = SqliteRegistry(str(path))
    podms = registry.all(PodManager)
    devices = registry.all(StoredDevice)
    registry.commit([put(NEW)])
    assert (registry.all(PodManager), registry.all(StoredDevice)) == (podms, devices)
    registry.close()
    after = {(kind, uuid): (revision, json.loads(body)) for kind, uuid, revision, body in rows(path)}
    assert after.pop(("flavors", NEW.uuid))[0] == max(revision for revision, _body in before.values()) + 1
    assert {key: revision for key, (revision, _body) in after.items()} == {
        key: revision for key, (revision, _body) in before.items()
    }
    for (kind, uuid), (_revision, body) in after.items():
        old = before[kind, uuid][1]
        gone = {"uuid", "resource_uri", "reachable"} if kind == "devices" else set()
        new = {"devices": NOT_STORED, "pod_managers": NOT_STORED_OF_PODM}.get(kind, {})
        assert body == {**{key: value for key, value in old.items() if key not in gone}, **new}


def test_a_synchronisation_after_the_upgrade_finds_only_what_was_not_stored(run: Run, path: Path) -> None:
    devices = run("device_info", source="registry", podm="rack1")["devices"]
    for updated, unchanged in ((11, 0), (0, 11)):
        result = run("sync", podms=["rack1"], retention=36500)
        assert result["changed"] is bool(updated)
        assert {key: result["podms"][0][key] for key in COUNTS} == dict(zip(COUNTS, (0, updated, 1, 0, unchanged)))
    assert schema(path) == SCHEMA
    keys = [key for key in devices[0] if key not in ("synced_at", "last_seen_at", *NOT_STORED)]
    again = run("device_info", source="registry", podm="rack1")["devices"]
    assert [[device[key] for key in keys] for device in again] == [[device[key] for key in keys] for device in devices]
    assert sorted(str(device["populated"]) for device in again) == ["None", *["True"] * 11]
    assert not run("sync", podms=["rack1"], retention=36500)["changed"]


def test_nodes_and_claims_of_the_file_are_worked_with(run: Run, path: Path, eem: Simulator) -> None:
    result = run("node", name="train", podm="rack1", state="absent")
    assert [row["action"] for row in result["plan"]] == ["detach", "detach", "forget"]
    assert {str(eem.card(row["device"])["group_id"]) for row in result["plan"] if row["device"]} == {"4093"}
    assert run("node", name="store", podm="rack1", flavor="valence")["changed"]
    assert schema(path) == SCHEMA


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("flavor", {"name": "new", "properties": {"devices": [{"type": "GPU"}]}}),
        ("podm", {"name": "rack1", "description": "another"}),
        ("podm", {"name": "rack3", "state": "absent"}),
        ("node", {"name": "train", "podm": "rack1", "state": "absent"}),
        ("sync", {"podms": ["rack1"]}),
    ],
    ids=str,
)
def test_check_mode_reads_an_earlier_schema_and_upgrades_nothing(
    run: Run, path: Path, old: int, module: str, options: Result
) -> None:
    before = rows(path)
    run(module, **options, _ansible_check_mode=True)
    assert (schema(path), rows(path)) == (old, before)


def test_a_transaction_that_meets_a_conflict_upgrades_nothing(path: Path, old: int) -> None:
    before = rows(path)
    registry = SqliteRegistry(str(path))
    known = registry.all(Flavor)[0]
    with pytest.raises(RegistryConflict):
        registry.commit([put(NEW), put(known._replace(revision=known.revision + 1))])
    registry.close()
    assert (schema(path), rows(path)) == (old, before)


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry

class Changes(list):
    def __iter__(self):
        schema = registry._connection.execute("PRAGMA user_version").fetchone()[0]
        print(schema, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

registry = SqliteRegistry(sys.argv[2])
registry.commit(Changes([None]))
"""


def test_a_process_that_is_killed_after_the_upgrade_and_before_its_change_leaves_the_earlier_schema(
    path: Path, old: int
) -> None:
    before = rows(path)
    tests = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", KILLED, tests, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-9, f"{SCHEMA}\n"), done.stderr
    assert (schema(path), rows(path)) == (old, before)
    registry = SqliteRegistry(str(path))
    registry.commit([put(NEW)])
    registry.close()
    assert schema(path) == SCHEMA


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 5}'])
def test_a_damaged_document_stays_as_it_is_and_is_told_before_and_after(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        uuid = database.execute("SELECT uuid FROM documents WHERE kind = 'devices'").fetchone()[0]
        database.execute("UPDATE documents SET body = ? WHERE uuid = ?", (text, uuid))
    registry = SqliteRegistry(str(path))
    with pytest.raises(RegistryError, match="is damaged"):
        registry.all(StoredDevice)
    registry.commit([put(NEW)])
    with pytest.raises(RegistryError, match="is damaged"):
        registry.all(StoredDevice)
    registry.close()
    assert schema(path) == SCHEMA
    devices = {found: body for kind, found, _revision, body in rows(path) if kind == "devices"}
    assert devices.pop(uuid) == text
    assert devices and not any("resource_uri" in body for body in devices.values())


def test_who_has_the_file_open_goes_on_when_another_process_has_upgraded_it(path: Path) -> None:
    registry, other = SqliteRegistry(str(path)), SqliteRegistry(str(path))
    known = registry.all(Flavor)[0]
    other.commit([put(NEW)])
    other.close()
    registry.commit([put(known._replace(description="another"))])
    assert {flavor.description for flavor in registry.all(Flavor)} >= {"another", None}
    registry.close()


def test_who_has_the_file_open_writes_nothing_when_a_newer_version_has_upgraded_it(path: Path) -> None:
    registry = SqliteRegistry(str(path))
    registry.all(Flavor)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    before = rows(path)
    with pytest.raises(RegistryError, match="newer version of this collection"):
        registry.commit([put(NEW)])
    registry.close()
    assert (schema(path), rows(path)) == (SCHEMA + 1, before)
