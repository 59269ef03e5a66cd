# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the property tests are run: EXPETHER_TEST_EXAMPLES=2000 looks longer than everyday runs do."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "expether",
    max_examples=int(os.environ.get("EXPETHER_TEST_EXAMPLES", "60")),
    deadline=None,  # on a busy machine, a slow example is not a failure
    # Refused plans show nothing about the behaviour of plans, so many examples are skipped.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    database=None,
    print_blob=True,
)
settings.load_profile("expether")
