"""Tables 1 and 2 of a cohort small enough to count on one's fingers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd

from nnunet_amt.dataset_conversion.cohort_tables import markdown_page, table_1, table_2, write_cohort_tables
from nnunet_amt.writing.table import Table, table_from_json

COHORT = pd.DataFrame(
    [
        # split, institution, age, sex, histology, manufacturer
        ("training", "i1", 40, "F", "thymoma", None),
        ("training", "i1", 51, "M", "thymoma", "Siemens"),
        ("training", "i2", 60, "F", "thymic cyst", "Siemens"),
        ("tuning", "i2", 70, "F", "thymoma", "Siemens"),
        ("tuning", "i2", None, "M", "Castleman disease", "Siemens"),
        ("external", "i3", 33, "M", "thymoma", "GE Healthcare"),
        ("external", "i4", 34, None, None, "GE Healthcare"),
        ("external", "i4", 80, "F", "thymoma", "Shimadzu"),
        ("external", "i4", 81, "F", "lymphoma", None),
    ],
    columns=["split", "institution", "age", "sex", "histology", "manufacturer"],
)


def rows_of(table: Table) -> list[tuple[str, ...]]:
    return [(row.title, *row.cells) for row in table.rows]


def cells(table: Table, variable: str, value: str = "") -> tuple[str, ...]:
    [row] = [row for row in rows_of(table) if row[:2] == (variable, value)]
    return row[2:]


def test_columns_are_the_splits_the_total_and_the_published_total() -> None:
    table = table_1(COHORT)
    assert table.heading == "Variable"
    assert table.columns == ("Value", "Training", "Tuning", "External test", "Total", "Total, published")


P_VALUES = ("0.779", "0.809", "0.424")
TABLE_1 = {
    ("institutions", ""): ("2", "1", "2", "4", "136"),
    ("cases", ""): ("3", "2", "4", "9", "711"),
    # medians: of 40 51 60; of 70; of 33 34 80 81 = 57; of all eight: 51 and 60 in the middle, 55.5
    ("age, years", "median (range)"): ("51.0 (40–60)", "70.0 (70–70)", "57.0 (33–81)", "55.5 (33–81)", "– (20–87)"),
    ("age, years", "not stated"): ("0 (0.0%)", "1 (50.0%)", "0 (0.0%)", "1 (11.1%)", "–"),
    ("sex", "female"): ("2 (66.7%)", "1 (50.0%)", "2 (50.0%)", "5 (55.6%)", "372 (52.3%)"),
    ("sex", "male"): ("1 (33.3%)", "1 (50.0%)", "1 (25.0%)", "3 (33.3%)", "339 (47.7%)"),
    ("sex", "not stated"): ("0 (0.0%)", "0 (0.0%)", "1 (25.0%)", "1 (11.1%)", "–"),
    # 291 + 39 + 74 = 404
    ("diagnosis", "thymoma"): ("2 (66.7%)", "1 (50.0%)", "2 (50.0%)", "5 (55.6%)", "404 (56.8%)"),
    ("diagnosis", "lymphoma"): ("0 (0.0%)", "0 (0.0%)", "1 (25.0%)", "1 (11.1%)", "71 (10.0%)"),
    ("diagnosis", "thymic cyst"): ("1 (33.3%)", "0 (0.0%)", "0 (0.0%)", "1 (11.1%)", "44 (6.2%)"),
    ("diagnosis", "Castleman disease"): ("0 (0.0%)", "1 (50.0%)", "0 (0.0%)", "1 (11.1%)", "–"),
    ("diagnosis", "not stated"): ("0 (0.0%)", "0 (0.0%)", "1 (25.0%)", "1 (11.1%)", "–"),
}


def test_table_1() -> None:
    table = table_1(COHORT)
    assert {row[:2]: row[2:] for row in rows_of(table)} == TABLE_1


def test_cases_without_a_tumour_have_rows_of_their_own() -> None:
    """Of 4 external cases 2 have none, one of them called 'normal'; nobody counts them by a diagnosis."""
    cohort = COHORT.assign(no_tumour=["no"] * 6 + ["yes", "no", "yes"])
    cohort.loc[8, "histology"] = "normal"
    table = table_1(cohort)
    assert cells(table, "cases", "without a tumour") == ("0 (0.0%)", "0 (0.0%)", "2 (50.0%)", "2 (22.2%)", "–")
    assert cells(table, "diagnosis", "no tumour") == ("0 (0.0%)", "0 (0.0%)", "2 (50.0%)", "2 (22.2%)", "–")
    assert {row[1] for row in rows_of(table) if row[0] == "diagnosis"}.isdisjoint({"normal", "not stated"})
    assert cells(table_2(cohort), "cases", "without a tumour") == ("2 (50.0%)", "–")
    none = COHORT.assign(no_tumour="no")
    assert (rows_of(table_1(none)), rows_of(table_2(none))) == (rows_of(table_1(COHORT)), rows_of(table_2(COHORT)))


def test_rows_stand_in_the_papers_order() -> None:
    assert [row[:2] for row in rows_of(table_1(COHORT)) if row[0] in ("sex", "diagnosis")] == [
        ("sex", "female"),
        ("sex", "male"),
        ("sex", "not stated"),
        ("diagnosis", "thymoma"),
        ("diagnosis", "lymphoma"),
        ("diagnosis", "thymic cyst"),
        ("diagnosis", "Castleman disease"),
        ("diagnosis", "not stated"),
    ]


def test_p_values_only_when_asked() -> None:
    """A split is drawn: a test of a difference between its sets tests nothing, so nobody gets one unasked."""
    assert not any("p:" in note for note in table_1(COHORT).notes)
    asked = table_1(COHORT, p_values=True)
    assert asked.columns[-1] == "p"
    assert float(cells(asked, "age, years", "median (range)")[-1]) > 0.05
    assert {len(row.cells) for row in asked.rows} == {len(asked.columns)}
    assert any("not corrected for several tests" in note for note in asked.notes)


def test_a_cohort_without_clinical_data_has_a_table_too() -> None:
    bare = COHORT.assign(age=None, sex=None, histology=None, manufacturer=None)
    table = table_1(bare)
    assert cells(table, "age, years", "median (range)") == ("–", "–", "–", "–", "– (20–87)")
    assert cells(table, "sex", "not stated")[3] == "9 (100.0%)"
    assert cells(table_2(bare), "manufacturer", "not stated") == ("4 (100.0%)", "–")


def test_a_split_without_ages_is_undefined_there() -> None:
    ages = COHORT["age"].where(COHORT["split"] != "tuning")
    assert cells(table_1(COHORT.assign(age=ages)), "age, years", "median (range)")[:2] == ("51.0 (40–60)", "–")


def test_table_2_counts_the_external_test_set_only() -> None:
    table = table_2(COHORT)
    assert cells(table, "cases") == ("4", "164")
    assert cells(table, "manufacturer", "GE Healthcare") == ("2 (50.0%)", "37 (22.6%)")
    assert cells(table, "manufacturer", "Siemens") == ("0 (0.0%)", "35 (21.3%)")
    assert cells(table, "manufacturer", "Shimadzu") == ("1 (25.0%)", "–")
    assert cells(table, "manufacturer", "not stated") == ("1 (25.0%)", "–")


def test_files_are_csv_and_markdown(tmp_path: Path) -> None:
    paths = write_cohort_tables(tmp_path, cohort=COHORT)
    assert [path.name for path in paths[:4]] == ["table1.csv", "table1.md", "table2.csv", "table2.md"]
    with paths[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == ("Variable", *table_1(COHORT).columns)
    assert tuple(rows[1:][-1]) == rows_of(table_1(COHORT))[-1]
    lines = paths[1].read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Table 1: age, sex and diagnosis, counted by case"
    assert "| sex | female | 2 (66.7%) | 1 (50.0%) | 2 (50.0%) | 5 (55.6%) | 372 (52.3%) |" in lines


def test_the_papers_numbers_stand_beside_patients_alone(tmp_path: Path) -> None:
    for path in write_cohort_tables(tmp_path, cohort=COHORT, p_values=True, published=False):
        text = path.read_text(encoding="utf-8")
        assert "ublished" not in text, path.name
        assert "372" not in text, path.name
    assert (tmp_path / "table1.csv").read_text().splitlines()[0].endswith("Total,p")


def test_a_bar_in_a_diagnosis_does_not_break_the_markdown() -> None:
    table = table_1(COHORT.assign(histology="a|b"))
    [line] = [line for line in markdown_page(table).splitlines() if "a\\|b" in line]
    assert line.replace("\\|", "").count("|") == 8


def test_the_rarest_of_very_many_diagnoses_are_summed_up() -> None:
    """Of 30 diagnoses 19 are shown; 11 others of one case each."""
    many = pd.DataFrame({column: list(COHORT[column].iloc[:1]) * 30 for column in COHORT})
    many["split"] = (["training", "tuning", "external"] * 10)[:30]
    table = table_1(many.assign(histology=[f"diagnosis {number:02d}" for number in range(30)]))
    assert cells(table, "diagnosis", "other diagnoses")[3] == "11 (36.7%)"
    assert sum(row.title == "diagnosis" for row in table.rows) == 20


def test_the_tables_stand_in_the_dataset_as_data_too(tmp_path: Path) -> None:
    """The page shows them from there, and reads no Markdown."""
    path = write_cohort_tables(tmp_path, cohort=COHORT)[-1]
    assert path == tmp_path / "cohort_tables.json"
    read = [table_from_json(content) for content in json.loads(path.read_text(encoding="utf-8"))]
    assert [rows_of(table) for table in read] == [rows_of(table_1(COHORT)), rows_of(table_2(COHORT))]
    assert [table.notes for table in read] == [table_1(COHORT).notes, table_2(COHORT).notes]


def test_p_values_are_those_that_the_library_tableone_gave() -> None:
    """Recorded with tableone 0.9.6 before it was replaced; ages of no split leave nothing to test."""
    [age, sex, diagnosis] = (
        next(row.cells[-1] for row in table_1(COHORT, p_values=True).rows if row.title == title)
        for title in ("age, years", "sex", "diagnosis")
    )
    assert (age, sex, diagnosis) == P_VALUES
    without = COHORT.assign(age=COHORT["age"].where(COHORT["split"] != "tuning"))
    assert cells(table_1(without, p_values=True), "age, years", "median (range)")[-1] == ""


def test_patients_are_counted_where_some_have_several_cts() -> None:
    """Two of the three training cases are of one patient; the paper does not tell its patients."""
    assert cells(table_1(COHORT, patients=(2, 2, 4)), "patients") == ("2", "2", "4", "8", "–")
    assert not [row for row in table_1(COHORT, patients=(3, 2, 4)).rows if row.title == "patients"]
    assert {len(row.cells) for row in table_1(COHORT, p_values=True, patients=(2, 2, 4)).rows} == {7}
