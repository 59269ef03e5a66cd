# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulator for all tests here, each of which starts from the same plain fleet, and clients of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Pauses, Settings
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "simulator"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import etcd as _etcd
from cryptography.fernet import Fernet
from eemsim.client import Simulator
from etcd import Etcd
from postgresql import Server, why_not

MakeClient = Callable[..., Client]

#: So that tests need not sit through the pauses between tries; how many there are is not changed.
SHORT = Pauses(read=0.02, change=0.02, listing=0.02, claim=0.02, link=0.02, write=0.02)


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with Simulator(eesv=4, eeio=12, no_group=1) as process:
        yield process


@pytest.fixture(name="eem")
def fixture_eem(simulator_process: Simulator) -> Iterator[Simulator]:
    """A plain fleet of 4 EESVs, the last without a group id, and 12 free EEIOs."""
    yield simulator_process
    simulator_process.clear_faults()
    simulator_process.reset()


@pytest.fixture(name="system")
def fixture_system(eem: Simulator) -> str:
    """A system with group id 17."""
    return str(eem.eesvs()[0]["id"])


@pytest.fixture(name="bare")
def fixture_bare(eem: Simulator) -> str:
    """A system without a group id of its own."""
    return str(eem.eesvs()[3]["id"])


@pytest.fixture(name="devices")
def fixture_devices(eem: Simulator) -> list[str]:
    """The ids of all devices, which are free."""
    return [str(record["id"]) for record in eem.eeios()]


@pytest.fixture(name="make_client")
def fixture_make_client(eem: Simulator) -> Iterator[MakeClient]:
    """Makes clients of the simulator that do not wait long; settings may be given."""
    with contextlib.ExitStack() as stack:

        def make(**settings: object) -> Client:
            usual = {"url": eem.url, "username": eem.username, "password": eem.password, "timeout": 2.0, "retries": 2}
            return stack.enter_context(Client(Settings(**{**usual, "pauses": SHORT, **settings})))  # type: ignore[arg-type]

        yield make


@pytest.fixture(name="client")
def fixture_client(make_client: MakeClient) -> Client:
    return make_client()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL server with one database `expether` for all tests."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    server = Server()
    server.create("expether")
    yield server
    server.close()


@pytest.fixture(name="server")
def fixture_server(postgresql_server: Server) -> Server:
    """The server, with nothing in its database."""
    postgresql_server.execute("DROP SCHEMA IF EXISTS nec_expether CASCADE", database="expether")
    return postgresql_server


@pytest.fixture(scope="session")
def one_etcd() -> Iterator[Etcd]:
    """An etcd with one member for all tests, each of which has a prefix of its own."""
    reason = _etcd.why_not()
    if reason:
        pytest.skip(reason)
    etcd = Etcd()
    yield etcd
    etcd.close()


@pytest.fixture(name="back_end")
def fixture_back_end(request: pytest.FixtureRequest) -> str:
    """The back end of the registry; `on_each_back_end` sets others."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(name="registry_url")
def fixture_registry_url(back_end: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a registry that does not exist yet."""
    if back_end == "postgresql":
        return str(request.getfixturevalue("server").url("expether"))
    if back_end == "etcd":
        return str(request.getfixturevalue("one_etcd").url())
    return f"sqlite:///{tmp_path / 'registry' / 'r.sqlite3'}"


@pytest.fixture(name="key_file")
def fixture_key_file(tmp_path: Path) -> Path:
    """A key for the passwords in the registry."""
    path = tmp_path / "registry.key"
    path.touch(mode=0o600)
    path.write_bytes(Fernet.generate_key())
    return path


@pytest.fixture(name="registry")
def fixture_registry(registry_url: str) -> Iterator[Registry]:
    registry = open_registry(registry_url)
    yield registry
    registry.close()
