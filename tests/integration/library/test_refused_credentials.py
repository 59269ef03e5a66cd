# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A periodic synchronisation does not send refused credentials again before they change or its time has come."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._ansible import context as _context
from ansible_collections.nec.expether.plugins.module_utils._model.names import podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.location import sqlite_path
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    TIME_FORMAT,
    Change,
    iso_seconds,
    put,
)
from cryptography.fernet import Fernet
from eemsim.client import Simulator
from module_main import Meddled, Result, Run, run_main

RACK1 = podm_uuid("rack1")
WAIT = 900


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path) -> Path:
    """Where the registry of the modules is."""
    return tmp_path / "r.sqlite3"


@pytest.fixture(name="run")
def fixture_run(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a module in this process."""
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{path}")
    return lambda module, **options: run_main(capsys, module, **options)


@pytest.fixture(autouse=True)
def fixture_wrong_password(run: Run, eem: Simulator, path: Path) -> None:
    """The EEM is registered as rack1, and has another password than the stored one."""
    assert run("podm", **way(eem))["changed"]
    store(path, password=encrypted(path, "a former one"))
    eem.reset_log()


def way(eem: Simulator) -> Result:
    return {"name": "rack1", "url": eem.url, "username": eem.username, "password": eem.password, "retries": 2}


def stored(path: Path) -> PodManager:
    registry = SqliteRegistry(str(path))
    found = registry.get(PodManager, RACK1)
    registry.close()
    assert found
    return found


def store(path: Path, **values: t.Any) -> None:
    """Change the document of the pod manager, as another run may do."""
    registry = SqliteRegistry(str(path))
    registry.commit([put(stored(path)._replace(**values))])
    registry.close()


def encrypted(path: Path, password: str) -> str:
    return Secrets(f"{path}.key", make=False).encrypt(password)


def aged(path: Path, seconds: float) -> None:
    """Have the refusal be older by this many seconds."""
    at = datetime.strptime(t.cast(str, stored(path).refused_at), TIME_FORMAT)
    store(path, refused_at=iso_seconds(at - timedelta(seconds=seconds)))


def asked(eem: Simulator) -> list[int]:
    """The statuses of the requests since the last call."""
    found = [entry["status"] for entry in eem.log()]
    eem.reset_log()
    return found


def test_refused_credentials_are_sent_once_in_fifteen_minutes(run: Run, eem: Simulator, path: Path) -> None:
    first = run("sync", wait_after_refusal=WAIT)
    assert first["changed"] and asked(eem) == [401]
    for _time in range(3):
        again = run("sync", wait_after_refusal=WAIT)
        assert asked(eem) == [] and not again["changed"]
    podm = again["podms"][0]
    at = t.cast(str, stored(path).refused_at)
    retry_at = iso_seconds(datetime.strptime(at, TIME_FORMAT) + timedelta(seconds=WAIT))
    assert podm["status"] == "Offline" and podm["unchanged"] == 12 and podm["retry_at"] == retry_at
    assert (
        podm["error"]
        == first["podms"][0]["error"]
        == (
            f"{eem.url}: EEM does not accept user 'admin' (HTTP 401 at {at}). The same credentials are not sent again before"
            f" {retry_at}. Correct them with expether_podm, or run expether_sync by hand to try them now."
        )
    )
    assert run("podm_info")["podms"][0]["last_error"] == podm["error"]
    aged(path, WAIT - 60)
    run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == []
    aged(path, 60)
    assert run("sync", wait_after_refusal=WAIT)["podms"][0]["status"] == "Offline"
    assert asked(eem) == [401]
    run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == []


def test_a_run_by_hand_and_other_modules_send_them_at_once(run: Run, eem: Simulator) -> None:
    run("sync", wait_after_refusal=WAIT)
    asked(eem)
    by_hand = run("sync")
    assert asked(eem) == [401]
    assert "Check `username` and `password`." in by_hand["podms"][0]["error"]
    assert by_hand["podms"][0]["retry_at"] is None
    assert run("system_info", podm="rack1")["failure"]["kind"] == "unauthorized"
    assert asked(eem) == [401]


def test_what_a_run_by_hand_sent_in_vain_the_periodic_one_does_not_send_again(run: Run, eem: Simulator) -> None:
    assert run("sync")["podms"][0]["retry_at"] is None and asked(eem) == [401]
    waiting = run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == [] and not waiting["changed"]
    assert waiting["podms"][0]["retry_at"] and "not sent again before" in waiting["podms"][0]["error"]


def test_the_same_password_with_another_key_and_in_a_copy_is_not_sent_again(
    run: Run, eem: Simulator, path: Path
) -> None:
    run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == [401]
    key, before = Path(f"{path}.key"), stored(path).password
    key.write_bytes(Fernet.generate_key() + b"\n" + key.read_bytes())
    assert run("registry", reencrypt=True)["reencrypted"] == ["rack1"] and stored(path).password != before
    copy = f"{path}.copy"
    assert run("registry", copy_from=str(path), registry=copy)["changed"]
    for registry in (str(path), copy):
        waiting = run("sync", wait_after_refusal=WAIT, registry=registry)
        assert asked(eem) == [] and "not sent again before" in waiting["podms"][0]["error"]


def test_another_password_is_sent_at_once_and_the_refusal_forgotten(run: Run, eem: Simulator, path: Path) -> None:
    run("sync", wait_after_refusal=WAIT)
    assert run("podm", **way(eem) | {"password": "wrong too"})["failure"]["kind"] == "unauthorized"
    assert stored(path).refused_at, "that one was not stored"
    assert run("podm", **way(eem))["changed"]
    assert (stored(path).refused_at, stored(path).refused_credentials, stored(path).status) == (None, None, "Online")
    asked(eem)
    result = run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == [200] and result["podms"][0]["status"] == "Online"


@pytest.mark.parametrize("change", ["username", "password", "url"])
def test_credentials_that_another_run_stored_are_sent_at_once(
    run: Run, eem: Simulator, path: Path, change: str
) -> None:
    run("sync", wait_after_refusal=WAIT)
    asked(eem)
    another = {
        "username": "another",
        "password": encrypted(path, "wrong too"),
        "url": eem.url.replace("127.0.0.1", "localhost"),
    }
    store(path, **{change: another[change]})
    run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == [401]
    run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == []


def test_another_client_certificate_is_sent_at_once(run: Run, eem: Simulator, path: Path, tmp_path: Path) -> None:
    """Not if only its path is another one, as in each job of AWX. Over HTTP no certificate is used, but it counts."""
    expected = [("a", "x", [401]), ("a", "x", []), ("b", "x", []), ("b", "y", [401]), ("c", "y", [])]
    for name, content, sent in expected:
        (tmp_path / name).write_text(content, encoding="ascii")
        run("sync", wait_after_refusal=WAIT, client_cert=str(tmp_path / name))
        assert asked(eem) == sent, (name, content)


def test_only_401_to_credentials_is_a_refused_password(run: Run, eem: Simulator, path: Path) -> None:
    for status in (403, 500):
        eem.fault("status", status=status)
        run("sync", wait_after_refusal=WAIT)
        assert stored(path).refused_at is None, status
    store(path, username=None, password=None)
    asked(eem)
    for _time in range(2):
        run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == [401, 401] and stored(path).refused_at is None


def test_an_eem_that_fails_in_between_does_not_make_the_credentials_right(run: Run, eem: Simulator, path: Path) -> None:
    run("sync", wait_after_refusal=WAIT)
    eem.fault("status", status=500)
    run("sync")
    asked(eem)
    run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == [] and stored(path).refused_at


def test_the_stored_mark_says_nothing_about_the_password(run: Run, path: Path) -> None:
    """The same password, stored again, has another mark: nobody can find it by trying passwords."""
    marks = set()
    for _time in range(2):
        store(path, password=encrypted(path, "the same"))
        run("sync")
        marks.add(stored(path).refused_credentials)
    assert len(marks) == 2


def test_check_mode_asks_no_more_often_and_stores_nothing(run: Run, eem: Simulator, path: Path) -> None:
    run("sync", wait_after_refusal=WAIT, _ansible_check_mode=True)
    assert asked(eem) == [401] and stored(path).refused_at is None
    run("sync", wait_after_refusal=WAIT)
    asked(eem)
    checked = run("sync", wait_after_refusal=WAIT, _ansible_check_mode=True)
    assert asked(eem) == [] and checked["podms"][0]["retry_at"]


def test_a_conflict_in_the_registry_does_not_send_them_again(
    run: Run, eem: Simulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_context, "open_registry", lambda url: Meddled(sqlite_path(url)))

    def describe(other: SqliteRegistry, _changes: t.Sequence[Change]) -> None:
        podm = other.get(PodManager, RACK1)
        assert podm
        other.commit([put(podm._replace(description="another"))])

    Meddled.begin(1, describe)
    result = run("sync")
    assert Meddled.conflicts == 1 and asked(eem) == [401]
    assert result["podms"][0]["status"] == "Offline"
    assert stored(path).refused_at and stored(path).description == "another"


def test_a_refusal_from_the_future_does_not_keep_credentials_back(run: Run, eem: Simulator, path: Path) -> None:
    run("sync", wait_after_refusal=WAIT)
    aged(path, -10 * WAIT)
    asked(eem)
    run("sync", wait_after_refusal=WAIT)
    assert asked(eem) == [401]


def test_the_text_file_tells_whose_credentials_were_refused(run: Run, eem: Simulator, tmp_path: Path) -> None:
    def refused() -> list[str]:
        assert not run("sync", textfile_dir=str(tmp_path)).get("failed")
        text = (tmp_path / "expether.prom").read_text(encoding="utf-8")
        return [line for line in text.splitlines() if line.startswith("expether_podm_credentials_refused{")]

    assert refused() == ['expether_podm_credentials_refused{podm="rack1"} 1.0']
    run("podm", **way(eem))
    assert refused() == ['expether_podm_credentials_refused{podm="rack1"} 0.0']


@pytest.mark.parametrize("wait", [-1, 86401])
def test_an_impossible_time_is_refused(run: Run, eem: Simulator, wait: int) -> None:
    asked(eem)
    result = run("sync", wait_after_refusal=wait)
    assert result["msg"].startswith(f"`wait_after_refusal` must be from 0 to 86400 seconds, not {wait}.")
    assert asked(eem) == []
