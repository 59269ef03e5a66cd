# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_flavor: a flavor from its making to its removal."""

from __future__ import annotations

import dataclasses

import pytest
from module_runs import Ansible, Task, call, twelve_cases

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
    "unknown key": ({"gpus": 2}, "properties.gpus"),
    "unknown key of a device": ({"devices": [{"type": "GPU", "number": 2}]}, "properties.devices.number"),
    "unknown key alone": ({"devices": [{"typ": "GPU"}]}, "properties.devices.typ"),
    "unknown key of Valence's form": ({"pci_device": {"types": ["GPU"]}}, "properties.pci_device.types"),
    "memory": ({"memory": {"capacity_mib": "1024"}, **GPU_AND_SSD}, "properties.memory"),
    "processor": ({"processor": {"total_cores": 4}}, "properties.processor"),
    "unknown type": ({"pci_device": {"type": ["GPU", "TPU"]}}, "TPU"),
    "nothing": ({}, "names no device"),
    "nothing but nulls": ({"devices": [{"type": None, "model": None}]}, "properties.devices[0] is empty"),
    "count 0": ({"devices": [{"type": "GPU", "count": 0}]}, "properties.devices[0].count"),
    "count true": ({"devices": [{"type": "GPU", "count": True}]}, "properties.devices[0].count"),
    "no PCI id": ({"devices": [{"vendor_id": "nvidia"}]}, "'nvidia'"),
    "a number": (
        {"devices": [{"type": "GPU"}, {"device_id": 0x1DB6}]},
        "properties.devices[1].device_id is the number 7606",
    ),
    "no dictionary": ("GPU", "`properties` must be a dictionary"),
    "false": ({"devices": False}, "`properties.devices` must be a list of dictionaries"),
}


@pytest.mark.smoke
def test_properties_are_converted_to_one_form_and_a_listed_device_is_a_request(
    ansible: Ansible, rack1: Task, eeios: list[str]
) -> None:
    def registering(task: Task, name: str) -> Task:
        return dataclasses.replace(task, keywords={"register": name})

    again = call("flavor", name="f", properties="{{ made.flavor.properties }}")
    with_nulls = {"devices": [{"type": "gpu", "count": None, "vendor_id": None, "device_id": None, "model": None}]}
    run = ansible.play(
        rack1,
        call("flavor", name="f", properties={"pci_device": {"type": "gpu,GPU, Ssd"}}).called("text"),
        call("flavor", name="f", properties={"devices": [{"type": "nic", "count": "2", "device_id": "0x1DB6", "model": 1533}]})
        .called("types"),
        registering(call("flavor", name="f", properties=with_nulls).called("nulls"), "made"),
        again.called("given back"),
        registering(call("device_info", type="GPU"), "found"),
        registering(call("flavor", name="f", properties={"devices": "{{ found.devices[:1] }}"}).called("listed"), "made"),
        again.called("given back too"),
        call("flavor", name="f", properties={"devices": ["{{ found.devices[0] | combine({'count': 2}) }}"]}).called("two"),
        call("flavor", name="f", properties={"devices": ["{{ found.devices[0] | combine({'modle': 'x'}) }}"]})
        .failing().called("misspelt"),
        call("node", podm="rack1", name="n", properties={"devices": "{{ found.devices[:1] }}"}).called("composed"),
    )  # fmt: skip
    forms = {about: run[about]["flavor"]["properties"] for about in ("text", "types", "nulls", "listed", "two")}
    assert forms["text"] == {"pci_device": {"type": ["GPU", "GPU", "SSD"]}}
    assert forms["types"] == {"devices": [{"type": "NIC", "count": 2, "pci_device_id": "1db6", "model": "1533"}]}
    assert forms["nulls"] == {"devices": [{"type": "GPU"}]}
    device = run[5]["devices"][0]
    kind = {key: device[key] for key in ("type", "vendor_id", "pci_device_id", "model")}
    assert forms["listed"] == {"devices": [kind]} and None not in kind.values()
    assert forms["two"] == {"devices": [{**kind, "count": 2}]}
    assert not run["given back"].changed and not run["given back too"].changed
    assert "properties.devices.modle" in run["misspelt"].msg and "uuid" not in run["misspelt"].msg
    assert [each["device_id"] for each in run["composed"]["node"]["devices"]] == [eeios[0]]


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
