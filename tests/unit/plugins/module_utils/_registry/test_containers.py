# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers live only for a job."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.containers import job_container
from ansible_collections.nec.expether.plugins.module_utils._registry.location import GUIDE

AWX = {"AWX_PRIVATE_DATA_DIR": "/runner", "JOB_ID": "7"}
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
PODMAN, DOCKER, SYSTEMD, SHELL = "run/.containerenv", ".dockerenv", "run/systemd/container", "run/.toolboxenv"
FIRST = "proc/1/environ"


@pytest.mark.parametrize(
    ("environ", "files", "why"),
    [
        ({}, {}, None),
        (AWX, {}, "AWX_PRIVATE_DATA_DIR is set"),
        (POD, {}, "KUBERNETES_SERVICE_HOST is set"),
        ({}, {FIRST: "PATH=/bin\0KUBERNETES_SERVICE_HOST=10.0.0.1\0"}, "KUBERNETES_SERVICE_HOST is set"),  # sudo
        ({}, {PODMAN: ""}, "/run/.containerenv exists"),
        ({}, {DOCKER: ""}, "/.dockerenv exists"),
        ({"container": "oci"}, {}, "the variable `container` is oci"),
        ({}, {FIRST: "container=podman\0"}, "the variable `container` is podman"),
        # A batch system, a CI server, a desktop program.
        ({"JOB_ID": "7", "BUILD_ID": "8", "CI": "true"}, {}, None),
        ({"AWX_PRIVATE_DATA_DIR": "", "KUBERNETES_SERVICE_HOST": ""}, {}, None),
        ({"container": "flatpak"}, {}, None),
        # Machines, also those whose files come from an image of Docker.
        ({"container": "lxc"}, {}, None),
        ({}, {SYSTEMD: "systemd-nspawn\n"}, None),
        ({}, {SYSTEMD: "systemd-nspawn\n", DOCKER: ""}, None),
        ({}, {FIRST: "container=lxc\0TERM=linux\0", DOCKER: ""}, None),
        ({}, {SHELL: "", PODMAN: ""}, None),
        # A job on such a machine.
        (AWX, {SYSTEMD: "systemd-nspawn\n"}, "AWX_PRIVATE_DATA_DIR is set"),
        # Docker whose first process is systemd: its files are gone with it, too.
        ({}, {SYSTEMD: "docker\n", DOCKER: ""}, "/.dockerenv exists"),
    ],
)
def test_a_container_that_lives_for_a_job_is_known_by_its_marks(
    environ: dict[str, str], files: dict[str, str], why: str | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert job_container(environ, str(tmp_path)) == why


def test_what_cannot_be_read_is_no_mark(tmp_path: Path) -> None:
    (tmp_path / FIRST).mkdir(parents=True)  # an error as for a user who is not root
    assert job_container({}, str(tmp_path)) is None


def test_the_refusal_names_a_guide_that_exists() -> None:
    page = Path(__file__).resolve().parents[5] / "docs" / "docsite" / "rst" / "guide_awx.rst"
    assert f"\n{GUIDE}\n{'=' * len(GUIDE)}\n" in page.read_text(encoding="utf-8")
