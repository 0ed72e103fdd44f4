"""Cases of a cohort without files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nnunet_amt.cohort import CohortCase, Split

__all__ = ["cohort_of", "make_case"]


def make_case(
    case_id: str,
    institution: str,
    patient_id: str | None = None,
    split: Split | None = None,
    line: int = 2,
    no_tumour: bool = False,
) -> CohortCase:
    return CohortCase(
        case_id=case_id,
        patient_id=patient_id or f"patient of {case_id}",
        institution=institution,
        image=Path("image.nii.gz"),
        mask=Path("mask.nii.gz"),
        split=split,
        roi=None,
        age=None,
        sex=None,
        histology=None,
        manufacturer=None,
        slice_thickness_mm=None,
        line=line,
        no_tumour=no_tumour,
    )


def cohort_of(sizes: Mapping[str, int]) -> list[CohortCase]:
    """Make institutions with so many cases, each of a patient of its own."""
    names = [(institution, number) for institution, size in sizes.items() for number in range(size)]
    return [
        make_case(f"{institution}-{number}", institution, line=line)
        for line, (institution, number) in enumerate(names, start=2)
    ]
