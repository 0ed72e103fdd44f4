"""The page as a reader's browser shows it, without a network."""

from __future__ import annotations

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
    for section in SECTIONS:
        assert page.locator(f"section#{section}").is_visible()
    for closed in page.locator("details").all():  # what is folded away is seen when it is opened
        closed.evaluate("element => { element.open = true }")
    tables, figures = page.locator("main table"), page.locator("main img")
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


def test_the_worst_case_and_its_reason_are_on_the_first_screen_but_one(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    """AMT-0001's prediction is empty: it is the worst, and "missed" is the reason."""
    page = open_report(browser, small_report).page
    worst = page.locator("#worst-case")
    assert "AMT-0001" in worst.inner_text()
    assert "missed" in worst.inner_text().lower()
    box = worst.bounding_box()
    assert box is not None
    assert box["y"] < 2 * 768


@pytest.mark.parametrize("width", [1366, 1024, 600])
def test_nothing_is_wider_than_the_screen(
    open_report: OpenReport, browser: Browser, small_report: Path, width: int
) -> None:
    page = open_report(browser, small_report, viewport={"width": width, "height": 768}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


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
