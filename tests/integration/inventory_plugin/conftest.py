# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two simulated EEMs, registered as rack1 and rack2 and with a node each, and ansible-inventory as users call it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "simulator"), str(TESTS / "integration" / "modules")]

# Before modules/conftest.py, which can no longer do it when this file has imported them.
pytest.register_assert_rewrite("forks", "module_runs")

from eemsim.client import Simulator
from forks import Forks
from module_runs import Ansible, call

#: What a card may report to attack the controller.
TEMPLATE = "{{ lookup('pipe', 'id') }}"
GPU = {"pci_device": {"type": ["GPU"]}}


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command printed."""

    status: int
    stdout: str
    stderr: str

    @property
    def hosts(self) -> dict[str, dict[str, t.Any]]:
        """The variables of each host in the output of ``ansible-inventory --list``."""
        found: dict[str, dict[str, t.Any]] = self.content["_meta"]["hostvars"]
        return found

    @property
    def groups(self) -> dict[str, list[str]]:
        return {name: about["hosts"] for name, about in self.content.items() if "hosts" in about}

    @property
    def content(self) -> dict[str, dict[str, t.Any]]:
        """The output of ``ansible-inventory --list``, after what it says with ``-v``."""
        found: dict[str, dict[str, t.Any]] = json.loads("{" + f"\n{self.stdout}".partition("\n{\n")[2])
        return found

    @property
    def words(self) -> str:
        """The messages without line breaks and colours."""
        return " ".join(self.stderr.split())


class Rack:
    """A folder with a configuration file and a registry."""

    def __init__(self, folder: Path, eems: t.Sequence[Simulator]) -> None:
        self.folder, self.eems = folder, eems
        self.file = folder / "rack.expether.yml"
        self.environment: dict[str, str] = {}

    def configure(self, **options: t.Any) -> None:
        content = {"plugin": "nec.expether.expether", **options}
        self.file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def cached(self, **options: t.Any) -> None:
        """Configure the source with a cache on disk."""
        plugin = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(self.folder / "cache")}
        self.configure(**plugin, **options)

    def run(self, program: str, *arguments: str, environment: t.Mapping[str, str] | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "ansible", program, f"--inventory={self.file}", *arguments],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def list(self, *arguments: str, environment: t.Mapping[str, str] | None = None) -> Done:
        return self.run("inventory", "--list", *arguments, environment=environment)

    def source(self, name: str, **options: t.Any) -> str:
        """Write another configuration file, and return the argument that uses it."""
        path = self.folder / name
        path.write_text(yaml.safe_dump({"plugin": "nec.expether.expether", **options}, sort_keys=False), "utf-8")
        return f"--inventory={path}"

    def requests(self) -> list[int]:
        """How many requests each EEM got since the last call."""
        counts = [len(eem.log()) for eem in self.eems]
        for eem in self.eems:
            eem.reset_log()
        return counts


@pytest.fixture(scope="session")
def eem_processes() -> Iterator[list[Simulator]]:
    with Simulator(eesv=3, eeio=6, password="first-secret") as one, Simulator(eesv=2, eeio=3, seed=200) as two:
        yield [one, two]


@pytest.fixture(scope="session")
def registered(eem_processes: list[Simulator], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ansible]:
    """The registry with rack1 and its node web1, and rack2 and its node db1: from one run for all tests."""
    forks = Forks()
    ansible = Ansible(tmp_path_factory.mktemp("registered"), [], forks)
    tasks = []
    for podm, node, eem in zip(("rack1", "rack2"), ("web1", "db1"), eem_processes):
        how = {"username": eem.username, "password": eem.password, "timeout": 5, "retries": 0}
        tasks += [call("podm", name=podm, url=eem.url, **how), call("node", podm=podm, name=node, properties=GPU)]
    ansible.play(*tasks)
    yield ansible
    forks.close()


@pytest.fixture(name="rack")
def fixture_rack(eem_processes: list[Simulator], registered: Ansible, tmp_path: Path) -> Iterator[Rack]:
    before = [eem.records() for eem in eem_processes]
    rack = Rack(tmp_path, eem_processes)
    shutil.copytree(registered.files, tmp_path / "registry")
    rack.environment = {
        **{key: value for key, value in registered.environment.items() if "CALLBACK" not in key},
        "EXPETHER_REGISTRY": f"sqlite:///{tmp_path / 'registry' / 'registry.sqlite3'}",
        "PATH": os.environ["PATH"],
    }
    rack.requests()
    yield rack
    for eem, records in zip(eem_processes, before):
        eem.reset(devices=records)
