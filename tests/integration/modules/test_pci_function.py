# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pci_function: rescan, and orderly removal. A thread plays the kernel for the tree of files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from module_runs import Ansible, Run, Task, assert_check_mode_tells_the_truth, on_host
from pci_tree import AUDIO, GPU, NIC, SSD, Kernel, Plug, Tree
from test_documented_examples import examples
from test_documented_results import documented, wrong

GPU_IDS = {"vendor_id": "10de", "pci_device_id": "1db6"}
SSD_IDS = {"vendor_id": "144d", "pci_device_id": "a804"}
TESTS = Path(__file__).resolve().parents[2]
A, AUDIO_OF_A, B = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"


@pytest.fixture(name="tree")
def fixture_tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree").create()


@pytest.fixture(name="kernel")
def fixture_kernel(tree: Tree) -> Iterator[Kernel]:
    with Kernel(tree) as kernel:
        yield kernel


def present(tree: Tree, **options: object) -> Task:
    return on_host("function", tree, **{**GPU_IDS, "timeout": 5, **options})


def absent(tree: Tree, **options: object) -> Task:
    return on_host("function", tree, state="absent", **{"address": A, "timeout": 5, **options})


def addresses(tree: Tree) -> list[str]:
    return sorted(os.listdir(tree.sys / "bus/pci/devices"))


def snapshot(tree: Tree) -> dict[str, str]:
    """All files of the tree with their content, and all links with their target."""
    found = {}
    for path in tree.folder.rglob("*"):
        if path.is_symlink():
            found[str(path)] = os.readlink(path)
        elif path.is_file():
            found[str(path)] = path.read_text()
    return found


@pytest.mark.smoke
@pytest.mark.usefixtures("kernel")
def test_the_twelve_cases(ansible: Ansible, tree: Tree) -> None:
    """Rescan for one, rescan for two, remove one: each in check mode, for true, and again."""
    tree.plug({**GPU, "address": A}, {**AUDIO, "address": AUDIO_OF_A}, {**GPU, "address": B})
    tree.unplug(B)
    one, two, gone = present(tree), present(tree, count=2), absent(tree)

    before = snapshot(tree)
    checked = ansible.play(one.checked())[0]
    assert checked.changed and checked["functions"] == [] and snapshot(tree) == before
    first = ansible.play(one.called("real"), one.called("again"), one.called("again in check mode").checked())
    assert [result.changed for result in first] == [True, False, False]
    assert first[0]["functions"] == first[1]["functions"] == first[2]["functions"]
    assert [function["driver"] for function in first[0]["functions"]] == ["nvidia"]
    assert first[0]["diff"] == {"before": {}, "after": {A: {"id": "10de:1db6", "type": "GPU", "driver": "nvidia"}}}

    tree.plug({**GPU, "address": B})
    before = snapshot(tree)
    assert ansible.play(two.checked())[0].changed and snapshot(tree) == before
    second = ansible.play(two.called("real"), two.called("again"), two.called("again in check mode").checked())
    assert [result.changed for result in second] == [True, False, False]
    assert [[function["address"] for function in result["functions"]] for result in second] == [[A, B]] * 3

    before = snapshot(tree)
    checked = ansible.play(gone.checked())[0]
    assert snapshot(tree) == before
    tree.unplug(A)
    third = ansible.play(gone.called("real"), gone.called("again"), gone.called("again in check mode").checked())
    assert [result.changed for result in third] == [True, False, False]
    assert_check_mode_tells_the_truth(checked, third[0])
    assert [function["address"] for function in third[0]["functions"]] == [AUDIO_OF_A, A], "the highest function first"
    assert third[1]["functions"] == []
    assert addresses(tree) == [B]
    for result in (checked, *first, *third):
        data = {key: result[key] for key in result.keys}
        assert wrong(data, documented("pci_function"), "", set(), top=True) == []


@pytest.mark.usefixtures("kernel")
def test_the_removal_starts_with_the_highest_function(ansible: Ansible, tree: Tree) -> None:
    """If the first write hangs, the function with the driver that matters is still there."""
    tree.add({**GPU, "address": A}, {**AUDIO, "address": AUDIO_OF_A})
    hang(tree, AUDIO_OF_A)
    ansible.play(absent(tree, timeout=0.3).failing())
    assert addresses(tree) == [A, AUDIO_OF_A]
    assert (tree.link(A) / "remove").read_text() == ""


@pytest.mark.usefixtures("kernel")
def test_a_failure_says_what_is_removed_already(ansible: Ansible, tree: Tree) -> None:
    tree.add({**GPU, "address": A}, {**AUDIO, "address": AUDIO_OF_A})
    hang(tree, A)
    (result,) = ansible.play(absent(tree, timeout=1).failing())
    assert addresses(tree) == [A]
    assert result.changed and result.msg.endswith(f" Already removed: {AUDIO_OF_A}.")
    assert result["failure"]["message"] == result.msg


def hang(tree: Tree, address: str) -> None:
    file = tree.link(address) / "remove"
    file.unlink()
    os.mkfifo(file)


def test_a_removal_that_hangs_ends_the_task_and_not_its_connection(ansible: Ansible, tree: Tree) -> None:
    tree.add({**SSD, "address": A})
    hang(tree, A)
    begin = time.monotonic()
    (result,) = ansible.play(absent(tree, timeout=0.5).failing())
    assert time.monotonic() - begin < 10
    assert result.kind == "hotplug" and result.changed
    assert "The kernel did not finish within 0.5 s what writing to" in result.msg
    assert "still waits" not in result.msg, "the writer could be killed"


def test_a_rescan_that_hangs_changes_nothing(ansible: Ansible, tree: Tree) -> None:
    rescan = tree.sys / "bus/pci/rescan"
    rescan.unlink()
    os.mkfifo(rescan)
    (result,) = ansible.play(present(tree, timeout=0.3).failing())
    assert (result.kind, result.changed) == ("hotplug", False)


def test_a_kernel_that_does_not_remove(ansible: Ansible, tree: Tree) -> None:
    tree.add({**SSD, "address": A})
    (result,) = ansible.play(absent(tree, timeout=0.3).failing())
    assert f"{A} is still there 0.3 s after its removal." in result.msg
    assert (result.kind, result.changed) == ("hotplug", True)


@pytest.mark.usefixtures("kernel")
def test_functions_that_do_not_come(ansible: Ansible, tree: Tree) -> None:
    tree.plug({**GPU, "address": A})
    (result,) = ansible.play(present(tree, count=2, timeout=0.5).failing())
    assert "2 PCI functions 10de:1db6 were requested, 1 are there 0.5 s after the rescan." in result.msg
    assert "reboot the host" in result.msg
    assert (result.kind, result.changed) == ("hotplug", True)
    tree.unplug(A)
    (result,) = ansible.play(present(tree, count=2, timeout=0.2).failing())
    assert not result.changed


@pytest.mark.usefixtures("kernel")
def test_a_function_without_a_driver_is_a_warning(ansible: Ansible, tree: Tree) -> None:
    tree.plug({**GPU, "address": A, "driver": None})
    (result,) = ansible.play(present(tree, timeout=1))
    assert result.changed and result["functions"][0]["driver"] is None
    (warning,) = result.warnings
    assert warning.startswith(f"No driver uses {A} (10de:1db6).")


def in_use(tree: Tree, how: str) -> Plug:
    """Let somebody use the function A, and return what it is."""
    if how == "mount":
        tree.add({**SSD, "address": A, "nvme": "nvme9n1"})
        tree.mount("259:91", "/dev/nvme9n1p1", "/data")
    elif how == "second function":
        tree.add({**NIC, "address": A}, {**NIC, "address": AUDIO_OF_A, "net": "port2"})
        tree.default_route("port2")
    elif how == "virtual machine":
        tree.add({**GPU, "address": A, "driver": "vfio-pci", "group": "3"})
    elif how == "process":
        tree.add({**GPU, "address": A, "minor": 2})
        tree.process(90, "python", "/dev/nvidia2")
    else:
        tree.add({**NIC, "address": A, "vfs": 2, "net": "port1"})
    return tree.plugged()[0]


@pytest.mark.parametrize(
    ("how", "force", "text"),
    [
        ("mount", True, "nvme9n1p1 is mounted at /data. End this use first."),
        ("second function", True, "port2 has the default route. End this use first."),
        ("virtual machine", True, "is reserved for virtual machines (driver vfio-pci). End this use first."),
        ("process", False, "process python (90) has /dev/nvidia2 open. End this use first, or set `force: true`."),
        ("vfs", False, "has 2 virtual functions (SR-IOV). End this use first, or set `force: true`."),
    ],
)
def test_what_is_in_use_is_not_removed(ansible: Ansible, tree: Tree, how: str, force: bool, text: str) -> None:
    in_use(tree, how)
    before = snapshot(tree)
    run = ansible.play(absent(tree, force=force).failing(), absent(tree, force=force).checked().failing())
    for result in run:
        assert text in result.msg and result.msg.endswith("Nothing was changed.")
        assert result.kind == "refused" and result["failure"]["users"]
        assert wrong(result["failure"], documented("pci_function")["failure"]["contains"], "", set()) == []
    assert snapshot(tree) == before


@pytest.mark.usefixtures("kernel")
def test_force_removes_what_nobody_needs_and_names_the_users(ansible: Ansible, tree: Tree) -> None:
    in_use(tree, "process")
    (result,) = ansible.play(absent(tree, force=True))
    assert result.warnings == [
        "0000:01:00 is removed although it is in use: process python (90) has /dev/nvidia2 open."
    ]
    assert addresses(tree) == []


@pytest.mark.usefixtures("kernel")
def test_ids_must_name_one_slot(ansible: Ansible, tree: Tree) -> None:
    tree.add({**SSD, "address": A}, {**SSD, "address": B})
    run = ansible.play(
        on_host("function", tree, state="absent", **SSD_IDS).failing().called("both"),
        on_host("function", tree, state="absent", **GPU_IDS).called("none"),
        absent(tree, **GPU_IDS).called("another device at this address"),
        absent(tree, address="02:00", **SSD_IDS).called("one"),
        on_host("function", tree, state="absent", **SSD_IDS).called("the other"),
    )
    assert "2 slots have a function 144d:a804: 0000:01:00, 0000:02:00. Set `address`" in run["both"].msg
    assert [result.changed for result in run.results[1:]] == [False, False, True, True]
    assert addresses(tree) == []


def test_what_belongs_to_the_machine_is_never_removed(ansible: Ansible, tree: Tree) -> None:
    tree.add({"vendor": "8086", "device": "0d57", "class": "060000", "address": "0000:00:00.0"})
    (result,) = ansible.play(absent(tree, address="00:00.0", force=True).failing())
    assert "0000:00:00.0 belongs to the machine itself and cannot be removed." in result.msg


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"timeout": 0}, "`timeout` must be more than 0 and at most 600 seconds, not 0."),
        ({"timeout": 601}, "`timeout` must be more than 0"),
        ({"count": 0}, "`count` must be at least 1, not 0."),
        ({"pci_device_id": 7606}, "is the number 7606"),
        ({"state": "attached"}, "must be one of"),
    ],
)
def test_impossible_options_are_refused(ansible: Ansible, tree: Tree, options: dict[str, object], word: str) -> None:
    (result,) = ansible.play(present(tree, **options).failing())
    assert word in result.msg and result.kind == "invalid"


def test_options_that_belong_together(ansible: Ansible, tree: Tree) -> None:
    run = ansible.play(
        on_host("function", tree, vendor_id="10de").failing(),
        on_host("function", tree, state="absent").failing(),
        present(tree, address=A).failing(),
    )
    assert "pci_device_id" in run[0].msg and "address" in run[1].msg
    assert "`address` cannot be set with `state: present`" in run[2].msg


def test_without_root_it_says_so_before_anything_happens(ansible: Ansible, tree: Tree) -> None:
    """A file that does not exist cannot be written either, whoever runs the test."""
    (tree.sys / "bus/pci/rescan").unlink()
    (result,) = ansible.play(present(tree).failing())
    assert "rescan cannot be written. Run the task as root (`become: true`) on the host itself" in result.msg
    assert result.kind == "refused"


LIBRARY = "ansible_collections.nec.expether.plugins.module_utils"
AS_ANOTHER_USER = f"""
import os, sys
sys.path.insert(0, sys.argv[1])
import conftest
from {LIBRARY}._pci.usage import read_usage
os.setgid(65534), os.setuid(65534)
print(read_usage("/proc").is_complete)
"""
WRITING = f"""
import sys
sys.path.insert(0, sys.argv[1])
import conftest
from {LIBRARY}._pci.kernel import Deadline, write_one
print("begin", flush=True)
write_one(sys.argv[2], Deadline(60))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_does_not_see_all_users() -> None:
    """On the real machine: somebody else's open files."""
    command = [sys.executable, "-c", AS_ANOTHER_USER, str(TESTS)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


def test_nobody_waits_for_a_writer_that_hangs(tmp_path: Path) -> None:
    """Ansible waits until all processes have closed the output of the module."""
    fifo = tmp_path / "remove"
    os.mkfifo(fifo)
    command = [sys.executable, "-c", WRITING, str(TESTS), str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout and process.stdout.readline() == "begin\n"
        time.sleep(0.2)  # for the writer to be forked
        process.kill()
        assert process.communicate(timeout=5)[0] == "", "the output is closed although the writer is still there"
    assert fifo.read_text() == "1", "the writer was still there"


@pytest.mark.usefixtures("kernel")
def test_the_examples_run(ansible: Ansible, tree: Tree) -> None:
    tree.plug({**GPU, "address": A}, {**GPU, "address": "0000:03:00.0"}, {**SSD, "address": B})
    module = "nec.expether.pci_function"
    run: Run = ansible.play(*(on_host("function", tree, **each[module]) for each in examples("pci_function")))
    assert [result.changed for result in run] == [True, True]
