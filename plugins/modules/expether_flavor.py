#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_flavor
short_description: Create, change or remove a flavor
version_added: 0.1.0
description:
  - Creates, changes or removes a flavor. A flavor is a named set of device properties from which nodes are composed.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.eem.not_needed
  - nec.expether.properties
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  name:
    description:
      - The name of the flavor. An existing flavor can also be identified by its UUID. Names are case-insensitive and
        are compared in Unicode NFC, so composed and decomposed accents are equal.
    type: str
    required: true
  description:
    description:
      - Free-text description. V("") removes it. Null means not set.
    type: str
  state:
    description:
      - V(present) creates or changes the flavor, V(absent) removes it. Nodes composed from it are not changed.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: nec.expether.expether_flavor_info
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: Create a flavor in OpenStack Valence's format
  nec.expether.expether_flavor:
    name: gpu-small
    description: One GPU and one SSD
    properties:
      pci_device:
        type: [GPU, SSD]

- name: Create a flavor with a specific GPU model
  nec.expether.expether_flavor:
    name: v100-pair
    properties:
      devices:
        - type: GPU
          count: 2
          vendor_id: "10de"
          pci_device_id: "1db6"

- name: Remove a flavor
  nec.expether.expether_flavor:
    name: v100-pair
    state: absent
"""

RETURN = r"""
flavor:
  description:
    - The flavor; if it was removed, its last state.
  returned: success
  type: dict
  contains:
    uuid:
      description:
        - The UUID of the flavor. It is derived from its name.
      type: str
      sample: 90c06b9d-842e-54fa-bde0-0399636d0436
      returned: always
    name:
      description:
        - The name of the flavor.
      type: str
      sample: gpu-small
      returned: always
    description:
      description:
        - Free-text description.
      type: str
      sample: One GPU and one SSD
      returned: always
    properties:
      description:
        - What devices a node of this flavor has, without keys that are not set, with types in their usual
          case and PCI ids as 4 hex digits. O(nec.expether.expether_flavor#module:properties) takes it as
          it is.
      type: dict
      sample:
        devices:
          - type: GPU
            count: 2
            vendor_id: 10de
            pci_device_id: 1db6
      returned: always
    created_at:
      description:
        - When the flavor was created, in UTC.
      type: str
      sample: '2026-11-24T02:00:18Z'
      returned: always
    updated_at:
      description:
        - When the flavor last changed, in UTC.
      type: str
      sample: '2026-11-24T02:00:18Z'
      returned: always
failure:
  description:
    - What went wrong, in machine-readable form.
  returned: failure
  type: dict
  contains:
    kind:
      description:
        - 'The kind of failure: C(invalid), C(not_found), C(refused), C(unreachable), C(timeout), C(tls),
          C(unauthorized), C(not_eem), C(eem_refused), C(server_error), C(connection_lost), C(bad_record),
          C(stale), C(outcome_unknown), C(claims_lost), C(interrupted), C(registry), C(registry_conflict),
          C(textfile) or C(missing_library).'
      type: str
      sample: refused
      returned: always
    code:
      description:
        - EEM's five-digit code, if it sent one.
      type: str
      sample: '40004'
      returned: always
    http_status:
      description:
        - The HTTP status, if EEM responded.
      type: int
      sample: 400
      returned: always
    message:
      description:
        - What went wrong.
      type: str
      sample: '2 GPU requested, 1 free. Not available: 0x8cdf9d512932 not responding.'
      returned: always
    url:
      description:
        - The URL of the request, without credentials; null if EEM was not asked.
      type: str
      sample: http://eem.example.com:30500/eem/devices/0x8cdf9d512932/group_id
      returned: always
"""

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import UNUSED_EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._ansible.suboptions import PROPERTIES
from ansible_collections.nec.expether.plugins.module_utils._modules.flavor import run

SPEC = UNUSED_EEM.merged(
    ArgSpec(
        {
            "name": {"type": "str", "required": True},
            "properties": PROPERTIES,
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
