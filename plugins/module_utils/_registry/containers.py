# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether this process runs in a container that lives only for a job. Private to the collection.

Such a container keeps no files: what is stored in the default registry is gone when the job ends.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

# Variables that only such containers have. AWX's `JOB_ID` is not among them: batch systems and CI servers set it, too,
# also without a container, and AWX never sets it alone.
_VARIABLES = ("AWX_PRIVATE_DATA_DIR", "KUBERNETES_SERVICE_HOST")
# Files that Podman (also CRI-O) and Docker create in each of their containers.
_FILES = ("run/.containerenv", ".dockerenv")
# What container managers set `container` to (https://systemd.io/CONTAINER_INTERFACE), and images of Red Hat.
_FOR_JOBS = ("docker", "podman", "oci")
_MACHINES = ("systemd-nspawn", "lxc", "lxc-libvirt", "libvirt-lxc", "openvz", "wsl")
# Toolbox and Distrobox: a person's shell in a container, with the person's own home folder.
_SHELL = "run/.toolboxenv"


def job_container(environ: t.Mapping[str, str], root: str = "/") -> str | None:
    """Return how a process can tell that its container lives only for a job, as the end of a clause; else `None`.

    A container that is a machine of its own, as those of systemd-nspawn and LXC are, is not such a container, even if
    its files were copied from one.

    :param environ: the environment of the process; it is missing in modules that run over ssh or sudo
    :param root: the root folder of the process
    """
    first = _environ_of_first_process(root)
    for variable in _VARIABLES:
        if environ.get(variable) or first.get(variable):
            return f"{variable} is set"
    managers = (environ.get("container"), first.get("container"), _text(os.path.join(root, "run/systemd/container")))
    if any(manager in _MACHINES for manager in managers) or os.path.exists(os.path.join(root, _SHELL)):
        return None
    for name in _FILES:
        if os.path.exists(os.path.join(root, name)):
            return f"/{name} exists"
    manager = next((manager for manager in managers if manager in _FOR_JOBS), None)
    return f"the variable `container` is {manager}" if manager else None


def _environ_of_first_process(root: str) -> dict[str, str]:
    """Return the environment of the container's first process, as far as this user may read it."""
    pairs = (pair.partition("=") for pair in _text(os.path.join(root, "proc/1/environ")).split("\0"))
    return {name: value for name, _sign, value in pairs}


def _text(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return ""
