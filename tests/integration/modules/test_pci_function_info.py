# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pci_function_info: the functions of a host, and who uses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from module_runs import Ansible, Task, on_host
from pci_tree import GPU, NIC, SSD, Tree
from test_documented_examples import examples
from test_documented_results import documented, wrong


@pytest.fixture(name="tree")
def fixture_tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "tree").create()
    tree.add(
        {**GPU, "address": "0000:01:00.0", "minor": 0},
        {**SSD, "address": "0000:02:00.0", "nvme": "nvme9n1"},
        {**NIC, "address": "0000:03:00.0", "net": "port1", "vfs": 0},
    )
    return tree


@pytest.mark.smoke
@pytest.mark.through_ansible
def test_functions_are_listed_as_they_are_documented(ansible: Ansible, tree: Tree) -> None:
    tree.mount("259:91", "/dev/nvme9n1p1", "/data")
    run = ansible.play(
        on_host("function_info", tree),
        on_host("function_info", tree).checked(),
        on_host("function_info", tree, vendor_id="0x10DE", pci_device_id="1DB6"),
        on_host("function_info", tree, address="2:00".zfill(5)),
        on_host("function_info", tree, address="0000:03:00.0", vendor_id="10de"),
    )
    found = [[one["address"] for one in result["functions"]] for result in run]
    every = ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"]
    assert found == [every, every, every[:1], every[1:2], []]
    assert not any(result.changed for result in run)
    seen: set[str] = set()
    data = {key: run[0][key] for key in run[0].keys}
    assert wrong(data, documented("pci_function_info"), "", seen, top=True) == []
    assert {"functions[].users[].text", "functions[].interfaces[].mac_address"} <= seen


def test_this_machine_can_be_read(ansible: Ansible) -> None:
    """Read-only, on the real sysfs and procfs, whatever they contain."""
    (result,) = ansible.play(Task("nec.expether.pci_function_info", {}))
    there = sorted(os.listdir("/sys/bus/pci/devices")) if os.path.isdir("/sys/bus/pci/devices") else []
    assert [one["address"] for one in result["functions"]] == there
    assert wrong(result.data["functions"][0], documented("pci_function_info")["functions"]["contains"], "", set()) == []
    mounted = {user["name"] for one in result["functions"] for user in one["users"] if user["kind"] == "mount"}
    disks = [name for one in result["functions"] for name in one["block_devices"]]
    root = os.stat("/").st_dev
    numbers = {(Path("/sys/class/block") / name / "dev").read_text().strip() for name in disks}
    if f"{os.major(root)}:{os.minor(root)}" in numbers:
        assert "/" in mounted


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"address": "01:00.0 or so"}, "must be the address of a PCI function or slot"),
        ({"address": 600.0}, "must be the address"),
        ({"vendor_id": 4318}, "is the number 4318"),
        ({"vendor_id": "tech"}, "must be a PCI id of up to 4 hex digits"),
        ({"sysfs_root": "/nowhere"}, "`sysfs_root`: /nowhere has no bus"),
        ({"proc_root": "/nowhere"}, "`proc_root`: /nowhere has no self"),
        ({"address": "\0"}, "contains an invalid character"),
        ({"slot": "x"}, "Unsupported parameters"),
    ],
)
def test_impossible_options_are_refused(ansible: Ansible, tree: Tree, options: dict[str, object], word: str) -> None:
    (result,) = ansible.play(on_host("function_info", tree).having(**options).failing())
    assert word in result.msg and result.kind == "invalid"


def test_the_examples_run(ansible: Ansible, tree: Tree) -> None:
    module = "nec.expether.pci_function_info"
    first, second = ansible.play(
        *(on_host("function_info", tree, **each[module]) for each in examples("pci_function_info"))
    )
    assert len(first["functions"]) == len(second["functions"]) == 1
