# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS: certificates that verify and that do not, and certificates that the EEM wants from its clients."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import TlsFailed
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from eemsim.client import Simulator
from module_runs import Ansible, Task, call


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


@pytest.mark.through_ansible
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


@pytest.mark.through_ansible
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


@pytest.mark.through_ansible
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


@pytest.mark.through_ansible
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


def test_files_of_the_environment_replace_registered_ones_in_each_job(
    ansible: Ansible, strict: Simulator, certificates: Certificates, tmp_path: Path
) -> None:
    """As a credential of AWX writes its files: each job has other paths, and those of the last job are gone."""

    def job(name: str, **files: str) -> dict[str, str]:
        folder = tmp_path / name
        folder.mkdir()
        environment = {}
        for variable, path in files.items():
            (folder / variable).write_bytes(Path(path).read_bytes())
            environment[variable] = str(folder / variable)
        return environment

    files = {
        "EEM_CA_PATH": certificates.ca,
        "EEM_CLIENT_CERT": certificates.client_alone,
        "EEM_CLIENT_KEY": certificates.client_key,
    }
    first, second, third = (job(name, **files) for name in ("1", "2", "3"))
    login = {"username": "admin", "password": strict.password, "retries": 0, "timeout": 5}
    register = call("podm", name="rack1", url=strict.url, **login)
    by_path = register.having(name="rack1", ca_path=first["EEM_CA_PATH"], client_cert=first["EEM_CLIENT_CERT"])
    whole = {"EEM_CA_PATH": second["EEM_CA_PATH"], "EEM_CLIENT_CERT": certificates.client}
    listing = call("device_info", podm="rack1")
    ansible.play(by_path.having(client_key=first["EEM_CLIENT_KEY"]))
    shutil.rmtree(tmp_path / "1")
    run = ansible.play(
        listing.failing().called("without the credential"),
        listing.with_environment(**second).called("paths of this job"),
        # The registered key does not belong to this certificate, which has its own.
        listing.with_environment(**whole).called("a whole certificate"),
        call("podm_info", check=True).with_environment(**second).called("live"),
        call("sync").with_environment(**second).called("sync"),
        call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["GPU"]}})
        .with_environment(**second)
        .called("compose"),
        call("node", podm="rack1", name="n1", state="absent", detach_devices=False).checked().called("asks no EEM"),
        listing.having(ca_path=certificates.stranger).with_environment(**second).failing().called("the task first"),
        listing.having(client_cert="", client_key="").with_environment(**second).failing().called("none"),
    )
    strict.reset_log()
    change = call("podm", name="rack1", location="Hall 2")
    again = ansible.play(*(task.with_environment(**second) for task in (change.having(location=None), change)))
    assert [result.changed for result in again] == [False, True] and strict.log() == []
    before, after = (again[1]["diff"][side] for side in ("before", "after"))
    assert {key for key in after if after[key] != before[key]} <= {"location", "updated_at"}
    for about in ("paths of this job", "a whole certificate"):
        assert len(run[about]["devices"]) == 3
    assert [podm["status"] for podm in run["live"]["podms"]] == ["Online"]
    assert [podm["status"] for podm in run["sync"]["podms"]] == ["Online"]
    assert run["without the credential"].kind == "invalid" and first["EEM_CA_PATH"] in run["without the credential"].msg
    assert run["compose"].changed and run["asks no EEM"].changed
    assert run["the task first"].kind == "tls"
    assert run["none"].kind in ("tls", "connection_lost")
    removed = call("podm", name="rack1", state="absent", cascade=True).with_environment(**third)
    made = ansible.play(removed, register.with_environment(**second))[1]["podm"]["connection"]
    assert (made["ca_path"], made["client_cert"], made["client_key"]) == (None, None, None)
    strict.reset_log()
    assert not ansible.play(register.with_environment(**third))[0].changed and strict.log() == []
    assert ansible.play(listing.failing())[0].kind == "tls"
    unverified = {"EEM_VALIDATE_CERTS": "no", "EEM_CLIENT_CERT": certificates.client, "EEM_CA_PATH": ""}
    synced, listed, live = ansible.play(
        call("sync").with_environment(**unverified),
        call("podm_info"),
        call("podm_info", source="live", validate_certs=False, client_cert=certificates.client),
    )
    assert [podm["status"] for run in (synced, live) for podm in run["podms"]] == ["Online", "Online"]
    assert listed["podms"][0]["connection"]["validate_certs"] is True
    with_path = call("podm", name="rack1", **{variable[4:].lower(): path for variable, path in second.items()})
    ansible.play(with_path)
    shutil.rmtree(tmp_path / "2")
    assert ansible.play(call("podm", name="rack1", state="absent"))[0].changed


def test_the_text_of_an_authority_is_used_in_place_of_its_file(
    ansible: Ansible, secure: Simulator, certificates: Certificates
) -> None:
    text = Path(certificates.ca).read_text(encoding="ascii")
    other = trustme.CA().cert_pem.bytes().decode()
    in_one_line = " ".join(text.split("\n"))
    way = {"url": secure.url, "username": "admin", "password": secure.password, "timeout": 5, "retries": 0}
    register = call("podm", name="rack1", **way)
    run = ansible.play(
        info(secure, ca_path=f"# Its $HOME\n{other}\n{text}").called("two authorities"),
        info(secure, ca_path=other).failing().called("another authority"),
        info(secure).with_environment(EEM_CA_PATH=in_one_line).called("environment"),
        info(secure, ca_path=certificates.stranger)
        .with_environment(EEM_CA_PATH=text)
        .failing()
        .called("the task's path first"),
        register.having(ca_cert=text).called("registered"),
        register.having(ca_path=in_one_line).called("the same text"),
        call("sync").called("sync"),
        call("device_info", podm="rack1")
        .with_environment(EEM_CA_PATH=other)
        .failing()
        .called("another one of this host"),
        register.having(ca_path=f"{text}{other}").called("a second one"),
        info(secure, ca_path=text.replace("MII", "MI ", 1).replace("-----END", "----END")).failing().called("cut off"),
        info(secure, ca_path=text.replace("MII", "MIA", 1)).failing().called("damaged"),
    )
    for about in ("two authorities", "environment"):
        assert len(run[about]["devices"]) == 3
    for about in ("another authority", "the task's path first"):
        assert run[about].kind == "tls", run[about].msg
    assert run["registered"]["podm"]["connection"]["ca_path"].split() == text.split()
    assert not run["the same text"].changed
    assert [podm["status"] for podm in run["sync"]["podms"]] == ["Online"]
    assert run["another one of this host"].kind == "tls"
    shown = [run["a second one"]["diff"][side]["connection"]["ca_path"] for side in ("before", "after")]
    assert [len(re.findall("(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", each)) for each in shown] == [1, 2]
    for about in ("cut off", "damaged"):
        assert run[about].kind == "invalid"
        assert "MII" not in run[about].msg


def test_only_the_authorities_of_the_text_are_trusted(
    monkeypatch: pytest.MonkeyPatch, secure: Simulator, certificates: Certificates
) -> None:
    """Not those that requests trusts if nothing is set, either."""
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", certificates.ca)
    for ca_path in (None, Path(certificates.ca).read_text(encoding="ascii")):
        with Client(Settings(secure.url, "admin", secure.password, ca_path=ca_path)) as client:
            assert client.api_version()
    other = trustme.CA().cert_pem.bytes().decode()
    with Client(Settings(secure.url, "admin", secure.password, ca_path=other)) as client, pytest.raises(TlsFailed):
        client.api_version()


@pytest.mark.through_ansible
def test_a_private_key_in_place_of_a_path_is_refused_and_never_shown(
    ansible: Ansible, secure: Simulator, certificates: Certificates
) -> None:
    text, key = (Path(path).read_text(encoding="ascii") for path in (certificates.ca, certificates.client_key))
    run = ansible.play(
        info(secure, ca_path=f"{text}{key}").failing().called("a key"),
        info(secure, client_cert=key).failing().called("a key as certificate"),
        info(secure, ca_path=certificates.ca, client_cert=certificates.client, client_key=" ".join(key.split("\n")))
        .failing()
        .called("a key in one line"),
        arguments=("--diff", "-vvv"),
        environment={"EEM_CA_PATH": key},
    )
    in_environment = ansible.play(info(secure).failing(), arguments=("-vvv",), environment={"EEM_CA_PATH": key})[0]
    assert {result.kind for result in (*run, in_environment)} == {"invalid"}
    assert in_environment.msg.startswith("The environment variable EEM_CA_PATH contains a private key")
    shown = f"{run.stdout}{run.stderr}{[result.data for result in (*run, in_environment)]}"
    assert "contains a private key" in shown
    assert [line for line in key.splitlines()[1:-1] if line in shown] == []
