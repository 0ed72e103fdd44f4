"""One model against another on the cases that both scored: areas (DeLong, bootstrap) and rates (McNemar), with Holm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.performance import auc_difference
from nnunet_amt.risk.fusion.evaluation.binary import threshold_of
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, ScoredLesionModel, SplitScores
from nnunet_amt.risk.fusion.evaluation.multiclass import judged_classes, right_answers
from nnunet_amt.risk.fusion.evaluation.performance import MAIN_AREA
from nnunet_amt.risk.fusion.fusion_settings import DMFN, REGNET, SHUFFLED
from nnunet_amt.risk.fusion.lesion_case import LesionSplit
from nnunet_amt.statistics.intervals import percentile_interval, with_width
from nnunet_amt.statistics.multiclass_roc import (
    MULTICLASS_AREAS,
    bootstrap_multiclass_auc,
    bootstrap_p,
    multiclass_auc,
)
from nnunet_amt.statistics.roc import AucDifference, auc
from nnunet_amt.statistics.tests import holm, mcnemar_p

# What CTC adds: what the DMFN gains over the network of CT alone, what it gains with shuffled levels, and what is left.
CONTROL, OF_LEVELS = (SHUFFLED, REGNET), (DMFN, SHUFFLED)
GAINS: Mapping[tuple[str, str], str] = {
    (DMFN, REGNET): "DMFN less monomodal CNN",
    CONTROL: "DMFN with shuffled CTC less monomodal CNN",
    OF_LEVELS: "DMFN less DMFN with shuffled CTC",
}


@dataclass(frozen=True)
class AreaDifference:
    """The main area of a model less that of another; `p_holm` is over the comparisons of the DMFN in a split.

    `areas` are of the two, on the `cases` that both scored.
    """

    model: str
    other: str
    split: LesionSplit
    cases: int
    areas: tuple[float, float]
    difference: AucDifference
    p_holm: float | None = None


@dataclass(frozen=True)
class RateDifference:
    """A rate of the DMFN and of the monomodal network on the same cases.

    `k` and `other_k` of `cases` are counted by either, `only` and `only_other` by one alone: McNemar's exact test is of
    these. `p` is None where there is no case.
    """

    rate: str
    cases: int
    k: int
    other_k: int
    only: int
    only_other: int
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class Comparison:
    """The DMFN against the monomodal network on the cases of a split; Holm is over the tests of this comparison.

    `area` is None where too few patients are of a class; there are no rates without thresholds.
    """

    split: LesionSplit
    cases: int
    area: AreaDifference | None
    rates: tuple[RateDifference, ...]


def compare_with_monomodal(scores: LesionScores, differences: Sequence[AreaDifference]) -> tuple[Comparison, ...]:
    """Compare DMFN and monomodal network in each split; empty where either has no scores.

    Parameters
    ----------
    differences
        Of `area_differences`.
    """
    dmfn, monomodal, found = scores.named(DMFN), scores.named(REGNET), []
    for split in scores.splits if dmfn and monomodal else ():
        if dmfn is None or monomodal is None or not (split in dmfn.of_split and split in monomodal.of_split):
            continue
        first, second = dmfn.of_split[split].shared_with(monomodal.of_split[split])
        area = difference_of(differences, DMFN, REGNET, split)
        counted, other = _counted(scores, dmfn, first), _counted(scores, monomodal, second)
        rates = [_rate_difference(name, counted[name], other[name]) for name in counted if name in other]
        found.append(_corrected(Comparison(split, len(first.cases), area, tuple(rates))))
    return tuple(found)


def area_differences(scores: LesionScores, *, seed: int = 0) -> tuple[AreaDifference, ...]:
    """Compare the main area of the DMFN with that of each other model, and of `GAINS`; Holm is over the former.

    Two classes have DeLong's paired test, or Obuchowski's where patients have several cases; many classes a bootstrap
    over patients, `seed` is its.
    """
    with_others = [(DMFN, model.name) for model in scores.models if model.name != DMFN]
    pairs = list(dict.fromkeys((*with_others, *GAINS)))
    found: list[AreaDifference] = []
    for split in scores.splits:
        of_split = [one for pair in pairs if (one := _area_difference(scores, *pair, split, seed)) is not None]
        tested = [one for one in of_split if one.model == DMFN and one.difference.p is not None]
        corrected = dict(
            zip([one.other for one in tested], holm([one.difference.p or 0.0 for one in tested]), strict=True)
        )
        found += [replace(one, p_holm=corrected.get(one.other) if one.model == DMFN else None) for one in of_split]
    return tuple(found)


def difference_of(
    differences: Sequence[AreaDifference], model: str, other: str, split: LesionSplit
) -> AreaDifference | None:
    """Find the difference of two models in a split."""
    wanted = model, other, split
    return next((one for one in differences if (one.model, one.other, one.split) == wanted), None)


def gains_of(differences: Sequence[AreaDifference]) -> list[AreaDifference]:
    """Give those of `GAINS`, by split and in that order; empty where no network was trained with shuffled levels."""
    splits = dict.fromkeys(one.split for one in differences)
    found = [difference_of(differences, *pair, split) for split in splits for pair in GAINS]
    gains = [one for one in found if one is not None]
    return gains if any((one.model, one.other) == CONTROL for one in gains) else []


def _area_difference(
    scores: LesionScores, model: str, other: str, split: LesionSplit, seed: int
) -> AreaDifference | None:
    first, second = scores.of(model, split), scores.of(other, split)
    if first is None or second is None:
        return None
    first, second = first.shared_with(second)
    if scores.task == "binary":
        found = _binary_difference(first, second)
    else:
        found = _multiclass_difference(first, second, seed)
    return None if found is None else AreaDifference(model, other, split, len(first.cases), *found)


def _binary_difference(first: SplitScores, second: SplitScores) -> tuple[tuple[float, float], AucDifference] | None:
    tables, malignant = (first.malignant_score, second.malignant_score), first.malignant
    difference = auc_difference(tables[1], tables[0], malignant, first.patients)
    return None if difference is None else ((auc(tables[0], malignant), auc(tables[1], malignant)), difference)


def _multiclass_difference(
    first: SplitScores, second: SplitScores, seed: int
) -> tuple[tuple[float, float], AucDifference] | None:
    """Resample the patients for both; of few cases there is a difference, but neither interval nor p-value."""
    judged, name = judged_classes(first.reference), MAIN_AREA["multiclass"]
    if len(judged) < 2:
        return None
    tables = first.ensemble, second.ensemble
    one, other = (multiclass_auc(table, first.reference, judged=judged)[name] for table in tables)
    if len(first.cases) < FEWEST_CASES:
        return (one, other), AucDifference(one - other, None, None)
    samples = bootstrap_multiclass_auc(tables, first.reference, first.patients, judged=judged, seed=seed)
    apart = (samples[0] - samples[1])[MULTICLASS_AREAS.index(name)]
    (low,), (high,) = (limit.tolist() for limit in percentile_interval(apart[:, None]))
    return (one, other), AucDifference(one - other, with_width((low, high)), bootstrap_p(apart))


def _counted(scores: LesionScores, model: ScoredLesionModel, cases: SplitScores) -> Mapping[str, NDArray[np.bool_]]:
    """Give for each rate that is compared which of its cases the model counts, (cases of it,)."""
    if scores.task == "multiclass":
        return right_answers(cases, scores.benign_classes)
    threshold = threshold_of(model)
    if threshold is None:
        return {}
    called, malignant = cases.malignant_score >= threshold, cases.malignant
    return {"sensitivity": called[malignant], "specificity": ~called[~malignant]}


def _rate_difference(name: str, counted: NDArray[np.bool_], other: NDArray[np.bool_]) -> RateDifference:
    only, only_other = int((counted & ~other).sum()), int((other & ~counted).sum())
    p = mcnemar_p(only, only_other) if len(counted) else None
    return RateDifference(name, len(counted), int(counted.sum()), int(other.sum()), only, only_other, p)


def _corrected(comparison: Comparison) -> Comparison:
    """Correct the p-values of area and rates together."""
    area = comparison.area
    p_values = [None if area is None else area.difference.p, *(one.p for one in comparison.rates)]
    tested = [p for p in p_values if p is not None]
    corrected = iter(holm(tested))
    of_area, *of_rates = (None if p is None else next(corrected) for p in p_values)
    rates = tuple(replace(one, p_holm=p) for one, p in zip(comparison.rates, of_rates, strict=True))
    return replace(comparison, area=None if area is None else replace(area, p_holm=of_area), rates=rates)
