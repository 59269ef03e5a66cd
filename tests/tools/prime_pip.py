#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provide ansible-test with pip from the package index: `prime_pip.py VERSION...`.

ansible-test creates its virtual environments without pip, and installs pip with ~/.ansible/test/cache/get_pip_X_Y.py. If
that file does not exist, ansible-test downloads it from its own server. This program creates the file; it runs the pip
wheel of the same version from the package index, so that tests need no other server.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STAND_IN = """\
import os, shutil, subprocess, sys, sysconfig
cache = os.path.dirname(os.path.abspath(__file__))
options = [each for each in sys.argv[1:] if each not in ("--no-setuptools", "--no-wheel")]
packages = [each for each in options if "==" in each]
# ansible-test makes ten environments, each with the same pip: install it once, and link its files.
shared = os.path.join(cache, "-".join(["python%d.%d" % sys.version_info[:2], *packages]))
if not os.path.exists(shared):
    shutil.rmtree(shared + ".new", ignore_errors=True)
    wheel = os.path.join(cache, "pip-{version}-py3-none-any.whl", "pip")
    subprocess.run([sys.executable, wheel, "install", "--target", shared + ".new", *options], check=True)
    shutil.rmtree(os.path.join(shared + ".new", "bin"), ignore_errors=True)
    os.rename(shared + ".new", shared)
shutil.copytree(shared, sysconfig.get_path("purelib"), copy_function=os.link, dirs_exist_ok=True)
"""


def prime(version: str) -> None:
    """Fill the cache with one version of pip."""
    cache = Path.home() / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / f"pip-{version}-py3-none-any.whl").exists():
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
        subprocess.run([*command, "--dest", str(cache), f"pip=={version}"], check=True)
    stand_in = cache / f"get_pip_{version.replace('.', '_')}.py"
    stand_in.write_text(STAND_IN.format(version=version), encoding="utf-8")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        prime(wanted)
