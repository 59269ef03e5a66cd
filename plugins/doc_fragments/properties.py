# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What devices a node should have."""

from __future__ import annotations


class ModuleDocFragment:
    """The option of the modules that compose nodes or store what nodes are composed of."""

    DOCUMENTATION = r"""
options:
  properties:
    description:
      - Which devices a node should have; at least one. If O(properties.pci_device) and O(properties.devices) are both
        set, their devices are added up.
      - Memory and processors cannot be composed, because ExpEther attaches PCI Express devices only.
      - A key that is null counts as not set.
    type: dict
    suboptions:
      pci_device:
        description:
          - The form of OpenStack Valence, with the key O(properties.pci_device.type).
        type: dict
        suboptions:
          type:
            description:
              - One device for each entry. A type that is repeated means several devices. Types may be written in any case.
            type: list
            elements: str
            choices: [SSD, NIC, GPU, Multi, SWITCH, USB, ACS, Unknown]
      devices:
        description:
          - Kinds of devices. A device must match all keys that an entry sets. Each entry must set at least one.
          - >-
            A device as a module returned it, for example an entry of C(devices) of M(nec.expether.expether_device_info),
            requests a device of its kind. Its O(properties.devices[].type), O(properties.devices[].vendor_id),
            O(properties.devices[].pci_device_id) and O(properties.devices[].model) are used, and its other keys
            are ignored. It is recognized by its C(uuid).
          - >-
            A slot that is empty, or whose card does not report whether it has a device, is never chosen. C(populated) of
            its device is not true. Such a device can be attached by its id with M(nec.expether.expether_device_attach).
        type: list
        elements: dict
        suboptions:
          type:
            description:
              - The type of the devices, in any case.
            type: str
            choices: [SSD, NIC, GPU, Multi, SWITCH, USB, ACS, Unknown]
          count:
            description:
              - How many devices, from 1 to 4096; 1 if it is not set.
            type: int
          vendor_id:
            description:
              - The PCI vendor id, as up to 4 hex digits in quotes, with or without C(0x).
              - A number is refused, because YAML reads V(0x10de) as 4318 and V(0403) as 259.
            type: str
          pci_device_id:
            description:
              - The PCI device id. It is written like O(properties.devices[].vendor_id).
            version_added: 1.0.0
            type: str
            aliases: [device_id]
          model:
            description:
              - The model of the card or I/O box, in any case.
            type: str
"""
