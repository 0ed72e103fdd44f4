"""Triage by keyboard, saved, read by ``evaluate --triage``, and read by the page again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.evaluation import evaluate
from nnunet_amt.report import write_report
from tests.browser.conftest import OpenReport

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def save_decisions(page: Page, path: Path) -> Path:
    with page.expect_download() as download:
        page.locator("[data-triage=export]").click()
    download.value.save_as(path)
    return path


def test_decisions_by_keyboard_are_counted_by_evaluate_and_come_back(
    open_report: OpenReport, browser: Browser, small_study: Path, small_report: Path, tmp_path: Path
) -> None:
    opened = open_report(browser, small_report)
    page = opened.page
    rows = page.locator("tr[data-candidate]")
    candidates = rows.count()
    assert candidates >= 1
    page.locator("[data-triage=start]").click()
    page.keyboard.press("n")
    page.keyboard.type('=node, "left" of the aorta')
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    assert rows.first.get_attribute("data-decision") == "accept"
    decisions = save_decisions(page, tmp_path / "decisions.csv")

    with decisions.open(encoding="utf-8-sig", newline="") as file:
        saved = list(csv.DictReader(file))
    assert [row["decision"] for row in saved].count("accept") == 1
    note = next(row["note"] for row in saved if row["decision"] == "accept")
    assert "node" in note
    assert not note.startswith("=")  # a spreadsheet would run it

    plain = json.loads((small_study / "evaluation" / "summary.json").read_text())
    label_maps = small_study / "predictions", next((small_study / "nnUNet_raw").glob("*/labelsTs"))
    evaluate(*label_maps, tmp_path / "triaged", triage=decisions)
    triaged = json.loads((tmp_path / "triaged" / "summary.json").read_text())
    at_01 = plain["lesion"]["threshold"].index(0.1)
    assert triaged["lesion"]["fp"][at_01] == plain["lesion"]["fp"][at_01] - 1
    assert triaged["lesion"]["tp"] == plain["lesion"]["tp"]
    assert triaged["voxel"]["dice"]["mean"] == plain["voxel"]["dice"]["mean"]

    again = open_report(browser, small_report).page
    again.locator("[data-triage=import]").set_input_files(decisions)
    again.locator("tr[data-decision=accept]").wait_for()  # of one row: of several it would complain
    assert save_decisions(again, tmp_path / "again.csv").read_bytes() == decisions.read_bytes()
    assert opened.complaints == []


def test_keys_do_nothing_while_a_note_is_written(open_report: OpenReport, browser: Browser, small_report: Path) -> None:
    page = open_report(browser, small_report).page
    page.locator("[data-triage=start]").click()
    page.keyboard.press("n")
    page.keyboard.type("add a dot, undo, keep")  # every key of the triage is in it
    assert page.locator("[data-triage=note]").input_value() == "add a dot, undo, keep"
    assert page.locator("tr[data-decision=undecided]").count() == page.locator("tr[data-candidate]").count()


def test_the_viewer_starts_where_nothing_is_to_be_triaged(
    open_report: OpenReport,
    browser: Browser,
    small_study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A study without false positives has no list of them, and no buttons."""
    monkeypatch.setattr("nnunet_amt.report.viewer.cases.false_positives", lambda *_crop, **_settings: ())
    opened = open_report(browser, write_report(small_study, tmp_path / "report.html").path)
    assert "there is nothing to triage" in opened.page.locator(".amt-triage").inner_text()
    assert opened.page.locator(".amt-script").count() == 1
    opened.page.wait_for_timeout(500)
    assert opened.complaints == []
