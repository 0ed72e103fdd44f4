"""The rows of cohort.csv that belong to the evaluated cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnunet_amt.base.csv_rows import numbered_rows, require_columns, row_texts
from nnunet_amt.errors import ManifestError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import named_cases

CohortRows = Mapping[str, Mapping[str, str]]


def read_cohort_rows(path: Path, case_ids: Sequence[str]) -> CohortRows:
    """Read what a cohort file says about the evaluated cases.

    Parameters
    ----------
    path
        CSV with a header line, a column ``case_id`` and any others; rows of other cases are passed over.
    case_ids
        The evaluated cases.

    Returns
    -------
    dict of dict
        Column to text (stripped; empty where not stated), by case id.

    Raises
    ------
    ManifestError
        If the file cannot be read or is no strict CSV, a row has more or fewer cells than the header, there is no
        column ``case_id``, a column or a case stands there twice.
    UnmatchedCasesError
        If an evaluated case has no row.
    """
    numbered = numbered_rows(path, "the cohort.csv of these cases")
    _, columns = next(numbered, (1, []))
    require_columns(path, columns, ("case_id",))
    rows = _by_case(path, columns, numbered)
    missing = [case_id for case_id in case_ids if case_id not in rows]
    if missing:
        raise UnmatchedCasesError(
            f"{path}: no row for {named_cases(missing)} that the predictions hold; "
            "add the rows or give the cohort.csv of these cases"
        )
    return {case_id: rows[case_id] for case_id in case_ids}


def _by_case(path: Path, columns: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for line, cells in rows:
        texts = row_texts(path, line, columns, cells)
        case_id = texts["case_id"]
        if case_id and case_id in found:
            raise ManifestError(
                f"{path} line {line}, column 'case_id': case {case_id} stands on line {lines[case_id]} "
                "already; keep one row a case"
            )
        found[case_id], lines[case_id] = texts, line
    return found
