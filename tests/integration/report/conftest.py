# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of simulated EEMs, which the playbook writes once, and a headless Chromium that opens them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "simulator"), str(TESTS / "integration" / "modules")]

pytest.register_assert_rewrite("forks", "module_runs")

from eemsim.client import Simulator
from forks import Forks
from module_runs import Ansible, Task, call

from playbooks import ON_LOCALHOST, SAME_PYTHON

if t.TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

SCREENSHOTS = TESTS / "output" / "report"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: What HTML, JavaScript and JSON in a script might each take for their own, and Jinja, of which a card may have names, too.
MARKUP = "</script><img src=x onerror='window.hacked=1'><!-- ${window.hacked=1} \u00e9"
HOSTILE = MARKUP + " {{ 6 * 7 }} {% raw %}"
ISLAND = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.DOTALL)
LAYOUT = {
    "purge": True,
    "move": True,
    "nodes": [
        {"name": "train-1", "properties": {"pci_device": {"type": ["GPU", "GPU"]}}},
        {"name": "train-2", "properties": {"pci_device": {"type": ["SSD"]}}},
        {"name": "new-1", "properties": {"pci_device": {"type": ["SSD", "NIC"]}}},
        {"name": "kept-1"},
    ],
}


@dataclasses.dataclass(frozen=True)
class Report:
    """A page that the playbook has written, and the data in it."""

    path: Path

    @property
    def data(self) -> dict[str, t.Any]:
        found = ISLAND.search(self.path.read_text(encoding="utf-8"))
        assert found
        return t.cast("dict[str, t.Any]", json.loads(found[2]))

    def rows(self, name: str) -> list[dict[str, t.Any]]:
        columns = self.data[name]
        return [dict(zip(columns, row)) for row in zip(*columns.values())]

    def having(self, name: str, **data: t.Any) -> Report:
        """The same page with other data."""
        island = json.dumps({**self.data, **data}).replace("<", "\\u003c")
        path = self.path.with_name(f"{name}.html")
        text = self.path.read_text(encoding="utf-8")
        path.write_text(ISLAND.sub(lambda found: found[1] + island + found[3], text), encoding="utf-8")
        return Report(path)


@dataclasses.dataclass(frozen=True)
class Reports:
    """Of all pod managers: rack1 with 1,000 devices, rack2, and rack3, which is away. Of rack2 with a layout."""

    everything: Report
    layout: Report


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Reports]:
    ansible, forks = Ansible(tmp_path_factory.mktemp("report")), Forks()
    ansible.forks = forks

    def register(name: str, eem: Simulator, **more: str) -> Task:
        return call(
            "podm", name=name, url=eem.url, username=eem.username, password=eem.password, retries=0, timeout=10, **more
        ).called(name)

    def node(podm: str, name: str, *types: str) -> Task:
        return call("node", podm=podm, name=name, properties={"pci_device": {"type": [*types]}}).called(name)

    with (
        Simulator(eesv=64, eeio=1000, style="mixed") as large,
        Simulator(eesv=10, eeio=40, style="mixed", seed=100) as small,
    ):
        with Simulator(eesv=2, eeio=4, seed=200) as away:
            for eem in (large, small):
                eem.patch(max(card["id"] for card in eem.eeios()), model=HOSTILE)
            ansible.play(
                register("rack1", large, location=MARKUP),
                register("rack2", small),
                register("rack3", away),
                node("rack1", MARKUP, "GPU", "SSD"),
                node("rack2", "train-1", "GPU", "SSD"),
                node("rack2", "train-2", "GPU"),
                node("rack2", "kept-1", "USB"),
                node("rack3", "old-1", "GPU"),
            )
        # One is not connected.
        small.patch(attached(small), link=False, eesv_connection_status="down")
        pages = {name: ansible.folder / f"{name}.html" for name in ("everything", "layout")}
        layout = ansible.folder / "rack2.yml"
        layout.write_text(yaml.safe_dump(LAYOUT), encoding="utf-8")
        runs = [
            {"report_file": str(pages["everything"])},
            {"report_file": str(pages["layout"]), "podm": "rack2", "layout_file": str(layout)},
        ]
        wrapper = ansible.folder / "wrapper.yml"
        wrapper.write_text(
            yaml.safe_dump([{"import_playbook": "nec.expether.report", "vars": each} for each in runs]),
            encoding="utf-8",
        )
        done = subprocess.run(
            [*ON_LOCALHOST, SAME_PYTHON, str(wrapper)],
            cwd=ansible.folder,
            env={name: text for name, text in ansible.environment.items() if name != "ANSIBLE_CALLBACKS_ENABLED"},
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    forks.close()
    yield Reports(Report(pages["everything"]), Report(pages["layout"]))


def attached(eem: Simulator) -> str:
    """Return a device of a node."""
    return str(min(card["id"] for card in eem.eeios() if card["group_id"] not in ("4093", "4094")))


@pytest.fixture(scope="session")
def browser() -> t.Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium, which is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield found
        found.close()


class Opened:
    """A page in the browser: what it has asked for, and what it has complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.route("**/*", self._route)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _route(self, route: Route, request: Request) -> None:
        """Let only the file itself through."""
        self.requests.append(request.url)
        if len(self.requests) == 1:
            route.continue_()
        else:
            route.abort()


Open = t.Callable[..., Opened]


@pytest.fixture(name="opened")
def fixture_opened(browser: Browser) -> t.Iterator[Open]:
    pages: list[Page] = []

    def open_page(report: Report, width: int = 1280) -> Opened:
        page = browser.new_page(viewport={"width": width, "height": 900})
        pages.append(page)
        found = Opened(page)
        page.goto(report.path.as_uri())
        return found

    yield open_page
    for page in pages:
        page.close()
