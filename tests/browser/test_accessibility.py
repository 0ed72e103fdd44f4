"""axe-core's rules, in light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import OpenReport

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_report: OpenReport, browser: Browser, small_report: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    page = open_report(browser, small_report, color_scheme=scheme).page
    for closed in page.locator("details").all():
        closed.evaluate("element => { element.open = true }")
    found = axe.Axe().run(page)
    assert len(found.response["passes"]) > 20  # it has looked
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]][:5])
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []
