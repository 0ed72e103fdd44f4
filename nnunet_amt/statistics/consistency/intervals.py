"""Printed intervals: whether they hold their estimate, and whether a usual method makes them of so many patients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from nnunet_amt.statistics.consistency.printed import Certainty, Finding, PrintedEstimate
from nnunet_amt.statistics.consistency.rates import TITLES, RateRow
from nnunet_amt.statistics.intervals import wilson_interval

_Z = 1.959964  # of a 95% interval
# Methods, confidences from 90 to 99%, and the bootstrap of few patients differ by less.
_FAR = 2.0
_FAR_AUC_WIDE, _FAR_AUC_NARROW = 2.5, 4.0
_SMALLEST_CLASS, _FEWEST_MISPLACED = 10, 2  # of an AUC whose interval can be called too narrow
_FEW = 5  # patients found right, or wrong
_LOPSIDED = 3.0  # one limit that much further from the estimate than the other, on the plain and on the logit scale
_DENOMINATORS = {"sensitivity": 0, "specificity": 1}  # place in a pair of classes


@dataclass(frozen=True)
class MeanRow:
    """A mean of cases, with its standard deviation and interval.

    Attributes
    ----------
    table, row, column
        Where it stands.
    mean
        With the limits of its interval.
    sd
        Standard deviation of the cases; None where it is not printed, or is of something else.
    cases
        Their number.
    most
        The highest value a case can have; None for no limit. The lowest is 0.
    """

    table: str
    row: str
    column: str
    mean: PrintedEstimate
    sd: float | None = None
    cases: int | None = None
    most: float | None = None


def check_intervals(row: RateRow) -> Iterator[Finding]:
    """Find intervals of the rates of a row that cannot be, or that no usual method gives."""
    for column, estimate in row.rates.items():
        place = (row.table, row.name, TITLES[column])
        found = [*_limits(place, estimate, most=1.0)]
        yield from found or _width_of_rate(row, column, estimate) or _shape(place, estimate)


def check_mean(row: MeanRow) -> Iterator[Finding]:
    """Find an interval of a mean that cannot be, or that its standard deviation and number of cases do not give."""
    place = (row.table, row.row, row.column)
    found = [*_limits(place, row.mean, most=row.most)]
    yield from found or _width_of_mean(row)


def _limits(place: tuple[str, str, str], estimate: PrintedEstimate, *, most: float | None) -> Iterator[Finding]:
    low, high, value = estimate.low, estimate.high, estimate.value
    if low is None or high is None:
        return
    if low.low >= high.high:
        yield _finding("cannot be", place, estimate, "the lower limit lies above the upper one")
    elif value.high <= low.low or value.low >= high.high:
        yield _finding("cannot be", place, estimate, "the interval does not hold its own estimate")
    if low.value < 0 or (most is not None and high.value > most):
        bounds = "below 0" if most is None else f"outside 0 to {most:g}"
        yield _finding("doubtful", place, estimate, f"the interval reaches {bounds}, where there is no value")


def _width_of_rate(row: RateRow, column: str, estimate: PrintedEstimate) -> list[Finding]:
    """Compare the width of an interval with those of usual methods for so many patients."""
    printed = _printed_widths(estimate)
    if printed is None or row.size is None or column == "f1" or (column == "auc" and not row.classes):
        return []
    narrowest, widest = _auc_bounds(row, estimate) if column == "auc" else _rate_bounds(row, column, estimate)
    if narrowest <= printed[1] and printed[0] <= widest:
        return []
    comparison = "narrow" if printed[1] < narrowest else "wide"
    patients = f"{row.size} patients" if row.readings == 1 else f"{row.readings} readings of {row.size} patients"
    bound = f"{narrowest:.3f} at the least" if comparison == "narrow" else f"{widest:.3f} at the most"
    reason = f"far too {comparison}: {patients} give a width of {bound} by any usual method, not {_width(estimate)}"
    return [_finding("doubtful", (row.table, row.name, TITLES[column]), estimate, reason)]


def _rate_bounds(row: RateRow, column: str, estimate: PrintedEstimate) -> tuple[float, float]:
    """Give bounds of the width of a usual interval of a rate; several readings may be taken for independent.

    Of few patients found right, or wrong, the bootstrap has few values and limits that are close, and the logit scale
    limits that are far apart.
    """
    own = column in _DENOMINATORS and row.classes
    # of how many patients a PPV is, and a rate whose classes are not known, is not said: at most of all
    sizes = [pair[_DENOMINATORS[column]] for pair in row.classes] if own else [row.size or 0]
    most, least, share = max(sizes) * row.readings, min(sizes), float(estimate.value.value)
    rarer = min(share, 1 - share)
    narrowest = min(_rate_widths(share, most)) / _FAR if rarer * most >= _FEW else 0.0
    if not (own or column == "accuracy"):
        return narrowest, math.inf
    return narrowest, max(_rate_widths(share, least)) * (_FAR if rarer * least >= _FEW else 2 * _FAR)


def _auc_bounds(row: RateRow, estimate: PrintedEstimate) -> tuple[float, float]:
    """Give bounds of the width of a usual interval of an AUC.

    The variance does not follow from AUC and n alone. DeLong's has an upper bound; a lower one only far below that of
    Hanley and McNeil (1982), which tied scores and outliers come near.
    """
    auc = float(estimate.value.value)
    smallest = min(min(pair) for pair in row.classes)
    if smallest < 2:
        return 0.0, math.inf
    variances = [auc * (1 - auc) * (1 / (p - 1) + 1 / (n - 1)) for p, n in row.classes]
    widest = 2 * _Z * math.sqrt(max(variances)) * _FAR_AUC_WIDE if 0 < auc < 1 else math.inf
    if smallest < _SMALLEST_CLASS or min(auc, 1 - auc) * smallest < _FEWEST_MISPLACED:
        return 0.0, widest
    usual = min(_hanley_mcneil_width(auc, *pair) for pair in row.classes)
    return usual / math.sqrt(row.readings) / _FAR_AUC_NARROW, widest


def _width_of_mean(row: MeanRow) -> list[Finding]:
    widths = _printed_widths(row.mean)
    if widths is None or row.sd is None or row.cases is None or row.cases < 2:
        return []
    from scipy.stats import t  # slow to import

    unit = float(row.mean.value.unit)
    narrowest = 2 * _Z * max(row.sd - unit / 2, 0) * math.sqrt(row.cases - 1) / row.cases  # the bootstrap's
    widest = 2 * float(t.ppf(0.975, row.cases - 1)) * (row.sd + unit) / math.sqrt(row.cases)
    place = (row.table, row.row, row.column)
    if widths[0] <= _FAR * widest and widths[1] >= narrowest / _FAR:
        return []
    comparison = "wide" if widths[0] > _FAR * widest else "narrow"
    usual = 2 * _Z * row.sd / math.sqrt(row.cases)
    reason = (
        f"far too {comparison}: a standard deviation of {row.sd:g} in {row.cases} cases gives a width of about "
        f"{usual:.3f}, not {_width(row.mean)}"
    )
    return [_finding("doubtful", place, row.mean, reason)]


def _width(estimate: PrintedEstimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{float(estimate.high.value - estimate.low.value):.3f}"


def _printed_widths(estimate: PrintedEstimate) -> tuple[float, float] | None:
    """Give the least and the greatest width that the printed limits leave open."""
    if estimate.low is None or estimate.high is None:
        return None
    return float(estimate.high.low - estimate.low.high), float(estimate.high.high - estimate.low.low)


def _rate_widths(share: float, n: int) -> tuple[float, ...]:
    """Give the widths of Wald's, Wilson's, Clopper and Pearson's, and Agresti and Coull's interval of n patients."""
    from scipy.stats import beta  # slow to import

    k = round(share * n)
    low, high = wilson_interval(k, n)
    exact_low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    exact_high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    middle = (k + _Z**2 / 2) / (n + _Z**2)
    half = _Z * math.sqrt(middle * (1 - middle) / (n + _Z**2))
    agresti_coull = min(1.0, middle + half) - max(0.0, middle - half)
    return 2 * _Z * math.sqrt(share * (1 - share) / n), high - low, exact_high - exact_low, agresti_coull


def _hanley_mcneil_width(auc: float, positive: int, negative: int) -> float:
    """Give the width of an interval of an AUC (Hanley and McNeil 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positive - 1) * (q1 - auc**2) + (negative - 1) * (q2 - auc**2)
    return 2 * _Z * math.sqrt(max(variance, 0.0) / (positive * negative))


def _shape(place: tuple[str, str, str], estimate: PrintedEstimate) -> list[Finding]:
    """Find limits that lie far more to one side of their estimate than any usual method puts them."""
    low, high, value = estimate.low, estimate.high, estimate.value
    if low is None or high is None or not (low.value > 0 and high.value < 1 and 0 < value.value < 1):
        return []
    sides = (
        (min(float(high.high), 1.0), float(value.low), float(low.high)),  # the upper side as long as it can be
        (float(high.low), float(value.high), max(float(low.low), 0.0)),  # the lower one
    )
    for number, (upper, middle, lower) in enumerate(sides):
        plain = (upper - middle, middle - lower)
        logits = [
            math.log(x / (1 - x)) if 0 < x < 1 else math.copysign(math.inf, x - 0.5) for x in (upper, middle, lower)
        ]
        bent = (logits[0] - logits[1], logits[1] - logits[2])
        short, long = (0, 1) if number == 0 else (1, 0)
        if all(pair[long] > 0 and pair[short] * _LOPSIDED < pair[long] for pair in (plain, bent)):
            below, above = float(value.value - low.value), float(high.value - value.value)
            reason = f"no usual method puts one limit {below:.3f} below the estimate, the other {above:.3f} above"
            return [_finding("doubtful", place, estimate, reason)]
    return []


def _finding(certainty: Certainty, place: tuple[str, str, str], estimate: PrintedEstimate, reason: str) -> Finding:
    return Finding(certainty, *place, str(estimate), reason)
