"""The sections of a study of risk, and what each result may be used for, on the screen and on paper."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.report import write_report
from tests.browser.conftest import OpenReport
from tests.browser.test_print import CUT_OFF, PRINTABLE
from tests.report.studies import write_lesion_study, write_risk_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Of each task: what stands open, what opens, and how many figures there are then.
TASKS = {
    "risk": (
        "Table 2: models, at Youden's threshold of the out-of-fold scores",
        ("Cases, and Table 1", "Calibration and decision curve", "Subgroups", "Readers without and with AI"),
        4,
    ),
    "binary": (
        "Table 3: benign or malignant, at Youden's threshold of the tuning cases",
        ("Cases, and Tables 1 and 2", "DMFN against the others", "What CTC adds", "Simulated readers without"),
        5,
    ),
    "multiclass": (
        "Classes of lesions, in the form of Table 3",
        ("DMFN against the others", "What CTC adds", "What each lesion was called", "Simulated readers without"),
        4,
    ),
}


@pytest.fixture(scope="module")
def risk_report(small_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("risk") / "study"
    shutil.copytree(small_study, folder)
    write_risk_study(folder)
    write_lesion_study(folder)
    return write_report(folder, folder / "report.html", viewer=False).path


@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("task", TASKS)
def test_the_result_is_seen_and_the_rest_opens(
    open_report: OpenReport, browser: Browser, risk_report: Path, task: str, width: int
) -> None:
    """Nothing is wider than the screen, folded or not; only tables scroll, within their own box."""
    opened = open_report(browser, risk_report, viewport={"width": width, "height": 768})
    page, section = opened.page, opened.page.locator(f"#{task}")
    table, parts, figures = TASKS[task]
    page.locator(f"nav a[href='#{task}']").click()
    assert section.locator("table:visible caption").all_inner_texts() == [table]
    assert section.locator("img:visible").count() == 1
    for part in parts:
        section.locator("summary", has_text=part).click()
    assert section.locator("table:visible").count() >= 8
    assert section.locator("img:visible").count() == figures
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []


@pytest.mark.parametrize("width", [1366, 390])
def test_what_each_result_may_be_used_for_is_seen_and_leads_to_it(
    open_report: OpenReport, browser: Browser, risk_report: Path, width: int
) -> None:
    page = open_report(browser, risk_report, viewport={"width": width, "height": 768}).page
    page.locator("nav a[href='#uses']").click()
    for name, task in (("Outline", "results"), ("Low or high", "risk"), ("Benign", "binary"), ("Class", "multiclass")):
        page.locator("#uses h3 a", has_text=name).click()
        assert page.evaluate("location.hash") == f"#{task}"
    words = page.locator("#uses dd:visible")
    assert words.count() == 20
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_all_of_it_is_printed(open_report: OpenReport, browser: Browser, risk_report: Path) -> None:
    page = open_report(browser, risk_report, viewport=PRINTABLE).page
    page.emulate_media(media="print")
    for part in page.locator(", ".join(f"#{name} :is(table, img, h3, dl)" for name in ("uses", *TASKS))).all():
        assert part.is_visible()
    assert page.evaluate(CUT_OFF) == []
