"""To an archive and from it by the command line's jobs: what identifies a patient stands in a file, not in a job."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.app import archive
from nnunet_amt.app.jobs import Job, JobStore, job_store
from nnunet_amt.app.patient_runs import new_run

if TYPE_CHECKING:
    from starlette.testclient import TestClient

UID = "1.2.840.113619.2.5"


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Keep the commands that would run."""
    commands: list[tuple[str, ...]] = []
    run = JobStore.submit

    def submit(store: JobStore, kind: str, command: tuple[str, ...], **options: object) -> Job:
        commands.append(command)
        return run(store, kind, ("/bin/true",), takes_device=False)

    monkeypatch.setattr(JobStore, "submit", submit)
    return commands


def test_what_is_fetched_is_listed_in_a_file(client: TestClient, folder: Path, started: list[tuple[str, ...]]) -> None:
    """Numbers are accession numbers, what has points is the UID of a study, and KEY=VALUE goes as it is."""
    data = {"address": "PACS@127.0.0.1:104", "title": "AMT", "wanted": f" {UID}\n\nACC-7\nPatientID=9\n"}
    answer = client.post("/archive", data=data, follow_redirects=False)
    assert answer.headers["location"] == "/jobs/1"
    [command] = started
    assert command[:4] == ("nnunet_amt", "fetch", "--from", "PACS@127.0.0.1:104")
    listed = Path(command[command.index("--list") + 1])
    assert listed.read_text() == f"{UID}\nAccessionNumber=ACC-7\nPatientID=9\n"
    assert Path(command[command.index("-o") + 1]).parent == folder / "fetched"
    assert not any(word in " ".join(command) for word in (UID, "ACC-7", "PatientID"))
    assert 'value="PACS@127.0.0.1:104"' in client.get("/archive").text  # the next time


def test_two_fetches_in_one_second_share_nothing(
    client: TestClient, folder: Path, started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(archive, "datetime", Clock)
    for wanted in ("ACC-7", "ACC-8"):
        client.post("/archive", data={"address": "PACS@127.0.0.1:104", "title": "AMT", "wanted": wanted})
    outputs = [Path(command[command.index("-o") + 1]).name for command in started]
    assert outputs == ["20260102-030405", "20260102-030405-2"]
    lists = [Path(command[command.index("--list") + 1]).read_text() for command in started]
    assert lists == ["AccessionNumber=ACC-7\n", "AccessionNumber=ACC-8\n"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"wanted": " \n "}, "Nothing is asked for"),
        ({"address": "10.0.0.5"}, "is no address of a PACS"),
        ({"title": "A TITLE THAT IS TOO LONG"}, "is no AE title"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_starts(
    client: TestClient, folder: Path, started: list[tuple[str, ...]], changed: dict[str, str], told: str
) -> None:
    data = {"address": "PACS@127.0.0.1:104", "title": "AMT", "wanted": "ACC-7", **changed}
    answer = client.post("/archive", data=data)
    assert answer.status_code == 400
    assert told in answer.text
    assert data["wanted"].strip() in answer.text
    assert started == []
    assert job_store(folder).jobs() == ()


def test_results_are_sent_with_a_ledger_of_the_folder(
    client: TestClient, folder: Path, started: list[tuple[str, ...]]
) -> None:
    """The ledger knows what was acknowledged, so that a second click sends nothing twice."""
    run = new_run(folder.resolve(), given=("x",), study="one")
    data = {"address": "PACS@127.0.0.1:104", "title": "AMT"}
    assert client.post(f"/patients/{run.id}/send", data=data, follow_redirects=False).status_code == 303
    [command] = started
    assert command[:5] == ("nnunet_amt", "send", str(run.results), "--to", "PACS@127.0.0.1:104")
    assert command[command.index("--ledger") + 1] == str(folder.resolve() / ".nnunet_amt_app" / "sent.sqlite")
    assert client.post("/patients/20200101-000000/send", data=data).status_code == 404
    assert "is no address of a PACS" in client.post(f"/patients/{run.id}/send", data={**data, "address": "x"}).text
