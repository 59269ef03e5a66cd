# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version 0.1.0 of the collection, from the history of this checkout, and this version: both run modules in forks."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import yaml
from eemsim.client import Simulator
from forks import Forks, Json, Options

ROOT = Path(__file__).resolve().parents[3]
#: Version 0.1.0.
EARLIER = "e84f49237431b0b3b0da721623102d55c4c069e6"
#: What runs modules; copies of it run those of the earlier version.
SERVER = ("fork_server.py", "forked.py", "conftest.py", "pci.ids")


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=False, capture_output=True)


def why_missing() -> str:
    """Return why this checkout does not have version 0.1.0, or nothing."""
    if not shutil.which("git"):
        return "needs git, which is not installed"
    if _git("cat-file", "-e", f"{EARLIER}^{{commit}}").returncode:
        return f"needs version 0.1.0, and this checkout does not have the commit {EARLIER[:7]}: git fetch --unshallow"
    return ""


def unpack(collections: Path) -> Path:
    """Put version 0.1.0 into a folder of collections, and return its own folder."""
    tree = collections / "ansible_collections" / "nec" / "expether"
    tree.mkdir(parents=True)
    archive = _git("archive", EARLIER)
    assert archive.returncode == 0, archive.stderr
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    for name in SERVER:
        shutil.copy(ROOT / "tests" / name, tree / "tests")
    return tree


#: Keys of results that Ansible adds.
OF_ANSIBLE = re.compile(r"\.(invocation|warnings|deprecations|diff|exception)")
#: What differs from run to run, and what is for people.
TYPE_ALONE = re.compile(r".*_at|.*\.(seconds|last_sync|missing_since)|\.msg|\.failure\.message")


@dataclasses.dataclass(frozen=True)
class Version:
    """One version of the collection.

    :ivar tree: its folder
    """

    tree: Path
    forks: Forks

    def run(self, module: str, options: Options, environment: t.Mapping[str, str], check: bool = False) -> Options:
        """Run a module, named without its prefix, and return its result."""
        given = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
        report = self.forks.run(f"expether_{module}", given, environment, seconds=120)
        assert report.err == "", report.err
        return report.result

    def about(self, module: str) -> dict[str, Json]:
        """Return DOCUMENTATION, EXAMPLES and RETURN of a module, with the options of its fragments."""
        found = _constants(self.tree / "plugins" / "modules" / f"expether_{module}.py")
        options = dict(found["DOCUMENTATION"].get("options") or {})
        for name in found["DOCUMENTATION"]["extends_documentation_fragment"]:
            file, _dot, part = name.removeprefix("nec.expether.").partition(".")
            fragment = _constants(self.tree / "plugins" / "doc_fragments" / f"{file}.py")[
                part.upper() or "DOCUMENTATION"
            ]
            options = {**(fragment.get("options") or {}), **options}
        return {**found, "options": options}


def _constants(path: Path) -> dict[str, Json]:
    """The YAML in the constants of a Python file, also in those of its class."""
    found = {}
    for line in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str):
            found[ast.unparse(line.targets[0])] = yaml.safe_load(line.value.value)
    return found


class Site:
    """A registry and two EEMs. Where they are is written `<folder>`, `<url 1>` and `<url 2>` in options and results."""

    def __init__(self, folder: Path, *eems: Simulator) -> None:
        folder.mkdir()
        self.folder, self.eems = folder, eems
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "EXPETHER_REGISTRY": f"sqlite:///{folder}/registry.sqlite3",
            "EXPETHER_PCI_IDS": os.environ["EXPETHER_PCI_IDS"],
        }

    @property
    def places(self) -> dict[str, str]:
        """What is written for each place."""
        return {f"<url {place}>": eem.url for place, eem in enumerate(self.eems, 1)} | {"<folder>": str(self.folder)}

    def run(
        self, version: Version, module: str, options: Options, check: bool = False, **environment: str
    ) -> dict[str, Json]:
        """Run a module of one of the versions, and return its result."""
        order = json.dumps([options, {**self.environment, **environment}])
        for name, place in self.places.items():
            order = order.replace(name, place)
        result = json.dumps(version.run(module, *json.loads(order), check))
        for name, place in self.places.items():
            result = result.replace(place, name)
        return t.cast("dict[str, Json]", json.loads(result))


def differences(then: Json, now: Json, where: str = "", planned: bool = False, times: bool = False) -> list[str]:
    """Return the keys of a result of 0.1.0 that are missing now, or have another type or value.

    :param planned: whether only the result of this version is that of check mode
    :param times: whether times must be equal
    """
    if isinstance(then, dict) and isinstance(now, dict):
        if not where:  # Ansible adds them
            then, now = ({"failed": False, "changed": False, **result} for result in (then, now))
        if where.endswith(".candidates"):  # reasons for people
            return [] if [*then] == [*now] else [f"{where}: {then!r} {now!r}"]
        found = []
        for key in then:
            path = f"{where}.{key}"
            if OF_ANSIBLE.fullmatch(path):
                continue
            if key not in now:
                found.append(path)
            elif (TYPE_ALONE.fullmatch(path) and not times) or (planned and path == ".plan[].status"):
                found += [] if type(then[key]) is type(now[key]) else [f"{path}: {then[key]!r} {now[key]!r}"]
            else:
                found += differences(then[key], now[key], path, planned, times)
        return found
    if where == ".podms" and len(now) == 1 < len(then) == 2:
        return [f"{where}: all pod managers, now only podm"]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [each for one, other in zip(then, now) for each in differences(one, other, f"{where}[]", planned, times)]
    return [] if then == now and type(then) is type(now) else [f"{where}: {then!r} {now!r}"]
