# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each variable of a playbook is documented, checked, and not hidden from the inventory."""

from __future__ import annotations

import functools
import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from guides import ROOT, definitions_of, literals_in

CHECK = yaml.safe_load((ROOT / "playbooks" / "tasks" / "check.yml").read_text(encoding="utf-8"))[0]["vars"]
NOT_TEXT = re.compile(CHECK["expether_not_text"])
TEXT = "tag:yaml.org,2002:str"
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


def examples(*texts: str) -> t.Callable[[t.Any], t.Any]:
    return lambda test: functools.reduce(lambda each, text: example(text)(each), texts, test)


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


@given(st.text(st.sampled_from("0179afx_.:+-eETtZz bon~\n"), min_size=1, max_size=20))
@examples("007", "08", "0x8cdf9d000018", "0b11", "1_000", "-5", "1:30", "1:30.5", "1.5", ".5", "1.e+5", "-.inf", ".NaN")
@examples(
    "on",
    "Off",
    "YES",
    "true",
    "~",
    "NULL",
    "=",
    "<<",
    "2026-01-01",
    "2026-1-1 1:00:00.5 +09:00",
    "2026-01-01T10:00:00Z",
)
def test_text_that_yaml_takes_for_something_else_is_refused(text: str) -> None:
    if yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False)) != TEXT:
        assert NOT_TEXT.match(text)


@pytest.mark.parametrize("text", ["[]", "['a']", "[1,\n2]\n", "{}", '{"a": 1} '])
def test_text_that_a_template_made_a_list_or_dictionary_is_refused(text: str) -> None:
    assert NOT_TEXT.match(text)


@pytest.mark.parametrize(
    "text",
    ["train-1", "7b", "0a", "10.0.0.1", "rack 1", "1-2", "2026-01-01 moved", "00:30:13:00:00:18", "nobody", "1e5"]
    + [
        "12345678-1234-1234-1234-123456789012",
        "-",
        ".",
        "0x",
        "http://10.0.0.1:30500/eem",
        "1.2.3",
        "-----BEGIN\n1\n",
        "{{ 6 * 7 }}",
    ]
    + ["[draft] rack", "rack [2]"],
)
def test_other_text_is_accepted(text: str) -> None:
    assert not NOT_TEXT.match(text)


def test_a_result_for_workflows_hides_no_variable() -> None:
    """AWX gives it to later jobs as an extra variable, which hides their answers and what a play registers."""
    for path in (ROOT / "playbooks").rglob("*.yml"):
        text = re.sub(r"^#.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        names = {*re.findall(r"set_stats:\n +data:\n +(\w+):", text)}
        assert names <= {"expether_job"} and text.count("expether_job") == len(names)
