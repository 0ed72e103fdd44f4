"""Many classes: the AUC over those that have cases enough, the first and the first three guesses, each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.performance import auc_of
from nnunet_amt.risk.evaluation.subgroups import FEWEST_OF_CLASS
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, ScoredLesionModel, SplitScores
from nnunet_amt.risk.fusion.evaluation.performance import MAIN_AREA, Area, ClassPerformance, LesionPerformance
from nnunet_amt.risk.fusion.lesion_case import LesionCohort, LesionSplit
from nnunet_amt.statistics.intervals import percentile_interval, with_width
from nnunet_amt.statistics.multiclass_roc import MULTICLASS_AREAS, bootstrap_multiclass_auc, multiclass_auc
from nnunet_amt.statistics.rates import Rate

TOP = 3


def judged_classes(reference: NDArray[np.intp]) -> tuple[int, ...]:
    """Give the numbers of the classes with as many cases as a mean over classes takes: `FEWEST_OF_CLASS`."""
    numbers, cases = np.unique(reference, return_counts=True)
    return tuple(numbers[cases >= FEWEST_OF_CLASS].tolist())


def guesses(probabilities: NDArray[np.float64]) -> NDArray[np.intp]:
    """Give the numbers of the `TOP` most probable classes of each case, (cases, TOP); of equals the first."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]


def multiclass_performances(scores: LesionScores, *, seed: int = 0) -> tuple[LesionPerformance, ...]:
    """Judge every model on its tuning cases, then on its external ones; `seed` is that of the bootstrap."""
    return tuple(
        multiclass_performance(scores, model, split, model.of_split[split], seed=seed)
        for split in scores.splits
        for model in scores.models
        if split in model.of_split
    )


def multiclass_performance(
    scores: LesionScores, model: ScoredLesionModel, split: LesionSplit, cases: SplitScores, *, seed: int = 0
) -> LesionPerformance:
    """Judge a model on cases, which may be some of those of a split."""
    right = right_answers(cases, scores.benign_classes)
    judged, malignant = judged_classes(cases.reference), cases.malignant
    called, classes = guesses(cases.ensemble)[:, 0], len(scores.classes)
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (cases.reference, called), 1)
    return LesionPerformance(
        model.name,
        model.title,
        split,
        len(cases.cases),
        int((~malignant).sum()),
        int(malignant.sum()),
        _areas(cases, judged, seed),
        {name: Rate(int(of_cases.sum()), len(of_cases)) for name, of_cases in right.items()},
        None,
        matrix,
        tuple(_of_class(scores, cases, place, judged=place in judged, seed=seed) for place in range(classes)),
        {one: _main_area(table, cases.reference, judged) for one, table in cases.of_seed.items()},
    )


def right_answers(cases: SplitScores, benign_classes: frozenset[int]) -> dict[str, NDArray[np.bool_]]:
    """Give for each rate of many classes what it counts, of the cases that it is of, (cases of it,).

    `malignant_as_benign` is of the malignant cases, and counts those whose first guess is a class of benign lesions.
    """
    best = guesses(cases.ensemble)
    among = best == cases.reference[:, None]
    as_benign = np.isin(best[:, 0], list(benign_classes))
    return {
        "top_1": among[:, 0],
        "top_3": among.any(axis=1),
        "malignant_as_benign": as_benign[cases.malignant],
    }


def most_frequent(cohort: LesionCohort, classes: Sequence[str], reference: NDArray[np.intp]) -> dict[str, Rate]:
    """Give `top_1` and `top_3` of naming the most frequent classes of the training cases, whoever the patient is."""
    names = [case.class_of("multiclass") for case in cohort.of_split("training")]
    numbers = [classes.index(name) for name in names if name in classes]
    order = np.argsort(-np.bincount(np.array(numbers, dtype=int), minlength=len(classes)), kind="stable")
    return {
        name: Rate(int(np.isin(reference, order[:first]).sum()), len(reference))
        for name, first in (("top_1", 1), ("top_3", TOP))
    }


def _areas(cases: SplitScores, judged: Sequence[int], seed: int) -> dict[str, Area]:
    """Give the areas with the intervals of a bootstrap over patients, which are withheld of few cases."""
    if len(judged) < 2:
        return {name: Area(None) for name in MULTICLASS_AREAS}
    values = multiclass_auc(cases.ensemble, cases.reference, judged=judged)
    if len(cases.cases) < FEWEST_CASES:
        return {name: Area(values[name]) for name in MULTICLASS_AREAS}
    samples = bootstrap_multiclass_auc([cases.ensemble], cases.reference, cases.patients, judged=judged, seed=seed)
    low, high = percentile_interval(samples[0].T)
    limits = zip(low.tolist(), high.tolist(), strict=True)
    return {
        name: Area(values[name], with_width(interval)) for name, interval in zip(MULTICLASS_AREAS, limits, strict=True)
    }


def _main_area(table: NDArray[np.float64], reference: NDArray[np.intp], judged: Sequence[int]) -> float | None:
    if len(judged) < 2:
        return None
    return multiclass_auc(table, reference, judged=judged)[MAIN_AREA["multiclass"]]


def _of_class(scores: LesionScores, cases: SplitScores, place: int, *, judged: bool, seed: int) -> ClassPerformance:
    own, best = cases.reference == place, guesses(cases.ensemble)
    number = int(own.sum())
    found = auc_of(cases.ensemble[:, place], own, cases.patients, seed=seed)
    return ClassPerformance(
        scores.classes[place],
        number,
        judged,
        Area(found.auc, found.interval) if judged else Area(None),
        Rate(int((best[own, 0] == place).sum()), number),
        Rate(int((best[own] == place).any(axis=1).sum()), number),
    )
