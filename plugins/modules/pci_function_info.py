#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: pci_function_info
short_description: List the PCI functions of a host and who uses them
version_added: 1.0.0
description:
  - Runs on the host of a node, and lists its PCI functions with everybody who uses them. What is in use must not be
    detached from the node.
  - Needs only Python and its standard library on the host, and neither an EEM nor a registry. Changes nothing.
extends_documentation_fragment:
  - nec.expether.host
  - nec.expether.attributes.info
seealso:
  - module: nec.expether.pci_function
  - module: nec.expether.expether_device_info
"""

EXAMPLES = r"""
- name: List all GPUs of one model with their users
  nec.expether.pci_function_info:
    vendor_id: '10de'
    pci_device_id: '1db6'
  become: true
  register: gpus

- name: Find out who uses one function
  nec.expether.pci_function_info:
    address: "0000:01:00.0"
  become: true
"""

RETURN = r"""
functions:
  description:
    - The PCI functions, sorted by address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description:
        - The address of the function.
      type: str
      sample: '0000:01:00.0'
      returned: always
    slot:
      description:
        - The address without the function.
      type: str
      sample: 0000:01:00
      returned: always
    physical_slot:
      description:
        - The name of the physical slot; null if the firmware reports none.
      type: str
      sample: '4'
      returned: always
    vendor_id:
      description:
        - The PCI vendor id in 4 hex digits.
      type: str
      sample: 144d
      returned: always
    pci_device_id:
      description:
        - The PCI device id in 4 hex digits.
      type: str
      sample: a804
      returned: always
    class_code:
      description:
        - The PCI class code in 6 hex digits.
      type: str
      sample: 010802
      returned: always
    type:
      description:
        - 'The device type, as of a device in EEM: SSD, NIC, GPU, Multi, SWITCH, USB, ACS or Unknown.'
      type: str
      sample: SSD
      returned: always
    driver:
      description:
        - The driver; null if no driver uses the function.
      type: str
      sample: nvme
      returned: always
    serial_number:
      description:
        - The serial number of an NVMe drive; otherwise null.
      type: str
      sample: S3EUNX0J300123
      returned: always
    block_devices:
      description:
        - The names of its disks and partitions.
      type: list
      elements: str
      sample:
        - nvme0n1
        - nvme0n1p1
      returned: always
    interfaces:
      description:
        - Its network interfaces.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description:
            - The name of the interface.
          type: str
          sample: enp2s0
          returned: always
        mac_address:
          description:
            - The MAC address of the interface.
          type: str
          sample: 3c:fd:fe:aa:00:01
          returned: always
        up:
          description:
            - Whether the interface is administratively up.
          type: bool
          sample: false
          returned: always
    virtual_functions:
      description:
        - How many SR-IOV virtual functions it has.
      type: int
      sample: 0
      returned: always
    users:
      description:
        - Who uses the function, one below it if it is a bridge, or a virtual function of it (SR-IOV). Users
          of block devices include those of everything that is built on them.
      type: list
      elements: dict
      returned: always
      contains:
        function:
          description:
            - The address of the function that is used.
          type: str
          sample: '0000:01:00.0'
          returned: always
        kind:
          description:
            - C(mount), C(swap), C(lvm), C(md), C(device_mapper), C(holder) (another block device), C(kernel)
              (for example a storage pool), C(process), C(default_route), C(connections), C(interface), C(master)
              (a bond, bridge or VLAN), C(virtual_functions) or C(virtual_machine).
          type: str
          sample: mount
          returned: always
        name:
          description:
            - The mount point, the process, the block device or the interface that uses it.
          type: str
          sample: /data
          returned: always
        device:
          description:
            - The block device, device node or interface through which it is used; null if there is none.
          type: str
          sample: nvme0n1p1
          returned: always
        pid:
          description:
            - The id of the process; null for other users. Of a mount, that of a process that sees it in another
              mount namespace, such as that of a container; null if this host sees it.
          type: int
          sample: 4711
          returned: always
        forcible:
          description:
            - Whether O(nec.expether.pci_function#module:force) allows the removal.
          type: bool
          sample: false
          returned: always
        text:
          description:
            - The same in words, as in messages.
          type: str
          sample: nvme0n1p1 is mounted at /data
          returned: always
failure:
  description:
    - What went wrong, in machine-readable form.
  returned: failure
  type: dict
  contains:
    kind:
      description:
        - 'The kind of failure: C(invalid), C(refused) or C(hotplug).'
      type: str
      sample: refused
      returned: always
    code:
      description:
        - Always null, because no EEM is asked.
      type: str
      returned: always
    http_status:
      description:
        - Always null.
      type: int
      returned: always
    message:
      description:
        - What went wrong.
      type: str
      sample: '0000:01:00 is in use: nvme0n1p1 is mounted at /data. End this use first.'
      returned: always
    url:
      description:
        - Always null.
      type: str
      returned: always
    users:
      description:
        - If the functions are in use, all their users.
      returned: if they are in use
      type: list
      elements: dict
      contains:
        function:
          description:
            - The address of the function that is used.
          type: str
          sample: '0000:01:00.0'
          returned: always
        kind:
          description:
            - C(mount), C(swap), C(lvm), C(md), C(device_mapper), C(holder) (another block device), C(kernel)
              (for example a storage pool), C(process), C(default_route), C(connections), C(interface), C(master)
              (a bond, bridge or VLAN), C(virtual_functions) or C(virtual_machine).
          type: str
          sample: mount
          returned: always
        name:
          description:
            - The mount point, the process, the block device or the interface that uses it.
          type: str
          sample: /data
          returned: always
        device:
          description:
            - The block device, device node or interface through which it is used; null if there is none.
          type: str
          sample: nvme0n1p1
          returned: always
        pid:
          description:
            - The id of the process; null for other users. Of a mount, that of a process that sees it in another
              mount namespace, such as that of a container; null if this host sees it.
          type: int
          sample: 4711
          returned: always
        forcible:
          description:
            - Whether O(nec.expether.pci_function#module:force) allows the removal.
          type: bool
          sample: false
          returned: always
        text:
          description:
            - The same in words, as in messages.
          type: str
          sample: nvme0n1p1 is mounted at /data
          returned: always
"""

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import HOST
from ansible_collections.nec.expether.plugins.module_utils._ansible.host import run_on_host
from ansible_collections.nec.expether.plugins.module_utils._modules.pci import run_info

SPEC = HOST.merged()


def main() -> None:
    """Run the module."""
    run_on_host(SPEC, run_info)


if __name__ == "__main__":
    main()
