# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where pod managers, nodes, devices and flavors are remembered."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of all modules that remember something."""

    DOCUMENTATION = r"""
options:
  registry:
    description:
      - Where pod managers, nodes, devices and flavors are remembered. V(sqlite:///PATH) is an SQLite file on the host
        where the module runs; it is made when it is first written.
      - The path must be absolute or begin with V(~/). V(~) and environment variables in it are expanded, as in
        O(registry_key_file).
      - The file must be a regular file that only its owner can read and write. A symbolic link to it may be used.
      - In a folder that belongs to another user, or to which such a folder or link leads, root reads and writes the file
        with the rights of that user. Root uses no folder in which users other than root can write.
      - If it is not set, the environment variable E(EXPETHER_REGISTRY) is used, or else
        V(sqlite:////var/lib/expether/registry.sqlite3) for root and
        V(sqlite:///~/.local/state/expether/registry.sqlite3) for other users.
    type: str
  registry_key_file:
    description:
      - The file with the key that the passwords in the registry are encrypted with. It is made, readable by its owner
        only, when it is first needed. The same holds for its path, its mode and its folder as for O(registry).
      - If it is not set, the environment variable E(EXPETHER_REGISTRY_KEY_FILE) is used, or else the path of the SQLite
        file with C(.key) at its end.
    type: path
requirements:
  - python >= 3.9
  - cryptography, where a password is remembered
"""
