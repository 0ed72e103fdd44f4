"""What may be said of an evaluation, in sentences that stay true when they are quoted alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.clinical_baseline import CLINICAL
from nnunet_amt.risk.evaluation.model_scores import ENSEMBLE
from nnunet_amt.risk.evaluation.performance import (
    AucEstimate,
    ModelDifference,
    Performance,
    SegmentationCost,
)
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.statistics.tests import SIGNIFICANT_P
from nnunet_amt.writing.numbers import counted, difference_words, interval_words, joined, short_p_text, value_text

if TYPE_CHECKING:
    from nnunet_amt.risk.evaluation.evaluate_risk import RiskEvaluation

_PLACES = {"out_of_fold": "cases of the training centres (out of fold)", "external": "external cases"}


def risk_sentences(evaluation: RiskEvaluation) -> tuple[str, ...]:
    """Say how many cases there are, how good the main model is, whether better than the clinical baseline, and looks.

    The main model is the one with the highest out-of-fold AUC but for the clinical baseline, unless another was named.
    """
    main = evaluation.main
    found = [_cases_sentence(evaluation)]
    ours = [one for one in evaluation.performances if one.model == main.name]
    if ours:
        found.append(_auc_sentence(ours, named=evaluation.main_was_named))
    if (last := ours[-1] if ours else None) is not None and last.rates:
        found.append(_rates_sentence(last))
    if main.name != CLINICAL:
        found.append(_baseline_sentence(evaluation, last.kind if last else "external"))
    found += [_cost_sentence(cost) for cost in evaluation.costs if cost.model == main.name]
    if "external" in evaluation.scored.kinds:
        found.append(_looks_sentence(evaluation))
    else:
        found.append("There are no scores of external cases, so nothing is known of other centres.")
    return tuple(found)


def _cases_sentence(evaluation: RiskEvaluation) -> str:
    cohort, parts = evaluation.cohort, []
    for split, where in (("training", "cases of the training centres"), ("external", "external cases")):
        cases = [case for case in cohort.cases if case.split == split]
        if cases:
            high = sum(case.high for case in cases)
            parts.append(f"{len(cases)} {where} ({len(cases) - high} low risk, {high} high risk)")
    left_out = sum(map(len, cohort.left_out.values()))
    reasons = ", ".join(f"{reason}: {len(ids)}" for reason, ids in cohort.left_out.items())
    without = f"; {counted(left_out, 'case')} left out ({reasons})" if left_out else ""
    return f"{joined(parts)} take part{without}."


def _auc_sentence(ours: Sequence[Performance], *, named: bool) -> str:
    best = not named and ours[0].kind == "out_of_fold" and ours[0].model != CLINICAL
    chosen = ", which has the highest AUC out of fold of all but the clinical baseline," if best else ""
    aucs = [f"{_auc(one.estimate)} on {one.estimate.cases} {_PLACES[one.kind]}" for one in ours]
    return f"{ours[0].title}{chosen} has an AUC of {joined(aucs)}."


def _auc(estimate: AucEstimate) -> str:
    if estimate.auc is None:
        return "no value (one class is missing)"
    if estimate.interval is None:
        return f"{estimate.auc:.3f} (no interval)"
    low, high = estimate.interval
    return f"{estimate.auc:.3f} (95% CI {low:.3f} to {high:.3f})"


def _rates_sentence(one: Performance) -> str:
    sensitivity, specificity = one.rates["sensitivity"], one.rates["specificity"]
    return (
        f"At the threshold frozen on the out-of-fold scores it calls {_of(sensitivity)} high-risk and "
        f"{_of(specificity)} low-risk tumours right among the {_PLACES[one.kind]}."
    )


def _of(rate: Rate) -> str:
    return f"{rate.k} of {rate.n} ({value_text(rate.value, digits=3)})"


def _baseline_sentence(evaluation: RiskEvaluation, kind: str) -> str:
    found = next(
        (one for one in evaluation.clinical_differences if (one.model, one.kind) == (evaluation.main.name, kind)), None
    )
    if found is None:
        return "It could not be compared with a clinical baseline, without which its AUC says little."
    difference = found.difference
    words = difference_words(difference.difference, "lower", "higher", "no higher")
    interval = interval_words(difference.interval, "lower", "higher")
    if found.cases < FEWEST_CASES:
        return (
            f"Among the {_PLACES[kind]} its AUC is {words} than that of the clinical baseline of margin, size and age; "
            f"{found.cases} cases are too few to tell whether it is better."
        )
    return (
        f"Among the {_PLACES[kind]} its AUC is {words} than that of the clinical baseline of margin, size and age "
        f"({interval}; p {_p(difference.p)}, and p {_p(found.p_holm)} corrected for all models): {_verdict(found)}."
    )


def _p(p: float | None) -> str:
    text = short_p_text(p)
    return text if text.startswith("<") else f"= {text}"


def _verdict(found: ModelDifference) -> str:
    if found.p_holm is None or found.p_holm >= SIGNIFICANT_P:
        return "it is not shown to be better or worse"
    return "it is better" if found.difference.difference > 0 else "it is worse"


def _cost_sentence(cost: SegmentationCost) -> str:
    words = difference_words(cost.difference.difference, "lower", "higher", "no other")
    lost = f"; {counted(cost.lost, 'case')} without a predicted ROI not counted" if cost.lost else ""
    return (
        f"With ROIs of predicted masks its AUC is {words} than with those of the reference masks "
        f"({interval_words(cost.difference.interval, 'lower', 'higher')}; {cost.cases} {_PLACES[cost.kind]}{lost})."
    )


def _looks_sentence(evaluation: RiskEvaluation) -> str:
    looks, again = evaluation.scored.external_looks, evaluation.looks_with_predicted_masks
    models = sum("external" in model.of_kind and model.name != ENSEMBLE for model in evaluation.scored.models)
    chosen = "thresholds are" if evaluation.main_was_named else "thresholds and the main model are"
    more = f", and {_times(again)} more with ROIs of predicted masks" if again else ""
    looked = f"The external set was looked at {_times(looks)} ({counted(models, 'model')}){more}"
    return f"{looked}; {chosen} chosen without it."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
