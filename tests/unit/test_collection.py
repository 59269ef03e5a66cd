# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a whole: what must agree between its files, and which layer may import what."""

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

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.nec.expether.plugins.module_utils."
HEADER = [
    "# Copyright: (c) 2026, nec.expether contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]

# What each package of the library may import besides itself and the standard library.
MAY_IMPORT = {
    "_model": set(),
    "_planning": {"_model"},
    "_eem": {"_model"},
    "_registry": {"_model"},
    "_pci": {"_model"},
    "_results": {"_model", "_planning", "_registry"},
    "_execution": {"_model", "_planning", "_eem", "_registry"},
    "_sync": {"_model", "_planning", "_eem", "_registry", "_results"},
    "_ansible": {"_model", "_planning", "_eem", "_registry", "_results", "_execution", "_sync"},
    "_modules": {"_model", "_planning", "_eem", "_registry", "_pci", "_results", "_execution", "_sync", "_ansible"},
}
# What only one package may import.
ONLY = {
    "requests": "_eem",
    "urllib3": "_eem",
    "ansible": "_ansible",
    "sqlite3": "_registry",
    "cryptography": "_registry",
}
#: Talks to etcd, not to an EEM.
TO_ETCD = "_registry/etcd_gateway.py"
# What only the registry's own package may know: how its records are stored.
RAW = {"Body", "Document", "values", "upgraded"}
PURE = ("_model", "_planning")
#: What asks the installation, for packages that may import nothing else of each other.
NOT_PURE = ("_model/libraries.py",)
# What a pure package must not import: anything that could make two calls with the same arguments differ.
IMPURE = {
    *("ansible", "asyncio", "concurrent", "cryptography", "glob", "http", "io", "multiprocessing", "os"),
    *("pathlib", "platform", "random", "requests", "secrets", "select", "shutil", "signal", "socket", "sqlite3"),
    *("ssl", "subprocess", "sys", "tempfile", "threading", "time"),
}
IMPURE_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "getnode", "open", "urlopen"}


def library() -> list[Path]:
    return sorted(path for path in LIBRARY.rglob("*.py") if path.stem != "__init__")


def modules() -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")


def python_files() -> list[Path]:
    """Every Python file that git knows or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def imports(tree: ast.Module) -> t.Iterator[tuple[int, str]]:
    """Give every imported module, wherever in the file, with its line; ours as `_package` or `_package.file`."""
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            ours = f"{module}." == PACKAGE or module.startswith(PACKAGE) and module.count(".") == PACKAGE.count(".")
            names = [f"{module}.{alias.name}" for alias in statement.names] if ours else [module]
        else:
            continue
        for name in names:
            yield statement.lineno, name.removeprefix(PACKAGE)


def wrong_imports(package: str, source: str) -> list[str]:
    """Return what a file of a package imports, or calls, that it must not."""
    tree = ast.parse(source)
    wrong = []
    for line, name in imports(tree):
        top = name.partition(".")[0]
        if name.startswith("."):
            wrong.append(f"{line}: {name} is a relative import, which the payload of a module does not follow")
        elif top.startswith("_") and top != "__future__":
            if top != package and top not in MAY_IMPORT[package]:
                wrong.append(f"{line}: {package} imports {name}")
        elif package in PURE and (top in IMPURE or name == "urllib.request"):
            wrong.append(f"{line}: {package} is pure and imports {name}")
        elif ONLY.get(top, package) != package:
            wrong.append(f"{line}: only {ONLY[top]} imports {name}")
    for call in ast.walk(tree) if package in PURE else ():
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in IMPURE_CALLS:
                wrong.append(f"{call.lineno}: {package} is pure and calls {name}()")
    return wrong


def raw_documents(source: str) -> list[str]:
    """Return where a file outside of `_registry` touches a stored document, and not a record of it."""
    wrong = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}_registry."):
            wrong += [f"{node.lineno}: imports {alias.name}" for alias in node.names if alias.name in RAW]
        elif isinstance(node, ast.Attribute) and node.attr in ("body", "from_body", "to_body"):
            wrong.append(f"{node.lineno}: uses .{node.attr}")
        elif isinstance(node, ast.Name) and node.id == "body":
            wrong.append(f"{node.lineno}: uses a body")
    return wrong


def circles(graph: t.Mapping[str, set[str]]) -> list[str]:
    """Return the files from which imports lead back to themselves."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [*graph[start]]
        while ahead:
            name = ahead.pop()
            if name not in seen:
                seen.add(name)
                ahead += graph.get(name, ())
        return seen

    return [name for name in graph if name in reached(name)]


def test_there_are_modules_and_a_library() -> None:
    assert modules() and library()


def test_every_module_that_talks_to_eems_is_in_the_action_group_and_nothing_else() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"]["expether"] == [name for name in modules() if name not in ON_HOSTS]


@pytest.mark.parametrize("module", modules())
def test_module_has_a_test_file_with_smoke_tests(module: str) -> None:
    file = ROOT / "tests" / "integration" / "modules" / f"test_{module}.py"
    assert file.is_file(), f"{file.relative_to(ROOT)} is missing"
    assert "mark.smoke" in file.read_text(encoding="utf-8"), f"{file.relative_to(ROOT)} marks no test as smoke"


ROLES = {"sync": "expether_sync_", "pci_hotplug": "pci_hotplug_"}
#: Variables whose default is said in words: it depends on where the role is.
IN_WORDS = {"expether_sync_collection_source": "role_path"}


def role_file(path: str, role: str = "sync") -> t.Any:
    return yaml.safe_load((ROOT / "roles" / role / path).read_text(encoding="utf-8"))


def test_every_role_is_known_here() -> None:
    assert sorted(path.name for path in (ROOT / "roles").iterdir()) == sorted(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_documents_each_of_its_variables_with_the_default_that_it_has(role: str) -> None:
    options = role_file("meta/argument_specs.yml", role)["argument_specs"]["main"]["options"]
    defaults = role_file("defaults/main.yml", role)
    in_words = {name: word for name, word in IN_WORDS.items() if name in options}
    assert all(word in defaults.pop(name) for name, word in in_words.items())
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults
    assert {*options} == {*defaults, *in_words, *(name for name, option in options.items() if option.get("required"))}
    rows = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8").splitlines()
    assert [row.split("`")[1] for row in rows if row.startswith("| `")] == [*options]


@pytest.mark.parametrize("role", ROLES)
def test_all_variables_of_a_role_have_its_prefix(role: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "roles" / role / "tasks").glob("*.yml"))
    names = {*role_file("defaults/main.yml", role), *re.findall(r"(?:register|loop_var|index_var): (\w+)", text)}
    names |= {*(role_file("vars/main.yml", role) or ())}
    assert [name for name in sorted(names) if not name.startswith(ROLES[role])] == []


def test_the_role_installs_an_ansible_core_that_the_collection_supports() -> None:
    from packaging.requirements import Requirement

    wanted = Requirement(role_file("vars/main.yml")["expether_sync_ansible_core"])
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    tested = re.findall(r'(?m)^    Core\("([\d.]+)"', (ROOT / "noxfile.py").read_text(encoding="utf-8"))
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


def test_the_library_has_exactly_its_packages() -> None:
    assert {path.parent.name for path in library()} == {*MAY_IMPORT}
    assert [path.name for path in LIBRARY.glob("*.py")] in ([], ["__init__.py"])
    for package in MAY_IMPORT:
        assert (LIBRARY / package / "__init__.py").read_bytes() == b"", (
            "a package's __init__.py is empty: it would load everything"
        )


@pytest.mark.parametrize("path", library(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_library_file_imports_only_what_its_package_may(path: Path) -> None:
    wrong = wrong_imports(path.parent.name, path.read_text(encoding="utf-8"))
    if f"{path.parent.name}/{path.name}" == TO_ETCD:
        wrong = [each for each in wrong if "only _eem imports requests" not in each]
    assert [each for each in wrong if "is pure" not in each or f"{path.parent.name}/{path.name}" not in NOT_PURE] == []


def test_no_imports_lead_in_a_circle() -> None:
    graph = {
        f"{path.parent.name}.{path.stem}": {
            name for dummy, name in imports(ast.parse(path.read_text(encoding="utf-8"))) if name.startswith("_")
        }
        for path in library()
    }
    assert circles(graph) == []


def test_the_walk_finds_a_circle() -> None:
    assert circles({"_a.x": {"_a.y"}, "_a.y": {"_b.z"}, "_b.z": {"_a.x"}, "_c.w": {"_a.x"}}) == ["_a.x", "_a.y", "_b.z"]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("_model", "from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client"),
        ("_model", "from ansible_collections.nec.expether.plugins.module_utils._registry import store"),
        ("_model", "from ansible_collections.nec.expether.plugins.module_utils import _registry"),
        ("_model", "from ._cards import parse"),
        ("_model", "def late():\n    import time"),
        ("_planning", "from random import choice"),
        ("_planning", "from datetime import datetime\nSTART = datetime.now()"),
        ("_model", "import uuid\nNEW = uuid.uuid4()"),
        ("_registry", "import requests"),
        ("_execution", "import sqlite3"),
        ("_execution", "from ansible.module_utils.basic import AnsibleModule"),
        ("_eem", "from ansible.module_utils.basic import missing_required_lib"),
    ],
)
def test_the_walk_finds_a_wrong_import(package: str, source: str) -> None:
    assert len(wrong_imports(package, source)) == 1


@pytest.mark.parametrize(
    "path",
    [path for path in library() if "_registry" in MAY_IMPORT[path.parent.name]],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_only_the_registry_knows_how_its_records_are_stored(path: Path) -> None:
    assert raw_documents(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        f"from {PACKAGE}_registry.store import Body, Change",
        f"def late():\n    from {PACKAGE}_registry.store import Body",
        "name = node.body['name']",
        "name = change.body.get('name')",
        "def name_of(body):\n    return body['name']",
        "record = StoredNode.from_body('u', 1, {})",
    ],
)
def test_the_walk_finds_a_stored_document(source: str) -> None:
    assert raw_documents(source)


@pytest.mark.parametrize("module", modules())
def test_module_imports_only_the_library(module: str) -> None:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    allowed = (*MAY_IMPORT, "__future__", "typing")
    assert [name for dummy, name in imports(tree) if name.partition(".")[0] not in allowed] == []


@pytest.mark.parametrize("module", modules())
def test_module_first_imports_what_refuses_an_old_python(module: str) -> None:
    """Nothing that an older Python cannot compile or import comes before the refusal."""
    source = (ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8")
    checking = (ROOT / "plugins" / "module_utils" / "_ansible" / "argspec.py").read_text(encoding="utf-8")
    refusing = (ROOT / "plugins" / "module_utils" / "_ansible" / "python_version.py").read_text(encoding="utf-8")
    plain = ("sys", "typing")  # not __future__, whose annotations are an error in Python 3.6
    trees = [ast.parse(text, feature_version=(3, 6)) for text in (source, checking, refusing)]
    first, second, third = ([name for dummy, name in imports(tree) if name not in plain] for tree in trees)
    assert first[0] == "_ansible.argspec"
    assert second == ["_ansible.python_version"]
    assert third == ["ansible.module_utils.basic"]
    called = next(line for line in trees[1].body if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call))
    assert ast.unparse(called) == "refuse_old_python()"
    assert not any(
        isinstance(line, (ast.ClassDef, ast.Assign)) for line in trees[1].body[: trees[1].body.index(called)]
    )


LOADED = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
import conftest
for module in json.loads(sys.argv[2]):
    importlib.import_module(f"ansible_collections.nec.expether.plugins.modules.{module}")
print(json.dumps([name for name in json.loads(sys.argv[3]) if name in sys.modules]))
"""
LATE = ["sqlite3", "psycopg", "cryptography", "hwdata", "prometheus_client"]
#: Modules that run on the host of a node, with the standard library only.
ON_HOSTS = ["pci_function", "pci_function_info"]
LIBRARY_OF_CONTROLLERS = [f"{PACKAGE}{name}" for name in ("_eem", "_registry", "_results", "_execution", "_sync")]
#: Modules that can do their work with the registry alone.
WITHOUT_EEM = [
    "expether_device_info",
    "expether_flavor",
    "expether_flavor_info",
    "expether_node_info",
    "expether_podm_info",
]


@pytest.mark.parametrize(
    ("names", "late"),
    [
        (modules(), LATE),
        (WITHOUT_EEM, [*LATE, "requests"]),
        (ON_HOSTS, [*LATE, "requests", *LIBRARY_OF_CONTROLLERS]),
    ],
    ids=["all", "without EEM", "on hosts"],
)
def test_modules_load_only_when_it_is_used_what_takes_long_to_load(names: list[str], late: list[str]) -> None:
    command = [sys.executable, "-c", LOADED, str(ROOT / "tests"), json.dumps(names), json.dumps(late)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []


def test_the_libraries_that_modules_refuse_as_too_old_are_those_below_the_requirements() -> None:
    from ansible_collections.nec.expether.plugins.module_utils._model.libraries import OLDEST
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
