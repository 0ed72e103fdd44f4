"""Train a network by folds, then once on all cases: out-of-fold scores, a threshold, and a model for new patients.

The folds choose the number of epochs, and the learning rate where there is a grid. Their networks are not kept: the
final model is one network trained on all cases for that many epochs, as the paper's is one network. Five of the folds
would have to be handed on and run together, and none of them has seen all cases.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.files import require_no_file
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.folds import PatientCase
from nnunet_amt.risk.networks.model_folder import MODEL_FILE, write_model
from nnunet_amt.risk.networks.settings import CURVES_FILE, EMBEDDED, MODEL_FOLDER, TrainingSettings
from nnunet_amt.risk.networks.training_folder import (
    RESULT_FILE,
    begin_training,
    read_result,
    write_result,
)
from nnunet_amt.risk.rois import Roi
from nnunet_amt.risk.scores import ScoreRow, thresholds_of
from nnunet_amt.risk.selection import Selection, probability

if TYPE_CHECKING:
    from torch import nn

    from nnunet_amt.risk.networks.cross_validation import Training
    from nnunet_amt.risk.networks.pretrained import PretrainedWeights

STAGE = "risk-train"
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel:
    """What a training gives.

    Attributes
    ----------
    folder
        The model, see `model_folder`.
    rows
        Out-of-fold scores, and those of the final model on the cases that it was trained on, for `write_scores`.
    details
        What is to be said of it in ``models.json``.
    """

    folder: Path
    rows: list[ScoreRow]
    details: Mapping[str, Any]


def train_network(
    cases: Sequence[PatientCase],
    rois: Mapping[str, Roi],
    output: Path,
    *,
    settings: TrainingSettings,
    weights: Path | None = None,
    subjects: str | None = None,
    device: str = "cpu",
    restart: bool = False,
    progress: Progress = silent,
) -> TrainedModel:
    """Train a network on the cases of the training centres, or go on with what an earlier run left.

    Of EfficientNet-Lite0 the weights stay as they are, and a logistic head is fitted, see `embedded`.

    Parameters
    ----------
    cases
        With their class; never those of the external set, which `score_cases` scores.
    rois
        By the names of the cases.
    output
        Folder of this training, see `training_folder`.
    settings
        See `TrainingSettings`.
    weights
        ImageNet weights, see `find_weights`.
    subjects
        Of what the cases are, for whoever uses the model: ``patients``, ``phantoms``, both; None where it is not known.
    device
        ``cpu``, ``cuda``, ...
    restart
        Remove what an earlier run left.
    progress
        Called after every epoch.

    Raises
    ------
    BadInputError
        If ImageNet weights are missing or of another network, a ROI cannot be used, or `output` holds a training with
        other settings.
    TooFewCasesError
        If a class has fewer patients than there are folds.
    UnmatchedCasesError
        If a case has no ROI.
    WorkFailedError
        If the loss grows beyond all numbers.
    """
    from nnunet_amt.risk.networks.cross_validation import Training, train_by_folds
    from nnunet_amt.risk.networks.development import gather_cases

    require_no_file(output)
    pretrained = _first_weights(settings, weights)
    development = gather_cases(cases, rois, settings=settings)
    about = {
        **replace(settings, grid=()).as_recorded(),  # a grid may grow
        "cases, ROIs and folds (SHA-256)": development.sha256(),
        "first weights (SHA-256)": pretrained.sha256 if pretrained else None,
    }
    begin_training(output, about, restart=restart)
    training = Training(output, development, settings, pretrained, device, progress)
    result = read_result(output, grid=settings.grid)
    if result is None:
        with recorded_run(
            output,
            STAGE,
            settings=settings.as_recorded(),
            seed=settings.seed,
            inputs={"imagenet_weights": RunInput(pretrained.path, path_recorded=False)} if pretrained else {},
            outputs=(CURVES_FILE, RESULT_FILE, f"{MODEL_FOLDER}/{MODEL_FILE}"),
            device=device,
        ) as notes:
            train = _train_head if settings.network == EMBEDDED else train_by_folds
            result = _finish(training, *train(training), subjects=subjects)
            write_result(output, result)
            notes.counts = {"cases": len(development.case_ids), "high_risk": int(development.high.sum())}
            notes.settings = dict(result["details"])
    return TrainedModel(output / MODEL_FOLDER, _rows(training, result), result["details"])


def _first_weights(settings: TrainingSettings, given: Path | None) -> PretrainedWeights | None:
    """Find the weights to begin with, and see that they are this network's before anything is written."""
    import torch

    from nnunet_amt.risk.networks.architectures import build_network
    from nnunet_amt.risk.networks.pretrained import find_weights, fitting_weights

    if not settings.pretrained:
        if settings.network == EMBEDDED or given:
            what = f"{given} is given" if given else f"{settings.network} has the features of ImageNet alone"
            raise BadInputError(f"from scratch: {what}; ask for a training from ImageNet weights")
        return None
    found = find_weights(settings.network, given=given)
    with torch.device("meta"):  # its layers without their numbers
        fitting_weights(build_network(settings.network), settings.network, found.path)
    _LOGGER.info("%s begins with %s, SHA-256 %s", settings.network, found.path.name, found.sha256)
    return found


def _train_head(training: Training) -> tuple[nn.Module, Selection, dict[str, Any]]:
    """Fit a logistic head on frozen features, its penalty chosen as the epochs are in `train_by_folds`."""
    from nnunet_amt.risk.networks.embedded import fit_embedded

    assert training.pretrained is not None  # `_first_weights` has seen to it
    network, selection, inverse_penalty = fit_embedded(
        training.development,
        weights=training.pretrained.path,
        normalisation=training.settings.normalisation,
        device=training.device,
        progress=training.progress,
    )
    return network, selection, {"chosen_inverse_penalty": inverse_penalty}


def _finish(
    training: Training, network: nn.Module, selection: Selection, chosen: Mapping[str, Any], *, subjects: str | None
) -> dict[str, Any]:
    """Write the model; give the result, with the scores of the final model on its own training cases."""
    from nnunet_amt.risk.networks.fit import logits_of_high

    development, settings = training.development, training.settings
    youden, sensitive = thresholds_of(selection.scores.tolist(), development.high.tolist())
    info = write_model(
        training.output / MODEL_FOLDER,
        network,
        network=settings.network,
        size=settings.pixels,
        normalisation=settings.normalisation,
        threshold=youden,
        sensitive_threshold=sensitive,
        pretrained_sha256=training.pretrained.sha256 if training.pretrained else None,
        trained_cases=len(development.case_ids),
        training={**settings.as_recorded(), **chosen, "subjects": subjects},
    )
    logits = logits_of_high(network, development.largest.to(training.device), normalisation=settings.normalisation)
    return {
        "grid": list(settings.grid),
        "out_of_fold": dict(zip(development.case_ids, selection.scores.tolist(), strict=True)),
        "training": dict(zip(development.case_ids, probability(logits).tolist(), strict=True)),
        "details": {
            "title": training.title,
            **chosen,
            "pretrained_sha256": info.pretrained_sha256,
            "weights_sha256": info.weights_sha256,
        },
    }


def _rows(training: Training, result: Mapping[str, Any]) -> list[ScoreRow]:
    development, model = training.development, training.settings.network
    known = list(zip(development.case_ids, development.high.tolist(), development.fold.tolist(), strict=True))
    return [
        *(ScoreRow(model, "out_of_fold", fold, name, high, result["out_of_fold"][name]) for name, high, fold in known),
        *(ScoreRow(model, "training", None, name, high, result["training"][name]) for name, high, _ in known),
    ]
