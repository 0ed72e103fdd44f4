"""sensitivity_by_volume.csv: which lesions are found, by their volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.base.files import write_csv
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesion import THRESHOLDS
from nnunet_amt.evaluation.measure.matching import UNMATCHED
from nnunet_amt.statistics.intervals import wilson_interval

# Balls of 1.2, 2.7 and 5.8 cm. The paper has no bins of volume.
VOLUME_LIMITS_CM3 = (1.0, 10.0, 100.0)
VOLUME_BINS_COLUMNS = (
    *("from_cm3", "below_cm3", "iou_threshold", "lesions", "found", "sensitivity"),
    *("wilson95_low", "wilson95_high"),
)
_MM3_PER_CM3 = 1000.0


@dataclass(frozen=True)
class VolumeBin:
    """The reference lesions of all cases whose volume lies in a range.

    Attributes
    ----------
    low, high
        From `low` to below `high`, in cm3; no upper limit where `high` is None.
    lesions
        Their number.
    found
        How many of them are matched, an entry a threshold of `THRESHOLDS`.
    """

    low: float
    high: float | None
    lesions: int
    found: tuple[int, ...]


def sensitivity_by_volume(cases: Sequence[CaseEvaluation]) -> tuple[VolumeBin, ...]:
    """Count reference lesions and those found in every bin between `VOLUME_LIMITS_CM3`."""
    volumes = np.concatenate(
        [case.counts.reference_voxels * (case.counts.voxel_volume_mm3 / _MM3_PER_CM3) for case in cases]
    )
    found = np.concatenate([case.lesions.partners != UNMATCHED for case in cases], axis=1)  # (thresholds, lesions)
    bin_of = np.digitize(volumes, VOLUME_LIMITS_CM3)
    edges = (0.0, *VOLUME_LIMITS_CM3, None)
    return tuple(
        VolumeBin(
            low=edges[number] or 0.0,
            high=edges[number + 1],
            lesions=int((bin_of == number).sum()),
            found=tuple(found[:, bin_of == number].sum(axis=1).tolist()),
        )
        for number in range(len(edges) - 1)
    )


def write_volume_bins_csv(path: Path, bins: Sequence[VolumeBin]) -> None:
    """Write a row a bin and threshold, with Wilson's interval; sensitivity is empty where a bin has no lesion."""
    write_csv(path, VOLUME_BINS_COLUMNS, (row for volume_bin in bins for row in _rows(volume_bin)))


def _rows(volume_bin: VolumeBin) -> Iterator[dict[str, object]]:
    lesions = volume_bin.lesions
    for threshold, found in zip(THRESHOLDS, volume_bin.found, strict=True):
        row: dict[str, object] = {
            "from_cm3": volume_bin.low,
            "below_cm3": volume_bin.high,
            "iou_threshold": threshold,
            "lesions": lesions,
            "found": found,
        }
        if lesions:
            low, high = wilson_interval(found, lesions)
            row |= {"sensitivity": found / lesions, "wilson95_low": low, "wilson95_high": high}
        yield row
