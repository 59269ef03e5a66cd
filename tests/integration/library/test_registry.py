# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry on SQLite, and the key of its passwords."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils import _registry
from ansible_collections.nec.expether.plugins.module_utils._registry import (
    NEVER,
    Change,
    RegistryConflict,
    RegistryError,
    default_url,
    key_path,
    open_registry,
    sqlite_path,
)
from ansible_collections.nec.expether.plugins.module_utils._registry_sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._secrets import Secrets


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_registry_that_is_not_there_is_empty_and_reading_does_not_make_it(registry: SqliteRegistry) -> None:
    assert registry.all("urls") == []
    assert registry.get("urls", "x") is None
    assert not os.path.exists(os.path.dirname(registry.path))


def test_what_was_committed_is_read_by_another(registry: SqliteRegistry) -> None:
    registry.commit([Change("urls", "b", {"podm_id": "ü"}, NEVER), Change("urls", "a", {"podm_id": [1, None]}, NEVER)])
    other = open_registry(registry.path)
    assert [(found.uuid, found.body) for found in other.all("urls")] == [("a", {"podm_id": [1, None]}), ("b", {"podm_id": "ü"})]
    assert other.all("flavors") == []
    other.close()


def test_the_file_is_for_its_owner_only_and_so_is_a_folder_made_for_it(registry: SqliteRegistry) -> None:
    old = os.umask(0)
    try:
        registry.commit([Change("urls", "a", {"podm_id": ""}, NEVER)])
    finally:
        os.umask(old)
    assert _mode(os.path.dirname(registry.path)) == 0o700
    for entry in Path(registry.path).parent.iterdir():
        assert _mode(entry) == 0o600, entry


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for other users")
def test_what_root_makes_in_a_users_folder_is_that_users(tmp_path: Path) -> None:
    user, group = 65534, 65533
    folder = tmp_path / "of-a-user"
    folder.mkdir(0o700)
    os.chown(folder, user, group)
    path = folder / "registry.sqlite3"
    registry = open_registry(str(path))
    registry.commit([Change("urls", "a", {"podm_id": ""}, NEVER)])
    Secrets(key_path(str(path), None), make=True).encrypt("password")
    assert {(entry.name, entry.stat().st_uid, entry.stat().st_gid) for entry in folder.iterdir()} == {
        (f"registry.sqlite3{end}", user, group) for end in ("", "-wal", "-shm", ".key")
    }
    registry.close()


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    registry = open_registry(str(tmp_path / "there" / "r.sqlite3"))
    registry.commit([Change("urls", "a", {"podm_id": ""}, NEVER)])
    registry.close()
    assert _mode(tmp_path / "there") == 0o755


def test_a_change_of_what_another_changed_meanwhile_is_a_conflict_and_nothing_is_written(
    registry: SqliteRegistry,
) -> None:
    registry.commit([Change("urls", "a", {"podm_id": 1}, NEVER)])
    found = registry.get("urls", "a")
    assert found
    registry.commit([Change("urls", "a", {"podm_id": 2}, found.revision)])
    with pytest.raises(RegistryConflict):
        registry.commit([Change("urls", "b", {"podm_id": ""}, NEVER), Change("urls", "a", {"podm_id": 3}, found.revision)])
    assert [(document.uuid, document.body) for document in registry.all("urls")] == [("a", {"podm_id": 2})]


@pytest.mark.parametrize("body", [{"podm_id": 1}, None])
def test_what_must_not_be_there_yet_is_a_conflict_if_it_is(registry: SqliteRegistry, body: dict[str, int] | None) -> None:
    registry.commit([Change("urls", "a", {"podm_id": ""}, NEVER)])
    with pytest.raises(RegistryConflict):
        registry.commit([Change("urls", "a", body, NEVER)])


def test_removing_what_another_removed_is_a_conflict(registry: SqliteRegistry) -> None:
    registry.commit([Change("urls", "a", {"podm_id": ""}, NEVER)])
    found = registry.get("urls", "a")
    assert found
    registry.commit([Change("urls", "a", None, found.revision)])
    with pytest.raises(RegistryConflict):
        registry.commit([Change("urls", "a", None, found.revision)])


def test_processes_that_count_together_lose_nothing(tmp_path: Path) -> None:
    """Eight at once, from before the file is there: each adds one 25 times by compare-and-swap."""
    path = str(tmp_path / "new" / "r.sqlite3")

    def count() -> None:
        registry = open_registry(path)
        for dummy in range(25):
            while True:
                found = registry.get("urls", "n")
                body = {"podm_id": (found.body["podm_id"] if found else 0) + 1}
                try:
                    registry.commit([Change("urls", "n", body, found.revision if found else NEVER)])
                    break
                except RegistryConflict:
                    continue
        registry.close()

    threads = [threading.Thread(target=count) for dummy in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry = open_registry(path)
    found = registry.get("urls", "n")
    assert found and found.body == {"podm_id": 200}
    registry.close()


def test_a_killed_writer_leaves_a_registry_that_can_be_used(tmp_path: Path) -> None:
    path = str(tmp_path / "r.sqlite3")
    open_registry(path).commit([Change("urls", "a", {"podm_id": 1}, NEVER)])
    script = (
        "import os, sqlite3, sys, signal\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "c.execute(\"UPDATE documents SET body = '{}'\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -9
    registry = open_registry(path)
    found = registry.get("urls", "a")
    assert found and found.body == {"podm_id": 1}
    registry.commit([Change("urls", "a", {"podm_id": 2}, found.revision)])
    registry.close()


def _damage(path: Path, how: str) -> None:
    registry = open_registry(str(path))
    registry.commit([Change("urls", str(n), {"podm_id": "x" * 500}, NEVER) for n in range(50)])
    registry.close()
    whole = path.read_bytes()
    if how == "garbage":
        path.write_bytes(b"no database at all" * 100)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "other":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (x)")
    elif how == "json":
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE documents SET body = '{broken'")
    elif how in ("keys", "list"):
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE documents SET body = ?", ("{}" if how == "keys" else "[]",))


@pytest.mark.parametrize("how", ["garbage", "empty", "half", "other", "json", "keys", "list"])
def test_a_damaged_registry_is_told_and_left_as_it_is(tmp_path: Path, how: str) -> None:
    path = tmp_path / "r.sqlite3"
    _damage(path, how)
    before = path.read_bytes()
    registry = open_registry(str(path))
    with pytest.raises(RegistryError, match="is damaged or none of this collection's"):
        registry.all("urls")
    registry.close()
    assert path.read_bytes() == before


def test_a_registry_of_a_newer_version_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = str(tmp_path / "r.sqlite3")
    open_registry(path).commit([Change("urls", "a", {"podm_id": ""}, NEVER)])
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {_registry.SCHEMA + 1}")
    for use in (lambda found: found.all("urls"), lambda found: found.commit([Change("urls", "b", {"podm_id": ""}, NEVER)])):
        with pytest.raises(RegistryError, match="newer version of this collection"):
            use(open_registry(path))


@pytest.mark.parametrize("place", ["folder", "below a file", "read-only file system"])
def test_a_registry_that_cannot_be_written_is_told(tmp_path: Path, place: str) -> None:
    paths = {
        "folder": tmp_path,
        "below a file": tmp_path / "file" / "r.sqlite3",
        "read-only file system": Path("/proc/r.sqlite3"),
    }
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="cannot be (opened|written)|is damaged"):
        open_registry(str(paths[place])).commit([Change("urls", "a", {"podm_id": ""}, NEVER)])


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/lib/x.sqlite3", "/var/lib/x.sqlite3"),
        ("sqlite:////var/lib/x.sqlite3", "/var/lib/x.sqlite3"),
        ("sqlite:///~/x", os.path.expanduser("~/x")),
        ("/a/b?c#d%", "/a/b?c#d%"),
    ],
)
def test_the_forms_of_a_registrys_url(url: str, path: str) -> None:
    assert sqlite_path(url) == path


@pytest.mark.parametrize("url", ["mysql://u:secret@h/db", "sqlite://", "sqlite:///", "sqlite://host/x", "http://x/y"])
def test_a_url_of_something_else_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(RegistryError, match="sqlite:///PATH") as caught:
        open_registry(url)
    assert "secret" not in caught.value.message


def test_a_path_with_signs_of_urls_in_it_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%41"
    open_registry(str(path)).commit([Change("urls", "a", {"podm_id": ""}, NEVER)])
    assert path.is_file()


def test_the_default_is_in_the_state_folder_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/someone/state")
    assert sqlite_path(default_url()) == "/home/someone/state/expether/registry.sqlite3"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert sqlite_path(default_url()) == "/home/someone/.local/state/expether/registry.sqlite3"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert sqlite_path(default_url()) == "/var/lib/expether/registry.sqlite3"


def test_a_password_is_encrypted_with_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = key_path(str(tmp_path / "d" / "r.sqlite3"), None)
    token = Secrets(path, make=True).encrypt("canary-word")
    assert _mode(path) == 0o600
    assert "canary-word" not in token
    assert Secrets(path, make=False).decrypt(token) == "canary-word"


def test_check_mode_makes_no_key(tmp_path: Path) -> None:
    Secrets(str(tmp_path / "k"), make=False).encrypt("x")
    assert not (tmp_path / "k").exists()


def test_a_lost_another_and_a_broken_key_are_told(tmp_path: Path) -> None:
    token = Secrets(str(tmp_path / "one"), make=True).encrypt("x")
    Secrets(str(tmp_path / "two"), make=True).encrypt("x")
    (tmp_path / "broken").write_text("no key")
    (tmp_path / "broken").chmod(0o600)
    for name, said in (("gone", "is gone"), ("two", "is not the one"), ("broken", "holds no key")):
        with pytest.raises(RegistryError, match=said):
            Secrets(str(tmp_path / name), make=True).decrypt(token)
    assert not (tmp_path / "gone").exists()


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k"
    token = Secrets(str(path), make=True).encrypt("x")
    path.chmod(0o644)
    with pytest.raises(RegistryError, match="chmod 600"):
        Secrets(str(path), make=True).decrypt(token)
