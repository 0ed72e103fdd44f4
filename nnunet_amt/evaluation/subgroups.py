"""Subgroups of the cases, as in the paper's Tables 3 and 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nnunet_amt import paper
from nnunet_amt.evaluation.case import CaseEvaluation
from nnunet_amt.evaluation.cohort_rows import CohortRows

__all__ = ["NOT_STATED", "NO_LESION", "Subgroup", "split_into_subgroups", "tumour_size"]

NOT_STATED = "not stated"
NO_LESION = "no lesion"
_COHORT_GROUPS = ("histology", "institution", "sex")
_MM_PER_CM = 10.0


@dataclass(frozen=True, eq=False)
class Subgroup:
    """Cases that share a property.

    Attributes
    ----------
    group
        The property: ``manufacturer``, ``tumour_size``, ``histology``, ``institution`` or ``sex``.
    name
        Its value in these cases.
    cases
        The cases. Each case is in exactly one subgroup of a group.
    """

    group: str
    name: str
    cases: tuple[CaseEvaluation, ...]


def split_into_subgroups(cases: Sequence[CaseEvaluation], cohort: CohortRows | None) -> tuple[Subgroup, ...]:
    """Split the cases by each property that is known of them.

    Tumour size is measured on the reference and always known. The other properties come from the cohort file
    where it has such a column with a value in at least one case. As in the paper, histologies other than
    its four are put together as "others".

    Parameters
    ----------
    cases
        The evaluated cases.
    cohort
        Their rows in the cohort file, or None without one.

    Returns
    -------
    tuple of Subgroup
        Group by group in the order of the paper's tables; values in the paper's order, then by name.
    """
    properties: dict[str, Callable[[CaseEvaluation], str]] = {"tumour_size": tumour_size}
    if cohort is not None:
        for column in ("manufacturer", *_COHORT_GROUPS):
            if any(cohort[case.case_id].get(column) for case in cases):
                properties[column] = _cohort_property(cohort, column)
    order = [name for name in ("manufacturer", "tumour_size", *_COHORT_GROUPS) if name in properties]
    return tuple(subgroup for group in order for subgroup in _split(group, cases, properties[group]))


def tumour_size(case: CaseEvaluation) -> str:
    """Name the size class of a case: small (< 5 cm), medium (5 to 8 cm) or large (> 8 cm).

    The size is the largest in-plane diameter of the case's largest reference lesion.
    """
    if case.counts.size_mm is None:
        return NO_LESION
    small_below, large_above = paper.SIZE_LIMITS_CM
    size_cm = case.counts.size_mm / _MM_PER_CM
    if size_cm < small_below:
        return "small"
    return "large" if size_cm > large_above else "medium"


def _split(group: str, cases: Sequence[CaseEvaluation], value_of: Callable[[CaseEvaluation], str]) -> list[Subgroup]:
    members: dict[str, list[CaseEvaluation]] = {}
    for case in cases:
        members.setdefault(value_of(case), []).append(case)
    published = [row.subgroup for row in paper.TABLE_3 if row.group == group]

    def position(name: str) -> tuple[int, int, str]:
        rank = published.index(name) if name in published else len(published)
        return int(name in (NOT_STATED, NO_LESION)), rank, name

    return [Subgroup(group, name, tuple(members[name])) for name in sorted(members, key=position)]


def _cohort_property(cohort: CohortRows, column: str) -> Callable[[CaseEvaluation], str]:
    published = {row.subgroup.casefold(): row.subgroup for row in paper.TABLE_3 if row.group == column}
    others = published.get("others")

    def value_of(case: CaseEvaluation) -> str:
        text = cohort[case.case_id].get(column, "")
        if not text:
            return NOT_STATED
        return published.get(text.casefold(), others or text)

    return value_of
