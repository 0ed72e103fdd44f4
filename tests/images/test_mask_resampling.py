"""Nearest neighbour: the label of the voxel in which a centre lies, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import GeometryMismatchError, LabelValueError
from nnunet_amt.images.geometry import Geometry, described
from nnunet_amt.images.mask_file import IGNORE_KEY, IGNORE_LABEL, open_label_file
from tests.dataset_conversion.cohort_fixtures import ORIGIN, SPACING, make_mask, write_image

UPRIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_voxels_of_a_third_of_the_thickness_take_the_label_of_the_slice_they_lie_in(tmp_path: Path) -> None:
    """Slices of 5 mm become three each; the first centre lies 5/3 mm below that of its slice."""
    path = write_image(tmp_path / "m.nii.gz", make_mask())
    thin = Geometry((11, 9, 12), (*SPACING[:2], 5 / 3), (*ORIGIN[:2], ORIGIN[2] - 5 / 3), UPRIGHT)
    mask = open_label_file(path, grid=thin, resample=True).read(thin)
    np.testing.assert_array_equal(mask, make_mask().repeat(3, axis=0))


def test_a_mask_of_a_part_of_the_ct_is_background_elsewhere(tmp_path: Path) -> None:
    """The mask covers slices 1 and 2 of the CT only, and columns 3 to 6: the tumour and nothing else."""
    origin = (ORIGIN[0] + 3 * SPACING[0], ORIGIN[1] + 2 * SPACING[1], ORIGIN[2] + SPACING[2])
    path = write_image(tmp_path / "m.nii.gz", make_mask()[1:3, 2:5, 3:7], origin=origin)
    grid = Geometry((11, 9, 4), SPACING, ORIGIN, UPRIGHT)
    np.testing.assert_array_equal(open_label_file(path, grid=grid, resample=True).read(grid), make_mask())


def test_what_a_partial_mask_does_not_cover_is_ignored(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(make_mask()[1:3])
    image.SetSpacing(SPACING)
    image.SetOrigin((ORIGIN[0], ORIGIN[1], ORIGIN[2] + SPACING[2]))
    image.SetMetaData(IGNORE_KEY, str(IGNORE_LABEL))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    grid = Geometry((11, 9, 4), SPACING, ORIGIN, UPRIGHT)
    mask = open_label_file(tmp_path / "m.nrrd", grid=grid, resample=True).read(grid)
    expected = make_mask()
    expected[[0, 3]] = IGNORE_LABEL
    np.testing.assert_array_equal(mask, expected)


def test_tumour_outside_the_ct_is_refused_with_both_grids(tmp_path: Path) -> None:
    """The CT has slice 0 and 1 of four; the tumour is on 1 and 2, so half of its 24 voxels are lost."""
    path = write_image(tmp_path / "m.nii.gz", make_mask())
    grid = Geometry((11, 9, 2), SPACING, ORIGIN, UPRIGHT)
    with pytest.raises(GeometryMismatchError) as error:
        open_label_file(path, grid=grid, resample=True).read(grid)
    assert "m.nii.gz: 12 of 24 tumour voxels lie outside the CT, which has 11 x 9 x 2 voxels of" in str(error.value)
    assert "the mask 11 x 9 x 4 voxels of 0.8 x 0.7 x 5 mm from (-12.5, 3.25, 40)" in str(error.value)


def test_a_lesion_between_the_centres_of_a_coarse_ct_is_no_mask(tmp_path: Path) -> None:
    mask = np.zeros((4, 9, 11), np.uint8)
    mask[1, 4, 5] = 1
    coarse = Geometry((4, 3, 4), (SPACING[0] * 3, SPACING[1] * 3, SPACING[2]), ORIGIN, UPRIGHT)
    path = write_image(tmp_path / "m.nii.gz", mask)
    with pytest.raises(LabelValueError, match=r"m\.nii\.gz, resampled to the CT's grid: is empty"):
        open_label_file(path, grid=coarse, resample=True).read(coarse)


def test_a_mask_on_the_grid_is_not_resampled(tmp_path: Path) -> None:
    grid = Geometry((11, 9, 4), SPACING, ORIGIN, UPRIGHT)
    assert not open_label_file(write_image(tmp_path / "m.nii.gz", make_mask()), grid=grid, resample=True).resample


def test_a_grid_in_words() -> None:
    grid = Geometry((512, 512, 60), (0.7, 0.7, 5.0), (-179.2, -0.0, 40.0), UPRIGHT)
    assert described(grid) == "512 x 512 x 60 voxels of 0.7 x 0.7 x 5 mm from (-179.2, 0, 40)"
