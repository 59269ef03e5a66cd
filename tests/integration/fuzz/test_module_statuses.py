# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An EEM whose answers are refusals without a body is never taken for one without devices."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator

import pytest
from forks import Options
from known_registry import Known
from module_fuzz import check

KINDS = {
    301: "not_eem",
    304: "not_eem",
    401: "unauthorized",
    403: "unauthorized",
    404: "not_eem",
    500: "server_error",
    503: "server_error",
}
REACH = {"timeout": 5, "retries": 0}


@pytest.fixture(name="refused", params=KINDS)
def fixture_refused(request: pytest.FixtureRequest, known: Known) -> Iterator[int]:
    """A status which the simulator answers to every request from now on, with neither a body nor a length."""
    yield request.param
    known.eem.clear_faults()


def order(known: Known, status: int) -> None:
    """To be called after the registry was copied, which resets the simulator."""
    known.eem.fault("fail", status=status, no_body=True, no_length=True, times=-1)


def devices_in(known: Known, folder: t.Any) -> list[Options]:
    devices: list[Options] = check(known.run("expether_device_info", {"source": "registry"}, folder))["devices"]
    return devices


def test_a_synchronised_eem_is_offline_and_keeps_its_devices_also_without_retention(known: Known, refused: int) -> None:
    with known.copy() as folder:
        before = devices_in(known, folder)
        assert len(before) == 6
        order(known, refused)
        for _run in range(2):  # what is missing is dropped by a later run
            result = check(known.run("expether_sync", {"retention": 0, **REACH}, folder))
            (podm,) = result["podms"]
            assert (podm["status"], podm["unchanged"], podm["missing"], podm["removed"]) == ("Offline", 6, 0, 0)
            assert f"HTTP {refused}" in podm["error"]
            assert devices_in(known, folder) == before
            time.sleep(1.1 if refused == 401 else 0)  # the registry's times are whole seconds
        (found,) = check(known.run("expether_podm_info", {}, folder))["podms"]
        assert (found["status"], found["last_error"]) == ("Offline", podm["error"])


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("expether_device_info", {}),
        ("expether_system_info", {}),
        ("expether_node_info", {}),
        ("expether_layout_info", {}),
        ("expether_layout", {"nodes": [], "release_others": True}),
        ("expether_device_attach", {"node": "train", "devices": "0x8cdf9d810001"}),
        ("expether_node", {"name": "train", "state": "absent"}),
        ("expether_device", {"device": "0x8cdf9d810000", "uid_led": "on"}),
        ("expether_device_action", {"device": "0x8cdf9d810000", "action": "reset"}),
    ],
)
def test_a_module_fails_with_what_the_status_says(known: Known, refused: int, module: str, options: Options) -> None:
    with known.copy() as folder:
        order(known, refused)
        result = check(known.run(module, {"podm": "rack1", **REACH, **options}, folder))
    assert result["failed"]
    assert (result["failure"]["kind"], result["failure"]["http_status"]) == (KINDS[refused], refused), result["msg"]
    assert not result["changed"]


@pytest.mark.parametrize("action", ["reset", "reset_frame", "audit"])
def test_a_refused_reset_is_refused_and_not_unknown(known: Known, action: str) -> None:
    with known.copy() as folder:
        known.eem.fault("fail", status=403, no_body=True, no_length=True, method="PUT", times=-1)
        known.eem.reset_stats()
        result = check(
            known.run(
                "expether_device_action",
                {"podm": "rack1", "device": "0x8cdf9d810000", "action": action, **REACH},
                folder,
            )
        )
    assert (result["failure"]["kind"], result["changed"]) == ("unauthorized", False), result["msg"]
    assert known.eem.stats()["by_method"]["PUT"] == 1
    known.eem.clear_faults()
