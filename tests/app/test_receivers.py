"""The page of receivers shows what a ledger says, in both languages, and who the patient is nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from starlette.testclient import TestClient

from nnunet_amt.clinic.pacs.ledger import Ledger
from tests.clinic.pacs.test_ledger import arrive, make_job, take


def received(folder: Path) -> Ledger:
    """Make a receiver with a series that was returned, one that was refused, and one that has just come."""
    ledger = Ledger(folder)
    arrive(ledger, 1, series="1.5")
    make_job(ledger)
    ledger.segmented(take(ledger), ["a/seg.dcm"])
    job = ledger.job_to_return()
    assert job is not None
    ledger.returned(job)
    arrive(ledger, 1, series="1.6")
    (series,) = ledger.series_to_look_at()
    ledger.series_not_ready(series, reason="holds no CT series; it has 1 of SR", look_again_seconds=None)
    arrive(ledger, 1, 2, series="1.7")
    return ledger


def test_each_series_has_its_state_and_reason(client: TestClient, folder: Path) -> None:
    ledger = received(folder / "from_pacs")
    page = client.get("/receivers")
    assert page.status_code == 200
    assert "from_pacs" in page.text
    assert "Received, not whole yet 1 · Returned 1 · Refused 1" in page.text
    assert '<td lang="en">holds no CT series; it has 1 of SR</td>' in page.text
    assert ledger.mark("1.4") in page.text and "1.5.1" not in page.text
    assert client.post("/receivers", headers={"origin": "http://127.0.0.1:8123"}).status_code == 405


def test_all_that_was_set_aside_is_taken_again(client: TestClient, folder: Path) -> None:
    """The button is there while something is set aside; a second click, and one for another folder, change nothing."""
    ledger = received(folder / "from_pacs")
    button = "Try again all that was set aside"
    assert button not in client.get("/receivers").text
    (series, *_) = ledger.series_to_look_at()
    ledger.make_job(series, asked="")
    ledger.failed(replace(take(ledger), attempts=2), "failed with RuntimeError", backoff_seconds=(0.0,))
    assert button in client.get("/receivers").text
    for place, code in (("from_pacs", 303), ("from_pacs", 303), (".", 404), ("../opened/from_pacs", 404)):
        answer = client.post("/receivers/again", data={"receiver": place}, follow_redirects=False)
        assert answer.status_code == code
    page = client.get("/receivers").text
    assert button not in page and "Waiting 1 · Returned 1 · Refused 1" in page


def test_in_japanese(client: TestClient, folder: Path) -> None:
    received(folder / "from_pacs")
    page = client.get("/receivers?lang=ja").text
    assert "受信済み（未完了） 1 · 返送済み 1 · 対象外 1" in page


def test_it_is_in_the_navigation_where_there_is_a_receiver(client: TestClient, folder: Path) -> None:
    assert 'href="/receivers"' not in client.get("/").text
    assert "No receiver keeps its files" in client.get("/receivers").text
    received(folder)
    assert '<li><a href="/receivers">Receiver</a></li>' in client.get("/").text


def test_a_damaged_ledger_is_told(client: TestClient, folder: Path) -> None:
    (folder / "broken").mkdir()
    (folder / "broken" / "ledger.sqlite").write_bytes(b"nothing of the kind" * 100)
    page = client.get("/receivers")
    assert page.status_code == 400 and "broken/ledger.sqlite: cannot be read" in page.text


def test_where_nobody_counted_the_images_it_says_so(client: TestClient, folder: Path) -> None:
    ledger = Ledger(folder / "from_pacs")
    arrive(ledger, 1)
    (series,) = ledger.series_to_look_at()
    ledger.make_job(series, asked="the archive does not know the series")
    told = '<td lang="en">not counted: the archive does not know the series</td>'
    assert told in client.get("/receivers").text
