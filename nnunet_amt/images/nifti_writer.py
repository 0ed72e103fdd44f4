"""Write NIfTI files.

Not with SimpleITK: its NIfTI writer reports success when the disk is full. Compressed with isal where it is
installed, which takes a fifth of zlib's time at the same size; the voxels are the same either way.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO

import nibabel
import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import atomic_path
from nnunet_amt.images.geometry import Geometry

try:
    from isal.igzip import IGzipFile
except ImportError:  # no wheel for this machine
    _HAS_ISAL = False
else:
    _HAS_ISAL = True

_HEADER_BYTES = 352
# CT noise hardly compresses further, whatever the time. Masks are long runs of one value, which isal's level 1 packs
# three times smaller than its level 3, in a twentieth of the time.
_CT_LEVEL = 3
_MASK_LEVEL = 1
_ZLIB_LEVEL = 1


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
    level = _MASK_LEVEL if array.dtype == np.uint8 else _CT_LEVEL
    with atomic_path(path) as partial, partial.open("wb") as file, _compressed(file, level) as stream:
        stream.write(header.binaryblock.ljust(_HEADER_BYTES, b"\0"))
        for plane in np.ascontiguousarray(array):  # planes fit into the processor's cache
            stream.write(plane.data)


def _compressed(file: IO[bytes], level: int) -> gzip.GzipFile:
    """Open a gzip stream whose header holds neither a name nor a time."""
    if _HAS_ISAL:
        return IGzipFile("", "wb", level, file, mtime=0)
    return gzip.GzipFile("", "wb", _ZLIB_LEVEL, file, mtime=0)


def _ras_affine(geometry: Geometry) -> NDArray[np.float64]:
    """Voxel index to mm, (4, 4); NIfTI's x and y run against LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(geometry.direction, (3, 3)) * geometry.spacing
    affine[:3, 3] = geometry.origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
