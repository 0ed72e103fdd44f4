"""The rows of a dataset's cohort.csv, as the studies of risk and of lesions read them, and what both ask of a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from nnunet_amt.base.files import read_rows
from nnunet_amt.cohort import SPLITS, Split
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.errors import BadInputError, ImageReadError, ManifestError, SplitLeakageError

_NEEDED = ("patient", "institution", "split")
CONVERT_AGAIN = "and convert the cohort again (nnunet_amt convert)"


class SplitCase(Protocol):
    """A case, its patient, and the split that it is in."""

    @property
    def case_id(self) -> str:
        """Name of the case in the dataset."""

    @property
    def patient(self) -> str:
        """Code of the patient."""

    @property
    def split(self) -> str:
        """Name of the split."""


def rows_with(path: Path, column: str, *, values: str) -> list[dict[str, str]]:
    """Read the rows of a cohort file that must have a column.

    Parameters
    ----------
    path
        ``cohort.csv`` in the folder of a raw dataset.
    column
        What the study is about.
    values
        What may stand in it, for the message.

    Raises
    ------
    BadInputError
        If there is no such file, or it cannot be read.
    ManifestError
        If it lacks the column.
    """
    if not path.is_file():
        raise BadInputError(f"{path.parent}: holds no cohort.csv; give a dataset that nnunet_amt convert has made")
    rows = read_rows(path, *_NEEDED)
    if not rows or column not in rows[0]:
        raise ManifestError(f"{path}: has no column {column!r}; write it into the manifest ({values}) {CONVERT_AGAIN}")
    return rows


def split_of(path: Path, row: Mapping[str, str]) -> Split:
    """Give the split of a row of a cohort file; ManifestError if it is none."""
    for split in SPLITS:
        if row["split"] == split:
            return split
    raise ManifestError(
        f"{path}, column 'split' (case {row['case_id']}): is {row['split']!r}; it must be {', '.join(SPLITS)}; convert "
        "the cohort again"
    )


def files_of(path: Path, case_id: str, split: Split) -> tuple[Path, Path]:
    """Give the CT and the reference mask of a case of a cohort file; ImageReadError if one is not there."""
    dataset = RawDataset(path.parent)
    image, mask = dataset.image(case_id, split), dataset.label(case_id, split)
    for file in (image, mask):
        if not file.is_file():
            raise ImageReadError(
                f"{path}: {file.parent.name}/{file.name} of case {case_id} is not there; convert the cohort again"
            )
    return image, mask


def require_patients_apart(path: Path, cases: Sequence[SplitCase]) -> None:
    """Refuse a patient in two splits of a cohort file: SplitLeakageError, which names cases and not who it is."""
    first: dict[str, SplitCase] = {}
    for case in cases:
        known = first.setdefault(case.patient, case)
        if known.split != case.split:
            raise SplitLeakageError(
                f"{path}: cases {known.case_id} ({known.split}) and {case.case_id} ({case.split}) are of one patient, "
                f"who must be in one split; correct the column 'split' of the manifest {CONVERT_AGAIN}"
            )
