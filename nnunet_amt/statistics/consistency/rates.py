"""Rates of a diagnostic test that stand in one row: whether there are patients that give them all.

Sensitivity, specificity, accuracy, PPV, NPV and F1 come from four whole numbers. Where it is known how many patients
are positive and how many negative, these are sought (the GRIM test of Brown and Heathers, 2016); where it is not,
the share of positive patients that each rate implies must be one and the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import ceil, floor, prod

from nnunet_amt.statistics.consistency.printed import Certainty, Finding, Printed, PrintedEstimate, percent

# What a row may hold, by the names of the columns
TITLES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
}
_COUNTED = ("npv", "ppv", "f1", "accuracy", "specificity", "sensitivity")  # the first is the first to be doubted
# of positive, negative, true positive and true negative patients
_FRACTIONS: dict[str, Callable[[int, int, int, int], tuple[int, int]]] = {
    "sensitivity": lambda p, n, tp, tn: (tp, p),
    "specificity": lambda p, n, tp, tn: (tn, n),
    "accuracy": lambda p, n, tp, tn: (tp + tn, p + n),
    "ppv": lambda p, n, tp, tn: (tp, tp + n - tn),
    "npv": lambda p, n, tp, tn: (tn, tn + p - tp),
    "f1": lambda p, n, tp, tn: (2 * tp, tp + p + n - tn),
}
_MOST_PATIENTS = 5000  # beyond, a rate of three decimals always has its whole number
_MOST_TRIED = 300_000  # tables of true positives and true negatives
# Averages over readings: the PPV of averages is not the average PPV; the shares that they imply may lie so far apart.
_AVERAGES_APART = Fraction(1, 20)

Range = tuple[Fraction, Fraction]
ANY_SHARE: Range = (Fraction(0), Fraction(1))


@dataclass(frozen=True)
class RateRow:
    """A row of rates.

    Attributes
    ----------
    table, row
        Where it stands.
    rates
        By name, those of `TITLES`.
    classes
        Numbers of positive and of negative patients; two pairs where it is not said which class is the positive one,
        none where they are not known. Where images were counted, of images.
    total
        Positive and negative patients together, where `classes` has none.
    readings
        How many readings of each patient the row averages: of several readers, or of repeated trainings.
    patients
        Where images were counted: of how many patients they are.
    set
        Of which patients, such as ``testing``; empty where it is not said.
    """

    table: str
    row: str
    rates: Mapping[str, PrintedEstimate]
    classes: tuple[tuple[int, int], ...] = ()
    total: int | None = None
    readings: int = 1
    patients: int | None = None
    set: str = ""

    @property
    def size(self) -> int | None:
        """Positive and negative patients together."""
        return sum(self.classes[0]) if self.classes else self.total

    @property
    def name(self) -> str:
        """The row, and its set in brackets."""
        return f"{self.row} ({self.set})" if self.set else self.row

    def finding(self, certainty: Certainty, columns: Iterable[str], reason: str) -> Finding:
        """Say something of one or several rates of the row."""
        columns = list(columns)
        value = " / ".join(self.rates[column].value.text for column in columns)
        return Finding(certainty, self.table, self.name, ", ".join(TITLES[c] for c in columns), value, reason)


def check_rates(row: RateRow) -> list[Finding]:
    """Find rates of a row that no patients give; its intervals are looked at by `check_intervals`."""
    if findings := [*_not_shares(row)]:
        return findings
    alone = dict(_no_whole_number(row)) if row.readings == 1 else {}
    # what is wrong by itself is told once, and implies nothing
    sound = replace(row, rates={column: rate for column, rate in row.rates.items() if column not in alone})
    outside = [*_accuracy_outside(sound)]
    apart = [*_shares_apart(sound, with_accuracy=not outside)]
    if alone or outside or row.readings > 1:  # averages need no whole numbers behind them
        return [*alone.values(), *outside, *apart]
    behind = [*_no_table(row)]
    one_is_wrong = len(row.classes) == 1 and len(behind) == 1 and "," not in behind[0].column
    return behind if one_is_wrong else apart or behind


def _not_shares(row: RateRow) -> Iterator[Finding]:
    for column, estimate in row.rates.items():
        if not 0 <= estimate.value.value <= 1:
            yield row.finding("cannot be", [column], "a share lies between 0 and 1")


def _accuracy_outside(row: RateRow) -> Iterator[Finding]:
    if not {"accuracy", "sensitivity", "specificity"} <= row.rates.keys():
        return
    accuracy = row.rates["accuracy"].value
    others = [row.rates[column].value for column in ("sensitivity", "specificity")]
    if accuracy.high <= min(other.low for other in others) or accuracy.low >= max(other.high for other in others):
        yield row.finding(
            "cannot be",
            ["accuracy"],
            "the accuracy is an average of sensitivity and specificity and must lie between them, "
            f"{others[0].text} and {others[1].text}",
        )


def _shares_apart(row: RateRow, *, with_accuracy: bool) -> Iterator[Finding]:
    """Compare the shares of positive patients that the rates imply, with each other and with that of the set."""
    implied = _implied_shares(row)
    if not with_accuracy:
        implied.pop("accuracy", None)
    of_set = [Fraction(positive, positive + negative) for positive, negative in row.classes]
    slack = _AVERAGES_APART if row.readings > 1 else Fraction(0)
    ranges = [(low - slack, high + slack) if column != "accuracy" else (low, high)
              for column, (low, high) in implied.items()]  # fmt: skip
    if _share_in_common(ranges, of_set):
        return
    exact = row.readings == 1 or not _share_in_common([implied.get("accuracy", ANY_SHARE)], of_set)
    by = [f"{percent(_middle(share))} by the {TITLES[column]}" for column, share in implied.items()]
    reason = f"with this sensitivity and specificity the positive patients would be {', '.join(by)}"
    if of_set:
        reason += f"; the set has {' or '.join(map(percent, of_set))}"
    if not exact:
        reason += f" (unless the {row.readings} readings averaged here differ widely)"
    yield row.finding("cannot be" if exact else "doubtful", implied, reason)


def _share_in_common(ranges: list[Range], of_set: list[Fraction]) -> bool:
    if of_set:
        return any(all(low <= share <= high for low, high in ranges) for share in of_set)
    return not ranges or max(low for low, _ in ranges) <= min(high for _, high in ranges)


def _middle(share: Range) -> Fraction:
    return (share[0] + share[1]) / 2


def _implied_shares(row: RateRow) -> dict[str, Range]:
    """Give the lowest and highest share of positive patients that accuracy, PPV and NPV allow, where one can tell."""
    if not {"sensitivity", "specificity"} <= row.rates.keys():
        return {}
    of = {column: _range(estimate.value) for column, estimate in row.rates.items()}
    sensitivity, specificity = of["sensitivity"], of["specificity"]
    shares: dict[str, Range] = {}
    apart = sensitivity[1] < specificity[0] or specificity[1] < sensitivity[0]
    if "accuracy" in of and apart:
        low, high = _extremes(lambda a, s, c: (a - c, s - a), of["accuracy"], sensitivity, specificity)
        shares["accuracy"] = (max(low, Fraction(0)), min(high, Fraction(1)))
    if "ppv" in of:
        shares["ppv"] = _extremes(lambda v, s, c: (v * (1 - c), (1 - v) * s), of["ppv"], sensitivity, specificity)
    if "npv" in of:
        shares["npv"] = _extremes(lambda v, s, c: (c * (1 - v), v * (1 - s)), of["npv"], sensitivity, specificity)
    return {column: share for column, share in shares.items() if share != ANY_SHARE}


def _range(value: Printed) -> Range:
    return max(value.low, Fraction(0)), min(value.high, Fraction(1))


def _extremes(odds: Callable[..., tuple[Fraction, Fraction]], *ranges: Range) -> Range:
    """Give lowest and highest share of a / (a + b); it is monotone in each argument, so its corners are enough."""
    shares = []
    for corner in product(*ranges):
        positive, negative = odds(*corner)
        if positive + negative == 0:
            return ANY_SHARE
        shares.append(positive / (positive + negative))
    return min(shares), max(shares)


def _no_whole_number(row: RateRow) -> Iterator[tuple[str, Finding]]:
    """Look for the whole number behind each rate whose patients are known; give the columns without one."""
    denominators: dict[str, set[int]] = {
        "sensitivity": {positive for positive, _ in row.classes},
        "specificity": {negative for _, negative in row.classes},
        "accuracy": {row.size} if row.size else set(),
    }
    for column, sizes in denominators.items():
        if column not in row.rates or not sizes or max(sizes) > _MOST_PATIENTS:
            continue
        if any(_whole_numbers(row.rates[column].value, n) for n in sizes):
            continue
        value = row.rates[column].value
        words = []
        for n in sorted(sizes):
            below = floor(value.value * n)
            near = [f"{k} of {n} is {_as_printed(Fraction(k, n), value)}" for k in (below, below + 1) if k <= n]
            words.append(" and ".join(near))
        reason = f"no whole number of patients gives it: {'; '.join(words)}"
        yield column, row.finding("cannot be", [column], reason)


def _as_printed(share: Fraction, like: Printed) -> str:
    return f"{float(share):.{like.decimals}f}"


def _whole_numbers(value: Printed, n: int) -> list[int]:
    """Give the numbers of n that would be printed so."""
    first, last = max(0, ceil(value.low * n)), min(n, floor(value.high * n))
    return [k for k in range(first, last + 1) if value.fits(k, n)]


def _no_table(row: RateRow) -> Iterator[Finding]:
    """Look for true positives and true negatives that give all rates of the row together."""
    columns = [column for column in _COUNTED if column in row.rates]
    if len(columns) < 2 or not _can_be_tried(row, columns) or _table_behind(row, columns):
        return
    patients = f"{row.size} patients"
    if len(row.classes) == 1:
        patients = "{} positive and {} negative patients".format(*row.classes[0])
    for doubted in columns:
        others = [column for column in columns if column != doubted]
        if len(others) > 1 and _can_be_tried(row, others) and (found := _table_behind(row, others)):
            positive, negative, tp, tn = found
            value = _rate(doubted, *found)
            would_be = "undefined" if value is None else _as_printed(value, row.rates[doubted].value)
            yield row.finding(
                "cannot be",
                [doubted],
                f"no {patients} give all rates of this row; {tp} of {positive} and {tn} of {negative} found right "
                f"give the others, and then it is {would_be}",
            )
            return
    yield row.finding("cannot be", columns[::-1], f"no {patients} give these rates together")


def _can_be_tried(row: RateRow, columns: Iterable[str]) -> bool:
    """Tell whether the numbers of patients are known, and not too many pairs of numbers found right are to be tried."""
    if row.size is None or row.size > _MOST_PATIENTS:
        return False
    ways = 1 if row.classes else row.size
    for column, n in zip(("sensitivity", "specificity"), map(max, zip(*row.classes, strict=True)), strict=False):
        ways *= 2 + floor(2 * row.rates[column].value.unit * n) if column in columns else n + 1
    if not row.classes:
        units = [row.rates[c].value.unit for c in ("sensitivity", "specificity") if c in columns]
        ways *= prod(2 + floor(2 * unit * row.size) for unit in units) if len(units) == 2 else row.size**2
    return ways <= _MOST_TRIED


def _table_behind(row: RateRow, columns: Iterable[str]) -> tuple[int, int, int, int] | None:
    """Find positive, negative, true positive and true negative patients that give the rates of some columns."""
    values = {column: row.rates[column].value for column in columns}
    size = row.size or 0
    rest = [column for column in values if column not in ("sensitivity", "specificity")]
    for positive, negative in row.classes or ((n, size - n) for n in range(1, size)):
        true_positives = _right(values.get("sensitivity"), positive)
        true_negatives = _right(values.get("specificity"), negative)
        for tp, tn in product(true_positives, true_negatives):
            if all(_fits(column, values[column], positive, negative, tp, tn) for column in rest):
                return positive, negative, tp, tn
    return None


def _right(value: Printed | None, n: int) -> Iterable[int]:
    return range(n + 1) if value is None else _whole_numbers(value, n)


def _fits(column: str, value: Printed, positive: int, negative: int, tp: int, tn: int) -> bool:
    if column != "f1":
        numerator, denominator = _FRACTIONS[column](positive, negative, tp, tn)
        return denominator > 0 and value.fits(numerator, denominator)
    # also of the negative patients, and the mean of both, plain or weighted
    first = _rate(column, positive, negative, tp, tn) or Fraction(0)
    other = _rate(column, negative, positive, tn, tp) or Fraction(0)
    means = (first + other) / 2, (first * positive + other * negative) / (positive + negative)
    return any(value.fits(rate.numerator, rate.denominator) for rate in (first, other, *means))


def _rate(column: str, positive: int, negative: int, tp: int, tn: int) -> Fraction | None:
    """Give a rate; None where it is 0 / 0."""
    numerator, denominator = _FRACTIONS[column](positive, negative, tp, tn)
    return Fraction(numerator, denominator) if denominator else None
