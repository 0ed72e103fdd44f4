"""The soft chest wall: skin, fat, breast, the muscles outside the ribs and between them, and the table underneath."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nnunet_amt.phantom.patient import Patient
from nnunet_amt.phantom.shapes import Block, Canvas, Capsule, Ellipsoid, Floats, Shape, coverage
from nnunet_amt.phantom.thorax import ANGLES, BACK_OF_BODY, Frame, bump, spine_y

TableShape = Literal["curved", "flat"]

FAT_HU = -104.0
SKIN_HU = 15.0
SHELL = 11.0  # mm from the lung to the outer side of the ribs
SUBSCAPULAR = 11.0  # mm of muscle under the shoulder blade
_DEGREES = np.degrees(ANGLES)[None, :]


def paint_table(canvas: Canvas, shape: TableShape) -> None:
    """Paint the patient's table: a thin carbon shell around foam, touching the back."""
    block = canvas.block
    dip = 0.00028 * block.x**2 if shape == "curved" else np.zeros_like(block.x)
    top = block.y - (BACK_OF_BODY + 3.0 - dip)
    under = (BACK_OF_BODY + 27.0 - 1.8 * dip) - block.y
    inside = -np.minimum(np.minimum(top, under), 205.0 - np.abs(block.x))
    canvas.paint(coverage(inside, block.pixel), -40.0)
    canvas.paint(coverage(inside + 2.2, block.pixel), -945.0)


def paint_chest_wall(canvas: Canvas, frame: Frame, patient: Patient) -> None:
    """Paint everything between the skin and the pleura but the bones."""
    pixel, muscle = canvas.block.pixel, patient.contrast.muscle
    canvas.paint(coverage(frame.skin, pixel), SKIN_HU)
    canvas.paint(coverage(frame.skin + 1.8, pixel), FAT_HU)
    under_fat = coverage(frame.skin + 4.5 + 0.3 * patient.fat, pixel)
    if patient.sex == "F":
        _paint_breast_gland(canvas, patient)
    _paint_outer_muscles(canvas, frame, patient, under_fat)
    _paint_shell(canvas, frame, muscle, under_fat)
    drawn = canvas.union([*_shoulder_muscles(), *_back_muscles(patient)])
    if drawn:
        canvas.paint(drawn[0] * under_fat[drawn[1]], muscle - 4.0, drawn[1])


def _paint_outer_muscles(canvas: Canvas, frame: Frame, patient: Patient, under_fat: Floats) -> None:
    """Pectoral, serratus and latissimus, the muscles around the shoulder blade, trapezius and oblique."""
    z = frame.heights[:, None]
    layers = [
        17.0 * bump(_DEGREES, -74.0, 52.0) * bump(z, 28.0, 88.0),
        8.0 * bump(_DEGREES, 8.0, 62.0) * bump(z, -45.0, 120.0),
        30.0 * bump(_DEGREES, 53.0, 38.0) ** 0.6 * bump(z, 20.0, 105.0),
        8.0 * bump(_DEGREES, 92.0, 50.0) * np.ones_like(z),
        7.0 * bump(_DEGREES, -60.0, 70.0) * bump(z, -150.0, 55.0),
    ]
    thickness = patient.muscle * np.maximum.reduce(layers)
    outside = frame.cavity - SHELL
    share = frame.spread(thickness)
    body = coverage(outside - share, canvas.block.pixel) * coverage(-outside, canvas.block.pixel)
    canvas.paint(body * under_fat * (share > 0.5), patient.contrast.muscle - _marbling(canvas.block, patient))
    _paint_fat_planes(canvas, frame, outside, share)


def _marbling(block: Block, patient: Patient) -> Floats:
    """Give the HU that fine fat takes from muscle, more of it in the old."""
    streaks = np.sin(0.9 * block.x + 0.5 * block.y + 0.21 * block.z) * np.sin(0.35 * block.x - 0.8 * block.y)
    result: Floats = np.float32(20.0 + 0.5 * patient.age) * np.maximum(streaks - 0.35, 0.0).astype(np.float32)
    return result


def _paint_fat_planes(canvas: Canvas, frame: Frame, outside: Floats, thickness: Floats) -> None:
    """Thin fat between the pectoral muscles, and on the chest wall under the shoulder blade."""
    pixel = canvas.block.pixel
    planes = np.minimum(np.abs(outside - 0.55 * thickness), np.abs(outside - 0.6))
    share = coverage(planes - 0.9, pixel) * np.float32(min(1.0, 1.8 / pixel))
    canvas.paint(share * (thickness > 6.0) * (outside < thickness), -70.0)


def _paint_shell(canvas: Canvas, frame: Frame, muscle: float, under_fat: Floats) -> None:
    """Paint the wall that holds the ribs, intercostal muscle; towards the mediastinum there is none."""
    z = frame.heights[:, None]
    facing_out = np.clip((_DEGREES + 118.0) / 8.0, 0.0, 1.0) * np.clip((132.0 - _DEGREES) / 8.0, 0.0, 1.0)
    thickness = SHELL * facing_out * np.clip((100.0 - z) / 10.0, 0.0, 1.0)
    share = coverage(frame.cavity - frame.spread(thickness), canvas.block.pixel)
    canvas.paint(share * under_fat, muscle - 12.0)


def _back_muscles(patient: Patient) -> list[Shape]:
    """Erector spinae: two columns beside the spinous processes."""
    heights = np.arange(-190.0, 150.0, 20.0)
    depth = spine_y(heights)
    columns: list[Shape] = []
    for side in (-1.0, 1.0):
        for low, high, y0, y1 in zip(heights, heights[1:], depth, depth[1:], strict=False):
            for x, behind, radius in ((16.0, 46.0, 12.5), (31.0, 45.0, 11.5)):
                radius *= 0.85 + 0.15 * patient.muscle
                start, end = (side * x, float(y0) + behind, low), (side * x, float(y1) + behind, high)
                columns.append(Capsule(start, end, radius, radius))
    return columns


def _shoulder_muscles() -> list[Shape]:
    """Give the muscles above the thorax: trapezius, deltoid, scalene and sternocleidomastoid, both sides."""
    muscles: list[Shape] = []
    for side in (-1.0, 1.0):
        muscles += [
            Ellipsoid((side * 92.0, 52.0, 92.0), (52.0, 26.0, 34.0)),
            Ellipsoid((side * 55.0, 66.0, 110.0), (48.0, 17.0, 60.0)),
            Ellipsoid((side * 137.0, 2.0, 108.0), (42.0, 28.0, 44.0), (0.8, side * 0.6, 0.0)),
            Ellipsoid((side * 118.0, -34.0, 92.0), (42.0, 15.0, 46.0), (0.85, side * 0.5, 0.0)),
            Ellipsoid((side * 36.0, 18.0, 122.0), (17.0, 17.0, 26.0)),
            Ellipsoid((side * 88.0, -46.0, 82.0), (40.0, 13.0, 24.0)),
            Capsule((side * 16.0, -50.0, 74.0), (side * 44.0, -12.0, 135.0), 6.0, 10.0),
            Capsule((side * 9.0, -46.0, 66.0), (side * 11.0, -26.0, 130.0), 4.0, 5.0),
        ]
    return muscles


def _paint_breast_gland(canvas: Canvas, patient: Patient) -> None:
    """Glandular tissue in the breasts, less of it with age."""
    share = float(np.clip(1.15 - patient.age / 80.0, 0.12, 0.8))
    front = -101.0 - 0.75 * patient.fat
    # outward, backward and upward from the nipple in mm, and the slope of each lobule
    lobules = (
        (0, 2, 0, 0.1),
        (-11, 7, 8, -0.5),
        (9, 6, 14, 0.6),
        (16, 12, -4, 0.9),
        (-6, 13, -14, 0.2),
        (5, 15, 4, -0.2),
    )
    for side in (-1.0, 1.0):
        shapes: list[Shape] = [
            Ellipsoid((side * (66.0 + out), front + back, up - 55.0), (11.0, 4.2, 17.0), (1.0, side * slope, 0.0))
            for out, back, up, slope in lobules
        ]
        drawn = canvas.union(shapes)
        if drawn:
            canvas.paint(drawn[0] * np.float32(share), 30.0, drawn[1])
