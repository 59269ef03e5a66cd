# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_layout_info: what it describes, given back to expether_layout, changes nothing."""

from __future__ import annotations

import typing as t

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Result, Task, call

SILENT = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
INFO = call("layout_info", podm="rack1")


def node(name: str, **options: t.Any) -> Task:
    return call("node", podm="rack1", name=name, **options)


def types(*names: str) -> dict[str, t.Any]:
    return {"pci_device": {"type": list(names)}}


def given_back(result: Result, **options: t.Any) -> Task:
    return call("layout", podm="rack1", **{**result["layout"], **options})


@pytest.mark.smoke
def test_a_pod_without_nodes_has_an_empty_layout(ansible: Ansible, known: Task) -> None:
    run = ansible.play(known, INFO)
    assert run[1]["layout"] == {"nodes": [], "purge": True, "release_others": False, "move": False}


def test_the_layout_of_a_pod_given_back_changes_nothing(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[1], group_id="18")
    run = ansible.play(
        known,
        node("train", properties=types("GPU", "GPU", "SSD"), node_index=eesvs[0]),
        node("adopted", node_index=eesvs[1], state="managed"),
        node("bare", node_index=eesvs[3], state="managed"),
        INFO,
    )
    found = run.results[-1]["layout"]
    assert [entry["name"] for entry in found["nodes"]] == ["adopted", "bare", "train"]
    assert [entry["node_index"] for entry in found["nodes"]] == [eesvs[1], eesvs[3], eesvs[0]]
    assert "properties" not in found["nodes"][1], "a node without devices"
    kinds = [(kind["type"], kind["count"]) for kind in found["nodes"][2]["properties"]["devices"]]
    assert sorted(kinds) in ([("GPU", 1), ("GPU", 1), ("SSD", 1)], [("GPU", 2), ("SSD", 1)])
    assert all("model" not in kind for kind in found["nodes"][2]["properties"]["devices"])
    back = given_back(run.results[-1])
    again = ansible.play(back.called("checked").checked(), back.called("applied"), back.having(release_others=True))
    for result in again:
        assert not result.changed and result.left_all_alone
    assert [each["state"] for each in again["applied"]["nodes"]] == ["managed", "managed", "composed"]
    # A device less is given back, too: the layout says what a node had.
    lost = [device["device_id"] for device in again["applied"]["nodes"][2]["devices"]][0]
    repaired = ansible.play(call("device_attach", podm="rack1", devices=[lost], state="detached"), back)[1]
    assert repaired.changed and len(repaired["nodes"][2]["devices"]) == 3


def test_what_no_request_describes_is_not_purged(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eesvs: list[str], eeios: list[str]
) -> None:
    unknown = dict.fromkeys(("pcie_vendor_id", "pcie_device_id", "pcie_class_code"), "")
    run = ansible.play(
        known,
        node("box", node_index=eesvs[3], state="managed").after(
            orders.patch(eesvs[3], group_id="40"),
            orders.patch(eeios[9], group_id="40", pcie_connection_status="up", type="10g", **unknown),
            orders.patch(eeios[10], group_id="40"),
        ),
        node("empty", node_index=eesvs[0], state="managed").after(
            orders.patch(eeios[0], group_id="17"), orders.patch(eeios[1], group_id="17", pcie_connection_status="down")
        ),
        node("left", properties=types("SSD", "NIC"), node_index=eesvs[1]),
        node("left", state="absent", skip_silent=True).after(orders.patch(eeios[4], **SILENT)),
        node("again", properties=types("GPU"), node_index=eesvs[1]),
        node("silent", properties=types("GPU", "SSD"), node_index=eesvs[2]),
        INFO.after(orders.patch(eeios[6], **SILENT)),
    )
    found = {entry["name"]: entry for entry in run.results[-1]["layout"]["nodes"]}
    purges = {name: entry.get("purge", True) for name, entry in found.items()}
    assert purges == {"again": True, "box": True, "empty": False, "silent": True}
    assert len(found["again"]["properties"]["devices"]) == 2, "what was left belongs to the node again"
    model = eem.card(eeios[9])["model"]
    assert {"model": model, "count": 1} in found["box"]["properties"]["devices"], "nothing else is known of the device"
    back = given_back(run.results[-1])
    again = ansible.play(back.called("checked").checked(), back)
    for result in again:
        assert not result.changed and result.left_all_alone


def test_what_cannot_be_described_is_left_out_with_a_warning(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eesvs: list[str]
) -> None:
    away = orders.fault({"do": "drop"}, times=-1, nth=3)
    run = ansible.play(
        known,
        node("half", properties=types("GPU", "SSD"), node_index=eesvs[0], retries=0, timeout=1).failing().after(away),
        node("gone", node_index=eesvs[3], state="managed").after(orders.no_faults()),
        node("here", node_index=eesvs[1], state="managed"),
        INFO.after(("DELETE", f"{eem.control}/cards/{eesvs[3]}", None)),
    )
    described = run.results[-1]
    assert [entry["name"] for entry in described["layout"]["nodes"]] == ["here"]
    assert described.warnings == [
        f"Node gone is not part of the layout: EEM does not list its system {eesvs[3]}.",
        "Node half is not part of the layout: it was left half composed. Compose it again, or release it.",
    ]


def test_one_pod_manager_is_described(ansible: Ansible, known: Task, other: Simulator, eem: Simulator) -> None:
    second = call("podm", name="rack2", url=other.url, username=other.username, password=other.password)
    by_url = call("layout_info", url=eem.url, username=eem.username, password=eem.password)
    run = ansible.play(
        known,
        call("layout_info").called("only one"),
        second,
        call("layout_info").failing().called("two"),
        by_url,
        INFO.having(podm="rak1").failing().called("misspelt"),
    )
    assert run["two"].msg == "Several pod managers are registered (rack1, rack2). Set `podm` to one of them."
    assert run["misspelt"].kind == "not_found"
