# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the registry that run on each back end; all others run on SQLite."""

from __future__ import annotations

import pytest

BACK_ENDS = ("sqlite", "postgresql", "etcd")

on_each_back_end = pytest.mark.parametrize("back_end", BACK_ENDS, indirect=True)
on_postgresql = pytest.mark.parametrize("back_end", ["postgresql"], indirect=True)
on_etcd = pytest.mark.parametrize("back_end", ["etcd"], indirect=True)
