"""Figs. 3 to 5 of the paper, decision curves, and what CTC adds with its control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.comparison.figures import model_style
from nnunet_amt.risk.evaluation.figures import DrawnModel, draw_calibration, draw_rocs, finish_roc, line_handle
from nnunet_amt.risk.fusion.evaluation.binary import threshold_of
from nnunet_amt.risk.fusion.evaluation.comparison import GAINS, AreaDifference, gains_of
from nnunet_amt.risk.fusion.evaluation.lesion_scores import SPLIT_TITLES, LesionScores, ScoredLesionModel, SplitScores
from nnunet_amt.risk.fusion.evaluation.multiclass import judged_classes
from nnunet_amt.risk.fusion.evaluation.performance import AREA_TITLES, MAIN_AREA, LesionPerformance
from nnunet_amt.risk.fusion.fusion_settings import CLINICAL_CTC, DMFN, REGNET, TITLES
from nnunet_amt.risk.fusion.lesion_case import MALIGNANT, Task
from nnunet_amt.statistics.multiclass_roc import MACRO_RATES, macro_curve
from nnunet_amt.writing.figure_style import (
    BLUE,
    GREY,
    PAGE_MM,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
)
from nnunet_amt.writing.numbers import UNDEFINED, difference_text, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_MM, _LEGEND_LINE_MM, _ROW_MM = 78.0, 4.0, 7.0
_DARK = 0.7  # share from which on a cell is so dark that its number is white
_LONGEST_NAME = 22


def binary_roc_figure(scores: LesionScores) -> Figure:
    """Draw Fig. 4 A: the ROC of every model on tuning and external cases; the DMFN's threshold is a ring."""
    models = [_drawn(model, scores) for model in scores.models]
    main = next((model for model in models if model.title == TITLES[DMFN]), models[0])
    panels = {SPLIT_TITLES[split]: split for split in scores.splits}
    return draw_rocs(models, panels, main=main)


def decision_figure(scores: LesionScores) -> Figure:
    """Draw reliability diagram and decision curve of DMFN, monomodal network and the baseline without images."""
    found = [model for name in (DMFN, REGNET, CLINICAL_CTC) if (model := scores.named(name)) is not None]
    drawn = [_drawn(model, scores) for model in found or scores.models]
    return draw_calibration(drawn, [SPLIT_TITLES[split] for split in scores.splits], positive=MALIGNANT)


def multiclass_roc_figure(scores: LesionScores, performances: Sequence[LesionPerformance]) -> Figure:
    """Draw Fig. 4 B: the mean over the judged classes of the curves of each against the rest, a panel a split."""
    shown = [split for split in scores.splits if any(_is_judged(model.of_split.get(split)) for model in scores.models)]
    lines = -(-len(scores.models) // 2) + 3
    with new_figure(PAGE_MM, _PANEL_MM + _LEGEND_LINE_MM * lines) as figure:
        for place, split in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), place + 1)
            for number, model in enumerate(scores.models):
                cases = model.of_split.get(split)
                if cases is not None and _is_judged(cases):
                    style, width = model_style(number), 1.8 if model.name == DMFN else 0.9
                    curve = macro_curve(cases.ensemble, cases.reference, judged=judged_classes(cases.reference))
                    axes.plot(MACRO_RATES, curve, color=style.colour, linestyle=style.line, linewidth=width)
            judged = max(len(judged_classes(one.reference)) for one in _of_split(scores, split))
            finish_roc(axes, f"{SPLIT_TITLES[split]}, mean of {judged} classes")
        areas = {(one.model, one.split): value_text(one.areas["macro"].value, digits=2) for one in performances}
        handles = []
        for number, model in enumerate(scores.models):
            values = (areas.get((model.name, split), UNDEFINED) for split in shown)
            handles.append(line_handle(f"{plain_text(model.title)}: {' / '.join(values)}", number))
        figure.legend(
            handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=SMALL_FONT_SIZE,
            title=f"{AREA_TITLES['macro']}, {' / '.join(shown)}", title_fontsize=SMALL_FONT_SIZE, alignment="left",
            handlelength=3.5,
        )  # fmt: skip
    return figure


def confusion_figure(performances: Sequence[LesionPerformance], classes: Sequence[str]) -> Figure:
    """Draw Figs. 3 and 5: what the lesions of each class were called by some models, side by side.

    Classes that are neither found nor called by any of them are left out; the shade is the share of a row.
    """
    known = [one for one in performances if one.matrix is not None]
    matrices = [one.matrix for one in known if one.matrix is not None]
    total = sum(matrices) if matrices else np.zeros((len(classes),) * 2)
    shown = np.flatnonzero(np.asarray(total).sum(axis=0) + np.asarray(total).sum(axis=1)).tolist()
    many = len(shown) > 2
    with new_figure(PAGE_MM, 36.0 + max(44.0, 4.9 * len(shown))) as figure:
        for place, (one, matrix) in enumerate(zip(known, matrices, strict=True)):
            axes = figure.add_subplot(1, len(known), place + 1)
            _draw_matrix(axes, matrix[np.ix_(shown, shown)])
            names = [_short(classes[number]) for number in shown]
            axes.set_xticks(range(len(shown)), names, rotation=90 if many else 0)
            axes.set_yticks(range(len(shown)), names if place == 0 else [""] * len(shown))
            axes.set_xlabel("Called")
            if place == 0:
                axes.set_ylabel("Pathology")
            axes.set_title(f"{plain_text(one.title)}, {SPLIT_TITLES[one.split].lower()}", fontsize=SMALL_FONT_SIZE)
            axes.tick_params(length=0, labelsize=SMALL_FONT_SIZE)
    return figure


def gain_figure(differences: Sequence[AreaDifference], task: Task) -> Figure:
    """Draw `gains_of` with their intervals: the second of a split must vanish, it is of levels that say nothing."""
    shown = gains_of(differences)
    splits = list(dict.fromkeys(one.split for one in shown))
    with new_figure(PAGE_MM, 18.0 + _ROW_MM * (len(shown) + len(splits))) as figure:
        axes, place, ticks, labels = figure.add_subplot(), 0, list[int](), list[str]()
        for split in splits:
            ticks.append(place)
            labels.append(SPLIT_TITLES[split])
            for one in (one for one in shown if one.split == split):
                place += 1
                _draw_gain(axes, one, place)
                ticks.append(place)
                labels.append(GAINS[one.model, one.other])
            place += 1
        axes.set_yticks(ticks, labels)
        axes.set_ylim(place - 0.3, -0.7)
        axes.axvline(0, color=GREY, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
        axes.set_xlabel(f"Difference of the {AREA_TITLES[MAIN_AREA[task]]} (95% CI)")
        plain_axes(axes)
        axes.tick_params(axis="y", length=0, labelsize=SMALL_FONT_SIZE)
        for label in axes.get_yticklabels():
            label.set_fontweight("bold" if label.get_text() in SPLIT_TITLES.values() else "normal")
    return figure


def _drawn(model: ScoredLesionModel, scores: LesionScores) -> DrawnModel:
    of_panel = {
        SPLIT_TITLES[split]: (model.of_split[split].malignant_score, model.of_split[split].malignant)
        for split in scores.splits
        if split in model.of_split
    }
    return DrawnModel(model.title, of_panel, threshold_of(model))


def _is_judged(cases: SplitScores | None) -> bool:
    return cases is not None and len(judged_classes(cases.reference)) > 1


def _of_split(scores: LesionScores, split: str) -> list[SplitScores]:
    return [cases for model in scores.models for name, cases in model.of_split.items() if name == split]


def _draw_matrix(axes: Axes, counts: NDArray[np.int64]) -> None:
    """Draw counts, (reference, called), shaded by their share of the row."""
    sums = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=SMALL_FONT_SIZE)


def _draw_gain(axes: Axes, one: AreaDifference, place: int) -> None:
    value, interval = one.difference.difference, one.difference.interval
    if interval is not None:
        axes.plot(interval, [place, place], color=BLUE, linewidth=1.0)
    face = BLUE if interval is not None else "white"
    axes.plot(value, place, "o", color=BLUE, markerfacecolor=face, markersize=4.5, markeredgewidth=0.8, clip_on=False)
    axes.annotate(
        f"{difference_text(value, interval)}, {one.cases} cases", (1, place), xycoords=("axes fraction", "data"),
        xytext=(4, 0), textcoords="offset points", va="center", fontsize=SMALL_FONT_SIZE,
    )  # fmt: skip


def _short(name: str) -> str:
    return plain_text(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…")
