"""What a trained model says of new patients' lesions: probabilities, the three first classes, and notes on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.encoding import PatientData
from nnunet_amt.risk.fusion.lesion_case import BENIGN, MALIGNANT
from nnunet_amt.risk.fusion.lesion_model import LesionModelInfo, load_lesion_networks, read_lesion_model_info

if TYPE_CHECKING:
    from nnunet_amt.risk.fusion.lesion_crop import LesionCrop

TOP = 3  # the paper's output
_FEW_CASES = 5


@dataclass(frozen=True)
class LesionPrediction:
    """What a model says of a lesion.

    Attributes
    ----------
    case_id
        Its name.
    probabilities
        Of each class, the mean over the networks of all seeds; they sum to 1.
    malignant
        Of the binary task: whether the probability is at the model's threshold or above. None of several classes.
    notes
        What was missing, unknown or unusual; each is a sentence.
    """

    case_id: str
    probabilities: Mapping[str, float]
    malignant: bool | None
    notes: tuple[str, ...]

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """The three most probable classes, or two of two, with their probabilities."""
        ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
        return tuple(ranked[:TOP])


def predict_lesions(
    model_folder: Path,
    crops: Mapping[str, LesionCrop],
    patients: Mapping[str, PatientData],
    *,
    ctc_unit: str | None = None,
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[LesionPrediction, ...]:
    """Score lesions by their slices of the largest area.

    Parameters
    ----------
    model_folder
        See `write_lesion_model`.
    crops
        Of the lesions, by names, cut with the pixels that the model says (`read_lesion_model_info`).
    patients
        What is known of them, by the same names; of one who is not among them nothing is known. Others are passed over.
    ctc_unit
        Unit of their levels; refused where it is not the model's, as levels are never converted. None leaves it to the
        caller to tell the reader which unit the model takes.
    progress
        Called after every few lesions of each network.

    Raises
    ------
    BadInputError
        If the model or a crop cannot be used, or the unit is another.
    """
    from nnunet_amt.risk.fusion.fit_lesions import probabilities_of
    from nnunet_amt.risk.fusion.lesion_tensors import lesion_tensors

    info = read_lesion_model_info(model_folder)
    if ctc_unit is not None and ctc_unit != info.ctc_unit:
        raise BadInputError(
            f"{model_folder}: was trained with CTC levels in {info.ctc_unit}, these are in {ctc_unit}; levels are "
            f"never converted: give them in {info.ctc_unit}, or leave them empty"
        )
    if not crops:
        return ()
    known = {case_id: patients.get(case_id, PatientData()) for case_id in crops}
    lesions = lesion_tensors(known, crops, encoding=info.encoding, pixels=info.pixels)
    networks = load_lesion_networks(model_folder, info, device=device)
    total = len(networks) * len(crops)

    def after_part(done: int) -> None:
        progress(len(of_networks) * len(crops) + done, total, f"scoring with {info.model}")

    of_networks: list[np.ndarray] = []  # (lesions, classes) each
    for network in networks:
        of_networks.append(probabilities_of(network, lesions, after_part=after_part))
    return tuple(
        _prediction(info, case_id, patient, np.stack([of_all[place] for of_all in of_networks]))
        for place, (case_id, patient) in enumerate(known.items())
    )


def _prediction(info: LesionModelInfo, case_id: str, patient: PatientData, of_networks: np.ndarray) -> LesionPrediction:
    """Give what the networks say together; `of_networks` has the probabilities of each, (networks, classes)."""
    probabilities = dict(zip(info.classes, of_networks.mean(axis=0).tolist(), strict=True))
    notes = list(info.encoding.notes(patient)) if info.uses_patient_data else []
    first = max(probabilities, key=probabilities.__getitem__)
    if (cases := info.trained_on.classes.get(first, 0)) < _FEW_CASES:
        notes.append(f"{first}: is known from {cases} training case{'' if cases == 1 else 's'} alone")
    malignant = None if info.threshold is None else probabilities[MALIGNANT] >= info.threshold
    if malignant is not None and malignant != (first == MALIGNANT):
        notes.append(
            f"called {MALIGNANT if malignant else BENIGN} by the tuning cases' threshold, malignant from "
            f"{info.threshold:.2f} on"
        )
    firsts = [info.classes[place] for place in of_networks.argmax(axis=1)]
    if len({*firsts}) > 1:
        notes.append(f"the networks of the {len(firsts)} seeds disagree: {', '.join(firsts)}")
    return LesionPrediction(case_id, probabilities, malignant, tuple(notes))
