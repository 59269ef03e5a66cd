# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the modules against what they take; what they return is compared where they run."""

from __future__ import annotations

import ast
import importlib
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from guides import blocks_of

PACKAGE = "ansible_collections.nec.expether.plugins"
ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")

Options = dict[str, dict[str, t.Any]]


def module(name: str) -> t.Any:
    return importlib.import_module(f"{PACKAGE}.modules.{name}")


def documented(name: str) -> Options:
    """The options in a module's documentation, with those of the fragments that it extends."""
    about = yaml.safe_load(module(name).DOCUMENTATION)
    options: Options = {}
    for fragment in about["extends_documentation_fragment"]:
        file, dummy, part = fragment.removeprefix("nec.expether.").partition(".")
        found = importlib.import_module(f"{PACKAGE}.doc_fragments.{file}").ModuleDocFragment
        options |= yaml.safe_load(getattr(found, part.upper() or "DOCUMENTATION")).get("options", {})
    for option, own in about.get("options", {}).items():
        options[option] = {**options.get(option, {}), **own}
    return options


def facts(option: t.Mapping[str, t.Any], inner: str) -> dict[str, t.Any]:
    """What both the documentation of an option and its spec say."""
    keys: t.Mapping[str, t.Any] = option.get(inner) or {}
    return {
        "type": option.get("type", "str"),
        "elements": option.get("elements"),
        "required": option.get("required", False),
        "default": option.get("default"),
        "choices": option.get("choices"),
        "aliases": option.get("aliases", []),
        "keys": {name: facts(key, inner) for name, key in keys.items()},
    }


@pytest.mark.parametrize("name", MODULES)
def test_a_module_documents_exactly_the_options_that_it_takes(name: str) -> None:
    said = {option: facts(about, "suboptions") for option, about in documented(name).items()}
    assert said == {option: facts(about, "options") for option, about in module(name).SPEC.options.items()}


def test_the_event_source_documents_exactly_the_options_that_it_takes() -> None:
    """Its file cannot be imported as a module of the collection, so its texts are read."""
    from ansible_collections.nec.expether.plugins.module_utils._modules.watch import SPEC

    path = ROOT / "extensions" / "eda" / "plugins" / "event_source" / "expether.py"
    lines = ast.parse(path.read_text(encoding="utf-8")).body
    texts = {ast.unparse(line.targets[0]): line.value for line in lines if isinstance(line, ast.Assign)}
    options = yaml.safe_load(ast.literal_eval(texts["DOCUMENTATION"]))["options"]
    said = {option: facts(about, "suboptions") for option, about in options.items()}
    assert said == {option: facts(about, "options") for option, about in SPEC.options.items()}
    guide = ROOT / "docs" / "docsite" / "rst" / "guide_events.rst"
    shown = [yaml.safe_load(block.text) for block in blocks_of(guide) if block.language == "yaml"]
    rulebooks = [*shown, *(yaml.safe_load(path.read_bytes()) for path in path.parents[2].glob("rulebooks/*.yml"))]
    sources = [source for rulebook in rulebooks for ruleset in rulebook for source in ruleset["sources"]]
    assert len(sources) == 5
    for source in [*yaml.safe_load(ast.literal_eval(texts["EXAMPLES"])), *sources]:
        assert {*source["nec.expether.expether"]} <= {*options}


def walk(keys: Options, where: str = "") -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    for key, about in keys.items():
        yield f"{where}{key}", about
        yield from walk(about.get("contains", {}), f"{where}{key}.")


@pytest.mark.parametrize("name", MODULES)
def test_every_value_that_a_module_returns_has_a_sample_of_its_type(name: str) -> None:
    kinds = {"str": str, "bool": bool, "int": int, "float": float, "list": list, "dict": dict}
    for path, about in walk(yaml.safe_load(module(name).RETURN)):
        if about["description"][0].startswith("Always null"):
            assert "sample" not in about, path
        elif "contains" not in about:
            assert isinstance(about["sample"], kinds[about["type"]]), path


@pytest.mark.parametrize("name", MODULES)
def test_the_keys_of_a_device_within_another_thing_are_described_once(name: str) -> None:
    for path, about in walk(yaml.safe_load(module(name).RETURN)):
        if path.endswith(".devices") and about["type"] == "list":
            assert "RV(nec.expether.expether_device_info#module:devices)" in about["description"][0]
            assert "contains" not in about


def test_the_inventory_plugin_documents_exactly_the_options_that_it_takes() -> None:
    plugin = importlib.import_module(f"{PACKAGE}.inventory.expether")
    said = yaml.safe_load(plugin.DOCUMENTATION)["options"]
    assert said.pop("plugin")["choices"] == [plugin.InventoryModule.NAME]
    variables = {name: [env["name"] for env in about.get("env", ())] for name, about in said.items()}
    prefixes = {"podms": "EEM_PODM", "registry": "EXPETHER_REGISTRY", "registry_key_file": "EXPETHER_REGISTRY_KEY_FILE"}
    for name in said.keys() - {"source", "include_systems", "require_all"}:
        assert variables[name] == [prefixes.get(name, f"EEM_{name.upper()}")]
    # Ansible would make the working directory of an empty path, which means no file here.
    spec = {
        name: {**about, "type": about["type"].replace("path", "str")} for name, about in plugin.SPEC.options.items()
    }
    assert {name: facts(about, "suboptions") for name, about in said.items()} == {
        name: facts(about, "options") for name, about in spec.items()
    }
