"""Heat maps of cases in files, and the panel of them: the slice with the tumour's outline, and the heat over it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt.base.files import atomic_path
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.rois import Roi
from nnunet_amt.writing.figure_style import (
    BLUE,
    GREY,
    ORANGE,
    PAGE_MM,
    SMALL_FONT_SIZE,
    new_figure,
    plain_text,
)
from nnunet_amt.writing.numbers import UNDEFINED, counted, value_text
from nnunet_amt.writing.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnunet_amt.risk.networks.heat_map import CaseHeat

_ENDING = ".heat.npz"
_SHARES = ("inside", "rim", "control_inside", "control_rim", "area_inside", "area_rim", "likeness")
_MOST_CASES, _IN_ROW = 8, 4
_LONGEST_NAME = 16


@dataclass(frozen=True, eq=False)
class ShownHeat:
    """The heat map of a case.

    Attributes
    ----------
    model
        Whose map it is.
    case_id, score, called_high
        Name of the case, probability of high risk, and whether it is called so: the map is of what speaks for that.
    crop, heat : numpy.ndarray of float32, (y, x)
        Both 0..1.
    mask : numpy.ndarray of bool, (y, x)
        The tumour.
    spacing
        (y, x) in mm.
    shares
        Of the heat inside the mask and in its rim, of the control's, of the area, and the likeness of map and control;
        None where undefined. See `nnunet_amt.risk.networks.heat_map`.
    """

    model: str
    case_id: str
    score: float
    called_high: bool
    crop: np.ndarray
    heat: np.ndarray
    mask: np.ndarray
    spacing: tuple[float, float]
    shares: Mapping[str, float | None]


def write_heat_maps(
    folder: Path, heats: Iterable[CaseHeat], rois: Mapping[str, Roi], *, model: str
) -> tuple[Path, ...]:
    """Write ``<case id>.heat.npz`` for each heat map of a model, with what `heat_figure` draws beside it."""
    written = []
    for heat in heats:
        roi = rois[heat.case_id]
        shares = (
            *(heat.shares.inside, heat.shares.rim, heat.control.inside, heat.control.rim),
            *(heat.shares.area_inside, heat.shares.area_rim, heat.likeness),
        )
        path = folder / f"{heat.case_id}{_ENDING}"
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file, crop=roi.largest, heat=heat.heat.astype(np.float32), mask=roi.mask_largest,
                spacing=np.array(roi.spacing), model=model, score=heat.score, called_high=heat.high,
                shares=np.array([math.nan if share is None else share for share in shares]),
            )  # fmt: skip
        written.append(path)
    return tuple(written)


def read_heat_maps(folder: Path) -> tuple[ShownHeat, ...]:
    """Read the heat maps of a folder, by case; none where there are no such files.

    Raises
    ------
    BadInputError
        If a file is damaged, or they are of several models.
    """
    heats = tuple(map(_read, sorted(folder.glob(f"*{_ENDING}"))))
    if len(models := sorted({heat.model for heat in heats})) > 1:
        raise BadInputError(f"{folder}: holds heat maps of {', '.join(models)}; give a folder for each model")
    return heats


def heat_summary(heats: Sequence[ShownHeat]) -> dict[str, float | None]:
    """Average each share over the cases where it is defined; None where it is in none."""
    means: dict[str, float | None] = {}
    for name in _SHARES:
        known = [share for heat in heats if (share := heat.shares[name]) is not None]
        means[name] = sum(known) / len(known) if known else None
    return means


def heat_table(heats: Sequence[ShownHeat], *, title: str) -> Table:
    """Lay out the mean shares of the heat of a model, by its title, and of what they are to be held against."""
    means = heat_summary(heats)
    rows = (
        Row(title, (_share(means["inside"]), _share(means["rim"]))),
        Row("control: weights drawn at random", (_share(means["control_inside"]), _share(means["control_rim"]))),
        Row("share of the slice's area", (_share(means["area_inside"]), _share(means["area_rim"]))),
    )
    return Table(
        f"Heat maps (Grad-CAM), mean of {counted(len(heats), 'case')}",
        "Heat of",
        ("Inside the tumour", "In the 5 mm around it"),
        rows,
        (
            "A map of no preference has the shares of the area; one like that of the control tells of the network's "
            f"layout, not of what it learnt. Mean rank correlation of map and control: {_correlation(means)}. "
            f"{sum(heat.shares['inside'] is not None for heat in heats)} of {len(heats)} maps have any heat.",
        ),
    )


def _share(mean: float | None) -> str:
    return UNDEFINED if mean is None else f"{mean:.0%}"


def _correlation(means: Mapping[str, float | None]) -> str:
    return value_text(means["likeness"], digits=2)


def heat_figure(heats: Sequence[ShownHeat], *, title: str, high: Mapping[str, bool]) -> Figure:
    """Draw up to eight cases, spread over the scores: above the slice with the outline, below the heat over it.

    `title` is the model's; `high` tells the risk of a case: the names of those that were called wrong are orange.
    """
    by_score = sorted(heats, key=lambda heat: (heat.score, heat.case_id))
    places = np.unique(np.linspace(0, len(by_score) - 1, min(_MOST_CASES, len(by_score))).round().astype(int))
    shown = [by_score[place] for place in places]
    columns = min(_IN_ROW, len(shown))
    rows = 2 * -(-len(shown) // columns)
    with new_figure(PAGE_MM * columns / _IN_ROW, 44.0 * rows) as figure:
        for place, heat in enumerate(shown):
            row, column = 2 * (place // columns), place % columns
            above, below = (figure.add_subplot(rows, columns, (row + lower) * columns + column + 1) for lower in (0, 1))
            _draw(above, heat, warm=False)
            _draw(below, heat, warm=True)
            _name(above, below, heat, high.get(heat.case_id))
        note = f"{title}; inside: heat in the tumour, control: of random weights; orange: called wrong"
        note = note if columns == _IN_ROW else "orange: called wrong"
        figure.supxlabel(plain_text(note), fontsize=SMALL_FONT_SIZE, color=GREY)
    return figure


def _draw(axes: Axes, heat: ShownHeat, *, warm: bool) -> None:
    y, x = heat.spacing
    look: dict[str, Any] = {"aspect": y / x, "interpolation": "nearest"}
    axes.imshow(heat.crop, cmap="gray", vmin=0, vmax=1, **look)
    if warm:
        axes.imshow(heat.heat, cmap="inferno", vmin=0, vmax=1, alpha=0.55, **look)
    _outline(axes, heat.mask, "white" if warm else BLUE)
    axes.set_axis_off()
    axes.set_anchor("NW")


def _outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    """Draw the outline of a mask, which may touch the edges of its slice."""
    height, width = mask.shape
    padded = np.pad(mask.astype(float), 1)
    axes.contour(
        np.arange(-1, width + 1), np.arange(-1, height + 1), padded, levels=[0.5], colors=colour, linewidths=0.8
    )
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _name(above: Axes, below: Axes, heat: ShownHeat, high: bool | None) -> None:
    name = heat.case_id if len(heat.case_id) <= _LONGEST_NAME else f"…{heat.case_id[-_LONGEST_NAME + 1 :]}"
    risk = "" if high is None else ", HRT" if high else ", LRT"
    wrong = high is not None and high != heat.called_high
    look: dict[str, Any] = {"fontsize": SMALL_FONT_SIZE, "loc": "left"}
    above.set_title(f"{plain_text(name)}{risk}\nscore {heat.score:.2f}", color=ORANGE if wrong else "black", **look)
    inside, control = heat.shares["inside"], heat.shares["control_inside"]
    beside = "" if control is None else f", control {control:.0%}"
    below.set_title("no heat" if inside is None else f"inside {inside:.0%}{beside}", **look)


def _read(path: Path) -> ShownHeat:
    try:
        with np.load(path, allow_pickle=False) as content:
            y, x = content["spacing"].tolist()
            shares = dict(zip(_SHARES, content["shares"].tolist(), strict=True))
            heat = ShownHeat(
                str(content["model"]), path.name.removesuffix(_ENDING), float(content["score"]),
                bool(content["called_high"]), content["crop"], content["heat"], content["mask"].astype(bool), (y, x),
                {name: None if math.isnan(share) else share for name, share in shares.items()},
            )  # fmt: skip
    except Exception as error:  # zipfile, zlib and numpy raise what they like
        raise BadInputError(f"{path}: is no heat map, or damaged; make the heat maps again") from error
    if heat.crop.ndim != 2 or not heat.crop.shape == heat.heat.shape == heat.mask.shape:
        raise BadInputError(
            f"{path}: slice {heat.crop.shape}, heat {heat.heat.shape} and mask {heat.mask.shape} must be of one size; "
            "make the heat maps again"
        )
    return heat
