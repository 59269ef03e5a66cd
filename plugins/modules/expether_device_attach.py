#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_device_attach
short_description: Attach and detach devices
version_added: 0.1.0
description:
  - Attaches any number of devices (EEIO) to a node or system in one call, or detaches them. All is checked
    before the first is changed; if one fails, those before it are put back.
  - No host is ever rebooted or rescanned: the host of a node sees a new device after it has rescanned its PCI
    bus.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  node:
    description:
      - The name, UUID or EEM id of a node, or the EEM id of a system that is none.
      - Needed to attach. With O(state=detached) it says where the devices must be; without it they are detached from
        wherever they are, also from a group that no system has.
    type: str
  devices:
    description:
      - The devices, by EEM id or UUID.
    type: list
    elements: str
    required: true
    aliases: [resource_id]
  state:
    description:
      - V(attached) attaches the devices, V(detached) frees them.
    type: str
    choices: [attached, detached]
    default: attached
  move:
    description:
      - With O(state=attached), takes devices away from another node or system, or from the group that they are
        stranded in. Without it, such a device is an error.
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_device_info
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: Attach two devices
  nec.expether.expether_device_attach:
    podm: rack1
    node: train-1
    devices:
      - "0x8cdf9d512930"
      - "0x8cdf9d512932"

- name: Move one to another node
  nec.expether.expether_device_attach:
    podm: rack1
    node: train-2
    devices: "0x8cdf9d512932"
    move: true

- name: Free a device, wherever it is
  nec.expether.expether_device_attach:
    podm: rack1
    devices: "0x8cdf9d512930"
    state: detached
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_attach import run

SPEC = EEM.merged(
    ArgSpec(
        {
            "node": {"type": "str"},
            "devices": {"type": "list", "elements": "str", "required": True, "aliases": ["resource_id"]},
            "state": {"type": "str", "choices": ["attached", "detached"], "default": "attached"},
            "move": {"type": "bool", "default": False},
        },
        required_if=(("state", "attached", ("node",)),),
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
