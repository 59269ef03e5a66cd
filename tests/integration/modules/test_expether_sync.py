# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_sync: the registry follows the EEMs, and costs nothing when they fail."""

from __future__ import annotations

import os
import stat
import threading
import time
import typing as t
from pathlib import Path

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Orders, Result, Run, Task, assert_check_mode_tells_the_truth, call
from prometheus_client.parser import text_string_to_metric_families

GPU = {"pci_device": {"type": ["GPU"]}}
COUNTS = ("added", "updated", "missing", "removed", "unchanged")


def counts(podm: dict[str, t.Any]) -> dict[str, int]:
    """The counts that are not zero."""
    return {key: podm[key] for key in COUNTS if podm[key]}


def remembered(eem: Simulator, name: str = "rack1") -> Task:
    """The devices that the registry knows."""
    return call("device_info", source="registry", podm=name)


@pytest.fixture(name="rack2")
def fixture_rack2(other: Simulator) -> Task:
    """The task that registers the other EEM."""
    reach = {"url": other.url, "username": other.username, "password": other.password}
    return call("podm", name="rack2", **reach, retries=0, timeout=2)


def both_modes(run: t.Sequence[Result], place: int) -> Result:
    """The result of a task that ran in check mode right before, which predicted the change."""
    check, real = run[place - 1], run[place]
    assert_check_mode_tells_the_truth(check, real)
    return real


@pytest.mark.smoke
def test_registers_changes_losses_and_returns_and_says_so_in_check_mode_too(
    ansible: Ansible, eem: Simulator, rack1: Task, eesvs: list[str], eeios: list[str], orders: Orders
) -> None:
    sync, gone = call("sync"), dict(eem.card(eeios[2]))
    attached = call("device_attach", url=eem.url, username="admin", password=eem.password, node=eesvs[0])
    run = ansible.play(
        rack1.having(sync=False),
        sync.checked().called("first in check mode"),
        sync.called("first"),
        sync.checked().called("again in check mode"),
        sync.called("again"),
        # Behind the registry's back: without the registry of this test.
        attached.having(devices=eeios[:2], registry=f"sqlite:///{ansible.folder / 'none.sqlite3'}").called("attach"),
        sync.checked().called("attached in check mode"),
        sync.called("attached"),
        sync.checked().called("lost in check mode").after(("DELETE", f"{eem.control}/cards/{eeios[2]}", None)),
        sync.called("lost"),
        remembered(eem).called("remembered without it"),
        sync.called("still lost"),
        sync.checked().called("back in check mode").after(("PUT", f"{eem.control}/cards/{eeios[2]}?link=yes", gone)),
        sync.called("back"),
        remembered(eem).called("remembered again"),
    ).results
    by_name = {result.task: place for place, result in enumerate(run)}
    for about, wanted in {
        "first": {"added": 12},
        "again": {"unchanged": 12},
        "attached": {"updated": 2, "unchanged": 10},
        "lost": {"missing": 1, "unchanged": 11},
        "back": {"updated": 1, "unchanged": 11},
    }.items():
        real = both_modes(run, by_name[about])
        (podm,) = real["podms"]
        assert (about, counts(podm), podm["status"], podm["error"]) == (about, wanted, "Online", None)
        assert real.changed == (about != "again")
        assert len(real.wire) == 1 and not real.changes
    still = run[by_name["still lost"]]
    assert not still.changed and counts(still["podms"][0]) == {"missing": 1, "unchanged": 11}
    devices = {device["device_id"]: device for device in run[by_name["remembered without it"]]["devices"]}
    missing = devices[eeios[2]]
    assert missing["last_seen_at"] <= missing["missing_since"] <= missing["synced_at"]
    assert devices[eeios[0]]["node_id"] == eesvs[0]
    assert devices[eeios[0]]["last_seen_at"] == devices[eeios[0]]["synced_at"]
    back = {device["device_id"]: device for device in run[by_name["remembered again"]]["devices"]}[eeios[2]]
    assert (back["uuid"], back["first_seen_at"]) == (missing["uuid"], missing["first_seen_at"])
    assert back["missing_since"] is None


def test_a_missing_device_is_dropped_after_the_retention_by_a_later_run(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    eem.delete_card(eeios[0])
    sync = call("sync")
    run = ansible.play(known, sync.having(retention=0).called("missed"), sync.called("kept"))
    assert [counts(result["podms"][0]) for result in run.results[1:]] == [{"missing": 1, "unchanged": 11}] * 2
    time.sleep(1.1)  # the registry's times are whole seconds
    drop = sync.having(retention=0)
    run = ansible.play(drop.checked().called("dropped in check mode"), drop.called("dropped"), remembered(eem))
    assert counts(both_modes(run.results, 1)["podms"][0]) == {"removed": 1, "unchanged": 11}
    assert len(run[2]["devices"]) == 11


#: What comes instead of the list of cards, and what is said about it.
FAILURES: dict[str, tuple[dict[str, t.Any], str]] = {
    "500": ({"do": "fail", "code": "50000", "message": "out of order"}, "code 50000: out of order"),
    "HTML": ({"do": "html"}, "HTML"),
    "half a list": ({"do": "truncate", "at": 0.5}, "before the answer was complete"),
    "no list": ({"do": "garbage", "body": '{"devices": null}'}, "no list of devices"),
    "a broken record": ({"do": "garbage", "body": '{"devices": [{"id": "0x1"}]}'}, "without a usable id"),
    "wrong password": ({"do": "fail", "status": 401, "html": True}, "Check `username` and `password`"),
    "frozen": ({"do": "freeze"}, "no complete answer within 1 s"),
}


def test_an_eem_that_fails_is_offline_with_the_reason_and_keeps_its_devices_and_stops_no_other(
    ansible: Ansible, eem: Simulator, known: Task, rack2: Task, orders: Orders
) -> None:
    sync = call("sync", retries=0, timeout=1)
    tasks = [known, rack2, remembered(eem).called("before")]
    for about, (action, _said) in FAILURES.items():
        order = (orders.no_faults(), orders.fault(action, times=-1))
        tasks += [sync.checked().called(f"{about} in check mode").after(*order), sync.called(about).after(*order)]
        tasks += [call("podm_info").called(f"podms after {about}")]
    tasks += [remembered(eem).called("after"), sync.called("well again").after(orders.no_faults())]
    run = ansible.play(*tasks)
    for place, (about, (_action, said)) in enumerate(FAILURES.items()):
        result = run[about]
        rack1, rack2_now = result["podms"]
        assert (about, rack1["status"], rack2_now["status"]) == (about, "Offline", "Online")
        assert said in rack1["error"] and rack1["error"] == run[f"podms after {about}"]["podms"][0]["last_error"]
        assert counts(rack1) == {"unchanged": 12} and counts(rack2_now) == {"unchanged": 3}
        assert rack2_now["error"] is None
        assert result.changed == run[f"{about} in check mode"].changed == (place == 0), about
        assert result.warnings == []
    before, after = run["before"]["devices"], run["after"]["devices"]
    assert after == before
    online = run["podms after 500"]["podms"][0]
    assert (online["status"], online["last_sync"]) == ("Offline", before[0]["synced_at"])
    assert run["well again"]["podms"][0]["status"] == "Online" and run["well again"].changed


def test_an_eem_that_is_away_is_offline_and_the_others_are_synchronised(
    ansible: Ansible, eem: Simulator, known: Task
) -> None:
    with Simulator(eesv=1, eeio=3, seed=300) as away:
        reach = {"url": away.url, "username": away.username, "password": away.password}
        ansible.play(known, call("podm", name="away", **reach, retries=0, timeout=1))
    run = ansible.play(call("sync"), remembered(eem, "away"))
    gone, there = run[0]["podms"]
    assert (gone["name"], gone["status"], there["status"]) == ("away", "Offline", "Online")
    assert "Is EEM running there?" in gone["error"]
    assert len(run[1]["devices"]) == 3 and run[1]["devices"][0]["missing_since"] is None


@pytest.mark.parametrize("empty", ["object", "empty-body", "204"])
def test_a_list_that_has_lost_most_cards_is_degraded_and_costs_nothing(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], empty: str
) -> None:
    sync, records = call("sync"), eem.records()
    eem.reset(devices=[], options={"empty_list": empty})
    first = ansible.play(
        known, sync, sync.checked().called("again in check mode"), sync.called("again"), remembered(eem)
    )
    for place, changed in ((1, True), (3, False)):
        (podm,) = first[place]["podms"]
        assert (podm["status"], counts(podm), first[place].changed) == ("Degraded", {"missing": 12}, changed)
        assert "only 0 of 12 devices and 0 of 4 systems" in podm["error"] and "kept for 7 days" in podm["error"]
    assert_check_mode_tells_the_truth(first[2], first[3])
    assert all(device["missing_since"] for device in first[4]["devices"]) and len(first[4]["devices"]) == 12
    eem.reset(devices=records)
    run = ansible.play(sync, remembered(eem))
    assert (run[0]["podms"][0]["status"], counts(run[0]["podms"][0])) == ("Online", {"updated": 12})
    assert not any(device["missing_since"] for device in run[1]["devices"])


def test_a_list_that_has_lost_its_systems_stays_degraded_until_the_retention_is_over(
    ansible: Ansible, eem: Simulator, known: Task
) -> None:
    sync = call("sync")
    eem.reset(devices=eem.eeios())
    run = ansible.play(known, sync, sync.called("again"), call("podm_info"))
    for result in run.results[1:3]:
        assert "only 0 of 4 systems" in result["podms"][0]["error"] and result["podms"][0]["status"] == "Degraded"
    assert (run[3]["podms"][0]["systems"], run[3]["podms"][0]["free_slots"]) == (4, 64)
    time.sleep(1.1)  # the registry's times are whole seconds
    run = ansible.play(sync.having(retention=0), call("podm_info"))
    assert run[0]["podms"][0]["status"] == "Online" and run[1]["podms"][0]["systems"] == 0


def test_a_list_that_has_lost_a_few_cards_is_online(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str]
) -> None:
    for card in eeios[:6]:
        eem.delete_card(card)
    run = ansible.play(known, call("sync"), call("sync", podms="rack1").after(delete(eem, eeios[6])))
    assert (run[1]["podms"][0]["status"], counts(run[1]["podms"][0])) == ("Online", {"missing": 6, "unchanged": 6})
    assert run[2]["podms"][0]["status"] == "Degraded" and "5 of 12 devices that it had" in run[2]["podms"][0]["error"]


def delete(eem: Simulator, card: str) -> tuple[str, str, None]:
    return ("DELETE", f"{eem.control}/cards/{card}", None)


def test_a_node_whose_system_is_gone_is_shown_so_and_not_forgotten(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str]
) -> None:
    run = ansible.play(
        known,
        call("node", podm="rack1", name="n1", node_index=eesvs[0], properties=GPU),
        call("sync").after(delete(eem, eesvs[0])),
        call("node_info"),
        remembered(eem),
    )
    assert run[2]["podms"][0]["status"] == "Online"
    (node,) = run[3]["nodes"]
    assert (node["name"], node["listed"], node["index"], node["state"]) == ("n1", False, eesvs[0], "composed")
    assert [device["state"] for device in run[4]["devices"]].count("stranded") == 1


def test_what_a_sync_sees_become_stranded_keeps_the_name_of_its_node(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    ansible.play(known, call("node", podm="rack1", name="n1", properties=GPU), call("sync"))
    eem.patch(eesvs[0], group_id="500")
    run = ansible.play(
        call("sync").checked(),
        call("sync"),
        call("node", podm="rack1", name="n1", state="absent", detach_devices=False),
    )
    seen = both_modes(run, 1)
    after = seen["diff"]["after"]["rack1"]["devices"][eeios[0]]
    assert (after["state"], after["last_node"]) == ("stranded", "n1")
    eem.patch(eeios[0], model="another")  # so that the sync compares again
    run = ansible.play(call("sync"), remembered(eem))
    assert {device["device_id"]: device["last_node"] for device in run[1]["devices"]}[eeios[0]] == "n1"
    eem.patch(eeios[0], group_id="4093")
    run = ansible.play(call("sync"), remembered(eem))
    assert {device["last_node"] for device in run[1]["devices"]} == {None}


def test_only_the_pod_managers_that_are_named_are_asked(
    ansible: Ansible, eem: Simulator, known: Task, rack2: Task
) -> None:
    run = ansible.play(
        known,
        rack2,
        call("sync", podms=["RACK2", "rack2"]).called("one"),
        call("sync", podms=["rack1", "rakc2"]).failing().called("misspelt"),
        call("sync", podms=["rack1", "rakc2"]).checked().failing().called("in check mode"),
        call("sync", forks=0).failing().called("no forks"),
        call("sync", retention=-1).failing().called("no retention"),
        call("sync", textfile_dir="/nonexistent").failing().called("no folder"),
    )
    assert [podm["name"] for podm in run["one"]["podms"]] == ["rack2"] and not run["one"].wire
    assert "Pod manager 'rakc2' is not registered in" in run["misspelt"].msg
    assert run["misspelt"].msg.endswith(". Registered: rack1, rack2. Nothing was changed.")
    hint = " In check mode, earlier tasks of the play have not created it."
    assert run["in check mode"].msg.endswith(f". Registered: rack1, rack2.{hint} Nothing was changed.")
    for about in ("misspelt", "in check mode", "no forks", "no retention", "no folder"):
        assert run[about].left_all_alone and not run[about].wire, about
    assert run["no forks"].msg.startswith("`forks` must be from 1 to 64, not 0.")
    assert "/nonexistent is not a writable directory" in run["no folder"].msg


def test_without_pod_managers_there_is_nothing_to_do(ansible: Ansible) -> None:
    result = ansible.play(call("sync"))[0]
    assert result.warnings == [f"No pod manager is registered in {ansible.files / 'registry.sqlite3'}."]
    assert result["podms"] == [] and not result.changed and result.left_all_alone


def test_options_of_how_to_reach_an_eem_hold_for_all(
    ansible: Ansible, eem: Simulator, known: Task, orders: Orders
) -> None:
    order = (orders.no_faults(), orders.fault({"do": "delay", "seconds": 5}, times=-1))
    before = time.monotonic()
    run = ansible.play(known, call("sync", timeout=0.5, retries=0).after(*order))
    assert "no complete answer within 0.5 s" in run[1]["podms"][0]["error"]
    assert time.monotonic() - before < 60
    eem.clear_faults()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"timeout": 0}, "`timeout` must be more than 0"),
        ({"retries": -1}, "`retries` must be from 0 to 100"),
        ({"ca_path": "/nonexistent"}, "`ca_path`: /nonexistent does not exist"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_and_makes_no_eem_offline(
    ansible: Ansible, known: Task, option: dict[str, t.Any], said: str
) -> None:
    run = ansible.play(known, call("sync", **option).failing(), call("podm_info"))
    assert run[1].kind == "invalid" and run[1].msg.startswith(said)
    assert run[1].left_all_alone and not run[1].wire
    assert run[2]["podms"][0]["status"] == "Online"


class HeldUp:
    """A synchronisation in another process, whose EEM has made its list and does not send it before ``go_on``."""

    def __init__(self, ansible: Ansible, eem: Simulator) -> None:
        self._eem = eem
        self._runs: list[Run] = []
        folder = ansible.folder / "held up"
        folder.mkdir()
        task = call("sync", registry=ansible.registry, timeout=60)
        self._thread = threading.Thread(
            target=lambda: self._runs.append(Ansible(folder, forks=ansible.forks).play(task)), daemon=True
        )
        eem.fault("freeze", after=True, path="devices/detail$")
        self._thread.start()
        deadline = time.monotonic() + 60
        while not eem.faults()[0]["used"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def go_on(self) -> Result:
        self._eem.clear_faults()
        self._thread.join(60)
        (run,) = self._runs
        return run[0]


@pytest.mark.parametrize("again", [True, False])
def test_what_is_written_between_an_eems_answer_and_the_registry_is_not_overwritten_by_it(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str], again: bool
) -> None:
    """A run is held up after EEM made its list; meanwhile another run synchronises, or attaches a device and remembers it."""
    ansible.play(known)
    eem.patch(eeios[0], model="another")  # what both would write
    eem.reset_log()
    held = HeldUp(ansible, eem)
    quick = call("sync") if again else call("device_attach", podm="rack1", node=eesvs[0], devices=eeios[0])
    ansible.play(quick)
    result = held.go_on()
    assert result["podms"][0]["error"] is None and counts(result["podms"][0]) == {"unchanged": 12}
    run = ansible.play(remembered(eem))
    device = next(device for device in run[0]["devices"] if device["device_id"] == eeios[0])
    assert (device["model"], device["state"]) == ("another", "free" if again else "allocated")


def test_a_pod_manager_that_is_removed_meanwhile_is_not_brought_back(
    ansible: Ansible, eem: Simulator, known: Task
) -> None:
    ansible.play(known)
    held = HeldUp(ansible, eem)
    ansible.play(call("podm", name="rack1", state="absent"))
    assert held.go_on()["podms"][0]["error"] == "It was removed while it was synchronised."
    run = ansible.play(call("podm_info"), call("device_info", source="registry"))
    assert run[0]["podms"] == [] and run[1]["devices"] == []


def test_two_syncs_at_once_do_no_harm(ansible: Ansible, eem: Simulator, rack1: Task, rack2: Task) -> None:
    ansible.play(rack1.having(sync=False), rack2.having(sync=False))
    folders = [ansible.folder / f"run-{number}" for number in range(3)]
    for folder in folders:
        folder.mkdir()
    results: list[Result] = []
    threads = [
        threading.Thread(
            target=lambda folder=folder: results.extend(
                Ansible(folder, forks=ansible.forks).play(call("sync", registry=ansible.registry))
            )
        )
        for folder in folders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert len(results) == 3
    assert all(podm["error"] is None for result in results for podm in result["podms"])
    assert sum(podm["added"] for result in results for podm in result["podms"]) == 15
    assert len(ansible.play(call("device_info", source="registry"))[0]["devices"]) == 15


# The text file for Prometheus


def samples(path: Path) -> dict[tuple[str, ...], float]:
    """The samples of a text file, by name and label values in the order of the labels' names."""
    families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {
        (sample.name, *(value for _label, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_text_file_tells_what_is_remembered_of_all_pod_managers(
    ansible: Ansible,
    eem: Simulator,
    known: Task,
    rack2: Task,
    eesvs: list[str],
    eeios: list[str],
    tmp_path: Path,
    orders: Orders,
) -> None:
    folder = tmp_path / "textfiles"
    folder.mkdir()
    sync = call("sync", textfile_dir=str(folder), retries=0, timeout=2)
    began = time.time()
    run = ansible.play(
        known,
        rack2,
        call("node", podm="rack1", name="n1", node_index=eesvs[0], properties=GPU),
        sync.checked(),
        sync.called("all").after(delete(eem, eeios[11])),
    )
    path = folder / "expether.prom"
    assert not run[3].failed and [entry.name for entry in folder.iterdir()] == ["expether.prom"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    found = samples(path)
    assert found["expether_devices", "rack1", "allocated", "GPU"] == 1
    assert found["expether_devices", "rack1", "free", "GPU"] == 3
    assert found["expether_devices", "rack1", "missing", "NIC"] == 1
    assert found["expether_devices", "rack2", "free", "SSD"] == 1
    assert sum(value for key, value in found.items() if key[:2] == ("expether_devices", "rack1")) == 12
    assert found["expether_nodes", "rack1", "composed"] == 1
    assert found["expether_free_slots", "rack1"] == 4 * 16 - 1
    assert found["expether_systems", "rack1"] == 4
    assert found["expether_podm_up", "rack1"] == found["expether_podm_up", "rack2"] == 1
    assert found["expether_sync_errors",] == 0
    assert began - 2 < found["expether_podm_last_success_timestamp_seconds", "rack1"] < time.time() + 1
    assert began < found["expether_sync_last_run_timestamp_seconds",] < time.time()
    assert 0 < found["expether_podm_sync_duration_seconds", "rack2"] <= found["expether_sync_duration_seconds",] < 100
    ansible.play(sync.having(podms="rack1").after(orders.fault({"do": "html"}, times=-1)))
    later = samples(path)
    assert (later["expether_podm_up", "rack1"], later["expether_podm_up", "rack2"]) == (0, 1)
    assert later["expether_sync_errors",] == 1
    key = ("expether_podm_last_success_timestamp_seconds", "rack1")
    assert later[key] == found[key]
    assert later["expether_devices", "rack1", "missing", "NIC"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_text_file_folder_that_cannot_be_written_is_refused_before_anything_is_asked(
    ansible: Ansible, known: Task, tmp_path: Path
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    run = ansible.play(known, call("sync", textfile_dir=str(folder)).failing())
    assert run[1].left_all_alone and "cannot be written" in run[1].msg and not run[1].wire


def test_a_text_file_that_cannot_be_replaced_fails_the_task_and_the_registry_is_synchronised(
    ansible: Ansible, eem: Simulator, known: Task, eeios: list[str], tmp_path: Path
) -> None:
    (tmp_path / "textfiles" / "expether.prom").mkdir(parents=True)
    eem.delete_card(eeios[0])
    run = ansible.play(known, call("sync", textfile_dir=str(tmp_path / "textfiles")).failing(), call("sync"))
    assert run[1].kind == "textfile" and run[1].changed
    assert run[1].msg.startswith("The registry was synchronised, but ") and "Nothing was changed" not in run[1].msg
    assert [entry.name for entry in (tmp_path / "textfiles").iterdir()] == ["expether.prom"]
    assert not run[2].changed
