"""The results of a comparison in plain words, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnunet_amt import __version__, paper
from nnunet_amt.base.files import write_csv, write_json
from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison
from nnunet_amt.evaluation.comparison.measures import (
    MEASURES,
    TABLE_MEASURES,
    TEST_NAMES,
    VERDICTS,
    Estimate,
    Measure,
    PairedTest,
)
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, threshold_index
from nnunet_amt.evaluation.results.read_results import DEFINING_SETTINGS, EvaluatedModel
from nnunet_amt.evaluation.results.summary_json import specificity_json
from nnunet_amt.writing.numbers import counted, difference_words, interval_words, p_text
from nnunet_amt.writing.table import Document

# 1: p was Wilcoxon's, and Holm's correction was for all tests together; 2: intervals could have no width
SCHEMA_VERSION = 3
_TESTED = ("test", "p", "p_holm", "shift", "p_wilcoxon")
_IOU = paper.OPERATING_POINT.iou_threshold
CASES_COLUMNS = (
    *("case_id", "first", "other", "dice_first", "dice_other", "difference", "verdict"),
    *("tumour_size", "reference_lesions"),
    *(f"{what}_{side}_{t:g}" for t in TABLE_THRESHOLDS for what in ("found", "fp") for side in ("first", "other")),
)
METRICS_COLUMNS = (
    *("first", "other", "group", "subgroup", "cases", "metric", "iou_threshold", "n"),
    *("value_first", "value_other", "difference", "ci95_low", "ci95_high", *_TESTED),
)
Row = dict[str, Any]


def plain_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Say of each other model how it compares with the first: Dice, lesions, single cases."""
    margin = comparison.settings.tie_margin
    tied = f"differs by less than {margin:g}" if margin else "is equal"
    found = []
    for other in comparison.others:
        tally = other.tally
        cases = (
            f"Case by case its Dice is better in {tally['win']}, worse in {tally['loss']}, and {tied} in "
            f"{tally['tie']} of {comparison.cases}."
        )
        sentences = [_dice_sentence(comparison, other), *_lesion_sentences(comparison, other), cases]
        if (test := other.disagrees) is not None:
            sentences.append(_disagreement(test))
        found.append(" ".join(sentences))
    return tuple(found)


def write_comparison_json(path: Path, comparison: Comparison, document: Document) -> None:
    """Write everything but the single cases; undefined, withheld and not recorded is null."""
    first, published = comparison.first, None
    if comparison.settings.published:
        published = {"citation": paper.CITATION, "doi": paper.DOI, "paired": False}
        published |= {"table_3": asdict(paper.TABLE_3[0]), "table_4": asdict(paper.TABLE_4[0])}
    content = {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "settings": asdict(comparison.settings) | {name: first.settings[name] for name in DEFINING_SETTINGS},
        "cases": comparison.cases,
        "reference_lesions": comparison.lesions,
        "clusters": comparison.clusters,
        "secondary_tests": comparison.secondary_tests,
        "first": first.name,
        "difference": "other minus first",
        "sentences": list(document.sentences),
        "models": [
            {
                "name": result.name,
                "metrics": [asdict(m) | asdict(e) for m, e in zip(MEASURES, result.values, strict=True)],
                "cost": asdict(result.cost),
                **specificity_json(result.model.specificity),
            }
            for result in comparison.results
        ],
        "comparisons": [_comparison(other) for other in comparison.others],
        "published": published,
        "tables": [table.as_json() for table in document.tables],
        "figures": [f"{picture.file.stem}.{ending}" for picture in document.pictures for ending in ("png", "svg")],
    }
    write_json(path, content)


def write_metrics_csv(path: Path, comparison: Comparison) -> None:
    """Write a row for each other model, group of cases and measure; undefined, withheld and untested is empty."""
    write_csv(path, METRICS_COLUMNS, (row for other in comparison.others for row in _metric_rows(comparison, other)))


def write_cases_csv(path: Path, comparison: Comparison) -> None:
    """Write a row for each other model and case: both Dice scores, the verdict, lesions found and false positives."""
    write_csv(path, CASES_COLUMNS, (row for other in comparison.others for row in _case_rows(comparison.first, other)))


def _difference(measure: Measure, estimate: Estimate) -> Row:
    return {**asdict(measure), "difference": estimate.value, "ci95": estimate.ci95, "n": estimate.n}


def _comparison(other: ModelComparison) -> Row:
    metrics = []
    for measure, estimate in zip(MEASURES, other.differences, strict=True):
        test = other.test(measure.metric, measure.iou_threshold)
        tested = {name: None if test is None else getattr(test, name) for name in _TESTED}
        metrics.append(_difference(measure, estimate) | tested)
    return {
        "other": other.other.name,
        "metrics": metrics,
        "mcnemar": [
            {"iou_threshold": test.iou_threshold, **asdict(test.lesions), "p": test.p, "p_holm": test.p_holm}
            for test in other.tests
            if test.lesions is not None
        ],
        "win_tie_loss": {verdict: other.tally[verdict] for verdict in VERDICTS},
        "subgroups": [
            {
                "group": row.group,
                "subgroup": row.subgroup,
                "cases": row.cases,
                "metrics": [_difference(*pair) for pair in zip(TABLE_MEASURES, row.differences, strict=True)],
            }
            for row in other.subgroups
        ],
    }


def _metric_rows(comparison: Comparison, other: ModelComparison) -> Iterator[Row]:
    head: Row = {"first": comparison.first.name, "other": other.other.name}
    results = {result.name: result for result in comparison.results}
    for measure, estimate in zip(MEASURES, other.differences, strict=True):
        wanted = measure.metric, measure.iou_threshold
        test = other.test(*wanted)
        row = head | {"group": "overall", "subgroup": "overall", "cases": comparison.cases}
        row |= {f"value_{side}": results[head[side]].value(*wanted).value for side in ("first", "other")}
        row |= {name: getattr(test, name) for name in _TESTED} if test is not None else {}
        yield row | _cells(measure, estimate)
    for subgroup in other.subgroups:
        row = head | {name: getattr(subgroup, name) for name in ("group", "subgroup", "cases")}
        for measure, estimate in zip(TABLE_MEASURES, subgroup.differences, strict=True):
            yield row | _cells(measure, estimate)


def _cells(measure: Measure, estimate: Estimate) -> Row:
    low, high = estimate.ci95 or (None, None)
    return {**asdict(measure), "n": estimate.n, "difference": estimate.value, "ci95_low": low, "ci95_high": high}


def _case_rows(first: EvaluatedModel, other: ModelComparison) -> Iterator[Row]:
    sides = {"first": first, "other": other.other}
    for i, verdict in enumerate(other.verdicts):
        row: Row = asdict(verdict) | {name: model.name for name, model in sides.items()}
        row |= {"tumour_size": first.tumour_size[i], "reference_lesions": int(first.references[i])}
        for threshold in TABLE_THRESHOLDS:
            at = threshold_index(threshold)
            for side, model in sides.items():
                row[f"found_{side}_{threshold:g}"] = int(model.tp[i, at])
                row[f"fp_{side}_{threshold:g}"] = int(model.fp[i, at])
        yield row


def _dice_sentence(comparison: Comparison, other: ModelComparison) -> str:
    difference, first = other.difference("dice"), comparison.first.name
    if difference.value is None:
        return f"No case has a Dice by both {other.name} and {first}."
    how = difference_words(difference.value, "lower than", "higher than", "the same to three decimals as")
    where = f"On {counted(difference.n, 'case')}"
    return f"{where} the mean Dice of {other.name} is {how} that of {first} ({_evidence(other, 'dice', None)})."


def _disagreement(test: PairedTest) -> str:
    how = difference_words(test.shift or 0.0, "lower", "higher", "the same")
    wilcoxon = "" if test.p_wilcoxon is None else f", Wilcoxon {_p(test.p_wilcoxon)}"
    return (
        f"Mean and ranks disagree: in a typical case its Dice is {how} (Hodges-Lehmann shift{wilcoxon}), but a few "
        "cases that differ much the other way outweigh it in the mean. Look at these before calling one model better."
    )


def _lesion_sentences(comparison: Comparison, other: ModelComparison) -> list[str]:
    test, rate = other.test("sensitivity", _IOU), other.difference("fp_per_scan", _IOU)
    sentences = []
    if test is not None and test.lesions is not None and test.n:
        found = test.lesions.both + test.lesions.only_other
        found_first = test.lesions.both + test.lesions.only_first
        how = difference_words(found / test.n - found_first / test.n, "lower", "higher", "the same")
        sentences.append(
            f"Of {counted(test.n, 'reference lesion')} it finds {found} at IoU > {_IOU:g}, {comparison.first.name} "
            f"{found_first}: its sensitivity is {how} ({_evidence(other, 'sensitivity', _IOU)})."
        )
    if rate.value is not None:
        how = difference_words(rate.value, "fewer", "more", "the same number of")
        evidence = _evidence(other, "fp_per_scan", _IOU, "fewer", "more")
        sentences.append(f"It marks {how} false positives per scan at IoU > {_IOU:g} ({evidence}).")
    return sentences


def _evidence(
    other: ModelComparison, metric: str, threshold: float | None, less: str = "lower", more: str = "higher"
) -> str:
    interval = interval_words(other.difference(metric, threshold).ci95, less, more)
    test = other.test(metric, threshold)
    return interval if test is None else f"{interval}; {_p_values(test)}"


def _p_values(test: PairedTest) -> str:
    """Give the p-value, and after Holm's correction where that changes it."""
    found = f"{TEST_NAMES[test.test]} {_p(test.p)}"
    return found if test.p_holm == test.p else f"{found}, Holm {p_text(test.p_holm)}"


def _p(p: float | None) -> str:
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
