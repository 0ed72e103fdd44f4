"""Table 2 and those that belong beside it: at 90% sensitivity, differences, calibration, segmentation, flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.cases import RiskCohort
from nnunet_amt.risk.evaluation.model_scores import KIND_TITLES, ScoredModels
from nnunet_amt.risk.evaluation.performance import AucEstimate, ModelDifference, Performance, SegmentationCost
from nnunet_amt.risk.evaluation.published import published_model, published_note
from nnunet_amt.statistics.calibration import CalibrationFit
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.writing.numbers import UNDEFINED, difference_text, short_p_text, signed, value_text
from nnunet_amt.writing.table import Row, Table

RATE_TITLES = {
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
}

_PAIRED = (
    "DeLong's paired test, two-sided (of patients with several cases Obuchowski's); interval and p-value are withheld "
    f"under {FEWEST_CASES} cases."
)


def flow_table(cohort: RiskCohort) -> Table:
    """Count the cases that take part, and those left out by reason."""
    rows = [Row("left out: " + reason, (str(len(ids)),)) for reason, ids in cohort.left_out.items()]
    left_out = sum(map(len, cohort.left_out.values()))
    for split, title in (("training", "training centres"), ("external", "external centres")):
        cases = [case for case in cohort.cases if case.split == split]
        high = sum(case.high for case in cases)
        rows.append(Row(title, (f"{len(cases)} ({len(cases) - high} LRT, {high} HRT)",)))
    first = Row("cases of the dataset", (str(len(cohort.cases) + left_out),))
    return Table("Flow of cases", "Cases", ("Number",), (first, *rows))


def model_table(performances: Sequence[Performance]) -> Table:
    """Lay out Table 2: every model at Youden's threshold, out of fold and external, the paper's row beside ours."""
    return _rates_table(
        "Table 2: models, at Youden's threshold of the out-of-fold scores",
        performances,
        lambda one: one.rates,
        notes=(
            *_auc_notes([one.estimate for one in performances]),
            "The threshold is chosen on the out-of-fold scores and frozen: out-of-fold rates are a little too good, "
            "external ones are not. Rates have Wilson's interval.",
            published_note(
                "Its training rows are of the images that the network was trained on, ours are out of fold; its "
                "thresholds are not said."
            ),
        ),
        published=True,
    )


def sensitive_table(performances: Sequence[Performance]) -> Table:
    """Lay out the rates at the threshold with a sensitivity of 0.9 on the out-of-fold scores."""
    return _rates_table(
        "Models, at the threshold with a sensitivity of 0.90 on the out-of-fold scores",
        performances,
        lambda one: one.sensitive_rates,
        notes=("Rates have Wilson's interval; see Table 2.",),
        published=False,
    )


def _rates_table(
    title: str,
    performances: Sequence[Performance],
    rates_of: Callable[[Performance], Mapping[str, Rate]],
    *,
    notes: tuple[str, ...],
    published: bool,
) -> Table:
    rows: list[Row] = []
    for kind in dict.fromkeys(one.kind for one in performances):
        rows.append(Row(KIND_TITLES[kind], kind="group"))
        for one in (one for one in performances if one.kind == kind):
            rates = rates_of(one)
            rows.append(Row(one.title, (_cases(one.estimate), auc_text(one.estimate), *rate_cells(rates))))
            if published and (theirs := published_model(one.title, kind)) is not None:
                rows.append(theirs)
    return Table(title, "Model", ("Cases", "AUC (95% CI)", *RATE_TITLES.values()), tuple(rows), notes)


def difference_table(
    scored: ScoredModels, differences: Sequence[ModelDifference], *, reference_title: str
) -> Table | None:
    """Lay out the AUC of each model less that of the reference model; None where nothing could be compared."""
    rows: list[Row] = []
    titles = {model.name: model.title for model in scored.models}
    for kind in dict.fromkeys(one.kind for one in differences):
        rows.append(Row(KIND_TITLES[kind], kind="group"))
        for one in (one for one in differences if one.kind == kind):
            change = difference_text(one.difference.difference, one.difference.interval)
            p_values = short_p_text(one.difference.p), short_p_text(one.p_holm)
            rows.append(Row(titles[one.model], (str(one.cases), change, *p_values)))
    if not rows:
        return None
    return Table(
        f"AUC of each model less that of {reference_title}",
        "Model",
        ("Cases", "Difference (95% CI)", "p", "p, Holm"),
        tuple(rows),
        (f"{_PAIRED} Holm over the tests of a set.",),
    )


def calibration_table(performances: Sequence[Performance]) -> Table:
    """Lay out the Brier score, and calibration intercept and slope."""
    rows: list[Row] = []
    for kind in dict.fromkeys(one.kind for one in performances):
        rows.append(Row(KIND_TITLES[kind], kind="group"))
        for one in (one for one in performances if one.kind == kind):
            fit = one.calibration
            cells = [f"{one.brier:.3f}", UNDEFINED, UNDEFINED]
            if fit is not None:
                low, high = fit.intercept_interval
                cells[1] = f"{signed(fit.intercept, digits=2)} ({signed(low, digits=2)} to {signed(high, digits=2)})"
                cells[2] = _slope_text(fit)
            rows.append(Row(one.title, tuple(cells)))
    return Table(
        "Calibration",
        "Model",
        ("Brier score", "Intercept (95% CI)", "Slope (95% CI)"),
        tuple(rows),
        (
            "Intercept 0 and slope 1 are calibrated: an intercept over 0 means scores that are too low, a slope under "
            "1 scores that are too sure. The slope is undefined where the classes do not overlap.",
        ),
    )


def _slope_text(fit: CalibrationFit) -> str:
    if fit.slope is None or fit.slope_interval is None:
        return UNDEFINED
    low, high = fit.slope_interval
    return f"{fit.slope:.2f} ({low:.2f} to {high:.2f})".replace("-", "−")


def segmentation_table(costs: Sequence[SegmentationCost]) -> Table:
    """Lay out what ROIs of predicted masks cost in AUC."""
    rows: list[Row] = []
    for kind in dict.fromkeys(one.kind for one in costs):
        rows.append(Row(KIND_TITLES[kind], kind="group"))
        for one in (one for one in costs if one.kind == kind):
            change = difference_text(one.difference.difference, one.difference.interval)
            aucs = auc_text(one.reference), auc_text(one.predicted)
            rows.append(Row(one.title, (str(one.cases), str(one.lost), *aucs, change, short_p_text(one.difference.p))))
    return Table(
        "What the segmentation costs: ROIs of the reference masks and of predicted ones",
        "Model",
        ("Cases", "Without a predicted ROI", "AUC, reference", "AUC, predicted", "Difference (95% CI)", "p"),
        tuple(rows),
        (f"Of the cases that have both. {_PAIRED} A case without a predicted ROI has no score at all.",),
    )


def auc_text(estimate: AucEstimate) -> str:
    """Write an AUC and its interval, if it has one."""
    return value_text(estimate.auc, estimate.interval)


def rate_cells(rates: Mapping[str, Rate]) -> tuple[str, ...]:
    """Write the rates of `RATE_TITLES` with their intervals; none of them where no threshold is known."""
    return tuple(
        value_text(rates[name].value, rates[name].interval) if name in rates else UNDEFINED for name in RATE_TITLES
    )


def _cases(estimate: AucEstimate) -> str:
    return f"{estimate.cases} ({estimate.cases - estimate.high} LRT, {estimate.high} HRT)"


def _auc_notes(estimates: Sequence[AucEstimate]) -> list[str]:
    several = ", and the bootstrap over patients where some have several cases"
    how = f"DeLong's{several if any(one.by_patient for one in estimates) else ''}"
    return [f"The interval of the AUC is {how}; it is withheld under {FEWEST_CASES} cases and where it has no width."]
