"""Whether the rows of a table average to its overall row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from nnunet_amt.errors import WorkFailedError
from nnunet_amt.evaluation.summary.summary import GroupSummary, MetricSummary

NamedGroup = tuple[str, str, GroupSummary]
_RELATIVE = 1e-9  # sums of floating point numbers depend on their order


def check_subgroups_add_up(overall: GroupSummary, subgroups: Sequence[NamedGroup]) -> None:
    """Check that the subgroups of every group count and average to the overall row.

    Counts (cases, lesions, true and false positives) must add up exactly. Means, weighted with the cases (for the
    sensitivity: the lesions) that they rest on, must give the overall mean.

    Parameters
    ----------
    overall
        All cases.
    subgroups
        Group, subgroup and its metrics; the subgroups of a group stand together.

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
