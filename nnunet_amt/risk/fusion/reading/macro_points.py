"""Answers in many classes as points of a ROC, one class against the rest, and the mean over classes (macro)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.risk.fusion.evaluation.multiclass import judged_classes
from nnunet_amt.risk.fusion.reading.right_answers import RightAnswers
from nnunet_amt.statistics.multiclass_roc import MACRO_RATES, macro_curve, multiclass_auc

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
    """Place readers, and a model by its probabilities, (cases, classes); None under two classes of cases enough."""
    reference = result.reference.astype(np.intp)
    judged = judged_classes(reference)
    if len(judged) < 2:
        return None
    readings = result.readings
    points = {
        (reader, condition): macro_point(readings.in_condition(condition, [reader])[0], result.reference, judged)
        for reader in readings.readers
        for condition in readings.conditions
    }
    if probabilities is None:
        return MacroPoints(judged, points, None, None)
    area = multiclass_auc(probabilities, reference, judged=judged)["macro"]
    sensitivities = macro_curve(probabilities, reference, judged=judged)
    curve = np.concatenate([[0.0], MACRO_RATES]), np.concatenate([[0.0], sensitivities])
    return MacroPoints(judged, points, area, curve)


def macro_point(answers: NDArray[np.float64], reference: NDArray[np.float64], judged: Sequence[int]) -> Point:
    """Give the mean of 1 - specificity, and of sensitivity, over the judged classes, of one answer a case."""
    named = [(answers == place, reference == place) for place in judged]
    false_positive_rates = [float(said[~is_so].mean()) for said, is_so in named]
    return float(np.mean(false_positive_rates)), float(np.mean([said[is_so].mean() for said, is_so in named]))
