# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the Python that runs a module is new enough. Private to the collection.

Every module imports `argspec` first, which calls this: an older Python cannot import the rest of the library. Therefore
the modules, `argspec` and this file are written in Python 3.6, the oldest Python 3 with which ansible-core 2.16 runs
modules: `from __future__ import annotations` would be a syntax error.
"""

import sys

from ansible.module_utils.basic import AnsibleModule

OLDEST = (3, 9)


def refuse_old_python() -> None:
    """End the module with a sentence if its Python is too old."""
    if sys.version_info >= OLDEST:
        return
    message = (
        "nec.expether needs Python {}.{} or later on the host where it runs; {} is Python {}.{}.{}. Set"
        " ansible_python_interpreter to a newer one."
    ).format(*OLDEST, sys.executable, *sys.version_info[:3])
    failure = {"kind": "missing_library", "code": None, "http_status": None, "message": message, "url": None}

    class TooOld(AnsibleModule):  # type: ignore[misc]
        """Always fails: it declares no options, so Ansible rejects all that are set."""

        def fail_json(self, msg: str, **dummy: object) -> None:
            self.params: dict[str, object] = {}  # they may contain passwords
            super().fail_json(message, failure=failure)

    TooOld(argument_spec={}, supports_check_mode=True).fail_json(message)
