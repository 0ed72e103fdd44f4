"""Jobs and a study's page in a browser: live without a reload, over a crash of the server, and for everyone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnunet_amt.app.jobs import Job, JobStore
from nnunet_amt.study.run_study import open_study
from tests.app.stand_ins import python, wait_for, wait_until
from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytest.importorskip("starlette", reason="use: pip install '.[app]'")
pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844}
# Says what a study says, a line whenever the file beside it grows by a line.
STUDY = """
import sys, time
from pathlib import Path
told, said = Path(sys.argv[1]), 0
while True:
    lines = told.read_text().splitlines()
    for line in lines[said:]:
        print(line, flush=True)
    said = len(lines)
    if lines and lines[-1].startswith("error"):
        sys.exit(2)
    time.sleep(0.1)
"""
TRAINING = (
    "4/8 train, 40.0 s, about 3 min 5 s left in this step: training: epoch 2 of 5, batch 9 of 50, tuning Dice 0.71"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "opened"
    folder.mkdir()
    (folder / "manifest.csv").write_text("case_id,patient_id,institution,image,mask\n")
    open_study(folder / "mine", manifest=folder / "manifest.csv")
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[AppServer]:
    server = AppServer(folder)
    server.start()
    yield server
    server.kill()
    store = JobStore(folder)
    for job in store.jobs():
        store.stop(job.id)
    wait_for(lambda: all(job.is_over for job in store.jobs()))


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    return browser.new_context(**{"locale": "en-GB", **options})


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = new_context(browser, viewport=LAPTOP)
    yield context
    context.close()


class ToldStudy:
    """A job that stands in for a study and says what it is told to say."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "told.txt"
        self.file.write_text("")
        self.store = JobStore(folder)
        self.job: Job = self.store.submit("study", python(STUDY, self.file), study="mine", takes_device=True)

    def say(self, *lines: str) -> None:
        with self.file.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)


def open_tab(context: BrowserContext, address: str) -> OpenPage:
    tab = OpenPage(context.new_page())
    tab.listen()
    tab.page.goto(address)
    return tab


def address_of(server: AppServer, path: str) -> str:
    return server.address.partition("/?")[0] + path


def test_a_study_is_seen_live_over_a_crash_of_the_server(
    context: BrowserContext, server: AppServer, folder: Path
) -> None:
    """The page was never reloaded: what was typed into the console is still there when the server is back."""
    told = ToldStudy(folder)
    told.say("1/8 convert: the cohort to nnU-Net's raw format")
    open_tab(context, server.address)
    tab = open_tab(context, address_of(server, "/studies/mine"))
    page = tab.page
    page.evaluate("window.stays = true")
    page.get_by_text("Step 1 of 8: reading the CTs and outlines").wait_for()
    told.say(f"{TRAINING} 59/250")
    page.get_by_text("Step 4 of 8: training the model").wait_for()
    page.get_by_text("about 3 min 5 s left in this step").wait_for()
    states = page.locator("[data-field^=stage_]").evaluate_all("all => all.map((one) => one.className)")
    assert states == [*["state done"] * 3, "state running", *["state waiting"] * 4]
    assert page.locator("progress").evaluate("bar => bar.value") == pytest.approx(59 / 250)
    server.kill()
    told.say(f"{TRAINING.replace('epoch 2', 'epoch 3')} 109/250")
    server.start()
    page.get_by_text("epoch 3 of 5").wait_for(timeout=30_000)
    assert page.evaluate("window.stays") is True
    told.say("error: mine/train.log: it broke")
    page.get_by_text("It ended with an error (exit code 2)").wait_for()  # reloaded by itself
    assert page.get_by_text("mine/train.log: it broke").is_visible()
    assert page.get_by_role("button", name="Run all steps").is_visible()


def test_stop_and_continue_by_the_keyboard_alone(context: BrowserContext, server: AppServer, folder: Path) -> None:
    """Tab to the button, Enter, and what happened is said."""
    told = ToldStudy(folder)
    told.say("1/8 convert: the cohort to nnU-Net's raw format")
    open_tab(context, server.address)
    page = open_tab(context, address_of(server, "/studies/mine")).page
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Stop":
            break
    page.keyboard.press("Enter")
    page.get_by_text("It was stopped. What was finished is kept").wait_for(timeout=20_000)
    assert wait_until(told.store, told.job, "stopped").exit_code == 130


def test_without_the_script_all_but_the_live_part_works(browser: Browser, server: AppServer, folder: Path) -> None:
    """Stop is a plain form, and the page shows the state as of when it was asked for."""
    told = ToldStudy(folder)
    told.say(f"{TRAINING} 59/250")
    wait_for(lambda: told.store.lines(told.job.id))
    context = new_context(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(server.address)
    page.goto(address_of(server, "/jobs/1"))
    assert page.get_by_text("Step 4 of 8: training the model").is_visible()
    page.get_by_role("button", name="Stop").click()
    wait_until(told.store, told.job, "stopped")
    page.goto(address_of(server, "/log"))
    assert page.get_by_text("stopped", exact=True).is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, server: AppServer, folder: Path, scheme: str) -> None:
    """Of a study that runs and of one that does not, a job and the log; nothing asks another machine or complains."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    told = ToldStudy(folder)
    told.say(f"{TRAINING} 59/250")
    context = new_context(browser, viewport=LAPTOP, color_scheme=scheme)
    tab = open_tab(context, server.address)
    for path in ("/studies/mine", "/jobs/1", "/log"):
        tab.page.goto(address_of(server, path))
        assert_accessible(axe, tab.page)
    told.store.stop(told.job.id)
    wait_until(told.store, told.job, "stopped")
    tab.page.goto(address_of(server, "/studies/mine"))
    assert_accessible(axe, tab.page)
    assert tab.complaints == []
    own = server.address.partition("?")[0]
    assert all(request.startswith(own) for request in tab.requests)
    context.close()


def assert_accessible(axe: Any, page: Page) -> None:
    found = axe.Axe().run(page)
    assert len(found.response["passes"]) > 15  # it has looked
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]][:5])
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == [], page.url


@pytest.mark.parametrize("language", ["en", "ja"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, server: AppServer, folder: Path, language: str
) -> None:
    told = ToldStudy(folder)
    told.say(f"{TRAINING} 59/250")
    context = new_context(browser, viewport=PHONE)
    page = open_tab(context, server.address).page
    for path in ("/studies/mine", "/jobs/1", "/log"):
        page.goto(address_of(server, f"{path}?lang={language}"))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
    context.close()
