"""Differences between models within the subgroups that evaluate makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nnunet_amt.evaluation.comparison.comparison import SubgroupDifference
from nnunet_amt.evaluation.comparison.measures import MEASURES, TABLE_MEASURES, Ratios, estimates
from nnunet_amt.evaluation.comparison.settings import ComparisonSettings
from nnunet_amt.evaluation.results.evaluated_model import EvaluatedModel
from nnunet_amt.evaluation.summary.cohort_groups import CohortGroup
from nnunet_amt.evaluation.summary.subgroups import SIZE_CLASSES

_FIRST_GROUP = "manufacturer"  # stands before the tumour size in the paper
_MEASURES = np.array([MEASURES.index(measure) for measure in TABLE_MEASURES])


def subgroup_differences(
    first: EvaluatedModel,
    differences: Sequence[Ratios],
    cohort_groups: Sequence[CohortGroup],
    settings: ComparisonSettings,
    institutions: Mapping[str, str] | None = None,
) -> list[tuple[SubgroupDifference, ...]]:
    """Resample the differences within each subgroup by tumour size and by the groups of the cohort.

    Parameters
    ----------
    first
        For the cases and their sizes.
    differences
        Of each other model, all cases.
    cohort_groups
        What else is known of the cases.
    settings
        Of the comparison.
    institutions
        Of each case, where they are drawn.

    Returns
    -------
    list of tuple of SubgroupDifference
        Of each other model; the subgroups of a group stand together.
    """
    found: list[list[SubgroupDifference]] = [[] for _ in differences]
    for group in _ordered(first, cohort_groups):
        for name in group.order:
            places = [i for i, case_id in enumerate(first.case_ids) if group.subgroup_of[case_id] == name]
            if not places:
                continue
            columns = [part.of(np.array(places), _MEASURES) for part in differences]
            clusters = None if institutions is None else [institutions[first.case_ids[i]] for i in places]
            for rows, values in zip(found, estimates(columns, settings, clusters), strict=True):
                rows.append(SubgroupDifference(group.name, name, len(places), values))
    return [tuple(rows) for rows in found]


def _ordered(first: EvaluatedModel, cohort_groups: Sequence[CohortGroup]) -> list[CohortGroup]:
    sizes = CohortGroup("tumour_size", dict(zip(first.case_ids, first.tumour_size, strict=True)), SIZE_CLASSES)
    before = [group for group in cohort_groups if group.name == _FIRST_GROUP]
    return [*before, sizes, *(group for group in cohort_groups if group.name != _FIRST_GROUP)]
