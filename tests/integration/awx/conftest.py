# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An EEM with a password that can be recognized, and an AWX with a credential for it and a volume for the registry."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "simulator")]

pytest.register_assert_rewrite("awx_jobs")

from awx_jobs import Awx
from containers import why_impossible
from eemsim.client import Simulator

CANARY = "Kanari-3n/Vogel+17"
_IMPOSSIBLE = why_impossible()


@pytest.fixture(scope="session")
def eem_process() -> Iterator[Simulator]:
    if _IMPOSSIBLE:
        pytest.skip(_IMPOSSIBLE)
    with Simulator(eesv=4, eeio=12, password=CANARY) as process:
        yield process


@pytest.fixture(name="eem")
def fixture_eem(eem_process: Simulator) -> Simulator:
    """4 EESVs with groups 17 to 20, and 12 free EEIOs: GPU, SSD, NIC in turn."""
    eem_process.reset()
    return eem_process


@pytest.fixture(name="awx")
def fixture_awx(eem: Simulator, tmp_path: Path) -> Awx:
    """An AWX whose jobs have a credential for the EEM, and keep the registry on a volume."""
    awx = Awx(tmp_path / "awx")
    awx.use(eem)
    awx.keep_registry_in(tmp_path / "volume")
    return awx


@pytest.fixture(name="eeios")
def fixture_eeios(eem: Simulator) -> list[str]:
    """Ids of the EEIOs, lowest first: GPU, SSD, NIC in turn."""
    return sorted(card["id"] for card in eem.eeios())
