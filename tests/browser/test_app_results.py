"""The pages of results by clicks: outlines that a slider moves, decisions that a closed tab keeps, models compared."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.study.run_study import open_study
from tests.browser.app_server import AppServer
from tests.browser.conftest import hold
from tests.browser.test_app_every_page import LOOKS
from tests.browser.test_app_pages import open_tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

pytest.importorskip("starlette", reason="use: pip install '.[app]'")

MINUTES = 60_000
PAGES = ("results", "results?by=institution", "results/thresholds?step=5", "results/triage")


@pytest.fixture(scope="module")
def study(small_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "opened" / "small"
    shutil.copytree(small_study, folder)
    manifest = folder / "phantom_cohort" / "manifest.csv"
    open_study(folder, manifest=manifest, changes={"study": {"name": "AMTPhantom"}})
    return folder


@pytest.fixture(scope="module")
def server(study: Path) -> Iterator[AppServer]:
    server = AppServer(study.parent)
    server.start()
    yield server
    server.kill()


def at(page: Page, threshold: str) -> Locator:
    """Find the number beside the slider, once it is this threshold."""
    return page.locator("[data-dial-cell='0']", has_text=threshold)


@pytest.mark.parametrize(("language", "scheme", "size"), LOOKS)
def test_axe_finds_nothing_serious_and_all_fits(
    browser: Browser, server: AppServer, language: str, scheme: str, size: dict[str, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    tab = open_tab(browser, server, locale=language, color_scheme=scheme, viewport=size)
    page = tab.page
    base = page.url
    for address in PAGES:
        page.goto(f"{base}studies/small/{address}")
        assert page.locator("html").get_attribute("lang") == language
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], address
        for closed in page.locator("details").all():
            closed.evaluate("element => { element.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], address
        for picture in page.locator("main img").all():
            picture.scroll_into_view_if_needed()
            picture.evaluate("element => element.decode()")  # fails where there is no picture
        found = axe.Axe().run(page).response
        assert len(found["passes"]) > 15  # it has looked
        serious = [
            (address, violation["id"], [node["target"] for node in violation["nodes"]][:5])
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
        assert serious == []
    assert tab.complaints == []
    assert all(request.startswith("http://127.0.0.1:") for request in tab.requests)
    page.context.close()


def test_the_slider_moves_outlines_and_counts(browser: Browser, server: AppServer) -> None:
    """At 0.9 the outline is the reference's; at 0.4 a shell round it is outlined too, so that the Dice falls."""
    tab = open_tab(browser, server)
    page = tab.page
    page.goto(f"{page.url}studies/small/results")
    page.get_by_role("link", name="Move the threshold").click()
    picture, slider = page.locator(".dial img"), page.get_by_role("slider")
    dice, volume = page.locator("[data-dial-cell='5']"), page.locator("[data-dial-cell='2']")
    page.locator("[data-dial-cell='6']").wait_for()  # all cases are counted: the page is not loaded anew any more
    assert dice.inner_text() == "1.00"
    before = (picture.get_attribute("src"), float(volume.inner_text()))
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")  # from 0.50 to 0.40
    at(page, "0.40").wait_for()
    picture.evaluate("element => element.decode()")
    assert picture.get_attribute("src") != before[0]
    assert float(volume.inner_text()) > before[1]
    assert float(dice.inner_text()) < 1
    assert tab.complaints == []
    page.context.close()


def test_a_slider_that_is_moved_before_the_script_is_there_is_not_left_behind(
    browser: Browser, server: AppServer
) -> None:
    """Over a slow line the page is seen first: numbers of another threshold than the slider's must not stay."""
    tab = open_tab(browser, server)
    page = tab.page
    let_go = hold(page, "**/static/app.js")
    page.goto(f"{page.url}studies/small/results/thresholds", wait_until="commit")
    page.get_by_role("slider").press("ArrowLeft")
    let_go()
    at(page, "0.45").wait_for()
    assert "/8.png" in str(page.locator(".dial img").get_attribute("src"))
    page.context.close()


def test_threshold_and_focus_stay_when_all_cases_have_been_counted(browser: Browser, server: AppServer) -> None:
    """The page is loaded anew then, in the middle of what somebody looks at; another case keeps the threshold too."""
    tab = open_tab(browser, server)
    page = tab.page
    address = f"{page.url}studies/small/results/thresholds"
    page.goto(address)
    page.locator("[data-dial-cell='6']").wait_for()  # so few cases are counted at once
    let_go = hold(page, "**/pooled")
    page.route(address, with_counting_that_goes_on, times=1)
    page.goto(address)
    page.get_by_role("slider").press("ArrowLeft")
    at(page, "0.45").wait_for()
    with page.expect_event("load"):
        let_go()
    at(page, "0.45").wait_for()
    page.keyboard.press("ArrowLeft")
    at(page, "0.40").wait_for()
    with page.expect_navigation():
        page.locator("form", has=page.locator("#case")).get_by_role("button").click()
    at(page, "0.40").wait_for()
    assert page.get_by_role("link", name="Lower").count() == 0  # these would go on from the threshold before
    page.context.close()


def with_counting_that_goes_on(route: Route) -> None:
    """Answer with a page that was made before all cases had been counted: it asks whether they have been."""
    answer = route.fetch()
    part = f'<div data-fragment="{route.request.url}/pooled" data-seconds="1"></div>'
    route.fulfill(response=answer, body=answer.text().replace("</main>", f"{part}</main>"))


def test_decisions_outlive_a_closed_tab(browser: Browser, server: AppServer, study: Path) -> None:
    tab = open_tab(browser, server)
    page = tab.page
    address = f"{page.url}studies/small/results/triage"
    page.goto(address)
    page.get_by_label("Decision, case AMT-0006, lesion 1").select_option("accept")
    page.get_by_text("Kept.", exact=True).wait_for()
    page.close()
    with (study / "triage" / "decisions.csv").open(encoding="utf-8") as file:
        assert [row["decision"] for row in csv.DictReader(file)] == ["accept"]
    page = tab.page.context.new_page()
    page.goto(address)
    assert page.locator("tr[data-decision=accept]").count() == 1
    page.context.close()


@pytest.mark.slow
def test_two_models_are_compared_by_clicks(browser: Browser, server: AppServer, study: Path) -> None:
    """The real command: its sentence, its table and its p-value stand on the page when it is done."""
    tab = open_tab(browser, server)
    page = tab.page
    page.goto(f"{page.url}studies/small/results")
    page.get_by_label("Primary endpoint").select_option("sensitivity_0.5")
    page.get_by_role("button", name="Compare").click()
    page.locator("article.comparison").wait_for(timeout=3 * MINUTES)
    found = json.loads((study / "comparisons/baseline_default_vs_evaluation/comparison.json").read_text())
    shown = page.locator("article.comparison").inner_text()
    assert found["settings"]["primary"] == "sensitivity_0.5"
    assert found["sentences"][0] in shown
    assert "Primary endpoint, named before looking: Sensitivity, IoU > 0.5." in shown
    assert page.locator("article.comparison table").count() >= 4
    assert tab.complaints == []
    page.context.close()
