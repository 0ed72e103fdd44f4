"""failure_features.png and .svg: each feature of the references in the worst and in the best segmented cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.base.files import atomic_path
from nnunet_amt.evaluation.failures.comparison import FeatureComparison
from nnunet_amt.evaluation.failures.failure_case import FailureCase
from nnunet_amt.evaluation.failures.groups import ExtremeGroups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CM_PER_INCH = 2.54
_WIDTH_CM, _ROW_CM, _HEAD_CM, _DPI = 17.0, 4.6, 1.2, 300
_COLUMNS = 4
_FONT_SIZE, _TITLE_SIZE = 8.0, 7.2
# Okabe and Ito's colours, which the common forms of colour blindness tell apart
_COLOURS = {"bottom": "#D55E00", "top": "#0072B2"}
_LOGARITHMIC_RATIO = 100.0  # of the largest to the smallest value


def write_feature_figures(
    path: Path, cases: Sequence[FailureCase], groups: ExtremeGroups, comparisons: Sequence[FeatureComparison]
) -> None:
    """Draw `feature_figure` to `path` with the endings .png and .svg."""
    from matplotlib import rc_context

    figure = feature_figure(cases, groups, comparisons)
    for ending in (".png", ".svg"):
        # a fixed salt and no date: the same results give the same file
        with rc_context({"svg.hashsalt": "nnunet_amt"}), atomic_path(path.with_suffix(ending)) as partial:
            figure.savefig(partial, dpi=_DPI, metadata={"Date": None} if ending == ".svg" else None)


def feature_figure(
    cases: Sequence[FailureCase], groups: ExtremeGroups, comparisons: Sequence[FeatureComparison]
) -> Figure:
    """Draw one panel a feature: box plots of both groups with every case as a point, and the p-value.

    A box reaches from the lower to the upper quartile with the median in it, its whiskers from the lowest to the
    highest value. An axis is logarithmic where all values are positive and span a factor of 100.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(comparisons) // _COLUMNS)
    size = _WIDTH_CM / _CM_PER_INCH, (rows * _ROW_CM + _HEAD_CM) / _CM_PER_INCH
    features = {case.case_id: case.features for case in cases}
    with rc_context({"font.size": _FONT_SIZE}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)  # no display is needed
        panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, comparison in zip(panels, comparisons, strict=False):
            values = {
                name: _defined([features[case_id].get(comparison.feature.name) for case_id in members])
                for name, members in (("bottom", groups.bottom), ("top", groups.top))
            }
            _draw_panel(axes, comparison, values)
        for axes in panels[len(comparisons) :]:
            axes.set_axis_off()
        counted = f"{len(groups.bottom)} case{'' if len(groups.bottom) == 1 else 's'}"
        title = f"Reference tumours of the {counted} of lowest (bottom) and of highest (top) Dice"
        figure.suptitle(title, fontsize=_FONT_SIZE + 1)
    return figure


def _draw_panel(axes: Axes, comparison: FeatureComparison, values: dict[str, np.ndarray]) -> None:
    for position, (name, group) in enumerate(values.items()):
        if not group.size:
            axes.text(position, 0.5, "none", transform=axes.get_xaxis_transform(), ha="center", color=_COLOURS[name])
            continue
        colour = _COLOURS[name]
        line = {"color": colour, "linewidth": 1.1}
        axes.boxplot(
            group, positions=[position], widths=0.55, whis=(0, 100), boxprops=line, whiskerprops=line, capprops=line,
            medianprops={"color": colour, "linewidth": 2.0}, manage_ticks=False, showfliers=False,
        )  # fmt: skip
        # spread by rank, so that the same results give the same figure
        shifts = np.linspace(-0.16, 0.16, group.size) if group.size > 1 else np.zeros(1)
        axes.plot(position + shifts, np.sort(group), "o", color=colour, markersize=2.4, alpha=0.6, markeredgewidth=0)
    everything = np.concatenate(list(values.values()))
    if everything.size and everything.min() > 0 and everything.max() > _LOGARITHMIC_RATIO * everything.min():
        axes.set_yscale("log")
    unit = f" ({comparison.feature.unit})" if comparison.feature.unit else ""
    axes.set_title(f"{comparison.feature.title}{_with_powers(unit)}\n{_p_text(comparison)}", fontsize=_TITLE_SIZE)
    axes.set_xlim(-0.6, 1.6)
    axes.set_xticks([0, 1], [f"{name}\n(n = {group.size})" for name, group in values.items()])
    axes.spines[["top", "right"]].set_visible(False)


def _p_text(comparison: FeatureComparison) -> str:
    if comparison.p is None or comparison.p_holm is None:
        return "p undefined"
    return f"p {_p(comparison.p)} (Holm {_p(comparison.p_holm)})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _with_powers(unit: str) -> str:
    return unit.replace("2", "²").replace("3", "³")


def _defined(values: Sequence[float | None]) -> np.ndarray:
    return np.array([value for value in values if value is not None], dtype=float)
