#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release needs; docs/dev/releasing.md has its steps.

release.py changelog  check fragments and changelog, and that CHANGELOG.rst is what antsibull-changelog makes of it
release.py options    add the new options of modules, plugins and roles to the list of released ones
release.py check      check that the version in galaxy.yml can be released
"""

from __future__ import annotations

import ast
import datetime
import functools
import json
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FRAGMENTS = ROOT / "changelogs" / "fragments"
# The options that each release added.
RELEASED = ROOT / "tests" / "unit" / "released_options.json"

# An option of a module, plugin or role, such as `properties.devices.count`: its names, and the version that added it.
Options = dict[str, tuple[set[str], str]]
Doc = dict[str, t.Any]


@functools.cache
def loaded(text: str) -> t.Any:
    # libyaml's loader, if there is one, is ten times as fast.
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


def of_yaml(path: Path) -> t.Any:
    return loaded(path.read_text(encoding="utf-8"))


def version() -> str:
    return str(of_yaml(ROOT / "galaxy.yml")["version"])


def number(text: str) -> tuple[int, ...]:
    """Return a version as something that can be compared."""
    return tuple(map(int, text.split(".")))


def texts(path: Path) -> dict[str, str]:
    """Return the texts that a file assigns to names, wherever it does."""
    return {
        ast.unparse(node.targets[0]): node.value.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def options_of(doc: Doc, inner: str) -> Options:
    """Return the options in a documentation, with suboptions; `inner` is the key that contains these."""
    found: Options = {}

    def walk(options: Doc, where: str, since: str) -> None:
        for name, about in options.items():
            added = max(since, about.get("version_added", since), key=number)
            found[where + name] = ({where + other for other in (name, *about.get("aliases", ()))}, added)
            walk(about.get(inner) or {}, f"{where}{name}.", added)

    walk(doc.get("options") or {}, "", str(doc["version_added"]))
    return found


def documented() -> dict[str, Options]:
    """Return the options of all modules, plugins and roles."""
    found: dict[str, Options] = {}
    fragments = {path.stem: texts(path) for path in (ROOT / "plugins" / "doc_fragments").glob("*.py")}
    for folder in ("plugins/modules", "plugins/inventory", "plugins/callback", "extensions/eda/plugins/event_source"):
        for path in sorted((ROOT / folder).glob("*.py")):
            doc: Doc = loaded(texts(path)["DOCUMENTATION"])
            extended: Doc = {}
            for fragment in doc.get("extends_documentation_fragment", ()):
                if fragment.startswith("nec.expether."):
                    file, dummy, part = fragment.removeprefix("nec.expether.").partition(".")
                    extended |= loaded(fragments[file][part.upper() or "DOCUMENTATION"]).get("options", {})
            options = {**extended, **(doc.get("options") or {})}
            found[f"{path.parent.name}/{path.stem}"] = options_of({**doc, "options": options}, "suboptions")
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        for entry, spec in of_yaml(path)["argument_specs"].items():
            found[f"roles/{path.parents[1].name}/{entry}"] = options_of(spec, "options")
    return found


def add_options() -> None:
    """Add the options that no release has had to the list, as those of this version."""
    released: dict[str, dict[str, list[str]]] = of_yaml(RELEASED)
    known = {(thing, name) for things in released.values() for thing, names in things.items() for name in names}
    new = released.setdefault(version(), {})
    for thing, options in documented().items():
        names = [*new.get(thing, ()), *(name for name in options if (thing, name) not in known)]
        if names:
            new[thing] = sorted(names)
    RELEASED.write_text(json.dumps(released, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def wrong_changelog() -> list[str]:
    """Return what antsibull-changelog finds, and that CHANGELOG.rst is not what it writes."""
    wrong = []
    for arguments in (["lint"], ["lint-changelog-yaml", "changelogs/changelog.yaml"]):
        answer = subprocess.run(
            ["antsibull-changelog", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if answer.returncode:
            wrong += (answer.stdout + answer.stderr).splitlines()
    with tempfile.TemporaryDirectory(dir=ROOT / ".ansible") as folder:
        page = Path(folder, "CHANGELOG.rst")
        command = ["antsibull-changelog", "generate", "--output", str(page), "--output-format", "rst"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        if page.read_bytes() != (ROOT / "CHANGELOG.rst").read_bytes():
            wrong.append("CHANGELOG.rst is not what antsibull-changelog generate makes of changelogs/changelog.yaml")
    return wrong


def unfinished() -> list[str]:
    """Return why the version in galaxy.yml cannot be released yet."""
    wrong = []
    releases: dict[str, Doc] = of_yaml(ROOT / "changelogs" / "changelog.yaml")["releases"]
    newest = max(releases, key=number)
    if newest != version():
        wrong.append(f"the changelog ends with {newest}, but galaxy.yml has {version()}")
    elif str(releases[newest]["release_date"]) > datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat():
        wrong.append(f"the date of {newest} is in the future: {releases[newest]['release_date']}")
    left = sorted(path.name for path in FRAGMENTS.iterdir() if path.name != ".keep")
    if left:
        wrong.append(f"there are fragments that the changelog does not have: {', '.join(left)}")
    if max(of_yaml(RELEASED), key=number) != version():
        wrong.append(f"{RELEASED.name} ends with another version than {version()}")
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if changed:
        wrong.append(f"these files are not committed: {', '.join(line[3:] for line in changed)}")
    return wrong


def main(command: str) -> None:
    if command == "options":
        add_options()
        return
    wrong = {"changelog": wrong_changelog, "check": unfinished}[command]()
    if wrong:
        sys.exit("\n".join(f"ERROR: {line}" for line in wrong))


if __name__ == "__main__":
    main(sys.argv[1])
