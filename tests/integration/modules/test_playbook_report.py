# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks report and fabric read, write and print. tests/integration/report opens the page in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import typing as t
from pathlib import Path

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Json, Task, call
from test_playbook_answers import Answer, play, written

NAME = "{{ 6 * 7 }}</script><b>"


def data_of(page: Path) -> dict[str, Json]:
    """Return the data in a report."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found
    return t.cast("dict[str, Json]", json.loads(found[1]))


def allowed(page: Path, tag: str) -> bool:
    """Whether the policy of a report allows its own style or script, and nothing else."""
    text = page.read_text("utf-8")
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    return f"{tag}-src 'sha256-{digest}';" in text


def printed(records: list[Json]) -> list[str]:
    """Return the lines of the messages of plays."""
    return [line for each in records if isinstance(each["result"].get("msg"), list) for line in each["result"]["msg"]]


@pytest.mark.smoke
def test_each_eem_is_asked_once_and_names_stay_names(
    ansible: Ansible, eem: Simulator, known: Task, rack1: Task, eesvs: list[str], eeios: list[str]
) -> None:
    with Simulator(eesv=1, eeio=2, seed=200) as away:
        ansible.play(known, rack1.having(name="away", url=away.url, retries=0, timeout=2))
    eem.patch(eeios[3], group_id="99")
    eem.silence(eeios[4])
    eem.patch(eeios[5], admin_status="disabled")
    eem.patch(eeios[6], model=NAME, pcie_vendor_id="", pcie_device_id="", pcie_class_code="")
    page = ansible.folder / "page.html"
    layout = written(
        ansible.folder / "layout.yml", {"nodes": [{"name": "n9", "properties": {"pci_device": {"type": ["ACS"]}}}]}
    )
    plays: list[tuple[str, dict[str, Json]]] = [
        ("compose", {"podm": "rack1", "node_name": Answer(NAME), "device_types": "GPU,SSD"}),
        ("report", {"report_file": str(page)}),
        ("report", {"podm": "rack1", "layout_file": layout.name}),
        ("report", {"podm": "away", "report_file": "~/away.html"}),
        ("fabric", {}),
    ]
    wrapper = [{"import_playbook": f"nec.expether.{name}", "vars": variables} for name, variables in plays]
    eem.reset_log()
    done, records = play(ansible, "--inventory=/dev/null", str(written(ansible.folder / "wrapper.yml", wrapper)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"Traceback|DEPRECATION", done.stdout + done.stderr)
    by_play = [each["path"] for each in eem.log()][-4:]
    assert by_play == ["/devices/detail"] * 4, "report, report and its layout, fabric"
    everything, refused, gone = map(
        data_of, (page, ansible.folder / "expether-report.html", ansible.folder / "home" / "away.html")
    )
    assert allowed(page, "style") and allowed(page, "script")
    assert (everything["podms"]["name"], everything["nodes"]["name"]) == (["away", "rack1"], [NAME])
    assert NAME in everything["systems"]["node"] and NAME in everything["devices"]["model"]
    assert "no connection" in everything["errors"]["msg"][0] and everything["layout"] == {}
    assert refused["layout"]["error"].startswith("Node n9: 1 ACS requested") and refused["layout"]["plan"] == []
    assert gone["devices"]["podm"] == ["away", "away"] and len(gone["errors"]["msg"]) == 1
    lines = printed(records)
    assert f"Wrote {page} on localhost: 4 systems and 14 devices" in lines
    tree = "\n".join(lines[next(place for place, line in enumerate(lines) if re.match(r"away  http.+:", line)) :])
    assert re.fullmatch(
        rf"""away  http\S+: 0 systems, 2 devices, 0 allocated, 2 free, 0 stranded
! Cannot be read: GET .+no connection.+
! This is what was stored at the last synchronisation, 20\S+Z:
└─ Free pool: 2
   ├─ 0x\w+  GPU     .+
   └─ 0x\w+  SSD     .+
rack1  {re.escape(eem.url)}: 4 systems, 12 devices, 2 allocated, 9 free, 1 stranded
├─ {re.escape(NAME)}  {eesvs[0]}  group 17, 2 of 16 slots used
│  ├─ {eeios[0]}  GPU     .+
│  └─ {eeios[1]}  SSD     .+
├─ {eesvs[1]}  not a node, group 18, 0 of 16 slots used
├─ {eesvs[2]}  not a node, group 19, 0 of 16 slots used
├─ {eesvs[3]}  not a node, no group id, 0 of 16 slots used
├─ Free pool: 7
(?:│  ├─ 0x\w+  .+\n){{6}}│  └─ 0x\w+  .+
├─ Stranded: 1
│  └─ {eeios[3]}  GPU     .+
├─ Not responding: 1
│  └─ {eeios[4]}  SSD     .+  \[does not respond\]
└─ Disabled: 1
   └─ {eeios[5]}  NIC     .+  \[disabled\]""",
        tree,
    ), tree


def test_without_a_pod_manager_and_in_check_mode_they_say_so(ansible: Ansible) -> None:
    wrapper = [{"import_playbook": f"nec.expether.{name}"} for name in ("report", "fabric")]
    done, records = play(
        ansible, "--inventory=/dev/null", "--check", str(written(ansible.folder / "wrapper.yml", wrapper))
    )
    assert done.returncode == 0, done.stdout + done.stderr
    path = ansible.folder / "expether-report.html"
    assert printed(records) == [
        f"Would write {path} on localhost: 0 systems and 0 devices",
        "No pod manager is registered. expether_podm registers one.",
    ]
    assert not path.exists()
    done, records = play(ansible, "--inventory=/dev/null", "-e", "podm=nobody", str(ansible.folder / "wrapper.yml"))
    assert done.returncode != 0 and "nobody" in records[-1]["result"]["msg"]


def test_a_node_whose_system_is_gone_and_a_missing_device_are_told(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    ansible.play(
        known, call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["GPU"]}}), call("sync")
    )
    eem.delete_card(eesvs[0])
    eem.delete_card(eeios[-1])
    ansible.play(call("sync"))
    ansible.environment["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "yaml"
    done, dummy = play(ansible, "--inventory=/dev/null", "-e", "podm=rack1", "nec.expether.fabric")
    assert done.returncode == 0, done.stdout + done.stderr
    text = re.sub("(?m)^ {4,8}", "", done.stdout)
    assert f"├─ n1  {eesvs[0]}  as it is stored  [EEM does not list it]" in text
    assert re.search(rf"├─ Stranded: 1\n│  └─ {eeios[0]}  GPU .+\[stranded, last used by n1\]", text)
    assert re.search(rf"└─ Not listed any more: 1\n   └─ {eeios[-1]}  NIC .+\[not listed since 20.+Z\]", text)
