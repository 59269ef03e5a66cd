# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role pci_hotplug on trees that look like sysfs and procfs: each host of one play has a tree and a kernel of its own.

What needs a real systemd and real mounts is in the molecule scenario.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pci_tree import AUDIO, GPU, NIC, SSD, Kernel, Plug, Tree

A, AUDIO_OF_A, B = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"
GPU_IDS, SSD_IDS, NIC_IDS = (
    {"vendor_id": plug["vendor"], "pci_device_id": plug["device"], "device_id": "0x8cdf9d512930", "uuid": "x"}
    for plug in (GPU, SSD, NIC)
)
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_role": {"name": "nec.expether.pci_hotplug"}},
            {
                "ansible.builtin.debug": {
                    "msg": "RETURNED={{ pci_hotplug_functions | map(attribute='address') | join(',') }}="
                }
            },
        ],
    }
]


class Host(t.NamedTuple):
    """What is plugged in, what the host is told, and what must come of it.

    :ivar left: the functions afterwards
    :ivar refused: what the message contains; nothing is changed then
    """

    plugs: list[Plug]
    devices: list[dict[str, t.Any]]
    left: list[str]
    refused: str = ""
    state: str = "detached"
    more: t.Mapping[str, t.Any] = {}
    use: t.Callable[[Tree], None] = lambda tree: None
    is_found: bool = True


def up(tree: Tree) -> None:
    ((tree.sys / "class/net/port1").resolve() / "flags").write_text("0x1003\n")


def in_a_container(tree: Tree) -> None:
    tree.process(70, "container")
    tree.mount("259:91", "/dev/nvme9n1p1", "/srv/data", pid=70)


HOSTS = {
    "nic": Host([{**NIC, "address": A, "net": "port1", "vfs": 2}], [NIC_IDS], [], use=up),
    "route": Host(
        [{**NIC, "address": A, "net": "port1", "vfs": 2}],
        [NIC_IDS],
        [A],
        "These devices are in use: port1 has the default route. Nothing was changed.",
        use=lambda tree: tree.default_route("port1"),
    ),
    "ssds": Host(
        [{**SSD, "address": A, "nvme": "nvme8n1"}, {**SSD, "address": B, "nvme": "nvme9n1"}],
        [SSD_IDS, SSD_IDS],
        [],
        more={"pci_hotplug_pause": 1},
    ),
    "mounted": Host(
        [{**SSD, "address": A, "nvme": "nvme9n1"}],
        [SSD_IDS],
        [A],
        "These devices are in use: nvme9n1p1 is mounted at /srv/data.",
        more={"pci_hotplug_unmount": ["/srv/other"]},
        use=lambda tree: tree.mount("259:91", "/dev/nvme9n1p1", "/srv/data"),
    ),
    "elsewhere": Host(
        [{**SSD, "address": A, "nvme": "nvme9n1"}],
        [SSD_IDS],
        [A],
        "nvme9n1p1 is mounted at /srv/data in the mount namespace of process container (70). Nothing was changed.",
        more={"pci_hotplug_unmount": ["/srv/data"]},
        use=in_a_container,
    ),
    # The tree shows a mount that is not there, so umount fails.
    "busy": Host(
        [{**SSD, "address": A, "nvme": "nvme8n1"}, {**SSD, "address": B, "nvme": "nvme9n1"}],
        [SSD_IDS, SSD_IDS],
        [A, B],
        "No device was removed: umount: /nowhere: no mount point specified. What was stopped or unmounted before stays so;",
        more={"pci_hotplug_unmount": ["/nowhere"]},
        use=lambda tree: tree.mount("259:91", "/dev/nvme9n1p1", "/nowhere"),
    ),
    "equal": Host(
        [{**GPU, "address": A}, {**GPU, "address": B}],
        [{**GPU_IDS, "address": ""}],
        [A, B],
        "The host has 2 equal devices (10de:1db6 at 0000:01:00, 0000:02:00), and 1 of them should be detached.",
    ),
    "equal_by_address": Host([{**GPU, "address": A}, {**GPU, "address": B}], [{**GPU_IDS, "address": B}], [A]),
    "all_equal": Host(
        [{**GPU, "address": A}, {**AUDIO, "address": AUDIO_OF_A}, {**GPU, "address": B}],
        [GPU_IDS],
        [],
        more={"pci_hotplug_remove_equal": True},
    ),
    "gone": Host([{**SSD, "address": A}], [GPU_IDS], [A]),
    "no_ids": Host([], [{"device_id": "0x8cdf9d512930", "vendor_id": None}], [], "has no vendor_id and pci_device_id"),
    "attach": Host(
        [{**GPU, "address": A}, {**GPU, "address": B}], [GPU_IDS, GPU_IDS], [A, B], state="attached", is_found=False
    ),
    "attach_more": Host(
        [{**GPU, "address": A}],
        [{**GPU_IDS, "count": 2}],
        [A],
        "2 PCI functions 10de:1db6 were requested, 1 are there 0.5 s after the rescan.",
        state="attached",
        more={"pci_hotplug_timeout": 0.5},
    ),
}


class Played(t.NamedTuple):
    """What a play did on each host: the numbers of its recap, and the messages of failures."""

    recap: dict[str, dict[str, int]]
    output: str


def play(folder: Path, trees: t.Mapping[str, Tree], *arguments: str) -> Played:
    inventory = {
        name: {
            "pci_hotplug_state": HOSTS[name].state,
            "pci_hotplug_devices": HOSTS[name].devices,
            "pci_hotplug_timeout": 10,
            "pci_hotplug_sysfs_root": str(tree.sys),
            "pci_hotplug_proc_root": str(tree.proc),
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            **HOSTS[name].more,
        }
        for name, tree in trees.items()
    }
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": inventory}}))
    (folder / "play.json").write_text(json.dumps(PLAY))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(folder / "hosts.json"), *arguments]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORKS": "4", "COLUMNS": "500"}
    done = subprocess.run(
        [*command, str(folder / "play.json")],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    recap = {
        name: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", rest)}
        for name, rest in re.findall(r"(?m)^(\w+) +: (ok=.*)$", done.stdout)
    }
    assert sorted(recap) == sorted(trees), f"{done.stdout}\n{done.stderr}"
    return Played(recap, done.stdout)


@pytest.fixture(scope="module", name="trees")
def fixture_trees(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, Tree]]:
    with contextlib.ExitStack() as stack:
        found = {}
        for name, host in HOSTS.items():
            tree = Tree(tmp_path_factory.mktemp(name) / "tree").create()
            (tree.add if host.is_found else tree.plug)(*host.plugs)
            host.use(tree)
            found[name] = tree
            stack.enter_context(Kernel(tree))
        yield found


def addresses(tree: Tree) -> list[str]:
    return sorted(os.listdir(tree.sys / "bus/pci/devices"))


def test_each_host_does_what_it_should(tmp_path: Path, trees: dict[str, Tree]) -> None:
    before = {name: addresses(tree) for name, tree in trees.items()}
    changes = {name for name, host in HOSTS.items() if not host.refused and host.left != before[name]}
    checked = play(tmp_path, {name: trees[name] for name in sorted(changes)}, "--check")
    assert {name: addresses(tree) for name, tree in trees.items()} == before
    assert (trees["nic"].link(A) / "sriov_numvfs").read_text() == "2\n"
    assert all(numbers["changed"] and not numbers["failed"] for numbers in checked.recap.values()), checked.output

    real = play(tmp_path, trees)
    assert {name: addresses(tree) for name, tree in trees.items()} == {name: host.left for name, host in HOSTS.items()}
    failed = {name for name, numbers in real.recap.items() if numbers["failed"]}
    assert failed == {name for name, host in HOSTS.items() if host.refused}, real.output
    assert {name for name, numbers in real.recap.items() if numbers["changed"]} == changes
    for host in HOSTS.values():
        assert host.refused in " ".join(real.output.split())
    assert f"RETURNED={A},{B}=" in real.output
    said = re.findall(r"The host has no PCI function (\S+) to be removed for (\S+):", real.output)
    assert said == [("10de:1db6", "0x8cdf9d512930")], "the host `gone`"

    repeated = play(tmp_path, {name: trees[name] for name in ("nic", "attach")})
    assert all(numbers["changed"] == numbers["failed"] == 0 for numbers in repeated.recap.values()), repeated.output
