# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a whole: what must agree between its files, and which layer may import what."""

from __future__ import annotations

import ast
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.nec.expether.plugins.module_utils."
HEADER = [
    "# Copyright: (c) 2026, nec.expether contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]

# The library's layers, from the ground up: a file imports only from its own layer and those above it in this
# table. A file belongs to the layer that has its name or, with a star, the longest beginning of its name.
LAYERS = {
    "records": ("_errors", "_records", "_masking", "_names", "_texts"),
    "fabric": ("_fabric", "_views"),
    "planner": ("_wish", "_plan", "_planner*"),
    "client": ("_client*", "_libraries", "_transport*", "_interruption"),
    "registry": ("_registry*", "_secrets", "_documents", "_owner_rights", "_private_files"),
    "executor": ("_executor*", "_claims", "_sync*"),
    "glue": ("_glue*", "_argspec", "_pci_names", "_side_by_side", "_textfile", "_run_*"),
}
PURE = ("records", "fabric", "planner")
# What a pure layer must not import: anything that could make two calls with the same arguments differ.
IMPURE = {
    *("ansible", "asyncio", "concurrent", "cryptography", "glob", "http", "io", "multiprocessing", "os"),
    *("pathlib", "platform", "random", "requests", "secrets", "select", "shutil", "signal", "socket", "sqlite3"),
    *("ssl", "subprocess", "sys", "tempfile", "threading", "time"),
}
IMPURE_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "getnode", "open", "urlopen"}


def library() -> list[Path]:
    return sorted(path for path in (ROOT / "plugins" / "module_utils").glob("*.py") if path.stem != "__init__")


def modules() -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")


def python_files() -> list[Path]:
    """Every Python file that git knows or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def layer_of(stem: str) -> str | None:
    """Return the layer that claims a file, by its name without `.py`."""
    best: tuple[int, str] | None = None
    for layer, names in LAYERS.items():
        for name in names:
            beginning = name.removesuffix("*")
            fits = stem == name or (name.endswith("*") and stem.startswith(beginning))
            if fits and (best is None or len(beginning) > best[0]):
                best = len(beginning), layer
    return best[1] if best else None


def imports(tree: ast.Module) -> t.Iterator[tuple[int, str]]:
    """Give every imported module, wherever in the file, with its line; our own by the bare name, `_records`."""
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            ours = module + "." == PACKAGE or module == "."
            names = [f"{PACKAGE}{alias.name}" for alias in statement.names] if ours else [module]
        else:
            continue
        for name in names:
            if name.startswith("."):
                name = PACKAGE + name.lstrip(".")
            yield statement.lineno, name.removeprefix(PACKAGE).partition(".")[0] if name.startswith(PACKAGE) else name


def wrong_imports(stem: str, source: str) -> list[str]:
    """Return what a library file imports, or calls, that its layer must not."""
    tree = ast.parse(source)
    layer = layer_of(stem)
    assert layer, f"{stem}.py belongs to no layer: name it after one, or add it to LAYERS in {__file__}"
    order = list(LAYERS)
    wrong = []
    for line, name in imports(tree):
        top = name.partition(".")[0]
        if top.startswith("_") and top != "__future__":
            other = layer_of(top)
            if other is None or order.index(other) > order.index(layer):
                wrong.append(f"{stem}.py:{line}: {layer} imports {top} of {other}")
        elif layer in PURE and (top in IMPURE or name == "urllib.request"):
            wrong.append(f"{stem}.py:{line}: {layer} is pure and imports {name}")
        elif top in ("requests", "urllib3") and layer != "client":
            wrong.append(f"{stem}.py:{line}: only client imports {top}")
        elif name.startswith("ansible.") and layer != "glue":
            wrong.append(f"{stem}.py:{line}: only glue imports {name}")
    for call in ast.walk(tree) if layer in PURE else ():
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in IMPURE_CALLS:
                wrong.append(f"{stem}.py:{call.lineno}: {layer} is pure and calls {name}()")
    return wrong


def test_there_are_modules_and_a_library() -> None:
    assert modules() and library()


def test_every_module_is_in_the_action_group_and_nothing_else() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"]["expether"] == modules()


@pytest.mark.parametrize("module", modules())
def test_module_has_a_row_in_the_readme(module: str) -> None:
    rows = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert any(f"`{module}`" in row.split("|")[1] for row in rows), f"README.md has no table row that begins with `{module}`"


@pytest.mark.parametrize("module", modules())
def test_module_has_a_test_file_with_smoke_tests(module: str) -> None:
    file = ROOT / "tests" / "integration" / "modules" / f"test_{module}.py"
    assert file.is_file(), f"{file.relative_to(ROOT)} is missing"
    assert "mark.smoke" in file.read_text(encoding="utf-8"), f"{file.relative_to(ROOT)} marks no test as smoke"


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")))
def test_playbook_has_a_row_in_the_readme(playbook: str) -> None:
    rows = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert any(f"`nec.expether.{playbook}`" in row.split("|")[1] for row in rows)


def role_file(path: str) -> t.Any:
    return yaml.safe_load((ROOT / "roles" / "sync" / path).read_text(encoding="utf-8"))


def test_the_role_documents_each_of_its_variables_with_the_default_that_it_has() -> None:
    options, defaults = role_file("meta/argument_specs.yml")["argument_specs"]["main"]["options"], role_file("defaults/main.yml")
    source = defaults.pop("expether_sync_collection_source")  # said in words: it depends on where the role is
    assert "role_path" in source
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults
    assert {*options} == {*defaults, "expether_sync_collection_source"}
    rows = (ROOT / "roles" / "sync" / "README.md").read_text(encoding="utf-8").splitlines()
    assert [row.split("`")[1] for row in rows if row.startswith("| `")] == [*options]


def test_all_variables_of_the_role_have_its_prefix() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "roles" / "sync" / "tasks").glob("*.yml"))
    names = {*role_file("vars/main.yml"), *role_file("defaults/main.yml"), *re.findall(r"register: (\w+)", text)}
    assert [name for name in sorted(names) if not name.startswith("expether_sync_")] == []


def test_the_role_installs_an_ansible_core_that_the_collection_supports() -> None:
    from packaging.requirements import Requirement

    wanted = Requirement(role_file("vars/main.yml")["expether_sync_ansible_core"])
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    tested = re.findall(r'(?m)^    Core\("([\d.]+)"', (ROOT / "tests" / "tools" / "check.py").read_text(encoding="utf-8"))
    assert wanted.name == "ansible-core" and tested
    assert runtime["requires_ansible"] in str(wanted.specifier).split(",")
    assert all(version in wanted.specifier for version in tested)
    major, minor = map(int, tested[-1].split(".")[:2])
    assert f"{major}.{minor + 1}.0" not in wanted.specifier


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_python_file_says_whose_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines and path.name == "__init__.py":
        return
    while lines and lines[0].startswith(("#!", "# -*-")):
        del lines[0]
    assert lines[:3] == HEADER


@pytest.mark.parametrize("path", library(), ids=lambda path: path.stem)
def test_library_file_imports_only_what_its_layer_may(path: Path) -> None:
    assert wrong_imports(path.stem, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        ("_fabric", "from ansible_collections.nec.expether.plugins.module_utils._client import Client"),
        ("_fabric", "from ansible_collections.nec.expether.plugins.module_utils import _registry"),
        ("_fabric", "from ._registry_sqlite import SqliteRegistry"),
        ("_records", "def late():\n    import time"),
        ("_planner_choice", "from random import choice"),
        ("_planner", "from datetime import datetime\nSTART = datetime.now()"),
        ("_records", "import uuid\nNEW = uuid.uuid4()"),
        ("_registry", "import requests"),
        ("_executor", "from ansible.module_utils.basic import AnsibleModule"),
        ("_client", "from ansible.module_utils.basic import missing_required_lib"),
    ],
)
def test_the_walk_finds_a_wrong_import(stem: str, source: str) -> None:
    assert len(wrong_imports(stem, source)) == 1


def test_a_file_of_no_layer_is_refused() -> None:
    with pytest.raises(AssertionError, match="belongs to no layer"):
        wrong_imports("_misc", "")


@pytest.mark.parametrize("module", modules())
def test_module_imports_only_the_library(module: str) -> None:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    assert [name for dummy, name in imports(tree) if not (layer_of(name) or name in ("__future__", "typing"))] == []


@pytest.mark.parametrize("module", modules())
def test_module_first_imports_what_refuses_an_old_python(module: str) -> None:
    """Nothing that an older Python cannot compile or import comes before the refusal."""
    source = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    checking = (ROOT / "plugins" / "module_utils" / "_argspec.py").read_text(encoding="utf-8")
    refusing = (ROOT / "plugins" / "module_utils" / "_glue_python.py").read_text(encoding="utf-8")
    plain = ("__future__", "sys", "typing")
    trees = [ast.parse(text, feature_version=(3, 7)) for text in (source, checking, refusing)]
    first, second, third = ([name for dummy, name in imports(tree) if name not in plain] for tree in trees)
    assert first[0] == "_argspec"
    assert second == ["_glue_python"]
    assert third == ["ansible.module_utils.basic"]
    called = next(line for line in trees[1].body if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call))
    assert ast.unparse(called) == "refuse_old_python()"
    assert not any(isinstance(line, (ast.ClassDef, ast.Assign)) for line in trees[1].body[: trees[1].body.index(called)])


def test_the_libraries_that_modules_refuse_as_too_old_are_those_below_the_requirements() -> None:
    from ansible_collections.nec.expether.plugins.module_utils._libraries import OLDEST
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {requirement.name: str(requirement.specifier) for requirement in wanted} == {
        name: f">={version}" for name, version in OLDEST.items()
    }


def test_sanity_has_no_ignore_files() -> None:
    assert list((ROOT / "tests" / "sanity").glob("ignore*.txt")) == []


def test_run_time_needs_are_pinned_for_tests_within_their_range() -> None:
    from packaging.requirements import Requirement

    def read(name: str) -> dict[str, Requirement]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
        return {requirement.name: requirement for requirement in wanted}

    pinned, oldest = read("tests/requirements/demo.txt"), read("tests/requirements/oldest.txt")
    for name, requirement in read("requirements.txt").items():
        assert str(pinned[name].specifier)[2:] in requirement.specifier
        assert str(requirement.specifier) == f">={str(oldest[name].specifier)[2:]}"
