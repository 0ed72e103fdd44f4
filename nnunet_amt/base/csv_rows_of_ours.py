"""The CSV files of results as they are, a dictionary a row."""

from __future__ import annotations

import csv
from pathlib import Path

from nnunet_amt.errors import BadInputError


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with a column ``case_id``.

    Raises
    ------
    BadInputError
        If it cannot be read or has no such column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise BadInputError(f"{path}: cannot be read ({cause}); make these results again") from error
    if "case_id" not in (reader.fieldnames or ()):
        raise BadInputError(f"{path}: has no column 'case_id'; make these results again")
    return rows
