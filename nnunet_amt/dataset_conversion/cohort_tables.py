"""The paper's Tables 1 and 2 for a cohort: patients and diagnoses by split, scanners of the external test set."""

from __future__ import annotations

import csv
import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt import paper
from nnunet_amt.base.files import write_text
from nnunet_amt.cohort import SPLITS
from nnunet_amt.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

_NOT_STATED = "not stated"
_UNDEFINED = "–"
_SPLIT_TITLES = {"training": "Training", "tuning": "Tuning", "external": "External test"}
_SEXES = {"F": "female", "M": "male", "O": "other"}
_MOST_VALUES = 20  # rows of one variable; rarer values are summed up

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CohortTable:
    """A table as text.

    Attributes
    ----------
    title
        Its heading.
    columns
        Their titles.
    rows
        One cell a column.
    notes
        What stands below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    @property
    def csv(self) -> str:
        """The columns and rows as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()

    @property
    def markdown(self) -> str:
        """All of it as Markdown."""
        lines = [_line(self.columns), _line(["---", "---", *["---:"] * (len(self.columns) - 2)])]
        lines += [_line(row) for row in self.rows]
        notes = "\n".join(f"- {note}" for note in self.notes)
        return f"# {self.title}\n\n" + "\n".join(lines) + f"\n\n{notes}\n"


def write_cohort_tables(
    folder: Path, cohort: pd.DataFrame, p_values: bool = False, patients: Sequence[int] = ()
) -> list[Path]:
    """Write ``table1`` and ``table2``, each as CSV and as Markdown.

    Without the library tableone, Table 1 is left out and a warning says so: a conversion of hours must not fail
    at its last step.

    Parameters
    ----------
    folder
        Where to.
    cohort
        A row a case, with the columns split, institution, age, sex, histology and manufacturer; an empty or missing
        value is one that nobody stated.
    p_values
        Add tests of the differences between the splits to Table 1.
    patients
        How many there are in each split; Table 1 says so where they are fewer than the cases.

    Returns
    -------
    list of Path
        The written files.
    """
    tables = {"table2": table_2(cohort)}
    try:
        tables["table1"] = table_1(cohort, p_values, patients)
    except MissingExtraError as error:
        logger.warning("%s", error)
    written = []
    for name, table in sorted(tables.items()):
        for ending, text in (("csv", table.csv), ("md", table.markdown)):
            path = folder / f"{name}.{ending}"
            write_text(path, text)
            written.append(path)
    return written


def table_1(cohort: pd.DataFrame, p_values: bool = False, patients: Sequence[int] = ()) -> CohortTable:
    """Lay out age, sex and diagnosis by split, as the paper's Table 1, with the published total beside ours.

    Parameters
    ----------
    cohort, p_values, patients
        See `write_cohort_tables`.

    Raises
    ------
    MissingExtraError
        If tableone is not installed.
    """
    stated = _stated(cohort)
    found = _tableone(stated, p_values)
    columns = [*SPLITS, "Overall", *(["P-Value"] if p_values else [])]
    rows = [_institution_row(stated, len(columns))]
    if patients and sum(patients) != len(stated):
        rows.append(("patients", "", *map(str, patients), str(sum(patients)), _UNDEFINED, *[""] * (len(columns) - 4)))
    for (variable, value), cells in zip(found.index.to_flat_index(), found.to_dict("records"), strict=True):
        name = variable.partition(",")[0]
        ours = [_cell(name, str(cells[column])) for column in columns]
        title = {"n": "cases", "age": "age, years", "histology": "diagnosis"}.get(name, name)
        level = _SEXES.get(value, value) if name == "sex" else value
        if name == "age":
            level = "median (range)"
            if stated["age"].isna().all():
                ours = [_UNDEFINED] * len(ours)
        published = _published(name, value)
        total = [*ours[:4], published, *ours[4:]]
        rows.append((title, level, *total))
    if missing := int(stated["age"].isna().sum()):
        rows.append(_missing_age_row(stated, missing, p_values))
    titles = [*_SPLIT_TITLES.values(), "Total", "Total, published", *(["p"] if p_values else [])]
    ages = ", ".join(f"{split} {_age_text(*paper.AGES[split])}" for split in SPLITS)
    notes = [
        f"Published: {paper.CITATION}, doi:{paper.DOI}; other patients. Its ages by split: {ages}.",
        "Percentages are of the column's cases; the published ones are computed from the published counts.",
    ]
    if p_values:
        notes.append(
            "p: Kruskal-Wallis test for age, chi-squared or Fisher's exact test for the rest; not corrected for "
            "several tests. A split is drawn, so its p-values say little."
        )
    return CohortTable(
        "Table 1: age, sex and diagnosis, counted by case", ("Variable", "Value", *titles), tuple(rows), tuple(notes)
    )


def table_2(cohort: pd.DataFrame) -> CohortTable:
    """Count the scanners' manufacturers in the external test set, as the paper's Table 2."""
    stated = _stated(cohort)
    names = stated.loc[stated["split"] == "external", "manufacturer"]
    counts = names.value_counts()
    order = [*paper.MANUFACTURERS, *sorted(set(names) - {*paper.MANUFACTURERS, _NOT_STATED})]
    if _NOT_STATED in counts:
        order.append(_NOT_STATED)
    rows = []
    for name in order:
        published = paper.MANUFACTURERS.get(name)
        theirs = _UNDEFINED if published is None else _share(published, paper.EXTERNAL_CASES)
        rows.append(("manufacturer", name, _share(int(counts.get(name, 0)), len(names)), theirs))
    return CohortTable(
        "Table 2: scanners of the external test set",
        ("Variable", "Value", _SPLIT_TITLES["external"], "External test, published"),
        (("cases", "", str(len(names)), str(paper.EXTERNAL_CASES)), *rows),
        (
            f"Published: {paper.CITATION}, doi:{paper.DOI}; other patients; percentages computed from its counts.",
            "Toshiba's scanners count as Canon's, Hitachi's as Fujifilm's.",
        ),
    )


def _stated(cohort: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of the tables, with a value of its own for what nobody stated."""
    import pandas as pd

    frame = pd.DataFrame(index=range(len(cohort)))
    for column in ("split", "institution", "sex", "histology", "manufacturer"):
        values = [_NOT_STATED if pd.isna(value) or value == "" else str(value) for value in cohort[column]]
        frame[column] = _summed_up(values) if column == "histology" else values
    frame["age"] = pd.to_numeric(pd.Series(list(cohort["age"])), errors="coerce").astype(float)
    return frame


def _summed_up(values: Sequence[str]) -> list[str]:
    """Put the rarest of too many values under one name."""
    by_number = sorted(set(values), key=lambda value: (value not in paper.DIAGNOSES, -values.count(value), value))
    if len(by_number) <= _MOST_VALUES:
        return list(values)
    kept = set(by_number[: _MOST_VALUES - 1])
    return [value if value in kept else "other diagnoses" for value in values]


def _tableone(stated: pd.DataFrame, p_values: bool) -> pd.DataFrame:
    try:
        from tableone import TableOne  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("Table 1 needs the extra: pip install 'nnunet_amt[report]'") from error
    others = sorted(set(stated["histology"]) - {*paper.DIAGNOSES, _NOT_STATED})
    histologies = [name for name in [*paper.DIAGNOSES, *others, _NOT_STATED] if name in set(stated["histology"])]
    sexes = [name for name in [*_SEXES, _NOT_STATED] if name in set(stated["sex"])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of splits with one case
        table = TableOne(
            stated,
            columns=["age", "sex", "histology"],
            categorical=["sex", "histology"],
            nonnormal=["age"],
            min_max=["age"],
            groupby="split",
            order={"split": list(SPLITS), "sex": sexes, "histology": histologies},
            pval=p_values,
            missing=False,
        )
    return table.tableone.droplevel(0, axis="columns")


def _institution_row(stated: pd.DataFrame, columns: int) -> tuple[str, ...]:
    counts = [str(stated.loc[stated["split"] == split, "institution"].nunique()) for split in SPLITS]
    total = str(stated["institution"].nunique())
    return ("institutions", "", *counts, total, str(paper.INSTITUTIONS), *[""] * (columns - 4))


def _missing_age_row(stated: pd.DataFrame, missing: int, p_values: bool) -> tuple[str, ...]:
    absent = stated["age"].isna()
    cells = [
        _share(int(absent[stated["split"] == split].sum()), int((stated["split"] == split).sum())) for split in SPLITS
    ]
    total = _share(missing, len(stated))
    return ("age, years", _NOT_STATED, *cells, total, _UNDEFINED, *([""] if p_values else []))


def _cell(name: str, text: str) -> str:
    """Bring tableone's cells to the paper's form."""
    if text in ("", "nan"):
        return ""
    if name == "age" and "[" in text:  # 58.0 [20.0,87.0]
        median, _, rest = text.partition(" [")
        low, _, high = rest.rstrip("]").partition(",")
        if "nan" in text:
            return _UNDEFINED
        return _age_text(float(median), float(low), float(high))
    if "(" in text:  # 12 (34.5)
        return text.replace(")", "%)")
    return text


def _published(name: str, value: str) -> str:
    """Give the published figure for all splits together; the paper states ages by split only."""
    match name:
        case "n":
            return str(paper.INCLUDED_CASES)
        case "age":
            lows, highs = zip(*((low, high) for _, low, high in paper.AGES.values()), strict=True)
            return f"{_UNDEFINED} ({min(lows)}–{max(highs)})"
        case "sex" if value in paper.SEXES:
            return _share(paper.SEXES[value], paper.INCLUDED_CASES)
        case "histology" if value in paper.DIAGNOSES:
            return _share(sum(paper.DIAGNOSES[value]), paper.INCLUDED_CASES)
    return _UNDEFINED


def _age_text(median: float, low: float, high: float) -> str:
    return f"{median:.1f} ({low:g}–{high:g})"


def _share(number: int, of: int) -> str:
    return f"{number} ({100 * number / of:.1f}%)" if of else f"{number}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
