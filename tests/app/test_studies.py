"""The list of studies, and new ones from a table of the folder, a table that is sent, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnunet_amt.study.settings import manifest_path, read_settings

if TYPE_CHECKING:
    from starlette.testclient import TestClient

HEADER = "case_id,patient_id,institution,image,mask\n"
ROW = "a,p1,Alpha,images/a.nii.gz,masks/a.nii.gz\n"


def begin(client: TestClient, *, sent: bytes | None = None, **form: str) -> Any:
    files = None if sent is None else {"upload": ("cohort.csv", sent)}
    return client.post("/new-study", data=form, files=files, follow_redirects=False)


def test_an_empty_folder_says_how_to_begin(client: TestClient) -> None:
    page = client.get("/").text
    assert "no study in this folder yet" in page and 'href="/new-study"' in page


def test_a_study_of_a_table_of_the_folder_is_listed_with_what_it_has_reached(client: TestClient, folder: Path) -> None:
    (folder / "cohort").mkdir()
    (folder / "cohort" / "manifest.csv").write_text(HEADER + ROW)
    (folder / "cohort" / "lesions.csv").write_text("lesion,volume\n")
    assert '<option value="cohort/manifest.csv">' in client.get("/new-study").text
    assert "lesions.csv" not in client.get("/new-study").text
    answer = begin(client, name="first", table="cohort/manifest.csv")
    assert (answer.status_code, answer.headers["location"]) == (303, "/studies/first/cases")
    assert manifest_path(folder / "first", read_settings(folder / "first")) == folder / "cohort" / "manifest.csv"
    page = client.get("/").text
    assert "0 of 8 steps done" in page and "reading the CTs" in page


def test_a_sent_table_counts_its_paths_from_the_folder_that_is_named(client: TestClient, folder: Path) -> None:
    (folder / "cohort").mkdir()
    absolute = "b,p2,Beta,/data/b.nii.gz,\n"
    assert begin(client, name="first", base="cohort", sent=(HEADER + ROW + absolute).encode()).status_code == 303
    lines = (folder / "first" / "manifest.csv").read_text().splitlines()
    assert lines[1] == "a,p1,Alpha,../cohort/images/a.nii.gz,../cohort/masks/a.nii.gz"
    assert lines[2] == "b,p2,Beta,/data/b.nii.gz,"


def test_without_a_table_the_study_begins_with_an_empty_one(client: TestClient, folder: Path) -> None:
    assert begin(client, name="胸腺腫-1").status_code == 303
    lines = (folder / "胸腺腫-1" / "manifest.csv").read_text().splitlines()
    assert len(lines) == 1 and lines[0].startswith(HEADER.strip())
    assert "胸腺腫-1" in client.get("/").text


@pytest.mark.parametrize(
    ("form", "sent", "said"),
    [
        ({"name": ""}, None, "has no name"),
        ({"name": "../out"}, None, "cannot be that of a folder"),
        ({"name": ".hidden"}, None, "cannot be that of a folder"),
        ({"name": "x" * 61}, None, "cannot be that of a folder"),
        ({"name": "taken"}, None, "with this name already"),
        ({"name": "a", "table": "nowhere.csv"}, None, "nowhere.csv: no such file"),
        ({"name": "a", "table": "cohort.csv"}, b"x", "not both"),
        ({"name": "a"}, b"case_id,image\n", "cohort.csv line 1: has no column &#39;patient_id&#39;"),
        ({"name": "a", "base": "nowhere"}, HEADER.encode(), "nowhere: no such folder"),
        ({"name": "a"}, b"\xff\xfe\x00\xd8", "cohort.csv"),
    ],
)
def test_a_mistake_is_told_where_it_was_made_and_leaves_nothing(
    client: TestClient, folder: Path, form: dict[str, str], sent: bytes | None, said: str
) -> None:
    (folder / "taken").mkdir()
    answer = begin(client, sent=sent, **form)
    assert answer.status_code == 400
    assert said in answer.text and 'role="alert"' in answer.text and str(folder) not in answer.text
    assert f'value="{form["name"]}"' in answer.text  # what was typed stays
    assert [path.name for path in folder.iterdir()] == ["taken"]


def test_a_table_outside_the_folder_is_refused(client: TestClient, folder: Path) -> None:
    (folder.parent / "other.csv").write_text(HEADER)
    answer = begin(client, name="a", table="../other.csv")
    assert answer.status_code == 403 and "outside the opened folder" in answer.text
    assert not (folder / "a").exists()


def test_a_study_that_runs_is_seen_in_the_list(client: TestClient, folder: Path) -> None:
    from nnunet_amt.app.jobs import job_store

    assert begin(client, name="mine").status_code == 303
    assert "state running" not in client.get("/").text
    job = job_store(folder).submit("study", ["/bin/sleep", "60"], study="mine", takes_device=True)
    try:
        assert "state running" in client.get("/").text
    finally:
        job_store(folder).stop(job.id)


def test_settings_that_cannot_be_read_are_told_in_the_list(client: TestClient, folder: Path) -> None:
    (folder / "broken").mkdir()
    (folder / "broken" / "study.toml").write_text("[nowhere]\n")
    page = client.get("/").text
    assert "broken/study.toml: [nowhere]: there is no such section" in page and f"{folder}/" not in page


def test_every_stage_has_a_name_in_the_page(tmp_path: Path) -> None:
    from nnunet_amt.app.language import texts
    from nnunet_amt.study.settings import BaselineSection, StudySettings
    from nnunet_amt.study.stages import study_stages

    settings = StudySettings(baseline=BaselineSection(run=True))
    assert all(
        f"stages.{stage.name}" in texts("en") for stage in study_stages(tmp_path, settings, device="cpu", jobs=1)
    )


def test_a_name_is_text_and_not_html(client: TestClient) -> None:
    assert "<b>x" not in begin(client, name="<b>x</b>").text
