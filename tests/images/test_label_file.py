"""Masks that are on another grid, or are no masks, would train a wrong model without a sign."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import GeometryMismatchError, LabelValueError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import open_image_file
from nnunet_amt.images.mask_file import open_label_file, tumour_mask
from tests.dataset_conversion.cohort_fixtures import ORIGIN, SPACING, make_ct, make_mask, write_image


@pytest.fixture
def grid(tmp_path: Path) -> Geometry:
    return open_image_file(write_image(tmp_path / "ct.nii.gz", make_ct(0))).geometry


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_masks_of_any_type_and_format_become_zero_and_one(
    tmp_path: Path, grid: Geometry, ending: str, kind: type
) -> None:
    mask = open_label_file(write_image(tmp_path / f"m.{ending}", make_mask().astype(kind)), grid=grid).read(grid)
    np.testing.assert_array_equal(mask, make_mask())
    assert mask.dtype == np.uint8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spacing": (0.8, 0.7, 3.0)}, r"spacing \(0\.8, 0\.7, 3\) against \(0\.8, 0\.7, 5\)"),
        ({"origin": (-12.5, 3.25, 45.0)}, r"origin \(-12\.5, 3\.25, 45\) against \(-12\.5, 3\.25, 40\)"),
        ({"direction": (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8)}, r"direction \(1, 0, 0, 0, 0\.8, -0\.6"),
    ],
)
def test_masks_on_another_grid_are_refused_with_both_values(
    tmp_path: Path, grid: Geometry, changes: dict[str, tuple[float, ...]], message: str
) -> None:
    path = write_image(tmp_path / "m.nii.gz", make_mask(), **changes)
    with pytest.raises(GeometryMismatchError, match=r"m\.nii\.gz: does not lie on the grid of the CT: " + message):
        open_label_file(path, grid=grid)


def test_masks_of_another_size_are_refused(tmp_path: Path, grid: Geometry) -> None:
    path = write_image(tmp_path / "m.nii.gz", make_mask()[:3])
    with pytest.raises(GeometryMismatchError, match=r"size \(11, 9, 3\) against \(11, 9, 4\) of the CT"):
        open_label_file(path, grid=grid)


def test_rounding_of_the_header_is_no_other_grid(tmp_path: Path, grid: Geometry) -> None:
    origin = (ORIGIN[0] + 0.0004, ORIGIN[1], ORIGIN[2])
    spacing = (SPACING[0], SPACING[1] - 0.0004, SPACING[2])
    open_label_file(write_image(tmp_path / "m.nii.gz", make_mask(), origin=origin, spacing=spacing), grid=grid)


def test_a_mask_stored_the_other_way_round_is_turned(tmp_path: Path, grid: Geometry) -> None:
    """Some tools flip rows and columns in the file and say so in its header: the same grid, voxel by voxel."""
    origin = (ORIGIN[0] + 10 * SPACING[0], ORIGIN[1] + 8 * SPACING[1], ORIGIN[2])
    path = write_image(
        tmp_path / "m.nii.gz", make_mask()[:, ::-1, ::-1], origin=origin, direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    )
    np.testing.assert_array_equal(open_label_file(path, grid=grid).read(grid), make_mask())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 255, 255], "holds 2 voxels with other values than 0 .* 255; divide it by 255"),
        ([0, 1, 2], "holds 1 voxels .*: 2$"),
        ([0, 1, 255], "holds 1 voxels .*: 255$"),
        ([0.0, 0.5, 1.0], r": 0\.5$"),
        ([0, -1, 1], ": -1$"),
        ([0.0, float("nan"), 1.0], ": nan$"),
        ([0, 2, 3, 4, 5, 6, 7], r": 2, 3, 4, 5, 6, \.\.\.$"),
        ([0, 0, 0], "is empty, no voxel is tumour"),
    ],
)
def test_other_labels_and_empty_masks_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(LabelValueError, match=r"^m\.nii\.gz: .*" + message):
        tumour_mask(np.array(values), name="m.nii.gz")
