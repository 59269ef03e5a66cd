# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that run in this process, and a registry in which another connection is quicker."""

from __future__ import annotations

import importlib
import json
import typing as t
from unittest import mock

import pytest
from ansible.module_utils import _internal
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    Change,
    Registry,
    RegistryConflict,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.upgrade import RECORD_TYPES

Result = dict[str, t.Any]
Run = t.Callable[..., Result]
#: What another connection does right before a commit of these changes.
Meanwhile = t.Callable[[Registry, t.Sequence[Change]], None]
ALWAYS = -1


def rewrite(other: Registry, changes: t.Sequence[Change]) -> None:
    """Write the same documents, which get other revisions."""
    types = {record_type.kind(): record_type for record_type in RECORD_TYPES}
    found = [other.get(types[change.kind], change.uuid) for change in changes if change.expected]
    other.commit([put(record) for record in found if record])


class Meddled:
    """A registry in which another connection is quicker."""

    at = 0  # before which commit of the run; ALWAYS for each
    meanwhile: Meanwhile = staticmethod(rewrite)
    commits = 0
    conflicts = 0

    def __init__(self, url: str) -> None:
        self._url = url
        self._registry = open_registry(url)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._registry, name)

    @classmethod
    def begin(cls, at: int, meanwhile: Meanwhile = rewrite) -> None:
        """Count commits anew, and have the other connection act before one of them."""
        cls.at, cls.meanwhile, cls.commits, cls.conflicts = at, staticmethod(meanwhile), 0, 0

    def commit(self, changes: t.Sequence[Change]) -> int:
        Meddled.commits += 1
        if Meddled.at in (Meddled.commits, ALWAYS):
            other = open_registry(self._url)
            Meddled.meanwhile(other, changes)
            other.close()
        try:
            return self._registry.commit(changes)
        except RegistryConflict:
            Meddled.conflicts += 1
            raise


def run_main(capsys: pytest.CaptureFixture[str], module: str, **options: t.Any) -> Result:
    """Run a module's own `main()` in this process, and return its result.

    Ansible keeps the warnings of a process, and does not return them in one that has imported code of the controller, as
    other tests do.
    """
    main = importlib.import_module(f"ansible_collections.nec.expether.plugins.modules.expether_{module}").main
    capsys.readouterr()
    with (
        patch_module_args(options),
        mock.patch.object(_internal, "is_controller", False),
        mock.patch.dict(warnings._global_warnings, clear=True),
        pytest.raises(SystemExit),
    ):
        main()
    return t.cast(Result, json.loads(capsys.readouterr().out))
