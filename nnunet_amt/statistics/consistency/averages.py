"""Averages that are printed beside the rows that they are averages of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from nnunet_amt.statistics.consistency.printed import Finding, Printed


@dataclass(frozen=True)
class Part:
    """A printed mean, and of how many cases it is; None where that is not known."""

    name: str
    mean: Printed
    cases: int | None = 1


@dataclass(frozen=True)
class Average:
    """A mean of all, and the means of groups that make up all.

    Attributes
    ----------
    table, group, metric
        Where it stands: a group of rows (``manufacturer``), and what is averaged.
    whole
        The mean of all: one, or the means of other groups that make up all as well.
    parts
        Of the rows.
    source
        Where the mean of all stands.
    """

    table: str
    group: str
    metric: str
    whole: tuple[Part, ...]
    parts: tuple[Part, ...]
    source: str = "the overall row"


@dataclass(frozen=True)
class AverageCheck:
    """The rows of one group against the mean of all, in one metric.

    Attributes
    ----------
    table, group, metric
        As of the `Average`.
    overall
        Mean of all.
    average
        Lowest and highest average that the rows can have by their weights: equal where these are known, the lowest and
        the highest row where they are not.
    difference
        From the nearer of the two to `overall`; 0 if it lies between them.
    consistent
        Whether the rounding of the printed figures can explain the difference.
    source
        Where the mean of all stands.
    digits
        Decimals that it is printed with.
    """

    table: str
    group: str
    metric: str
    overall: float
    average: tuple[float, float]
    difference: float
    consistent: bool
    source: str = "the overall row"
    digits: int = 2


def check_average(average: Average) -> AverageCheck:
    """Weight the rows with their cases and compare.

    Rounded, a true value lies at most half a unit from the printed one. Then so does the true average from the average
    of the printed rows, and the true mean of all from its own: together one unit. Cut off instead (Table 4 has 0.16
    for 1 of 6), all true values lie less than one unit above the printed, and the two differences less than one apart.
    """
    low, high = _averages(average.parts)
    overall = sum(_averages(average.whole), Fraction()) / 2
    difference = high - overall if overall > high else max(low - overall, Fraction())
    unit = max(part.mean.unit for part in (*average.whole, *average.parts))
    return AverageCheck(
        table=average.table,
        group=average.group,
        metric=average.metric,
        overall=float(overall),
        average=(float(low), float(high)),
        difference=float(difference),
        consistent=abs(difference) <= unit,
        source=average.source,
        digits=max(part.mean.decimals for part in average.whole),
    )


def average_findings(average: Average) -> Iterator[Finding]:
    """Say that a mean of all is not that of its rows."""
    check = check_average(average)
    if check.consistent:
        return
    low, high = check.average
    rows = f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
    value = average.whole[0].mean.text if len(average.whole) == 1 else f"{check.overall:.3f}"
    reason = f"that is in {average.source}, and the rows average to {rows}"
    yield Finding("cannot be", average.table, f"{average.group} rows", average.metric, value, reason)


def _averages(parts: tuple[Part, ...]) -> tuple[Fraction, Fraction]:
    means = [part.mean.value for part in parts]
    cases = [part.cases for part in parts]
    if len(parts) > 1 and None in cases:
        return min(means), max(means)
    weights = [n or 1 for n in cases]
    average = sum((mean * n for mean, n in zip(means, weights, strict=True)), Fraction()) / sum(weights)
    return average, average
