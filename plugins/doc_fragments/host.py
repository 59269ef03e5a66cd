# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules share that run on the host of a node."""

from __future__ import annotations


class ModuleDocFragment:
    """How to select PCI functions, and where the kernel shows them."""

    DOCUMENTATION = r"""
options:
  vendor_id:
    description:
      - The PCI vendor id in 4 hex digits, in quotes, as in the results of M(nec.expether.expether_device_info).
    type: str
  pci_device_id:
    description:
      - The PCI device id in 4 hex digits, in quotes.
    type: str
  address:
    description:
      - The address of a function, such as V(0000:01:00.0), or of a slot, such as V(0000:01:00). The domain V(0000) may be left
        out.
    type: str
  sysfs_root:
    description:
      - Where the kernel shows its devices. Only tests need another path than the default.
    type: path
    default: /sys
  proc_root:
    description:
      - Where the kernel shows its processes. Only tests need another path than the default.
    type: path
    default: /proc
requirements:
  - Linux
  - root, to see the open files of all processes and to change anything
attributes:
  check_mode:
    description: Can run in check mode. The result shows what a run would change, and nothing is changed.
  diff_mode:
    description: Shows the changes in diff mode.
  idempotent:
    description: Running the task again with the same options changes nothing.
  platform:
    description: The operating systems on which the module runs.
    support: full
    platforms: linux
author:
  - nec.expether contributors (@nec-expether)
"""
