# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator, a registry that knows it, and processes that run modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "simulator"))

pytest.register_assert_rewrite("forks", "module_fuzz", "known_registry")

from eemsim.client import Simulator
from forks import Forks
from known_registry import Known
from raw_server import RawServer


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    found = Forks({"EXPETHER_PCI_IDS": os.environ["EXPETHER_PCI_IDS"]}, pauses=0.005)
    yield found
    found.close()


@pytest.fixture(scope="session")
def eem() -> Iterator[Simulator]:
    """A plain fleet of 3 EESVs, the last without a group id, and 6 EEIOs."""
    with Simulator(eesv=3, eeio=6, no_group=1) as process:
        yield process


@pytest.fixture(scope="session")
def known(forks: Forks, eem: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """A registry with the simulator, a flavor, a composed node, and a second EEM that is not there."""
    return Known(forks, eem, tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="session")
def server() -> Iterator[RawServer]:
    with RawServer() as found:
        yield found


@pytest.fixture(scope="session")
def tls_server() -> Iterator[RawServer]:
    """A server of which the first bytes are those of TLS."""
    with RawServer(at_once=True) as found:
        yield found
