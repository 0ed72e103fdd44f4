"""Arrays as gzip'ed NIfTI: what the viewer in the page reads."""

from __future__ import annotations

import gzip
import struct

import numpy as np

_HEADER_BYTES = 352  # 348 and an empty extension flag
_UINT8 = 2
_MILLIMETRES = 2
_SCANNER = 1


def nifti_gz(
    voxels: np.ndarray, spacing: tuple[float, float, float], slope: float = 1.0, intercept: float = 0.0
) -> bytes:
    """Pack bytes as NIfTI-1, the same bytes for the same array.

    The origin is the middle of the array: where it lay in the scanner is nobody's business in a report.

    Parameters
    ----------
    voxels : numpy.ndarray of uint8, (z, y, x)
        x runs to the patient's left, y to posterior, z to the head.
    spacing
        Voxel edge lengths (z, y, x) in mm.
    slope, intercept
        What a stored value stands for: slope * value + intercept.
    """
    z, y, x = voxels.shape
    dz, dy, dx = spacing
    # NIfTI's axes run to the right, to anterior and to the head
    rows = (
        *(-dx, 0.0, 0.0, dx * (x - 1) / 2),
        *(0.0, -dy, 0.0, dy * (y - 1) / 2),
        *(0.0, 0.0, dz, -dz * (z - 1) / 2),
    )
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, x, y, z, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, _UINT8, 8)
    struct.pack_into("<8f", header, 76, 1.0, dx, dy, dz, 0.0, 0.0, 0.0, 0.0)
    struct.pack_into("<fff", header, 108, float(_HEADER_BYTES), slope, intercept)
    header[123] = _MILLIMETRES
    struct.pack_into("<h", header, 254, _SCANNER)  # sform_code
    struct.pack_into("<12f", header, 280, *rows)
    header[344:348] = b"n+1\0"
    return gzip.compress(bytes(header) + np.ascontiguousarray(voxels, np.uint8).tobytes(), 6, mtime=0)
