"""What new patients' lesions are, by a model of the study with circulating tumour cells, from CT, mask and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.files import require_no_file, write_csv
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.risk.fusion.encoding import PatientData
from nnunet_amt.risk.new_tumours import NewTumour, cut_tumours

if TYPE_CHECKING:  # bring torch
    from nnunet_amt.risk.fusion.lesion_model import LesionModelInfo
    from nnunet_amt.risk.fusion.predict_lesions import LesionPrediction

DIAGNOSIS_FILE = "diagnosis.csv"
STAGE = "fusion-predict"


@dataclass(frozen=True)
class NewLesion:
    """What a model says of a lesion; `prediction` is None where it has no crop, and the first of `notes` says why."""

    case_id: str
    prediction: LesionPrediction | None
    notes: tuple[str, ...]


def predict_new_lesions(
    model_folder: Path,
    tumours: Sequence[NewTumour],
    output: Path,
    *,
    patients: Mapping[str, PatientData],
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[NewLesion, ...]:
    """Score lesions, and write ``diagnosis.csv``; a lesion that cannot be scored stops no other.

    Parameters
    ----------
    model_folder
        See `predict_lesions`.
    tumours
        In the order of the table.
    patients
        What is known of them, by case; of one who is not there nothing is, and a note says what the model lacks.

    Raises
    ------
    BadInputError
        If the model cannot be used.
    """
    from nnunet_amt.risk.fusion.lesion_crop import cut_lesion
    from nnunet_amt.risk.fusion.lesion_model import read_lesion_model_info
    from nnunet_amt.risk.fusion.predict_lesions import predict_lesions

    require_no_file(output)
    info = read_lesion_model_info(model_folder)
    cut = partial(cut_lesion, pixels=info.pixels, denoise=info.denoise)
    crops, reasons = cut_tumours(tumours, cut, progress=progress)
    inputs = {"model": RunInput(model_folder, names=info.files)}
    with recorded_run(output, STAGE, inputs=inputs, outputs=(DIAGNOSIS_FILE,), device=device) as run:
        scored = predict_lesions(model_folder, crops, patients, device=device, progress=progress)
        predictions = {one.case_id: one for one in scored}
        found = tuple(_new_lesion(tumour.case_id, predictions, reasons) for tumour in tumours)
        columns = ("case_id", "model", "task", "called", "threshold", *info.classes, "notes")
        write_csv(output / DIAGNOSIS_FILE, columns, (_cells(one, info) for one in found))
        run.counts |= {"cases": len(found), "scored": len(scored)}
    return found


def called(prediction: LesionPrediction) -> str:
    """Say what a lesion is called: by the threshold of the tuning cases; of several classes the most probable one."""
    if prediction.malignant is None:
        return prediction.top[0][0]
    return "malignant" if prediction.malignant else "benign"


def _new_lesion(case_id: str, predictions: Mapping[str, LesionPrediction], reasons: Mapping[str, str]) -> NewLesion:
    prediction = predictions.get(case_id)
    return NewLesion(case_id, prediction, (reasons[case_id],) if prediction is None else prediction.notes)


def _cells(one: NewLesion, info: LesionModelInfo) -> tuple[object, ...]:
    prediction = one.prediction
    probabilities = ("" if prediction is None else prediction.probabilities[name] for name in info.classes)
    words = "" if prediction is None else called(prediction)
    return (one.case_id, info.model, info.task, words, info.threshold, *probabilities, "; ".join(one.notes))
