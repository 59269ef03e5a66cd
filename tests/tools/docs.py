#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site of the collection below .ansible/docs, without a network. Every warning is an error.

antsibull-docs reads docs/docsite and the documentation of the plugins; Sphinx makes HTML of it. The last line of the
output names the file to open. `make docs` calls this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".ansible" / "docs"
NAME = "nec.expether"
UPSTREAM = Path(__file__).with_name("docs_upstream.rst")
# Inventories of other sites are only available with a network. Smart quotes would change what users copy.
SETTINGS = """
intersphinx_mapping = {}
html_use_smartypants = False
smartquotes = False
"""


def call(*command: str) -> None:
    """Run a program of this environment in the site's directory. Exit if it fails."""
    print("+", *command, flush=True)
    status = subprocess.run(command, cwd=SITE, stdin=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        sys.exit(f"{command[0]} exited with {status}")


def main() -> None:
    os.umask(0o022)  # antsibull-docs refuses a directory that others can write
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir(parents=True)
    common = ("--use-current", "--squash-hierarchy", "--fail-on-error")
    call(
        "antsibull-docs",
        "sphinx-init",
        *common,
        "--dest-dir",
        ".",
        "--project",
        NAME,
        "--title",
        f"Collection {NAME}",
        "--copyright",
        f"{NAME} contributors",
        NAME,
    )
    with (SITE / "conf.py").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS)
    call(
        "antsibull-docs",
        "--config-file",
        "antsibull-docs.cfg",
        "collection",
        "--cleanup",
        "everything",
        *common,
        "--dest-dir",
        "rst",
        NAME,
    )
    shutil.copy(UPSTREAM, SITE / "rst" / "upstream.rst")
    call(sys.executable, "-m", "sphinx", "-M", "html", "rst", "build", "-c", ".", "-W", "--keep-going", "--quiet")
    print(f"Open {SITE / 'build' / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
