"""The page of a job, its events, its end by a button, and the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.app.jobs import JobStore, job_store
from tests.app.stand_ins import python, training, wait_for, wait_until

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SAME_SITE = {"origin": "http://127.0.0.1:8123"}


@pytest.fixture
def store(folder: Path) -> Iterator[JobStore]:
    store = job_store(folder.resolve())
    yield store
    for job in store.jobs():
        store.stop(job.id)
    wait_for(lambda: all(job.is_over for job in store.jobs()))


def events_of(text: str) -> list[tuple[str, str, str]]:
    """Take server-sent events apart: id, event, data."""
    parts = (dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block)
    return [(part.get("id", ""), part["event"], part["data"]) for part in parts]


def test_the_page_of_a_job_that_failed(client: TestClient, store: JobStore) -> None:
    """What it said, the line of its error beside its state, and the command to copy, escaped."""
    script = "print('<b>'); print('error: a.csv line 3: x'); exit(2)"
    job = store.submit("study", python(script), study="a&b", takes_device=False)
    wait_until(store, job, "failed")
    page = client.get("/jobs/1").text
    assert "Job 1: running the study a&amp;b" in page
    assert "It ended with an error (exit code 2)" in page
    assert "<p>a.csv line 3: x</p>" in page
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert "&lt;b&gt;" in page.partition('<pre id="command"')[2]
    assert "data-events" not in page
    assert "/stop" not in page


def test_events_tell_lines_and_state_and_go_on_from_the_last(client: TestClient, store: JobStore) -> None:
    """A browser whose connection broke says which line it had; with nothing more to tell it is to ask no further."""
    job = store.submit("study", python("print('reading cases 1/4'); print('two')"), takes_device=False)
    wait_until(store, job, "done")
    answer = client.get("/jobs/1/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second, state = events_of(answer.text)
    assert [first[1:], second[1:]] == [("line", "reading cases 1/4"), ("line", "two")]
    fields = json.loads(state[2])
    assert (state[1], fields["state"], fields["progress"], fields["ended"]) == ("state", "done", 0.25, True)
    again = client.get("/jobs/1/events?after=0", headers={"last-event-id": first[0]})
    assert next(event[1:] for event in events_of(again.text)) == ("line", "two")
    assert client.get("/jobs/1/events", headers={"last-event-id": second[0]}).status_code == 204
    assert [event[1] for event in events_of(client.get(f"/jobs/1/events?after={second[0]}").text)] == ["state"]
    assert client.get("/jobs/1/events?after=x").status_code == 200


def test_events_follow_a_running_job_to_its_end(client: TestClient, store: JobStore, folder: Path) -> None:
    """Asked for while it runs, answered until it is over."""
    store.submit("study", training(folder / "a", epochs=3, seconds=0.4), study="a", takes_device=True)
    told = events_of(client.get("/jobs/1/events").text)
    assert [data for _, event, data in told if event == "line"] == ["epoch 1", "epoch 2", "epoch 3"]
    states = [json.loads(data) for _, event, data in told if event == "state"]
    assert states[-1]["ended"] and states[-1]["state"] == "done"
    assert "running" in {state["state"] for state in states}


def test_a_job_is_stopped_by_its_button(client: TestClient, store: JobStore, folder: Path) -> None:
    """The form posts, the page comes again; the one that waits says for whom, in both languages."""
    first = store.submit("study", training(folder / "a", epochs=1000, seconds=0.1), study="a", takes_device=True)
    wait_until(store, first, "running")
    second = store.submit("segment", python(""), takes_device=True)
    page = client.get("/jobs/2").text
    assert "It waits until job 1 (running the study a) is over" in page
    assert "ジョブ1（研究の実行 a）が終わるのを待っています" in client.get("/jobs/2?lang=ja").text
    client.get("/?lang=en")
    assert 'action="/jobs/1/stop"' in client.get("/jobs/1").text
    answer = client.post("/jobs/1/stop", headers=SAME_SITE, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/studies/a")
    wait_until(store, first, "stopped")
    wait_until(store, second, "done")
    answer = client.post("/jobs/2/stop", headers=SAME_SITE, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/2")
    assert store.job("2").state == "done"
    assert client.get("/jobs/1/stop").status_code == 405


def test_the_log_has_all_jobs_the_newest_first(client: TestClient, store: JobStore) -> None:
    assert "Nothing has run yet" in client.get("/log").text
    for number in range(2):
        wait_until(store, store.submit("other", python(f"print({number})"), takes_device=False), "done")
    page = client.get("/log").text
    assert page.index("Job 2: other") < page.index("Job 1: other")
    assert "print(1)" in page
    assert "すべてのジョブです" in client.get("/log?lang=ja").text


@pytest.mark.parametrize("address", ["/jobs/9", "/jobs/x", "/jobs/9/events", "/jobs/%2e%2e"])
def test_jobs_that_are_not_there(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404


def test_a_job_whose_process_is_gone_says_so(client: TestClient, store: JobStore) -> None:
    """Its exit code is unknown; no time is made up for it."""
    job = store.submit("study", python(""), takes_device=False)
    wait_until(store, job, "done")
    (store.place(job.id) / "ended.json").unlink()  # as if it had been killed before it wrote this
    store._over.clear()
    wait_for(lambda: store.job(job.id).is_over)  # its process takes a moment longer
    page = client.get("/jobs/1").text
    assert "Its process ended without a word" in page
    assert "took" not in page
