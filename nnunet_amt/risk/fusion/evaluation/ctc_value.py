"""What the level of circulating tumour cells tells beside the image, and how patients without a level fare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

import numpy as np

from nnunet_amt.risk.evaluation.subgroups import FEWEST_OF_CLASS
from nnunet_amt.risk.fusion.evaluation.binary import binary_performance
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, SplitScores
from nnunet_amt.risk.fusion.evaluation.multiclass import multiclass_performance
from nnunet_amt.risk.fusion.evaluation.performance import Area, LesionPerformance
from nnunet_amt.risk.fusion.fusion_settings import DMFN, REGNET
from nnunet_amt.risk.fusion.lesion_case import LesionSplit
from nnunet_amt.statistics.calibration import held_from_certainty
from nnunet_amt.statistics.logistic_fit import NestedTest, likelihood_ratio_test
from nnunet_amt.statistics.roc import Z_95

FEWEST_OF_EITHER = 10  # cases of either class behind a likelihood ratio: five for each of its two coefficients


@dataclass(frozen=True, eq=False)
class NestedCtc:
    """Whether the level tells more of malignancy than the logit of the monomodal score does alone.

    `cases` are those with both, `without_level` those of the split that have no level; `test` is None where there is
    none, and `why_not` says why.
    """

    split: LesionSplit
    cases: int
    benign: int
    malignant: int
    without_level: int
    test: NestedTest | None
    why_not: str

    @property
    def odds_ratio(self) -> tuple[float, tuple[float, float]] | None:
        """For a level that is higher by one standard deviation of those cases, with its 95% interval (Wald)."""
        if self.test is None:
            return None
        slope, error = float(self.test.coefficients[0]), float(self.test.errors[0])
        return exp(slope), (exp(slope - Z_95 * error), exp(slope + Z_95 * error))


@dataclass(frozen=True, eq=False)
class CtcSubgroup:
    """The DMFN on the cases of a split that have a level, or on those that have none."""

    measured: bool
    performance: LesionPerformance


def nested_ctc(scores: LesionScores) -> tuple[NestedCtc, ...]:
    """Test in each split what the level adds to the monomodal ensemble; of two classes, and where that has scores."""
    monomodal = scores.named(REGNET)
    if scores.task != "binary" or monomodal is None:
        return ()
    return tuple(_nested(split, monomodal.of_split[split]) for split in scores.splits if split in monomodal.of_split)


def ctc_subgroups(scores: LesionScores, *, seed: int = 0) -> tuple[CtcSubgroup, ...]:
    """Judge the DMFN on patients with and without a level; empty where all have one, or it has no scores.

    An area is withheld where a class has fewer than `FEWEST_OF_CLASS` cases.
    """
    found, dmfn = [], scores.named(DMFN)
    for split in scores.splits:
        if dmfn is None or split not in dmfn.of_split:
            continue
        cases = dmfn.of_split[split]
        if all(case.ctc_level is not None for case in cases.cases):
            continue
        for measured in (True, False):
            part = cases.only({case.case_id for case in cases.cases if (case.ctc_level is not None) == measured})
            performance = (
                binary_performance(dmfn, split, part, seed=seed)
                if scores.task == "binary"
                else multiclass_performance(scores, dmfn, split, part, seed=seed)
            )
            found.append(CtcSubgroup(measured, _withheld(performance)))
    return tuple(found)


def _withheld(performance: LesionPerformance) -> LesionPerformance:
    if performance.matrix is not None and len(performance.matrix) > 2:
        return performance  # of many classes small ones are left out already
    if min(performance.benign, performance.malignant) >= FEWEST_OF_CLASS:
        return performance
    return replace(performance, areas={name: Area(None) for name in performance.areas})


def _nested(split: LesionSplit, all_cases: SplitScores) -> NestedCtc:
    cases = all_cases.only({case.case_id for case in all_cases.cases if case.ctc_level is not None})
    malignant, without = cases.malignant, len(all_cases.cases) - len(cases.cases)
    sizes = int((~malignant).sum()), int(malignant.sum())
    if min(sizes) < FEWEST_OF_EITHER:
        why = f"fewer than {FEWEST_OF_EITHER} cases of a class have a level"
        return NestedCtc(split, len(cases.cases), *sizes, without, None, why)
    levels = np.array([case.ctc_level for case in cases.cases], dtype=float)
    spread = float(levels.std(ddof=1))
    if not spread:
        return NestedCtc(split, len(cases.cases), *sizes, without, None, "all levels are equal")
    held = held_from_certainty(cases.malignant_score)
    standardised = (levels - levels.mean()) / spread
    test = likelihood_ratio_test(np.log(held / (1 - held))[:, None], standardised[:, None], malignant)
    why = "" if test is not None else "score and level tell the classes apart without error, or the score is constant"
    return NestedCtc(split, len(cases.cases), *sizes, without, test, why)
