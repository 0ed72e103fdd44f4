"""What another reader makes of our NIfTI files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.nifti import nifti_gz

# the middle of the array is the origin of the room
CENTRED = Geometry((4, 3, 2), (0.8, 0.7, 5.0), (-1.2, -0.7, -2.5), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_simpleitk_reads_voxels_spacing_axes_and_scale(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / "crop.nii.gz"
    path.write_bytes(nifti_gz(voxels, geometry=CENTRED, slope=2.0, intercept=-10.0))
    image = sitk.ReadImage(str(path))
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), voxels * 2.0 - 10.0)
    np.testing.assert_allclose(image.GetSpacing(), (0.8, 0.7, 5.0), rtol=1e-6)
    # SimpleITK's own axes are LPS, as ours: x to the left, y to posterior, z to the head
    np.testing.assert_allclose(image.GetDirection(), (1, 0, 0, 0, 1, 0, 0, 0, 1), atol=1e-6)
    # the middle of the array is the origin of the room
    middle = image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()])
    np.testing.assert_allclose(middle, (0, 0, 0), atol=1e-5)


def test_the_same_voxels_give_the_same_bytes() -> None:
    voxels = np.zeros((2, 2, 2), np.uint8)
    assert nifti_gz(voxels, geometry=CENTRED) == nifti_gz(voxels, geometry=CENTRED)
