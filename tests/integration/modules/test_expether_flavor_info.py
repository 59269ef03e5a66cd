# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_flavor_info: the stored flavors."""

from __future__ import annotations

import pytest
from module_runs import Ansible, assert_check_mode_tells_the_truth, call

GPU = {"pci_device": {"type": ["GPU"]}}


@pytest.mark.smoke
def test_flavors_are_listed_by_name(ansible: Ansible) -> None:
    run = ansible.play(
        call("flavor", name="b", properties=GPU),
        call("flavor", name="A", properties=GPU, description="first"),
        call("flavor_info").checked(),
        call("flavor_info"),
        call("flavor_info", name="a"),
        call("flavor_info", name=["b", "B", "no such"]),
        call("flavor_info", name=[]),
    )
    assert [[flavor["name"] for flavor in result["flavors"]] for result in run.results[2:]] == [
        ["A", "b"],
        ["A", "b"],
        ["A"],
        ["b"],
        [],
    ]
    assert_check_mode_tells_the_truth(run[2], run[3])
    assert all(result.left_all_alone and not result.wire for result in run.results[2:])


def test_without_a_registry_there_are_no_flavors_and_none_is_made(ansible: Ansible) -> None:
    run = ansible.play(call("flavor_info"), call("flavor_info", name="gpu-small"))
    assert [result["flavors"] for result in run] == [[], []]
    assert run[1].after == {}
