# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody claims for himself, on a real block device."""

from __future__ import annotations

import os

import pytest
from ansible_collections.nec.expether.plugins.module_utils._pci.kernel import is_claimed


def test_a_block_device_that_is_claimed() -> None:
    """A loop device without a file, claimed by this test as a file system claims it."""
    name = "loop0"
    try:
        claim = os.open(f"/dev/{name}", os.O_RDONLY | os.O_EXCL)
    except OSError as error:
        pytest.skip(f"needs /dev/{name} ({error})")
    status = os.fstat(claim)
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    assert is_claimed(name, number)
    assert not is_claimed(name, "1:1"), "another device has this name"
    os.close(claim)
    assert not is_claimed(name, number)


def test_what_does_not_exist_is_not_claimed() -> None:
    assert not is_claimed("nvme99n1", "259:990")
