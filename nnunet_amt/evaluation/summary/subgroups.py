"""Subgroups of cases by size and cohort, of lesions by volume; whether they average to the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from nnunet_amt import paper
from nnunet_amt.errors import WorkFailedError
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesions import UNMATCHED
from nnunet_amt.evaluation.summary.cohort_groups import CohortGroup
from nnunet_amt.evaluation.summary.summary import GroupSummary, MetricSummary, NamedGroup

NO_LESION = "no lesion"
SIZE_CLASSES = ("large", "medium", "small", NO_LESION)  # the paper's order
# Whether there is a tumour; a group only where there is none in some case.
TUMOUR_GROUP, WITH_TUMOUR, WITHOUT_TUMOUR = "tumour", "with a tumour", "without a tumour"
_FIRST_GROUP = "manufacturer"  # stands before the tumour size in the paper
_MM_PER_CM = 10.0
_RELATIVE = 1e-9  # sums of floating point numbers depend on their order
# Balls of 1.2, 2.7 and 5.8 cm. The paper has no bins of volume.
VOLUME_LIMITS_CM3 = (1.0, 10.0, 100.0)
_MM3_PER_CM3 = 1000.0


@dataclass(frozen=True, eq=False)
class Subgroup:
    """Cases that share a property.

    The group is ``tumour_size`` or a column of the cohort file, the name the value in these cases. Each case is in
    exactly one subgroup of a group.
    """

    group: str
    name: str
    cases: tuple[CaseEvaluation, ...]


def split_into_subgroups(
    cases: Sequence[CaseEvaluation], cohort_groups: Sequence[CohortGroup] = ()
) -> tuple[Subgroup, ...]:
    """Split the cases by tumour size, which is measured on the reference, and by each group of the cohort.

    They come group by group, manufacturer and tumour size first as in the paper's tables; where cases have no tumour,
    these and the others stand before all.
    """
    sizes = CohortGroup("tumour_size", {case.case_id: tumour_size(case) for case in cases}, SIZE_CLASSES)
    first = [group for group in cohort_groups if group.name == _FIRST_GROUP]
    rest = [group for group in cohort_groups if group.name != _FIRST_GROUP]
    subgroups = []
    lesions = {case.case_id: len(case.counts.reference_voxels) for case in cases}
    for group in (*tumour_group(lesions), *first, sizes, *rest):
        members: dict[str, list[CaseEvaluation]] = {name: [] for name in group.order}
        for case in cases:
            members[group.subgroup_of[case.case_id]].append(case)
        subgroups += [Subgroup(group.name, name, tuple(found)) for name, found in members.items() if found]
    return tuple(subgroups)


def tumour_group(reference_lesions: Mapping[str, int]) -> tuple[CohortGroup, ...]:
    """Group cases, of which the reference lesions are given by id, by whether they have any; nothing if all have."""
    if all(reference_lesions.values()):
        return ()
    names = {case_id: WITH_TUMOUR if number else WITHOUT_TUMOUR for case_id, number in reference_lesions.items()}
    return (CohortGroup(TUMOUR_GROUP, names, (WITH_TUMOUR, WITHOUT_TUMOUR)),)


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


def check_subgroups_add_up(*, overall: GroupSummary, subgroups: Sequence[NamedGroup]) -> None:
    """Check that the subgroups of every group, which stand together, count and average to the overall row.

    Counts (cases, lesions, true and false positives) must add up exactly. Means, weighted with the cases (for the
    sensitivity: the lesions) that they rest on, must give the overall mean.

    Raises
    ------
    WorkFailedError
        Naming the first group and metric that do not: a fault of this program, never of its input.
    """
    for group, members in groupby(subgroups, key=lambda named: named[0]):
        summaries = [summary for _, _, summary in members]
        for what, whole, parts in _compared(overall, summaries):
            if not math.isclose(whole, parts, rel_tol=_RELATIVE, abs_tol=_RELATIVE):
                raise WorkFailedError(
                    f"subgroups by {group}: {what} is {parts:g} over the subgroups and {whole:g} overall; "
                    "nothing was written, please report this with the version"
                )


def _compared(overall: GroupSummary, parts: Sequence[GroupSummary]) -> Iterator[tuple[str, float, float]]:
    """Give a name, the overall value and that of the parts, for everything that must agree."""
    yield "the number of cases", overall.cases, sum(part.cases for part in parts)
    yield "the number of lesions", overall.lesion.references, sum(part.lesion.references for part in parts)
    for name, metric in overall.voxel.items():
        yield from _averages(f"mean {name}", metric, [part.voxel[name] for part in parts])
    for i, threshold in enumerate(overall.lesion.threshold):
        at = f"at IoU {threshold:g}"
        for count in ("tp", "fp", "fn"):
            whole = getattr(overall.lesion, count)[i]
            yield f"the lesion {count} {at}", whole, sum(getattr(part.lesion, count)[i] for part in parts)
        for name in ("sensitivity", "fp_per_scan"):
            metrics = [getattr(part.lesion, name)[i] for part in parts]
            yield from _averages(f"{name} {at}", getattr(overall.lesion, name)[i], metrics)


def _averages(what: str, whole: MetricSummary, parts: Sequence[MetricSummary]) -> Iterator[tuple[str, float, float]]:
    yield f"the number behind {what}", whole.n, sum(part.n for part in parts)
    if whole.mean is not None:
        yield what, whole.mean, math.fsum((part.mean or 0.0) * part.n for part in parts) / whole.n


@dataclass(frozen=True)
class VolumeBin:
    """The reference lesions of all cases whose volume lies in a range.

    Attributes
    ----------
    low, high
        From `low` to below `high`, in cm3; no upper limit where `high` is None.
    lesions
        Their number.
    found
        How many of them are matched, an entry a threshold of `THRESHOLDS`.
    """

    low: float
    high: float | None
    lesions: int
    found: tuple[int, ...]


def sensitivity_by_volume(cases: Sequence[CaseEvaluation]) -> tuple[VolumeBin, ...]:
    """Count reference lesions and those found in every bin between `VOLUME_LIMITS_CM3`."""
    volumes = np.concatenate(
        [case.counts.reference_voxels * (case.counts.voxel_volume_mm3 / _MM3_PER_CM3) for case in cases]
    )
    found = np.concatenate([case.lesions.partners != UNMATCHED for case in cases], axis=1)  # (thresholds, lesions)
    bin_of = np.digitize(volumes, VOLUME_LIMITS_CM3)
    edges = (0.0, *VOLUME_LIMITS_CM3, None)
    return tuple(
        VolumeBin(
            low=edges[number] or 0.0,
            high=edges[number + 1],
            lesions=int((bin_of == number).sum()),
            found=tuple(found[:, bin_of == number].sum(axis=1).tolist()),
        )
        for number in range(len(edges) - 1)
    )
