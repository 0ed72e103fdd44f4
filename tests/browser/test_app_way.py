"""A person's whole way by clicks: from a folder of DICOM series to the saved report and a new patient's SEG.

The tab is closed and the server killed on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
import pytest
import SimpleITK as sitk

from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage
from tests.browser.dicom_cohort import write_dicom_cohort

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytest.importorskip("starlette", reason="use: pip install '.[app]'")
pytestmark = pytest.mark.slow

MINUTES = 60_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AppServer]:
    write_dicom_cohort(tmp_path / "opened" / "hospital", tmp_path / "scratch")
    server = AppServer(tmp_path / "opened")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    asked: dict[str, Any] = {"viewport": LAPTOP, "locale": "en-GB", "accept_downloads": True}
    context = browser.new_context(**asked)
    yield context
    context.close()


def open_tab(context: BrowserContext, address: str) -> OpenPage:
    tab = OpenPage(context.new_page())
    tab.listen()
    tab.page.goto(address)
    return tab


def begin_study(page: Page) -> None:
    page.get_by_role("link", name="New study").click()
    page.get_by_label("Name of the study").fill("phantoms")
    page.get_by_label("A table in the opened folder").fill("hospital/manifest.csv")
    page.get_by_role("button", name="Begin the study").click()
    page.get_by_role("link", name="Steps").click()


def choose_small_settings(page: Page) -> None:
    page.get_by_role("link", name="Training").first.click()
    page.locator("#trainer").select_option("nnUNetTrainerAMT_1epoch")
    page.locator("#device").select_option("cpu")
    for name, values in (("spacing", (15, 15, 15)), ("patch_size", (16, 24, 24))):
        fields = page.locator(f"input[name^={name}_]")
        for number, value in enumerate(values):
            fields.nth(number).fill(str(value))
    page.get_by_role("button", name="Save the settings").click()
    page.get_by_text("saved").first.wait_for()
    page.get_by_role("link", name="Steps").click()


def segment_new_patient(page: Page, folder: Path) -> None:
    """Save what there is to save: after five steps of training it is chance whether a model finds anything."""
    page.get_by_role("link", name="New patient").click()
    page.get_by_label("Or where it lies").fill("hospital/cts/external_001")
    page.get_by_role("button", name="Segment").click()
    page.get_by_role("link", name="Look at the result").wait_for(timeout=3 * MINUTES)
    found_nothing = page.get_by_text("The model found no tumour").count()
    name = "segmentation.nii.gz" if found_nothing else "seg.dcm"
    with page.expect_download() as saved:
        page.get_by_role("link", name=name).click()
    saved.value.save_as(folder / name)
    if found_nothing:
        assert sitk.GetArrayViewFromImage(sitk.ReadImage(str(folder / name))).max() in (0, 1)
    else:
        assert pydicom.dcmread(folder / name).Modality == "SEG"


def test_from_a_folder_of_cts_to_the_saved_report(context: BrowserContext, server: AppServer, tmp_path: Path) -> None:
    tab = open_tab(context, server.address)
    page = tab.page
    begin_study(page)
    choose_small_settings(page)
    page.get_by_role("button", name="Run all steps").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.locator("[data-field^=stage_].done").nth(1).wait_for(timeout=3 * MINUTES)  # seen live, without a reload
    study = page.url
    page.close()
    server.kill()
    assert server.start().partition("?")[0] in study
    tab = open_tab(context, study)
    page = tab.page
    page.get_by_role("link", name="Open the report").first.wait_for(timeout=8 * MINUTES)
    assert page.locator("tbody .state.done").count() == 8
    page.get_by_label("Pages of phantoms").get_by_role("link", name="Results").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the report").click()
    saved.value.save_as(tmp_path / "report.html")
    assert "<title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    page.get_by_role("link", name="Open the report").first.click()
    page.get_by_role("heading", level=1).wait_for()
    assert tab.complaints == []
    assert all(request.startswith("http://127.0.0.1:") for request in tab.requests)
    page.goto(study)
    segment_new_patient(page, tmp_path)
    with page.expect_navigation():
        page.get_by_role("link", name="Log").click()
    assert [line.split()[1] for line in page.locator("pre").all_inner_texts()] == ["segment", "study"]
