# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tasks at once on one registry, as real processes: no task reports a conflict, and only one of identical tasks reports a change."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import typing as t
from contextlib import closing
from pathlib import Path

import pytest
from eemsim.client import Simulator
from forks import Forks, Options, Report
from known_registry import NAME, Known
from module_fuzz import check

EIGHT = range(8)
Run = tuple[str, Options]


def environment(folder: Path) -> dict[str, str]:
    return {"EXPETHER_REGISTRY": f"sqlite:///{folder / NAME}", "HOME": str(folder), "XDG_STATE_HOME": str(folder)}


def together(forks: Forks, folder: Path, runs: t.Sequence[Run]) -> list[Options]:
    """Run them, each of which must succeed."""
    results = [succeeded(report) for report in forks.together(runs, environment(folder))]
    assert not [name for name in folder.iterdir() if name.name.startswith((".registry-", ".key-"))], "a draft was left"
    return results


def succeeded(report: Report) -> Options:
    result = check(report, ())
    assert not result.get("failed"), result["msg"]
    return result


def documents(folder: Path, kind: str) -> list[t.Any]:
    with closing(sqlite3.connect(folder / NAME)) as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM documents WHERE kind = ?", (kind,))]


def changed(results: t.Iterable[Options]) -> int:
    return sum(result["changed"] for result in results)


@pytest.mark.parametrize("more", [{}, {"sync": True}, {"description": "first"}], ids=str)
def test_of_eight_identical_tasks_that_register_a_pod_manager_one_makes_registry_and_key(
    forks: Forks, eem: Simulator, tmp_path: Path, more: Options
) -> None:
    eem.reset()
    podm = {"name": "rack1", "url": eem.url, "username": eem.username, "password": eem.password, **more}
    results = together(forks, tmp_path, [("expether_podm", podm)] * 8)
    assert changed(results) == 1
    assert len({json.dumps(result["podm"], sort_keys=True) for result in results}) == 1
    assert len(documents(tmp_path, "pod_managers")) == 1
    # The key that was kept is the one that the password was encrypted with.
    (online,) = succeeded(forks.run("expether_podm_info", {"check": True}, environment(tmp_path)))["podms"]
    assert online["status"] == "Online"


def test_of_eight_parallel_registrations_of_one_eem_under_eight_names_and_two_urls_one_succeeds(
    forks: Forks, eem: Simulator, tmp_path: Path
) -> None:
    eem.reset()
    runs: list[Run] = []
    for number in EIGHT:
        url = eem.url if number % 2 else eem.url.replace("127.0.0.1", "localhost")
        way = {"url": url, "username": eem.username, "password": eem.password}
        runs.append(("expether_podm", {"name": f"rack{number}", **way}))
    results = [check(report, ()) for report in forks.together(runs, environment(tmp_path))]
    (name,) = (result["podm"]["name"] for result in results if not result.get("failed"))
    assert {result["failure"]["kind"] for result in results if result.get("failed")} == {"refused"}
    assert all(f"pod manager {name}" in result["msg"] for result in results if result.get("failed"))
    assert [podm["name"] for podm in documents(tmp_path, "pod_managers")] == [name]


def test_of_eight_parallel_registrations_of_different_eems_all_succeed(forks: Forks, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        eems = [stack.enter_context(Simulator(eesv=1, eeio=2, seed=100 * number)) for number in EIGHT]
        ways = [{"url": eem.url, "username": eem.username, "password": eem.password} for eem in eems]
        runs: list[Run] = [("expether_podm", {"name": f"rack{number}", **way}) for number, way in enumerate(ways)]
        assert changed(together(forks, tmp_path, runs)) == 8


def test_of_eight_identical_tasks_that_make_a_flavor_one_makes_the_registry(forks: Forks, tmp_path: Path) -> None:
    flavor = {"name": "gpu", "properties": {"devices": [{"type": "GPU"}]}}
    assert changed(together(forks, tmp_path, [("expether_flavor", flavor)] * 8)) == 1


@pytest.mark.parametrize(
    "run",
    [
        ("expether_podm", {"name": "rack1", "description": "another"}),
        ("expether_podm", {"name": "rack1", "state": "absent", "cascade": True}),
        ("expether_flavor", {"name": "gpu", "description": "another"}),
        ("expether_flavor", {"name": "gpu", "state": "absent"}),
        ("expether_node", {"name": "new", "podm": "rack1", "properties": {"devices": [{"type": "SSD"}]}}),
        (
            "expether_node",
            {"name": "train", "podm": "rack1", "properties": {"devices": [{"type": "GPU"}, {"type": "SSD"}]}},
        ),
        ("expether_node", {"name": "train", "podm": "rack1", "state": "absent"}),
        ("expether_node", {"name": "train", "podm": "rack1", "state": "absent", "detach_devices": False}),
    ],
    ids=str,
)
def test_of_eight_identical_tasks_one_changes(forks: Forks, known: Known, run: Run) -> None:
    with known.copy() as folder:
        assert changed(together(forks, folder, [run] * 8)) == 1


def test_a_pod_manager_without_nodes_is_removed_by_one_of_eight(forks: Forks, known: Known) -> None:
    with known.copy() as folder:
        together(forks, folder, [("expether_node", {"name": "train", "podm": "rack1", "state": "absent"})])
        assert changed(together(forks, folder, [("expether_podm", {"name": "rack1", "state": "absent"})] * 8)) == 1
        assert {kind: documents(folder, kind) for kind in ("pod_managers", "urls", "listings", "devices")} == {
            "pod_managers": [],
            "urls": [],
            "listings": [],
            "devices": [],
        }


def test_of_eight_identical_tasks_that_manage_a_system_one_changes(forks: Forks, known: Known) -> None:
    with known.copy() as folder:
        taken = {node["index"] for node in documents(folder, "nodes")}
        index = next(
            card for card, record in sorted(known.cards.items()) if record["status"] == "eesv" and card not in taken
        )
        run = ("expether_node", {"name": "host", "podm": "rack1", "state": "managed", "node_index": index})
        assert changed(together(forks, folder, [run] * 8)) == 1


@pytest.mark.parametrize("kind", ["podm", "flavor"])
def test_the_last_of_eight_different_tasks_wins_and_each_has_changed(forks: Forks, known: Known, kind: str) -> None:
    name = {"podm": "rack1", "flavor": "gpu"}[kind]
    with known.copy() as folder:
        results = together(
            forks, folder, [(f"expether_{kind}", {"name": name, "description": str(one)}) for one in EIGHT]
        )
        assert changed(results) == 8
        assert [result[kind]["description"] for result in results] == [str(one) for one in EIGHT]
        (body,) = documents(folder, {"podm": "pod_managers", "flavor": "flavors"}[kind])
        assert body["description"] in map(str, EIGHT)


def test_tasks_that_contradict_each_other_all_end_well(forks: Forks, known: Known) -> None:
    eem = known.eem
    podm = {"name": "rack1", "url": eem.url, "username": eem.username, "password": eem.password}
    flavor: Options = {"name": "gpu", "properties": {"devices": [{"type": "GPU"}]}}
    with known.copy() as folder:
        for _round in range(3):
            together(
                forks,
                folder,
                [
                    ("expether_podm", podm),
                    ("expether_podm", {**podm, "description": "one", "sync": True}),
                    ("expether_podm", {"name": "rack1", "state": "absent", "cascade": True}),
                    ("expether_sync", {}),
                    ("expether_sync", {}),
                    ("expether_flavor", {**flavor, "description": "one"}),
                    ("expether_flavor", flavor),
                    ("expether_flavor", {"name": "gpu", "state": "absent"}),
                ],
            )


def test_two_names_for_one_eem_are_refused_in_words_of_the_user(forks: Forks, eem: Simulator, tmp_path: Path) -> None:
    way = {"url": eem.url, "username": eem.username, "password": eem.password}
    report = forks.together([("expether_podm", {"name": f"rack{one}", **way}) for one in EIGHT], environment(tmp_path))
    results = [check(each, ()) for each in report]
    failed = [result for result in results if result.get("failed")]
    assert len(failed) == 7
    assert {result["failure"]["kind"] for result in failed} == {"refused"}
    assert not [result["msg"] for result in failed if "is already registered as pod manager rack" not in result["msg"]]
