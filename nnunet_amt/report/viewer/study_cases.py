"""The cases of a study for the viewer, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from nnunet_amt.evaluation.results.read_results import EvaluatedCase, read_cases, read_decisions, worst_first
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.report.viewer.candidates import false_positives
from nnunet_amt.report.viewer.viewer_case import LoadedCase, ViewerCase
from nnunet_amt.study import Study, study_crop
from nnunet_amt.study.folders import label_map_in

Decisions = Mapping[tuple[str, int], str]
_MM_PER_CM = 10.0


def viewer_cases(study: Study) -> tuple[ViewerCase, ...]:
    """Give the cases of the study's evaluation, the lowest Dice first, of equal ones the larger tumour.

    No voxel is read yet; `ViewerCase.load` raises `BadInputError` where a case's files are not those evaluated.

    Raises
    ------
    BadInputError
        If the evaluation cannot be read.
    """
    settings = read_summary(study.evaluation.path).settings
    decisions = read_decisions(study.evaluation.path)
    cases = sorted(read_cases(study.evaluation.path), key=worst_first)
    return tuple(
        ViewerCase(case.case_id, case.dice, _words(case), partial(_load, study, case, settings, decisions))
        for case in cases
    )


def _load(study: Study, case: EvaluatedCase, settings: EvaluationSettings, decisions: Decisions) -> LoadedCase:
    crop = study_crop(study, case, foreground=settings.foreground)
    reference = label_map_in(study.evaluation.references, case.case_id)
    prediction = label_map_in(study.evaluation.predictions, case.case_id)
    found = () if reference is None else false_positives(crop, reference, prediction, settings)
    return LoadedCase(
        crop,
        tuple(replace(one, decision=decisions.get((case.case_id, one.lesion), one.decision)) for one in found),
    )


def _words(case: EvaluatedCase) -> str:
    dice = "Dice undefined" if case.dice is None else f"Dice {case.dice:.2f}"
    return f"{dice}, no lesion" if case.size_mm is None else f"{dice}, {case.size_mm / _MM_PER_CM:.1f} cm"
