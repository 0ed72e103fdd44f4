"""Whether the rows of the paper's Tables 3 and 4 can average to their overall rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from nnunet_amt import paper

# The paper prints two decimals.
_UNITS = 100
# Rounded, a true value lies at most half a unit from the printed one. Then so does the true average from the average of
# the printed rows, and the true overall value from its own: together one unit. Cut off instead (the paper prints 0.16
# for 1 of 6), all true values lie less than one unit above the printed, and the two differences less than one apart.
_ROUNDING = Fraction(1, _UNITS)

_VOXEL_METRICS = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
_LESION_METRICS = {
    "sensitivity_01": "sens., IoU 0.1",
    "fp_per_scan_01": "FP/scan, IoU 0.1",
    "sensitivity_05": "sens., IoU 0.5",
    "fp_per_scan_05": "FP/scan, IoU 0.5",
}
PublishedRow = paper.PublishedVoxelRow | paper.PublishedLesionRow


@dataclass(frozen=True)
class AverageCheck:
    """The rows of one group against the overall row, in one metric.

    Attributes
    ----------
    table
        3 or 4.
    group
        Of the rows.
    metric
        Its name.
    overall
        Mean in the overall row.
    average
        Lowest and highest average that the rows can have by their weights: equal where the weights are the cases; the
        lowest and the highest row for the sensitivity, whose weights, the lesions, are not published.
    difference
        From the nearer of the two to `overall`; 0 if it lies between them.
    consistent
        Whether the rounding of the printed figures can explain the difference.
    """

    table: int
    group: str
    metric: str
    overall: float
    average: tuple[float, float]
    difference: float
    consistent: bool


def published_checks() -> tuple[AverageCheck, ...]:
    """Check every group of Tables 3 and 4 in every metric.

    Precision is weighted with the cases too, though one without any prediction has none; the paper does not say of any.
    """
    tables: tuple[tuple[int, Sequence[PublishedRow], dict[str, str]], ...] = (
        (3, paper.TABLE_3, _VOXEL_METRICS),
        (4, paper.TABLE_4, _LESION_METRICS),
    )
    return tuple(
        _check(table, members, rows[0], field, metric)
        for table, rows, metrics in tables
        for members in (tuple(found) for _, found in groupby(rows[1:], key=lambda row: row.group))
        for field, metric in metrics.items()
    )


def _check(
    table: int, rows: Sequence[PublishedRow], overall_row: PublishedRow, field: str, metric: str
) -> AverageCheck:
    means = [_exact(row, field) for row in rows]
    overall = _exact(overall_row, field)
    if field.startswith("sensitivity"):
        low, high = min(means), max(means)
    else:
        cases = [row.cases for row in rows]
        low = high = sum((mean * n for mean, n in zip(means, cases, strict=True)), Fraction()) / sum(cases)
    difference = high - overall if overall > high else max(low - overall, Fraction())
    return AverageCheck(
        table=table,
        group=rows[0].group,
        metric=metric,
        overall=float(overall),
        average=(float(low), float(high)),
        difference=float(difference),
        consistent=abs(difference) <= _ROUNDING,
    )


def _exact(row: PublishedRow, field: str) -> Fraction:
    """Give the printed mean, without the error of binary fractions."""
    return Fraction(round(getattr(row, field).mean * _UNITS), _UNITS)
