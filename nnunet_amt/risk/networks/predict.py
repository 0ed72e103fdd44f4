"""Scores of cases by a trained model: of the external set, and of new patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.folds import PatientCase
from nnunet_amt.risk.rois import Roi
from nnunet_amt.risk.scores import Kind, ScoreRow

_SCORED_AT_ONCE = 64


def predict_roi(model_folder: Path, roi: Roi, *, device: str = "cpu") -> float:
    """Give the probability of high risk of one case, by its slice with the largest area.

    Raises
    ------
    BadInputError
        If the model folder or the ROI cannot be used.
    """
    return predict_rois(model_folder, [roi], device=device)[roi.case_id]


def predict_rois(
    model_folder: Path, rois: Iterable[Roi], *, device: str = "cpu", progress: Progress = silent
) -> dict[str, float]:
    """Give the probability of high risk of several cases by their names; see `predict_roi`."""
    import torch

    from nnunet_amt.risk.networks.fit import logits_of_high
    from nnunet_amt.risk.networks.images import grey_image
    from nnunet_amt.risk.networks.model_folder import load_model
    from nnunet_amt.risk.selection import probability

    network, info = load_model(model_folder, device=device)
    rois = list(rois)
    scores: dict[str, float] = {}
    for start in range(0, len(rois), _SCORED_AT_ONCE):
        part = rois[start : start + _SCORED_AT_ONCE]
        images = torch.stack(
            [
                grey_image(roi.largest, case_id=roi.case_id, size=info.size, normalisation=info.normalisation)
                for roi in part
            ]
        )
        logits = logits_of_high(network, images.to(device), normalisation=info.normalisation)
        scores |= {roi.case_id: float(score) for roi, score in zip(part, probability(logits), strict=True)}
        progress(len(scores), len(rois), f"scoring with {info.network}")
    return scores


def score_cases(
    model_folder: Path,
    cases: Sequence[PatientCase],
    rois: Mapping[str, Roi],
    *,
    kind: Kind = "external",
    device: str = "cpu",
    progress: Progress = silent,
) -> list[ScoreRow]:
    """Score cases whose class is known; the rows are for `write_scores`, which counts looks at the external set.

    Raises
    ------
    UnmatchedCasesError
        If a case has no ROI.
    BadInputError
        If the model folder or a ROI cannot be used, or a case of the training centres is to be external.
    """
    from nnunet_amt.risk.networks.development import require_rois
    from nnunet_amt.risk.networks.model_folder import read_model_info

    require_rois(cases, rois)
    trained_on = [case.case_id for case in cases if getattr(case, "split", "external") != "external"]
    if kind == "external" and trained_on:
        raise BadInputError(f"case {trained_on[0]}: is no case of the external set; give the external cases")
    model = read_model_info(model_folder).network
    scores = predict_rois(model_folder, [rois[case.case_id] for case in cases], device=device, progress=progress)
    return [ScoreRow(model, kind, None, case.case_id, high=case.high, score=scores[case.case_id]) for case in cases]
