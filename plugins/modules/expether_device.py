#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_device
short_description: Light a card's locator LED, or forget a card that is gone
version_added: 0.1.0
description:
  - Turns the locator LED of any card on or off, of a device (EEIO) as of a system (EESV), and tells what it is.
  - With O(state=absent) EEM forgets a card that is gone, and so does the registry. A card that is still there or in
    use is refused, unless O(force) is said.
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
      - Whether the locator LED is on. It is changed only if it is not so already. Without this option it is only read.
      - Not with O(state=absent).
    type: str
    choices: ['on', 'off']
  state:
    description:
      - V(present) is for a card that EEM lists.
      - V(absent) has EEM forget a card. One that EEM does not list is forgotten in the registry only, where it is
        remembered as missing.
    type: str
    choices: [present, absent]
    default: present
  force:
    description:
      - With O(state=absent), forgets also a card that still answers, that is not enabled, that is a node, or that has
        devices in its group, which stay behind in it.
    type: bool
    default: false
notes:
  - It takes one request to list the cards, one to read the LED and one to change it; to forget a card one to list
    them and one to forget it.
seealso:
  - module: nec.expether.expether_device_action
  - module: nec.expether.expether_device_info
  - module: nec.expether.expether_system_info
"""

EXAMPLES = r"""
- name: Light the locator LED of a device that is to be found in its rack
  nec.expether.expether_device:
    podm: rack1
    device: "0x8cdf9d512930"
    uid_led: "on"

- name: Turn it off again
  nec.expether.expether_device:
    podm: rack1
    device: "0x8cdf9d512930"
    uid_led: "off"

- name: Forget a card that was pulled out
  nec.expether.expether_device:
    podm: rack1
    device: "0x8cdf9d512936"
    state: absent
"""

RETURN = r"""
device:
  description:
    - The card; as it was if it was forgotten; null if EEM does not list it and the registry does not remember it.
  returned: success
  type: dict
  contains:
    uuid:
      description:
        - The UUID of the device. It is derived from its pod manager and its EEM id. It is null for a system (EESV),
          as are its type, its state and all that only a PCI device has.
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
        - 'What the device is: SSD, NIC, GPU, Multi, SWITCH, USB, ACS or Unknown; null if it tells no class code.'
      type: str
      sample: GPU
      returned: always
    state:
      description:
        - C(free), C(allocated) to a system, or C(stranded) in a group that no system has.
      type: str
      sample: allocated
      returned: always
    node_id:
      description:
        - The EEM id of the system (EESV) that has the device, or that the card is.
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    node:
      description:
        - The name of the node that has the device, or that the system is; null if there is none.
      type: str
      sample: train-1
      returned: always
    pooled_group_id:
      description:
        - The group id; 4093 for a free device, 4094 for a system that has none of its own yet.
      type: str
      sample: '17'
      returned: always
    resource_uri:
      description:
        - The path of the card at the EEM.
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
    power_state:
      description:
        - The power state as the card tells it.
      type: str
      sample: 'on'
      returned: always
    updated_at:
      description:
        - When the card changed last, in UTC.
      type: str
      sample: '2021-11-16T16:08:52.401Z'
      returned: always
    first_seen_at:
      description:
        - When the device was first stored, in UTC; null if it was not read from the registry.
      type: str
      sample: '2026-11-24T02:00:18Z'
      returned: always
    last_seen_at:
      description:
        - When its EEM last listed the device, in UTC; null if it was not read from the registry.
      type: str
      sample: '2026-11-25T08:15:02Z'
      returned: always
    missing_since:
      description:
        - Since when EEM no longer lists a stored device, in UTC; null if it lists it.
      type: str
      sample: '2026-11-25T08:20:02Z'
      returned: always
    synced_at:
      description:
        - When its EEM was last asked, in UTC; null if the device was not read from the registry.
      type: str
      sample: '2026-11-25T09:40:02Z'
      returned: always
    kind:
      description:
        - 'What sort of card it is: C(eeio) for a device, C(eesv) for a system.'
      type: str
      sample: eeio
      returned: always
    uid_led:
      description:
        - Whether the locator LED is C(on) or C(off), in check mode what it would be; null for a card that is forgotten,
          and if EEM says neither.
      type: str
      sample: 'on'
      returned: always
plan:
  description:
    - 'What a run does, step by step: in check mode what it would do.'
  returned: success, and failure after a change has begun
  type: list
  elements: dict
  contains:
    action:
      description:
        - C(uid_led) turns the locator LED, C(forget_card) has EEM forget the card, C(forget) only the registry
          a device; the others are the actions of M(nec.expether.expether_device_action).
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
        - The name of the node, or the EEM id of a system that is none, that has the device or that the card is;
          null for a device that no system has.
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
        - Of the LED what it was; of a forgotten card C(listed), or C(missing) if only the registry had it; of a
          forgotten port the EEM id of the device that it remembered; null else.
      type: str
      sample: 'off'
      returned: always
    to:
      description:
        - Of the LED what it is then; null else.
      type: str
      sample: 'on'
      returned: always
    status:
      description:
        - C(planned) if it was not tried, C(done), or C(failed).
      type: str
      sample: done
      returned: always
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
