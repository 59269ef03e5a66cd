# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in folders that belong to somebody else, who puts links there at the worst moment.

The other side is a real process of an unprivileged user. It has the folder open and is in it before the folder is taken.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from playbooks import ON_LOCALHOST, SAME_PYTHON

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changing owners needs root")

ROOT = Path(__file__).resolve().parents[3]
HELPER = ROOT / "roles" / "sync" / "files" / "folders.py"
#: Users and groups without an account.
USER, OTHER = 64123, 64124
NAMES = (*(f"registry.sqlite3{end}" for end in ("", "-wal", "-shm", ".key", ".locks")),)
ATTEMPTS = 1000

#: Its Python need not be one that others may run.
BECOME = f"""
import os
os.setgroups([])
os.setgid({USER})
os.setuid({USER})
"""
#: Replaces NAME in FOLDER by links to SECRET and to its folder, by a FIFO, and by a file, as fast as it can.
SWAP_FILES = """
import os, sys
folder, name, secret = sys.argv[1:]
os.chdir(folder)
here = os.open(".", os.O_RDONLY)
print("ready", flush=True)
# What is there already may be a FIFO, for whose reader it would wait.
def regular(draft): os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=here))
def symbolic(draft): os.symlink(secret, draft, dir_fd=here)
def folder_link(draft): os.symlink(os.path.dirname(secret), draft, dir_fd=here)
def hard(draft): os.link(secret, draft, dst_dir_fd=here)
def fifo(draft): os.mkfifo(draft, dir_fd=here)
turn = 0
while True:
    turn += 1
    make = (regular, symbolic, regular, hard, regular, fifo, regular, folder_link)[turn % 8]
    try:
        make("draft")
        os.rename("draft", name, src_dir_fd=here, dst_dir_fd=here)
    except OSError:
        try:
            os.unlink("draft", dir_fd=here)
        except OSError:
            pass
"""
#: Replaces NAME in FOLDER, which is itself a folder, by a link to another one.
SWAP_FOLDERS = """
import os, sys
folder, name, secret = sys.argv[1:]
os.chdir(folder)
os.symlink(os.path.dirname(secret), "link")
print("ready", flush=True)
for turn in range(1, 10**9):
    # A link instead of the folder for a while, then the folder or a new one. Root may have changed something in between.
    for act in (lambda: os.rename(name, "kept%d" % turn), lambda: os.rename("link", name), lambda: os.stat("."),
                lambda: os.rename(name, "link"), lambda: os.rename("kept%d" % (turn - turn % 3), name), lambda: os.mkdir(name)):
        try:
            act()
        except OSError:
            pass
        for wait in range(2000):
            pass
"""


@pytest.fixture(name="folders")
def fixture_folders() -> t.Any:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("folders", HELPER)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="place")
def fixture_place() -> Iterator[Path]:
    """A folder of root's that others can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="nec-expether-", dir="/var/tmp"))  # noqa: S108
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(name="secret")
def fixture_secret(place: Path) -> Path:
    """What nobody but root may have, in a folder that others can enter."""
    outside = place / "outside"
    outside.mkdir()
    outside.chmod(0o711)
    for name in ("secret", "expether.prom", *NAMES):
        (outside / name).write_text("root's", encoding="utf-8")
        (outside / name).chmod(0o600)
    return outside / "secret"


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Of a folder and all that is in it: owner, mode, time of the last change, and content."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *folder.iterdir()):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[path.name] = (status.st_uid, status.st_gid, stat.filemode(status.st_mode), status.st_ctime_ns, content)
    return found


def own(path: Path, uid: int, mode: int, gid: int | None = None) -> Path:
    path.chmod(mode)
    os.chown(path, uid, uid if gid is None else gid)
    return path


def folder_of(place: Path, uid: int, name: str = "registry") -> Path:
    """A folder with a registry and its key, all of them of that user."""
    folder = place / name
    folder.mkdir()
    for file in NAMES:
        (folder / file).touch()
        own(folder / file, uid, 0o600)
    return own(folder, uid, 0o700)


def helper(action: str, folder: Path, *arguments: object, check: bool = False) -> tuple[int, dict[str, t.Any]]:
    """Run the program as the role does."""
    options = ["--check"] if check else []
    command = [sys.executable, str(HELPER), *options, action, str(folder), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def tries(folders: t.Any, action: t.Callable[..., bool], *arguments: object) -> bool:
    """Do the same in a fork of this process, so that a thousand attempts are quick. Return whether it was not refused."""
    child = os.fork()
    if not child:
        try:
            action(*arguments, check=False)
        except (folders.Refused, OSError):
            os._exit(1)
        except BaseException:  # noqa: BLE001  # the fork must not go on with the tests
            os._exit(2)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 1)
    return status == 0


def attempts(done: dict[bool, int]) -> Iterator[int]:
    """Give ATTEMPTS numbers, and more on a machine on which the two rarely met so far."""
    for number in range(20 * ATTEMPTS):
        if number >= ATTEMPTS and all(done.values()):
            return
        yield number


def owners(folder: Path) -> set[tuple[int, int]]:
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in (folder, *folder.iterdir())}


@contextmanager
def somebody(script: str, folder: Path, name: str, secret: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An unprivileged user who runs the script until the test is over."""
    command = [sys.executable, "-I", "-S", "-c", BECOME + script, str(folder), name, str(secret)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield process
        assert process.poll() is None, "the other side gave up"
    finally:
        process.kill()
        process.communicate()


def test_a_user_who_swaps_files_for_links_leads_root_nowhere(folders: t.Any, place: Path, secret: Path) -> None:
    folder, before = folder_of(place, USER), state(secret.parent)
    done = dict.fromkeys((True, False), 0)
    with somebody(SWAP_FILES, folder, NAMES[2], secret):
        for _number in attempts(done):
            taken = tries(folders, folders.take, str(folder), USER, [*NAMES])
            done[taken] += 1
            assert folder.stat().st_uid == (0 if taken else USER)
            if taken:
                assert owners(folder) <= {(0, 0), (USER, USER)}
                assert tries(folders, folders.give, str(folder), USER, USER, [*NAMES])
    assert state(secret.parent) == before
    # It was a race: root went ahead, and root met what was not to be changed.
    assert all(done.values()), done


def test_a_user_who_swaps_files_while_another_gets_the_folder_leads_root_nowhere(
    folders: t.Any, place: Path, secret: Path
) -> None:
    folder, before = folder_of(place, USER), state(secret.parent)
    done = dict.fromkeys((True, False), 0)
    with somebody(SWAP_FILES, folder, NAMES[0], secret):
        for _number in attempts(done):
            given = tries(folders, folders.give, str(folder), OTHER, OTHER, [*NAMES])
            done[given] += 1
            assert folder.stat().st_uid == (OTHER if given else USER)
            if given:
                assert tries(folders, folders.give, str(folder), USER, USER, [*NAMES])
    assert state(secret.parent) == before
    assert all(done.values()), done


def test_a_user_who_swaps_the_folder_of_the_metrics_leads_root_nowhere(
    folders: t.Any, place: Path, secret: Path
) -> None:
    parent = place / "prometheus"
    parent.mkdir()
    (parent / "metrics").mkdir()
    own(parent, USER, 0o755)
    path, before = str(parent / "metrics"), state(secret.parent)
    done = dict.fromkeys((True, False), 0)
    with somebody(SWAP_FOLDERS, parent, "metrics", secret):
        for _number in attempts(done):
            done[tries(folders, folders.let_write, path, OTHER, OTHER)] += 1
            done[tries(folders, folders.clear, path, OTHER, OTHER, "expether.prom")] += 1
    assert state(secret.parent) == before
    assert all(done.values()), done


def test_the_same_user_does_lead_root_elsewhere_who_changes_owners_by_path(place: Path, secret: Path) -> None:
    """Else the race above would prove nothing."""
    folder, end = folder_of(place, USER), time.monotonic() + 60
    file = folder / NAMES[2]
    with somebody(SWAP_FILES, folder, file.name, secret):
        while secret.stat().st_uid == 0 and time.monotonic() < end:
            if file.exists() and not file.is_symlink():
                os.chown(file, USER, USER)
    assert secret.stat().st_uid == USER


def test_the_tasks_of_the_role_are_led_nowhere(place: Path, secret: Path) -> None:
    """The tasks themselves, with what they are included with; without a systemd there are no units."""
    folder, before = folder_of(place, USER), state(secret.parent)
    tasks: list[dict[str, t.Any]] = [
        {"ansible.builtin.set_fact": {"expether_sync_there": {"results": []}}},
        {"ansible.builtin.script": str(HELPER.parent / "find_python.sh"), "register": "expether_sync_python_found"},
    ]
    for _number in range(5):
        for name in ("registry", "folders"):
            role = {"ansible.builtin.include_role": {"name": "nec.expether.sync", "tasks_from": name}}
            variables: dict[str, t.Any] = {
                "expether_sync_registry": f"sqlite:///{folder}/{NAMES[0]}",
                "expether_sync_uid": USER,
                "expether_sync_gid": USER,
            }
            if name == "folders":
                variables["expether_sync_actions"] = "{{ expether_sync_take }}"
            rescue = [
                {
                    "ansible.builtin.assert": {
                        "that": "ansible_failed_result | to_json is search('Remove it|Run the role again')"
                    }
                }
            ]
            tasks.append({"block": [{**role, "vars": variables}], "rescue": rescue})
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    playbook = place / "play.json"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    command = [*ON_LOCALHOST, str(playbook)]
    with somebody(SWAP_FILES, folder, NAMES[2], secret):
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout
    assert "changed: [localhost]" in done.stdout
    assert state(secret.parent) == before


def test_a_task_in_check_mode_changes_nothing_and_says_what_it_would(place: Path) -> None:
    """The play is not in check mode, and `ansible_check_mode` is false."""
    folder = folder_of(place, USER)
    before = state(folder)
    variables = {
        "expether_sync_actions": [f"take {folder} {USER} {NAMES[0]}", f"give {place}/new {USER} {USER} {NAMES[0]}"]
    }
    role = {"name": "nec.expether.sync", "tasks_from": "folders", "apply": {"check_mode": True}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.script": str(HELPER.parent / "find_python.sh"), "register": "expether_sync_python_found"},
            {"ansible.builtin.command": "true", "check_mode": True, "register": "expether_sync_probe"},
            {"ansible.builtin.include_role": role, "vars": variables},
        ],
    }
    playbook = place / "play.json"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    command = [*ON_LOCALHOST, SAME_PYTHON, str(playbook)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout
    assert f"changed: [localhost] => (item=take {folder} " in done.stdout
    assert state(folder) == before
    assert not (place / "new").exists()


@pytest.mark.parametrize("what", ["symbolic link", "link to a folder", "hard link", "FIFO", "folder", "file of root's"])
def test_what_is_not_the_users_own_file_is_refused_and_nothing_was_changed(
    place: Path, secret: Path, what: str
) -> None:
    folder = folder_of(place, USER)
    file = folder / NAMES[2]
    file.unlink()
    make: dict[str, t.Callable[[], object]] = {
        "symbolic link": lambda: file.symlink_to(secret),
        "link to a folder": lambda: file.symlink_to(secret.parent),
        "hard link": lambda: file.hardlink_to(secret),
        "FIFO": lambda: os.mkfifo(file),
        "folder": file.mkdir,
        # As a hard link is whose other name was removed.
        "file of root's": file.touch,
    }
    make[what]()
    before, inside = state(secret.parent), state(folder)
    times = {name: value[3] for name, value in inside.items()}
    for arguments in (
        ("take", folder, USER, *NAMES),
        ("give", folder, USER, USER, *NAMES),
        ("give", folder, OTHER, OTHER, *NAMES),
    ):
        for check in (True, False):
            status, answer = helper(*arguments, check=check)  # type: ignore[arg-type]
            assert status == 1
            assert f"{file} " in answer["message"]
            assert "Remove it" in answer["message"]
    assert state(secret.parent) == before
    after = {
        name: (*value[:3], times[name] if name == folder.name else value[3], value[4])
        for name, value in state(folder).items()
    }
    assert after == inside


def test_a_folder_changes_hands_with_its_files_and_back(place: Path) -> None:
    folder = folder_of(place, 0)
    (folder / "else").touch()
    folder.chmod(0o755)
    assert helper("give", folder, USER, USER, *NAMES, check=True) == (0, {"changed": True})
    assert owners(folder) == {(0, 0)}
    assert helper("give", folder, USER, USER, *NAMES) == (0, {"changed": True})
    assert {path.name for path in folder.iterdir() if path.stat().st_uid == 0} == {"else"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert helper("give", folder, USER, USER, *NAMES) == (0, {"changed": False})
    assert helper("give", folder, OTHER, OTHER, *NAMES) == (0, {"changed": True})
    assert helper("take", folder, USER, *NAMES) == (0, {"changed": False})
    assert helper("take", folder, OTHER, *NAMES) == (0, {"changed": True})
    assert owners(folder) == {(0, 0)}
    assert helper("take", folder, OTHER, *NAMES) == (0, {"changed": False})


def test_a_missing_folder_is_made_and_those_above_it_are_roots(place: Path) -> None:
    folder = place / "made" / "registry"
    assert helper("take", folder, USER, *NAMES) == (0, {"changed": False})
    assert helper("give", folder, USER, USER, *NAMES, check=True) == (0, {"changed": True})
    assert not folder.parent.exists()
    assert helper("give", folder, USER, USER, *NAMES) == (0, {"changed": True})
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (USER, 0o700)
    assert (folder.parent.stat().st_uid, stat.S_IMODE(folder.parent.stat().st_mode)) == (0, 0o755)
    # The key may be in a folder of its own in there.
    assert helper("give", folder / "key", USER, USER, *NAMES) == (0, {"changed": True})
    assert (folder / "key").stat().st_uid == USER


@pytest.mark.parametrize(("uid", "mode"), [(OTHER, 0o755), (0, 0o777), (0, 0o775)])
def test_a_folder_below_one_that_others_can_change_is_refused(place: Path, uid: int, mode: int) -> None:
    parent = place / "parent"
    parent.mkdir()
    folder = folder_of(parent, 0)
    own(parent, uid, mode, OTHER)
    for arguments in (("verify", folder), ("give", folder, USER, USER, *NAMES), ("take", folder, USER, *NAMES)):
        status, answer = helper(*arguments)  # type: ignore[arg-type]
        assert status == 1
        assert "Choose a place where root owns all parent folders." in answer["message"]
    assert owners(folder) == {(0, 0)}


def test_a_folder_of_others_is_no_place_for_the_virtual_environment(place: Path) -> None:
    assert helper("verify", place / "venv") == (0, {"changed": False})
    folder = folder_of(place, 0)
    assert helper("verify", folder) == (0, {"changed": False})
    own(folder, USER, 0o755)
    status, answer = helper("verify", folder)
    assert status == 1
    assert "root would run its content" in answer["message"]


def test_a_link_is_followed_where_only_root_can_have_made_it(place: Path) -> None:
    folder = folder_of(place, 0)
    (place / "link").symlink_to("registry")
    assert helper("give", place / "link", USER, USER, *NAMES) == (0, {"changed": True})
    assert owners(folder) == {(USER, USER)}
    theirs = place / "theirs"
    theirs.mkdir()
    (theirs / "link").symlink_to(place / "outside")
    (place / "outside").mkdir()
    own(theirs, USER, 0o755)
    for arguments in (
        ("open", theirs / "link", OTHER, OTHER),
        ("clear", theirs / "link", OTHER, OTHER, "expether.prom"),
    ):
        status, answer = helper(*arguments)  # type: ignore[arg-type]
        assert status == 1
        assert "symbolic link" in answer["message"]
    assert (place / "outside").stat().st_gid == 0


def test_the_metrics_get_a_folder_and_leave_it_as_it_was(place: Path) -> None:
    made, roots, theirs = place / "made", place / "roots", place / "theirs"
    for folder in (roots, theirs):
        folder.mkdir()
    roots.chmod(0o755)
    own(theirs, OTHER, 0o755)
    before = state(theirs)
    assert helper("clear", made, USER, USER, "expether.prom") == (0, {"changed": False})
    for folder, changed in ((made, True), (roots, True), (theirs, False)):
        assert helper("open", folder, USER, USER, check=True) == (0, {"changed": changed})
        assert helper("open", folder, USER, USER) == (0, {"changed": changed})
        assert helper("open", folder, USER, USER) == (0, {"changed": False})
    assert (made.stat().st_uid, stat.S_IMODE(made.stat().st_mode)) == (USER, 0o755)
    assert (roots.stat().st_uid, roots.stat().st_gid, stat.S_IMODE(roots.stat().st_mode)) == (0, USER, 0o775)
    for folder in (made, roots):
        (folder / "expether.prom").touch()
        assert helper("clear", folder, USER, USER, "expether.prom", check=True) == (0, {"changed": True})
        assert (folder / "expether.prom").exists()
        assert helper("clear", folder, USER, USER, "expether.prom") == (0, {"changed": True})
        assert helper("clear", folder, USER, USER, "expether.prom") == (0, {"changed": False})
    assert helper("clear", theirs, USER, USER, "expether.prom") == (0, {"changed": False})
    assert not made.exists()
    assert (roots.stat().st_gid, stat.S_IMODE(roots.stat().st_mode)) == (0, 0o755)
    assert state(theirs) == before


def test_a_folder_of_metrics_with_something_else_in_it_stays(place: Path) -> None:
    folder = place / "metrics"
    folder.mkdir()
    for name in ("expether.prom", "else.prom"):
        (folder / name).touch()
    own(folder, USER, 0o755)
    assert helper("clear", folder, USER, USER, "expether.prom") == (0, {"changed": True})
    assert [path.name for path in folder.iterdir()] == ["else.prom"]


def test_who_is_not_root_is_told_so() -> None:
    program = HELPER.read_text(encoding="utf-8").replace("from __future__", "#")  # must be first in a program
    early = "import argparse, gettext, json, locale, shutil"  # while this Python's files can still be read
    command = [sys.executable, "-I", "-c", f"{early}\n{BECOME}\n{program}", "verify", "/opt"]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)) == (
        1,
        {"message": "The role must change the host as root. Set become: true."},
    )
