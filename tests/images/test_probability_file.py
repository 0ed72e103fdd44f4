"""Probabilities in a crop of 8 bits: on the grid of the label map, and readable by everybody."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import BadInputError, GeometryMismatchError, ImageReadError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.images.probability_file import probability_file, read_probabilities, write_probabilities

OBLIQUE = (1.0, 0.0, 0.0, 0.0, 0.8, -0.6, 0.0, 0.6, 0.8)
GRID = Geometry((9, 8, 7), (0.7, 0.8, 5.0), (-12.0, -30.0, 100.0), OBLIQUE)


def levels() -> np.ndarray:
    """Two candidates far from each other, (z, y, x)."""
    array = np.zeros(GRID.size[::-1], np.uint8)
    array[2, 3, 4], array[4, 5, 7] = 51, 255
    return array


def test_crop_reads_back_and_lies_where_it_was(tmp_path: Path) -> None:
    path = probability_file(tmp_path, "a")
    assert path == tmp_path / "probabilities" / "a.nii.gz"
    write_probabilities(path, levels(), geometry=GRID)
    assert np.array_equal(read_probabilities(path, GRID), levels())
    image = sitk.ReadImage(str(path))
    assert image.GetSize() == (4, 3, 3)  # from the one candidate to the other
    assert sitk.GetArrayFromImage(image)[0, 0, 0] == pytest.approx(0.2)  # 51 / 255
    whole = sitk.GetImageFromArray(levels())
    GRID.set_on(whole)
    assert image.GetOrigin() == pytest.approx(whole.TransformIndexToPhysicalPoint((4, 3, 2)), abs=1e-4)
    assert np.asarray(nib.load(path).dataobj).max() == pytest.approx(1.0)  # type: ignore[attr-defined]


def test_nothing_is_one_voxel_of_0(tmp_path: Path) -> None:
    write_probabilities(tmp_path / "a.nii.gz", np.zeros_like(levels()), geometry=GRID)
    assert sitk.ReadImage(str(tmp_path / "a.nii.gz")).GetSize() == (1, 1, 1)
    assert not read_probabilities(tmp_path / "a.nii.gz", GRID).any()


def moved(grid: Geometry, **changes: tuple) -> Geometry:
    return Geometry(**{**grid.__dict__, **changes})


@pytest.mark.parametrize(
    "grid",
    [
        moved(GRID, spacing=(0.7, 0.8, 4.0)),
        moved(GRID, origin=(-12.3, -30.0, 100.0)),  # between voxels
        moved(GRID, origin=(-12.0 + 0.7 * 5, -30.0, 100.0)),  # it would begin before the grid
        moved(GRID, size=(7, 8, 7)),  # it would end behind it
        moved(GRID, direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)),
    ],
    ids=["spacing", "between voxels", "before", "behind", "direction"],
)
def test_what_is_of_another_grid_is_refused(tmp_path: Path, grid: Geometry) -> None:
    write_probabilities(tmp_path / "a.nii.gz", levels(), geometry=GRID)
    with pytest.raises(GeometryMismatchError, match="no part of the grid of its label map") as raised:
        read_probabilities(tmp_path / "a.nii.gz", grid)
    assert "\n" not in str(raised.value)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    write_nifti(path, levels().astype(np.int16), geometry=GRID)
    with pytest.raises(ImageReadError, match="has voxels of type int16, probabilities have uint8; predict this case"):
        read_probabilities(path, GRID)
    write_probabilities(path, levels(), geometry=GRID)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadInputError, match="is damaged"):
        read_probabilities(path, GRID)
