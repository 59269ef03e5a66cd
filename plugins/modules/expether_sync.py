#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: expether_sync
short_description: Bring the registry to what the EEMs say
version_added: 0.1.0
description:
  - Asks the EEMs of registered pod managers for all their cards, side by side and with one request each, and remembers
    their devices. No card is changed.
  - An EEM that cannot be asked, or whose answer cannot be read, does not stop the others and does not fail the task. It
    is marked as C(Offline) with the reason, and its devices stay as they are remembered.
  - An EEM that lists less than half of the devices or of the systems that it had is marked as C(Degraded) with the
    numbers. It may have just started.
  - A device that its EEM does not list any more is remembered as missing for the O(retention). One that comes back has
    its UUID and its history.
  - Two runs at once do no harm.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
attributes:
  idempotent:
    details: When nothing changed at an EEM, only the time at which it was asked is written, and C(changed) is false.
options:
  podms:
    description:
      - The names or UUIDs of the pod managers to synchronise. All registered ones if it is not set, or null. With an empty list
        none is synchronised, with a warning.
      - O(podm) in C(module_defaults) of the action group holds for this option too, where it is not set.
    type: list
    elements: str
    aliases: [podm]
  forks:
    description:
      - How many EEMs are asked at once, from V(1) to V(64).
    type: int
    default: 8
  retention:
    description:
      - For how many days a device that its EEM does not list any more is remembered. It is dropped by a later
        synchronisation than the one that missed it first, also with V(0).
    type: float
    default: 7
  textfile_dir:
    description:
      - A folder, on the host where the module runs, in which the file C(expether.prom) is written for the textfile
        collector of Prometheus' node_exporter. It tells what is remembered of all pod managers. The folder must exist.
      - In a folder that belongs to another user, root writes it with the rights of that user.
      - It is not written in check mode.
    type: path
requirements:
  - prometheus_client, where O(textfile_dir) is set
notes:
  - O(url), O(username) and O(password) are not used. Those that were registered are.
seealso:
  - module: nec.expether.expether_podm
  - module: nec.expether.expether_podm_info
  - module: nec.expether.expether_device_info
"""

EXAMPLES = r"""
- name: Synchronise all pod managers
  nec.expether.expether_sync:
  register: synced

- name: Tell what became of each
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.status }}, {{ item.added }} added, {{ item.missing }} missing {{ item.error or '' }}"
  loop: "{{ synced.podms }}"
  loop_control:
    label: "{{ item.name }}"

- name: Synchronise one, and keep what it does not list any more for a month
  nec.expether.expether_sync:
    podms: [rack1]
    retention: 30
"""

RETURN = r"""
podms:
  description:
    - What came of each pod manager, in the order of their names.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description:
        - The UUID of the pod manager.
      type: str
      sample: 97e8edc4-3a67-5a91-b64c-a0c88adb58e9
      returned: always
    name:
      description:
        - The name of the pod manager.
      type: str
      sample: rack1
      returned: always
    url:
      description:
        - The base URL of the EEM.
      type: str
      sample: http://eem.example.com:30500/eem
      returned: always
    status:
      description:
        - C(Online); C(Offline) if it could not be asked; C(Degraded) if it lists less than half of the devices
          or of the systems that it had.
      type: str
      sample: Online
      returned: always
    added:
      description:
        - How many devices are new.
      type: int
      sample: 0
      returned: always
    updated:
      description:
        - How many devices changed or came back.
      type: int
      sample: 1
      returned: always
    missing:
      description:
        - How many devices the EEM does not list, now or for some time, and that are kept.
      type: int
      sample: 0
      returned: always
    removed:
      description:
        - How many missing devices were dropped after the retention.
      type: int
      sample: 0
      returned: always
    unchanged:
      description:
        - How many devices are as they were remembered; of an EEM that could not be asked, how many were kept.
      type: int
      sample: 11
      returned: always
    seconds:
      description:
        - How long the pod manager took.
      type: float
      sample: 0.089
      returned: always
    error:
      description:
        - Why it is not C(Online); null if it is.
      type: str
      sample: 'GET http://eem.example.com:30500/eem/devices/detail: no connection (Connection refused). Is EEM running
        there?'
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

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import UNUSED_CONNECTION, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._modules.sync import run

SPEC = UNUSED_CONNECTION.merged(
    ArgSpec(
        {
            "podms": {"type": "list", "elements": "str", "aliases": ["podm"]},
            "forks": {"type": "int", "default": 8},
            "retention": {"type": "float", "default": 7},
            "textfile_dir": {"type": "path"},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
