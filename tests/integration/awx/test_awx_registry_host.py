# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules run on a host that keeps the registry, which jobs reach with a Machine credential: `expether_hosts`."""

from __future__ import annotations

import os
import shutil
import sys
import time
import typing as t
from pathlib import Path

import asyncssh
import pytest
from awx_jobs import Awx
from containers import ROOT, Container
from eemsim.client import Simulator

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("ssh-agent"), reason="needs the package openssh-client"),
]

USER = 64125


class Host(t.NamedTuple):
    """A host with SSH.

    :ivar home: the home directory of its user
    :ivar key: the private key for it
    """

    home: Path
    port: int
    key: str


@pytest.fixture(name="host")
def fixture_host(eem: Simulator, tmp_path: Path) -> t.Iterator[Host]:
    """Another machine: it has processes and files of its own, and none of the marks and variables of jobs."""
    home = tmp_path / "home"
    home.mkdir()
    ours, theirs = (asyncssh.generate_private_key("ssh-ed25519") for dummy in range(2))
    theirs.write_private_key(str(home / "host_key"))
    ours.write_public_key(str(home / "authorized_keys"))
    for path in (home, *home.iterdir()):
        os.chown(path, USER, 0)
    container = Container(
        root=tmp_path / "host",
        uid=USER,
        environment={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": "/home/expether",
            "LC_ALL": "C.UTF-8",
            "EXPETHER_PCI_IDS": str(ROOT / "tests" / "pci.ids"),
        },
        volumes={home: "/home/expether"},
        accounts=f"expether:x:{USER}:0::/home/expether:/bin/sh\n",
    )
    server = (sys.executable, str(Path(__file__).with_name("ssh_server.py")))
    log = tmp_path / "host.log"
    files = ("/home/expether/host_key", "/home/expether/authorized_keys")
    process = container.start(tmp_path / "host.sh", log, *server, *files)
    try:
        while not (port := log.read_text(encoding="utf-8")).endswith("\n"):
            assert process.poll() is None, port
            time.sleep(0.02)
        yield Host(home, int(port), ours.export_private_key().decode())
    finally:
        process.kill()
        process.wait()


@pytest.fixture(name="awx")
def fixture_awx(eem: Simulator, host: Host, tmp_path: Path) -> Awx:
    """An AWX whose jobs have no registry of their own, and reach the host."""
    awx = Awx(tmp_path / "awx")
    awx.use(eem)
    awx.hosts = {
        "registry-host": {
            "ansible_host": "127.0.0.1",
            "ansible_port": host.port,
            "ansible_user": "expether",
            "ansible_python_interpreter": sys.executable,
        }
    }
    awx.host, awx.ssh_key = "registry-host", host.key
    return awx


def test_jobs_share_the_registry_of_a_host(awx: Awx, eem: Simulator, host: Host) -> None:
    assert awx.run("register", podm="rack1").changed()
    assert (host.home / ".local" / "state" / "expether" / "registry.sqlite3").exists()
    # Only the first job needs the credential of the EEM.
    awx.secrets += awx.credentials.pop("EEM").secrets()
    assert len(awx.run("devices").result["devices"]) == 12
    asked = {"node_name": "n1", "device_types": "GPU"}
    assert awx.run("compose", "--check", **asked).changed() and eem.history() == []
    assert [awx.run("compose", **asked).changed() for dummy in range(2)] == [True, False]
    assert awx.run("release", node_name="n1").changed()
    assert [*host.home.glob(".ansible/tmp/*")] == []


def test_a_killed_job_leaves_nothing_that_the_same_job_does_not_repair(
    awx: Awx, eem: Simulator, eeios: list[str]
) -> None:
    """The module loses its terminal, undoes what it has done, and releases its claims."""
    awx.run("register", podm="rack1")
    asked = {"node_name": "n1", "device_types": "GPU,SSD"}
    fault = eem.fault("freeze", after=True, method="PUT", path="/group_id$", nth=2)
    awx.kill_at(eem, fault, awx.launch("compose", **asked))
    deadline = time.monotonic() + 200
    while {card["group_id"] for card in eem.eeios()} != {"4093"}:
        assert time.monotonic() < deadline, eem.log()
        time.sleep(0.1)
    assert [awx.run("compose", **asked).changed() for dummy in range(2)] == [True, False]
    assert {card["id"] for card in eem.eeios() if card["group_id"] != "4093"} == {*eeios[:2]}
