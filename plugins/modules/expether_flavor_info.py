#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_flavor_info
short_description: List flavors
version_added: 0.1.0
description:
  - Lists the flavors from which nodes can be composed.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.eem.not_needed
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.info
options:
  name:
    description:
      - Only flavors with these names or UUIDs. An empty list selects no flavor.
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
flavors:
  description:
    - The flavors, sorted by name.
  returned: success
  type: list
  elements: dict
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
from ansible_collections.nec.expether.plugins.module_utils._modules.flavor import run_info

SPEC = UNUSED_EEM.merged(ArgSpec({"name": {"type": "list", "elements": "str"}}))


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_info, changes=False)


if __name__ == "__main__":
    main()
