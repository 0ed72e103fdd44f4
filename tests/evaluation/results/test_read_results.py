"""The order of the cases: the worst is the first that a reader sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.results.read_results import read_cases, worst_first
from nnunet_amt.report.study_content import read_study_content
from nnunet_amt.study import find_study
from tests.evaluation.builders import row_mask, write_pair


def test_of_equally_bad_cases_the_larger_tumour_is_worse(tmp_path: Path) -> None:
    """Three tumours of 20, 40 and 40 voxels are missed: both of 40 come before that of 20, by their names."""
    for case_id, stop in (("a", 20), ("b", 40), ("c", 40)):
        write_pair(tmp_path, case_id, np.zeros((1, 1, 60), np.uint8), row_mask(60, (0, stop)))
    write_pair(tmp_path, "d", row_mask(60, (0, 50)), row_mask(60, (0, 50)))
    settings = EvaluationSettings(bootstrap_resamples=10)
    label_maps = tmp_path / "predictions", tmp_path / "references"
    evaluate(*label_maps, tmp_path / "evaluation", settings=settings, figures=False)
    study = find_study(tmp_path)
    assert [case.case_id for case in sorted(read_cases(study.evaluation.path), key=worst_first)] == ["b", "c", "a", "d"]
    assert [case.case_id for case in read_study_content(study).cases] == ["b", "c", "a", "d"]
