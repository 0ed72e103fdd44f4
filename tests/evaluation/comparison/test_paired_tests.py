"""Tests of paired differences, against p-values that can be counted on paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.evaluation.comparison.paired_tests import (
    LesionTable,
    PairedTest,
    corrected,
    mcnemar,
    paired_tests,
    wilcoxon_p,
)
from nnunet_amt.evaluation.results.evaluated_model import read_evaluated_model
from tests.evaluation.comparison.evaluations import FIRST, OTHER, TUMOUR, write_evaluation


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3, 4, 5], 2 / 32),  # all up or all down, of 32 signs
        ([-1, -2, -3, -4, -5], 2 / 32),
        ([0, 1, 2, 3, 4, 5], 2 / 32),  # a zero has a rank, but no sign
        ([1, 1, 1, 1, 1], 2 / 32),
        # Pratt: the zero has rank 1, the others 2 to 5. Negative ranks add up to 4; so or less do {}, {2}, {3} and {4}.
        # Without the zero it would be 3, of ranks 1 to 4: also {1, 2}, and p = 10/16.
        ([0, 1, 2, -3, 4], 2 * 4 / 16),
        # 0.3 - 0.2 is not 0.2 - 0.1 in binary; on paper they tie, and of ranks 1.5 and 1.5 the sum is never surprising
        ([0.3 - 0.2, -(0.2 - 0.1)], 1.0),
        ([0, 0, 0], 1.0),
        ([], None),
    ],
)
def test_wilcoxon(differences: list[float], p: float | None) -> None:
    found = wilcoxon_p(np.array(differences, dtype=float))
    assert found == (None if p is None else pytest.approx(p))


def test_wilcoxon_of_many_is_a_normal_approximation_without_continuity_correction() -> None:
    """60 differences of 1, 40 up: ranks 30.5, W 1220 against 915, variance 60 x 61 x 121 / 24 less (60^3 - 60) / 48."""
    differences = np.array([1.0] * 40 + [-1.0] * 20)
    z = (1220 - 915) / np.sqrt(60 * 61 * 121 / 24 - (60**3 - 60) / 48)
    from scipy.stats import norm

    assert wilcoxon_p(differences) == pytest.approx(2 * norm.sf(z))


@pytest.mark.parametrize(
    ("only_first", "only_other", "p"),
    [
        (0, 5, 2 / 32),
        (5, 0, 2 / 32),
        (1, 6, 2 * (1 + 7) / 128),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_is_exact(only_first: int, only_other: int, p: float) -> None:
    assert mcnemar(only_first, only_other) == pytest.approx(p)


def test_holm_counts_the_tests_of_all_models_together() -> None:
    first = PairedTest("dice", None, "wilcoxon", 9, 0.01), PairedTest("iou", None, "wilcoxon", 9, 0.04)
    second = PairedTest("dice", None, "wilcoxon", 9, 0.03), PairedTest("iou", None, "wilcoxon", 0, None)
    found = corrected([first, second])
    # 3 x 0.01; 2 x 0.03; 1 x 0.04, but no less than the one before.
    assert [[test.p_holm for test in tests] for tests in found] == [
        [pytest.approx(0.03), pytest.approx(0.06)],
        [pytest.approx(0.06), None],
    ]


def test_what_is_tested(tmp_path: Path) -> None:
    contents = {"first": FIRST, "other": OTHER}
    models = [read_evaluated_model(write_evaluation(tmp_path / name, cases), name) for name, cases in contents.items()]
    found = {(test.metric, test.iou_threshold): test for test in paired_tests(*models)}
    assert list(found) == [
        *[(name, None) for name in ("dice", "iou", "precision", "recall")],
        *[(name, t) for t in (0.1, 0.5) for name in ("sensitivity", "fp_per_scan")],
    ]
    assert [found[name, None].n for name in ("dice", "precision", "recall")] == [3, 2, 3]
    # -0.25, +1 and -0.2: ranks 2, 3 and 1, up 3 and down 3.
    assert found["dice", None].p == pytest.approx(1.0)
    sensitivity = found["sensitivity", 0.5]
    assert (sensitivity.test, sensitivity.n, sensitivity.p) == ("mcnemar", 3, pytest.approx(1.0))
    assert sensitivity.lesions == LesionTable(both=2, only_first=0, only_other=1, neither=0)
    # 0, 0, +1, +1 false positives: ranks 3.5 and 3.5 of two signs; both up or both down in 2 of 4.
    assert (found["fp_per_scan", 0.5].n, found["fp_per_scan", 0.5].p) == (4, pytest.approx(0.5))


def test_lesions_that_both_or_neither_find(tmp_path: Path) -> None:
    seven = {f"case_{i}": TUMOUR for i in range(7)}
    # the first finds the first of seven, the other all but the last: 1 both, 5 by the other alone, 1 by neither
    first = {name: (run if name == "case_0" else [], run) for name, run in seven.items()}
    other = {name: (run if name != "case_6" else [], run) for name, run in seven.items()}
    models = [
        read_evaluated_model(write_evaluation(tmp_path / str(i), c), str(i)) for i, c in enumerate([first, other])
    ]
    (test,) = [test for test in paired_tests(*models) if (test.metric, test.iou_threshold) == ("sensitivity", 0.1)]
    assert test.lesions == LesionTable(both=1, only_first=0, only_other=5, neither=1)
    assert test.p == pytest.approx(0.0625)


def test_without_lesions_there_is_no_test_of_them(tmp_path: Path) -> None:
    models = [
        read_evaluated_model(write_evaluation(tmp_path / name, {"d": (run, [])}), name)
        for name, run in (("first", []), ("other", [(0, 10)]))
    ]
    p_values = {test.metric: test.p for test in paired_tests(*models)}
    assert (p_values["sensitivity"], p_values["dice"]) == (None, None)
    assert p_values["fp_per_scan"] == 1.0
