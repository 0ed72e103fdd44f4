"""Table 1 of ten cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnunet_amt.risk.evaluation.characteristics import characteristics_table
from nnunet_amt.statistics.tests import count_test
from nnunet_amt.writing.numbers import short_p_text
from nnunet_amt.writing.table import Table
from tests.risk.evaluation.made_up import cohort_of, risk_case


def cells(table: Table, title: str) -> tuple[str, ...]:
    return next(row.cells for row in table.rows if row.title == title)


def test_counts_are_by_risk_and_split_with_the_papers_beside() -> None:
    """Margins: all three low-risk training tumours are clear, all three high-risk ones unclear: Fisher's p is 0.1."""
    table = characteristics_table(cohort_of().cases)
    assert table.columns[:3] == ("LRT, training (n = 3)", "HRT, training (n = 3)", "p, training (test)")
    low, high, p, *_ = cells(table, "margin: clear")
    assert (low, high, p) == ("3 (100%)", "0 (0%)", "0.100 (Fisher's exact)")
    assert cells(table, "margin: clear, published")[:3] == ("52 (85%)", "44 (31%)", "0.000")
    assert cells(table, "WHO type: AB") == ("3 (100%)", "0 (0%)", "", "2 (100%)", "0 (0%)", "")


def test_p_values_stand_beside_the_first_level_alone() -> None:
    table = characteristics_table(cohort_of().cases)
    assert cells(table, "margin: unclear")[2] == ""
    assert cells(table, "margin: clear")[2].startswith(short_p_text(count_test([[3, 0], [0, 3]]).p))


def test_numbers_have_mean_and_sd_and_what_is_not_stated_is_counted() -> None:
    """Ages of 40 and 60: mean 50, SD 14.14."""
    cases = [
        risk_case("t0", "training", False, age=40.0),
        risk_case("t1", "training", False, age=60.0),
        risk_case("t2", "training", True, age=None),
    ]
    table = characteristics_table(cases)
    assert cells(table, "age, years") == ("50.00 ± 14.14", "–", "–", "–", "–", "–")
    assert cells(table, "age, years: not stated") == ("0", "1", "", "0", "0", "")


def test_the_cohorts_own_columns_are_characteristics() -> None:
    cases = [
        risk_case(
            f"t{place}", "training", place > 1, clinical={"clinical_myasthenia": text, "clinical_ldh": str(place)}
        )
        for place, text in enumerate(("yes", "no", "yes", ""))
    ]
    table = characteristics_table(cases)
    assert cells(table, "myasthenia: yes")[:2] == ("1 (50%)", "1 (100%)")
    assert cells(table, "myasthenia: not stated")[:2] == ("0", "1")
    assert cells(table, "ldh")[:2] == ("0.50 ± 0.71", "2.50 ± 0.71")


@pytest.mark.parametrize("volume", [None, 10.0])
def test_volumes_stand_there_where_they_are_given(volume: float | None) -> None:
    first, *others = cohort_of().cases
    table = characteristics_table([replace(first, volume_cm3=volume), *others])
    assert any(row.title == "tumour volume, cm3" for row in table.rows) == (volume is not None)
    assert any("volumes were not given" in note for note in table.notes) == (volume is None)


def test_without_the_papers_rows_nothing_of_it_is_left() -> None:
    table = characteristics_table(cohort_of().cases).without_published()
    assert not [row for row in table.rows if "published" in row.title]
    assert not [note for note in table.notes if "Frontiers" in note]
