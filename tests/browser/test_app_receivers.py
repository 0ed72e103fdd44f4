"""The page of receivers in a browser: nothing that axe-core finds serious, and no wider than a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.app_server import AppServer
from tests.browser.test_app_every_page import LOOKS
from tests.browser.test_app_pages import open_tab

pytest.importorskip("starlette", reason="use: pip install '.[app]'")

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    from tests.app.test_receivers import received

    opened = tmp_path_factory.mktemp("app") / "opened"
    received(opened / "from_pacs")
    server = AppServer(opened)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize(("language", "scheme", "size"), LOOKS)
def test_axe_finds_nothing_and_all_fits(
    browser: Browser, server: AppServer, language: str, scheme: str, size: dict[str, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    tab = open_tab(browser, server, locale=language, color_scheme=scheme, viewport=size)
    page = tab.page
    with page.expect_navigation():
        page.locator("nav a[href='/receivers']").click()
    assert page.locator("tbody tr").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    found = axe.Axe().run(page).response
    assert len(found["passes"]) > 15 and found["violations"] == []
    assert tab.complaints == []
    page.context.close()
