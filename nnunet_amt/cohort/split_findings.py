"""What is wrong or weak in a split: all of it at once and as data, where `audit_splits` stops at the first breach."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nnunet_amt.cohort.case import SPLITS, CohortCase, Split

FindingKind = Literal[
    "institution_in_two_sets",
    "patient_in_two_sets",
    "rows_without_split",
    "empty_set",
    "set_without_tumour",
    "same_file",
    "few_cases",
    "few_institutions",
    "one_set_only",
]
_VARIABLES = ("histology", "manufacturer")


@dataclass(frozen=True)
class SplitFinding:
    """Something in a split that is to be known. Patients are never named.

    Attributes
    ----------
    kind
        What it is.
    is_refused
        Whether the conversion stops for it; else the study can be run, and its result is weaker.
    splits
        The sets that it is about.
    institutions
        Those that it is about.
    lines
        Of the manifest, where single cases are meant.
    column
        Of `values`.
    values
        Of a variable, those that are meant, with their cases.
    """

    kind: FindingKind
    is_refused: bool
    splits: tuple[Split, ...] = ()
    institutions: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    column: str = ""
    values: Mapping[str, int] = field(default_factory=dict)


def split_findings(
    cases: Sequence[CohortCase], *, fewest_cases: int, fewest_institutions: int
) -> tuple[SplitFinding, ...]:
    """Look for all that the audit refuses in the split of included cases, and for what makes its result weak.

    Parameters
    ----------
    cases
        With their splits; None is a case that has none.
    fewest_cases, fewest_institutions
        Of the external test set, under which the evaluation withholds intervals or calls them too narrow.

    Returns
    -------
    tuple of SplitFinding
        What the conversion refuses comes first. Without a split in any case there is nothing to find.
    """
    placed = [case for case in cases if case.split is not None]
    if not placed:
        return ()
    found = [
        *_institutions_in_two_sets(placed),
        *_divided(placed, "patient_in_two_sets", lambda case: case.patient_id, is_refused=True),
        *_without_split(cases),
        *_unusable_sets(placed),
        *_divided(_one_file_each(placed), "same_file", lambda case: case.image, is_refused=False),
        *_too_few(placed, fewest_cases, fewest_institutions),
        *_in_one_set_only(placed),
    ]
    return tuple(sorted(found, key=lambda finding: not finding.is_refused))


def _institutions_in_two_sets(cases: Sequence[CohortCase]) -> Iterator[SplitFinding]:
    for name, inside in _grouped(cases, lambda case: case.institution).items():
        splits = _splits_of(inside)
        if "external" in splits and len(splits) > 1:
            rare = Counter(case.split == "external" for case in inside).most_common()[-1][0]
            lines = tuple(case.line for case in inside if (case.split == "external") == rare)
            yield SplitFinding("institution_in_two_sets", True, splits, (str(name),), lines)


def _divided(
    cases: Sequence[CohortCase], kind: FindingKind, key: Callable[[CohortCase], str | Path], *, is_refused: bool
) -> Iterator[SplitFinding]:
    """Find cases that are alike in something, and in two sets."""
    for inside in _grouped(cases, key).values():
        splits = _splits_of(inside)
        if len(splits) > 1:
            institutions = tuple(sorted({case.institution for case in inside}))
            yield SplitFinding(kind, is_refused, splits, institutions, tuple(case.line for case in inside))


def _one_file_each(cases: Sequence[CohortCase]) -> list[CohortCase]:
    """Leave out CTs of patients in two sets, who are told already."""
    splits = {patient: _splits_of(inside) for patient, inside in _grouped(cases, lambda case: case.patient_id).items()}
    return [case for case in cases if len(splits[case.patient_id]) == 1]


def _without_split(cases: Sequence[CohortCase]) -> Iterator[SplitFinding]:
    missing = [case for case in cases if case.split is None]
    if missing:
        institutions = tuple(sorted({case.institution for case in missing}))
        yield SplitFinding("rows_without_split", True, (), institutions, tuple(case.line for case in missing))


def _unusable_sets(cases: Sequence[CohortCase]) -> Iterator[SplitFinding]:
    for split in SPLITS:
        inside = [case for case in cases if case.split == split]
        if not inside:
            yield SplitFinding("empty_set", True, (split,))
        elif all(case.no_tumour for case in inside):
            yield SplitFinding("set_without_tumour", True, (split,), lines=tuple(case.line for case in inside))


def _too_few(cases: Sequence[CohortCase], fewest_cases: int, fewest_institutions: int) -> Iterator[SplitFinding]:
    external = [case for case in cases if case.split == "external"]
    institutions = tuple(sorted({case.institution for case in external}))
    if external and len(external) < fewest_cases:
        yield SplitFinding("few_cases", False, ("external",), institutions, tuple(case.line for case in external))
    if external and len(institutions) < fewest_institutions:
        yield SplitFinding("few_institutions", False, ("external",), institutions)


def _in_one_set_only(cases: Sequence[CohortCase]) -> Iterator[SplitFinding]:
    """Find diagnoses and makers that are learnt but never tested, or tested but never learnt."""
    for column in _VARIABLES:
        by_value: dict[str, Counter[Split]] = defaultdict(Counter)
        for case in cases:
            value = getattr(case, column)
            if value and case.split:
                by_value[value][case.split] += 1
        for split in SPLITS:
            alone = {value: counts[split] for value, counts in by_value.items() if set(counts) == {split}}
            if alone:
                ordered = dict(sorted(alone.items(), key=lambda item: (-item[1], item[0])))
                yield SplitFinding("one_set_only", False, (split,), column=column, values=ordered)


def _grouped(
    cases: Sequence[CohortCase], key: Callable[[CohortCase], str | Path]
) -> Mapping[str | Path, list[CohortCase]]:
    groups: dict[str | Path, list[CohortCase]] = defaultdict(list)
    for case in cases:
        groups[key(case)].append(case)
    return groups


def _splits_of(cases: Sequence[CohortCase]) -> tuple[Split, ...]:
    there = {case.split for case in cases}
    return tuple(split for split in SPLITS if split in there)
