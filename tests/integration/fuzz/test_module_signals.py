# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals to modules at work, at each of their requests: a sentence, nothing half done, nothing claimed any more."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import time
import typing as t
from contextlib import closing
from pathlib import Path

import pytest
from eemsim.client import Simulator
from forks import Forks, Options, Report
from known_registry import NAME, Known
from module_fuzz import check

MANY = 60  # more requests than any run here sends
Run = tuple[str, Options]

COMPOSE: Run = (
    "expether_node",
    {"name": "new", "podm": "rack1", "properties": {"devices": [{"type": "SSD"}, {"type": "NIC"}]}},
)
RELEASE: Run = ("expether_node", {"name": "train", "podm": "rack1", "state": "absent"})
LAYOUT: Run = (
    "expether_layout",
    {
        "podm": "rack1",
        "nodes": [{"name": name, "properties": {"devices": [{"type": "SSD"}]}} for name in ("train", "new")],
        "purge": True,
    },
)
REMOVE: Run = ("expether_podm", {"name": "rack1", "state": "absent", "cascade": True})


def environment(folder: Path) -> dict[str, str]:
    return {"EXPETHER_REGISTRY": f"sqlite:///{folder / NAME}", "HOME": str(folder), "XDG_STATE_HOME": str(folder)}


def documents(folder: Path, kind: str) -> dict[str, t.Any]:
    """The documents of a kind by UUID, without the times at which they were written."""
    with closing(sqlite3.connect(folder / NAME)) as database:
        rows = database.execute("SELECT uuid, body FROM documents WHERE kind = ?", (kind,)).fetchall()
    found = {uuid: json.loads(body) for uuid, body in rows}
    return {uuid: {key: body[key] for key in body if key != "updated_at"} for uuid, body in found.items()}


def groups(eem: Simulator) -> dict[str, str]:
    return {card: record["group_id"] for card, record in eem.cards().items()}


def await_fault(eem: Simulator, pid: int) -> bool:
    """Wait until a request is held up; return whether one was before the run ended."""
    while True:
        if eem.faults()[0]["used"]:
            return True
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                return False
        time.sleep(0.01)


def interrupted_at(
    forks: Forks,
    eem: Simulator,
    folder: Path,
    run: Run,
    request: int,
    number: int = signal.SIGTERM,
    timeout: float = 30.0,
) -> Report | None:
    """Return the report of a run that gets a signal while EEM delays this request; None if it sends fewer requests."""
    eem.fault("freeze", nth=request)
    module, options = run
    (pid,) = forks.start([(module, {**options, "timeout": timeout})], environment(folder))
    held_up = await_fault(eem, pid)
    if held_up:
        os.kill(pid, number)
        time.sleep(0.2)  # what is read ends although EEM does not answer, what is changed goes on when it does
    eem.clear_faults()
    (report,) = forks.ended()
    return report if held_up else None


def failed(report: Report, name: str = "SIGTERM") -> Options:
    result = check(report, ())
    assert report.err == ""
    assert result["failed"] and result["failure"]["kind"] == "interrupted", result
    assert result["msg"].startswith(f"Interrupted by {name}.")
    return result


@pytest.mark.parametrize("run", [COMPOSE, RELEASE, REMOVE, LAYOUT], ids=["compose", "release", "remove", "layout"])
def test_a_signal_at_any_request_leaves_everything_as_it_was(forks: Forks, known: Known, run: Run) -> None:
    seen = []
    for request in range(1, MANY):
        with known.copy() as folder:
            before = groups(known.eem), {kind: documents(folder, kind) for kind in ("nodes", "pod_managers", "flavors")}
            report = interrupted_at(forks, known.eem, folder, run, request)
            if report is None:
                break
            result = failed(report)
            after = groups(known.eem), {kind: documents(folder, kind) for kind in ("nodes", "pod_managers", "flavors")}
            assert after == before
            assert all(not claims["held"] for claims in documents(folder, "claims").values())
            assert not result["changed"]
            statuses = {step["status"] for step in result.get("plan", ())}
            assert statuses <= {"planned", "failed", "undone"}
            assert ("Undone: " in result["msg"]) == (
                "undone"
                in {
                    step["status"]
                    for step in result.get("plan", ())
                    if step["action"] in ("attach", "detach", "set_group")
                }
            )
            seen.append(statuses)
    assert request < MANY - 1
    assert {"undone"} in [statuses & {"undone"} for statuses in seen], "no run was interrupted after a change"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("state", ["attached", "detached"])
def test_a_signal_ends_attaching_and_detaching(forks: Forks, known: Known, state: str, number: signal.Signals) -> None:
    system = next(card for card, record in sorted(known.cards.items()) if record["status"] == "eesv")
    free = [card for card, record in sorted(known.cards.items()) if record["status"] == "eeio"][:3]
    attach: Options = {"podm": "rack1", "devices": free, "node": system, "move": True}
    for request in range(1, MANY):
        with known.copy() as folder:
            if state == "detached":
                check(forks.run("expether_device_attach", attach, environment(folder)), ())
            options: Options = (
                attach if state == "attached" else {"podm": "rack1", "devices": free, "state": "detached"}
            )
            before = groups(known.eem)
            report = interrupted_at(forks, known.eem, folder, ("expether_device_attach", options), request, number)
            if report is None:
                break
            result = failed(report, number.name)
            assert groups(known.eem) == before
            assert all(not claims["held"] for claims in documents(folder, "claims").values())
            assert not result["changed"]
    assert 3 < request < MANY - 1


@pytest.mark.parametrize("sync", [True, False])
def test_a_signal_ends_registering_before_anything_is_written(
    forks: Forks, eem: Simulator, tmp_path: Path, sync: bool
) -> None:
    eem.reset()
    podm = {"name": "rack1", "url": eem.url, "username": eem.username, "password": eem.password, "sync": sync}
    for request in (1, 2) if sync else (1,):
        report = interrupted_at(forks, eem, tmp_path, ("expether_podm", podm), request)
        assert report
        assert failed(report)["msg"] == "Interrupted by SIGTERM. Nothing was changed."
        assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("module", ["expether_sync", "expether_device_info", "expether_podm_info"])
def test_a_signal_ends_what_asks_several_eems_at_once(
    forks: Forks, eem: Simulator, tmp_path: Path, module: str
) -> None:
    """The requests are in threads, one of which waits for an EEM that does not answer."""
    eem.reset()
    with Simulator(eesv=1, eeio=1) as other:
        for name, one in (("rack1", eem), ("rack2", other)):
            # Not synchronised so far: times in documents are seconds, and two in one second are alike.
            way = {"url": one.url, "username": one.username, "password": one.password, "sync": False}
            check(forks.run("expether_podm", {"name": name, **way}, environment(tmp_path)), ())
        before = documents(tmp_path, "pod_managers")
        options = {"check": True} if module == "expether_podm_info" else {}
        report = interrupted_at(forks, other, tmp_path, (module, options), 1)
        assert report
        result = failed(report)
        after = documents(tmp_path, "pod_managers")
    uuid = next(uuid for uuid, body in before.items() if body["name"] == "rack2")
    assert after[uuid] == before[uuid], "an EEM that was not waited for is not Offline"
    if module == "expether_sync":
        # Whether rack1 was written before the signal came is a race; what is said of it is true.
        rest = "rack2. Synchronised before: rack1." if after != before else "rack1, rack2."
        assert result["msg"].startswith(f"Interrupted by SIGTERM. Not synchronised: {rest}")


def test_what_reads_stops_although_eem_never_answers(forks: Forks, known: Known) -> None:
    with known.copy() as folder:
        known.eem.fault("freeze", times=-1)
        (pid,) = forks.start([("expether_device_info", {"podm": "rack1", "timeout": 3600})], environment(folder))
        assert await_fault(known.eem, pid)
        os.kill(pid, signal.SIGINT)
        (report,) = forks.ended()
        known.eem.clear_faults()
        assert failed(report, "SIGINT")["msg"].rstrip() == "Interrupted by SIGINT."


def test_a_change_that_eem_never_answers_is_read_back_and_told_as_it_is(forks: Forks, known: Known) -> None:
    with known.copy() as folder:
        known.eem.fault("freeze", method="PUT", path="/group_id$", nth=2)
        (pid,) = forks.start([(COMPOSE[0], {**COMPOSE[1], "timeout": 1, "retries": 3})], environment(folder))
        assert await_fault(known.eem, pid)
        os.kill(pid, signal.SIGTERM)
        (report,) = forks.ended()
        known.eem.clear_faults()
        result = failed(report)
        assert "EEM may still carry it out" in result["msg"] and result["changed"]
        assert "Undone: " in result["msg"]
        assert sorted(step["status"] for step in result["plan"] if step["action"] in ("set_group", "attach"))[:1] == [
            "failed"
        ]


def test_a_run_that_waits_for_another_stops_waiting(forks: Forks, known: Known) -> None:
    with known.copy() as folder:
        known.eem.fault("freeze", method="PUT", path="/group_id$")
        move = (
            "expether_node",
            {"name": "train", "podm": "rack1", "properties": {"devices": [{"type": "GPU"}, {"type": "SSD"}]}},
        )
        first, second = forks.start([move, move], environment(folder))
        assert await_fault(known.eem, first)
        holder = next(iter(documents(folder, "claims").values()))["held"]
        pid = next(iter(holder.values()))["process"]["pid"]
        waiting = second if pid == first else first
        os.kill(waiting, signal.SIGTERM)
        while not ended(waiting):
            time.sleep(0.01)
        known.eem.clear_faults()
        results = [check(report, ()) for report in forks.ended()]
        waited = results[0 if waiting == first else 1]
        assert waited["failure"]["kind"] == "interrupted"
        assert not results[1 if waiting == first else 0].get("failed")


def ended(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_a_second_signal_ends_the_run_at_once(forks: Forks, known: Known) -> None:
    with known.copy() as folder:
        known.eem.fault("freeze", method="PUT", path="/group_id$")
        (pid,) = forks.start([COMPOSE], environment(folder))
        assert await_fault(known.eem, pid)
        os.kill(pid, signal.SIGTERM)
        time.sleep(1.2)  # within a second it is taken for the same one
        os.kill(pid, signal.SIGTERM)
        (report,) = forks.ended()
        known.eem.clear_faults()
        assert report.status == -signal.SIGTERM
        assert (report.out, report.err) == ("", "")


def test_two_signals_at_once_are_one(forks: Forks, known: Known) -> None:
    with known.copy() as folder:
        before = groups(known.eem)
        known.eem.fault("freeze", method="PUT", path="/group_id$", nth=2)
        (pid,) = forks.start([COMPOSE], environment(folder))
        assert await_fault(known.eem, pid)
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.1)
        known.eem.clear_faults()
        (report,) = forks.ended()
        check(report, ())
        assert report.status == 1
        assert groups(known.eem) == before


def test_an_eem_that_accepts_no_connection_holds_a_signal_up_for_its_timeout_at_most(
    forks: Forks, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/eem"
        (pid,) = forks.start(
            [("expether_device_info", {"url": url, "timeout": 2, "retries": 100})], environment(tmp_path)
        )
        time.sleep(0.5)
        os.kill(pid, signal.SIGTERM)
        (report,) = forks.ended()
    failed(report)
