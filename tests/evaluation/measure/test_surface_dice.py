"""The normalised surface Dice: boxes on paper, values published with its definition, and every cube one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import dist, hypot, sqrt

import numpy as np
import pytest

from nnunet_amt.evaluation.measure.surface_dice import cube_areas, surface_dice
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground, Spacing
from tests.evaluation.builders import count, row_mask


def between(first: np.ndarray, second: np.ndarray, spacing: Spacing) -> float | None:
    return surface_dice(Foreground.of(first, spacing).boxes, Foreground.of(second, spacing).boxes, spacing)


def box(shape: Sequence[int], lower: Sequence[int], upper: Sequence[int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    z, y, x = map(slice, lower, upper)
    mask[z, y, x] = 1
    return mask


def cap(edges: tuple[float, float], voxels: tuple[int, int], along: float) -> float:
    """Area in the last cubes of a box: its end face without half a voxel around it, chamfered edges, corners."""
    (a, b), (n, m) = edges, voxels
    corner = sqrt((a * b) ** 2 + (a * along) ** 2 + (b * along) ** 2) / 8
    sides = 2 * (n - 1) * a * hypot(b, along) / 2 + 2 * (m - 1) * b * hypot(a, along) / 2
    return (n - 1) * a * (m - 1) * b + sides + 4 * corner


def side(edges: tuple[float, float], voxels: tuple[int, int], along: float) -> float:
    """Area of a layer of cubes between the ends of a box."""
    (a, b), (n, m) = edges, voxels
    return along * (2 * (n - 1) * a + 2 * (m - 1) * b + 4 * hypot(a, b) / 2)


@pytest.mark.parametrize(
    ("axis", "spacing", "voxels", "layers_away"),
    [
        # (x, y, z) mm; the second box begins and ends so many voxels later along the axis. What is more than 2 mm away:
        (2, (1.0, 1.0, 1.0), 3, 1),  # the end at 3 mm; the layers at 2 and 1 mm are within
        (2, (0.5, 2.0, 5.0), 5, 1),  # 2.5 mm; 2.0 mm is within
        (1, (1.0, 2.0, 5.0), 1, 0),  # 2 mm along y is within
        (1, (1.0, 2.0, 5.0), 2, 1),  # 4 mm
        (0, (1.0, 2.0, 5.0), 1, 1),  # 5 mm along z
        (0, (1.0, 2.0, 0.9), 4, 2),  # 3.6 and 2.7 mm
    ],
)
def test_a_shifted_box_loses_the_ends_of_both(axis: int, spacing: Spacing, voxels: int, layers_away: int) -> None:
    """The end that lies inside the other box is near its walls, as the boxes are thin."""
    sizes = [6, 2, 4]
    sizes[axis] = 12
    lower, later = [1, 1, 1], [1, 1, 1]
    later[axis] += voxels
    shape = [20, 20, 20]
    first = box(shape, lower, np.add(lower, sizes).tolist())
    second = box(shape, later, np.add(later, sizes).tolist())
    edges = [length for i, length in enumerate(spacing[::-1]) if i != axis]
    across = [length for i, length in enumerate(sizes) if i != axis]
    along = spacing[2 - axis]
    end = cap((edges[0], edges[1]), (across[0], across[1]), along)
    layer = side((edges[0], edges[1]), (across[0], across[1]), along)
    total = 2 * end + (12 - 1) * layer
    away = 0.0 if not layers_away else end + (layers_away - 1) * layer
    assert between(first, second, spacing) == pytest.approx(1 - away / total)


def test_values_published_with_the_definition() -> None:
    """Its own tests have these at 1 mm; at twice the spacing they are those at 2 mm."""
    first, second = np.zeros((2, 5, 5, 8), np.uint8)
    first[2, 2, 2] = second[2, 2, 4] = 1
    assert between(first, second, (2.0, 4.0, 6.0)) == pytest.approx(0.5)
    halves = np.ones((100, 100, 100), np.uint8), np.ones((100, 100, 100), np.uint8)
    halves[0][50:] = halves[1][51:] = 0
    assert between(*halves, (2.0, 2.0, 4.0)) == pytest.approx(0.836, abs=5e-4)


def test_equal_masks_agree_and_distant_ones_do_not() -> None:
    first = box((9, 9, 30), (1, 1, 1), (5, 5, 5))
    assert between(first, first, (0.7, 0.7, 5.0)) == 1.0
    assert between(first, box((9, 9, 30), (1, 1, 20), (5, 5, 25)), (1.0, 1.0, 1.0)) == 0.0


def test_an_empty_mask_is_as_for_the_dice() -> None:
    nothing, something = row_mask(9), row_mask(9, (2, 5))
    assert between(nothing, nothing, (1.0, 1.0, 1.0)) is None
    assert between(nothing, something, (1.0, 1.0, 1.0)) == between(something, nothing, (1.0, 1.0, 1.0)) == 0.0


def test_twenty_voxels_of_a_tenth_of_a_millimetre_are_2_mm() -> None:
    """In binary they are a little more; then the whole end would be outside."""
    first, second = box((4, 4, 90), (1, 1, 1), (3, 3, 41)), box((4, 4, 90), (1, 1, 21), (3, 3, 61))
    assert between(first, second, (0.1, 5.0, 5.0)) == 1.0


def test_every_cube_one_by_one() -> None:
    """Random masks in boxes apart, with holes and diagonals: all distances between middles of mixed cubes, by loops."""
    spacing = (1.0, 1.3, 2.5)
    areas = cube_areas(spacing)
    masks = (np.random.default_rng(711).random((2, 5, 6, 9)) < 0.35).astype(np.uint8)
    masks[:, :, :, 4:6] = 0  # the foreground is cut into boxes
    surfaces: list[dict[tuple[float, float, float], float]] = []
    for mask in masks:
        surface = {}
        for z, y, x in product(range(-1, 5), range(-1, 6), range(-1, 9)):
            bits = 0
            for bit, (dz, dy, dx) in enumerate(product((0, 1), repeat=3)):
                at = z + dz, y + dy, x + dx
                inside = all(0 <= index < size for index, size in zip(at, mask.shape, strict=True))
                bits |= int(mask[at] if inside else 0) << bit
            if bits not in (0, 255):
                surface[2.5 * z, 1.3 * y, 1.0 * x] = float(areas[bits])
        surfaces.append(surface)
    within = sum(
        area
        for one, other in (surfaces, surfaces[::-1])
        for place, area in one.items()
        if min(dist(place, there) for there in other) <= 2.0
    )
    total = sum(sum(surface.values()) for surface in surfaces)
    assert between(masks[0], masks[1], spacing) == pytest.approx(within / total)


def test_a_cube_and_the_one_of_all_other_corners_have_one_surface() -> None:
    areas = cube_areas((0.7, 0.9, 2.0))
    assert areas == pytest.approx(areas[::-1])
    assert (areas[0], areas[1]) == (0.0, pytest.approx(sqrt((0.7 * 0.9) ** 2 + (0.7 * 2) ** 2 + (0.9 * 2) ** 2) / 8))
    assert areas[0b00001111] == pytest.approx(0.7 * 0.9)  # the four of z = 0


@pytest.mark.parametrize(
    ("corners", "area"),
    [
        # with voxels of 1 mm, from the published table of surface pieces: corners as (z, y, x)
        ("011 111", sqrt(0.5)),
        ("011 100", 2 * sqrt(3) / 8),  # opposite ones of a face's diagonal: two corners
        ("111 110 101", 0.5 + 3 / 8 * sqrt(3)),
        ("111 110 101 011", 3 / 4 * sqrt(3)),
        ("011 100 110 111", sqrt(3) / 2 + sqrt(0.5)),  # a path along three axes
        ("010 011 100 101", 2 * sqrt(0.5)),
    ],
)
def test_pieces_of_the_published_table(corners: str, area: float) -> None:
    code = sum(1 << int(corner, 2) for corner in corners.split())
    assert cube_areas((1.0, 1.0, 1.0))[code] == pytest.approx(area)


def test_a_case_has_it_where_surfaces_are_measured() -> None:
    settings = EvaluationSettings(surface_distances=True)
    assert count(row_mask(60, (0, 20)), row_mask(60, (0, 20))).surface_dice is None
    assert count(row_mask(60, (0, 20)), row_mask(60, (0, 20)), settings).surface_dice == 1.0
    assert count(row_mask(60), row_mask(60, (0, 20)), settings).surface_dice == 0.0
    assert count(row_mask(60), row_mask(60), settings).surface_dice is None
