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
    again = call("registry", registry=three, reencrypt=True)
    run = ansible.play(
        again.checked(),
        again.called("for true"),
        again.called("again"),
        call("podm_info", registry=three, check=True),
        call("registry").failing().called("nothing"),
        call("registry", copy_from=two, reencrypt=True).failing().called("both"),
    )
    assert [result.changed for result in run.results[:3]] == [True, True, False]
    names = [(result["reencrypted"], result["kept"]) for result in run.results[:3]]
    assert names == [(["rack1"], []), (["rack1"], []), ([], ["rack1"])]
    assert run[3]["podms"][0]["status"] == "Online"  # its password was used
    assert (
        run["nothing"].msg
        == run["both"].msg
        == ("Set exactly one of `copy_from`, `valence_dump` and `reencrypt: true`. Nothing was changed.")
    )


WOULD = """\
pod managers: 1 would be added
nodes: 0 would be added
devices: 12 would be added
flavors: 0 would be added
Would be encrypted with the first key: the passwords of rack1.
The registry has no passwords. Check that it is the right one.
"""
DONE = """\
pod managers: 1 added
nodes: 0 added
devices: 12 added
flavors: 0 added
pod managers: 0 added, 1 kept as they are
nodes: 0 added
devices: 0 added, 12 kept as they are
flavors: 0 added
Encrypted with the first key: the passwords of rack1.
Had the first key already: the passwords of rack1.
"""


@pytest.mark.smoke
def test_the_playbooks_say_how_many_of_what_and_whose_passwords(ansible: Ansible, known: Task) -> None:
    other = f"sqlite:///{ansible.files}/other.sqlite3"
    ansible.play(known, call("flavor", name="other", properties=GPU, registry=other))
    add_key(ansible.files / "registry.sqlite3.key")
    copy = {"copy_from": ansible.registry, "registry": f"sqlite:///{ansible.files}/two.sqlite3"}

    def run(*plays: tuple[str, dict[str, object]], check: bool = False) -> tuple[int, str]:
        wrapper = ansible.folder / "wrapper.yml"
        wrapper.write_text(
            json.dumps([{"import_playbook": f"nec.expether.registry_{name}", "vars": to} for name, to in plays]),
            encoding="utf-8",
        )
        done = play(ansible, str(wrapper), *(["--check"] if check else []))
        return done.returncode, done.stdout

    empty = {"registry": f"sqlite:///{ansible.files}/none.sqlite3"}
    assert run(("copy", copy), ("reencrypt", {}), ("reencrypt", empty), check=True) == (0, WOULD)
    assert not (ansible.files / "two.sqlite3").exists()
    plays = [("copy", copy), ("copy", copy), ("reencrypt", {}), ("reencrypt", {})]
    status, text = run(*plays, ("copy", {**copy, "registry": other}))
    assert status == 2 and text.startswith(DONE)
    assert "is not empty: it has 1 flavor. Set `merge: true`" in text
