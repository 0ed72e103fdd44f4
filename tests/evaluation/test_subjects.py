"""Of what the evaluated cases are: from the dataset.json of the conversion, and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnunet_amt.evaluation.subjects import PATIENTS, subjects_of, why_not_published
from tests.evaluation.four_cases import run, write_four_cases


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"subjects": "phantoms"}', "phantoms"),
        ('{"subjects": " Patients "}', "patients"),
        ('{"subjects": ""}', None),
        ('{"subjects": 3}', None),
        ("{", None),
        ("[]", None),
    ],
)
def test_what_dataset_json_says(tmp_path: Path, text: str, said: str | None) -> None:
    """A damaged one says nothing, and then nothing of the paper's is put beside the results."""
    (tmp_path / "dataset.json").write_text(text)
    assert subjects_of(tmp_path / "labelsTs") == said


def test_it_is_found_behind_a_link_and_beside_the_cohort_file(tmp_path: Path) -> None:
    labels = tmp_path / "raw" / "labelsTs"
    labels.mkdir(parents=True)
    (tmp_path / "link").symlink_to(labels)
    assert subjects_of(tmp_path / "link") is None
    (labels.parent / "dataset.json").write_text('{"subjects": "phantoms"}')
    assert subjects_of(tmp_path / "link") == "phantoms"
    assert subjects_of(tmp_path / "other" / "masks", labels.parent / "cohort.csv") == "phantoms"


def test_an_evaluation_keeps_it_and_tells_why_the_papers_rows_are_not_there(tmp_path: Path) -> None:
    folder = write_four_cases(tmp_path)
    for subjects in (PATIENTS, "phantoms", None):
        content = {} if subjects is None else {"subjects": subjects}
        (folder / "dataset.json").write_text(json.dumps(content))
        run(folder)
        assert json.loads((folder / "out" / "summary.json").read_text())["subjects"] == subjects
        text = (folder / "out" / "tables.md").read_text()
        assert ("0.82" in text) is (subjects == PATIENTS)
        assert why_not_published(subjects) in text
