"""Figures 5 and 6: CT slices of several cases, prediction blue and reference orange as in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt.pictures import EDGES, FILL_OPACITY, PlaneView, dashes, outlines, windowed
from nnunet_amt.report.print_figures.panels import Panel
from nnunet_amt.writing.figure_labels import cut_to_width
from nnunet_amt.writing.figure_style import BLUE, FONT_SIZE, ORANGE, PAGE_MM, SMALL_FONT_SIZE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_GAP_MM, _EDGE_MM = 2.0, 0.5
_LINE_MM, _LEGEND_MM = 3.2, 7.0
_SIDE_MM = (PAGE_MM - 2 * _EDGE_MM - (_COLUMNS - 1) * _GAP_MM) / _COLUMNS
_NARROWEST_MM, _AROUND_MM = 90.0, 15.0  # field of view of a panel, in the patient
_DASH_MM, _SPACE_MM = 1.0, 0.7  # on paper
_LINE_PT, _CASING_PT = 0.9, 1.7
_PIXELS = 320  # of a picture's longer edge: 200 an inch, as many as an SVG should carry
_SHADES = 64  # of grey: the noise of a CT in more of them makes an SVG twice as large
_SCALE_BAR_MM = 20.0
_ON_CT: dict[str, Any] = {"color": "white", "fontsize": SMALL_FONT_SIZE, "zorder": 6}
_PLATE: dict[str, Any] = {"boxstyle": "square,pad=0.15", "facecolor": "black", "edgecolor": "none", "alpha": 0.6}

Extent = tuple[float, float, float, float]  # left, right, bottom, top in mm; rows run down


def case_figure(panels: Sequence[Panel]) -> Figure:
    """Draw panels in rows of four, 170 mm wide, each with its letter, its case and a scale bar, and a legend.

    Parameters
    ----------
    panels
        At least one, at most eight.
    """
    rows = -(-len(panels) // _COLUMNS)
    row_mm = _SIDE_MM + _LINE_MM * max(len(panel.lines) for panel in panels) + 2.0
    height_mm = _EDGE_MM + rows * row_mm + _LEGEND_MM
    with new_figure(PAGE_MM, height_mm) as figure:
        figure.set_layout_engine("none")  # every panel is placed to the millimetre
        for number, panel in enumerate(panels):
            row, column = divmod(number, _COLUMNS)
            left, top = _EDGE_MM + column * (_SIDE_MM + _GAP_MM), height_mm - _EDGE_MM - row * row_mm
            place = (left / PAGE_MM, (top - _SIDE_MM) / height_mm, _SIDE_MM / PAGE_MM, _SIDE_MM / height_mm)
            _draw_panel(figure, figure.add_axes(place), panel)
        _draw_legend(figure, pointed=any(panel.pointed is not None for panel in panels))
    return figure


def _draw_panel(figure: Figure, axes: Axes, panel: Panel) -> None:
    view = panel.view
    field = _field_of_view(view)
    _draw_ct(axes, view)
    _draw_masks(axes, view, (field[1] - field[0]) / _SIDE_MM)
    axes.set(xlim=field[:2], ylim=field[2:], facecolor="black")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    _write_on_ct(axes, panel)
    _draw_scale_bar(axes, field)
    if panel.pointed is not None:
        _draw_arrowhead(axes, view, panel.pointed, field)
    for number, line in enumerate(panel.lines):
        drop = (1.0 + number * _LINE_MM) / _SIDE_MM
        shown = cut_to_width(figure, line, _SIDE_MM, fontsize=SMALL_FONT_SIZE)
        text = axes.text(0, -drop, shown, transform=axes.transAxes, va="top", fontsize=SMALL_FONT_SIZE)
        text.set_parse_math(False)


def _field_of_view(view: PlaneView) -> Extent:
    """Give a square around both masks of the slice."""
    masks = view.reference | view.prediction
    height, width = view.extent_mm
    places = np.argwhere(masks) * view.pixel if masks.any() else np.array([[height / 2, width / 2]])
    low, high = places.min(axis=0), places.max(axis=0) + (view.pixel if masks.any() else 0)
    side = max(_NARROWEST_MM, float((high - low).max()) + 2 * _AROUND_MM)
    top, left = ((low + high) / 2 - side / 2).tolist()
    # no further over an edge of the picture than it must be
    top, left = (
        min(max(at, min(0, length - side)), max(0, length - side)) for at, length in ((top, height), (left, width))
    )
    return left, left + side, top + side, top


def _draw_ct(axes: Axes, view: PlaneView) -> None:
    from PIL import Image

    if view.image is None:
        return
    height, width = view.extent_mm
    scale = _PIXELS / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = np.asarray(Image.fromarray(windowed(view.image)).resize(size, Image.Resampling.BICUBIC))
    step = 256 // _SHADES
    grey = (grey // step) * (255 / (_SHADES - 1))
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0), interpolation="bilinear")


def _draw_masks(axes: Axes, view: PlaneView, mm_a_paper_mm: float) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    pixel = np.array(view.pixel[::-1])  # (column, row)
    predicted = [line * pixel for line in outlines(view.prediction)]
    if predicted:
        whole = Path.make_compound_path(*(Path(line, closed=True) for line in predicted))
        axes.add_patch(PathPatch(whole, facecolor=BLUE, alpha=FILL_OPACITY, edgecolor="none", zorder=2))
    dash, space = _DASH_MM * mm_a_paper_mm, _SPACE_MM * mm_a_paper_mm
    dashed = [part for line in outlines(view.reference) for part in dashes(line * pixel, dash=dash, gap=space)]
    styles = (
        (predicted, "white", _CASING_PT, 0.6),
        (predicted, BLUE, _LINE_PT, 1.0),
        (dashed, "black", _CASING_PT, 0.6),
        (dashed, ORANGE, _LINE_PT, 1.0),
    )
    for order, (lines, colour, width, alpha) in enumerate(styles):
        collection = LineCollection(lines, colors=colour, linewidths=width, alpha=alpha, capstyle="butt")
        axes.add_collection(collection, autolim=False)
        collection.set_zorder(3 + order / 10)


def _write_on_ct(axes: Axes, panel: Panel) -> None:
    left, right, top, bottom = EDGES[panel.view.plane]
    places = (
        (left, 0.02, 0.5, "left", "center"),
        (right, 0.98, 0.5, "right", "center"),
        (top, 0.5, 0.98, "center", "top"),
        (bottom, 0.5, 0.02, "center", "bottom"),
    )
    for letter, x, y, horizontal, vertical in places:
        axes.text(x, y, letter, transform=axes.transAxes, ha=horizontal, va=vertical, bbox=_PLATE, **_ON_CT)
    bold = _ON_CT | {"fontsize": FONT_SIZE + 1, "weight": "bold"}
    axes.text(0.03, 0.97, panel.letter, transform=axes.transAxes, ha="left", va="top", bbox=_PLATE, **bold)


def _draw_scale_bar(axes: Axes, field: Extent) -> None:
    _, right, bottom, _ = field
    side = right - field[0]
    end, height = right - 0.04 * side, bottom - 0.04 * side
    for colour, width in (("black", 3.0), ("white", 1.6)):
        axes.plot([end - _SCALE_BAR_MM, end], [height, height], color=colour, linewidth=width, zorder=6)
    middle = end - _SCALE_BAR_MM / 2
    label = f"{_SCALE_BAR_MM / 10:g} cm"
    axes.text(middle, height - 0.025 * side, label, ha="center", va="bottom", bbox=_PLATE, **_ON_CT)


def _draw_arrowhead(axes: Axes, view: PlaneView, pointed: tuple[float, float], field: Extent) -> None:
    """Point at what is wrong from outside of both masks."""
    row, column = pointed[0] * view.pixel[0], pointed[1] * view.pixel[1]
    masks = np.argwhere(view.reference | view.prediction) * view.pixel
    away = np.array([row, column]) - masks.mean(axis=0)
    away = away / np.linalg.norm(away) if np.linalg.norm(away) > 1 else np.array([-1.0, -1.0]) / np.sqrt(2)
    length = 0.14 * (field[1] - field[0])
    arrow = {"facecolor": "white", "edgecolor": "black", "linewidth": 0.5, "zorder": 7}
    arrow |= {"width": 1.2, "headwidth": 5.0, "headlength": 5.0, "shrink": 0.0}
    tail = (column + away[1] * length, row + away[0] * length)
    axes.annotate("", xy=(column, row), xytext=tail, arrowprops=arrow, zorder=7)


def _draw_legend(figure: Figure, pointed: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=(BLUE, FILL_OPACITY), edgecolor=BLUE, linewidth=1.2, label="prediction (solid line, filled)"),
        Line2D([], [], color=ORANGE, linewidth=1.4, linestyle=(0, (2.4, 1.6)), label="reference (dashed line)"),
    ]
    if pointed:
        arrow: dict[str, Any] = {"marker": "^", "markersize": 5, "linestyle": "none"}
        label = "arrow: largest wrong area of the slice"
        handles.append(
            Line2D([], [], color="white", markeredgecolor="black", markeredgewidth=0.6, label=label, **arrow)
        )
    figure.legend(handles=handles, loc="lower left", ncols=3, frameon=False, fontsize=FONT_SIZE, borderaxespad=0.2)
