"""The dial: every setting of an operating point that is tried on the tuning cases, and the choice among them.

The components of a case are found once for each candidate level; what a setting keeps of them is counted once for each
different choice. Components, matching and Dice are those of the evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.measure.case import voxel_metrics
from nnunet_amt.evaluation.measure.lesions import (
    UNMATCHED,
    intersection_table,
    iou_levels,
    label_components,
    match_sweep,
)
from nnunet_amt.evaluation.operating_points.point import ARGMAX, Candidates, OperatingPoint, find_candidates
from nnunet_amt.evaluation.score_froc.candidates import CONFIDENCES, HIT_TWENTIETHS
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.probability_file import HIGHEST_LEVEL, LOWEST_OF_TUMOUR

CANDIDATE_THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
SCORE_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
MINIMUM_CM3 = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LARGEST_VOLUME_BIAS = 0.02


def _settings() -> tuple[OperatingPoint, ...]:
    """List the dial by candidate level; the argmax is among them."""
    levels = [int(np.ceil(round(threshold * HIGHEST_LEVEL, 6))) for threshold in CANDIDATE_THRESHOLDS]
    scores = [("mean", 0.0), *((score, threshold) for score in CONFIDENCES for threshold in SCORE_THRESHOLDS)]
    return tuple(
        replace(ARGMAX, candidate_level=level, score=score, score_threshold=threshold, minimum_cm3=size)
        for level in levels
        for score, threshold in scores
        for size in MINIMUM_CM3
    )


DIAL = _settings()
BY_LEVEL = {level: tuple(points) for level, points in groupby(DIAL, key=lambda point: point.candidate_level)}


@dataclass(frozen=True, eq=False)
class CaseOutcomes:
    """What each setting of `DIAL` makes of a case.

    Attributes
    ----------
    tp, fp, dice, predicted_cm3
        Found reference lesions and false positives at IoU > 0.1, Dice (NaN where undefined), volume; (settings,).
    references, reference_cm3
        Lesions of the reference, and their volume.
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    dice: NDArray[np.float64]
    predicted_cm3: NDArray[np.float64]
    references: int
    reference_cm3: float


def case_outcomes(levels: NDArray[np.uint8], reference: Foreground, *, settings: EvaluationSettings) -> CaseOutcomes:
    """Try the whole dial on one case.

    Parameters
    ----------
    levels
        Tumour probability times 255, (z, y, x) as stored.
    reference
        The reference mask on the same voxels.
    settings
        Connectivity, and the smallest predicted lesion that counts.
    """
    references = label_components(reference, connectivity=settings.connectivity)
    reference_voxels = np.array([np.count_nonzero(piece.mask) for piece in references], np.int64)
    rows: list[tuple[int, int, float, int]] = []
    for level, points in BY_LEVEL.items():
        found = find_candidates(levels, reference.spacing, level=level)
        table = intersection_table(references, found.boxes)
        kept = np.array([[*point.keeps(found), True] for point in points])  # never without a column
        different, which = np.unique(kept, axis=0, return_inverse=True)
        counted = [_outcome(choice[:-1], found, table, reference_voxels, settings) for choice in different]
        rows += [counted[index] for index in which.ravel()]
    tp, fp, dice, voxels = (np.array(column) for column in zip(*rows, strict=True))
    cm3 = float(np.prod(reference.spacing)) / 1000
    return CaseOutcomes(tp, fp, dice, voxels * cm3, len(references), float(reference_voxels.sum()) * cm3)


def _outcome(
    kept: NDArray[np.bool_],
    found: Candidates,
    table: NDArray[np.int64],
    reference_voxels: NDArray[np.int64],
    settings: EvaluationSettings,
) -> tuple[int, int, float, int]:
    """Give found lesions, false positives, Dice and voxels of some candidates."""
    overlap, predicted = int(table[:, kept].sum()), int(found.voxels[kept].sum())
    dice = voxel_metrics(overlap, predicted - overlap, int(reference_voxels.sum()) - overlap).dice
    counted = kept & (found.voxels >= settings.minimum_predicted_voxels)
    pairs = iou_levels(table[:, counted], reference_voxels, found.voxels[counted])
    tp = int((match_sweep(pairs, (HIT_TWENTIETHS,))[0] != UNMATCHED).sum())
    return tp, int(counted.sum()) - tp, np.nan if dice is None else dice, predicted


@dataclass(frozen=True, eq=False)
class DialOutcomes:
    """What each setting of `DIAL` makes of all tuning cases, (settings,)."""

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    dice: NDArray[np.float64]  # mean over the cases that have one
    predicted_cm3: NDArray[np.float64]
    references: int
    reference_cm3: float
    scans: int

    @classmethod
    def of(cls, cases: Sequence[CaseOutcomes]) -> DialOutcomes:
        """Pool the cases; one of them has a reference lesion."""
        dice = np.array([case.dice for case in cases])  # (cases, settings)
        defined = ~np.isnan(dice)
        return cls(
            tp=np.sum([case.tp for case in cases], axis=0),
            fp=np.sum([case.fp for case in cases], axis=0),
            dice=np.where(defined, dice, 0.0).sum(axis=0) / defined.sum(axis=0),
            predicted_cm3=np.sum([case.predicted_cm3 for case in cases], axis=0),
            references=sum(case.references for case in cases),
            reference_cm3=sum(case.reference_cm3 for case in cases),
            scans=len(cases),
        )

    @property
    def sensitivity(self) -> NDArray[np.float64]:
        """Share of the reference lesions that are found."""
        return self.tp / self.references

    @property
    def fp_per_scan(self) -> NDArray[np.float64]:
        """False positives by the number of scans."""
        return self.fp / self.scans

    @property
    def f1(self) -> NDArray[np.float64]:
        """Lesion F1: twice the found, by all reference and predicted lesions that count."""
        return 2 * self.tp / (self.tp + self.fp + self.references)

    @property
    def volume_bias(self) -> NDArray[np.float64]:
        """Total predicted volume by that of the references, less 1."""
        return self.predicted_cm3 / self.reference_cm3 - 1


def choose_points(dial: DialOutcomes, *, most_fp_per_scan: float) -> tuple[dict[str, OperatingPoint], dict[str, str]]:
    """Choose the three points; give them by name, and why others could not be had.

    ``screening`` has the highest sensitivity with at most so many false positives per scan, ``balanced`` the highest
    lesion F1, both at IoU > 0.1; ``volumetry`` the highest mean Dice with a total volume within 2%. Among equals
    ``screening`` takes fewer false positives, then the smaller size and a candidate threshold no higher than the
    argmax's, so that it still finds what these cases do not show; then all take the higher Dice, and last the setting
    nearest to the argmax.
    """
    nearness = [_nearness(point) for point in DIAL]
    rate, bias = dial.fp_per_scan, np.abs(dial.volume_bias)
    rules: dict[str, tuple[NDArray[np.bool_], Callable[[int], tuple], str]] = {
        "screening": (
            rate <= most_fp_per_scan,
            lambda i: (dial.tp[i], -dial.fp[i], _openness(DIAL[i]), dial.dice[i], nearness[i]),
            f"no setting has {most_fp_per_scan:g} false positives per scan or fewer; the fewest are {rate.min():.2f}",
        ),
        "balanced": (dial.f1 > 0, lambda i: (dial.f1[i], dial.dice[i], nearness[i]), "no setting finds a lesion"),
        "volumetry": (
            bias <= LARGEST_VOLUME_BIAS,
            lambda i: (dial.dice[i], -bias[i], nearness[i]),
            f"no setting has a total volume within {LARGEST_VOLUME_BIAS:.0%}; the nearest is "
            f"{dial.volume_bias[bias.argmin()]:+.1%}",
        ),
    }
    points, missing = {}, {}
    for name, (allowed, worth, reason) in rules.items():
        if allowed.any():
            points[name] = replace(DIAL[max(np.flatnonzero(allowed).tolist(), key=worth)], name=name)
        else:
            missing[name] = reason
    return points, missing


def _openness(point: OperatingPoint) -> tuple[float, ...]:
    """Order settings by how small and faint a lesion may be, but not beyond the argmax, whose outlines are better."""
    return -point.minimum_cm3, -max(point.candidate_level, LOWEST_OF_TUMOUR)


def _nearness(point: OperatingPoint) -> tuple[float, ...]:
    """Order settings by how little they do beside the argmax; the larger the nearer."""
    away = abs(point.candidate_level - LOWEST_OF_TUMOUR)
    return (-away, -point.score_threshold, -point.minimum_cm3, -CONFIDENCES.index(point.score))


def dial_width(dial: DialOutcomes) -> dict[str, object]:
    """Say how far the dial reaches: over all settings, and over the candidate threshold alone."""
    alone = [i for i, point in enumerate(DIAL) if not point.score_threshold and not point.minimum_cm3]

    def reach(chosen: Sequence[int]) -> dict[str, object]:
        results = {(int(dial.tp[i]), int(dial.fp[i])) for i in chosen}
        return {
            "settings": len(chosen),
            "distinct_points": len(results),
            "sensitivity": [float(dial.sensitivity[chosen].min()), float(dial.sensitivity[chosen].max())],
            "fp_per_scan": [float(dial.fp_per_scan[chosen].min()), float(dial.fp_per_scan[chosen].max())],
        }

    return {**reach(range(len(DIAL))), "candidate_threshold_alone": reach(alone)}
