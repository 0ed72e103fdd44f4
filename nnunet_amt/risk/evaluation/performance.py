"""What scores are worth: AUC and its interval, rates at the frozen thresholds, calibration, differences of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.clinical_baseline import CLINICAL
from nnunet_amt.risk.evaluation.model_scores import ScoredCases, ScoredModel, ScoredModels, shared_cases
from nnunet_amt.risk.scores import Kind
from nnunet_amt.statistics.calibration import CalibrationFit, brier_score, calibration_fit
from nnunet_amt.statistics.clustered_roc import clustered_delong_test
from nnunet_amt.statistics.intervals import several_each
from nnunet_amt.statistics.rates import Rate, confusion
from nnunet_amt.statistics.roc import AucDifference, auc, bootstrap_auc_interval, delong
from nnunet_amt.statistics.tests import holm

_DECIMALS = 6


@dataclass(frozen=True)
class AucEstimate:
    """An AUC of so many cases; None where one class is missing.

    `interval` is DeLong's, or, where `by_patient`, that of the bootstrap over patients, who have several cases. It is
    withheld (None) of fewer cases than `FEWEST_CASES`.
    """

    cases: int
    high: int
    auc: float | None
    interval: tuple[float, float] | None
    by_patient: bool


@dataclass(frozen=True)
class Performance:
    """A model on one kind of its scores.

    `rates` are accuracy, sensitivity, specificity, ppv and npv at Youden's threshold of the out-of-fold scores,
    `sensitive_rates` at the one with a sensitivity of 0.9 there; empty without such scores.
    """

    model: str
    title: str
    kind: Kind
    estimate: AucEstimate
    rates: Mapping[str, Rate]
    sensitive_rates: Mapping[str, Rate]
    brier: float
    calibration: CalibrationFit | None


@dataclass(frozen=True)
class ModelDifference:
    """The AUC of a model less that of another on the cases that both scored; `p_holm` over all tests of one kind."""

    model: str
    other: str
    kind: Kind
    cases: int
    difference: AucDifference
    p_holm: float | None


@dataclass(frozen=True)
class SegmentationCost:
    """AUC with ROIs of the reference masks and of predicted ones, on the cases that have both, and their difference.

    `lost` counts cases with a ROI of the reference mask alone, such as tumours that the segmentation missed.
    """

    model: str
    title: str
    kind: Kind
    cases: int
    lost: int
    reference: AucEstimate
    predicted: AucEstimate
    difference: AucDifference


def auc_estimate(scored: ScoredCases, *, seed: int = 0) -> AucEstimate:
    """Compute an AUC, and its interval where there are cases enough."""
    return auc_of(scored.scores, scored.high, [case.patient for case in scored.cases], seed=seed)


def auc_of(
    scores: NDArray[np.float64], high: NDArray[np.bool_], patients: Sequence[str], *, seed: int = 0
) -> AucEstimate:
    """Do the same with scores, outcomes and patients of the cases, (cases,) each."""
    cases, positive = len(high), int(high.sum())
    by_patient = several_each(patients) is not None
    if positive in (0, cases):
        return AucEstimate(cases, positive, None, None, by_patient)
    interval = None
    if cases >= FEWEST_CASES and 1 < positive < cases - 1:
        interval = (
            bootstrap_auc_interval(scores, high, patients, seed=seed) if by_patient else delong(scores, high).interval
        )
    return AucEstimate(cases, positive, auc(scores, high), interval, by_patient)


def best_out_of_fold(scored: ScoredModels) -> ScoredModel:
    """Give the model with the highest out-of-fold AUC, the first of equals; the baseline only where it is alone.

    Raises BadInputError if there is no model.
    """
    candidates = [model for model in scored.models if model.name != CLINICAL] or list(scored.models)

    def area(model: ScoredModel) -> float:
        held_out = model.of_kind.get("out_of_fold")
        estimate = None if held_out is None else auc_estimate(held_out).auc
        return -1.0 if estimate is None else estimate

    if not candidates:
        raise BadInputError("the folder of scores holds none; train a model, or score one, first")
    return max(candidates, key=area)


def performances(scored: ScoredModels, *, seed: int = 0) -> tuple[Performance, ...]:
    """Judge every model on its out-of-fold scores, then on its external ones."""
    return tuple(
        _performance(model, kind, model.of_kind[kind], seed)
        for kind in scored.kinds
        for model in scored.models
        if kind in model.of_kind
    )


def _performance(model: ScoredModel, kind: Kind, scored: ScoredCases, seed: int) -> Performance:
    high = scored.high
    rates, sensitive = (
        {} if threshold is None else confusion(scored.scores, high, threshold=threshold).rates()
        for threshold in (model.entry.threshold, model.entry.sensitive_threshold)
    )
    estimate = auc_estimate(scored, seed=seed)
    # scores that are equal but for rounding are equal: they have no slope
    fit = None if estimate.auc is None else calibration_fit(np.round(scored.scores, _DECIMALS), high)
    brier = brier_score(scored.scores, high)
    return Performance(model.name, model.title, kind, estimate, rates, sensitive, brier, fit)


def differences(scored: ScoredModels, reference: ScoredModel) -> tuple[ModelDifference, ...]:
    """Compare the AUC of each other model with that of a reference model on the cases that both scored.

    The test is DeLong's, paired, or Obuchowski's where patients have several cases; Holm is over those of a kind.
    """
    found: list[ModelDifference] = []
    for kind in scored.kinds:
        if kind not in reference.of_kind:
            continue
        of_kind = []
        for model in scored.models:
            if model is reference or kind not in model.of_kind:
                continue
            base, other = shared_cases(reference.of_kind[kind], model.of_kind[kind])
            if (difference := _difference(base, other)) is not None:
                cases = len(base.cases)
                of_kind.append(ModelDifference(model.name, reference.name, kind, cases, difference, None))
        found += _corrected(of_kind)
    return tuple(found)


def segmentation_costs(
    reference: ScoredModels, predicted: ScoredModels, *, seed: int = 0
) -> tuple[SegmentationCost, ...]:
    """Compare the AUC of each model with ROIs of predicted masks against that with ROIs of the reference masks."""
    costs = []
    others = {model.name: model for model in predicted.models}
    for kind in reference.kinds:
        for model in reference.models:
            other = others.get(model.name)
            if other is None or model.name == CLINICAL or kind not in model.of_kind or kind not in other.of_kind:
                continue  # no mask has a say in the clinical baseline
            base, changed = shared_cases(model.of_kind[kind], other.of_kind[kind])
            difference = _difference(base, changed)
            if difference is not None:
                lost = len(model.of_kind[kind].cases) - len(base.cases)
                estimates = auc_estimate(base, seed=seed), auc_estimate(changed, seed=seed)
                costs.append(
                    SegmentationCost(model.name, model.title, kind, len(base.cases), lost, *estimates, difference)
                )
    return tuple(costs)


def _difference(one: ScoredCases, other: ScoredCases) -> AucDifference | None:
    return auc_difference(one.scores, other.scores, one.high, [case.patient for case in one.cases])


def auc_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], high: NDArray[np.bool_], patients: Sequence[str]
) -> AucDifference | None:
    """Compare two models on the same cases; of few cases there is a difference, but neither interval nor p-value.

    The difference is the second's AUC less the first's; None where there are not two patients of either class.
    """
    try:
        found = clustered_delong_test(first, second, high, patients)
    except TooFewCasesError:
        return None
    return found if len(high) >= FEWEST_CASES else AucDifference(found.difference, None, None)


def _corrected(of_kind: Sequence[ModelDifference]) -> list[ModelDifference]:
    tested = [one for one in of_kind if one.difference.p is not None]
    corrected = dict(zip([one.model for one in tested], holm([one.difference.p or 0.0 for one in tested]), strict=True))
    return [replace(one, p_holm=corrected.get(one.model)) for one in of_kind]
