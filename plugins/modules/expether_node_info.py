#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_node_info
short_description: List nodes with their devices
version_added: 0.1.0
description:
  - Lists nodes with their devices, as their EEMs have them now.
  - Without O(podm) and O(url), the nodes of all registered pod managers are listed, which are asked side by
    side.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.info
options:
  name:
    description:
      - Only the nodes with these names, UUIDs or EEM ids.
    type: list
    elements: str
seealso:
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: List the nodes of all pod managers
  nec.expether.expether_node_info:
  register: all_nodes

- name: Show one node
  nec.expether.expether_node_info:
    podm: rack1
    name: train-1
  register: train_1
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_info import run_nodes

SPEC = EEM.merged(ArgSpec({"name": {"type": "list", "elements": "str"}}))


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_nodes, changes=False)


if __name__ == "__main__":
    main()
