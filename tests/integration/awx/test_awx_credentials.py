# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials put environment and files into a job; the next job has other paths. No job shows a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from awx_jobs import Awx, Ended, write_project
from conftest import CANARY
from cryptography.fernet import Fernet
from eemsim.client import Simulator


def test_the_files_of_credentials_work_in_the_next_job_too(eem: Simulator, tmp_path: Path) -> None:
    """The certificate authority and the key of the registry come as files, whose names are different in each job."""
    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1")
    chain, key, trusted = tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    server.private_key_pem.write_to_path(key)
    ca.cert_pem.write_to_path(trusted)
    with Simulator(
        eesv=1, eeio=3, seed=300, password=CANARY, tls=(str(chain), str(key)), verify=str(trusted)
    ) as secure:
        awx = Awx(tmp_path / "awx")
        awx.use(secure)
        awx.keep_registry_in(tmp_path / "volume")
        secret = Fernet.generate_key().decode()
        awx.files = {"EEM_CA_PATH": trusted.read_text(encoding="ascii"), "EXPETHER_REGISTRY_KEY_FILE": f"{secret}\n"}
        awx.secrets.append(secret)
        assert awx.run("register", podm="rack1").changed()
        # A job without the password: it is in the registry, which the key opens.
        del awx.environment["EEM_PASSWORD"], awx.environment["EEM_USERNAME"], awx.environment["EEM_URL"]
        assert len(awx.run("devices", podm="rack1").result["devices"]) == 3
        assert awx.run("compose", node_name="n1", device_types="GPU").changed()
        assert not awx.run("sync").changed()
        del awx.files["EXPETHER_REGISTRY_KEY_FILE"]
        job = awx.run("devices", podm="rack1")
        assert job.status == "failed" or job.result["errors"]
    assert not [*(tmp_path / "volume").glob("*.key")]


def test_a_password_in_an_answer_is_shown_nowhere(awx: Awx) -> None:
    del awx.environment["EEM_PASSWORD"]
    assert awx.run("register", podm="rack1", eem_password=CANARY).changed()


def test_a_shown_password_would_be_noticed(awx: Awx, tmp_path: Path) -> None:
    """Not only in the text of the job, but also where ansible-runner stores it, and as the header has it."""
    job = awx.run("devices")
    (leak,) = job.artifacts.glob("job_events/1-*.json")
    leak.write_text(f'{{"counter": 1, "stdout": "Basic {_basic()}"}}', encoding="utf-8")
    with pytest.raises(AssertionError, match=_basic()):
        awx.checked(job)
    with pytest.raises(AssertionError, match="in log"):
        awx.checked(Ended(tmp_path, tmp_path / "artifacts", CANARY))
    write_project(tmp_path)


def _basic() -> str:
    import base64

    return base64.b64encode(f"admin:{CANARY}".encode()).decode()
