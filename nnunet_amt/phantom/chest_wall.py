"""The chest wall: skin, fat, breast, muscles and bones, and the table underneath.

Ribs and vertebrae repeat with the same pitch, so all of them are drawn at once in coordinates folded by that pitch.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from nnunet_amt.phantom.scanner import Patient, TableShape
from nnunet_amt.phantom.shapes import Block, Canvas, Capsule, Ellipsoid, Floats, Shape, coverage, tube
from nnunet_amt.phantom.thorax import ANGLES, BACK_OF_BODY, VERTEBRA_HEIGHT, Frame, bump, spine_y, sternum_y

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
    block = canvas.block
    body = coverage(outside - share, block.pixel) * coverage(-outside, block.pixel)
    streaks = np.sin(0.9 * block.x + 0.5 * block.y + 0.21 * block.z) * np.sin(0.35 * block.x - 0.8 * block.y)
    # fine fat takes HU from muscle, more of it in the old
    marbling: Floats = np.float32(20.0 + 0.5 * patient.age) * np.maximum(streaks - 0.35, 0.0).astype(np.float32)
    canvas.paint(body * under_fat * (share > 0.5), patient.contrast.muscle - marbling)
    _paint_fat_planes(canvas, outside, share)


def _paint_fat_planes(canvas: Canvas, outside: Floats, thickness: Floats) -> None:
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


CORTEX_HU, MARROW_HU, CARTILAGE_HU, DISC_HU, CORD_HU = 480.0, 150.0, 95.0, 85.0, 32.0
_ANGLE_DEGREES = np.degrees(ANGLES)
# how far a rib has come down (mm) at an angle: the back is high, the front low, cartilage rises to the sternum
_RIB_DROP = np.interp(
    _ANGLE_DEGREES, [-125.0, -85.0, -45.0, 0.0, 45.0, 90.0, 140.0], [84.0, 102.0, 90.0, 62.0, 29.0, 5.0, 0.0]
).astype(np.float32)


def paint_bones(canvas: Canvas, frame: Frame, patient: Patient) -> None:
    """Paint all bones but the spine."""
    _paint_ribs(canvas, frame, patient)
    _paint_shoulder_blades(canvas, frame, patient)
    _paint_sternum(canvas)
    for side in (-1.0, 1.0):
        path = [(side * 17, -54, 66), (side * 48, -60, 76), (side * 95, -28, 96), (side * 130, -6, 116)]
        clavicle: list[Shape] = [*tube(path, [8.5, 6.0, 5.5, 7.0])]
        head_of_humerus: list[Shape] = [Ellipsoid((side * 141, 12, 113), (20, 21, 22))]
        for bone in (clavicle, head_of_humerus):
            canvas.paint_union(bone, CORTEX_HU)
            canvas.paint_union(bone, MARROW_HU, grow=-2.0)


def _paint_ribs(canvas: Canvas, frame: Frame, patient: Patient) -> None:
    """All ribs at once: in the shell around the cavity, height is folded by the pitch along a falling line."""
    pixel = canvas.block.pixel
    shell = np.abs(frame.cavity - SHELL / 2) < 5.5 + pixel
    level, row, column = np.nonzero(shell)
    bins = frame.bin[row, column]
    z = canvas.block.z.reshape(-1)[level]
    fall = np.interp(z, [-150.0, -20.0, 40.0, 95.0], [1.05, 1.0, 0.75, 0.32]).astype(np.float32)
    position = (z + _RIB_DROP[bins] * fall - 8.0) / np.float32(VERTEBRA_HEIGHT)
    number = np.rint(position)
    up = (position - number) * np.float32(VERTEBRA_HEIGHT)
    out = frame.cavity[shell] - np.float32(SHELL / 2)
    angle = _ANGLE_DEGREES[bins].astype(np.float32)
    front_end = np.where(number >= -2, -116.0, -116.0 - 18.0 * (number + 2))  # false ribs end short of the sternum
    present = (angle < 127.0) & (angle > front_end) & (number <= 4) & (number >= -6)
    height = np.where(number == 4, 5.0, 7.4).astype(np.float32)
    inner: Floats = np.sqrt((out / 3.7) ** 2 + (up / height) ** 2)
    depth: Floats = (inner - 1.0) * np.float32(4.5)
    is_cartilage = np.clip(0.5 - (angle + 78.0) / 8.0, 0.0, 1.0)
    calcified = 120.0 * np.clip((patient.age - 45) / 40.0, 0.0, 1.0)
    for grow, bone in ((0.0, CORTEX_HU), (-1.6, MARROW_HU)):
        hu = bone + is_cartilage * (CARTILAGE_HU + (calcified if bone == CORTEX_HU else 0.0) - bone)
        canvas.paint(coverage(depth - grow, pixel) * present, hu.astype(np.float32), shell)


def _paint_shoulder_blades(canvas: Canvas, frame: Frame, patient: Patient) -> None:
    """Paint a thin plate between the muscles of the back, thicker at its outer border, with its spine."""
    z = frame.heights[:, None]
    angle = _ANGLE_DEGREES[None, :]
    outer_border = 24.0 + 0.16 * (60.0 - z)  # the blade tapers downwards
    plate = (bump(angle, 54.0, 30.0) > 0.1) * (bump(z, 25.0, 90.0) > 0.1) * (angle > outer_border)
    half = plate * (1.7 + 3.2 * bump(angle, outer_border + 4.0, 9.0))
    middle = frame.cavity - np.float32(SHELL + SUBSCAPULAR * patient.muscle)
    depth = np.abs(middle) - frame.spread(half)
    present = (frame.spread(plate.astype(float)) > 0) * (frame.skin < -6.0)
    canvas.paint(coverage(depth, canvas.block.pixel) * present, 480.0)
    for side in (-1.0, 1.0):
        spine = tube([(side * 72, 98, 50), (side * 105, 82, 68), (side * 140, 50, 92)], [3.0, 4.5, 6.0])
        canvas.paint_union(spine, 430.0)


def _paint_sternum(canvas: Canvas) -> None:
    """Manubrium, body and xiphoid as one rounded plate along the sloping front."""
    window = canvas.block.window((-34.0, -125.0, -135.0), (34.0, -35.0, 72.0))
    if window is None:
        return
    block = canvas.block.cut(window)
    z = block.z
    half_width = np.interp(z, [-128, -108, -95, -40, 25, 36, 60, 70], [3.0, 7.0, 15.0, 16.0, 13.0, 20.0, 26.0, 20.0])
    half_depth = np.interp(z, [-128, -105, -60, 60, 70], [2.5, 4.0, 5.6, 6.8, 5.5])
    across = np.abs(block.x) - (half_width.astype(np.float32) - 4.5)
    depth = np.abs(block.y - sternum_y(z).astype(np.float32)) - (half_depth.astype(np.float32) - 4.5)
    edge = np.maximum(z - 66.0, -128.0 - z)
    outside = np.hypot(np.maximum(across, 0.0), np.maximum(depth, 0.0)) + np.minimum(np.maximum(across, depth), 0.0)
    plate: Floats = np.maximum(outside - np.float32(4.5), edge)
    canvas.paint(coverage(plate, block.pixel), 290.0, window)
    canvas.paint(coverage(plate + 1.8, block.pixel), 130.0, window)


def paint_spine(canvas: Canvas, patient: Patient) -> None:
    """Paint vertebral bodies, discs, canal and the arch with its processes."""
    window = canvas.block.window((-48.0, -5.0, -1e3), (48.0, 125.0, 1e3))
    if window is None:
        return
    block = canvas.block.cut(window)
    z = block.z
    y = block.y - spine_y(z).astype(np.float32)
    up = z - np.float32(VERTEBRA_HEIGHT) * np.rint(z / np.float32(VERTEBRA_HEIGHT))
    local = Block(up, y, block.x, block.pixel)
    marrow = float(np.clip(225.0 - 1.5 * (patient.age - 20), 105.0, 225.0))  # bone thins with age
    _paint_arch(canvas, window, local, marrow)
    _paint_bodies(canvas, window, local, z, marrow)
    canal = (np.sqrt((local.x / 10.0) ** 2 + ((y - 23.5) / 8.6) ** 2) - 1.0) * np.float32(9.0)
    canvas.paint(coverage(canal, block.pixel), 8.0, window)
    canvas.paint(coverage(canal + 3.2, block.pixel), CORD_HU, window)


def _paint_bodies(canvas: Canvas, window: tuple[slice, slice, slice], local: Block, z: Floats, marrow: float) -> None:
    pixel = local.pixel
    size = np.interp(z, [-170.0, 0.0, 120.0], [1.2, 1.0, 0.88]).astype(np.float32)
    waist = 1.0 - 0.05 * np.cos(local.z * np.float32(2 * np.pi / VERTEBRA_HEIGHT))
    ring = np.sqrt((local.x / (16.5 * size)) ** 2 + (local.y / (14.0 * size)) ** 2) / waist
    side: Floats = (ring - 1.0) * 15.0
    dent: Floats = 13.0 - np.hypot(local.x, local.y - 26.0)  # the back of a body is hollow
    disc = np.maximum(side, dent)
    bone: Floats = np.maximum(disc, np.abs(local.z) - np.float32(9.6))
    canvas.paint(coverage(disc, pixel), DISC_HU, window)
    canvas.paint(coverage(bone, pixel), 340.0, window)
    canvas.paint(coverage(bone + 1.1, pixel), marrow, window)


def _paint_arch(canvas: Canvas, window: tuple[slice, slice, slice], local: Block, marrow: float) -> None:
    pixel = local.pixel
    across = np.abs(local.x)
    slanted = local.z + 0.55 * np.maximum(local.y - 34.0, 0.0)
    slanted = slanted - np.float32(VERTEBRA_HEIGHT) * np.rint(slanted / np.float32(VERTEBRA_HEIGHT))
    # pedicle, lamina, facet, transverse process, spinous process: ends in (x, y), radius, middle and half height in z
    parts = (
        ((10.5, 10.0), (12.0, 25.0), 4.2, local.z - 4.0, 6.0),
        ((12.5, 26.0), (0.0, 37.0), 3.6, local.z, 9.5),
        ((14.0, 26.0), (15.0, 28.0), 4.8, local.z, 12.0),
        ((13.0, 27.0), (33.0, 37.0), 4.4, local.z - 3.0, 5.5),
        ((0.0, 36.0), (0.0, 60.0), 3.0, slanted, 6.5),
    )
    depth: Floats | None = None
    for start, end, radius, up, half in parts:
        u, v = end[0] - start[0], end[1] - start[1]
        dx, dy = across - start[0], local.y - start[1]
        along = np.clip((dx * u + dy * v) / (u * u + v * v), 0.0, 1.0)
        capsule: Floats = np.hypot(dx - along * u, dy - along * v) - np.float32(radius)
        part = np.maximum(capsule, np.abs(up) - np.float32(half))
        depth = part if depth is None else np.minimum(depth, part)
    depth = cast(Floats, depth)
    canvas.paint(coverage(depth, pixel), 430.0, window)
    canvas.paint(coverage(depth + 1.5, pixel), marrow + 40.0, window)
