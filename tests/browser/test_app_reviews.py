"""A case with its mask in a browser: slice by slice, by keyboard, without a script, in three planes, out and back."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.cohort.reviews import read_reviews
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort
from nnunet_amt.report.viewer.part import NIIVUE_FILE
from nnunet_amt.study.run_study import open_study
from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage, hold

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("starlette", reason="use: pip install '.[app]'")

TELEPHONE = {"width": 390, "height": 844}
DESIGN = CohortDesign(
    training=2, tuning=1, external=1, excluded=0, development_institutions=1, external_institutions=1,
    in_plane_pixels=64,
)  # fmt: skip
Open = Callable[..., OpenPage]
FIRST = "training_001"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    opened = tmp_path_factory.mktemp("app") / "opened"
    manifest = write_phantom_cohort(opened / "north", design=DESIGN)
    second = opened / "north" / "second.nii.gz"
    mask = sitk.ReadImage(str(opened / "north" / "masks" / f"{FIRST}.nii.gz"))
    sitk.WriteImage(sitk.BinaryErode(mask), str(second))
    header, first, *rest = manifest.read_text().splitlines()
    lines = [f"{header},mask_2", f"{first},{second.name}", *(f"{row}," for row in rest)]
    manifest.write_text("\n".join(lines) + "\n")
    open_study(opened / "north", manifest=manifest)
    server = AppServer(opened.resolve())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def open_case(browser: Browser, server: AppServer) -> Iterator[Open]:
    """Open the first case by its link in the table."""
    contexts = []

    def open_(**options: Any) -> OpenPage:
        context = browser.new_context(**{"viewport": LAPTOP, "locale": "en-GB", "accept_downloads": True, **options})
        contexts.append(context)
        opened = OpenPage(context.new_page())
        opened.listen()
        opened.page.goto(server.address)
        opened.page.goto(server.address.partition("?")[0].rstrip("/") + "/studies/north/cases")
        opened.page.locator("#line-2 a[href*='/reviews/']").click()
        opened.page.locator("#picture").wait_for()
        return opened

    yield open_
    for context in contexts:
        context.close()
    for path in (server.folder / "north").glob("reviews.csv"):
        path.unlink()


def picture_of(page: Page) -> str:
    return str(page.locator(".look-frame img").get_attribute("src"))


def test_slices_go_by_under_the_wheel_and_the_arrow_keys(open_case: Open) -> None:
    """Without loading the page again; the address keeps the place."""
    opened = open_case()
    page = opened.page
    start = int(page.locator("#slice").input_value())
    page.locator("#slice").focus()
    page.keyboard.press("ArrowUp")
    page.locator(f"[data-shown='{start + 1}']").wait_for()
    assert f"slice={start + 1}" in picture_of(page)
    page.locator(".look-frame").hover()
    page.mouse.wheel(0, 100)
    page.locator(f"[data-shown='{start}']").wait_for()
    page.locator("#window").select_option("lung")
    page.locator(".look-frame img[src*='window=lung']").wait_for()
    page.locator("#window").focus()
    page.keyboard.press("o")  # typed on a list: it is not for the picture
    page.locator("#slice").focus()
    page.keyboard.press("o")
    page.locator(".look-frame img[src*='masks=0']").wait_for()
    assert re.search(rf"\?window=lung&masks=0&slice={start}$", page.url)
    page.reload()
    assert "window=lung&masks=0" in picture_of(page)
    assert opened.complaints == []
    assert all(request.startswith("http://127.0.0.1:") for request in opened.requests)


def test_a_slice_asked_for_before_the_script_is_there_is_shown(open_case: Open) -> None:
    """Over a slow line: the number of one slice must never stand over the picture of another."""
    page = open_case().page
    start = int(page.locator("#slice").input_value())
    let_go = hold(page, "**/static/review.js")
    page.goto(page.url, wait_until="commit")
    page.locator("#slice").press("ArrowUp")
    let_go()
    page.locator(f"[data-shown='{start + 1}']").wait_for()
    assert f"slice={start + 1}" in picture_of(page)
    page.locator("#slice").press("ArrowDown")
    page.locator(f"[data-shown='{start}']").wait_for()
    assert f"slice={start}&" in picture_of(page)


def test_a_reader_says_it_by_keyboard_and_goes_on(open_case: Open, server: AppServer) -> None:
    opened = open_case()
    page = opened.page
    page.locator("#initials-verdict").focus()
    page.keyboard.type("bb")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # once round: annotator, and back
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("well drawn")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reviews/*")
    page.get_by_role("heading", name="Mask of training_002").wait_for()
    [review] = read_reviews(server.folder / "north" / "reviews.csv")
    assert (review.case_id, review.role, review.initials, review.verdict) == (FIRST, "reviewer", "BB", "right")
    assert review.note == "well drawn"
    assert page.locator("#initials-verdict").input_value() == "BB"
    assert opened.complaints == []


def test_all_of_it_works_without_the_script(open_case: Open, server: AppServer) -> None:
    page = open_case(java_script_enabled=False).page
    start = int(page.locator("#slice").input_value())
    page.get_by_role("link", name="One slice to the head").click()
    page.locator(f".look-frame img[src*='slice={start + 1}&']").wait_for()
    page.locator("#window").select_option("lung")
    page.get_by_role("button", name="Show", exact=True).click()
    page.locator(f".look-frame img[src*='slice={start + 1}&window=lung']").wait_for()
    page.locator("#initials-verdict").fill("CC")
    page.get_by_label("is wrong").check()
    page.locator("#note-verdict").fill("too large")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("wrong, to be mended").wait_for()
    page.get_by_role("navigation", name="Pages of north").get_by_role("link", name="Review").click()
    page.get_by_role("heading", name="Reviews of north").wait_for()


def test_still_slices_where_webgl_is_missing(browser_without_webgl: Browser, server: AppServer) -> None:
    page = browser_without_webgl.new_context().new_page()
    page.goto(server.address)
    page.goto(server.address.partition("?")[0].rstrip("/") + "/studies/north/cases")
    page.locator("#line-2 a[href*='/reviews/']").click()
    page.locator(".look-frame img").wait_for()
    assert not page.locator("[data-planes]").is_visible()
    picture = page.locator(".look-frame img")
    picture.evaluate("image => image.decode()")
    assert picture.evaluate("image => image.naturalWidth") > 500
    page.context.close()


@pytest.mark.skipif(not NIIVUE_FILE.is_file(), reason="NiiVue is not there; use: make viewer")
def test_three_planes_under_the_policy_of_the_page(open_case: Open) -> None:
    opened = open_case()
    page = opened.page
    page.locator("[data-planes] button").click()
    page.locator("[data-planes][data-ready=true]").wait_for(timeout=60_000)
    canvas = page.locator(".look-canvas")
    canvas.scroll_into_view_if_needed()
    assert len(canvas.screenshot()) > 10_000  # not one colour
    before = canvas.screenshot()
    page.locator("#window").select_option("lung")
    page.locator(".look-frame img[src*='window=lung']").wait_for()
    assert canvas.screenshot() != before
    assert [one for one in opened.complaints if "GPU stall" not in one and "GL Driver" not in one] == []
    assert all(request.startswith("http://127.0.0.1:") for request in opened.requests)


def test_a_mask_goes_out_is_changed_and_comes_back(open_case: Open, server: AppServer, tmp_path: Path) -> None:
    study = server.folder / "north"
    kept = (study / "manifest.csv").read_bytes()
    page = open_case().page
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save for 3D Slicer or ITK-SNAP").click()
    assert saved.value.suggested_filename == f"{FIRST}.zip"
    with zipfile.ZipFile(saved.value.path()) as packed:
        packed.extractall(tmp_path)
    mask = sitk.ReadImage(str(tmp_path / f"{FIRST}_mask.nii.gz"))
    edited = tmp_path / "edited.nrrd"
    sitk.WriteImage(sitk.BinaryDilate(mask), str(edited))
    page.get_by_label("Edited mask").set_input_files(edited)
    page.locator("#initials-mask").fill("aa")
    page.get_by_role("button", name="Put it in place of the mask").click()
    page.get_by_text(f"masks/{FIRST}_r1.nii.gz").first.wait_for()
    [review] = read_reviews(study / "reviews.csv")
    assert review.change is not None
    before, after = (int(np.count_nonzero(sitk.GetArrayFromImage(one))) for one in (mask, sitk.BinaryDilate(mask)))
    assert review.change.difference.dice == pytest.approx(2 * before / (before + after), abs=1e-4)
    page.get_by_role("link", name="Cases", exact=True).click()
    page.get_by_role("button", name="Take the last change back").click()
    page.get_by_role("link", name="Show patient ids").click()
    page.locator("#line-2").get_by_text(f"masks/{FIRST}.nii.gz").wait_for()
    assert (study / "manifest.csv").read_bytes() == kept


@pytest.mark.parametrize(("locale", "scheme", "size"), [("en", "light", LAPTOP), ("ja", "dark", TELEPHONE)])
def test_axe_finds_nothing_serious_and_all_fits(
    open_case: Open, locale: str, scheme: str, size: dict[str, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    page = open_case(locale=locale, color_scheme=scheme, viewport=size).page
    page.locator("#initials-verdict").fill("BB")
    page.locator("input[name=verdict][value=right]").check()
    page.locator("button[value=stay]").click()
    page.locator(".notice.good").wait_for()
    case = page.url
    for address in (case, case.rpartition("/")[0]):
        page.goto(address)
        assert page.locator("html").get_attribute("lang") == locale
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], address
        found = axe.Axe().run(page).response
        assert len(found["passes"]) > 15
        serious = [
            (violation["id"], [node["target"] for node in violation["nodes"]][:5])
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
        assert serious == []
