# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a PCI function, on trees that look like sysfs and procfs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._pci.functions import Machine, read_machine
from ansible_collections.nec.expether.plugins.module_utils._pci.usage import read_usage
from ansible_collections.nec.expether.plugins.module_utils._pci.users import User, users_of

sys.path.insert(0, str(Path(__file__).resolve().parents[5]))

from pci_tree import AUDIO, BRIDGE, GPU, NIC, SSD, Tree

A = "0000:01:00.0"


@pytest.fixture(name="tree")
def fixture_tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree").create()


def machine_of(tree: Tree) -> Machine:
    return read_machine(str(tree.sys))


def users(tree: Tree, address: str = A) -> list[User]:
    machine = machine_of(tree)
    return users_of(machine.functions[address], machine, read_usage(str(tree.proc)))


def said(tree: Tree, address: str = A) -> list[tuple[str, str, bool]]:
    return [(user.kind, user.text, user.forcible) for user in users(tree, address)]


@pytest.fixture(name="ssd")
def fixture_ssd(tree: Tree) -> Tree:
    tree.add({**SSD, "address": A, "nvme": "nvme9n1"})
    return tree


@pytest.fixture(name="nic")
def fixture_nic(tree: Tree) -> Tree:
    tree.add({**NIC, "address": A, "net": "port1", "vfs": 0})
    return tree


def test_functions_are_shown_with_ids_and_types_as_those_of_devices_in_eem(tree: Tree) -> None:
    tree.add(
        {**GPU, "address": A},
        {**AUDIO, "address": "0000:01:00.1"},
        {**SSD, "address": "0000:02:00.0", "nvme": "nvme9n1"},
        {**NIC, "address": "0001:03:00.0", "net": "port1", "driver": None},
    )
    found = machine_of(tree).functions
    assert {
        address: (one.vendor_id, one.pci_device_id, one.class_code, one.type) for address, one in found.items()
    } == {
        A: ("10de", "1db6", "030200", "GPU"),
        "0000:01:00.1": ("10de", "10f2", "040300", "Multi"),
        "0000:02:00.0": ("144d", "a804", "010802", "SSD"),
        "0001:03:00.0": ("8086", "1572", "020000", "NIC"),
    }
    assert [one.driver for one in found.values()] == ["nvidia", "snd_hda_intel", "nvme", None]
    assert found["0000:02:00.0"].blocks == ("nvme9n1", "nvme9n1p1")
    assert found["0000:02:00.0"].serial_number == "S3EUNX0J300123"
    assert found["0001:03:00.0"].interfaces == ("port1",)
    assert [said(tree, address) for address in found] == [[], [], [], []]


def test_mounts_of_disks_partitions_and_everything_on_them(ssd: Tree) -> None:
    ssd.holder("nvme9n1p1", "md5", "9:5")
    ssd.holder("md5", "dm-7", "254:7", "crypted", "CRYPT-LUKS2-abc")
    ssd.holder("dm-7", "dm-8", "254:8", "vg-data", "LVM-abc")
    ssd.mount("254:8", "/dev/mapper/vg-data", "/srv/with\\040space")
    ssd.mount("8:1", "/dev/sda1", "/other")
    assert said(ssd) == [
        ("md", "nvme9n1p1 is part of the RAID md5", False),
        ("device_mapper", "md5 is part of the encrypted device crypted", False),
        ("lvm", "dm-7 is part of the logical volume vg-data", False),
        ("mount", "dm-8 is mounted at /srv/with space", False),
    ]


def test_a_mount_in_another_mount_namespace(ssd: Tree) -> None:
    ssd.process(70, "container")
    ssd.mount("259:91", "/dev/nvme9n1p1", "/inside", pid=70)
    text = "nvme9n1p1 is mounted at /inside in the mount namespace of process container (70)"
    assert said(ssd) == [("mount", text, False)]
    assert users(ssd)[0].pid == 70
    # A service in a namespace of its own that sees the same as the host does not add anything.
    ssd.mount("259:91", "/dev/nvme9n1p1", "/inside")
    assert said(ssd) == [("mount", "nvme9n1p1 is mounted at /inside", False)]


def test_files_of_a_file_system_without_a_process(ssd: Tree) -> None:
    ssd.mount("8:1", "/dev/sda1", "/")
    ssd.mount("259:91", "/dev/nvme9n1p1", "/data")
    ssd.mount("8:2", "/dev/sda2", "/data/other")
    with (ssd.proc / "swaps").open("a") as file:
        file.write("/data/swap\\040file file 100 0 -2\n/data/other/swap file 100 0 -2\n/swap file 100 0 -2\n")
    for number, path in enumerate(("/data/image", "/data/other/image", "/database/image")):
        loop = ssd.sys / f"devices/virtual/block/loop{number}"
        ssd.node(loop, "block", f"7:{number}", "block")
        (loop / "loop").mkdir()
        (loop / "loop/backing_file").write_text(f"{path}\n")
    assert said(ssd) == [
        ("mount", "nvme9n1p1 is mounted at /data", False),
        ("swap", "nvme9n1p1 has the swap file /data/swap file", False),
        ("holder", "nvme9n1p1 has the file of the block device loop0 (/data/image)", False),
    ]


def test_btrfs_has_a_number_of_its_own_and_several_disks(ssd: Tree) -> None:
    (ssd.sys / "fs/btrfs/0123/devices/nvme9n1").mkdir(parents=True)
    (ssd.sys / "fs/btrfs/0123/devices/nvme8n1").mkdir()
    ssd.holder("nvme9n1p1", "nvme8n1", "259:80")  # only to have a second disk
    ssd.mount("0:55", "/dev/nvme8n1", "/pool")
    assert ("mount", "nvme9n1 is mounted at /pool", False) in said(ssd)


def test_swap_and_multipath_and_loop(ssd: Tree) -> None:
    with (ssd.proc / "swaps").open("a") as file:
        file.write("/dev/nvme9n1p1 partition 100 0 -2\n")
    ssd.holder("nvme9n1", "dm-3", "254:3", "mpatha", "mpath-abc")
    loop = ssd.sys / "devices/virtual/block/loop6"
    ssd.node(loop, "block", "7:6", "block")
    (loop / "loop").mkdir()
    (loop / "loop/backing_file").write_text("/dev/nvme9n1\n")
    assert said(ssd) == [
        ("device_mapper", "nvme9n1 is part of the multipath device mpatha", False),
        ("holder", "nvme9n1 is part of the block device loop6", False),
        ("swap", "nvme9n1p1 is swap space", False),
    ]


def test_an_nvme_namespace_with_several_controllers(ssd: Tree) -> None:
    subsystem = ssd.sys / "devices/virtual/nvme-subsystem/nvme-subsys9"
    ssd.node(subsystem / "nvme9n2", "block", "259:99", "block")
    (subsystem / "nvme9").symlink_to((ssd.sys / "class/nvme/nvme9").resolve())
    ssd.mount("259:99", "/dev/nvme9n2", "/shared")
    assert said(ssd) == [("mount", "nvme9n2 is mounted at /shared", False)]


def test_processes_with_block_devices_and_other_nodes(ssd: Tree) -> None:
    ssd.process(81, "postgres", "/dev/nvme9n1p1", "/dev/nvme9n1p1")
    ssd.process(82, "smartd", "/dev/nvme9")
    ssd.process(83, "other", "/dev/null", "/dev/nvme99n1")
    assert said(ssd) == [
        ("process", "process postgres (81) has /dev/nvme9n1p1 open", False),
        ("process", "process smartd (82) has /dev/nvme9 open", True),
    ]
    assert users(ssd)[0].pid == 81


def test_a_node_is_known_by_its_number_whatever_it_is_called(tree: Tree) -> None:
    """The number of /dev/null, which is a real node, stands for that of a DRM device."""
    tree.add({**GPU, "address": A})
    tree.node(tree.link(A).resolve() / "drm/card9", "char", "1:3", "drm")
    tree.process(90, "x\x1b[31m\nserver" + "y" * 500, "/dev/null")
    ((user),) = users(tree)
    assert (user.kind, user.device) == ("process", "card9")
    assert user.text.isprintable() and len(user.text) <= 200


def test_a_gpu_of_nvidia(tree: Tree) -> None:
    tree.add({**GPU, "address": A, "minor": 3})
    tree.process(91, "dcgm-exporter", "/dev/nvidia3", "/dev/nvidiactl")
    tree.process(92, "python", "/dev/nvidia4")
    assert said(tree) == [("process", "process dcgm-exporter (91) has /dev/nvidia3 open", True)]


def test_interfaces_that_are_up_or_have_the_default_route(nic: Tree) -> None:
    flags = (nic.sys / "class/net/port1").resolve() / "flags"
    flags.write_text("0x1003\n")
    assert said(nic) == [("interface", "port1 is up", True)]
    nic.default_route("port1")
    assert said(nic)[0] == ("default_route", "port1 has the default route", False)


def test_the_default_route_of_ipv6(nic: Tree) -> None:
    zeros = "0" * 32
    reject = f"{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n"
    (nic.proc / "net/ipv6_route").write_text(
        f"{reject}{zeros} 00 {zeros} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00000003    port1\n"
    )
    assert said(nic) == [("default_route", "port1 has the default route", False)]


def test_bonds_and_what_is_on_them(nic: Tree) -> None:
    port = (nic.sys / "class/net/port1").resolve()
    bond, vlan = nic.interface("bond0"), nic.interface("bond0.7")
    (port / "master").symlink_to(bond)
    (port / "upper_bond0").symlink_to(bond)
    (bond / "upper_bond0.7").symlink_to(vlan)
    nic.default_route("bond0.7")
    assert said(nic) == [
        ("default_route", "port1 has the default route through bond0.7", False),
        ("master", "port1 belongs to bond0", True),
        ("master", "port1 belongs to bond0.7", True),
    ]


def test_established_connections_through_an_interface(nic: Tree) -> None:
    nic.route("port1", "0002A8C0", "00FFFFFF")  # 192.168.2.0/24
    nic.route("port2", "0003A8C0", "00FFFFFF")
    nic.connection("0502A8C0:0016", "0902A8C0:C000")  # ssh from 192.168.2.9
    nic.connection("0503A8C0:0016", "0903A8C0:C000")  # through the other one
    nic.connection("0100007F:0016", "0100007F:C000")
    nic.connection("0502A8C0:0050", "0502A8C0:C001")  # of the host to itself, both ends
    nic.connection("0502A8C0:C001", "0502A8C0:0050")
    assert said(nic) == [("connections", "port1 has established connections (to 192.168.2.9)", False)]


def test_a_connection_by_ipv4_through_a_socket_of_ipv6(nic: Tree) -> None:
    nic.route("port1", "0002A8C0", "00FFFFFF")
    mapped = "0000000000000000FFFF0000"
    line = f"   0: {mapped}0502A8C0:0016 {mapped}0902A8C0:C000 01 0:0 0:0 0 0 0 1\n"
    (nic.proc / "net/tcp6").write_text("  sl  local_address remote_address st\n" + line)
    assert [kind for kind, *dummy in said(nic)] == ["connections"]


def test_virtual_functions_and_hidden_interfaces(nic: Tree) -> None:
    (nic.link(A) / "sriov_numvfs").write_text("4\n")
    assert said(nic) == [("virtual_functions", f"{A} has 4 virtual functions (SR-IOV)", True)]
    (nic.sys / "class/net/port1").unlink()  # as the kernel shows an interface of another namespace
    assert said(nic)[0] == ("interface", f"the network interface of {A} is in another network namespace", False)


def test_the_users_of_virtual_functions_use_their_function(nic: Tree) -> None:
    first, second = "0000:01:10.0", "0000:01:10.2"
    nic.add({**NIC, "address": first, "driver": "mlx5_vfio_pci", "group": "17"})
    nic.add({**NIC, "address": second, "net": "port1v1"})
    nic.process(95, "qemu-system-x86", "/dev/vfio/17")
    nic.default_route("port1v1")
    assert said(nic) == []
    (nic.link(A) / "sriov_numvfs").write_text("2\n")
    for number, address in enumerate((first, second)):
        (nic.link(A).resolve() / f"virtfn{number}").symlink_to(f"../{address}")
    assert said(nic) == [
        ("virtual_functions", f"{A} has 2 virtual functions (SR-IOV)", True),
        (
            "virtual_machine",
            f"a virtual machine has {first}: process qemu-system-x86 (95) has /dev/vfio/17 open",
            False,
        ),
        ("default_route", "port1v1 has the default route", False),
    ]


def test_a_virtual_machine(tree: Tree) -> None:
    tree.add({**GPU, "address": A, "driver": "vfio-pci", "group": "17"})
    assert said(tree) == [("virtual_machine", f"{A} is reserved for virtual machines (driver vfio-pci)", False)]
    tree.process(95, "qemu-system-x86", "/dev/vfio/17")
    tree.process(96, "qemu-system-x86", "/dev/vfio/18")
    assert said(tree) == [
        (
            "virtual_machine",
            f"a virtual machine has {A}: process qemu-system-x86 (95) has /dev/vfio/17 open",
            False,
        )
    ]


def test_a_bridge_is_used_by_the_users_of_what_is_below_it(tree: Tree) -> None:
    tree.add(
        {**BRIDGE, "address": "0000:04:00.0"},
        {**SSD, "address": "0000:05:00.0", "below": "0000:04:00.0", "nvme": "nvme9n1"},
    )
    tree.mount("259:91", "/dev/nvme9n1p1", "/data")
    (user,) = users(tree, "0000:04:00.0")
    assert (user.function, user.name) == ("0000:05:00.0", "/data")


def test_what_vanishes_while_it_is_read_is_left_out(ssd: Tree) -> None:
    """A surprise removal: first the files are gone, then the links."""
    place = ssd.link(A).resolve()
    for name in ("vendor", "class", "nvme/nvme9/nvme9n1/dev"):
        (place / name).unlink()
    found = machine_of(ssd).functions[A]
    assert (found.vendor_id, found.class_code, found.type, found.blocks) == (None, None, None, ("nvme9n1p1",))
    shutil.rmtree(place)
    assert machine_of(ssd).functions == {}


def test_processes_that_end_or_belong_to_others(ssd: Tree) -> None:
    ssd.process(81, "postgres", "/dev/nvme9n1p1")
    shutil.rmtree(ssd.proc / "81/fd")
    assert said(ssd) == []
    assert read_usage(str(ssd.proc)).is_complete
    shutil.rmtree(ssd.proc / "1")  # as procfs with hidepid=2 shows it to other users
    assert not read_usage(str(ssd.proc)).is_complete
