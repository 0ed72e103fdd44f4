"""On whom: Tables 1 and 2 as the page shows them."""

from __future__ import annotations

from pathlib import Path

from nnunet_amt.report.sections.cohort import Cohort, cohort_section
from nnunet_amt.report.study_content import read_study_content
from nnunet_amt.study import find_study


def test_variable_and_value_name_a_row_together(study: Path) -> None:
    cohort = cohort_section(read_study_content(find_study(study))).content
    assert isinstance(cohort, Cohort)
    [table] = cohort.tables
    assert [row.title for row in table.rows] == ["cases", "sex: female"]
    assert (table.heading, table.columns) == ("Variable", ("Training", "Total, published"))
