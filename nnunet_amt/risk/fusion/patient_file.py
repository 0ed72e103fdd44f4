"""A table of what is known of new patients beside their CTs: ``--patients FILE.csv``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from nnunet_amt.base.files import numbered_rows, require_columns, row_texts
from nnunet_amt.cohort.case import SEX_LETTERS
from nnunet_amt.cohort.lesion_findings import ctc_level_of, location_of
from nnunet_amt.cohort.manifest import near_column
from nnunet_amt.cohort.thymic_findings import is_clinical
from nnunet_amt.errors import ManifestError
from nnunet_amt.evaluation.summary.cohort_groups import as_number
from nnunet_amt.risk.fusion.encoding import PatientData

_WHICH = "a table of patients, a CSV file with case_id, and ctc_level, age, sex, location, clinical_* as far as known"
_KNOWN = ("case_id", "ctc_level", "age", "sex", "location")
_OLDEST = 130.0  # years
_Value = TypeVar("_Value")

_logger = logging.getLogger(__name__)


def read_patients(path: Path) -> dict[str, PatientData]:
    """Read a table of patients, by case.

    Parameters
    ----------
    path
        CSV file with the column ``case_id``, and ``ctc_level``, ``age`` (years), ``sex``, ``location`` and any
        ``clinical_*`` as in the manifest; an empty cell is not known. Capitals of a column's name do not count. Other
        columns are passed over.

    Raises
    ------
    ManifestError
        If it cannot be read, holds nothing of any patient, a column may be meant to be another one, a cell is not
        understood, or a case stands there twice; named by its line.
    """
    rows = numbered_rows(path, _WHICH)
    line, header = next(rows, (1, []))
    columns = [name.lower() for name in header]
    _require_known(path, line, columns)
    found: dict[str, PatientData] = {}
    for line, cells in rows:
        texts = {name: text.strip() for name, text in row_texts(path, line, columns=columns, cells=cells).items()}
        case_id = texts["case_id"]
        if not case_id or case_id in found:
            rule = "must be filled in" if not case_id else "stands there twice"
            raise ManifestError(f"{path} line {line}, column 'case_id': {rule}; give each case one row")
        found[case_id] = PatientData(
            ctc_level=_read(path, line, texts, "ctc_level", ctc_level_of),
            age=_read(path, line, texts, "age", _age_of),
            sex=_read(path, line, texts, "sex", _sex_of),
            location=_read(path, line, texts, "location", location_of),
            clinical={name: text for name, text in texts.items() if is_clinical(name) and text},
        )
    if not found:
        raise ManifestError(f"{path}: has no row below its header; write one for each patient")
    return found


def _require_known(path: Path, line: int, columns: Sequence[str]) -> None:
    """Refuse a header of which a column may be meant to be another one, or that says nothing of patients."""
    for name in columns:
        if not is_clinical(name) and (near := near_column(name, _KNOWN)):
            raise ManifestError(f"{path} line {line}, column {name!r}: is unknown; did you mean {near!r}?")
    require_columns(path, columns, required=("case_id",))
    used = [name for name in columns if name in _KNOWN or is_clinical(name)]
    if used == ["case_id"]:
        raise ManifestError(f"{path} line {line}: has no column beside case_id that is looked at; give {_WHICH}")
    if ignored := [name for name in columns if name not in used]:
        _logger.info("%s: columns not used: %s", path, ", ".join(ignored))


def _read(path: Path, line: int, texts: Mapping[str, str], column: str, read: Callable[[str], _Value]) -> _Value | None:
    text = texts.get(column, "")
    try:
        return read(text) if text else None
    except ValueError as error:
        raise ManifestError(f"{path} line {line}, column '{column}': is {text!r}; it {error}") from error


def _age_of(text: str) -> float:
    age = as_number(text)
    if age is None or not 0 <= age <= _OLDEST:
        raise ValueError(f"must be years from 0 to {_OLDEST:g}; empty the cell if it is not known")
    return age


def _sex_of(text: str) -> str:
    sex = SEX_LETTERS.get(text.casefold())
    if sex is None:
        raise ValueError("must be M, F or O; empty the cell if it is not known")
    return sex
