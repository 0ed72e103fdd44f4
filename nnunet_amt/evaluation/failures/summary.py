"""failures.md: the failure analysis to read, and its tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnunet_amt import __version__, paper
from nnunet_amt.evaluation.failures.failure_case import PARTIAL_BELOW, FailureCase
from nnunet_amt.evaluation.failures.groups import DiceTie, ExtremeGroups, FeatureComparison, GroupValues
from nnunet_amt.evaluation.score_froc.candidates import HIT_TWENTIETHS
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.statistics.tests import SIGNIFICANT_P, smallest_rank_p
from nnunet_amt.writing.numbers import UNDEFINED, counted, short_p_text
from nnunet_amt.writing.table import Row, Table
from nnunet_amt.writing.table_formats import pipe_table

# What `FailureMode` says, in words.
_LARGER_ERROR = {"over": "More added", "under": "More missed", "balanced": "As much of both"}
# Not "found", which the lesion metrics say of an IoU.
_DETECTIONS = {
    "found": f"{PARTIAL_BELOW:.0%} or more predicted",
    "partial": f"under {PARTIAL_BELOW:.0%} predicted",
    "missed": "missed completely",
}
_EMPHASIS = re.compile(r"\*\*|`")


def failure_tables(
    cases: Sequence[FailureCase],
    groups: ExtremeGroups,
    comparisons: Sequence[FeatureComparison],
    *,
    settings: EvaluationSettings,
) -> tuple[Table, ...]:
    """Lay out the groups, their features, what is added and missed, the false positives and the cases of lowest Dice.

    The first and the fourth are notes alone, without columns or rows.
    """
    return (
        Table(f"Failure analysis of {counted(len(cases), 'case')}", "", (), (), _group_notes(cases, groups)),
        _feature_table(comparisons, groups, settings),
        _mode_table(cases, groups),
        Table("False positive lesions", "", (), (), _false_positive_notes(cases, settings)),
        _worst_cases(cases, groups),
    )


def failures_markdown(tables: Sequence[Table]) -> str:
    """Lay out the tables of `failure_tables` as Markdown."""
    groups, features, modes, false_positives, worst = tables
    parts = [
        f"# {groups.title}",
        _bullets(groups.notes),
        f"## {features.title}",
        _bullets(features.notes),
        pipe_table(features, alignments=f"l{'r' * len(features.columns)}"),
        f"## {modes.title}",
        *modes.notes,
        pipe_table(modes, alignments="lrrrrrrrr"),
        f"## {false_positives.title}",
        false_positives.notes[0],
        _bullets(false_positives.notes[1:]),
        f"## {worst.title}",
        pipe_table(worst, alignments="lrrrrllr"),
        f"nnunet_amt {__version__}. Research use only.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def failure_tables_json(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Give the tables for a results file, without marks of emphasis."""
    plain = (replace(table, notes=tuple(_EMPHASIS.sub("", note) for note in table.notes)) for table in tables)
    return [table.as_json() for table in plain]


def _group_notes(cases: Sequence[FailureCase], groups: ExtremeGroups) -> tuple[str, ...]:
    dice = {case.case_id: case.voxel.dice for case in cases}
    notes = []
    for name, word, members in (("Bottom", "lowest", groups.bottom), ("Top", "highest", groups.top)):
        values = [value for case_id in members if (value := dice[case_id]) is not None]
        span = " to ".join(dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values))))
        notes.append(f"**{name} group**: the {counted(len(members), 'case')} of {word} Dice, {span}.")
    notes.append(
        f"Each group is {paper.FAILURE_GROUP_PERCENT}% of the cases with a Dice, rounded up; equal Dice is taken in "
        "the order of the case ids."
    )
    notes += [*map(_tie_note, groups.ties)]
    if groups.without_overlap > 1 and not any(tie.dice == 0 for tie in groups.ties):
        notes.append(f"Ties: {groups.without_overlap} cases have a Dice of 0, all in the bottom group.")
    if groups.undefined:
        notes.append(
            f"Left out: {counted(len(groups.undefined), 'case')} without a tumour, whose Dice measures nothing; in "
            f"{sum(case.fp > 0 for case in cases if not case.tp + case.fn)} of them something is predicted."
        )
    return tuple(notes)


def _tie_note(tie: DiceTie) -> str:
    return (
        f"**Ties: {tie.cases} cases have a Dice of {tie.dice:.2g}, {tie.in_group} of them in the {tie.group} group. "
        "Which ones is settled by their ids alone: other ids would give another group.**"
    )


def _feature_table(
    comparisons: Sequence[FeatureComparison], groups: ExtremeGroups, settings: EvaluationSettings
) -> Table:
    size = max((max(c.bottom.n, c.top.n) for c in comparisons), default=0)
    rows = []
    for row in comparisons:
        unit = f" ({row.feature.unit})" if row.feature.unit else ""
        cells = (
            *(_group_cell(values, size) for values in (row.bottom, row.top)),
            UNDEFINED if row.top_is_larger is None else f"{row.top_is_larger:.2f}",
            *(short_p_text(p) for p in (row.p, row.p_holm)),
            UNDEFINED if row.published_p is None else f"{row.published_p:g}",
        )
        rows.append(Row(f"{row.feature.title}{unit}", cells))
    table = Table(
        title="What sets the tumours of the lowest Dice apart",
        heading="Feature",
        columns=("Bottom", "Top", "Top larger", "p", "p (Holm)", "Published p"),
        rows=tuple(rows),
        notes=_feature_notes(comparisons, groups, settings),
    )
    beside = any(row.published_p is not None for row in comparisons)
    return table if beside else table.without_published()


def _feature_notes(
    comparisons: Sequence[FeatureComparison], groups: ExtremeGroups, settings: EvaluationSettings
) -> tuple[str, ...]:
    notes = [
        "Features of the reference, median (quartiles). p: Mann-Whitney U test, two-sided; p (Holm): corrected for "
        f"the {len(comparisons)} features of this table. Top larger: probability that a case of the top group has the "
        "larger value (0.5: no difference).",
        f"Published p: {paper.CITATION}, {paper.FAILURE_GROUP_SIZE} against {paper.FAILURE_GROUP_SIZE} other cases, "
        "uncorrected.",
        "Surface area and sphericity rest on ITK's estimate of the surface: on lesions of few voxels a sphericity may "
        "come out above 1.",
    ]
    size, least = len(groups.bottom), smallest_rank_p(len(groups.bottom))
    if least > SIGNIFICANT_P:
        notes.append(f"**Not tested: with {counted(size, 'case')} a group no exact p-value can be below {least:.2g}.**")
    elif all(comparison.p is None for comparison in comparisons) and settings.cluster != "case":
        notes.append(
            f"Not tested: the Mann-Whitney U test takes cases for independent, and several of these are of one "
            f"{settings.cluster}."
        )
    if all(comparison.feature.kind == "shape" for comparison in comparisons):
        notes.append("Intensity features are missing: no CTs were given (`--images`).")
    if any(comparison.bottom.n < len(groups.bottom) for comparison in comparisons):
        notes.append("[n]: cases with a value, where they are not all of the group (a case without tumour has none).")
    corrected = [comparison.p_holm for comparison in comparisons if comparison.p_holm is not None]
    if least <= SIGNIFICANT_P < least * len(corrected) and min(corrected) >= SIGNIFICANT_P:
        notes.append(
            f"**With {size} cases a group no exact p-value can be below {least * len(corrected):.2g} after Holm's "
            "correction: that none is small says nothing.**"
        )
    return tuple(notes)


def _mode_table(cases: Sequence[FailureCase], groups: ExtremeGroups) -> Table:
    members = {
        "all": list(cases),
        "bottom": [case for case in cases if case.case_id in groups.bottom],
        "top": [case for case in cases if case.case_id in groups.top],
    }
    if without := [case for case in cases if not case.tp + case.fn]:
        members["without a tumour"] = without
    rows = []
    for name, group in members.items():
        modes: Counter[str | None] = Counter(case.mode.segmentation for case in group)
        modes.update(case.mode.detection for case in group)
        shown = (modes[mode] for mode in ("over", "under", "balanced", "found", "partial", "missed"))
        missed_lesions = sum(case.mode.missed_lesions for case in group)
        rows.append(Row(name, tuple(map(str, (len(group), *shown, missed_lesions)))))
    note = (
        "In every case, failed or not: more added, if more voxels are falsely positive than falsely negative; more "
        "missed, if fewer. Predicted: share of the reference's voxels; missed completely: none. The limit of "
        f"{PARTIAL_BELOW:.0%} is ours, the paper gives none. "
        f"A case with a tumour and a Dice above {paper.SUCCESSFUL_DICE:.2f} counts as a success elsewhere, whatever is "
        "added or missed in it."
    )
    shares = (words[0].upper() + words[1:] for words in _DETECTIONS.values())
    columns = ("n", *_LARGER_ERROR.values(), *shares, "Lesions missed")
    return Table("What is added and missed", "Cases", columns, tuple(rows), (note,))


def _false_positive_notes(cases: Sequence[FailureCase], settings: EvaluationSettings) -> tuple[str, ...]:
    """Say what counts as false positive and how many there are, then how large and how far from the tumour."""
    lesions = [lesion for case in cases for lesion in case.false_positives]
    holders = sum(bool(case.false_positives) for case in cases)
    unmatched = settings.false_positive_rule == "unmatched"
    which = f"without a partner at IoU > {HIT_TWENTIETHS / 20:g}" if unmatched else "that overlap no reference lesion"
    rule = (
        f"Predicted components ({settings.connectivity}-connectivity, {settings.minimum_predicted_voxels} voxels or "
        f"more) {which}"
    )
    if not lesions:
        return (f"{rule}: none.",)
    notes = [f"{rule}: {len(lesions)} in {counted(holders, 'case')}, listed in `false_positives.csv`."]
    volumes = [lesion.volume_cm3 for lesion in lesions]
    notes.append(f"Volume: {_median_and_range(volumes)} cm3.")
    if unmatched:
        overlapping = sum(lesion.overlaps_reference for lesion in lesions)
        notes.append(f"Overlapping a reference lesion, but too little for a match: {overlapping}.")
    apart = [d for lesion in lesions if (d := lesion.distance_mm) is not None and not lesion.overlaps_reference]
    if apart:
        notes.append(
            f"Apart from every reference lesion: {len(apart)}; distance to the nearest surface: "
            f"{_median_and_range(apart)} mm."
        )
    if alone := sum(lesion.distance_mm is None for lesion in lesions):
        notes.append(f"In cases without tumour, so without a distance: {alone}.")
    return tuple(notes)


def _median_and_range(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3g}"
    return f"median {np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def _worst_cases(cases: Sequence[FailureCase], groups: ExtremeGroups) -> Table:
    by_id = {case.case_id: case for case in cases}
    rows = []
    for case in (by_id[case_id] for case_id in groups.bottom):
        metrics = (case.voxel.dice, case.voxel.precision, case.voxel.recall)
        volume = case.features.get("volume_cm3")
        cells = (
            *(UNDEFINED if value is None else f"{value:.2f}" for value in metrics),
            UNDEFINED if volume is None else f"{volume:.3g}",
            _LARGER_ERROR[case.mode.segmentation].lower() if case.mode.segmentation else UNDEFINED,
            _DETECTIONS[case.mode.detection] if case.mode.detection else "none there",
            str(len(case.false_positives)),
        )
        rows.append(Row(case.case_id, cells))
    columns = ("Dice", "Precision", "Recall", "Volume (cm3)", "Larger error", "Tumour", "False positives")
    return Table("The cases of lowest Dice", "Case", columns, tuple(rows), words=frozenset({4, 5}))


def _group_cell(values: GroupValues, size: int) -> str:
    if values.median is None:
        return UNDEFINED
    n = "" if values.n == size else f" [{values.n}]"
    if values.n == 1:
        return f"{_significant(values.median)}{n}"
    return f"{_significant(values.median)} ({_significant(values.q1)} to {_significant(values.q3)}){n}"


def _significant(value: float | None) -> str:
    """Write three significant digits; powers of ten from a million on."""
    if value is None:
        return UNDEFINED
    return f"{value:.2e}" if abs(value) >= 1e6 else f"{float(f'{value:.3g}') + 0.0:g}"


def _bullets(notes: Sequence[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)
