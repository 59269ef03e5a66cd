# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of real folders, files and links that looks like sysfs and procfs, and a kernel for it.

`python3 pci_tree.py FOLDER` plays the kernel: whoever writes 1 to `rescan` gets what is plugged in, whoever writes 1 to a
function's `remove` loses it. Mounts are shown while something is mounted there, processes while their file exists. Needs
only Python 3.9, so that it also runs on the test machines of the role. With the URL of a simulated EEM as the second argument,
the devices are plugged in that this EEM has attached to its systems.

What is plugged in is a list of dictionaries: `address`, `vendor`, `device`, `class`, and optionally `driver`, `below` (the
address of a bridge), `nvme` (the name of a namespace), `serial`, `net` (the name of an interface), `mac`, `minor` (of an
NVIDIA device node), `vfs`, `group` (of the IOMMU).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import typing as t
import urllib.request
from pathlib import Path

Plug = dict[str, t.Any]

SSD: Plug = {"vendor": "144d", "device": "a804", "class": "010802", "driver": "nvme"}
NIC: Plug = {"vendor": "8086", "device": "1572", "class": "020000", "driver": "i40e"}
GPU: Plug = {"vendor": "10de", "device": "1db6", "class": "030200", "driver": "nvidia"}
AUDIO: Plug = {"vendor": "10de", "device": "10f2", "class": "040300", "driver": "snd_hda_intel"}
BRIDGE: Plug = {"vendor": "1033", "device": "0001", "class": "060400", "driver": "pcieport"}
ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class Tree:
    """The tree in a folder: `sys` and `proc`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sys, self.proc = folder, folder / "sys", folder / "proc"
        self.plugged_file = folder / "plugged.json"

    def create(self) -> Tree:
        for name in (
            "bus/pci/devices",
            "bus/pci/drivers",
            "class/block",
            "class/net",
            "class/nvme",
            "dev/char",
            "dev/block",
        ):
            (self.sys / name).mkdir(parents=True)
        (self.sys / "bus/pci/rescan").write_text("")
        (self.proc / "net").mkdir(parents=True)
        (self.proc / "self").symlink_to("1")
        self.process(1, "systemd")
        (self.proc / "swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n")
        (self.proc / "net/route").write_text(ROUTES)
        (self.proc / "net/tcp").write_text(TCP)
        self.plug()
        return self

    # -- what is plugged in

    def plugged(self) -> list[Plug]:
        found = json.loads(self.plugged_file.read_text())
        assert isinstance(found, list)
        return found

    def plug(self, *more: Plug) -> None:
        """Plug in more; a rescan finds it."""
        known = self.plugged() if self.plugged_file.exists() else []
        part = self.plugged_file.with_suffix(".part")
        part.write_text(json.dumps([*known, *more]))
        part.replace(self.plugged_file)

    def unplug(self, address: str) -> None:
        kept = [plug for plug in self.plugged() if plug["address"] != address]
        self.plugged_file.write_text(json.dumps(kept))

    def add(self, *more: Plug) -> None:
        """Plug in more that the kernel has found already."""
        self.plug(*more)
        self.rescan()

    # -- what the kernel does

    def rescan(self) -> None:
        for plug in self.plugged():
            if not os.path.lexists(self.link(plug["address"])):
                self._create(plug)

    def link(self, address: str) -> Path:
        return self.sys / "bus/pci/devices" / address

    def remove(self, address: str) -> None:
        place = self.link(address).resolve()
        for folder in ("class/block", "class/net", "class/nvme", "dev/char", "dev/block", "bus/pci/devices"):
            for link in (self.sys / folder).iterdir():
                if place in (link.resolve(), *link.resolve().parents):
                    link.unlink()
        shutil.rmtree(self.proc / "driver/nvidia/gpus" / address, ignore_errors=True)
        shutil.rmtree(place)

    def _create(self, plug: Plug) -> None:
        address = plug["address"]
        above = self.link(plug["below"]).resolve() if plug.get("below") else self.sys / "devices/pci0000:00"
        place = above / address
        place.mkdir(parents=True)
        for name in ("vendor", "device", "class"):
            (place / name).write_text(f"0x{plug[name]}\n")
        (place / "remove").write_text("")
        if plug.get("driver"):
            driver = self.sys / "bus/pci/drivers" / plug["driver"]
            driver.mkdir(exist_ok=True)
            (place / "driver").symlink_to(driver)
        if "vfs" in plug:
            (place / "sriov_numvfs").write_text(f"{plug['vfs']}\n")
        if "group" in plug:
            (place / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{plug['group']}")
        if plug.get("nvme"):
            self._create_nvme(place, plug["nvme"], plug.get("serial", "S3EUNX0J300123"))
        if plug.get("net"):
            self.interface(plug["net"], plug.get("mac", "3c:fd:fe:aa:00:01"), place / "net" / plug["net"])
        if "minor" in plug:
            information = self.proc / "driver/nvidia/gpus" / address / "information"
            information.parent.mkdir(parents=True)
            information.write_text(f"Model: \t\t Tesla V100\nDevice Minor: \t {plug['minor']}\n")
        self.link(address).symlink_to(place)  # last, as the kernel does

    def _create_nvme(self, place: Path, name: str, serial: str) -> None:
        controller = place / "nvme" / name[:5]
        self.node(controller, "char", f"240:{name[4]}", "nvme")
        (controller / "serial").write_text(f"{serial}      \n")
        self.node(controller / name, "block", f"259:{name[4]}0", "block")
        self.node(controller / name / f"{name}p1", "block", f"259:{name[4]}1", "block")

    def node(self, place: Path, kind: str, number: str, klass: str) -> None:
        """Create the folder of a device with a node."""
        (place / "holders").mkdir(parents=True)
        (place / "dev").write_text(f"{number}\n")
        (self.sys / "class" / klass).mkdir(exist_ok=True)
        (self.sys / "class" / klass / place.name).symlink_to(place)
        (self.sys / "dev" / kind / number).symlink_to(place)

    def interface(
        self, name: str, mac: str = "02:00:00:00:00:01", place: Path | None = None, flags: int = 0x1002
    ) -> Path:
        place = place or self.sys / "devices/virtual/net" / name
        place.mkdir(parents=True)
        (place / "address").write_text(f"{mac}\n")
        (place / "flags").write_text(f"{flags:#x}\n")
        (self.sys / "class/net" / name).symlink_to(place)
        return place

    # -- who uses it

    def holder(self, block: str, name: str, number: str, label: str = "", uuid: str = "") -> None:
        """Build a block device on another one."""
        place = self.sys / "devices/virtual/block" / name
        if not place.exists():
            self.node(place, "block", number, "block")
        if label:
            (place / "dm").mkdir()
            (place / "dm/name").write_text(f"{label}\n")
            (place / "dm/uuid").write_text(f"{uuid}\n")
        ((self.sys / "class/block" / block).resolve() / "holders" / name).symlink_to(place)

    def process(self, pid: int, name: str, *nodes: str, mounts: str = "") -> None:
        """Let a process run that has nodes open."""
        place = self.proc / str(pid)
        (place / "fd").mkdir(parents=True)
        for number, node in enumerate(nodes):
            (place / "fd" / str(number)).symlink_to(node)
        (place / "comm").write_text(f"{name}\n")
        (place / "mountinfo").write_text(mounts)

    def mount(self, number: str, source: str, point: str, pid: int = 1) -> None:
        with (self.proc / str(pid) / "mountinfo").open("a") as file:
            file.write(f"30 1 {number} / {point} rw,relatime shared:1 - ext4 {source} rw\n")

    def default_route(self, name: str) -> None:
        with (self.proc / "net/route").open("a") as file:
            file.write(f"{name}\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")

    def route(self, name: str, network: str, mask: str) -> None:
        with (self.proc / "net/route").open("a") as file:
            file.write(f"{name}\t{network}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n")

    def connection(self, here: str, there: str) -> None:
        with (self.proc / "net/tcp").open("a") as file:
            file.write(f"   0: {here} {there} 01 00000000:00000000 00:00000000 00000000     0        0 1\n")


class Fabric(Tree):
    """The tree of a host that has all devices which a simulated EEM has attached to its systems."""

    def __init__(self, folder: Path, simulator: str) -> None:
        super().__init__(folder)
        self._cards = f"{simulator}/_control/cards"

    def plugged(self) -> list[Plug]:
        with urllib.request.urlopen(self._cards, timeout=10) as answer:  # noqa: S310 - http, as the caller says
            cards = sorted(json.load(answer), key=lambda card: str(card["id"]))
        groups = {card["group_id"] for card in cards if card["status"] == "eesv"}
        eeios = [card for card in cards if card["status"] == "eeio"]
        return [self._found(number, card) for number, card in enumerate(eeios) if card["group_id"] in groups]

    @staticmethod
    def _found(number: int, card: dict[str, t.Any]) -> Plug:
        vendor, device, code = (int(card[f"pcie_{name}"], 16) for name in ("vendor_id", "device_id", "class_code"))
        plug = {"vendor": f"{vendor:04x}", "device": f"{device:04x}", "class": f"{code:06x}"}
        nvme = {"nvme": f"nvme{number}n1"} if plug["class"] == SSD["class"] else {}
        return {"address": f"0000:{number + 1:02x}:00.0", "driver": "any", **plug, **nvme}


class Kernel:
    """Does what is written to the files of a tree, in a thread, until the end of the block."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Kernel:
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stop.set()
        self._thread.join()

    def run(self) -> None:
        while not self._stop.is_set():
            self.step()
            time.sleep(0.03)

    def step(self) -> None:
        devices = self._tree.sys / "bus/pci/devices"
        for link in sorted(devices.iterdir()):
            if is_ordered(link / "remove"):
                self._tree.remove(link.name)
        rescan = self._tree.sys / "bus/pci/rescan"
        if is_ordered(rescan):
            rescan.write_text("")
            self._tree.rescan()
        self._follow()

    def _follow(self) -> None:
        """Show the mounts and the processes of `host.json` that exist."""
        file = self._tree.folder / "host.json"
        if not file.exists():
            return
        host = json.loads(file.read_text())
        lines = [line for point, line in host.get("mounts", {}).items() if os.path.ismount(point)]
        mountinfo = self._tree.proc / "1/mountinfo"
        text = "".join(f"{line}\n" for line in lines)
        if mountinfo.read_text() != text:
            mountinfo.write_text(text)
        for pid, process in host.get("processes", {}).items():
            place = self._tree.proc / pid
            if os.path.exists(process["while"]) != place.exists():
                if place.exists():
                    shutil.rmtree(place)
                else:
                    self._tree.process(int(pid), process["name"], *process["nodes"])


def is_ordered(file: Path) -> bool:
    try:
        return file.is_file() and file.read_text().strip() == "1"
    except OSError:
        return False


if __name__ == "__main__":
    tree = Fabric(Path(sys.argv[1]), sys.argv[2]) if sys.argv[2:] else Tree(Path(sys.argv[1]))
    if not tree.sys.exists():
        tree.create()
        tree.rescan()
    Kernel(tree).run()
