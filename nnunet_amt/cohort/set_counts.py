"""What each set of a split holds: cases, patients, institutions, ages, sexes, diagnoses, slice thickness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nnunet_amt.cohort.case import SPLITS, CohortCase


@dataclass(frozen=True)
class Spread:
    """Median and range of what is stated; in how many cases it is not stated."""

    median: float
    lowest: float
    highest: float
    missing: int


@dataclass(frozen=True)
class SetCounts:
    """The cases of one set.

    Attributes
    ----------
    cases, patients, institutions, without_tumour
        How many; those without a tumour are among the cases.
    age
        In years; None where no case states one.
    slice_thickness_mm
        In mm; None where no case states one.
    sexes, histologies, manufacturers
        Cases by value, as the manifest states it; "" is not stated.
    """

    cases: int
    patients: int
    institutions: int
    without_tumour: int
    age: Spread | None
    slice_thickness_mm: Spread | None
    sexes: Mapping[str, int]
    histologies: Mapping[str, int]
    manufacturers: Mapping[str, int]


def counts_by_set(cases: Sequence[CohortCase]) -> dict[str, SetCounts]:
    """Count ``training``, ``tuning``, ``external`` and ``all`` of the included cases."""
    sets: dict[str, SetCounts] = {
        split: set_counts([case for case in cases if case.split == split]) for split in SPLITS
    }
    return {**sets, "all": set_counts(cases)}


def set_counts(cases: Sequence[CohortCase]) -> SetCounts:
    """Count cases, whatever their splits."""
    return SetCounts(
        cases=len(cases),
        patients=len({case.patient_id for case in cases}),
        institutions=len({case.institution for case in cases}),
        without_tumour=sum(case.no_tumour for case in cases),
        age=_spread([case.age for case in cases]),
        slice_thickness_mm=_spread([case.slice_thickness_mm for case in cases]),
        sexes=Counter(case.sex or "" for case in cases),
        histologies=Counter(case.histology or "" for case in cases if not case.no_tumour),
        manufacturers=Counter(case.manufacturer or "" for case in cases),
    )


def _spread(values: Sequence[float | None]) -> Spread | None:
    stated = [value for value in values if value is not None]
    if not stated:
        return None
    return Spread(median(stated), min(stated), max(stated), len(values) - len(stated))
