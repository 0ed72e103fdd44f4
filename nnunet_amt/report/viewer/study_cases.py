"""The cases of a study for the viewer, worst first."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.summary_reader import read_summary
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.report.viewer.candidates import false_positives
from nnunet_amt.report.viewer.viewer_case import LoadedCase, ViewerCase
from nnunet_amt.study import Study, StudyCase, read_study_cases, study_crop, worst_first
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
    decisions = _decisions(study.evaluation.path / "lesions.csv")
    cases = sorted(read_study_cases(study.evaluation), key=worst_first)
    return tuple(
        ViewerCase(case.case_id, case.dice, _words(case), partial(_load, study, case, settings, decisions))
        for case in cases
    )


def _load(study: Study, case: StudyCase, settings: EvaluationSettings, decisions: Decisions) -> LoadedCase:
    crop = study_crop(study, case, foreground=settings.foreground)
    reference = label_map_in(study.evaluation.references, case.case_id)
    prediction = label_map_in(study.evaluation.predictions, case.case_id)
    found = () if reference is None else false_positives(crop, reference, prediction, settings)
    return LoadedCase(
        crop,
        tuple(replace(one, decision=decisions.get((case.case_id, one.lesion), one.decision)) for one in found),
    )


def _words(case: StudyCase) -> str:
    dice = "Dice undefined" if case.dice is None else f"Dice {case.dice:.2f}"
    return f"{dice}, no lesion" if case.size_mm is None else f"{dice}, {case.size_mm / _MM_PER_CM:.1f} cm"


def _decisions(path: Path) -> Decisions:
    """Read what a reader decided before this evaluation, if it was one with ``--triage``."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("triage")]
        return {(row["case_id"], int(row["lesion"])): row["triage"] for row in rows}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise BadInputError(f"{path}: cannot be read; run nnunet_amt evaluate again") from error
