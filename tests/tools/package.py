#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the collection as users install it.

  package.py build     check that the tarball contains exactly the expected files
  package.py install   install the tarball, and the checkout itself, without Galaxy; ansible-doc lists all modules
  package.py importer  the checks of Ansible Galaxy for uploads
  package.py builder   check what ansible-builder reads for an execution environment

Each builds its own tarball with the ansible-core whose programs come first on PATH.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ONLY_IN_TARBALL = {"MANIFEST.json", "FILES.json"}
ONLY_IN_CHECKOUT = re.compile(r"(galaxy\.yml|\.gitignore|\.gitattributes|\.ansible-lint|\.ci/.*|\.github/.*)")


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
    """Run galaxy-importer. Its warnings count as errors."""
    with scratch() as path:
        settings = Path(path, "galaxy-importer.cfg")
        settings.write_text("[galaxy-importer]\nCHECK_CHANGELOG = True\nCHECK_RUNTIME_YAML = True\n", encoding="utf-8")
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


def builder() -> None:
    """Compare the requirements that ansible-builder finds with requirements.txt and bindep.txt."""
    found = call("ansible-builder", "introspect", str(ROOT / ".ansible" / "collections"))
    wanted = [
        line
        for name in ("requirements.txt", "bindep.txt")
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    ]
    missing = [line for line in wanted if line and not line.startswith("#") and line not in found]
    if missing:
        sys.exit(f"ansible-builder does not find {', '.join(missing)}")


if __name__ == "__main__":
    {"build": build, "install": install, "importer": importer, "builder": builder}[sys.argv[1]]()
