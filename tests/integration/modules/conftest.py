# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulator process for all tests here; each test starts from the same fleet and an empty registry."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "simulator")]

pytest.register_assert_rewrite("forks", "module_runs")

from eemsim.client import Simulator
from forks import Forks
from module_runs import Ansible, Orders, Outcome, Task, call


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with Simulator(eesv=4, eeio=12, no_group=1) as process:
        yield process


@pytest.fixture(name="eem")
def fixture_eem(simulator_process: Simulator) -> Simulator:
    """A plain fleet of 4 EESVs with groups 17 to 19 and none, and 12 free EEIOs: GPU, SSD, NIC in turn."""
    simulator_process.reset()
    return simulator_process


@pytest.fixture(scope="session")
def other_process() -> Iterator[Simulator]:
    with Simulator(eesv=1, eeio=3, seed=200) as process:
        yield process


@pytest.fixture(name="other")
def fixture_other(other_process: Simulator) -> Simulator:
    """Another EEM: one EESV with a group, and three free EEIOs."""
    other_process.reset()
    return other_process


@pytest.fixture(scope="session")
def module_forks() -> Iterator[Forks]:
    found = Forks()
    yield found
    found.close()


@pytest.fixture(name="ansible")
def fixture_ansible(request: pytest.FixtureRequest, eem: Simulator, module_forks: Forks, tmp_path: Path) -> Ansible:
    """Runs plays, all through ansible-playbook if the test is marked so."""
    is_real = request.node.get_closest_marker("through_ansible")
    return Ansible(tmp_path, [eem.control], None if is_real else module_forks)


@pytest.fixture(scope="session")
def registration(
    simulator_process: Simulator, module_forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    """What registering the simulator does, from one run for all tests."""
    simulator_process.reset()
    ansible = Ansible(tmp_path_factory.mktemp("registration"), [simulator_process.control], module_forks)
    return Outcome(ansible.files, ansible.play(registering(simulator_process))[0])


def registering(eem: Simulator) -> Task:
    return call("podm", name="rack1", url=eem.url, username=eem.username, password=eem.password, retries=1, timeout=5)


@pytest.fixture(name="known")
def fixture_known(eem: Simulator, registration: Outcome) -> Task:
    """The first task of a play in which the simulator is registered already: as by the task ``rack1``."""
    return registering(eem).with_outcome(registration)


@pytest.fixture(name="rack1")
def fixture_rack1(eem: Simulator) -> Task:
    """The task that registers the simulator."""
    return registering(eem)


@pytest.fixture(name="eesvs")
def fixture_eesvs(eem: Simulator) -> list[str]:
    """Ids of the EESVs, lowest first; the last has no group id."""
    return sorted(card["id"] for card in eem.eesvs())


@pytest.fixture(name="eeios")
def fixture_eeios(eem: Simulator) -> list[str]:
    """Ids of the EEIOs, lowest first: GPU, SSD, NIC in turn."""
    return sorted(card["id"] for card in eem.eeios())


@pytest.fixture(name="orders")
def fixture_orders(eem: Simulator) -> Orders:
    return Orders(eem.control)
