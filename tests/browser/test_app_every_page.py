"""Every page of the app, in each language, scheme and size: readable for all, no wider than the screen, all from here.

`PAGES` is the one list of addresses; a route that shows a page and stands for none of them fails a test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnunet_amt.app.jobs import JobStore
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import PAGE_NAME
from tests.browser.app_server import AppServer
from tests.browser.conftest import LAPTOP, OpenPage
from tests.browser.test_app_cases import RUN, write_patient, write_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("starlette", reason="use: pip install '.[app]'")

SCREEN: Any = LAPTOP
TELEPHONE: Any = {"width": 390, "height": 844}
# Each language with each scheme and size, and each scheme with each size.
LOOKS = (
    ("en", "light", SCREEN),
    ("en", "dark", TELEPHONE),
    ("ja", "light", TELEPHONE),
    ("ja", "dark", SCREEN),
)
PAGES = (
    "/",
    "/new-study",
    "/studies/small",
    "/studies/begun",
    "/studies/broken",
    "/studies/small/cases",
    "/studies/small/cases?edit=3",
    "/studies/begun/cases",
    "/studies/small/split",
    "/studies/begun/split",
    "/studies/begun/training",
    "/studies/begun/results",
    "/studies/small/reviews",
    "/receivers",
    "/archive",
    "/patients",
    f"/patients/{RUN}",
    "/jobs/1",
    "/jobs/2",
    "/log",
    "/nowhere",
)
# Addresses that answer with a file, a stream, or a page that a stage made, which has tests of its own; and pages that
# need a case that can be read, or results: test_app_reviews.py and test_app_results.py look at them.
NO_PAGES = (
    "/studies/{name}/split/figure_2.{ending}",
    "/studies/{name}/split/table_{number:int}.csv",
    "/studies/{name}/reviews/next",
    "/studies/{name}/reviews/export",
    "/studies/{name}/reviews/{code}",
    "/studies/{name}/reviews/{code}/slice.png",
    "/studies/{name}/reviews/{code}/edit.zip",
    "/studies/{name}/reviews/{code}/{file}",
    "/reviews/niivue.js",
    "/studies/{name}/training/live",
    "/studies/{name}/training/pictures/{epoch:int}.png",
    "/studies/{name}/training/epochs.csv",
    "/studies/{name}/training/script",
    "/studies/{name}/results/cases/{case}/picture.png",
    "/studies/{name}/results/risk/{task}",
    "/studies/{name}/results/tables/{file}",
    "/studies/{name}/results/evaluation.zip",
    "/studies/{name}/results/figures.zip",
    "/studies/{name}/results/figures/{file}",
    "/studies/{name}/results/thresholds",
    "/studies/{name}/results/thresholds/pooled",
    "/studies/{name}/results/thresholds/{case}/{step:int}.png",
    "/studies/{name}/results/triage",
    "/login",
    "/studies",
    "/studies/{name}/report",
    "/studies/{name}/cases/export",
    "/studies/{name}/cases/search-state",
    "/patients/{id}/page",
    "/patients/{id}/files/{file:path}",
    "/jobs/{id}/events",
)
ROWS = [
    "c1,MRN-1,North,c1.nii.gz,m1.nii.gz,training,61,F,thymoma,",
    "c2_0000,,A hospital with quite a long name in the north,c2.nii.gz,,extrenal,200,X,tymoma,",
    "c3,MRN-3,South,gone.nii.gz,m1.nii.gz,external,60,M,thymoma,",
    "c4,MRN-4,South,,,,,,,no CT in the archive",
]


def write_failed_job(folder: Path) -> None:
    job = folder / ".nnunet_amt_app" / "jobs" / "2"
    job.mkdir(parents=True)
    asked = {"kind": "study", "study": "small", "command": ["nnunet_amt", "study", str(folder / "small")]}
    (job / "job.json").write_text(
        json.dumps({**asked, "takes_device": True, "created": "2026-11-29T06:46:00.000+00:00"})
    )
    (job / "started.json").write_text(json.dumps({"started": "2026-11-29T06:46:01.000+00:00"}))
    (job / "ended.json").write_text(json.dumps({"ended": "2026-11-29T06:47:00.000+00:00", "exit_code": 2}))
    said = (
        "1/8 convert: the cohort to nnU-Net's raw format",
        "error: manifest.csv line 3, column 'age' (case 'c2'): must be at most 120 (got '200') (and 5 more)",
    )
    lines = [{"at": "2026-11-29T06:46:30.000+00:00", "text": text} for text in said]
    (job / "lines.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("app").resolve() / "opened"
    small = write_study(folder / "small", ROWS)
    for name in ("c1", "m1", "c2"):
        (small / f"{name}.nii.gz").write_bytes(b"x")
    (small / PAGE_NAME).write_text("<title>made</title>")
    (folder / "empty.csv").write_text("case_id,patient_id,institution,image,mask\n")
    open_study(folder / "begun", manifest=folder / "empty.csv")
    (folder / "broken").mkdir()
    (folder / "broken" / "study.toml").write_text("[train]\ntrainer = 3\n")
    write_patient(folder)
    write_failed_job(folder)
    server = AppServer(folder)
    server.start()
    yield server
    server.kill()


def test_no_page_is_left_out() -> None:
    from starlette.routing import Route

    from nnunet_amt.app.server import create_app

    app = create_app(Path(), token="token", host="127.0.0.1", port=1)
    shown = [route.path for route in app.routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    for path in shown:
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
        listed = any(re.fullmatch(pattern, address.partition("?")[0]) for address in PAGES)
        assert listed != (path in NO_PAGES), path


@pytest.mark.parametrize(("language", "scheme", "size"), LOOKS)
def test_every_page_is_for_everyone(browser: Browser, server: AppServer, language: str, scheme: Any, size: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="use: make test-browser")
    context = browser.new_context(viewport=size, locale=language, color_scheme=scheme)
    tab = OpenPage(context.new_page())
    tab.listen()
    page = tab.page
    page.goto(server.address)
    base = page.url.rstrip("/")
    for address in PAGES:
        page.goto(f"{base}{address}")
        assert page.locator("html").get_attribute("lang") == language
        for closed in page.locator("details").all():
            closed.evaluate("element => { element.open = true }")
        for width in (SCREEN, TELEPHONE):
            page.set_viewport_size(width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width["width"], (address, width)
        page.set_viewport_size(size)
        found = axe.Axe().run(page).response
        assert len(found["passes"]) > 15  # it has looked
        serious = [
            (address, violation["id"], [node["target"] for node in violation["nodes"]][:5])
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
        assert serious == []
    # The browser itself tells of answers that are no success: those of the pages that are to say so.
    assert [words for words in tab.complaints if "the server responded with a status of 40" not in words] == []
    assert all(request.startswith(f"{base}/") for request in tab.requests)
    context.close()


def test_what_went_wrong_is_said_in_japanese_where_it_is(browser: Browser, server: AppServer) -> None:
    context = browser.new_context(viewport=SCREEN, locale="ja")
    page = context.new_page()
    page.goto(server.address)
    base = page.url.rstrip("/")
    page.goto(f"{base}/studies/small/cases")
    problems = page.locator("#line-3 .problem").all_inner_texts()
    assert len(problems) == 7
    assert all(re.search("[ぁ-ん]", words) for words in problems), problems
    assert page.locator("main [lang=en]").count() == 0
    page.goto(f"{base}/jobs/2")
    assert page.get_by_text("3行目、列「age」（症例 c2）：120以下").is_visible()
    page.goto(f"{base}/studies/broken")
    assert page.get_by_text("文字列にしてください").is_visible()
    context.close()


def test_jobs_of_the_tests_are_what_a_store_reads(server: AppServer) -> None:
    assert [job.state for job in JobStore(server.folder).jobs()] == ["done", "failed"]
