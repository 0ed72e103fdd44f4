"""The files of a study's cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.pictures.case_crop import CaseCrop, read_case_crop
from nnunet_amt.study.folders import label_map_in
from nnunet_amt.study.study import Study

if TYPE_CHECKING:
    from nnunet_amt.evaluation.results.read_results import EvaluatedCase


def study_crop(
    study: Study, case: EvaluatedCase, margin_mm: float = 20.0, foreground: int = 1, minimum_mm: float = 0.0
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


def _voxels(crop: CaseCrop) -> tuple[int, int, int]:
    both = int(np.count_nonzero(crop.reference & crop.prediction))
    predicted, referenced = int(np.count_nonzero(crop.prediction)), int(np.count_nonzero(crop.reference))
    return both, predicted - both, referenced - both
