# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulator process for all tests here; each test starts from the same fleet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "simulator"))

from eemsim.client import Simulator  # noqa: E402


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with Simulator(eesv=4, eeio=12, no_group=1) as process:
        yield process


@pytest.fixture(name="eem")
def fixture_eem(simulator_process: Simulator) -> Iterator[Simulator]:
    """A plain fleet of 4 EESVs, the last without a group id, and 12 free EEIOs."""
    yield simulator_process
    simulator_process.reset()


@pytest.fixture(name="eesv")
def fixture_eesv(eem: Simulator) -> str:
    """The first EESV; its group id is 17."""
    return str(eem.eesvs()[0]["id"])


@pytest.fixture(name="bare_eesv")
def fixture_bare_eesv(eem: Simulator) -> str:
    """An EESV without a group id of its own."""
    return str(eem.eesvs()[3]["id"])


@pytest.fixture(name="eeio")
def fixture_eeio(eem: Simulator) -> str:
    """A free EEIO."""
    return str(eem.eeios()[0]["id"])
