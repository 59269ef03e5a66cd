# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client and connections that EEM's servlet container closes: none of them costs a change, or makes one doubtful."""

from __future__ import annotations

import time

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem import transport
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import EemRefused, ServerFailed
from eemsim.client import Simulator
from executor_runs import MakeClient, attach, detach, groups_of, run

ARRIVED = 0.5  # seconds after which the end of a connection has arrived on this machine


def _counts(eem: Simulator) -> tuple[int, int]:
    stats = eem.stats()
    return stats["requests"], stats["connections"]


def test_every_hundred_requests_cost_one_connection(eem: Simulator, client: Client, devices: list[str]) -> None:
    eem.reset_stats()
    for _each in range(100):
        client.api_version()
    client.set_group(devices[0], "17")
    for _each in range(100):
        client.api_version()
    assert _counts(eem) == (201, 3)
    assert client.waited == []


@pytest.mark.parametrize("header", ["sent", "omitted"])
def test_a_connection_that_was_closed_after_its_last_answer_is_not_used_for_a_change(
    eem: Simulator, client: Client, devices: list[str], header: str
) -> None:
    eem.set_options(keep_alive_requests=2, close_header=header)
    eem.reset_stats()
    client.devices_detail()
    client.device(devices[0])
    time.sleep(ARRIVED)
    client.set_group(devices[0], "17")
    client.audit(devices[0])
    time.sleep(ARRIVED)
    client.reset(devices[0])
    assert _counts(eem) == (5, 3)
    assert client.waited == []


@pytest.mark.parametrize("header", ["sent", "omitted"])
def test_a_run_whose_connections_end_after_each_answer_does_every_change_once(
    eem: Simulator, client: Client, system: str, devices: list[str], header: str
) -> None:
    eem.set_options(keep_alive_requests=1, close_header=header)
    outcome = run(client, None, attach(system, *devices))
    assert [row["status"] for row in outcome.rows] == ["done"] * 12
    outcome = run(client, None, detach(*devices))
    assert [row["status"] for row in outcome.rows] == ["done"] * 12
    assert [change["to"] for change in eem.history("group_id")] == ["17"] * 12 + ["4093"] * 12
    stats = eem.stats()
    assert stats["connections"] == stats["requests"]
    if header == "sent":
        assert stats["requests"] == 2 * (2 + 12)


@pytest.mark.parametrize("method", ["set_group", "audit", "reset"])
def test_a_connection_that_was_closed_while_it_was_idle_is_not_used_for_a_change(
    eem: Simulator, client: Client, devices: list[str], method: str
) -> None:
    eem.set_options(keep_alive_seconds="0.1")
    eem.reset_stats()
    client.device(devices[0])
    time.sleep(0.1 + ARRIVED)
    getattr(client, method)(devices[0], *(["17"] if method == "set_group" else []))
    assert _counts(eem) == (2, 2)
    assert client.waited == []


def test_a_connection_that_may_be_closed_soon_is_not_used(
    eem: Simulator, client: Client, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert float(eem.options()["keep_alive_seconds"]) / 2 > transport.MAX_IDLE
    monkeypatch.setattr(transport, "MAX_IDLE", 0.4)
    eem.reset_stats()
    client.device(devices[0])
    time.sleep(0.5)
    client.set_group(devices[0], "17")
    assert _counts(eem) == (2, 2)
    # The time of the answer itself does not count.
    monkeypatch.setattr(transport, "MAX_IDLE", 60.0)
    eem.fault("delay", seconds=1.2)
    client.device(devices[0])
    monkeypatch.setattr(transport, "MAX_IDLE", 1.0)
    client.device(devices[0])
    assert _counts(eem) == (4, 2)


@pytest.mark.parametrize(("close", "connections"), [("yes", 3), ("no", 1)])
def test_a_refusal_that_ends_the_connection_is_the_same_refusal(
    eem: Simulator, client: Client, devices: list[str], close: str, connections: int
) -> None:
    eem.set_options(close_after_errors=close)
    eem.fault("fail", code="50003", method="PUT", path=devices[1])
    eem.reset_stats()
    with pytest.raises(EemRefused) as stale:
        client.set_group(devices[0], "17", "1")
    with pytest.raises(ServerFailed) as silent:
        client.set_group(devices[1], "17")
    assert client.set_group(devices[0], "17")["group_id"] == "17"
    assert (stale.value.code, silent.value.code) == ("40004", "50003")
    assert _counts(eem) == (3, connections)


@pytest.mark.parametrize("header", ["sent", "omitted"])
def test_a_run_plans_again_after_a_refusal_that_ends_the_connection(
    eem: Simulator, client: Client, system: str, devices: list[str], header: str
) -> None:
    eem.set_options(close_header=header)
    eem.fault("change", card=devices[1], set={}, method="PUT", path=devices[1])
    outcome = run(client, None, attach(system, *devices[:3]))
    assert [row["status"] for row in outcome.rows] == ["done"] * 3
    assert groups_of(eem, *devices[:3]) == ["17"] * 3
    assert eem.stats()["by_status"]["400"] == 1


@pytest.mark.parametrize("above", ["0", "8192", "999999999"])
def test_an_answer_in_chunks_is_the_same_answer(eem: Simulator, make_client: MakeClient, above: str) -> None:
    eem.reset(style="plain", eesv=20, eeio=300, options={"chunk_above": above})
    client = make_client()
    assert client.devices_detail() == eem.records()
    assert client.api_version() == "v1.0.8"
    assert client.devices_detail("17") == [eem.eesvs()[0]]
    assert _counts(eem) == (3, 1)
