"""A comparison as tables of ready text, each with the notes that must be read beside it."""

from __future__ import annotations

from itertools import groupby

from nnunet_amt import paper
from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison, ModelResult
from nnunet_amt.evaluation.comparison.measures import (
    PRECISION_OR_0,
    TABLE_MEASURES,
    TEST_NAMES,
    VERDICTS,
    Estimate,
    Measure,
    PairedTest,
    without_prediction,
)
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, THRESHOLDS
from nnunet_amt.evaluation.results.tables import (
    FALSE_POSITIVE_RULES,
    group_title,
    interval_note,
    subgroup_title,
)
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.statistics.intervals import rate_interval
from nnunet_amt.writing.numbers import (
    NOT_RECORDED,
    UNDEFINED,
    counted,
    difference_text,
    interval_text,
    long_duration,
    memory_text,
    p_text,
    parameter_text,
    signed,
    value_text,
)
from nnunet_amt.writing.table import Row, Table

_TITLES = {
    "dice": "Dice score",
    "iou": "IoU",
    "precision": "Precision",
    "precision_or_0": "Precision, 0 without a prediction",
    "recall": "Recall",
    "sensitivity": "Sensitivity",
    "fp_per_scan": "False positives per scan",
    "sweep_sensitivity": "Sensitivity",
    "sweep_fp_per_scan": "False positives per scan",
}
_IOU = paper.OPERATING_POINT.iou_threshold
_MOST_SUBGROUPS = 12  # more make the table unreadable, and hold too few cases each to have intervals
_SHOWN_IN_SUBGROUPS = (
    Measure("dice"),
    *(Measure(metric, t) for t in TABLE_THRESHOLDS for metric in ("sensitivity", "fp_per_scan")),
)


def comparison_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Lay out accuracy, differences, lesions, single cases, costs, subgroups and the whole sweep."""
    return (
        _accuracy(comparison),
        _differences(comparison),
        _lesions(comparison),
        *_scans_without_tumour(comparison),
        _verdicts(comparison),
        _costs(comparison),
        *(_subgroups(comparison, other) for other in comparison.others),
        _sweep(comparison),
    )


def _accuracy(comparison: Comparison) -> Table:
    columns = [result.name for result in comparison.results]
    published = _published() if comparison.settings.published else None
    rows = []
    for title, measures in groupby(_shown_measures(comparison), key=_measure_group):
        rows.append(Row(title, kind="group"))
        for measure in measures:
            found = (result.value(measure.metric, measure.iou_threshold) for result in comparison.results)
            cells = [value_text(estimate.value, estimate.ci95) for estimate in found]
            if published is not None:
                cells.append(published.get(measure, UNDEFINED))
            rows.append(Row(_TITLES[measure.metric], tuple(cells)))
    settings = comparison.first.settings
    notes = [
        f"Mean (95% CI) of {comparison.cases} cases, pooled over {comparison.lesions} reference lesions. "
        f"{_interval_note(comparison)}",
        f"Lesions: components of {settings['connectivity']}-connectivity, predicted ones under "
        f"{settings['minimum_predicted_voxels']} voxels dropped; "
        f"{FALSE_POSITIVE_RULES[str(settings['false_positive_rule'])]}.",
    ]
    if (scans := comparison.first.specificity) is not None:
        notes.append(
            f"{counted(scans.scans, 'case')} {'has' if scans.scans == 1 else 'have'} no tumour: counted in the false "
            "positives per scan; Dice, IoU and precision are 0 in one in which a model predicts something, and "
            "undefined, as recall is, elsewhere. The subgroup 'with a tumour' is free of them."
        )
    if published is not None:
        columns.append("Published (other patients)")
        notes.append(
            f"Published: {paper.CITATION}, doi:{paper.DOI}, {paper.EXTERNAL_CASES} cases. Other patients: not paired, "
            "no test, and a difference from that column is not a difference between models."
        )
    title = f"Accuracy on the same {comparison.cases} cases"
    return Table(title, "Metric", tuple(columns), tuple(rows), tuple(notes))


def _shown_measures(comparison: Comparison) -> list[Measure]:
    """Give the measures of the tables; the precision with 0 only where some model predicts nothing of a tumour."""
    needed = any(without_prediction(result.model) for result in comparison.results)
    return [measure for measure in TABLE_MEASURES if needed or measure != PRECISION_OR_0]


def _precision_notes(comparison: Comparison) -> tuple[str, ...]:
    """Say which cases the paired precision leaves out."""
    empty = {result.name: without_prediction(result.model) for result in comparison.results}
    if not any(empty.values()):
        return ()
    number = ", ".join(f"{name} in {count}" for name, count in empty.items())
    return (
        f"A case with a tumour in which a model predicts nothing ({number}) has no precision by it, and the paired "
        f"precision leaves it out, though it is the worst failure. {_TITLES['precision_or_0']}: 0 in such a case; not "
        "tested.",
    )


def _interval_note(comparison: Comparison) -> str:
    settings = comparison.settings
    how = f"{settings.bootstrap_resamples} resamples, seed {settings.seed}"
    return interval_note(how, clusters=comparison.clusters, cluster=settings.cluster, ci_always=settings.ci_always)


def _differences(comparison: Comparison) -> Table:
    rows = []
    for other in comparison.others:
        for title, measures in groupby(_shown_measures(comparison), key=_measure_group):
            rows.append(Row(f"{other.name}: {title[0].lower()}{title[1:]}", kind="group"))
            for measure in measures:
                difference = other.difference(measure.metric, measure.iou_threshold)
                test = other.test(measure.metric, measure.iou_threshold)
                tested, title = (UNDEFINED,) * 5, _TITLES[measure.metric]
                if test is not None:
                    tested = TEST_NAMES[test.test], p_text(test.p), p_text(test.p_holm), *_ranks(test)
                    title += " (primary)" if test.endpoint == comparison.settings.primary else ""
                rows.append(Row(title, (_difference(difference), str(difference.n), *tested)))
    title = f"Differences: other model minus {comparison.first.name}"
    columns = ("Difference (95% CI)", "n", "Test", "p", "p (Holm)", "Typical case", "p (Wilcoxon)")
    notes = (
        f"Other model minus {comparison.first.name}: above 0 the other has the higher value, which is better for all "
        "but false positives. Intervals are of the paired difference: each resample draws the same cases for both. "
        "None is given where it has no width, as where both models find the same lesions.",
        "n: cases in which both models have the metric (precision is undefined without a prediction, all four without "
        "tumour and prediction), reference lesions for sensitivity, scans for false positives.",
        *_precision_notes(comparison),
        _test_note(comparison),
        f"Primary: the endpoint that was named before looking ({_primary_title(comparison)}); with one other model its "
        "p needs no correction. p (Holm) of all other endpoints: corrected for their "
        f"{comparison.secondary_tests} tests, over models and metrics.",
        "Typical case: Hodges-Lehmann's shift, the median of the means of all pairs of differences, which a few large "
        "ones cannot move; p (Wilcoxon): the signed rank test of it, two-sided, zeros by Pratt's method. Secondary, "
        "not corrected; mean and typical case may point to different models."
        + (" Wilcoxon's test takes cases for independent and is left out." if comparison.clusters is not None else ""),
    )
    return Table(title, "Metric", columns, tuple(rows), notes)


def _ranks(test: PairedTest) -> tuple[str, str]:
    return UNDEFINED if test.shift is None else signed(test.shift), p_text(test.p_wilcoxon)


def _primary_title(comparison: Comparison) -> str:
    metric, _, threshold = comparison.settings.primary.rpartition("_")
    return f"{_TITLES[metric]} at IoU > {threshold}" if metric in _TITLES else _TITLES[comparison.settings.primary]


def _test_note(comparison: Comparison) -> str:
    note = (
        "Permutation: test of the mean difference, two-sided; any pair could as well have changed places. All changes "
        f"of sign to 20 pairs, else {comparison.settings.permutations} random ones. "
    )
    if comparison.clusters is None:
        return f"{note}McNemar: exact test over reference lesions. The means over the thresholds have no test."
    cluster = comparison.settings.cluster
    return (
        f"{note}The pairs of {_a(cluster)} change places together, and lesions with them: "
        f"{counted(comparison.clusters, cluster)} are tested, not cases. The means over the thresholds have no test."
    )


def _a(cluster: str) -> str:
    return f"an {cluster}" if cluster == "institution" else f"a {cluster}"


def _lesions(comparison: Comparison) -> Table:
    rows = []
    for other in comparison.others:
        rows.append(Row(other.name, kind="group"))
        for test in other.tests:
            if (found := test.lesions) is not None:
                counts = map(str, (found.both, found.only_first, found.only_other, found.neither))
                rows.append(Row(f"IoU > {test.iou_threshold:g}", (*counts, p_text(test.p), p_text(test.p_holm))))
    columns = ("Found by both", f"Only by {comparison.first.name}", "Only by the other", "By neither", "p", "p (Holm)")
    title = f"The {comparison.lesions} reference lesions, by who found them"
    note = (
        "p: McNemar's exact test, two-sided, of the lesions that one model alone finds. It takes lesions for "
        "independent, which those of one patient are not quite: where cases have several lesions p is somewhat too "
        "small."
    )
    if comparison.clusters is not None:
        note = (
            f"p: permutation test of the lesions found of each {comparison.settings.cluster}, see the table of "
            "differences; McNemar's test would take lesions for independent."
        )
    return Table(title, "Threshold", columns, tuple(rows), (note,))


def _scans_without_tumour(comparison: Comparison) -> tuple[Table, ...]:
    rows = []
    for result in comparison.results:
        if (found := result.model.specificity) is not None:
            share = f"{found.value:.3f} ({interval_text(found.wilson95)})"
            rate = rate_interval(found.false_positives, found.scans, None)
            cells = (
                *(str(found.scans), str(found.negative), share),
                value_text(found.false_positives / found.scans, rate),
            )
            rows.append(Row(result.name, cells))
    columns = ("Scans", "Without a false positive", "Specificity by scan (95% CI)", "FP per scan (95% CI)")
    note = (
        "CI: Wilson's interval, and the exact one of Poisson's law, of each model by itself; both take scans for "
        "independent. The difference is not tested."
    )
    return (Table("Scans without a tumour", "Model", columns, tuple(rows), (note,)),) if rows else ()


def _verdicts(comparison: Comparison) -> Table:
    rows = []
    for other in comparison.others:
        ranked = sorted((case.difference, case.case_id) for case in other.verdicts if case.difference)
        extremes = (
            f"{ranked[-1][1]} ({signed(ranked[-1][0])})" if ranked and ranked[-1][0] > 0 else UNDEFINED,
            f"{ranked[0][1]} ({signed(ranked[0][0])})" if ranked and ranked[0][0] < 0 else UNDEFINED,
        )
        rows.append(Row(other.name, (*(str(other.tally[verdict]) for verdict in VERDICTS), *extremes)))
    columns = ("Wins", "Ties", "Losses", "Largest gain", "Largest loss")
    title = f"Case by case, Dice of the other model against {comparison.first.name}"
    margin = comparison.settings.tie_margin
    tie = f"the two Dice scores differ by less than {margin:g}" if margin else "the two Dice scores are equal"
    notes = (
        f"Win: the other model has the higher Dice. Tie: {tie}. In a case without tumour a model that predicts "
        "nothing has no Dice: it wins against one that predicts something, and ties with its like.",
        "Every case is in comparison_cases.csv.",
    )
    return Table(title, "Model", columns, tuple(rows), notes)


def _costs(comparison: Comparison) -> Table:
    columns = (
        *("Dice score", f"Sensitivity, IoU > {_IOU:g}", f"FP per scan, IoU > {_IOU:g}", "Parameters"),
        *("Training", "Seconds per CT", "Memory: training", "Memory: prediction"),
    )
    rows = tuple(Row(result.name, _cost_cells(result)) for result in comparison.results)
    published = " The paper does not state the costs of its model." if comparison.settings.published else ""
    notes = (
        "Training: the time of all epochs in nnU-Net's logs of this training, with those that were done again after "
        "a stop; start-up, the validation at the end and a broken-off epoch are not in it. Seconds per CT: prediction "
        "from file to file, with the start of the program. Memory: main memory of the largest single process, not that "
        f"of a GPU.{published}",
        "Times of different machines or devices cannot be compared. Not recorded: predicted or trained without "
        "nnunet_amt, or its records are gone.",
    )
    return Table("Cost beside accuracy", "Model", columns, rows, notes)


def _cost_cells(result: ModelResult) -> tuple[str, ...]:
    cost = result.cost
    accuracy = (result.value("dice"), result.value("sensitivity", _IOU), result.value("fp_per_scan", _IOU))
    training = long_duration(cost.training_seconds)
    if cost.training_seconds is not None and cost.training_epochs:
        training += f", {counted(cost.training_epochs, 'epoch')}"
    per_case = NOT_RECORDED if cost.seconds_per_case is None else f"{cost.seconds_per_case:.1f}"
    return (
        *(UNDEFINED if estimate.value is None else f"{estimate.value:.3f}" for estimate in accuracy),
        parameter_text(cost.parameters),
        _with_device(training, cost.training_device),
        _with_device(per_case, cost.prediction_device),
        memory_text(cost.training_peak_bytes),
        memory_text(cost.prediction_peak_bytes),
    )


def _with_device(text: str, device: str | None) -> str:
    return text if device is None or text == NOT_RECORDED else f"{text} ({device})"


def _subgroups(comparison: Comparison, other: ModelComparison) -> Table:
    rows, left_out = [], []
    for group, members in groupby(other.subgroups, key=lambda row: row.group):
        found = list(members)
        if len(found) > _MOST_SUBGROUPS:
            left_out.append(f"{group_title(group)}: {len(found)} values, in comparison_metrics.csv.")
            continue
        rows.append(Row(group_title(group), kind="group"))
        for row in found:
            shown = (row.differences[TABLE_MEASURES.index(measure)] for measure in _SHOWN_IN_SUBGROUPS)
            cells = (str(row.cases), *map(_difference, shown))
            rows.append(Row(subgroup_title(row.group, row.subgroup), cells))
    title = f"Differences by subgroup: {other.name} minus {comparison.first.name}"
    drawn = "cases" if comparison.clusters is None else f"{comparison.settings.cluster}s"
    withheld = "" if comparison.settings.ci_always else f" Intervals are withheld under {FEWEST_CASES} {drawn}."
    note = (
        "Difference (95% CI). Subgroups are not tested: there are many, and few cases in each; an interval apart from "
        f"0 is a question for other data, not an answer.{withheld}"
    )
    columns = ("Cases", *map(_short_title, _SHOWN_IN_SUBGROUPS))
    return Table(title, "Subgroup", columns, tuple(rows), (note, *left_out))


def _sweep(comparison: Comparison) -> Table:
    columns = [f"{other.name}: {what}" for other in comparison.others for what in ("sensitivity", "FP per scan")]
    measured: list[tuple[str, str, float | None]] = [(f"{t:g}", "", t) for t in THRESHOLDS]
    rows = []
    for title, prefix, threshold in (*measured, ("mean of all", "sweep_", None)):
        cells = (
            _difference(other.difference(f"{prefix}{metric}", threshold))
            for other in comparison.others
            for metric in ("sensitivity", "fp_per_scan")
        )
        rows.append(Row(title, tuple(cells)))
    title = f"Differences along the IoU threshold: other model minus {comparison.first.name}"
    note = "Difference (95% CI); the intervals hold for one threshold at a time, and none is tested by its own."
    return Table(title, "IoU above", tuple(columns), tuple(rows), (note,))


def _difference(estimate: Estimate) -> str:
    return difference_text(estimate.value, estimate.ci95)


def _measure_group(measure: Measure) -> str:
    if measure.metric.startswith("sweep"):
        return f"Lesions, mean of the {len(THRESHOLDS)} IoU thresholds"
    if measure.iou_threshold is not None:
        return f"Lesions at IoU > {measure.iou_threshold:g}"
    return "Voxels, mean of the cases"


def _short_title(measure: Measure) -> str:
    short = {"sensitivity": "Sens.", "fp_per_scan": "FP/scan"}.get(measure.metric, _TITLES[measure.metric])
    return short if measure.iou_threshold is None else f"{short}, IoU > {measure.iou_threshold:g}"


def _published() -> dict[Measure, str]:
    voxel, lesion = paper.TABLE_3[0], paper.TABLE_4[0]
    estimates = {Measure(name): getattr(voxel, name) for name in ("dice", "iou", "precision", "recall")} | {
        Measure("sensitivity", 0.1): lesion.sensitivity_01,
        Measure("fp_per_scan", 0.1): lesion.fp_per_scan_01,
        Measure("sensitivity", 0.5): lesion.sensitivity_05,
        Measure("fp_per_scan", 0.5): lesion.fp_per_scan_05,
    }
    return {
        measure: f"{estimate.mean:.2f} ({estimate.ci_low:.2f}–{estimate.ci_high:.2f})"
        for measure, estimate in estimates.items()
    }
