# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of the passwords is replaced as the guide says, and every host can use every pod manager all the time."""

from __future__ import annotations

import re
import subprocess
import threading
import typing as t
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets
from back_ends import on_each_back_end
from cryptography.fernet import Fernet
from eemsim.client import Simulator
from module_main import Result, run_main

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "docsite" / "rst" / "guide_registries.rst"


def commands() -> list[str]:
    """The commands of the three steps in the guide that change the key file."""
    return re.findall(
        r"(?m)^    (\(umask 077; .*\"\$key\.new\" \"\$key\" *|\(umask 077; .*\"\$key\")$",
        GUIDE.read_text(encoding="utf-8"),
    )


class Host:
    """A host with a key file of its own."""

    def __init__(self, folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        folder.mkdir()
        self.key, self._url, self._capsys = folder / "registry.key", url, capsys

    def run(self, module: str, **options: t.Any) -> Result:
        return run_main(self._capsys, module, registry=self._url, registry_key_file=str(self.key), **options)

    def step(self, command: str) -> None:
        subprocess.run(["bash", "-c", f"key={self.key}; {command}"], check=True, timeout=20)

    def take(self, other: Host) -> None:
        """Get the file of another host, as programs that copy files do it: the name always has a whole file."""
        draft = self.key.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_bytes(other.key.read_bytes())
        draft.replace(self.key)


class Uses(threading.Thread):
    """Reads the only password in a registry again and again, from another connection, until it is told to end."""

    def __init__(self, url: str, key: Path, password: str) -> None:
        super().__init__(daemon=True)
        self.problems: list[str] = []
        self._url, self._key, self._password = url, key, password
        self._uses, self._is_over = 0, threading.Event()

    def run(self) -> None:
        try:
            with closing(open_registry(self._url)) as registry:
                while not self._is_over.wait(0.005):
                    (podm,) = registry.all(PodManager)
                    assert Secrets(str(self._key), make=False).decrypt(podm.password or "") == self._password
                    self._uses += 1
        except Exception as error:  # noqa: BLE001  # the test shows it
            self.problems.append(repr(error))

    def end(self) -> int:
        """End; return how often the password was read."""
        self._is_over.set()
        self.join(20)
        return self._uses


@on_each_back_end
def test_every_host_can_use_all_pod_managers_between_any_two_steps(
    registry_url: str, tmp_path: Path, eem: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (Host(tmp_path / name, registry_url, capsys) for name in ("one", "two"))
    old = Fernet.generate_key()
    for host in (one, two):
        host.key.touch(mode=0o600)
        host.key.write_bytes(old + b"\n")
    reach = {"username": eem.username, "password": eem.password, "retries": 0, "timeout": 5}
    registered = one.run("podm", name="rack1", url=eem.url, sync=False, **reach)
    assert registered["podm"]["status"] == "Online"

    def tokens() -> list[str]:
        with closing(open_registry(registry_url)) as registry:
            return [podm.password or "" for podm in registry.all(PodManager)]

    def all_work() -> None:
        for host in (one, two):
            (podm,) = host.run("podm_info", check=True)["podms"]
            assert podm["status"] == "Online", podm["last_error"]
            (synced,) = host.run("sync")["podms"]
            assert synced["status"] == "Online", synced["last_error"]
            # What a host stores now, every host can read.
            token = Secrets(str(host.key), make=False, stored=tokens).encrypt("new")
            assert {Secrets(str(other.key), make=False).decrypt(token) for other in (one, two)} == {"new"}

    add, move, keep = commands()
    user = Uses(registry_url, two.key, eem.password)  # of a long task, which goes on all the time
    user.start()
    for step in (add, move):
        one.step(step)
        all_work()  # the other host has not got it yet
        two.take(one)
        all_work()
    assert one.key.stat().st_mode & 0o777 == 0o600 and len(one.key.read_bytes().split()) == 2
    planned = one.run("registry", reencrypt=True, _ansible_check_mode=True)
    done = one.run("registry", reencrypt=True)
    assert done["changed"] and done["reencrypted"] == planned["reencrypted"] == ["rack1"]
    all_work()
    again = two.run("registry", reencrypt=True)
    assert not again["changed"] and (again["reencrypted"], again["kept"]) == ([], ["rack1"])
    one.step(keep)
    all_work()
    two.take(one)
    all_work()
    assert user.end() > 10 and user.problems == []
    (new,) = one.key.read_bytes().split()
    with closing(open_registry(registry_url)) as registry:
        (podm,) = registry.all(PodManager)
    assert new != old and Fernet(new).decrypt(podm.password or "").decode() == eem.password
    # A host that has missed the steps stores nothing.
    two.key.write_bytes(old + b"\n")
    before = podm
    refused = two.run("registry", reencrypt=True)["msg"]
    assert refused.startswith("Pod manager rack1: The key in ") and "is not the one that encrypted" in refused
    assert two.run("podm_info", check=True)["podms"][0]["status"] != "Online"
    with closing(open_registry(registry_url)) as registry:
        assert registry.all(PodManager) == [before]
