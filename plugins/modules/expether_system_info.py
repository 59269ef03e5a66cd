#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_system_info
short_description: List systems and what they could still take
version_added: 0.1.0
description:
  - Lists every system (EESV), a node or not, and how many more devices it takes.
  - Without O(podm) and O(url), the systems of all registered pod managers are listed, which are asked side by
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
  system:
    description:
      - Only the systems with these EEM ids, or with the node of this name or UUID on them.
    type: list
    elements: str
seealso:
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: List the systems of a pod manager
  nec.expether.expether_system_info:
    podm: rack1
  register: rack1

- name: Show where there is most room
  ansible.builtin.debug:
    msg: "{{ rack1.systems | sort(attribute='free_slots') | map(attribute='id') | last | default('nowhere') }}"
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_info import run_systems

SPEC = EEM.merged(ArgSpec({"system": {"type": "list", "elements": "str"}}))


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_systems, changes=False)


if __name__ == "__main__":
    main()
