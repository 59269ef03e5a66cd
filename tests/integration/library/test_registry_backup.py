# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the guide back up and restore each back end, while a run is in progress."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import typing as t
from contextlib import closing
from pathlib import Path

import etcd as _etcd
import pytest
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._model.names import flavor_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.copying import content_of
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, put, remove_anyway
from etcd import Etcd
from guides import ROOT, blocks_of
from postgresql import Server

TESTS = str(Path(__file__).resolve().parents[2])
PODM, CARD = "6c5b3f2e-0000-5000-8000-000000000001", "0x8cdf9d000001"
#: Claims a card, and goes on until it is killed.
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
claims = Claims(open_registry(sys.argv[2]), sys.argv[3], "a run that is killed", 300.0)
claims.claim(claims.read()[0], [sys.argv[4]])
print("ready", flush=True)
sys.stdin.read()
"""


def flavor(name: str) -> Flavor:
    return Flavor(flavor_uuid(name), NEVER, name, None, {"devices": [{"type": "GPU"}]}, None, None)


def commands(program: str) -> list[str]:
    """The two parts of the block in the guide that backs up with a program: to back up, and to restore."""
    (found,) = (
        block.text.split("\n\n")
        for block in blocks_of(ROOT / "docs" / "docsite" / "rst" / "guide_registries.rst")
        if "/backup/" in block.text and f"{program} " in block.text
    )
    assert len(found) == 2
    return found


def shell(command: str, replaced: t.Mapping[str, str]) -> None:
    for text, actual in replaced.items():
        assert text in command or text == "/backup", f"{text} is not in {command}"
        command = command.replace(text, actual)
    done = subprocess.run(["bash", "-ec", command], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def is_backed_up_and_restored(
    url: str, back_up: t.Callable[[], None], restore: t.Callable[[], None], other_hosts_wait: bool
) -> None:
    """Back up during a run, kill the run, change the registry, restore it, and look at what is there."""
    with closing(open_registry(url)) as registry:
        registry.commit([put(flavor(f"f{number}")) for number in range(300)])
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, TESTS, url, PODM, CARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert run.stdout is not None and run.stdout.readline() == b"ready\n"
            before = content_of(registry)
            back_up()
        finally:
            run.kill()
            run.communicate()
        registry.commit([put(flavor("later")), remove_anyway(Flavor, flavor_uuid("f7"))])
    restore()
    with closing(open_registry(url)) as registry:
        after = content_of(registry)
        assert after == before and len(after.of(Flavor)) == 300
        (claims,) = after.of(StoredClaims).values()
        assert [claim.what for claim in claims.held.values()] == ["a run that is killed"]
        # A restored etcd is another one: there, other hosts cannot tell whether the run lives before its claim expires.
        elsewhere = Claims(registry, PODM, "a run on another host", 60.0)
        elsewhere._process = elsewhere._process._replace(boot_id="another")
        waited_for = {CARD: "a run that is killed"} if other_hosts_wait else {}
        assert elsewhere.read(clean=False)[1] == waited_for
        # Its claim holds up nobody on its host, and the registry can be written.
        mine = Claims(registry, PODM, "the next run", 60.0)
        epoch, others = mine.read()
        assert others == {} and epoch == claims.epoch + 1
        mine.claim(epoch, [CARD])
        mine.release(changed=False)
        highest = max(flavor.revision for flavor in content_of(registry).of(Flavor).values())
        assert registry.commit([put(flavor("new"))]) > highest


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 is installed")
def test_a_file(tmp_path: Path) -> None:
    place, backup = tmp_path / "expether", tmp_path / "backup"
    backup.mkdir()
    back_up, restore = commands("sqlite3")
    replaced = {"/var/lib/expether": str(place), "/backup": str(backup)}
    is_backed_up_and_restored(
        f"sqlite:///{place}/registry.sqlite3", lambda: shell(back_up, replaced), lambda: shell(restore, replaced), False
    )
    assert (backup / "registry.sqlite3").stat().st_mode & 0o777 == 0o600


def test_postgresql(server: Server, tmp_path: Path) -> None:
    back_up, restore = commands("pg_dump")
    replaced = {"/backup": str(tmp_path), "postgresql://expether@db1.example.com/expether": server.url("expether")}
    path = f"PATH={server.bin}:$PATH\n"

    def restored() -> None:
        server.execute("DROP SCHEMA nec_expether CASCADE", database="expether")
        shell(path + restore, replaced)

    is_backed_up_and_restored(server.url("expether"), lambda: shell(path + back_up, replaced), restored, False)


@pytest.mark.skipif(shutil.which("etcdctl") is None, reason="no etcdctl is installed (Debian: etcd-client)")
@pytest.mark.skipif(_etcd.why_not() is not None, reason=str(_etcd.why_not()))
def test_etcd(tmp_path: Path) -> None:
    back_up, restore = commands("etcdctl")
    etcd = Etcd()
    try:
        (member,) = etcd.members
        (peer,) = (part.partition("=")[2] for part in member._command if part.startswith("--listen-peer-urls="))
        restored_data = tmp_path / "restored"

        def restored() -> None:
            member.kill()
            shell(
                restore,
                {
                    "/backup": str(tmp_path),
                    "https://etcd1.example.com:2380": peer,
                    "/var/lib/etcd-restored": str(restored_data),
                },
            )
            shutil.rmtree(member.folder / "data")
            shutil.copytree(restored_data, member.folder / "data")
            member.start()
            etcd.wait()

        replaced = {"/backup": str(tmp_path), "https://etcd1.example.com:2379": member.client_url}
        is_backed_up_and_restored(etcd.url("/expether"), lambda: shell(back_up, replaced), restored, True)
        assert os.stat(tmp_path / "etcd.db").st_mode & 0o077 == 0
    finally:
        etcd.close()
