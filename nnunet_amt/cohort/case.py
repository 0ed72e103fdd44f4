"""A case of the cohort, as the manifest describes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["training", "tuning", "external"]
SPLITS: tuple[Split, ...] = ("training", "tuning", "external")


@dataclass(frozen=True)
class CohortCase:
    """One included row of the manifest.

    Attributes
    ----------
    case_id
        Name of the case in the dataset: nnU-Net's files are named by it.
    patient_id
        Who the CT is of. Only compared, never written or shown.
    institution
        Where the CT was made.
    image
        A NIfTI, NRRD or MHA file, or a DICOM series as a folder or a zip.
    mask
        A label file, or an RTSTRUCT: the file itself, or a folder or zip that holds it.
    split
        Set of the case; None until `assign_splits` has drawn it.
    roi
        Regular expression of the RTSTRUCT's ROI names to merge.
    age
        Years.
    sex
        ``"F"``, ``"M"`` or ``"O"``, as in DICOM.
    histology, manufacturer
        As in the paper's Tables 1 and 2 where the manifest's value is a spelling of those.
    slice_thickness_mm
        In mm.
    line
        Line of the manifest, the header being line 1.
    """

    case_id: str
    patient_id: str
    institution: str
    image: Path
    mask: Path
    split: Split | None
    roi: str | None
    age: float | None
    sex: Literal["F", "M", "O"] | None
    histology: str | None
    manufacturer: str | None
    slice_thickness_mm: float | None
    line: int


@dataclass(frozen=True)
class ExcludedCase:
    """A row of the manifest that gives an exclusion reason; its files are never looked at."""

    case_id: str
    institution: str | None
    exclusion_reason: str
    line: int


@dataclass(frozen=True)
class Manifest:
    """A manifest that obeys its schema.

    Attributes
    ----------
    path
        The file it was read from.
    cases
        Included rows, in the manifest's order.
    excluded
        Rows with an exclusion reason.
    """

    path: Path
    cases: tuple[CohortCase, ...]
    excluded: tuple[ExcludedCase, ...]

    @property
    def excluded_by_reason(self) -> dict[str, int]:
        """Excluded cases by reason, the most frequent first."""
        counts = Counter(case.exclusion_reason for case in self.excluded)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def place_in_manifest(name: str, line: int, column: str, case_id: str | None = None) -> str:
    """Say where a problem stands: ``manifest.csv line 4, column 'sex' (case 'amt_003')``."""
    case = f" (case {case_id!r})" if case_id else ""
    return f"{name} line {line}, column {column!r}{case}"
