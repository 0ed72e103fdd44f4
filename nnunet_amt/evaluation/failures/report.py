"""failures.md: the failure analysis to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nnunet_amt import __version__, paper
from nnunet_amt.base.files import write_text
from nnunet_amt.evaluation.failures.comparison import FeatureComparison, GroupValues
from nnunet_amt.evaluation.failures.failure_case import FailureCase
from nnunet_amt.evaluation.failures.failure_modes import PARTIAL_BELOW
from nnunet_amt.evaluation.failures.false_positives import HIT_TWENTIETHS
from nnunet_amt.evaluation.failures.groups import ExtremeGroups
from nnunet_amt.evaluation.settings import EvaluationSettings

_UNDEFINED = "–"
_HIT_IOU = HIT_TWENTIETHS / 20


def write_report(
    path: Path,
    cases: Sequence[FailureCase],
    groups: ExtremeGroups,
    comparisons: Sequence[FeatureComparison],
    settings: EvaluationSettings,
) -> None:
    """Write `report_text` to a file."""
    write_text(path, report_text(cases, groups, comparisons, settings))


def report_text(
    cases: Sequence[FailureCase],
    groups: ExtremeGroups,
    comparisons: Sequence[FeatureComparison],
    settings: EvaluationSettings,
) -> str:
    """Lay out the comparison of both groups, the failure modes and the worst cases as Markdown."""
    parts = [
        f"# Failure analysis of {_counted(len(cases), 'case')}",
        _group_sentences(cases, groups),
        "## What sets the tumours of the worst cases apart",
        _comparison_notes(comparisons, groups),
        _comparison_table(comparisons),
        "## How the cases fail",
        _mode_notes(),
        _mode_table(cases, groups),
        "## False positive lesions",
        _false_positive_text(cases, settings),
        "## The worst cases",
        _worst_cases(cases, groups),
        f"nnunet_amt {__version__}. Research use only.",
    ]
    return "\n\n".join(parts) + "\n"


def _group_sentences(cases: Sequence[FailureCase], groups: ExtremeGroups) -> str:
    dice = {case.case_id: case.voxel.dice for case in cases}
    sentences = []
    for name, word, members in (("Bottom", "lowest", groups.bottom), ("Top", "highest", groups.top)):
        values = [value for case_id in members if (value := dice[case_id]) is not None]
        span = " to ".join(dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values))))
        sentences.append(f"- **{name} group**: the {_counted(len(members), 'case')} of {word} Dice, {span}.")
    sentences.append(
        f"- Each group is {paper.FAILURE_GROUP_PERCENT}% of the cases with a Dice, rounded up; equal Dice is taken in "
        "the order of the case ids."
    )
    if groups.undefined:
        sentences.append(
            f"- Left out: {_counted(len(groups.undefined), 'case')} with neither tumour nor prediction, whose Dice is "
            "undefined."
        )
    return "\n".join(sentences)


def _comparison_notes(comparisons: Sequence[FeatureComparison], groups: ExtremeGroups) -> str:
    notes = [
        "Features of the reference, median (quartiles). p: Mann-Whitney U test, two-sided; p (Holm): corrected for "
        f"the {len(comparisons)} features of this table. Top larger: probability that a case of the top group has the "
        "larger value (0.5: no difference).",
        f"Published p: {paper.CITATION}, {paper.FAILURE_GROUP_SIZE} against {paper.FAILURE_GROUP_SIZE} other cases, "
        "uncorrected.",
        "Surface area and sphericity rest on ITK's estimate of the surface: on lesions of few voxels a sphericity may "
        "come out above 1.",
    ]
    if all(comparison.feature.kind == "shape" for comparison in comparisons):
        notes.append("Intensity features are missing: no CTs were given (`--images`).")
    if any(comparison.bottom.n < len(groups.bottom) for comparison in comparisons):
        notes.append("[n]: cases with a value, where they are not all of the group (a case without tumour has none).")
    if len(groups.bottom) < 5:
        notes.append(
            f"**With {_counted(len(groups.bottom), 'case')} a group no difference can be told from chance; "
            "take the p-values as an example only.**"
        )
    return "\n".join(f"- {note}" for note in notes)


def _comparison_table(comparisons: Sequence[FeatureComparison]) -> str:
    lines = [
        _line(["Feature", "Bottom", "Top", "Top larger", "p", "p (Holm)", "Published p"]),
        _line(["---", "---:", "---:", "---:", "---:", "---:", "---:"]),
    ]
    size = max((max(c.bottom.n, c.top.n) for c in comparisons), default=0)
    for row in comparisons:
        unit = f" ({row.feature.unit})" if row.feature.unit else ""
        larger = _UNDEFINED if row.top_is_larger is None else f"{row.top_is_larger:.2f}"
        groups = [_group_cell(values, size) for values in (row.bottom, row.top)]
        p_values = [_p_cell(p) for p in (row.p, row.p_holm)]
        published = _UNDEFINED if row.published_p is None else f"{row.published_p:g}"
        lines.append(_line([f"{row.feature.title}{unit}", *groups, larger, *p_values, published]))
    return "\n".join(lines)


def _mode_notes() -> str:
    return (
        "Over: more voxels falsely positive than falsely negative; under: fewer. Found: at least "
        f"{PARTIAL_BELOW:.0%} of the reference's voxels are predicted; partial: some, but fewer; missed: none. The "
        f"limit of {PARTIAL_BELOW:.0%} is ours, the paper gives none."
    )


def _mode_table(cases: Sequence[FailureCase], groups: ExtremeGroups) -> str:
    members = {
        "all": list(cases),
        "bottom": [case for case in cases if case.case_id in groups.bottom],
        "top": [case for case in cases if case.case_id in groups.top],
    }
    columns = ("over", "under", "balanced", "found", "partial", "missed")
    lines = [
        _line(["Cases", "n", "Over", "Under", "Balanced", "Found", "Partial", "Missed", "Lesions missed"]),
        _line(["---", *["---:"] * 8]),
    ]
    for name, group in members.items():
        counted: Counter[str | None] = Counter(case.mode.segmentation for case in group)
        counted.update(case.mode.detection for case in group)
        missed = sum(case.mode.missed_lesions for case in group)
        lines.append(_line([name, str(len(group)), *(str(counted[column]) for column in columns), str(missed)]))
    return "\n".join(lines)


def _false_positive_text(cases: Sequence[FailureCase], settings: EvaluationSettings) -> str:
    lesions = [lesion for case in cases for lesion in case.false_positives]
    holders = sum(bool(case.false_positives) for case in cases)
    unmatched = settings.false_positive_rule == "unmatched"
    which = f"without a partner at IoU > {_HIT_IOU:g}" if unmatched else "that overlap no reference lesion"
    rule = (
        f"Predicted components ({settings.connectivity}-connectivity, {settings.minimum_predicted_voxels} voxels or "
        f"more) {which}"
    )
    if not lesions:
        return f"{rule}: none."
    lines = [f"{rule}: {len(lesions)} in {_counted(holders, 'case')}, listed in `false_positives.csv`.", ""]
    volumes = [lesion.volume_cm3 for lesion in lesions]
    lines.append(f"- Volume: median {np.median(volumes):.3g} cm3 ({min(volumes):.3g} to {max(volumes):.3g}).")
    overlapping = sum(lesion.overlaps_reference for lesion in lesions)
    if unmatched:
        lines.append(f"- Overlapping a reference lesion, but too little for a match: {overlapping}.")
    apart = [d for lesion in lesions if (d := lesion.distance_mm) is not None and not lesion.overlaps_reference]
    if apart:
        lines.append(
            f"- Apart from every reference lesion: {len(apart)}, {min(apart):.3g} to {max(apart):.3g} mm from the "
            f"nearest surface, median {np.median(apart):.3g} mm."
        )
    alone = sum(lesion.distance_mm is None for lesion in lesions)
    if alone:
        lines.append(f"- In cases without tumour, so without a distance: {alone}.")
    return "\n".join(lines)


def _worst_cases(cases: Sequence[FailureCase], groups: ExtremeGroups) -> str:
    by_id = {case.case_id: case for case in cases}
    lines = [
        _line(["Case", "Dice", "Precision", "Recall", "Volume (cm3)", "Segmentation", "Tumour", "False positives"]),
        _line(["---", *["---:"] * 4, "---", "---", "---:"]),
    ]
    for case_id in groups.bottom:
        case = by_id[case_id]
        metrics = [_number_cell(getattr(case.voxel, name), 2) for name in ("dice", "precision", "recall")]
        volume = case.features.get("volume_cm3")
        lines.append(
            _line(
                [
                    case_id,
                    *metrics,
                    _UNDEFINED if volume is None else f"{volume:.3g}",
                    case.mode.segmentation or _UNDEFINED,
                    case.mode.detection or "none there",
                    str(len(case.false_positives)),
                ]
            )
        )
    return "\n".join(lines)


def _group_cell(values: GroupValues, size: int) -> str:
    if values.median is None:
        return _UNDEFINED
    n = "" if values.n == size else f" [{values.n}]"
    if values.n == 1:
        return f"{_significant(values.median)}{n}"
    return f"{_significant(values.median)} ({_significant(values.q1)} to {_significant(values.q3)}){n}"


def _significant(value: float | None) -> str:
    """Three significant digits; powers of ten from a million on."""
    if value is None:
        return _UNDEFINED
    return f"{value:.2e}" if abs(value) >= 1e6 else f"{float(f'{value:.3g}') + 0.0:g}"


def _p_cell(p: float | None) -> str:
    if p is None:
        return _UNDEFINED
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number_cell(value: float | None, digits: int) -> str:
    return _UNDEFINED if value is None else f"{value:.{digits}f}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
