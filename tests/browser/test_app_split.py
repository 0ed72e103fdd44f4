"""The split in a browser: cards moved by click, by keyboard, by dragging and without a script; what is heard of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnunet_amt import paper
from nnunet_amt.base.files import read_rows, write_csv
from tests.app.split_cohorts import COLUMNS, paper_rows, row, small_rows, write_study
from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("starlette", reason="use: pip install '.[app]'")

PHONE = {"width": 390, "height": 844}
BAD = [row(1, "St. X", "training", patient="A"), row(2, "st x", "external"), row(3, "South", "tuning", patient="A")]
Open = Callable[..., OpenPage]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("app") / "opened"
    write_study(folder / "paper", paper_rows(divided=True))
    write_study(folder / "small", small_rows(divided=True))
    write_study(folder / "bad", [*BAD, row(4, "East")])
    server = AppServer(folder.resolve())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def small(server: AppServer) -> Path:
    study = server.folder / "small"
    write_csv(study / "manifest.csv", COLUMNS, small_rows(divided=True))
    (study / "manifest.csv.before").unlink(missing_ok=True)
    return study


@pytest.fixture
def open_split(browser: Browser, server: AppServer) -> Iterator[Open]:
    contexts = []

    def open_(study: str, query: str = "", **options: Any) -> OpenPage:
        context = browser.new_context(**{"viewport": LAPTOP, "locale": "en-GB", **options})
        contexts.append(context)
        opened = OpenPage(context.new_page())
        opened.listen()
        opened.page.goto(server.address)
        opened.page.goto(f"{server.address.partition('?')[0].rstrip('/')}/studies/{study}/split{query}")
        return opened

    yield open_
    for context in contexts:
        context.close()


def splits_of(study: Path, institution: str) -> dict[str, int]:
    rows = read_rows(study / "manifest.csv")
    return dict(
        Counter(one["split"] for one in rows if one["institution"] == institution and not one["exclusion_reason"])
    )


def card_in(page: Page, place: str, institution: str) -> Any:
    return page.locator(f"[data-place={place}] .institution", has=page.get_by_text(institution, exact=True))


def heard(page: Page) -> Any:
    return page.locator("[data-heard]")


def test_a_card_is_moved_by_click_without_leaving_the_page(open_split: Open, small: Path) -> None:
    opened = open_split("small")
    page = opened.page
    page.evaluate("window.stayed = true")
    page.get_by_role("button", name="Move South to External test").click()
    card_in(page, "external", "South").wait_for()
    assert splits_of(small, "South") == {"external": 3}
    assert heard(page).inner_text() == "South is moved to: External test. Cases: 3. Audit: nothing leaks."
    assert heard(page).get_attribute("aria-live") == "polite"
    assert page.evaluate("document.activeElement.textContent.trim()").startswith("South")
    assert page.get_by_text("Cases: 6; institutions: 3").is_visible()
    page.get_by_role("button", name="Take the last change back").click()
    card_in(page, "training", "South").wait_for()
    assert heard(page).inner_text().startswith("The last change is taken back.")
    assert splits_of(small, "South") == {"training": 3}
    assert page.evaluate("window.stayed") is True
    assert opened.complaints == []
    assert all(request.startswith("http://127.0.0.1:") for request in opened.requests)


def test_a_card_is_moved_by_keyboard_alone(open_split: Open, small: Path) -> None:
    page = open_split("small").page
    page.get_by_role("checkbox", name="South").focus()
    page.keyboard.press("Space")
    page.get_by_role("checkbox", name="West").focus()
    page.keyboard.press("Space")
    page.get_by_label("Move the marked institutions to").focus()
    page.keyboard.press("T")  # Training; it begins at External test
    assert page.get_by_label("Move the marked institutions to").input_value() == "training"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    card_in(page, "training", "West").wait_for()
    assert splits_of(small, "West") == {"training": 1}
    assert splits_of(small, "South") == {"training": 3}
    assert heard(page).inner_text().startswith("2 institutions are moved to: Training.")


def test_a_card_is_dragged_to_another_column(open_split: Open, small: Path) -> None:
    page = open_split("small").page
    card_in(page, "training", "South").drag_to(page.locator("[data-place=shared]"))
    card_in(page, "shared", "South").wait_for()
    assert splits_of(small, "South") == {"training": 2, "tuning": 1}
    assert "South is moved to: Training and tuning." in heard(page).inner_text()


def test_a_card_is_moved_without_a_script(open_split: Open, small: Path) -> None:
    page = open_split("small", java_script_enabled=False).page
    page.get_by_role("button", name="Move South to External test").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/split?moved=1*")
    card_in(page, "external", "South").wait_for()
    assert page.get_by_text("South is moved to: External test. Cases: 3.").is_visible()
    assert splits_of(small, "South") == {"external": 3}
    page.get_by_label("Find an institution").fill("wes")
    page.keyboard.press("Enter")
    page.wait_for_url("**/split?find=wes")
    assert page.locator(".institution").count() == 1
    page.get_by_role("link", name="Propose a split").click()
    page.get_by_role("button", name="Take this split").click()
    page.get_by_text("The proposed split is written into the table.").wait_for()
    assert splits_of(small, "South") != {"external": 3}


def test_a_second_tab_is_told_of_the_change_of_the_first(open_split: Open, small: Path) -> None:
    first, second = open_split("small").page, open_split("small").page
    first.get_by_role("button", name="Move South to External test").click()
    card_in(first, "external", "South").wait_for()
    second.get_by_role("button", name="Move South to Tuning").click()
    second.get_by_role("alert").wait_for()
    assert "was changed since this page was loaded" in heard(second).inner_text()
    assert card_in(second, "external", "South").is_visible()  # as it is
    assert splits_of(small, "South") == {"external": 3}
    second.get_by_role("button", name="Move South to Tuning").click()
    card_in(second, "tuning", "South").wait_for()


def test_a_split_is_proposed_taken_and_given_back_to_the_program(open_split: Open, small: Path) -> None:
    page = open_split("small").page
    page.get_by_role("button", name="Let the program decide when it runs").click()
    card_in(page, "none", "South").wait_for()
    assert "would choose: External test 1" in card_in(page, "none", "West").inner_text()
    page.get_by_role("link", name="Propose a split").click()
    page.get_by_role("heading", name="Proposal").wait_for()
    assert splits_of(small, "West") == {"": 1}
    page.get_by_role("button", name="Take this split").click()
    card_in(page, "external", "West").wait_for()
    assert splits_of(small, "West") == {"external": 1}
    assert heard(page).inner_text().startswith("The proposed split is written into the table.")


def test_136_institutions_are_found_moved_and_stay_found(open_split: Open, server: AppServer) -> None:
    opened = open_split("paper")
    page = opened.page
    assert page.locator(".institution").count() == paper.INSTITUTIONS
    field = page.get_by_label("Find an institution")
    assert not page.get_by_role("button", name="Find", exact=True).is_visible()
    field.fill("hospital 12")
    assert page.locator(".institution:visible").count() == 1
    page.get_by_role("button", name="Move Hospital 120 to Tuning").click()
    card_in(page, "tuning", "Hospital 120").wait_for()
    assert field.input_value() == "hospital 12"
    assert page.locator(".institution:visible").count() == 1
    field.fill("")
    assert page.locator(".institution:visible").count() == paper.INSTITUTIONS
    column = page.locator("[data-place=external] ul")
    column.evaluate("list => { list.scrollTop = 900 }")
    page.get_by_role("button", name="Move Hospital 120 to External test").click()
    card_in(page, "external", "Hospital 120").wait_for()
    box, of_column = card_in(page, "external", "Hospital 120").bounding_box(), column.bounding_box()
    assert box is not None and of_column is not None
    assert of_column["height"] <= 500  # it scrolls
    assert of_column["y"] <= box["y"] <= of_column["y"] + of_column["height"]
    page.locator("figure img").evaluate("image => image.decode()")
    assert page.locator("figure img").evaluate("image => image.naturalWidth") > 100
    assert opened.complaints == []


def test_all_that_are_shown_are_marked_and_marks_stay(open_split: Open, small: Path) -> None:
    """Two test; both are marked by one button, stay so while another card is moved, and then learn."""
    page = open_split("small").page
    page.get_by_role("button", name="Mark all shown (External test)").click()
    assert page.get_by_text("Marked: 2").is_visible()
    page.get_by_role("button", name="Move South to Tuning").click()
    card_in(page, "tuning", "South").wait_for()
    assert page.get_by_text("Marked: 2").is_visible()
    page.get_by_label("Move the marked institutions to").select_option("training")
    page.get_by_role("button", name="Move", exact=True).click()
    card_in(page, "training", "West").wait_for()
    assert (splits_of(small, "East"), splits_of(small, "South")) == ({"training": 2}, {"tuning": 3})
    assert page.locator(".institution input:checked").count() == 0
    assert "Audit: 1 to be mended before the study can run." in heard(page).inner_text()  # nothing tests any more


def test_the_figure_is_saved(open_split: Open, small: Path, tmp_path: Path) -> None:
    page = open_split("small", accept_downloads=True).page
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save Fig. 2 as PDF").click()
    assert saved.value.suggested_filename == "small_figure_2.pdf"
    saved.value.save_as(tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("locale", "scheme", "size"), [("en-GB", "light", LAPTOP), ("ja-JP", "dark", PHONE)], ids=["laptop", "phone"]
)
@pytest.mark.parametrize("address", ["small", "small?proposal=program", "bad", "paper"])
def test_axe_finds_nothing_serious_and_all_fits(
    open_split: Open, address: str, locale: str, scheme: str, size: dict[str, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    study, mark, query = address.partition("?")
    opened = open_split(study, f"{mark}{query}", locale=locale, color_scheme=scheme, viewport=size)
    page = opened.page
    assert page.locator("html").get_attribute("lang") == locale[:2]
    for closed in page.locator("details").all():
        closed.evaluate("element => { element.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    found = axe.Axe().run(page).response
    assert len(found["passes"]) > 15  # it has looked
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]][:5])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert opened.complaints == []
