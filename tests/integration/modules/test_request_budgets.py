# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a task may send, over how many connections: counted by the simulator."""

from __future__ import annotations

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, call


def test_listing_a_fleet_of_4000_devices_is_one_request(ansible: Ansible, eem: Simulator, rack1: Task) -> None:
    eem.reset(eesv=250, eeio=4000)
    run = ansible.play(
        rack1, call("device_info"), call("system_info"), call("device_info", podm="rack1", type="GPU", state="free")
    )
    assert [len(result.wire) for result in run] == [2, 1, 1, 1]
    assert [result.connections for result in run] == [1, 1, 1, 1]
    assert len(run[1]["devices"]) == 4000
    assert len(run[2]["systems"]) == 250
    stats = eem.stats()
    assert (stats["requests"], stats["connections"]) == (5, 4)


def test_attaching_and_detaching(ansible: Ansible, known: Task, eesvs: list[str], eeios: list[str]) -> None:
    count = 5
    devices = eeios[:count]
    attach = call("device_attach", podm="rack1", node=eesvs[0], devices=devices)
    detach = call("device_attach", podm="rack1", devices=devices, state="detached")
    run = ansible.play(
        known, attach, attach, attach.having(node=eesvs[1], move=True), detach, detach, attach.having(node=eesvs[3])
    )
    first, again, move, free, free_again, groupless = run.results[1:]
    assert len(first.wire) <= 2 + count
    assert len(move.wire) <= 2 + 2 * count
    assert len(free.wire) <= 2 + count
    assert len(groupless.wire) <= 2 + 1 + count
    for result in (again, free_again):
        assert len(result.wire) <= 2 and not result.changes
    assert {result.connections for result in run.results[1:]} == {1}


def test_what_is_asked_of_single_cards(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    eem.reset(eesv=250, eeio=4000)
    eem.silence(eeios[1])
    led = call("device", podm="rack1", device=eeios[0], uid_led="on")
    forget = call("device", podm="rack1", device=eeios[1], state="absent")
    action = call("device_action", podm="rack1", device=eeios[0])
    run = ansible.play(
        known, led, led, forget, forget, *(action.having(action=word) for word in ("audit", "reset", "reset_frame"))
    )
    assert [len(result.wire) for result in run.results[1:]] == [4, 2, 3, 1, 3, 2, 2]
    assert {result.connections for result in run.results[1:]} == {1}


@pytest.mark.parametrize(("system", "count"), [(0, 1), (0, 5), (3, 5)])
def test_composing_and_releasing(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], count: int, system: int
) -> None:
    properties = {"devices": [{"model": "EE I/O Expansion Unit (40G)-2S", "count": count}]}
    compose = call("node", podm="rack1", name="n1", properties=properties, node_index=eesvs[system])
    release = call("node", podm="rack1", name="n1", state="absent")
    ansible.play(known)
    eem.reset_stats()
    run = ansible.play(compose, compose, call("node_info"), release, release)
    first, again, info, free, free_again = run.results
    assert len(first["node"]["devices"]) == count
    assert len(first.wire) <= 2 + 1 + count
    assert len(free.wire) <= 2 + count
    assert len(info.wire) == 1
    for result in (again, free_again):
        assert len(result.wire) <= 2 and not result.changes
    assert all(result.connections <= 1 for result in run)
    stats = eem.stats()
    assert stats["requests"] == sum(len(result.wire) for result in run)
    assert stats["connections"] == sum(result.connections for result in run)


@pytest.mark.parametrize("count", [1, 3])
def test_waiting_for_links_costs_one_request_a_second_at_most(
    ansible: Ansible, eem: Simulator, known: Task, eesvs: list[str], eeios: list[str], count: int
) -> None:
    eem.set_options(link="never")
    task = call("device_attach", podm="rack1", node=eesvs[0], devices=eeios[:count])
    run = ansible.play(known, task.having(connect_timeout=2.5))
    # A read and, unless EEM is slow, an audit in the time, and a read after the audit.
    assert 2 + count + 1 <= len(run[1].wire) <= 2 + count + 3
    assert {request["path"] for request in run[1].changes[count:]} <= {f"/devices/{card}/audit" for card in eeios}


def test_a_layout_of_many_nodes(ansible: Ansible, eem: Simulator, rack1: Task) -> None:
    """One listing, the changes, and one read of all groups at the end, over one connection."""
    eem.reset(eesv=20, eeio=96, no_group=10, style="plain")
    kinds = {"devices": [{"type": "GPU"}, {"type": "SSD"}]}
    more = {"devices": [{"type": "GPU"}, {"type": "SSD"}, {"type": "NIC"}]}
    names = [f"n{number}" for number in range(16)]
    layout = call("layout", podm="rack1", nodes=[{"name": name, "properties": kinds} for name in names])
    less = layout.having(
        nodes=[{"name": name, "properties": more if name < "n12" else kinds} for name in names[8:]],
        purge=True,
        move=True,
        release_others=True,
    )
    run = ansible.play(rack1, layout.checked().called("checked"), layout, layout.called("again"), less, less.checked())
    checked, first, again, changed, last = run.results[1:]
    for result in (checked, again, last):
        assert [request["method"] for request in result.wire] == ["GET"]
    for result in (first, changed):
        groups = [step for step in result.steps if step["action"] in ("attach", "detach", "set_group")]
        assert len(result.changes) == len(groups)
        assert len(result.wire) <= 2 + len(groups)
        assert result.connections == 1
    assert len([step for step in first.steps if step["action"] == "attach"]) == 2 * 16
