"""A headless Chromium that has no network, and a page that remembers what went wrong in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnunet_amt.report import write_report
from tests.browser.studies import make_small_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    *("--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-quic"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# WebGL drawn by the processor: a machine for tests has no graphics card
_WEBGL_FLAGS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
LAPTOP = {"width": 1366, "height": 768}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


_opened: list[OpenPage] = []  # by the test that runs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of a failed test where its pages were, and where in them the focus."""
    report = yield
    if call.when == "call":
        for tab in [tab for tab in _opened if report.failed and not tab.page.is_closed()]:
            report.sections.append(("page", f"{tab.page.url}\nfocus: {_focus(tab)}\n" + "\n".join(tab.complaints)))
        _opened.clear()
    return report


def _focus(tab: OpenPage) -> str:
    try:
        return str(tab.page.evaluate("document.activeElement?.outerHTML.slice(0, 200)"))
    except Exception as error:  # the page is on its way to another, or its browser is gone: the test's failure is told
        return f"not known: {error}"


@dataclass
class OpenPage:
    """A page of the browser, and what it asked for and complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def listen(self) -> None:
        _opened.append(self)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)


def hold(page: Page, address: str) -> Callable[[], None]:
    """Keep what a page asks for under an address from it, until what is given back is called."""
    held: list[Route] = []
    page.route(address, lambda route: held.append(route))

    def let_go() -> None:
        while not held:
            page.wait_for_timeout(100)
        held[0].continue_()

    return let_go


OpenReport = Callable[..., OpenPage]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    found = next(filter(None, map(shutil.which, _CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; 'make test-browser' installs Debian's")
    return found


def _launch(playwright: Any, path: str, flags: tuple[str, ...]) -> Browser:
    browser: Browser = playwright.chromium.launch(executable_path=path, headless=True, args=[*_FLAGS, *flags])
    return browser


@pytest.fixture(scope="session")
def _playwright() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; use: make test-browser")
    with sync_api.sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(_playwright: Any, chromium_path: str) -> Iterator[Browser]:
    browser = _launch(_playwright, chromium_path, _WEBGL_FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def browser_without_webgl(_playwright: Any, chromium_path: str) -> Iterator[Browser]:
    browser = _launch(_playwright, chromium_path, ("--disable-gpu", "--disable-3d-apis"))
    yield browser
    browser.close()


@pytest.fixture
def open_report() -> Iterator[OpenReport]:
    """Open a file in a new context with networking off; options are those of the context."""
    contexts = []

    def open_(browser: Browser, file: Path, *, load: bool = True, **options: Any) -> OpenPage:
        context = browser.new_context(**{"viewport": LAPTOP, "offline": True, "accept_downloads": True, **options})
        contexts.append(context)
        opened = OpenPage(context.new_page())
        opened.listen()
        if load:
            opened.page.goto(file.as_uri(), wait_until="load")
        return opened

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_study(tmp_path_factory.mktemp("small") / "study")


@pytest.fixture(scope="session")
def small_report(small_study: Path) -> Path:
    return write_report(small_study, small_study / "report.html").path
