"""New rows of a cohort's table from a folder of CTs and masks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nnunet_amt.app.aside import Aside
from nnunet_amt.app.case_table import CaseTable
from nnunet_amt.cohort.case import ExcludedRow
from nnunet_amt.cohort.manifest import FILE_COLUMNS
from nnunet_amt.cohort.spelling import closed_up
from nnunet_amt.dataset_conversion.pairing import FoundCase, FoundFiles, NotPaired

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_ID = 80


@dataclass(frozen=True)
class NewRows:
    """Rows to add, and what became of all else that was found.

    Attributes
    ----------
    rows
        Column to text.
    without_mask, named_by_file
        How many of them have no mask, and how many a ``patient_id`` that is only the file's name.
    known
        CTs that the table has already.
    others
        What could not be paired, and why.
    passed_over
        Files that are neither images nor DICOM.
    """

    rows: tuple[dict[str, str], ...]
    without_mask: int
    named_by_file: int
    known: int
    others: tuple[NotPaired, ...]
    passed_over: int


@dataclass(frozen=True)
class Search:
    """A search for cases: what was typed into its form, and the work."""

    asked: Mapping[str, str]
    work: Aside[NewRows]


def new_rows(found: FoundFiles, table: CaseTable, *, opened: Path, institution: str = "") -> NewRows:
    """Make a row of each CT that the table has not.

    Parameters
    ----------
    opened
        CTs and masks that are links to outside of this folder are left out.
    institution
        For the cases whose headers do not name one.
    """
    folder = table.path.parent.resolve()
    taken = {closed_up(table.cell(line, "case_id")) for line in table.rows}
    images = set(_files_of(table))
    rows: list[dict[str, str]] = []
    others: list[NotPaired] = []
    known = named_by_file = 0
    for case in found.cases:
        if case.image.resolve() in images:
            known += 1
            continue
        if outside := _outside(case, opened):
            others.append(NotPaired(outside, "is a link to outside the opened folder; copy the file there"))
            continue
        case_id = _case_id(case.name, taken)
        named_by_file += "patient_id" not in case.cells
        rows.append(
            {
                "case_id": case_id,
                "patient_id": case_id,
                "institution": institution,
                "image": os.path.relpath(case.image.resolve(), folder),
                "mask": os.path.relpath(case.mask.resolve(), folder) if case.mask else "",
                **case.cells,
            }
        )
    without_mask = sum(not row["mask"] for row in rows)
    return NewRows(tuple(rows), without_mask, named_by_file, known, (*others, *found.others), found.passed_over)


def _files_of(table: CaseTable) -> Iterator[Path]:
    for line in table.rows:
        for column in FILE_COLUMNS:
            if text := table.cell(line, column):
                try:
                    yield (table.path.parent / text).resolve()
                except (OSError, RuntimeError, ValueError):
                    continue  # no path: its row says so


def _outside(case: FoundCase, opened: Path) -> Path | None:
    paths = [path for path in (case.image, case.mask) if path is not None]
    return next((path for path in paths if not path.resolve().is_relative_to(opened.resolve())), None)


def _case_id(name: str, taken: set[str]) -> str:
    """Make an id of a name that no other row has, by the rules of the manifest."""
    plain = _NOT_IN_IDS.sub("_", name)[:_LONGEST_ID].strip("_.-") or "case"
    if not _is_allowed(plain):
        plain = f"{plain.rstrip('.')}_ct"
    number, case_id = 1, plain
    while closed_up(case_id) in taken:
        number += 1
        case_id = f"{plain}_no{number}"
    taken.add(closed_up(case_id))
    return case_id


def _is_allowed(case_id: str) -> bool:
    try:
        ExcludedRow(case_id=case_id, exclusion_reason="none")
    except ValidationError:
        return False
    return True
