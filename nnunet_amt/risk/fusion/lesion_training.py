"""The folder of one training of one lesion network, and the training that fills it.

::

    training.json     settings, and hashes of the cases that it follows from
    all.pth           checkpoint; gone when the training is done
    weights.pth       of the best epoch
    loss_curves.csv   epoch, learning rate, losses of training and tuning
    result.json       epochs, and the probabilities of all cases; written last
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from nnunet_amt.base.files import read_record
from nnunet_amt.base.json_file import NUMBER, misfit
from nnunet_amt.base.progress import Progress
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.risk.fusion.encoding import Encoding
from nnunet_amt.risk.fusion.fit_lesions import LesionFit, fit_lesions, probabilities_of
from nnunet_amt.risk.fusion.fusion_settings import DMFN, SHUFFLED, FusionSettings
from nnunet_amt.risk.fusion.lesion_case import LesionCase
from nnunet_amt.risk.fusion.lesion_model import build_network
from nnunet_amt.risk.fusion.lesion_tensors import LesionTensors, as_labels, lesion_tensors
from nnunet_amt.risk.networks.descent import learning_rate
from nnunet_amt.risk.networks.model_folder import WEIGHTS_FILE, take_weights, write_weights
from nnunet_amt.risk.networks.training_folder import (
    ALL_CASES,
    RESULT_FILE,
    begin_training,
    checkpoint_of,
    write_curves,
    write_result,
)

if TYPE_CHECKING:
    from nnunet_amt.risk.fusion.lesion_crop import LesionCrop

_RESULT = {
    "weights_sha256": str,
    "epochs": int,
    "best_epoch": int,
    "scored_sha256": str,
    "probabilities": {str: [NUMBER]},
}


@dataclass(frozen=True)
class LesionTraining:
    """What one training is of.

    Attributes
    ----------
    output
        Its folder.
    model, seed
        Of `NETWORKS` or `SHUFFLED`, and of its random numbers.
    settings
        Of the task.
    cases
        All cases of the task, as the network is told of them, in one order.
    crops, crop_sha256
        Of all of them, with their hashes.
    classes
        Of the task.
    encoding
        Of the training cases.
    """

    output: Path
    model: str
    seed: int
    settings: FusionSettings
    cases: tuple[LesionCase, ...]
    crops: Mapping[str, LesionCrop]
    crop_sha256: Mapping[str, str]
    classes: tuple[str, ...]
    encoding: Encoding

    def tensors(self, cases: Sequence[LesionCase], *, adjacent: bool = False) -> LesionTensors:
        """Give some of the cases as the network takes them."""
        return lesion_tensors(
            {case.case_id: case for case in cases}, self.crops, encoding=self.encoding, pixels=self.settings.pixels,
            adjacent=adjacent,
        )  # fmt: skip

    def of_split(self, split: str) -> list[LesionCase]:
        """Give the cases of a split."""
        return [case for case in self.cases if case.split == split]

    def labels(self, cases: Sequence[LesionCase]) -> list[str | None]:
        """Give the classes of some of the cases."""
        return [case.class_of(self.settings.task) for case in cases]

    def sha256(self, cases: Sequence[LesionCase]) -> str:
        """Hash what a network is told of some of the cases, and the names of all classes."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for case, label in zip(cases, self.labels(cases), strict=True):
            digest.update(repr((case.case_id, label, self.crop_sha256[case.case_id])).encode())
        for values in self.encoding.vectors(cases):
            digest.update(values.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class TrainedLesions:
    """What a training gave.

    Attributes
    ----------
    weights
        File of the weights.
    weights_sha256
        Of that file.
    epochs, best_epoch
        How many were trained, and the one whose weights were kept.
    probabilities : numpy.ndarray of float, (cases, classes)
        Of all cases of the training, by their slices of the largest area.
    """

    weights: Path
    weights_sha256: str
    epochs: int
    best_epoch: int
    probabilities: np.ndarray


def begin_lesion_training(training: LesionTraining, *, restart: bool) -> None:
    """Make the folder ready; BadInputError if it holds a training of something else, see `begin_training`."""
    begin_training(training.output, _about(training), restart=restart)
    if restart:
        (training.output / WEIGHTS_FILE).unlink(missing_ok=True)


def train_lesions(
    training: LesionTraining, *, device: str, report: Progress, before: int = 0, total: int | None = None
) -> TrainedLesions:
    """Train a network and have it score all cases, or take what an earlier run has done of both.

    Parameters
    ----------
    report, before, total
        Told after every epoch that so many of all epochs are done, of this training and those before it.

    Raises
    ------
    WorkFailedError, BadInputError
        As `fit_lesions`.
    """
    weights, name = training.output / WEIGHTS_FILE, f"{training.model}, seed {training.seed}"
    total = training.settings.epochs if total is None else total

    def after_epoch(done: int) -> None:
        report(before + done, total, f"training {name}")

    def after_part(done: int) -> None:
        report(done, len(training.cases), f"scoring with {name}")

    scored = training.sha256(training.cases)
    result = read_record(training.output / RESULT_FILE)
    if misfit(result, _RESULT) or file_sha256(weights) != result["weights_sha256"]:
        network, fitted = _fit(training, device=device, after_epoch=after_epoch)
        write_curves(training.output, _curve(training, fitted))
        result = {
            "weights_sha256": write_weights(weights, network),
            "epochs": len(fitted.losses),
            "best_epoch": fitted.best_epoch,
        }
    else:
        after_epoch(training.settings.epochs)
    if result.get("scored_sha256") != scored:
        network = _build(training)
        take_weights(network, weights, sha256=result["weights_sha256"], name=training.model)
        found = probabilities_of(network.to(device), training.tensors(training.cases), after_part=after_part)
        of_cases = dict(zip((case.case_id for case in training.cases), found.tolist(), strict=True))
        result = {**result, "scored_sha256": scored, "probabilities": of_cases}
        write_result(training.output, result)
    probabilities = np.array([result["probabilities"][case.case_id] for case in training.cases])
    return TrainedLesions(weights, result["weights_sha256"], result["epochs"], result["best_epoch"], probabilities)


def _build(training: LesionTraining) -> nn.Module:
    """Draw a network's weights; the one with shuffled levels is a DMFN like any other."""
    return build_network(
        DMFN if training.model == SHUFFLED else training.model, classes=training.classes, encoding=training.encoding,
        depth=training.settings.depth, cell=training.settings.cell,
    )  # fmt: skip


def _fit(training: LesionTraining, *, device: str, after_epoch: Callable[[int], None]) -> tuple[nn.Module, LesionFit]:
    learned, tuning = training.of_split("training"), training.of_split("tuning")
    labels = as_labels(training.classes, 2 * training.labels(learned))
    return fit_lesions(
        training.tensors(learned, adjacent=True),
        labels,
        tuning=training.tensors(tuning),
        tuning_labels=as_labels(training.classes, training.labels(tuning)),
        build=lambda: _build(training),
        name=training.model,
        settings=training.settings,
        seed=training.seed,
        checkpoint=checkpoint_of(training.output, ALL_CASES),
        device=device,
        after_epoch=after_epoch,
    )


def _about(training: LesionTraining) -> dict[str, Any]:
    """Tell what the training follows from: the external cases are not among it."""
    return {
        **training.settings.of_training(training.model),
        "model": training.model,
        "seed": training.seed,
        "cases, crops and classes (SHA-256)": training.sha256(
            [*training.of_split("training"), *training.of_split("tuning")]
        ),
    }


def _curve(training: LesionTraining, fitted: LesionFit) -> list[tuple[object, ...]]:
    settings = training.settings
    losses = zip(fitted.losses, fitted.tuning_losses, strict=True)
    return [
        (ALL_CASES, settings.learning_rate, epoch, learning_rate(settings, epoch), loss, tuning_loss)
        for epoch, (loss, tuning_loss) in enumerate(losses, start=1)
    ]
