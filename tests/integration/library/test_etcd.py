# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry in etcd: URLs, users, TLS, lost answers, large transactions, members that are killed, leases."""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import typing as t
from contextlib import closing
from pathlib import Path

import pytest
import requests
import trustme
from ansible_collections.nec.expether.plugins.module_utils._execution import claims as _claims
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._registry import etcd as _etcd
from ansible_collections.nec.expether.plugins.module_utils._registry import etcd_gateway as _gateway
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.etcd import EtcdRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_url import parse_etcd
from ansible_collections.nec.expether.plugins.module_utils._registry.location import check_url, key_path, open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, PodManager, RegisteredUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    Registry,
    RegistryConflict,
    RegistryError,
    put,
    put_anyway,
)
from back_ends import on_etcd, urls_in
from cryptography.fernet import Fernet
from eemsim.client import Simulator
from etcd import Etcd, Proxy, why_not
from executor_runs import PODM, MakeClient, compose, held_in, nodes_in, run
from module_main import run_main

CARD = "0x8cdf9d120001"
TESTS = str(Path(__file__).resolve().parents[2])
Module = t.Callable[..., dict[str, t.Any]]

needs_etcd = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ETCDCTL_")]:
        monkeypatch.delenv(name)


@pytest.fixture(name="prefix")
def fixture_prefix(registry_url: str) -> str:
    """The beginning of all keys of the registry."""
    return f"/{registry_url.split('/', 3)[3]}/"


def _header(etcd: Etcd, prefix: str) -> dict[str, t.Any]:
    return t.cast(dict[str, t.Any], json.loads(etcd.values(f"{prefix}registry")[""]))


# -- URLs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown", "endpoints", "prefix"),
    [
        ("etcd://h/x", "etcd://h/x", ["http://h:2379"], "/x/"),
        (
            "etcd://h1:1,[::1]:2,10.0.0.1/a/b/",
            "etcd://h1:1,[::1]:2,10.0.0.1/a/b/",
            ["http://h1:1", "http://[::1]:2"],
            "/a/b/",
        ),
        ("etcds://u@h/x?ca=/c&cert=/d&key=/k&passfile=/p", "etcds://u@h/x", ["https://h:2379"], "/x/"),
    ],
)
def test_a_url_names_members_and_a_prefix(url: str, shown: str, endpoints: list[str], prefix: str) -> None:
    check_url(url)
    found = parse_etcd(url)
    assert (found.shown, list(found.endpoints[:2]), found.prefix) == (shown, endpoints, prefix)
    assert open_registry(url).path == shown


@pytest.mark.parametrize(
    "url",
    [
        "etcd://u:canary@h/x",
        "etcd://u:@h/x",
        "etcd://u:can/ary@h/x",
        "etcd://u:can?ary@h/x",
        "etcd://u:can@ary@h/x",
        "etcds://u@h/x?password=canary",
        "etcds://u@h/x?ca=/c&pass%77ord=canary",
        "etcd://u:1/x?canary@h/x",
    ],
)
def test_a_password_in_the_url_is_refused_without_repeating_it(url: str) -> None:
    for use in (check_url, open_registry):
        with pytest.raises(RegistryError, match="contains a password|is not valid") as caught:
            use(url)
        assert "can" not in caught.value.message


@pytest.mark.parametrize(
    ("why", "urls"),
    [
        ("it does not have this form", ("etcd:///x", "etcd://h:port/x", "etcd://h1,/x", "etcd://h/x//y", "ETCD://h/x")),
        ("it does not have this form", ("etcd://h/x?", "etcd://h/x y", "etcd://a@b@h/x")),
        ("it has no PREFIX", ("etcd://h", "etcd://h/", "etcds://u@h,i?ca=/c")),
        ("a PORT is above 65535", ("etcd://h:99999/x",)),
        ("it has an unknown parameter, colour", ("etcds://h/x?colour=/blue",)),
        ("it has an unknown parameter", ("etcds://h/x?ca=/c&a-b=/c",)),
        ("it has a parameter twice", ("etcds://h/x?ca=/1&ca=/2",)),
        ("ca is not an absolute path", ("etcds://h/x?ca=file", "etcds://h/x?ca")),
        ("ca is for etcds://", ("etcd://h/x?passfile=/p&ca=/c",)),
    ],
)
def test_a_url_of_another_form_is_refused(why: str, urls: tuple[str, ...]) -> None:
    for url in urls:
        with pytest.raises(RegistryError, match=rf"is not valid \({why}\)\. Set `registry` to etcd://"):
            check_url(url)


def test_the_environment_of_etcdctl_gives_what_the_url_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ETCDCTL_CACERT", "/env/ca")
    monkeypatch.setenv("ETCDCTL_CERT", "/env/cert")
    monkeypatch.setenv("ETCDCTL_KEY", "/env/key")
    monkeypatch.setenv("ETCDCTL_USER", "worker:a:b")
    found = parse_etcd("etcds://h/x")
    assert found[3:7] == ("/env/ca", "/env/cert", "/env/key", "worker") and found.password() == "a:b"
    assert parse_etcd("etcds://h/x?cert=/c&ca=/a")[3:6] == ("/a", "/c", "/env/key")
    assert parse_etcd("etcd://h/x")[3:7] == (None, None, None, "worker")
    other = parse_etcd("etcds://other@h/x")
    with pytest.raises(RegistryError, match="needs the password of user other"):
        other.password()
    monkeypatch.setenv("ETCDCTL_PASSWORD", "c")
    assert other.password() == found.password() == "c"
    path = tmp_path / "pass"
    path.write_text("in a file\n")
    with_file = parse_etcd(f"etcds://other@h/x?passfile={path}")
    path.chmod(0o644)
    with pytest.raises(RegistryError, match="password file of the registry cannot be used: .*chmod 600"):
        with_file.password()
    path.chmod(0o600)
    assert with_file.password() == "in a file"
    path.unlink()
    with pytest.raises(RegistryError, match="cannot be used .No such file"):
        with_file.password()


def test_a_key_file_must_be_named() -> None:
    with pytest.raises(RegistryError, match="etcd://h/x need a key file.*EXPETHER_REGISTRY_KEY_FILE"):
        key_path("etcd://h/x", None)
    assert key_path("etcd://h/x", "/etc/k") == "/etc/k"


def test_members_that_are_not_there_are_named_at_once() -> None:
    registry = open_registry("etcd://127.0.0.1:1,localhost:2/x")
    began = time.monotonic()
    told = r"etcd://127.0.0.1:1,localhost:2/x cannot be (read|written|locked), .*127.0.0.1:1: .*refused; localhost:2: .*refused"
    for use in (
        lambda: registry.all(RegisteredUrl),
        lambda: registry.commit([put(RegisteredUrl("a", NEVER, ""))]),
        lambda: registry.hold("a"),
    ):
        with pytest.raises(RegistryError, match=told) as caught:
            use()
        assert caught.value.changed is None
    registry.close()
    assert time.monotonic() - began < 5


def test_something_else_that_speaks_http_is_told(eem: Simulator) -> None:
    with pytest.raises(RegistryError, match="HTTP 40[0-9] without an answer of etcd 3.4|HTTP 4"):
        open_registry(f"etcd://{eem.url.split('/')[2]}/x").all(RegisteredUrl)


# -- keys and schemas ----------------------------------------------------------------------------------------------------


@needs_etcd
@on_etcd
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nodes", "of Valence"),
        ("registry", "of something else"),
        ("registry", '{"program": "other", "schema": 1, "revision": 1}'),
        ("registry", '{"program": "nec.expether"}'),
        ("documents/urls/a", '1 {"podm_id": ""}'),
    ],
)
def test_keys_of_something_else_are_refused_and_left_as_they_are(
    registry: Registry, one_etcd: Etcd, prefix: str, key: str, value: str
) -> None:
    one_etcd.put(f"{prefix}{key}", value)
    for use in (
        lambda: registry.all(RegisteredUrl),
        lambda: registry.commit([put(RegisteredUrl("a", NEVER, ""))]),
        lambda: registry.hold("a"),
    ):
        with pytest.raises(RegistryError, match="is damaged or was not created by this collection"):
            use()
    assert one_etcd.values(prefix) == {key: value}


@needs_etcd
@on_etcd
def test_keys_beside_the_prefix_do_not_matter(registry: Registry, one_etcd: Etcd, prefix: str) -> None:
    others = {f"{prefix[:-1]}-other": "1", f"{prefix[:-1]}0": "2", prefix[:-1]: "3"}
    for key, value in others.items():
        one_etcd.put(key, value)
    registry.commit([put(RegisteredUrl("a", NEVER, "1"))])
    assert urls_in(registry) == {"a": "1"}
    found = one_etcd.values(prefix[:-1])
    assert {prefix[:-1] + key: value for key, value in found.items() if not key.startswith("/")} == others


@needs_etcd
@on_etcd
@pytest.mark.parametrize("old", [1, 2])
@pytest.mark.parametrize("most", [120, 10])
def test_a_registry_of_an_earlier_schema_is_upgraded_by_the_first_transaction(
    registry: Registry, one_etcd: Etcd, prefix: str, old: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_etcd, "_MOST_OPERATIONS", most)  # in one transaction of etcd, or in pieces
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript((Path(__file__).with_name("schemas") / f"{old}.sql").read_text())
        rows = database.execute("SELECT kind, uuid, revision, body FROM documents").fetchall()
        count = database.execute("SELECT revision FROM counter").fetchone()[0]
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    for kind, uuid, revision, body in rows:
        damaged = "{" if kind == "listings" else body
        one_etcd.put(f"{prefix}documents/{kind}/{uuid}", f"{revision} {damaged}")
    one_etcd.put(f"{prefix}registry", json.dumps({**_header(one_etcd, prefix), "schema": old, "revision": count}))
    podms, devices = registry.all(PodManager), registry.all(StoredDevice)
    assert len(devices) == 21
    with pytest.raises(RegistryConflict):
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    assert _header(one_etcd, prefix)["schema"] == old
    registry.commit([put(RegisteredUrl("b", NEVER, ""))])
    assert _header(one_etcd, prefix) == {"program": "nec.expether", "schema": SCHEMA, "revision": count + 1}
    assert (registry.all(PodManager), registry.all(StoredDevice)) == (podms, devices)
    new = one_etcd.values(f"{prefix}documents/devices/").values()
    assert all({"populated", "last_node"} <= json.loads(value.partition(" ")[2]).keys() for value in new)
    assert {value.partition(" ")[2] for value in one_etcd.values(f"{prefix}documents/listings/").values()} == {"{"}


@needs_etcd
@on_etcd
def test_what_etcd_cannot_store_is_refused_before_anything_is_written(registry: Registry) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, "x" * 1_300_000))])
    with pytest.raises(RegistryError, match=r"cannot store documents/urls/b: it has 14000\d\d bytes"):
        registry.commit([put(RegisteredUrl("c", NEVER, "")), put(RegisteredUrl("b", NEVER, "x" * 1_400_000))])
    assert list(urls_in(registry)) == ["a"]


# -- large transactions --------------------------------------------------------------------------------------------------

MANY = [Flavor(f"{place:04}", NEVER, f"n{place}", None, None, None, None) for place in range(300)]


def _names(registry: Registry) -> list[str]:
    return [flavor.name for flavor in registry.all(Flavor)]


@needs_etcd
@on_etcd
def test_a_large_transaction_that_its_writer_does_not_finish_is_whole_for_readers_and_finished_by_the_next_writer(
    registry: Registry, registry_url: str, one_etcd: Etcd, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.commit([put(flavor._replace(name="old")) for flavor in MANY[:2]])
    found = {flavor.uuid: flavor for flavor in registry.all(Flavor)}
    monkeypatch.setattr(EtcdRegistry, "_finish", lambda *_given: None)  # dies right after the transaction
    changes = [
        put(flavor._replace(revision=found[flavor.uuid].revision if flavor.uuid in found else NEVER)) for flavor in MANY
    ]
    gone = put(found["0001"])._replace(body=None)
    revision = registry.commit([*(change for change in changes if change.uuid != gone.uuid), gone])
    monkeypatch.undo()
    assert len(one_etcd.values(f"{prefix}documents/")) == 2, "nothing is where it belongs"
    pieces = one_etcd.call(
        "kv/range", key=_gateway.text64(f"{prefix}pending/"), range_end=_gateway.text64(f"{prefix}pending0")
    )
    assert "lease" not in pieces["kvs"][0], "etcd would remove it"
    wanted = [flavor.name for flavor in MANY if flavor.uuid != "0001"]
    with closing(open_registry(registry_url)) as other:
        assert _names(other) == wanted
        assert other.get(Flavor, "0001") is None
        first = other.get(Flavor, "0000")
        assert first and (first.name, first.revision) == ("n0", revision)
        with pytest.raises(RegistryConflict, match="Flavor n5 has been changed by another run meanwhile"):
            other.commit([put(flavor) for flavor in MANY[5:7]])
        assert other.commit([put(RegisteredUrl("a", NEVER, ""))]) == revision + 1
    assert "pending" not in _header(one_etcd, prefix) and one_etcd.values(f"{prefix}pending/") == {}
    assert len(one_etcd.values(f"{prefix}documents/flavors/")) == 299
    assert _names(registry) == wanted


@needs_etcd
@on_etcd
def test_a_large_transaction_that_several_runs_finish_at_once_is_not_applied_over_newer_ones(
    registry: Registry, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap, stopped, go = EtcdRegistry._swap, threading.Event(), threading.Event()
    calls = []

    def slow(self: EtcdRegistry, what: str, version: str, operations: t.Any) -> tuple[bool, bool]:
        if threading.current_thread() is writer:
            calls.append(version)
            if len(calls) == 3:  # the transaction, and a third of the documents
                stopped.set()
                go.wait(20)
        return swap(self, what, version, operations)

    monkeypatch.setattr(EtcdRegistry, "_swap", slow)
    revisions = []
    writer = threading.Thread(target=lambda: revisions.append(registry.commit([put(flavor) for flavor in MANY])))
    writer.start()
    assert stopped.wait(20)
    with closing(open_registry(registry_url)) as other:
        assert len(_names(other)) == 300
        last = other.get(Flavor, "0299")
        assert last
        newer = other.commit([put(last._replace(name="newer"))])
        go.set()
        writer.join()
        found = other.get(Flavor, "0299")
    assert revisions == [newer - 1]
    assert found and (found.name, found.revision) == ("newer", newer)


@needs_etcd
@on_etcd
def test_pieces_of_a_writer_that_dies_before_its_transaction_are_not_seen_and_have_a_lease(
    registry: Registry, one_etcd: Etcd, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])

    def die(*_given: t.Any) -> t.NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(EtcdRegistry, "_swap", die)
    with pytest.raises(KeyboardInterrupt):
        registry.commit([put(flavor) for flavor in MANY])
    monkeypatch.undo()
    assert registry.all(Flavor) == []
    pieces = one_etcd.call(
        "kv/range", key=_gateway.text64(f"{prefix}pending/"), range_end=_gateway.text64(f"{prefix}pending0")
    )
    lease = pieces["kvs"][0]["lease"]
    registry.commit([put(flavor) for flavor in MANY])
    one_etcd.call("lease/revoke", ID=lease)
    assert one_etcd.values(f"{prefix}pending/") == {} and len(_names(registry)) == 300


# -- lost answers --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="proxy")
def fixture_proxy(one_etcd: Etcd) -> t.Iterator[Proxy]:
    proxy = Proxy(one_etcd.members[0])
    yield proxy
    proxy.close()


@pytest.fixture(name="proxied")
def fixture_proxied(proxy: Proxy, prefix: str) -> t.Iterator[Registry]:
    """A registry behind the proxy, with one document."""
    registry = open_registry(f"etcd://127.0.0.1:{proxy.port}{prefix}")
    registry.commit([put(RegisteredUrl("a", NEVER, "0"))])
    yield registry
    registry.close()


@needs_etcd
@on_etcd
@pytest.mark.parametrize("losses", [["before"], ["after"], ["late"], ["before", "after"], ["late", "before", "after"]])
@pytest.mark.parametrize("size", [1, 200])
def test_a_transaction_whose_answer_is_lost_is_made_once(
    one_etcd: Etcd, prefix: str, proxy: Proxy, proxied: Registry, losses: list[str], size: int
) -> None:
    found = proxied.get(RegisteredUrl, "a")
    assert found
    proxy.losses = [*losses]
    more = [put(RegisteredUrl(f"b{place}", NEVER, "1")) for place in range(size)]
    revision = proxied.commit([put(found._replace(podm_id="1")), *more])
    time.sleep(0.7 if "late" in losses else 0)
    assert proxy.losses == []
    assert urls_in(proxied) == dict.fromkeys(["a", *sorted(change.uuid for change in more)], "1")
    assert {url.revision for url in proxied.all(RegisteredUrl)} == {revision}
    assert _header(one_etcd, prefix)["revision"] == revision == 2


@needs_etcd
@on_etcd
@pytest.mark.parametrize("loss", ["before", "after", "late"])
def test_what_another_run_writes_before_the_outcome_is_known_is_kept(
    proxy: Proxy, proxied: Registry, registry_url: str, loss: str
) -> None:
    found = proxied.get(RegisteredUrl, "a")
    assert found

    def overwrite() -> None:
        with closing(open_registry(registry_url)) as other:
            other.commit([put_anyway(found._replace(podm_id="theirs"))])

    proxy.meanwhile, proxy.losses = overwrite, [loss]
    if loss == "after":
        assert proxied.commit([put(found._replace(podm_id="ours"))]) == 2
    else:
        with pytest.raises(RegistryConflict):
            proxied.commit([put(found._replace(podm_id="ours"))])
        time.sleep(0.7)
    assert urls_in(proxied) == {"a": "theirs"}


@needs_etcd
@on_etcd
def test_an_outcome_that_stays_unknown_is_told(
    proxy: Proxy, proxied: Registry, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_gateway, "RECONNECT_SECONDS", 0.5)
    proxy.losses, proxy.meanwhile = ["after", *["before"] * 99], proxy.close
    with pytest.raises(RegistryError, match="it is not known whether it is stored") as caught:
        proxied.commit([put(RegisteredUrl("b", NEVER, "1"))])
    assert caught.value.changed
    assert list(urls_in(registry)) == ["a", "b"]
    with pytest.raises(RegistryError, match="cannot be read") as caught:
        proxied.all(RegisteredUrl)
    assert caught.value.changed is None


@needs_etcd
@on_etcd
def test_an_outcome_that_too_many_others_have_covered_is_told(
    proxy: Proxy, proxied: Registry, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_etcd, "_KEPT", 3)

    def write() -> None:
        for place in range(4):
            registry.commit([put(RegisteredUrl(f"c{place}", NEVER, ""))])

    proxy.losses, proxy.meanwhile = ["before"], write
    with pytest.raises(RegistryError, match="was changed 3 times by other runs.*it is not known whether") as caught:
        proxied.commit([put(RegisteredUrl("b", NEVER, "1"))])
    assert caught.value.changed


# -- three members -------------------------------------------------------------------------------------------------------


@needs_etcd
def test_a_leader_dies_in_the_middle_of_a_compose_and_then_the_quorum(
    eem: Simulator, make_client: MakeClient, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Etcd(3)) as etcd:
        url = etcd.url()
        registry = open_registry(url)

        def compose_while(name: str, at: str | None, happens: t.Callable[[], None]) -> list[t.Any]:
            """Compose a node, and let something happen while its second device is attached."""
            eem.fault("delay", seconds=1.0, method="PUT", nth=2)
            client, results = make_client(timeout=5.0), []

            def work() -> None:
                try:
                    results.append(run(client, registry, compose(name, at)))
                except Exception as error:  # noqa: BLE001
                    results.append(error)

            runner = threading.Thread(target=work)
            runner.start()
            while not (eem.faults() and eem.faults()[0]["used"]):
                runner.join(0.02)
                assert runner.is_alive()
            happens()
            runner.join(90)
            eem.clear_faults()
            return results

        # A member that accepts requests and does not answer.
        monkeypatch.setattr(_etcd, "ANSWER_SECONDS", 1.0)
        stuck = etcd.leader()
        stuck.pause(True)
        first_stuck = f"etcd://127.0.0.1:{stuck.port},{url.partition('//')[2]}"
        with closing(open_registry(first_stuck)) as other:
            other.commit([put(RegisteredUrl("a", NEVER, "1"))])
            stuck.pause(False)
            assert urls_in(other) == {"a": "1"}
        monkeypatch.undo()

        leader = etcd.leader()
        results = compose_while("n", system, leader.kill)
        assert results and results[0].steps
        assert nodes_in(registry) == {"n": "composed"} and held_in(registry) == []
        assert [card["group_id"] for card in eem.eeios()].count("17") == 2
        assert len(eem.history(field="group_id")) == 2

        # Two of three are lost: everything is undone, and afterwards nothing is begun.
        for name in ("RECONNECT_SECONDS", "FIRST_SECONDS"):
            monkeypatch.setattr(_gateway, name, 1.0)
        with closing(open_registry(url)) as registry:
            monkeypatch.setattr(_etcd, "ANSWER_SECONDS", 1.5)
            registry = open_registry(url)
            other = str(eem.eesvs()[1]["id"])
            results = compose_while("m", other, etcd.leader().kill)
            told = "no member of etcd can answer"
            assert told in results[0].message and "The registry could not be put right" in results[0].message
            assert all(f"127.0.0.1:{member.port}: " in results[0].message for member in etcd.members)
            assert [card["group_id"] for card in eem.eeios()].count("18") == 0, "the devices are detached again"
            before = len(eem.history(field="group_id"))
            for attempt in (
                lambda: run(make_client(), registry, compose("k", other)),
                lambda: registry.all(RegisteredUrl),
            ):
                with pytest.raises(RegistryError, match=told) as caught:
                    attempt()
                assert caught.value.changed is None
            assert len(eem.history(field="group_id")) == before

            # When there are enough members again, the same task goes on as soon as the lease of the failed one has ended.
            leader.start()
            etcd.wait()
            left = registry.get(StoredClaims, PODM)
            assert left and {claim.what for claim in left.held.values()} == {"a test"}
            etcd.call("lease/revoke", ID=t.cast(str, next(iter(left.held.values())).lock).split()[1])
            run(make_client(timeout=5.0), registry, compose("m", other))
            assert nodes_in(registry) == {"n": "composed", "m": "composed"} and held_in(registry) == []
            registry.close()


# -- users and TLS -------------------------------------------------------------------------------------------------------


@pytest.fixture(name="guarded", scope="module")
def fixture_guarded(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[Etcd, Path]]:
    """An etcd with users, and a folder with the password of one who may use one prefix."""
    if why_not():
        pytest.skip(str(why_not()))
    with closing(Etcd()) as etcd:
        etcd.call("auth/user/add", name="root", password="root-canary")
        etcd.call("auth/user/add", name="worker", password="worker-canary")
        etcd.call("auth/role/add", name="root")
        etcd.call("auth/role/add", name="expether")
        etcd.call("auth/user/grant", user="root", role="root")
        etcd.call("auth/user/grant", user="worker", role="expether")
        begin, end = _gateway.text64("/mine/"), _gateway.text64("/mine0")
        etcd.call("auth/role/grant", name="expether", perm={"permType": "READWRITE", "key": begin, "range_end": end})
        etcd.call("auth/enable")
        etcd.token = etcd.call("auth/authenticate", name="root", password="root-canary")["token"]
        folder = tmp_path_factory.mktemp("passwords")
        (folder / "worker").touch(mode=0o600)
        (folder / "worker").write_text("worker-canary\n")
        yield etcd, folder


def test_a_user_with_its_prefix_does_everything_also_when_its_token_has_ended(guarded: tuple[Etcd, Path]) -> None:
    etcd, folder = guarded
    url = etcd.url("/mine").replace("://", "://worker@")
    with closing(open_registry(f"{url}?passfile={folder / 'worker'}")) as registry:
        claims = Claims(registry, PODM, "a run", 60.0)
        claims.claim(claims.read()[0], [CARD])
        registry.commit([put(flavor) for flavor in MANY])
        etcd.members[0].kill()  # its tokens are only in its memory
        etcd.members[0].start()
        assert len(_names(registry)) == 300
        assert claims.renew()
        claims.release(changed=True)
        assert held_in(registry) == []


def test_users_that_etcd_does_not_accept_are_told_without_their_passwords(
    guarded: tuple[Etcd, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd, folder = guarded
    hosts = etcd.url("/x").partition("//")[2]
    monkeypatch.setenv("ETCDCTL_PASSWORD", "worker-canary")
    for url, told in (
        (f"etcd://worker@{hosts}", "the user lacks a right .*grant-permission ROLE readwrite --prefix=true /x/"),
        (f"etcd://nobody@{hosts}", "authentication failed.*ETCDCTL_PASSWORD"),
        (f"etcd://{hosts}", "user name is empty.*ETCDCTL_USER"),
    ):
        registry = open_registry(url)
        for use in (lambda: registry.all(RegisteredUrl), lambda: registry.hold("a")):  # noqa: B023
            with pytest.raises(RegistryError, match=told) as caught:
                use()
            assert "canary" not in caught.value.message
        registry.close()
    assert folder.exists()


@needs_etcd
@on_etcd
def test_a_user_where_etcd_asks_for_none_is_no_error(registry_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCDCTL_USER", "worker:word")
    with closing(open_registry(registry_url)) as registry:
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
        assert urls_in(registry) == {"a": ""}


@needs_etcd
def test_tls_with_a_certificate_of_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gateway, "FIRST_SECONDS", 0.5)
    ca, stranger = trustme.CA(), trustme.CA()
    server, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("client@example.com")

    def write(name: str, *blobs: trustme.Blob) -> str:
        (tmp_path / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
        return str(tmp_path / name)

    authority, other = write("ca.pem", ca.cert_pem), write("stranger.pem", stranger.cert_pem)
    files = write("server.pem", *server.cert_chain_pems), write("server.key", server.private_key_pem)
    cert, key = write("client.pem", *client.cert_chain_pems), write("client.key", client.private_key_pem)
    options = (
        f"--cert-file={files[0]}",
        f"--key-file={files[1]}",
        f"--trusted-ca-file={authority}",
        "--client-cert-auth",
    )
    with closing(Etcd(1, *options)) as etcd:
        url = etcd.url()
        for dummy in range(200):
            try:
                health = f"{etcd.members[0].client_url}/health"
                if requests.get(health, timeout=2, verify=authority, cert=(cert, key)).json()["health"] == "true":
                    break
            except requests.RequestException:
                time.sleep(0.05)
        with closing(open_registry(f"{url}?ca={authority}&cert={cert}&key={key}")) as registry:
            assert registry.hold("a")
            registry.commit([put(RegisteredUrl("a", NEVER, ""))])
            assert urls_in(registry) == {"a": ""}
        for parameters, told in (
            (f"?ca={other}&cert={cert}&key={key}", r"certificate verify failed.* Check the certificates in the URL"),
            (f"?cert={cert}&key={key}", "certificate verify failed"),
            (f"?ca={authority}", "no member of etcd can answer"),
            (f"?ca={tmp_path / 'none'}", "a certificate file cannot be used"),
        ):
            with pytest.raises(RegistryError, match=told):
                open_registry(url + parameters).all(RegisteredUrl)
        with pytest.raises(RegistryError, match="no member of etcd can answer .* with TLS begins with etcds://"):
            open_registry(url.replace("etcds", "etcd")).all(RegisteredUrl)


# -- leases --------------------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._execution import process
from ansible_collections.nec.expether.plugins.module_utils._registry import etcd, etcd_lease
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
etcd.SECONDS, etcd_lease._BETWEEN = int(sys.argv[5]), float(sys.argv[6])
claims = Claims(open_registry(sys.argv[2]), sys.argv[3], "a run elsewhere", 600.0)
claims._process = process.ProcessIdentity("another machine", "pid:[1]")
claims.claim(claims.read()[0], [sys.argv[4]])
print("ready", flush=True)
time.sleep(600)
"""


def _claimed(registry: Registry) -> dict[str, str]:
    return Claims(registry, PODM, "a test", 60.0).read(clean=False)[1]


@needs_etcd
@on_etcd
@pytest.mark.parametrize(("lease", "between"), [(15, 4.0), (2, 0.5)])
def test_a_claim_of_another_machine_ends_soon_after_its_process_and_not_while_it_waits(
    registry: Registry, registry_url: str, lease: int, between: float
) -> None:
    command = [sys.executable, "-c", HOLDER, TESTS, registry_url, PODM, CARD, str(lease), str(between)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        until = time.monotonic() + (5.0 if lease < 5 else 0.5)
        while time.monotonic() < until:
            assert _claimed(registry) == {CARD: "a run elsewhere"}
            time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed = time.monotonic()
        assert _claimed(registry) == {CARD: "a run elsewhere"}
        while _claimed(registry):
            time.sleep(0.1)
        assert time.monotonic() - killed < lease + 5
        assert Claims(registry, PODM, "a test", 60.0).read() == (1, {})
    assert held_in(registry) == []


@needs_etcd
@on_etcd
def test_a_run_whose_lease_has_ended_holds_another_or_notices_that_its_claims_are_gone(
    registry: Registry, registry_url: str, one_etcd: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(registry, PODM, "the run", 60.0)
    # As seen from another machine, which knows of no process here.
    claims._process = claims._process._replace(boot_id="another machine")
    claims.claim(claims.read()[0], [CARD])
    other = open_registry(registry_url)
    assert claims.renew() and _claimed(other) == {CARD: "the run"}
    before = registry.get(StoredClaims, PODM)
    assert before and before.held[CARD].lock

    one_etcd.call("lease/revoke", ID=before.held[CARD].lock.split()[1])
    assert claims.renew(), "nobody has looked meanwhile"
    after = registry.get(StoredClaims, PODM)
    assert after and after.held[CARD].lock and before.held[CARD].lock != after.held[CARD].lock
    assert _claimed(other) == {CARD: "the run"}

    one_etcd.call("lease/revoke", ID=after.held[CARD].lock.split()[1])
    assert Claims(other, PODM, "another", 60.0).read() == (1, {}), "another run believes that it is dead"
    monkeypatch.setattr(_claims, "RENEW_AFTER", 3600.0)
    assert not claims.renew(), "the claims are gone, however young they are"
    other.close()


@needs_etcd
@on_etcd
def test_of_locks_in_another_etcd_nothing_is_known_and_closing_gives_them_up(
    registry: Registry, registry_url: str
) -> None:
    place = registry.hold("a")
    assert place and registry.hold("a") == registry.hold("b") == place
    with closing(open_registry(registry_url)) as other:
        assert [other.is_held(run, place) for run in "abc"] == [True, True, False]
        assert other.is_held("a", f"1{place}") is None
        assert other.is_held("a", "0123 45 of a file") is None
        registry.close()
        assert other.is_held("a", place) is False


# -- modules -------------------------------------------------------------------------------------------------------------


@pytest.fixture(name="module")
def fixture_module(
    registry_url: str, key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Module:
    monkeypatch.setenv("EXPETHER_REGISTRY", registry_url)
    monkeypatch.setenv("EXPETHER_REGISTRY_KEY_FILE", str(key_file))
    return functools.partial(run_main, capsys)


@needs_etcd
@on_etcd
def test_a_node_is_composed_shown_and_released_by_modules(module: Module, eem: Simulator) -> None:
    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    task = {"podm": "rack1", "name": "n1", "properties": {"devices": [{"type": "GPU"}]}, "connect_timeout": 0}
    assert module("podm", name="rack1", **way, _ansible_check_mode=True)["changed"]
    assert module("podm_info")["podms"] == []
    for expected in (True, False):
        assert module("podm", name="rack1", **way).get("changed") is expected
        assert module("node", **task)["changed"] is expected
    assert [node["name"] for node in module("node_info", source="registry")["nodes"]] == ["n1"]
    assert len(module("device_info", source="registry")["devices"]) == 12
    assert not module("sync")["changed"]
    for expected in (True, False):
        assert module("node", name="n1", podm="rack1", state="absent")["changed"] is expected
    missing = module("node_info", podm="rack2", source="registry")
    assert "Pod manager 'rack2' is not registered in etcd://127.0.0.1:" in missing["msg"]


def test_a_password_of_etcd_is_never_shown(
    guarded: tuple[Etcd, Path], key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPETHER_REGISTRY_KEY_FILE", str(key_file))
    monkeypatch.setenv("ETCDCTL_USER", "worker:wrong-canary")
    monkeypatch.setenv("EXPETHER_REGISTRY", guarded[0].url("/mine"))
    result = run_main(capsys, "podm_info")
    assert result["failed"] and result["failure"]["kind"] == "registry"
    assert "authentication failed" in result["msg"] and "canary" not in json.dumps(result)
    monkeypatch.setenv("EXPETHER_REGISTRY", "etcd://u:canary-word@h/x")
    result = run_main(capsys, "podm_info")
    assert "contains a password" in result["msg"] and "canary" not in json.dumps(result)


@needs_etcd
@on_etcd
def test_pod_managers_are_registered_again_with_a_new_key_and_nodes_remain(
    module: Module, eem: Simulator, one_etcd: Etcd, prefix: str, key_file: Path
) -> None:
    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    module("podm", name="rack1", **way)
    module("node", podm="rack1", name="n1", properties={"devices": [{"type": "GPU"}]}, connect_timeout=0)
    key_file.write_bytes(Fernet.generate_key())
    refused = module("podm", name="rack1", **way)
    assert "is not the one that encrypted the passwords that are already in the registry" in refused["msg"]
    for kind in ("pod_managers", "urls"):  # as the guide says
        begin, end = _gateway.text64(f"{prefix}documents/{kind}/"), _gateway.text64(f"{prefix}documents/{kind}0")
        one_etcd.call("kv/deleterange", key=begin, range_end=end)
    assert module("podm", name="rack1", **way)["changed"]
    assert module("sync")["podms"][0]["status"] == "Online"
    assert [(node["name"], node["podm"]) for node in module("node_info")["nodes"]] == [("n1", "rack1")]
    assert module("node", podm="rack1", name="n1", state="absent")["changed"]
