# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_flavor: a flavor from its making to its removal."""

from __future__ import annotations

import pytest
from module_runs import Ansible, call, twelve_cases

GPU_AND_SSD = {"pci_device": {"type": ["GPU", "SSD"]}}
SAME_IN_LONG = {"devices": [{"type": "ssd", "count": 1}, {"type": "gpu", "count": "1"}]}
TWO_V100 = {"devices": [{"type": "GPU", "count": 2, "vendor_id": "10de", "pci_device_id": "1db6"}]}


@pytest.mark.smoke
def test_a_flavor_in_twelve_cases(ansible: Ansible) -> None:
    run = twelve_cases(
        ansible,
        ("create", call("flavor", name="gpu-small", properties=GPU_AND_SSD)),
        ("change", call("flavor", name="gpu-small", properties=TWO_V100, description="Two V100")),
        ("remove", call("flavor", name="gpu-small", state="absent")),
    )
    assert run["create"]["flavor"]["properties"] == GPU_AND_SSD
    assert run["create"]["flavor"]["description"] is None
    assert run["change"]["flavor"]["properties"] == TWO_V100
    assert run["change"]["flavor"]["uuid"] == run["create"]["flavor"]["uuid"]
    assert run["remove"]["flavor"]["name"] == "gpu-small"
    assert run["remove again"]["flavor"] is None
    assert run["create in check mode"]["diff"]["before"] == {}
    assert run["change"]["diff"]["before"]["properties"] == GPU_AND_SSD
    assert run["change"]["diff"]["after"]["properties"] == TWO_V100
    assert run["remove"]["diff"]["after"] == {}


def test_the_same_wish_in_other_words_changes_nothing(ansible: Ansible) -> None:
    run = ansible.play(
        call("flavor", name="gpu-small", properties=GPU_AND_SSD, description="small"),
        call("flavor", name="gpu-small", properties=SAME_IN_LONG),
        call("flavor", name="GPU-Small", properties={"pci_device": {"type": ["SSD", "GPU"]}}),
        call("flavor", name="gpu-small"),
        call("flavor", name="gpu-small", description="Small"),
    )
    assert [result.changed for result in run] == [True, False, False, False, True]
    assert run[4]["flavor"]["properties"] == GPU_AND_SSD
    assert len({result["flavor"]["uuid"] for result in run}) == 1


def test_a_flavor_is_named_by_its_uuid_too(ansible: Ansible) -> None:
    uuid = ansible.play(call("flavor", name="gpu-small", properties=GPU_AND_SSD))[0]["flavor"]["uuid"]
    run = ansible.play(
        call("flavor", name=uuid.upper(), description="by UUID"),
        call("flavor_info", name=uuid),
        call("flavor", name=uuid, state="absent"),
        call("flavor_info"),
    )
    assert run[0]["flavor"]["name"] == "gpu-small"
    assert [flavor["description"] for flavor in run[1]["flavors"]] == ["by UUID"]
    assert run[3]["flavors"] == []


def test_without_diff_mode_there_is_no_diff(ansible: Ansible) -> None:
    run = ansible.play(call("flavor", name="gpu-small", properties=GPU_AND_SSD), arguments=())
    assert "diff" not in run[0].data


def test_flavors_need_no_eem(ansible: Ansible) -> None:
    run = ansible.play(
        call("flavor", name="gpu-small", properties=GPU_AND_SSD, podm="nowhere", url="http://127.0.0.1:1/eem"),
        call("flavor_info", podm="nowhere"),
    )
    assert run[0].wire == run[1].wire == []
    assert [flavor["name"] for flavor in run[1]["flavors"]] == ["gpu-small"]


BAD_PROPERTIES = {
    "unknown key": ({"gpus": 2}, "'gpus'"),
    "unknown key of a device": ({"devices": [{"type": "GPU", "number": 2}]}, "'number'"),
    "memory": ({"memory": {"capacity_mib": "1024"}, **GPU_AND_SSD}, "properties.memory"),
    "processor": ({"processor": {"total_cores": 4}}, "properties.processor"),
    "unknown type": ({"pci_device": {"type": ["GPU", "TPU"]}}, "'TPU'"),
    "nothing": ({}, "names no device"),
    "count 0": ({"devices": [{"type": "GPU", "count": 0}]}, "properties.devices[0].count"),
    "no PCI id": ({"devices": [{"vendor_id": "nvidia"}]}, "'nvidia'"),
}


def test_properties_that_cannot_be_meant_are_refused_by_name(ansible: Ansible) -> None:
    run = ansible.play(
        *(
            call("flavor", name="odd", properties=properties).failing().called(about)
            for about, (properties, _said) in BAD_PROPERTIES.items()
        ),
        call("flavor_info"),
    )
    for about, (_properties, said) in BAD_PROPERTIES.items():
        assert said in run[about].msg, about
        assert run[about].kind == "invalid"
    assert run[len(BAD_PROPERTIES)]["flavors"] == []


def test_names_that_cannot_be_told_from_other_things_are_refused(ansible: Ansible) -> None:
    names = ("", "gpu\nsmall", "a42bd6e0-6f45-5e5d-9b4c-2d0d4f2a1b3c")
    run = ansible.play(
        *(call("flavor", name=name, properties=GPU_AND_SSD).failing() for name in names),
        call("flavor", name="gpu-small").failing(),
    )
    for result in run:
        assert result.kind == "invalid"
    assert "properties" in run[len(names)].msg
