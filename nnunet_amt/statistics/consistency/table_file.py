"""A table of printed figures as CSV, for the same checks."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import numbered_rows, require_columns, row_texts
from nnunet_amt.base.spreadsheet_text import as_decimal_point
from nnunet_amt.errors import PublishedTableError
from nnunet_amt.statistics.consistency.averages import Average, Part
from nnunet_amt.statistics.consistency.check import PublishedTables
from nnunet_amt.statistics.consistency.counts import Total, Variable
from nnunet_amt.statistics.consistency.intervals import MeanRow
from nnunet_amt.statistics.consistency.printed import Printed, PrintedEstimate, printed
from nnunet_amt.statistics.consistency.rates import TITLES, RateRow

OVERALL = "overall"  # the group of the row that the rows of other groups average to
_PLACES = ("row", "table", "set", "group", "variable")
_NUMBERS = ("n", "n_positive", "n_negative", "readings", "patients")
_ESTIMATES = (*TITLES, "mean")
_LIMITS = tuple(f"{column}_{limit}" for column in _ESTIMATES for limit in ("low", "high"))
_OF_GROUPS = ("count_", "percent_", "size_")
COLUMNS = (*_PLACES, *_NUMBERS, *_ESTIMATES, *_LIMITS, "sd", "p")
_LARGEST_RATE = 1.5  # above, a percentage was meant; between, an interval may be too wide
_WHICH = "a CSV file of printed figures"


@dataclass(frozen=True)
class _Line:
    """A row of the file, and what must be said of its cells."""

    path: Path
    number: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        return self.cells.get(column, "")

    def refused(self, column: str, reason: str) -> PublishedTableError:
        return PublishedTableError(f"{self.path} line {self.number}, column {column!r}: {reason}")

    def value(self, column: str, *, bound: bool = False) -> Printed | None:
        text = self.text(column)
        if not text:
            return None
        try:
            value = printed(_with_point(text))
        except ValueError as error:
            raise self.refused(column, f"{text!r} is no number; write it as printed, such as 0.820 or 82.0%") from error
        if value.bound and not bound:
            raise self.refused(column, f"{text!r} is a bound, not a figure; only p may be one")
        return value

    def whole(self, column: str, least: int = 0) -> int | None:
        value = self.value(column)
        if value is None:
            return None
        if value.value.denominator != 1 or value.value < least:
            raise self.refused(column, f"{self.text(column)!r} is no whole number of {least} or more")
        return int(value.value)

    def estimate(self, column: str) -> PrintedEstimate | None:
        low, value, high = (self.value(name) for name in (f"{column}_low", column, f"{column}_high"))
        if value is None:
            if low or high:
                raise self.refused(column, "is empty, but its limits are given; give the figure too")
            return None
        if (low is None) != (high is None):
            raise self.refused(f"{column}_{'high' if low else 'low'}", "is empty, the other limit is given; give both")
        if column in TITLES:
            for name, number in ((column, value), (f"{column}_low", low), (f"{column}_high", high)):
                if number is not None and abs(number.value) > _LARGEST_RATE:
                    raise self.refused(name, f"{self.text(name)!r} is no share; write 0.878 or 87.8%")
        return PrintedEstimate(value, low, high)


def read_published_table(path: Path) -> PublishedTables:
    """Read printed figures from a CSV file.

    Parameters
    ----------
    path
        A file with the column ``row`` and others of `COLUMNS`; for counts of groups also ``count_NAME``,
        ``percent_NAME`` and ``size_NAME``. Cells hold what is printed, with all its digits.

    Raises
    ------
    ManifestError, PublishedTableError
        If it is no CSV file; a column is unknown; there is no row; a cell holds what its column cannot.
    """
    lines = _lines(path)
    rates, means, totals = [], [], []
    for line in lines:
        row, total = _rate_row(line)
        rates += [row] if row.rates else []
        totals += [total] if total else []
        mean = _mean_row(line)
        means += [mean] if mean else []
        if not (row.rates or mean or line.text("variable")):
            raise PublishedTableError(
                f"{path} line {line.number}: has no figure to check; give a rate, a mean, or a variable with its counts"
            )
    return PublishedTables(tuple(rates), tuple(means), tuple(_averages(lines)), tuple(_variables(lines)), tuple(totals))


def _lines(path: Path) -> list[_Line]:
    numbered = numbered_rows(path, _WHICH)
    _, header = next(numbered, (0, []))
    if not header:
        raise PublishedTableError(f"{path}: is empty; give {_WHICH}, the names of the columns first")
    columns = [_column_name(name) for name in header]
    require_columns(path, columns, required=("row",))
    for column in columns:
        _require_known(path, column, columns)
    lines = [_Line(path, number, row_texts(path, number, columns=columns, cells=cells)) for number, cells in numbered]
    if not lines:
        raise PublishedTableError(f"{path}: has columns but no row; give one row a line of the table")
    return lines


def _column_name(name: str) -> str:
    """Write a column in small letters, but for the name of a group of patients."""
    for kind in _OF_GROUPS:
        if name.lower().startswith(kind):
            return kind + name[len(kind) :]
    return name.lower()


def _require_known(path: Path, column: str, columns: Sequence[str]) -> None:
    place = f"{path} line 1, column {column!r}"
    if not column or column in COLUMNS:
        return
    if not column.startswith(_OF_GROUPS):
        near = difflib.get_close_matches(column, COLUMNS, 1)
        hint = f"did you mean {near[0]!r}?" if near else "nnunet_amt published --help lists those that are known"
        raise PublishedTableError(f"{place}: is unknown; {hint}")
    counts = f"count_{column.partition('_')[2]}"
    if counts not in columns:
        raise PublishedTableError(f"{place}: has no column {counts!r} beside it; give the counts of each group")


def _rate_row(line: _Line) -> tuple[RateRow, Total | None]:
    positive, negative, total = line.whole("n_positive", 1), line.whole("n_negative", 1), line.whole("n", 1)
    if (positive is None) != (negative is None):
        lacking = "n_negative" if positive else "n_positive"
        raise line.refused(lacking, "is empty; give n_positive and n_negative, or n alone")
    rates = {column: estimate for column in TITLES if (estimate := line.estimate(column))}
    row = RateRow(
        line.text("table"),
        line.text("row"),
        rates,
        classes=((positive, negative),) if positive and negative else (),
        total=total,
        readings=line.whole("readings", 1) or 1,
        patients=line.whole("patients", 1),
        set=line.text("set"),
    )
    if not (positive and negative and total):
        return row, None
    return row, Total(row.table, row.name, total, {"positive": positive, "negative": negative})


def _mean_row(line: _Line) -> MeanRow | None:
    estimate, sd = line.estimate("mean"), line.value("sd")
    if estimate is None:
        return None
    name = ", ".join(part for part in (line.text("group"), line.text("row")) if part)
    spread = None if sd is None else float(sd.value)
    return MeanRow(line.text("table"), name, "mean", estimate, spread, line.whole("n", 1))


def _averages(lines: Sequence[_Line]) -> Iterator[Average]:
    """Put the rows of each group beside the overall row of their table; without n it need only lie between them."""
    overall = {line.text("table"): line for line in lines if line.text("group").lower() == OVERALL}
    groups: dict[tuple[str, str], list[_Line]] = defaultdict(list)
    for line in lines:
        if line.text("group") and line.text("group").lower() != OVERALL and line.text("mean"):
            groups[line.text("table"), line.text("group")].append(line)
    for (table, group), members in groups.items():
        if table in overall and (mean := overall[table].value("mean")):
            parts = [(line.text("row"), line.value("mean"), line.whole("n", 1)) for line in members]
            known = all(n for _, _, n in parts)
            yield Average(
                table,
                group,
                "mean",
                whole=(Part(OVERALL, mean),),
                parts=tuple(Part(name, value, n if known else None) for name, value, n in parts if value),
            )


def _variables(lines: Sequence[_Line]) -> Iterator[Variable]:
    found: dict[tuple[str, str], list[_Line]] = defaultdict(list)
    for line in lines:
        if line.text("variable"):
            found[line.text("table"), line.text("variable")].append(line)
    for (table, name), levels in found.items():
        yield _variable(table, name, levels)


def _variable(table: str, name: str, levels: Sequence[_Line]) -> Variable:
    first = levels[0]
    groups = [column.removeprefix("count_") for column in first.cells if column.startswith("count_")]
    if not groups:
        raise first.refused("variable", f"{name!r} has no counts; give a column count_NAME for each group of patients")
    counts: dict[str, tuple[int, ...]] = {}
    for line in levels:
        numbers = [line.whole(f"count_{group}") for group in groups]
        if None in numbers:
            raise line.refused(
                f"count_{groups[numbers.index(None)]}", "is empty; a row of a variable counts in each group"
            )
        if line.text("row") in counts:
            raise line.refused("row", f"{line.text('row')!r} stands twice in {name!r}; give each level one row")
        counts[line.text("row")] = tuple(number for number in numbers if number is not None)
    p = next((value for line in levels if (value := line.value("p", bound=True))), None)
    return Variable(
        table=table,
        name=name,
        counts=counts,
        groups={group: next((n for line in levels if (n := line.whole(f"size_{group}"))), None) for group in groups},
        percentages={
            line.text("row"): tuple(_percentage(line, f"percent_{group}") for group in groups) for line in levels
        },
        p_values={tuple(groups): p} if p else {},
    )


def _percentage(line: _Line, column: str) -> Printed | None:
    """Read a percentage, with or without its sign."""
    text = line.text(column)
    if text and not text.endswith("%"):
        line.value(column)  # refused as it stands, if it is no number
        return printed(f"{_with_point(text)}%")
    return line.value(column)


def _with_point(text: str) -> str:
    number, sign, _ = text.partition("%")
    return as_decimal_point(number.strip()) + sign
