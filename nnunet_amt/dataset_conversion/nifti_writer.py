"""Write NIfTI files.

Not with SimpleITK: its NIfTI writer reports success when the disk is full.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from nnunet_amt.files import atomic_path
from nnunet_amt.geometry import Geometry

__all__ = ["write_nifti"]

_HEADER_BYTES = 352
_COMPRESSION = 1  # CT noise hardly compresses further, whatever the time


def write_nifti(path: Path, array: NDArray, geometry: Geometry) -> None:
    """Write a compressed NIfTI file, whole or not at all; the same voxels always give the same bytes.

    Parameters
    ----------
    path
        Must end in ``.nii.gz``.
    array
        Voxels, (z, y, x).
    geometry
        The grid, (x, y, z), LPS.

    Raises
    ------
    DiskFullError
        If the disk filled up.
    """
    header = nibabel.Nifti1Header()
    header.set_data_shape(array.shape[::-1])  # (x, y, z)
    header.set_data_dtype(array.dtype)
    affine = _ras_affine(geometry)
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = _HEADER_BYTES
    header["scl_slope"], header["scl_inter"] = 1, 0
    with (
        atomic_path(path) as partial,
        partial.open("wb") as file,
        gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as stream,
    ):
        stream.write(header.binaryblock.ljust(_HEADER_BYTES, b"\0"))
        stream.write(np.ascontiguousarray(array).data)


def _ras_affine(geometry: Geometry) -> NDArray[np.float64]:
    """Voxel index to mm, (4, 4); NIfTI's x and y run against LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(geometry.direction, (3, 3)) * geometry.spacing
    affine[:3, 3] = geometry.origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
