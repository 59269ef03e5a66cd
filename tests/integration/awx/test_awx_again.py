# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each job does what was asked, and the same job again changes nothing: the registry outlives the jobs' containers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from awx_jobs import VOLUME, Awx
from cryptography.fernet import Fernet
from eemsim.client import Simulator

SSD = {"properties": {"devices": [{"type": "SSD"}]}}
pytestmark = pytest.mark.timeout(600)


def test_jobs_about_pod_managers_change_nothing_the_second_time(awx: Awx, eem: Simulator, tmp_path: Path) -> None:
    assert [awx.run("register", podm="rack1").changed() for dummy in range(2)] == [True, False]
    where = {"copy_from": f"sqlite:///{VOLUME}/registry.sqlite3", "registry": f"sqlite:///{VOLUME}/copy.sqlite3"}
    assert [awx.run("registry_copy", **where, merge="true").changed() for dummy in range(2)] == [True, False]
    # The key in the credential is replaced.
    old, new = (tmp_path / "volume" / "registry.sqlite3.key").read_text().strip(), Fernet.generate_key().decode()
    awx.secrets += [old, new]
    awx.keep_registry_in(tmp_path / "volume", key=f"{new}\n{old}\n")
    assert [awx.run("registry_reencrypt").changed() for dummy in range(2)] == [True, False]
    awx.keep_registry_in(tmp_path / "volume", key=new)
    assert [awx.run("sync").changed() for dummy in range(2)] == [False, False]
    for dummy in range(2):
        listed = awx.run("devices", device_types="GPU")
        assert len(listed.result["devices"]) == 4 and not listed.changed()
    report, fabric = awx.run("report"), awx.run("fabric")
    assert report.status == fabric.status == "successful"
    assert "The container of this job loses the file, unless it is on a volume" in report.stdout
    output = re.sub(r"\x1b\[[0-9;]*m|\r", "", fabric.stdout)
    assert re.search(r"\n +└─ Free pool: 12\n +├─ 0x\w+  GPU ", output), "as text, not as JSON"
    assert eem.history() == []


@pytest.mark.smoke
def test_jobs_about_nodes_change_nothing_the_second_time(awx: Awx, eem: Simulator, eeios: list[str]) -> None:
    awx.run("register", podm="rack1")
    awx.project_files["pod.yml"] = json.dumps(
        {"nodes": [{"name": "n1"}, {"name": "n2", **SSD}], "release_others": True}
    )
    asked = {
        "compose": {"node_name": "n1", "device_types": "GPU,SSD"},
        "attach": {"node_name": "n1", "devices": eeios[2]},
        "detach": {"devices": eeios[0]},
        "layout": {"layout_file": "pod.yml"},
        "release": {"node_name": "n1"},
    }
    for playbook, answers in asked.items():
        assert awx.run(playbook, **answers).changed(), playbook
        before = eem.history()
        assert not awx.run(playbook, **answers).changed(), playbook
        assert eem.history() == before
    assert awx.run("layout_export").result["layout"]["nodes"][0]["name"] == "n2"
    assert awx.run("release", node_name="n2").changed()
    assert {card["group_id"] for card in eem.eeios()} == {"4093"}
