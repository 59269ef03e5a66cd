#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_podm_info
short_description: List pod managers
version_added: 0.1.0
description:
  - Lists the registered pod managers, as they are remembered or as they are now.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.eem.unused
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.info
options:
  name:
    description:
      - Only the pod managers with these names or UUIDs.
    type: list
    elements: str
  check:
    description:
      - V(false) lists what is remembered and asks no EEM.
      - V(true) asks each EEM now, side by side. What they say is not remembered.
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_podm
"""

EXAMPLES = r"""
- name: List all pod managers
  nec.expether.expether_podm_info:
  register: all_podms

- name: Ask whether one answers now
  nec.expether.expether_podm_info:
    name: rack1
    check: true
  register: rack1
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import UNUSED_EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_podm_info import run

SPEC = UNUSED_EEM.merged(
    ArgSpec(
        {
            "name": {"type": "list", "elements": "str"},
            "check": {"type": "bool", "default": False},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run, changes=False)


if __name__ == "__main__":
    main()
