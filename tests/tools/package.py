#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the collection as users install it.

  package.py build     check that the tarball contains exactly the expected files
  package.py install   install the tarball, and the checkout itself, without Galaxy; ansible-doc lists all modules
  package.py importer  the checks of Ansible Galaxy and Automation Hub for uploads, without an error or warning
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
# The files and folders of the tarball: what users of an installed collection need, and what ansible-test and ansible-lint need
# to check it. Everything else is only in the repository (build_ignore in galaxy.yml).
PACKED = (
    *(".config/ansible-lint.yml", "CHANGELOG.rst", "LICENSE", "README.md", "SECURITY.md", "bindep.txt"),
    *("changelogs/changelog.yaml", "docs/awx/", "docs/docsite/", "docs/monitoring/", "docs/netbox/", "extensions/eda/"),
    *("meta/", "playbooks/", "plugins/", "requirements.txt", "roles/", "tests/config.yml", "tests/simulator/"),
)
# All that galaxy-importer can check without a container.
CERTIFICATION = {
    "check_changelog": True,
    "check_required_tags": True,
    "offline_ansible_lint": True,
    "require_v1_or_greater": True,
    "run_ansible_doc": True,
    "run_ansible_lint": True,
    "run_ansible_test": False,
    "run_flake8": True,
}
# A collection with faults, and what galaxy-importer must find in it: errors, which end the import, then warnings.
FAULTY = {
    "galaxy.yml": "namespace: nec\nname: faulty\nversion: {version}\nreadme: README.md\nauthors: [nobody]\ntags: [{tag}]\n"
    "license: [GPL-3.0-or-later]\nrepository: https://example.com\n",
    "README.md": "# Faulty\n",
    "meta/runtime.yml": 'requires_ansible: ">=2.16.0"\n',
    "plugins/module_utils/faulty.py": "import os\n",
}
FAULTS = (
    ({"version": "0.9.0", "tag": "infrastructure"}, ("requires version to be 1.0.0 or greater",)),
    ({"version": "1.0.0", "tag": "pcie"}, ("At least one tag required",)),
    ({"version": "1.0.0", "tag": "infrastructure"}, ("F401", "No changelog found")),
)


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


def tarball(folder: str, collection: Path = ROOT) -> Path:
    """Build the tarball of a collection in a folder."""
    call("ansible-galaxy", "collection", "build", "--force", "--output-path", folder, cwd=collection)
    (found,) = Path(folder).glob("nec-*.tar.gz")
    return found


def is_packed(name: str) -> bool:
    return any(name == entry or entry.endswith("/") and name.startswith(entry) for entry in PACKED)


def broken_links(members: tarfile.TarFile, packed: set[str]) -> list[str]:
    """Return the relative links in Markdown files that lead to no file of the tarball."""
    broken = []
    for name in sorted(name for name in packed if name.endswith(".md")):
        content = members.extractfile(name)
        text = content.read().decode() if content else ""
        for link in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text):
            target = os.path.normpath(Path(name).parent / link)
            if not any(other == target or other.startswith(f"{target}/") for other in packed):
                broken.append(f"{name} links to {link}")
    return broken


def build() -> None:
    """Compare the files of the tarball with the list and those of git, and check its links."""
    with scratch() as path, tarfile.open(tarball(path)) as members:
        packed = {member.name for member in members if not member.isdir()}
        empty = {member.name for member in members if member.isdir()} - {
            str(parent) for name in packed for parent in Path(name).parents
        }
        broken = broken_links(members, packed)
        size = Path(str(members.name)).stat().st_size
    names = call("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    wanted = {name for name in names if (ROOT / name).exists() and is_packed(name)} | ONLY_IN_TARBALL
    for what, difference in (
        ("missing in the tarball", wanted - packed),
        ("too much in the tarball (see PACKED, and build_ignore in galaxy.yml)", (packed - wanted) | empty),
        ("broken links", broken),
    ):
        if difference:
            sys.exit(f"{what}: {', '.join(sorted(difference))}")
    print(f"{len(packed)} files, {size} bytes")


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
                # As the guide starts it.
                collection = Path(path, "ansible_collections", "nec", "expether")
                call(sys.executable, "tests/simulator/eem_simulator.py", "--help", cwd=collection)
                print(f"{len(names)} modules from {source}")


def findings(archive: Path, folder: Path, **settings: bool) -> list[str]:
    """Return the errors and warnings of galaxy-importer about a tarball. All files that it needs are written into the folder.

    Neither the user's settings nor the checkout's collections are used, because Galaxy does not have them.
    """
    from galaxy_importer.config import Config

    unknown = settings.keys() - Config.DEFAULTS.keys()
    if unknown:  # it ignores them
        sys.exit(f"galaxy-importer has no settings {', '.join(sorted(unknown))}")
    lines = [f"{name.upper()} = {value}" for name, value in settings.items()]
    file = folder / "galaxy-importer.cfg"
    file.write_text(
        "\n".join(["[galaxy-importer]", f"ANSIBLE_LOCAL_TMP = {folder / 'local'}", *lines, ""]), encoding="utf-8"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    answer = subprocess.run(
        [sys.executable, "-m", "galaxy_importer.main", str(archive)],
        cwd=folder,
        env={**environment, "HOME": str(folder), "GALAXY_IMPORTER_CONFIG": str(file)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    # What does not use its own logger is on the standard error.
    found = [line for line in answer.stdout.splitlines() if re.match("(WARNING|ERROR|CRITICAL): ", line)]
    found += answer.stderr.splitlines()
    if not found:
        print(answer.stdout, flush=True)
    return found or ([f"galaxy-importer exited with {answer.returncode}"] if answer.returncode else [])


def importer() -> None:
    """Run galaxy-importer with the settings of a certification, first on faulty collections. Its warnings count as errors."""
    for values, expected in FAULTS:
        with scratch() as path:
            collection = Path(path, "faulty")
            for name, content in FAULTY.items():
                (collection / name).parent.mkdir(parents=True, exist_ok=True)
                (collection / name).write_text(content.format(**values), encoding="utf-8")
            quick = {**CERTIFICATION, "run_ansible_lint": False, "run_ansible_doc": False}
            found = findings(tarball(path, collection), Path(path), **quick)
            for text in expected:
                if not any(text in line for line in found):
                    sys.exit(f"ERROR: galaxy-importer did not find {text!r} in a faulty collection, but {found}")
    with scratch() as path:
        found = findings(tarball(path), Path(path), **CERTIFICATION)
        if found:
            hint = "If the formatter has caused E203 or W503, add the comment that CONTRIBUTING.md describes."
            sys.exit("\nERROR: ".join(["ERROR: galaxy-importer found:", *found, hint]))


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
