# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_layout: all nodes of a pod manager in one plan, carried out or undone as one."""

from __future__ import annotations

import os
import shutil
import signal
import time
import typing as t

import pytest
from eemsim.client import Simulator
from forks import Forks
from module_runs import Ansible, Orders, Result, Task, call, twelve_cases

GPU = {"pci_device": {"type": ["GPU"]}}
SSD = {"pci_device": {"type": ["SSD"]}}
TWO_GPU = {"pci_device": {"type": ["GPU", "GPU"]}}
TWO_NIC = {"pci_device": {"type": ["NIC", "NIC"]}}
GPU_AND_SSD = {"pci_device": {"type": ["GPU", "SSD"]}}
SILENT = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
NODES = call("node_info", podm="rack1")

Entry = dict[str, t.Any]


def entry(name: str, properties: t.Any = None, **keys: t.Any) -> Entry:
    return {"name": name, **({"properties": properties} if properties else {}), **keys}


def layout(*nodes: Entry, **options: t.Any) -> Task:
    return call("layout", podm="rack1", nodes=list(nodes), **options)


def had(result: Result) -> dict[str, list[str]]:
    """The devices of each node in a result."""
    return {node["name"]: [device["device_id"] for device in node["devices"]] for node in result["nodes"]}


def steps(result: Result) -> list[tuple[str, str | None, str | None]]:
    return [(step["action"], step["node"], step["device"]) for step in result.steps]


@pytest.mark.smoke
def test_a_layout_is_applied_once(ansible: Ansible, known: Task, eeios: list[str]) -> None:
    two = layout(entry("n1", GPU_AND_SSD), entry("n2", SSD, purge=True))
    run = ansible.play(known, two, two.called("again"))
    assert had(run[1]) == {"n1": eeios[:2], "n2": [eeios[4]]} == had(run["again"])
    assert run[1].statuses == {"done"} and run[1].connections == 1
    assert run["again"].left_all_alone


def test_a_layout_in_twelve_cases(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    two = [entry("n1", flavor="gpu-small"), entry("n2", SSD, node_index=eesvs[1])]
    run = twelve_cases(
        ansible,
        ("create", layout(*two)),
        ("change", layout(entry("n2", GPU), entry("n1", SSD), purge=True)),
        ("remove", layout(entry("n2"), release_others=True)),
        prepared=[known, call("flavor", name="gpu-small", properties=GPU_AND_SSD)],
    )
    made = run["create"]
    assert [(node["name"], node["index"], node["state"]) for node in made["nodes"]] == [
        ("n1", eesvs[0], "composed"),
        ("n2", eesvs[1], "composed"),
    ]
    assert had(made) == {"n1": eeios[:2], "n2": [eeios[4]]}
    assert made["diff"] == {
        "before": {},
        "after": {
            "n1": {
                "index": eesvs[0],
                "state": "composed",
                "pooled_group_id": "17",
                "devices": [f"{eeios[0]} GPU", f"{eeios[1]} SSD"],
            },
            "n2": {
                "index": eesvs[1],
                "state": "composed",
                "pooled_group_id": "18",
                "devices": [f"{eeios[4]} SSD"],
            },
        },
    }
    assert run["create in check mode"].statuses == {"planned"}
    assert (made["reboot_required"], made["rescan_required"]) == (False, True)
    changed = run["change"]
    assert [node["name"] for node in changed["nodes"]] == ["n2", "n1"], "in the order of the list"
    assert had(changed)["n1"] == [eeios[1]]
    assert [eem.card(card)["group_id"] for card in had(changed)["n2"]] == ["18"]
    removed = run["remove"]
    assert [node["name"] for node in removed["nodes"]] == ["n2"]
    assert [(node["name"], [device["device_id"] for device in node["devices"]]) for node in removed["released"]] == [
        ("n1", [eeios[1]])
    ]
    assert steps(removed) == [("detach", "n1", eeios[1]), ("forget", "n1", None)]
    assert list(removed["diff"]["after"]) == ["n2"]
    assert run["remove again"]["released"] == []


def test_devices_change_their_nodes_in_one_plan(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    all_gpus = {"devices": [{"type": "GPU", "count": 4}]}
    run = ansible.play(
        known,
        layout(entry("n1", all_gpus), entry("n2", SSD)),
        layout(entry("n1", TWO_GPU), entry("n2", TWO_GPU)).failing().called("not allowed"),
        layout(entry("n1", TWO_GPU), entry("n2", TWO_GPU), move=True).called("moved"),
        layout(entry("n2", all_gpus), release_others=True).called("released for the other"),
        NODES,
    )
    assert run["not allowed"].left_all_alone and "n2" in run["not allowed"].msg
    moved = run["moved"]
    assert {step["device"] for step in moved.steps if step["action"] == "detach"} == {
        step["device"] for step in moved.steps if step["action"] == "attach"
    }
    assert {name: len(devices) for name, devices in had(moved).items()} == {"n1": 2, "n2": 3}
    released = run["released for the other"]
    assert len([step for step in released.steps if step["action"] == "attach"]) == 2
    assert [node["name"] for node in released["released"]] == ["n1"]
    assert had(run.results[-1]) == had(released)
    assert len(had(released)["n2"]) == 5


def test_a_new_node_may_get_the_system_of_a_released_one(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(
        known,
        layout(entry("old", GPU_AND_SSD, node_index=eesvs[0])),
        layout(entry("new", GPU, node_index=eesvs[0]), release_others=True, purge=True).called("renamed"),
        NODES,
        layout(entry("new", GPU, node_index=eesvs[0]), release_others=True, purge=True).called("again"),
    )
    renamed = run["renamed"]
    assert had(renamed) == {"new": [eeios[0]]} == had(run[3])
    assert [step["device"] for step in renamed.steps if step["device"]] == [eeios[1]], "what is right stays"
    assert [node["name"] for node in renamed["released"]] == ["old"]
    assert {(step["action"], step["node"], step["from"]) for step in renamed.steps if not step["device"]} == {
        ("remember", "new", None),
        ("forget", "old", "composed"),
    }
    assert not any("already had" in warning for warning in renamed.warnings)
    assert [node["state"] for node in run[3]["nodes"]] == ["composed"]
    assert run["again"].left_all_alone


def test_what_cannot_be_met_is_refused_as_a_whole(
    ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    five = {"devices": [{"type": "GPU", "count": 5}]}
    run = ansible.play(
        known,
        layout(entry("n1", SSD), entry("n2", five)).failing(),
        layout(entry("n1", SSD), entry("n2", five)).failing().checked(),
        layout(*(entry(f"n{number}", SSD) for number in range(5))).failing().called("more nodes than systems"),
    )
    for failed in run.results[1:]:
        assert failed.left_all_alone and failed.kind == "refused" and "Nothing was changed" in failed.msg
    assert run[1].msg == run[2].msg and "n2" in run[1].msg and "5 GPU" in run[1].msg


def test_invalid_entries_are_refused_before_eem_is_asked(
    ansible: Ansible, other: Simulator, known: Task, eesvs: list[str]
) -> None:
    eem_id = eesvs[0]
    loose = eem_id.upper().replace("0X", "")
    half = call("flavor", name="gpu", properties=GPU)
    made = call("node", podm="rack1", name="n1", node_index=eem_id, state="managed")
    cases = {
        "the same name": (
            layout(entry("a", GPU), entry("A", SSD)),
            "`nodes[0]` (a) and `nodes[1]` (A) are the same node",
        ),
        "the same system": (
            layout(entry("a", GPU, index=int(eem_id, 16)), entry("b", GPU, node_index=loose)),
            "`nodes[0]` (a) and `nodes[1]` (b) are the same node",
        ),
        "name and id": (
            layout(entry("n1"), entry(loose)),
            f"`nodes[0]` (n1) and `nodes[1]` ({loose}) are the same node: n1",
        ),
        "unknown flavor": (layout(entry("a", GPU), entry("b", flavor="nope")), "Node b: Flavor 'nope' does not exist"),
        "both": (layout(entry("a", GPU, flavor="gpu")), "`nodes[0]` (a) has both `flavor` and `properties`"),
        "neither": (layout(entry("b")), "Node 'b' does not exist. Set `flavor` or `properties` to create it."),
        "no name": (layout({"flavor": "gpu"}), "`nodes[0]` has neither `name` nor `node_index`"),
        "no device": (layout(entry("a", {"devices": [{}]})), "nodes[0].properties.devices[0] is empty"),
        "no id": (
            layout(entry("a", GPU, node_index="rack")),
            "`nodes[0].node_index` 'rack' is not the EEM id of a system",
        ),
        "not a name": (layout(entry("a", GPU), {"name": True}), "`nodes[1].name` is a boolean"),
        "too long": (layout(entry("a", GPU), connect_timeout=601), "`connect_timeout` must be from 0 to 600"),
        "no podm": (
            call("layout", podm="rak1", nodes=[entry("a", GPU)]),
            "Pod manager 'rak1' is not registered in",
        ),
        "two podms": (
            call("layout", nodes=[entry("a", GPU)]),
            "Several pod managers are registered (rack1, rack2). Set `podm` to one of them.",
        ),
    }
    second = call("podm", name="rack2", url=other.url, username=other.username, password=other.password)
    run = ansible.play(
        known, half, made, second, *(task.failing().called(what) for what, (task, dummy) in cases.items())
    )
    for what, (dummy, message) in cases.items():
        failed = run[what]
        assert message in failed.msg, what
        assert failed.left_all_alone and failed.wire == [], what


def test_an_eem_that_fails_is_a_sentence(ansible: Ansible, eem: Simulator, known: Task, orders: Orders) -> None:
    task = layout(entry("n1", GPU), retries=0)
    run = ansible.play(
        known,
        task.having(password="wrong", username="x").failing().called("password"),
        call("layout", url="http://127.0.0.1:9/eem", nodes=[entry("n1", GPU)], retries=0).failing().called("away"),
        task.failing().after(orders.fault({"do": "html", "status": 200}, times=-1)).called("html"),
    )
    assert [run[what].kind for what in ("password", "away", "html")] == ["unauthorized", "unreachable", "not_eem"]
    assert all(not each.changes for each in run)


def test_what_was_done_before_a_failure_is_undone_for_all_nodes(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eesvs: list[str], eeios: list[str]
) -> None:
    before = layout(entry("n1", GPU_AND_SSD), entry("gone", GPU, node_index=eesvs[2]))
    # n2 gets the system of a node that is released.
    wanted = layout(
        entry("n1", TWO_GPU), entry("n2", SSD, node_index=eesvs[2]), purge=True, release_others=True, retries=0
    )
    refuse = orders.fault({"do": "fail", "code": "40900", "message": "not now"}, method="PUT", path="/group_id$", nth=2)
    run = ansible.play(
        known,
        before,
        NODES.called("before"),
        wanted.failing().after(refuse).called("failed"),
        NODES.after(orders.no_faults()).called("after"),
        wanted.called("again"),
    )
    failed = run["failed"]
    assert "not now" in failed.msg and "Undone:" in failed.msg and "Nothing was changed" in failed.msg
    assert not failed.changed and failed.kind == "eem_refused"
    assert {step["status"] for step in failed["plan"]} <= {"undone", "failed", "planned"}
    assert [step["status"] for step in failed["plan"]].count("failed") == 1
    assert had(run["after"]) == had(run["before"])
    assert [node["state"] for node in run["after"]["nodes"]] == ["composed", "composed"]
    assert {name: len(devices) for name, devices in had(run["again"]).items()} == {"n1": 2, "n2": 1}


def test_what_changes_meanwhile_is_planned_again_for_all_nodes(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eeios: list[str]
) -> None:
    steal = orders.fault(
        {"do": "change", "card": eeios[3], "set": {"group_id": "19"}}, method="PUT", path=f"/{eeios[3]}/group_id$"
    )
    touch = orders.fault({"do": "change", "card": eeios[7], "set": {}}, method="PUT", path=f"/{eeios[7]}/group_id$")
    without_effect = orders.fault({"do": "garbage", "body": "{}"}, method="PUT", path="/group_id$", nth=2)
    run = ansible.play(
        known,
        layout(entry("n1", GPU), entry("n2", GPU)).after(steal).called("stolen"),
        layout(entry("n1", GPU_AND_SSD), entry("n2", GPU_AND_SSD), entry("n3", SSD)).after(touch).called("touched"),
        layout(entry("n1", TWO_NIC), entry("n2", TWO_NIC)).after(without_effect).called("without effect"),
    )
    assert had(run["stolen"]) == {"n1": [eeios[0]], "n2": [eeios[6]]}
    assert eem.card(eeios[3])["group_id"] == "19"
    assert {name: len(devices) for name, devices in had(run["touched"]).items()} == {"n1": 2, "n2": 2, "n3": 2}
    assert {name: len(devices) for name, devices in had(run["without effect"]).items()} == {"n1": 4, "n2": 4}
    for result in run.results[1:]:
        assert any(warning.startswith("Planned again: ") for warning in result.warnings), result.task
        assert result.statuses == {"done"}
        assert all(
            eem.card(card)["group_id"] == node["pooled_group_id"]
            for node in result["nodes"]
            for card in node["device_ids"]
        )
    # What was right is not changed again, and all groups are read at once.
    changes = [change["card"] for change in eem.history(field="group_id") if change["by"] == "api"]
    assert len(changes) == len(set(changes)) == 2 + 3 + 4
    assert len(run["without effect"].wire) == 4 + 1 + 2 * 2


def test_silent_devices_are_left_or_refused_as_the_task_says(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eesvs: list[str], eeios: list[str]
) -> None:
    made = layout(entry("n1", GPU_AND_SSD), entry("n2", GPU_AND_SSD))
    purge = layout(entry("n1", GPU), purge=True, release_others=True)
    run = ansible.play(
        known,
        made,
        purge.failing().after(orders.patch(eeios[1], **SILENT), orders.patch(eeios[3], **SILENT)).called("refused"),
        purge.having(skip_silent=True).called("skipped"),
        purge.having(skip_silent=True).called("again"),
    )
    assert run["refused"].left_all_alone
    assert eeios[3] in run["refused"].msg and "skip_silent" in run["refused"].msg
    skipped = run["skipped"]
    assert [node["name"] for node in skipped["released"]] == ["n2"]
    assert eem.card(eeios[1])["group_id"] == "17" and eem.card(eeios[3])["group_id"] == "18"
    assert {w for w in skipped.warnings if w.startswith("Not detached")} == {
        f"Not detached from n1, because they do not respond: {eeios[1]}.",
        f"Not detached from n2, because they do not respond: {eeios[3]}.",
    }
    assert run["again"].left_all_alone


def test_a_node_that_was_left_half_composed_is_repaired(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eeios: list[str]
) -> None:
    """A run that is interrupted after its last answer: EEM does not answer any more, so that nothing can be undone."""
    away = orders.fault({"do": "drop"}, times=-1, nth=4)
    task = layout(entry("n1", GPU), entry("n2", GPU), entry("n3", SSD), retries=0, timeout=1)
    run = ansible.play(
        known,
        task.failing().after(away).called("away"),
        NODES.having(source="registry"),
        NODES.after(orders.no_faults()).called("left"),
        task.having(retries=1, timeout=5).called("again"),
        NODES.called("after"),
    )
    assert run["away"].msg.endswith("Stored as composing: n1, n2, n3. Run the task again, or release them.")
    assert {node["state"] for node in run["left"]["nodes"]} == {"composing"}
    assert {name: len(devices) for name, devices in had(run["after"]).items()} == {"n1": 1, "n2": 1, "n3": 1}
    assert {node["state"] for node in run["after"]["nodes"]} == {"composed"}


def run_of(task: Task) -> tuple[str, dict[str, t.Any]]:
    return task.module.rpartition(".")[2], task.options


def test_layouts_and_single_nodes_at_the_same_time_share_the_pool(
    ansible: Ansible, module_forks: Forks, eem: Simulator, known: Task
) -> None:
    eem.reset(eesv=8, eeio=24, no_group=2, style="plain")
    ansible.play(known)
    four = [entry(f"a{number}", GPU) for number in range(2)], [entry(f"b{number}", GPU_AND_SSD) for number in range(2)]
    tasks = [
        layout(*four[0]),
        layout(*four[1]),
        call("node", podm="rack1", name="c0", properties=GPU),
        call("node", podm="rack1", name="a1", properties=GPU),
        layout(*four[0], *four[1], move=True),
    ]
    reports = module_forks.together([run_of(task.having(timeout=30)) for task in tasks], ansible.environment)
    assert [(report.status, report.result.get("msg")) for report in reports] == [(0, None)] * len(tasks)
    nodes = ansible.play(NODES)[0]["nodes"]
    assert [node["name"] for node in nodes] == ["a0", "a1", "b0", "b1", "c0"]
    assert {node["state"] for node in nodes} == {"composed"}
    devices = [device["device_id"] for node in nodes for device in node["devices"]]
    assert len(devices) == len(set(devices)) == 1 + 1 + 2 + 2 + 1
    assert len({node["index"] for node in nodes}) == 5
    changed = [change["card"] for change in eem.history(field="group_id")]
    assert len(changed) == len(set(changed)), "nothing is done to be undone"
    assert ansible.play(layout(*four[0], *four[1], purge=True))[0].left_all_alone


def test_a_layout_that_is_killed_at_any_request_is_completed_by_the_next_run(
    ansible: Ansible, module_forks: Forks, eem: Simulator, known: Task, eesvs: list[str]
) -> None:
    before = layout(entry("n1", TWO_GPU), entry("n2", GPU_AND_SSD), entry("gone", TWO_NIC, node_index=eesvs[2]))
    wanted = layout(
        entry("n2", TWO_GPU),
        entry("n1", SSD),
        entry("new", GPU_AND_SSD, node_index=eesvs[2]),
        purge=True,
        move=True,
        release_others=True,
    )
    ansible.play(known, before)
    saved = ansible.folder / "saved"
    shutil.copytree(ansible.files, saved)
    records, end = eem.records(), None
    for request in range(1, 40):
        eem.reset(devices=records)
        shutil.rmtree(ansible.files)
        shutil.copytree(saved, ansible.files)
        eem.fault("freeze", nth=request, after=True)
        (pid,) = module_forks.start([run_of(wanted)], ansible.environment)
        while not eem.faults()[0]["used"] and not is_ended(pid):
            time.sleep(0.01)
        is_over = is_ended(pid)
        os.kill(pid, signal.SIGKILL)
        eem.clear_faults()
        (report,) = module_forks.ended()
        run = ansible.play(wanted, NODES)
        assert {name: len(devices) for name, devices in had(run[1]).items()} == {"n1": 1, "n2": 2, "new": 2}, request
        assert {node["state"] for node in run[1]["nodes"]} == {"composed"}, request
        free = [card["id"] for card in eem.eeios() if card["group_id"] == "4093"]
        assert len(free) == 12 - 5, request
        if is_over:
            end = request
            assert report.status == 0 and run[0].left_all_alone
            break
    assert end is not None and end > 8


def is_ended(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"
