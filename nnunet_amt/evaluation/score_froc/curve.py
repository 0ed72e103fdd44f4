"""The score FROC: sensitivity against false positives per scan as the confidence is lowered.

Beside it the paper's own FROC, in which the IoU threshold is swept and every predicted lesion kept: no score FROC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS, UNMATCHED, match_sweep
from nnunet_amt.evaluation.score_froc.candidates import CaseCandidates, Confidence, hits
from nnunet_amt.evaluation.settings import EvaluationSettings, FalsePositiveRule
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES, Interval
from nnunet_amt.statistics.intervals import (
    percentile_interval,
    resampled_weights,
    several_each,
    wilson_interval,
    with_width,
)

_BLOCK_WEIGHTS = 2_000_000  # of lesions held at once: 16 MB
# False positives per scan at which the sensitivity is averaged to the CPM, from the ANODE09 and LUNA16 challenges.
CPM_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class ScoreFroc:
    """Operating points of one confidence, from the strictest to that which keeps every predicted lesion."""

    confidence: Confidence  # what is swept
    threshold: tuple[float, ...]  # predicted lesions of this confidence or more are kept
    # tp, fp: matched reference lesions and false positives among the predicted lesions kept
    tp: tuple[int, ...]
    fp: tuple[int, ...]
    references: int  # all reference lesions
    scans: int  # all cases, those without lesions too
    scans_without_tumour: int = 0

    @property
    def sensitivity(self) -> tuple[float | None, ...]:
        """Share of all reference lesions that are matched; None without any."""
        return tuple(tp / self.references if self.references else None for tp in self.tp)

    @property
    def fp_per_scan(self) -> tuple[float, ...]:
        """False positives by the number of scans."""
        return tuple(fp / self.scans for fp in self.fp)

    def sensitivity_at(self, rate: float) -> float | None:
        """Give the highest sensitivity of an operating point of at most `rate` false positives per scan.

        No point is invented between two of them. 0 if even the first has more false positives; above the highest
        rate of the curve it stays that of the last point.
        """
        if not self.references:
            return None
        found = [tp for tp, fp in zip(self.tp, self.fp, strict=True) if fp <= rate * self.scans]
        return max(found, default=0) / self.references

    def reaches(self, rate: float) -> bool:
        """Whether the curve has an operating point of `rate` false positives per scan or more."""
        return bool(self.fp) and self.fp[-1] >= rate * self.scans

    @property
    def cpm(self) -> float | None:
        """Competition performance metric: the mean of `sensitivity_at` over `CPM_RATES`; None without a lesion."""
        sensitivities = [self.sensitivity_at(rate) for rate in CPM_RATES]
        known = [value for value in sensitivities if value is not None]
        return sum(known) / len(CPM_RATES) if known else None


@dataclass(frozen=True)
class ScoreIntervals:
    """95% intervals of a score FROC; None where one is withheld, undefined or has no width.

    Attributes
    ----------
    cpm
        The percentile bootstrap's.
    sensitivity
        At each of `CPM_RATES`: the bootstrap's, or what is wider of it and Wilson's where cases are drawn.
    clusters
        Patients or institutions of several cases that were drawn; None if cases were.
    """

    cpm: Interval | None
    sensitivity: tuple[Interval | None, ...]
    clusters: int | None


@dataclass(frozen=True)
class IouSweep:
    """Pooled sensitivity and false positives per scan at each IoU threshold, as in the paper's Fig. 4."""

    iou_threshold: tuple[float, ...]
    sensitivity: tuple[float | None, ...]
    fp_per_scan: tuple[float, ...]


def score_froc(
    cases: Sequence[CaseCandidates], confidence: Confidence, *, rule: FalsePositiveRule = "unmatched"
) -> ScoreFroc:
    """Sweep the confidence over all predicted lesions of all cases.

    There is one operating point for each confidence that occurs: lesions of equal confidence come and go together.
    The last keeps every predicted lesion. By `rule` a false positive is every predicted lesion that is no hit, or only
    one apart from all references.
    """
    ranked = _Ranked.of(cases, confidence, rule)
    tp, fp = (np.cumsum(kind)[ranked.last_of_equals] for kind in (ranked.is_hit, ranked.is_false))
    return ScoreFroc(
        confidence=confidence,
        threshold=tuple(ranked.scores[ranked.last_of_equals].tolist()),
        tp=tuple(tp.tolist()),
        fp=tuple(fp.tolist()),
        references=sum(len(case.levels) for case in cases),
        scans=len(cases),
        scans_without_tumour=sum(not len(case.levels) for case in cases),
    )


@dataclass(frozen=True, eq=False)
class _Ranked:
    """The predicted lesions of all cases, the most confident first, (lesions,)."""

    scores: np.ndarray
    is_hit: np.ndarray
    is_false: np.ndarray
    case: np.ndarray  # its place among the cases
    last_of_equals: np.ndarray  # places of lesions with which an operating point ends

    @classmethod
    def of(cls, cases: Sequence[CaseCandidates], confidence: Confidence, rule: FalsePositiveRule) -> _Ranked:
        scores = np.concatenate([case.confidences[confidence] for case in cases])
        is_hit = np.concatenate([hits(case.levels, case.confidences[confidence]) for case in cases])
        is_false = ~is_hit if rule == "unmatched" else np.concatenate([case.apart for case in cases])
        case = np.repeat(np.arange(len(cases)), [len(case.voxels) for case in cases])
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        last = np.flatnonzero(np.append(np.diff(falling) != 0, True)) if len(falling) else np.empty(0, int)
        return cls(falling, is_hit[order], is_false[order], case[order], last)


def score_intervals(
    cases: Sequence[CaseCandidates],
    curve: ScoreFroc,
    *,
    settings: EvaluationSettings,
    clusters: Mapping[str, str] | None = None,
) -> ScoreIntervals:
    """Bootstrap the CPM of a curve, and its sensitivity at `CPM_RATES`: each resample has a curve of its own.

    Drawn are cases, or the patients or institutions of `clusters`, by case id, with all of their cases.
    """
    joint = None if clusters is None else several_each([clusters[case.case_id] for case in cases])
    of_case = np.arange(len(cases)) if joint is None else np.unique(joint, return_inverse=True)[1]
    with_lesions = {int(cluster) for cluster, case in zip(of_case, cases, strict=True) if len(case.levels)}
    found: list[Interval | None] = [None] * (1 + len(CPM_RATES))
    if len(with_lesions) >= (2 if settings.ci_always else FEWEST_CASES):
        ranked = _Ranked.of(cases, curve.confidence, settings.false_positive_rule)
        references = np.array([len(case.levels) for case in cases], dtype=float)
        blocks = resampled_weights(int(of_case.max()) + 1, resamples=settings.bootstrap_resamples, seed=settings.seed)
        parts = (part for weights in blocks for part in np.array_split(weights, _parts(weights, ranked)))
        sampled = np.concatenate([_sensitivities(ranked, references, part[:, of_case]) for part in parts])
        low, high = percentile_interval(np.column_stack([sampled.mean(axis=1), sampled]))
        found = [with_width(limits) for limits in zip(low.tolist(), high.tolist(), strict=True)]
    at_rates = found[1:]
    if joint is None and curve.references:
        at_rates = [_at_least_wilson(curve, *both) for both in zip(CPM_RATES, at_rates, strict=True)]
    return ScoreIntervals(found[0], tuple(at_rates), None if joint is None else len(set(joint)))


def _parts(weights: np.ndarray, ranked: _Ranked) -> int:
    """Into how many parts resamples are divided, so that their weights of all lesions fit into the memory."""
    return min(len(weights), 1 + len(weights) * len(ranked.case) // _BLOCK_WEIGHTS)


def _sensitivities(ranked: _Ranked, references: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Give the sensitivity at each rate of some resamples, whose weights are (resamples, cases).

    Returns
    -------
    numpy.ndarray of float, (resamples, rates)
        NaN in a resample without a lesion.
    """
    of_lesion = weights[:, ranked.case]
    tp, fp = (
        np.cumsum(of_lesion * kind, axis=1)[:, ranked.last_of_equals] for kind in (ranked.is_hit, ranked.is_false)
    )
    tp = np.column_stack([np.zeros(len(weights)), tp])
    lesions, scans = weights @ references, weights.sum(axis=1)
    sensitivities = np.full((len(weights), len(CPM_RATES)), np.nan)
    for column, rate in enumerate(CPM_RATES):
        kept = (fp <= rate * scans[:, None]).sum(axis=1)  # operating points, of rising false positives
        np.divide(tp[np.arange(len(tp)), kept], lesions, out=sensitivities[:, column], where=lesions > 0)
    return sensitivities


def _at_least_wilson(curve: ScoreFroc, rate: float, bootstrap: Interval | None) -> Interval:
    found = round((curve.sensitivity_at(rate) or 0.0) * curve.references)
    low, high = wilson_interval(found, curve.references)
    return (low, high) if bootstrap is None else (min(low, bootstrap[0]), max(high, bootstrap[1]))


def iou_sweep(cases: Sequence[CaseCandidates], *, rule: FalsePositiveRule = "unmatched") -> IouSweep:
    """Match all predicted lesions at each IoU threshold; those without a partner, or without overlap, are false."""
    tp = np.zeros(len(THRESHOLDS), dtype=int)
    for case in cases:
        tp += (match_sweep(case.levels, paper.IOU_THRESHOLD_TWENTIETHS) != UNMATCHED).sum(axis=1)
    references = sum(len(case.levels) for case in cases)
    if rule == "unmatched":
        fp = sum(len(case.voxels) for case in cases) - tp
    else:
        fp = np.full_like(tp, sum(int(case.apart.sum()) for case in cases))
    return IouSweep(
        iou_threshold=THRESHOLDS,
        sensitivity=tuple(found / references if references else None for found in tp.tolist()),
        fp_per_scan=tuple(false / len(cases) for false in fp.tolist()),
    )
