# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each variable of a playbook is documented, checked, and not hidden from the inventory."""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from guides import ROOT, definitions_of, literals_in

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def text_of(playbook: str) -> str:
    return (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")


def documented(playbook: str) -> dict[str, str]:
    """The variables in a playbook's header, with their descriptions."""
    return dict(re.findall(r"^#   (\w+)  +(\w.*)$", text_of(playbook), re.MULTILINE))


def play_of(playbook: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", yaml.safe_load(text_of(playbook))[0])


def checked(playbook: str) -> dict[str, t.Any]:
    first = play_of(playbook)["tasks"][0]
    assert first["ansible.builtin.import_tasks"] == "tasks/check.yml"
    return t.cast("dict[str, t.Any]", first["vars"])


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_checks_first_all_variables_that_it_documents(playbook: str) -> None:
    variables = documented(playbook)
    assert {*checked(playbook)["expether_kinds"]} == {*variables} - {"expether_hosts"}
    assert {*checked(playbook)["expether_required"]} == {name for name, text in variables.items() if "required" in text}


def test_the_guide_names_all_playbooks_with_their_variables() -> None:
    page = ROOT / "docs" / "docsite" / "rst" / "guide_awx.rst"
    listed = {name: {*literals_in(text)} for terms, text in definitions_of(page) for name in terms}
    assert listed == {
        f"nec.expether.{playbook}": {*documented(playbook)} - {"expether_hosts"} for playbook in PLAYBOOKS
    }


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_no_variable_of_a_play_hides_one_of_the_inventory(playbook: str) -> None:
    assert {*play_of(playbook).get("vars", {})} & {*documented(playbook)} == set()
