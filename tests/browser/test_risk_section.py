"""The section of a study of risk, on the screen and on paper."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.report import write_report
from tests.browser.conftest import OpenReport
from tests.browser.test_print import CUT_OFF, PRINTABLE
from tests.report.studies import write_risk_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PARTS = ("Cases, and Table 1", "Calibration and decision curve", "Subgroups", "Readers without and with AI")


@pytest.fixture(scope="module")
def risk_report(small_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("risk") / "study"
    shutil.copytree(small_study, folder)
    write_risk_study(folder)
    return write_report(folder, folder / "report.html", viewer=False).path


@pytest.mark.parametrize("width", [1366, 390])
def test_the_result_is_seen_and_the_rest_opens(
    open_report: OpenReport, browser: Browser, risk_report: Path, width: int
) -> None:
    """Nothing is wider than the screen, folded or not; only tables scroll, within their own box."""
    opened = open_report(browser, risk_report, viewport={"width": width, "height": 768})
    page, section = opened.page, opened.page.locator("#risk")
    page.locator("nav a[href='#risk']").click()
    assert section.locator("table:visible caption").all_inner_texts() == [
        "Table 2: models, at Youden's threshold of the out-of-fold scores"
    ]
    assert section.locator("img:visible").count() == 1
    for part in PARTS:
        section.locator("summary", has_text=part).click()
    assert section.locator("table:visible").count() >= 8
    assert section.locator("img:visible").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []


def test_all_of_it_is_printed(open_report: OpenReport, browser: Browser, risk_report: Path) -> None:
    page = open_report(browser, risk_report, viewport=PRINTABLE).page
    page.emulate_media(media="print")
    for part in page.locator("#risk table, #risk img, #risk h3").all():
        assert part.is_visible()
    assert page.evaluate(CUT_OFF) == []
