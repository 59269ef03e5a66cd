#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the collection as users install it.

  package.py build     check that the tarball contains exactly the expected files
  package.py install   install the tarball, and the checkout itself, without Galaxy; ansible-doc lists all modules
  package.py importer  the checks of Ansible Galaxy for uploads
  package.py builder   check that an execution environment, also that of docs/awx, contains all that the tarball imports

Each builds its own tarball with the ansible-core whose programs come first on PATH.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ONLY_IN_TARBALL = {"MANIFEST.json", "FILES.json"}
ONLY_IN_CHECKOUT = re.compile(r"(galaxy\.yml|\.gitignore|\.gitattributes|\.ci/.*|\.github/.*|docs/images/.*)")


def call(*command: str, cwd: Path = ROOT, **variables: str) -> str:
    """Run a program and return its output. Exit if it fails."""
    print("+", *command, flush=True)
    answer = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    print(answer.stdout + answer.stderr, flush=True)
    if answer.returncode != 0:
        sys.exit(f"{command[0]} exited with {answer.returncode}")
    return answer.stdout


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=ROOT / ".ansible")


def modules(root: Path) -> set[str]:
    return {path.stem for path in (root / "plugins" / "modules").glob("*.py") if path.stem != "__init__"}


def tarball(folder: str) -> Path:
    """Build the tarball in a folder."""
    call("ansible-galaxy", "collection", "build", "--output-path", folder)
    (found,) = Path(folder).glob("nec-expether-*.tar.gz")
    return found


def build() -> None:
    """Compare the files of the tarball with those of git."""
    with scratch() as path, tarfile.open(tarball(path)) as members:
        packed = {member.name for member in members if not member.isdir()}
        empty = {member.name for member in members if member.isdir()} - {
            str(parent) for name in packed for parent in Path(name).parents
        }
    names = call("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    wanted = {
        name for name in names if (ROOT / name).exists() and not ONLY_IN_CHECKOUT.fullmatch(name)
    } | ONLY_IN_TARBALL
    for what, difference in (
        ("missing in the tarball", wanted - packed),
        ("too much in the tarball", (packed - wanted) | empty),
    ):
        if difference:
            sys.exit(f"{what}: {', '.join(sorted(difference))}")
    print(f"{len(packed)} files")


def install() -> None:
    """Install the tarball and the checkout, each into an empty folder."""
    with scratch() as built:
        for source in (str(tarball(built)), f"{ROOT}/"):
            with scratch() as path:
                call(
                    "ansible-galaxy",
                    "collection",
                    "install",
                    source,
                    "--offline",
                    "-p",
                    path,
                    ANSIBLE_COLLECTIONS_PATH=path,
                )
                listed = json.loads(
                    call(
                        "ansible-doc", "--list", "--json", "-t", "module", "nec.expether", ANSIBLE_COLLECTIONS_PATH=path
                    )
                )
                names = {name.removeprefix("nec.expether.") for name in listed}
                if names != modules(ROOT) or not names:
                    sys.exit(f"ansible-doc lists {sorted(names)}, but plugins/modules contains {sorted(modules(ROOT))}")
                call("ansible-doc", "--json", "-t", "module", *sorted(listed), ANSIBLE_COLLECTIONS_PATH=path)
                print(f"{len(names)} modules from {source}")


def importer() -> None:
    """Run galaxy-importer, without ansible-lint, whose findings it only logs: a session of its own is stricter."""
    with scratch() as path:
        settings = Path(path, "galaxy-importer.cfg")
        settings.write_text("[galaxy-importer]\nCHECK_CHANGELOG = True\nRUN_ANSIBLE_LINT = False\n", encoding="utf-8")
        print(
            call(
                sys.executable,
                "-m",
                "galaxy_importer.main",
                str(tarball(path)),
                cwd=Path(path),
                GALAXY_IMPORTER_CONFIG=str(settings),
            )
        )


def imported(folder: Path) -> set[str]:
    """Return the packages outside of Python and Ansible that the files below a folder import, wherever in a file."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module or "")
    return {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, "ansible", "ansible_collections"}


def without_requirement(packages: set[str], requirements: list[str]) -> set[str]:
    """Return the packages that are installed neither with the requirements nor with what these require themselves."""
    distributions: set[str] = set()
    wanted = [Requirement(line) for line in requirements]
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name not in distributions and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            distributions.add(name)
            wanted += [Requirement(line) for line in importlib.metadata.requires(name) or []]
    providers = importlib.metadata.packages_distributions()
    return {
        package
        for package in packages
        if not distributions & {canonicalize_name(name) for name in providers.get(package, [])}
    }


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file of requirements, without comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def builder() -> None:
    """Read the tarball's requirements as ansible-builder does, and write the build context of docs/awx."""
    with scratch() as path:
        packed, files, context = Path(path, "installed"), Path(path, "files"), Path(path, "context")
        call(
            "ansible-galaxy",
            "collection",
            "install",
            str(tarball(path)),
            "--offline",
            "-p",
            str(packed),
            ANSIBLE_COLLECTIONS_PATH=str(packed),
        )
        files.mkdir()
        python, system = files / "requirements.txt", files / "bindep.txt"
        call("ansible-builder", "introspect", str(packed), f"--write-pip={python}", f"--write-bindep={system}")
        for found in (python, system):
            missing = {*lines_of(ROOT / found.name)} ^ {*lines_of(found)}
            if missing:
                sys.exit(f"ansible-builder and {found.name} differ in {', '.join(sorted(missing))}")
        missing = without_requirement(
            imported(packed / "ansible_collections" / "nec" / "expether" / "plugins"), lines_of(python)
        )
        if missing:
            sys.exit(f"An execution environment does not contain {', '.join(sorted(missing))}")
        definition = ROOT / "docs" / "awx" / "execution-environment.yml"
        call(
            "ansible-builder",
            "create",
            f"--file={definition}",
            f"--context={context}",
            "--output-filename=Containerfile",
        )
        if "name: nec.expether" not in (context / "_build" / "requirements.yml").read_text(encoding="utf-8"):
            sys.exit(f"{definition.name} does not install nec.expether")


if __name__ == "__main__":
    {"build": build, "install": install, "importer": importer, "builder": builder}[sys.argv[1]]()
