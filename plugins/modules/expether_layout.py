#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_layout
short_description: Bring all nodes of a pod manager to a layout in one plan
version_added: 1.0.0
description:
  - Gives each node of a list the devices that it should have. Nodes that do not exist are composed, existing ones get
    what they lack, and nodes that are not listed can be released. All of this is one plan, which is carried out or undone
    as a whole.
  - The plan is minimal. Devices that are right stay where they are, and a device that moves is moved once. Devices that
    free a slot or are needed elsewhere are detached before others are attached.
  - Requests are met together. If a node needs any GPU and another one a particular GPU, each gets one of its own. The
    same state and layout always give the same plan. Systems and devices are chosen as M(nec.expether.expether_node) does.
  - A layout that cannot be met is rejected as a whole, before anything changes. The message names each request that
    cannot be met, with the reasons. If a step fails, all earlier steps are undone.
  - The module never powers or reboots a host and never rescans its PCI bus. It warns if a host needs a reboot or a
    rescan to see its devices.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.eem.connect
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  nodes:
    description:
      - The nodes, each once. Each entry is what M(nec.expether.expether_node) takes for one node.
      - An empty list with O(release_others=true) releases all nodes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The name of the node. An existing node can also be identified by its UUID or by the EEM id of its system.
          - Set this, O(nodes[].node_index) or both. If it is not set, the EEM id of the system is used as the name.
        type: str
      flavor:
        description:
          - The name or UUID of a flavor that describes the devices of the node. Set either this or
            O(nodes[].properties).
          - An existing node without both keeps what it has.
        type: str
      properties:
        description:
          - Which devices the node should have; at least one. If O(nodes[].properties.pci_device) and
            O(nodes[].properties.devices) are both set, their devices are added up.
          - A key that is null counts as not set.
        type: dict
        suboptions:
          pci_device:
            description:
              - The form of OpenStack Valence, with the key O(nodes[].properties.pci_device.type).
            type: dict
            suboptions:
              type:
                description:
                  - One device for each entry. A type that is repeated means several devices. Types may be written in
                    any case.
                type: list
                elements: str
                choices: [SSD, NIC, GPU, Multi, SWITCH, USB, ACS, Unknown]
          devices:
            description:
              - Kinds of devices. A device must match all keys that an entry sets. Each entry must set at least one.
              - A device as a module returned it requests a device of its kind.
              - A slot that is empty, or whose card does not report whether it has a device, is never chosen.
            type: list
            elements: dict
            suboptions:
              type:
                description:
                  - The type of the devices, in any case.
                type: str
                choices: [SSD, NIC, GPU, Multi, SWITCH, USB, ACS, Unknown]
              count:
                description:
                  - How many devices, from 1 to 4096; 1 if it is not set.
                type: int
              vendor_id:
                description:
                  - The PCI vendor id, as up to 4 hex digits in quotes, with or without C(0x).
                  - A number is refused, because YAML reads V(0x10de) as 4318 and V(0403) as 259.
                type: str
              pci_device_id:
                description:
                  - The PCI device id. It is written like O(nodes[].properties.devices[].vendor_id).
                type: str
                aliases: [device_id]
              model:
                description:
                  - The model of the card or I/O box, in any case.
                type: str
      node_index:
        description:
          - The EEM id of the system to use for the node, for example V(0x8cdf9d53f236). If it is not set, a new node gets
            the system that fits best.
        type: str
        aliases: [system, index]
      purge:
        description:
          - Whether devices of the node that are not part of its request are detached. If it is not set, O(purge) applies.
          - A node without O(nodes[].flavor) and O(nodes[].properties) keeps its devices in any case.
        type: bool
  purge:
    description:
      - The value of O(nodes[].purge) for nodes that do not set it.
    type: bool
    default: false
  release_others:
    description:
      - Whether nodes of the pod manager that are not listed are released. Their devices are detached and can be used for
        the listed nodes, and so can their systems.
    type: bool
    default: false
  move:
    description:
      - Whether a listed node may get devices that another listed node has beyond its own request, or that the other node
        can replace by a free one. A node without O(nodes[].flavor) and O(nodes[].properties) keeps its devices.
      - With V(false), only free devices are attached, and those that O(purge) or O(release_others) detach in the same
        plan.
    type: bool
    default: false
  skip_silent:
    description:
      - What O(purge=true) and O(release_others=true) do with devices that do not respond. V(false) rejects the task before
        anything changes. V(true) leaves them in the group of the system, without any request to them, detaches the others,
        and warns. See O(nec.expether.expether_node#module:skip_silent).
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_layout_info
  - module: nec.expether.expether_node
  - module: nec.expether.expether_flavor
"""

EXAMPLES = r"""
- name: Give three servers what they should have, and nothing else
  nec.expether.expether_layout:
    podm: rack1
    purge: true
    nodes:
      - name: train-1
        flavor: gpu-small
      - name: train-2
        properties:
          devices:
            - type: GPU
              count: 2
      - name: storage-1
        node_index: "0x8cdf9d53f236"
        properties:
          pci_device:
            type: [SSD]

- name: Leave one of them as it is, change another one, and release all other nodes
  nec.expether.expether_layout:
    podm: rack1
    nodes:
      - name: storage-1
      - name: train-2
        properties:
          devices:
            - type: GPU
              count: 1
    release_others: true
"""

RETURN = r"""
nodes:
  description:
    - The listed nodes, in the order of the list.
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
released:
  description:
    - The nodes that were released because they are not listed, sorted by name, as they were before.
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
plan:
  description:
    - The changes, step by step. In check mode, the changes that a run would make.
  returned: success, and failure after a change has begun
  type: list
  elements: dict
  contains:
    action:
      description:
        - C(set_group) gives a system its own group id. C(attach) and C(detach) change the group id of a device.
          C(remember) and C(forget) change a node in the registry.
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
        - The name of the node, or the EEM id of a system that is not a node; null for a stranded device.
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
        - The group id before the step; for a node, its state.
      type: str
      sample: '4093'
      returned: always
    to:
      description:
        - The group id after the step; for a node, its state.
      type: str
      sample: '17'
      returned: always
    status:
      description:
        - C(planned) if the step was not tried, C(done), C(undone) if it was done and then undone, or C(failed).
      type: str
      sample: done
      returned: always
reboot_required:
  description:
    - Whether a host must be rebooted before all changes take effect.
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
    candidates:
      description:
        - 'If too few devices or systems were available: for each node that cannot get what it requests, why
          candidates do not fit, for at most four of them.'
      type: dict
      returned: if there are candidates
      sample:
        train-1:
          '0x8cdf9d512932': not responding
"""

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import CONNECT, EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._ansible.suboptions import PROPERTIES
from ansible_collections.nec.expether.plugins.module_utils._modules.layout import run

SPEC = EEM.merged(
    CONNECT,
    ArgSpec(
        {
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str"},
                    "flavor": {"type": "str"},
                    "properties": PROPERTIES,
                    "node_index": {"type": "str", "aliases": ["system", "index"]},
                    "purge": {"type": "bool"},
                },
            },
            "purge": {"type": "bool", "default": False},
            "release_others": {"type": "bool", "default": False},
            "move": {"type": "bool", "default": False},
            "skip_silent": {"type": "bool", "default": False},
        },
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
