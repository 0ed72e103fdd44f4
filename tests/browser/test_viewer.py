"""The viewer: it draws, it moves, and there are still pictures where it cannot."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.report.viewer.part import NIIVUE_FILE
from tests.browser.conftest import OpenPage, OpenReport

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

needs_niivue = pytest.mark.skipif(not NIIVUE_FILE.is_file(), reason="NiiVue was not fetched; use: make viewer")


def start_viewer(opened: OpenPage) -> Page:
    page = opened.page
    page.locator("#amt-viewer").scroll_into_view_if_needed()
    page.locator("[data-viewer=frame]").scroll_into_view_if_needed()
    page.wait_for_selector("#amt-viewer[data-ready=true]", timeout=20_000)
    return page


def pixels(page: Page) -> bytes:
    page.wait_for_timeout(300)
    return page.locator("[data-viewer=frame]").screenshot()


@needs_niivue
def test_pixels_change_with_the_slice_of_each_plane(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    opened = open_report(browser, small_report)
    page = start_viewer(opened)
    before = pixels(page)
    assert pixels(page) == before  # nothing moves by itself, so that a change means something
    for plane in ("axial", "coronal", "sagittal"):
        page.locator(f"[data-viewer={plane}]").press("ArrowRight")
        after = pixels(page)
        assert after != before
        before = after
    assert opened.complaints == []
    assert opened.requests == [small_report.as_uri()]


@needs_niivue
def test_a_ct_is_drawn_and_not_only_outlines_on_black(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    """The lung is black and soft tissue grey: with masks off, the canvas alone holds many shades."""
    page = start_viewer(open_report(browser, small_report))
    for name in ("prediction", "reference"):
        page.locator(f"[data-viewer={name}]").uncheck()
    png = pixels(page)
    shades = page.evaluate(
        """async address => {
          const image = new Image(); image.src = address; await image.decode();
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.width, image.height];
          const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
          const data = context.getImageData(0, 0, image.width, image.height).data;
          const found = new Set(); for (let i = 0; i < data.length; i += 4) found.add(data[i]);
          return found.size;
        }""",
        f"data:image/png;base64,{base64.b64encode(png).decode()}",
    )
    assert shades > 30


@needs_niivue
def test_windows_outlines_and_cases_change_the_picture(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    page = start_viewer(open_report(browser, small_report))
    before = pixels(page)
    page.locator("[data-window]").nth(1).click()
    windowed = pixels(page)
    assert windowed != before
    page.locator("[data-viewer=reference]").uncheck()
    without_reference = pixels(page)
    assert without_reference != windowed
    first = page.locator("#amt-viewer").get_attribute("data-shown")
    page.locator("[data-viewer=next]").click()
    page.locator(f"#amt-viewer:not([data-shown='{first}'])").wait_for()
    assert pixels(page) != without_reference


def test_still_pictures_where_webgl_is_missing(
    open_report: OpenReport, browser_without_webgl: Browser, small_report: Path
) -> None:
    opened = open_report(browser_without_webgl, small_report)
    page = opened.page
    page.locator("#amt-viewer").scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    assert page.evaluate("!document.createElement('canvas').getContext('webgl2')")  # the test's own ground
    pictures = page.locator(".amt-strip img:visible")
    assert pictures.count() >= 1
    assert pictures.first.evaluate("element => element.naturalWidth") > 0


def test_still_pictures_of_every_case_without_scripts(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    page = open_report(browser, small_report, java_script_enabled=False).page
    assert page.locator(".amt-strip[data-case] img").count() == 8
