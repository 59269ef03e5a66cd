# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests run playbooks on this machine."""

from __future__ import annotations

import sys

#: ansible-playbook with this machine as its only host; arguments follow.
ON_LOCALHOST = (sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local")
#: Has modules run with the Python that runs the tests.
SAME_PYTHON = f"--extra-vars=ansible_python_interpreter={sys.executable}"
