# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attributes that modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of all modules."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode. The result shows what a run would change, and nothing is changed.
  diff_mode:
    description: Shows the changes in diff mode.
  idempotent:
    description: Running the task again with the same options changes nothing.
  action_group:
    description: Use C(group/nec.expether.expether) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - nec.expether.expether
"""

    # For modules that change something.
    CHANGES = r"""
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

    # For modules that act on every run.
    ACTIONS = r"""
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: The action is carried out, and reported as a change, on every run. Only O(action=forget_port) is
      idempotent.
"""

    # For modules that only list.
    INFO = r"""
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: The module changes nothing.
  idempotent:
    support: full
"""
