#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_sync
short_description: Update the registry from the EEMs
version_added: 0.1.0
description:
  - Lists the cards of registered pod managers, in parallel and with one request for each EEM, and stores their devices
    in the registry. The module never changes a card.
  - If an EEM cannot be read, the others are still synchronised, and the task does not fail. The pod manager gets the
    status C(Offline) with the reason, and its stored devices are kept.
  - If an EEM lists less than half of the devices or of the systems that it had, the pod manager gets the status
    C(Degraded) with the numbers. The EEM may have just started.
  - If an EEM lists cards of another registered pod manager, the pod manager gets the status C(Degraded) too, its error and
    a warning name both, and the cards stay with the other one.
  - A device that EEM no longer lists is kept as missing for O(retention) days. If it reappears, it keeps its UUID and
    its history.
  - Several runs at the same time do not disturb each other.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
attributes:
  idempotent:
    details: If EEM reports no differences, only the time of the synchronisation is stored, and C(changed) is false.
options:
  podms:
    description:
      - The names or UUIDs of the pod managers to synchronise. If it is not set, or null, all registered pod managers
        are synchronised. With an empty list none is synchronised, and the task warns about it.
      - O(podm) in C(module_defaults) of the action group also applies to this option, unless it is set. If neither is set,
        nor O(url), the environment variable E(EEM_PODM) selects one pod manager.
    type: list
    elements: str
    aliases: [podm]
  forks:
    description:
      - How many EEMs are read in parallel, from V(1) to V(64).
    type: int
    default: 8
  retention:
    description:
      - How many days a device that EEM no longer lists is kept. The synchronisation that first misses a device never
        drops it, not even with V(0); a later one does.
    type: float
    default: 7
  textfile_dir:
    description:
      - A directory on the host where the module runs. The module writes the file C(expether.prom) there, for the
        textfile collector of Prometheus' node_exporter, with metrics of all registered pod managers. The directory must
        exist.
      - In a directory that belongs to another user, root writes the file with the permissions of that user.
      - The file is not written in check mode.
    type: path
  wait_after_refusal:
    description:
      - For how many seconds credentials that an EEM refused with HTTP 401 are not sent to it again, up to V(86400). EEM's
        servlet container may lock an account after a few refused passwords.
      - Until then, the pod manager is C(Offline), and RV(podms[].error) has the time of the refusal and of the next attempt.
      - Different credentials (a new URL, user name, password or client certificate, or new content of the certificate's
        file) are sent at once.
      - With V(0), EEM is always asked. Set the option in runs that nobody starts by hand. The role
        P(nec.expether.sync#role) sets it to V(900).
    version_added: 1.0.0
    type: int
    default: 0
requirements:
  - prometheus_client, if O(textfile_dir) is set
notes:
  - O(url), O(username) and O(password) are ignored. The registered values are used.
seealso:
  - module: nec.expether.expether_podm
  - module: nec.expether.expether_podm_info
  - module: nec.expether.expether_device_info
"""

EXAMPLES = r"""
- name: Synchronise all pod managers
  nec.expether.expether_sync:
  register: synced

- name: Show the result for each pod manager
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.status }}, {{ item.added }} added, {{ item.missing }} missing {{ item.error or '' }}"
  loop: "{{ synced.podms }}"
  loop_control:
    label: "{{ item.name }}"

- name: Synchronise one pod manager, and keep missing devices for a month
  nec.expether.expether_sync:
    podms: [rack1]
    retention: 30
"""

RETURN = r"""
podms:
  description:
    - The result for each pod manager, sorted by name.
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
        - C(Online); C(Offline) if EEM could not be read; C(Degraded) if EEM lists less than half of the devices
          or of the systems that it had, or cards of another pod manager.
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
        - How many devices changed or reappeared.
      type: int
      sample: 1
      returned: always
    missing:
      description:
        - How many stored devices EEM does not list.
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
        - How many devices match their stored records; if EEM could not be read, how many records were kept.
      type: int
      sample: 11
      returned: always
    seconds:
      description:
        - How long the synchronisation of this pod manager took.
      type: float
      sample: 0.089
      returned: always
    error:
      description:
        - Why the status is not C(Online); null if it is.
      type: str
      sample: 'GET http://eem.example.com:30500/eem/devices/detail: no connection (Connection refused). Is
        EEM running there?'
      returned: always
    retry_at:
      description:
        - When credentials that EEM refused may be sent again, in UTC; null if O(wait_after_refusal) does
          not prevent it.
      type: str
      sample: '2026-05-04T13:11:00Z'
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
            "wait_after_refusal": {"type": "int", "default": 0},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
