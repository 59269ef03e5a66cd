# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials put environment and files into a job; the next job has other paths. No job shows a secret."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
import trustme
from awx_jobs import Awx, Ended
from conftest import CANARY
from cryptography.fernet import Fernet
from eemsim.client import Simulator

#: What the header of a request has.
BASIC = base64.b64encode(f"admin:{CANARY}".encode()).decode()


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
        eem = awx.use(secure, ca_certificate=trusted.read_text(encoding="ascii"))
        secret = Fernet.generate_key().decode()
        awx.keep_registry_in(tmp_path / "volume", key=secret)
        assert awx.run("register", podm="rack1").changed()
        # Jobs by the pod manager's name, without its password: it is in the registry, which the key opens.
        eem.inputs |= {"url": "", "username": "", "password": ""}
        awx.secrets.append(CANARY)
        assert len(awx.run("devices", podm="rack1").result["devices"]) == 3
        assert awx.run("compose", node_name="n1", device_types="GPU").changed()
        assert not awx.run("sync").changed()
        del awx.credentials["registry"].inputs["key"]
        (message,) = awx.run("devices", podm="rack1").failures
        assert "EXPETHER_REGISTRY_KEY_FILE" in message or "key" in message
    assert not [*(tmp_path / "volume").glob("*.key")]


def test_a_shown_password_would_be_noticed(awx: Awx, tmp_path: Path) -> None:
    """Not only in the text of the job, but also where ansible-runner stores it, and as the header has it."""
    job = awx.run("devices")
    (leak,) = job.artifacts.glob("job_events/1-*.json")
    leak.write_text(f'{{"counter": 1, "stdout": "Basic {BASIC}"}}', encoding="utf-8")
    # That is the password in Base64, too, because `admin:` has a number of letters that three divides.
    with pytest.raises(AssertionError, match=re.escape(BASIC[8:])):
        awx.checked(job)
    with pytest.raises(AssertionError, match="in log"):
        awx.checked(Ended(tmp_path / "none", tmp_path / "none" / "artifacts", CANARY))
