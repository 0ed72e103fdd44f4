"""The frame of the thorax: where, at every height, the skin, the two lung cavities, the spine and the sternum lie.

Millimetres in the patient, for a standard thorax: x to the patient's left, y to the back, z to the head; the carina of
the trachea is at (0, 0, 0). The outlines of skin and cavities are tables of radius by angle, one row a sub-slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.phantom.scanner import Patient
from nnunet_amt.phantom.shapes import Block, Floats, Window

Doubles = NDArray[np.float64]

ANGLES: Doubles = np.linspace(-np.pi, np.pi, 2048, endpoint=False)
CAVITY_CENTRE = (50.0, 11.0)  # (lateral, posterior): inside both cavities at every height
BACK_OF_BODY = 113.0
VERTEBRA_HEIGHT = 24.0

# height: half width, front, back of the skin without its fat
_SKIN = {
    125: (128, -52, 74),
    105: (158, -60, 90),
    85: (170, -72, 101),
    60: (170, -85, 108),
    30: (164, -94, 110),
    0: (158, -101, 110),
    -60: (153, -112, 110),
    -110: (151, -115, 108),
    -170: (148, -114, 104),
}
# height: centre and half width (lateral), centre and half depth of a cavity
_CAVITY = {
    98: (43.0, 1.5, 16.0, 1.5),
    94: (43.5, 13.0, 16.0, 14.0),
    86: (45.0, 23.0, 15.0, 25.0),
    70: (48.0, 34.5, 13.0, 40.0),
    45: (53.5, 46.5, 9.0, 56.0),
    20: (59.0, 54.5, 6.0, 68.0),
    0: (62.5, 59.5, 3.0, 73.5),
    -60: (67.0, 65.0, 0.0, 82.0),
    -110: (68.0, 66.5, 1.0, 84.5),
    -170: (66.0, 64.0, 4.0, 83.0),
}
_SPINE = {125: 22, 95: 23, 60: 31, 20: 40, -30: 45, -80: 45, -130: 39, -170: 33}
_STERNUM = {75: -49, 60: -55, 40: -65, 0: -79, -50: -94, -100: -102, -120: -104, -170: -104}


def by_height(table: Mapping[int, float], z: Doubles | Floats) -> Doubles:
    """Read a table of values by height (mm) with a smooth curve through its points."""
    levels = np.array(sorted(table), float)
    values = np.array([table[int(level)] for level in levels], float)
    slopes = np.gradient(values, levels)
    z = np.clip(np.asarray(z, float), levels[0], levels[-1])
    index = np.clip(np.searchsorted(levels, z, side="right") - 1, 0, len(levels) - 2)
    step = levels[index + 1] - levels[index]
    t = (z - levels[index]) / step
    start = (1 + 2 * t) * (1 - t) ** 2 * values[index] + t * (1 - t) ** 2 * step * slopes[index]
    end = t**2 * (3 - 2 * t) * values[index + 1] + t**2 * (t - 1) * step * slopes[index + 1]
    result: Doubles = start + end
    return result


def bump(values: Doubles | Floats, centre: Doubles | float, reach: float) -> Doubles:
    """Give a smooth hill of height 1 at `centre` that ends at `centre` plus and minus `reach`."""
    result: Doubles = np.clip(1.0 - ((np.asarray(values, float) - centre) / reach) ** 2, 0.0, 1.0) ** 1.5
    return result


def spine_y(z: Doubles | Floats) -> Doubles:
    """Give the y of the centre of the vertebral bodies at height z (mm)."""
    return by_height(_SPINE, z)


def sternum_y(z: Doubles | Floats) -> Doubles:
    """Give the y of the middle of the sternum at height z (mm)."""
    return by_height(_STERNUM, z)


@dataclass(frozen=True)
class Outline:
    """Radius by height and angle: (heights, angles) in mm, and the cosine that makes (r - radius) a distance."""

    radius: Floats
    slant: Floats


@dataclass(frozen=True)
class PolarGrid:
    """The pixels of an axial slice in polar coordinates about a centre: (y, x) radius in mm and row of ANGLES."""

    radius: Floats
    bin: NDArray[np.int32]

    @classmethod
    def about(cls, x: Floats, y: Floats, centre: tuple[float, float]) -> PolarGrid:
        """Take axes broadcastable to (y, x), in mm."""
        dx, dy = np.broadcast_arrays(x - centre[0], y - centre[1])
        angle = np.arctan2(dy, dx)
        bins = np.rint((angle + np.pi) * (ANGLES.size / (2 * np.pi))).astype(np.int32) % ANGLES.size
        return cls(np.hypot(dx, dy).astype(np.float32), bins)

    def distance(self, outline: Outline) -> Floats:
        """Give the (z, y, x) signed distance in mm to an outline, negative inside."""
        result: Floats = (self.radius - outline.radius[:, self.bin]) * outline.slant[:, self.bin]
        return result


def skin_outline(z: Doubles, patient: Patient) -> Outline:
    """Give the skin about (0, 0): flat at the back where the patient lies, with breasts and fat as the patient has."""
    half_width, front, back = _columns(_SKIN, z)
    half_width = half_width + patient.fat
    front = front - 0.75 * patient.fat
    back = np.minimum(back + 0.3 * patient.fat, BACK_OF_BODY)
    t = ANGLES[None, :]
    exponent = np.where(np.sin(t) > 0, 2.9, 2.35)
    x = half_width * _power(np.cos(t), 2 / exponent)
    y = (front + back) / 2 + (back - front) / 2 * _power(np.sin(t), 2 / exponent)
    outline = _polar(x, y)
    angle = np.degrees(ANGLES)[None, :]
    outline -= 5.0 * bump(angle, 90.0, 13.0) * bump(z, 0.0, 150.0)  # furrow over the spinous processes
    if patient.sex == "F":
        side = np.abs(np.abs(angle + 90.0) - 37.0)
        outline += (10.0 + 0.9 * patient.fat) * bump(side, 0.0, 36.0) * bump(z, -52.0, 62.0)
    return _outline(outline)


def cavity_outline(z: Doubles) -> Outline:
    """Give a lung cavity (without mediastinum and diaphragm) about CAVITY_CENTRE; angle 0 is lateral, 90 the back."""
    centre_x, half_width, centre_y, half_depth = _columns(_CAVITY, z)
    t = ANGLES[None, :]
    towards_sternum = (np.cos(t) < 0) & (np.sin(t) < 0)
    exponent = np.where(towards_sternum, 5.5, 2.25)
    x = centre_x + half_width * _power(np.cos(t), 2 / exponent)
    y = centre_y + half_depth * _power(np.sin(t), 2 / exponent)
    # the front of the chest falls away to the side, the posterior gutter bulges
    y = y + 0.055 * (x - centre_x) + 3.0 * bump(np.degrees(t), 100.0, 60.0)
    outline = _polar(x - CAVITY_CENTRE[0], y - CAVITY_CENTRE[1])
    return _outline(np.where(z > 97.5, 0.0, outline))


def _columns(table: Mapping[int, tuple[float, ...]], z: Doubles) -> list[Doubles]:
    columns = zip(*table.values(), strict=True)
    return [by_height(dict(zip(table, column, strict=True)), z) for column in columns]


def _power(values: Doubles, exponent: Doubles | float) -> Doubles:
    result: Doubles = np.sign(values) * np.abs(values) ** exponent
    return result


def _polar(x: Doubles, y: Doubles) -> Doubles:
    """Resample contours (heights, points) about the origin to ANGLES."""
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    rows = [np.interp(ANGLES, a, r, period=2 * np.pi) for a, r in zip(angle, radius, strict=True)]
    return np.array(rows)


def _outline(radius: Doubles) -> Outline:
    slope = (np.roll(radius, -8, axis=1) - np.roll(radius, 8, axis=1)) / (16 * (ANGLES[1] - ANGLES[0]))
    slant = 1.0 / np.sqrt(1.0 + (slope / np.maximum(radius, 1.0)) ** 2)
    return Outline(radius.astype(np.float32), np.maximum(slant, 0.3).astype(np.float32))


@dataclass(frozen=True)
class Frame:
    """The thorax at the samples of a block."""

    heights: Doubles  # (z,) height of every sub-slice in mm
    # skin, cavity: (z, y, x) signed distance in mm to the skin and to the nearer lung cavity
    skin: Floats
    cavity: Floats
    bin: NDArray[np.int32]  # (y, x) row of ANGLES about the centre of the nearer cavity

    @classmethod
    def of(cls, block: Block, patient: Patient) -> Frame:
        """Evaluate the outlines at the samples of `block`."""
        heights = block.z.reshape(-1).astype(float)
        x, y = block.x[0], block.y[0]
        whole = PolarGrid.about(x, y, (0.0, 0.0))
        half = PolarGrid.about(np.abs(x), y, CAVITY_CENTRE)
        skin = whole.distance(skin_outline(heights[:, None], patient))
        return cls(heights, skin, half.distance(cavity_outline(heights[:, None])), half.bin)

    def inside_of_chest(self, block: Block, window: Window) -> Floats:
        """Give the distance to the inner chest wall: a cavity, or the space behind the sternum between them.

        `block` is the part of the frame's block in `window`.
        """
        front = (sternum_y(block.z) + 8.0).astype(np.float32) - block.y
        middle = np.maximum(np.abs(block.x) - 20.0, front)
        cavity = self.cavity[window]
        overlap = np.maximum(10.0 - np.abs(middle - cavity), 0.0)
        result: Floats = np.minimum(middle, cavity) - overlap * overlap / 40.0
        return result

    def spread(self, table: Doubles) -> Floats:
        """Look up a table (heights, ANGLES) at every sample, (z, y, x)."""
        result: Floats = table.astype(np.float32)[:, self.bin]
        return result
