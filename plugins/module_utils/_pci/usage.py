# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter writes spaces around the colon of a slice, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: E203

"""What processes and the kernel do on this host, from procfs: read, never written. Private to the collection.

Processes end while they are read; they are left out then.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import sys
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._pci.functions import names_in, target_of, text_of

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_ESCAPED = re.compile(r"\\([0-7]{3})")
_RTF_UP, _RTF_REJECT = 0x1, 0x200
_ESTABLISHED = "01"


class Mount(t.NamedTuple):
    """A mounted file system: the number and the name of its block device, and where it is mounted.

    :ivar pid: a process that sees it there, if it is in another mount namespace than this one, such as that of a container
    """

    number: str
    source: str
    point: str
    pid: int | None = None


class OpenNode(t.NamedTuple):
    """A device node that a process has open. `number` is as in `Function.devices`, `None` if it cannot be read."""

    pid: int
    process: str
    number: str | None
    path: str


class Usage(t.NamedTuple):
    """What is in use on the host.

    :ivar swaps: paths of swap devices and swap files
    :ivar names: the names of the processes of `Mount.pid`
    :ivar default_routes: names of the interfaces that have one
    :ivar connections: peers of established TCP connections by the interface to them
    :ivar nvidia: the minor numbers of NVIDIA's device nodes by address
    :ivar is_complete: whether the open files of all processes could be read; only root can
    """

    mounts: list[Mount]
    names: dict[int, str]
    swaps: list[str]
    open_nodes: list[OpenNode]
    default_routes: set[str]
    connections: dict[str, list[str]]
    nvidia: dict[str, str]
    is_complete: bool


def read_usage(root: str) -> Usage:
    """Return what procfs shows.

    :param root: where it is mounted
    """
    pids = [name for name in names_in(root) if name.isascii() and name.isdigit()]
    nodes, is_complete = _open_nodes(root, pids)
    routes = _routes(root)
    mounts = _mounts(root, pids)
    return Usage(
        mounts,
        {mount.pid: _process_name(root, mount.pid) for mount in mounts if mount.pid is not None},
        [_node(line.split()[0]) for line in _lines(os.path.join(root, "swaps"))[1:]],
        nodes,
        {interface for network, interface in routes if network.prefixlen == 0},
        _connections(root, routes),
        _nvidia(root),
        is_complete and "1" in pids,  # procfs may hide the processes of others
    )


def _lines(path: str) -> list[str]:
    """Return the lines of a file, without empty ones; none if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [line for line in file.read().split("\n") if line.strip()]
    except OSError:
        return []


def _unescaped(text: str) -> str:
    """Return a path in which the kernel has written spaces and the like as octal numbers."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)


def _node(text: str) -> str:
    """Return the path of a device node, without links such as those in /dev/disk; other texts are returned as they are."""
    path = _unescaped(text)
    return os.path.realpath(path) if path.startswith("/dev/") else path


def _mounts(root: str, pids: t.Sequence[str]) -> list[Mount]:
    """Return the mounts of all mount namespaces: a container may have mounted what the host has not."""
    found: dict[Mount, None] = {}
    seen = set()
    own = target_of(os.path.join(root, "self"))
    for pid in sorted(pids, key=lambda each: each != own):  # this one first: most others see the same
        namespace = target_of(os.path.join(root, pid, "ns", "mnt")) or pid
        if namespace in seen:
            continue
        lines = _lines(os.path.join(root, pid, "mountinfo"))
        if lines:
            seen.add(namespace)
        for line in lines:
            fields = line.split(" ")
            try:
                rest = fields.index("-", 6)
                mount = Mount(fields[2], _node(fields[rest + 2]), _unescaped(fields[4]))
            except (ValueError, IndexError):
                continue
            if mount not in found:
                found[mount if pid == own else mount._replace(pid=int(pid))] = None
    return [*found]


def _open_nodes(root: str, pids: t.Sequence[str]) -> tuple[list[OpenNode], bool]:
    found: dict[OpenNode, None] = {}
    is_complete = True
    for pid in pids:
        folder = os.path.join(root, pid, "fd")
        try:
            numbers = os.listdir(folder)
        except PermissionError:
            is_complete = False
            continue
        except OSError:
            continue
        paths: dict[str, str] = {}
        for number in numbers:
            file = os.path.join(folder, number)
            try:
                path = os.readlink(file)
            except OSError:
                continue
            # Others are not looked at: that could wait for ever for a file server that does not respond.
            if "/dev/" in path:
                paths[path] = file
        if paths:
            process = _process_name(root, pid)
            found.update((OpenNode(int(pid), process, _number(file), path), None) for path, file in paths.items())
    return [*found], is_complete


def _process_name(root: str, pid: int | str) -> str:
    return text_of(os.path.join(root, str(pid), "comm")) or "?"


def _number(file: str) -> str | None:
    """Return `c` or `b` and the number of a device node; `None` for other files."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    kind = "b" if stat.S_ISBLK(status.st_mode) else "c" if stat.S_ISCHR(status.st_mode) else None
    return kind and f"{kind}{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def _routes(root: str) -> list[tuple[Network, str]]:
    """Return networks with the interfaces that lead to them, the most exact ones first."""
    found: list[tuple[Network, str]] = []
    for line in _lines(os.path.join(root, "net", "route"))[1:]:
        fields = line.split()
        try:
            flags = int(fields[3], 16)
            network, mask = (_ipv4(fields[place]) for place in (1, 7))
            found += _route(ipaddress.IPv4Network(f"{network}/{mask}"), fields[0], flags)
        except (ValueError, IndexError):
            continue
    for line in _lines(os.path.join(root, "net", "ipv6_route")):
        fields = line.split()
        try:
            flags = int(fields[8], 16)
            found += _route(ipaddress.IPv6Network((int(fields[0], 16), int(fields[1], 16))), fields[9], flags)
        except (ValueError, IndexError):
            continue
    return sorted(found, key=lambda route: -route[0].prefixlen)


def _route(network: Network, interface: str, flags: int) -> list[tuple[Network, str]]:
    return [(network, interface)] if flags & _RTF_UP and not flags & _RTF_REJECT and interface != "lo" else []


def _ipv4(text: str) -> Address:
    """Return an address that procfs shows as a number in the byte order of the host."""
    return ipaddress.IPv4Address(_swapped(text))


def _swapped(text: str) -> bytes:
    """Return the bytes of an address: procfs shows each group of four as a number in the byte order of the host."""
    raw = bytes.fromhex(text)
    return b"".join(int.from_bytes(raw[at : at + 4], "big").to_bytes(4, sys.byteorder) for at in range(0, len(raw), 4))


def _connections(root: str, routes: t.Sequence[tuple[Network, str]]) -> dict[str, list[str]]:
    """Return the peers of established TCP connections by interface, except for connections of the host to itself."""
    pairs: dict[tuple[str, str], None] = {}
    for name in ("tcp", "tcp6"):
        for line in _lines(os.path.join(root, "net", name))[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _ESTABLISHED:
                pairs[fields[1], fields[2]] = None
    found: dict[str, list[str]] = {}
    for here, there in pairs:
        try:
            peer: Address = ipaddress.ip_address(_swapped(there.partition(":")[0]))
        except ValueError:
            continue
        peer = getattr(peer, "ipv4_mapped", None) or peer
        if (there, here) in pairs or peer.is_loopback:
            continue
        ways = [(network.prefixlen, name) for network, name in routes if peer in network]
        for interface in {name for length, name in ways if length == ways[0][0]}:
            if str(peer) not in found.setdefault(interface, []):
                found[interface].append(str(peer))
    return found


def _nvidia(root: str) -> dict[str, str]:
    folder = os.path.join(root, "driver", "nvidia", "gpus")
    found = {}
    for address in names_in(folder):
        match = re.search(r"(?m)^Device Minor:\s*(\d+)", text_of(os.path.join(folder, address, "information")) or "")
        if match:
            found[address.lower()] = match[1]
    return found
