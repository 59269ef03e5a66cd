#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_node
short_description: Compose, adopt or release a node
version_added: 0.1.0
description:
  - Composes a node: chooses a system (EESV) and free devices (EEIO) that meet the wish, and attaches them.
  - A system is chosen that answers, is enabled, is no node and has room for the whole wish; of those one that
    has its own group id already (so that no reboot is needed), then the one with most room left, then the
    lowest id.
  - Devices are chosen that are free, answer, are enabled and match, the lowest id first. Devices that the node
    has already count.
  - What cannot be had is refused with the reasons before anything is changed. If a step fails, the steps before
    it are undone.
  - No host is ever powered, rebooted or rescanned; what a host needs to see its devices is a warning.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  name:
    description:
      - The name of the node. An existing one may also be named by its UUID or its system's EEM id.
      - Without it the node is named by its system's EEM id, O(node_index).
    type: str
  flavor:
    description:
      - The name or UUID of the flavor with the devices that the node shall have.
    type: str
  properties:
    description:
      - What devices the node shall have.
      - Valence's form is C({"pci_device": {"type": ["GPU", "GPU", "SSD"]}}); a repeated type means several
        devices.
      - The longer form is C({"devices": [{"type": "GPU", "count": 2, "vendor_id": "10de", "device_id": "1db6", "model":
        "..."}]}); every key is optional, at least one must be given, and C(count) is 1 unless given.
      - The types are SSD, NIC, GPU, Multi, SWITCH, USB, ACS and Unknown. Write PCI ids as 4 hex digits in quotes.
    type: dict
  node_index:
    description:
      - The EEM id of the system that the node shall be, for example V(0x8cdf9d53f236).
    type: str
  purge:
    description:
      - With O(state=present), detaches the devices that the node has beyond its wish.
    type: bool
    default: false
  state:
    description:
      - V(present) composes the node, or brings it to its wish. Needs O(flavor) or O(properties) for a new node.
      - V(managed) adopts a system as it is.
      - V(absent) detaches all its devices and forgets the node.
    type: str
    choices: [present, managed, absent]
    default: present
  detach_devices:
    description:
      - With O(state=absent), V(false) leaves the devices where they are, asks no EEM, and only forgets the node.
    type: bool
    default: true
seealso:
  - module: nec.expether.expether_node_info
  - module: nec.expether.expether_flavor
  - module: nec.expether.expether_device_attach
"""

EXAMPLES = r"""
- name: Compose a node from a flavor
  nec.expether.expether_node:
    podm: rack1
    name: train-1
    flavor: gpu-small

- name: Compose a node from properties, and detach what it has beyond them
  nec.expether.expether_node:
    podm: rack1
    name: train-2
    properties:
      devices:
        - type: GPU
          count: 2
        - type: SSD
    purge: true

- name: Adopt a system as it is
  nec.expether.expether_node:
    podm: rack1
    name: storage-1
    node_index: "0x8cdf9d53f236"
    state: managed

- name: Release a node
  nec.expether.expether_node:
    podm: rack1
    name: train-1
    state: absent
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_node import run

SPEC = EEM.merged(
    ArgSpec(
        {
            "name": {"type": "str"},
            "flavor": {"type": "str"},
            "properties": {"type": "dict"},
            "node_index": {"type": "str"},
            "purge": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "managed", "absent"], "default": "present"},
            "detach_devices": {"type": "bool", "default": True},
        },
        mutually_exclusive=(("flavor", "properties"),),
        required_one_of=(("name", "node_index"),),
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
