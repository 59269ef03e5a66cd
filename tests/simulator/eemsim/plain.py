# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain fleet for tests: all cards are healthy, and all devices are free."""

from __future__ import annotations

import random

from . import catalogue
from .cards import HIGHEST, UNSET, Record

FIRST_GROUP = 17


def fleet(eesvs: int, eeios: int, seed: int, rng: random.Random, no_group: int = 0) -> list[Record]:
    """40G EESVs with group ids from 17 up, except for the last `no_group` EESVs; then GPU, SSD and NIC in turn."""
    records = []
    for index in range(eesvs):
        own = index < eesvs - no_group and FIRST_GROUP + index <= HIGHEST
        records.append(catalogue.eesv(index, seed, rng, group=str(FIRST_GROUP + index) if own else UNSET))
    for index in range(eeios):
        kind = ("gpu", "ssd", "nic")[index % 3]
        records.append(catalogue.eeio(index, seed, rng, kind, choice=index // 3))
    return records
