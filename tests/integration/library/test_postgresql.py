# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry in PostgreSQL: URLs, rights, lost connections, a standby that is promoted, locks, notifications."""

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

import psycopg
import pytest
import trustme
from ansible_collections.nec.expether.plugins.module_utils._execution import claims as _claims
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._registry import postgresql as _postgresql
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.location import check_url, key_path, open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, RegisteredUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    Registry,
    RegistryConflict,
    RegistryError,
    put,
    put_anyway,
    remove,
)
from back_ends import on_postgresql, urls_in
from eemsim.client import Simulator
from executor_runs import PODM, MakeClient, compose, held_in, nodes_in, run
from module_main import run_main
from postgresql import Pooler, Proxy, Server, pooler_program, why_not

CARD = "0x8cdf9d120001"
TESTS = str(Path(__file__).resolve().parents[2])
Module = t.Callable[..., dict[str, t.Any]]

needs_server = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


# -- URLs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("postgres://u@h1:5433,h2,[::1]:5432/db?sslmode=verify-full", "postgres://u@h1:5433,h2,[::1]:5432/db"),
        ("postgresql://h", "postgresql://h"),
        ("postgresql:///?service=expether", "postgresql:///?service=expether"),
        ("postgresql:///db?host=/run/postgresql&passfile=/x", "postgresql:///db?host=/run/postgresql"),
        ("postgresql://u%40x@h/db%3F", "postgresql://u%40x@h/db%3F"),
    ],
)
def test_a_url_is_shown_without_what_is_not_a_place(url: str, shown: str) -> None:
    check_url(url)
    assert open_registry(url).path == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:canary@h/db",
        "postgresql://u:@h/db",
        "postgresql://u:can/ary@h/db",
        "postgresql://u:can?ary@h/db",
        "postgresql://u:can@ary@h/db",
        "postgresql://h/db?password=canary",
        "postgresql://h/db?sslmode=require&pass%77ord=canary",
        "postgresql://h/db?sslpassword=canary",
    ],
)
def test_a_password_in_the_url_is_refused_without_repeating_it(url: str) -> None:
    for use in (check_url, open_registry):
        with pytest.raises(RegistryError, match="PGPASSFILE|is not valid") as caught:
            use(url)
        assert "can" not in caught.value.message.replace("cannot", "")


@pytest.mark.parametrize(
    "url",
    ["postgresql://h:port/db", "postgresql://u@v@h/db", "postgresql://h/db?", "postgres://[x/y", "POSTGRES://h/db"],
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(RegistryError, match="is not valid"):
        check_url(url)


def test_what_libpq_does_not_know_is_told() -> None:
    registry = open_registry("postgresql://h/db?colour=blue")
    with pytest.raises(RegistryError, match=r"postgresql://h/db is not valid \(.*colour"):
        registry.all(RegisteredUrl)


def test_a_key_file_must_be_named() -> None:
    with pytest.raises(RegistryError, match="EXPETHER_REGISTRY_KEY_FILE"):
        key_path("postgresql://u@h/db", None)
    assert key_path("postgresql://u@h/db", "/etc/k") == "/etc/k"


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    registry = open_registry("postgresql://u@127.0.0.1:1/db")
    began = time.monotonic()
    for use in (lambda: registry.all(RegisteredUrl), lambda: registry.commit([put(RegisteredUrl("a", NEVER, ""))])):
        with pytest.raises(
            RegistryError, match=r"postgresql://u@127.0.0.1:1/db cannot be (read|written) \(.*refused\. Is the"
        ):
            use()
    with pytest.raises(
        RegistryError, match=r" \(127.0.0.1:1: Connection refused; localhost:2: .*Connection refused\)\. "
    ):
        open_registry("postgresql://u@127.0.0.1:1,localhost:2/db").all(RegisteredUrl)
    assert time.monotonic() - began < 20


# -- databases and rights ------------------------------------------------------------------------------------------------


@needs_server
@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE nec_expether.registry (name text)",
        "CREATE TABLE nec_expether.registry (program text, schema int); INSERT INTO registry VALUES ('other', 3)",
        "CREATE TABLE nec_expether.registry (program text, schema int)",
        "CREATE TABLE nec_expether.registry (program text, schema int); INSERT INTO registry VALUES ('nec.expether', 3)",
        "CREATE VIEW nec_expether.documents AS SELECT 1 AS kind",
    ],
)
def test_a_schema_of_something_else_is_refused_and_left_as_it_is(server: Server, sql: str) -> None:
    server.execute("CREATE SCHEMA nec_expether", database="expether")
    server.execute(sql, database="expether")
    registry = open_registry(server.url("expether"))
    for use in (lambda: registry.all(RegisteredUrl), lambda: registry.commit([put(RegisteredUrl("a", NEVER, ""))])):
        with pytest.raises(RegistryError, match="is damaged or was not created by this collection"):
            use()
    registry.close()
    names = server.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'nec_expether'", database="expether")
    assert names[0][0] <= 1


@needs_server
def test_other_tables_in_the_database_do_not_matter(server: Server) -> None:
    server.execute("DROP TABLE IF EXISTS public.registry; CREATE TABLE public.registry (x int)", database="expether")
    with closing(open_registry(server.url("expether"))) as registry:
        registry.commit([put(RegisteredUrl("a", NEVER, "1"))])
        assert urls_in(registry) == {"a": "1"}
    assert server.execute("SELECT * FROM public.registry", database="expether") == []


@pytest.fixture(name="role")
def fixture_role(server: Server) -> t.Iterator[str]:
    """A role without any right."""
    server.execute("REVOKE ALL ON DATABASE expether FROM public", database="expether")
    server.execute("CREATE ROLE worker LOGIN; GRANT CONNECT ON DATABASE expether TO worker", database="expether")
    yield "worker"
    server.execute("DROP OWNED BY worker CASCADE; DROP ROLE worker", database="expether")
    server.execute("GRANT CONNECT, TEMPORARY ON DATABASE expether TO public", database="expether")


@needs_server
@pytest.mark.parametrize("makes", ["schema", "tables", "nothing"])
def test_the_rights_that_a_role_needs(server: Server, role: str, makes: str) -> None:
    """To create all, or the tables in a schema of its own, or to use what another role has created."""
    url = server.url("expether", role)
    registry = open_registry(url)
    assert registry.all(RegisteredUrl) == []
    with pytest.raises(RegistryError, match="the role lacks a right"):
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    if makes == "schema":
        server.execute(f"GRANT CREATE ON DATABASE expether TO {role}", database="expether")
    elif makes == "tables":
        server.execute(f"CREATE SCHEMA nec_expether AUTHORIZATION {role}", database="expether")
    else:
        with closing(open_registry(server.url("expether"))) as other:
            other.commit([put(RegisteredUrl("b", NEVER, ""))])
        with pytest.raises(
            RegistryError, match=r"lacks a right \(permission denied for schema nec_expether\)\. The first"
        ):
            registry.all(RegisteredUrl)
        server.execute(f"GRANT USAGE ON SCHEMA nec_expether TO {role}", database="expether")
        server.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA nec_expether TO {role}", database="expether"
        )
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    found = registry.get(RegisteredUrl, "a")
    assert found
    registry.commit([remove(found)])
    registry.close()


@needs_server
@pytest.mark.parametrize("old", [1, 2])
def test_a_registry_of_an_earlier_schema_is_upgraded_by_the_first_transaction(server: Server, old: int) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript((Path(__file__).with_name("schemas") / f"{old}.sql").read_text())
        rows = database.execute("SELECT kind, uuid, revision, body FROM documents").fetchall()
        count = database.execute("SELECT revision FROM counter").fetchone()[0]
    registry = open_registry(server.url("expether"))
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    for row in rows:
        server.execute("INSERT INTO documents VALUES (%s, %s, %s, %s)", *row, database="expether")
    server.execute("UPDATE registry SET schema = %s, revision = %s", old, count, database="expether")
    server.execute("UPDATE documents SET body = '{' WHERE kind = 'listings'", database="expether")  # damaged
    podms, devices = registry.all(PodManager), registry.all(StoredDevice)
    assert len(devices) == 21
    with pytest.raises(RegistryConflict):
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    assert server.execute("SELECT schema FROM registry", database="expether") == [(old,)]
    registry.commit([put(RegisteredUrl("b", NEVER, ""))])
    assert server.execute("SELECT schema, revision FROM registry", database="expether") == [(SCHEMA, count + 1)]
    assert (registry.all(PodManager), registry.all(StoredDevice)) == (podms, devices)
    new = server.execute("SELECT body FROM documents WHERE kind = 'devices'", database="expether")
    assert all({"populated", "last_node"} <= json.loads(body).keys() for (body,) in new)
    assert set(server.execute("SELECT body FROM documents WHERE kind = 'listings'", database="expether")) == {("{",)}
    registry.close()


@needs_server
def test_tls_is_verified_and_passwords_come_from_a_file(server: Server, tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    server.write("server.key", certificate.private_key_pem.bytes())
    server.write("server.crt", certificate.cert_chain_pems[0].bytes())
    hba = (server.data / "pg_hba.conf").read_bytes()
    rules = b"hostssl all guarded all scram-sha-256\nhostnossl all guarded all reject\n"
    server.write("pg_hba.conf", rules + hba)
    server.execute("CREATE ROLE guarded LOGIN PASSWORD 'canary-word' IN ROLE pg_read_all_data")
    server.execute("ALTER SYSTEM SET ssl = on")
    server.execute("SELECT pg_reload_conf()")
    for name, found in (("ca", authority), ("other", other)):
        found.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    for name, password in (("right", "canary-word"), ("wrong", "canary-wrong")):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(f"*:*:*:guarded:{password}\n")
    url = server.url("expether", "guarded")
    try:
        while server.execute("SHOW ssl") == [("off",)]:  # until the server has read its files again
            time.sleep(0.02)
        for authority_name, passfile, said in (
            ("ca", "right", None),
            ("other", "right", "certificate verify failed"),
            ("ca", "wrong", "password authentication failed"),
            ("ca", "none", "no password supplied"),
        ):
            how = f"sslmode=verify-full&sslrootcert={tmp_path}/{authority_name}.pem&passfile={tmp_path}/{passfile}"
            with closing(open_registry(f"{url}?{how}")) as registry:
                assert registry.path == url
                if said is None:
                    assert registry.all(RegisteredUrl) == []
                else:
                    with pytest.raises(RegistryError, match=said) as caught:
                        registry.all(RegisteredUrl)
                    assert "canary" not in caught.value.message
        with pytest.raises(RegistryError, match="pg_hba.conf rejects connection"):
            open_registry(f"{url}?sslmode=disable&passfile={tmp_path}/right").all(RegisteredUrl)
    finally:
        server.execute("ALTER SYSTEM RESET ssl")
        server.write("pg_hba.conf", hba)
        server.execute("SELECT pg_reload_conf()")
        server.execute("DROP ROLE guarded")


# -- lost connections ----------------------------------------------------------------------------------------------------


@pytest.fixture(name="proxy")
def fixture_proxy(server: Server) -> t.Iterator[Proxy]:
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture(name="proxied")
def fixture_proxied(proxy: Proxy) -> t.Iterator[Registry]:
    """A registry behind the proxy, with one document."""
    registry = open_registry(f"postgresql://postgres@127.0.0.1:{proxy.port}/expether")
    registry.commit([put(RegisteredUrl("a", NEVER, "0"))])
    yield registry
    registry.close()


def _end_connections(server: Server) -> None:
    sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'nec.expether'"
    assert server.execute(sql)


@needs_server
@pytest.mark.parametrize(
    "losses", [["before"], ["after"], ["late"], ["before", "after"], ["before", "before", "before"]]
)
def test_a_transaction_whose_answer_is_lost_is_made_once(
    server: Server, proxy: Proxy, proxied: Registry, losses: list[str]
) -> None:
    found = proxied.get(RegisteredUrl, "a")
    assert found
    proxy.losses = [*losses]
    ending = threading.Timer(0.5, proxy.end_kept)
    ending.start()
    revision = proxied.commit([put(found._replace(podm_id="1")), put(RegisteredUrl("b", NEVER, "1"))])
    ending.join()
    assert proxy.losses == []
    assert urls_in(proxied) == {"a": "1", "b": "1"}
    assert {url.revision for url in proxied.all(RegisteredUrl)} == {revision}
    assert server.execute("SELECT revision FROM registry", database="expether") == [(revision,)] == [(2,)]


@needs_server
@pytest.mark.parametrize("loss", ["before", "after"])
def test_what_another_run_writes_before_the_outcome_is_known_is_kept(
    server: Server, proxy: Proxy, proxied: Registry, loss: str
) -> None:
    found = proxied.get(RegisteredUrl, "a")
    assert found

    def overwrite() -> None:
        with closing(open_registry(server.url("expether"))) as other:
            other.commit([put_anyway(found._replace(podm_id="theirs"))])

    written = threading.Event()
    proxy.meanwhile = lambda: (overwrite(), written.set())
    proxy.losses = [loss]
    if loss == "after":
        assert proxied.commit([put(found._replace(podm_id="ours"))]) == 2
        written.wait(10)
        assert urls_in(proxied) == {"a": "theirs"}
    else:
        try:
            proxied.commit([put(found._replace(podm_id="ours"))])
        except RegistryConflict:
            assert urls_in(proxied) == {"a": "theirs"}
        else:  # the second attempt was quicker than the other run
            written.wait(10)
            assert urls_in(proxied) == {"a": "theirs"}


@needs_server
def test_an_outcome_that_stays_unknown_is_told(
    server: Server, proxy: Proxy, proxied: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgresql, "RECONNECT_SECONDS", 0.5)
    proxy.losses, proxy.meanwhile = ["after"], proxy.close
    with pytest.raises(RegistryError, match="it is not known whether it is stored") as caught:
        proxied.commit([put(RegisteredUrl("b", NEVER, "1"))])
    assert caught.value.changed
    assert server.execute("SELECT uuid FROM documents", database="expether") == [("a",), ("b",)]
    with pytest.raises(RegistryError, match="cannot be read") as caught:
        proxied.all(RegisteredUrl)
    assert caught.value.changed is None


@needs_server
def test_a_connection_that_was_ended_is_made_again_for_a_read_and_a_write(server: Server, proxied: Registry) -> None:
    _end_connections(server)
    assert urls_in(proxied) == {"a": "0"}
    _end_connections(server)
    proxied.commit([put(RegisteredUrl("b", NEVER, "1"))])
    assert urls_in(proxied) == {"a": "0", "b": "1"}


@needs_server
def test_a_run_that_stops_in_a_transaction_does_not_block_others_for_long(server: Server) -> None:
    with closing(open_registry(server.url("expether"))) as registry:
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
        with psycopg.connect(server.url("expether")) as stopped:
            stopped.execute("SET LOCAL idle_in_transaction_session_timeout = '300ms'")
            stopped.execute("UPDATE nec_expether.registry SET revision = revision + 1")
            registry.commit([put(RegisteredUrl("b", NEVER, ""))])
            with pytest.raises(psycopg.Error, match="idle-in-transaction timeout"):
                stopped.execute("SELECT 1")
        assert set(urls_in(registry)) == {"a", "b"}


# -- a standby that is promoted ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair() -> t.Iterator[tuple[Server, Server]]:
    """A primary, and a standby that has what was committed."""
    if why_not():
        pytest.skip(str(why_not()))
    primary = Server(synchronous_commit="remote_apply")
    try:
        standby = Server(primary)
        try:
            primary.create("expether")
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.execute("SELECT pg_reload_conf()")
            yield primary, standby
        finally:
            standby.close()
    finally:
        primary.close()


@needs_server
def test_a_standby_is_promoted_in_the_middle_of_a_compose(
    pair: tuple[Server, Server], eem: Simulator, make_client: MakeClient, system: str
) -> None:
    primary, standby = pair
    url = f"postgresql://postgres@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/expether"
    registry, results = open_registry(url), []
    eem.fault("delay", seconds=1.0, method="PUT", nth=2)
    client = make_client(timeout=5.0)
    runner = threading.Thread(target=lambda: results.append(run(client, registry, compose("n", system))))
    runner.start()
    while not (eem.faults() and eem.faults()[0]["used"]):
        runner.join(0.02)
        assert runner.is_alive()
    # The first change of the node is on both servers; the last one is made on the new primary.
    assert standby.execute("SELECT count(*) FROM documents WHERE kind = 'nodes'", database="expether") == [(1,)]
    with pytest.raises(RegistryError, match=r"because no host of its URL accepts changes \(.*session is read-only"):
        open_registry(standby.url("expether")).all(RegisteredUrl)
    primary.stop()
    time.sleep(0.3)
    standby.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
    standby.promote()
    runner.join(60)
    assert results and results[0].steps
    assert nodes_in(registry) == {"n": "composed"}
    assert held_in(registry) == []
    assert [card["group_id"] for card in eem.eeios()].count("17") == 2
    assert len(eem.history(field="group_id")) == 2
    registry.close()
    with closing(open_registry(standby.url("expether"))) as again:
        assert nodes_in(again) == {"n": "composed"}


# -- locks ---------------------------------------------------------------------------------------------------------------

HOLDER = """
import os, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._execution import process
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
claims = Claims(open_registry(sys.argv[2]), sys.argv[3], "a run elsewhere", 600.0)
claims._process = process.ProcessIdentity("another machine", "pid:[1]")
claims.claim(claims.read()[0], [sys.argv[4]])
print("ready", flush=True)
sys.stdin.read()
"""


def _claimed(registry: Registry) -> dict[str, str]:
    return Claims(registry, PODM, "a test", 60.0).read(clean=False)[1]


@needs_server
@on_postgresql
def test_a_claim_of_another_machine_ends_with_its_process_and_not_before(registry: Registry, registry_url: str) -> None:
    command = [sys.executable, "-c", HOLDER, TESTS, registry_url, PODM, CARD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        assert _claimed(registry) == {CARD: "a run elsewhere"}
        os.kill(process.pid, signal.SIGSTOP)
        assert _claimed(registry) == {CARD: "a run elsewhere"}
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for dummy in range(100):
            if not _claimed(registry):
                break
            time.sleep(0.02)
        assert Claims(registry, PODM, "a test", 60.0).read() == (1, {})
    assert held_in(registry) == []


@needs_server
@on_postgresql
def test_a_run_that_loses_its_connection_holds_its_lock_again_or_notices_that_its_claims_are_gone(
    registry: Registry, registry_url: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(registry, PODM, "the run", 60.0)
    claims.claim(claims.read()[0], [CARD])
    other = open_registry(registry_url)
    assert claims.renew() and _claimed(other) == {CARD: "the run"}
    before = registry.get(StoredClaims, PODM)

    _end_connections(server)
    assert claims.renew(), "nobody has looked meanwhile"
    after = registry.get(StoredClaims, PODM)
    assert before and after and before.held[CARD].lock != after.held[CARD].lock
    assert _claimed(other) == {CARD: "the run"}

    _end_connections(server)
    assert Claims(other, PODM, "another", 60.0).read() == (1, {}), "another run believes that it is dead"
    monkeypatch.setattr(_claims, "RENEW_AFTER", 3600.0)
    assert not claims.renew(), "the claims are gone, however young they are"
    other.close()


@needs_server
@on_postgresql
def test_of_locks_on_a_server_that_was_started_since_then_nothing_is_known(registry: Registry) -> None:
    place = registry.hold("a")
    assert place and registry.is_held("a", place) is True
    assert registry.is_held("b", place) is False
    assert registry.is_held("a", f"1{place}") is None
    assert registry.is_held("a", "0123 45 of a file") is None
    assert registry.hold("a") == place


@needs_server
@pytest.mark.skipif(pooler_program() is None, reason="PgBouncer is not installed (Debian: pgbouncer)")
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_that_does_not_keep_locks_is_noticed_and_everything_else_works(server: Server, mode: str) -> None:
    pooler = Pooler(server, mode)
    url = f"postgresql://postgres@127.0.0.1:{pooler.port}/expether"
    try:
        with closing(open_registry(url)) as registry, closing(open_registry(url)) as other:
            claims = Claims(registry, PODM, "a run", 60.0)
            claims.claim(claims.read()[0], [CARD])
            found = other.get(StoredClaims, PODM)
            assert found and (found.held[CARD].lock is not None) == (mode == "session")
            assert claims.renew() and _claimed(other) == {CARD: "a run"}
            other.commit([put(RegisteredUrl("a", NEVER, ""))])
            assert urls_in(registry) == {"a": ""}
            claims.release(changed=True)
    finally:
        pooler.close()


# -- notifications -------------------------------------------------------------------------------------------------------


@needs_server
@on_postgresql
def test_changes_of_devices_and_nodes_are_announced_once_they_are_committed(
    registry: Registry, registry_url: str, eem: Simulator, make_client: MakeClient, system: str
) -> None:
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    with psycopg.connect(registry_url, autocommit=True) as listener:
        listener.execute(f"LISTEN {_postgresql.tables.CHANNEL}")
        registry.commit([put(RegisteredUrl("b", NEVER, ""))])
        run(make_client(), registry, compose("n", system))
        facts = dict.fromkeys(StoredDevice._fields) | {"revision": NEVER, "state": "free"}
        many = [StoredDevice(**{**facts, "uuid": str(n), "device_id": "x", "podm_id": f"{n:036}"}) for n in range(300)]
        revision = registry.commit([put(device) for device in many])
        with pytest.raises(RegistryConflict):
            registry.commit([put(device) for device in many])
        registry.commit([remove(t.cast(StoredDevice, registry.get(StoredDevice, "7")))])
        found = [json.loads(notice.payload) for notice in listener.notifies(timeout=0.5)]
    assert [(notice["kinds"], notice["podms"]) for notice in found] == [
        (["nodes"], [PODM]),
        (["nodes"], [PODM]),
        (["devices"], None),
        (["devices"], [f"{7:036}"]),
    ]
    assert [notice["revision"] for notice in found][2:] == [revision, revision + 1]


# -- modules -------------------------------------------------------------------------------------------------------------


@pytest.fixture(name="module")
def fixture_module(
    server: Server, key_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Module:
    monkeypatch.setenv("EXPETHER_REGISTRY", server.url("expether"))
    monkeypatch.setenv("EXPETHER_REGISTRY_KEY_FILE", str(key_file))
    return functools.partial(run_main, capsys)


@needs_server
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
    assert "Pod manager 'rack2' is not registered in postgresql://postgres@127.0.0.1:" in missing["msg"]


@needs_server
def test_a_key_is_not_made_and_another_one_is_refused(
    module: Module, eem: Simulator, key_file: Path, tmp_path: Path
) -> None:
    way = {"url": eem.url, "username": eem.username, "password": eem.password, "sync": False}
    other = tmp_path / "another.key"
    result = module("podm", name="rack1", **way, registry_key_file=str(other))
    assert f"The key file {other} does not exist. All hosts that use this registry need the same" in result["msg"]
    assert not other.exists()
    command = result["msg"].partition("create it: ")[2].partition(" Nothing was")[0]
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert other.stat().st_mode & 0o777 == 0o600
    assert module("podm", name="rack1", **way)["changed"]
    result = module("podm", name="rack1", **way, registry_key_file=str(other))
    assert "is not the one that encrypted the passwords that are already in the registry" in result["msg"]
    assert module("sync")["podms"][0]["status"] == "Online"


@needs_server
def test_a_password_of_the_database_is_never_shown(
    module: Module, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "canary-word")
    monkeypatch.setenv("EXPETHER_REGISTRY", server.url("expether", "nobody_of_that_name"))
    result = module("podm_info")
    assert result["failed"] and result["failure"]["kind"] == "registry"
    assert 'role "nobody_of_that_name" does not exist' in result["msg"]
    assert "canary" not in json.dumps(result)
    monkeypatch.setenv("EXPETHER_REGISTRY", "postgresql://u:canary-word@h/db")
    result = module("podm_info")
    assert "contains a password" in result["msg"] and "canary" not in json.dumps(result)
