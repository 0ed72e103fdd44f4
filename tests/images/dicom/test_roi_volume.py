"""From contours to voxels: planes of any orientation, and what is missing along them; 12 x 10 x 8 voxels (x, y, z)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.errors import ContourError, GeometryMismatchError
from nnunet_amt.images.dicom.contour_gaps import SourcePlanes
from nnunet_amt.images.dicom.roi_volume import Contour, Roi
from nnunet_amt.images.geometry import Geometry

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((12, 10, 8), (0.8, 0.7, 2.5), (-10.0, -20.0, 100.0), UPRIGHT)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
LEFT, RIGHT, MIDDLE = (0.6, 3.4), (7.6, 10.4), (3.6, 7.4)  # along x: columns 1-3, 8-10, 4-7
ROWS = (1.6, 4.4)  # along y: rows 2-4


def outline(
    place: float, first: Sequence[float], second: Sequence[float], *, grid: Geometry = GRID, axis: int = 2
) -> Contour:
    """A rectangle in voxel indices across an axis, from corner to corner along the other two."""
    corners = [(first[0], second[0]), (first[1], second[0]), (first[1], second[1]), (first[0], second[1])]
    index = np.insert(np.array(corners), axis, place, axis=1)
    return Contour("CLOSED_PLANAR", index * grid.spacing @ grid.axes.T + grid.origin)


def roi(*contours: Contour, planes: SourcePlanes | None = None) -> Roi:
    return Roi(3, contours, planes)


def stack(slices: Iterable[int], x: Sequence[float] = MIDDLE) -> list[Contour]:
    return [outline(z, x, ROWS) for z in slices]


def counts(mask: NDArray[np.bool_]) -> list[int]:
    return mask.sum(axis=(1, 2)).tolist()


OBLIQUE = tuple(
    np.round(
        [[np.cos(0.3), -np.sin(0.3), 0.0],
         [np.sin(0.3) * np.cos(0.2), np.cos(0.3) * np.cos(0.2), -np.sin(0.2)],
         [np.sin(0.3) * np.sin(0.2), np.cos(0.3) * np.sin(0.2), np.cos(0.2)]], 12
    ).ravel().tolist()
)  # fmt: skip


@pytest.mark.parametrize("direction", [UPRIGHT, OBLIQUE], ids=["upright", "oblique"])
@pytest.mark.parametrize("axis", [0, 1, 2], ids=["sagittal", "coronal", "axial"])
@pytest.mark.parametrize("edge", [0.0, 0.4], ids=["through centres", "between centres"])
def test_contours_across_any_axis_of_any_grid(direction: tuple[float, ...], axis: int, edge: float) -> None:
    """The same box each time: columns 2-5, rows 3-6, slices 1-4; through the outermost centres or beyond them."""
    grid = Geometry(GRID.size, GRID.spacing, GRID.origin, direction)
    ranges = [(2, 5), (3, 6), (1, 4)]
    low, high = ranges.pop(axis)
    around = [(first - edge, last + edge) for first, last in ranges]
    contours = [outline(place, *around, grid=grid, axis=axis) for place in range(low, high + 1)]
    mask, interpolated = roi(*contours).on(grid)
    expected = np.zeros((8, 10, 12), bool)
    expected[1:5, 3:7, 2:6] = True
    np.testing.assert_array_equal(mask, expected)
    assert interpolated == []


def test_contours_of_several_orientations_are_refused() -> None:
    with pytest.raises(ContourError, match=r"^ROI number 3: a contour is coronal, at y .* draw all of them on axial"):
        roi(outline(2, MIDDLE, ROWS), outline(3, MIDDLE, (1.6, 4.4), axis=1)).on(GRID)


def test_contours_may_run_along_the_edge_of_the_ct() -> None:
    """On the outermost centres of all four sides, and half a pixel beyond."""
    for x, y in (((0, 11), (0, 9)), ((-0.5, 11.5), (-0.5, 9.5)), ((-1.0, 12.0), (-1.0, 10.0))):
        mask, _ = roi(outline(7, x, y)).on(GRID)
        assert counts(mask) == [0] * 7 + [120]
    with pytest.raises(GeometryMismatchError, match=r"lies outside the CT, up to 0\.6 pixels beyond its edge"):
        roi(outline(7, (0, 12.1), (0, 9))).on(GRID)


MISSING = {
    "every second slice": ([1, 3, 5], [2, 4]),
    "every third": ([0, 3, 6], [1, 2, 4, 5]),
    "the first and the last only": ([1, 6], [2, 3, 4, 5]),
    "one forgotten": ([1, 2, 4, 5], [3]),
    "two forgotten": ([0, 1, 4, 5], [2, 3]),
    "every second from the middle on": ([0, 1, 2, 4, 6], [3, 5]),
}


@pytest.mark.parametrize(("drawn", "missing"), MISSING.values(), ids=MISSING.keys())
def test_missing_contours_are_refused_or_interpolated(drawn: list[int], missing: list[int]) -> None:
    """12 pixels a slice; between equal outlines lies the same outline."""
    with pytest.raises(ContourError) as raised:
        roi(*stack(drawn)).on(GRID)
    places = ", ".join(f"z {100 + 2.5 * number:.2f} mm" for number in missing)
    count = "1 slice" if len(missing) == 1 else f"{len(missing)} slices"
    assert str(raised.value) == (
        f"ROI number 3: contours are missing on {count} between others ({places}); draw them, or have them "
        "interpolated (--interpolate-contours), or make ROIs of their own of lesions that are apart"
    )
    mask, interpolated = roi(*stack(drawn)).on(GRID, interpolate=True)
    assert interpolated == missing
    assert counts(mask) == [12 if drawn[0] <= number <= drawn[-1] else 0 for number in range(8)]


def test_no_contour_missing_is_nothing_to_interpolate() -> None:
    mask, interpolated = roi(*stack(range(1, 5))).on(GRID, interpolate=True)
    assert (counts(mask), interpolated) == ([0, 12, 12, 12, 12, 0, 0, 0], [])


def test_what_is_interpolated_lies_half_way() -> None:
    """A square of 7 x 7 pixels below one pixel in its middle: half way, a square of 3 x 3.

    The edge lies where as much is missing to the one as there is in the other: from the middle, d steps to the side,
    the square reaches 4 - d further (to the first pixel outside), and the pixel is d away: 4 - d > d for d up to 1.
    """
    grid = Geometry(GRID.size, (1.0, 1.0, 2.5), GRID.origin, UPRIGHT)
    wide, narrow = (outline(z, edge, edge, grid=grid) for z, edge in ((1, (1.6, 8.4)), (3, (4.6, 5.4))))
    mask, _ = roi(wide, narrow).on(grid, interpolate=True)
    expected = np.zeros((10, 12), bool)
    expected[4:7, 4:7] = True
    np.testing.assert_array_equal(mask[2], expected)
    assert counts(mask) == [0, 49, 9, 1, 0, 0, 0, 0]


def test_two_lesions_beside_each_other_may_lie_on_any_slices() -> None:
    """One on slices 1-3 on the left, one on 5 and 6, or on 5 alone, on the right: nothing is missing between them."""
    for above in ([5, 6], [5]):
        contours = [*stack([1, 2, 3], LEFT), *stack(above, RIGHT)]
        for interpolate in (False, True):
            mask, interpolated = roi(*contours).on(GRID, interpolate=interpolate)
            assert interpolated == []
            assert np.flatnonzero(counts(mask)).tolist() == [1, 2, 3, *above]


def test_two_lesions_above_each_other_have_a_wide_gap_between() -> None:
    """On slices 0, 1 and 5, 6: four steps, 10 mm. With slices of 2 mm it is 8 mm: contours may be missing."""
    contours = stack([0, 1, 5, 6])
    mask, interpolated = roi(*contours).on(GRID, interpolate=True)
    assert (counts(mask), interpolated) == ([12, 12, 0, 0, 0, 12, 12, 0], [])
    thin = Geometry(GRID.size, (0.8, 0.7, 2.0), GRID.origin, UPRIGHT)
    with pytest.raises(ContourError, match=r"contours are missing on 3 slices between others"):
        roi(*[outline(z, MIDDLE, ROWS, grid=thin) for z in (0, 1, 5, 6)]).on(thin)


def test_a_lesion_with_missing_contours_beside_a_whole_one() -> None:
    """On the left every slice is drawn, on the right every second: the ROI as a whole has no slice without contours."""
    contours = [*stack(range(1, 6), LEFT), *stack([1, 3, 5], RIGHT)]
    with pytest.raises(ContourError, match=re.escape("(z 105.00 mm, z 110.00 mm)")):
        roi(*contours).on(GRID)
    mask, interpolated = roi(*contours).on(GRID, interpolate=True)
    assert (counts(mask), interpolated) == ([0, 18, 18, 18, 18, 18, 0, 0], [2, 4])


def test_contours_that_skip_slices_and_do_not_overlap_cannot_be_interpolated() -> None:
    """Nobody can tell three lesions of one slice each from one that was drawn on every second."""
    contours = [*stack([1], LEFT), *stack([3], MIDDLE), *stack([5], RIGHT)]
    for interpolate in (False, True):
        with pytest.raises(ContourError, match="contours are missing on 2 slices between others"):
            roi(*contours).on(GRID, interpolate=interpolate)


@pytest.mark.parametrize(
    ("distance", "drawn", "missing"),
    [
        (2.5, [1, 3, 5], []),
        (2.5, [1, 2, 4, 5], []),
        (2.52, [1, 3, 5], []),
        (1.25, [1, 3, 5], []),
        (5.0, [1, 3, 5], [2, 4]),
        (5.0, [0, 2, 6], [1]),
        (7.5, [0, 3], [1, 2]),
    ],
)
def test_planes_that_the_writer_names_tell_what_is_missing(
    distance: float, drawn: list[int], missing: list[int]
) -> None:
    """On one of these planes without contour the ROI is not (PS3.3 C.8.8.6.4); slices between two planes lack one."""
    planes = SourcePlanes(distance, AXIAL)
    mask, interpolated = roi(*stack(drawn), planes=planes).on(GRID, interpolate=True)
    assert interpolated == missing
    assert np.flatnonzero(counts(mask)).tolist() == sorted({*drawn, *missing})
    if missing:
        with pytest.raises(ContourError, match="contours are missing"):
            roi(*stack(drawn), planes=planes).on(GRID)


@pytest.mark.parametrize(
    "planes",
    [
        SourcePlanes(0.0, AXIAL),
        SourcePlanes(3.4, AXIAL),
        SourcePlanes(2.5, (1.0, 0.0, 0.0, 0.0, 0.0, 1.0)),
        SourcePlanes(float("nan"), AXIAL),
    ],
    ids=["no distance", "between the slices", "coronal", "no number"],
)
def test_planes_that_say_nothing_of_the_slices_are_passed_over(planes: SourcePlanes) -> None:
    with pytest.raises(ContourError, match="contours are missing"):
        roi(*stack([1, 3, 5]), planes=planes).on(GRID)


def test_only_a_few_of_many_places_are_listed() -> None:
    tall = Geometry((12, 10, 40), GRID.spacing, GRID.origin, UPRIGHT)
    with pytest.raises(ContourError) as raised:
        roi(*stack(range(1, 40, 2))).on(tall)
    assert "on 19 slices between others (z 105.00 mm, " in str(raised.value)
    assert "z 125.00 mm and 14 more)" in str(raised.value)
