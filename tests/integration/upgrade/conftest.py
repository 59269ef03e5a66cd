# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version 0.1.0 and this one. All tests here are skipped in a checkout without 0.1.0."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "simulator")]

pytest.register_assert_rewrite("versions", "forks")

from eemsim.client import Simulator
from forks import Forks
from versions import ROOT, Site, Version, unpack, why_missing

_MISSING = why_missing()


@pytest.fixture(name="earlier", scope="session")
def fixture_earlier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Version]:
    """Version 0.1.0."""
    if _MISSING:
        pytest.skip(_MISSING)
    tree = unpack(tmp_path_factory.mktemp("earlier"))
    forks = Forks(tests=tree / "tests")
    yield Version(tree, forks)
    forks.close()


@pytest.fixture(name="current", scope="session")
def fixture_current() -> Iterator[Version]:
    """This checkout."""
    forks = Forks()
    yield Version(ROOT, forks)
    forks.close()


@pytest.fixture(scope="session")
def simulators() -> Iterator[list[Simulator]]:
    """Two pairs of equal EEMs: one with 5 systems, the last without a group id, and 24 devices, and a small one."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(Simulator(**fleet))
            for fleet in 2 * [{"eesv": 5, "eeio": 24, "no_group": 1}, {"eesv": 1, "eeio": 3, "seed": 200}]
        ]


@pytest.fixture(name="then")
def fixture_then(simulators: list[Simulator], tmp_path: Path) -> Site:
    """Where 0.1.0 runs."""
    return site(tmp_path / "then", simulators[:2])


@pytest.fixture(name="now")
def fixture_now(simulators: list[Simulator], tmp_path: Path) -> Site:
    """Where this version runs."""
    return site(tmp_path / "now", simulators[2:])


def site(folder: Path, eems: list[Simulator]) -> Site:
    for eem in eems:
        eem.reset()
    return Site(folder, *eems)
