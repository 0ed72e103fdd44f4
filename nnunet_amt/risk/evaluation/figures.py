"""Figures of scores: ROC curves, and whether scores are probabilities that one can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.evaluation.comparison.figures import model_style
from nnunet_amt.risk.evaluation.model_scores import KIND_TITLES, ScoredModel, ScoredModels
from nnunet_amt.risk.scores import Kind
from nnunet_amt.statistics.calibration import decision_curve, reliability_bins
from nnunet_amt.statistics.rates import confusion
from nnunet_amt.statistics.roc import auc, roc_points
from nnunet_amt.writing.figure_style import (
    COLUMN_MM,
    GREY,
    PAGE_MM,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_MM, _LEGEND_LINE_MM = 78.0, 4.0
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LOW = 0.1
_RELIABILITY_BINS = 5  # of some sixty cases ten would hold six each


@dataclass(frozen=True, eq=False)
class DrawnModel:
    """A model in a figure: its scores and which cases are positive, (cases,) each, by the title of a panel.

    A score of `threshold` or more calls a case positive, where one was chosen.
    """

    title: str
    of_panel: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]
    threshold: float | None = None

    def has_both(self, panel: str) -> bool:
        """Tell whether there are cases of both classes in a panel, as a curve needs."""
        return panel in self.of_panel and len({*self.of_panel[panel][1].tolist()}) == 2


def roc_figure(scored: ScoredModels, main: ScoredModel) -> Figure:
    """Draw the ROC of every model, a panel for each kind of score; the main model's frozen threshold is a ring."""
    panels = {KIND_TITLES[kind]: _short(kind) for kind in scored.kinds}
    models = [_drawn(model, scored.kinds) for model in scored.models]
    return draw_rocs(models, panels, main=models[scored.models.index(main)])


def draw_rocs(models: Sequence[DrawnModel], panels: Mapping[str, str], *, main: DrawnModel) -> Figure:
    """Draw the ROC of every model in panels, which have a short name too; the main model's threshold is a ring."""
    shown = [panel for panel in panels if any(model.has_both(panel) for model in models)]
    columns = max(1, len(shown))
    lines = -(-len(models) // columns) + 3
    with new_figure(PAGE_MM if columns > 1 else COLUMN_MM, _PANEL_MM + _LEGEND_LINE_MM * lines) as figure:
        for place, panel in enumerate(shown):
            axes = figure.add_subplot(1, columns, place + 1)
            for number, model in enumerate(models):
                if model.has_both(panel):
                    _draw_roc(axes, *model.of_panel[panel], number, width=1.8 if model is main else 0.9)
            if panel in main.of_panel and main.threshold is not None:
                _draw_threshold(axes, *main.of_panel[panel], main.threshold)
            finish_roc(axes, panel)
        handles = [_handle(model, number, shown) for number, model in enumerate(models)]
        title = f"AUC, {' / '.join(panels[panel] for panel in shown)}; ring: threshold of {main.title}"
        small = {"fontsize": SMALL_FONT_SIZE, "title_fontsize": SMALL_FONT_SIZE}
        figure.legend(
            handles=handles, loc="outside lower left", ncols=columns, frameon=False, title=plain_text(title),
            alignment="left", handlelength=3.5, **small,
        )  # fmt: skip
    return figure


def calibration_figure(models: Sequence[ScoredModel], kinds: Sequence[Kind]) -> Figure:
    """Draw reliability diagram and decision curve of some models, a row for each kind of score."""
    return draw_calibration([_drawn(model, kinds) for model in models], [KIND_TITLES[kind] for kind in kinds])


def draw_calibration(models: Sequence[DrawnModel], panels: Sequence[str], *, positive: str = "high risk") -> Figure:
    """Draw reliability diagram and decision curve of some models, a row for each panel; `positive` names a class."""
    with new_figure(PAGE_MM, 8 + _LEGEND_LINE_MM * len(models) + 68 * len(panels)) as figure:
        for row, panel in enumerate(panels):
            reliability, decision = (figure.add_subplot(len(panels), 2, 2 * row + column) for column in (1, 2))
            known = [(place, model) for place, model in enumerate(models) if panel in model.of_panel]
            for place, model in known:
                _draw_reliability(reliability, *model.of_panel[panel], place)
                _draw_decision(decision, *model.of_panel[panel], place, others=(place, model) == known[0])
            _finish_reliability(reliability, panel, positive)
            prevalence = max((model.of_panel[panel][1].mean() for _, model in known), default=1.0)
            _finish_decision(decision, prevalence, positive)
        figure.legend(
            handles=[line_handle(plain_text(model.title), place) for place, model in enumerate(models)],
            loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE, handlelength=3.5,
        )  # fmt: skip
    return figure


def finish_roc(axes: Axes, title: str) -> None:
    """Give a panel of ROC curves its axes, the line of chance, and its title."""
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
    axes.set_xlabel("1 − specificity")
    axes.set_ylabel("Sensitivity")
    axes.set_title(title, fontsize=SMALL_FONT_SIZE, loc="left")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(_TICKS)
    axes.set_yticks(_TICKS)
    axes.set_aspect("equal")
    plain_axes(axes)


def _short(kind: Kind) -> str:
    return "external" if kind == "external" else "out of fold"


def _drawn(model: ScoredModel, kinds: Sequence[Kind]) -> DrawnModel:
    known = {KIND_TITLES[kind]: model.of_kind[kind] for kind in kinds if kind in model.of_kind}
    of_panel = {panel: (scored.scores, scored.high) for panel, scored in known.items()}
    return DrawnModel(model.title, of_panel, model.entry.threshold)


def _draw_roc(axes: Axes, scores: ArrayLike, positive: ArrayLike, place: int, *, width: float) -> None:
    style, curve = model_style(place), roc_points(scores, positive)
    axes.plot(curve.false_positive_rate, curve.sensitivity, color=style.colour, linestyle=style.line, linewidth=width)


def _draw_threshold(axes: Axes, scores: ArrayLike, positive: ArrayLike, threshold: float) -> None:
    rates = confusion(scores, positive, threshold=threshold).rates()
    specificity, sensitivity = rates["specificity"].value, rates["sensitivity"].value
    if specificity is not None and sensitivity is not None:
        ring: dict[str, Any] = {
            "markerfacecolor": "none",
            "markeredgecolor": "black",
            "markersize": 7.0,
            "markeredgewidth": 1.0,
        }
        axes.plot(1 - specificity, sensitivity, "o", zorder=5, clip_on=False, **ring)


def _handle(model: DrawnModel, place: int, panels: Sequence[str]) -> object:
    areas = [f"{auc(*model.of_panel[panel]):.2f}" if model.has_both(panel) else "–" for panel in panels]
    return line_handle(f"{plain_text(model.title)}: {' / '.join(areas)}", place)


def line_handle(label: str, place: int) -> object:
    """Give the entry of a legend for the model at a place."""
    from matplotlib.lines import Line2D

    style = model_style(place)
    return Line2D([], [], color=style.colour, linestyle=style.line, linewidth=1.0, label=label)


def _draw_reliability(axes: Axes, scores: ArrayLike, positive: ArrayLike, place: int) -> None:
    style, bins = model_style(place), reliability_bins(scores, positive, bins=_RELIABILITY_BINS)
    x, y = np.array([(one.mean_score, one.share) for one in bins]).T
    axes.plot(x, y, color=style.colour, linestyle=style.line, marker=style.marker, markersize=3.5, linewidth=1.0)
    for one in bins:
        axes.plot([one.mean_score] * 2, one.interval, color=style.colour, linewidth=0.6, alpha=0.7)
        if place == 0:
            axes.annotate(
                str(one.cases), (one.mean_score, one.share), xytext=(3, 3 if one.share < _LOW else -8),
                textcoords="offset points", fontsize=SMALL_FONT_SIZE, color=style.colour,
            )  # fmt: skip


def _finish_reliability(axes: Axes, title: str, positive: str) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
    axes.set_xlabel("Mean score (number: cases of the first model)")
    axes.set_ylabel(f"Share of {positive} (95% CI)")
    axes.set_title(title, fontsize=SMALL_FONT_SIZE, loc="left")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    plain_axes(axes)


def _draw_decision(axes: Axes, scores: ArrayLike, positive: ArrayLike, place: int, *, others: bool) -> None:
    curve, style = decision_curve(scores, positive), model_style(place)
    axes.plot(curve.thresholds, curve.model, color=style.colour, linestyle=style.line, linewidth=1.0)
    if others:
        axes.plot(curve.thresholds, curve.everyone, color=GREY, linewidth=0.6, linestyle=(0, (2, 2)))
        axes.plot(curve.thresholds, curve.nobody, color=GREY, linewidth=0.6)


def _finish_decision(axes: Axes, prevalence: float, positive: str) -> None:
    axes.set_xlabel("Threshold probability")
    axes.set_ylabel("Net benefit")
    axes.set_title(f"grey: all called {positive} (dotted), none (line)", fontsize=SMALL_FONT_SIZE, loc="left")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.15 * prevalence, 1.08 * prevalence)
    plain_axes(axes)
