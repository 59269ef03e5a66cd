# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every back end of the registry promises, on each of them; `test_registry` and `test_postgresql` have the rest."""

from __future__ import annotations

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

pytestmark = on_each_back_end

Execute = t.Callable[[str], list[tuple[t.Any, ...]]]


@pytest.fixture(name="execute")
def fixture_execute(back_end: str, registry_url: str, request: pytest.FixtureRequest) -> Execute:
    """Executes a statement of SQL in the registry, not through the library; `documents` is its table."""

    def in_file(sql: str) -> list[tuple[t.Any, ...]]:
        with closing(sqlite3.connect(registry_url.removeprefix("sqlite:///"), isolation_level=None)) as database:
            return database.execute(sql).fetchall()

    def on_server(sql: str) -> list[tuple[t.Any, ...]]:
        found = request.getfixturevalue("server").execute(sql, database="expether")
        return t.cast(list[tuple[t.Any, ...]], found)

    return in_file if back_end == "sqlite" else on_server


@pytest.fixture(name="is_there")
def fixture_is_there(back_end: str, registry_url: str, execute: Execute) -> t.Callable[[], bool]:
    def is_there() -> bool:
        if back_end == "sqlite":
            return Path(registry_url.removeprefix("sqlite:///")).parent.exists()
        return bool(execute("SELECT FROM pg_namespace WHERE nspname = 'nec_expether'"))

    return is_there


def test_a_registry_that_is_not_there_is_empty_and_reading_does_not_make_it(
    registry: Registry, is_there: t.Callable[[], bool]
) -> None:
    assert registry.all(RegisteredUrl) == []
    assert registry.get(RegisteredUrl, "x") is None
    assert not is_there()


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
def test_a_damaged_document_is_told_and_left_as_it_is(registry: Registry, execute: Execute, body: str) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, "")), put(RegisteredUrl("b", NEVER, ""))])
    execute(f"UPDATE documents SET body = '{body}' WHERE uuid = 'a'")  # noqa: S608  # of the values above
    with pytest.raises(RegistryError, match="is damaged or was not created by this collection"):
        registry.all(RegisteredUrl)
    assert execute("SELECT body FROM documents WHERE uuid = 'a'") == [(body,)]
    with pytest.raises(RegistryConflict):
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    registry.commit([put_anyway(RegisteredUrl("a", NEVER, ""))])
    assert len(registry.all(RegisteredUrl)) == 2


@pytest.mark.parametrize("is_open", [False, True])
def test_a_registry_of_a_newer_version_is_told_and_left_as_it_is(
    registry: Registry, registry_url: str, execute: Execute, back_end: str, is_open: bool
) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    other = open_registry(registry_url)
    if is_open:
        other.all(RegisteredUrl)
    newer = {"sqlite": "PRAGMA user_version = {}", "postgresql": "UPDATE registry SET schema = {}"}
    execute(newer[back_end].format(SCHEMA + 1))
    with pytest.raises(RegistryError, match="newer version of this collection"):
        other.commit([put(RegisteredUrl("b", NEVER, ""))])
    if not is_open:
        with pytest.raises(RegistryError, match="newer version of this collection"):
            other.all(RegisteredUrl)
    other.close()
    assert execute("SELECT uuid FROM documents") == [("a",)]
