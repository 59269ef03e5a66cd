#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_node_info
short_description: List nodes with their devices
version_added: 0.1.0
description:
  - Lists nodes with their devices, as EEM reports them now.
  - Without O(podm) and O(url), lists the nodes of all registered pod managers, which are read in parallel.
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
      - Only nodes with these names, UUIDs or EEM ids. An empty list selects no node.
    type: list
    elements: str
  source:
    description:
      - V(live) asks the EEMs.
      - V(registry) lists what the registry stores, without asking an EEM. A node then has its name, its system's id and
        its devices. Keys that only an EEM reports are null.
    version_added: 1.0.0
    type: str
    choices: [live, registry]
    default: live
seealso:
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: List the nodes of all pod managers
  nec.expether.expether_node_info:
  register: all_nodes

- name: Get one node
  nec.expether.expether_node_info:
    podm: rack1
    name: train-1
  register: train_1
"""

RETURN = r"""
nodes:
  description:
    - The nodes, sorted by pod manager and name.
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
    uuid:
      description:
        - The UUID of the node. It is derived from its pod manager and its name.
      type: str
      sample: 64dfe663-6186-5209-bf58-5c5400c54d42
      returned: always
    name:
      description:
        - The name of the node.
      type: str
      sample: train-1
      returned: always
    index:
      description:
        - The EEM id of the node's system.
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    state:
      description:
        - C(composing) while the node is being composed, or if a run was interrupted; C(composed); or C(managed).
      type: str
      sample: composed
      returned: always
    listed:
      description:
        - Whether EEM lists the node's system. If it does not, or if EEM was not asked, all keys that come
          from EEM are null.
      type: bool
      sample: true
      returned: always
    connected_devices:
      description:
        - How many of the devices are connected; null if EEM does not list the system, or if none of its devices
          reports its link.
      type: int
      sample: 2
      returned: always
    devices:
      description:
        - The devices of the node, each as in RV(nec.expether.expether_device_info#module:devices), where
          the keys are described.
      type: list
      elements: dict
      sample:
        - device_id: '0x8cdf9d512930'
          type: GPU
          state: allocated
          node: train-1
          vendor_id: 10de
          pci_device_id: 1db6
      returned: always
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
from ansible_collections.nec.expether.plugins.module_utils._modules.info import run_nodes

SPEC = EEM.merged(
    ArgSpec(
        {
            "name": {"type": "list", "elements": "str"},
            "source": {"type": "str", "choices": ["live", "registry"], "default": "live"},
        }
    )
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_nodes, changes=False)


if __name__ == "__main__":
    main()
