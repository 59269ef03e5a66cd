# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated EEM, modules that run in this process, and the event source."""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "simulator"), str(TESTS / "integration" / "library")]

from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import resume
from eemsim.client import Simulator
from module_main import Run, run_main
from postgresql import Server, why_not
from running_source import Watching


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with Simulator(eesv=3, eeio=8, password="a-secret-word") as process:
        yield process


@pytest.fixture(name="eem")
def fixture_eem(simulator_process: Simulator) -> Iterator[Simulator]:
    """A plain fleet of 3 EESVs and 8 free EEIOs."""
    yield simulator_process
    simulator_process.clear_faults()
    simulator_process.reset()


@pytest.fixture(name="by_url")
def fixture_by_url(eem: Simulator) -> dict[str, t.Any]:
    """Options that reach the EEM by its URL."""
    return {"url": eem.url, "username": eem.username, "password": eem.password, "retries": 0, "timeout": 5}


@pytest.fixture(autouse=True)
def fixture_resume() -> Iterator[None]:
    """The end of a source ends all requests in its process, which is that of later tests here."""
    yield
    resume()


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The SQLite registry of all modules and sources that set no other one."""
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{tmp_path / 'r.sqlite3'}")
    return tmp_path / "r.sqlite3"


@pytest.fixture(name="run")
def fixture_run(path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a module in this process."""
    return lambda module, **options: run_main(capsys, module, **options)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    server = Server()
    yield server
    server.close()


@pytest.fixture(name="watching")
def fixture_watching(path: Path) -> Iterator[t.Callable[..., Watching]]:
    begun: list[Watching] = []

    def begin(**options: t.Any) -> Watching:
        begun.append(Watching(**options))
        return begun[-1]

    yield begin
    for watch in begun:
        watch.close()
