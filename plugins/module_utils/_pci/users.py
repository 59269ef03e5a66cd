# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses a PCI function: decided from what was read in `functions` and `usage`. Private to the collection."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._pci.functions import Block, Function, Machine, shown
from ansible_collections.nec.expether.plugins.module_utils._pci.usage import Mount, OpenNode, Usage

#: Drivers that hand a function to a virtual machine: vfio-pci, its variants such as mlx5_vfio_pci, and Xen's.
_VIRTUAL = re.compile(r"(?:\w+[_-])?vfio[_-]pci\Z|(?:xen-)?pciback\Z")
_NVIDIA_MAJOR = 195  # of /dev/nvidia0 and so on, registered with the kernel


class User(t.NamedTuple):
    """Somebody who uses a function.

    :ivar function: the address of the function
    :ivar kind: `mount`, `swap`, `lvm`, `md`, `device_mapper`, `holder`, `kernel`, `process`, `default_route`,
        `connections`, `interface`, `master`, `virtual_functions` or `virtual_machine`
    :ivar name: the mount point, the process, the holder, the interface
    :ivar device: the block device, device node or interface of the function that is used
    :ivar pid: the process; of a mount, one that sees it in another mount namespace
    :ivar forcible: whether the function may be removed all the same if the user of the module insists: nothing is lost
        that was written, and the host stays reachable
    :ivar text: a clause for messages, without a full stop
    """

    function: str
    kind: str
    name: str
    device: str | None
    pid: int | None
    forcible: bool
    text: str


def users_of(function: Function, machine: Machine, usage: Usage) -> list[User]:
    """Return everybody who uses a function, and those of functions below a bridge and of virtual functions."""
    found: dict[User, None] = {}
    for each in machine.removed_with(function):
        found.update((user, None) for user in _Search(each, machine, usage).users())
    return [*found]


class _Search:
    """The search for the users of one function."""

    def __init__(self, function: Function, machine: Machine, usage: Usage) -> None:
        self._function = function
        self._machine = machine
        self._usage = usage

    def users(self) -> t.Iterator[User]:
        yield from self._storage()
        yield from self._processes()
        for name in self._function.interfaces:
            yield from self._network(name)
        if self._function.hides_interfaces:
            address = self._function.address
            yield self._user(
                "interface", address, None, f"the network interface of {address} is in another network namespace"
            )
        if self._function.virtual_functions:
            number = self._function.virtual_functions
            text = f"{self._function.address} has {number} virtual functions (SR-IOV)"
            yield self._user("virtual_functions", str(number), None, text, forcible=True)
        yield from self._virtual_machines()

    def _user(
        self, kind: str, name: str, device: str | None, text: str, pid: int | None = None, forcible: bool = False
    ) -> User:
        clean, where = shown(name) or "?", shown(device)
        return User(self._function.address, kind, clean, where, pid, forcible, shown(text) or "?")

    # -- storage

    def _blocks(self) -> list[Block]:
        """Return the block devices of the function with all that are built from them."""
        blocks, ahead, found = self._machine.blocks, [*self._function.blocks], {}
        while ahead:
            name = ahead.pop(0)
            if name in blocks and name not in found:
                found[name] = blocks[name]
                ahead += blocks[name].holders
        return [*found.values()]

    def _storage(self) -> t.Iterator[User]:
        for block in self._blocks():
            for mount in self._mounts(block):
                text = f"{block.name} is mounted at {shown(mount.point)}"
                if mount.pid is not None:
                    process = shown(self._usage.names[mount.pid])
                    text += f" in the mount namespace of process {process} ({mount.pid})"
                yield self._user("mount", mount.point, block.name, text, mount.pid)
                yield from self._files_on(mount, block)
            if any(_is_node_of(path, block) for path in self._usage.swaps):
                yield self._user("swap", block.name, block.name, f"{block.name} is swap space")
            for name in block.holders:
                kind, what, label = _holder(name, self._machine.blocks.get(name))
                yield self._user(kind, label, block.name, f"{block.name} is part of {what} {shown(label)}")
            for node in self._usage.open_nodes:
                if node.number == f"b{block.number}" or (node.number is None and _is_node_of(node.path, block)):
                    yield self._process(node, block.name, forcible=False)

    def _files_on(self, mount: Mount, block: Block) -> t.Iterator[User]:
        """Return who has files of a file system without a process: swap files and loop devices."""
        if mount.pid is not None:
            return
        for path in self._usage.swaps:
            if self._point_of(path) == mount.point:
                yield self._user("swap", path, block.name, f"{block.name} has the swap file {shown(path)}")
        for loop in self._machine.blocks.values():
            if loop.file and self._point_of(loop.file) == mount.point:
                text = f"{block.name} has the file of the block device {loop.name} ({shown(loop.file)})"
                yield self._user("holder", loop.name, block.name, text)

    def _point_of(self, path: str) -> str:
        """Return where the file system of a file is mounted."""
        points = (mount.point for mount in self._usage.mounts if mount.pid is None)
        return max((point for point in points if path.startswith(f"{point.rstrip('/')}/")), key=len, default="")

    def _mounts(self, block: Block) -> list[Mount]:
        members = next((pool for pool in self._machine.pools if block.name in pool), {block.name})
        group = [self._machine.blocks[name] for name in members if name in self._machine.blocks]
        return [
            mount
            for mount in self._usage.mounts
            if mount.number == block.number or any(_is_node_of(mount.source, each) for each in group)
        ]

    # -- processes

    def _processes(self) -> t.Iterator[User]:
        nodes = {number: name for number, name in self._function.devices.items() if number.startswith("c")}
        minor = self._usage.nvidia.get(self._function.address)
        if minor is not None:
            nodes[f"c{_NVIDIA_MAJOR}:{minor}"] = f"nvidia{minor}"
        names = {*nodes.values()}
        for node in self._usage.open_nodes:
            name = nodes.get(node.number or "")
            if name is None and node.number is None and _node_name(node.path) in names:
                name = _node_name(node.path)
            if name is not None:
                yield self._process(node, name, forcible=True)

    def _process(self, node: OpenNode, device: str, forcible: bool) -> User:
        text = f"process {shown(node.process)} ({node.pid}) has {shown(node.path)} open"
        return self._user("process", node.process, device, text, node.pid, forcible)

    def _virtual_machines(self) -> t.Iterator[User]:
        driver = self._function.driver
        if not _VIRTUAL.match(driver or ""):
            return
        path, address = f"/dev/vfio/{self._function.iommu_group}", self._function.address
        holders = [node for node in self._usage.open_nodes if node.path == path]
        for node in holders:
            text = f"a virtual machine has {address}: process {shown(node.process)} ({node.pid}) has {path} open"
            yield self._user("virtual_machine", node.process, path, text, node.pid)
        if not holders:
            text = f"{address} is reserved for virtual machines (driver {driver})"
            yield self._user("virtual_machine", str(driver), None, text)

    # -- networks

    def _network(self, name: str) -> t.Iterator[User]:
        interfaces, usage = self._machine.interfaces, self._usage
        above, ahead = [], [name]
        while ahead:
            each = ahead.pop(0)
            if each not in above:
                above.append(each)
                upper = interfaces.get(each)
                ahead += [*upper.uppers, *filter(None, (upper.master,))] if upper else []
        for each in above:
            via = "" if each == name else f" through {each}"
            if each in usage.default_routes:
                yield self._user("default_route", each, name, f"{name} has the default route{via}")
            if each in usage.connections:
                peers = usage.connections[each]
                text = f"{name} has established connections{via} (to {comma_list(peers, 3)})"
                yield self._user("connections", each, name, text)
        for each in above[1:]:
            yield self._user("master", each, name, f"{name} belongs to {each}", forcible=True)
        if name in interfaces and interfaces[name].is_up:
            yield self._user("interface", name, name, f"{name} is up", forcible=True)


def _is_node_of(path: str, block: Block) -> bool:
    """Whether a path names the node of a block device."""
    return path.startswith("/dev/") and (
        path == f"/dev/{block.name}" or (block.label is not None and path == f"/dev/mapper/{block.label}")
    )


def _node_name(path: str) -> str:
    return path.rpartition("/")[2]


def _holder(name: str, block: Block | None) -> tuple[str, str, str]:
    """Return the kind of a block device that is built from others, what it is, and its name for people."""
    label = (block.label if block else None) or name
    uuid = (block.uuid if block else None) or ""
    if uuid.startswith("LVM-"):
        return "lvm", "the logical volume", label
    if name.startswith("md"):
        return "md", "the RAID", name
    if uuid.startswith("CRYPT-"):
        return "device_mapper", "the encrypted device", label
    if uuid.startswith("mpath-"):
        return "device_mapper", "the multipath device", label
    if name.startswith("dm-"):
        return "device_mapper", "the device mapper device", label
    return "holder", "the block device", label
