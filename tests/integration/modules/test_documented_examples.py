# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of modules, README.md and guides run as they are written."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from eemsim.client import Simulator
from guides import PAGES, Block, blocks_of
from module_runs import MODULES, ROOT, Ansible

KNOWN_URL = "http://eem.example.com:30500/eem"
#: What the examples name: two EESVs, two GPUs, and a card that does not answer any more.
SYSTEM, OTHER_SYSTEM = "0x8cdf9d53f236", "0x8cdf9d53f238"
DEVICES, GONE = ("0x8cdf9d512930", "0x8cdf9d512932"), "0x8cdf9d512936"
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
    """The fleet, in which two EESVs and three EEIOs, all of them last, have the ids that the examples name."""
    systems, gpus, nics = (
        [card["id"] for card in cards] for cards in (eem.eesvs(), eem.eeios()[0::3], eem.eeios()[2::3])
    )
    names = {systems[2]: SYSTEM, systems[3]: OTHER_SYSTEM, **dict(zip(gpus, DEVICES)), nics[0]: GONE}
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
    "registry",
    "layout",
    "layout_info",
)
#: The registries and key files that the examples name.
PLACES = {
    "sqlite:////var/lib/expether/registry.sqlite3": "sqlite:///{files}/registry.sqlite3",
    "postgresql://expether@db1.example.com/expether": "sqlite:///{files}/two.sqlite3",
    "etcds://expether@etcd1.example.com,etcd2.example.com/expether": "sqlite:///{files}/three.sqlite3",
    "/etc/expether/": "{files}/",
}


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
    for named, place in PLACES.items():
        text = text.replace(named, place.format(files=ansible.files))
    assert "example.com" not in text
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"eem_password": eem.password}}
    run = ansible.run_playbook([{**play, "tasks": json.loads(text)}])
    assert [result.msg for result in run if result.failed] == []
    assert len(run) == len(tasks)
    for result, task in zip(run, tasks):
        # What a synchronisation changes is up to the EEM, and all passwords have the only key.
        changer = any(
            key.startswith("nec.expether.") and not key.endswith(("_info", "_sync")) and "reencrypt" not in options
            for key, options in task.items()
        )
        assert result.changed == changer, f"{result.task}: each example of a changer changes something"


#: What the examples of a page need besides the pod manager rack1. A page that is not here needs no pod manager either.
SSD = {"properties": {"pci_device": {"type": ["SSD"]}}}
NODES = {
    f"train-{number}": {"nec.expether.expether_node": {"podm": "rack1", "name": f"train-{number}", **SSD}}
    for number in (1, 2)
}
IN_USE = {"nec.expether.expether_device_attach": {"podm": "rack1", "node": SYSTEM, "devices": [DEVICES[0]]}}
PREPARED: dict[str, list[dict[str, t.Any]]] = {
    "guide_attaching": [*NODES.values()],
    "guide_awx": [],
    "guide_composing": [IN_USE],
    "guide_failures": [NODES["train-2"]],
    "guide_other_programs": [],
    "guide_registries": [],
    "guide_registry": [],
    "guide_report": [NODES["train-1"]],
    "guide_simulator": [],
    "guide_sync": [],
    "guide_valence": [],
}
BIN = Path(sys.executable).parent


def plays_of(block: Block) -> list[t.Any]:
    """The plays of a block of YAML; none if it is something else, such as a credential type or a rulebook."""
    content = yaml.safe_load(block.text) if block.language == "yaml" else None
    if not isinstance(content, list) or any("rules" in item for item in content):
        return []
    if any("hosts" in item or "ansible.builtin.import_playbook" in item for item in content):
        return content
    return [{"hosts": "localhost", "gather_facts": False, "tasks": content}]


def is_for_localhost(block: Block) -> bool:
    """Whether a block can run here: plays on localhost, or commands that run a module or playbook of the collection here."""
    if block.language == "shell":
        commands = block.text.replace("\\\n", " ").splitlines()
        ours = [
            re.match(r"ansible localhost -m nec\.expether\.|ansible-playbook nec\.expether\.", line)
            for line in commands
        ]
        others = [line for line, match in zip(commands, ours) if not match and not line.startswith("export ")]
        return any(ours) and not others and " -i " not in block.text
    plays = plays_of(block)
    return bool(plays) and all(play.get("hosts") == "localhost" for play in plays)


def elsewhere(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if plays_of(block) and not is_for_localhost(block)]


def groups(blocks: t.Iterable[Block]) -> list[list[Block]]:
    """Consecutive blocks of YAML together, commands alone."""
    found: list[list[Block]] = []
    for block in blocks:
        if found and block.language == found[-1][0].language == "yaml":
            found[-1].append(block)
        else:
            found.append([block])
    return found


def without_records(ansible: Ansible) -> dict[str, str]:
    """The environment for commands of which no records are kept."""
    return {key: value for key, value in ansible.environment.items() if key != "ANSIBLE_CALLBACKS_ENABLED"}


PAGES_WITH_EXAMPLES = [page for page in PAGES if any(map(is_for_localhost, blocks_of(page)))]


@pytest.mark.parametrize("page", PAGES_WITH_EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_in_their_order(ansible: Ansible, eem: Simulator, page: Path) -> None:
    eem.reset(eesv=6, eeio=18, style="plain")
    eem.reset(devices=rack_of_the_examples(eem))
    passwords = {"EEM_PASSWORD": eem.password}
    real = {
        KNOWN_URL: eem.url,
        "http://eem-b.example.com:30500/eem": eem.url,
        "http://127.0.0.1:30500/eem": eem.url,
        "http://127.0.0.1:30500/_control": eem.control,
        "eemeem": eem.password,
        "EEM_PASSWORD=...": f"EEM_PASSWORD={eem.password}",
        **{named: place.format(files=ansible.files) for named, place in PLACES.items()},
    }

    def as_here(text: str) -> str:
        for example, value in real.items():
            text = text.replace(example, value)
        assert "example.com" not in text
        return text

    if page.stem in PREPARED:
        podm = {"name": "rack1", "url": eem.url, "username": eem.username, "password": eem.password}
        tasks = [{"nec.expether.expether_podm": podm}, *PREPARED[page.stem]]
        assert ansible.run_playbook([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]).status == 0
    for blocks in groups(filter(is_for_localhost, blocks_of(page))):
        lines = f"{page.name}:{', '.join(str(block.line) for block in blocks)}"
        if blocks[0].language == "shell":
            environment = {**without_records(ansible), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
            done = subprocess.run(
                ["bash", "-e"],
                input=as_here(blocks[0].text),
                env=environment,
                cwd=ansible.folder,
                check=False,
                capture_output=True,
                text=True,
                timeout=280,
            )
            assert done.returncode == 0, f"{lines}: {done.stdout}{done.stderr}"
        else:
            plays = json.loads(as_here(json.dumps([play for block in blocks for play in plays_of(block)])))
            run = ansible.run_playbook(
                plays, arguments=(f"--extra-vars=eem_password={eem.password}",), environment=passwords
            )
            assert run.status == 0, f"{lines}: {run.stdout}{run.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if elsewhere(page)], ids=lambda page: page.stem)
def test_the_plays_of_a_page_for_other_hosts_are_valid(ansible: Ansible, tmp_path: Path, page: Path) -> None:
    for block in elsewhere(page):
        playbook = tmp_path / f"{page.stem}_{block.line}.yml"
        playbook.write_text(block.text, encoding="utf-8")
        # The hosts that the page names; Ansible warns of one that is in no inventory.
        hosts = ",".join(play["hosts"] for play in plays_of(block) if "hosts" in play)
        command = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            f"--inventory=localhost,{hosts}",
            "--syntax-check",
            str(playbook),
        ]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=without_records(ansible), cwd=tmp_path
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{page.name}:{block.line}: {done.stdout}{done.stderr}"


def test_the_pages_show_examples() -> None:
    assert {page.stem for page in PAGES_WITH_EXAMPLES} == {"README", "guide_quickstart", *PREPARED}


def test_the_demo_prints_what_the_readme_shows() -> None:
    shown = (block.text for block in blocks_of(ROOT / "README.md") if block.language == "text")
    output = next(text for text in shown if "(done)" in text)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "tests" / "tools" / "demo.py")]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.splitlines()
    before_names = (
        None if "EXPETHER_PCI_IDS" in os.environ else 56
    )  # without a list of PCI ids, the last column differs
    missing = [line for line in output.splitlines() if not any(line[:before_names] in each for each in printed)]
    assert missing == []
