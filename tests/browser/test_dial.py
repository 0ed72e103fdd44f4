"""The threshold slider: it colours, it counts, and the page of segmented cases has it too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnunet_amt.clinic.result_page import write_result_page
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.images.probability_file import write_probabilities
from tests.browser.conftest import OpenReport
from tests.browser.test_viewer import needs_niivue, pixels, start_viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZE = (60, 50, 40)  # (x, y, z), 2 mm voxels: 0.008 cm³ each


def turn(page: Page, threshold: int) -> str:
    """Move the slider to one of its steps; give the counts beside it."""
    page.locator("[data-viewer=threshold]").fill(str(threshold))
    return page.locator("[data-viewer=counts]").inner_text()


@pytest.fixture
def segmented(tmp_path: Path) -> Path:
    """A case of a block at 0.9 in a larger one at 0.4, a case without probabilities, and many without a crop."""
    grid = Geometry(SIZE, (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    image = np.full(SIZE[::-1], -50, np.int16)
    levels = np.zeros(SIZE[::-1], np.uint8)
    levels[8:32, 10:40, 10:50] = 102
    levels[15:25, 15:35, 20:40] = 230
    options = {"objects": {"minimum_voxels": 10}}
    results = {}
    early = [f"early{number}" for number in range(50)]  # their rows keep the viewer away from the top of the page
    for name in ("both", "bare", *early):
        write_nifti(tmp_path / name / "segmentation.nii.gz", (levels > 127).astype(np.uint8), geometry=grid)
        if name not in early:
            write_nifti(tmp_path / name / "ct_crop.nii.gz", image, geometry=grid)
        row = [name, 1, 4000, "32.000", "60.0", "70.0", "40.0", "0.9", "85.0", "15.0", "65.0", 33]
        texts = {"model_sha256": "0" * 64, "note": ""}
        results[name] = {"case_id": name, "lesions": [row], "options": options, "files": [], **texts}
    write_probabilities(tmp_path / "both" / "probabilities.nii.gz", levels, geometry=grid)
    write_result_page(tmp_path / "index.html", tmp_path, results, [])
    return tmp_path / "index.html"


@needs_niivue
def test_segmented_cases_are_looked_at_with_a_threshold(
    open_report: OpenReport, browser: Browser, segmented: Path
) -> None:
    """At a half 10 x 20 x 20 voxels are 32.0 cm³, at 0.4 24 x 30 x 40 are 230.4 cm³; above 0.9 there are none."""
    opened = open_report(browser, segmented)
    page = start_viewer(opened)
    assert page.locator("#amt-viewer option").all_inner_texts() == [
        "bare \u2013 1 lesion, 32.0 cm³",
        "both \u2013 1 lesion, 32.0 cm³",
    ]
    assert page.locator("[data-viewer=counts]").inner_text() == "no probabilities were kept of this case"
    assert page.locator("[data-viewer=threshold]").is_disabled()
    page.locator("[data-viewer=next]").click()
    page.wait_for_selector("#amt-viewer[data-shown=both]")
    assert page.locator("[data-viewer=counts]").inner_text() == "1 lesion, 32.0 cm³"
    assert not page.locator("[data-viewer=probability]").is_checked()
    before = pixels(page)
    assert turn(page, 9) == "1 lesion, 32.0 cm³"
    half = pixels(page)
    assert half != before
    assert turn(page, 7) == "1 lesion, 230.4 cm³"
    wider = pixels(page)
    assert wider != half
    assert turn(page, 18) == "0 lesions, 0.0 cm³"
    assert pixels(page) not in (before, half, wider)
    page.locator("[data-viewer=probability]").uncheck()
    assert pixels(page) == before
    assert opened.complaints == []
    assert opened.requests == [segmented.as_uri()]


@needs_niivue
def test_a_colour_lies_where_the_probability_is_and_nowhere_else(
    open_report: OpenReport, browser: Browser, segmented: Path
) -> None:
    """Without outlines, the share of coloured pixels of the axial plane is that of its voxels."""
    page = start_viewer(open_report(browser, segmented))
    page.locator("[data-viewer=next]").click()
    page.wait_for_selector("#amt-viewer[data-shown=both]")
    page.locator("[data-viewer=prediction]").uncheck()
    shares = []
    for step in (7, 9):
        turn(page, step)
        page.wait_for_timeout(500)
        shares.append(
            page.evaluate(
                """() => {
                  const nv = amtViewer.viewer.planes.nv, gl = nv.gl;
                  nv.drawScene();
                  const slice = nv.screenSlices.find(one => one.axCorSag === 0);
                  const [left, top, width, height] = slice.leftTopWidthHeight.map(Math.round);
                  const data = new Uint8Array(4 * Math.abs(width) * height);
                  gl.readPixels(Math.min(left, left + width), gl.canvas.height - top - height, Math.abs(width), height,
                                gl.RGBA, gl.UNSIGNED_BYTE, data);
                  let coloured = 0;
                  for (let i = 0; i < data.length; i += 4) coloured += Math.abs(data[i] - data[i + 2]) > 20;
                  return coloured / (data.length / 4);
                }"""
            )
        )
    assert shares == pytest.approx([30 * 40 / (60 * 50), 20 * 20 / (60 * 50)], abs=0.03)


@needs_niivue
def test_a_lesion_of_the_table_is_looked_at_where_it_lies(
    open_report: OpenReport, browser: Browser, segmented: Path
) -> None:
    """Voxels of 2 mm: 85, 15 and 65 mm from the first one's centre are the 43rd or 44th, 8th or 9th, 33rd or 34th."""
    opened = open_report(browser, segmented)
    page = opened.page
    page.evaluate("() => window.scrollTo(0, document.getElementById('both').offsetTop)")
    link = page.locator("#both a", has_text="lesion 1")
    assert page.locator("#amt-viewer[data-ready]").count() == 0  # nobody has come near yet
    for _ in range(2):  # a link that was followed already leads there again
        link.click()
        page.wait_for_selector("#amt-viewer[data-shown=both]")
        page.wait_for_timeout(500)  # nothing else comes after
        for name, slices in (("sagittal", {43, 44}), ("coronal", {8, 9}), ("axial", {33, 34})):
            assert int(page.locator(f"[data-viewer={name}]").input_value()) in slices, name
        page.locator("[data-viewer=axial]").fill("3")
    assert page.locator("#early0 a", has_text="lesion 1").count() == 0
    assert opened.complaints == []


@needs_niivue
def test_an_address_that_is_none_leaves_the_viewer_alone(
    open_report: OpenReport, browser: Browser, segmented: Path
) -> None:
    """Such an address was once an error before anything was shown."""
    opened = open_report(browser, segmented)
    opened.page.goto(f"{segmented.as_uri()}#view-%E0@1")
    opened.page.reload()
    page = start_viewer(opened)
    page.wait_for_selector("#amt-viewer[data-shown=bare]")
    assert opened.complaints == []


@needs_niivue
def test_the_report_has_the_slider_for_cases_with_probabilities(
    open_report: OpenReport, browser: Browser, small_report: Path
) -> None:
    page = start_viewer(open_report(browser, small_report))
    texts = set()
    for index in range(8):
        page.locator("[data-viewer=case]").select_option(str(index))
        texts.add(page.locator("[data-viewer=counts]").inner_text())
    assert len(texts) == 2
    assert "no probabilities were kept of this case" in texts
