# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role sync of this version takes over what that of 0.1.0 has installed, on a real systemd."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import machine
import pytest
import yaml
from forks import Json
from machine import Machine
from versions import ROOT, Site, Version

_IMPOSSIBLE = machine.why_impossible()
#: Every variable of 0.1.0, with other values than its defaults where they matter to what is installed.
VARIABLES: dict[str, Json] = {
    "expether_sync_state": "present",
    "expether_sync_enabled": True,
    "expether_sync_interval": 3600,
    "expether_sync_randomized_delay": 0,
    "expether_sync_timeout": 600,
    "expether_sync_podms": ["rack1"],
    "expether_sync_forks": "2",
    "expether_sync_retention": 0.5,
    "expether_sync_user": "expether",
    "expether_sync_registry": "sqlite:////var/lib/expether/registry.sqlite3",
    "expether_sync_registry_key_file": "/var/lib/expether/key/registry.key",
    "expether_sync_venv": "/opt/expether",
    "expether_sync_wheel_dir": "",
    "expether_sync_textfile_dir": "/var/lib/expether-metrics",
}
UNITS = ["expether-sync.service", "expether-sync.timer"]
COLLECTION = "/opt/expether/collections/ansible_collections/nec/expether"


@pytest.fixture(name="host")
def fixture_host(earlier: Version, tmp_path: Path) -> Iterator[Machine]:
    """A machine without the role."""
    if _IMPOSSIBLE:
        pytest.skip(_IMPOSSIBLE)
    (tmp_path / "machine").mkdir()
    with Machine(tmp_path / "machine", tmp_path, earlier.tree.parents[2]) as found:
        yield found


@pytest.fixture(name="copy")
def fixture_copy() -> Path:
    """A copy of this checkout, which stays as it is although other tests run in this checkout."""
    done = subprocess.run([ROOT / "tests/tools/copy_tree.sh", "upgrade"], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


def role(host: Machine, tree: Path, folder: Path) -> int:
    """Run the role of a version in this folder on the machine, and return how many tasks have changed something."""
    (folder / "play.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "roles": ["nec.expether.sync"], "vars": VARIABLES}])
    )
    done = host.run(
        *(sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local"),
        f"--extra-vars=ansible_python_interpreter={sys.executable}",
        str(folder / "play.yml"),
        HOME=str(folder),
        ANSIBLE_HOME=str(folder / ".ansible"),
        ANSIBLE_COLLECTIONS_PATH=str(tree.parents[2]),
        ANSIBLE_PIPELINING="1",
        PIP_NO_INDEX="1",
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return int(re.findall(r"changed=(\d+)", done.stdout)[0])


def synchronise(host: Machine) -> str:
    """Run the service, or wait for its end if the timer has started it; return its journal since the last time."""
    done = host.run("systemctl", "start", "expether-sync.service")
    journal = "journalctl --unit expether-sync.service --output cat --no-pager --cursor-file /run/journal-cursor"
    lines = "\n".join(host.shell(journal))
    assert done.returncode == 0, lines
    return lines


def timer(host: Machine) -> list[str]:
    """The state of the timer, and when it starts the service."""
    names = "ActiveState,UnitFileState,FragmentPath,DropInPaths,TimersMonotonic,RandomizedDelayUSec"
    found = host.shell(f"systemctl show expether-sync.timer --property={names}")
    return sorted(re.sub(" ; next_elapse=[^}]*", "", line) for line in found)


def files(host: Machine) -> list[str]:
    """The files of the role, without those of the collection, with their owners and modes."""
    found = host.shell(
        "find /etc /var/lib /opt/expether -xdev -name '*expether*' -printf '%p %u %m\\n';"
        " find /var/lib/expether /var/lib/expether-metrics -printf '%p %u %m\\n';"
        " find /opt/expether -mindepth 1 -maxdepth 1 -printf '%p %u %m\\n'"
    )
    return sorted({line for line in found if not line.startswith(COLLECTION)})


def collection(host: Machine) -> list[str]:
    """The files of the installed collection."""
    return host.shell(f"cd {COLLECTION} && find . -type f -printf '%P\\n'")


@pytest.mark.timeout(900)
def test_the_role_takes_over_what_that_of_the_earlier_version_has_installed(
    earlier: Version, copy: Path, then: Site, host: Machine, tmp_path: Path
) -> None:
    specs = yaml.safe_load((earlier.tree / "roles/sync/meta/argument_specs.yml").read_text(encoding="utf-8"))
    assert {*VARIABLES, "expether_sync_collection_source"} == {*specs["argument_specs"]["main"]["options"]}
    eem = then.eems[0]
    registered = then.run(
        earlier,
        "podm",
        {"name": "rack1", "url": eem.url, "username": eem.username, "password": eem.password},
    )
    assert registered["changed"]
    host.shell(
        f"{machine.python_environment('/opt/expether')}"
        "mkdir -p -m 0700 /var/lib/expether/key\n"
        f"cp -p {then.folder}/registry.sqlite3 /var/lib/expether\n"
        f"cp -p {then.folder}/registry.sqlite3.key /var/lib/expether/key/registry.key\n"
    )
    assert role(host, earlier.tree, tmp_path) > 0
    assert "1 of 1 pod managers synchronised" in synchronise(host)
    timer_before, files_before, content = timer(host), files(host), collection(host)
    assert "plugins/module_utils/_glue.py" in content

    assert role(host, copy, tmp_path) > 0
    # The timer has started the service at once.
    journal = synchronise(host)
    assert re.search("(?m)^rack1 Online: 0 added, 24 updated, 0 missing, 0 removed, 0 unchanged in", journal), journal
    assert timer(host) == timer_before
    assert {"ActiveState=active", "UnitFileState=enabled"} < {*timer_before}
    assert files(host) == files_before
    assert host.shell("systemctl list-unit-files --no-legend 'expether*' | cut -d' ' -f1") == UNITS
    assert "plugins/module_utils/_ansible/context.py" in collection(host)
    assert {*collection(host)} <= {str(path.relative_to(copy)) for path in copy.rglob("*")} | {
        "MANIFEST.json",
        "FILES.json",
    }
    installed = json.loads("".join(host.shell("cat /opt/expether/installed.json")))
    assert installed["collection"] == yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert role(host, copy, tmp_path) == 0
    journal = synchronise(host)
    assert "1 of 1 pod managers synchronised, nothing changed." in journal, journal
