"""The score FROC as Markdown, JSON, CSV and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt import __version__
from nnunet_amt.base.files import write_csv, write_json, write_text
from nnunet_amt.evaluation.results.tables import withheld_words
from nnunet_amt.evaluation.score_froc.candidates import CONFIDENCES, HIT_TWENTIETHS, CaseCandidates, hits
from nnunet_amt.evaluation.score_froc.curve import CPM_RATES, IouSweep, ScoreFroc, ScoreIntervals
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.writing.figure_style import BLUE, ORANGE, plain_figure, save_plain_figure
from nnunet_amt.writing.numbers import UNDEFINED, counted, value_text
from nnunet_amt.writing.table import Row, Table
from nnunet_amt.writing.table_formats import pipe_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCHEMA_VERSION = 2  # 1: without intervals
CURVE_COLUMNS = ("confidence", "threshold", "tp", "fp", "sensitivity", "fp_per_scan")
LESION_COLUMNS = (
    *("case_id", "lesion", "voxels"),
    *(f"{name}_{what}" for name in CONFIDENCES for what in ("probability", "hit")),
)
_HIT_IOU = HIT_TWENTIETHS / 20
_FALSE_POSITIVES = {
    "unmatched": "all predicted lesions that are no hits",
    "no_overlap": "predicted lesions that share no voxel with any reference lesion",
}
_SIDE_CM, _FONT_SIZE = 12.0, 9.0
_STYLES = {"mean": (BLUE, "-"), "max": (ORANGE, "--")}
_GREY = "#707070"
_ASIDE = {"mean": 0.97, "max": 1.03}  # of a rate: where its intervals stand, beside each other
_LEFT, _RIGHT = CPM_RATES[0] / 2, CPM_RATES[-1] * 1.15  # false positives per scan, logarithmic


def write_curves_csv(path: Path, curves: Sequence[ScoreFroc]) -> None:
    """Write a row an operating point of each confidence."""
    rows = (
        dict(zip(CURVE_COLUMNS, (curve.confidence, *values), strict=True))
        for curve in curves
        for values in zip(curve.threshold, curve.tp, curve.fp, curve.sensitivity, curve.fp_per_scan, strict=True)
    )
    write_csv(path, CURVE_COLUMNS, rows)


def write_lesions_csv(path: Path, cases: Sequence[CaseCandidates]) -> None:
    """Write a row a predicted lesion: its confidences, and whether it is a hit when each is swept."""
    rows = []
    for case in cases:
        found = {name: hits(case.levels, case.confidences[name]) for name in CONFIDENCES}
        for index, voxels in enumerate(case.voxels.tolist()):
            row: dict[str, object] = {"case_id": case.case_id, "lesion": index + 1, "voxels": voxels}
            for name in CONFIDENCES:
                row[f"{name}_probability"] = float(case.confidences[name][index])
                row[f"{name}_hit"] = bool(found[name][index])
            rows.append(row)
    write_csv(path, LESION_COLUMNS, rows)


def write_score_froc_json(
    path: Path,
    curves: Sequence[ScoreFroc],
    intervals: Sequence[ScoreIntervals],
    sweep: IouSweep,
    *,
    settings: EvaluationSettings,
) -> None:
    """Write the curves and their CPM, and apart from them the IoU sweep; undefined and withheld is null."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "settings": {
            "connectivity": settings.connectivity,
            "minimum_predicted_voxels": settings.minimum_predicted_voxels,
            "false_positive_rule": settings.false_positive_rule,
            "foreground": settings.foreground,
            "hit_iou_above": _HIT_IOU,
            "bootstrap_resamples": settings.bootstrap_resamples,
            "seed": settings.seed,
            "cluster": settings.cluster,
            "ci_always": settings.ci_always,
        },
        "scans": curves[0].scans,
        "references": curves[0].references,
        **({"scans_without_tumour": without} if (without := curves[0].scans_without_tumour) else {}),
        "clusters": intervals[0].clusters,
        "score_froc": {
            curve.confidence: {
                "cpm": curve.cpm,
                "cpm_ci95": found.cpm,
                "at_fp_per_scan": [
                    {
                        "fp_per_scan": rate,
                        "sensitivity": curve.sensitivity_at(rate),
                        "ci95": ci95,
                        "reached": curve.reaches(rate),
                    }
                    for rate, ci95 in zip(CPM_RATES, found.sensitivity, strict=True)
                ],
                "threshold": curve.threshold,
                "tp": curve.tp,
                "fp": curve.fp,
                "sensitivity": curve.sensitivity,
                "fp_per_scan": curve.fp_per_scan,
            }
            for curve, found in zip(curves, intervals, strict=True)
        },
        "iou_sweep": asdict(sweep),
    }
    write_json(path, content)


def write_summary(
    path: Path,
    curves: Sequence[ScoreFroc],
    intervals: Sequence[ScoreIntervals],
    sweep: IouSweep,
    *,
    settings: EvaluationSettings,
) -> None:
    """Write the sensitivities at the rates of the CPM as Markdown, and the IoU sweep apart from them."""
    by_rate, by_iou = _rate_table(curves, intervals, settings), _sweep_table(sweep)
    parts = [
        f"# {by_rate.title}",
        "\n".join(f"- {note}" for note in by_rate.notes),
        pipe_table(by_rate, alignments="l" + "r" * len(by_rate.columns)),
        f"## {by_iou.title}",
        *by_iou.notes,
        pipe_table(by_iou, alignments="rrr"),
        f"nnunet_amt {__version__}. Research use only.",
    ]
    write_text(path, "\n\n".join(parts) + "\n")


def write_score_froc_figures(
    path: Path, curves: Sequence[ScoreFroc], intervals: Sequence[ScoreIntervals], sweep: IouSweep
) -> None:
    """Draw `score_froc_figure` to `path` with the endings .png and .svg."""
    save_plain_figure(score_froc_figure(curves, intervals, sweep), path)


def score_froc_figure(curves: Sequence[ScoreFroc], intervals: Sequence[ScoreIntervals], sweep: IouSweep) -> Figure:
    """Draw sensitivity against false positives per scan, in steps from operating point to operating point.

    The upright lines are the intervals of the sensitivity at the rates of the CPM, those of the two confidences apart.
    The thin line beyond the last point goes on at its sensitivity, as the CPM counts it. Ticks are the rates of
    the CPM; what has fewer false positives than half of the lowest is left of the axis.
    """
    with plain_figure(_SIDE_CM, _SIDE_CM, font_size=_FONT_SIZE) as figure:
        axes = figure.add_subplot()
        for curve, found in zip(curves, intervals, strict=True):
            _draw_curve(axes, curve, found)
            _draw_intervals(axes, curve, found)
        _draw_sweep(axes, sweep)
        _finish(figure, axes, curves[0])
    return figure


def _rate_table(
    curves: Sequence[ScoreFroc], intervals: Sequence[ScoreIntervals], settings: EvaluationSettings
) -> Table:
    rows = []
    for curve, found in zip(curves, intervals, strict=True):
        cells = [
            value_text(curve.sensitivity_at(rate), ci95, digits=2) + ("" if curve.reaches(rate) else "*")
            for rate, ci95 in zip(CPM_RATES, found.sensitivity, strict=True)
        ]
        most = f"{curve.fp_per_scan[-1]:.2f}" if curve.fp else "0.00"
        rows.append(Row(curve.confidence, (*cells, value_text(curve.cpm, found.cpm, digits=2), most)))
    notes = (
        f"**Score FROC**: the confidence of the predicted lesions is swept; a hit has an IoU above {_HIT_IOU:g} with "
        "a reference lesion, one to one, and every reference lesion counts once.",
        f"False positives: {_FALSE_POSITIVES[settings.false_positive_rule]}.",
        f"Predicted lesions: components of {settings.connectivity}-connectivity, {settings.minimum_predicted_voxels} "
        "voxels or more. Confidence: mean or largest tumour probability of a lesion's voxels.",
        "Sensitivity at a rate: the highest of an operating point of at most so many false positives per scan. CPM: "
        f"the mean over the {len(CPM_RATES)} rates.",
        "*: so many false positives per scan are never reached, with every lesion kept; the sensitivity is that of "
        "the last point.",
        _interval_note(intervals[0].clusters, settings),
        *_tumour_notes(curves[0]),
    )
    title = f"Score FROC of {curves[0].scans} cases with {curves[0].references} reference lesions"
    columns = (*(f"{rate:g} FP/scan" for rate in CPM_RATES), "CPM", "Most FP/scan")
    return Table(title, "Confidence", columns, tuple(rows), notes)


def _interval_note(clusters: int | None, settings: EvaluationSettings) -> str:
    drawn = "cases" if clusters is None else f"{counted(clusters, settings.cluster)} with all of their cases"
    withheld = withheld_words("cases" if clusters is None else f"{settings.cluster}s", settings.ci_always)
    wilson = "" if clusters else " A sensitivity's interval is at least Wilson's, whatever the number of cases."
    return (
        f"In brackets: 95% CI, percentile bootstrap over {drawn}, {settings.bootstrap_resamples} resamples, seed "
        f"{settings.seed}, each resample with a curve of its own; {withheld}; none where it has no width.{wilson}"
    )


def _tumour_notes(curve: ScoreFroc) -> tuple[str, ...]:
    without = curve.scans_without_tumour
    if not without:
        return ()
    return (
        f"{counted(without, 'case')} of {curve.scans} {'has' if without == 1 else 'have'} no tumour: counted in the "
        "false positives per scan, and in no sensitivity.",
    )


def _sweep_table(sweep: IouSweep) -> Table:
    values = zip(sweep.iou_threshold, sweep.sensitivity, sweep.fp_per_scan, strict=True)
    rows = tuple(Row(f"{threshold:g}", (_shown(found), f"{false:.2f}")) for threshold, found, false in values)
    note = (
        "The FROC of the paper's Fig. 4 is another curve: every predicted lesion is kept, whatever its confidence, and "
        "the IoU of a match is swept. It has no CPM. Its intervals stand in the tables of the evaluation."
    )
    return Table("IoU sweep", "IoU above", ("Sensitivity", "FP/scan"), rows, (note,))


def _shown(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"


def _draw_curve(axes: Axes, curve: ScoreFroc, intervals: ScoreIntervals) -> None:
    colour, style = _STYLES[curve.confidence]
    cpm = "undefined" if curve.cpm is None else value_text(curve.cpm, intervals.cpm, digits=2)
    label = f"score FROC, {curve.confidence} probability (CPM {cpm})"
    if not (curve.references and curve.fp):
        axes.plot([], [], style, color=colour, label=label)
        return
    # from the left edge on, at the sensitivity that is had there
    before = curve.sensitivity_at(_LEFT) or 0.0
    values = zip(curve.fp_per_scan, curve.sensitivity, strict=True)
    x, y = np.array([(_LEFT, before), *((rate, found or 0.0) for rate, found in values if rate > _LEFT)]).T
    axes.plot(x, y, style, color=colour, linewidth=1.4, drawstyle="steps-post", label=label)
    axes.plot([x[-1], _RIGHT], [y[-1], y[-1]], ":", color=colour, linewidth=1.0)


def _draw_intervals(axes: Axes, curve: ScoreFroc, intervals: ScoreIntervals) -> None:
    if not (curve.references and curve.fp):
        return
    colour, aside = _STYLES[curve.confidence][0], _ASIDE[curve.confidence]
    for rate, ci95 in zip(CPM_RATES, intervals.sensitivity, strict=True):
        if ci95 is not None:
            axes.vlines(rate * aside, *ci95, color=colour, linewidth=1.0, alpha=0.7)


def _draw_sweep(axes: Axes, sweep: IouSweep) -> None:
    first, *_, last = sweep.iou_threshold
    label = f"IoU sweep of the paper, {first:g} to {last:g}: all lesions kept"
    values = [(x, y) for x, y in zip(sweep.fp_per_scan, sweep.sensitivity, strict=True) if y is not None and x >= _LEFT]
    x, y = np.array(values).T if values else ([], [])
    axes.plot(x, y, "o", color=_GREY, markersize=3.0, label=label)


def _finish(figure: Figure, axes: Axes, curve: ScoreFroc) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(_LEFT, _RIGHT)
    axes.set_xticks(CPM_RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.set_xlabel("False positives per scan")
    axes.set_ylabel("Lesion sensitivity")
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    axes.grid(axis="x", color="#E0E0E0", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if message := _remark(curve):
        axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center")
    counts = f"{counted(curve.scans, 'case')}, {counted(curve.references, 'lesion')}"
    title = f"{counts}; score FROC: hits at IoU > {_HIT_IOU:g}"
    figure.legend(loc="outside upper left", frameon=False, title=title, alignment="left")


def _remark(curve: ScoreFroc) -> str | None:
    if not curve.references:
        return "no reference lesion: the sensitivity is undefined"
    if not curve.fp:
        return "no predicted lesion"
    if curve.fp_per_scan[-1] <= _LEFT:
        most = f"there are {curve.fp_per_scan[-1]:.2g} false positives per scan:"
        return f"with every predicted lesion kept\n{most}\nthe curve is left of the axis"
    return None
