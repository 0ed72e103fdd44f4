"""New patients: what is sent stays in the opened folder, the job is the command line's, only results are given."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnunet_amt.app import new_patient
from nnunet_amt.app.jobs import job_store
from nnunet_amt.app.language import texts
from nnunet_amt.app.patient_runs import run_of, segment_command
from nnunet_amt.clinic.case_objects import REPORT, RTSTRUCT, SC_PAGES, SEG
from nnunet_amt.clinic.case_results import CASES_FILE, CT_CROP, LABEL_MAP, LESIONS_FILE, OVERVIEW, PROBABILITIES
from nnunet_amt.clinic.case_results import RESULT as RESULT_FILE
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudyFolders
from tests.app.stand_ins import python, wait_until

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from nnunet_amt.app.patient_runs import PatientRun

LESION = ["scan", 1, 4000, 12.34, 30.2, 41.8, 45.6, 0.913, 1.0, 2.0, 3.0, 17]
RESULT = {
    "schema_version": 1,
    "case_id": "scan",
    "source": "/somewhere/scan.zip",
    "made": "2026-11-29T05:46:00",
    "input_sha256": "a",
    "model_sha256": "b",
    "trainer": "nnUNetTrainerAMT",
    "options": {},
    "files": ["segmentation.nii.gz", "segmentation.dcm", "../../../secret.txt"],
    "lesions": [LESION],
    "note": "",
}
# Writes what a segmentation leaves: its page, the tables, and a case.
SEGMENTING = """
import sys
from pathlib import Path
results, result, code = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
(results / "scan").mkdir(parents=True)
(results / "index.html").write_text("<h1>Segmented CTs</h1>")
(results / "lesions.csv").write_text("case_id")
(results / "scan" / "segmentation.nii.gz").write_bytes(b"mask")
(results / "scan" / "segmentation.dcm").write_bytes(b"DICM")
(results / "scan" / "result.json").write_text(result)
sys.exit(code)
"""


@pytest.fixture
def study(folder: Path) -> Path:
    study = folder / "one"
    study.mkdir()
    (study / "manifest.csv").write_text("case_id,patient_id,institution,image,mask\n")
    settings = open_study(study, manifest=study / "manifest.csv", changes={"study": {"device": "cpu"}})
    checkpoint = StudyFolders.of(study, settings).fold_folder / "checkpoint_best.pth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    return study


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Let a stand-in write the results; gives the commands that would have run."""
    asked: list[tuple[str, ...]] = []
    right = segment_command

    def stand_in(run: PatientRun, inputs: list[Path], *, opened: Path, kinds: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(right(run, inputs, opened=opened, kinds=kinds))
        return python(SEGMENTING, run.results, json.dumps(RESULT), 0)

    monkeypatch.setattr(new_patient, "segment_command", stand_in)
    return asked


def send(client: TestClient, *files: tuple[str, bytes], **data: object) -> Any:
    sent = [("files", file) for file in files]
    return client.post("/patients", data={"study": "one", "kind": ["seg", "sc"], **data}, files=sent or None)


def run_in(folder: Path, answer: Any) -> PatientRun:
    run = run_of(folder, str(answer.url).rsplit("/", 1)[-1])
    store = job_store(folder)
    job = run.job(store)
    assert job is not None
    wait_until(store, job, "done", "failed")
    return run


def test_without_a_model_there_is_nothing_to_send(client: TestClient, folder: Path) -> None:
    page = client.get("/patients")
    assert "No study here has a trained model yet" in page.text
    assert "<form" not in page.text
    assert send(client, ("a.zip", b"x")).status_code == 400


@pytest.mark.usefixtures("study")
def test_a_zip_is_kept_and_segmented_with_the_model_of_the_study(
    client: TestClient, folder: Path, commands: list[tuple[str, ...]]
) -> None:
    answer = send(client, ("../Scan 1.zip", b"zip"))
    run = run_in(folder, answer)
    assert (run.folder / "patient" / "Scan_1.zip").read_bytes() == b"zip"
    assert commands == [
        (
            *("nnunet_amt", "segment", str(run.folder / "patient" / "Scan_1.zip"), "-o", str(run.results)),
            *("--model", str(folder / "one"), "--fold", "0", "--device", "cpu", "--as", "seg", "--as", "sc"),
        )
    ]


@pytest.mark.usefixtures("study")
def test_slices_of_one_name_are_all_kept(client: TestClient, folder: Path, commands: list[tuple[str, ...]]) -> None:
    run = run_in(folder, send(client, ("a/IM1", b"1"), ("b/IM1", b"2"), ("b/IM2", b"3")))
    assert sorted(path.read_bytes() for path in (run.folder / "patient").iterdir()) == [b"1", b"2", b"3"]
    assert commands[0][2] == str(run.folder / "patient")


@pytest.mark.usefixtures("study")
def test_what_lies_in_the_opened_folder_is_not_copied(
    client: TestClient, folder: Path, commands: list[tuple[str, ...]]
) -> None:
    (folder / "incoming").mkdir()
    run = run_in(folder, send(client, path="incoming"))
    assert commands[0][2] == str(folder / "incoming")
    assert not (run.folder / "patient").exists()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_file_to_save_is_explained(language: str) -> None:
    names = [LABEL_MAP, PROBABILITIES, OVERVIEW, CT_CROP, RESULT_FILE, CASES_FILE, LESIONS_FILE]
    names += [SEG, RTSTRUCT, SC_PAGES.replace("*", "01"), REPORT]
    t = texts(language)
    assert [name for name in names if not new_patient._about_file(name, t)] == []
    assert new_patient._about_file("unknown.bin", t) == ""


@pytest.mark.usefixtures("study", "commands")
def test_results_are_shown_and_saved(client: TestClient, folder: Path) -> None:
    (folder / "secret.txt").write_text("secret")
    run = run_in(folder, send(client, ("scan.zip", b"zip")))
    page = client.get(f"/patients/{run.id}")
    assert [html for html in ("12.3", "30", "42", "46", "0.91", "17") if f">{html}</td>" not in page.text] == []
    links = re.findall(r'href="(/patients/[^"]+/files/[^"]+)"', page.text)
    assert [link.partition("/files/")[2] for link in links] == [
        "scan/segmentation.nii.gz",
        "scan/segmentation.dcm",
        "lesions.csv",
    ]
    saved = client.get(links[1])
    assert (saved.content, saved.headers["content-disposition"]) == (
        b"DICM",
        "attachment; filename*=UTF-8''scan-segmentation.dcm",
    )
    made = client.get(f"/patients/{run.id}/page")
    assert "Segmented CTs" in made.text
    assert made.headers["content-security-policy"].startswith("sandbox ")
    assert run.id in client.get("/patients").text


@pytest.mark.usefixtures("study", "commands")
@pytest.mark.parametrize(
    "name", ["result.json", "scan/result.json", "../new_patient.json", "..%2f..%2f..%2fsecret.txt", "/etc/passwd"]
)
def test_other_files_are_not_given(client: TestClient, folder: Path, name: str) -> None:
    run = run_in(folder, send(client, ("scan.zip", b"zip")))
    assert client.get(f"/patients/{run.id}/files/{name}").status_code == 404


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("data", "files", "told"),
    [
        ({}, (), "Choose files or a folder, or say where the CT lies."),
        ({"path": "incoming"}, (("a.zip", b"x"),), "give one of the two"),
        ({"path": "../.."}, (), "lies outside the opened folder"),
        ({"path": "/etc"}, (), "lies outside the opened folder"),
        ({"path": "none"}, (), "none: there is nothing there"),
        ({"path": "."}, (), "This is the whole opened folder"),
        ({"study": "../one", "path": "incoming"}, (), "Choose a study that has a trained model."),
    ],
)
def test_what_cannot_be_segmented_is_told_at_its_field(
    client: TestClient, folder: Path, data: dict[str, object], files: tuple[tuple[str, bytes], ...], told: str
) -> None:
    (folder / "incoming").mkdir()
    answer = send(client, *files, **data)
    assert answer.status_code == 400
    assert re.search(rf'<span class="problem"[^>]*>[^<]*{re.escape(told)}', answer.text)
    assert not (folder / "new_patients").exists()
    assert job_store(folder).jobs() == ()


@pytest.mark.usefixtures("study")
def test_a_full_disk_is_told_and_leaves_nothing(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(new_patient, "keep_files", full)
    answer = send(client, ("a.zip", b"x"))
    assert answer.status_code == 400
    assert "could not be kept (No space left on device)" in answer.text
    assert list((folder / "new_patients").iterdir()) == []


@pytest.mark.usefixtures("study")
def test_a_failed_run_says_so_and_can_be_tried_again(
    client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys; print('error: no CT can be used'); sys.exit(2)"
    monkeypatch.setattr(new_patient, "segment_command", lambda run, *_, **__: python(script, run.results))
    run = run_in(folder, send(client, ("scan.zip", b"zip")))
    page = client.get(f"/patients/{run.id}")
    assert "no CT can be used" in page.text
    assert "/page" not in page.text
    client.post(f"/patients/{run.id}/again")
    assert len(job_store(folder).jobs()) == 2


def test_a_run_that_is_not_there(client: TestClient, folder: Path) -> None:
    for name in ("20261129-054600", "x", "..%2fone", "20261129-054600-"):
        assert client.get(f"/patients/{name}").status_code == 404
