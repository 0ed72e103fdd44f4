"""One phantom: a patient with tumours, scanned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError
from nnunet_amt.phantom.chest_wall import paint_bones, paint_chest_wall, paint_spine, paint_table
from nnunet_amt.phantom.lungs import (
    VesselTree,
    above_diaphragm,
    grow_vessel_trees,
    paint_abdomen,
    paint_lung_vessels,
    paint_lungs,
)
from nnunet_amt.phantom.mediastinum import (
    METAL_HU,
    Findings,
    Mediastinum,
    build_mediastinum,
    paint_findings,
    paint_mediastinal_fat,
    paint_organs,
)
from nnunet_amt.phantom.scanner import (
    VENDORS,
    ContrastPhase,
    Kernel,
    Patient,
    Scanner,
    Sex,
    draw_patient,
    draw_scanner,
    scan,
)
from nnunet_amt.phantom.shapes import Block, Canvas, Floats, Point
from nnunet_amt.phantom.thorax import Frame
from nnunet_amt.phantom.tumour import Tumour, TumourRequest, draw_tumours, paint_tumour, push_of

TOP, BOTTOM = 102.0, -152.0  # mm of the standard thorax that a scan covers
MIDDLE_Y = 6.0  # mm behind the carina, where the middle of the field of view lies
TABLE_HEIGHT, TABLE_POSITION = -150.0, -200.0  # mm, LPS y of the middle of the image and z of the carina
_SAMPLES_AT_ONCE = 300_000


@dataclass(frozen=True)
class PhantomRequest:
    """What to render."""

    tumours: tuple[TumourRequest, ...] = (TumourRequest("thymoma", 60.0),)  # one a lesion; none is allowed
    age: int = 60
    sex: Sex = "M"
    manufacturer: str = "Canon Medical Systems"  # one of paper.MANUFACTURERS
    slice_thickness: float = 5.0  # thickness and distance of slices in mm
    in_plane_pixels: int = 104  # rows and columns of the image
    slices: int | None = None  # number of slices; None covers the thorax from the apices to the upper abdomen
    beside_tumours: float | None = None  # mm that the scan covers above and below the tumours; None: all of the thorax
    # what the patient has besides tumours, from the strength of the contrast medium and a generator
    findings: Callable[[float, np.random.Generator], Findings] | None = None
    contrast: ContrastPhase = "any"  # phase of the contrast medium; "any" draws a native scan or a venous one
    kernel: Kernel = "standard"  # reconstruction kernel

    def __post_init__(self) -> None:
        if self.manufacturer not in VENDORS:
            raise BadInputError(f"phantom: manufacturer {self.manufacturer!r} must be one of {', '.join(VENDORS)}")
        rules = [
            ("slice_thickness", self.slice_thickness, 0.5, 20.0),
            ("in_plane_pixels", self.in_plane_pixels, 32, 1024),
            *(("tumour diameter in mm", tumour.diameter, 5.0, 120.0) for tumour in self.tumours),
        ]
        for name, value, lowest, highest in rules:
            if not lowest <= value <= highest:
                raise BadInputError(f"phantom: {name} is {value:g}; it must be from {lowest:g} to {highest:g}")


@dataclass(frozen=True)
class Phantom:
    """A rendered phantom.

    Attributes
    ----------
    image
        (z, y, x) int16 HU.
    mask
        (z, y, x) uint8, 1 where tumour fills at least half of a voxel.
    spacing
        (z, y, x) in mm.
    origin
        (x, y, z) in mm, LPS, of the first voxel.
    carina
        (x, y, z) in mm, LPS, of the carina: (0, 0, 0) of the standard thorax.
    tumours
        What was drawn, one a lesion.
    patient, scanner
        Whose thorax, and how it was scanned.
    """

    image: NDArray[np.int16]
    mask: NDArray[np.uint8]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    carina: tuple[float, float, float]
    tumours: tuple[Tumour, ...]
    patient: Patient
    scanner: Scanner

    def index_of(self, point: Point) -> tuple[int, int, int]:
        """Give the voxel (z, y, x) that holds a `point` (x, y, z) of the standard thorax, in mm."""
        position = np.array(self.carina) + np.array(point) * self.patient.scale
        x, y, z = np.rint((position - self.origin) / self.spacing[::-1]).astype(int).tolist()
        return z, y, x


@dataclass(frozen=True)
class _Scene:
    """All that is drawn, before it is drawn."""

    patient: Patient
    scanner: Scanner
    tumours: list[Tumour]
    organs: Mediastinum
    vessels: VesselTree
    lung_phases: NDArray[np.float64]


def render_phantom(seed: int, index: int, request: PhantomRequest | None = None) -> Phantom:
    """Render case `index` of `seed`: the same three arguments always give the same voxels.

    `seed` and `index` are not negative; together they seed everything that the request leaves open. By default it is a
    thymoma of 6 cm on a small grid.
    """
    request = request or PhantomRequest()
    # stream 2 draws the plan of a cohort
    anatomy_rng, noise_rng, findings_rng = (np.random.default_rng([seed, index, stream]) for stream in (0, 1, 4))
    scene = _set_scene(request, anatomy_rng, findings_rng)
    pixel = scene.scanner.field_of_view / request.in_plane_pixels
    top, bottom = _covered(scene, request.beside_tumours)
    count = request.slices or int(np.ceil((top - bottom) / request.slice_thickness))
    heights = top - request.slice_thickness * np.arange(count - 1, -1, -1.0)  # mm above the carina, from the lowest up
    hu, shares = _draw(scene, heights, request.in_plane_pixels, pixel)
    image = scan(hu, heights, scene.scanner, pixel, noise_rng)
    mask = np.zeros(image.shape, np.uint8)
    for share in shares:
        mask |= (share >= 0.5).astype(np.uint8)
    half = (request.in_plane_pixels - 1) / 2 * pixel
    (aside, lower), (_, scale_y, _) = scene.scanner.off_centre, scene.patient.scale
    return Phantom(
        image=image,
        mask=mask,
        spacing=(request.slice_thickness, pixel, pixel),
        origin=(-half, -half + TABLE_HEIGHT, float(heights[0]) + TABLE_POSITION),
        carina=(aside, lower - MIDDLE_Y * scale_y + TABLE_HEIGHT, TABLE_POSITION),
        tumours=tuple(scene.tumours),
        patient=scene.patient,
        scanner=scene.scanner,
    )


def _covered(scene: _Scene, beside_tumours: float | None) -> tuple[float, float]:
    """Give the highest and the lowest point in mm above the carina that the scan covers."""
    top, bottom = TOP, BOTTOM
    if beside_tumours is not None and scene.tumours:
        lowest, highest = zip(*(tumour.heights() for tumour in scene.tumours), strict=True)
        margin = beside_tumours / scene.patient.scale[2]
        top, bottom = min(top, max(highest) + margin), max(bottom, min(lowest) - margin)
    return top * scene.patient.scale[2], bottom * scene.patient.scale[2]


def _set_scene(request: PhantomRequest, rng: np.random.Generator, findings_rng: np.random.Generator) -> _Scene:
    patient = draw_patient(rng, request.age, request.sex, request.contrast)
    body_width = 2 * (168.0 + patient.fat) * patient.scale[0]
    scanner = draw_scanner(rng, request.manufacturer, request.slice_thickness, body_width, request.kernel)
    tumours = draw_tumours(request.tumours, patient, rng)
    findings = request.findings(patient.contrast.strength, findings_rng) if request.findings else Findings()
    organs = build_mediastinum(patient, rng, push_of(tumours), findings, findings_rng)
    vessels = grow_vessel_trees(rng, patient)
    phases = np.column_stack([rng.normal(0.0, 0.06, (4, 3)), rng.uniform(0, 2 * np.pi, 4)])
    return _Scene(patient, scanner, tumours, organs, vessels, phases)


def _draw(
    scene: _Scene, heights: NDArray[np.float64], pixels: int, pixel: float
) -> tuple[Floats, list[NDArray[np.float32]]]:
    """Give true HU (z, y, x) and the visible share of every lesion, averaged over voxels."""
    hu: Floats = np.empty((heights.size, pixels, pixels), np.float32)
    shares: list[Floats] = [np.zeros(hu.shape, np.float32) for _ in scene.tumours]
    for part, block, sub_slices in _blocks(scene, heights, pixels, pixel):
        canvas = Canvas(block, np.full(block.shape, -1000.0, np.float32))
        _paint(canvas, scene)
        hu[part] = _average(canvas.hu, sub_slices)
        for share, drawn in zip(shares, canvas.lesions, strict=True):
            share[part] = _average(drawn, sub_slices)
    return hu, shares


def _blocks(
    scene: _Scene, heights: NDArray[np.float64], pixels: int, pixel: float
) -> Iterator[tuple[slice, Block, int]]:
    """Cut the scan into runs of slices small enough for the cache; every slice is sampled at several heights."""
    thickness = scene.scanner.slice_thickness
    sub_slices = max(2, int(np.ceil(thickness / 2.0)))
    offsets = ((np.arange(sub_slices) + 0.5) / sub_slices - 0.5) * thickness
    scale_x, scale_y, scale_z = scene.patient.scale
    middle = (np.arange(pixels) - (pixels - 1) / 2) * pixel
    aside, lower = scene.scanner.off_centre
    x = ((middle - aside) / scale_x).astype(np.float32)[None, None, :]
    y = ((middle - lower) / scale_y + MIDDLE_Y).astype(np.float32)[None, :, None]
    step = max(1, _SAMPLES_AT_ONCE // (sub_slices * pixels**2))
    for start in range(0, heights.size, step):
        part = slice(start, min(start + step, heights.size))
        z = (heights[part, None] + offsets).reshape(-1) / scale_z
        width = pixel / float(np.sqrt(scale_x * scale_y))
        yield part, Block(z.astype(np.float32)[:, None, None], y, x, width), sub_slices


def _average(samples: Floats, sub_slices: int) -> Floats:
    result: Floats = samples.reshape(-1, sub_slices, *samples.shape[1:]).mean(axis=1)
    return result


def _paint(canvas: Canvas, scene: _Scene) -> None:
    """Paint a block from the outside in."""
    patient = scene.patient
    frame = Frame.of(canvas.block, patient)
    diaphragm = above_diaphragm(canvas.block, patient)
    paint_table(canvas, scene.scanner.table)
    paint_chest_wall(canvas, frame, patient)
    paint_lungs(canvas, frame, diaphragm, scene.lung_phases)
    paint_lung_vessels(canvas, scene.vessels, np.maximum(frame.cavity, diaphragm), patient.contrast.pulmonary)
    paint_mediastinal_fat(canvas, scene.organs)
    paint_findings(canvas, frame, scene.organs)
    paint_abdomen(canvas, frame, diaphragm, patient)
    for tumour in scene.tumours:
        paint_tumour(canvas, frame, tumour)
    paint_organs(canvas, scene.organs, patient)
    paint_spine(canvas, patient)
    paint_bones(canvas, frame, patient)
    canvas.paint_union(scene.organs.metal, METAL_HU)
