"""Soft analytic shapes in millimetres, and the canvas that they are painted on.

A shape is a signed distance (mm, negative inside). Its share of a voxel is the distance, ramped over one pixel,
averaged over the sub-slices of a slice: partial volume without drawing on a finer grid in the plane.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Point = tuple[float, float, float]  # (x, y, z) in mm
Window = tuple[slice, slice, slice]  # (z, y, x)

WHOLE: Window = (slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Block:
    """The sample positions of a run of sub-slices, as broadcastable axes in mm."""

    # z, y, x: shapes (nz, 1, 1), (1, ny, 1) and (1, 1, nx)
    z: Floats
    y: Floats
    x: Floats
    pixel: float  # in-plane width of a pixel in mm, over which edges are ramped

    @property
    def shape(self) -> tuple[int, int, int]:
        """Samples along (z, y, x)."""
        return self.z.size, self.y.size, self.x.size

    def window(self, low: Point, high: Point) -> Window | None:
        """Give the part of the block inside a box with corners `low` and `high` (x, y, z); None if empty."""
        slices = []
        for axis, first, last in zip((self.z, self.y, self.x), low[::-1], high[::-1], strict=True):
            values = axis.reshape(-1)
            start, stop = np.searchsorted(values, (first - self.pixel, last + self.pixel))
            if start >= stop:
                return None
            slices.append(slice(int(start), int(stop)))
        return slices[0], slices[1], slices[2]

    def cut(self, window: Window) -> Block:
        """Give the block of a window."""
        return Block(self.z[window[0]], self.y[:, window[1]], self.x[:, :, window[2]], self.pixel)


class Shape(Protocol):
    """Something with a signed distance and a bounding box."""

    def bounds(self, margin: float) -> tuple[Point, Point]:
        """Give the low and high corners (x, y, z) of the shape grown by `margin` mm."""

    def distance(self, block: Block) -> Floats:
        """Give the signed distance in mm at every sample, negative inside."""


@dataclass(frozen=True)
class Capsule:
    """A segment with round ends whose radius runs linearly from one end to the other."""

    start: Point
    end: Point
    start_radius: float
    end_radius: float

    def bounds(self, margin: float) -> tuple[Point, Point]:
        """Give the low and high corners (x, y, z) of the shape grown by `margin` mm."""
        reach = max(self.start_radius, self.end_radius) + margin
        ends = np.array([self.start, self.end])
        return tuple(ends.min(axis=0) - reach), tuple(ends.max(axis=0) + reach)

    def distance(self, block: Block) -> Floats:
        """Give the signed distance in mm at every sample, negative inside."""
        (x0, y0, z0), (x1, y1, z1) = self.start, self.end
        u, v, w = x1 - x0, y1 - y0, z1 - z0
        squared = max(u * u + v * v + w * w, 1e-6)
        dx, dy, dz = block.x - x0, block.y - y0, block.z - z0
        along: Floats = np.clip((dx * u + dy * v + dz * w) / squared, 0.0, 1.0)
        separation = np.sqrt((dx - along * u) ** 2 + (dy - along * v) ** 2 + (dz - along * w) ** 2)
        result: Floats = separation - (self.start_radius + along * (self.end_radius - self.start_radius))
        return result


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid whose first axis points along `direction`; its second lies in the axial plane."""

    centre: Point
    radii: Point
    direction: Point = (1.0, 0.0, 0.0)

    def bounds(self, margin: float) -> tuple[Point, Point]:
        """Give the low and high corners (x, y, z) of the shape grown by `margin` mm."""
        reach = np.sqrt(((self._axes() * np.array(self.radii)[:, None]) ** 2).sum(axis=0)) + margin
        return tuple(self.centre - reach), tuple(self.centre + reach)

    def distance(self, block: Block) -> Floats:
        """Give the signed distance in mm (first order) at every sample, negative inside."""
        dx, dy, dz = (block.x - self.centre[0], block.y - self.centre[1], block.z - self.centre[2])
        level: Floats = np.zeros(block.shape, np.float32)
        steepness: Floats = np.zeros(block.shape, np.float32)
        for axis, radius in zip(self._axes().tolist(), self.radii, strict=True):
            scaled: Floats = ((dx * axis[0] + dy * axis[1] + dz * axis[2]) / radius) ** 2
            level += scaled
            steepness += scaled / radius**2
        np.sqrt(level, out=level)
        # local radius: between the smallest and the largest; 0/0 at the centre
        local = np.maximum(level / np.sqrt(np.maximum(steepness, 1e-12)), min(self.radii))
        return ((level - 1.0) * local).astype(np.float32, copy=False)

    def _axes(self) -> NDArray[np.float64]:
        first = np.array(self.direction) / np.linalg.norm(self.direction)
        second = np.cross((0.0, 0.0, 1.0), first)
        second = second / np.linalg.norm(second) if np.linalg.norm(second) > 1e-6 else np.array([0.0, 1.0, 0.0])
        return np.array([first, second, np.cross(first, second)])


def tube(points: Sequence[Point], radii: Sequence[float], parts: int = 3) -> list[Capsule]:
    """Join control points by a smooth (cubic spline) chain of capsules, `parts` a span."""
    controls = np.column_stack([np.array(points, float), np.array(radii, float)])
    padded = np.vstack([2 * controls[0] - controls[1], controls, 2 * controls[-1] - controls[-2]])
    chain = []
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        incoming, outgoing = (end - before) / 2, (after - start) / 2
        cubic = 2 * start - 2 * end + incoming + outgoing
        square = -3 * start + 3 * end - 2 * incoming - outgoing
        for step in range(parts):
            t = step / parts
            chain.append(((cubic * t + square) * t + incoming) * t + start)
    chain.append(controls[-1])
    nodes = np.array(chain).tolist()
    return [Capsule((a[0], a[1], a[2]), (b[0], b[1], b[2]), a[3], b[3]) for a, b in pairwise(nodes)]


def coverage(distance: NDArray[np.floating[Any]], pixel: float) -> Floats:
    """Turn signed distance into the covered share of a pixel, 0 to 1."""
    share = np.clip(0.5 - distance / np.float32(pixel), 0.0, 1.0)
    return share.astype(np.float32, copy=False)


@dataclass
class Canvas:
    """What is being drawn: HU of a block, and how much of every sample each lesion still shows."""

    block: Block  # where the samples lie
    hu: Floats  # (z, y, x) HU
    # a (z, y, x) visible share for every lesion painted so far; what is painted later hides it
    lesions: list[Floats] = field(default_factory=list)

    def paint(self, alpha: Floats, hu: Floats | float, where: Window | NDArray[np.bool_] = WHOLE) -> None:
        """Cover the samples `where` with HU `hu` by the share `alpha`."""
        self.hu[where] += alpha * (hu - self.hu[where])
        for lesion in self.lesions:
            lesion[where] *= 1.0 - alpha

    def union(self, shapes: Iterable[Shape], grow: float = 0.0) -> tuple[Floats, Window] | None:
        """Give the share of the union of `shapes`, each grown by `grow` mm, and its window; None if outside."""
        parts = [(shape, window) for shape in shapes if (window := self.block.window(*shape.bounds(grow)))]
        if not parts:
            return None
        box = _enclosing([window for _, window in parts])
        alpha: Floats = np.zeros(self.hu[box].shape, np.float32)
        for shape, window in parts:
            share = coverage(shape.distance(self.block.cut(window)) - grow, self.block.pixel)
            places = (slice(w.start - b.start, w.stop - b.start) for w, b in zip(window, box, strict=True))
            inner = alpha[tuple(places)]
            np.maximum(inner, share, out=inner)
        return alpha, box

    def paint_union(self, shapes: Iterable[Shape], hu: float, grow: float = 0.0) -> None:
        """Paint the union of `shapes`, each grown by `grow` mm, in one HU."""
        drawn = self.union(shapes, grow)
        if drawn:
            self.paint(drawn[0], hu, drawn[1])


def _enclosing(windows: Sequence[Window]) -> Window:
    return tuple(  # type: ignore[return-value]
        slice(min(window[axis].start for window in windows), max(window[axis].stop for window in windows))
        for axis in range(3)
    )
