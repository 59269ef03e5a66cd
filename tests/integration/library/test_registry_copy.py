# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_registry copies a registry from any back end to any other, whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import typing as t
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from ansible.module_utils import _internal
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    device_uuid,
    flavor_uuid,
    node_uuid,
    podm_uuid,
    unregistered_podm_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import (
    Flavor,
    PodManager,
    RegisteredUrl,
    StoredNode,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    Record,
    RegistryError,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.upgrade import RECORD_TYPES
from cryptography.fernet import Fernet
from module_main import Meddled, Result, run_main

SECRET = "Zw9-only-in-this-test"  # noqa: S105
MODULE = "ansible_collections.nec.expether.plugins.module_utils."
KINDS = ("pod_managers", "nodes", "devices", "flavors")


def key_file(path: Path) -> tuple[Path, Fernet]:
    """Create a key file; return it and what encrypts with its key."""
    key = Fernet.generate_key()
    path.touch(mode=0o600)
    path.write_bytes(key + b"\n")
    return path, Fernet(key)


class Rack(t.NamedTuple):
    """A pod manager with one node, whose records have no revisions yet."""

    podm: PodManager
    rest: list[Record]

    @property
    def records(self) -> list[Record]:
        return [self.podm, *self.rest]


def rack(name: str, first: int, fernet: Fernet, devices: int = 3, node: str = "train-1") -> Rack:
    """Return a pod manager as the modules store it, whose cards have the ids from `first` on."""
    url, podm_id = f"http://{name}:30500/eem", podm_uuid(name)
    ids = [f"0x8cdf9d{first + place:06x}" for place in range(devices + 1)]
    values: dict[str, t.Any] = dict.fromkeys(PodManager._fields)
    podm = PodManager(
        **{
            **values,
            "uuid": podm_id,
            "revision": NEVER,
            "name": name,
            "url": url,
            "username": "admin",
            "password": fernet.encrypt(SECRET.encode()).decode(),
            "connection": {"timeout": 30.0},
            "status": "Online",
        }
    )
    empty: dict[str, t.Any] = dict.fromkeys(StoredDevice._fields)
    stored = [
        StoredDevice(
            **{
                **empty,
                "uuid": device_uuid(uuid.UUID(podm_id), card),
                "revision": NEVER,
                "device_id": card,
                "podm_id": podm_id,
                "state": "free",
                "model": f"model {place}",
            }
        )
        for place, card in enumerate(ids[1:])
    ]
    rest: list[Record] = [
        RegisteredUrl(unregistered_podm_uuid(url), NEVER, podm_id),
        StoredNode(node_uuid(podm_id, node), NEVER, node, podm_id, ids[0], "composed", "17", None, None),
        StoredListing(podm_id, NEVER, "digest", devices, (ids[0],)),
        *stored,
    ]
    return Rack(podm, rest)


def flavor(name: str = "gpu-small", device: str = "GPU") -> Flavor:
    return Flavor(flavor_uuid(name), NEVER, name, None, {"devices": [{"type": device}]}, None, None)


def fill(url: str, records: t.Iterable[Record]) -> None:
    with closing(open_registry(url)) as registry:
        registry.commit([put(record) for record in records])


def content(url: str) -> dict[str, dict[str, t.Any]]:
    """The bodies of all documents by kind and UUID, without tokens; claims are left out."""
    with closing(open_registry(url)) as registry:
        found = {
            record_type.kind(): {record.uuid: record.to_body() for record in registry.all(record_type)}  # type: ignore[type-var]
            for record_type in RECORD_TYPES
            if record_type is not StoredClaims
        }
    for body in found["pod_managers"].values():
        body["password"] = body["password"] is not None
    return found


class Place(t.NamedTuple):
    """A registry and its key."""

    url: str
    key: Path
    fernet: Fernet

    def passwords(self) -> list[str]:
        with closing(open_registry(self.url)) as registry:
            return [self.fernet.decrypt(podm.password or "").decode() for podm in registry.all(PodManager)]


Copying = t.Callable[..., Result]


@pytest.fixture(name="places", params=["sqlite sqlite"])
def fixture_places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, Place]:
    """Two registries that do not exist yet; the parameter names their back ends."""
    first, second = request.param.split()
    urls = {
        "sqlite": lambda name: f"sqlite:///{tmp_path}/{name}/r.sqlite3",
        "postgresql": lambda dummy: request.getfixturevalue("server").url("expether"),
        "etcd": lambda dummy: request.getfixturevalue("one_etcd").url(),
    }
    return (
        Place(str(urls[first]("from")), *key_file(tmp_path / "from.key")),
        Place(str(urls[second]("to")), *key_file(tmp_path / "to.key")),
    )


@pytest.fixture(name="copy")
def fixture_copy(capsys: pytest.CaptureFixture[str], places: tuple[Place, Place]) -> Copying:
    """Copies the first registry into the second."""

    def copy(back: bool = False, **options: t.Any) -> Result:
        source, target = reversed(places) if back else places
        usual = {
            "copy_from": source.url,
            "copy_from_key_file": str(source.key),
            "registry": target.url,
            "registry_key_file": str(target.key),
        }
        result = run_main(capsys, "registry", _ansible_diff=True, **{**usual, **options})
        assert SECRET not in json.dumps(result)
        return result

    return copy


def counts(result: Result, what: str) -> list[int]:
    return [result["copied"][kind][what] for kind in KINDS]


@pytest.mark.parametrize(
    "places", ["sqlite sqlite", "sqlite postgresql", "postgresql etcd", "etcd postgresql"], indirect=True
)
def test_a_registry_is_copied_from_any_back_end_to_any_other_with_the_key_of_each(
    places: tuple[Place, Place], copy: Copying, tmp_path: Path
) -> None:
    source, target = places
    fill(
        source.url,
        [*rack("rack1", 0, source.fernet, 300).records, *rack("rack2", 4096, source.fernet).records, flavor()],
    )
    with closing(open_registry(source.url)) as registry:  # of a run that has ended
        registry.commit([put(StoredClaims(podm_uuid("rack1"), NEVER, 7))])
    before = content(source.url)
    planned = copy(_ansible_check_mode=True)
    assert planned["changed"] and counts(planned, "added") == [2, 2, 303, 1] and not any(content(target.url).values())
    done = copy()
    assert {**done, "invocation": None} == {**planned, "invocation": None}
    assert done["diff"]["after"] == {
        "pod_managers": ["rack1", "rack2"],
        "nodes": ["train-1", "train-1"],
        "flavors": ["gpu-small"],
        "devices": 303,
    }
    after = content(target.url)
    assert len(after["urls"]) == len(before["urls"]) + 1  # one that other registrations notice
    assert {**after, "urls": {**after["urls"], **before["urls"]}} == {**after, **before, "urls": after["urls"]}
    assert target.passwords() == [SECRET, SECRET]
    with closing(open_registry(target.url)) as registry:
        assert not registry.all(StoredClaims)
    for again in (copy(), copy(merge=True)):
        assert not again["changed"] and counts(again, "kept") == [2, 2, 303, 1] and content(target.url) == after
    # The same one by another URL: nobody must believe that there is a copy.
    for merge in (False, True):
        same = copy(
            copy_from=spelled_differently(target.url, tmp_path), copy_from_key_file=str(target.key), merge=merge
        )
        assert "are the same registry" in same["msg"] and same["failure"]["kind"] == "refused"
    with closing(open_registry(target.url)) as registry:  # it can be used
        podm = next(iter(registry.all(PodManager)))
        registry.commit([put(podm._replace(location="row 3"))])
    refused = copy()
    assert "is not empty: it has 2 pod managers, 2 nodes, 303 devices, 1 flavor. Set `merge: true`" in refused["msg"]
    assert f"pod manager {podm.name} has another location there" in copy(merge=True)["msg"]
    back = source._replace(url=f"sqlite:///{tmp_path}/back/r.sqlite3")
    assert counts(copy(back=True, registry=back.url), "added") == [2, 2, 303, 1]
    assert content(back.url)["devices"] == before["devices"] and back.passwords() == [SECRET, SECRET]


def spelled_differently(url: str, folder: Path) -> str:
    """Another URL of a registry."""
    if not url.startswith("sqlite:"):
        return f"{url}?connect_timeout=9" if url.startswith("postgresql:") else url.replace("127.0.0.1", "localhost")
    link = folder / "link.sqlite3"
    if not link.exists():
        link.symlink_to(url[len("sqlite:///") :])
    return f"sqlite:///{link}"


def test_a_backup_of_a_registry_is_another_one(places: tuple[Place, Place], copy: Copying, tmp_path: Path) -> None:
    source = places[0]
    fill(source.url, [*rack("rack1", 0, source.fernet).records, flavor()])
    shutil.copytree(tmp_path / "from", tmp_path / "backup")
    done = copy(registry=f"sqlite:///{tmp_path}/backup/r.sqlite3", registry_key_file=str(source.key), merge=True)
    assert not done["changed"] and counts(done, "kept") == [1, 1, 3, 1]


def test_a_merge_adds_what_is_not_there_and_changes_nothing(places: tuple[Place, Place], copy: Copying) -> None:
    source, target = places
    both = rack("rack1", 0, source.fernet)
    more = StoredNode(
        node_uuid(both.podm.uuid, "train-2"),
        NEVER,
        "train-2",
        both.podm.uuid,
        "0x8cdf9d0000ff",
        "managed",
        None,
        None,
        None,
    )
    fill(source.url, [*both.records, more, *rack("rack2", 4096, source.fernet).records, flavor(), flavor("other")])
    known = rack("rack1", 0, target.fernet, devices=2)
    fill(target.url, [*known.records, flavor(), StoredClaims(known.podm.uuid, NEVER, 7)])
    done = copy(merge=True)
    assert counts(done, "added") == [1, 2, 3, 1] and counts(done, "kept") == [1, 1, 2, 1]
    after = content(target.url)
    assert len(after["devices"]) == 5 and len(after["nodes"]) == 3 and target.passwords() == [SECRET, SECRET]
    with closing(open_registry(target.url)) as registry:
        kept = registry.get(PodManager, known.podm.uuid)
        assert kept is not None and kept.password == known.podm.password
        # So that a run that has read the nodes before does not choose the system of train-2.
        claims = registry.get(StoredClaims, known.podm.uuid)
        assert claims is not None and claims.epoch == 8
    again = copy(merge=True)
    assert not again["changed"] and counts(again, "kept") == [2, 3, 5, 2] and content(target.url) == after


def test_what_does_not_fit_together_is_refused_whole(places: tuple[Place, Place], copy: Copying) -> None:
    source, target = places
    same = rack("rack1", 0, source.fernet)
    renamed = rack("rack2", 4096, source.fernet)
    fill(source.url, [*same.records, *renamed.records, flavor(), rack("rack3", 8192, source.fernet).podm])
    there = rack("rack1", 0, target.fernet, node="train-9")
    other = rack("rackB", 4096, target.fernet)  # the EEM of rack2, by its cards
    third = rack("rackC", 16384, target.fernet).podm._replace(url="http://rack3:30500/eem")
    password = target.fernet.encrypt(b"another one").decode()
    fill(
        target.url,
        [
            there.podm._replace(password=password),
            *there.rest,
            *other.records,
            third,
            flavor(device="SSD"),
        ],
    )
    before = content(target.url)
    refused = copy(merge=True)
    assert refused["failed"] and refused["failure"]["kind"] == "refused" and content(target.url) == before
    for part in (
        "pod manager rack1 has another password there",
        "flavor gpu-small has other properties or another description there",
        "pod manager rack2 has cards of pod manager rackB there (0x8cdf9d001000, 0x8cdf9d001001, ",
        "pod manager rack3 has the URL of pod manager rackC there",
        "node train-1 is on the system of node train-9 there (0x8cdf9d000000)",
    ):
        assert part in refused["msg"], part
    assert refused["msg"].endswith("Nothing was changed.") and "another one" not in refused["msg"]


@pytest.mark.parametrize("place", [0, 1])
def test_a_registry_that_a_run_uses_is_refused(places: tuple[Place, Place], copy: Copying, place: int) -> None:
    for at, one in enumerate(places):
        fill(one.url, rack("rack1", 0, one.fernet).records if at == 0 or place == 1 else [])
    busy = places[place]
    with closing(open_registry(busy.url)) as registry:
        claims = Claims(registry, podm_uuid("rack1"), "the composition of train-5", 60.0)
        claims.claim(claims.read()[0], ["0x8cdf9d000000"])
        refused = copy(merge=True)
        assert "Other runs use the registry" in refused["msg"] and "the composition of train-5" in refused["msg"]
        claims.release(changed=False)
    assert not copy(merge=True).get("failed")


def test_a_registry_that_cannot_be_copied_is_refused(
    places: tuple[Place, Place], copy: Copying, tmp_path: Path
) -> None:
    source, target = places
    assert "has nothing to copy. Check `copy_from`" in copy()["msg"]
    fill(source.url, rack("rack1", 0, source.fernet).records)
    for options, said in (
        (
            {"copy_from_key_file": str(target.key)},
            "is not the one that encrypted .+ Set `copy_from_key_file` to the right",
        ),
        ({"copy_from_key_file": str(tmp_path / "none.key")}, "does not exist. Restore it, set `copy_from_key_file` to"),
        (
            {"copy_from_key_file": None},
            "/from/r.sqlite3.key of .+ does not exist. Restore it, set `copy_from_key_file` to",
        ),
        ({"copy_from": "mysql://h/d"}, "is not supported. Set `copy_from` to sqlite:///PATH"),
        ({"copy_from": "postgresql://h/d", "copy_from_key_file": None}, "cannot be opened|cannot be read"),
    ):
        assert re.search(said, copy(**options)["msg"]), options
    paths = [one.url[len("sqlite:///") :] for one in places]
    with closing(sqlite3.connect(paths[0])) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    newer = copy()["msg"]
    assert "was written by a newer version" in newer and "set `copy_from` to another registry" in newer
    with closing(sqlite3.connect(paths[0])) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA}")
    assert not Path(paths[1]).exists()
    fill(target.url, [StoredClaims(podm_uuid("rack1"), NEVER, 7)])
    with closing(sqlite3.connect(paths[1])) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    newer = copy()["msg"]
    assert "was written by a newer version" in newer and "set `registry` to another registry" in newer
    with closing(sqlite3.connect(paths[0])) as database:
        database.execute("UPDATE documents SET body = '{}' WHERE kind = 'nodes'")
        database.commit()
    node = node_uuid(podm_uuid("rack1"), "train-1")
    assert f"nodes/{node} is not as it was written" in copy()["msg"]


@pytest.mark.parametrize("old", [1, 2])
def test_a_registry_of_an_earlier_schema_is_copied_in_todays_form(
    places: tuple[Place, Place], copy: Copying, tmp_path: Path, old: int
) -> None:
    path = tmp_path / "old.sqlite3"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as database:
        database.executescript((Path(__file__).with_name("schemas") / f"{old}.sql").read_text(encoding="utf-8"))
        database.execute("UPDATE documents SET body = json_set(body, '$.password', null) WHERE kind = 'pod_managers'")
        database.commit()
    done = copy(copy_from=f"sqlite:///{path}")
    assert done["changed"] and sum(counts(done, "added")) > 3
    assert content(places[1].url)["devices"] == content(f"sqlite:///{path}")["devices"]
    with closing(sqlite3.connect(path)) as database:  # only read
        assert database.execute("PRAGMA user_version").fetchone()[0] == old


def test_a_registration_meanwhile_is_noticed(
    places: tuple[Place, Place], copy: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = places
    fill(source.url, rack("rack1", 0, source.fernet).records)
    monkeypatch.setattr(f"{MODULE}_ansible.context.open_registry", Meddled)
    Meddled.begin(
        1,
        lambda other, changes: other.commit(
            [put(record) for record in rack("rack1", 0, target.fernet, 2, "train-2").records]
        ),
    )
    refused = copy()
    assert Meddled.conflicts == 1 and "is not empty: it has 1 pod manager, 1 node, 2 devices." in refused["msg"]


class Restless:
    """A registry that another connection changes whenever it is read."""

    is_active = True
    reads = 0

    def __init__(self, url: str) -> None:
        self._registry, self._other = open_registry(url), open_registry(url)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._registry, name)

    def all(self, record_type: t.Any) -> t.Any:
        Restless.reads += 1
        if self.is_active:
            known = self._other.get(Flavor, flavor("busy").uuid)
            self._other.commit([put(flavor("busy")._replace(revision=known.revision if known else NEVER))])
        return self._registry.all(record_type)

    def commit(self, changes: t.Any) -> int:
        Restless.is_active = True
        return self._registry.commit(changes)


def test_a_registry_that_changes_all_the_time_is_not_read_for_ever(
    places: tuple[Place, Place], copy: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(places[0].url, [flavor()])
    monkeypatch.setattr(f"{MODULE}_modules.registry.open_registry", Restless)
    Restless.is_active, Restless.reads = True, 0
    refused = copy()
    assert "changes all the time. Stop what writes to it" in refused["msg"] and "times in a row" not in refused["msg"]
    assert Restless.reads == 10 * len(RECORD_TYPES)


def test_a_copy_that_was_made_is_not_reported_as_refused_when_others_write_at_once(
    places: tuple[Place, Place], copy: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = places
    fill(source.url, [*rack("rack1", 0, source.fernet).records, flavor()])
    monkeypatch.setattr(f"{MODULE}_ansible.context.open_registry", Restless)
    Restless.is_active = False  # until the commit
    done = copy()
    assert done["changed"] and not done.get("failed") and target.passwords() == [SECRET]


class Lost(Restless):
    """A registry that cannot be read any more after the first transaction."""

    is_active = False

    def all(self, record_type: t.Any) -> t.Any:
        if Restless.is_active:
            raise RegistryError("The server does not respond.")
        return super().all(record_type)


def test_a_copy_that_was_made_and_cannot_be_read_back_is_reported_as_made(
    places: tuple[Place, Place], copy: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = places
    fill(source.url, rack("rack1", 0, source.fernet).records)
    monkeypatch.setattr(f"{MODULE}_ansible.context.open_registry", Lost)
    Restless.is_active = False
    failed = copy()
    assert failed["failed"] and failed["changed"] and failed["msg"] == "The server does not respond."
    assert target.passwords() == [SECRET]


def test_a_change_of_the_registry_that_is_copied_is_noticed(
    places: tuple[Place, Place], copy: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = places
    fill(source.url, rack("rack1", 0, source.fernet).records)
    monkeypatch.setattr(f"{MODULE}_ansible.context.open_registry", Meddled)
    monkeypatch.setattr(_internal, "is_controller", True)  # as other tests in this process leave it
    Meddled.begin(1, lambda dummy, changes: fill(source.url, [flavor("late")]))
    done = copy()
    assert done["changed"] and not content(target.url)["flavors"]
    assert "may have been changed while it was copied" in json.dumps(done["warnings"])


def test_a_text_that_repeats_a_password_is_masked_in_the_copy(places: tuple[Place, Place], copy: Copying) -> None:
    source, target = places
    one = rack("rack1", 0, source.fernet)
    loud = [each._replace(model=f"GPU {SECRET}") if isinstance(each, StoredDevice) else each for each in one.rest]
    fill(source.url, [one.podm, *loud])
    assert copy()["changed"]
    assert {body["model"] for body in content(target.url)["devices"].values()} == {"GPU ********"}
