"""Whether an image file is whole.

SimpleITK reads a truncated or damaged NIfTI file without an exception and fills what is missing with zeros, it takes
NaN and infinite voxels for zeros, and it does not look at the checksum of compressed NRRD and MHA files. A mask that
was cut off in a copy would pass as one with less tumour.
"""

from __future__ import annotations

import io
import math
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.nifti import NIFTI_2_BYTES, NiftiHeader, NiftiHeaderError, is_gzip, parse_header

_CHUNK = 1 << 20
_HEADER_CHUNK = 1 << 16
_GZIP_OR_ZLIB = 47  # zlib's word for either header
_MHA_BYTES = {b"met_char": 1, b"met_uchar": 1, b"met_short": 2, b"met_ushort": 2, b"met_int": 4, b"met_uint": 4}
_MHA_BYTES |= {b"met_float": 4, b"met_double": 8, b"met_long_long": 8, b"met_ulong_long": 8}


class _DamageError(Exception):
    """Data are missing or make no sense."""


class _NotFiniteError(Exception):
    """Voxels are NaN or infinite."""


def require_whole_file(path: Path, *, name: str | None = None) -> None:
    """Raise ImageReadError for a file that is damaged; see `file_damage`. Messages call it `name`."""
    if damage := file_damage(path):
        raise ImageReadError(f"{name or path.name}: {damage}")


def file_damage(path: Path) -> str | None:
    """Read a NIfTI, NRRD or MHA file through: its length, its checksums and, in NIfTI, header and floats.

    Detached pixel files of NRRD (``.nhdr``) and uncompressed NRRD are left to SimpleITK, which checks their length
    itself and keeps NaN.

    Returns
    -------
    str or None
        What is wrong and what to do, for example ``"is damaged (it ends after 40 of 90 bytes); copy or export it
        again"`` or ``"holds NaN or infinite values (2 of 60 voxels); ..."``; None if the file is whole. One that
        cannot be opened is an ImageReadError.
    """
    return _damage(path, _check_nifti, lambda file: _check_text_header_format(file, path.parent))


def header_damage(path: Path) -> str | None:
    """Look at the header of a NIfTI file alone, before SimpleITK does; otherwise as `file_damage`."""
    return _damage(path, lambda file: _read_nifti_header(_unpacked(file, _HEADER_CHUNK)), lambda file: None)


def nifti_header(path: Path) -> NiftiHeader:
    """Read the header of a NIfTI file that `header_damage` has found whole."""
    with path.open("rb") as file:
        return _read_nifti_header(_unpacked(file, _HEADER_CHUNK))[0]


def nifti_voxels(path: Path, *, name: str) -> np.ndarray:
    """Read the voxels of a NIfTI file that has one number a voxel, unscaled, (..., z, y, x), and see that it is whole.

    Otherwise an ImageReadError, in which the file is called `name`; see `file_damage`.
    """
    voxels = bytearray()
    if damage := _damage(path, lambda file: _check_nifti(file, voxels), lambda file: None):
        raise ImageReadError(f"{name}: {damage}")
    header = nifti_header(path)
    values = np.frombuffer(voxels, header.dtype).reshape([max(1, length) for length in header.size[::-1]])
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def unpacks_to_more(path: Path, most_bytes: int) -> bool:
    """Whether a NIfTI, NRRD or MHA file holds more than so many bytes when unpacked; it is unpacked no further.

    What is no packed stream, or a damaged one, is left to `file_damage`.
    """
    unpacked = 0
    try:
        with path.open("rb") as file:
            if not is_nifti_name(path):
                _text_header_fields(file)
            chunks = _unpacked(file, _CHUNK) if is_nifti_name(path) else _decompressed(file, _CHUNK)
            for chunk in chunks:
                unpacked += len(chunk)
                if unpacked > most_bytes:
                    return True
    except (zlib.error, _DamageError):
        return not is_nifti_name(path) and path.stat().st_size > most_bytes
    return False


def is_nifti_name(path: Path) -> bool:
    """Tell by its name whether a path is a NIfTI file."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def is_packed(path: Path) -> bool:
    """Whether a file begins as a gzip stream, whatever it is called."""
    with path.open("rb") as file:
        return is_gzip(file.read(2))


def _damage(path: Path, check_nifti: Callable, check_others: Callable) -> str | None:
    try:
        with path.open("rb") as file:
            if is_nifti_name(path):
                check_nifti(file)
            elif path.suffix.lower() in (".nrrd", ".mha", ".mhd"):
                check_others(file)
    except (zlib.error, NiftiHeaderError, _DamageError) as error:
        return f"is damaged ({error}); copy or export it again"
    except _NotFiniteError as error:
        return f"holds NaN or infinite values ({error}); give them numbers: 0 in a mask, -1024 HU outside of a scan"
    except OSError as error:
        raise ImageReadError(f"{path.name}: cannot be read ({error.strerror}); check its permissions") from error
    return None


def _check_nifti(file: BinaryIO, kept: bytearray | None = None) -> None:
    """Read a NIfTI file through; bytes of voxels are added to `kept`."""
    chunks = _unpacked(file, _CHUNK)
    header, chunk = _read_nifti_header(chunks)
    position = not_finite = 0
    carried = b""  # of a voxel that the last chunk holds the start of
    while chunk:
        start, stop = (max(0, place - position) for place in (int(header.offset), header.end))
        if kept is not None:
            kept += chunk[start:stop]
        if header.is_float and header.dtype is not None:
            carried += chunk[start:stop]
            count = len(carried) // header.dtype.itemsize
            values = np.frombuffer(carried, header.dtype, count)
            not_finite += count - int(np.count_nonzero(np.isfinite(values)))
            carried = carried[values.nbytes :]
        position += len(chunk)
        chunk = next(chunks, b"")
    if position < header.end:
        raise _DamageError(f"it ends after {position} of {header.end} bytes")
    if not_finite:
        raise _NotFiniteError(f"{not_finite} of {header.voxels} voxels")


def _read_nifti_header(chunks: Iterator[bytes]) -> tuple[NiftiHeader, bytes]:
    """Read a header, and give all bytes that were taken for it."""
    head = b""
    while len(head) < NIFTI_2_BYTES and (chunk := next(chunks, b"")):
        head += chunk
    return parse_header(head), head


def _check_text_header_format(file: BinaryIO, folder: Path) -> None:
    """Check the voxels of an NRRD, MHA or MHD file in a folder; SimpleITK checks uncompressed NRRD itself."""
    fields = _text_header_fields(file)
    if fields.get(b"encoding", b"").lower() in (b"gz", b"gzip"):
        for _ in _decompressed(file, _CHUNK):
            pass
    voxels = fields.get(b"elementdatafile", b"")
    if voxels.lower() == b"local":
        _check_metaimage(file, fields)
    elif voxels and b"%" not in voxels and not voxels.lower().startswith(b"list"):  # many files have a slice each
        path = folder / os.fsdecode(voxels)
        if not path.is_file():
            raise _DamageError(f"its voxels, {path.name}, are not beside it")
        with path.open("rb") as beside:
            _check_metaimage(beside, fields)


def _text_header_fields(file: BinaryIO) -> dict[bytes, bytes]:
    """Read the text header of an NRRD, MHA or MHD file up to the voxels; names in small letters."""
    fields: dict[bytes, bytes] = {}
    while line := file.readline(_CHUNK):
        name, _, value = line.partition(b":" if b":" in line and b"=" not in line else b"=")
        fields[name.strip().lower()] = value.strip()
        if not line.strip() or name.strip().lower() == b"elementdatafile":
            break
    return fields


def _is_true(fields: dict[bytes, bytes], name: bytes) -> bool:
    """Tell as MetaIO does, by the first letter."""
    return fields.get(name, b"")[:1] in (b"T", b"t", b"1")


def _metaimage_bytes(fields: dict[bytes, bytes]) -> int | None:
    """Give the bytes that the voxels of a MetaImage take unpacked; None if the header does not tell."""
    voxel_bytes = _MHA_BYTES.get(fields.get(b"elementtype", b"").lower())
    sizes = [*fields.get(b"dimsize", b"").split(), fields.get(b"elementnumberofchannels", b"1")]
    if voxel_bytes is None or not _is_true(fields, b"binarydata") or not all(size.isdigit() for size in sizes):
        return None
    return voxel_bytes * math.prod(map(int, sizes))


def _check_metaimage(file: BinaryIO, fields: dict[bytes, bytes]) -> None:
    """Check the rest of a file, the voxels of a MetaImage.

    Packed ones are unpacked from as many bytes as the header says: so does ITK, without looking at what comes out.
    """
    needed = _metaimage_bytes(fields)
    start = file.tell()
    held = file.seek(0, 2) - start
    if not _is_true(fields, b"compresseddata"):
        if needed is not None and held < needed:
            raise _DamageError(f"it holds {held} of {needed} bytes of voxels")
        return
    size = fields.get(b"compresseddatasize", b"")
    if not size.isdigit():
        raise _DamageError("it does not say how long its compressed voxels are, CompressedDataSize")
    if held < int(size):
        raise _DamageError(f"it holds {held} of {int(size)} bytes of compressed voxels")
    file.seek(start)
    unpacked = sum(map(len, _decompressed(io.BytesIO(file.read(int(size))), _CHUNK)))
    if needed is not None and unpacked < needed:
        raise _DamageError(f"its compressed voxels are {unpacked} of {needed} bytes")


def _unpacked(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Give the bytes of a file that may be gzip-compressed, in chunks."""
    compressed = is_gzip(file.read(2))
    file.seek(0)
    return _decompressed(file, size) if compressed else iter(lambda: file.read(size), b"")


def _decompressed(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Give the data of a gzip or zlib stream in chunks of at most `size`; the checksum is checked at its end."""
    stream = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    while packed := file.read(_HEADER_CHUNK):
        while packed:
            if chunk := stream.decompress(packed, size):
                yield chunk
            packed = stream.unconsumed_tail
            if stream.eof:
                packed = stream.unused_data
                if not is_gzip(packed):  # padding after the last member
                    return
                stream = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    while chunk := stream.decompress(b"", size):  # held back by the limit
        yield chunk
    if not stream.eof:
        raise _DamageError("its compressed data end too early")
