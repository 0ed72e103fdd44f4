"""The cases of a study: what the evaluation says of them, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nnunet_amt.base.csv_rows_of_ours import read_rows
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.pictures.case_crop import CaseCrop, read_case_crop
from nnunet_amt.study.folders import label_map_in
from nnunet_amt.study.study import EvaluationFolder, Study


@dataclass(frozen=True)
class StudyCase:
    """A row of an evaluation's ``cases.csv``.

    Attributes
    ----------
    case_id
        Name of the case.
    tp, fp, fn
        Voxels in both masks, in the prediction only, in the reference only.
    dice, iou, precision, recall
        None where undefined.
    reference_ml, prediction_ml
        Volumes in ml.
    size_mm
        Largest in-plane diameter of the largest reference lesion; None without a lesion.
    tumour_size
        ``small``, ``medium``, ``large`` or ``no lesion``.
    cells
        The whole row, column to text.
    """

    case_id: str
    tp: int
    fp: int
    fn: int
    dice: float | None
    iou: float | None
    precision: float | None
    recall: float | None
    reference_ml: float
    prediction_ml: float
    size_mm: float | None
    tumour_size: str
    cells: dict[str, str]


class _Rankable(Protocol):
    @property
    def case_id(self) -> str: ...
    @property
    def dice(self) -> float | None: ...
    @property
    def reference_ml(self) -> float: ...


def worst_first(case: _Rankable) -> tuple[bool, float, float, str]:
    """Key to sort cases by: the lowest Dice first, of equal ones the larger tumour, undefined Dice last."""
    return case.dice is None, case.dice or 0.0, -case.reference_ml, case.case_id


def read_study_cases(evaluation: EvaluationFolder) -> tuple[StudyCase, ...]:
    """Read what an evaluation says of its cases, in the order of the file.

    Raises
    ------
    BadInputError
        If ``cases.csv`` cannot be read, or is not that of an evaluation.
    """
    path = evaluation.path / "cases.csv"
    try:
        return tuple(map(_case, read_rows(path)))
    except (KeyError, ValueError, TypeError) as error:
        raise BadInputError(f"{path}: is not what evaluate writes ({error}); run nnunet_amt evaluate again") from error


def study_crop(
    study: Study, case: StudyCase, margin_mm: float = 20.0, foreground: int = 1, minimum_mm: float = 0.0
) -> CaseCrop:
    """Read the crop of a case of the study's evaluation; see `read_case_crop`.

    The voxels of both masks are counted and compared with ``cases.csv``, so that no picture is of other masks than
    those that were evaluated. A CT that is not there is left out; a prediction may be missing where the evaluation
    counted none.

    Raises
    ------
    BadInputError
        If the label maps are not known or hold other voxels; its subclasses as of `read_case_crop`.
    """
    evaluation = study.evaluation
    reference = label_map_in(evaluation.references, case.case_id)
    prediction = label_map_in(evaluation.predictions, case.case_id)
    if reference is None or (prediction is None and case.tp + case.fp > 0):
        which = "reference" if reference is None else "prediction"
        folder = evaluation.references if reference is None else evaluation.predictions
        where = "its folder is not known" if folder is None else f"it is not in {folder.name}"
        raise UnmatchedCasesError(
            f"{evaluation.path}: case {case.case_id}: no {which} for a picture, {where}; "
            "put the label maps where they were, or run nnunet_amt evaluate again"
        )
    image = label_map_in(study.images, f"{case.case_id}_0000")
    crop = read_case_crop(
        image,
        reference,
        prediction,
        case_id=case.case_id,
        margin_mm=margin_mm,
        minimum_mm=minimum_mm,
        foreground=foreground,
    )
    found = _voxels(crop)
    if found != (case.tp, case.fp, case.fn):
        told = "TP {} FP {} FN {}"
        raise BadInputError(
            f"{evaluation.path}: case {case.case_id}: the label maps are others than those evaluated "
            f"({told.format(*found)} voxels, not {told.format(case.tp, case.fp, case.fn)}); "
            "run nnunet_amt evaluate again"
        )
    return crop


def _case(row: dict[str, str]) -> StudyCase:
    tp, fp, fn = (int(row[name]) for name in ("tp", "fp", "fn"))
    dice, iou, precision, recall, size_mm = (
        float(row[name]) if row[name] else None for name in ("dice", "iou", "precision", "recall", "size_mm")
    )
    volumes = float(row["reference_ml"]), float(row["prediction_ml"])
    return StudyCase(
        row["case_id"], tp, fp, fn, dice, iou, precision, recall, *volumes, size_mm, row["tumour_size"], row
    )


def _voxels(crop: CaseCrop) -> tuple[int, int, int]:
    both = int(np.count_nonzero(crop.reference & crop.prediction))
    predicted, referenced = int(np.count_nonzero(crop.prediction)), int(np.count_nonzero(crop.reference))
    return both, predicted - both, referenced - both
