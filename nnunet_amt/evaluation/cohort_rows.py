"""The rows of cohort.csv that belong to the evaluated cases."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_amt.errors import ManifestError, UnmatchedCasesError
from nnunet_amt.evaluation.label_maps import named_cases

__all__ = ["CohortRows", "read_cohort_rows"]

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
        If the file cannot be read, has no column ``case_id``, or states a case twice.
    UnmatchedCasesError
        If an evaluated case has no row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "case_id" not in columns:
                raise ManifestError(_no_case_id(path, columns))
            rows = _by_case(path, reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise ManifestError(f"{path}: cannot be read as a CSV file in UTF-8: {cause}") from error
    missing = [case_id for case_id in case_ids if case_id not in rows]
    if missing:
        raise UnmatchedCasesError(
            f"{path}: no row for {named_cases(missing)} that the predictions hold; "
            "add the rows or give the cohort.csv of these cases"
        )
    return {case_id: rows[case_id] for case_id in case_ids}


def _by_case(path: Path, reader: csv.DictReader[str]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for row in reader:
        # A line with too many or too few cells has the key None or the value None.
        texts = {column: (text or "").strip() for column, text in row.items() if column}
        case_id = texts["case_id"]
        if case_id and case_id in rows:
            raise ManifestError(
                f"{path} line {reader.line_num}, column 'case_id': case {case_id} stands on line {lines[case_id]} "
                "already; keep one row a case"
            )
        rows[case_id], lines[case_id] = texts, reader.line_num
    return rows


def _no_case_id(path: Path, columns: Sequence[str]) -> str:
    found = ", ".join(columns) or "none"
    advice = "save it with commas, not semicolons" if len(columns) == 1 and ";" in columns[0] else "name it so"
    return f"{path} line 1: has no column 'case_id' (its columns: {found}); {advice}"
