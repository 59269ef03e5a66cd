# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that locate the registry of pod managers, nodes, devices and flavors."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of all modules that use the registry."""

    DOCUMENTATION = r"""
options:
  registry:
    description:
      - Where pod managers, nodes, devices and flavors are stored. V(sqlite:///PATH) is an SQLite file on the host where
        the module runs. It is created on the first write.
      - The path must be absolute or start with V(~/). V(~) and environment variables are expanded, as in
        O(registry_key_file).
      - It must be a regular file that only its owner can read and write. A symbolic link to such a file is allowed.
      - If the directory, or a directory or link on the path to it, belongs to another user, root reads and writes the
        file with the permissions of that user. Root refuses to use a directory in which other users can write.
      - V(postgresql://USER@HOST1,HOST2/DATABASE) is a PostgreSQL database, for several controllers and for jobs in
        containers, with the parameters, environment variables (E(PGPASSWORD), E(PGSSLROOTCERT), ...) and password file of
        libpq. The URL must not contain a password. The first write creates the tables in the PostgreSQL schema C(nec_expether). See the guide
        R(Registries for several controllers,ansible_collections.nec.expether.docsite.guide_registries).
      - V(etcd://HOST1:PORT,HOST2:PORT/PREFIX) is a registry in etcd 3.4 or later, V(etcds://USER@HOST1,HOST2/PREFIX) one
        with TLS and a user. The parameters C(ca), C(cert), C(key) and C(passfile) are paths of files. What the URL does not
        have comes from the environment variables of C(etcdctl), such as E(ETCDCTL_CACERT) and E(ETCDCTL_PASSWORD). The
        URL must not contain a password. The same guide describes it.
      - If it is not set, the environment variable E(EXPETHER_REGISTRY) is used, otherwise
        V(sqlite:////var/lib/expether/registry.sqlite3) for root and
        V(sqlite:///~/.local/state/expether/registry.sqlite3) for other users.
      - In a container that lives only for a job (AWX, Kubernetes, Podman, Docker), it must be set for everything that must
        be stored, because the default one is gone when the job ends.
    type: str
  registry_key_file:
    description:
      - The file with the key that encrypts the passwords in the registry. It is created when it is first needed, and
        only its owner can read it. The rules for path, mode and directory of O(registry) also apply to this file.
      - If it is not set, the environment variable E(EXPETHER_REGISTRY_KEY_FILE) is used, otherwise the path of the
        SQLite file with the suffix C(.key). PostgreSQL and etcd have no default, and the file is not created for them,
        because all hosts that use the registry need the same file.
      - While the key is replaced, the file has several keys, each in a line of its own. The first one encrypts, and all of
        them decrypt.
    type: path
requirements:
  - python >= 3.9
  - cryptography, if a password is stored
  - psycopg 3, if O(registry) is a PostgreSQL database
"""
