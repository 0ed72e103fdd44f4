"""The cases of an evaluation for the viewer."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.report.viewer import viewer_cases
from nnunet_amt.study import EvaluationFolder, Study
from tests.evaluation.builders import row_mask, write_label_map
from tests.evaluation.four_cases import run, write_four_cases


def study_of(folder: Path) -> Study:
    evaluation = EvaluationFolder(folder / "out", folder / "predictions", folder / "references", None)
    return Study(folder, None, evaluation, (evaluation,), None, None, None, ())


def test_the_worst_case_comes_first_with_its_findings_and_earlier_decisions(tmp_path: Path) -> None:
    write_four_cases(tmp_path)
    decisions = tmp_path / "decisions.csv"
    decisions.write_text("case_id,lesion,voxels,decision\nhalf,2,10,dismiss\n")
    run(tmp_path, triage=decisions)
    cases = viewer_cases(study_of(tmp_path))
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
