# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""expether_registry and the playbook nec.expether.registry_copy; tests/integration/library has all back ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from module_runs import Ansible, Task, call, twelve_cases
from test_playbook_sync import play

GPU = {"pci_device": {"type": ["GPU"]}}


def add_key(path: Path) -> None:
    """Put a new key before the others."""
    path.write_bytes(Fernet.generate_key() + b"\n" + path.read_bytes())


@pytest.mark.smoke
def test_a_registry_in_twelve_cases(ansible: Ansible, rack1: Task, eesvs: list[str]) -> None:
    two, three, merge = (f"sqlite:///{ansible.files}/{name}.sqlite3" for name in ("two", "three", "merge"))
    prepared = [
        rack1,
        call("flavor", name="small", properties=GPU),
        call("node", podm="rack1", name="n1", node_index=eesvs[0], state="managed"),
        call("flavor", name="other", properties=GPU, registry=merge),
    ]
    run = twelve_cases(
        ansible,
        ("copy", call("registry", copy_from=ansible.registry, registry=two, merge=True)),
        ("merge", call("registry", copy_from=two, registry=merge, merge=True)),
        ("copy with another key", call("registry", copy_from=two, registry=three, merge=True)),
        prepared=prepared,
    )
    added = {"pod_managers": 1, "nodes": 1, "devices": 12, "flavors": 1}
    for step in ("copy", "merge", "copy with another key"):
        assert run[step]["copied"] == {kind: {"added": count, "kept": 0} for kind, count in added.items()}
        assert run[f"{step} again"]["copied"] == {kind: {"added": 0, "kept": count} for kind, count in added.items()}
    add_key(ansible.files / "three.sqlite3.key")
    run = ansible.play(
        call("registry", registry=three, reencrypt=True).checked(),
        call("registry", registry=three, reencrypt=True).called("for true"),
        call("registry", registry=three, reencrypt=True).called("again"),
        call("podm_info", registry=three, check=True),
        call("registry").failing().called("nothing"),
        call("registry", copy_from=two, reencrypt=True).failing().called("both"),
    )
    assert [result.changed for result in run.results[:3]] == [True, True, False]
    assert [result["reencrypted"] for result in run.results[:3]] == [["rack1"], ["rack1"], []]
    assert run[3]["podms"][0]["status"] == "Online"  # its password was used
    assert (
        run["nothing"].msg
        == run["both"].msg
        == ("Set exactly one of `copy_from`, `valence_dump` and `reencrypt: true`. Nothing was changed.")
    )


def test_the_playbook_says_how_many_of_what(ansible: Ansible, known: Task) -> None:
    ansible.play(known, call("flavor", name="small", properties=GPU))
    to = {"copy_from": ansible.registry, "registry": f"sqlite:///{ansible.files}/two.sqlite3"}
    again = {**to, "merge": "true"}

    def copy(*arguments: str, **variables: str) -> tuple[int, str]:
        done = play(ansible, "nec.expether.registry_copy", f"--extra-vars={json.dumps(variables)}", *arguments)
        return done.returncode, done.stdout

    would = "pod managers: 1 would be added\nnodes: 0 would be added\ndevices: 12 would be added\nflavors: 1 would be added\n"
    assert copy("--check", **to) == (0, would)
    assert not (ansible.files / "two.sqlite3").exists()
    assert copy(**to) == (0, would.replace("would be added", "added"))
    kept = "pod managers: 0 added, 1 kept as they are\nnodes: 0 added\ndevices: 0 added, 12 kept as they are\n"
    assert copy(**again) == (0, f"{kept}flavors: 0 added, 1 kept as they are\n")
    status, text = copy(**to)
    assert status == 2 and "is not empty: it has 1 pod manager, 12 devices, 1 flavor. Set `merge: true`" in text


def test_the_playbook_of_a_new_key_names_the_pod_managers(ansible: Ansible, known: Task) -> None:
    ansible.play(known)
    add_key(ansible.files / "registry.sqlite3.key")
    said = []
    for arguments in (["--check"], [], []):
        done = play(ansible, "nec.expether.registry_reencrypt", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        said.append(done.stdout)
    assert said == [
        "Would be encrypted with the first key: the passwords of rack1.\n",
        "Encrypted with the first key: the passwords of rack1.\n",
        "All passwords have the first key already.\n",
    ]
