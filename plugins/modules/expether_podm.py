#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_podm
short_description: Register an EEM as a pod manager
version_added: 0.1.0
description:
  - Registers an EEM (ExpressEther Manager) under a name, after asking it for its API version, and remembers its
    devices a first time.
  - Names and URLs are unique. What was registered and is registered again with the same options is not asked
    again.
  - How to reach the EEM (certificates, O(timeout), O(retries), O(conditional_updates)) is remembered with it;
    the password is remembered encrypted.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.eem.ignored_podm
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  name:
    description:
      - The name of the pod manager. A registered one may also be named by its UUID. Names count without their case.
    type: str
    required: true
  url:
    description:
      - Needed to register a pod manager. To a registered one it gives another URL.
  description:
    description:
      - Words for people. V("") takes them away.
    type: str
  location:
    description:
      - Where it is, in words for people. V("") takes them away.
    type: str
  state:
    description:
      - V(present) registers the pod manager, or brings its registration up to date.
      - V(absent) forgets it and its devices. While it has nodes this is refused, unless O(cascade=true).
    type: str
    choices: [present, absent]
    default: present
  sync:
    description:
      - Whether the devices of the EEM are remembered when it is registered.
    type: bool
    default: true
  cascade:
    description:
      - With O(state=absent), first detaches the devices of all nodes of the pod manager and forgets the nodes.
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_podm_info
"""

EXAMPLES = r"""
- name: Register an EEM
  nec.expether.expether_podm:
    name: rack1
    url: http://eem.example.com:30500/eem
    username: admin
    password: "{{ eem_password }}"
    location: Hall 2, rack 14

- name: Forget it, after its nodes have been released
  nec.expether.expether_podm:
    name: rack1
    state: absent
    cascade: true
"""

RETURN = r"""
"""

from ansible_collections.nec.expether.plugins.module_utils._argspec import UNUSED_EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._glue import run_module
from ansible_collections.nec.expether.plugins.module_utils._run_podm import run

SPEC = UNUSED_EEM.merged(
    ArgSpec(
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "location": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "sync": {"type": "bool", "default": True},
            "cascade": {"type": "bool", "default": False},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
