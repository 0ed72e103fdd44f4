"""The cohort of a study of risk, which every stage reads alike: of one dataset, with carcinomas in or out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from nnunet_amt.base.files import read_record, require_no_file, write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.label_maps import named_cases
from nnunet_amt.risk.cases import Carcinoma, RiskCohort, read_risk_cases
from nnunet_amt.risk.fusion.lesion_case import LesionCohort
from nnunet_amt.risk.roi_folder import CUT_ROIS, ROI_FILE, reasons_without_roi

STUDY_FILE = "risk_study.json"
WITHOUT_ROI = "no ROI"
_Cohort = TypeVar("_Cohort", RiskCohort, LesionCohort)


def open_cohort(
    dataset: Path, study: Path, *, carcinoma: Carcinoma | None = None, progress: Progress = silent
) -> RiskCohort:
    """Read the cohort of a study, and keep in its folder which dataset and what of carcinomas it is of.

    Parameters
    ----------
    dataset
        Folder of the raw dataset, with ``cohort.csv``.
    study
        Folder of the study; made where missing.
    carcinoma
        See `read_risk_cases`; None is as the study was begun, and of a new one ``"out"``.

    Raises
    ------
    BadInputError
        If the study was begun otherwise, or the dataset is a test set alone; and what `read_risk_cases` raises.
    """
    require_no_file(study)
    begun = read_record(study / STUDY_FILE)
    asked = {"dataset": dataset.name, "carcinoma": carcinoma or begun.get("carcinoma", "out")}
    for name, value in asked.items():
        if begun.get(name, value) != value:
            raise BadInputError(
                f"{study / STUDY_FILE}: the study was begun with {name} {begun[name]}, now it is {value}; give another "
                "folder with -o, or the same as before"
            )
    cohort = read_risk_cases(dataset, carcinoma=asked["carcinoma"], progress=progress)  # type: ignore[arg-type]
    if not cohort.of_split("training").cases:
        raise BadInputError(
            f"{dataset / 'cohort.csv'}: is a test set alone, and there is nothing to train on; convert a cohort of "
            "training and external cases, or score new tumours with nnunet_amt risk predict"
        )
    if begun != asked:
        write_json(study / STUDY_FILE, asked)
    return cohort


def with_rois(cohort: _Cohort, folder: Path, *, command: str = CUT_ROIS) -> _Cohort:
    """Give the cohort without the cases that have no ROI in a folder, which count as left out; no ROI is read.

    Raises BadInputError if the ROIs were cut of other cases, or not all of them; it names the `command` that cuts them.
    """
    reasons = reasons_without_roi(folder, command=command)
    if new := [case.case_id for case in cohort.cases if case.case_id not in reasons]:
        raise BadInputError(
            f"{folder / ROI_FILE}: says nothing of {named_cases(new)} of the cohort; cut the ROIs again ({command})"
        )
    cases = tuple(case for case in cohort.cases if not reasons[case.case_id])
    without = tuple(case.case_id for case in cohort.cases if reasons[case.case_id])
    left_out = {**cohort.left_out, **({WITHOUT_ROI: without} if without else {})}
    return replace(cohort, cases=cases, left_out=left_out)
