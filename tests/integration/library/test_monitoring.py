# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in docs/monitoring ask for metrics that the synchronisation writes, and the rules fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import typing as t
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from ansible_collections.nec.expether.plugins.module_utils._model.names import podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, put
from ansible_collections.nec.expether.plugins.module_utils._sync.textfile import NAME
from eemsim.client import Simulator
from module_main import Run, run_main
from prometheus_client.parser import text_string_to_metric_families

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "monitoring"
RULES = FOLDER / "expether-alerts.yml"
DASHBOARD = json.loads((FOLDER / "expether-dashboard.json").read_text(encoding="utf-8"))
TESTS = Path(__file__).with_name("alerts.yml")

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian's prometheus)")


def rules() -> list[dict[str, t.Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panel_queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def promtool(*arguments: object) -> None:
    run = subprocess.run(
        ["promtool", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


Series = dict[str, dict[frozenset[tuple[str, str]], float]]


def synchronised(run: Run, folder: Path, **options: t.Any) -> Series:
    """Synchronise; return the values that Prometheus reads then, by the names and labels of their metrics."""
    run("sync", textfile_dir=str(folder), **options)
    families = text_string_to_metric_families((folder / NAME).read_text(encoding="utf-8"))
    return {
        family.name: {frozenset(sample.labels.items()): sample.value for sample in family.samples}
        for family in families
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    return series[f"expether_{name}"].get(frozenset(labels.items()))


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("EXPETHER_REGISTRY", f"sqlite:///{tmp_path / 'r.sqlite3'}")
    return lambda module, **options: run_main(capsys, module, **options)


def test_rules_and_dashboard_ask_for_what_a_synchronisation_writes(run: Run, eem: Simulator, tmp_path: Path) -> None:
    by_url = {"url": eem.url, "username": eem.username, "password": eem.password, "retries": 0}
    run("podm", name="rack1", **by_url)
    node = run("node", name="n1", properties={"pci_device": {"type": ["GPU"]}})["node"]
    stranded, gone, *_others = [str(record["id"]) for record in eem.eeios() if record["id"] not in node["device_ids"]]
    with closing(open_registry(str(tmp_path / "r.sqlite3"))) as registry:
        (podm,) = registry.all(PodManager)
        away = {"uuid": podm_uuid("rack2"), "revision": NEVER, "name": "rack2", "url": "http://127.0.0.1:1/eem"}
        registry.commit([put(podm._replace(**away, last_sync=None, systems=None, free_slots=None))])
    eem.patch(stranded, group_id="99")
    eem.delete_card(gone)
    first = synchronised(run, tmp_path)

    # Each metric and label that is asked for is written, and each metric is shown.
    labels = {name: {"instance"}.union(*map(dict, values)) for name, values in first.items()}
    variables = [variable["definition"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    queries = [*(rule["expr"] for rule in rules()), *panel_queries()]
    for query in (*queries, *variables):
        names = re.findall(r"expether_\w+", query)
        assert {*names} <= {*labels}
        for name, matchers in re.findall(r"(expether_\w+)\{([^}]*)\}", query):
            assert {*re.findall(r"(\w+)!?=", matchers)} <= labels[name], query
        for grouped in re.findall(r"(?:by|on) \(([^)]*)\)", query):
            assert {*grouped.split(", ")} <= set().union(*(labels[name] for name in names)), query
    states = {dict(each)["state"] for each in first["expether_devices"]}
    assert {*re.findall(r'expether_devices\{[^}]*state="(\w+)"', " ".join(queries))} == states
    assert {name for name in labels if not any(name in query for query in panel_queries())} == set()

    assert (value(first, "podm_up", podm="rack1"), value(first, "podm_up", podm="rack2")) == (1, 0)
    assert (
        value(first, "sync_errors") == 1 and value(first, "podm_last_success_timestamp_seconds", podm="rack2") is None
    )
    # What an EEM had is still there when it fails, and nothing is missing forever.
    eem.fault({"do": "drop"}, times=1)
    failed = synchronised(run, tmp_path)
    assert value(failed, "podm_up", podm="rack1") == 0
    for name in ("devices", "nodes", "systems", "free_slots", "podm_last_success_timestamp_seconds"):
        assert failed[f"expether_{name}"] == first[f"expether_{name}"]
    time.sleep(1)  # the registry stores whole seconds
    after = synchronised(run, tmp_path, retention=0)
    assert value(after, "podm_up", podm="rack1") == 1
    assert {dict(each)["state"] for each in after["expether_devices"]} == states - {"missing"}


@needs_promtool
def test_the_queries_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    recorded = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(panel_queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), encoding="utf-8")
    promtool("check", "rules", file)


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    promtool("check", "rules", RULES)
    plain = [{key: value for key, value in rule.items() if key != "annotations"} for rule in rules()]
    text = yaml.safe_dump({"groups": [{"name": "expether", "rules": plain}]})
    (tmp_path / RULES.name).write_text(text, encoding="utf-8")
    promtool("test", "rules", shutil.copy(TESTS, tmp_path))


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    cases = [
        case for test in yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"] for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == {rule["alert"] for rule in rules()}
