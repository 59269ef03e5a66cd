# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules support, in one text."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of all modules."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode, tells truly what a run would change, and changes nothing.
  diff_mode:
    description: Shows in diff mode what is changed.
  idempotent:
    description: Run again with the same options, it changes nothing more.
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

    # For modules that do something each time.
    ACTIONS = r"""
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: What is asked is done each time, and is a change each time. Only O(action=forget_port) is idempotent.
"""

    # For modules that only list.
    INFO = r"""
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
"""
