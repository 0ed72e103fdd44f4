"""Every check of a set of published tables; `check_tables` is the table of contents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from nnunet_amt.statistics.consistency.averages import Average, average_findings
from nnunet_amt.statistics.consistency.counts import Total, Variable, check_total, check_variable
from nnunet_amt.statistics.consistency.intervals import MeanRow, check_intervals, check_mean
from nnunet_amt.statistics.consistency.printed import Finding, Printed, PrintedEstimate
from nnunet_amt.statistics.consistency.rates import TITLES, RateRow, check_rates

_FEWEST_EQUAL = 3  # numbers of two rows; fewer are equal by chance


@dataclass(frozen=True)
class PublishedTables:
    """What can be checked of the tables of one publication."""

    rates: tuple[RateRow, ...] = ()
    means: tuple[MeanRow, ...] = ()
    averages: tuple[Average, ...] = ()
    variables: tuple[Variable, ...] = ()
    totals: tuple[Total, ...] = ()


def check_tables(tables: PublishedTables) -> tuple[Finding, ...]:
    """Look for figures that do not fit together.

    Parameters
    ----------
    tables
        Figures as they are printed.

    Returns
    -------
    tuple of Finding
        Sums, characteristics, averages and means first, then row by row of rates.
    """
    findings = [finding for total in tables.totals for finding in check_total(total)]
    findings += [finding for variable in tables.variables for finding in check_variable(variable)]
    findings += [finding for average in tables.averages for finding in average_findings(average)]
    findings += [finding for row in tables.means for finding in check_mean(row)]
    for row in tables.rates:
        findings += [*check_rates(row), *check_intervals(row)]
    return (*findings, *_stated_twice(tables.rates), *_identical(tables.rates), *_images(tables.rates))


def _stated_twice(rows: Sequence[RateRow]) -> Iterator[Finding]:
    """Find rows of one name and set that differ, and one estimate that has two intervals.

    Where only one row says its set, the other may be of another set: then an estimate that is the same in both, with
    different intervals, is told.
    """
    for first, other in _namesakes(rows):
        if not (first.set or other.set) or (first.set and other.set and first.set != other.set):
            continue
        both = {c: (first.rates[c], other.rates[c]) for c in TITLES if c in first.rates and c in other.rates}
        differ = [column for column, pair in both.items() if not _may_be_one(*pair)]
        if first.set != other.set:
            differ = [column for column in differ if _meet(both[column][0].value, both[column][1].value)]
        if differ:
            texts = [" / ".join(str(both[column][side]) for column in differ) for side in (0, 1)]
            place = ", ".join(part for part in (first.table, first.set if first.set != other.set else "") if part)
            columns = ", ".join(TITLES[column] for column in differ)
            reason = f"{place} has {texts[0]} for the same"
            yield Finding("doubtful", other.table, other.name, columns, texts[1], reason)


def _namesakes(rows: Sequence[RateRow]) -> Iterator[tuple[RateRow, RateRow]]:
    of_name: dict[str, list[RateRow]] = defaultdict(list)
    for row in rows:
        of_name[row.row].append(row)
    for named in of_name.values():
        yield from combinations(named, 2)


def _may_be_one(first: PrintedEstimate, other: PrintedEstimate) -> bool:
    pairs = ((first.value, other.value), (first.low, other.low), (first.high, other.high))
    return all(a is None or b is None or _meet(a, b) for a, b in pairs)


def _meet(first: Printed, other: Printed) -> bool:
    """Tell whether one true value can be printed as both."""
    return (
        first.low <= other.high and other.low <= first.high if first.unit != other.unit else first.value == other.value
    )


def _identical(rows: Sequence[RateRow]) -> Iterator[Finding]:
    """Tell of rows of one table that are equal in everything, and of figures that stand for two sets."""
    for first, other in combinations(rows, 2):
        one_table = first.table == other.table and first.set == other.set and first.row != other.row
        two_sets = first.row == other.row and first.set != other.set and first.set and other.set
        shared = [column for column in first.rates if column in other.rates]
        if not (one_table or two_sets) or not shared:
            continue
        if one_table and first.rates.keys() != other.rates.keys():
            continue
        numbers = sum(3 if first.rates[column].low else 1 for column in shared)
        if numbers >= _FEWEST_EQUAL and all(_texts(first, column) == _texts(other, column) for column in shared):
            again = f"{first.name} of {first.table}" if two_sets else first.name
            columns = ", ".join(TITLES[column] for column in shared)
            yield Finding("notice", other.table, other.name, columns, str(other.rates[shared[0]]),
                          f"the same figures as {again}")  # fmt: skip


def _texts(row: RateRow, column: str) -> tuple[str, ...]:
    estimate = row.rates[column]
    return tuple(number.text for number in (estimate.value, estimate.low, estimate.high) if number)


def _images(rows: Sequence[RateRow]) -> Iterator[Finding]:
    """Tell once a table that images were counted, not patients."""
    of_table: dict[tuple[str, int, int], list[RateRow]] = defaultdict(list)
    for row in rows:
        if row.patients is not None and row.size is not None and row.size > row.patients:
            of_table[row.table, row.size, row.patients].append(row)
    for (table, size, patients), found in of_table.items():
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        reason = f"images of {patients} patients; an interval that takes them for independent is too narrow"
        yield Finding("notice", table, f"{found[0].name}{more}", "n", str(size), reason)
