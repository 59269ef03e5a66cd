# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation run as they are written; those of README and docs/ are valid."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from eemsim.client import Simulator
from module_runs import MODULES, ROOT, Ansible

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
KNOWN_URL = "http://eem.example.com:30500/eem"
#: What the examples name: an EESV, two GPUs, and a card that does not answer any more.
SYSTEM, DEVICES, GONE = "0x8cdf9d53f236", ("0x8cdf9d512930", "0x8cdf9d512932"), "0x8cdf9d512936"
SILENT = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}


def examples(module: str) -> list[dict[str, t.Any]]:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    texts = [
        statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id == "EXAMPLES"
    ]
    found: list[dict[str, t.Any]] = yaml.safe_load(texts[0])
    return found


def rack_of_the_examples(eem: Simulator) -> list[dict[str, t.Any]]:
    """A plain fleet in which one EESV and three EEIOs, all of them last, have the ids that the examples name."""
    systems, gpus, nics = ([card["id"] for card in cards] for cards in (eem.eesvs(), eem.eeios()[0::3], eem.eeios()[2::3]))
    names = {systems[2]: SYSTEM, **dict(zip(gpus, DEVICES)), nics[0]: GONE}
    cards = []
    for card in eem.records():
        card_id = names.get(card["id"], card["id"].replace("0x8cdf9d8", "0x8cdf9d4"))
        mac = ":".join(re.findall("..", card_id[2:]))
        same = {"pcie_vendor_id": "0x10de", "pcie_device_id": "0x1db6"} if card["id"] in gpus else {}
        silent = SILENT if card_id == GONE else {}
        if card_id == SYSTEM:  # its port 0 has stored the card that is gone
            card["downstream_ports"][0]["eeio_mac_address"] = ":".join(re.findall("..", GONE[2:]))
        cards.append({**card, **same, **silent, "id": card_id, "mac_address": mac})
    return cards


#: In which order the examples of the modules work: what one makes the next may need.
ORDER = (
    "podm_info",
    "sync",
    "flavor",
    "flavor_info",
    "node",
    "node_info",
    "system_info",
    "device_attach",
    "device_info",
    "device",
    "device_action",
)


@pytest.mark.smoke
def test_the_examples_of_all_modules_run_in_their_order(ansible: Ansible, eem: Simulator) -> None:
    eem.reset(eesv=4, eeio=18)
    eem.reset(devices=rack_of_the_examples(eem))
    register, forget = examples("expether_podm")
    tasks = [register]
    for name in ORDER:
        if name == "node_info":  # an example of expether_node has released it
            ssd = {"properties": {"pci_device": {"type": ["SSD"]}}}
            tasks.append({"name": "Prepare", "nec.expether.expether_node": {"podm": "rack1", "name": "train-1", **ssd}})
        tasks += examples(f"expether_{name}")
    tasks.append(forget)
    used = {key.rpartition(".")[2] for task in tasks for key in task if key.startswith("nec.expether.")}
    assert sorted(used) == MODULES, "the examples of a new module are to be tried here"
    text = json.dumps(tasks).replace(KNOWN_URL, eem.url)
    assert "example.com" not in text
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"eem_password": eem.password}}
    run = ansible.run_playbook([{**play, "tasks": json.loads(text)}])
    assert [result.msg for result in run if result.failed] == []
    assert len(run) == len(tasks)
    for result, task in zip(run, tasks):
        # What a synchronisation changes is up to the EEM.
        changer = any(key.startswith("nec.expether.") and not key.endswith(("_info", "_sync")) for key in task)
        assert result.changed == changer, f"{result.task}: each example of a changer changes something"


def yaml_blocks(page: Path) -> list[tuple[int, str]]:
    """The YAML blocks of a page, each with its line."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, block.start()) + 1, block[1]) for block in re.finditer(r"(?ms)^```ya?ml\n(.*?)^```", text)
    ]


def plays_of(content: t.Any) -> list[t.Any]:
    """A block as a playbook; none if it is something else, such as an inventory."""
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        return []
    if any("hosts" in item or "ansible.builtin.import_playbook" in item for item in content):
        return content
    return [{"hosts": "localhost", "gather_facts": False, "tasks": content}]


def tasks_of(content: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """Every dictionary in a block: tasks, also those in blocks."""
    if isinstance(content, dict):
        yield content
    for item in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from tasks_of(item)


@pytest.fixture(name="options_of_modules", scope="module")
def fixture_options_of_modules() -> dict[str, set[str]]:
    """The options of each module with their aliases, as shown by ansible-doc."""
    names = [f"nec.expether.{module}" for module in MODULES]
    command = [sys.executable, "-m", "ansible", "doc", "--type", "module", "--json", *names]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        name: {
            option
            for key, about in answer[name]["doc"]["options"].items()
            for option in (key, *about.get("aliases", ()))
        }
        for name in names
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_yaml_of_a_page_is_valid(
    ansible: Ansible, tmp_path: Path, page: Path, options_of_modules: dict[str, set[str]]
) -> None:
    wrong = []
    for line, text in yaml_blocks(page):
        content = yaml.safe_load(text)
        for task in tasks_of(content):
            for key in task:
                if str(key).startswith("nec.expether.expether_"):
                    unknown = set(task[key] or ()) - options_of_modules.get(key, set())
                    wrong += [f"{page.name}:{line}: {key} has no option {option}" for option in unknown]
        if not (plays := plays_of(content)):
            continue
        playbook = tmp_path / f"{page.stem}_{line}.yml"
        playbook.write_text(json.dumps(plays), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            # The hosts that the page names; Ansible warns of one that is in no inventory.
            f"--inventory=localhost,{','.join(play['hosts'] for play in plays if 'hosts' in play)}",
            "--syntax-check",
            str(playbook),
        ]
        environment = {**ansible.environment, "ANSIBLE_CALLBACKS_ENABLED": ""}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path)
        if done.returncode or done.stderr:
            wrong.append(f"{page.name}:{line}: {done.stdout}{done.stderr}")
    assert wrong == []


def test_the_readme_shows_how_it_is_used() -> None:
    assert any("nec.expether." in text for _line, text in yaml_blocks(ROOT / "README.md"))
