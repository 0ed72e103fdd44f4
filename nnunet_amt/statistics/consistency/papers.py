"""The published tables of three papers, to be shown and to be checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from nnunet_amt import paper
from nnunet_amt.statistics.consistency.averages import Average, Part
from nnunet_amt.statistics.consistency.check import PublishedTables
from nnunet_amt.statistics.consistency.counts import Total, Variable
from nnunet_amt.statistics.consistency.intervals import MeanRow
from nnunet_amt.statistics.consistency.printed import Printed, PrintedEstimate, printed
from nnunet_amt.statistics.consistency.rates import TITLES, RateRow

PaperName = Literal["takemura", "tet-risk", "wang"]
_FILES = {"tet-risk": "published_tables_tet_risk.json", "wang": "published_tables_wang.json"}
VOXEL_TITLES = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
LESION_TITLES = {
    "sensitivity_01": "sens., IoU 0.1",
    "fp_per_scan_01": "FP/scan, IoU 0.1",
    "sensitivity_05": "sens., IoU 0.5",
    "fp_per_scan_05": "FP/scan, IoU 0.5",
}


@dataclass(frozen=True)
class ShownTable:
    """A published table as ready text: a row begins with its head."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Publication:
    """The tables of a paper.

    Attributes
    ----------
    citation, doi
        Whose they are.
    shown
        As ready text.
    tables
        What can be checked of them.
    """

    citation: str
    doi: str
    shown: tuple[ShownTable, ...]
    tables: PublishedTables

    def note(self, what: str = "") -> str:
        """Say whose figures stand beside ours, and what to know; begins as `Table.without_published` wants it."""
        return f"Published: {self.citation}, doi:{self.doi}; other patients.{' ' if what else ''}{what}"


@cache
def publication(name: Literal["tet-risk", "wang"]) -> Publication:
    """Read the tables of the paper on risk (``tet-risk``), or on CT with circulating tumour cells (``wang``)."""
    content = json.loads(Path(paper.__file__).with_name(_FILES[name]).read_text(encoding="utf-8"))
    of_rates = [table for table in content["tables"] if "rates" in table]
    of_patients = [table for table in content["tables"] if "variables" in table]
    return Publication(
        citation=content["citation"],
        doi=content["doi"],
        shown=tuple(_shown_rates(t) if "rates" in t else _shown_variables(t) for t in content["tables"]),
        tables=PublishedTables(
            rates=tuple(_rate_row(table["title"], row) for table in of_rates for row in table["rates"]),
            averages=tuple(map(_average, content["averages"])),
            variables=tuple(
                _variable(table, entry) for table in of_patients for entry in table["variables"] if "levels" in entry
            ),
            totals=tuple(map(_total, content["totals"])),
        ),
    )


def _rate_row(table: str, row: Mapping[str, Any]) -> RateRow:
    return RateRow(
        table=table.partition(":")[0],
        row=row["row"],
        rates={column: _estimate(row[column]) for column in TITLES if column in row},
        classes=tuple(tuple(pair) for pair in row.get("classes", ())),
        total=row.get("total"),
        readings=row.get("readings", 1),
        patients=row.get("patients"),
        set=row.get("set", ""),
    )


def _estimate(texts: str | Sequence[str]) -> PrintedEstimate:
    return PrintedEstimate(*map(printed, [texts] if isinstance(texts, str) else texts))


def _average(entry: Mapping[str, Any]) -> Average:
    whole, parts = (
        tuple(Part(name, printed(mean), cases) for name, mean, cases in entry[side]) for side in ("whole", "parts")
    )
    return Average(entry["table"], entry["group"], entry["metric"], whole, parts, entry["source"])


def _variable(table: Mapping[str, Any], entry: Mapping[str, Any]) -> Variable:
    cells = {level: [_count(text) for text in texts] for level, texts in entry["levels"].items()}
    compared = [tuple(groups) for groups in table.get("compared", ())]
    return Variable(
        table=table["title"].partition(":")[0],
        name=entry["name"],
        counts={level: tuple(count for count, _ in row) for level, row in cells.items()},
        groups=table["groups"],
        percentages={level: tuple(percentage for _, percentage in row) for level, row in cells.items()},
        p_values=dict(zip(compared, map(printed, entry.get("p", ())), strict=False)),
    )


def _count(text: str) -> tuple[int, Printed | None]:
    count, _, percentage = text.partition(" ")
    return int(count), printed(percentage.strip("()")) if percentage else None


def _total(entry: Mapping[str, Any]) -> Total:
    percentage = printed(entry["percentage"]) if "percentage" in entry else None
    return Total(entry["table"], entry["name"], entry["whole"], entry.get("parts", {}), percentage, of=entry.get("of"))


def _shown_rates(table: Mapping[str, Any]) -> ShownTable:
    columns = [column for column in TITLES if any(column in row for row in table["rates"])]
    rows = tuple(
        (row["row"], row.get("set", ""), *(str(_estimate(row[c])) if c in row else "" for c in columns))
        for row in table["rates"]
    )
    return ShownTable(table["title"], ("", "set", *(TITLES[column] for column in columns)), rows)


def _shown_variables(table: Mapping[str, Any]) -> ShownTable:
    compared = [f"p, {groups[0].partition(' ')[0]}" for groups in table.get("compared", ())]
    beside = [table["beside"]] if "beside" in table else []
    groups = (f"{group} (n = {size})" for group, size in table["groups"].items())
    rows: list[tuple[str, ...]] = []
    for entry in table["variables"]:
        p_values = tuple(entry.get("p", ("",) * len(compared)))
        if "means" in entry:
            rows.append((entry["name"], *entry["means"], *p_values))
        for number, (level, cells) in enumerate(entry.get("levels", {}).items()):
            last = (entry["beside"][level],) if beside else p_values if number == 0 else ("",) * len(compared)
            rows.append((f"{entry['name']}: {level}", *cells, *last))
    return ShownTable(table["title"], ("", *groups, *beside, *compared), tuple(rows))


def takemura_tables() -> PublishedTables:
    """Give what can be checked of the paper whose numbers stand in `nnunet_amt.paper`."""
    tables: tuple[tuple[str, Sequence[Any], Mapping[str, str]], ...] = (
        ("Table 3", paper.TABLE_3, VOXEL_TITLES),
        ("Table 4", paper.TABLE_4, LESION_TITLES),
    )
    return PublishedTables(
        means=tuple(
            _mean_row(table, row, field, metric)
            for table, rows, metrics in tables
            for row in rows
            for field, metric in metrics.items()
        ),
        averages=tuple(
            _metric_average(table, rows[0], tuple(members), field, metric)
            for table, rows, metrics in tables
            for members in (tuple(found) for _, found in groupby(rows[1:], key=lambda row: row.group))
            for field, metric in metrics.items()
        ),
        totals=tuple(_takemura_totals()),
    )


def _mean_row(table: str, row: Any, field: str, metric: str) -> MeanRow:
    """Table 4 has the standard deviation of resamples, not of cases, so that it gives no width."""
    estimate = getattr(row, field)
    of_cases = table == "Table 3"
    return MeanRow(
        table=table,
        row=row.subgroup,
        column=metric,
        mean=PrintedEstimate(*map(_two_decimals, (estimate.mean, estimate.ci_low, estimate.ci_high))),
        sd=estimate.sd if of_cases else None,
        cases=row.cases if of_cases else None,
        most=None if field.startswith("fp") else 1.0,
    )


def _metric_average(table: str, overall: Any, members: Sequence[Any], field: str, metric: str) -> Average:
    """Weight with cases, also the precision, which one without prediction has not; the sensitivity's are lesions."""
    known = not field.startswith("sensitivity")
    return Average(
        table,
        members[0].group,
        metric,
        whole=(Part("overall", _two_decimals(getattr(overall, field).mean)),),
        parts=tuple(
            Part(row.subgroup, _two_decimals(getattr(row, field).mean), row.cases if known else None) for row in members
        ),
    )


def _takemura_totals() -> Iterator[Total]:
    cases = {"training": paper.TRAINING_CASES, "tuning": paper.TUNING_CASES, "external": paper.EXTERNAL_CASES}
    yield Total("Fig. 2", "cases", paper.INCLUDED_CASES, cases)
    yield Total("Fig. 2", "cases", paper.IDENTIFIED_CASES, {"in": paper.INCLUDED_CASES, "out": paper.EXCLUDED_CASES})
    yield Total("Abstract", "cases by sex", paper.INCLUDED_CASES, paper.SEXES)
    for number, (split, whole) in enumerate(cases.items()):
        yield Total("Table 1", split, whole, {name: row[number] for name, row in paper.DIAGNOSES.items()})
    yield Total("Table 2", "external", paper.EXTERNAL_CASES, paper.MANUFACTURERS)
    for group, members in groupby(paper.TABLE_3[1:], key=lambda row: row.group):
        yield Total("Table 3", f"cases, {group}", paper.TABLE_3[0].cases, {row.subgroup: row.cases for row in members})


def _two_decimals(value: float) -> Printed:
    return printed(f"{value:.2f}")
