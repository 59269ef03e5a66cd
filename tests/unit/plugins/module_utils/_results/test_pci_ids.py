# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of PCI vendors and devices from a list."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.pci_records import StoredNames
from ansible_collections.nec.expether.plugins.module_utils._results import pci_ids as _pci_names
from ansible_collections.nec.expether.plugins.module_utils._results.pci_ids import ENV_PCI_IDS, PciNames

LIST = """\
#
#\tList of PCI ID's
#

0010  Allied Telesis, Inc
# This is a relabelled RTL-8139
\t8139  AT-2500TX V3 Ethernet
10de  NVIDIA Corporation
\t1db5  GV100GL [Tesla V100 SXM2 32GB]
\t1db6  GV100GL [Tesla V100 PCIe 32GB]
\t\t10de 124a  GV100GL subsystem
# a comment among the devices
\t1db7  GV100GL [Tesla V100S]
10df  Emulex Corporation
\t1db6  Not NVIDIA's
\t1db8  Emulex only
8086  Intel Corporation
\t1533  I210 Gigabit Network Connection
ffff  Illegal Vendor ID

# List of known device classes, subclasses and programming interfaces
C 03  Display controller
\t00  VGA compatible controller
"""


def no_warning(sentence: str) -> None:
    raise AssertionError(sentence)


@pytest.fixture(name="names")
def fixture_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PciNames:
    file = tmp_path / "pci.ids"
    file.write_text(LIST, encoding="utf-8")
    monkeypatch.setenv(ENV_PCI_IDS, str(file))
    return PciNames(no_warning)


@pytest.mark.parametrize(
    ("vendor", "device", "found"),
    [
        ("10de", "1db6", ("NVIDIA Corporation", "GV100GL [Tesla V100 PCIe 32GB]")),
        ("10de", "1db5", ("NVIDIA Corporation", "GV100GL [Tesla V100 SXM2 32GB]")),
        ("10de", "1db7", ("NVIDIA Corporation", "GV100GL [Tesla V100S]")),
        ("0010", "8139", ("Allied Telesis, Inc", "AT-2500TX V3 Ethernet")),
        ("10df", "1db6", ("Emulex Corporation", "Not NVIDIA's")),
        ("8086", "1533", ("Intel Corporation", "I210 Gigabit Network Connection")),
        ("8086", None, ("Intel Corporation", None)),
        ("ffff", "0000", ("Illegal Vendor ID", None)),
        # of another vendor, of a subsystem, of nobody
        ("10de", "1db8", ("NVIDIA Corporation", None)),
        ("10de", "10de", ("NVIDIA Corporation", None)),
        ("10de", "124a", ("NVIDIA Corporation", None)),
        ("1db6", None, (None, None)),
        ("0000", "0000", (None, None)),
    ],
)
def test_a_device_has_the_names_that_the_list_gives_it(
    names: PciNames, vendor: str, device: str | None, found: tuple[str | None, str | None]
) -> None:
    assert names(vendor, device) == found
    assert names(vendor, device) == found


def test_lines_may_end_as_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pci.ids"
    file.write_bytes(LIST.replace("\n", "\r\n").encode())
    monkeypatch.setenv(ENV_PCI_IDS, str(file))
    assert PciNames(no_warning)("10de", "1db6") == ("NVIDIA Corporation", "GV100GL [Tesla V100 PCIe 32GB]")


def test_the_first_and_the_last_line_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pci.ids"
    file.write_text("10de  NVIDIA Corporation\n\t1db6  GV100GL", encoding="utf-8")
    monkeypatch.setenv(ENV_PCI_IDS, str(file))
    assert PciNames(no_warning)("10de", "1db6") == ("NVIDIA Corporation", "GV100GL")


def test_a_list_with_bytes_that_are_no_text_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pci.ids"
    file.write_bytes(b"0001  Caf\xe9\n" + LIST.encode())
    monkeypatch.setenv(ENV_PCI_IDS, str(file))
    assert PciNames(no_warning)("10de", None) == ("NVIDIA Corporation", None)


@pytest.mark.parametrize("content", [b"", b"\n", bytes(range(256)) * 9, b"\t1db6  lost\n", b"\t\t1\n"])
def test_a_file_that_is_no_list_gives_no_names(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pci.ids"
    file.write_bytes(content)
    monkeypatch.setenv(ENV_PCI_IDS, str(file))
    warnings: list[str] = []
    names = PciNames(warnings.append)
    assert names("10de", "1db6") == (None, None)
    assert names.learned is None or names.learned.names == {"10de:1db6": (None, None)}
    assert warnings in ([], [f"{file} is not a PCI id list, so vendors and devices have no names."])


def test_without_a_list_there_are_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pci_names, "_PATHS", (str(tmp_path / "none"), str(tmp_path)))  # a folder is no list
    monkeypatch.delenv(ENV_PCI_IDS, raising=False)
    warnings: list[str] = []
    names = PciNames(warnings.append)
    assert names.version == ""
    assert warnings == []
    assert names("10de", "1db6") == names("10de", "1db5") == (None, None)
    assert len(warnings) == 1 and "install the package pci.ids" in warnings[0]
    assert names.learned is None


def test_without_the_package_there_are_no_names_and_one_warning_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: PciNames
) -> None:
    del names
    monkeypatch.setitem(sys.modules, "hwdata", None)  # importing it fails
    warnings: list[str] = []
    without = PciNames(warnings.append)
    assert without("10de", "1db6") == without("8086", "1533") == (None, None)
    assert len(warnings) == 1 and "hwdata" in warnings[0] and "pip" in warnings[0]
    assert without.learned is None
    stored = StoredNames(without.version, {"10de:1db6": ("Green", "Fast")})
    known = PciNames(no_warning, lambda: stored)
    assert known("10de", "1db6") == ("Green", "Fast")


def test_names_that_are_stored_for_the_same_list_are_used_without_reading_it(names: PciNames) -> None:
    opened: list[str] = []
    sys.addaudithook(
        lambda event, arguments: opened.append(str(arguments[0])) if event == "open" and watching else None
    )
    watching = True
    try:
        first = PciNames(no_warning)
        assert first("10de", "1db6") == ("NVIDIA Corporation", "GV100GL [Tesla V100 PCIe 32GB]")
        assert first("8086", None) == ("Intel Corporation", None)
        path = os.environ[ENV_PCI_IDS]
        # Once to see that it is a regular file, and once to read it.
        assert opened.count(path) == 2
        learned = first.learned
        assert learned is not None
        again = PciNames(no_warning, lambda: learned)
        opened.clear()
        assert again("10de", "1db6") == ("NVIDIA Corporation", "GV100GL [Tesla V100 PCIe 32GB]")
        assert again("8086", None) == ("Intel Corporation", None)
        assert opened.count(path) == 1  # its version
        assert again.learned is None
        assert again("10de", "1db5")[1] == "GV100GL [Tesla V100 SXM2 32GB]"
        assert again.learned is not None
        assert {"10de:1db6", "10de:1db5", "8086:"} == {*again.learned.names}
    finally:
        watching = False


def test_names_that_are_stored_for_another_list_are_not_used(names: PciNames) -> None:
    del names
    stored = StoredNames("another", {"10de:1db6": ("Old", "Old")})
    assert PciNames(no_warning, lambda: stored)("10de", "1db6")[0] == "NVIDIA Corporation"


def test_names_are_read_as_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pci.ids"
    file.write_text("1e8b  Caf\u00e9 \u65e5\u672c\u96fb\u6c17\n\t0001  Ger\u00e4t\n", encoding="utf-8")
    monkeypatch.setenv(ENV_PCI_IDS, str(file))
    assert PciNames(no_warning)("1e8b", "0001") == ("Caf\u00e9 \u65e5\u672c\u96fb\u6c17", "Ger\u00e4t")


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "link to nothing", "no permission", "no text"])
def test_a_named_list_that_cannot_be_read_is_told_and_no_other_is_used(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, named = tmp_path / "system.ids", tmp_path / "named.ids"
    system.write_text(LIST, encoding="utf-8")
    if kind == "folder":
        named.mkdir()
    elif kind == "pipe":
        os.mkfifo(named)
    elif kind == "device":
        named = Path("/dev/zero")
    elif kind == "link to nothing":
        named.symlink_to("nothing")
    elif kind == "no permission":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        named.write_text(LIST, encoding="utf-8")
        named.chmod(0)
    elif kind == "no text":
        named = Path(os.fsdecode(b"/\xff.ids"))
    monkeypatch.setattr(_pci_names, "_PATHS", (str(system),))
    monkeypatch.setenv(ENV_PCI_IDS, str(named))
    warnings: list[str] = []
    names = PciNames(warnings.append)
    assert names("10de", "1db6") == (None, None)
    assert names("8086", "1533") == (None, None)
    assert names.version == ""
    assert len(set(warnings)) == 1
    assert ENV_PCI_IDS in warnings[0] and os.fsencode(named).decode(errors="replace") in warnings[0]
    warnings[0].encode()


def test_the_list_of_the_system_is_used_where_the_environment_says_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "system.ids"
    file.write_text(LIST, encoding="utf-8")
    monkeypatch.setattr(_pci_names, "_PATHS", (str(tmp_path / "none"), str(file)))
    monkeypatch.delenv(ENV_PCI_IDS, raising=False)
    assert PciNames(no_warning)("10de", None) == ("NVIDIA Corporation", None)


def test_the_list_is_read_once_and_only_when_a_name_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pci.ids"
    monkeypatch.setenv(ENV_PCI_IDS, str(file))
    file.write_text("", encoding="utf-8")
    names = PciNames(no_warning)
    file.write_text(LIST, encoding="utf-8")
    assert names("10de", None) == ("NVIDIA Corporation", None)
    file.unlink()
    assert names("8086", None) == ("Intel Corporation", None)
