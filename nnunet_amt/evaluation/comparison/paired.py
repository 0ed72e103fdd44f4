"""Two models case by case and lesion by lesion: paired tests, and which one has the better Dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, threshold_index
from nnunet_amt.evaluation.results.read_results import EvaluatedModel
from nnunet_amt.statistics.tests import holm, mcnemar_p, wilcoxon_p

Verdict = Literal["win", "tie", "loss"]
TEST_NAMES = {"wilcoxon": "Wilcoxon", "mcnemar": "McNemar"}
VERDICTS: tuple[Verdict, ...] = ("win", "tie", "loss")
_ROUNDING = 1e-12  # 0.81 - 0.80 is 0.01 on paper, and a little more in binary


@dataclass(frozen=True)
class LesionTable:
    """Numbers of reference lesions by who found them."""

    both: int
    only_first: int
    only_other: int
    neither: int


@dataclass(frozen=True)
class PairedTest:
    """A test of one metric.

    Attributes
    ----------
    metric, iou_threshold
        As in `measures.Measure`.
    test
        ``wilcoxon`` (over cases) or ``mcnemar`` (over reference lesions).
    n
        Pairs: cases in which both models have the metric, or reference lesions.
    p
        Two-sided; None without any pair.
    p_holm
        `p` after Holm's correction for all tests of the comparison.
    lesions
        The table behind McNemar's test.
    """

    metric: str
    iou_threshold: float | None
    test: str
    n: int
    p: float | None
    p_holm: float | None = None
    lesions: LesionTable | None = None


@dataclass(frozen=True)
class CaseVerdict:
    """A case for the other model, against the first; ``win``: the other is the better one.

    A Dice is None where undefined (neither tumour nor prediction), and so is the difference (other minus first) then.
    """

    case_id: str
    dice_first: float | None
    dice_other: float | None
    difference: float | None
    verdict: Verdict


def paired_tests(first: EvaluatedModel, other: EvaluatedModel) -> tuple[PairedTest, ...]:
    """Test the voxel metrics and false positives case by case, and the detection lesion by lesion."""

    def wilcoxon(metric: str, threshold: float | None, differences: np.ndarray) -> PairedTest:
        return PairedTest(metric, threshold, "wilcoxon", differences.size, wilcoxon_p(differences))

    tests = []
    for column, name in enumerate(VOXEL_METRICS):
        differences = other.voxel[:, column] - first.voxel[:, column]
        tests.append(wilcoxon(name, None, differences[~np.isnan(differences)]))
    for place, threshold in enumerate(TABLE_THRESHOLDS):
        lesions = _lesion_table(first.found[:, place], other.found[:, place])
        p = mcnemar_p(lesions.only_first, lesions.only_other) if len(first.lesions) else None
        tests.append(PairedTest("sensitivity", threshold, "mcnemar", len(first.lesions), p, lesions=lesions))
        at = threshold_index(threshold)
        tests.append(wilcoxon("fp_per_scan", threshold, (other.fp[:, at] - first.fp[:, at]).astype(float)))
    return tuple(tests)


def corrected(families: Sequence[Sequence[PairedTest]]) -> list[tuple[PairedTest, ...]]:
    """Correct the p-values of all tests of all models together by Holm's method; undefined ones do not count."""
    p_values = iter(holm([test.p for tests in families for test in tests if test.p is not None]))
    return [
        tuple(replace(test, p_holm=None if test.p is None else next(p_values)) for test in tests) for tests in families
    ]


def case_verdicts(first: EvaluatedModel, other: EvaluatedModel, *, tie_margin: float) -> tuple[CaseVerdict, ...]:
    """Compare the Dice scores of every case.

    Differences under `tie_margin` are ties (with a margin of 0, equal scores). In a case without tumour a model that
    rightly predicts nothing has no Dice: it wins against one that predicts something, and ties with its like.
    """
    verdicts = []
    for case_id, values in zip(first.case_ids, np.column_stack([first.dice, other.dice]).tolist(), strict=True):
        one, two = (None if np.isnan(value) else value for value in values)
        if one is None or two is None:
            better: Verdict = "tie" if one == two else "win" if two is None else "loss"
            verdicts.append(CaseVerdict(case_id, one, two, None, better))
            continue
        difference = two - one
        tied = abs(difference) < tie_margin - _ROUNDING or abs(difference) <= _ROUNDING
        better = "tie" if tied else "win" if difference > 0 else "loss"
        verdicts.append(CaseVerdict(case_id, one, two, difference, better))
    return tuple(verdicts)


def _lesion_table(first: np.ndarray, other: np.ndarray) -> LesionTable:
    return LesionTable(
        both=int((first & other).sum()),
        only_first=int((first & ~other).sum()),
        only_other=int((~first & other).sum()),
        neither=int((~first & ~other).sum()),
    )
