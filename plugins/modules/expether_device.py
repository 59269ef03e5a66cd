#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_device
short_description: Set a card's locator LED, or remove a card that is gone
version_added: 0.1.0
description:
  - Turns the locator LED of a device (EEIO) or system (EESV) on or off, and returns its state.
  - With O(state=absent), removes a card that is gone from EEM and from the registry. The task fails for a card that
    still responds or is in use, unless O(force=true) is set.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem
  - nec.expether.eem.connection
  - nec.expether.eem.card
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  uid_led:
    description:
      - The desired state of the locator LED. If it is not set, the LED is only read. The LED of a card that does not
        respond is not read.
      - Cannot be used with O(state=absent).
    type: str
    choices: ['on', 'off']
  state:
    description:
      - V(present) expects a card that EEM lists.
      - V(absent) removes the card from EEM. If EEM does not list the card, its missing device is removed from the
        registry only.
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - With O(state=absent), also removes a card that still responds, is disabled, or is a node, and a system that
        still has devices in its group. These devices remain in the group.
    type: bool
    default: false
notes:
  - The module sends one request to list the cards and one to read the LED. To change the LED, it sends one more, and
    reads the LED again. To remove a card, it sends one request to list the cards, one to remove the card,
    and one to check that it is gone.
seealso:
  - module: nec.expether.expether_device_action
  - module: nec.expether.expether_device_info
  - module: nec.expether.expether_system_info
"""

EXAMPLES = r"""
- name: Turn on the locator LED to find a device in its rack
  nec.expether.expether_device:
    podm: rack1
    device: "0x8cdf9d512930"
    uid_led: "on"

- name: Turn the LED off again
  nec.expether.expether_device:
    podm: rack1
    device: "0x8cdf9d512930"
    uid_led: "off"

- name: Remove a card that was unplugged
  nec.expether.expether_device:
    podm: rack1
    device: "0x8cdf9d512936"
    state: absent
"""

RETURN = r"""
device:
  description:
    - The card; if it was removed, its last state. Null if EEM does not list the card and the registry does
      not have it.
  returned: success
  type: dict
  contains:
    uuid:
      description:
        - The UUID of the device. It is derived from its pod manager and its EEM id. It is null for a system
          (EESV), and so are the type, the state and all other keys that describe a PCI device.
      type: str
      sample: 92b7c2d4-5f3e-5d0c-9a35-5d6b2f0a8c11
      returned: always
    device_id:
      description:
        - The EEM id of the card.
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
        - The EEM id of the system (EESV) that has the device; for a system, its own EEM id.
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    node:
      description:
        - The name of the node that has the device; for a system, the name of its node. Null without a node.
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
        - The group id; 4093 for a free device, 4094 for a system that has no group of its own yet.
      type: str
      sample: '17'
      returned: always
    resource_uri:
      description:
        - The path of the card in EEM's API.
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
    kind:
      description:
        - 'The kind of card: C(eeio) for a device, C(eesv) for a system.'
      type: str
      sample: eeio
      returned: always
    uid_led:
      description:
        - Whether the locator LED is C(on) or C(off); in check mode, what it would be. Null for a card that
          was removed, and if EEM reports neither.
      type: str
      sample: 'on'
      returned: always
plan:
  description:
    - The actions, step by step. In check mode, the actions that a run would take.
  returned: success, and failure after a change has begun
  type: list
  elements: dict
  contains:
    action:
      description:
        - C(uid_led) turns the locator LED on or off. C(forget_card) removes the card from EEM. C(forget)
          removes a device from the registry only. All others are actions of M(nec.expether.expether_device_action).
      type: str
      sample: uid_led
      returned: always
    device:
      description:
        - The EEM id of the device; null if the card is a system.
      type: str
      sample: '0x8cdf9d512930'
      returned: always
    node:
      description:
        - The node that has the device; for a system, its own node. The EEM id of the system if it is not
          a node; null for a device that no system has.
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
        - The previous state. For the LED, C(on) or C(off). For a removed card, C(listed), or C(missing) if
          only the registry had it. For C(forget_port), the EEM id of the device that the port had stored.
          Otherwise null.
      type: str
      sample: 'off'
      returned: always
    to:
      description:
        - The new state of the LED; otherwise null.
      type: str
      sample: 'on'
      returned: always
    status:
      description:
        - C(planned) if the step was not tried, C(done), or C(failed).
      type: str
      sample: done
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

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import CARD, EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._modules.device import run

SPEC = EEM.merged(
    CARD,
    ArgSpec(
        {
            "uid_led": {"type": "str", "choices": ["on", "off"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force": {"type": "bool", "default": False},
        },
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
