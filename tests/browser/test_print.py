"""The page on A4."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import OpenReport

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_A4_WIDTH, _A4_HEIGHT, _MARGIN = 794, 1123, 57  # CSS pixels: 210 x 297 mm, 15 mm
PRINTABLE = {"width": _A4_WIDTH - 2 * _MARGIN, "height": _A4_HEIGHT - 2 * _MARGIN}

CUT_OFF = """() => {
  const cut = [];
  const right = document.documentElement.clientWidth;
  for (const table of document.querySelectorAll("main table")) {
    if (table.getBoundingClientRect().width === 0) continue;
    const name = table.caption ? table.caption.innerText : table.id;
    if (table.getBoundingClientRect().right > right + 1) cut.push("beyond the paper: " + name);
    for (let box = table.parentElement; box && box !== document.body; box = box.parentElement) {
      const overflow = getComputedStyle(box).overflowX;
      if (overflow !== "visible" && box.scrollWidth > box.clientWidth + 1) cut.push("hidden by a box: " + name);
    }
    for (const cell of table.querySelectorAll("th, td"))
      if (cell.scrollWidth > cell.clientWidth + 1) cut.push("text beyond its cell: " + name + ": " + cell.innerText);
  }
  return cut;
}"""
_BREAKS = """() => [...document.querySelectorAll("main table")].filter(table => table.tHead).map(table => [
  getComputedStyle(table.tHead).display,
  ...new Set([...table.rows].map(row => getComputedStyle(row).breakInside)),
])"""


def test_no_table_is_cut(open_report: OpenReport, browser: Browser, small_report: Path) -> None:
    page = open_report(browser, small_report, viewport=PRINTABLE).page
    page.emulate_media(media="print")
    assert page.locator("main table:visible").count() >= 6
    assert page.evaluate(CUT_OFF) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_folded_on_the_screen_is_printed(
    open_report: OpenReport, browser: Browser, small_report: Path, scripts: bool
) -> None:
    page = open_report(browser, small_report, java_script_enabled=scripts, viewport=PRINTABLE).page
    folded = len(page.pdf(format="A4"))
    page.emulate_media(media="print")
    for part in page.locator("main table, #settings pre").all():
        assert part.is_visible()
    for closed in page.locator("details").all():
        closed.evaluate("element => { element.open = true }")
    whole = len(page.pdf(format="A4"))
    assert abs(folded - whole) < whole / 100


def test_rows_stay_whole_and_their_heads_are_repeated_on_every_page(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    page = open_report(browser, small_report).page
    page.emulate_media(media="print")
    for style in page.evaluate(_BREAKS):
        assert style == ["table-header-group", "avoid"]


def test_pictures_stand_for_the_viewer(open_report: OpenReport, browser: Browser, small_report: Path) -> None:
    page = open_report(browser, small_report).page
    page.emulate_media(media="print")
    assert not page.locator("canvas").first.is_visible()
    assert page.locator("#failures img:visible").count() >= 3  # three planes of the worst case at least


def test_it_prints_to_a_pdf_of_pages(open_report: OpenReport, browser: Browser, small_report: Path) -> None:
    page = open_report(browser, small_report).page
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") >= 4
