# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root works in folders of other users with their rights, and is not led out of them."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._registry.location import key_path, open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.owner_rights import (
    UnsafeFolder,
    owner_of,
    rights_of,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.records import RegisteredUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, RegistryError, put, put_anyway
from ansible_collections.nec.expether.plugins.module_utils._sync.textfile import Textfile
from eemsim.client import Simulator

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from forked import end_with, redirect
from link_swapper import Swapper

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root works in folders of other users")

USER = 65534
OTHER = 65533
ATTEMPTS = 400  # each of registry, key and text file
RUNS = 60  # of three modules each
NEW = [put(RegisteredUrl("a", NEVER, ""))]


@pytest.fixture(name="place")
def fixture_place() -> Iterator[Path]:
    """A folder that everybody can look into; pytest's are for root alone."""
    place = Path(tempfile.mkdtemp(prefix="expether-rights-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def make(folder: Path, uid: int = USER, mode: int = 0o700) -> Path:
    folder.mkdir(parents=True)
    os.chown(folder, uid, uid)
    folder.chmod(mode)
    return folder


def use_registry(folder: Path) -> None:
    registry = open_registry(str(folder / "registry.sqlite3"))
    try:
        registry.hold("a run")
        registry.commit([put_anyway(RegisteredUrl("a", NEVER, ""))])
        assert registry.all(RegisteredUrl)
    finally:
        registry.close()


def use_key(folder: Path) -> None:
    path = key_path(str(folder / "registry.sqlite3"), None)
    token = Secrets(path, make=True).encrypt("password")
    assert Secrets(path, make=False).decrypt(token) == "password"


def use_textfile(folder: Path) -> None:
    Textfile(str(folder)).write(open_registry("/nonexistent/registry"), [], 0.0)


def use_all(folder: Path) -> None:
    """Make and use a registry, a key and a text file."""
    for use in USES:
        use(folder)


USES = (use_registry, use_key, use_textfile)


def look(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all that a change of a folder would change."""
    found: dict[str, tuple[object, ...]] = {}
    for entry in [folder, *folder.iterdir()]:
        at = entry.lstat()
        content = hashlib.sha256(entry.read_bytes()).hexdigest() if stat.S_ISREG(at.st_mode) else ""
        found[entry.name] = (at.st_mode, at.st_uid, at.st_gid, at.st_size, at.st_mtime_ns, content)
    return found


class Attack:
    """A user's folder with somebody who swaps what is in it, and a folder of root's that must stay as it is.

    :ivar folder: the user's
    :ivar outside: root's
    """

    def __init__(self, place: Path) -> None:
        self.folder = make(make(place / "home") / "state")
        self.outside = place / "outside"
        self.outside.mkdir(0o755)
        use_all(self.outside)
        (self.outside / "text").write_text("root's", encoding="utf-8")
        (self.outside / "text").chmod(0o644)
        self.before = look(self.outside)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        swappers = [Swapper(USER, self.folder, self.outside, seed) for seed in range(1)]
        try:
            yield
        finally:
            swaps = [swapper.end() for swapper in swappers]
        assert min(swaps) > 10, swaps

    def check(self) -> None:
        assert look(self.outside) == self.before


@pytest.fixture(name="attack")
def fixture_attack(place: Path) -> Attack:
    return Attack(place)


def in_fork(work: Callable[[], object]) -> int:
    """Run in a process of its own; return its exit status: 0, or 1 for an error with a readable message."""
    pid = os.fork()
    if pid == 0:
        status = 71
        try:
            work()
            status = 0
        except ExpetherError:
            status = 1
        except BaseException:  # noqa: BLE001 - whatever it is must not go on in the fork
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_thousand_times_root_is_not_led_out_of_a_users_folder(attack: Attack) -> None:
    with attack.running():
        ends = Counter(
            (use.__name__, in_fork(partial(use, attack.folder))) for use in USES for dummy in range(ATTEMPTS)
        )
    attack.check()
    # Each was done in some of the attempts, and refused in others.
    assert set(ends) == {(use.__name__, status) for use in USES for status in (0, 1)}, ends


def test_modules_that_root_runs_are_not_led_out_of_a_users_folder(
    attack: Attack, eem: Simulator, tmp_path: Path
) -> None:
    registry = f"sqlite:///{attack.folder / 'registry.sqlite3'}"
    login = {"url": eem.url, "username": eem.username, "password": eem.password, "timeout": 20}
    calls = {
        "flavor": {"name": "small", "properties": {"pci_device": {"type": ["GPU"]}}},
        "podm": {"name": "rack1", **login},
        "sync": {"textfile_dir": str(attack.folder)},
    }
    mains = {
        name: importlib.import_module(f"ansible_collections.nec.expether.plugins.modules.expether_{name}").main
        for name in calls
    }
    ends: Counter[str] = Counter()
    with attack.running():
        for dummy in range(RUNS):
            for name, arguments in calls.items():
                pid = os.fork()
                if pid == 0:
                    redirect(tmp_path)
                    end_with(mains[name], {**arguments, "registry": registry})
                os.waitpid(pid, 0)
                report = json.loads((tmp_path / "out").read_text(encoding="utf-8"))
                kind = report.get("failure", {}).get("kind", "ok") if report.get("failed") else "ok"
                assert "exception" not in report, report
                ends[kind] += 1
    attack.check()
    assert set(ends) <= {"ok", "registry", "registry_conflict", "textfile", "invalid", "not_found"}, ends


def test_root_makes_the_locks_in_a_users_folder_as_that_user_and_uses_none_of_its_own(place: Path) -> None:
    folder = make(place / "state")
    file = folder / "registry.sqlite3.locks"
    registry, other = (open_registry(str(folder / "registry.sqlite3")) for dummy in range(2))
    held = registry.hold("a")
    assert held and file.stat().st_uid == USER
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    file.chmod(0o600)
    assert other.hold("b") is None and other.is_held("a", held) is None
    os.chown(file, USER, USER)
    assert other.hold("b")
    registry.close()
    other.close()


def test_without_an_attack_root_makes_all_as_the_folders_owner_and_goes_on_as_root(place: Path) -> None:
    folder = make(place / "state")
    groups = os.getgroups()
    use_all(folder)
    assert {entry.name: entry.stat().st_uid for entry in folder.iterdir()} == dict.fromkeys(
        ("registry.sqlite3", "registry.sqlite3.locks", "registry.sqlite3.key", "expether.prom"), USER
    )
    assert os.getgroups() == groups and os.geteuid() == 0
    (folder / "root's").write_text("", encoding="utf-8")
    assert (folder / "root's").stat().st_uid == 0


def test_other_threads_stay_root_meanwhile(place: Path) -> None:
    secret = place / "secret"
    secret.write_text("", encoding="utf-8")
    secret.chmod(0o600)
    owner = owner_of(str(make(place / "state")))
    assert owner and owner.uid == USER
    inside, done = threading.Event(), threading.Event()

    def work() -> None:
        with rights_of(owner):
            inside.set()
            done.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(60)
    try:
        assert secret.read_text(encoding="utf-8") == ""
    finally:
        done.set()
        thread.join()
    with rights_of(owner), pytest.raises(PermissionError):
        secret.read_text(encoding="utf-8")
    assert secret.read_text(encoding="utf-8") == ""


def test_a_folder_is_its_parents_owners_who_can_replace_it(place: Path) -> None:
    home = make(place / "home")
    state = make(home / "state", uid=0, mode=0o755)
    owner = owner_of(str(state / "registry.sqlite3"))
    assert owner and owner.uid == USER
    with pytest.raises(RegistryError, match="cannot be"):
        open_registry(str(state / "registry.sqlite3")).commit(NEW)
    assert list(state.iterdir()) == []


def test_missing_folders_are_made_as_the_owner_of_the_one_above(place: Path) -> None:
    home = make(place / "home")
    use_all_below = home / "a" / "b"
    registry = open_registry(str(use_all_below / "r.sqlite3"))
    registry.commit(NEW)
    registry.close()
    Secrets(str(home / "c" / "d" / "key"), make=True).encrypt("x")
    assert {path.stat().st_uid for path in home.rglob("*")} == {USER}
    assert stat.S_IMODE(use_all_below.stat().st_mode) == stat.S_IMODE((home / "c" / "d").stat().st_mode) == 0o700


def test_the_owner_of_a_link_decides_where_it_leads(place: Path) -> None:
    roots = place / "roots"
    roots.mkdir(0o755)
    (place / "mine").symlink_to(roots)
    assert owner_of(str(place / "mine" / "x")) is None
    (place / "to-user").symlink_to(make(place / "state"))
    owner = owner_of(str(place / "to-user" / "x"))
    assert owner and owner.uid == USER
    (roots / "file").symlink_to("../state/registry.sqlite3")
    assert owner_of(str(roots / "file")) == owner
    tmp = make(place / "tmp", uid=0, mode=0o1777)
    (tmp / "theirs").symlink_to(roots)
    os.lchown(tmp / "theirs", OTHER, OTHER)
    other = owner_of(str(tmp / "theirs" / "x"))
    assert other and other.uid == OTHER
    (place / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels"):
        owner_of(str(place / "loop"))


def test_an_admins_link_to_a_registry_of_his_own_works(place: Path) -> None:
    real = make(place / "real", uid=0)
    (place / "registry.sqlite3").symlink_to(real / "registry.sqlite3")
    use_all(real)
    registry = open_registry(str(place / "registry.sqlite3"))
    assert [found.uuid for found in registry.all(RegisteredUrl)] == ["a"]
    registry.close()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_root_uses_no_folder_in_which_others_can_write(place: Path, mode: int) -> None:
    folder = place / "shared"
    folder.mkdir()
    os.chown(folder, 0, USER)
    folder.chmod(mode)
    for use in (
        lambda: open_registry(str(folder / "r")).commit(NEW),
        lambda: open_registry(str(folder / "r")).all(RegisteredUrl),
        lambda: Secrets(str(folder / "k"), make=True).encrypt("x"),
    ):
        with pytest.raises(RegistryError, match=f"Users other than root can write to {folder}"):
            use()
    assert list(folder.iterdir()) == []


def test_a_folder_below_one_that_everybody_can_write_is_used_if_its_names_keep_their_owners(place: Path) -> None:
    for mode, is_safe in ((0o1777, True), (0o777, False)):
        folder = make(place / f"{mode:o}", uid=0, mode=mode) / "roots" / "deeper"
        if is_safe:
            use_all_in = open_registry(str(folder / "r"))
            use_all_in.commit(NEW)
            use_all_in.close()
        else:
            with pytest.raises(RegistryError, match="Users other than root"):
                open_registry(str(folder / "r")).commit(NEW)
        assert folder.exists() == is_safe


def test_the_group_root_may_write_in_a_folder_of_roots(place: Path) -> None:
    use_all(make(place / "state", uid=0, mode=0o770))


def test_a_text_file_is_written_in_a_folder_of_roots_that_the_services_group_can_write(place: Path) -> None:
    folder = make(place / "textfile", uid=0, mode=0o775)
    os.chown(folder, 0, USER)
    registry = open_registry(str(make(place / "state") / "r"))
    Textfile(str(folder)).write(registry, [], 0.0)
    assert (folder / "expether.prom").stat().st_uid == 0
    registry.close()


def test_a_link_that_others_laid_in_a_text_folder_is_not_written_through(place: Path) -> None:
    """Names are guessable that are made of the process and its thread, as those of `prometheus_client`'s own writer."""
    folder = make(place / "textfile", uid=0, mode=0o775)
    target = place / "of-root"
    target.write_text("untouched", encoding="utf-8")
    target.chmod(0o600)
    for name in ("expether.prom", f"expether.prom.{os.getpid()}.{threading.get_ident()}"):
        (folder / name).symlink_to(target)
    use_textfile(folder)
    assert target.read_text(encoding="utf-8") == "untouched"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not (folder / "expether.prom").is_symlink()


def test_a_text_folder_that_its_owner_cannot_write_is_refused_first(place: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a writable directory"):
        Textfile(str(make(place / "textfile", mode=0o500)))
    with pytest.raises(InvalidInput, match="Users other than root"):
        Textfile(str(make(make(place / "x", uid=0, mode=0o777) / "textfile", uid=0)))


def test_a_file_of_another_than_the_folders_owner_is_told(place: Path) -> None:
    folder = make(place / "state")
    use_all(folder)
    for name in ("registry.sqlite3", "registry.sqlite3.key"):
        os.chown(folder / name, 0, 0)
    with pytest.raises(RegistryError, match=rf"registry.sqlite3 belongs to the user with the id 0, .* id {USER}"):
        open_registry(str(folder / "registry.sqlite3")).all(RegisteredUrl)
    with pytest.raises(RegistryError, match="registry.sqlite3.key belongs to the user with the id 0"):
        Secrets(str(folder / "registry.sqlite3.key"), make=True).encrypt("x")


def test_a_system_that_does_not_let_root_act_for_others_is_told(place: Path) -> None:
    """Without the capabilities to change ids, as in some containers."""
    folder = make(place / "state")
    script = (
        "import sys, conftest\n"
        "from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry\n"
        "from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError\n"
        "try:\n    open_registry(sys.argv[1]).all('urls')\n"
        "except RegistryError as error:\n    print(error)\n"
    )
    bounds = ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"]
    command = [*bounds, sys.executable, "-c", script, str(folder / "r.sqlite3")]
    tests = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": tests}, check=True, capture_output=True, text=True)
    assert f"the user with the id {USER}" in done.stdout and "become_user" in done.stdout


def test_a_user_without_an_entry_has_no_group_of_the_folders(place: Path) -> None:
    folder = place / "state"
    folder.mkdir(0o700)
    os.chown(folder, 54321, 0)
    owner = owner_of(str(folder))
    assert owner and (owner.uid, owner.gid, owner.groups) == (54321, 65534, ())
    with pytest.raises(UnsafeFolder):
        owner_of(str(make(place / "open", uid=0, mode=0o777) / "x"))
