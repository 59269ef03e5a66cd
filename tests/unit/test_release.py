# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases promise: since when a module, plugin, role or option exists, and that it stays."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

import release

RELEASED: dict[str, dict[str, list[str]]] = release.of_yaml(release.RELEASED)
SINCE = {(thing, name): version for version, things in RELEASED.items() for thing in things for name in things[thing]}
NEWEST = max(RELEASED, key=release.number)
DOCUMENTED = release.documented()


@pytest.mark.parametrize("thing", DOCUMENTED)
def test_each_option_says_which_release_added_it(thing: str) -> None:
    wrong = {
        name: added
        for name, (dummy, added) in DOCUMENTED[thing].items()
        if SINCE.get((thing, name), added) != added
        or ((thing, name) not in SINCE and release.number(added) <= release.number(NEWEST))
    }
    assert wrong == {}, f"`version_added` must be the release that added the option, or the next one after {NEWEST}"


def test_no_released_option_is_gone() -> None:
    names = {
        (thing, name)
        for thing, options in DOCUMENTED.items()
        for all_names, dummy in options.values()
        for name in all_names
    }
    assert SINCE.keys() - names == set(), (
        f"this breaks playbooks: it needs a new major version, and its removal from {release.RELEASED.name}"
    )


def test_the_changelog_lists_modules_plugins_and_roles_with_the_release_that_added_them() -> None:
    listed = {}
    for version, about in release.of_yaml(ROOT / "changelogs" / "changelog.yaml")["releases"].items():
        entries = {"modules": about.get("modules", ()), **about.get("plugins", {}), **about.get("objects", {})}
        listed |= {(kind, entry["name"]): version for kind, found in entries.items() for entry in found}
    added = {}
    for folder in ("modules", "inventory", "callback"):
        for path in (ROOT / "plugins" / folder).glob("*.py"):
            about = release.loaded(release.texts(path)["DOCUMENTATION"])
            added[folder, path.stem] = str(about["version_added"])
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        added["role", path.parents[1].name] = release.of_yaml(path)["argument_specs"]["main"]["version_added"]
    unreleased = {thing for thing, version in added.items() if release.number(version) > release.number(NEWEST)}
    playbooks = {thing for thing in listed if thing[0] == "playbook"}
    assert {thing: version for thing, version in listed.items() if thing not in playbooks} == {
        thing: version for thing, version in added.items() if thing not in unreleased
    }
    assert playbooks <= {("playbook", path.stem) for path in (ROOT / "playbooks").glob("*.yml")}


def test_options_are_read_with_those_of_fragments_and_suboptions() -> None:
    names, added = DOCUMENTED["modules/expether_node"]["properties.devices.pci_device_id"]
    assert (names, added) == ({"properties.devices.pci_device_id", "properties.devices.device_id"}, "1.0.0")
    assert DOCUMENTED["modules/expether_node"]["skip_silent"][1] == "1.0.0"
    assert DOCUMENTED["modules/expether_layout"]["podm"][1] == "1.0.0"
    assert DOCUMENTED["roles/sync/main"]["expether_sync_user"][1] == "0.1.0"


@pytest.fixture(name="unfinished")
def unfinished_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Callable[[str], list[str]]:
    """What is missing for a version, with one fragment left."""
    (tmp_path / "forgotten.yml").touch()
    monkeypatch.setattr(release, "FRAGMENTS", tmp_path)

    def find(version: str) -> list[str]:
        monkeypatch.setattr(release, "version", lambda: version)
        return release.unfinished()

    return find


def test_a_version_without_changelog_cannot_be_released(unfinished: t.Callable[[str], list[str]]) -> None:
    found = unfinished("99.0.0")
    assert any("99.0.0" in line and "the changelog ends with" in line for line in found)
    assert any("forgotten.yml" in line for line in found)
    assert any(line.startswith("released_options.json") for line in found)
    assert len(unfinished(NEWEST)) == len(found) - 2


def test_the_security_policy_names_the_version_in_galaxy_yml() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert f"| {release.version().split('.')[0]}.x | yes |" in text
