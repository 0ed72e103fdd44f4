"""What models are compared by: every metric with its interval, tests of pairs, and which one has the better Dice.

Every metric is a ratio of two sums over cases, so that models and their differences are resampled alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, THRESHOLDS, threshold_index
from nnunet_amt.evaluation.results.read_results import EvaluatedModel
from nnunet_amt.evaluation.settings import ComparisonSettings
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.statistics.intervals import (
    fp_interval,
    percentile_interval,
    resampled_sums,
    sensitivity_interval,
    sums_of_clusters,
    with_width,
)
from nnunet_amt.statistics.tests import hodges_lehmann, holm, mcnemar_p, permutation_p, wilcoxon_p

Verdict = Literal["win", "tie", "loss"]
TEST_NAMES = {"permutation": "permutation", "mcnemar": "McNemar"}
VERDICTS: tuple[Verdict, ...] = ("win", "tie", "loss")
_ROUNDING = 1e-12  # 0.81 - 0.80 is 0.01 on paper, and a little more in binary


@dataclass(frozen=True)
class Measure:
    """A metric, at an IoU threshold if it needs one."""

    # ``dice``, ``iou``, ``precision``, ``recall``: mean over cases. ``precision_or_0``: the same, with 0 in the cases
    # with a tumour in which nothing is predicted. ``sensitivity``, ``fp_per_scan``: pooled over lesions and scans.
    # ``sweep_sensitivity``, ``sweep_fp_per_scan``: the means of these over all thresholds
    metric: str
    iou_threshold: float | None = None  # of the pooled ones


PRECISION_OR_0 = Measure("precision_or_0")
_CASE_MEANS = (*map(Measure, VOXEL_METRICS), PRECISION_OR_0)
_SENSITIVITY = tuple(Measure("sensitivity", t) for t in THRESHOLDS)
_FP_PER_SCAN = tuple(Measure("fp_per_scan", t) for t in THRESHOLDS)
_SWEEP = (Measure("sweep_sensitivity"), Measure("sweep_fp_per_scan"))
MEASURES = (*_CASE_MEANS, *_SENSITIVITY, *_FP_PER_SCAN, *_SWEEP)
TABLE_MEASURES = (
    *_CASE_MEANS,
    *(Measure(metric, t) for t in TABLE_THRESHOLDS for metric in ("sensitivity", "fp_per_scan")),
    *_SWEEP,
)


@dataclass(frozen=True, eq=False)
class Ratios:
    """What is summed over cases for each of some measures."""

    # numerators, denominators: (cases, measures): the value of a measure is the sum of its numerators over that of its
    # denominators, which also says what the value rests on: cases in which it is defined, reference lesions, or scans
    numerators: np.ndarray
    denominators: np.ndarray
    paired: bool  # differences of two models, which only the bootstrap gives intervals of

    def of(self, cases: np.ndarray, measures: np.ndarray) -> Ratios:
        """Give some of the cases and measures, by their places."""
        part = np.ix_(cases, measures)
        return Ratios(self.numerators[part], self.denominators[part], self.paired)


@dataclass(frozen=True)
class Estimate:
    """A value with its interval."""

    value: float | None  # None where undefined
    ci95: tuple[float, float] | None  # see `MetricSummary.ci95`; of differences the bootstrap's
    n: int  # cases in which it is defined, reference lesions, or scans


def ratios(model: EvaluatedModel) -> Ratios:
    """Give the `MEASURES` of one model."""
    voxel = case_values(model)
    defined = ~np.isnan(voxel)
    return _ratios(model, np.where(defined, voxel, 0.0), defined, model.tp, model.fp, paired=False)


def difference_ratios(first: EvaluatedModel, other: EvaluatedModel) -> Ratios:
    """Give the differences of `MEASURES`, the other model's minus the first's.

    Voxel metrics are compared in the cases in which both models have them. Reference lesions and scans are the same for
    both, so differences of counts over them are differences of the ratios.
    """
    differences = case_values(other) - case_values(first)
    both = ~np.isnan(differences)
    return _ratios(first, np.where(both, differences, 0.0), both, other.tp - first.tp, other.fp - first.fp, paired=True)


def case_values(model: EvaluatedModel) -> np.ndarray:
    """Give the measures that are means over cases, (cases, 5); NaN where undefined.

    The precision is undefined where nothing is predicted. With a tumour that is a failure, which the last column counts
    as 0; without one it is right, and stays undefined, as the Dice is.
    """
    precision = model.voxel[:, VOXEL_METRICS.index("precision")]
    or_0 = np.where(np.isnan(precision) & ~np.isnan(model.dice), 0.0, precision)
    return np.column_stack([model.voxel, or_0])


def without_prediction(model: EvaluatedModel) -> int:
    """Count the cases with a tumour in which a model predicts nothing."""
    return int(np.isnan(model.voxel[model.references > 0, VOXEL_METRICS.index("precision")]).sum())


def estimates(
    columns: Sequence[Ratios], *, settings: ComparisonSettings, clusters: Sequence[str] | None = None
) -> list[tuple[Estimate, ...]]:
    """Compute the values of models or differences on the same cases, and bootstrap all over the same resamples.

    `clusters` are the patients or institutions of the cases, where these are drawn and some have several cases. Of each
    of `columns` there is one estimate a measure.
    """
    numerators = np.hstack([part.numerators for part in columns])
    denominators = np.hstack([part.denominators for part in columns])
    low, high = _intervals(numerators, denominators, settings, clusters)
    n, drawn = denominators.sum(axis=0), denominators
    if clusters is not None:
        drawn = sums_of_clusters(denominators, clusters)
    enough = (drawn > 0).sum(axis=0) >= _fewest(settings)  # of what is drawn and has the measure, as in evaluate
    found = [
        Estimate(
            value=float(numerator / count) if count else None,
            ci95=with_width((float(low[i]), float(high[i]))) if enough[i] else None,
            n=int(count),
        )
        for i, (numerator, count) in enumerate(zip(numerators.sum(axis=0), n, strict=True))
    ]
    size = columns[0].numerators.shape[1]
    groups = [tuple(found[start : start + size]) for start in range(0, len(found), size)]
    return [
        group if part.paired else _of_one_model(part, group, clustered=clusters is not None)
        for part, group in zip(columns, groups, strict=True)
    ]


def _of_one_model(part: Ratios, found: Sequence[Estimate], *, clustered: bool) -> tuple[Estimate, ...]:
    """Give sensitivities and false positives per scan the intervals that `evaluate` gives them."""
    estimates = []
    for measure, estimate, count in zip(MEASURES, found, part.numerators.sum(axis=0), strict=True):
        interval = estimate.ci95
        if measure.metric == "sensitivity" and estimate.n:
            interval = sensitivity_interval(int(count), estimate.n, interval, clustered=clustered)
        elif measure.metric == "fp_per_scan":
            interval = fp_interval(int(count), estimate.n, interval, clustered=clustered)
        estimates.append(replace(estimate, ci95=interval))
    return tuple(estimates)


def _ratios(
    model: EvaluatedModel, voxel: np.ndarray, defined: np.ndarray, tp: np.ndarray, fp: np.ndarray, *, paired: bool
) -> Ratios:
    thresholds = len(THRESHOLDS)
    references = np.repeat(model.references[:, None], thresholds, axis=1)
    scans = np.ones((len(model.case_ids), thresholds))
    sweep = np.stack([tp.mean(axis=1), fp.mean(axis=1)], axis=1)
    return Ratios(
        numerators=np.hstack([voxel, tp, fp, sweep]).astype(float),
        denominators=np.hstack([defined, references, scans, references[:, :1], scans[:, :1]]).astype(float),
        paired=paired,
    )


def _intervals(
    numerators: np.ndarray, denominators: np.ndarray, settings: ComparisonSettings, clusters: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    width = numerators.shape[1]
    nothing = np.full(width, np.nan)
    # many columns agree (scans, lesions, neighbouring thresholds): they are summed once
    rows, column = np.unique(np.hstack([numerators, denominators]), axis=1, return_inverse=True)
    column = column.ravel()
    if clusters is not None:
        rows = sums_of_clusters(rows, clusters)
    if len(rows) < 2:
        return nothing, nothing
    sums = resampled_sums(rows, resamples=settings.bootstrap_resamples, seed=settings.seed)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: undefined in that resample
        return percentile_interval(sums[:, column[:width]] / sums[:, column[width:]])


def _fewest(settings: ComparisonSettings) -> int:
    return 2 if settings.ci_always else FEWEST_CASES


@dataclass(frozen=True)
class LesionTable:
    """Numbers of reference lesions by who found them."""

    both: int
    only_first: int
    only_other: int
    neither: int


@dataclass(frozen=True)
class PairedTest:
    """A test of one metric, and beside it how the ranks of its differences see it."""

    # metric, iou_threshold: as in `Measure`
    metric: str
    iou_threshold: float | None
    # ``permutation``: of the mean difference, over cases or over what is drawn; ``mcnemar``: over reference lesions
    test: str
    n: int  # pairs: cases in which both models have the metric, or reference lesions
    p: float | None  # two-sided; None without any pair
    p_holm: float | None = None  # `p` after Holm's correction, see `corrected`
    lesions: LesionTable | None = None  # the table behind McNemar's test
    # Hodges-Lehmann's shift and Wilcoxon's p-value: of the differences case by case, a typical one, not their mean.
    # Without p where whole patients or institutions are drawn, as Wilcoxon's test takes cases for independent
    shift: float | None = None
    p_wilcoxon: float | None = None

    @property
    def endpoint(self) -> str:
        """What `ComparisonSettings.primary` calls the metric."""
        return self.metric if self.iou_threshold is None else f"{self.metric}_{self.iou_threshold:g}"


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


def paired_tests(
    first: EvaluatedModel,
    other: EvaluatedModel,
    *,
    settings: ComparisonSettings,
    clusters: Sequence[str] | None = None,
) -> tuple[PairedTest, ...]:
    """Test the voxel metrics and false positives case by case, and the detection lesion by lesion.

    Where `clusters` of the cases are drawn, all that is tested are the differences of whole clusters.
    """

    def of_cases(metric: str, threshold: float | None, differences: np.ndarray) -> PairedTest:
        known = ~np.isnan(differences)
        shift, wilcoxon = hodges_lehmann(differences[known]), wilcoxon_p(differences[known])
        if clusters is not None:
            wilcoxon = None
        return PairedTest(
            *(metric, threshold, "permutation", int(known.sum()), mean_p(differences, clusters)),
            shift=shift,
            p_wilcoxon=wilcoxon,
        )

    def mean_p(differences: np.ndarray, clusters: Sequence[str] | None) -> float | None:
        known = np.flatnonzero(~np.isnan(differences))
        sums = differences[known]
        if clusters is not None and known.size:
            sums = sums_of_clusters(sums[:, None], [clusters[i] for i in known.tolist()])[:, 0]
        return permutation_p(sums, resamples=settings.permutations, seed=settings.seed)

    tests = []
    for column, name in enumerate(VOXEL_METRICS):
        differences = other.voxel[:, column] - first.voxel[:, column]
        tests.append(of_cases(name, None, differences))
    for place, threshold in enumerate(TABLE_THRESHOLDS):
        at = threshold_index(threshold)
        one, two = first.found[:, place], other.found[:, place]
        counts = (int(found.sum()) for found in (one & two, one & ~two, ~one & two, ~one & ~two))
        lesions, kind = LesionTable(*counts), "mcnemar"
        p = mcnemar_p(lesions.only_first, lesions.only_other) if len(first.lesions) else None
        if clusters is not None and p is not None:
            kind, p = "permutation", mean_p((other.tp[:, at] - first.tp[:, at]).astype(float), clusters)
        tests.append(PairedTest("sensitivity", threshold, kind, len(first.lesions), p, lesions=lesions))
        tests.append(of_cases("fp_per_scan", threshold, (other.fp[:, at] - first.fp[:, at]).astype(float)))
    return tuple(tests)


def corrected(families: Sequence[Sequence[PairedTest]], *, primary: str) -> list[tuple[PairedTest, ...]]:
    """Correct p-values by Holm's method: those of the primary endpoint together, and all others of all models together.

    So with two models that of the primary endpoint stays as it is. Undefined ones do not count.
    """

    def p_values(of_primary: bool) -> Iterator[float]:
        tests = (test for family in families for test in family if (test.endpoint == primary) == of_primary)
        return iter(holm([test.p for test in tests if test.p is not None]))

    found = {of_primary: p_values(of_primary) for of_primary in (True, False)}
    return [
        tuple(replace(test, p_holm=None if test.p is None else next(found[test.endpoint == primary])) for test in tests)
        for tests in families
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
