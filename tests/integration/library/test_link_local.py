# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EEMs at IPv6 link-local addresses, which need a zone: over HTTP and HTTPS, on a network interface of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.errors import AnswerLost, TlsFailed, Unreachable
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._model.urls import eem_url
from eemsim.client import Simulator

ADDRESS = "fe80::eeee"
ANYWHERE = ("--host=::", "--control-anywhere")


@pytest.fixture(name="interface", scope="module")
def fixture_interface() -> Iterator[str]:
    """The name of an interface with the link-local address."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("only root can make a network interface, with the command ip")
    name = f"eem{os.getpid() % 10**6}"
    steps = (
        ("link", "add", name, "type", "veth", "peer", "name", f"{name}p"),
        ("link", "set", f"{name}p", "up"),
        ("link", "set", name, "up"),
        ("-6", "address", "add", f"{ADDRESS}/64", "dev", name, "nodad"),
    )
    try:
        for step in steps:
            done = subprocess.run(["ip", *step], check=False, capture_output=True, text=True)
            if done.returncode != 0:
                pytest.skip(f"this machine cannot have such an interface: ip {' '.join(step)}: {done.stderr.strip()}")
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


def reach(eem: Simulator, zone: str) -> Settings:
    url = eem_url(f"{eem.url.partition(':')[0]}://[{ADDRESS}%{zone}]:{eem.port}/eem")
    return Settings(url, eem.username, eem.password, timeout=5, retries=0)


def test_an_eem_is_reached_by_a_zone(interface: str) -> None:
    number = str(socket.if_nametoindex(interface))
    with Simulator(eesv=1, eeio=2, arguments=ANYWHERE) as eem:
        for zone in (interface, f"25{interface}", number, f"25{number}"):
            with Client(reach(eem, zone)) as client:
                cards = {record["id"] for record in client.devices_detail()}
                assert cards == set(eem.cards())
                card = str(eem.eeios()[0]["id"])
                client.set_uid_led(card, "on")
                assert client.uid_led(card) == "on"
    with Client(reach(eem, interface)) as client, pytest.raises(Unreachable) as caught:
        client.api_version()
    assert f"http://[{ADDRESS}%25{interface}]:{eem.port}/eem/api_version: no connection" in caught.value.message


def test_an_interface_that_does_not_exist_is_named(interface: str) -> None:
    del interface
    with (
        Client(Settings(f"http://[{ADDRESS}%25nosuch0]:30500/eem", retries=0)) as client,
        pytest.raises(Unreachable) as caught,
    ):
        client.api_version()
    assert "%25nosuch0]" in caught.value.message


def test_a_certificate_names_the_address_without_its_zone(interface: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    ca, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(str(ca))
    for name, is_right in ((ADDRESS, True), ("fe80::1", False)):
        server, chain = authority.issue_cert(name), tmp_path / f"{is_right}.pem"
        server.private_key_pem.write_to_path(str(key))
        chain.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        eem = Simulator(eesv=1, eeio=2, tls=(str(chain), str(key)), verify=False, arguments=ANYWHERE)
        with eem, Client(reach(eem, interface)._replace(ca_path=str(ca))) as client:
            if is_right:
                assert len(client.devices()) == 3
                continue
            with pytest.raises(TlsFailed, match=f"%25{interface}"):
                client.devices()


def test_the_zone_is_not_sent(interface: str) -> None:
    """A proxy, or the servlet container, refuses a `Host` header with a zone."""
    received = b""
    with socket.create_server(("::", 0), family=socket.AF_INET6) as server:

        def answer() -> None:
            nonlocal received
            connection, _peer = server.accept()
            with connection:
                received = connection.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        with (
            Client(Settings(f"http://[{ADDRESS}%25{interface}]:{port}/eem", retries=0)) as client,
            pytest.raises(AnswerLost),
        ):
            client.api_version()
        thread.join(10)
    assert f"\r\nHost: [{ADDRESS}]:{port}\r\n".encode() in received
    assert interface.encode() not in received
