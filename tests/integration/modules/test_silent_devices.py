# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with devices that do not respond: what is said of them, how they are released, and how devices are replaced."""

from __future__ import annotations

import dataclasses

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Result, Task, call

TWO_GPU = {"pci_device": {"type": ["GPU", "GPU"]}}
ONE_GPU = {"pci_device": {"type": ["GPU"]}}
SILENT = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
UP = {"notification_status0": ["up", "down"]}
LIVE = call("device_info", podm="rack1")
STORED = LIVE.having(source="registry")
SYNC = call("sync")
ANSWERS = pytest.mark.parametrize("answer", ["refuse", "accept"])


def node(name: str = "n1", **options: object) -> Task:
    return call("node", podm="rack1", name=name, **options)


RELEASE = node(state="absent")
SKIPPING = RELEASE.having(skip_silent=True)


def shown(result: Result, device: str) -> tuple[str, str | None, str | None]:
    """How a listing shows a device: its state, its node and its last node."""
    (found,) = [each for each in result["devices"] if each["device_id"] == device]
    return found["state"], found["node"], found["last_node"]


@pytest.fixture(name="gpus")
def fixture_gpus(eem: Simulator, eeios: list[str]) -> list[str]:
    """All GPUs; n1 gets the first two."""
    return [eeios[0], eeios[3], eeios[6], eeios[9]]


@pytest.fixture(name="made")
def fixture_made(eem: Simulator, known: Task, eesvs: list[str], orders: Orders, gpus: list[str]) -> list[Task]:
    """Registers rack1 and composes n1 of two GPUs; afterwards the first does not respond."""
    return [known, node(properties=TWO_GPU, node_index=eesvs[0]), LIVE.after(orders.patch(gpus[0], **SILENT))]


@ANSWERS
def test_releasing_purging_and_cascading_over_a_silent_device_change_nothing(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str], answer: str
) -> None:
    eem.set_options(silent_change=answer)
    cascade = call("podm", name="rack1", state="absent", cascade=True)
    purge = node(properties={"pci_device": {"type": ["SSD"]}}, purge=True)
    detach = call("device_attach", podm="rack1", devices=gpus[:2], state="detached")
    tasks = [RELEASE, cascade, purge, detach]
    run = ansible.play(*made, *(task.failing() for task in tasks), *(task.checked().failing() for task in tasks))
    for result in run.results[3:]:
        assert result.kind == "refused" and result.left_all_alone
        assert result.msg.startswith(
            f"Cannot detach: {gpus[0]} does not respond (attached to n1). Use `skip_silent: true`"
        )
        assert "expether_device with `state: absent`" in result.msg
    assert {eem.card(gpu)["group_id"] for gpu in gpus[:2]} == {"17"}


@ANSWERS
def test_a_node_is_released_without_its_silent_device_which_is_stranded_until_it_responds(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str], orders: Orders, answer: str
) -> None:
    eem.set_options(silent_change=answer)
    run = ansible.play(
        *made,
        SKIPPING.checked().called("checked"),
        SKIPPING.called("release"),
        SKIPPING.called("again"),
        STORED.called("stored"),
        LIVE.called("live"),
        LIVE.having(state="stranded").called("stranded ones"),
        call("device_attach", podm="rack1", devices=[gpus[0]], state="detached", skip_silent=True).called("detach"),
        SYNC.called("sync"),
        STORED.called("stored after a sync"),
        SYNC.after(orders.patch(gpus[2], power_status="off")),  # so that EEM's listing is another one
        STORED.called("stored after another listing"),
        call("system_info", podm="rack1").called("systems"),
        LIVE.after(orders.patch(gpus[0], **UP)).called("answers"),
        SYNC,
        STORED.called("answers, stored"),
    )
    for word in ("checked", "release"):
        assert [(step["action"], step["device"]) for step in run[word].steps] == [("detach", gpus[1]), ("forget", None)]
        assert f"Not detached from n1, because they do not respond: {gpus[0]}." in run[word].warnings
    assert run["checked"].left_all_alone and not run["again"].changed
    assert not [request for request in run["release"].wire if gpus[0] in request["path"]]
    for word in ("stored", "live", "stranded ones", "detach", "stored after a sync", "stored after another listing"):
        assert shown(run[word], gpus[0]) == ("stranded", None, "n1"), word
    assert not run["sync"].changed
    assert shown(run["live"], gpus[1]) == ("free", None, None)
    assert run["systems"]["systems"][0]["free_slots"] == 15
    for word in ("answers", "answers, stored"):
        assert shown(run[word], gpus[0]) == ("allocated", None, None), word


def test_a_task_that_skips_what_was_left_shows_it_as_listings_do(
    ansible: Ansible, made: list[Task], gpus: list[str]
) -> None:
    detach = call("device_attach", podm="rack1", devices=gpus[:1], state="detached", skip_silent=True)
    run = ansible.play(*made, SKIPPING, LIVE.called("live"), detach.called("detach"))
    assert shown(run["detach"], gpus[0]) == shown(run["live"], gpus[0]) == ("stranded", None, "n1")


def test_what_was_left_behind_is_not_stranded_any_more_in_another_group(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str], orders: Orders
) -> None:
    run = ansible.play(
        *made,
        SKIPPING,
        LIVE.after(orders.patch(gpus[0], group_id="18")).called("in the group of another system"),
        LIVE.after(orders.patch(gpus[0], group_id="4093")).called("free"),
    )
    assert shown(run["in the group of another system"], gpus[0]) == ("allocated", None, None)
    assert shown(run["free"], gpus[0]) == ("free", None, None)


def test_a_device_that_was_never_stored_is_stored_when_it_is_left_behind(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str]
) -> None:
    known, *others = made
    run = ansible.play(known.having(sync=False), *others, SKIPPING, STORED.called("stored"))
    assert shown(run["stored"], gpus[0]) == ("stranded", None, "n1")


@ANSWERS
def test_composing_again_on_that_system_does_not_count_what_was_left(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str], eesvs: list[str], answer: str
) -> None:
    eem.set_options(silent_change=answer)
    eem.patch(eesvs[0], max_eeio_count="2")
    one = node("n2", properties=ONE_GPU, node_index=eesvs[0])
    run = ansible.play(
        *made,
        SKIPPING,
        one.having(properties=TWO_GPU).failing().called("two"),
        one.checked().called("checked"),
        one.called("one"),
        one.checked().called("checked again"),
        one.called("again"),
        LIVE.called("live"),
        STORED.called("stored"),
        node("n2", state="absent").failing().called("release"),
        node("n2", state="absent", skip_silent=True),
        LIVE.called("released"),
    )
    assert f"Devices that do not respond use slots too: {gpus[0]}." in run["two"].msg
    for word in ("checked", "one"):
        assert [step["device"] for step in run[word].steps] == [None, gpus[1]]
        said = f"These devices in the group of n2 do not respond and do not count, but use slots: {gpus[0]}."
        assert said in run[word].warnings
    assert not run["checked again"].changed and not run["again"].changed
    for word in ("live", "stored"):
        assert shown(run[word], gpus[0]) == ("allocated", "n2", None), word
    assert "attached to n2" in run["release"].msg
    assert shown(run["released"], gpus[0]) == ("stranded", None, "n2")


def test_what_was_left_does_not_count_either_when_the_plan_is_made_again(
    ansible: Ansible, made: list[Task], gpus: list[str], eesvs: list[str], orders: Orders
) -> None:
    """Then the registry stores the new node already, as composing."""
    stale = orders.fault(
        {"do": "fail", "code": "40004", "message": "has changed"}, times=2, method="PUT", path=f"{gpus[1]}/group_id$"
    )
    one = node("n2", properties=ONE_GPU, node_index=eesvs[0])
    run = ansible.play(*made, SKIPPING, one.after(stale).called("one"))
    assert [warning for warning in run["one"].warnings if warning.startswith("Planned again")]
    assert [step["device"] for step in run["one"].steps] == [None, gpus[1]]


def test_a_pod_manager_is_removed_without_the_silent_devices_of_its_nodes(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str]
) -> None:
    cascade = call("podm", name="rack1", state="absent", cascade=True, skip_silent=True)
    run = ansible.play(*made, cascade.checked(), cascade.called("cascade"), call("podm_info"))
    assert f"Not detached from n1, because they do not respond: {gpus[0]}." in run["cascade"].warnings
    assert [eem.card(gpu)["group_id"] for gpu in gpus[:2]] == ["17", "4093"]
    assert run[5]["podms"] == []


def test_a_pod_manager_that_is_removed_leaves_no_devices_in_the_registry(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str]
) -> None:
    """Also not the silent one, which would be stored when its node is released."""
    cascade = call("podm", name="rack1", state="absent", cascade=True, skip_silent=True)
    alone = dataclasses.replace(made[0].having(sync=False), outcome=None)
    run = ansible.play(alone, *made[1:], cascade, alone.having(description="again"), STORED.called("stored"))
    assert eem.card(gpus[0])["group_id"] == "17"
    assert run["stored"]["devices"] == []


def test_purge_and_detach_leave_the_silent_device_where_it_is(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str]
) -> None:
    purge = node(properties={"pci_device": {"type": ["SSD"]}}, purge=True, skip_silent=True)
    detach = call("device_attach", podm="rack1", devices=gpus[:2], state="detached", skip_silent=True)
    run = ansible.play(
        *made, detach.called("detach"), detach.called("again"), purge.called("purge"), purge.called("purged")
    )
    assert [step["device"] for step in run["detach"].steps] == [gpus[1]]
    assert [(device["state"], device["node"]) for device in run["detach"]["devices"]] == [
        ("allocated", "n1"),
        ("free", None),
    ]
    assert [step["action"] for step in run["purge"].steps] == ["attach"]
    assert not run["again"].changed and not run["purged"].changed
    for result in run.results[3:]:
        assert f"Not detached from n1, because they do not respond: {gpus[0]}." in result.warnings
    assert eem.history(card=gpus[0], field="group_id")[-1]["to"] == "17"


def test_a_node_with_a_silent_device_is_short_of_it_and_says_so_each_time(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str]
) -> None:
    requested = node(properties=TWO_GPU)
    run = ansible.play(*made, requested, requested.checked(), requested, node(), node(state="managed"))
    short = (
        f"Node n1 has less than was requested, because these devices do not respond: {gpus[0]}. Set"
        " `replace_silent: true` to attach others in their place."
    )
    assert [result.warnings for result in run.results[3:6]] == [[short]] * 3
    assert [result.warnings for result in run.results[6:]] == [[f"These devices of n1 do not respond: {gpus[0]}."]] * 2
    assert not any(result.changed for result in run.results[2:])


@ANSWERS
def test_a_silent_device_is_replaced_once(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str], answer: str
) -> None:
    eem.set_options(silent_change=answer)
    replace = node(properties=TWO_GPU, replace_silent=True)
    run = ansible.play(
        *made,
        replace.checked().called("checked"),
        replace.called("replaced"),
        replace.checked().called("checked again"),
        replace.called("again"),
        replace.having(purge=True).called("purge"),
        node(properties=TWO_GPU).called("without the option"),
        STORED.called("stored"),
    )
    left = answer == "refuse"
    steps = [("attach", gpus[2], "done"), ("detach", gpus[0], "failed" if left else "done")]
    assert [(step["action"], step["device"], step["status"]) for step in run["replaced"]["plan"]] == steps
    assert [(step["action"], step["device"]) for step in run["checked"].steps] == [step[:2] for step in steps]
    assert run["replaced"].changed and run["checked"].left_all_alone
    refused = f"EEM did not detach these devices of n1, which do not respond: {gpus[0]}. They stay in its group and use slots."
    assert (refused in run["replaced"].warnings) == left
    devices = [device["device_id"] for device in run["replaced"]["node"]["devices"]]
    assert devices == ([gpus[0], *gpus[1:3]] if left else gpus[1:3])
    for word in ("checked again", "again", "purge", "without the option"):
        assert not run[word].changed and run[word].steps == [], word
        assert any(gpus[0] in warning for warning in run[word].warnings) == left, word
    assert shown(run["stored"], gpus[0]) == (("allocated", "n1", None) if left else ("free", None, None))


def test_what_cannot_be_replaced_is_refused_before_anything_is_sent(
    ansible: Ansible, eem: Simulator, made: list[Task], gpus: list[str], eesvs: list[str], orders: Orders
) -> None:
    replace = node(properties=TWO_GPU, replace_silent=True).failing()
    run = ansible.play(
        *made,
        replace.after(orders.patch(eesvs[0], max_eeio_count="2")).called("no slot"),
        replace.after(
            orders.patch(eesvs[0], max_eeio_count="16"), *(orders.patch(gpu, group_id="18") for gpu in gpus[2:])
        ).called("no device"),
    )
    assert f"Devices that do not respond use slots too: {gpus[0]}." in run["no slot"].msg
    assert run["no device"].msg.startswith("2 GPU requested, 1 attached already, 0 free. Not available: ")
    assert f"{gpus[0]} not responding" in run["no device"].msg
    assert all(run[word].left_all_alone for word in ("no slot", "no device"))
