#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_flavor
short_description: Name a set of device properties
version_added: 0.1.0
description:
  - A flavor is a named set of properties, from which nodes are composed.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.eem.unused
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  name:
    description:
      - The name of the flavor. An existing one may also be named by its UUID. Names count without their case.
    type: str
    required: true
  properties:
    description:
      - What devices a node of this flavor has. Needed to make a flavor.
      - Valence's form is C({"pci_device": {"type": ["GPU", "GPU", "SSD"]}}); a repeated type means several
        devices.
      - The longer form is C({"devices": [{"type": "GPU", "count": 2, "vendor_id": "10de", "device_id": "1db6", "model":
        "..."}]}); every key is optional, at least one must be given, and C(count) is 1 unless given.
      - The types are SSD, NIC, GPU, Multi, SWITCH, USB, ACS and Unknown. Write PCI ids as 4 hex digits in quotes.
    type: dict
  description:
    description:
      - Words for people.
    type: str
  state:
    description:
      - V(present) makes or changes the flavor, V(absent) removes it. Nodes composed from it stay as they are.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: nec.expether.expether_flavor_info
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: Make a flavor in the words of OpenStack Valence
  nec.expether.expether_flavor:
    name: gpu-small
    description: One GPU and one SSD
    properties:
      pci_device:
        type: [GPU, SSD]

- name: Make a flavor of certain cards
  nec.expether.expether_flavor:
    name: v100-pair
    properties:
      devices:
        - type: GPU
          count: 2
          vendor_id: "10de"
          device_id: "1db6"

- name: Remove a flavor
  nec.expether.expether_flavor:
    name: v100-pair
    state: absent
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import UNUSED_EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_flavor import run

SPEC = UNUSED_EEM.merged(
    ArgSpec(
        {
            "name": {"type": "str", "required": True},
            "properties": {"type": "dict"},
            "description": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
