"""The page of a study: stages as --status has them, its run, its settings, its report. The runs are stand-ins here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.app import study_page
from nnunet_amt.app.jobs import JobStore, job_store
from nnunet_amt.app.language import LANGUAGES, texts
from nnunet_amt.app.study_page import stage_rows, why_words
from nnunet_amt.study.run_study import open_study, study_status
from nnunet_amt.study.settings import read_settings
from tests.app.stand_ins import training, wait_for, wait_until

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SAME_SITE = {"origin": "http://127.0.0.1:8123"}


@pytest.fixture
def study(folder: Path) -> Path:
    (folder / "manifest.csv").write_text("case_id,patient_id,institution,image,mask\n")
    open_study(folder / "mine", manifest=folder / "manifest.csv")
    return folder / "mine"


@pytest.fixture
def store(folder: Path) -> Iterator[JobStore]:
    store = job_store(folder.resolve())
    yield store
    for job in store.jobs():
        store.stop(job.id)
    wait_for(lambda: all(job.is_over for job in store.jobs()))


def test_the_stages_are_those_of_the_command_line(client: TestClient, study: Path) -> None:
    """Their names, their states and why, in both languages."""
    page = client.get("/studies/mine").text
    rows = stage_rows(study_status(study, read_settings(study)), texts("en"))
    assert [row.name for row in rows][:4] == ["convert", "plan", "doctor", "train"]
    assert rows[0].why == "not run yet"
    assert rows[3].why == "comes after: reading the CTs and outlines"
    for row in rows:
        assert texts("en")(f"stages.{row.name}") in page
    assert "comes after: reading the CTs and outlines" in page
    assert "Run all steps" in page
    assert f"nnunet_amt study {study}" in page
    assert "「CTと輪郭の読み込み」の後に実行" in client.get("/studies/mine?lang=ja").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_the_status_has_its_words(language: str) -> None:
    """All that `nnunet_amt.study.stage` says; what another version may say is left as it is."""
    t = texts(language)
    for why in (
        "not run yet",
        "after plan",
        "needed before train",
        "its settings changed: a, b",
        "its cohort changed",
    ):
        assert why_words(why, t) != (why if language == "ja" else "")
    assert why_words("its label maps changed", t).endswith("label maps")
    assert why_words("summary.json changed", t).endswith("summary.json")
    assert why_words("something else", t) == "something else"


def test_a_study_is_run_by_its_button_once(
    client: TestClient, study: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second click, or tab, finds it running; stopped, it can be continued; the page says each."""
    monkeypatch.setattr(
        study_page, "study_command", lambda folder: training(folder / "model", epochs=1000, seconds=0.05)
    )
    for _ in range(2):
        answer = client.post("/studies/mine/run", headers=SAME_SITE, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/studies/mine")
    assert 'href="/studies/mine/training"' in client.get("/studies/mine").text
    [job] = store.jobs()
    assert (job.kind, job.study, job.takes_device) == ("study", "mine", True)
    wait_for((study / "model" / "checkpoint_latest.pth").exists)
    page = client.get("/studies/mine").text
    assert 'data-events="/jobs/1/events?after=' in page
    assert 'action="/jobs/1/stop"' in page
    assert 'action="/studies/mine/run"' not in page
    client.post("/jobs/1/stop", headers=SAME_SITE)
    wait_until(store, job, "stopped")
    page = client.get("/studies/mine").text
    assert "It was stopped. What was finished is kept" in page
    assert 'action="/studies/mine/run"' in page
    client.post("/studies/mine/run", headers=SAME_SITE)
    assert [job.state in ("queued", "running") for job in store.jobs()] == [False, True]


def test_the_command_is_the_one_that_one_would_type(study: Path) -> None:
    assert study_page.study_command(study) == ("nnunet_amt", "study", str(study))


@pytest.mark.slow
def test_a_study_that_fails_says_why_on_its_page(client: TestClient, study: Path, store: JobStore) -> None:
    """The real command this time: the manifest has no case, so the conversion refuses it."""
    client.post("/studies/mine/run", headers=SAME_SITE)
    wait_for(lambda: store.jobs()[0].is_over, seconds=120)
    [job] = store.jobs()
    assert job.state == "failed"
    page = client.get("/studies/mine").text
    assert "It ended with an error (exit code 2)" in page
    assert "manifest.csv" in page.partition("notice bad")[2][:600]


def test_a_full_disk_is_told_on_the_page(client: TestClient, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing was begun."""
    usage = shutil.disk_usage(study)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=500_000_000))
    answer = client.post("/studies/mine/run", headers=SAME_SITE)
    assert answer.status_code == 400
    assert "a job needs about 1.0 GB, the disk has 0.5 GB free" in answer.text
    assert not (study.parent / ".nnunet_amt_app" / "jobs" / "1").exists()


def test_the_report_is_kept_apart_from_the_server(client: TestClient, study: Path) -> None:
    """A study may come from elsewhere: its page may run its scripts, and may ask nothing of us."""
    assert client.get("/studies/mine/report").status_code == 404
    assert "The last step writes it." in client.get("/studies/mine").text
    (study / "report.html").write_text("<title>result</title>")
    answer = client.get("/studies/mine/report")
    assert answer.text == "<title>result</title>"
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy
    saved = client.get("/studies/mine/report?save")
    assert saved.headers["content-disposition"] == 'attachment; filename="mine_report.html"'
    assert "'self'" in saved.headers["content-security-policy"]
    assert 'href="/studies/mine/report"' in client.get("/studies/mine").text


def test_a_study_that_cannot_be_read_says_so(client: TestClient, study: Path) -> None:
    (study / "study.toml").write_text("[study\n")
    answer = client.get("/studies/mine")
    assert answer.status_code == 400
    assert "mine/study.toml: is not TOML" in answer.text
    assert client.get("/studies/other").status_code == 404
