"""The cases of the study of lesions: which of a raw dataset take part, and which classes each is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort.case import yes_or_no
from nnunet_amt.cohort.diagnosis import require_fitting_diagnosis, what_is_missing
from nnunet_amt.cohort.lesion_findings import ctc_level_of, location_of
from nnunet_amt.cohort.thymic_findings import is_clinical
from nnunet_amt.errors import BadInputError, ManifestError
from nnunet_amt.evaluation.summary.cohort_groups import as_number
from nnunet_amt.risk.cohort_rows import CONVERT_AGAIN, files_of, require_patients_apart, rows_with, split_of
from nnunet_amt.risk.fusion.class_map import PUBLISHED_CLASS_MAP, ClassMap, MappedDiagnosis, read_class_map
from nnunet_amt.risk.fusion.lesion_case import LesionCase, LesionCohort, LesionSplit
from nnunet_amt.study.study_files import AUDIT, read_part

YOUNGEST_YEARS = 18  # the paper's patients are adults
# Reasons why a case takes no part, in the order in which they are looked for.
NO_TUMOUR, CHILD, NO_DIAGNOSIS = "no tumour", f"under {YOUNGEST_YEARS} years", "no diagnosis"
REASONS = (NO_TUMOUR, CHILD, NO_DIAGNOSIS)
_IN_WORDS: dict[LesionSplit, str] = {
    "training": "the training set",
    "tuning": "the tuning set",
    "external": "the external set",
}
_MOST_NAMED = 10
Value = TypeVar("Value")


def read_lesion_cases(
    dataset_folder: Path, *, class_map: Path | None = None, progress: Progress = silent
) -> LesionCohort:
    """Read ``cohort.csv`` of a raw dataset and sort out which cases take part, and of which class they are.

    A case without a level of circulating tumour cells takes part, as one without a location does. No image is read.

    Parameters
    ----------
    dataset_folder
        As the conversion made it, for example ``nnUNet_raw/Dataset713_AMT``.
    class_map
        See `read_class_map`; None for the paper's.
    progress
        Called after each case.

    Raises
    ------
    ManifestError
        If the cohort's file has no column ``diagnosis``, a cell cannot be understood, a diagnosis is not in the class
        map, or the map cannot be read.
    SplitLeakageError
        If a patient is in two splits.
    BadInputError
        If the dataset cannot be read, or a split that has cases is left without a benign or a malignant one; a subclass
        if an image or a mask is not there.
    """
    path = dataset_folder / "cohort.csv"
    known = read_class_map(class_map)
    rows = rows_with(path, "diagnosis", values="such as Cyst or Type B2 thymoma")
    kept: list[Mapping[str, str]] = []
    left_out: dict[str, list[str]] = {reason: [] for reason in REASONS}
    for row in rows:
        if reason := _reason(path, row):
            left_out[reason].append(row["case_id"])
        else:
            kept.append(row)
    mapped = _mapped(path, kept, known)
    cases: list[LesionCase] = []
    for taken, diagnosis in zip(kept, mapped, strict=True):
        cases.append(_case(path, taken, diagnosis))
        progress(len(cases), len(kept), "reading cases")
    cohort = LesionCohort(
        tuple(cases),
        {reason: tuple(ids) for reason, ids in left_out.items() if ids},
        known.classes,
        excluded=read_part(dataset_folder / "audit.json", AUDIT, "convert").get("excluded_by_reason", {}),
    )
    require_patients_apart(path, cohort.cases)
    _require_both_kinds(path, cohort, {split_of(path, row) for row in rows})
    return cohort


def _reason(path: Path, row: Mapping[str, str]) -> str | None:
    """Say why a case takes no part; None if it does."""
    try:
        if yes_or_no(row.get("no_tumour")):
            return NO_TUMOUR
    except ValueError as error:
        raise ManifestError(_unclear(path, row, "no_tumour", error)) from error
    age = _age(path, row)
    if age is not None and age < YOUNGEST_YEARS:
        return CHILD
    return None if row["diagnosis"].strip() else NO_DIAGNOSIS


def _mapped(path: Path, rows: Sequence[Mapping[str, str]], known: ClassMap) -> list[MappedDiagnosis]:
    """Give the row of the class map of each case, or refuse all diagnoses at once that it has none for."""
    found = [known.of(row["diagnosis"]) for row in rows]
    unknown = Counter(row["diagnosis"].strip() for row, one in zip(rows, found, strict=True) if one is None)
    if not unknown:
        return [one for one in found if one is not None]
    named = ", ".join(_named(text, count, known) for text, count in unknown.most_common(_MOST_NAMED))
    more = f" and {len(unknown) - _MOST_NAMED} other texts" if len(unknown) > _MOST_NAMED else ""
    its = "the paper's class map" if known.path == PUBLISHED_CLASS_MAP else str(known.path)
    raise ManifestError(
        f"{path}, column 'diagnosis': {named}{more} stand in no row of {its} "
        f"({', '.join(row.diagnosis for row in known.rows)}); correct the manifest {CONVERT_AGAIN}, or give a class "
        "map that has them"
    )


def _named(text: str, count: int, known: ClassMap) -> str:
    near = known.near(text)
    hint = what_is_missing(text) or (f"did you mean {near!r}?" if near else "")
    of = f"{count} case{'s' if count > 1 else ''}"
    return f"{text!r} ({of}{f': {hint}' if hint else ''})"


def _case(path: Path, row: Mapping[str, str], diagnosis: MappedDiagnosis) -> LesionCase:
    case_id, split = row["case_id"], split_of(path, row)
    _require_fitting(path, row)
    image, mask = files_of(path, case_id, split)
    return LesionCase(
        case_id=case_id,
        patient=row["patient"],
        institution=row["institution"],
        split=split,
        diagnosis=diagnosis.diagnosis,
        malignant=diagnosis.malignant,
        lesion_class=diagnosis.lesion_class,
        image=image,
        mask=mask,
        ctc_level=_understood(path, row, "ctc_level", ctc_level_of),
        location=_understood(path, row, "location", location_of),
        age=_age(path, row),
        sex=row.get("sex") or None,
        manufacturer=row.get("manufacturer") or None,
        clinical={name: text for name, text in row.items() if is_clinical(name)},
    )


def _require_fitting(path: Path, row: Mapping[str, str]) -> None:
    """Refuse a diagnosis beside another one in the columns histology and who_type."""
    histology, who_type = (row.get(column) or None for column in ("histology", "who_type"))
    try:
        require_fitting_diagnosis(row["diagnosis"], histology=histology, who_type=who_type)
    except ValueError as error:
        raise ManifestError(
            f"{path}, column 'diagnosis' (case {row['case_id']}): {error} in the manifest, {CONVERT_AGAIN}"
        ) from error


def _understood(path: Path, row: Mapping[str, str], column: str, read: Callable[[str], Value]) -> Value | None:
    text = (row.get(column) or "").strip()
    try:
        return read(text) if text else None
    except ValueError as error:
        raise ManifestError(_unclear(path, row, column, error)) from error


def _age(path: Path, row: Mapping[str, str]) -> float | None:
    text = (row.get("age") or "").strip()
    age = as_number(text)
    if text and (age is None or age < 0):
        raise ManifestError(_unclear(path, row, "age", ValueError("must be a number of years from 0 up")))
    return age


def _unclear(path: Path, row: Mapping[str, str], column: str, reason: ValueError) -> str:
    return f"{path}, column {column!r} (case {row['case_id']}): is {row[column]!r}; it {reason}"


def _require_both_kinds(path: Path, cohort: LesionCohort, splits: set[LesionSplit]) -> None:
    """Refuse a split that has cases in the dataset, and none that is benign, or malignant, and takes part."""
    left_out = "".join(f", {len(ids)} left out ({reason})" for reason, ids in cohort.left_out.items())
    for split in (split for split in _IN_WORDS if split in splits):
        malignant = [case.malignant for case in cohort.of_split(split)]
        for kind, count in (("benign", malignant.count(False)), ("malignant", malignant.count(True))):
            if not count:
                raise BadInputError(
                    f"{path}: {_IN_WORDS[split]} has no {kind} lesion: {malignant.count(False)} benign, "
                    f"{malignant.count(True)} malignant{left_out}; put cases of both into each split, or fill in "
                    f"'diagnosis', {CONVERT_AGAIN}"
                )
