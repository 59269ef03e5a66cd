# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_node: composing, adopting and releasing, and what is refused."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Result, Task, call, twelve_cases

GPU = {"pci_device": {"type": ["GPU"]}}
GPU_AND_SSD = {"pci_device": {"type": ["GPU", "SSD"]}}
TWO_GPU = {"pci_device": {"type": ["GPU", "GPU"]}}


def node(name: str | None = None, **options: object) -> Task:
    return call("node", podm="rack1", **({"name": name} if name else {}), **options)


def ids(result: Result) -> list[str]:
    return [device["device_id"] for device in result["node"]["devices"]]


@pytest.mark.smoke
def test_a_composed_node_in_twelve_cases(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = twelve_cases(
        ansible,
        ("create", node("n1", flavor="gpu-small")),
        ("change", node("n1", properties=TWO_GPU, purge=True)),
        ("remove", node("n1", state="absent")),
        prepared=[known, call("flavor", name="gpu-small", properties=GPU_AND_SSD)],
    )
    made = run["create"]["node"]
    assert (made["name"], made["node"], made["index"], made["id"]) == ("n1", "n1", eesvs[0], eesvs[0])
    assert (made["state"], made["podm"], made["pooled_group_id"]) == ("composed", "rack1", "17")
    assert (made["max_devices"], made["free_slots"], made["listed"]) == (16, 14, True)
    assert ids(run["create"]) == [eeios[0], eeios[1]]
    assert [
        (step["action"], step["device"], step["node"], step["from"], step["to"]) for step in run["create"].steps
    ] == [
        ("remember", None, "n1", None, "composed"),
        ("attach", eeios[0], "n1", "4093", "17"),
        ("attach", eeios[1], "n1", "4093", "17"),
    ]
    assert run["create in check mode"].statuses == {"planned"}
    assert (run["create"]["reboot_required"], run["create"]["rescan_required"]) == (False, True)
    assert [(step["action"], step["device"]) for step in run["change"].steps] == [
        ("detach", eeios[1]),
        ("attach", eeios[3]),
    ]
    assert ids(run["change"]) == [eeios[0], eeios[3]]
    assert run["change"]["diff"]["before"]["devices"] == [f"{eeios[0]} GPU", f"{eeios[1]} SSD"]
    assert run["change"]["diff"]["after"]["devices"] == [f"{eeios[0]} GPU", f"{eeios[3]} GPU"]
    assert [(step["action"], step["device"]) for step in run["remove"].steps] == [
        ("detach", eeios[0]),
        ("detach", eeios[3]),
        ("forget", None),
    ]
    assert run["remove"]["node"]["name"] == "n1"
    assert run["remove again"]["node"] is None
    assert {eem.card(card)["group_id"] for card in eeios} == {"4093"}
    assert [change["by"] for change in eem.history(field="group_id")] == ["api"] * 6


def test_an_adopted_node_in_twelve_cases(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[2], group_id="18")
    run = twelve_cases(
        ansible,
        ("create", node("storage-1", node_index=eesvs[1], state="managed")),
        ("change", node("storage-1", properties={"pci_device": {"type": ["NIC", "SSD"]}})),
        ("remove", node("storage-1", state="absent")),
        prepared=[known],
    )
    assert run["create"]["node"]["state"] == "managed"
    assert ids(run["create"]) == [eeios[2]]
    assert [step["action"] for step in run["create"].steps] == ["remember"]
    assert run["create"].changes == []
    assert run["change"]["node"]["state"] == "composed"
    assert ids(run["change"]) == [eeios[1], eeios[2]]
    assert {eem.card(card)["group_id"] for card in eeios} == {"4093"}


def test_an_adopted_node_without_a_name_is_named_by_its_id(ansible: Ansible, known: Task, eesvs: list[str]) -> None:
    bare = eesvs[1][2:].upper()
    run = ansible.play(
        known,
        node(node_index=bare, state="managed"),
        node(node_index=eesvs[1], state="managed"),
        node(eesvs[1], state="managed"),
        node(node_index=bare, state="absent"),
        call("node_info"),
    )
    assert run[1]["node"]["name"] == eesvs[1]
    assert [result.changed for result in run.results[1:]] == [True, False, False, True, False]
    assert run[5]["nodes"] == []


def test_a_system_with_a_group_is_chosen_first_then_the_one_with_most_room_then_the_lowest_id(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eeios[11], group_id="17")
    run = ansible.play(known, *(node(f"n{number}", properties=GPU) for number in range(4)))
    assert [result["node"]["index"] for result in run.results[1:]] == [eesvs[1], eesvs[2], eesvs[0], eesvs[3]]
    assert [result["reboot_required"] for result in run.results[1:]] == [False, False, False, True]
    last = run[4]
    assert [step["action"] for step in last.steps] == ["remember", "set_group", "attach"]
    assert (last.steps[1]["node_id"], last.steps[1]["from"]) == (eesvs[3], "4094")
    assert any("reboot" in warning for warning in last.warnings)
    assert len(last.wire) <= 2 + 1 + 1


def test_a_certain_system_is_taken_or_refused_never_another(
    ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(
        known,
        node("n1", properties=GPU, node_index=eesvs[2]),
        node("n1", properties=GPU, node_index=eesvs[2]),
        node("n1", properties=GPU, node_index=eesvs[1]).failing().called("other system"),
        node("n2", properties=GPU, node_index=eesvs[2]).failing().called("other node"),
        node("n2", node_index=eesvs[2], state="managed").failing().called("adopt another"),
        node("n2", properties=GPU, node_index=eeios[0]).failing().called("device"),
        node("n2", node_index=eeios[0], state="managed").failing().called("adopt a device"),
        node("n2", properties=GPU, node_index="0x8cdf9dffffff").failing().called("unknown"),
        node("n2", properties=GPU, node_index="second").failing().called("no id"),
    )
    assert run[1]["node"]["index"] == eesvs[2]
    assert not run[2].changed
    for about, kind, said in (
        ("other system", "refused", eesvs[2]),
        ("other node", "refused", "n1"),
        ("adopt another", "refused", "n1"),
        ("device", "refused", "EEIO"),
        ("adopt a device", "refused", "EEIO"),
        ("unknown", "not_found", "0x8cdf9dffffff"),
        ("no id", "invalid", "'second'"),
    ):
        assert (about, run[about].kind) == (about, kind)
        assert said in run[about].msg
        assert run[about].left_all_alone


def test_without_purge_nothing_is_taken_away(ansible: Ansible, known: Task, eeios: list[str]) -> None:
    run = ansible.play(
        known,
        node("n1", properties=TWO_GPU),
        node("n1", properties=GPU),
        node("n1"),
        node("n1", properties=GPU, purge=True),
    )
    assert [result.changed for result in run.results[1:]] == [True, False, False, True]
    assert ids(run[3]) == [eeios[0], eeios[3]]
    assert ids(run[4]) == [eeios[0]]


def test_devices_are_found_by_vendor_device_and_model(ansible: Ansible, known: Task, eeios: list[str]) -> None:
    properties = {
        "devices": [
            {"vendor_id": "10DE", "pci_device_id": "1db6", "count": 2},
            {"model": "ee i/o expansion unit (40g)-2s", "type": "nic"},
        ]
    }
    run = ansible.play(
        known,
        node("n1", properties=properties),
        node("n2", properties={"devices": [{"vendor_id": "10de", "device_id": "1db6"}]}).failing(),
    )
    assert ids(run[1]) == [eeios[0], eeios[2], eeios[9]]
    assert "1 GPU" not in run[2].msg
    assert "10de:1db6" in run[2].msg and f"{eeios[0]} attached to n1" in run[2].msg


def test_what_cannot_be_had_is_refused_with_each_candidate_and_its_reason(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    eem.silence(eeios[0])
    eem.patch(eeios[3], group_id="99")
    eem.patch(eeios[6], admin_status="disabled")
    eem.patch(eeios[9], group_id="18")
    run = ansible.play(
        known, node("n1", properties=TWO_GPU).failing(), node("n1", properties=TWO_GPU).checked().failing()
    )
    for refused in run.results[1:]:
        assert refused.msg.startswith("2 GPU requested, 0 free. Not available: ")
        for device, reason in (
            (0, "not responding"),
            (3, "stranded in group 99"),
            (6, "not enabled"),
            (9, "attached to 0x"),
        ):
            assert f"{eeios[device]} {reason}" in refused.msg
        assert set(refused["failure"]["candidates"]) == {eeios[place] for place in (0, 3, 6, 9)}
        assert refused.left_all_alone
    assert run[1].msg == run[2].msg


def test_a_system_that_cannot_be_had_is_refused_with_each_reason(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str]
) -> None:
    eem.silence(eesvs[0])
    eem.patch(eesvs[1], monitoring_status="disabled")
    eem.patch(eesvs[2], max_eeio_count="1")
    eem.patch(eesvs[3], group_id="3")
    run = ansible.play(
        known,
        node("n1", properties=GPU_AND_SSD).failing().called("any"),
        *(node("n1", properties=GPU_AND_SSD, node_index=index).failing() for index in eesvs),
    )
    for index, reason in zip(eesvs, ("does not respond", "is not enabled", "has 1 free slot", "has group id 3 from")):
        assert f"{index} {reason}" in run["any"].msg
    for result, reason in zip(run.results[2:], ("does not respond", "not enabled", "has 1 free slot", "rotary switch")):
        assert reason in result.msg
    assert all(result.kind == "refused" and result.left_all_alone for result in run.results[1:])


def test_systems_that_share_a_group_are_not_composed(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.patch(eesvs[1], group_id="17")
    eem.patch(eeios[0], group_id="17")
    run = ansible.play(
        known,
        node("n1", properties={"pci_device": {"type": ["SSD"]}}).called("another one"),
        node("n2", properties={"pci_device": {"type": ["SSD"]}}, node_index=eesvs[0]).failing().called("compose"),
        node("n2", node_index=eesvs[0], state="managed").called("adopt"),
        node("n2", state="absent").failing().called("release"),
    )
    assert run["another one"]["node"]["index"] == eesvs[2]
    for about in ("compose", "release"):
        assert f"shares its group id 17 with {eesvs[1]}" in run[about].msg
        assert run[about].kind == "refused" and run[about].left_all_alone
    assert eem.card(eeios[0])["group_id"] == "17"


def test_more_devices_than_a_system_takes_are_refused(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str]
) -> None:
    for index in eesvs:
        eem.patch(index, max_eeio_count="2")
    properties = {"pci_device": {"type": ["GPU", "SSD", "NIC"]}}
    run = ansible.play(
        known,
        node("n1", properties=properties).failing(),
        node("n1", properties=properties, node_index=eesvs[0]).failing(),
        node("n2", properties=GPU_AND_SSD),
        node("n2", properties=properties).failing(),
    )
    for place in (1, 2, 4):
        assert run[place].kind == "refused" and run[place].left_all_alone
    assert f"{eesvs[0]} has 2 free slots" in run[1].msg
    assert f"{eesvs[0]} takes 2 devices and has 2 free slots" in run[2].msg
    assert "has 0 free slots" in run[4].msg


def test_what_is_not_known_is_said_with_what_there_is(ansible: Ansible, rack1: Task) -> None:
    run = ansible.play(
        node("n1", properties=GPU).failing().called("no pod manager"),
        rack1,
        call("node", podm="rack9", name="n1", properties=GPU).failing().called("unknown pod manager"),
        node("n1", flavor="gpu-small").failing().called("no flavor"),
        call("flavor", name="big", properties=GPU),
        node("n1", flavor="gpu-small").failing().called("unknown flavor"),
        node("n1").failing().called("no devices"),
        node("n1", state="managed").failing().called("nothing to adopt"),
    )
    for about, kind, said in (
        ("no pod manager", "not_found", "'rack1'"),
        ("unknown pod manager", "not_found", "rack1"),
        ("no flavor", "not_found", "'gpu-small'"),
        ("unknown flavor", "not_found", "big"),
        ("no devices", "invalid", "Set `flavor` or `properties`"),
        ("nothing to adopt", "invalid", "node_index"),
    ):
        assert (about, run[about].kind) == (about, kind)
        assert said in run[about].msg
        assert run[about].left_all_alone


def test_options_that_contradict_each_other_are_refused_by_ansible(ansible: Ansible, known: Task) -> None:
    run = ansible.play(
        known,
        node("n1", flavor="a", properties=GPU).failing(),
        node().failing(),
        call("node", podm="rack1", url="http://127.0.0.1:1/eem", name="n1").failing(),
        node("n1", properties={"processor": {}}).failing(),
        node("n1", properties={"gpu": 1}).failing(),
    )
    assert "mutually exclusive" in run[1].msg
    assert "one of the following is required" in run[2].msg
    assert "mutually exclusive" in run[3].msg
    assert "properties.processor" in run[4].msg and "properties.gpu" in run[5].msg
    assert all(result.left_all_alone for result in run.results[1:])


def test_only_forgetting_leaves_the_devices_and_asks_no_eem(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    forget = node("n1", state="absent", detach_devices=False)
    run = ansible.play(
        known,
        node("n1", properties=GPU),
        forget.checked(),
        forget,
        forget,
        call("node_info"),
        node("n1", properties=GPU, node_index=eesvs[0]).called("compose again"),
    )
    assert [result.changed for result in run.results[2:5]] == [True, True, False]
    assert [result.wire for result in run.results[2:5]] == [[], [], []]
    assert run[2].steps == run[3].steps
    assert run[2]["node"]["name"] == run[3]["node"]["name"] == "n1"
    assert run[5]["nodes"] == []
    assert ids(run["compose again"]) == [eeios[0]]
    assert run["compose again"].changes == []
    assert eem.card(eeios[0])["group_id"] == "17"


def test_a_node_whose_system_is_gone_is_released(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    run = ansible.play(known, node("n1", properties=GPU))
    eem.delete_card(eesvs[0])
    run = ansible.play(
        node("n1", properties=GPU).failing(), call("node_info"), node("n1", state="absent"), node("n1", state="absent")
    )
    assert eesvs[0] in run[0].msg and run[0].left_all_alone
    assert [(each["name"], each["listed"], each["devices"]) for each in run[1]["nodes"]] == [("n1", False, [])]
    assert [step["action"] for step in run[2].steps] == ["detach", "forget"]
    assert not run[3].changed
    assert eem.card(eeios[0])["group_id"] == "4093"


def test_a_node_whose_system_was_given_another_group_is_released_with_what_it_left_behind(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str], orders: Orders
) -> None:
    ansible.play(known, node("n1", properties=GPU_AND_SSD))
    eem.patch(eesvs[0], group_id="30")
    release = node("n1", state="absent")
    # The release begins, and is interrupted: it must not forget the former group.
    broken = release.failing().after(
        orders.fault({"do": "fail", "status": 500, "code": "50099"}, method="DELETE", times=-1)
    )
    run = ansible.play(broken, release.after(orders.no_faults()), release)
    assert [(step["action"], step["device"]) for step in run[1].steps] == [
        ("detach", eeios[0]),
        ("detach", eeios[1]),
        ("forget", None),
    ]
    assert not run[2].changed
    assert {eem.card(device)["group_id"] for device in eeios[:2]} == {"4093"}


def test_releasing_a_node_warns_of_its_devices_that_eem_does_not_list_at_the_moment(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    gpus = {"devices": [{"type": "GPU", "count": 2}]}
    ansible.play(known, node("n1", properties=gpus), node("n2", properties=gpus))
    gone = eeios[3]
    card = dict(eem.card(gone))
    eem.delete_card(gone)
    release = node("n1", state="absent")
    run = ansible.play(release.checked(), release, node("n2", state="absent"))
    warning = f"EEM is not listing these devices of n1, so they were not detached: {gone}."
    for result in run.results[:2]:
        assert warning in result.warnings
        assert [(step["action"], step["device"]) for step in result.steps] == [("detach", eeios[0]), ("forget", None)]
    assert not [sentence for sentence in run[2].warnings if "not detached" in sentence]
    # It comes back in the group that the node had, which its system has left.
    eem.put_card(card)
    eem.patch(eesvs[0], group_id="500")
    shown = call("device_info", devices=[gone])
    run = ansible.play(shown, call("sync"), shown.having(source="registry"))
    for result in (run[0], run[2]):
        assert [(each["state"], each["last_node"]) for each in result["devices"]] == [("stranded", "n1")]


def test_a_device_that_is_left_to_the_system_of_a_released_node_is_stranded_later_under_its_name(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    shown = call("device_info", devices=[eeios[0]])
    run = ansible.play(
        known,
        node("n1", properties=GPU),
        node("n1", state="absent", detach_devices=False),
        call("sync"),
        shown,
        shown.having(source="registry"),
    )
    for result in run.results[4:]:
        assert [(each["state"], each["last_node"]) for each in result["devices"]] == [("allocated", None)]
    eem.patch(eesvs[0], group_id="500")
    run = ansible.play(shown, call("sync"), shown.having(source="registry"))
    for result in (run[0], run[2]):
        assert [(each["state"], each["last_node"]) for each in result["devices"]] == [("stranded", "n1")]


def test_a_step_that_fails_for_good_is_undone_and_the_node_is_not_left_behind(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eeios: list[str]
) -> None:
    refuse = orders.fault(
        {"do": "fail", "code": "40900", "message": "not now"}, method="PUT", path="/group_id$", nth=2, times=-1
    )
    run = ansible.play(
        known,
        node("n1", properties=GPU_AND_SSD).failing().after(refuse),
        call("node_info").after(orders.no_faults()),
        node("n1", properties=GPU_AND_SSD),
    )
    failed = run[1]
    assert "not now" in failed.msg and "40900" in failed.msg
    assert "Undone:" in failed.msg and "Nothing was changed" in failed.msg
    assert failed["failure"]["code"] == "40900" and failed["failure"]["http_status"] == 409
    assert not failed.changed
    assert [(step["device"], step["status"]) for step in failed["plan"] if step["device"]] == [
        (eeios[0], "undone"),
        (eeios[1], "failed"),
    ]
    assert run[2]["nodes"] == []
    assert ids(run[3]) == [eeios[0], eeios[1]]
    assert [change["to"] for change in eem.history(field="group_id", card=eeios[0])] == ["17", "4093", "17"]


def test_a_change_whose_answer_is_lost_is_read_back_and_not_sent_again(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eeios: list[str]
) -> None:
    lose = orders.fault({"do": "drop", "after": True}, method="PUT", path="/group_id$")
    run = ansible.play(known, node("n1", properties=GPU_AND_SSD).after(lose))
    assert run[1].statuses == {"done"}
    assert [request["method"] for request in run[1].wire] == ["GET", "PUT", "GET", "PUT", "GET"]
    assert len(eem.history(field="group_id", card=eeios[0])) == 1


def test_a_card_that_changed_meanwhile_is_planned_anew(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders, eeios: list[str]
) -> None:
    steal = orders.fault(
        {"do": "change", "card": eeios[0], "set": {"group_id": "18"}}, method="PUT", path=f"/{eeios[0]}/group_id$"
    )
    run = ansible.play(known, node("n1", properties=GPU).after(steal))
    assert ids(run[1]) == [eeios[3]]
    assert any(warning.startswith("Planned again: ") for warning in run[1].warnings)
    assert eem.card(eeios[0])["group_id"] == "18"


def test_a_node_shows_how_many_of_its_devices_are_connected(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    """One of them was attached by somebody else, whose link is down, too."""
    eem.set_options(link="never")
    eem.patch(eeios[6], group_id="17")
    adopt = node("n1", node_index=eesvs[0], state="managed")
    compose = node("n1", properties=TWO_GPU, connect_timeout=0)
    run = ansible.play(
        known,
        adopt.called("adopt"),
        compose.called("compose"),
        compose.called("again"),
        call("node_info", podm="rack1").called("live"),
        call("sync", podms=["rack1"]),
        call("node_info", source="registry").called("stored"),
        node("n1", state="absent").called("release"),
    )
    assert run["compose"]["node"]["connected_devices"] == 0
    assert ids(run["compose"]) == [eeios[0], eeios[6]]
    shown = [run["again"]["node"], run["live"]["nodes"][0], run["stored"]["nodes"][0]]
    assert [(found["connected_devices"], [each["connected"] for each in found["devices"]]) for found in shown] == [
        (0, [False, False])
    ] * 3
    said = {
        name: {card for card in eeios for text in run[name].warnings if card in text and "link is down" in text}
        for name in ("adopt", "compose", "again", "release")
    }
    assert said == {
        "adopt": {eeios[6]},
        "compose": {eeios[0], eeios[6]},
        "again": {eeios[0], eeios[6]},
        "release": set(),
    }
    assert len(run["again"].wire) == 1 and not run["again"].changed


def test_a_node_of_another_pod_manager_than_that_of_the_environment_is_named(
    ansible: Ansible, known: Task, eem: Simulator
) -> None:
    """A job of AWX that releases nothing, or composes a second node, because of its credential says so."""
    url = eem.url.replace("127.0.0.1", "localhost")
    other = call("podm", name="rack2", url=url, username=eem.username, password=eem.password, sync=False)
    absent = call("node", name="n1", state="absent")
    gpu = {"pci_device": {"type": ["GPU"]}}
    run = ansible.play(
        known,
        other,
        call("node", podm="rack1", name="n1", properties=gpu),
        absent.with_environment(EEM_PODM="rack2"),
        call("node", podm="rack2", name="n1", state="absent"),
        absent,
    )
    assert [run[place].changed for place in (3, 4, 5)] == [False, False, True]
    assert run[3].warnings == [
        "Node n1 of pod manager rack1 is not meant, because EEM_PODM or EEM_URL in the environment selects another EEM. Set"
        " `podm` to use it."
    ]
    assert run[4].warnings == []
