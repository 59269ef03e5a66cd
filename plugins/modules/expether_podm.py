#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_podm
short_description: Register an EEM as a pod manager
version_added: 0.1.0
description:
  - Registers an EEM (ExpressEther Manager) under a name. The module first asks EEM for its API version, and then stores
    its devices in the registry.
  - Names are unique. An EEM that lists cards of another registered pod manager is refused, whatever its URL.
  - If the pod manager is already registered with the same options, EEM is not asked.
  - The connection options (certificates, O(timeout), O(retries), O(conditional_updates)) are stored with the pod
    manager. The password is stored encrypted.
  - The environment variables E(EEM_CA_PATH), E(EEM_CLIENT_CERT), E(EEM_CLIENT_KEY) and E(EEM_VALIDATE_CERTS) are used
    but not stored, because they belong to the host where the module runs. The others are stored when a pod manager is
    registered, and have no effect on a registered one.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.eem.not_needed
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  name:
    description:
      - The name of the pod manager. A registered one can also be identified by its UUID. Names are case-insensitive.
    type: str
    required: true
  url:
    description:
      - Required to register a pod manager, here or in the environment variable E(EEM_URL). This option also changes the
        URL of a registered pod manager, for example after its EEM has moved; the environment variable does not.
  description:
    description:
      - Free-text description. V("") removes it. Null means not set.
    type: str
  location:
    description:
      - Free-text location. V("") removes it. Null means not set.
    type: str
  state:
    description:
      - V(present) registers the pod manager, or updates its registration.
      - V(absent) removes it and its devices from the registry. A pod manager that has nodes is only removed with
        O(cascade=true).
    type: str
    choices: [present, absent]
    default: present
  sync:
    description:
      - Whether to store EEM's devices in the registry when it is registered.
    type: bool
    default: true
  cascade:
    description:
      - With O(state=absent), first releases all nodes of the pod manager. Their devices are detached.
    type: bool
    default: false
  skip_silent:
    description:
      - What O(cascade=true) does with devices of nodes that do not respond. V(false) rejects the task before anything
        changes. V(true) leaves them in the groups of their systems, without any request to them, detaches the others, and warns.
    version_added: 1.0.0
    type: bool
    default: false
seealso:
  - module: nec.expether.expether_podm_info
"""

EXAMPLES = r"""
- name: Register an EEM
  nec.expether.expether_podm:
    name: rack1
    url: http://eem.example.com:30500/eem
    username: admin
    password: "{{ eem_password }}"
    location: Hall 2, rack 14

- name: Release all nodes of a pod manager, and remove it
  nec.expether.expether_podm:
    name: rack1
    state: absent
    cascade: true
"""

RETURN = r"""
podm:
  description:
    - The pod manager; if it was removed, its last state.
  returned: success
  type: dict
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
plan:
  description:
    - With O(cascade=true), the changes of the removal, step by step.
  returned: O(state=absent), and failure after a change has begun
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

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import UNUSED_EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._modules.podm import run

SPEC = UNUSED_EEM.merged(
    ArgSpec(
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "location": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "sync": {"type": "bool", "default": True},
            "cascade": {"type": "bool", "default": False},
            "skip_silent": {"type": "bool", "default": False},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run, stored=True)


if __name__ == "__main__":
    main()
