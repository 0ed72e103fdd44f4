"""Answers in many classes as macro points, on paper."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.fusion.reading.macro_points import macro_point

REFERENCE = np.array([0.0] * 5 + [1.0] * 5 + [2.0] * 2)


def test_the_point_of_answers() -> None:
    """All called the first class: sensitivities 1 and 0, 1 - specificities 1 and 0: chance."""
    assert macro_point(np.zeros(12), REFERENCE, (0, 1)) == (0.5, 0.5)
    assert macro_point(REFERENCE, REFERENCE, (0, 1)) == (0.0, 1.0)
    answers = np.array([0.0] * 4 + [1.0] + [1.0] * 5 + [0.0, 2.0])  # one cyst is missed, one other is called it
    # sensitivity .8 and 1; 1 - specificity 1/7 and 1/7
    assert macro_point(answers, REFERENCE, (0, 1)) == pytest.approx((1 / 7, 0.9))
