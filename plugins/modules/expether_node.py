#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_node
short_description: Compose, adopt or release a node
version_added: 0.1.0
description:
  - Composes a node. The module chooses a system (EESV) and free devices (EEIO) that match the request, and attaches the
    devices to the system.
  - A system is a candidate if it responds, is enabled, is not a node and has enough free slots for the whole request.
    Systems that already have a group id of their own come first, because they need no reboot, then systems without
    devices, then systems with more free slots, then the lowest id.
  - If the chosen system already has devices, they count towards the request, belong to the node, and are detached when
    the node is released. Adopt systems that are already in use with O(state=managed) first.
  - A device is a candidate if it is free, responds, is enabled and matches. The lowest id comes first. Devices that the
    node already has count towards the request.
  - Requests that cannot be met are rejected, with reasons, before anything changes. If a step fails, earlier steps are
    undone.
  - The module never powers or reboots a host and never rescans its PCI bus. It warns if a host needs a reboot or a
    rescan to see its devices.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.eem.connect
  - nec.expether.properties
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  name:
    description:
      - The name of the node. An existing node can also be identified by its UUID or by the EEM id of its system.
      - Set this, O(node_index) or both. If it is not set, the EEM id of the system (O(node_index)) is used as the name.
    type: str
  flavor:
    description:
      - The name or UUID of a flavor that describes the devices of the node. Mutually exclusive with O(properties).
    type: str
  node_index:
    description:
      - The EEM id of the system to use for the node, for example V(0x8cdf9d53f236). Required to adopt a system with
        O(state=managed).
    type: str
    aliases: [system, index]
  purge:
    description:
      - With O(state=present), detaches devices of the node that are not part of the request.
    type: bool
    default: false
  skip_silent:
    description:
      - What O(state=absent) and O(purge=true) do with devices that do not respond. EEM may refuse to change them, and NEC's
        own program does not try. V(false) rejects the task before anything changes. V(true) leaves them in the group of
        the system, without any request to them, detaches the others, and warns.
      - The registry keeps a device that a released node has left behind as C(stranded), with the name of the node as
        C(last_node), until it responds, its group changes, or its system is a node again. It uses a slot of the system.
    version_added: 1.0.0
    type: bool
    default: false
  replace_silent:
    description:
      - With O(state=present), devices of the node that do not respond do not count towards the request. Free devices are
        attached in their place. As the last step, EEM is asked to detach those that were replaced. If EEM refuses or does
        not respond in time, the task still succeeds, with a warning, and they stay in the group of the system and use slots.
      - Other devices of the node that do not respond are left alone, also with O(purge=true).
      - With V(false), such devices count, and the task warns that the node has less than was requested.
    version_added: 1.0.0
    type: bool
    default: false
  state:
    description:
      - V(present) composes the node, or adds the requested devices that an existing node lacks. A new node requires
        O(flavor) or O(properties).
      - V(managed) adopts a system with its current devices.
      - V(absent) releases the node. All its devices are detached, and the node is removed from the registry.
    type: str
    choices: [present, managed, absent]
    default: present
  detach_devices:
    description:
      - With O(state=absent), V(false) only removes the node from the registry. Its devices remain attached, and EEM is
        not asked.
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

- name: Compose a node from properties, and detach all other devices
  nec.expether.expether_node:
    podm: rack1
    name: train-2
    properties:
      devices:
        - type: GPU
          count: 2
        - type: SSD
    purge: true

- name: Adopt a system with its current devices
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
    - The node; if it was released, its last state. Null if it did not exist.
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
        - 'If too few devices or systems were available: why each candidate does not fit.'
      type: dict
      returned: if there are candidates
      sample:
        '0x8cdf9d512932': not responding
"""

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import CONNECT, EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._ansible.suboptions import PROPERTIES
from ansible_collections.nec.expether.plugins.module_utils._modules.node import run

SPEC = EEM.merged(
    CONNECT,
    ArgSpec(
        {
            "name": {"type": "str"},
            "flavor": {"type": "str"},
            "properties": PROPERTIES,
            "node_index": {"type": "str", "aliases": ["system", "index"]},
            "purge": {"type": "bool", "default": False},
            "skip_silent": {"type": "bool", "default": False},
            "replace_silent": {"type": "bool", "default": False},
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
