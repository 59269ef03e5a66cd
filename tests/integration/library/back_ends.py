# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the registry that run on each back end; all others run on SQLite."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._registry.records import RegisteredUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry

BACK_ENDS = ("sqlite", "postgresql", "etcd")

on_each_back_end = pytest.mark.parametrize("back_end", BACK_ENDS, indirect=True)
on_postgresql = pytest.mark.parametrize("back_end", ["postgresql"], indirect=True)
on_etcd = pytest.mark.parametrize("back_end", ["etcd"], indirect=True)


def urls_in(registry: Registry) -> dict[str, str]:
    """The pod managers of the registered URLs, by the UUIDs of the URLs."""
    return {url.uuid: url.podm_id for url in registry.all(RegisteredUrl)}
