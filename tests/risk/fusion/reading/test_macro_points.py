"""Answers in many classes as macro points, on paper."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.fusion.reading.macro_points import judged_classes, macro_auc, macro_curve, macro_point

REFERENCE = np.array([0.0] * 5 + [1.0] * 5 + [2.0] * 2)


def test_classes_of_few_cases_are_not_judged() -> None:
    """Two cases of the third class; where all are of one class there is no rest to tell it from."""
    assert judged_classes(REFERENCE, 4) == (0, 1)
    assert judged_classes(np.zeros(9), 2) == ()


def test_the_point_of_answers() -> None:
    """All called the first class: sensitivities 1 and 0, 1 - specificities 1 and 0: chance."""
    assert macro_point(np.zeros(12), REFERENCE, (0, 1)) == (0.5, 0.5)
    assert macro_point(REFERENCE, REFERENCE, (0, 1)) == (0.0, 1.0)
    answers = np.array([0.0] * 4 + [1.0] + [1.0] * 5 + [0.0, 2.0])  # one cyst is missed, one other is called it
    # sensitivity .8 and 1; 1 - specificity 1/7 and 1/7
    assert macro_point(answers, REFERENCE, (0, 1)) == pytest.approx((1 / 7, 0.9))


def test_the_area_of_answers_is_that_of_their_probabilities() -> None:
    """An answer is a probability of 1: the area is the mean of sensitivity and specificity, the curve ends at 1."""
    answers = np.array([0.0] * 4 + [1.0] + [1.0] * 5 + [0.0, 2.0])
    probabilities = np.eye(3)[answers.astype(int)]
    assert macro_auc(probabilities, REFERENCE, (0, 1)) == pytest.approx((0.9 + 1 - 1 / 7) / 2)
    x, y = macro_curve(probabilities, REFERENCE, (0, 1))
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert np.all(np.diff(y) >= 0)
