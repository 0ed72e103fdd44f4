"""The lungs with their branching vessels, the diaphragm, and the top of the abdomen under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.phantom.chest_wall import FAT_HU
from nnunet_amt.phantom.scanner import Patient
from nnunet_amt.phantom.shapes import Block, Canvas, Capsule, Ellipsoid, Floats, coverage, tube
from nnunet_amt.phantom.thorax import Frame, by_height

LUNG_HU = -862.0
_ENDS_PER_TREE = 480
_THINNEST = 0.9  # mm, radius of the last branches
_HILA = ((-40.0, 2.0, -26.0), (44.0, 4.0, -22.0))
_CAVITY_WIDTH = {98: 1.0, 86: 23.0, 45: 46.0, 0: 59.0, -60: 65.0, -170: 66.0}
_CAVITY_DEPTH = {98: 1.0, 86: 24.0, 45: 55.0, 0: 73.0, -60: 82.0, -170: 84.0}
_CAVITY_MIDDLE = {98: 43.0, 86: 45.0, 45: 53.0, 0: 62.0, -60: 67.0, -170: 67.0}


@dataclass(frozen=True)
class VesselTree:
    """The branches of the lung vessels, with the low and high end (n, 2) of each along z in mm."""

    branches: list[Capsule]
    heights: Floats

    def within(self, low: float, high: float) -> list[Capsule]:
        """Give the branches that reach between two heights in mm."""
        meets = (self.heights[:, 1] >= low) & (self.heights[:, 0] <= high)
        return [self.branches[index] for index in np.flatnonzero(meets)]


def _dome_height(block: Block, patient: Patient, side: int) -> tuple[Floats, Floats]:
    """Give the (1, y, x) height of a dome of the diaphragm and its slant; `side` -1 is the right."""
    centre_x, top = (-66.0, -100.0) if side < 0 else (68.0, -110.0)
    u, v = (block.x - centre_x) / 66.0, (block.y + 12.0) / 86.0
    u = np.where(u * side < 0, 0.7 * u, u)  # towards the middle, under the heart, it falls less
    sag = 20.0 * u**2 + 22.0 * v**2 + 22.0 * (u**2 + v**2) ** 3 + 10.0 * v
    height: Floats = (top + patient.diaphragm - sag).astype(np.float32)
    gradient_y, gradient_x = np.gradient(height[0], block.y.reshape(-1), block.x.reshape(-1))
    slant: Floats = (1.0 / np.sqrt(1.0 + gradient_x**2 + gradient_y**2))[None].astype(np.float32)
    return height, slant


def above_diaphragm(block: Block, patient: Patient) -> Floats:
    """Give the signed distance in mm to the diaphragm, negative above it (in the lung)."""
    (right, right_slant), (left, left_slant) = (_dome_height(block, patient, side) for side in (-1, 1))
    share = np.clip(0.5 + block.x / 60.0, 0.0, 1.0)
    share = share * share * (3.0 - 2.0 * share)  # the domes run into each other under the heart
    height = right + share * (left - right)
    result: Floats = (height - block.z) * (right_slant + share * (left_slant - right_slant))
    return result


def paint_lungs(canvas: Canvas, frame: Frame, diaphragm: Floats, phases: NDArray[np.float64]) -> None:
    """Paint the parenchyma: denser towards the back, with slow irregularities (`phases` seeds them)."""
    block = canvas.block
    texture = sum(np.sin(block.x * a[0] + block.y * a[1] + block.z * a[2] + a[3]) for a in phases.astype(np.float32))
    hu = np.float32(LUNG_HU) + np.float32(0.28) * block.y + np.float32(7.0) * texture
    inside = np.maximum(frame.cavity, diaphragm)
    canvas.paint(coverage(inside, block.pixel), hu)


def paint_abdomen(canvas: Canvas, frame: Frame, diaphragm: Floats, patient: Patient) -> None:
    """Paint liver, spleen and stomach into the fat below the diaphragm, and the muscle of the diaphragm."""
    block = canvas.block
    if block.z.min() > -70.0:
        return
    contrast, pixel = patient.contrast, block.pixel
    middle = np.maximum(np.abs(block.x) - 40.0, np.maximum(-84.0 - block.y, block.y - 40.0))
    within = np.minimum(frame.cavity, middle)
    below = np.maximum(within, -diaphragm)
    canvas.paint(coverage(below, pixel) * (frame.skin < -14.0), FAT_HU)
    rim = np.maximum(within, np.abs(diaphragm - 1.5) - 1.5)
    canvas.paint(coverage(rim, pixel) * (frame.skin < -14.0), contrast.muscle)
    room = np.maximum(below + 1.5, 2.5 - diaphragm)
    _paint_liver(canvas, room, patient)
    spleen = np.maximum(room, Ellipsoid((98.0, 45.0, -165.0), (28.0, 46.0, 48.0), (0.8, -0.5, 0.0)).distance(block))
    canvas.paint(coverage(spleen, pixel), contrast.spleen)
    outer = np.maximum(room, Ellipsoid((62.0, -12.0, -160.0), (40.0, 46.0, 40.0), (0.9, -0.4, 0.0)).distance(block))
    canvas.paint(coverage(outer, pixel), 45.0 + 25.0 * contrast.strength)  # the stomach
    canvas.paint(coverage(outer + 4.0, pixel), 18.0)
    gas = np.maximum(outer + 4.0, block.y + 28.0)  # gas rises to the front of a patient on his back
    canvas.paint(coverage(gas, pixel), -960.0)


def _paint_liver(canvas: Canvas, room: Floats, patient: Patient) -> None:
    """Paint both lobes into the `room` (signed distance) under the diaphragm, with the three hepatic veins."""
    block, contrast = canvas.block, patient.contrast
    right = Ellipsoid((-70.0, -6.0, -175.0), (98.0, 96.0, 92.0)).distance(block)
    left = Ellipsoid((15.0, -52.0, -160.0), (68.0, 36.0, 46.0), (1.0, 0.1, 0.15)).distance(block)
    canvas.paint(coverage(np.maximum(room, np.minimum(right, left)), block.pixel), contrast.liver)
    hepatic = [
        *tube([(-24, -6, -128), (-50, -18, -132), (-88, -24, -146)], [5.0, 3.5, 2.0]),
        *tube([(-24, -8, -130), (-36, -36, -138), (-48, -58, -150)], [4.5, 3.0, 2.0]),
        *tube([(-22, -8, -128), (0, -34, -134), (22, -52, -142)], [4.0, 3.0, 2.0]),
    ]
    drawn = canvas.union(hepatic)
    if drawn:
        blood = 0.35 * contrast.liver + 0.65 * min(contrast.veins, contrast.liver + 45.0)
        canvas.paint(drawn[0] * (room[drawn[1]] < 0), blood, drawn[1])


def grow_vessel_trees(rng: np.random.Generator, patient: Patient) -> VesselTree:
    """Grow an arterial and a venous tree into each lung.

    End points are scattered over the lung and joined, nearest to the hilum first, to the place on the tree that
    costs the least wire and path; radii follow from the number of ends behind a branch, to the power 1/2.8.
    """
    branches: list[Capsule] = []
    for hilum in _HILA:
        for shift in ((0.0, 0.0, 0.0), (0.0, -8.0, -22.0)):
            root = np.array(hilum) + shift
            ends = _scatter(rng, int(np.sign(hilum[0])), patient)
            branches += _join(root, ends[np.argsort(((ends - root) ** 2).sum(axis=1))])
    heights = [(low[2], high[2]) for low, high in (branch.bounds(0.0) for branch in branches)]
    return VesselTree(branches, np.array(heights, np.float32))


def _scatter(rng: np.random.Generator, side: int, patient: Patient) -> NDArray[np.float64]:
    """Draw points (n, 3) as x, y, z within a lung."""
    z = rng.uniform(-150.0, 92.0, 6 * _ENDS_PER_TREE)
    angle, radius = rng.uniform(0, 2 * np.pi, z.size), 0.95 * np.sqrt(rng.uniform(0, 1, z.size))
    x = by_height(_CAVITY_MIDDLE, z) + radius * np.cos(angle) * by_height(_CAVITY_WIDTH, z)
    y = 6.0 + radius * np.sin(angle) * by_height(_CAVITY_DEPTH, z)
    sag = 30.0 * ((x - 66) / 66) ** 2 + 30.0 * (y / 80) ** 2
    keep = (z > -102.0 + patient.diaphragm - sag) & (x > 22.0)
    widths = by_height(_CAVITY_WIDTH, z) * by_height(_CAVITY_DEPTH, z)
    keep &= rng.uniform(0, widths.max(), z.size) < widths  # evenly by volume
    return np.column_stack([side * x, y, z])[keep][:_ENDS_PER_TREE]


def _join(root: NDArray[np.float64], ends: NDArray[np.float64]) -> list[Capsule]:
    nodes = np.vstack([root, ends])
    path = np.zeros(len(nodes))
    parent = np.zeros(len(nodes), int)
    for index in range(1, len(nodes)):
        wire = np.sqrt(((nodes[:index] - nodes[index]) ** 2).sum(axis=1))
        parent[index] = int(np.argmin(wire + 0.35 * path[:index]))
        path[index] = path[parent[index]] + wire[parent[index]]
    carried = np.ones(len(nodes))
    for index in range(len(nodes) - 1, 0, -1):
        carried[parent[index]] += carried[index]
    radius = _THINNEST * carried ** (1 / 2.8)
    corners = nodes.tolist()
    return [
        Capsule(tuple(corners[parent[i]]), tuple(corners[i]), min(radius[i] * 1.12, radius[parent[i]]), radius[i])
        for i in range(1, len(nodes))
    ]


def paint_lung_vessels(canvas: Canvas, tree: VesselTree, inside: Floats, hu: float) -> None:
    """Paint the branches that meet the block, thinned where they are narrower than a pixel."""
    block = canvas.block
    shares: Floats = np.zeros(canvas.hu.shape, np.float32)
    for branch in tree.within(float(block.z.min()), float(block.z.max())):
        window = block.window(*branch.bounds(0.0))
        if window is None:
            continue
        filled = np.float32(min(1.0, (2.0 * branch.end_radius / block.pixel)))
        share = coverage(branch.distance(block.cut(window)), block.pixel) * filled
        np.maximum(shares[window], share, out=shares[window])
    canvas.paint(shares * (inside < 0), hu)
