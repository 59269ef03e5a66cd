# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job cannot do is refused with a sentence, and nothing changes."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from awx_jobs import UID, VOLUME, Awx, Ended
from eemsim.client import Simulator


def sentence_of(job: Ended) -> str:
    """Return the message of a job that has failed in its only way."""
    assert job.status == "failed", job.stdout
    (message,) = job.failures
    assert re.fullmatch(r"[A-Z`].+[.?]", message, re.DOTALL), message
    return message


def test_nothing_is_stored_in_a_registry_that_ends_with_the_job(
    eem: Simulator, eeios: list[str], tmp_path: Path
) -> None:
    """Neither as root of a container of Podman nor as the user of OpenShift, who has no mark but that of AWX."""
    for uid, marks, playbook, answers in (
        (0, ["/run/.containerenv"], "register", {"podm": "rack1"}),
        (UID, [], "compose", {"node_name": "n1", "device_types": "GPU"}),
    ):
        awx = Awx(tmp_path / f"awx_{uid}", uid=uid)
        awx.use(eem)
        awx.marks = marks
        message = sentence_of(awx.run(playbook, **answers))
        assert "EXPETHER_REGISTRY" in message and "job" in message
    assert eem.history() == []
    # What needs no registry still works.
    assert len(awx.run("devices").result["devices"]) == 12
    system = min(card["id"] for card in eem.eesvs())
    assert awx.run("attach", node_name=system, devices=eeios[0]).changed()
    assert awx.run("detach", devices=eeios[0]).changed()


@pytest.mark.parametrize(
    ("playbook", "answers"),
    [
        ("register", {"podm": "rack1"}),
        ("sync", {}),
        ("devices", {"podm": "rack1"}),
        ("compose", {"node_name": "n1", "device_types": "GPU"}),
        ("attach", {"node_name": "n1", "devices": "0x8cdf9d000000"}),
        ("detach", {"devices": "0x8cdf9d000000", "podm": "rack1"}),
        ("release", {"node_name": "n1"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_registry_of_another_user_is_refused(
    awx: Awx, eem: Simulator, tmp_path: Path, playbook: str, answers: dict[str, str]
) -> None:
    awx.keep_registry_in(tmp_path / "foreign", owner=UID + 1, mode=0o700)
    message = sentence_of(awx.run(playbook, **answers))
    assert VOLUME in message
    assert eem.history() == []


def test_a_volume_that_can_only_be_read_is_refused_before_anything_changes(
    awx: Awx, eem: Simulator, tmp_path: Path
) -> None:
    awx.run("register", podm="rack1")
    volume = tmp_path / "volume"
    for path in (volume, *volume.iterdir()):
        os.chown(path, 0, 0)
        path.chmod(0o750 if path.is_dir() else 0o640)
    message = sentence_of(awx.run("compose", node_name="n1", device_types="GPU"))
    assert VOLUME in message
    assert eem.history() == []
    shutil.rmtree(volume)


def test_a_password_that_the_eem_refuses_is_not_shown(awx: Awx, eem: Simulator) -> None:
    awx.use(eem, password="Zeisig-8/Vogel+23")
    message = sentence_of(awx.run("register", podm="rack1"))
    assert "refuse" in message or "password" in message
