#!/usr/bin/python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: expether_registry
short_description: Copy a registry, or replace its key
version_added: 1.0.0
description:
  - Copies the content of one registry into another one, for example from a file into PostgreSQL or etcd, in one
    transaction, so that everything is copied or nothing. Then it reads back what it has written.
  - Pod managers, nodes, devices and flavors are copied. Passwords are encrypted with the key of the registry into which
    they are copied. Claims of runs are not copied.
  - A registry that a run uses to change cards is refused, whether it is copied from or to. Let no task use either of them
    until the copy has ended and all controllers use the new one.
  - It also imports what OpenStack Valence stored in etcd.
  - It also encrypts the stored passwords again when the key is replaced.
author:
  - nec.expether contributors (@nec-expether)
extends_documentation_fragment:
  - nec.expether.eem.connection
  - nec.expether.eem.not_needed
  - nec.expether.registry
  - nec.expether.attributes
  - nec.expether.attributes.changes
options:
  copy_from:
    description:
      - The registry that is copied, as a URL like O(registry). It is only read. O(registry) is the one into which it is
        copied. Two URLs of one registry are refused. A change of it during the copy gives a warning.
      - A registry that an earlier version of the collection wrote is copied in today's form.
      - Exactly one of O(copy_from), O(valence_dump) and O(reencrypt) must be set.
    type: str
  copy_from_key_file:
    description:
      - The file with the key of the passwords in O(copy_from). The default for an SQLite file is its path with the suffix
        C(.key). The environment variable E(EXPETHER_REGISTRY_KEY_FILE) is only used for O(registry).
    type: path
  valence_dump:
    description:
      - A file with a dump of the etcd of OpenStack Valence, on the host where the module runs. Its pod managers with the
        driver C(expether), their nodes, and the flavors that request devices are added to O(registry). Their UUIDs are
        derived from their names, and differ from Valence's. The guide
        R(Coming from OpenStack Valence,ansible_collections.nec.expether.docsite.guide_valence) has the commands.
      - The file has passwords as plain text. Remove it afterwards.
      - Nodes are added as V(managed). No EEM is asked.
    type: path
  merge:
    description:
      - Whether something may be added to a O(registry) that is not empty. If not, only an empty one is accepted, or one
        that has everything already, so that the same task again changes nothing.
      - With V(true), what it does not have is added, and nothing that it has is changed. What is in both must be the same,
        as far as users set it; otherwise nothing is copied. The devices of a pod manager that is in both stay as they
        are; a synchronisation updates them.
    type: bool
    default: false
  reencrypt:
    description:
      - Whether to encrypt all passwords in O(registry) again with the first key in O(registry_key_file). The file may have
        several keys, each in a line of its own. The first one encrypts, and all of them decrypt. So a key can be replaced
        while tasks run, see R(Registries for several controllers,ansible_collections.nec.expether.docsite.guide_registries).
    type: bool
    default: false
seealso:
  - ref: ansible_collections.nec.expether.docsite.guide_registries
    description: Registries for several controllers
"""

EXAMPLES = r"""
- name: Move from a file to PostgreSQL
  nec.expether.expether_registry:
    copy_from: sqlite:////var/lib/expether/registry.sqlite3
    registry: postgresql://expether@db1.example.com/expether
    registry_key_file: /etc/expether/registry.key

- name: Add the content of a database to a registry in etcd, which may have content already
  nec.expether.expether_registry:
    copy_from: postgresql://expether@db1.example.com/expether
    copy_from_key_file: /etc/expether/registry.key
    registry: etcds://expether@etcd1.example.com,etcd2.example.com/expether
    registry_key_file: /etc/expether/etcd.key
    merge: true

- name: Encrypt all passwords with the first key in the key file
  nec.expether.expether_registry:
    reencrypt: true
"""

RETURN = r"""
copied:
  description:
    - 'What was copied, or would be in check mode, by C(pod_managers), C(nodes), C(devices) and C(flavors):
      how many were added (C(added)), and how many were kept as they are, because the registry has them already
      (C(kept)).'
  returned: with O(copy_from) or O(valence_dump)
  type: dict
  sample:
    pod_managers:
      added: 2
      kept: 0
    nodes:
      added: 5
      kept: 0
    devices:
      added: 160
      kept: 0
    flavors:
      added: 3
      kept: 1
left_out:
  description:
    - What Valence has and cannot be taken over as it is, in sentences.
  returned: with O(valence_dump)
  type: list
  elements: str
  sample:
    - Pod manager rsd1 has another driver than expether.
reencrypted:
  description:
    - The pod managers whose passwords were encrypted again, or would be in check mode.
  returned: with O(reencrypt)
  type: list
  elements: str
  sample:
    - rack1
kept:
  description:
    - The pod managers whose passwords had the first key already.
  returned: with O(reencrypt)
  type: list
  elements: str
  sample:
    - rack2
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

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import UNUSED_EEM, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import run_module
from ansible_collections.nec.expether.plugins.module_utils._modules.registry import run

SPEC = UNUSED_EEM.merged(
    ArgSpec(
        {
            "copy_from": {"type": "str"},
            "copy_from_key_file": {"type": "path", "no_log": False},
            "valence_dump": {"type": "path"},
            "merge": {"type": "bool", "default": False},
            "reencrypt": {"type": "bool", "default": False},
        }
    ),
)


def main() -> None:
    """Run the module."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
