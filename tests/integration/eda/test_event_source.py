# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source by itself, against a simulated EEM and real registries."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.nec.expether.plugins.module_utils._ansible.plugin_run import PluginFailed
from ansible_collections.nec.expether.plugins.module_utils._model.names import podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._modules import watch as watch_file
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, put
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_KEYS
from ansible_collections.nec.expether.plugins.module_utils._sync.events import DEVICE_EVENTS, PODM_EVENTS
from cryptography.fernet import Fernet
from eemsim.client import Simulator
from module_main import Run
from postgresql import Server
from running_source import COLLECTION, GPU, PLUGIN, SCHEMA, Running, Watching, plugin, types

NAME = "nec.expether.expether"
DOWN = {"notification_status0": "down", "notification_status1": "down"}
Options = dict[str, t.Any]
Begin = t.Callable[..., Watching]


def device_ids(eem: Simulator) -> list[str]:
    return [str(record["id"]) for record in eem.eeios()]


def attach(eem: Simulator, device: str, group: str) -> None:
    """Do what a program beside the collection may do, including the links that come up then."""
    assert eem.call("PUT", f"/devices/{device}/group_id", json={"group_id": group}).status_code < 300


def away(eem: Simulator, times: int) -> None:
    """Have the EEM end its next connections without an answer."""
    eem.fault({"do": "drop"}, times=times)


def detach(eem: Simulator, device: str) -> None:
    assert eem.call("DELETE", f"/devices/{device}/group_id").status_code < 300


@pytest.fixture(name="running")
def fixture_running(path: Path) -> Iterator[t.Callable[..., Running]]:
    started: list[Running] = []

    def start(**options: t.Any) -> Running:
        started.append(Running(**options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def test_everything_that_happens_to_devices_is_an_event(
    running: t.Callable[..., Running], eem: Simulator, by_url: Options
) -> None:
    one, two, three = device_ids(eem)[:3]
    groups = [record["group_id"] for record in eem.eesvs()]
    attach(eem, three, groups[0])
    eem.reset_log()
    source = running(**by_url)
    source.wait_for_requests(eem, 2)  # what is there at first is no event
    attach(eem, one, groups[0])
    attached, connected = source.events(2)
    assert types([attached, connected]) == ["device_attached", "device_connected"]
    assert attached["device"]["device_id"] == one and attached["previous"]["state"] == "free"
    assert attached["device"]["node_id"] == eem.eesvs()[0]["id"]
    assert attached["url"] == eem.url and attached["podm"] is None
    detach(eem, three)
    assert types(source.events(1)) == ["device_detached"]
    record = eem.card(two)
    eem.patch(two, **DOWN)
    assert types(source.events(1)) == ["device_unreachable"]
    eem.put_card(record)
    assert types(source.events(1)) == ["device_reachable"]
    eem.delete_card(two)
    (missing,) = source.events(1)
    assert missing["type"] == "device_missing" and missing["device"]["missing_since"] == missing["at"]
    eem.put_card(record)
    assert types(source.events(1)) == ["device_added"]
    assert source.stop() == []


def wait_for_no_pool() -> None:
    """Wait until no source has a thread of its own any more."""
    until = time.monotonic() + 20
    while any(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_request_in_progress_does_not_delay_the_end(
    running: t.Callable[..., Running], eem: Simulator, by_url: Options
) -> None:
    eem.fault({"do": "delay", "seconds": 60})
    source = running(**{**by_url, "timeout": 100})
    source.wait_for_requests(eem, 1)
    assert source.stop() == []
    wait_for_no_pool()


def test_a_library_that_cannot_be_imported_leaves_no_thread() -> None:
    source = plugin()

    def fail() -> None:
        raise ImportError("no ansible-core")

    source["_import_watch"] = fail
    with pytest.raises(ImportError) as raised:  # kept as by a program that logs it later
        asyncio.run(source["main"](asyncio.Queue(), {}))
    wait_for_no_pool()
    assert str(raised.value) == "no ansible-core"


def test_an_invalid_option_ends_the_source_with_a_sentence(running: t.Callable[..., Running]) -> None:
    source = running(url="http://127.0.0.1:1/eem", intervall=3, password="a-secret-word")
    message = source.wait_for_end()
    assert message.startswith("`intervall`: the plugin has no such option. Its options are ca_path, ")
    assert "a-secret-word" not in message


# -- poll by poll ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0.5}, "`interval` must be from 1 to 86400 seconds, not 0.5."),
        ({"interval": True}, "`interval` is a boolean"),
        ({"source": "both"}, "value of source must be one of: live, registry"),
        ({"podms": ["a"], "url": "http://h/eem"}, "mutually exclusive"),
        ({"url": "http://u:pw@h/eem"}, "must not contain"),
        ({"url": "http://h/eem", "username": "u"}, "`username` is set without `password`."),
        ({"url": "http://h/eem", "ca_path": "/does/not/exist"}, "does not exist"),
        ({"source": "registry", "registry": "postgresql://u:pw@h/d"}, "password"),
    ],
)
def test_options_are_checked_before_the_first_request(watching: Begin, options: Options, message: str) -> None:
    with pytest.raises(PluginFailed) as failed:
        watching(**options)
    assert message in str(failed.value) and "pw" not in str(failed.value)


def test_without_a_registry_that_lasts_a_container_needs_a_url(
    watching: Begin, monkeypatch: pytest.MonkeyPatch, by_url: Options
) -> None:
    monkeypatch.delenv("EXPETHER_REGISTRY")
    monkeypatch.setenv("container", "oci")
    with pytest.raises(PluginFailed, match="needs a registry that outlives the job"):
        watching()
    assert watching(**by_url).poll() == []


def test_a_pod_manager_that_was_never_registered_ends_the_source(watching: Begin) -> None:
    with pytest.raises(PluginFailed, match="Pod manager 'rack9' is not registered"):
        watching(podm="rack9").poll()


def test_a_device_that_moves_between_two_polls_is_detached_and_attached(
    watching: Begin, eem: Simulator, by_url: Options
) -> None:
    device, groups = device_ids(eem)[0], [record["group_id"] for record in eem.eesvs()]
    attach(eem, device, groups[0])
    watch = watching(**by_url)
    assert watch.poll() == []
    detach(eem, device)
    attach(eem, device, groups[1])
    detached, attached, connected = watch.poll()
    assert types([detached, attached, connected]) == ["device_detached", "device_attached", "device_connected"]
    assert detached["previous"]["node_id"] == eem.eesvs()[0]["id"] != attached["device"]["node_id"]
    assert watch.poll() == []


def test_an_eem_that_is_away_is_offline_once_and_its_devices_are_not_missing(
    watching: Begin, eem: Simulator, by_url: Options
) -> None:
    watch = watching(**by_url)
    away(eem, 3)
    (offline,) = watch.poll()  # also if it is away from the beginning
    assert offline["type"] == "podm_offline" and offline["reason"] == offline["failure"]["message"]
    assert watch.poll() == watch.poll() == []
    assert types(watch.poll()) == ["podm_online"]
    away(eem, 2)
    device = device_ids(eem)[0]
    attach_later = eem.eesvs()[0]["group_id"]
    assert types(watch.poll()) == ["podm_offline"] and watch.poll() == []
    attach(eem, device, attach_later)
    assert types(watch.poll()) == ["podm_online", "device_attached", "device_connected"]
    assert watch.poll() == []


def test_an_eem_that_lists_only_some_devices_is_offline_until_it_lists_them_or_does_not_for_long(
    watching: Begin, eem: Simulator, by_url: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watching(**by_url)
    assert watch.poll() == []
    records = eem.records()
    eem.reset(devices=[record for record in records if record["id"] not in device_ids(eem)[2:]])
    (offline,) = watch.poll()
    assert offline["type"] == "podm_offline" and offline["reason"].startswith("EEM lists only 2 of 8 devices")
    assert watch.poll() == []
    eem.reset(devices=records)
    assert types(watch.poll()) == ["podm_online"]
    eem.reset(devices=[record for record in records if record["id"] not in device_ids(eem)[2:]])
    assert types(watch.poll()) == ["podm_offline"]
    monkeypatch.setattr(watch_file, "INCOMPLETE_SECONDS", 0)
    assert types(watch.poll()) == ["podm_online", *["device_missing"] * 6]
    assert watch.poll() == []


def test_an_eem_that_lists_devices_without_their_systems_is_offline_and_none_is_stranded(
    watching: Begin, run: Run, eem: Simulator, by_url: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(eem, device_ids(eem)[0], eem.eesvs()[0]["group_id"])
    run("podm", name="rack1", **by_url)
    live, stored = watching(podm="rack1"), watching(source="registry")
    assert live.poll() == stored.poll() == []
    records = eem.records()
    systems = {record["id"] for record in eem.eesvs()}
    without = [record for record in records if record["id"] not in systems]
    eem.reset(devices=without)
    run("sync")
    for watch in (live, stored, watching(podm="rack1"), watching(source="registry")):
        (offline,) = watch.poll()
        assert offline["type"] == "podm_offline" and "0 of 3 systems that it had" in offline["reason"]
        assert watch.poll() == []
    eem.reset(devices=records)
    run("sync")
    for watch in (live, stored):
        assert types(watch.poll()) == ["podm_online"] and watch.poll() == []
    # A listing that stays like this is believed.
    eem.reset(devices=without)
    run("sync")
    monkeypatch.setattr(watch_file, "INCOMPLETE_SECONDS", 0)
    time.sleep(1)  # the registry stores whole seconds
    for watch in (live, stored):
        (detached,) = watch.poll()
        assert detached["type"] == "device_detached" and detached["device"]["state"] == "stranded"


def test_a_synchronisation_between_two_reads_of_the_registry_is_seen_whole(
    watching: Begin, run: Run, eem: Simulator, by_url: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(eem, device_ids(eem)[0], eem.eesvs()[0]["group_id"])
    run("podm", name="rack1", **by_url)
    watch = watching(source="registry")
    assert watch.poll() == []
    systems = {record["id"] for record in eem.eesvs()}
    read = watch_file.stored_devices

    def meanwhile(*arguments: t.Any) -> t.Any:
        monkeypatch.setattr(watch_file, "stored_devices", read)
        eem.reset(devices=[record for record in eem.records() if record["id"] not in systems])
        run("sync")
        return read(*arguments)

    monkeypatch.setattr(watch_file, "stored_devices", meanwhile)
    assert types(watch.poll()) == ["podm_offline"]  # none is detached


def test_an_eem_that_was_away_while_it_listed_only_some_devices_has_its_time_again(
    watching: Begin, eem: Simulator, by_url: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watching(**by_url)
    assert watch.poll() == []
    records = eem.records()
    eem.reset(devices=[])
    assert types(watch.poll()) == ["podm_offline"]
    away(eem, 1)
    assert watch.poll() == []
    later = time.monotonic() + watch_file.INCOMPLETE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert watch.poll() == []
    monkeypatch.undo()
    eem.reset(devices=records)
    assert types(watch.poll()) == ["podm_online"]


def test_an_eem_that_is_offline_is_asked_once_in_each_poll(watching: Begin, eem: Simulator, by_url: Options) -> None:
    watch = watching(**{**by_url, "retries": 1})
    away(eem, 4)
    eem.reset_log()
    assert types(watch.poll()) == ["podm_offline"] and len(eem.log()) == 2
    assert watch.poll() == watch.poll() == [] and len(eem.log()) == 4
    assert types(watch.poll()) == ["podm_online"]


def test_a_free_device_in_a_group_that_no_system_has_is_detached_as_stranded(
    watching: Begin, eem: Simulator, by_url: Options
) -> None:
    device = device_ids(eem)[0]
    watch = watching(**by_url)
    assert watch.poll() == []
    eem.patch(device, group_id="99")
    (detached,) = watch.poll()
    assert (detached["type"], detached["previous"]["state"]) == ("device_detached", "free")
    assert (detached["device"]["state"], detached["device"]["pooled_group_id"]) == ("stranded", "99")
    assert watch.poll() == []


def test_the_devices_of_an_eem_that_has_just_started_are_not_new(
    watching: Begin, run: Run, eem: Simulator, by_url: Options
) -> None:
    records = eem.records()
    run("podm", name="rack1", **by_url)
    eem.reset(devices=[])
    unknown, known = watching(**by_url, registry="/does/not/exist/r"), watching(podm="rack1")
    assert unknown.poll() == []
    assert types(known.poll()) == ["podm_offline"]  # the registry has its devices
    eem.reset(devices=records)
    assert unknown.poll() == []
    assert types(known.poll()) == ["podm_online"]
    eem.delete_card(device_ids(eem)[0])
    assert types(unknown.poll()) == types(known.poll()) == ["device_missing"]


def test_a_refused_password_is_not_sent_again_until_it_changes_or_time_has_passed(
    watching: Begin, eem: Simulator, by_url: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watching(**{**by_url, "password": "not-the-word"})
    eem.reset_log()
    (offline,) = watch.poll()
    assert offline["failure"]["kind"] == "unauthorized" and offline["failure"]["http_status"] == 401
    assert len(eem.log()) == 1
    assert watch.poll() == watch.poll() == [] and len(eem.log()) == 1
    assert "not-the-word" not in json.dumps([offline, watch.log])
    monkeypatch.setattr(watch_file, "WAIT_AFTER_REFUSAL", watch_file.WAIT_AFTER_REFUSAL * 0)
    assert watch.poll() == [] and len(eem.log()) == 2


def test_a_password_that_a_synchronisation_was_refused_is_not_sent_either(
    watching: Begin, run: Run, eem: Simulator, by_url: Options, path: Path
) -> None:
    run("podm", name="rack1", **by_url)
    registry = open_registry(str(path))
    (podm,) = registry.all(PodManager)
    registry.commit([put(podm._replace(password=Secrets(f"{path}.key", make=False).encrypt("not-the-word")))])
    registry.close()
    assert run("sync", wait_after_refusal=900)["podms"][0]["retry_at"]
    eem.reset_log()
    watch = watching()
    (offline,) = watch.poll()
    assert "not sent again before" in offline["reason"] and eem.log() == []
    assert run("podm", name="rack1", **by_url)["changed"]
    eem.reset_log()
    assert types(watch.poll()) == ["podm_online"] and len(eem.log()) == 1


def test_a_refused_password_is_not_sent_again_even_if_the_registry_cannot_be_read_then(
    watching: Begin, run: Run, eem: Simulator, by_url: Options, path: Path
) -> None:
    run("podm", name="rack1", **by_url)
    registry = open_registry(str(path))
    (podm,) = registry.all(PodManager)
    token = Secrets(f"{path}.key", make=False).encrypt("not-the-word")
    url = eem.url.replace("127.0.0.1", "localhost")
    registry.commit(
        [put(podm._replace(uuid=podm_uuid("rack2"), revision=NEVER, name="rack2", url=url, password=token))]
    )
    registry.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("INSERT INTO documents VALUES ('nodes', 'x', 1, '{}')")
    watch = watching()
    eem.reset_log()
    for dummy in range(3):
        assert watch.poll() == []
    assert [entry["status"] for entry in eem.log()].count(401) == 1
    assert "damaged" in watch.log[0]


def test_a_source_that_has_nothing_to_watch_says_so_once(
    watching: Begin, run: Run, eem: Simulator, by_url: Options, path: Path
) -> None:
    for options, message in (
        ({}, f"No pod manager is registered in {path}, so nothing is watched."),
        (
            {**by_url, "source": "registry"},
            f"No pod manager with the URL {eem.url} is registered in {path}, so nothing is watched.",
        ),
        ({"podms": []}, "`podms` is an empty list, so nothing is watched."),
    ):
        watch = watching(**options)
        assert watch.poll() == watch.poll() == [] and watch.log == [message]


def test_a_source_goes_on_when_another_one_in_this_process_ends(
    watching: Begin, eem: Simulator, by_url: Options
) -> None:
    watch, other = watching(**by_url), watching(**by_url)
    assert watch.poll() == other.poll() == []
    other.stop()
    with ThreadPoolExecutor() as pool:  # as in a source
        assert pool.submit(watch.poll).result() == [] and watch.log == []
        other.close()
        attach(eem, device_ids(eem)[0], eem.eesvs()[0]["group_id"])
        assert types(pool.submit(watch.poll).result()) == ["device_attached", "device_connected"]


def test_an_unexpected_error_is_logged_with_where_it_happened(
    watching: Begin, eem: Simulator, by_url: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watching(**by_url)
    assert watch.poll() == []
    monkeypatch.setattr(watch_file, "changes_of", None)
    assert watch.poll() == watch.poll() == []
    assert len(watch.log) == 2 and "Traceback" in watch.log[0] and "TypeError" in watch.log[1]


def test_pod_managers_come_and_go(watching: Begin, run: Run, eem: Simulator, by_url: Options) -> None:
    watch = watching()
    assert watch.poll() == []
    run("podm", name="rack1", **by_url)
    assert watch.poll() == []  # its devices are not new
    named = watching(podms=["rack1"])
    assert named.poll() == []
    assert run("podm", name="rack1", state="absent", cascade=True)["changed"]
    assert watch.poll() == named.poll() == named.poll() == []
    assert [line for line in named.log if "Pod manager 'rack1' is not registered" in line] == named.log != []
    device = device_ids(eem)[0]
    run("podm", name="rack1", **by_url)
    assert watch.poll() == named.poll() == []
    detach_or_attach = eem.eesvs()[0]["group_id"]
    attach(eem, device, detach_or_attach)
    for each in (watch, named):
        assert types(each.poll()) == ["device_attached", "device_connected"]


def test_events_name_nodes_and_a_new_name_is_no_event(
    watching: Begin, run: Run, eem: Simulator, by_url: Options
) -> None:
    run("podm", name="rack1", **by_url)
    watch = watching(podm="rack1")
    assert watch.poll() == []
    node = run("node", name="n1", properties=GPU)["node"]
    attached, connected = watch.poll()
    assert attached["device"]["node"] == "n1" and attached["podm"] == "rack1"
    assert {*attached["device"]} == {*DEVICE_KEYS} == {*attached["previous"]}
    assert attached["device"] in run("device_info", podm="rack1")["devices"]
    run("node", name="n1", state="absent", detach_devices=False)
    run("node", name="other", state="managed", node_index=node["id"])
    assert watch.poll() == []
    run("node", name="other", state="absent", detach_devices=True)
    (detached,) = watch.poll()
    assert (detached["type"], detached["previous"]["node"]) == ("device_detached", "other")
    assert connected["type"] == "device_connected"


def test_a_registry_that_is_away_for_a_while_is_logged_once(
    watching: Begin, run: Run, eem: Simulator, by_url: Options, path: Path
) -> None:
    run("podm", name="rack1", **by_url)
    watch = watching()
    assert watch.poll() == []
    content = path.read_bytes()
    path.write_bytes(b"not a database" * 100)
    assert watch.poll() == watch.poll() == []
    assert len(watch.log) == 1 and "No events can be noticed until this is repaired." in watch.log[0]
    path.write_bytes(content)
    attach(eem, device_ids(eem)[0], eem.eesvs()[0]["group_id"])
    assert types(watch.poll()) == ["device_attached", "device_connected"]


def test_no_text_of_an_event_is_a_template_or_a_password(watching: Begin, eem: Simulator, by_url: Options) -> None:
    device = device_ids(eem)[0]
    watch = watching(**by_url)
    assert watch.poll() == []
    eem.patch(device, **DOWN, model=f"{{{{ lookup('pipe', 'id') }}}} #jinja2: x {eem.password}")
    (event,) = watch.poll()
    text = json.dumps(event["device"])
    assert event["device"]["model"].startswith("(( lookup('pipe', 'id') )) # jinja2: x ")
    assert eem.password not in text


def test_the_registry_shows_what_synchronisations_notice(
    watching: Begin, run: Run, eem: Simulator, by_url: Options
) -> None:
    run("podm", name="rack1", sync=False, **by_url)
    watch = watching(source="registry")
    assert watch.poll() == []
    run("sync")
    eem.reset_log()
    assert watch.poll() == [] and eem.log() == []
    device = device_ids(eem)[0]
    eem.patch(device, **DOWN)
    run("sync")
    (event,) = watch.poll()
    assert event["type"] == "device_unreachable" and event["device"]["first_seen_at"]
    assert event["device"] in run("device_info", source="registry")["devices"]
    eem.delete_card(device)
    run("sync")
    (event,) = watch.poll()
    assert event["type"] == "device_missing" and event["device"]["missing_since"]
    away(eem, 1)
    run("sync")
    (offline,) = watch.poll()
    assert offline["type"] == "podm_offline" and "connection ended" in offline["reason"]
    assert watch.poll() == []
    run("sync")
    assert types(watch.poll()) == ["podm_online"] and watch.log == []


def test_postgresql_announces_changes(
    watching: Begin,
    running: t.Callable[..., Running],
    run: Run,
    eem: Simulator,
    by_url: Options,
    postgresql_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    url = postgresql_server.create("events")
    monkeypatch.setenv("EXPETHER_REGISTRY", url)
    monkeypatch.setenv("EXPETHER_REGISTRY_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_bytes(Fernet.generate_key())
    run("podm", name="rack1", **by_url)
    watch = watching(source="registry", interval=3600)
    assert watch.poll() == []
    run("device_attach", podm="rack1", node=eem.eesvs()[0]["id"], devices=device_ids(eem)[:1])
    watch.wait()  # for an hour, if nothing were announced
    assert types(watch.poll())[0] == "device_attached"
    # What happens while the server is away is noticed when it is back.
    postgresql_server.stop()
    assert watch.poll() == []
    assert "cannot be read" in watch.log[0]
    postgresql_server.start()
    run("device_attach", podm="rack1", node=eem.eesvs()[0]["id"], devices=device_ids(eem)[:1], state="absent")
    watch.wait()
    assert types(watch.poll()) == ["device_detached"]
    watch.close()
    # The connection that listens ends with the source.
    count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    source = running(source="registry", interval=3600)
    until = time.monotonic() + 30
    while postgresql_server.execute(count) != [(1,)]:
        assert time.monotonic() < until
        time.sleep(0.05)
    source.stop()
    while postgresql_server.execute(count) != [(0,)]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_schema_of_the_options_accepts_the_examples_and_what_a_template_gives() -> None:
    schema = jsonschema.Draft202012Validator(json.loads((PLUGIN.parent / "schemas/expether.json").read_text("utf-8")))
    rulebooks = (COLLECTION / "extensions/eda/rulebooks").glob("*.yml")
    rulesets = [ruleset for path in rulebooks for ruleset in yaml.safe_load(path.read_text("utf-8"))]
    sources = [source for ruleset in rulesets for source in ruleset["sources"]]
    sources += yaml.safe_load(plugin()["EXAMPLES"])
    assert len(sources) >= 6
    for source in (*sources, {NAME: {"podm": "rack1", "validate_certs": "false", "retries": "{{ retries }}"}}):
        schema.validate(source[NAME])
    assert not schema.is_valid({"intervall": 3}) and not schema.is_valid({"source": "both"})


def test_the_schema_has_the_events_and_keys_of_the_library() -> None:
    properties = SCHEMA.schema["properties"]
    assert sorted(properties["type"]["enum"]) == sorted([*DEVICE_EVENTS, *PODM_EVENTS])
    assert {*SCHEMA.schema["$defs"]["device"]["properties"]} == {*DEVICE_KEYS}
