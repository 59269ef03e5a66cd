#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_node
short_description: Compose, adopt or release a node
version_added: 0.1.0
description:
  - Composes a node. Chooses a system (EESV) and free devices (EEIO) that meet the wish, and attaches them.
  - A system is chosen that answers, is enabled, is no node and has room for the whole wish; of those one that
    has its own group id already (so that no reboot is needed), then one without devices, then the one with most
    room left, then the lowest id. Of a system that has devices and is no node, which is somebody's, these count and
    are detached when the node is released. Adopt such systems first with O(state=managed).
  - Devices are chosen that are free, answer, are enabled and match, the lowest id first. Devices that the node
    has already count.
  - What cannot be had is refused with the reasons before anything is changed. If a step fails, the steps before
    it are undone.
  - No host is ever powered, rebooted or rescanned; what a host needs to see its devices is a warning.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.properties
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  name:
    description:
      - The name of the node. An existing one may also be named by its UUID or its system's EEM id.
      - Without it the node is named by its system's EEM id, O(node_index).
    type: str
  flavor:
    description:
      - The name or UUID of the flavor with the devices that the node shall have.
    type: str
  node_index:
    description:
      - The EEM id of the system that the node shall be, for example V(0x8cdf9d53f236).
    type: str
    aliases: [system, index]
  purge:
    description:
      - With O(state=present), detaches the devices that the node has beyond its wish.
    type: bool
    default: false
  state:
    description:
      - V(present) composes the node, or brings it to its wish. Needs O(flavor) or O(properties) for a new node.
      - V(managed) adopts a system as it is.
      - V(absent) detaches all its devices and forgets the node.
    type: str
    choices: [present, managed, absent]
    default: present
  detach_devices:
    description:
      - With O(state=absent), V(false) leaves the devices where they are, asks no EEM, and only forgets the node.
    type: bool
    default: true
seealso:
  - module: nec.expether.expether_node_info
  - module: nec.expether.expether_flavor
  - module: nec.expether.expether_device_attach
"""

EXAMPLES = r"""
- name: Compose a node from a flavor
  nec.expether.expether_node:
    podm: rack1
    name: train-1
    flavor: gpu-small

- name: Compose a node from properties, and detach what it has beyond them
  nec.expether.expether_node:
    podm: rack1
    name: train-2
    properties:
      devices:
        - type: GPU
          count: 2
        - type: SSD
    purge: true

- name: Adopt a system as it is
  nec.expether.expether_node:
    podm: rack1
    name: storage-1
    node_index: "0x8cdf9d53f236"
    state: managed

- name: Release a node
  nec.expether.expether_node:
    podm: rack1
    name: train-1
    state: absent
"""

RETURN = r"""
node:
  description:
    - The node; as it was if it was released; null if there was none.
  returned: success
  type: dict
  contains:
    id:
      description:
        - The EEM id of the system (EESV).
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    resource_uri:
      description:
        - The path of the system at the EEM.
      type: str
      sample: devices/0x8cdf9d53f236
      returned: always
    pooled_group_id:
      description:
        - The group id; 4094 for a system that has none of its own yet.
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
        - The power state as the card tells it.
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
        - When the card changed last, in UTC.
      type: str
      sample: '2021-11-16T16:08:51.495Z'
      returned: always
    reachable:
      description:
        - Whether the card answers on any of its ports; null if it does not tell.
      type: bool
      sample: true
      returned: always
    ports_up:
      description:
        - On how many of its two ports the card answers. With 1 there is no second path.
      type: int
      sample: 1
      returned: always
    enabled:
      description:
        - Whether changes may be asked of the card; null if it does not tell.
      type: bool
      sample: true
      returned: always
    max_devices:
      description:
        - How many devices the system takes.
      type: int
      sample: 16
      returned: always
    free_slots:
      description:
        - How many more devices the system takes.
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
        - The name of the node that the system is; null if it is none.
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
        - C(composing) while it is being composed or when that was cut short, C(composed), or C(managed).
      type: str
      sample: composed
      returned: always
    listed:
      description:
        - Whether the EEM lists the node's system. If it does not, or was not asked, all that it would tell is null.
      type: bool
      sample: true
      returned: always
    devices:
      description:
        - The devices of the node, each as in RV(nec.expether.expether_device_info#module:devices), where the keys
          are described.
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
plan:
  description:
    - 'What a run changes, step by step: in check mode what it would change.'
  returned: success, and failure after a change has begun
  type: list
  elements: dict
  contains:
    action:
      description:
        - C(set_group) gives a system its group id, C(attach) and C(detach) change a device's; C(remember) and C(forget)
          change a node in the registry.
      type: str
      sample: attach
      returned: always
    device:
      description:
        - The EEM id of the device; null if no device is changed.
      type: str
      sample: '0x8cdf9d512930'
      returned: always
    node:
      description:
        - The name of the node or the EEM id of a system that is none; null for a stranded device.
      type: str
      sample: train-1
      returned: always
    node_id:
      description:
        - The EEM id of the system.
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    from:
      description:
        - The group id before; of a node its state.
      type: str
      sample: '4093'
      returned: always
    to:
      description:
        - The group id after; of a node its state.
      type: str
      sample: '17'
      returned: always
    status:
      description:
        - C(planned) if it was not tried, C(done), C(undone) if it was done and taken back, or C(failed).
      type: str
      sample: done
      returned: always
reboot_required:
  description:
    - Whether a host must be rebooted before all takes effect.
  returned: success
  type: bool
  sample: false
rescan_required:
  description:
    - Whether a host must rescan its PCI bus before it sees its new devices.
  returned: success
  type: bool
  sample: true
failure:
  description:
    - What went wrong, for machines.
  returned: failure
  type: dict
  contains:
    kind:
      description:
        - 'What sort of failure it is: C(invalid), C(not_found), C(refused), C(unreachable), C(timeout), C(tls),
          C(unauthorized), C(not_eem), C(eem_refused), C(server_error), C(connection_lost), C(bad_record), C(stale),
          C(outcome_unknown), C(claims_lost), C(interrupted), C(registry), C(registry_conflict), C(textfile) or
          C(missing_library).'
      type: str
      sample: refused
      returned: always
    code:
      description:
        - EEM's five-digit code, where it gave one.
      type: str
      sample: '40004'
      returned: always
    http_status:
      description:
        - The HTTP status, where there was an answer.
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
        - What was asked, without credentials; null if no EEM was asked.
      type: str
      sample: http://eem.example.com:30500/eem/devices/0x8cdf9d512932/group_id
      returned: always
    candidates:
      description:
        - 'Where something was refused for lack of devices or systems: why each does not serve.'
      type: dict
      returned: where there are any
      sample:
        '0x8cdf9d512932': not responding
"""

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._ansible.suboptions import PROPERTIES
from ansible_collections.nec.expether.plugins.module_utils._modules.node import run

SPEC = EEM.merged(
    ArgSpec(
        {
            "name": {"type": "str"},
            "flavor": {"type": "str"},
            "properties": PROPERTIES,
            "node_index": {"type": "str", "aliases": ["system", "index"]},
            "purge": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "managed", "absent"], "default": "present"},
            "detach_devices": {"type": "bool", "default": True},
        },
        mutually_exclusive=(("flavor", "properties"),),
        required_one_of=(("name", "node_index"),),
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
