"""What models say of a segmented case: kept beside its label map, and never shown for another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.clinic.assessments import ASSESSMENTS, Assessment, read_assessments, write_assessments
from nnunet_amt.clinic.case_results import LABEL_MAP

RISK = Assessment("Low or high risk", "high risk", (("high risk", "0.71"),), "40 tumours of 4 institutions", (), "ab12")
DIAGNOSIS = Assessment("Benign or malignant", "", (), "60 lesions", ("no tumour in the mask",), "cd34")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    (tmp_path / LABEL_MAP).write_bytes(b"a mask")
    return tmp_path


def test_each_question_has_its_last_answer(case: Path) -> None:
    """A second model of one question takes the place of the first; another question stands beside it."""
    write_assessments(case, [RISK])
    write_assessments(case, [DIAGNOSIS, replace(RISK, answer="low risk")])
    assert read_assessments(case) == (replace(RISK, answer="low risk"), DIAGNOSIS)


def test_answers_for_another_mask_are_not_shown(case: Path) -> None:
    """The case was segmented again by another model: the risk was of the tumour that the first one drew."""
    write_assessments(case, [RISK])
    (case / LABEL_MAP).write_bytes(b"another mask")
    assert read_assessments(case) == ()
    write_assessments(case, [DIAGNOSIS])
    assert read_assessments(case) == (DIAGNOSIS,)


@pytest.mark.parametrize("changed", [{"schema_version": 2}, {"assessments": [{"question": "?"}]}, {"assessments": 1}])
def test_a_file_of_another_form_counts_as_none(case: Path, changed: dict[str, object]) -> None:
    """It can be made again at any time, and must not stop the page of all the other cases."""
    write_assessments(case, [RISK])
    content = json.loads((case / ASSESSMENTS).read_text())
    (case / ASSESSMENTS).write_text(json.dumps({**content, **changed}))
    assert read_assessments(case) == ()
