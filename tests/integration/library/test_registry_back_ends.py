# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every back end of the registry promises, on each of them; `test_registry` and `test_postgresql` have the rest."""

from __future__ import annotations

import json
import sqlite3
import threading
import typing as t
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, RegisteredUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    Change,
    Registry,
    RegistryConflict,
    RegistryError,
    put,
    put_anyway,
    remove,
    remove_anyway,
)
from back_ends import on_each_back_end
from etcd import Etcd

pytestmark = on_each_back_end


class Stored(t.Protocol):
    """What a registry has, read and changed not through the library."""

    def is_there(self) -> bool:
        """Whether the registry exists."""

    def texts(self) -> dict[str, str]:
        """Return the texts of all documents by UUID."""

    def damage(self, uuid: str, text: str) -> None:
        """Replace the text of a document."""

    def be_newer(self) -> None:
        """Let it have the schema of a newer version."""


class InSql:
    """The registry in a file, or in a server."""

    def __init__(
        self, execute: t.Callable[[str], list[tuple[t.Any, ...]]], exists: t.Callable[[], bool], newer: str
    ) -> None:
        self._execute = execute
        self.is_there = exists
        self._newer = newer

    def texts(self) -> dict[str, str]:
        return dict(self._execute("SELECT uuid, body FROM documents"))

    def damage(self, uuid: str, text: str) -> None:
        self._execute(f"UPDATE documents SET body = '{text}' WHERE uuid = '{uuid}'")  # noqa: S608  # of constants

    def be_newer(self) -> None:
        self._execute(self._newer.format(SCHEMA + 1))


class InEtcd:
    """The registry below a prefix in etcd."""

    def __init__(self, etcd: Etcd, prefix: str) -> None:
        self._etcd = etcd
        self._prefix = prefix

    def is_there(self) -> bool:
        return bool(self._etcd.values(self._prefix))

    def texts(self) -> dict[str, str]:
        found = self._etcd.values(f"{self._prefix}documents/")
        return {key.partition("/")[2]: value.partition(" ")[2] for key, value in found.items()}

    def damage(self, uuid: str, text: str) -> None:
        found = self._etcd.values(f"{self._prefix}documents/")
        key = next(key for key in found if key.endswith(f"/{uuid}"))
        self._etcd.put(f"{self._prefix}documents/{key}", f"{found[key].partition(' ')[0]} {text}")

    def be_newer(self) -> None:
        header = json.loads(self._etcd.values(f"{self._prefix}registry")[""])
        self._etcd.put(f"{self._prefix}registry", json.dumps({**header, "schema": SCHEMA + 1}))


@pytest.fixture(name="stored")
def fixture_stored(back_end: str, registry_url: str, request: pytest.FixtureRequest) -> Stored:
    if back_end == "etcd":
        return InEtcd(request.getfixturevalue("one_etcd"), f"/{registry_url.split('/', 3)[3]}/")
    if back_end == "postgresql":
        server = request.getfixturevalue("server")

        def on_server(sql: str) -> list[tuple[t.Any, ...]]:
            return t.cast(list[tuple[t.Any, ...]], server.execute(sql, database="expether"))

        schemas = "SELECT FROM pg_namespace WHERE nspname = 'nec_expether'"
        return InSql(on_server, lambda: bool(on_server(schemas)), "UPDATE registry SET schema = {}")
    path = Path(registry_url.removeprefix("sqlite:///"))

    def in_file(sql: str) -> list[tuple[t.Any, ...]]:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            return database.execute(sql).fetchall()

    return InSql(in_file, path.parent.exists, "PRAGMA user_version = {}")


def test_a_registry_that_is_not_there_is_empty_and_reading_does_not_make_it(registry: Registry, stored: Stored) -> None:
    assert registry.all(RegisteredUrl) == []
    assert registry.get(RegisteredUrl, "x") is None
    assert not stored.is_there()


def test_what_was_committed_is_read_by_another(registry: Registry, registry_url: str) -> None:
    registry.commit([put(RegisteredUrl("b", NEVER, "ü")), put(RegisteredUrl("a", NEVER, ""))])
    other = open_registry(registry_url)
    assert [(found.uuid, found.podm_id) for found in other.all(RegisteredUrl)] == [("a", ""), ("b", "ü")]
    assert other.all(Flavor) == []
    other.close()


def test_a_change_of_what_another_changed_meanwhile_is_a_conflict_and_nothing_is_written(
    registry: Registry,
) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, "1"))])
    found = registry.get(RegisteredUrl, "a")
    assert found
    registry.commit([put(found._replace(podm_id="2"))])
    with pytest.raises(RegistryConflict):
        registry.commit([put(RegisteredUrl("b", NEVER, "")), put(found._replace(podm_id="3"))])
    assert [(url.uuid, url.podm_id) for url in registry.all(RegisteredUrl)] == [("a", "2")]


@pytest.mark.parametrize("change", [put, remove])
def test_what_must_not_be_there_yet_is_a_conflict_if_it_is(
    registry: Registry, change: t.Callable[[RegisteredUrl], Change]
) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    with pytest.raises(RegistryConflict):
        registry.commit([change(RegisteredUrl("a", NEVER, "1"))])


def test_removing_what_another_removed_is_a_conflict(registry: Registry) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    found = registry.get(RegisteredUrl, "a")
    assert found
    registry.commit([remove(found)])
    with pytest.raises(RegistryConflict):
        registry.commit([remove(found)])


def test_processes_that_count_together_lose_nothing(registry_url: str) -> None:
    """Eight at once, from before the registry is there: each adds one 25 times by compare-and-swap."""

    def count() -> None:
        registry = open_registry(registry_url)
        for dummy in range(25):
            while True:
                found = registry.get(StoredListing, "n") or StoredListing("n", NEVER, None, 0)
                try:
                    registry.commit([put(found._replace(devices=found.devices + 1))])
                    break
                except RegistryConflict:
                    continue
        registry.close()

    threads = [threading.Thread(target=count) for dummy in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry = open_registry(registry_url)
    found = registry.get(StoredListing, "n")
    assert found and found.devices == 200
    registry.close()


def test_a_transaction_that_changes_a_document_twice_makes_the_changes_in_their_order(registry: Registry) -> None:
    registry.commit([put_anyway(RegisteredUrl("a", NEVER, "1")), put_anyway(RegisteredUrl("a", NEVER, "2"))])
    found = registry.get(RegisteredUrl, "a")
    assert found and found.podm_id == "2"
    registry.commit([remove(found), put(RegisteredUrl("a", NEVER, "3")), put(RegisteredUrl("b", NEVER, ""))])
    assert [(url.uuid, url.podm_id) for url in registry.all(RegisteredUrl)] == [("a", "3"), ("b", "")]
    with pytest.raises(RegistryConflict):
        registry.commit([put(RegisteredUrl("c", NEVER, "")), put(RegisteredUrl("c", NEVER, ""))])
    registry.commit([remove_anyway(RegisteredUrl, "a"), remove_anyway(RegisteredUrl, "a")])
    assert [url.uuid for url in registry.all(RegisteredUrl)] == ["b"]


def test_revisions_grow_also_when_a_document_is_made_again_or_a_transaction_fails(registry: Registry) -> None:
    assert registry.commit([]) == NEVER
    revisions = [registry.commit([put_anyway(RegisteredUrl("a", NEVER, ""))])]
    with pytest.raises(RegistryConflict):
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    registry.commit([remove_anyway(RegisteredUrl, "a")])
    revisions.append(registry.commit([put(RegisteredUrl("a", NEVER, ""))]))
    found = registry.get(RegisteredUrl, "a")
    assert found and found.revision == revisions[1] > revisions[0] + 1 > NEVER + 1


def test_texts_of_any_kind_come_back_as_they_were(registry: Registry) -> None:
    texts = ["", "ü€😀", "'\";--", "\\N", "{}", "a\nb\tc", "%s %(x)s", "\u0085", "x" * 100_000]
    registry.commit([put(RegisteredUrl(str(place), NEVER, text)) for place, text in enumerate(texts)])
    assert [url.podm_id for url in registry.all(RegisteredUrl)] == texts


def test_a_listing_of_10000_devices_is_one_transaction(registry: Registry, registry_url: str) -> None:
    """A reader sees all of it or nothing."""
    facts = dict.fromkeys(StoredDevice._fields) | {"revision": NEVER, "podm_id": "p", "state": "free"}
    devices = [StoredDevice(**{**facts, "uuid": f"{place:05}", "device_id": f"{place:x}"}) for place in range(10_000)]
    counts, other = [], open_registry(registry_url)
    writer = threading.Thread(target=lambda: registry.commit([put(device) for device in devices]))
    writer.start()
    while writer.is_alive():
        counts.append(len(other.all(StoredDevice)))
    writer.join()
    found = other.all(StoredDevice)
    assert {*counts} <= {0, 10_000}
    assert [device._replace(revision=NEVER) for device in found] == devices
    assert len({device.revision for device in found}) == 1
    other.close()


@pytest.mark.parametrize("body", ["{broken", "{}", "[]", "[" * 100_000])
def test_a_damaged_document_is_told_and_left_as_it_is(registry: Registry, stored: Stored, body: str) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, "")), put(RegisteredUrl("b", NEVER, ""))])
    stored.damage("a", body)
    with pytest.raises(RegistryError, match="is damaged or was not created by this collection"):
        registry.all(RegisteredUrl)
    assert stored.texts()["a"] == body
    with pytest.raises(RegistryConflict):
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    registry.commit([put_anyway(RegisteredUrl("a", NEVER, ""))])
    assert len(registry.all(RegisteredUrl)) == 2


@pytest.mark.parametrize("is_open", [False, True])
def test_a_registry_of_a_newer_version_is_told_and_left_as_it_is(
    registry: Registry, registry_url: str, stored: Stored, is_open: bool
) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    other = open_registry(registry_url)
    if is_open:
        other.all(RegisteredUrl)
    stored.be_newer()
    with pytest.raises(RegistryError, match="newer version of this collection"):
        other.commit([put(RegisteredUrl("b", NEVER, ""))])
    if not is_open:
        with pytest.raises(RegistryError, match="newer version of this collection"):
            other.all(RegisteredUrl)
    other.close()
    assert list(stored.texts()) == ["a"]
