"""Subgroups of the cases, as in the paper's Tables 3 and 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.summary.cohort_groups import CohortGroup

NO_LESION = "no lesion"
SIZE_CLASSES = ("large", "medium", "small", NO_LESION)  # the paper's order
_FIRST_GROUP = "manufacturer"  # stands before the tumour size in the paper
_MM_PER_CM = 10.0


@dataclass(frozen=True, eq=False)
class Subgroup:
    """Cases that share a property.

    Attributes
    ----------
    group
        The property: ``tumour_size`` or a column of the cohort file.
    name
        Its value in these cases.
    cases
        The cases. Each case is in exactly one subgroup of a group.
    """

    group: str
    name: str
    cases: tuple[CaseEvaluation, ...]


def split_into_subgroups(
    cases: Sequence[CaseEvaluation], cohort_groups: Sequence[CohortGroup] = ()
) -> tuple[Subgroup, ...]:
    """Split the cases by tumour size, which is measured on the reference, and by each group of the cohort.

    Parameters
    ----------
    cases
        The evaluated cases.
    cohort_groups
        What is known of them otherwise.

    Returns
    -------
    tuple of Subgroup
        Group by group, manufacturer and tumour size first as in the paper's tables.
    """
    sizes = CohortGroup("tumour_size", {case.case_id: tumour_size(case) for case in cases}, SIZE_CLASSES)
    first = [group for group in cohort_groups if group.name == _FIRST_GROUP]
    rest = [group for group in cohort_groups if group.name != _FIRST_GROUP]
    return tuple(subgroup for group in (*first, sizes, *rest) for subgroup in _split(group, cases))


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


def _split(group: CohortGroup, cases: Sequence[CaseEvaluation]) -> list[Subgroup]:
    members: dict[str, list[CaseEvaluation]] = {name: [] for name in group.order}
    for case in cases:
        members[group.subgroup_of[case.case_id]].append(case)
    return [Subgroup(group.name, name, tuple(found)) for name, found in members.items() if found]
