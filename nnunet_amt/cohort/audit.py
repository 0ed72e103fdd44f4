"""The leakage audit: what must stand apart does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nnunet_amt.cohort.case import SPLITS, CohortCase, Split
from nnunet_amt.cohort.manifest_checks import ManifestProblem
from nnunet_amt.errors import ManifestError, SplitLeakageError


@dataclass(frozen=True)
class SplitCounts:
    """How much is in one split; training and tuning may share institutions."""

    split: Split
    cases: int
    patients: int
    institutions: int
    without_tumour: int = 0  # of the cases


@dataclass(frozen=True)
class SplitAudit:
    """The counts of a split that holds no leak."""

    splits: tuple[SplitCounts, ...]  # training, tuning, external
    # Cases of each institution in each split; splits without a case are left out
    cases_by_institution: dict[str, dict[Split, int]]

    @property
    def total(self) -> tuple[int, int, int]:
        """Cases, patients and institutions of all splits; an institution of two splits counts once."""
        cases = sum(split.cases for split in self.splits)
        patients = sum(split.patients for split in self.splits)  # no patient is in two
        return cases, patients, len(self.cases_by_institution)

    @property
    def without_tumour(self) -> int:
        """Cases of all splits that show no tumour."""
        return sum(split.without_tumour for split in self.splits)

    @property
    def shared_institutions(self) -> int:
        """Institutions that gave cases to both training and tuning."""
        return sum({"training", "tuning"} <= counts.keys() for counts in self.cases_by_institution.values())

    def coded(self, codes: Mapping[str, str]) -> SplitAudit:
        """Put codes in place of the institutions' names, sorted by code."""
        renamed = {codes[name]: counts for name, counts in self.cases_by_institution.items()}
        return replace(self, cases_by_institution=dict(sorted(renamed.items())))


def audit_splits(cases: Sequence[CohortCase], *, needed: Sequence[Split] = SPLITS) -> SplitAudit:
    """Check that nothing leaks between the splits of the included cases, and count; the `needed` ones have cases.

    Raises
    ------
    SplitLeakageError
        If an institution is in the external test set and elsewhere, or a patient is in two splits: the first
        breach, and how many more there are. Patients are not named: the message gives case ids and lines.
    ManifestError
        If a split has no case, or none with a tumour.
    """
    for split in needed:
        _require_cases(split, [case for case in cases if case.split == split])
    _raise_first([*_divided_patients(cases), *_divided_institutions(cases)])
    by_institution: dict[str, Counter[Split]] = {name: Counter() for name in sorted({c.institution for c in cases})}
    for case in cases:
        if case.split:
            by_institution[case.institution][case.split] += 1
    counts = {name: {split: found[split] for split in SPLITS if found[split]} for name, found in by_institution.items()}
    totals = []
    for split in SPLITS:
        inside = [case for case in cases if case.split == split]
        patients, institutions = {case.patient_id for case in inside}, {case.institution for case in inside}
        without = sum(case.no_tumour for case in inside)
        totals.append(SplitCounts(split, len(inside), len(patients), len(institutions), without))
    return SplitAudit(tuple(totals), counts)


def split_problems(cases: Sequence[CohortCase]) -> Iterator[ManifestProblem]:
    """Tell in its row each case for which `assign_splits` or `audit_splits` would refuse the manifest's splits.

    A case is held against the first one of its patient and of its institution. That a split has no case is no row's
    problem, and is not told here; nor is anything of a manifest that names no split.
    """
    given = [case for case in cases if case.split]
    patients: dict[str, CohortCase] = {}
    institutions: dict[str, CohortCase] = {}
    for case in given:
        first = patients.setdefault(case.patient_id, case)
        if first.split != case.split:
            words = (
                f"line {first.line} is of the same patient and in {first.split!r}; put both into one split, or give "
                "different patients different ids"
            )
            yield ManifestProblem(case.line, "split", words, case.case_id)
            continue
        first = institutions.setdefault(case.institution, case)
        if (first.split == "external") != (case.split == "external"):
            words = (
                f"line {first.line} is of the same institution and in {first.split!r}; an institution of the external "
                "test set must not be in training or tuning: give both one side, or correct the institution"
            )
            yield ManifestProblem(case.line, "split", words, case.case_id)
    for case in cases:
        if given and not case.split:
            words = "is empty, other rows fill it; fill it in every row or in none"
            yield ManifestProblem(case.line, "split", words, case.case_id)


def _require_cases(split: Split, cases: Sequence[CohortCase]) -> None:
    """Refuse a split that nothing can be learnt, chosen or measured on."""
    if not cases:
        raise ManifestError(f"column 'split': no case is in {split!r}; each of {', '.join(SPLITS)} needs one")
    if all(case.no_tumour for case in cases):
        raise ManifestError(
            f"column 'split': no case in {split!r} has a tumour ({len(cases)} with no_tumour = yes); each of "
            f"{', '.join(SPLITS)} needs one"
        )


def audit_voxels(
    digests: Mapping[str, str], cases: Sequence[CohortCase], *, slices: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Check that no CT stands under two case ids, nor a part of it under two patients, in whatever format and file.

    Parameters
    ----------
    digests
        Of the voxels as written (LPS axes, whole HU, one floor), by case id. Cases without one, which could not be
        read, are passed over.
    cases
        With splits.
    slices
        Digests of the axial slices of each, without those that are alike in many CTs. Two CTs of one patient may share
        some, as series of chest and abdomen do that were made in one go: they stand in one split.

    Raises
    ------
    SplitLeakageError
        The first two cases of equal voxels, and how many more there are.
    """
    _raise_first([*_equal_voxels(digests, cases), *_equal_slices(slices or {}, digests, cases)])


def _divided_patients(cases: Sequence[CohortCase]) -> Iterator[str]:
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        first = first_cases.setdefault(case.patient_id, case)
        if first.split != case.split:
            yield (
                f"column 'patient_id': {_named(first)} and {_named(case)} are of one patient; "
                "put both into one split, or give different patients different ids"
            )


def _divided_institutions(cases: Sequence[CohortCase]) -> Iterator[str]:
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        first = first_cases.setdefault(case.institution, case)
        if (first.split == "external") != (case.split == "external"):
            yield (
                f"column 'institution': {_named(first)} and {_named(case)} are of one institution; "
                "one of the external test set must not be in training or tuning"
            )


def _equal_voxels(digests: Mapping[str, str], cases: Sequence[CohortCase]) -> Iterator[str]:
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        if case.case_id not in digests:
            continue
        first = first_cases.setdefault(digests[case.case_id], case)
        if first is not case:
            yield (
                f"column 'image': {_named(first)} and {_named(case)} are the same CT, voxel for voxel; "
                "remove one of them"
            )


def _equal_slices(
    slices: Mapping[str, Sequence[str]], digests: Mapping[str, str], cases: Sequence[CohortCase]
) -> Iterator[str]:
    """Find CTs of different patients that share slices, but are not the same as a whole."""
    holders: dict[str, dict[str, CohortCase]] = {}  # by slice; of each patient one
    for case in cases:
        shared: Counter[str] = Counter()
        by_id = {}
        for one in slices.get(case.case_id, ()):
            known = holders.setdefault(one, {})
            for other in known.values():
                if other.patient_id != case.patient_id and digests.get(other.case_id) != digests.get(case.case_id):
                    shared[other.case_id] += 1
                    by_id[other.case_id] = other
            known.setdefault(case.patient_id, case)
        for case_id, count in shared.items():
            yield (
                f"column 'image': {_named(by_id[case_id])} and {_named(case)} have {count} slices of "
                f"{len(slices[case.case_id])} in common, voxel for voxel: parts of one CT under two patient_ids; "
                "remove one of them, or give both the id of their patient"
            )


def _raise_first(breaches: Sequence[str]) -> None:
    if breaches:
        more = f" (and {len(breaches) - 1} more)" if len(breaches) > 1 else ""
        raise SplitLeakageError(breaches[0] + more)


def _named(case: CohortCase) -> str:
    return f"case {case.case_id!r} (line {case.line}, {case.split})"
