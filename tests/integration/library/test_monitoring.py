# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in docs/monitoring ask for metrics that the synchronisation writes, and the rules fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry
from ansible_collections.nec.expether.plugins.module_utils._sync.textfile import Textfile
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


@pytest.fixture
def written(tmp_path: Path) -> set[str]:
    """The names of all metrics that a synchronisation writes."""
    textfile = Textfile(str(tmp_path))
    textfile.write(SqliteRegistry(str(tmp_path / "registry" / "registry.sqlite3")), [], 0.0)
    return {family.name for family in text_string_to_metric_families(Path(textfile.path).read_text(encoding="utf-8"))}


def test_rules_and_dashboard_ask_only_for_metrics_that_are_written(written: set[str]) -> None:
    variables = [variable["definition"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    asked = {
        name
        for query in (*(rule["expr"] for rule in rules()), *panel_queries(), *variables)
        for name in re.findall(r"expether_\w+", query)
    }
    assert asked - written == set()


def test_the_dashboard_shows_every_metric_that_is_written(written: set[str]) -> None:
    assert {name for name in written if not any(name in query for query in panel_queries())} == set()


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
