"""The paper's Tables 1 and 2 for a cohort: patients and diagnoses by split, scanners of the external test set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt import paper
from nnunet_amt.base.files import write_csv, write_json, write_text
from nnunet_amt.cohort import SPLITS
from nnunet_amt.writing.table import Row, Table
from nnunet_amt.writing.table_formats import pipe_table

if TYPE_CHECKING:
    import pandas as pd

TABLES_FILE = "cohort_tables.json"
_NOT_STATED = "not stated"
_UNDEFINED = "–"
_SPLIT_TITLES = {"training": "Training", "tuning": "Tuning", "external": "External test"}
_SEXES = {"F": "female", "M": "male", "O": "other"}
_MOST_VALUES = 20  # rows of one variable; rarer values are summed up
_SMALLEST_P = 0.001
_WORDS = frozenset({0})  # the column Value
_NO_TUMOUR = "no tumour"  # stands in place of the diagnosis of a case without one


def write_cohort_tables(
    folder: Path,
    *,
    cohort: pd.DataFrame,
    p_values: bool = False,
    patients: Sequence[int] = (),
    published: bool = True,
) -> list[Path]:
    """Write ``table1`` and ``table2``, each as CSV and as Markdown, and both in ``cohort_tables.json``.

    Parameters
    ----------
    folder
        Where to.
    cohort
        A row a case, with the columns split, institution, age, sex, histology and manufacturer; an empty or missing
        value is one that nobody stated. A column no_tumour, yes or no, may tell cases without a tumour.
    p_values
        Add tests of the differences between the splits to Table 1.
    patients
        How many there are in each split; Table 1 says so where they are fewer than the cases.
    published
        Whether the paper's numbers stand beside these: for cases that are patients.
    """
    tables = {"table1": table_1(cohort, p_values=p_values, patients=patients), "table2": table_2(cohort)}
    if not published:
        tables = {name: table.without_published() for name, table in tables.items()}
    written = []
    for name, table in tables.items():
        written += [folder / f"{name}.csv", folder / f"{name}.md"]
        write_csv(written[-2], (table.heading, *table.columns), ((row.title, *row.cells) for row in table.rows))
        write_text(written[-1], markdown_page(table))
    written.append(folder / TABLES_FILE)
    write_json(written[-1], [table.as_json() for table in tables.values()])
    return written


def markdown_page(table: Table) -> str:
    """Lay a table out as a page of its own: title, table and notes."""
    notes = "\n".join(f"- {note}" for note in table.notes)
    alignments = "ll" + "r" * (len(table.columns) - 1)
    return f"# {table.title}\n\n{pipe_table(table, alignments=alignments)}\n\n{notes}\n"


def table_1(cohort: pd.DataFrame, *, p_values: bool = False, patients: Sequence[int] = ()) -> Table:
    """Lay out age, sex and diagnosis by split, as the paper's Table 1, with the published total beside ours."""
    stated = _stated(cohort)
    sizes = [len(group) for group in _groups(stated)]
    institutions = [str(group["institution"].nunique()) for group in _groups(stated)]
    rows = [_row("institutions", "", institutions, str(paper.INSTITUTIONS))]
    if patients and sum(patients) != len(stated):
        rows.append(_row("patients", "", [*map(str, patients), str(sum(patients))], _UNDEFINED))
    rows.append(_row("cases", "", list(map(str, sizes)), str(paper.INCLUDED_CASES)))
    if stated["no_tumour"].any():
        without = [_share(int(group["no_tumour"].sum()), len(group)) for group in _groups(stated)]
        rows.append(_row("cases", "without a tumour", without, _UNDEFINED))
    lows, highs = zip(*((low, high) for _, low, high in paper.AGES.values()), strict=True)
    published = f"{_UNDEFINED} ({min(lows)}–{max(highs)})"  # the paper states medians by split only
    medians = [_median_and_range(group["age"]) for group in _groups(stated)]
    rows.append(_row("age, years", "median (range)", medians, published, _p_of_ages(stated) if p_values else None))
    rows += [*_sex_rows(stated, p_values), *_diagnosis_rows(stated, p_values)]
    if stated["age"].isna().any():
        missing = [_share(int(group["age"].isna().sum()), len(group)) for group in _groups(stated)]
        rows.append(_row("age, years", _NOT_STATED, missing, _UNDEFINED))
    titles = ["Value", *_SPLIT_TITLES.values(), "Total", "Total, published"]
    ages = ", ".join(f"{split} {_age_text(*paper.AGES[split])}" for split in SPLITS)
    notes = [
        f"Published: {paper.CITATION}, doi:{paper.DOI}; other patients; percentages computed from its counts. Its ages "
        f"by split: {ages}.",
        "Percentages are of the column's cases.",
    ]
    if p_values:
        titles.append("p")
        rows = [Row(row.title, (*row.cells, *[""] * (len(titles) - len(row.cells)))) for row in rows]
        notes.append(
            "p: Kruskal-Wallis test for age, chi-squared or Fisher's exact test for the rest; not corrected for "
            "several tests. A split is drawn, so its p-values say little."
        )
    title = "Table 1: age, sex and diagnosis, counted by case"
    return Table(title, "Variable", tuple(titles), tuple(rows), tuple(notes), _WORDS)


def table_2(cohort: pd.DataFrame) -> Table:
    """Count the scanners' manufacturers in the external test set, as the paper's Table 2."""
    stated = _stated(cohort)
    names = stated.loc[stated["split"] == "external", "manufacturer"]
    counts = names.value_counts()
    order = [*paper.MANUFACTURERS, *sorted(set(names) - {*paper.MANUFACTURERS, _NOT_STATED})]
    if _NOT_STATED in counts:
        order.append(_NOT_STATED)
    rows = [Row("cases", ("", str(len(names)), str(paper.EXTERNAL_CASES)))]
    without = int(stated.loc[stated["split"] == "external", "no_tumour"].sum())
    if without:
        rows.append(Row("cases", ("without a tumour", _share(without, len(names)), _UNDEFINED)))
    for name in order:
        published = paper.MANUFACTURERS.get(name)
        theirs = _UNDEFINED if published is None else _share(published, paper.EXTERNAL_CASES)
        rows.append(Row("manufacturer", (name, _share(int(counts.get(name, 0)), len(names)), theirs)))
    return Table(
        "Table 2: scanners of the external test set",
        "Variable",
        ("Value", _SPLIT_TITLES["external"], "External test, published"),
        tuple(rows),
        (
            f"Published: {paper.CITATION}, doi:{paper.DOI}; other patients; percentages computed from its counts.",
            "Toshiba's scanners count as Canon's, Hitachi's as Fujifilm's.",
        ),
        _WORDS,
    )


def _stated(cohort: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of the tables, with a value of its own for what nobody stated."""
    import pandas as pd

    frame = pd.DataFrame(index=range(len(cohort)))
    frame["no_tumour"] = list(cohort["no_tumour"] == "yes") if "no_tumour" in cohort else False
    for column in ("split", "institution", "sex", "histology", "manufacturer"):
        values = [_NOT_STATED if pd.isna(value) or value == "" else str(value) for value in cohort[column]]
        if column == "histology":
            values = _summed_up(values)
            values = [
                _NO_TUMOUR if no_tumour else value for value, no_tumour in zip(values, frame["no_tumour"], strict=True)
            ]
        frame[column] = values
    frame["age"] = pd.to_numeric(pd.Series(list(cohort["age"])), errors="coerce").astype(float)
    return frame


def _summed_up(values: Sequence[str]) -> list[str]:
    """Put the rarest of too many values under one name."""
    by_number = sorted(set(values), key=lambda value: (value not in paper.DIAGNOSES, -values.count(value), value))
    if len(by_number) <= _MOST_VALUES:
        return list(values)
    kept = set(by_number[: _MOST_VALUES - 1])
    return [value if value in kept else "other diagnoses" for value in values]


def _groups(stated: pd.DataFrame) -> list[pd.DataFrame]:
    """Give the cases of each split, and last all."""
    return [*(stated[stated["split"] == split] for split in SPLITS), stated]


def _row(title: str, value: str, ours: Sequence[str], published: str, p: str | None = None) -> Row:
    return Row(title, (value, *ours, published, *([] if p is None else [p])))


def _sex_rows(stated: pd.DataFrame, p_values: bool) -> Iterator[Row]:
    p = _p_of_counts(stated, "sex") if p_values else None
    present = set(stated["sex"])
    for sex in (name for name in (*_SEXES, _NOT_STATED) if name in present):
        published = _share(paper.SEXES[sex], paper.INCLUDED_CASES) if sex in paper.SEXES else _UNDEFINED
        yield _row("sex", _SEXES.get(sex, sex), _counts(stated, "sex", sex), published, p)
        p = None


def _diagnosis_rows(stated: pd.DataFrame, p_values: bool) -> Iterator[Row]:
    p = _p_of_counts(stated, "histology") if p_values else None
    present = set(stated["histology"])
    others = sorted(present - {*paper.DIAGNOSES, _NO_TUMOUR, _NOT_STATED})
    for name in (name for name in (*paper.DIAGNOSES, *others, _NO_TUMOUR, _NOT_STATED) if name in present):
        theirs = paper.DIAGNOSES.get(name)
        published = _UNDEFINED if theirs is None else _share(sum(theirs), paper.INCLUDED_CASES)
        yield _row("diagnosis", name, _counts(stated, "histology", name), published, p)
        p = None


def _counts(stated: pd.DataFrame, column: str, value: str) -> list[str]:
    """Count a value in each split and in all."""
    cells = []
    for group in _groups(stated):
        number = int((group[column] == value).sum())
        cells.append(f"{number} ({number / len(group) * 100:.1f}%)" if len(group) else f"{number}")
    return cells


def _median_and_range(ages: pd.Series) -> str:
    stated = ages.dropna()
    if stated.empty:
        return _UNDEFINED
    low, high = (float(f"{age:.1f}") for age in (stated.min(), stated.max()))
    return _age_text(stated.median(), low, high)


def _p_of_ages(stated: pd.DataFrame) -> str:
    """Compare the ages of the splits by Kruskal and Wallis; empty where a split has none."""
    from scipy.stats import kruskal

    if stated["age"].isna().all():
        return _UNDEFINED
    ages = [group["age"].dropna() for group in _groups(stated)[:-1]]
    return "" if any(values.empty for values in ages) else _p_text(kruskal(*ages).pvalue)


def _p_of_counts(stated: pd.DataFrame, column: str) -> str:
    """Compare how often each value is in each split, by chi-squared."""
    import pandas as pd
    from scipy.stats import chi2_contingency

    return _p_text(chi2_contingency(pd.crosstab(stated[column], stated["split"]))[1])


def _p_text(p: float) -> str:
    if p != p:  # not a number: all values are the same
        return ""
    return f"<{_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}"


def _age_text(median: float, low: float, high: float) -> str:
    return f"{median:.1f} ({low:g}–{high:g})"


def _share(number: int, of: int) -> str:
    return f"{number} ({100 * number / of:.1f}%)" if of else f"{number}"
