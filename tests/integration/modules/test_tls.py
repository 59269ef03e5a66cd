# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS: certificates that verify and that do not, and certificates that the EEM wants from its clients."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from eemsim.client import Simulator
from module_runs import Ansible, Task, call

pytestmark = pytest.mark.through_ansible


@dataclasses.dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    ca: str
    server: tuple[str, str]
    client: str
    client_alone: str
    client_key: str
    stranger: str


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")

    def write(name: str, *blobs: trustme.Blob) -> str:
        path = folder / name
        path.write_bytes(b"".join(blob.bytes() for blob in blobs))
        return str(path)

    ca, other = trustme.CA(), trustme.CA()
    server, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("client@example.com")
    stranger = other.issue_cert("client@example.com")
    return Certificates(
        write("ca.pem", ca.cert_pem),
        (write("server.pem", *server.cert_chain_pems), write("server.key", server.private_key_pem)),
        write("client.pem", client.private_key_and_cert_chain_pem),
        write("client-alone.pem", *client.cert_chain_pems),
        write("client.key", client.private_key_pem),
        write("stranger.pem", stranger.private_key_and_cert_chain_pem),
    )


@pytest.fixture(name="secure", scope="module")
def fixture_secure(certificates: Certificates) -> Iterator[Simulator]:
    with Simulator(eesv=1, eeio=3, tls=certificates.server, verify=certificates.ca) as secure:
        yield secure


@pytest.fixture(name="strict", scope="module")
def fixture_strict(certificates: Certificates) -> Iterator[Simulator]:
    with Simulator(
        eesv=1,
        eeio=3,
        tls=certificates.server,
        client_ca=certificates.ca,
        verify=certificates.ca,
        cert=(certificates.client, certificates.client),
    ) as strict:
        yield strict


def info(eem: Simulator, **options: object) -> Task:
    return call("device_info", url=eem.url, username="admin", password=eem.password, timeout=5, retries=0, **options)


def test_a_certificate_is_verified_unless_the_user_says_otherwise(
    ansible: Ansible, secure: Simulator, certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    by_name = secure.url.replace("127.0.0.1", "localhost")
    run = ansible.play(
        info(secure).failing().called("unknown authority"),
        info(secure, ca_path=certificates.ca).called("its authority"),
        info(secure, ca_path=certificates.ca).having(url=by_name).failing().called("other name"),
        info(secure, validate_certs=False).called("not verified"),
        info(secure, validate_certs=False).having(url=by_name).called("other name, not verified"),
        info(secure, ca_path=str(tmp_path / "ca.pem")).failing().called("no authority"),
        info(secure, ca_path=certificates.ca)
        .having(url=secure.url.replace("https", "http"))
        .failing()
        .called("no TLS"),
    )
    for about in ("its authority", "not verified", "other name, not verified"):
        assert len(run[about]["devices"]) == 3
    for about in ("unknown authority", "other name", "no authority"):
        assert run[about].kind == "tls", about
        assert "ca_path" in run[about].msg or "certificate" in run[about].msg
    assert run["no TLS"].kind in ("connection_lost", "not_eem")


def test_the_environment_of_requests_does_not_change_what_is_trusted(
    ansible: Ansible, secure: Simulator, certificates: Certificates
) -> None:
    environment = {
        "REQUESTS_CA_BUNDLE": certificates.ca,
        "CURL_CA_BUNDLE": certificates.ca,
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
    }
    run = ansible.play(info(secure).failing(), info(secure, ca_path=certificates.ca), environment=environment)
    assert run[0].kind == "tls"
    assert len(run[1]["devices"]) == 3


def test_an_eem_that_wants_a_client_certificate_gets_it(
    ansible: Ansible, strict: Simulator, certificates: Certificates
) -> None:
    ca = {"ca_path": certificates.ca}
    run = ansible.play(
        info(strict, **ca).failing().called("none"),
        info(strict, **ca, client_cert=certificates.client).called("with its key"),
        info(strict, **ca, client_cert=certificates.client_alone, client_key=certificates.client_key).called(
            "and a key"
        ),
        info(strict, **ca, client_cert=certificates.client_alone).failing().called("without a key"),
        info(strict, **ca, client_cert=certificates.stranger).failing().called("of a stranger"),
        info(strict, **ca, client_cert=certificates.client_alone, client_key=certificates.stranger)
        .failing()
        .called("another key"),
    )
    assert len(run["with its key"]["devices"]) == len(run["and a key"]["devices"]) == 3
    # Whether the refusal comes as an alert or as a closed connection, TLS 1.3 leaves open.
    for about in ("none", "of a stranger"):
        assert run[about].kind in ("tls", "connection_lost")
    for about in ("without a key", "another key"):
        assert run[about].kind == "tls", run[about].msg


def test_how_to_reach_it_is_remembered_with_the_pod_manager(
    ansible: Ansible, strict: Simulator, certificates: Certificates
) -> None:
    register = call(
        "podm",
        name="rack1",
        url=strict.url,
        username="admin",
        password=strict.password,
        ca_path=certificates.ca,
        client_cert=certificates.client_alone,
        client_key=certificates.client_key,
    )
    properties = {"pci_device": {"type": ["GPU"]}}
    run = ansible.play(
        register,
        register,
        call("device_info", podm="rack1"),
        call("podm_info", check=True),
        call("node", podm="rack1", name="n1", properties=properties),
        call("device_info", podm="rack1", ca_path="/no/such/file").failing(),
    )
    assert run[0]["podm"]["connection"]["ca_path"] == certificates.ca
    assert run[0]["podm"]["connection"]["client_key"] == certificates.client_key
    assert not run[1].changed
    assert len(run[2]["devices"]) == 3
    assert run[3]["podms"][0]["status"] == "Online"
    assert run[4].changed
    assert run[5].kind == "invalid"
