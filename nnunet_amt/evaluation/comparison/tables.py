"""A comparison as tables of ready text, in no format yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from nnunet_amt import paper
from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison, ModelResult, SubgroupDifference
from nnunet_amt.evaluation.comparison.measures import TABLE_MEASURES, Measure
from nnunet_amt.evaluation.comparison.notes import (
    accuracy_notes,
    cost_notes,
    difference_notes,
    lesion_notes,
    subgroup_notes,
    sweep_notes,
    verdict_notes,
)
from nnunet_amt.evaluation.comparison.texts import (
    NOT_RECORDED,
    UNDEFINED,
    difference_text,
    long_duration,
    memory_text,
    p_text,
    parameter_text,
    signed,
    value_text,
)
from nnunet_amt.evaluation.comparison.verdicts import VERDICTS
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, THRESHOLDS
from nnunet_amt.evaluation.results.tables import group_title, subgroup_title

_TITLES = {
    "dice": "Dice score",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "sensitivity": "Sensitivity",
    "fp_per_scan": "False positives per scan",
    "sweep_sensitivity": "Sensitivity",
    "sweep_fp_per_scan": "False positives per scan",
}
_TESTS = {"wilcoxon": "Wilcoxon", "mcnemar": "McNemar"}
_IOU = paper.OPERATING_POINT.iou_threshold
_MOST_SUBGROUPS = 12  # more make the table unreadable, and hold too few cases each to have intervals
_SHOWN_IN_SUBGROUPS = (
    Measure("dice"),
    *(Measure(metric, t) for t in TABLE_THRESHOLDS for metric in ("sensitivity", "fp_per_scan")),
)


@dataclass(frozen=True)
class ComparisonRow:
    """A line of a table.

    Attributes
    ----------
    kind
        ``"group"``: `title` alone, of the rows that follow.
    title
        Of the row.
    cells
        One a column.
    """

    kind: Literal["group", "row"]
    title: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComparisonTable:
    """A table without format.

    Attributes
    ----------
    title
        Its heading.
    heading
        Of the titles of its rows.
    columns
        Titles of their cells.
    rows
        In order.
    notes
        What must be said of it.
    """

    title: str
    heading: str
    columns: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]
    notes: tuple[str, ...] = ()


def comparison_tables(comparison: Comparison) -> tuple[ComparisonTable, ...]:
    """Lay out accuracy, differences, lesions, single cases, costs, subgroups and the whole sweep."""
    return (
        _accuracy(comparison),
        _differences(comparison),
        _lesions(comparison),
        _verdicts(comparison),
        _costs(comparison),
        *(_subgroups(comparison, other) for other in comparison.others),
        _sweep(comparison),
    )


def _accuracy(comparison: Comparison) -> ComparisonTable:
    columns = [result.name for result in comparison.results]
    published = _published() if comparison.settings.published else None
    rows = []
    for title, measures in _groups_of_measures():
        rows.append(ComparisonRow("group", title))
        for measure in measures:
            cells = [value_text(result.value(measure.metric, measure.iou_threshold)) for result in comparison.results]
            if published is not None:
                cells.append(published.get(measure, UNDEFINED))
            rows.append(ComparisonRow("row", _TITLES[measure.metric], tuple(cells)))
    if published is not None:
        columns.append("Published (other patients)")
    title = f"Accuracy on the same {comparison.cases} cases"
    return ComparisonTable(title, "Metric", tuple(columns), tuple(rows), accuracy_notes(comparison))


def _differences(comparison: Comparison) -> ComparisonTable:
    rows = []
    for other in comparison.others:
        for title, measures in _groups_of_measures():
            rows.append(ComparisonRow("group", f"{other.other.name}: {title[0].lower()}{title[1:]}"))
            rows += [_difference_row(other, measure) for measure in measures]
    title = f"Differences: other model minus {comparison.first.name}"
    columns = ("Difference (95% CI)", "n", "Test", "p", "p (Holm)")
    return ComparisonTable(title, "Metric", columns, tuple(rows), difference_notes(comparison))


def _difference_row(other: ModelComparison, measure: Measure) -> ComparisonRow:
    difference = other.difference(measure.metric, measure.iou_threshold)
    test = other.test(measure.metric, measure.iou_threshold)
    tested = (UNDEFINED,) * 3 if test is None else (_TESTS[test.test], p_text(test.p), p_text(test.p_holm))
    return ComparisonRow("row", _TITLES[measure.metric], (difference_text(difference), str(difference.n), *tested))


def _lesions(comparison: Comparison) -> ComparisonTable:
    rows = []
    for other in comparison.others:
        rows.append(ComparisonRow("group", other.other.name))
        for test in other.tests:
            if test.lesions is None:
                continue
            table = test.lesions
            counts = (table.both, table.only_first, table.only_other, table.neither)
            cells = (*map(str, counts), p_text(test.p), p_text(test.p_holm))
            rows.append(ComparisonRow("row", f"IoU > {test.iou_threshold:g}", cells))
    columns = ("Found by both", f"Only by {comparison.first.name}", "Only by the other", "By neither", "p", "p (Holm)")
    title = f"The {comparison.lesions} reference lesions, by who found them"
    return ComparisonTable(title, "Threshold", columns, tuple(rows), lesion_notes())


def _verdicts(comparison: Comparison) -> ComparisonTable:
    rows = []
    for other in comparison.others:
        tally = other.tally
        cells = (*(str(tally[verdict]) for verdict in VERDICTS), *_extremes(other))
        rows.append(ComparisonRow("row", other.other.name, cells))
    columns = ("Wins", "Ties", "Losses", "Largest gain", "Largest loss")
    title = f"Case by case, Dice of the other model against {comparison.first.name}"
    return ComparisonTable(title, "Model", columns, tuple(rows), verdict_notes(comparison))


def _costs(comparison: Comparison) -> ComparisonTable:
    columns = (
        *("Dice score", f"Sensitivity, IoU > {_IOU:g}", f"FP per scan, IoU > {_IOU:g}", "Parameters"),
        *("Training", "Seconds per CT", "Memory: training", "Memory: prediction"),
    )
    rows = tuple(ComparisonRow("row", result.name, _cost_cells(result)) for result in comparison.results)
    return ComparisonTable("Cost beside accuracy", "Model", columns, rows, cost_notes(comparison))


def _cost_cells(result: ModelResult) -> tuple[str, ...]:
    cost = result.cost
    accuracy = (result.value("dice"), result.value("sensitivity", _IOU), result.value("fp_per_scan", _IOU))
    training = long_duration(cost.training_seconds)
    if cost.training_seconds is not None and cost.training_epochs:
        training += f", {cost.training_epochs} epoch{'s' if cost.training_epochs > 1 else ''}"
    per_case = NOT_RECORDED if cost.seconds_per_case is None else f"{cost.seconds_per_case:.1f}"
    return (
        *(UNDEFINED if estimate.value is None else f"{estimate.value:.3f}" for estimate in accuracy),
        parameter_text(cost.parameters),
        _where(training, cost.training_device),
        _where(per_case, cost.prediction_device),
        memory_text(cost.training_peak_bytes),
        memory_text(cost.prediction_peak_bytes),
    )


def _subgroups(comparison: Comparison, other: ModelComparison) -> ComparisonTable:
    rows, left_out = [], []
    for group, members in groupby(other.subgroups, key=lambda row: row.group):
        found = list(members)
        if len(found) > _MOST_SUBGROUPS:
            left_out.append(f"{group_title(group)}: {len(found)} values, in comparison_metrics.csv.")
            continue
        rows.append(ComparisonRow("group", group_title(group)))
        rows += [_subgroup_row(row) for row in found]
    title = f"Differences by subgroup: {other.other.name} minus {comparison.first.name}"
    columns = ("Cases", *map(_column_title, _SHOWN_IN_SUBGROUPS))
    return ComparisonTable(title, "Subgroup", columns, tuple(rows), (*subgroup_notes(comparison), *left_out))


def _subgroup_row(row: SubgroupDifference) -> ComparisonRow:
    cells = (difference_text(row.differences[TABLE_MEASURES.index(measure)]) for measure in _SHOWN_IN_SUBGROUPS)
    return ComparisonRow("row", subgroup_title(row.group, row.subgroup), (str(row.cases), *cells))


def _sweep(comparison: Comparison) -> ComparisonTable:
    names = [other.other.name for other in comparison.others]
    columns = [f"{name}: {what}" for name in names for what in ("sensitivity", "FP per scan")]
    rows = [_sweep_row(comparison, f"{t:g}", lambda metric, t=t: (metric, t)) for t in THRESHOLDS]  # type: ignore[misc]
    rows.append(_sweep_row(comparison, "mean of all", lambda metric: (f"sweep_{metric}", None)))
    title = f"Differences along the IoU threshold: other model minus {comparison.first.name}"
    return ComparisonTable(title, "IoU above", tuple(columns), tuple(rows), sweep_notes())


def _sweep_row(comparison: Comparison, title: str, measure: Callable[[str], tuple[str, float | None]]) -> ComparisonRow:
    cells = (
        difference_text(other.difference(*measure(metric)))
        for other in comparison.others
        for metric in ("sensitivity", "fp_per_scan")
    )
    return ComparisonRow("row", title, tuple(cells))


def _groups_of_measures() -> list[tuple[str, list[Measure]]]:
    def title(measure: Measure) -> str:
        if measure.metric.startswith("sweep"):
            return f"Lesions, mean of the {len(THRESHOLDS)} IoU thresholds"
        if measure.iou_threshold is not None:
            return f"Lesions at IoU > {measure.iou_threshold:g}"
        return "Voxels, mean of the cases"

    return [(name, list(members)) for name, members in groupby(TABLE_MEASURES, key=title)]


def _column_title(measure: Measure) -> str:
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


def _where(text: str, device: str | None) -> str:
    return text if device is None or text == NOT_RECORDED else f"{text} ({device})"


def _extremes(other: ModelComparison) -> tuple[str, str]:
    """Name the cases of the largest gain and of the largest loss."""
    ranked = sorted((case.difference, case.case_id) for case in other.verdicts if case.difference)
    gain = ranked[-1] if ranked and ranked[-1][0] > 0 else None
    loss = ranked[0] if ranked and ranked[0][0] < 0 else None
    return _named_difference(gain), _named_difference(loss)


def _named_difference(case: tuple[float, str] | None) -> str:
    return UNDEFINED if case is None else f"{case[1]} ({signed(case[0])})"
