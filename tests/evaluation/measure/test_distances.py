"""Diameters of lesions, and distances between surfaces."""

from __future__ import annotations

from math import hypot, sqrt

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from nnunet_amt.evaluation.measure import distances
from nnunet_amt.evaluation.measure.distances import SurfaceDistances, largest_diameters, surface_distances
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from tests.evaluation.builders import SPACING, count, row_mask


def largest_in_plane_diameter(mask: np.ndarray, spacing_yx: tuple[float, float]) -> float:
    return largest_diameters(mask, (spacing_yx[1], spacing_yx[0], 5.0)).axial


def test_a_voxel_is_as_long_as_its_longer_edge() -> None:
    assert largest_in_plane_diameter(np.ones((1, 1, 1), bool), (2.0, 0.5)) == pytest.approx(2.0)


def test_a_row_of_voxels_is_as_long_as_the_row() -> None:
    assert largest_in_plane_diameter(np.ones((1, 1, 10), bool), (1.0, 0.7)) == pytest.approx(7.0)
    assert largest_in_plane_diameter(np.ones((1, 10, 1), bool), (0.7, 1.0)) == pytest.approx(7.0)


def test_a_square_is_measured_between_the_outer_faces_of_opposite_corner_voxels() -> None:
    # From the middle of the left face of one corner voxel to the right face of the opposite one: 5 across, 4 up.
    assert largest_in_plane_diameter(np.ones((1, 5, 5), bool), (1.0, 1.0)) == pytest.approx(sqrt(5**2 + 4**2))


def test_slices_are_measured_one_by_one() -> None:
    # A column through 20 slices is one voxel wide in each of them, however tall it stands.
    assert largest_in_plane_diameter(np.ones((20, 1, 1), bool), (1.0, 1.0)) == pytest.approx(1.0)
    # Two slices with a voxel each at opposite ends do not add up either.
    mask = np.zeros((2, 1, 9), bool)
    mask[0, 0, 0] = mask[1, 0, 8] = True
    assert largest_in_plane_diameter(mask, (1.0, 1.0)) == pytest.approx(1.0)


def test_the_largest_slice_counts_even_where_another_has_the_larger_bounding_box() -> None:
    mask = np.zeros((2, 11, 11), bool)
    mask[0, :8, 0] = mask[0, 0, :8] = True  # an L in a box of 8 by 8, whose diagonal is 11.3
    # From the lower face of the one end (7.5, 0) to the upper face of the other (-0.5, 7).
    assert largest_in_plane_diameter(mask[:1], (1.0, 1.0)) == pytest.approx(hypot(8, 7))
    mask[1, 3, :] = True  # a row of 11 in a box of 11 by 1, whose diagonal is 11.05
    assert largest_in_plane_diameter(mask, (1.0, 1.0)) == pytest.approx(11.0)


def test_a_disc_has_its_diameter() -> None:
    y, x = np.mgrid[-60:61, -60:61] * 0.7
    disc = (y**2 + x**2 <= 35.0**2)[None]
    assert largest_in_plane_diameter(disc, (0.7, 0.7)) == pytest.approx(70.0, abs=0.7)


def test_nothing_is_zero() -> None:
    assert largest_in_plane_diameter(np.zeros((2, 3, 3), bool), (1.0, 1.0)) == 0.0


@given(arrays(bool, (2, 5, 6)), st.sampled_from([(1.0, 1.0), (0.7, 0.9), (3.0, 0.5)]))
@settings(max_examples=50, deadline=None)
def test_no_two_face_midpoints_of_a_slice_lie_further_apart(mask: np.ndarray, spacing: tuple[float, float]) -> None:
    longest = 0.0
    for plane in mask:
        centres = np.argwhere(plane)
        faces = np.array([centres + step for step in ((0, 0.5), (0, -0.5), (0.5, 0), (-0.5, 0))]).reshape(-1, 2)
        points = faces * spacing
        longest = max([longest, *(float(np.linalg.norm(points - point, axis=1).max()) for point in points)])
    assert largest_in_plane_diameter(mask, spacing) == pytest.approx(longest)


def test_in_space_a_column_is_as_long_as_it_is_high() -> None:
    assert largest_diameters(np.ones((4, 1, 1), bool), (0.7, 0.7, 5.0)).maximum == pytest.approx(20.0)


def test_in_space_a_box_is_measured_between_opposite_faces_of_its_corners() -> None:
    # 5 voxels each way of 1 mm: 5 along one axis, from face to face, and 4 along the others, from centre to centre.
    assert largest_diameters(np.ones((5, 5, 5), bool), (1.0, 1.0, 1.0)).maximum == pytest.approx(sqrt(25 + 16 + 16))


def test_a_ball_has_its_diameter_in_space_and_in_its_middle_slice() -> None:
    z, y, x = np.mgrid[-20:21, -30:31, -30:31] * np.array([1.5, 1.0, 1.0])[:, None, None, None]
    found = largest_diameters(z**2 + y**2 + x**2 <= 29.0**2, (1.0, 1.0, 1.5))
    assert found.axial == pytest.approx(58.0, abs=1.0)
    assert found.maximum == pytest.approx(58.0, abs=1.5)


@given(arrays(bool, (4, 5, 6)), st.sampled_from([(1.0, 1.0, 1.0), (0.7, 0.9, 3.0), (3.0, 0.5, 0.4)]))
@settings(max_examples=50, deadline=None)
def test_no_two_face_midpoints_lie_further_apart(mask: np.ndarray, spacing: tuple[float, float, float]) -> None:
    centres = np.argwhere(mask)
    points = np.concatenate([centres + 0.5 * sign * axis for axis in np.eye(3) for sign in (-1, 1)]) * spacing[::-1]
    longest = max((float(np.linalg.norm(points - point, axis=1).max()) for point in points), default=0.0)
    assert largest_diameters(mask, spacing).maximum == pytest.approx(longest)


@st.composite
def blobs(draw: st.DrawFn) -> np.ndarray:
    """One to three ellipsoids in (z, y, x), which may touch, and single voxels: outlines of up to 200 points."""
    mask = np.zeros((5, 30, 34), bool)
    grid = np.indices(mask.shape)
    for _ in range(draw(st.integers(1, 3))):
        centre = [draw(st.floats(0, size - 1)) for size in mask.shape]
        radii = [draw(st.floats(0.6, limit)) for limit in (4.0, 16.0, 16.0)]
        mask |= sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True)) <= 1
    for z, y, x in draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 29), st.integers(0, 33)), max_size=2)):
        mask[z, y, x] = True
    return mask


@given(blobs(), st.sampled_from([(1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (2.0, 0.5, 0.4), (0.683594, 0.683594, 1.25)]))
@settings(max_examples=60, deadline=None)
def test_the_points_that_are_not_measured_could_not_be_the_ends(
    mask: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    # A voxel between four others of its slice ends no longest line: one of them lies farther out.
    centres = np.argwhere(mask & ~binary_erosion(mask, np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]])))
    points = np.stack([centres + 0.5 * sign * axis for axis in np.eye(3) for sign in (-1, 1)]) * spacing[::-1]
    slices = [points[2:, centres[:, 0] == z].reshape(-1, 3) for z in np.unique(centres[:, 0])]
    found = largest_diameters(mask, spacing)
    assert found.axial == pytest.approx(max((cdist(plane, plane).max() for plane in slices), default=0.0), rel=1e-12)
    everywhere = points.reshape(-1, 3)
    assert found.maximum == pytest.approx(cdist(everywhere, everywhere).max(initial=0.0), rel=1e-12)


def test_no_line_of_a_disc_is_left_out() -> None:
    """From every point of a circle another one is as far away as can be: none can be passed over."""
    y, x = np.mgrid[-70:71, -70:71]
    ends = np.argwhere((y**2 + x**2 <= 70**2) & (y**2 + x**2 > 68**2))
    faces = np.concatenate([ends + step for step in ((0, 0.5), (0, -0.5), (0.5, 0), (-0.5, 0))])
    found = largest_diameters((y**2 + x**2 <= 70**2)[None], (1.0, 1.0, 1.0))
    assert found.axial == pytest.approx(cdist(faces, faces).max(), rel=1e-12)


def test_many_slices_and_many_ends_are_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(711).random((40, 12, 12)) < 0.3
    whole = largest_diameters(mask, (0.7, 0.7, 1.25))
    monkeypatch.setattr(distances, "_SLICES_AT_ONCE", 3)
    monkeypatch.setattr(distances, "_DISTANCES_AT_ONCE", 5)
    assert largest_diameters(mask, (0.7, 0.7, 1.25)) == whole


def between(first: np.ndarray, second: np.ndarray) -> SurfaceDistances | None:
    return surface_distances(Foreground.of(first, SPACING).boxes, Foreground.of(second, SPACING).boxes, SPACING)


def test_equal_masks_are_nowhere_apart() -> None:
    assert between(row_mask(9, (2, 6)), row_mask(9, (2, 6))) == SurfaceDistances(0.0, 0.0, 0.0)


def test_a_shift_counts_in_millimetres_along_each_axis() -> None:
    # One voxel each, two voxels apart; voxels are 1 x 2 x 5 mm.
    for axis, step in enumerate((5.0, 2.0, 1.0)):
        first, second = np.zeros((2, 3, 3, 3), np.uint8)
        first[0, 0, 0] = 1
        second[tuple(2 * np.eye(3, dtype=int)[axis])] = 1
        assert between(first, second) == SurfaceDistances(2 * step, 2 * step, 2 * step)


def test_percentile_and_average() -> None:
    # All voxels of a row are surface. From 10 voxels to 1 of them: 0, 1, ... 9 mm; back: 0 mm. 45 mm over 11 points.
    found = between(row_mask(10, (0, 10)), row_mask(10, (0, 1)))
    assert found is not None
    assert found.hausdorff == 9.0
    assert found.hausdorff95 == pytest.approx(8.55)  # linear between the 9th and the 10th
    assert found.average == pytest.approx(45 / 11)


def test_nothing_is_nowhere() -> None:
    assert between(row_mask(5), row_mask(5, (0, 1))) is None


def test_the_longest_distance_of_random_masks_is_that_of_simpleitk() -> None:
    # Its filter takes all voxels, but those inside a mask are never the farthest of convex balls.
    z, y, x = np.mgrid[:12, :30, :40]
    masks = [
        ((5 * (z - 6)) ** 2 + (2 * (y - 14)) ** 2 + (x - centre) ** 2 < radius**2).astype(np.uint8)
        for centre, radius in ((14, 11), (22, 8))
    ]
    images = [sitk.GetImageFromArray(mask) for mask in masks]
    for image in images:
        image.SetSpacing(SPACING)
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*images)
    found = between(*masks)
    assert found is not None
    assert found.hausdorff == pytest.approx(hausdorff.GetHausdorffDistance(), abs=1e-4)


def test_they_are_measured_only_if_asked_for_and_between_best_partners() -> None:
    reference, prediction = row_mask(70, (0, 20), (50, 60)), row_mask(70, (0, 18), (30, 40))
    assert count(prediction, reference).surface_distances is None
    counts = count(prediction, reference, EvaluationSettings(surface_distances=True))
    assert set(counts.lesion_surface_distances) == {(0, 0)}
    assert counts.lesion_surface_distances[0, 0].hausdorff == 2.0
    assert counts.surface_distances is not None
    assert counts.surface_distances.hausdorff == 20.0  # from the missed lesion's end at 59 to the prediction's at 39
