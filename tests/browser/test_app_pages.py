"""A study is begun by keyboard alone and without the script, and nobody is shown anything without the key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("starlette", reason="use: pip install '.[app]'")

ROWS = (
    "case_id,patient_id,institution,image,mask,split\n"
    "a,p1,Alpha,images/a.nii.gz,masks/a.nii.gz,training\n"
    "b,,Beta,images/b.nii.gz,masks/b.nii.gz,extrenal\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    opened = tmp_path_factory.mktemp("app") / "opened"
    (opened / "hospital").mkdir(parents=True)
    (opened / "hospital" / "manifest.csv").write_text(ROWS)
    server = AppServer(opened)
    server.start()
    yield server
    server.kill()


def open_tab(browser: Browser, server: AppServer, **options: Any) -> OpenPage:
    asked: dict[str, Any] = {"viewport": LAPTOP, "locale": "en", **options}
    context = browser.new_context(**asked)
    tab = OpenPage(context.new_page())
    tab.listen()
    tab.page.goto(server.address)
    return tab


def tab_to(tab: OpenPage, text: str) -> None:
    """Press Tab until the focus is on what has this text or name."""
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        focused = tab.page.evaluate(
            "(() => { const e = document.activeElement; return [e.textContent.trim(), e.name, e.id]; })()"
        )
        if text in focused:
            return
    raise AssertionError(f"Tab does not reach {text!r}")


def test_a_study_is_begun_by_keyboard_and_its_problems_stand_in_their_rows(browser: Browser, server: AppServer) -> None:
    tab = open_tab(browser, server)
    page = tab.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(tab, "New study")
    page.keyboard.press("Enter")
    page.wait_for_url("**/new-study")
    tab_to(tab, "name")
    page.keyboard.type("mine")
    tab_to(tab, "table")
    page.keyboard.type("hospital/manifest.csv")
    page.keyboard.press("Enter")
    page.wait_for_url("**/studies/mine/cases")
    row = page.locator("tr[data-line]", has_text="Beta")
    assert "extrenal" in row.inner_text()
    assert tab.complaints == []
    assert all(request.startswith("http://127.0.0.1:") for request in tab.requests)
    page.context.close()


def test_nobody_else_is_shown_more_than_where_the_key_is(browser: Browser, server: AppServer) -> None:
    context = browser.new_context(locale="ja")
    page = context.new_page()
    answer = page.goto(server.address.partition("?")[0])
    assert answer is not None and answer.status == 401
    assert "ターミナル" in page.inner_text("main")
    context.close()


def test_all_works_without_the_script(browser: Browser, server: AppServer, tmp_path: Path) -> None:
    tab = open_tab(browser, server, java_script_enabled=False)
    page = tab.page
    page.get_by_role("link", name="New study").click()
    page.get_by_label("Name of the study").fill("sent")
    table = tmp_path / "sent.csv"
    table.write_text(ROWS)
    page.get_by_label("Or a table to send").set_input_files(table)
    page.get_by_label("Paths in the sent table count from").fill("hospital")
    page.get_by_role("button", name="Begin the study").click()
    page.get_by_role("link", name="Steps").click()
    page.get_by_role("button", name="Run all steps").wait_for()
    page.context.close()
