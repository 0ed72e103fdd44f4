"""The score FROC: sensitivity against false positives per scan as the confidence is lowered.

Beside it the paper's own FROC, in which the IoU threshold is swept and every predicted lesion kept: no score FROC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS, UNMATCHED, match_sweep
from nnunet_amt.evaluation.score_froc.candidates import CaseCandidates, Confidence, hits
from nnunet_amt.evaluation.settings import FalsePositiveRule

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
    scores = np.concatenate([case.confidences[confidence] for case in cases])
    is_hit = np.concatenate([hits(case.levels, case.confidences[confidence]) for case in cases])
    is_false = ~is_hit if rule == "unmatched" else np.concatenate([case.apart for case in cases])
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last_of_equals = np.flatnonzero(np.append(np.diff(falling) != 0, True)) if len(falling) else np.empty(0, int)
    tp, fp = (np.cumsum(kind[order])[last_of_equals] for kind in (is_hit, is_false))
    return ScoreFroc(
        confidence=confidence,
        threshold=tuple(falling[last_of_equals].tolist()),
        tp=tuple(tp.tolist()),
        fp=tuple(fp.tolist()),
        references=sum(len(case.levels) for case in cases),
        scans=len(cases),
        scans_without_tumour=sum(not len(case.levels) for case in cases),
    )


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
