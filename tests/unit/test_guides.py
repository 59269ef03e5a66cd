# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README.md and the guides in docs/docsite agree with the code."""

from __future__ import annotations

import ast
import json
import re
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from guides import GUIDES, PAGES, ROOT, definitions_of, literals_in

README = ROOT / "README.md"
DOCSITE = ROOT / "docs" / "docsite"
LIBRARY = sorted((ROOT / "plugins" / "module_utils").rglob("*.py"))
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8")) if (ROOT / "galaxy.yml").is_file() else {}
HOLE = "\0"  # a part of a message that differs from run to run
#: Advice at the end of messages: what it says is all that there is to say.
ADVICE = ("Run the task again", "Check ", "Redirects are not followed", "Nothing was changed.")
#: What other messages end with.
PARTS = ("; no ", "its nodes are", "it has no")
#: Ansible's own message, and warnings that are put together from these words and the words of an error.
NOT_SENTENCES = ("Failed to import the required Python library", "Asked EEM again:", "Planned again:")
#: How the message about a request that cannot be met begins: its numbers come first.
NUMBERS = "2 GPU requested, 1 free."


def guide(name: str) -> Path:
    return DOCSITE / "rst" / f"guide_{name}.rst"


# -- README ------------------------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_lists_each_module_with_its_short_description() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.+) \|$", README.read_text(encoding="utf-8"))
    described = {}
    for path in sorted((ROOT / "plugins" / "modules").glob("*.py")):
        found = re.search(r"(?m)^short_description: (.+)$", path.read_text(encoding="utf-8"))
        described[path.stem] = found[1] if found else ""
    assert dict(rows) == described


def test_the_readme_names_the_versions_that_are_tested() -> None:
    source = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    cores = [".".join(version.split(".")[:2]) for version in re.findall(r'(?m)^    Core\("([\d.]+)"', source)]
    pythons = re.findall(r'"([\d.]+)"', re.search(r"(?m)^MODULE_PYTHONS = \((.*)\)$", source)[1])  # type: ignore[index]
    text = " ".join(README.read_text(encoding="utf-8").split())
    assert f"ansible-core {', '.join(cores[:-1])} and {cores[-1]}" in text
    assert f"CPython {pythons[0]} to {pythons[-1]}" in text
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert f"ansible-core {runtime['requires_ansible'].lstrip('>=').removesuffix('.0')} or later" in text


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: page.stem)
def test_links_to_the_repository_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    repository = GALAXY.get("repository", "https://github.com/nec-expether/nec.expether")
    names = re.findall(rf"{re.escape(repository)}/(?:blob|tree|raw)/main/([^\s)>#]+)", text)
    assert [name for name in names if not (ROOT / name).exists()] == []
    relative = re.findall(r"\]\((?!https?://)[^)]*\)", text)
    assert relative == [], "relative links do not work on Galaxy"


# -- the site ----------------------------------------------------------------------------------------------------


def test_the_site_contains_each_guide_once() -> None:
    sections = yaml.safe_load((DOCSITE / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    assert sorted(name for section in sections for name in section["toctree"]) == [path.stem for path in GUIDES]


def test_the_quick_start_names_the_oldest_libraries() -> None:
    from ansible_collections.nec.expether.plugins.module_utils._model.libraries import OLDEST

    terms = re.findall(r"(?m)^``(\w+)`` (\S+) or later", guide("quickstart").read_text(encoding="utf-8"))
    assert dict(terms) == {
        name: ".".join(map(str, version)) if isinstance(version, tuple) else version for name, version in OLDEST.items()
    }


def test_the_guide_names_each_metric() -> None:
    source = (ROOT / "plugins" / "module_utils" / "_sync" / "textfile.py").read_text(encoding="utf-8")
    names = {f"expether_{name}" for name in re.findall(r"gauge\(\"(\w+)\"", source)}
    listed = {name for terms, dummy in definitions_of(guide("sync")) for name in terms if name.startswith("expether_")}
    assert names and listed == names


def test_the_guide_lists_each_failure_kind() -> None:
    kinds, bases = {}, {"ExpetherError", "EemError"}
    for path in LIBRARY:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for line in node.body:
                    if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "kind":
                        kinds[node.name] = ast.literal_eval(line.value)
            elif isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in bases, "a base class has no kind that says anything"
    listed = [name for terms, dummy in definitions_of(guide("failure_kinds")) for name in terms]
    keys = {"kind", "code", "http_status", "message", "url"}
    assert sorted({*listed} - keys) == sorted(kind for name, kind in kinds.items() if name not in bases)


def test_the_guide_names_each_event_and_each_of_its_keys() -> None:
    folder = ROOT / "extensions" / "eda" / "plugins" / "event_source" / "schemas"
    keys = json.loads((folder / "expether_events.json").read_text(encoding="utf-8"))["properties"]
    listed = [name for terms, dummy in definitions_of(guide("events")) for name in terms]
    rulebooks = [f"nec.expether.{path.stem}" for path in (ROOT / "extensions" / "eda" / "rulebooks").glob("*.yml")]
    assert sorted(listed) == sorted([*keys["type"]["enum"], *keys, *rulebooks])


# -- troubleshooting ---------------------------------------------------------------------------------------------


def messages() -> t.Iterator[tuple[str, str]]:
    """Give each sentence of the library, the playbooks and the role, with its place; what differs from run to run is a HOLE."""
    yield from messages_of_python()
    for path in [
        *(ROOT / "playbooks").rglob("*.yml"),
        *(ROOT / "roles").glob("*/tasks/*.yml"),
        *(ROOT / "roles").glob("*/vars/*.yml"),
    ]:
        for template in refusals_in(yaml.safe_load(path.read_text(encoding="utf-8"))):
            filled = re.sub(r"(?s)(?:\s*\{\{-|\{\{).*?(?:-\}\}\s*|\}\})", HOLE, template.replace("{{ ' ' }}", ""))
            for text in re.split(r"(?s)\{%.*?%\}", filled):
                if text.replace(HOLE, "").strip():
                    yield str(path.relative_to(ROOT)), " ".join(text.split())


def refusals_in(content: t.Any) -> t.Iterator[str]:
    """Give the templates of the messages of failed checks, wherever in a file."""
    for key, value in content.items() if isinstance(content, dict) else ():
        if key in ("fail_msg", "expether_complaints", "expether_refusal", "expether_nobody", "expether_sync_wrong"):
            yield value
        elif key == "ansible.builtin.fail":
            yield value["msg"]
    for item in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from refusals_in(item)


def messages_of_python() -> t.Iterator[tuple[str, str]]:
    """Give each sentence of the library, of the inventory plugin, and of the programs of the role."""
    documents = ("DOCUMENTATION", "EXAMPLES")
    plugins = (ROOT / "plugins" / "inventory").glob("*.py")
    for path in [*LIBRARY, *plugins, *(ROOT / "roles").glob("*/files/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        texts |= {
            node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node).startswith(documents)
        }
        for node in ast.walk(tree):
            if node in parts or node in texts:
                continue
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = re.sub(r"\{\w*\}", HOLE, node.value)
            else:
                continue
            if path.stem == "textfile" and HOLE not in text:
                continue  # the help of a metric
            if len(re.findall("[A-Za-z]{2,}", text)) >= 2 and " " in text.strip() and not re.match("[A-Z]{6}", text):
                yield f"{path.parent.name}/{path.name}:{node.lineno}", text.strip()


def is_to_be_explained(text: str) -> bool:
    """Whether a text is a whole sentence, or several, and not only advice."""
    return text[-1] in ".?" and len(re.findall("[a-z]{2,}", text)) >= 3 and not text.startswith((*ADVICE, *PARTS))


def pattern_of(text: str) -> t.Pattern[str]:
    """Return what matches a message, and with ` ...` at its end also the beginning of a message.

    The beginning has at least three words that are always the same, or all of them.
    """
    words = [re.escape(word).replace(re.escape(HOLE), ".+?") for word in text.split(" ")]
    same = [bool(re.search("[A-Za-z]", word.replace(HOLE, ""))) for word in text.split(" ")]
    while len(words) > 1 and not same[0]:  # what comes first may be left out
        del words[0], same[0]
    least = next((place for place in range(len(words)) if sum(same[: place + 1]) == 3), len(words) - 1) + 1
    rest = "(?: [.]{3})?"
    for word in reversed(words[least:]):
        rest = f"(?: {word}{rest}|(?: [.]{{3}}))"
    return re.compile(f"(?:.+ )?{' '.join(words[:least])}{rest}")


def explained() -> list[str]:
    return [literal for terms, dummy in definitions_of(guide("troubleshooting")) for literal in terms]


def test_each_message_of_the_library_is_explained() -> None:
    literals = explained()
    missing = [
        f"{place}: {text.replace(HOLE, '{}')}"
        for place, text in messages()
        if is_to_be_explained(text) and not any(map(pattern_of(text).fullmatch, literals))
    ]
    assert missing == []


def test_each_message_that_is_explained_is_one_of_the_library() -> None:
    patterns = [pattern_of(text) for dummy, text in messages()]
    unknown = [
        literal
        for literal in explained()
        if not literal.startswith((*NOT_SENTENCES, NUMBERS))
        and not any(pattern.fullmatch(literal) for pattern in patterns)
    ]
    assert unknown == []


def test_each_message_is_explained_once() -> None:
    literals = explained()
    assert len(literals) > 100 and len({*literals}) == len(literals)


def test_a_message_is_found_by_its_beginning_and_not_by_other_words() -> None:
    pattern = pattern_of(f"Node {HOLE} does not exist. Set `flavor` to create it.")
    assert pattern.fullmatch("Node 'train-1' does not exist. Set ...")
    assert pattern.fullmatch("Node 'train-1' does not exist. Set `flavor` to create it.")
    assert not pattern.fullmatch("Node 'train-1' does not exist. Run ...")
    assert not pattern.fullmatch("Node 'train-1' does not exist. Set")
    assert literals_in("``a `b` c`` or ```d` e`` and ``f `g```") == ["a `b` c", "`d` e", "f `g`"]
