"""The paper's own FROC, in which the IoU threshold is swept and every predicted lesion kept: no score FROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS, UNMATCHED, match_sweep
from nnunet_amt.evaluation.score_froc.candidates import CaseCandidates
from nnunet_amt.evaluation.settings import FalsePositiveRule


@dataclass(frozen=True)
class IouSweep:
    """Pooled sensitivity and false positives per scan at each IoU threshold, as in the paper's Fig. 4."""

    iou_threshold: tuple[float, ...]
    sensitivity: tuple[float | None, ...]
    fp_per_scan: tuple[float, ...]


def iou_sweep(cases: Sequence[CaseCandidates], rule: FalsePositiveRule = "unmatched") -> IouSweep:
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
