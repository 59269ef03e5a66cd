#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the collection as users install it.

  package.py build FOLDER     build the tarball there, and check that it contains exactly the expected files
  package.py install FOLDER   install that tarball, and the checkout itself, without Galaxy; ansible-doc lists all modules
  package.py importer FOLDER  the checks of Ansible Galaxy for uploads
  package.py builder          check what ansible-builder reads for an execution environment

Uses the ansible-core whose programs come first on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ONLY_IN_TARBALL = {"MANIFEST.json", "FILES.json"}
ONLY_IN_CHECKOUT = re.compile(r"(galaxy\.yml|\.gitignore|\.gitattributes|\.ansible-lint|\.ci/.*|\.github/.*)")


def call(*command: str, cwd: Path = ROOT, **variables: str) -> str:
    """Run a program and return its output. Exit if it fails."""
    print("+", *command, flush=True)
    answer = subprocess.run(command, cwd=cwd, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    print(answer.stdout + answer.stderr, flush=True)
    if answer.returncode != 0:
        sys.exit(f"{command[0]} exited with {answer.returncode}")
    return answer.stdout


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=ROOT / ".ansible")


def modules(root: Path) -> set[str]:
    return {path.stem for path in (root / "plugins" / "modules").glob("*.py") if path.stem != "__init__"}


def tarball_in(folder: Path) -> Path:
    found = list(folder.glob("nec-expether-*.tar.gz"))
    if len(found) != 1:
        sys.exit(f"{folder} contains {len(found)} tarballs instead of one. Run `package.py build`.")
    return found[0]


def build(folder: Path) -> None:
    """Build the tarball, and compare its files with those of git."""
    shutil.rmtree(folder, ignore_errors=True)
    call("ansible-galaxy", "collection", "build", "--output-path", str(folder))
    with tarfile.open(tarball_in(folder)) as tarball:
        packed = {member.name for member in tarball if not member.isdir()}
        empty = {member.name for member in tarball if member.isdir()} - {str(parent) for name in packed for parent in Path(name).parents}
    names = call("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    wanted = {name for name in names if (ROOT / name).exists() and not ONLY_IN_CHECKOUT.fullmatch(name)} | ONLY_IN_TARBALL
    for what, difference in (("missing in the tarball", wanted - packed), ("too much in the tarball", (packed - wanted) | empty)):
        if difference:
            sys.exit(f"{what}: {', '.join(sorted(difference))}")
    print(f"{len(packed)} files, {tarball_in(folder).stat().st_size} bytes")


def install(folder: Path) -> None:
    """Install the tarball and the checkout, each into an empty folder."""
    for source in (str(tarball_in(folder)), f"{ROOT}/"):
        with scratch() as path:
            call("ansible-galaxy", "collection", "install", source, "--offline", "-p", path, ANSIBLE_COLLECTIONS_PATH=path)
            listed = json.loads(call("ansible-doc", "--list", "--json", "-t", "module", "nec.expether", ANSIBLE_COLLECTIONS_PATH=path))
            names = {name.removeprefix("nec.expether.") for name in listed}
            if names != modules(ROOT) or not names:
                sys.exit(f"ansible-doc lists {sorted(names)}, but plugins/modules contains {sorted(modules(ROOT))}")
            call("ansible-doc", "--json", "-t", "module", *sorted(listed), ANSIBLE_COLLECTIONS_PATH=path)
            print(f"{len(names)} modules from {source}")


def importer(folder: Path) -> None:
    """Run galaxy-importer. Its warnings count as errors."""
    with scratch() as path:
        settings = Path(path, "galaxy-importer.cfg")
        settings.write_text("[galaxy-importer]\nCHECK_CHANGELOG = True\nCHECK_RUNTIME_YAML = True\n", encoding="utf-8")
        print(call(sys.executable, "-m", "galaxy_importer.main", str(tarball_in(folder)), cwd=Path(path), GALAXY_IMPORTER_CONFIG=str(settings)))


def builder() -> None:
    """Compare the requirements that ansible-builder finds with requirements.txt and bindep.txt."""
    found = call("ansible-builder", "introspect", str(ROOT / ".ansible" / "collections"))
    wanted = [line for name in ("requirements.txt", "bindep.txt") for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    missing = [line for line in wanted if line and not line.startswith("#") and line not in found]
    if missing:
        sys.exit(f"ansible-builder does not find {', '.join(missing)}")


def main(action: str, *folders: str) -> None:
    actions: dict[str, t.Callable[..., None]] = {"build": build, "install": install, "importer": importer, "builder": builder}
    actions[action](*map(Path, folders))


if __name__ == "__main__":
    main(*sys.argv[1:])
