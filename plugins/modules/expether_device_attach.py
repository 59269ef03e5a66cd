#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_device_attach
short_description: Attach and detach devices
version_added: 0.1.0
description:
  - Attaches any number of devices (EEIO) to a node or system, or detaches them, in one task. The task checks everything
    before it changes the first device. If a change fails, earlier changes are undone.
  - The module never reboots a host or rescans its PCI bus. The host of a node sees a new device after it has rescanned
    its PCI bus.
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
  node:
    description:
      - The name, UUID or EEM id of a node, or the EEM id of a system that is not a node.
      - Required to attach. With O(state=detached), the devices must belong to this node. If it is not set, devices are
        detached from any node or system, and from a group that no system has. Null means not set.
    type: str
  devices:
    description:
      - The EEM ids or UUIDs of the devices. With an empty list, the task does nothing.
    type: list
    elements: str
    required: true
    aliases: [device, resource_id]
  state:
    description:
      - V(attached) attaches the devices, V(detached) frees them.
      - V(present) is the same as V(attached), V(absent) the same as V(detached).
    type: str
    choices: [attached, detached, present, absent]
    default: attached
  move:
    description:
      - With O(state=attached), also takes devices that belong to another node or system, or are stranded in a group
        that no system has. Otherwise the task fails for such devices.
      - A warning names the node that had a stranded device, if the registry knows it, because its host may still be
        using the device.
    type: bool
    default: false
  skip_silent:
    description:
      - What O(state=detached) does with devices that do not respond. EEM may refuse to change them, and NEC's own program
        does not try. V(false) rejects the task before anything changes. V(true) leaves them where they are, without any
        request to them, detaches the others, and warns.
      - To forget a card that is gone, use M(nec.expether.expether_device) with C(state=absent).
    version_added: 1.0.0
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_device_info
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
- name: Attach two devices
  nec.expether.expether_device_attach:
    podm: rack1
    node: train-1
    devices:
      - "0x8cdf9d512930"
      - "0x8cdf9d512932"

- name: Move a device to another node
  nec.expether.expether_device_attach:
    podm: rack1
    node: train-2
    devices: "0x8cdf9d512932"
    move: true

- name: Detach a device from whichever node has it
  nec.expether.expether_device_attach:
    podm: rack1
    devices: "0x8cdf9d512930"
    state: detached
"""

RETURN = r"""
devices:
  description:
    - The devices of the task.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description:
        - The UUID of the device. It is derived from its pod manager and its EEM id.
      type: str
      sample: 92b7c2d4-5f3e-5d0c-9a35-5d6b2f0a8c11
      returned: always
    device_id:
      description:
        - The EEM id of the device (EEIO).
      type: str
      sample: '0x8cdf9d512930'
      returned: always
    podm_id:
      description:
        - The UUID of the pod manager.
      type: str
      sample: 97e8edc4-3a67-5a91-b64c-a0c88adb58e9
      returned: always
    podm:
      description:
        - The name of the pod manager; null if the EEM is not registered.
      type: str
      sample: rack1
      returned: always
    type:
      description:
        - 'The device type: SSD, NIC, GPU, Multi, SWITCH, USB, ACS or Unknown; null if the card reports no
          class code, and if C(populated) is not true.'
      type: str
      sample: GPU
      returned: always
    state:
      description:
        - 'C(free), C(allocated) to a system, or C(stranded): in a group that no system has, or left behind
          by a released node because it does not respond.'
      type: str
      sample: allocated
      returned: always
    node_id:
      description:
        - The EEM id of the system (EESV) that has the device.
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    node:
      description:
        - The name of the node that has the device; null if its system is not a node.
      type: str
      sample: train-1
      returned: always
    last_node:
      description:
        - The name of the node that had the group of a stranded device; null if the registry does not know
          it, or if the device is not stranded.
      type: str
      sample: train-2
      returned: always
    pooled_group_id:
      description:
        - The group id; 4093 for a free device.
      type: str
      sample: '17'
      returned: always
    resource_uri:
      description:
        - The path of the device in EEM's API.
      type: str
      sample: devices/0x8cdf9d512930
      returned: always
    mac_address:
      description:
        - The MAC address of the card.
      type: str
      sample: 8c:df:9d:51:29:30
      returned: always
    model:
      description:
        - The model of the card or I/O box.
      type: str
      sample: EE I/O Expansion Unit (40G)-2S
      returned: always
    serial_number:
      description:
        - The serial number of the card or I/O box.
      type: str
      sample: 6Z00101
      returned: always
    card_type:
      description:
        - 'The card''s generation: 1g, 10g or 40g.'
      type: str
      sample: 40g
      returned: always
    vendor_id:
      description:
        - The PCI vendor id in 4 hex digits.
      type: str
      sample: 10de
      returned: always
    pci_device_id:
      description:
        - The PCI device id in 4 hex digits.
      type: str
      sample: 1db6
      returned: always
    class_code:
      description:
        - The PCI class code in 6 hex digits.
      type: str
      sample: '030200'
      returned: always
    vendor_name:
      description:
        - The vendor's name in the PCI id list; null without the list.
      type: str
      sample: NVIDIA Corporation
      returned: always
    device_name:
      description:
        - The device's name in the PCI id list; null without the list.
      type: str
      sample: GV100GL [Tesla V100 PCIe 32GB]
      returned: always
    populated:
      description:
        - Whether there is a device in the slot. Null if the card does not report it, and for a system. Unless
          it is true, the type, the PCI ids, the class code and the names are null.
      type: bool
      sample: true
      returned: always
    connected:
      description:
        - Whether the card reports its link to the system as up; false for a device without a system, null
          if the card does not report it. In check mode, what is expected; null if the system would get its
          group id.
      type: bool
      sample: true
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
    power_state:
      description:
        - The power state as reported by the card.
      type: str
      sample: 'on'
      returned: always
    updated_at:
      description:
        - When the card last changed, in UTC.
      type: str
      sample: '2021-11-16T16:08:52.401Z'
      returned: always
    first_seen_at:
      description:
        - When the device was first stored in the registry, in UTC; null if it is not stored.
      type: str
      sample: '2026-11-24T02:00:18Z'
      returned: always
    last_seen_at:
      description:
        - When EEM last listed the device during a synchronisation, in UTC; null if the device is not stored.
      type: str
      sample: '2026-11-25T08:15:02Z'
      returned: always
    missing_since:
      description:
        - Since when EEM has no longer listed the stored device, in UTC; null if EEM lists it.
      type: str
      sample: '2026-11-25T08:20:02Z'
      returned: always
    synced_at:
      description:
        - When the device was last synchronised, in UTC; null if it is not stored.
      type: str
      sample: '2026-11-25T09:40:02Z'
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
from ansible_collections.nec.expether.plugins.module_utils._modules.device_attach import run

SPEC = EEM.merged(
    CONNECT,
    ArgSpec(
        {
            "node": {"type": "str"},
            "devices": {"type": "list", "elements": "str", "required": True, "aliases": ["device", "resource_id"]},
            "state": {"type": "str", "choices": ["attached", "detached", "present", "absent"], "default": "attached"},
            "move": {"type": "bool", "default": False},
            "skip_silent": {"type": "bool", "default": False},
        },
        required_if=(("state", "attached", ("node",)), ("state", "present", ("node",))),
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
