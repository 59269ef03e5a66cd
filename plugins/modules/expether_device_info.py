#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_device_info
short_description: List devices
version_added: 0.1.0
description:
  - Lists devices (EEIO), as their EEMs have them now or as they are remembered.
  - Without O(podm) and O(url), the devices of all registered pod managers are listed, which are asked side by
    side. One that fails is in RV(errors) and does not hide the others.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.info
options:
  devices:
    description:
      - Only the devices with these EEM ids or UUIDs.
    type: list
    elements: str
  type:
    description:
      - Only devices of these types.
    type: list
    elements: str
    choices: [SSD, NIC, GPU, Multi, SWITCH, USB, ACS, Unknown]
  state:
    description:
      - Only devices in these states. V(free) belongs to nobody, V(allocated) is attached to a system, V(stranded) has
        the group id of no system.
    type: list
    elements: str
    choices: [free, allocated, stranded]
  node:
    description:
      - Only devices of this node (name, UUID or EEM id) or system (EEM id).
    type: str
  source:
    description:
      - V(live) asks the EEMs. V(registry) lists what the last synchronisation left in the registry, and asks none.
    type: str
    choices: [live, registry]
    default: live
seealso:
  - module: nec.expether.expether_device_attach
"""

EXAMPLES = r"""
- name: List the free GPUs of all pod managers
  nec.expether.expether_device_info:
    type: GPU
    state: free
  register: free_gpus

- name: List the devices of one node
  nec.expether.expether_device_info:
    podm: rack1
    node: train-1
  register: train_1
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._records import TYPE_NAMES
from ansible_collections.nec.expether.plugins.module_utils._run_info import run_devices

SPEC = EEM.merged(
    ArgSpec(
        {
            "devices": {"type": "list", "elements": "str"},
            "type": {"type": "list", "elements": "str", "choices": list(TYPE_NAMES)},
            "state": {"type": "list", "elements": "str", "choices": ["free", "allocated", "stranded"]},
            "node": {"type": "str"},
            "source": {"type": "str", "choices": ["live", "registry"], "default": "live"},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_devices, changes=False)


if __name__ == "__main__":
    main()
