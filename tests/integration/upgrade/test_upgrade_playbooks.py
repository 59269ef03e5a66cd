# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of 0.1.0 with all their variables, its first steps, and its names do with this version what they did."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml
from forks import Json
from versions import ROOT, Site, Version, differences

CALLBACKS = Path(__file__).resolve().parents[1] / "modules" / "callback_plugins"
#: A line about a variable in the comment above a playbook.
VARIABLE = re.compile(r"(?m)^#   (\w+) +(?:text|choice|number|password)\b")


def variables(playbook: Path) -> list[str]:
    """The variables in the comment above a playbook."""
    return VARIABLE.findall(playbook.read_text(encoding="utf-8").split("\n\n- name:")[0])


def jobs(site: Site) -> list[tuple[str, dict[str, Json]]]:
    """Playbooks with their variables, as text, as extra variables and surveys give them."""
    eem = site.eems[0]
    systems = sorted(card["id"] for card in eem.eesvs())
    gpus, ssds, nics = (sorted(card["id"] for card in eem.eeios())[kind::3] for kind in range(3))
    node = {"node_name": "train-7", "podm": "rack1"}
    register = {
        "podm": "rack1",
        "eem_url": eem.url,
        "eem_username": str(eem.username),
        "eem_password": eem.password,
        "validate_certs": "false",
        "ca_path": "",
        "description": "GPUs",
        "location": "Hall 2, rack 14",
    }
    return [
        ("register", register),
        ("compose", {**node, "device_types": "GPU, SSD", "node_index": systems[1], "purge": "", "flavor": None}),
        ("attach", {**node, "devices": f"{nics[0]},{nics[1]} {gpus[2]}", "move": "false"}),
        ("devices", {"podm": "rack1", "device_types": "GPU SSD", "device_states": "allocated", "node_name": "train-7"}),
        ("detach", {**node, "devices": [nics[0]]}),
        ("compose", {**node, "flavor": "gpu-small", "device_types": "", "purge": "yes"}),
        ("sync", {"podms": "rack1", "forks": "2", "retention": "0.5", "textfile_dir": str(site.folder)}),
        ("attach", {**node, "devices": ssds[3]}),
        ("release", {**node, "detach_devices": "false"}),
    ]


def first_steps(earlier: Version, site: Site) -> list[Json]:
    """The play in the README of 0.1.0."""
    text = (earlier.tree / "README.md").read_text(encoding="utf-8")
    block = re.findall(r"(?s)```yaml\n(.*?)```", text.split("\n## First steps\n")[1])[0]
    play = yaml.safe_load(block.replace("http://eem.example.com:30500/eem", site.eems[0].url))
    assert "example.com" not in json.dumps(play)
    return t.cast("list[Json]", play)


def plays(site: Site) -> list[Json]:
    return [
        {"ansible.builtin.import_playbook": f"nec.expether.{name}", "vars": options} for name, options in jobs(site)
    ]


def run(site: Site, version: Version, playbooks: list[Json]) -> list[Json]:
    """Run playbooks by one ansible-playbook, and return the module and the result of each task."""
    collections = version.tree.parents[2] if version.tree != ROOT else ROOT / ".ansible" / "collections"
    playbook, orders, records = (site.folder / name for name in ("play.yml", "orders.json", "records.jsonl"))
    playbook.write_text(json.dumps(playbooks), encoding="utf-8")
    orders.write_text(json.dumps({"before": {}, "controls": [], "folder": str(records), "records": str(records)}))
    environment = {
        **site.environment,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(site.folder / "home"),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "task_records",
        "TASK_RECORDS": str(orders),
        "EEM_PASSWORD": site.eems[0].password,
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local"]
    more = [f"--extra-vars=ansible_python_interpreter={sys.executable}", "--extra-vars=expether_hosts=localhost"]
    done = subprocess.run(
        [*command, *more, str(playbook)], env=environment, check=False, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "DEPRECATION" not in done.stderr
    text = records.read_text(encoding="utf-8")
    for name, place in site.places.items():
        text = text.replace(place, name)
    found = [json.loads(line) for line in text.splitlines()]
    return [(each["module"], each["result"]) for each in found if each["module"].startswith("nec.expether.")]


def test_playbooks_with_the_variables_of_the_earlier_version_do_the_same(
    earlier: Version, current: Version, then: Site, now: Site
) -> None:
    given: dict[str, set[str]] = {}
    for name, options in jobs(then):
        given.setdefault(name, set()).update(options)
    files = {path.stem: path for path in (earlier.tree / "playbooks").glob("*.yml") if path.stem != "demo"}
    assert given.keys() == files.keys()
    for name, path in files.items():
        assert given[name] | {"expether_hosts"} == {*variables(path)}, name
        assert {*variables(path)} <= {*variables(ROOT / "playbooks" / path.name)}, name

    results = [
        run(site, version, [*first_steps(earlier, site), *plays(site)])
        for site, version in ((then, earlier), (now, current))
    ]
    for (module, result), (now_module, now_result) in zip(*results, strict=True):
        assert (module, differences(result, now_result)) == (now_module, [])


def test_the_names_of_the_earlier_version_exist(earlier: Version) -> None:
    for pattern in ("plugins/modules/*.py", "plugins/callback/*.py", "playbooks/*.yml", "roles/*"):
        for path in earlier.tree.glob(pattern):
            assert (ROOT / path.relative_to(earlier.tree)).exists(), path
    before, after = (
        yaml.safe_load((tree / "meta" / "runtime.yml").read_text(encoding="utf-8")) for tree in (earlier.tree, ROOT)
    )
    for name, members in before["action_groups"].items():
        assert {*members} <= {*(each for each in after["action_groups"][name] if isinstance(each, str))}
    oldest = [tuple(map(int, re.findall(r"\d+", each["requires_ansible"]))) for each in (before, after)]
    assert oldest[1] <= oldest[0]
