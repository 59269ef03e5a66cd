# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that playbooks/report.yml writes, in a browser: what it shows, and that it is safe, readable and usable by keyboard.

Screenshots are in tests/output/report.
"""

from __future__ import annotations

import re
import typing as t

import pytest

if t.TYPE_CHECKING:
    from conftest import Open, Reports

from conftest import HOSTILE, MARKUP, SCREENSHOTS

pytest.importorskip("playwright")

TABLE = "table.devices tbody tr:not([hidden])"
NOTHING: dict[str, t.Any] = dict.fromkeys(("podms", "errors", "nodes", "systems", "devices"), {"podm_id": []})
NOTHING["podms"] = {"uuid": []}


def texts(opened: t.Any, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in opened.page.locator(selector).all_inner_texts()]


def test_a_report_of_a_thousand_devices_is_small_and_asks_nobody(reports: Reports, opened: Open) -> None:
    path = reports.everything.path
    assert len(reports.everything.rows("devices")) > 1000
    assert path.stat().st_size < 500_000
    found = opened(reports.everything)
    assert (found.requests, found.complaints) == ([path.as_uri()], [])
    assert found.page.locator(TABLE).count() == len(reports.everything.rows("devices"))
    found.page.screenshot(path=SCREENSHOTS / "thousand.png")
    # Nor could it: the policy stops what a script would load.
    found.page.evaluate(
        """() => { document.addEventListener("securitypolicyviolation", (event) => { window.stopped = event.blockedURI; });
        const image = new Image(); image.src = "http://127.0.0.1:9/x.png"; document.body.append(image); }"""
    )
    found.page.wait_for_function("window.stopped")
    assert found.requests == [path.as_uri()]


def test_names_are_shown_as_they_are_and_do_nothing(reports: Reports, opened: Open) -> None:
    text = reports.everything.path.read_text(encoding="utf-8")
    island = text[text.index('id="data">') + 10 : text.rindex("</script>\n<script>")]
    assert "<" not in island and "\u2028" not in island and island.isascii()
    assert reports.everything.rows("nodes")[0]["name"] == MARKUP
    found = opened(reports.everything)
    assert MARKUP in texts(found, "h4")
    assert any(MARKUP in text for text in texts(found, ".podm > .facts"))
    found.page.get_by_role("searchbox").fill("hacked raw rack2")
    found.page.locator(f"{TABLE} button").click()
    assert any(HOSTILE in text for text in texts(found, "dialog dd"))
    assert found.page.locator("img").count() == 0
    assert found.page.evaluate("window.hacked") is None


def violations(opened: t.Any, context: str | None = None) -> str:
    """Return what axe-core has against a page, or a part of it, or nothing."""
    from axe_playwright_python.sync_playwright import Axe

    results = Axe().run(opened.page, context=context)
    return str(results.generate_report()) if results.violations_count else ""


@pytest.mark.parametrize("width", [400, 1280, 2000])
def test_it_is_readable_at_each_width_in_light_and_dark(reports: Reports, opened: Open, width: int) -> None:
    found = opened(reports.layout, width)
    found.page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    for scheme in ("light", "dark"):
        found.page.emulate_media(color_scheme=scheme)
        found.page.screenshot(path=SCREENSHOTS / f"layout-{width}-{scheme}.png", full_page=True)
        assert found.page.evaluate("document.documentElement.scrollWidth") == width
        if (width, scheme) in ((400, "dark"), (1280, "light")):
            assert violations(found) == ""
            found.page.locator(".slot").first.click()
            assert violations(found, "dialog") == ""
            found.page.screenshot(path=SCREENSHOTS / f"details-{width}-{scheme}.png")
            found.page.keyboard.press("Escape")
    assert found.complaints == []


def test_cards_are_set_apart_and_counted(reports: Reports, opened: Open) -> None:
    found = opened(reports.layout)
    devices = reports.layout.rows("devices")
    apart = {
        "Stranded": [each for each in devices if each["state"] == "stranded"],
        "Not responding": [each for each in devices if each["reachable"] is False],
        "Disabled": [each for each in devices if each["enabled"] is False],
        "Not connected": [
            each
            for each in devices
            if each["state"] == "allocated" and each["connected"] is False and each["reachable"] is not False
        ],
        "Free pool": [
            each
            for each in devices
            if each["state"] == "free"
            and each["reachable"] is not False
            and each["enabled"] is not False
            and each["populated"] is not False
        ],
    }
    for title, wanted in apart.items():
        assert wanted, title
        names = found.page.get_by_role("region", name=f"{title} of rack2").get_by_role("button")
        labels = [name.get_attribute("aria-label") or "" for name in names.all()]
        assert sorted(re.findall("0x[0-9a-f]{12}", " ".join(labels))) == sorted(each["device_id"] for each in wanted)
    # Each system has a cell for each of its devices and each free slot.
    for system in reports.layout.rows("systems"):
        card = found.page.locator(".system", has=found.page.locator("h4", has_text=system["node"] or system["id"]))
        own = [each["device_id"] for each in devices if each["node_id"] == system["id"]]
        assert (card.locator(".slot").count(), card.locator(".hole").count()) == (len(own), system["free_slots"])
    # A figure of the totals shows its devices.
    gpus = [each for each in devices if each["type"] == "GPU" and each["state"] == "free"]
    found.page.get_by_role("button", name=f"{len(gpus)} GPU, free: show in the table").click()
    assert sorted(texts(found, f"{TABLE} th")) == sorted(each["device_id"] for each in gpus)
    assert texts(found, "[role=status]") == [f"{len(gpus)} of {len(devices)} devices"]


def test_the_table_is_searched_and_sorted(reports: Reports, opened: Open) -> None:
    found = opened(reports.everything)
    devices = reports.everything.rows("devices")
    search = found.page.get_by_role("searchbox", name="Search")
    search.fill("v100 RACK2")
    wanted = {
        each["device_id"] for each in devices if each["podm"] == "rack2" and "V100" in (each["device_name"] or "")
    }
    assert {*texts(found, f"{TABLE} th")} == wanted != set()
    assert texts(found, "[role=status]") == [f"{len(wanted)} of {len(devices):,} devices"]
    search.fill("no such card")
    assert texts(found, TABLE) == []
    assert found.page.get_by_text("No device matches. Change or clear the search.").is_visible()
    found.page.get_by_role("button", name="Clear").click()
    found.page.get_by_label("Pod manager").select_option("rack2")
    head = found.page.get_by_role("columnheader", name="Serial number")
    assert head.get_attribute("aria-sort") == "none"
    for direction in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == direction
        shown = [text for text in texts(found, f"{TABLE} td:nth-child(6)") if text]
        key = [tuple(int(part) if part.isdigit() else part for part in re.findall(r"\d+|\D+", text)) for text in shown]
        assert key == sorted(key, reverse=direction == "descending") and len({*shown}) > 10
    assert found.page.locator("th[aria-sort=ascending]").count() == 0


def test_it_can_be_used_by_keyboard(reports: Reports, opened: Open) -> None:
    found = opened(reports.layout)
    keys, focused = found.page.keyboard, "document.activeElement"
    keys.press("Tab")
    assert found.page.evaluate(f"{focused}.textContent") == "Skip to the table of devices"
    keys.press("Enter")
    assert found.page.evaluate(f"{focused}.id") == "devices"
    card = found.page.locator(".system", has=found.page.locator("h4", has_text="train-1"))
    first, second = (each.get_attribute("aria-label") for each in card.locator(".slot").all()[:2])
    assert card.locator(".slot[tabindex='0']").count() == 1
    card.locator(".slot").first.focus()
    keys.press("ArrowRight")
    assert found.page.evaluate(f"{focused}.getAttribute('aria-label')") == second
    keys.press("Enter")
    dialog = found.page.get_by_role("dialog")
    assert dialog.is_visible() and str(second).split(", ")[1] in dialog.inner_text()
    keys.press("Escape")
    assert not dialog.is_visible()
    assert found.page.evaluate(f"{focused}.getAttribute('aria-label')") == second
    keys.press("Home")
    assert found.page.evaluate(f"{focused}.getAttribute('aria-label')") == first
    keys.press("Tab")
    assert found.page.evaluate(f"{focused}.closest('.system')?.querySelector('h4').textContent") != "train-1"


def test_what_a_layout_changes_is_drawn(reports: Reports, opened: Open) -> None:
    found = opened(reports.layout)
    layout, devices = reports.layout.data["layout"], reports.layout.rows("devices")
    systems = {step["node_id"]: step["node"] for step in layout["plan"]}
    assert {"train-1", "train-2", "new-1"} == {*systems.values()}
    for system, name in systems.items():
        card = found.page.locator(".change", has=found.page.locator("h3", has_text=name))
        now = {each["device_id"] for each in devices if each["node_id"] == system}
        go, come = (
            {step["device"] for step in layout["plan"] if step["action"] == action and step["node_id"] == system}
            for action in ("detach", "attach")
        )
        assert go <= now and not come & now and go | come

        def ids(selector: str, card: t.Any = card) -> set[str]:
            labels = [each.get_attribute("aria-label") for each in card.locator(selector).all()]
            return {str(re.search("0x[0-9a-f]{12}", label)[0]) for label in labels}

        assert ids(f"ul[aria-label='{name} now'] .slot") == now
        assert ids(f"ul[aria-label='{name} after the change'] .slot") == now - go | come
        assert (ids(".c-go"), ids(".c-come")) == (go, come)
    assert "kept-1" in found.page.locator(".layout").inner_text()
    rows = found.page.locator(".layout tbody tr")
    assert rows.count() == len(layout["plan"])
    found.page.locator(".layout").screenshot(path=SCREENSHOTS / "plan.png")
    # Nothing to change, and a layout that cannot be applied.
    for name, more, sentence in (
        ("same", {"plan": []}, "Nothing: the fabric is as the layout file describes it."),
        ("refused", {"plan": [], "error": "2 GPU requested, 1 free."}, "2 GPU requested, 1 free."),
    ):
        other = opened(reports.layout.having(name, layout={**layout, **more}))
        assert other.page.get_by_text(sentence).is_visible() and other.complaints == []


def test_an_eem_that_is_away_is_shown_with_the_reason_and_as_it_was(reports: Reports, opened: Open) -> None:
    found = opened(reports.everything)
    section = found.page.get_by_role("region", name="rack3", exact=True)
    text = section.inner_text()
    assert "Cannot be read" in text and "no connection" in text and "at the last synchronisation" in text
    assert section.locator("h4").all_inner_texts() == ["old-1"]
    assert section.locator(".system .slot").count() == 1
    assert "rack3 cannot be read" in found.page.get_by_role("region", name="Needs attention").inner_text()


@pytest.mark.parametrize(
    ("name", "data", "sentences"),
    [
        ("nobody", {}, ["No pod manager is registered.", "so there are no devices"]),
        (
            "bare",
            {"podms": {"uuid": ["a"], "name": ["rack1"]}},
            ["EEM lists no system of this pod manager.", "EEM lists no device of this", "The EEMs list no devices."],
        ),
        (
            "unknown",
            {"podms": {"uuid": ["a"], "name": ["rack1"]}, "errors": {"podm_id": ["a"], "msg": ["no connection"]}},
            ["It was never synchronised", "No node is stored.", "No device is stored.", "No EEM can be read"],
        ),
    ],
)
def test_what_is_empty_is_a_sentence(
    reports: Reports, opened: Open, name: str, data: dict[str, t.Any], sentences: list[str]
) -> None:
    found = opened(reports.layout.having(name, layout={}, **{**NOTHING, **data}))
    shown = found.page.locator("main").inner_text()
    assert [sentence for sentence in sentences if sentence not in shown] == []
    assert found.complaints == []
    found.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def test_without_javascript_it_says_so(reports: Reports, browser: t.Any) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(reports.layout.path.as_uri())
    assert "nec.expether.fabric" in page.locator("main").inner_text()
    page.context.close()
