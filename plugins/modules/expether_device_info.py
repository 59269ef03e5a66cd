#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_device_info
short_description: List devices
version_added: 0.1.0
description:
  - Lists devices (EEIO), either as EEM reports them now or as stored in the registry.
  - Without O(podm) and O(url), lists the devices of all registered pod managers, which are read in parallel. If one
    cannot be read, it is listed in RV(errors), and the devices of the others are still returned.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.info
options:
  devices:
    description:
      - Only devices with these EEM ids or UUIDs. An empty list selects no device.
    type: list
    elements: str
    aliases: [device]
  type:
    description:
      - Only devices of these types, which may be written in any case.
    type: list
    elements: str
    choices: [SSD, NIC, GPU, Multi, SWITCH, USB, ACS, Unknown]
  state:
    description:
      - Only devices in these states. A V(free) device is not attached, an V(allocated) device is attached to a system,
        and a V(stranded) device is in a group that no system has.
    type: list
    elements: str
    choices: [free, allocated, stranded]
  node:
    description:
      - Only devices of this node (name, UUID or EEM id) or system (EEM id).
    type: str
  source:
    description:
      - V(live) reads the devices from EEM. V(registry) lists the devices stored by the last synchronisation and by
        other tasks, without asking EEM. With O(url), V(registry) lists the devices of the pod manager that is
        registered with this URL.
    type: str
    choices: [live, registry]
    default: live
seealso:
  - module: nec.expether.expether_device_attach
"""

EXAMPLES = r"""
- name: List the free GPUs of all pod managers
  nec.expether.expether_device_info:
    type: GPU
    state: free
  register: free_gpus

- name: List the devices of one node
  nec.expether.expether_device_info:
    podm: rack1
    node: train-1
  register: train_1
"""

RETURN = r"""
devices:
  description:
    - The devices, sorted by pod manager and id.
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
from ansible_collections.nec.expether.plugins.module_utils._model.cards import TYPE_NAMES
from ansible_collections.nec.expether.plugins.module_utils._modules.info import run_devices

SPEC = EEM.merged(
    ArgSpec(
        {
            "devices": {"type": "list", "elements": "str", "aliases": ["device"]},
            "type": {"type": "list", "elements": "str", "choices": list(TYPE_NAMES)},
            "state": {"type": "list", "elements": "str", "choices": ["free", "allocated", "stranded"]},
            "node": {"type": "str"},
            "source": {"type": "str", "choices": ["live", "registry"], "default": "live"},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run_devices, changes=False)


if __name__ == "__main__":
    main()
