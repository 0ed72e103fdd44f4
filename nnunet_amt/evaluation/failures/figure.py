"""failure_features.png and .svg: each feature of the references in the worst and in the best segmented cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.evaluation.failures.failure_case import FailureCase
from nnunet_amt.evaluation.failures.groups import ExtremeGroups, FeatureComparison
from nnunet_amt.writing.figure_style import BLUE, FONT_SIZE, ORANGE, plain_figure, save_plain_figure
from nnunet_amt.writing.numbers import short_p_text
from nnunet_amt.writing.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_CM, _ROW_CM, _HEAD_CM = 17.0, 4.6, 1.2
_COLUMNS = 4
_TITLE_SIZE = 7.2
_COLOURS = {"bottom": ORANGE, "top": BLUE}
_LOGARITHMIC_RATIO = 100.0  # of the largest to the smallest value


def write_feature_figures(
    path: Path, cases: Sequence[FailureCase], groups: ExtremeGroups, comparisons: Sequence[FeatureComparison]
) -> None:
    """Draw `feature_figure` to `path` with the endings .png and .svg."""
    save_plain_figure(feature_figure(cases, groups, comparisons), path)


def feature_figure(
    cases: Sequence[FailureCase], groups: ExtremeGroups, comparisons: Sequence[FeatureComparison]
) -> Figure:
    """Draw one panel a feature: box plots of both groups with every case as a point, and the p-value.

    A box reaches from the lower to the upper quartile with the median in it, its whiskers from the lowest to the
    highest value. An axis is logarithmic where all values are positive and span a factor of 100.
    """
    rows = -(-len(comparisons) // _COLUMNS)
    features = {case.case_id: case.features for case in cases}
    with plain_figure(_WIDTH_CM, rows * _ROW_CM + _HEAD_CM, font_size=FONT_SIZE) as figure:
        panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, comparison in zip(panels, comparisons, strict=False):
            values = {
                name: _defined([features[case_id].get(comparison.feature.name) for case_id in members])
                for name, members in (("bottom", groups.bottom), ("top", groups.top))
            }
            _draw_panel(axes, comparison, values)
        for axes in panels[len(comparisons) :]:
            axes.set_axis_off()
        size = counted(len(groups.bottom), "case")
        title = f"Reference tumours of the {size} of lowest (bottom) and of highest (top) Dice"
        figure.suptitle(title, fontsize=FONT_SIZE + 1)
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
    unit = f" ({comparison.feature.unit})".replace("2", "²").replace("3", "³") if comparison.feature.unit else ""
    p_values = (
        "undefined"
        if comparison.p is None
        else f"{short_p_text(comparison.p)} (Holm {short_p_text(comparison.p_holm)})"
    )
    axes.set_title(f"{comparison.feature.title}{unit}\np {p_values}", fontsize=_TITLE_SIZE)
    axes.set_xlim(-0.6, 1.6)
    axes.set_xticks([0, 1], [f"{name}\n(n = {group.size})" for name, group in values.items()])
    axes.spines[["top", "right"]].set_visible(False)


def _defined(values: Sequence[float | None]) -> np.ndarray:
    return np.array([value for value in values if value is not None], dtype=float)
