#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_system_info
short_description: List systems and their free slots
version_added: 0.1.0
description:
  - Lists all systems (EESV), whether or not they are nodes, and their free slots.
  - Without O(podm) and O(url), lists the systems of all registered pod managers, which are read in parallel.
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
      - Only these systems, by EEM id, or by the name or UUID of their node. An empty list selects no system.
    type: list
    elements: str
    aliases: [systems]
  include_devices:
    description:
      - V(true) also returns RV(devices), all devices of the same EEMs. They are from the same answers as the systems, so that
        both always fit together, and each EEM is asked only once.
    version_added: 1.0.0
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: List the systems of a pod manager
  nec.expether.expether_system_info:
    podm: rack1
  register: rack1

- name: List the systems of all pod managers, and all of their devices, whether or not they are attached
  nec.expether.expether_system_info:
    include_devices: true
  register: everything

- name: Show the system with the most free slots
  ansible.builtin.debug:
    msg: "{{ rack1.systems | sort(attribute='free_slots') | map(attribute='id') | last | default('nowhere') }}"
"""

RETURN = r"""
systems:
  description:
    - The systems, sorted by pod manager and id.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description:
        - The EEM id of the system (EESV).
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    resource_uri:
      description:
        - The path of the system in EEM's API.
      type: str
      sample: devices/0x8cdf9d53f236
      returned: always
    pooled_group_id:
      description:
        - The group id; 4094 for a system that has no group of its own yet.
      type: str
      sample: '17'
      returned: always
    type:
      description:
        - The card's generation, as C(card_type).
      type: str
      sample: 40g
      returned: always
    card_type:
      description:
        - 'The card''s generation: 1g, 10g or 40g.'
      type: str
      sample: 40g
      returned: always
    model:
      description:
        - The model of the card.
      type: str
      sample: ExpEther Board (40G)
      returned: always
    mac_address:
      description:
        - The MAC address of the card.
      type: str
      sample: 8c:df:9d:53:f2:36
      returned: always
    serial_number:
      description:
        - The serial number of the card.
      type: str
      sample: DG7MMQ   2BH070004
      returned: always
    power_state:
      description:
        - The power state as reported by the card.
      type: str
      sample: 'on'
      returned: always
    host_model:
      description:
        - The model of the server that the card sits in.
      type: str
      sample: UCSC-C240-M4SX
      returned: always
    host_serial_number:
      description:
        - The serial number of the server that the card sits in.
      type: str
      sample: FCH1905V2EG
      returned: always
    description:
      description:
        - The model of the card, as C(model).
      type: str
      sample: ExpEther Board (40G)
      returned: always
    ee_version:
      description:
        - The version of ExpEther.
      type: str
      sample: v1.0
      returned: always
    updated_at:
      description:
        - When the card last changed, in UTC.
      type: str
      sample: '2021-11-16T16:08:51.495Z'
      returned: always
    reachable:
      description:
        - Whether at least one port of the card is up; null if the card does not report it.
      type: bool
      sample: true
      returned: always
    ports_up:
      description:
        - How many of the card's two ports are up. With 1 there is no redundant path.
      type: int
      sample: 1
      returned: always
    enabled:
      description:
        - Whether the card accepts changes; null if the card does not report it.
      type: bool
      sample: true
      returned: always
    max_devices:
      description:
        - How many devices the system can have.
      type: int
      sample: 16
      returned: always
    free_slots:
      description:
        - How many more devices the system can take.
      type: int
      sample: 14
      returned: always
    device_ids:
      description:
        - The EEM ids of the devices that the system has.
      type: list
      elements: str
      sample:
        - '0x8cdf9d512930'
        - '0x8cdf9d512932'
      returned: always
    node:
      description:
        - The name of the system's node; null if the system is not a node.
      type: str
      sample: train-1
      returned: always
    podm:
      description:
        - The name of the pod manager; null if the EEM is not registered.
      type: str
      sample: rack1
      returned: always
    podm_id:
      description:
        - The UUID of the pod manager.
      type: str
      sample: 97e8edc4-3a67-5a91-b64c-a0c88adb58e9
      returned: always
devices:
  description:
    - All devices, also those that are attached to no system, sorted by pod manager and id, each as in RV(nec.expether.expether_device_info#module:devices),
      where the keys are described.
  returned: with O(include_devices=true)
  type: list
  elements: dict
  sample:
    - device_id: '0x8cdf9d512930'
      type: GPU
      state: allocated
      node: train-1
      vendor_id: 10de
      pci_device_id: 1db6
errors:
  description:
    - The pod managers that could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    podm:
      description:
        - The name of a pod manager that could not be read.
      type: str
      sample: rack2
      returned: always
    podm_id:
      description:
        - The UUID of that pod manager.
      type: str
      sample: 0b3f3f64-93a1-5b3e-9f8c-5f3f2c6a1a11
      returned: always
    msg:
      description:
        - What went wrong.
      type: str
      sample: 'GET http://eem2.example.com:30500/eem/devices/detail: no connection (Connection refused). Is
        EEM running there?'
      returned: always
    failure:
      description:
        - The same in machine-readable form.
      type: dict
      returned: always
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

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._modules.info import run_systems

SPEC = EEM.merged(
    ArgSpec(
        {
            "system": {"type": "list", "elements": "str", "aliases": ["systems"]},
            "include_devices": {"type": "bool", "default": False},
        }
    )
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_systems, changes=False)


if __name__ == "__main__":
    main()
