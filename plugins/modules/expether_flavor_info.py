#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_flavor_info
short_description: List flavors
version_added: 0.1.0
description:
  - Lists the flavors that nodes can be composed from.
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
      - Only the flavors with these names or UUIDs.
    type: list
    elements: str
seealso:
  - module: nec.expether.expether_flavor
"""

EXAMPLES = r"""
- name: List all flavors
  nec.expether.expether_flavor_info:
  register: all_flavors
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import UNUSED_EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_flavor import run_info

SPEC = UNUSED_EEM.merged(ArgSpec({"name": {"type": "list", "elements": "str"}}))


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_info, changes=False)


if __name__ == "__main__":
    main()
