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
      - If it is not set, the environment variable E(EXPETHER_REGISTRY) is used, or else
        V(sqlite:////var/lib/expether/registry.sqlite3) for root and
        V(sqlite:///~/.local/state/expether/registry.sqlite3) for other users.
    type: str
  registry_key_file:
    description:
      - The file with the key that the passwords in the registry are encrypted with. It is made, readable by its owner
        only, when it is first needed.
      - If it is not set, the environment variable E(EXPETHER_REGISTRY_KEY_FILE) is used, or else the path of the SQLite
        file with C(.key) at its end.
    type: path
requirements:
  - python >= 3.9
  - cryptography, where a password is remembered
"""
