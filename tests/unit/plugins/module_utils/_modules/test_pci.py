# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the kernel's claims on real block devices show: two loop devices without files stand for a disk and a partition."""

from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._ansible.host import HostTask
from ansible_collections.nec.expether.plugins.module_utils._modules.pci import run_info

sys.path.insert(0, str(Path(__file__).resolve().parents[5]))

from pci_tree import BRIDGE, SSD, Tree

ABOVE, A = "0000:04:00.0", "0000:05:00.0"
DISK, PARTITION = "loop0", "loop1"


@pytest.fixture(name="tree")
def fixture_tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "tree").create()
    tree.add({**BRIDGE, "address": ABOVE}, {**SSD, "address": A, "below": ABOVE})
    disk = tree.link(A).resolve() / "block" / DISK
    tree.node(disk, "block", "7:0", "block")
    tree.node(disk / PARTITION, "block", "7:1", "block")
    return tree


def said(tree: Tree, address: str) -> list[str]:
    options = {"vendor_id": None, "pci_device_id": None, "sysfs_root": str(tree.sys), "proc_root": str(tree.proc)}
    warn: t.Callable[[str], None] = pytest.fail
    found = run_info(HostTask({**options, "address": address}, True, warn))["functions"]
    return [user["text"] for user in found[0]["users"]]


@pytest.fixture(name="claimed")
def fixture_claimed() -> t.Iterator[None]:
    """Both are claimed, as whoever claims a partition of a disk does."""
    claims = []
    try:
        claims += [os.open(f"/dev/{name}", os.O_RDONLY | os.O_EXCL) for name in (DISK, PARTITION)]
        yield
    except OSError as error:
        pytest.skip(f"needs /dev/{DISK} and /dev/{PARTITION} ({error})")
    finally:
        for claim in claims:
            os.close(claim)


@pytest.mark.usefixtures("claimed")
@pytest.mark.parametrize("address", [ABOVE, A])
def test_a_partition_that_only_the_kernel_uses_is_found_also_below_a_bridge(tree: Tree, address: str) -> None:
    text = f"the kernel uses {PARTITION}, for a storage pool, a cache or an exported target"
    assert said(tree, address) == [text]


@pytest.mark.usefixtures("claimed")
def test_claims_of_known_users_are_not_shown_again_and_do_not_hide_others(tree: Tree) -> None:
    tree.mount("7:1", "/dev/loop1", "/data")
    assert said(tree, A) == ["loop1 is mounted at /data"]
    (tree.proc / "1/mountinfo").write_text("")
    tree.mount("7:0", "/dev/loop0", "/data")
    assert said(tree, A) == ["loop0 is mounted at /data"]
    other = (tree.sys / "class/block" / DISK).resolve() / "loop2"
    tree.node(other, "block", "7:2", "block")
    (tree.proc / "1/mountinfo").write_text("")
    tree.mount("7:2", "/dev/loop2", "/data")
    kernel = f"the kernel uses {PARTITION}, for a storage pool, a cache or an exported target"
    assert said(tree, A) == ["loop2 is mounted at /data", kernel]
