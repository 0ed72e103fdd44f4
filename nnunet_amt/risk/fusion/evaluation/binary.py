"""Benign or malignant: the AUC of a model, and its rates at the threshold that the tuning cases gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.risk.evaluation.performance import auc_of
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, ScoredLesionModel, SplitScores
from nnunet_amt.risk.fusion.evaluation.performance import MAIN_AREA, Area, LesionPerformance
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, MALIGNANT, LesionSplit
from nnunet_amt.statistics.rates import Confusion, confusion
from nnunet_amt.statistics.roc import auc, youden_threshold

_POSITIVE = BINARY_CLASSES.index(MALIGNANT)


def threshold_of(model: ScoredLesionModel) -> float | None:
    """Give Youden's threshold of the ensemble on the tuning cases; None where these are not of both classes."""
    tuning = model.of_split.get("tuning")
    if tuning is None or len({*tuning.malignant.tolist()}) < 2:
        return None
    return youden_threshold(tuning.malignant_score, tuning.malignant)


def binary_performances(scores: LesionScores, *, seed: int = 0) -> tuple[LesionPerformance, ...]:
    """Judge every model on its tuning cases, then on its external ones; `seed` is that of a bootstrap over patients."""
    return tuple(
        binary_performance(model, split, model.of_split[split], seed=seed)
        for split in scores.splits
        for model in scores.models
        if split in model.of_split
    )


def binary_performance(
    model: ScoredLesionModel, split: LesionSplit, cases: SplitScores, *, seed: int = 0
) -> LesionPerformance:
    """Judge a model on cases, which may be some of those of a split."""
    malignant, patients = cases.malignant, cases.patients
    found, threshold = auc_of(cases.malignant_score, malignant, patients, seed=seed), threshold_of(model)
    counts = None if threshold is None else confusion(cases.malignant_score, malignant, threshold=threshold)
    of_seed = {
        one: None if found.auc is None else auc(table[:, _POSITIVE], malignant) for one, table in cases.of_seed.items()
    }
    return LesionPerformance(
        model.name,
        model.title,
        split,
        len(cases.cases),
        int((~malignant).sum()),
        int(malignant.sum()),
        {MAIN_AREA["binary"]: Area(found.auc, found.interval)},
        {} if counts is None else counts.rates(),
        threshold,
        None if counts is None else _matrix(counts),
        (),
        of_seed,
    )


def _matrix(counts: Confusion) -> NDArray[np.int64]:
    """Give counts as (reference, called), in the order of `BINARY_CLASSES`."""
    return np.array([[counts.true_negatives, counts.false_positives], [counts.false_negatives, counts.true_positives]])
