"""The page as a reader's browser shows it, without a network."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import OpenReport

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECTIONS = ("done", "cohort", "results", "failures", "cases", "comparison", "settings", "checklists", "cite")
SCHEMES = ("light", "dark")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_loads_without_a_network_and_without_a_complaint(
    open_report: OpenReport, browser: Browser, small_report: Path, scheme: str
) -> None:
    opened = open_report(browser, small_report, color_scheme=scheme)
    opened.page.wait_for_timeout(1000)
    assert opened.complaints == []
    # The file itself is all that is ever asked for.
    assert opened.requests == [small_report.as_uri()]


def test_every_section_and_table_and_figure_is_seen(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    page = open_report(browser, small_report).page
    for closed in page.locator("details").all():  # what is folded away is seen when it is opened
        closed.evaluate("element => { element.open = true }")
    for section in SECTIONS:
        assert page.locator(f"section#{section}").is_visible()
    # The viewer's still pictures are hidden while it moves.
    tables, figures = page.locator("main table"), page.locator("main img:not(.amt-strip img)")
    assert tables.count() >= 6  # Tables 1 to 4, failures, cases
    assert figures.count() >= 8  # flow, FROC, size, volumes, institutions, features, overlays
    for table in tables.all():
        assert table.is_visible()
        assert table.locator("caption").inner_text().strip()
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        assert figure.is_visible()
        assert figure.get_attribute("alt")
        # A picture that the browser could not read has no width of its own.
        assert figure.evaluate("element => element.complete && element.naturalWidth > 0")


@pytest.mark.parametrize("height", [768, 650])
def test_the_first_screen_holds_the_result_and_the_worst_case_whole(
    open_report: OpenReport, browser: Browser, small_report: Path, height: int
) -> None:
    """AMT-0001's prediction is empty: it is the worst, and "missed" is how. 650 is a laptop's window with its bars."""
    page = open_report(browser, small_report, viewport={"width": 1366, "height": height}).page
    lead, worst = page.locator(".lead"), page.locator(".worst")
    assert 2 <= len(re.findall(r"[.](?= |$)", lead.inner_text())) <= 3  # sentences
    figures = page.locator(".first-screen .key-value")
    assert figures.count() == 3
    assert "AMT-0001" in worst.inner_text()
    assert "missed" in worst.inner_text().lower()
    picture = worst.locator("img").first
    assert picture.evaluate("element => element.naturalWidth > 0")
    found = {}
    for name, part in {"lead": lead, "last figure": figures.last, "worst": worst, "picture": picture}.items():
        box = part.bounding_box()
        assert box is not None, name
        assert box["y"] >= 0, name
        assert box["y"] + box["height"] <= height, (name, box)
        assert box["x"] + box["width"] <= 1366, (name, box)
        found[name] = box
    assert found["worst"]["x"] >= found["lead"]["x"] + found["lead"]["width"]  # beside it
    assert found["picture"]["height"] >= 130
    assert worst.evaluate("element => element.scrollHeight <= element.clientHeight + 1")  # nothing hangs out of it


def test_the_page_is_twelve_screens_long(open_report: OpenReport, browser: Browser, small_report: Path) -> None:
    page = open_report(browser, small_report).page
    assert page.evaluate("document.documentElement.scrollHeight") <= 12 * 768


@pytest.mark.parametrize("scripts", [True, False])
def test_a_link_into_what_is_folded_opens_it(
    open_report: OpenReport, browser: Browser, small_report: Path, scripts: bool
) -> None:
    page = open_report(browser, small_report, java_script_enabled=scripts).page
    folded = page.locator("#settings, #checklists, #results .fold table")
    assert folded.count() >= 4
    assert not any(part.is_visible() for part in folded.all())
    page.locator("nav a[href='#settings']").click()
    page.locator("#settings pre").first.wait_for(state="visible")
    assert page.locator("#settings-title").is_visible()
    assert not page.locator("#checklists").is_visible()
    page.locator("#results summary").first.click()
    assert page.locator("#results .fold table").first.is_visible()
    page.goto(f"{small_report.as_uri()}#checklists")
    page.locator("#checklists table").first.wait_for(state="visible")


@pytest.mark.parametrize("width", [1366, 1024, 600, 390])
def test_nothing_is_wider_than_the_screen(
    open_report: OpenReport, browser: Browser, small_report: Path, width: int
) -> None:
    page = open_report(browser, small_report, viewport={"width": width, "height": 768}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for closed in page.locator("details").all():
        closed.evaluate("element => { element.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1366, 390])
def test_no_two_chapters_of_the_contents_touch(
    open_report: OpenReport, browser: Browser, small_report: Path, width: int
) -> None:
    """Side by side on a narrow screen, they would read as one."""
    page = open_report(browser, small_report, viewport={"width": width, "height": 768}).page
    boxes = [box for link in page.locator(".contents a").all() if (box := link.bounding_box()) is not None]
    assert len(boxes) > len(SECTIONS)
    for one, following in pairwise(boxes):
        apart = following["x"] - (one["x"] + one["width"]), following["y"] - (one["y"] + one["height"])
        assert apart[0] >= 8 or apart[1] >= 0, (one, following)


def test_the_policy_stops_a_script_that_was_not_written_by_us(
    open_report: OpenReport, browser: Browser, small_report: Path, tmp_path: Path
) -> None:
    """Otherwise the policy would be a decoration."""
    changed = tmp_path / "changed.html"
    foreign = "<script>document.title = 'taken over'</script></body>"
    changed.write_text(small_report.read_text(encoding="utf-8").replace("</body>", foreign), encoding="utf-8")
    opened = open_report(browser, changed)
    assert opened.page.title() != "taken over"
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)
