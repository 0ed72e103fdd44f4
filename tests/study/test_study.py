"""The cases of a study and their crops."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.results.read_results import read_cases
from nnunet_amt.study import find_study, study_crop
from tests.study.tiny_study import COUNTS, write_predictions, write_results, write_study


def test_rows_become_numbers(tmp_path: Path) -> None:
    first, second = read_cases(find_study(write_study(tmp_path)).evaluation.path)
    assert (first.case_id, first.tp, first.fp, first.fn) == ("AMT-0001", 8, 1, 0)
    assert first.dice == pytest.approx(16 / 17)
    assert (first.reference_cm3, first.prediction_cm3, first.size_mm) == (0.08, 0.09, None)
    assert second.dice == 0.0
    assert second.precision is None, "nothing was predicted"
    assert first.tumour_size == "small"


def test_crops_hold_ct_and_both_masks(tmp_path: Path) -> None:
    study = find_study(write_study(tmp_path))
    found, missed = (study_crop(study, case) for case in read_cases(study.evaluation.path))
    assert found.image is not None
    assert (found.image == 40).all()
    assert found.prediction.sum() == 9
    assert not missed.prediction.any()


def test_masks_that_were_not_evaluated_are_refused(tmp_path: Path) -> None:
    """The evaluation says 7 voxels where 8 are: a picture would show something else than the tables."""
    folder = write_study(tmp_path)
    write_results(folder / "second", COUNTS | {"AMT-0001": (7, 1, 0)})
    study = find_study(folder, evaluation=folder / "second")
    with pytest.raises(BadInputError, match=r"AMT-0001: the label maps are others .*TP 8 FP 1 FN 0 voxels, not TP 7"):
        study_crop(study, read_cases(study.evaluation.path)[0])


def test_only_an_empty_prediction_may_be_missing(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    study = find_study(folder)
    for file in (folder / "predictions").iterdir():
        file.unlink()
    found, missed = read_cases(study.evaluation.path)
    assert not study_crop(study, missed).prediction.any()
    with pytest.raises(UnmatchedCasesError, match="AMT-0001: no prediction for a picture"):
        study_crop(study, found)


def test_a_case_table_of_something_else_is_refused(tmp_path: Path) -> None:
    study = find_study(write_study(tmp_path))
    (tmp_path / "evaluation" / "cases.csv").write_text("case_id,tp\nAMT-0001,many\n")
    with pytest.raises(BadInputError, match="is not what evaluate writes"):
        read_cases(study.evaluation.path)


def test_without_cts_there_are_still_masks(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    write_predictions(folder / "predictions")
    for file in (folder / "nnUNet_raw" / "Dataset711_AMT" / "imagesTs").iterdir():
        file.unlink()
    study = find_study(folder)
    assert study_crop(study, read_cases(study.evaluation.path)[0]).image is None
