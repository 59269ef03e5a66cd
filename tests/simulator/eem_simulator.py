#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the EEM simulator. Run `python3 tests/simulator/eem_simulator.py --help` for its options; see README.md."""

from __future__ import annotations

import sys

try:
    from eemsim.program import main
except ModuleNotFoundError as exc:
    if exc.name != "aiohttp":
        raise
    sys.exit(
        "eem_simulator.py needs the Python package aiohttp: install it with pip, or python3-aiohttp on Debian and Ubuntu."
    )

if __name__ == "__main__":
    sys.exit(main())
