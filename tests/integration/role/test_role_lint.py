# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-lint finds in a project of a user's, who has installed the collection and follows the guides.

It follows a play into the role, and applies the project's own settings there, none of this repository's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from guides import PAGES, ROOT, blocks_of

BIN = Path(sys.executable).parent


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(
        [*map(str, command)], cwd=cwd, env=variables, check=False, capture_output=True, text=True, timeout=280
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which ansible-galaxy has installed the collection from its tarball."""
    folder = tmp_path_factory.mktemp("installed")
    source, target = folder / "source", folder / "collections"
    copied = run("git", "checkout-index", "--all", f"--prefix={source}/", cwd=ROOT)
    assert copied.returncode == 0, copied.stderr
    galaxy = (sys.executable, "-m", "ansible", "galaxy", "collection")
    built = run(*galaxy, "build", "--output-path", folder, source, cwd=folder)
    assert built.returncode == 0, built.stderr
    (tarball,) = folder.glob("*.tar.gz")
    done = run(
        *galaxy, "install", "--force", "--offline", "--no-deps", "--collections-path", target, tarball, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return target


def plays() -> list[str]:
    """The plays of README and guides that use a role."""
    return [
        block.text
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "yaml" and re.search(r"nec\.expether\.(sync|pci_hotplug)\b", block.text)
    ]


VARIANTS = {
    "include_role": """- name: Keep the registry up to date
  hosts: registry-host
  become: true
  tasks:
    - name: Install it
      ansible.builtin.include_role:
        name: nec.expether.sync
      vars:
        expether_sync_interval: 60
""",
}


@pytest.mark.parametrize(
    "play", [*plays(), *VARIANTS.values()], ids=[*(f"guides {number}" for number in range(len(plays()))), *VARIANTS]
)
def test_a_users_play_of_the_role_has_no_findings(installed: Path, tmp_path: Path, play: str) -> None:
    (tmp_path / "play.yml").write_text(f"---\n{play}", encoding="utf-8")
    home = {"HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / ".ansible")}
    done = run(
        BIN / "ansible-lint",
        "--offline",
        "--nocolor",
        "--strict",
        "--profile=production",
        "--format=pep8",
        "-v",
        "play.yml",
        cwd=tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
        **home,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    # It has looked into the role: a play alone is one file.
    looked_at = re.search(r"in (\d+) files processed", done.stderr)
    assert looked_at and int(looked_at[1]) > 5, done.stderr
