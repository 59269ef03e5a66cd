#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_layout_info
short_description: Describe all nodes of a pod manager as a layout
version_added: 1.0.0
description:
  - Describes the nodes of a pod manager and the devices that they have now, in the form in which
    M(nec.expether.expether_layout) takes them. Given back to it, the layout changes nothing.
  - Devices are described by kind, not by id. So a layout that is applied later may choose other devices of the same kind.
  - Systems that are not nodes, and free devices, are not part of the layout.
  - A node that was left half composed, or whose system EEM does not list, is left out, with a warning.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.info
seealso:
  - module: nec.expether.expether_layout
"""

EXAMPLES = r"""
- name: Describe what all nodes have
  nec.expether.expether_layout_info:
    podm: rack1
  register: described

- name: Show it as the content of a layout file
  ansible.builtin.debug:
    msg: "{{ described.layout | to_nice_yaml(indent=2) }}"
"""

RETURN = r"""
layout:
  description:
    - The nodes of the pod manager as options of M(nec.expether.expether_layout). In C(nodes) each node has
      its C(name), the system it is on, and its devices by kind and count.
  returned: success
  type: dict
  contains:
    nodes:
      description:
        - 'The nodes, sorted by name. C(purge) is false for a node with a card that no request describes:
          its slot is empty, or it does not report whether its slot has a device. A node without other cards
          has no C(properties).'
      type: list
      elements: dict
      sample:
        - name: train-1
          node_index: '0x8cdf9d53f236'
          properties:
            devices:
              - type: GPU
                vendor_id: 10de
                pci_device_id: 1db6
                count: 2
      returned: always
    purge:
      description:
        - 'Always true: other devices of the nodes are detached.'
      type: bool
      sample: true
      returned: always
    release_others:
      description:
        - 'Always false: other nodes stay.'
      type: bool
      sample: false
      returned: always
    move:
      description:
        - 'Always false: nothing is taken from listed nodes.'
      type: bool
      sample: false
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

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import EEM
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._modules.layout_info import run

SPEC = EEM


def main() -> None:
    """Run the module."""
    run_module(SPEC, run, changes=False)


if __name__ == "__main__":
    main()
