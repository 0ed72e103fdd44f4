"""Tumours of the mediastinum: a lobulated shape, what it is made of, and how organs give way to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.cohort.lesion_findings import Location
from nnunet_amt.phantom.mediastinum import Push
from nnunet_amt.phantom.placement import place_tumour
from nnunet_amt.phantom.scanner import Patient
from nnunet_amt.phantom.shapes import Block, Canvas, Floats, Point, coverage
from nnunet_amt.phantom.thorax import Frame
from nnunet_amt.phantom.tissue import Appearance, Lobes, Look, Tissue

Doubles = NDArray[np.float64]

# How far, in mm, a margin that is not clear fades into what is around it, and from which diameter on; lobes by contour
_FADING_MM, _WIDEST_FADING_MM = (9.0, 15.0), 80.0
_LOBES: dict[str, Lobes] = {
    "smooth": ((2, 5), 0.10, 3.0),
    "lobulated": ((5, 9), 0.45, 10.0),
    "irregular": ((16, 26), 0.55, 40.0),
}


def _draw_tissue(request: TumourRequest, patient: Patient, rng: np.random.Generator) -> Tissue:
    """Draw the densities that are usual for a diagnosis in this patient's phase of contrast medium."""
    strength, histology = patient.contrast.strength, request.histology
    if request.appearance is not None:
        return request.appearance.draw_tissue(rng)
    if request.look is not None:
        return request.look.draw_tissue(strength, rng)
    if request.isodense:
        return Tissue(patient.contrast.myocardium + rng.uniform(-6.0, 6.0), 1.5)
    if histology == "thymic cyst":
        return Tissue(hu=rng.uniform(2.0, 25.0), mottle=1.0, wall=22.0)
    if histology == "teratoma":
        return Tissue(rng.uniform(25, 45) + 15 * strength, 6.0, necrosis=0.3, fat=0.65, calcified=True)
    if histology == "lymphoma":
        return Tissue(rng.uniform(38, 48) + rng.uniform(15, 30) * strength, 4.0, necrosis=rng.choice([0.0, 0.12]))
    if histology == "thymoma":
        return Tissue(rng.uniform(40, 52) + rng.uniform(15, 42) * strength, 4.0, necrosis=rng.choice([0.0, 0.0, 0.15]))
    hu = rng.uniform(40, 50) + rng.uniform(20, 45) * strength
    return Tissue(hu, 9.0, necrosis=rng.uniform(0.1, 0.35), calcified=bool(rng.random() < 0.2))


@dataclass(frozen=True)
class TumourRequest:
    """What to draw."""

    histology: str  # the diagnosis, one of paper.DIAGNOSES; with a look any
    diameter: float  # the largest axial diameter in mm
    isodense: bool = False  # whether it is as dense as the heart muscle, without necrosis, fat or calcification
    appearance: Appearance | None = None  # None: as the look says
    look: Look | None = None  # None: as is usual for the diagnosis
    location: Location = "anterior"


@dataclass(frozen=True)
class Tumour:
    """An ellipsoid with lobes, in mm of the standard thorax."""

    histology: str  # the diagnosis
    # centre, radii: (x, y, z) in mm
    centre: Point
    radii: Point
    lobes: Floats  # (n, 5): unit direction x, y, z, height as a share of the radius, sharpness
    tissue: Tissue  # its densities
    waves: Floats  # (n, 4): wave vector (x, y, z) in 1/mm and phase of the irregularities inside
    pliable: float  # 1 if it pushes organs aside, less if it grows around them
    fading: float = 0.0  # mm over which its margin fades into what is around it; 0 for a clear one
    location: Location = "anterior"

    def bounds(self, margin: float) -> tuple[Point, Point]:
        """Give the low and high corners (x, y, z) of the tumour grown by `margin` mm."""
        reach = np.array(self.radii) * (1.0 + float(self.lobes[:, 3].sum())) + margin
        return tuple(np.array(self.centre) - reach), tuple(np.array(self.centre) + reach)

    def distance(self, block: Block) -> Floats:
        """Give the signed distance in mm (first order) at every sample, negative inside."""
        u, v, w = (
            (axis - middle) / radius
            for axis, middle, radius in zip((block.x, block.y, block.z), self.centre, self.radii, strict=True)
        )
        level: Floats = np.sqrt(u * u + v * v + w * w) + np.float32(1e-4)
        radius = np.ones(block.shape, np.float32)
        for x, y, z, height, sharpness in self.lobes.tolist():
            along = (u * x + v * y + w * z) / level
            radius += np.float32(height) * np.exp(np.float32(sharpness) * (along - 1.0))
        a, b, c = self.radii
        steepness = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2) / level
        result: Floats = (level - radius) / np.maximum(steepness, 1e-6)
        return result

    def relative_radius(self, direction: Doubles) -> float:
        """Give the radius along a unit `direction` (x, y, z, in units of `radii`), lobes included."""
        lobes = self.lobes.astype(float)
        return float(1.0 + (lobes[:, 3] * np.exp(lobes[:, 4] * (lobes[:, :3] @ direction - 1.0))).sum())

    def axial_diameter(self, scale: Point) -> float:
        """Give the largest axial diameter in mm of a patient of this (x, y, z) scale, if nothing is in the way."""
        return _largest_axial_distance(self._surface() * np.array(scale), step=self.radii[2] / 12)

    def heights(self) -> tuple[float, float]:
        """Give the heights z in mm of its lowest and of its highest point."""
        z = self._surface()[:, 2] + self.centre[2]
        return float(z.min()), float(z.max())

    def _surface(self) -> Doubles:
        """Give points of its surface from its centre, (points, 3), (x, y, z) in mm."""
        count = 4000  # Fibonacci directions
        index = np.arange(count) + 0.5
        polar, turn = np.arccos(1 - 2 * index / count), pi * (1 + 5**0.5) * index
        directions = np.column_stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)])
        lobes = self.lobes.astype(float)
        radius = 1.0 + (lobes[:, 3] * np.exp(lobes[:, 4] * (directions @ lobes[:, :3].T - 1.0))).sum(axis=1)
        surface: Doubles = directions * radius[:, None] * np.array(self.radii)
        return surface


def _largest_axial_distance(points: Doubles, step: float) -> float:
    """Give the largest (x, y) distance of two points (n, 3) within one layer of `step` mm."""
    layer = np.floor(points[:, 2] / step)
    largest = 0.0
    for level in np.unique(layer):
        plane = points[layer == level, :2]
        apart = np.sqrt(((plane[:, None] - plane[None]) ** 2).sum(axis=2))
        largest = max(largest, float(apart.max()))
    return largest


def draw_tumours(requests: Sequence[TumourRequest], patient: Patient, rng: np.random.Generator) -> list[Tumour]:
    """Draw the tumours asked for; the first lies where most of its location do, the others clear of those before."""
    tumours: list[Tumour] = []
    for request in requests:
        for _ in range(60):
            tumour = _draw_tumour(request, patient, rng, first=not tumours)
            if all(_gap(tumour, other) > 16.0 for other in tumours):
                break
        tumours.append(tumour)
    return tumours


def _gap(one: Tumour, other: Tumour) -> float:
    """Give a lower bound of the distance in mm between two tumours."""
    apart = np.array(one.centre) - np.array(other.centre)
    direction = apart / max(float(np.linalg.norm(apart)), 1e-6)
    reach = sum(
        float(np.linalg.norm(direction * np.array(t.radii))) * (1.0 + 0.6 * float(t.lobes[:, 3].max()))
        for t in (one, other)
    )
    return float(np.linalg.norm(apart)) - reach


def _draw_tumour(request: TumourRequest, patient: Patient, rng: np.random.Generator, first: bool) -> Tumour:
    half = request.diameter / 2
    size = float(np.clip((half - 8.0) / 42.0, 0.0, 1.0))  # 0 small, 1 large
    flat = rng.uniform(0.72, 0.95) - 0.2 * size
    tall = rng.uniform(0.8, 1.15) - 0.1 * size
    # drawn in this order
    lobes, tissue = _lobes(request, rng), _draw_tissue(request, patient, rng)
    vectors = rng.normal(size=(6, 3))
    vectors *= 2 * pi / (half * rng.uniform(0.6, 1.6, (6, 1))) / np.linalg.norm(vectors, axis=1, keepdims=True)
    phases = rng.uniform(0, 2 * pi, 6)
    tumour = Tumour(
        histology=request.histology,
        centre=(0.0, 0.0, 0.0),
        radii=(half / patient.scale[0], half * flat / patient.scale[1], half * tall / patient.scale[2]),
        lobes=lobes,
        tissue=tissue,
        waves=np.column_stack([vectors, phases]).astype(np.float32),
        pliable=_pliable(request),
        fading=_fading(request, rng),
        location=request.location,
    )
    factor = request.diameter / tumour.axial_diameter(patient.scale)
    tumour = replace(tumour, radii=(tumour.radii[0] * factor, tumour.radii[1] * factor, tumour.radii[2] * factor))
    return replace(tumour, centre=place_tumour(tumour.radii, request.location, rng, first=first))


def _pliable(request: TumourRequest) -> float:
    if request.look is not None:
        return request.look.pliable
    return 0.35 if request.histology == "lymphoma" else 1.0


def _fading(request: TumourRequest, rng: np.random.Generator) -> float:
    appearance, look = request.appearance, request.look
    if appearance is None and look is None:
        return 0.0
    width = float(rng.uniform(*_FADING_MM))
    if appearance is not None:
        return width if appearance.margin == "unclear" else 0.0
    narrow = min(1.0, request.diameter / _WIDEST_FADING_MM)  # of a small tumour little else would be left
    return width * narrow if look is not None and rng.random() < look.unclear else 0.0


def _lobes(request: TumourRequest, rng: np.random.Generator) -> Floats:
    """Draw the lobes: few and low on a cyst, many and sharp on a carcinoma or lymphoma; or as the contour is to be."""
    count, height, sharpness = {
        "thymic cyst": ((2, 5), 0.12, 3.0),
        "thymoma": ((5, 10), 0.28, 9.0),
        "teratoma": ((3, 7), 0.20, 6.0),
    }.get(request.histology, ((8, 14), 0.26, 15.0))
    if request.appearance is not None:
        count, height, sharpness = _LOBES[request.appearance.contour]
    elif request.look is not None:
        count, height, sharpness = request.look.lobes
    directions = rng.normal(size=(int(rng.integers(*count)), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    heights = rng.uniform(0.3 * height, height, len(directions))
    sharpnesses = rng.uniform(2.0, sharpness, len(directions))
    return np.column_stack([directions, heights, sharpnesses]).astype(np.float32)


def push_of(tumours: Sequence[Tumour]) -> Push:
    """Give the function that moves points of organs out of the way of the tumours.

    The way out of an anterior one is backwards, as the sternum is in front, of a posterior one forwards, and of a
    middle one to the other side.
    """

    def push(point: Point, radius: float) -> Point:
        x, y, z = point
        for tumour in tumours:
            offset = (np.array([x, y, z]) - tumour.centre) / tumour.radii
            level = max(float(np.linalg.norm(offset)), 0.05)
            normal = offset / np.array(tumour.radii)
            steepness = float(np.linalg.norm(normal)) / level
            overlap = radius + 2.0 - (level - tumour.relative_radius(offset / level)) / max(steepness, 1e-6)
            amount = tumour.pliable * min(4.0 * float(np.logaddexp(0.0, overlap / 4.0)), 30.0)
            direction = normal / max(float(np.linalg.norm(normal)), 1e-6)
            if tumour.location == "middle":
                direction[0] -= 0.3 if tumour.centre[0] > 0 else -0.3
            else:
                back = 1.0 if tumour.location == "anterior" else -1.0
                direction[1] = back * (abs(direction[1]) + 0.3)
            x, y, z = np.array([x, y, z]) + amount * direction / np.linalg.norm(direction)
        return float(x), float(y), float(z)

    return push


def paint_tumour(canvas: Canvas, frame: Frame, tumour: Tumour) -> None:
    """Paint one tumour and start to keep track of what stays visible of it."""
    visible = np.zeros(canvas.hu.shape, np.float32)
    window = canvas.block.window(*tumour.bounds(2.0 + tumour.fading / 2))
    if window is not None:
        block = canvas.block.cut(window)
        depth = np.maximum(tumour.distance(block), frame.inside_of_chest(block, window))
        canvas.paint(coverage(depth, block.pixel + tumour.fading), _density(tumour, block, depth), window)
        visible[window] = coverage(depth, block.pixel)  # the outline of a margin that fades is in its middle
    canvas.lesions.append(visible)


def _density(tumour: Tumour, block: Block, depth: Floats) -> Floats:
    """Give the HU inside: solid, with necrosis away from the rim, fat on one side, and a calcification."""
    tissue = tumour.tissue
    x, y, z = (axis - middle for axis, middle in zip((block.x, block.y, block.z), tumour.centre, strict=True))
    field: Floats = np.zeros(block.shape, np.float32)
    for a, b, c, phase in tumour.waves.tolist():
        field += np.sin(x * a + y * b + z * c + phase)
    field *= 0.58  # unit standard deviation
    hu: Floats = tissue.hu + tissue.mottle * field
    rim = np.clip(-depth / 4.0 - 0.5, 0.0, 1.0)
    if tissue.wall > 0:
        return (hu + (1.0 - np.clip(-depth / 2.0, 0.0, 1.0)) * tissue.wall).astype(np.float32)
    if tissue.necrosis > 0:
        soft = 1.0 / (1.0 + np.exp(-5.0 * (field - _quantile(1.0 - tissue.necrosis))))
        hu = hu + rim * soft * (18.0 - hu)
    if tissue.fat > 0:
        slope = x / tumour.radii[0] + 0.35 * field + _quantile(1.0 - tissue.fat)
        hu = hu + rim / (1.0 + np.exp(8.0 * slope)) * (-88.0 - hu)
    if tissue.calcified:
        a, b, c = (0.3 * radius for radius in tumour.radii)
        spot = np.sqrt(((x - a) / 4.0) ** 2 + ((y + b * 0.5) / 3.0) ** 2 + ((z - c * 0.5) / 4.0) ** 2)
        hu = hu + np.clip(1.8 - spot, 0.0, 1.0) * (380.0 - hu)
    return hu.astype(np.float32)


def _quantile(share: float) -> float:
    """Give roughly the value below which a standard normal variable lies with this probability."""
    return float(np.log(share / (1.0 - share)) / 1.702)
