"""Answers in many classes as points of a ROC, one class against the rest, and the mean over classes (macro)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.risk.fusion.reading.right_answers import RightAnswers
from nnunet_amt.statistics.roc import auc, roc_points

FEWEST_OF_CLASS = 5
_GRID = np.linspace(0, 1, 201)
Point = tuple[float, float]
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class MacroPoints:
    """Macro points of readers, (1 - specificity, sensitivity), by name and condition, and the model's AUC and curve.

    `judged` are the classes of the mean, by their place; the model's are None where there is none.
    """

    judged: tuple[int, ...]
    points: Mapping[tuple[str, str], Point]
    model_auc: float | None
    model_curve: Curve | None

    def area(self, reader: str, condition: str) -> float:
        """Give a reader's macro AUC: the mean of macro sensitivity and specificity, as one answer has no curve."""
        false_positive_rate, sensitivity = self.points[reader, condition]
        return (sensitivity + 1 - false_positive_rate) / 2


def macro_points(result: RightAnswers, probabilities: NDArray[np.float64] | None) -> MacroPoints | None:
    """Place readers, and a model by its probabilities, (cases, classes); None if no class has cases enough."""
    judged = judged_classes(result.reference, len(result.question.answers))
    if not judged:
        return None
    readings = result.readings
    points = {
        (reader, condition): macro_point(readings.in_condition(condition, [reader])[0], result.reference, judged)
        for reader in readings.readers
        for condition in readings.conditions
    }
    if probabilities is None:
        return MacroPoints(judged, points, None, None)
    area = macro_auc(probabilities, result.reference, judged)
    return MacroPoints(judged, points, area, macro_curve(probabilities, result.reference, judged))


def judged_classes(reference: NDArray[np.float64], classes: int) -> tuple[int, ...]:
    """Give the classes, by their place, that have five cases or more, and are not of all cases.

    Parameters
    ----------
    reference
        Place of the right class, (cases,).
    """
    counts = np.bincount(reference.astype(int), minlength=classes)
    return tuple(place for place in range(classes) if FEWEST_OF_CLASS <= counts[place] < reference.size)


def macro_point(answers: NDArray[np.float64], reference: NDArray[np.float64], judged: Sequence[int]) -> Point:
    """Give the mean of 1 - specificity, and of sensitivity, over the judged classes, of one answer a case."""
    named = [(answers == place, reference == place) for place in judged]
    false_positive_rates = [float(said[~is_so].mean()) for said, is_so in named]
    return float(np.mean(false_positive_rates)), float(np.mean([said[is_so].mean() for said, is_so in named]))


def macro_auc(probabilities: NDArray[np.float64], reference: NDArray[np.float64], judged: Sequence[int]) -> float:
    """Give the mean AUC over the judged classes, each against the rest; probabilities are (cases, classes)."""
    return float(np.mean([auc(probabilities[:, place], reference == place) for place in judged]))


def macro_curve(probabilities: NDArray[np.float64], reference: NDArray[np.float64], judged: Sequence[int]) -> Curve:
    """Give 1 - specificity and the mean sensitivity of the judged classes there."""
    curves = [roc_points(probabilities[:, place], reference == place) for place in judged]
    sensitivities = [np.interp(_GRID, curve.false_positive_rate, curve.sensitivity) for curve in curves]
    return np.concatenate([[0.0], _GRID]), np.concatenate([[0.0], np.mean(sensitivities, axis=0)])
