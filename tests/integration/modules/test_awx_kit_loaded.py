# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/awx as Ansible reads it: what the modules that configure AWX are given, and whether playbooks take the answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from playbooks import ON_LOCALHOST

KIT = ROOT / "docs" / "awx"
Json = dict[str, t.Any]


class Answer(str):
    """Text as AWX writes it."""


class Dumper(yaml.SafeDumper):
    """Writes what AWX writes."""

    def ignore_aliases(self, data: object) -> bool:
        return True


Dumper.add_representer(Answer, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style="'"))


def play(path: Path, plays: list[Json], **environment: str) -> str:
    path.write_text(yaml.dump(plays, Dumper=Dumper, sort_keys=False), encoding="utf-8")
    done = subprocess.run(
        [*ON_LOCALHOST, str(path)],
        cwd=ROOT / ".ansible",
        env={"PATH": "/usr/bin:/bin", "HOME": str(path.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The variables of the kit by name, after Ansible has read the two files and has replaced what is for itself."""
    folder = tmp_path_factory.mktemp("kit")
    names = [
        line.partition(":")[0]
        for name in ("settings", "controller")
        for line in (KIT / f"{name}.yml").read_text(encoding="utf-8").splitlines()
        if line.startswith("controller_")
    ]
    tasks = [
        {
            "name": f"Write {name}",
            "ansible.builtin.copy": {
                "dest": str(folder / name),
                "content": f"{{{{ {name} | to_json }}}}",
                "mode": "0600",
            },
        }
        for name in names
    ]
    plays: Json = {"name": "Read", "hosts": "localhost", "gather_facts": False, "tasks": tasks}
    plays["vars_files"] = [str(KIT / "settings.yml"), str(KIT / "controller.yml")]
    secrets = {"EEM_USERNAME": "admin", "EEM_PASSWORD": "0123", "EXPETHER_REGISTRY_KEY": "c2VjcmV0"}
    play(folder / "play.yml", [plays], **secrets)
    return {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in names}


def by_name(things: list[Json]) -> dict[str, Json]:
    found = {thing["name"]: thing for thing in things}
    assert len(found) == len(things)
    return found


def test_templates_for_awx_reach_it_and_secrets_are_filled_in(given: Json) -> None:
    types = by_name(given["controller_credential_types"])
    assert types["ExpEther EEM"]["injectors"]["env"]["EEM_PASSWORD"] == "{{ password }}"
    assert types["ExpEther EEM"]["injectors"]["file"]["template.ca"] == "{{ ca_certificate }}"
    (host,) = given["controller_hosts"]
    assert host["variables"] == {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    credentials = by_name(given["controller_credentials"])
    assert credentials["EEM rack1"]["inputs"]["password"] == "0123"
    assert credentials["ExpEther registry"]["inputs"]["key"] == "c2VjcmV0"
    braces = {
        key: value for key, value in given.items() if key not in ("controller_credential_types", "controller_hosts")
    }
    assert "{{" not in json.dumps(braces)


def test_all_names_in_the_kit_are_of_things_in_the_kit(given: Json) -> None:
    credentials, types = by_name(given["controller_credentials"]), by_name(given["controller_credential_types"])
    images, projects = by_name(given["controller_execution_environments"]), by_name(given["controller_projects"])
    inventories = by_name(given["controller_inventories"])
    for credential in credentials.values():
        inputs = types[credential["credential_type"]]["inputs"]
        assert {*inputs["required"]} <= {*credential["inputs"]} <= {field["id"] for field in inputs["fields"]}
    assert {project["default_environment"] for project in projects.values()} <= {*images}
    assert {host["inventory"] for host in given["controller_hosts"]} <= {*inventories}
    for source in given["controller_inventory_sources"]:
        assert source["inventory"] in inventories
        assert source["source_project"] in projects
        assert source["credential"] in credentials
        assert source["execution_environment"] in images
        assert (KIT / "project" / source["source_path"]).exists()
    for template in by_name(given["controller_templates"]).values():
        assert template["inventory"] in inventories
        assert template["project"] in projects
        assert template["execution_environment"] in images
        assert {*template["credentials"]} <= {*credentials}
        assert template["extra_vars"] == {"expether_hosts": ""}
        assert (KIT / "project" / template["playbook"]).exists()
        # In any other job, its URL would select the EEM if podm is not answered.
        is_eem = {credentials[name]["credential_type"] for name in template["credentials"]} >= {"ExpEther EEM"}
        assert is_eem == (template["playbook"] == "register.yml")


def test_the_playbook_for_awx_passes_all_that_the_kit_has(given: Json) -> None:
    (configure,) = yaml.safe_load((KIT / "configure.yml").read_text(encoding="utf-8"))
    passed = {}
    for task in configure["tasks"]:
        ((module, options),) = ((key, value) for key, value in task.items() if key.startswith("awx.awx."))
        assert options == {option: f"{{{{ item.{option} }}}}" for option in options}
        found = re.fullmatch(r"\{\{ (controller_\w+) \}\}", task["loop"])
        assert found
        passed[found[1]] = {*options}
    assert {name: {frozenset(thing) for thing in things} for name, things in given.items()} == {
        name: {frozenset(options)} for name, options in passed.items()
    }


def answers(survey: list[Json]) -> t.Iterator[Json]:
    """Give the answers of somebody who only answers what is required, and of others who make each choice once."""
    sample = {"integer": 7, "float": 2.5}
    required = {
        question["variable"]: Answer(question["default"] or "text") for question in survey if question["required"]
    }
    # AWX passes the default of a skipped question if it is an answer.
    skipped = {
        question["variable"]: Answer(question["default"])
        for question in survey
        if question["type"] in ("text", "textarea") or question["default"] != ""
    }
    yield {**skipped, **required}
    for turn in range(max(len(question.get("choices", "").splitlines()) for question in survey) or 1):
        made: Json = {}
        for question in survey:
            choices = question.get("choices", "").splitlines()
            # Of all texts, only this one must be known: to the inventory.
            text = "localhost" if question["variable"] == "node_host" else "text"
            chosen = Answer(choices[turn % len(choices)]) if choices else Answer(sample.get(question["type"], text))
            made[question["variable"]] = [chosen] if question["type"] == "multiselect" else chosen
        yield made


def test_the_playbooks_accept_all_answers_that_the_surveys_offer(given: Json, tmp_path: Path) -> None:
    plays: list[Json] = []
    for template in given["controller_templates"]:
        (playbook,) = yaml.safe_load((ROOT / "playbooks" / template["playbook"]).read_text(encoding="utf-8"))
        check = playbook["tasks"][0]
        for made in answers(template["survey_spec"]["spec"]):
            task = {
                "name": "Check",
                "ansible.builtin.import_tasks": str(ROOT / "playbooks" / "tasks" / "check.yml"),
                "vars": check["vars"],
            }
            plays.append(
                {
                    "name": template["name"],
                    "hosts": "localhost",
                    "gather_facts": False,
                    "vars": {**template["extra_vars"], **made},
                    "tasks": [task],
                }
            )
    recap = play(tmp_path / "play.yml", plays)
    assert re.search(rf"ok={len(plays)} +changed=0 +unreachable=0 +failed=0 +skipped=0", recap), recap
    assert len(plays) >= 2 * len(given["controller_templates"])
    # The check refuses what no survey offers.
    plays[0]["vars"]["move"] = 0.5
    with pytest.raises(AssertionError, match="but must be true or false"):
        play(tmp_path / "play.yml", plays[:1])
