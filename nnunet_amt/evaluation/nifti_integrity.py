"""Whether a NIfTI file is whole.

ITK pads the voxels that a truncated NIfTI file lacks and says nothing (NRRD and MHA are refused), so a mask
that was cut off in a copy would be evaluated as one with less tumour.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

__all__ = ["nifti_damage"]

_HEADER_BYTES = 540  # NIfTI-2; NIfTI-1 has 348 and four more for extensions
_CHUNK_BYTES = 1 << 20


def nifti_damage(path: Path, voxels: np.ndarray) -> str | None:
    """Say what is wrong with a NIfTI file that ITK has read without complaint.

    A gzip file ends with the checksum and the length of its content. Both are compared with the voxels that
    were read, for a tenth of the cost of another decompression; only where they differ (converted voxel
    types, several gzip members) is the file decompressed again to find out.

    Parameters
    ----------
    path
        The file; anything but ``.nii`` and ``.nii.gz`` passes.
    voxels : numpy.ndarray, (z, y, x)
        What ITK made of it.

    Returns
    -------
    str or None
        For example ``"the gzip stream is truncated"``; None if the file is whole.
    """
    if path.name.endswith(".nii"):
        with path.open("rb") as file:
            offset, item_bytes = _layout(file.read(_HEADER_BYTES))
        return _missing(path.stat().st_size, offset + voxels.size * item_bytes)
    if not path.name.endswith(".nii.gz"):
        return None
    compressed = path.read_bytes()
    if _trailer_fits(compressed, voxels):
        return None
    return _damage_of_stream(path, voxels.size)


def _trailer_fits(compressed: bytes, voxels: np.ndarray) -> bool:
    stream = zlib.decompressobj(wbits=31)
    try:
        offset, _ = _layout(stream.decompress(compressed, _HEADER_BYTES))
        header = zlib.decompressobj(wbits=31).decompress(compressed, offset)
    except (zlib.error, struct.error):
        return False
    checksum, length = struct.unpack("<II", compressed[-8:])
    expected_length = (offset + voxels.nbytes) % 2**32
    return length == expected_length and checksum == zlib.crc32(voxels.data, zlib.crc32(header))


def _damage_of_stream(path: Path, voxel_count: int) -> str | None:
    length = 0
    try:
        with gzip.open(path) as file:
            head = file.read(_HEADER_BYTES)
            length = len(head)
            while chunk := file.read(_CHUNK_BYTES):
                length += len(chunk)
        offset, item_bytes = _layout(head)
    except EOFError:
        return "the gzip stream is truncated"
    except (OSError, zlib.error, struct.error) as error:
        return f"the gzip stream is damaged ({str(error).rstrip('.')})"
    return _missing(length, offset + voxel_count * item_bytes)


def _layout(header: bytes) -> tuple[int, int]:
    """Byte offset of the first voxel and bytes a voxel, of a NIfTI-1 or NIfTI-2 header of either byte order."""
    order = "<" if struct.unpack_from("<i", header)[0] in (348, 540) else ">"
    if struct.unpack_from(order + "i", header)[0] == 540:
        bits, offset = struct.unpack_from(order + "h", header, 14)[0], struct.unpack_from(order + "q", header, 168)[0]
    else:
        bits, offset = struct.unpack_from(order + "h", header, 72)[0], struct.unpack_from(order + "f", header, 108)[0]
    return int(offset), bits // 8


def _missing(found: int, needed: int) -> str | None:
    return None if found >= needed else f"it is truncated: {found} of {needed} bytes"
