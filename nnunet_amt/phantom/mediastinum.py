"""Heart, great vessels, airways, oesophagus and the fat that they lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnunet_amt.phantom.chest_wall import FAT_HU
from nnunet_amt.phantom.scanner import Patient
from nnunet_amt.phantom.shapes import WHOLE, Canvas, Capsule, Ellipsoid, Floats, Point, Shape, coverage, tube
from nnunet_amt.phantom.thorax import Frame, spine_y

METAL_HU = 6000.0  # a scanner's image ends at 3071

# Moves a point (x, y, z) of an organ with this radius (mm) out of the way
Push = Callable[[Point, float], Point]
# A vessel: (x, y, z, radius) in mm along its middle
VesselPath = Sequence[tuple[float, float, float, float]]
_AORTA: VesselPath = (
    (4, -27, -62, 14), (1, -31, -50, 16.5), (-12, -38, -28, 15.5), (-17, -39, -5, 15), (-14, -34, 16, 14.5),
    (-3, -24, 31, 13.5), (10, -6, 35, 12.5), (20, 12, 29, 12), (25, 25, 10, 11.5), (25, 31, -25, 11),
    (22, 30, -80, 10.5), (14, 23, -130, 10), (7, 12, -185, 9.5),
)  # fmt: skip
_ARCH_BRANCHES: tuple[VesselPath, ...] = (
    ((-6, -26, 33, 7), (-13, -22, 55, 6.5), (-22, -16, 80, 6), (-30, -10, 102, 4.5)),
    ((-22, -16, 80, 5), (-42, -8, 96, 4.5), (-78, -12, 104, 4.2), (-120, -18, 108, 4)),
    ((-22, -16, 80, 4), (-25, -18, 105, 3.8), (-28, -14, 140, 3.8)),
    ((4, -16, 36, 4.5), (9, -12, 58, 4), (19, -12, 85, 3.8), (27, -14, 140, 3.8)),
    ((13, 0, 36, 5), (22, 4, 62, 4.8), (33, 3, 90, 4.6), (62, -8, 103, 4.4), (120, -18, 108, 4)),
)
_PULMONARY: tuple[VesselPath, ...] = (
    ((12, -54, -66, 13), (20, -48, -48, 14.5), (21, -38, -30, 14), (22, -24, -19, 12.5), (33, -6, -13, 11)),
    ((22, -24, -19, 11), (35, -4, -11, 10.5), (45, 8, -17, 8.5), (49, 15, -34, 7)),
    ((18, -28, -21, 11), (2, -17, -21, 11), (-18, -13, -21, 10.5), (-37, -9, -23, 8.5), (-45, 6, -38, 6.5)),
)  # fmt: skip
_VEINS: tuple[VesselPath, ...] = (
    ((-31, -22, -62, 10.5), (-30, -26, -35, 9.5), (-29, -27, 0, 9), (-29, -28, 32, 8.5)),
    ((-29, -28, 32, 7.5), (-30, -28, 52, 7), (-38, -24, 78, 7), (-48, -22, 96, 6.5), (-100, -22, 104, 5)),
    ((-28, -29, 36, 7), (-10, -40, 46, 6.5), (12, -41, 56, 6.5), (34, -30, 74, 6.5), (50, -22, 96, 6)),
    ((-32, -26, 85, 6), (-38, -20, 140, 5.5)),
    ((34, -30, 76, 6), (38, -20, 140, 5.5)),
    ((-28, -20, 10, 4.2), (-24, -6, 15, 4.2), (-15, 12, 12, 4), (-9, 25, -2, 3.6), (-7, 28, -60, 3),
     (-6, 22, -150, 2.8)),
)  # fmt: skip
_CAVA: VesselPath = ((-27, -18, -92, 13), (-25, -9, -112, 13), (-23, -4, -140, 12.5), (-22, 0, -185, 12))
_LUNG_VEINS: tuple[VesselPath, ...] = (
    ((14, -2, -52, 8), (34, -10, -42, 6.5), (46, -16, -34, 5)),
    ((16, 6, -64, 8), (36, 12, -62, 6.5), (48, 20, -68, 5)),
    ((-8, -4, -50, 8), (-28, -14, -42, 6.5), (-42, -20, -36, 5)),
    ((-8, 4, -66, 8), (-30, 10, -64, 6.5), (-44, 18, -70, 5)),
)
_TRACHEA: VesselPath = (
    (0, -22, 140, 8.5), (0, -16, 100, 8.5), (-1, -8, 60, 8.5), (-1, -3, 25, 8.7), (0, 0, 6, 9), (0, 1, -2, 8)
)  # fmt: skip
_BRONCHI: tuple[VesselPath, ...] = (
    ((0, 0, 3, 8), (-14, 2, -11, 7.3), (-27, 5, -24, 6.5), (-33, 9, -46, 5.3), (-40, 17, -66, 4), (-47, 26, -88, 2.8)),
    ((-19, 3, -14, 5.5), (-34, 2, -13, 4.6), (-47, 1, -6, 3.2), (-56, -4, 8, 2.2)),
    ((-36, 8, -48, 3.4), (-50, -12, -58, 2.5), (-62, -28, -66, 1.8)),
    ((0, 0, 3, 7.5), (15, 4, -13, 6.5), (34, 8, -25, 5.8), (42, 14, -42, 4.8), (48, 22, -66, 3.6), (56, 30, -90, 2.5)),
    ((35, 7, -25, 4.8), (47, -4, -24, 3.8), (58, -14, -14, 2.6), (66, -20, 0, 1.8)),
)  # fmt: skip
_OESOPHAGUS: VesselPath = (
    (3, -4, 130, 5), (5, 6, 70, 6), (5, 13, 25, 6), (5, 15, -10, 6.5), (6, 17, -50, 6.5), (11, 12, -95, 7),
    (20, 2, -125, 8), (26, -6, -140, 9),
)  # fmt: skip


class Findings:
    """What a patient has besides tumours: nothing here; those of a benchmark override it.

    All shapes are laid out through `push`, which moves organs out of the way of tumours.
    """

    effusion_hu = 0.0
    remnant_hu = 0.0

    def widened_aorta(self, path: VesselPath) -> VesselPath:
        """Give the way of the aorta."""
        return path

    def beside_aorta(self, aorta: Sequence[Shape], push: Push) -> Push:
        """Give a `push` that also moves points out of the `aorta`."""
        return push

    def pericardial_sac(self, heart: Sequence[Shape]) -> list[Shape]:
        """Give the outside of an effusion about the `heart`."""
        return []

    def open_airways(self, sac: Sequence[Shape], airways: Sequence[Shape]) -> list[Shape]:
        """Give the `airways` that the `sac` leaves open."""
        return list(airways)

    def enlarged_nodes(self, rng: np.random.Generator, push: Push) -> list[Shape]:
        """Give lymph nodes that are larger than normal."""
        return []

    def thymic_remnant(self, push: Push) -> list[Shape]:
        """Give what age has left of a thymus."""
        return []

    def metal(self) -> list[Shape]:
        """Give what is made of metal."""
        return []


@dataclass(frozen=True)
class Mediastinum:
    """The organs of the mediastinum as shapes, by what fills them."""

    arteries: list[Shape]
    pulmonary: list[Shape]
    veins: list[Shape]
    left_heart: list[Shape]
    right_heart: list[Shape]
    myocardium: list[Shape]
    trachea: list[Shape]
    bronchi: list[Shape]
    oesophagus: list[Shape]
    nodes: list[Shape]
    thymus: list[Shape]
    enlarged_nodes: list[Shape]
    sac: list[Shape]  # outside of a pericardial effusion
    remnant: list[Shape]
    metal: list[Shape]
    fat: list[tuple[Shape, float]]  # with the mm of fat around each
    findings: Findings


def build_mediastinum(
    patient: Patient,
    rng: np.random.Generator,
    push: Push,
    findings: Findings,
    findings_rng: np.random.Generator,
) -> Mediastinum:
    """Lay out the organs for one patient: jittered, scaled, and moved aside by `push`.

    The findings have a generator of their own: a patient with and without them is otherwise the same.
    """
    wide = float(np.clip(1.0 + 0.0035 * (patient.age - 55) + rng.normal(0.0, 0.04), 0.82, 1.18))

    def lay(path: VesselPath, swell: float = 1.0, aside: Push = push) -> list[Shape]:
        points = [(x + rng.normal(0, 1.2), y + rng.normal(0, 1.0), z + rng.normal(0, 1.2)) for x, y, z, _ in path]
        radii = [radius * swell for *_, radius in path]
        return [*tube([aside(p, r) for p, r in zip(points, radii, strict=True)], radii)]

    def lay_all(paths: Sequence[VesselPath], swell: float = 1.0, aside: Push = push) -> list[Shape]:
        return [shape for path in paths for shape in lay(path, swell, aside)]

    left, right, myocardium = _heart(patient, push)
    aorta = lay(findings.widened_aorta(_AORTA), wide)
    aside = findings.beside_aorta(aorta, push)
    arteries = aorta + lay_all(_ARCH_BRANCHES)
    pulmonary = lay_all(_PULMONARY, float(rng.normal(1.0, 0.05)), aside)
    veins = lay_all(_VEINS, float(rng.normal(1.0, 0.06)), aside)
    cava = lay(_CAVA)
    trachea, bronchi = lay(_TRACHEA), lay_all(_BRONCHI)
    oesophagus = lay(_OESOPHAGUS)
    sac = findings.pericardial_sac(myocardium)
    organs = Mediastinum(
        arteries=arteries,
        pulmonary=pulmonary,
        veins=veins,
        left_heart=left + lay_all(_LUNG_VEINS),
        right_heart=right + cava,
        myocardium=myocardium,
        trachea=trachea,
        bronchi=findings.open_airways(sac, bronchi),
        oesophagus=oesophagus,
        nodes=_nodes(rng, push),
        thymus=_thymus(patient, rng, push),
        enlarged_nodes=findings.enlarged_nodes(findings_rng, aside),
        sac=sac,
        remnant=findings.thymic_remnant(aside),
        metal=findings.metal(),
        fat=[],
        findings=findings,
    )
    return replace(organs, fat=_fat(organs, patient))


def _heart(patient: Patient, push: Push) -> tuple[list[Shape], list[Shape], list[Shape]]:
    """Give the left chambers, the right chambers, and the muscle around both."""
    size = 1.14 * patient.heart
    long_axis = (0.74, -0.42, -0.52)

    def chamber(centre: Point, radii: Point, direction: Point, wall: float) -> tuple[Shape, Shape]:
        about = (10.0, -28.0, -80.0)
        moved = tuple(a + size * (c - a) for a, c in zip(about, centre, strict=True))
        place = push((moved[0], moved[1], moved[2]), size * min(radii) + wall)
        inner = (radii[0] * size, radii[1] * size, radii[2] * size)
        outer = (inner[0] + wall, inner[1] + wall, inner[2] + wall)
        return Ellipsoid(place, inner, direction), Ellipsoid(place, outer, direction)

    ventricle = chamber((41, -30, -92), (37, 19, 20), long_axis, 9.5)
    atrium = chamber((5, -2, -62), (33, 18, 22), (1.0, 0.1, 0.0), 2.0)
    right_ventricle = chamber((9, -53, -88), (41, 20, 29), (0.86, -0.12, -0.5), 3.5)
    right_atrium = chamber((-32, -25, -80), (22, 26, 31), (0.9, 0.43, 0.0), 2.0)
    appendage = chamber((30, -26, -50), (17, 10, 12), (0.6, -0.8, 0.2), 2.0)
    left = [ventricle, atrium, appendage]
    right = [right_ventricle, right_atrium]
    return [c for c, _ in left], [c for c, _ in right], [outer for _, outer in left + right]


def _nodes(rng: np.random.Generator, push: Push) -> list[Shape]:
    """Draw a few normal lymph nodes, 3 to 9 mm: paratracheal, aortopulmonary, subcarinal, hilar, axillary."""
    stations = [(-14, -14, 22), (-12, -16, 38), (27, -16, 2), (30, -22, 10), (4, 6, -22), (-6, 8, -24), (2, -50, 20)]
    stations += [(side * x, y, z) for side in (-1, 1) for x, y, z in ((112, -30, 55), (120, -22, 42), (104, -38, 66))]
    nodes: list[Shape] = []
    for station in stations:
        if rng.random() < 0.6:
            x, y, z = (float(value + rng.normal(0, 2.0)) for value in station)
            radius = float(rng.uniform(1.6, 4.2))
            direction = (float(rng.normal()), float(rng.normal()), 0.2)
            nodes.append(Ellipsoid(push((x, y, z), radius), (radius * 1.5, radius, radius * 1.2), direction))
    return nodes


def _fat(organs: Mediastinum, patient: Patient) -> list[tuple[Shape, float]]:
    """List the shapes whose smooth union keeps the lungs out of the mediastinum, with the fat around each in mm."""
    more = 0.12 * (patient.fat - 10.0)
    heights = np.arange(-190.0, 130.0, 24.0)
    depth = spine_y(heights).tolist()
    column = [
        Capsule((0.0, y0 + 1.0, low), (0.0, y1 + 1.0, high), 17.5, 17.5)
        for low, high, y0, y1 in zip(heights, heights[1:], depth, depth[1:], strict=False)
    ]
    front = tube(
        [(0, -42, 70), (-2, -58, 42), (3, -66, 15), (4, -74, -15), (0, -80, -50), (4, -88, -90), (8, -90, -130)],
        [15 + more, 12 + more, 9 + more, 9 + more, 11 + more, 15 + more, 20 + more],
    )
    behind_heart = tube([(3, 4, -55), (7, 2, -90), (12, -4, -120), (14, -8, -150)], [9.0, 11.0, 15.0, 16.0])
    under_heart = tube([(2, -14, -84), (6, -22, -108), (10, -32, -135)], [12.0, 17.0, 22.0])
    neck = tube([(0, 0, 62), (0, -2, 84), (0, 0, 110)], [20.0, 27.0, 40.0])
    pads = [
        Ellipsoid((-26.0, -64.0, -114.0), (24.0 + 2 * more, 15.0 + more, 14.0 + more), (0.8, 0.6, 0.0)),
        Ellipsoid((54.0, -68.0, -124.0), (28.0 + 2 * more, 13.0 + more, 13.0 + more), (0.9, -0.4, 0.0)),
    ]
    near_spine = [*organs.oesophagus, *organs.trachea]
    groups: list[tuple[Sequence[Shape], float]] = [
        (column, 2.0), (front, 0.0), (neck, 0.0), (pads, 0.0), (behind_heart, 0.0), (under_heart, 0.0),
        (organs.arteries, 3.0 + 0.4 * more),
        (organs.pulmonary, 1.2), (organs.veins, 2.0), (organs.myocardium, 3.5 + 0.4 * more), (near_spine, 2.0),
        (organs.enlarged_nodes, 1.5), (organs.sac, 3.0), (organs.remnant, 1.5),
    ]  # fmt: skip
    return [(shape, margin) for shapes, margin in groups for shape in shapes]


def _thymus(patient: Patient, rng: np.random.Generator, push: Push) -> list[Shape]:
    """Give the two lobes of the thymus; with age fat takes their place."""
    if patient.age > 45:
        return []
    size = float(rng.uniform(0.7, 1.1)) * (1.0 - (patient.age - 20) / 60.0)
    return [
        Ellipsoid(push((side * 8.0, -58.0, 4.0), 5.0), (15.0 * size, 6.0 * size, 30.0 * size), (0.85, side * 0.5, 0.0))
        for side in (-1.0, 1.0)
    ]


def paint_mediastinal_fat(canvas: Canvas, organs: Mediastinum) -> None:
    """Paint the smooth union of all organs with their fat: the outline of the mediastinum against the lungs."""
    distance = _smooth_union(canvas, organs.fat, soft=11.0)
    if distance is None:
        return
    canvas.paint(coverage(distance, canvas.block.pixel), FAT_HU + 8.0)
    canvas.paint_union(organs.thymus, 15.0)


def paint_findings(canvas: Canvas, frame: Frame, organs: Mediastinum) -> None:
    """Paint a thymic remnant, and a pericardial effusion with the fat between it and the heart."""
    canvas.paint_union(organs.remnant, organs.findings.remnant_hu)
    sac = _smooth_union(canvas, [(shape, 0.0) for shape in organs.sac], soft=16.0)
    if sac is None:
        return
    inside = np.maximum(sac, frame.inside_of_chest(canvas.block, WHOLE) + 4.0)
    canvas.paint(coverage(inside, canvas.block.pixel), organs.findings.effusion_hu)
    heart = _smooth_union(canvas, [(shape, 1.5) for shape in organs.myocardium], soft=8.0)
    if heart is not None:
        canvas.paint(coverage(heart, canvas.block.pixel), FAT_HU + 20.0)


def _smooth_union(canvas: Canvas, shapes: Sequence[tuple[Shape, float]], soft: float) -> Floats | None:
    """Give the distance in mm to shapes with margins that melt together over `soft` mm; None if outside."""
    drawn = [(s, m, w) for s, m in shapes if (w := canvas.block.window(*s.bounds(m + soft)))]
    if not drawn:
        return None
    distance: Floats = np.full(canvas.hu.shape, 2 * soft, np.float32)
    for shape, margin, window in drawn:
        old = distance[window]
        new = shape.distance(canvas.block.cut(window)) - np.float32(margin)
        overlap = np.maximum(np.float32(soft) - np.abs(old - new), 0.0)
        distance[window] = np.minimum(old, new) - overlap * overlap / np.float32(4 * soft)
    return distance


def paint_organs(canvas: Canvas, organs: Mediastinum, patient: Patient) -> None:
    """Paint the organs into the fat, walls first, blood and air last."""
    contrast = patient.contrast
    canvas.paint_union(organs.nodes, 42.0 + 25.0 * contrast.strength)
    canvas.paint_union(organs.oesophagus, 38.0 + 12.0 * contrast.strength)
    canvas.paint_union(organs.myocardium, contrast.myocardium)
    canvas.paint_union(organs.right_heart, contrast.pulmonary)
    canvas.paint_union(organs.pulmonary, contrast.pulmonary)
    canvas.paint_union(organs.veins, contrast.veins)
    canvas.paint_union(organs.left_heart, contrast.arteries)
    canvas.paint_union(organs.enlarged_nodes, 42.0 + 25.0 * contrast.strength)  # they dent what is soft
    canvas.paint_union(organs.arteries, 45.0 + 10 * contrast.strength, grow=1.0)
    canvas.paint_union(organs.arteries, contrast.arteries)
    canvas.paint_union(organs.trachea, 25.0, grow=1.3)
    canvas.paint_union(organs.bronchi, -150.0, grow=0.8)  # thin walls, mostly partial volume
    canvas.paint_union([*organs.trachea, *organs.bronchi], -995.0)
