"""The cases of an evaluation for the viewer; candidates have the numbers of lesions.csv, and stand where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.evaluation.results.csv_files import lesion_rows
from nnunet_amt.evaluation.results.read_results import read_cases, worst_first
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.pictures import read_case_crop
from nnunet_amt.report.viewer.cases import false_positives, viewer_cases
from nnunet_amt.study import EvaluationFolder, Study
from tests.evaluation.builders import evaluated, row_mask, write_label_map
from tests.evaluation.four_cases import run, write_four_cases

LPS = (1, 0, 0, 0, 1, 0, 0, 0, 1)
TO_THE_FEET_AND_RIGHT = (-1, 0, 0, 0, 1, 0, 0, 0, -1)


def masks() -> tuple[np.ndarray, np.ndarray]:
    """One tumour that is found, a speck that is too small, and two false positives of 12 and 27 voxels."""
    reference, prediction = np.zeros((2, 20, 24, 28), np.uint8)
    reference[8:12, 8:14, 8:14] = 1
    prediction[8:12, 8:14, 8:13] = 1
    prediction[1, 2, 3] = 1
    prediction[3:6, 18:20, 20:22] = 1
    prediction[14:17, 3:6, 22:25] = 1
    return reference, prediction


@pytest.mark.parametrize("direction", [LPS, TO_THE_FEET_AND_RIGHT])
def test_numbers_sizes_and_places(tmp_path: Path, direction: tuple[int, ...]) -> None:
    reference, prediction = masks()
    referenced = write_label_map(tmp_path / "reference.nii.gz", reference, (1.0, 2.0, 5.0), direction=direction)
    predicted = write_label_map(tmp_path / "prediction.nii.gz", prediction, (1.0, 2.0, 5.0), direction=direction)
    crop = read_case_crop(None, referenced, predicted, case_id="case", margin_mm=5.0)
    found = false_positives(crop, referenced, predicted, settings=EvaluationSettings())
    rows = [row for row in lesion_rows(evaluated(prediction, reference)) if row["source"] == "prediction"]
    assert [(row["lesion"], row["voxels"]) for row in rows if row["matched_partner_0.1"] is None] == [
        (one.lesion, one.voxels) for one in found
    ]
    assert [(one.lesion, one.voxels) for one in found] == [(1, 12), (3, 27)]
    assert found[0].volume_cm3 == pytest.approx(0.12)  # 12 voxels of 1 x 2 x 5 mm
    # the middle of the larger one is its voxel (15, 4, 23) in the file
    z, y, x = (15, 4, 23) if direction == LPS else (19 - 15, 4, 27 - 23)
    shape, lower = crop.reference.shape, crop.lower
    assert found[1].where == pytest.approx(
        [(at - low + 0.5) / size for at, low, size in zip((x, y, z), lower[::-1], shape[::-1], strict=True)]
    )
    index = tuple(int(share * size) for share, size in zip(found[0].where[::-1], shape, strict=True))
    assert crop.prediction[index]
    assert not crop.reference[index]


def test_a_finding_that_touches_the_reference_is_told_apart(tmp_path: Path) -> None:
    """Of 14 predicted slices 1 is of the tumour, which has 6: an IoU of 1/19, under 0.1."""
    reference, prediction = np.zeros((2, 30, 12, 12), np.uint8)
    reference[0:6, 2:8, 2:8] = 1
    prediction[5:19, 2:8, 2:8] = 1
    prediction[25:28, 2:6, 2:6] = 1
    referenced = write_label_map(tmp_path / "reference.nii.gz", reference)
    predicted = write_label_map(tmp_path / "prediction.nii.gz", prediction)
    crop = read_case_crop(None, referenced, predicted, case_id="case")
    found = false_positives(crop, referenced, predicted, settings=EvaluationSettings())
    assert [(one.lesion, one.overlaps) for one in found] == [(1, True), (2, False)]


def test_no_prediction_has_no_candidates(tmp_path: Path) -> None:
    path = write_label_map(tmp_path / "case.nii.gz", masks()[0])
    crop = read_case_crop(None, path, None, case_id="case")
    assert false_positives(crop, path, None, settings=EvaluationSettings()) == ()


def study_of(folder: Path) -> Study:
    evaluation = EvaluationFolder(folder / "out", folder / "predictions", folder / "references", None)
    return Study(folder, None, evaluation, (evaluation,), None, None, None, ())


def test_the_worst_case_comes_first_with_its_findings_and_earlier_decisions(tmp_path: Path) -> None:
    write_four_cases(tmp_path)
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("case_id,lesion,voxels,decision\nhalf,2,10,dismiss\n")
    run(tmp_path, triage=decisions)
    evaluated = sorted(read_cases(tmp_path / "out"), key=worst_first)
    cases = viewer_cases(study_of(tmp_path), cases=evaluated, settings=read_summary(tmp_path / "out").settings)
    # missed: Dice 0; half: 24/45; whole: 1; the case without tumour has none
    assert [case.case_id for case in cases] == ["missed", "half", "whole", "without"]
    assert [case.words for case in cases] == [
        *("Dice 0.00, 0.5 cm", "Dice 0.53, 2.0 cm", "Dice 1.00, 6.0 cm", "Dice undefined, no lesion")
    ]
    found = [case.load().false_positives for case in cases]
    assert [[(one.lesion, one.voxels, one.decision) for one in each] for each in found] == [
        *([], [(2, 10, "dismiss")], [], [])
    ]
    # other label maps than those evaluated are not shown under the old numbers
    write_label_map(tmp_path / "predictions" / "half.nii.gz", row_mask(60, (4, 16)))
    with pytest.raises(BadInputError, match="case half: the label maps are others than those evaluated"):
        cases[1].load()
