"""The page of a training in a browser: its figures grow while somebody looks, and nothing that was chosen is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnunet_amt.app.jobs import JobStore
from nnunet_amt.models.tuning_pictures import ShownPrediction, ShownSlice, write_shown_prediction, write_shown_slice
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudyFolders
from tests.app.stand_ins import training, wait_for
from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage
from tests.models.epochs import measured, write_epochs

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("starlette", reason="use: pip install '.[app]'")
pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844}
DICE = (0.25, 0.5, 0.75, 0.625)


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


class Trained:
    """Stands for the trainer of a study: writes the files of one epoch after the other."""

    def __init__(self, folder: Path) -> None:
        self.fold = StudyFolders.of(folder / "mine", open_study(folder / "mine")).fold_folder
        self.done = 0
        image = np.full((60, 80), 40, np.int16)
        self.mask = np.zeros(image.shape, bool)
        self.mask[20:40, 30:50] = True
        write_shown_slice(self.fold, ShownSlice("AMT_0007", 3, (0, 0), (5.0, 1.0, 1.0), image, self.mask))

    def go_on(self) -> None:
        self.done += 1
        best = max(range(self.done), key=lambda place: DICE[place])
        write_shown_prediction(self.fold, ShownPrediction(self.done, DICE[self.done - 1], self.mask))
        epoch = measured(self.done, DICE[self.done - 1], best=(best + 1, DICE[best]))
        write_epochs(self.fold, epoch)


def open_training(browser: Browser, server: AppServer, **options: Any) -> OpenPage:
    context = browser.new_context(**{"viewport": LAPTOP, "locale": "en-GB", **options})
    tab = OpenPage(context.new_page())
    tab.listen()
    tab.page.goto(server.address)
    tab.page.goto(f"{server.address.partition('/?')[0]}/studies/mine/training")
    return tab


def test_the_figures_grow_without_a_reload(browser: Browser, server: AppServer, folder: Path) -> None:
    """The chosen picture, the open table and what was typed stay; the end of the run reloads the page."""
    trained = Trained(folder)
    trained.go_on()
    trained.go_on()
    store = JobStore(folder)
    job = store.submit(
        "study", training(folder / "mine" / "model", epochs=1000, seconds=0.1), study="mine", takes_device=True
    )
    tab = open_training(browser, server)
    page = tab.page
    page.get_by_text("2 of 100", exact=True).wait_for()
    assert page.locator(".curve.tuning circle").count() == 4  # two epochs in two charts
    page.evaluate("window.stays = true")
    page.get_by_text("The same figures as a table").click()
    page.locator("#frame").focus()
    page.keyboard.press("Home")
    assert page.locator(".frames figure:visible").inner_text().startswith("After epoch 1: Dice 0.250")
    trained.go_on()
    page.get_by_text("Dice 0.750 after epoch 3; this model is kept").wait_for()
    assert page.locator("#epochs-table tbody tr").count() == 3
    assert page.locator("#epochs-table tbody tr").first.is_visible()
    assert page.locator(".frames figure:visible").inner_text().startswith("After epoch 1: Dice 0.250")
    assert page.evaluate("document.activeElement.id") == "frame"
    assert page.locator("#frame").get_attribute("aria-valuetext") == "After epoch 1: Dice 0.250"
    page.keyboard.press("End")
    trained.go_on()
    page.get_by_text("4 of 100", exact=True).wait_for()
    assert page.locator(".frames figure:visible").inner_text().startswith("After epoch 4: Dice 0.625")
    frames = page.locator(".frames img")
    frames.evaluate_all("images => Promise.all(images.map((one) => one.decode()))")
    assert frames.evaluate_all("images => images.every((one) => one.naturalWidth === 420)")
    assert page.evaluate("window.stays") is True
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("It was stopped. What was finished is kept").wait_for(timeout=30_000)
    assert page.url.endswith("/studies/mine/training")
    assert store.job(job.id).is_over
    assert tab.complaints == []
    assert all(request.startswith("http://127.0.0.1:") for request in tab.requests)
    page.context.close()


def test_without_the_script_all_pictures_stand_there_and_settings_are_saved(
    browser: Browser, server: AppServer, folder: Path
) -> None:
    trained = Trained(folder)
    trained.go_on()
    trained.go_on()
    page = open_training(browser, server, java_script_enabled=False).page
    assert page.locator(".frames figure:visible").count() == 2
    assert not page.locator("#frame").is_visible()
    page.get_by_label("Computes on").select_option("cpu")
    page.get_by_text("Seldom changed").click()
    page.get_by_label("becomes 0").fill("240")
    page.get_by_label("becomes 1").fill("-160")
    page.get_by_role("button", name="Save the settings").click()
    page.get_by_text("give two numbers in HU, the lower one first").wait_for()
    page.get_by_label("becomes 0").fill("-160")
    page.get_by_label("becomes 1").fill("240")
    page.get_by_role("button", name="Save the settings").click()
    page.get_by_text("The settings are saved.").wait_for()
    settings = open_study(folder / "mine")
    assert (settings.study.device, settings.plan.window) == ("cpu", (-160.0, 240.0))
    page.context.close()


@pytest.mark.parametrize(("language", "scheme", "size"), [("en", "light", LAPTOP), ("ja", "dark", PHONE)])
def test_axe_finds_nothing_serious_and_all_fits(
    browser: Browser, server: AppServer, folder: Path, language: str, scheme: str, size: dict[str, int]
) -> None:
    """With all that is folded open, and every script line as long as it is."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    trained = Trained(folder)
    trained.go_on()
    trained.go_on()
    tab = open_training(browser, server, locale=language, color_scheme=scheme, viewport=size)
    page = tab.page
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
    assert tab.complaints == []
    page.context.close()
