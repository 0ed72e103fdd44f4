"""Fig. 2 and Tables 1 and 2 as the conversion will write them, of a manifest whose images nobody has read yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from nnunet_amt.cohort import CohortCase, audit_splits
from nnunet_amt.dataset_conversion.cohort_tables import table_1, table_2
from nnunet_amt.dataset_conversion.dataset_files import COHORT_COLUMNS, NO_TUMOUR_COLUMN, cohort_row
from nnunet_amt.dataset_conversion.flow_figure import FlowCounts
from nnunet_amt.writing.table import Table


@dataclass(frozen=True)
class PlannedCohort:
    """What will be printed of a cohort.

    Attributes
    ----------
    flow
        What Fig. 2 tells, see `nnunet_amt.dataset_conversion.flow_figure.flow_figure`.
    tables
        Tables 1 and 2.
    without_manufacturer
        External cases whose scanner the manifest does not name: the conversion looks into the DICOM headers.
    """

    flow: FlowCounts
    tables: tuple[Table, Table]
    without_manufacturer: int


def planned_cohort(
    cases: Sequence[CohortCase], excluded: Mapping[str, int], *, p_values: bool = False, published: bool = True
) -> PlannedCohort:
    """Lay out what `nnunet_amt.dataset_conversion.convert` will write of these cases, if it can read them all.

    Parameters
    ----------
    cases
        Included cases with their splits, which hold no leak.
    excluded
        Excluded cases by reason, the most frequent first.
    p_values
        Put p-values into Table 1.
    published
        Whether the paper's numbers stand beside these: for cases that are patients.

    Raises
    ------
    BadInputError
        One of its subclasses, if the conversion would refuse the split.
    """
    audit = audit_splits(cases)
    rows = [cohort_row(case, None) for case in cases]
    columns = [*COHORT_COLUMNS, *([NO_TUMOUR_COLUMN] if audit.without_tumour else [])]
    cohort = pd.DataFrame([[row.get(column) for column in columns] for row in rows], columns=columns)
    patients = [split.patients for split in audit.splits]
    first, second = table_1(cohort, p_values=p_values, patients=patients), table_2(cohort)
    return PlannedCohort(
        flow=FlowCounts.of(audit, excluded),
        tables=(first, second) if published else (first.without_published(), second.without_published()),
        without_manufacturer=sum(case.split == "external" and case.manufacturer is None for case in cases),
    )
