"""Whether an image file is whole.

SimpleITK reads a truncated or damaged NIfTI file without an exception and fills what is missing with zeros, and it
does not look at the checksum of compressed NRRD and MHA files. A mask that was cut off in a copy would pass as one
with less tumour.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nnunet_amt.errors import ImageReadError

__all__ = ["file_damage", "gzip_end_fits", "require_whole_file"]

_CHUNK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST_HEADER = 540  # NIfTI-2; NIfTI-1 has 348 bytes


def require_whole_file(path: Path) -> None:
    """Refuse a file that is damaged; see `file_damage`.

    Raises
    ------
    ImageReadError
        If data are missing or damaged.
    """
    damage = file_damage(path)
    if damage is not None:
        raise ImageReadError(f"{path.name}: is damaged ({damage}); copy or export it again")


def file_damage(path: Path) -> str | None:
    """Read a NIfTI, NRRD or MHA file through and check its length and its checksums.

    Parameters
    ----------
    path
        Detached pixel files (``.nhdr``, ``.mhd``) and uncompressed NRRD and MHA are left to SimpleITK, which checks
        their length itself.

    Returns
    -------
    str or None
        What is wrong, for example ``"it ends after 40 of 90 bytes"``; None if the file is whole.

    Raises
    ------
    ImageReadError
        If the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            if path.name.lower().endswith((".nii", ".nii.gz")):
                _check_nifti(file)
            elif path.suffix.lower() in (".nrrd", ".mha"):
                _check_compressed_part(file)
    except (zlib.error, EOFError, struct.error) as error:
        return str(error)
    except OSError as error:
        raise ImageReadError(f"{path.name}: cannot be read ({error.strerror})") from error
    return None


def gzip_end_fits(path: Path, voxels: np.ndarray) -> bool:
    """Whether a ``.nii.gz`` file ends with the checksum and the length of what SimpleITK read from it.

    A tenth of the cost of `file_damage`. False says nothing: voxel types that were converted and several gzip members
    do not fit either, and other formats have no such end.

    Parameters
    ----------
    path
        The file.
    voxels : numpy.ndarray, (z, y, x)
        All voxels, C-contiguous, in the file's type.
    """
    if not path.name.endswith(".nii.gz"):
        return False
    compressed = path.read_bytes()
    try:
        head = zlib.decompressobj(wbits=31).decompress(compressed, _LARGEST_HEADER)
        offset, _, _ = _nifti_layout(head)
        header = zlib.decompressobj(wbits=31).decompress(compressed, offset)
    except (zlib.error, struct.error):
        return False
    checksum, length = struct.unpack("<II", compressed[-8:])
    return length == (offset + voxels.nbytes) % 2**32 and checksum == zlib.crc32(voxels.data, zlib.crc32(header))


def _check_nifti(file: BinaryIO) -> None:
    compressed = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    chunks = _decompressed(file) if compressed else iter(lambda: file.read(_CHUNK), b"")
    head = next(chunks, b"")
    length = len(head) + sum(len(chunk) for chunk in chunks)
    offset, bits, voxels = _nifti_layout(head)
    needed = offset + voxels * bits // 8
    if length < needed:
        raise EOFError(f"it ends after {length} of {needed} bytes")


def _nifti_layout(head: bytes) -> tuple[int, int, int]:
    """Read from a NIfTI-1 or NIfTI-2 header, of either byte order: offset in bytes, bits a voxel, voxels."""
    order = "<" if head[:4] in (struct.pack("<i", 348), struct.pack("<i", 540)) else ">"
    if struct.unpack(order + "i", head[:4])[0] == 540:
        dimensions = struct.unpack_from(order + "8q", head, 16)
        (bits,) = struct.unpack_from(order + "h", head, 14)
        (offset,) = struct.unpack_from(order + "q", head, 168)
    else:
        dimensions = struct.unpack_from(order + "8h", head, 40)
        (bits,) = struct.unpack_from(order + "h", head, 72)
        (offset,) = struct.unpack_from(order + "f", head, 108)
    count = max(0, min(7, dimensions[0]))
    voxels = int(np.prod([max(1, length) for length in dimensions[1 : 1 + count]], dtype=np.int64))
    return int(offset), bits, voxels


def _check_compressed_part(file: BinaryIO) -> None:
    """Check what follows the text header, if the header says that it is compressed."""
    header = b""
    while line := file.readline(_CHUNK):
        header += line.lower()
        if not line.strip() or line.lower().startswith(b"elementdatafile"):
            break
    words = header.replace(b" ", b"")
    if b"encoding:gz" in words or (b"compresseddata=true" in words and b"elementdatafile=local" in words):
        for _ in _decompressed(file):
            pass


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Give the decompressed data of a gzip or zlib stream in chunks; the checksum is checked at its end."""
    stream = zlib.decompressobj(wbits=47)  # either header
    while chunk := file.read(_CHUNK):
        while chunk:
            yield stream.decompress(chunk)
            chunk = stream.unused_data
            if stream.eof:
                if chunk[:2] != _GZIP_MAGIC:  # padding after the last member
                    return
                stream = zlib.decompressobj(wbits=47)
    if not stream.eof:
        raise EOFError("its compressed data end too early")
