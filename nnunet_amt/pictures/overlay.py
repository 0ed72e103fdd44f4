"""Overlays as small PNG files: the prediction a blue area with a solid line, the reference a dashed orange line.

Drawn with Pillow: a hundred times as many pictures are in a report as in its figures, and matplotlib takes a tenth of
a second for each.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.pictures.case_crop import (
    EDGES,
    PLANES,
    CaseCrop,
    Plane,
    PlaneView,
    Voxel,
    focused,
    plane_view,
    shown_voxel,
)
from nnunet_amt.writing.figure_style import BLUE, ORANGE

if TYPE_CHECKING:
    from PIL import Image, ImageFont

WINDOW = (40.0, 400.0)  # level and width in HU: soft tissue of the mediastinum
FILL_OPACITY = 0.25
_SIZE = 320  # pixels of the longer edge
_FINER = 3  # lines are drawn so many times larger, and smoothed
_SHADES = 56  # of grey; the noise of a CT in more of them would take most of the bytes
_LINE, _CASING = 2.0, 0.9  # pixels: width of a line, and of the dark or light edge on either side
_DASH, _GAP = 7.0, 5.0  # pixels
_GAP_BETWEEN = 6  # pixels between the planes of a panel
_SCALE_BARS_MM = (20, 10, 5)
_PAGE_MARGIN, _LEAST_PAGE = 12, 640  # pixels
_LARGE_TEXT, _SMALL_TEXT, _LINE_HEIGHT = 20, 16, 1.4
_BACKGROUND = 0  # grey value where there is no CT


def windowed(image: np.ndarray, *, window: tuple[float, float] = WINDOW) -> np.ndarray:
    """Turn HU into grey values from 0 to 255 (uint8); level and width in HU."""
    level, width = window
    grey = (image.astype(np.float32) - (level - width / 2)) * (255 / width)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def overlay_png(
    crop: CaseCrop,
    plane: Plane,
    *,
    size: int = _SIZE,
    at: Voxel | None = None,
    window: tuple[float, float] = WINDOW,
    focus: bool = True,
) -> bytes:
    """Draw one plane of a crop with both masks, the letters of its edges and a scale bar; see `focused`.

    `size` is the longer edge in pixels, `window` level and width in HU; the plane goes through the voxel `at`, by
    default that of `shown_voxel`. Without `focus` all of the crop is drawn, as where several pictures must match.
    """
    at = at or shown_voxel(crop)
    if focus:
        crop, at = focused(crop, at=at)
    view = plane_view(crop, plane, at=at)
    return _png(_drawn(view, size / max(view.extent_mm), window))


def slice_png(view: PlaneView, *, size: int, window: tuple[float, float] = WINDOW) -> bytes:
    """Draw the whole of a slice with both masks, the letters of its edges and a scale bar, for the screen.

    `size` is the longer edge in pixels, `window` level and width in HU.
    """
    picture = _drawn(view, size / max(view.extent_mm), window)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def slice_size(extent_mm: tuple[float, float], *, size: int) -> tuple[int, int]:
    """Give width and height in pixels of what `slice_png` draws of a slice of some height and width in mm."""
    height, width = (max(1, round(length * size / max(extent_mm))) for length in extent_mm)
    return width, height


def case_panel(
    crop: CaseCrop,
    *,
    size: int = _SIZE,
    at: Voxel | None = None,
    window: tuple[float, float] = WINDOW,
    minimum_mm: float = 80.0,
) -> bytes:
    """Draw the three planes side by side, all at one scale, the longest edge of `size` pixels.

    `minimum_mm` is as in `focused`; the others as in `overlay_png`.
    """
    from PIL import Image

    crop, at = focused(crop, at=at or shown_voxel(crop), minimum_mm=minimum_mm)
    scale = size / max(crop.extent_mm)
    pictures = [_drawn(plane_view(crop, plane, at=at), scale, window) for plane in PLANES]
    width = sum(picture.width for picture in pictures) + _GAP_BETWEEN * (len(pictures) - 1)
    height = max(picture.height for picture in pictures)
    panel = Image.new("RGB", (width, height), (_BACKGROUND,) * 3)
    left = 0
    for picture in pictures:
        panel.paste(picture, (left, (height - picture.height) // 2))
        left += picture.width + _GAP_BETWEEN
    return _png(panel)


def text_page(lines: Sequence[str], *, picture: bytes | None) -> np.ndarray:
    """Write lines on black under a PNG, or alone; the first is the largest. Gives RGB, (rows, columns, 3) of uint8."""
    from PIL import Image, ImageDraw

    drawn = None if picture is None else Image.open(io.BytesIO(picture)).convert("RGB")
    fonts = [_font(_LARGE_TEXT if number == 0 else _SMALL_TEXT) for number in range(len(lines))]
    widths = [font.getlength(line) for font, line in zip(fonts, lines, strict=True)]
    width = max([_LEAST_PAGE, *(round(one) + 2 * _PAGE_MARGIN for one in widths), drawn.width if drawn else 0])
    top = _PAGE_MARGIN + (drawn.height + _PAGE_MARGIN if drawn else 0)
    height = top + sum(round(font.size * _LINE_HEIGHT) for font in fonts) + _PAGE_MARGIN
    page = Image.new("RGB", (width, height), (_BACKGROUND,) * 3)
    if drawn:
        page.paste(drawn, ((width - drawn.width) // 2, _PAGE_MARGIN))
    draw = ImageDraw.Draw(page)
    for font, line in zip(fonts, lines, strict=True):
        draw.text((_PAGE_MARGIN, top), line, fill="white", font=font)
        top += round(font.size * _LINE_HEIGHT)
    return np.asarray(page)


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Trace the border of a mask half-way between the centres of voxels inside and outside.

    Parameters
    ----------
    mask
        Of bool, (rows, columns). What lies beyond its edge counts as outside.

    Returns
    -------
    list of numpy.ndarray, (points, 2)
        Closed lines of (column, row) in pixels from the mask's upper left corner: the centre of its first pixel is
        (0.5, 0.5).
    """
    from contourpy import contour_generator

    if not mask.any():
        return []
    padded = np.pad(mask, 1).astype(float)
    lines: Sequence[np.ndarray] = contour_generator(z=padded).lines(0.5)  # type: ignore[assignment]
    return [line - 0.5 for line in lines]  # from centres of the padded mask


def dashes(line: np.ndarray, *, dash: float, gap: float) -> list[np.ndarray]:
    """Cut a line (points, 2) into dashes along its length, each (points, 2) with the corners that it goes round.

    `dash` and `gap` are in the unit of the points, and stretched a little: a closed line is divided evenly, so that no
    dash is left over.
    """
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    whole = float(reached[-1])
    if whole == 0.0:
        return []
    count = max(1, round(whole / (dash + gap)))
    period = whole / count
    parts = []
    for number in range(count):
        start, stop = number * period, number * period + period * dash / (dash + gap)
        inside = reached[(reached > start) & (reached < stop)]
        places = np.concatenate([[start], inside, [stop]])
        parts.append(np.column_stack([np.interp(places, reached, line[:, axis]) for axis in range(2)]))
    return parts


def _drawn(view: PlaneView, scale: float, window: tuple[float, float]) -> Image.Image:
    """Draw a view at so many pixels a millimetre."""
    from PIL import Image

    height, width = (max(1, round(length * scale)) for length in view.extent_mm)
    if view.image is None:
        picture = Image.new("RGB", (width, height), (_BACKGROUND,) * 3)
    else:
        grey = Image.fromarray(windowed(view.image, window=window))
        picture = grey.resize((width, height), Image.Resampling.BICUBIC).convert("RGB")
    if view.prediction.any():
        filled = Image.fromarray(view.prediction.astype(np.uint8) * 255).resize(picture.size, Image.Resampling.BILINEAR)
        opacity = round(FILL_OPACITY * 255)
        picture.paste(BLUE, (0, 0), filled.point([opacity if value > 127 else 0 for value in range(256)]))
    pixel = np.array([view.pixel[1], view.pixel[0]]) * scale  # (column, row)
    _draw_lines(picture, [line * pixel for line in outlines(view.prediction)], BLUE, casing="white")
    dashed = [part for line in outlines(view.reference) for part in dashes(line * pixel, dash=_DASH, gap=_GAP)]
    _draw_lines(picture, dashed, ORANGE, casing="black")
    _write_edges(picture, view.plane)
    _draw_scale_bar(picture, scale)
    return picture


def _draw_lines(picture: Image.Image, lines: list[np.ndarray], colour: str, casing: str) -> None:
    """Draw lines of (column, row) in pixels, with an edge that sets them off from whatever lies under them."""
    from PIL import Image, ImageDraw

    if not lines:
        return
    for width, ink in ((_LINE + 2 * _CASING, casing), (_LINE, colour)):
        fine = Image.new("L", (picture.width * _FINER, picture.height * _FINER))
        draw = ImageDraw.Draw(fine)
        for line in lines:
            points = [(float(x), float(y)) for x, y in line * _FINER]
            draw.line(points, fill=255, width=round(width * _FINER), joint="curve")
        smooth = fine.reduce(_FINER)
        if ink != colour:
            smooth = smooth.point([round(value * 0.6) for value in range(256)])
        picture.paste(ink, (0, 0), smooth)


def _write_edges(picture: Image.Image, plane: Plane) -> None:
    from PIL import ImageDraw

    draw, font = ImageDraw.Draw(picture), _font(_font_size(picture))
    width, height = picture.size
    left, right, top, bottom = EDGES[plane]
    places = (
        (left, (3, height / 2), "lm"),
        (right, (width - 3, height / 2), "rm"),
        (top, (width / 2, 2), "ma"),
        (bottom, (width / 2, height - 3), "md"),
    )
    for letter, place, anchor in places:
        draw.text(place, letter, fill="white", font=font, anchor=anchor, stroke_width=1, stroke_fill="black")


def _draw_scale_bar(picture: Image.Image, scale: float) -> None:
    from PIL import ImageDraw

    width, height = picture.size
    length_mm = next((mm for mm in _SCALE_BARS_MM if mm * scale < width / 3), None)
    if length_mm is None:
        return
    draw, font = ImageDraw.Draw(picture), _font(_font_size(picture) - 2)
    right, bottom = width - 6, height - 6
    left = right - length_mm * scale
    draw.rectangle((left - 1, bottom - 3, right + 1, bottom + 1), fill="black")
    draw.rectangle((left, bottom - 2, right, bottom), fill="white")
    label = f"{length_mm / 10:g} cm"
    half = draw.textlength(label, font=font) / 2
    middle = (min((left + right) / 2, width - 4 - half), bottom - 4)  # longer than its bar, it ends at the edge
    draw.text(middle, label, fill="white", font=font, anchor="md", stroke_width=1, stroke_fill="black")


def _font_size(picture: Image.Image) -> int:
    return max(11, max(picture.size) // 24)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Give the typeface of the figures, which matplotlib brings along."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _png(picture: Image.Image) -> bytes:
    from PIL import Image

    few = picture.quantize(palette=_palette(), dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, "PNG", compress_level=9)
    return file.getvalue()


@lru_cache(maxsize=1)
def _palette() -> Image.Image:
    """Give the colours that a picture is made of: greys, greys under the fill, both lines and what smooths them."""
    from PIL import Image, ImageColor

    blue, orange, black, white = (np.array(ImageColor.getrgb(name)) for name in (BLUE, ORANGE, "black", "white"))
    greys = [np.full(3, value) for value in np.linspace(0, 255, _SHADES)]
    colours = [*greys, *(grey + FILL_OPACITY * (blue - grey) for grey in greys[::2])]
    for line in (blue, orange):
        colours += [line + share * (end - line) for end in (black, white) for share in (0.0, 0.25, 0.5, 0.75)]
    holder = Image.new("P", (1, 1))
    holder.putpalette(np.rint(colours).astype(np.uint8).tobytes())
    return holder
