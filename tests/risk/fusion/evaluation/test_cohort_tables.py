"""Flow, Table 1 and Table 2 of a few lesions, with figures that one can count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnunet_amt.risk.fusion.evaluation.cohort_tables import flow_counts, flow_table, table_1, table_2
from nnunet_amt.risk.fusion.lesion_case import LesionCohort
from nnunet_amt.writing.table import Table
from tests.risk.fusion.lesion_dataset import lesion_case

COHORT = LesionCohort(
    cases=(
        lesion_case("a", "training", "Cyst", 8.0, age=40.0, sex="M"),
        lesion_case("b", "training", "Cyst", 12.0, age=60.0, location="middle"),
        lesion_case("c", "training", "Type B2 thymoma", 20.0, lesion_class="Thymoma", age=None),
        lesion_case("d", "tuning", "Cyst", None, location=None),
        lesion_case("e", "tuning", "TSCC", 14.0, sex=None),
        lesion_case("f", "external", "Cyst", 10.0),
        lesion_case("g", "external", "Others", 16.0, lesion_class=None, patient="p_f"),
        lesion_case("h", "external", "TSCC", 18.0),
    ),
    left_out={"no diagnosis": ("x", "y")},
    classes=("Cyst", "Thymoma", "TSCC"),
    excluded={"motion artefacts": 3, "no follow-up": 1},
)


def cells(table: Table, title: str) -> tuple[str, ...]:
    return next(row.cells for row in table.rows if row.title == title)


def test_the_flow_goes_from_identified_to_the_splits_with_the_papers_beside() -> None:
    """8 take part, 2 have no diagnosis, 4 never were in the dataset: 14."""
    table = flow_table(COHORT)
    assert [(row.title, row.cells) for row in table.rows] == [
        ("identified", ("14", "2000")),
        ("Excluded before the conversion", ()),
        ("motion artefacts", ("3", "")),
        ("no follow-up", ("1", "")),
        ("together", ("4", "")),
        ("Left out of the study", ()),
        ("no diagnosis", ("2", "")),
        ("together", ("2", "")),
        ("included", ("8 (7 patients)", "1074")),
        ("training", ("3", "434")),
        ("tuning", ("2", "288")),
        ("external", ("3 (2 patients)", "352")),
        ("Of the included", ()),
        ("without a CTC level", ("1 (12%)", "")),
        ("without a location", ("1 (12%)", "")),
        ("without an age", ("1 (12%)", "")),
        ("without a sex", ("1 (12%)", "")),
        ("in the binary task only", ("1 (12%)", "")),
    ]
    assert flow_table(COHORT).without_published().columns == ("Number",)


def test_the_flow_can_be_drawn() -> None:
    counts = flow_counts(COHORT)
    assert (counts.identified_cases, counts.included_cases, counts.included_institutions) == (14, 8, 2)
    assert counts.excluded == {"motion artefacts": 3, "no follow-up": 1, "no diagnosis": 2}
    assert [(one.split, one.cases, one.patients) for one in counts.splits] == [
        ("training", 3, 3),
        ("tuning", 2, 2),
        ("external", 3, 2),
    ]
    assert counts.shared_institutions == 1  # North


def test_table_1_has_the_papers_rows_beside_ours() -> None:
    """Ages of 40 and 60: mean 50, SD 14.14. Levels 8, 12 and 20: mean 13.33, SD 6.11."""
    table = table_1(COHORT, ctc_unit="pg/ml")
    assert table.columns == ("Training (n = 3)", "Tuning (n = 2)", "External (n = 3)", "p (test)")
    assert cells(table, "age, years")[:2] == ("50.00 ± 14.14", "50.00 ± 0.00")
    assert cells(table, "age, years")[3] == "1.000 (Kruskal-Wallis)"  # ranks 1 and 7, and five of 4: means of 4 each
    assert cells(table, "age, years, published") == ("53.81±12.42", "52.41±13.63", "53.76±12.88", "")
    assert cells(table, "age, years: not stated") == ("1", "0", "0", "")
    assert cells(table, "sex: male")[:3] == ("1 (33%)", "0 (0%)", "0 (0%)")
    assert cells(table, "sex: female")[3] == ""  # p stands beside the first level
    assert cells(table, "location: middle") == ("1 (33%)", "0 (0%)", "0 (0%)", "")
    assert cells(table, "location: posterior, published")[0] == "43 (9.91%)"
    assert cells(table, "CTC level, pg/ml")[:2] == ("13.33 ± 6.11", "14.00")
    assert cells(table, "CTCs, pg/ml, published")[2] == "15.19±6.58"
    assert cells(table, "CTC level, pg/ml: not stated") == ("0", "1", "0", "")


def test_p_values_of_table_1_are_chi_squared_and_ranks() -> None:
    """Sexes: of 3, 1 and 3 who state it one is male, in training; expected 3/7, 1/7, 3/7 and 18/7, 6/7, 18/7.

    Chi-squared is (4/7)^2 / (3/7) + 1/7 + 3/7 + (4/7)^2 / (18/7) + 1/42 + 1/14 = 14/9, with 2 degrees of freedom:
    p = exp(-7/9) = 0.459.
    """
    assert cells(table_1(COHORT), "sex: male")[3] == "0.459 (chi-squared)"


def test_columns_of_the_cohorts_own_are_characteristics() -> None:
    cases = [
        replace(case, clinical={"clinical_myasthenia": "yes" if case.malignant else "no"}) for case in COHORT.cases
    ]
    table = table_1(replace(COHORT, cases=tuple(cases)))
    assert cells(table, "myasthenia: yes")[:3] == ("1 (33%)", "1 (50%)", "2 (67%)")
    assert cells(table, "CTC level (unit not stated)")[0] == "13.33 ± 6.11"


def test_table_2_has_diagnoses_benign_ones_first() -> None:
    table = table_2(COHORT)
    titles = [row.title for row in table.rows if row.kind != "published"]
    assert titles == [
        *("Benign", "Cyst", "Benign, all"),
        *("Malignant", "Type B2 thymoma", "TSCC", "Others", "Malignant, all"),
        *("Tests", "benign or malignant, by split", "diagnosis, by split"),
        *("CTC level, malignant against benign", "CTC level, by diagnosis"),
    ]
    assert cells(table, "Cyst") == ("Cyst", "2", "1", "1", "10.00 ± 2.00 (n = 3)", "")
    assert cells(table, "Type B2 thymoma") == ("Thymoma", "1", "0", "0", "20.00", "")
    assert cells(table, "Others")[0] == "none"
    assert cells(table, "Benign, all") == ("", "2 (67%)", "1 (50%)", "1 (33%)", "10.00 ± 2.00 (n = 3)", "")
    assert cells(table, "Cyst, published") == ("", "162", "54", "90", "10.38±4.44", "")
    published = [row.title for row in table.rows if row.kind == "published"]
    assert len(published) == 20
    assert published.index("Lipoma, published") < published.index("Type A thymoma, published")


def test_table_2_tests_levels_of_malignant_against_benign_lesions() -> None:
    """All of 14, 16, 18 and 20 are above all of 8, 10 and 12: 2 of the 35 ways are as far apart, p = 0.057."""
    row = cells(table_2(COHORT), "CTC level, malignant against benign")
    assert row[-2:] == ("AUC 1.00", "0.057 (Mann-Whitney U)")


def test_what_no_model_can_name_is_said() -> None:
    assert any("No training case is of TSCC: no model can name it" in note for note in table_2(COHORT).notes)
    assert any("Some patients have several cases" in note for note in table_2(COHORT).notes)


def test_a_benign_thymoma_of_ones_own_map_stands_among_the_benign() -> None:
    cases = [replace(case, malignant=case.diagnosis == "TSCC") for case in COHORT.cases]
    titles = [row.title for row in table_2(replace(COHORT, cases=tuple(cases))).rows]
    assert titles.index("Type B2 thymoma") < titles.index("Type B2 thymoma, published") < titles.index("Benign, all")
    assert titles.count("Type B2 thymoma, published") == 1


@pytest.mark.parametrize("table", [flow_table(COHORT), table_1(COHORT), table_2(COHORT)])
def test_without_the_papers_rows_nothing_of_it_is_left(table: Table) -> None:
    assert table.notes[-1].startswith("Published: Wang et al.")
    bare = table.without_published()
    assert not [row for row in bare.rows if row.kind == "published" or len(row.cells) not in (0, len(bare.columns))]
    assert not [note for note in bare.notes if "Wang" in note]


def test_a_cohort_without_levels_has_no_tests_of_them() -> None:
    cases = tuple(replace(case, ctc_level=None) for case in COHORT.cases)
    table = table_2(replace(COHORT, cases=cases))
    assert cells(table, "CTC level, malignant against benign")[-2:] == ("–", "–")
    assert cells(table_1(replace(COHORT, cases=cases)), "CTC level (unit not stated)") == ("–", "–", "–", "–")


def test_a_test_set_alone_has_tables_too() -> None:
    cohort = replace(COHORT, cases=COHORT.of_split("external"), left_out={}, excluded={})
    assert cells(table_1(cohort), "age, years")[0] == "–"
    assert cells(table_2(cohort), "Cyst")[1:4] == ("0", "0", "1")
    assert [one.split for one in flow_counts(cohort).splits] == ["external"]
    assert not any("no model can name" in note for note in table_2(cohort).notes)
