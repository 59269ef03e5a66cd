# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another connection writes what a module is about to write, right before each of its commits: it reads and decides again."""

from __future__ import annotations

import importlib
import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.nec.expether.plugins.module_utils._ansible import context as _glue
from ansible_collections.nec.expether.plugins.module_utils._registry.location import sqlite_path
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, RegistryConflict, put
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._registry.upgrade import RECORD_TYPES
from eemsim.client import Simulator

Result = dict[str, t.Any]
Run = Callable[..., Result]
ALWAYS = -1


class Meddled(SqliteRegistry):
    """A registry in which another connection is quicker: it writes the same documents, which get other revisions."""

    at = 0  # before which commit of the run; ALWAYS for each
    commits = 0
    conflicts = 0

    def commit(self, changes: t.Sequence[Change]) -> int:
        Meddled.commits += 1
        if Meddled.at in (Meddled.commits, ALWAYS):
            other = SqliteRegistry(self.path)
            types = {record_type.kind(): record_type for record_type in RECORD_TYPES}
            found = [other.get(types[change.kind], change.uuid) for change in changes if change.expected]
            other.commit([put(record) for record in found if record])
            other.close()
        try:
            return super().commit(changes)
        except RegistryConflict:
            Meddled.conflicts += 1
            raise


@pytest.fixture(name="run")
def fixture_run(
    eem: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a module in this process, with another connection that is quicker before its commit number `at`."""
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{tmp_path / 'r.sqlite3'}")
    monkeypatch.setattr(_glue, "open_registry", lambda url: Meddled(sqlite_path(url)))

    def run(module: str, at: int = 0, **options: t.Any) -> Result:
        Meddled.at, Meddled.commits, Meddled.conflicts = at, 0, 0
        main = importlib.import_module(f"ansible_collections.nec.expether.plugins.modules.expether_{module}").main
        capsys.readouterr()
        with patch_module_args(options), pytest.raises(SystemExit):
            main()
        return t.cast(Result, json.loads(capsys.readouterr().out))

    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    for module, options in (
        ("podm", {"name": "rack1", **way}),
        ("flavor", {"name": "gpu", "properties": {"devices": [{"type": "GPU"}]}}),
        ("node", {"name": "train", "podm": "rack1", "flavor": "gpu"}),
    ):
        assert run(module, **options)["changed"]
    return run


RUNS: list[tuple[str, Result]] = [
    ("podm", {"name": "rack1", "description": "another"}),
    ("podm", {"name": "rack1", "state": "absent", "cascade": True}),
    ("flavor", {"name": "gpu", "description": "another"}),
    ("flavor", {"name": "gpu", "state": "absent"}),
    ("node", {"name": "new", "podm": "rack1", "properties": {"devices": [{"type": "SSD"}]}}),
    ("node", {"name": "train", "podm": "rack1", "properties": {"devices": [{"type": "SSD"}, {"type": "GPU"}]}}),
    ("node", {"name": "train", "podm": "rack1", "state": "absent"}),
    ("node", {"name": "train", "podm": "rack1", "state": "absent", "detach_devices": False}),
    ("sync", {}),
]


@pytest.mark.parametrize(("module", "options"), RUNS, ids=str)
def test_a_module_decides_again_at_whichever_commit_another_run_was_quicker(
    run: Run, eem: Simulator, module: str, options: Result
) -> None:
    for number, record in enumerate(eem.eeios()[6:8] if module == "sync" else ()):
        eem.patch(record["id"], model=f"another {number}")
    result = run(module, at=1, **options)
    assert Meddled.conflicts, "the first commit met no conflict"
    assert not result.get("failed"), result["msg"]
    assert result["changed"]
    assert not run(module, **options)["changed"]


@pytest.mark.parametrize("at", [2, 3])
@pytest.mark.parametrize(
    ("module", "options"), [each for each in RUNS if each[0] == "node" or "cascade" in each[1]], ids=str
)
def test_a_run_that_changes_cards_also_ends_well_when_its_later_commits_meet_a_conflict(
    run: Run, module: str, options: Result, at: int
) -> None:
    result = run(module, at=at, **options)
    assert not result.get("failed"), result["msg"]
    assert result["changed"]
    assert Meddled.conflicts or at > Meddled.commits
    assert not run(module, **options)["changed"]


@pytest.mark.parametrize(
    ("module", "options", "what"),
    [(*RUNS[0], "Pod manager rack1"), (*RUNS[2], "Flavor gpu"), (*RUNS[3], "Flavor gpu"), (*RUNS[5], "rack1"), (*RUNS[7], "rack1")],
    ids=str,
)
def test_what_changes_all_the_time_is_named_as_the_user_knows_it(
    run: Run, module: str, options: Result, what: str
) -> None:
    result = run(module, at=ALWAYS, **options)
    assert result["failed"] and result["failure"]["kind"] == "registry_conflict"
    assert f"{what} has been changed by another run meanwhile. That happened 50 times in a row." in result["msg"]
    assert "document" not in result["msg"] and "/" not in result["msg"]
    assert result["msg"].endswith("Nothing was changed.")


def test_eem_is_asked_once_while_only_the_pod_manager_is_written_meanwhile(run: Run, eem: Simulator) -> None:
    assert run("podm", name="rack1", state="absent", cascade=True)["changed"]
    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    run("podm", name="rack1", **way, sync=False)
    eem.reset_log()
    result = run("podm", at=1, name="rack1", description="another", timeout=9, sync=True)
    assert result["changed"] and Meddled.conflicts
    assert [request["path"] for request in eem.log()] == ["/api_version", "/devices/detail"]


def test_it_is_tried_no_more_often_than_was_said() -> None:
    tried = []

    def attempt() -> None:
        tried.append(1)
        raise RegistryConflict("Flavor gpu has been changed by another run meanwhile.")

    with pytest.raises(RegistryConflict, match="3 times in a row"):
        until_written(attempt, 3)
    assert len(tried) == 3
