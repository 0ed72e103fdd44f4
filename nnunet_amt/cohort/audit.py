"""The leakage audit: what must stand apart does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_amt.cohort.case import SPLITS, CohortCase, Split
from nnunet_amt.errors import ManifestError, SplitLeakageError

__all__ = ["SplitAudit", "SplitCounts", "audit_splits"]


@dataclass(frozen=True)
class SplitCounts:
    """How much is in one split; training and tuning may share institutions."""

    split: Split
    cases: int
    patients: int
    institutions: int


@dataclass(frozen=True)
class SplitAudit:
    """The counts of a split that holds no leak.

    Attributes
    ----------
    splits
        Training, tuning, external.
    cases_by_institution
        Cases of each institution in each split; splits without a case are left out.
    """

    splits: tuple[SplitCounts, ...]
    cases_by_institution: dict[str, dict[Split, int]]


def audit_splits(cases: Sequence[CohortCase]) -> SplitAudit:
    """Check that nothing leaks between the splits, and count.

    Parameters
    ----------
    cases
        Included cases, each with a split.

    Raises
    ------
    SplitLeakageError
        If an institution is in the external test set and elsewhere, or a patient is in two splits. Patients
        are not named: the message gives case ids and lines.
    ManifestError
        If a split has no case.
    """
    for split in SPLITS:
        if not any(case.split == split for case in cases):
            raise ManifestError(f"column 'split': no case is in {split!r}; each of {', '.join(SPLITS)} needs one")
    _check_patients(cases)
    _check_institutions(cases)
    by_institution = {
        name: dict(Counter(case.split for case in cases if case.institution == name and case.split))
        for name in sorted({case.institution for case in cases})
    }
    return SplitAudit(tuple(_count(split, cases) for split in SPLITS), by_institution)


def _count(split: Split, cases: Sequence[CohortCase]) -> SplitCounts:
    inside = [case for case in cases if case.split == split]
    patients = {case.patient_id for case in inside}
    institutions = {case.institution for case in inside}
    return SplitCounts(split, len(inside), len(patients), len(institutions))


def _check_patients(cases: Sequence[CohortCase]) -> None:
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        first = first_cases.setdefault(case.patient_id, case)
        if first.split != case.split:
            raise SplitLeakageError(
                f"column 'patient_id': {_named(first)} and {_named(case)} are of one patient; "
                "put both into one split, or give different patients different ids"
            )


def _check_institutions(cases: Sequence[CohortCase]) -> None:
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        first = first_cases.setdefault(case.institution, case)
        if (first.split == "external") != (case.split == "external"):
            raise SplitLeakageError(
                f"column 'institution': {case.institution!r} has {_named(first)} and {_named(case)}; "
                "an institution of the external test set must not be in training or tuning"
            )


def _named(case: CohortCase) -> str:
    return f"case {case.case_id!r} (line {case.line}, {case.split})"
