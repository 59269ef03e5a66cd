#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_podm_info
short_description: List pod managers
version_added: 0.1.0
description:
  - Lists the registered pod managers, with their stored or their current status.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.info
options:
  name:
    description:
      - Only pod managers with these names or UUIDs. An empty list selects no pod manager.
      - O(podm) in C(module_defaults) of the action group also applies to this option, unless it is set. If neither is set,
        nor O(url), the environment variable E(EEM_PODM) selects one pod manager.
    type: list
    elements: str
    aliases: [podm]
  source:
    description:
      - V(registry) lists what the registry stores, and asks no EEM.
      - V(live) asks all EEMs now, in parallel. What they report is not stored.
    version_added: 1.0.0
    type: str
    choices: [registry, live]
    default: registry
  check:
    description:
      - V(true) is the same as O(source=live).
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_podm
"""

EXAMPLES = r"""
- name: List all pod managers
  nec.expether.expether_podm_info:
  register: all_podms

- name: Check whether a pod manager responds now
  nec.expether.expether_podm_info:
    name: rack1
    check: true
  register: rack1
"""

RETURN = r"""
podms:
  description:
    - The pod managers, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description:
        - The UUID of the pod manager. It is derived from its name.
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
    driver:
      description:
        - Always C(expether).
      type: str
      sample: expether
      returned: always
    username:
      description:
        - The user name.
      type: str
      sample: admin
      returned: always
    description:
      description:
        - Free-text description.
      type: str
      sample: GPUs of hall 2
      returned: always
    location:
      description:
        - Free-text location.
      type: str
      sample: Hall 2, rack 14
      returned: always
    connection:
      description:
        - The registered connection options. C(ca_path) may be the PEM text of certificates; a diff shows
          their fingerprints instead.
      type: dict
      sample:
        validate_certs: true
        ca_path: /etc/expether/ca.pem
        client_cert: /etc/expether/client.pem
        client_key: /etc/expether/client.key
        timeout: 30.0
        retries: 3
        conditional_updates: true
      returned: always
    status:
      description:
        - C(Online); C(Offline) if the last request failed; C(Degraded) if EEM lists less than half of the
          devices or systems that it had, or cards of another pod manager; C(Unknown) if EEM was not asked
          yet.
      type: str
      sample: Online
      returned: always
    api_version:
      description:
        - The version of the EEM's API.
      type: str
      sample: v1.0.8
      returned: always
    last_sync:
      description:
        - When its devices were last synchronised, in UTC.
      type: str
      sample: '2026-11-24T02:00:18Z'
      returned: always
    last_error:
      description:
        - Why the status is not C(Online); null if it is.
      type: str
      sample: 'GET http://eem.example.com:30500/eem/devices/detail: no connection (Connection refused). Is
        EEM running there?'
      returned: always
    systems:
      description:
        - How many systems (EESV) EEM listed at the last synchronisation.
      type: int
      sample: 4
      returned: always
    free_slots:
      description:
        - How many more devices these systems could take at that time.
      type: int
      sample: 52
      returned: always
    created_at:
      description:
        - When it was registered, in UTC.
      type: str
      sample: '2026-11-24T02:00:18Z'
      returned: always
    updated_at:
      description:
        - When its registration last changed, in UTC.
      type: str
      sample: '2026-11-24T02:00:18Z'
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
from ansible_collections.nec.expether.plugins.module_utils._modules.podm_info import run

SPEC = UNUSED_CONNECTION.merged(
    ArgSpec(
        {
            "name": {"type": "list", "elements": "str", "aliases": ["podm"]},
            "source": {"type": "str", "choices": ["registry", "live"], "default": "registry"},
            "check": {"type": "bool", "default": False},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run, changes=False)


if __name__ == "__main__":
    main()
