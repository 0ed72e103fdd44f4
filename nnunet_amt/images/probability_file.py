"""Tumour probabilities of a CT in a small file that any viewer opens: ``probabilities/<case>.nii.gz``.

A NIfTI file of 8 bits whose slope is 1/255, so that readers give probabilities from 0 to 1. It holds the box round all
that is not 0, on the grid of the label map: a crop, where nnU-Net's ``.npz`` holds two 32-bit numbers for every voxel
of the CT. Exactly the voxels of `LOWEST_OF_TUMOUR` and above are tumour in the label map; what is under 0.01 is 0.
Where nothing is above it, one voxel of 0 stands for the whole.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, ImageReadError
from nnunet_amt.images.geometry import Geometry, box_of, corner_in, described, geometry_difference
from nnunet_amt.images.image_file import read_grid
from nnunet_amt.images.integrity import nifti_voxels
from nnunet_amt.images.nifti import write_nifti

FOLDER = "probabilities"
# Beside it, a file a case: of which model, image and operating point a label map is.
RECORDS = "prediction_records"
# A level is a probability times 255, rounded; smaller ones than 3 are written as 0.
HIGHEST_LEVEL, LOWEST_LEVEL = 255, 3
# 127.5 is one half; rounding never carries a voxel over it, see `LOWEST_OF_TUMOUR` in the module's description.
LOWEST_OF_TUMOUR = 128

_ROUNDING_MM = 0.01  # NIfTI keeps positions with seven digits
_AGAIN = "predict this case again"


def probability_file(predictions: Path, case: str) -> Path:
    """Give the path of the probabilities of a case in a folder of predictions."""
    return predictions / FOLDER / f"{case}.nii.gz"


def write_probabilities(path: Path, levels: NDArray[np.uint8], *, geometry: Geometry) -> None:
    """Write the box round what is not 0 of levels (z, y, x) on a grid; whole or not at all."""
    found = [np.flatnonzero(levels.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    low = [int(planes[0]) if planes.size else 0 for planes in found]  # (z, y, x)
    high = [int(planes[-1]) + 1 if planes.size else 1 for planes in found]
    box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    crop = levels[box]
    write_nifti(path, crop, geometry=box_of(geometry, low[::-1], crop.shape[::-1]), slope=1 / HIGHEST_LEVEL)


def read_probabilities(path: Path, grid: Geometry) -> NDArray[np.uint8]:
    """Read the levels of all voxels, (z, y, x), of the `grid` of the label map.

    Raises
    ------
    ImageReadError
        If the file is damaged, or not what `write_probabilities` writes.
    GeometryMismatchError
        If it does not lie in the grid, voxel on voxel.
    """
    stated = read_grid(path, name=str(path))
    corner = np.array(corner_in(grid, stated))  # (x, y, z)
    difference = geometry_difference(stated, box_of(grid, corner.tolist(), stated.size), tolerance=_ROUNDING_MM)
    if difference or (corner < 0).any() or (corner + stated.size > grid.size).any():
        raise GeometryMismatchError(
            f"{path}: lies on {described(stated)}, which is no part of the grid of its label map, {described(grid)}; "
            f"{_AGAIN}"
        )
    crop = nifti_voxels(path, name=str(path))
    if crop.dtype != np.uint8:
        raise ImageReadError(f"{path}: has voxels of type {crop.dtype}, probabilities have uint8; {_AGAIN}")
    crop = crop.reshape(crop.shape[-3:])
    levels = np.zeros(grid.size[::-1], np.uint8)
    first: list[int] = corner[::-1].tolist()  # (z, y, x)
    box = tuple(slice(start, start + edge) for start, edge in zip(first, stated.size[::-1], strict=True))
    levels[box] = crop
    return levels
