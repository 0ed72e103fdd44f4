"""The cohort's table and new patients in a browser: by mouse, by keyboard, without a script, on a phone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudyFolders
from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("starlette", reason="use: pip install '.[app]'")

HEADER = "case_id,patient_id,institution,image,mask,split,age,sex,histology,exclusion_reason"
RUN = "20261129-054600"
CASES = 711
Open = Callable[..., OpenPage]


def write_study(folder: Path, rows: list[str]) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    settings = open_study(folder, manifest=folder / "manifest.csv")
    checkpoint = StudyFolders.of(folder, settings).fold_folder / "checkpoint_best.pth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    return folder


def write_patient(folder: Path) -> None:
    """Write what a finished run leaves, and its job."""
    results = folder / "new_patients" / RUN / "results"
    (results / "scan").mkdir(parents=True)
    record = {"created": "2026-11-29T05:46:00+00:00", "given": ["scan.zip"], "study": "small"}
    (results.parent / "new_patient.json").write_text(json.dumps(record))
    (results / "index.html").write_text("<title>Segmented CTs</title>")
    (results / "scan" / "segmentation.dcm").write_bytes(b"DICM")
    lesion = ["scan", 1, 4000, 12.34, 30.2, 41.8, 45.6, 0.913, 1.0, 2.0, 3.0, 17]
    texts = dict.fromkeys(("source", "made", "input_sha256", "model_sha256", "note"), "")
    known = {"schema_version": 1, "case_id": "scan", "options": {}, "files": ["segmentation.dcm"], "lesions": [lesion]}
    result = {**known, **texts}
    (results / "scan" / "result.json").write_text(json.dumps(result))
    job = folder / ".nnunet_amt_app" / "jobs" / "1"
    job.mkdir(parents=True)
    command = ["nnunet_amt", "segment", "scan.zip", "-o", str(results)]
    asked = {"kind": "segment", "study": "small", "command": command, "takes_device": True}
    (job / "job.json").write_text(json.dumps({**asked, "created": "2026-11-29T05:46:00.000+00:00"}))
    (job / "started.json").write_text(json.dumps({"started": "2026-11-29T05:46:01.000+00:00"}))
    (job / "ended.json").write_text(json.dumps({"ended": "2026-11-29T05:47:00.000+00:00", "exit_code": 0}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("app") / "opened"
    rows = [f"c{n},P{n // 2},H{n % 17:02d},c{n}.nii.gz,m{n}.nii.gz,training,{n % 90},F,thymoma," for n in range(CASES)]
    rows[700] = rows[700].replace(",training,", ",trainning,")
    large = write_study(folder / "large", rows)
    for n in range(CASES):
        (large / f"c{n}.nii.gz").write_bytes(b"x")
        (large / f"m{n}.nii.gz").write_bytes(b"x")
    write_study(folder / "small", [])
    write_patient(folder)
    server = AppServer(folder.resolve())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def small(server: AppServer) -> Path:
    study = server.folder / "small"
    rows = ["c1,MRN-1,North,c1.nii.gz,m1.nii.gz,training,200,F,,", "c2,MRN-2,South,c2.nii.gz,m2.nii.gz,external,61,M,,"]
    (study / "manifest.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    for name in ("c1", "m1", "c2", "m2"):
        (study / f"{name}.nii.gz").write_bytes(b"x")
    (study / "manifest.csv.before").unlink(missing_ok=True)
    return study


@pytest.fixture
def open_app(browser: Browser, server: AppServer) -> Iterator[Open]:
    contexts = []

    def open_(path: str, **options: Any) -> OpenPage:
        context = browser.new_context(**{"viewport": LAPTOP, "locale": "en-GB", **options})
        contexts.append(context)
        opened = OpenPage(context.new_page())
        opened.listen()
        opened.page.goto(server.address)
        opened.page.goto(server.address.partition("?")[0].rstrip("/") + path)
        return opened

    yield open_
    for context in contexts:
        context.close()


def age_of(page: Page, line: int) -> str:
    return page.locator(f"#line-{line} td[data-column=age]").inner_text()


def test_a_click_on_a_cell_changes_it_in_its_place(open_app: Open, small: Path) -> None:
    opened = open_app("/studies/small/cases")
    page = opened.page
    assert "must be at most 120" in age_of(page, 2)
    page.locator("#line-2 td[data-column=age]").click()
    page.keyboard.press("Escape")
    assert age_of(page, 2).startswith("200")
    page.locator("#line-2 td[data-column=age]").click()
    assert page.locator("#line-2 .problem").is_visible()  # still to be read
    page.keyboard.type("62")
    page.keyboard.press("Enter")
    page.get_by_text("No problem was found in the table").wait_for()  # the column is narrower: the page is loaded anew
    assert page.url.endswith("#line-2")
    assert age_of(page, 2) == "62"
    assert ",62," in (small / "manifest.csv").read_text()
    assert opened.complaints == []
    page.get_by_role("button", name="Take the last change back").click()
    page.locator("#line-2 td[data-column=age]", has_text="200").wait_for()


def test_without_a_script_a_row_is_changed_by_keyboard(open_app: Open, small: Path) -> None:
    """The first field has the focus, and the form is in sight."""
    page = open_app("/studies/small/cases", java_script_enabled=False).page
    page.get_by_role("link", name="Edit line 2").focus()
    page.keyboard.press("Enter")
    page.locator("#cell-case_id:focus").wait_for()
    assert page.evaluate("document.querySelector('.row-form .actions').getBoundingClientRect().bottom < innerHeight")
    page.get_by_role("textbox", name="Age").fill("62")
    page.keyboard.press("Enter")
    page.wait_for_url("**#line-2")
    assert age_of(page, 2) == "62"


def test_a_case_without_patients_ids_until_they_are_asked_for(open_app: Open, small: Path) -> None:
    page = open_app("/studies/small/cases").page
    assert "MRN" not in page.content()
    page.get_by_role("link", name="Show patient ids").click()
    page.get_by_text("MRN-2").wait_for()


def test_711_cases_are_there(open_app: Open, server: AppServer) -> None:
    """A second on a machine of one's own; this one may be shared."""
    opened = open_app("/studies/large/cases")
    started = time.monotonic()
    opened.page.reload()
    assert opened.page.locator("table.cases tbody tr").count() == CASES
    assert time.monotonic() - started < 6.0
    with opened.page.expect_navigation():
        opened.page.get_by_role("link", name="With problems (1)").click()
    assert opened.page.locator("table.cases tbody tr").count() == 1
    assert opened.complaints == []
    assert all(request.startswith("http://127.0.0.1:") for request in opened.requests)


def test_results_are_saved_and_their_page_is_kept_apart(open_app: Open, tmp_path: Path) -> None:
    page = open_app(f"/patients/{RUN}", accept_downloads=True).page
    with page.expect_download() as saved:
        page.get_by_role("link", name="segmentation.dcm").click()
    saved.value.save_as(tmp_path / "saved.dcm")
    assert saved.value.suggested_filename == "scan-segmentation.dcm"
    assert (tmp_path / "saved.dcm").read_bytes() == b"DICM"
    with page.expect_navigation():
        page.get_by_role("link", name="Look at the result").click()
    assert page.title() == "Segmented CTs"
    assert page.evaluate("origin") == "null"


def test_files_are_sent_by_the_form(open_app: Open, server: AppServer, tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(b"no image")
    page = open_app("/patients").page
    page.get_by_label("Files").set_input_files(tmp_path / "scan.nii.gz")
    page.get_by_role("button", name="Segment").click()
    page.wait_for_url("**/patients/2*")
    page.get_by_text("failed").first.wait_for(timeout=90_000)  # the page comes to it by itself
    assert page.get_by_text("no CT can be used").is_visible()
    kept = list((server.folder / "new_patients").glob("*/patient/scan.nii.gz"))
    assert [path.read_bytes() for path in kept] == [b"no image"]
    for path in kept:
        shutil.rmtree(path.parents[1])
