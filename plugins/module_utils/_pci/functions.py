# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter writes spaces around the colon of a slice, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: E203

"""What the kernel shows of PCI functions in sysfs: read, never written. Private to the collection.

A function may vanish at any moment, also while it is read. What cannot be read is missing in the answer; no error is
raised. Which function a block device, an interface or a device node belongs to follows from its path in sysfs: it is
the last component that is the address of a function.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import TYPES, UNKNOWN_TYPE
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable

ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]\Z")
_CONTROLLER = re.compile(r"nvme\d+\Z")
MAX_SHOWN = 200  # characters of one text from the host in a result
_IFF_UP = 1


class Interface(t.NamedTuple):
    """A network interface. `uppers` are the interfaces above it, such as a bond, a bridge or a VLAN; `master` is one."""

    name: str
    mac_address: str | None
    is_up: bool
    uppers: tuple[str, ...]
    master: str | None


class Block(t.NamedTuple):
    """A block device: a disk, a partition, or one that is built from others.

    :ivar number: `MAJOR:MINOR`
    :ivar label: the name under /dev/mapper of a device mapper device
    :ivar uuid: the UUID of the device mapper, whose prefix tells what it belongs to, such as `LVM-`
    :ivar holders: names of the block devices that are built on it
    :ivar disk: the disk that it is a partition of
    :ivar file: the file that a loop device shows
    """

    name: str
    number: str
    label: str | None
    uuid: str | None
    holders: tuple[str, ...]
    disk: str | None = None
    file: str | None = None


class Function(t.NamedTuple):
    """A PCI function. The ids have 4 hex digits, the class code has 6, as those of a device in EEM.

    :ivar path: its place in the tree of devices
    :ivar devices: names of its device nodes by `c` or `b` and number, such as `c226:0`
    :ivar virtual: the addresses of its virtual functions (SR-IOV), which are functions beside it
    :ivar hides_interfaces: whether it has network interfaces that this network namespace does not show
    """

    address: str
    path: str
    vendor_id: str | None
    pci_device_id: str | None
    class_code: str | None
    driver: str | None
    physical_slot: str | None
    iommu_group: str | None
    virtual_functions: int
    virtual: tuple[str, ...]
    serial_number: str | None
    blocks: tuple[str, ...]
    interfaces: tuple[str, ...]
    devices: t.Mapping[str, str]
    hides_interfaces: bool

    @property
    def slot(self) -> str:
        """The address without the function."""
        return self.address.rpartition(".")[0]

    @property
    def type(self) -> str | None:
        """The type of the device, as EEM's devices have it; `None` without a class code."""
        return TYPES.get(int(self.class_code[:2], 16), UNKNOWN_TYPE) if self.class_code else None


class Machine(t.NamedTuple):
    """All functions by address, and all block devices and interfaces by name.

    :ivar pools: of each file system on several block devices, their names
    """

    functions: dict[str, Function]
    blocks: dict[str, Block]
    interfaces: dict[str, Interface]
    pools: list[set[str]]

    def removed_with(self, function: Function) -> list[Function]:
        """Return the functions that a removal removes: this one, those below it if it is a bridge, and virtual ones."""
        prefix = f"{function.path}/"
        below = [each for each in self.functions.values() if each.path.startswith(prefix)]
        found = {each.address: each for each in (function, *sorted(below, key=lambda one: one.address))}
        for each in (*found.values(),):
            found.update((address, self.functions[address]) for address in each.virtual if address in self.functions)
        return [*found.values()]


def text_of(path: str) -> str | None:
    """Return the text of a file without surrounding space; `None` if it is empty or cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536).strip() or None
    except OSError:
        return None


def names_in(folder: str) -> list[str]:
    """Return the names in a folder, sorted; none if it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def target_of(path: str) -> str | None:
    """Return the name that a link leads to; `None` if it is not a link."""
    try:
        return os.path.basename(os.readlink(path)) or None
    except OSError:
        return None


def shown(text: str | None) -> str | None:
    """Return a text from the host as results show it."""
    return None if text is None else printable(text, MAX_SHOWN)


def functions_folder(root: str) -> str:
    """Return the folder with a link to each function.

    :param root: where sysfs is mounted
    """
    return os.path.join(root, "bus", "pci", "devices")


def read_machine(root: str) -> Machine:
    """Return what sysfs shows.

    :param root: where it is mounted
    """
    parts = _Parts(root)
    folder = functions_folder(root)
    slots = _physical_slots(root)
    functions = {}
    for address in names_in(folder):
        link = os.path.join(folder, address)
        if ADDRESS.match(address):
            found = _function(address, link, parts, slots)
            if os.path.isdir(link):  # otherwise it has vanished meanwhile
                functions[address] = found
    pools = [{*names_in(os.path.join(root, "fs", "btrfs", name, "devices"))} for name in names_in(f"{root}/fs/btrfs")]
    return Machine(functions, parts.blocks, parts.interfaces, [pool for pool in pools if pool])


def address_in(path: str) -> str | None:
    """Return the address of the function that a path of the tree of devices belongs to."""
    return next((part for part in reversed(path.split("/")) if ADDRESS.match(part)), None)


class _Parts:
    """Everything that belongs to functions, from a walk over the classes of devices.

    :ivar of: names by kind and address
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.blocks: dict[str, Block] = {}
        self.interfaces: dict[str, Interface] = {}
        self.of: dict[tuple[str, str], list[str]] = {}
        self.devices: dict[str, dict[str, str]] = {}
        self.serials: dict[str, str] = {}
        self._read_blocks()
        for name, path in self._class("net"):
            self.interfaces[name] = _interface(name, path)
            self._add("net", address_in(path), name)
        for dummy, path in self._class("nvme"):
            address, serial = address_in(path), text_of(os.path.join(path, "serial"))
            if address and serial:
                self.serials[address] = serial
        for kind in ("char", "block"):
            folder = os.path.join(root, "dev", kind)
            for number in names_in(folder):
                path = os.path.realpath(os.path.join(folder, number))
                for address in self._addresses(path):
                    self.devices.setdefault(address, {})[kind[0] + number] = os.path.basename(path)

    def _class(self, name: str) -> list[tuple[str, str]]:
        folder = os.path.join(self._root, "class", name)
        found = [(entry, os.path.join(folder, entry)) for entry in names_in(folder)]
        # Not all entries are devices: /sys/class/net/bonding_masters is a file.
        return [(entry, os.path.realpath(path)) for entry, path in found if os.path.isdir(path)]

    def _add(self, kind: str, address: str | None, name: str) -> None:
        if address:
            self.of.setdefault((kind, address), []).append(name)

    def _read_blocks(self) -> None:
        paths = dict(self._class("block"))
        files = {name: text_of(os.path.join(path, "loop", "backing_file")) for name, path in paths.items()}
        backed: dict[str, list[str]] = {}
        for name, file in files.items():
            if file and file.startswith("/dev/"):
                backed.setdefault(os.path.basename(file), []).append(name)
        for name, path in paths.items():
            number = text_of(os.path.join(path, "dev"))
            if number is None:
                continue  # one path of several to a namespace, which is shown as a device of its own
            label, uuid = (text_of(os.path.join(path, "dm", key)) for key in ("name", "uuid"))
            holders = (*names_in(os.path.join(path, "holders")), *backed.get(name, ()))
            above = os.path.basename(os.path.dirname(path))
            disk = above if above in paths else None
            self.blocks[name] = Block(name, number, label, uuid, holders, disk, files[name])
            for address in self._addresses(path):
                self._add("block", address, name)

    @staticmethod
    def _addresses(path: str) -> list[str]:
        """Return the functions that a device belongs to: several if an NVMe namespace has several controllers."""
        parts = path.split("/")
        if "nvme-subsystem" in parts[:-2]:
            subsystem = "/".join(parts[: parts.index("nvme-subsystem") + 2])
            links = (os.path.realpath(f"{subsystem}/{each}") for each in names_in(subsystem) if _CONTROLLER.match(each))
            return sorted({address for link in links if (address := address_in(link))})
        address = address_in(path)
        return [address] if address else []


def _interface(name: str, path: str) -> Interface:
    try:
        flags = int(text_of(os.path.join(path, "flags")) or "0", 16)
    except ValueError:
        flags = 0
    uppers = tuple(each[len("upper_") :] for each in names_in(path) if each.startswith("upper_"))
    mac_address = text_of(os.path.join(path, "address"))
    return Interface(name, mac_address, bool(flags & _IFF_UP), uppers, target_of(os.path.join(path, "master")))


def _function(address: str, link: str, parts: _Parts, slots: t.Mapping[str, str]) -> Function:
    def value(name: str) -> str | None:
        return text_of(os.path.join(link, name))

    interfaces = tuple(parts.of.get(("net", address), ()))
    numvfs = value("sriov_numvfs") or "0"
    number = int(numvfs) if numvfs.isascii() and numvfs.isdigit() else 0
    links = [name for name in names_in(link) if name.startswith("virtfn")] if number else []
    return Function(
        address,
        os.path.realpath(link),
        _digits(value("vendor"), 4),
        _digits(value("device"), 4),
        _digits(value("class"), 6),
        target_of(os.path.join(link, "driver")),
        slots.get(address.rpartition(".")[0]),
        target_of(os.path.join(link, "iommu_group")),
        number,
        tuple(found for name in links if (found := target_of(os.path.join(link, name)))),
        parts.serials.get(address),
        tuple(parts.of.get(("block", address), ())),
        interfaces,
        parts.devices.get(address, {}),
        not interfaces and os.path.isdir(os.path.join(link, "net")),
    )


def _digits(value: str | None, digits: int) -> str | None:
    """Return a number that sysfs shows with `0x` as hex digits in lower case without it."""
    try:
        return f"{int(value or '', 16):0{digits}x}"
    except ValueError:
        return None


def _physical_slots(root: str) -> dict[str, str]:
    """Return the names of physical slots by slot address, for the machines that report them."""
    folder = os.path.join(root, "bus", "pci", "slots")
    found = {name: text_of(os.path.join(folder, name, "address")) for name in names_in(folder)}
    return {address: name for name, address in found.items() if address}
