"""A report of as many cases as the paper's external test set has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt import paper
from nnunet_amt.report import write_report
from tests.browser.conftest import OpenReport
from tests.browser.large_study import make_large_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_MOST_BYTES = 60_000_000
_MOST_SECONDS = 3.0


@pytest.fixture(scope="module")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = make_large_study(tmp_path_factory.mktemp("large") / "study")
    return write_report(study, study / "report.html").path


def test_it_holds_every_case_and_stays_small(large_report: Path) -> None:
    text = large_report.read_text(encoding="utf-8")
    assert large_report.stat().st_size <= _MOST_BYTES
    assert all(f"AMT_{number:04d}" in text for number in range(paper.EXTERNAL_CASES))


# Presses the button that begins the triage, until its answer is drawn; the page's clock starts with the navigation.
_PRESS = """async () => {
  document.querySelector("[data-triage=start]").click();
  const answer = document.querySelector("[data-triage=verdict]");
  do { await new Promise(requestAnimationFrame); } while (answer.getClientRects().length === 0);
  return performance.now() / 1000;
}"""


@pytest.mark.timed
def test_it_can_be_used_within_three_seconds(
    open_report: OpenReport, browser: Browser, large_report: Path, small_report: Path
) -> None:
    """Used means: the page has loaded, and a press of a button is answered. A reader's browser is running already."""
    running = open_report(browser, small_report).page
    running.locator("#amt-viewer").scroll_into_view_if_needed()
    running.wait_for_selector("#amt-viewer[data-ready]")
    page = open_report(browser, large_report).page
    assert page.evaluate(_PRESS) <= _MOST_SECONDS
