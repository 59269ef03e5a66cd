# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry on SQLite, and the key of its passwords."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry import store as _registry
from ansible_collections.nec.expether.plugins.module_utils._registry.location import (
    default_url,
    key_path,
    open_registry,
    sqlite_path,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.records import RegisteredUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    RegistryError,
    put,
)


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_file_is_for_its_owner_only_and_so_is_a_folder_made_for_it(registry: SqliteRegistry) -> None:
    old = os.umask(0)
    try:
        registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    finally:
        os.umask(old)
    assert _mode(os.path.dirname(registry.path)) == 0o700
    for entry in Path(registry.path).parent.iterdir():
        assert _mode(entry) == 0o600, entry


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    registry = open_registry(str(tmp_path / "there" / "r.sqlite3"))
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    registry.close()
    assert _mode(tmp_path / "there") == 0o755


def test_a_killed_writer_leaves_a_registry_that_can_be_used(tmp_path: Path) -> None:
    path = str(tmp_path / "r.sqlite3")
    open_registry(path).commit([put(RegisteredUrl("a", NEVER, "1"))])
    script = (
        "import os, sqlite3, sys, signal\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "c.execute(\"UPDATE documents SET body = '{}'\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -9
    registry = open_registry(path)
    found = registry.get(RegisteredUrl, "a")
    assert found and found.podm_id == "1"
    registry.commit([put(found._replace(podm_id="2"))])
    registry.close()


def _damage(path: Path, how: str) -> None:
    registry = open_registry(str(path))
    registry.commit([put(RegisteredUrl(str(n), NEVER, "x" * 500)) for n in range(50)])
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
        path.chmod(0o600)
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
    with pytest.raises(RegistryError, match="is damaged or was not created by this collection"):
        registry.all(RegisteredUrl)
    registry.close()
    assert path.read_bytes() == before


def test_a_registry_of_a_newer_version_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = str(tmp_path / "r.sqlite3")
    open_registry(path).commit([put(RegisteredUrl("a", NEVER, ""))])
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {_registry.SCHEMA + 1}")
    for use in (
        lambda found: found.all(RegisteredUrl),
        lambda found: found.commit([put(RegisteredUrl("b", NEVER, ""))]),
    ):
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
    with pytest.raises(RegistryError, match="cannot be (opened|written|used)"):
        open_registry(str(paths[place])).commit([put(RegisteredUrl("a", NEVER, ""))])


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/lib/x.sqlite3", "/var/lib/x.sqlite3"),
        ("sqlite:////var/lib/x.sqlite3", "/var/lib/x.sqlite3"),
        ("sqlite:///~/x", "/home/someone/x"),
        ("sqlite:////~/x", "/home/someone/x"),
        ("~/x", "/home/someone/x"),
        ("sqlite:///$HOME/x", "/home/someone/x"),
        ("sqlite:////${HOME}/x", "/home/someone/x"),
        ("sqlite:///$PLACE/x", "/place/x"),
        ("$HOME/x", "/home/someone/x"),
        ("/srv/$PLACE/x", "/srv/place/x"),
        ("sqlite:///srv/a/../b/x", "/srv/b/x"),
        ("/a/b?c#d%", "/a/b?c#d%"),
    ],
)
def test_the_forms_of_a_registrys_url(url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("PLACE", "place")
    assert sqlite_path(url) == path
    if "://" not in url:
        assert key_path(None, url) == path


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("x", "is relative"),
        ("./x", "is relative"),
        ("$PLACE/x", "is relative"),
        ("sqlite:///./x", "is relative"),
        ("sqlite:///../x", "is relative"),
        ("sqlite:////./x", "is relative"),
        ("~nobody-of-that-name/x", "cannot be expanded"),
        ("sqlite:///~nobody-of-that-name/x", "cannot be expanded"),
        ("/a/~/x", "cannot be expanded"),
        ("$NO_SUCH_VARIABLE/x", "cannot be expanded"),
        ("sqlite:///$NO_SUCH_VARIABLE/x", "cannot be expanded"),
        ("sqlite:////srv/${NO_SUCH_VARIABLE}/x", "cannot be expanded"),
    ],
)
def test_a_relative_path_or_one_that_cannot_be_expanded_is_refused(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLACE", "place")
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    with pytest.raises(RegistryError, match=said):
        open_registry(url)
    if "://" not in url:
        with pytest.raises(RegistryError, match=f"registry_key_file.* {said}"):
            key_path(None, url)
    assert list(tmp_path.iterdir()) == []


def test_a_user_without_a_home_must_name_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.delenv("HOME", raising=False)
    for state in (None, "relative", ""):
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        if state is not None:
            monkeypatch.setenv("XDG_STATE_HOME", state)
        with pytest.raises(RegistryError, match="EXPETHER_REGISTRY"):
            open_registry(None)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/db", "sqlite://", "sqlite:///", "sqlite://host/x", "http://x/y"])
def test_a_url_of_something_else_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(RegistryError, match="sqlite:///PATH") as caught:
        open_registry(url)
    assert "secret" not in caught.value.message


def test_a_path_with_signs_of_urls_in_it_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%41"
    open_registry(str(path)).commit([put(RegisteredUrl("a", NEVER, ""))])
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
    for name, said in (("gone", "does not exist"), ("two", "is not the one"), ("broken", "is not a key file")):
        with pytest.raises(RegistryError, match=said):
            Secrets(str(tmp_path / name), make=True).decrypt(token)
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
def test_a_key_or_registry_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path, key = tmp_path / "r.sqlite3", tmp_path / "k"
    registry = open_registry(str(path))
    registry.commit([put(RegisteredUrl("a", NEVER, ""))])
    token = Secrets(str(key), make=True).encrypt("x")
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), key):
        file.chmod(mode)
        with pytest.raises(RegistryError, match=rf"\(chmod 600 {file}\)\.$"):
            if file == key:
                Secrets(str(key), make=True).decrypt(token)
            else:
                open_registry(str(path)).all(RegisteredUrl)
        file.chmod(0o600)
    assert Secrets(str(key), make=True).decrypt(token) == "x"
    registry.close()


def _put(kind: str, path: Path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "named pipe":
        os.mkfifo(path, 0o600)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/null")


@pytest.mark.parametrize("kind", ["folder", "named pipe", "socket", "device"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path, other, key = tmp_path / "r", tmp_path / "other", tmp_path / "k"
    open_registry(str(other)).commit([put(RegisteredUrl("a", NEVER, ""))])
    journal = Path(f"{other}-journal")
    for place in (path, key, journal):
        _put(kind, place)
    for make in (True, False):
        with pytest.raises(RegistryError, match=f"{key} is a {kind}, not a regular file"):
            Secrets(str(key), make=make).encrypt("x")
    with pytest.raises(RegistryError, match=f"{key} is a {kind}, not a regular file"):
        Secrets(str(key), make=True).decrypt("x")
    expected = kind if kind != "device" else "symbolic link"  # SQLite makes no links
    for place, said in ((path, f"{path} is a {kind}"), (other, f"{journal} is a {expected}")):
        with pytest.raises(RegistryError, match=f"{said}, not a regular file"):
            open_registry(str(place)).all(RegisteredUrl)
        with pytest.raises(RegistryError, match=f"{said}, not a regular file"):
            open_registry(str(place)).commit([put(RegisteredUrl("b", NEVER, ""))])


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_hard_links_has_complete_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Eight at once, none of which sees a half-made file or another key."""

    def no_links(_source: str, target: str) -> None:
        raise OSError(number, os.strerror(number), target)

    monkeypatch.setattr(os, "link", no_links)
    path, key = str(tmp_path / "new" / "r.sqlite3"), str(tmp_path / "new" / "k")
    start, ends, tokens = threading.Barrier(8), [], []

    def work(place: int) -> None:
        start.wait()
        registry = open_registry(path)
        ends.append(registry.commit([put(RegisteredUrl(str(place), NEVER, ""))]))
        registry.close()
        tokens.append(Secrets(key, make=True).encrypt("x"))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [Secrets(key, make=False).decrypt(token) for token in tokens] == ["x"] * 8
    registry = open_registry(path)
    assert [found.uuid for found in registry.all(RegisteredUrl)] == list("01234567")
    registry.close()
    assert sorted(entry.name for entry in (tmp_path / "new").iterdir()) == ["k", "r.sqlite3"]
