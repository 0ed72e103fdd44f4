"""Ordinary NIfTI label maps, read without SimpleITK: the grid in a tenth of its time, the voxels slab by slab.

A slab, a few axial slices, stays in the processor's cache while it is unpacked and looked through, and a file of any
size takes the memory of one slab.
"""

from __future__ import annotations

import operator
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from isal import igzip, isal_zlib

from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.nifti import (
    GZIP_WINDOW,
    MILLIMETRES,
    NIFTI_1_BYTES,
    VOXELS_AT,
    NiftiHeader,
    NiftiHeaderError,
    is_gzip,
    parse_header,
    quaternion_axes,
)

_FIRST_BYTES = 1 << 12
# Where the two orientations of a header, or an orientation and the spacing, differ by more, `stated_grid` decides.
_AGREEMENT = 1e-6
_SLAB_BYTES = 1 << 19
_DRAIN_BYTES = 1 << 20
_DAMAGED: tuple[type[Exception], ...] = (BadGzipFile, EOFError, isal_zlib.IsalError)  # type: ignore[assignment]

Direction = list[float]  # nine cosines row by row; columns are axes


class BrokenFileError(Exception):
    """Voxels are missing, or the file's own checksum does not fit them."""


@dataclass(frozen=True)
class LabelHeader:
    """What is needed to read the voxels of an ordinary file.

    The geometry is as SimpleITK gives it, to 1e-6; voxels are integers, with their byte order, and begin at byte
    `offset` of the unpacked file.
    """

    geometry: Geometry
    voxel_type: np.dtype
    offset: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        x, y, z = self.geometry.size
        return z, y, x


def ordinary_header(path: Path) -> LabelHeader | None:
    """Read the header of a ``.nii`` or ``.nii.gz`` file.

    Returns
    -------
    LabelHeader or None
        None for everything that is not plain: no single-file NIfTI-1, not three dimensions, no integers, scaled
        values, a unit other than mm, no orientation, a shear, two orientations that differ, a damaged header, a name
        that does not say that it is compressed. `stated_grid` says what holds then, or that nothing does.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        return None
    with path.open("rb") as file:
        head = file.read(_FIRST_BYTES)
    if path.suffix == ".nii" and is_gzip(head):
        return None
    try:
        if is_gzip(head):  # isal takes longer to begin
            head = zlib.decompressobj(wbits=GZIP_WINDOW).decompress(head, NIFTI_1_BYTES)
        header = parse_header(head)
    except (zlib.error, NiftiHeaderError):
        return None
    plain = header.magic == b"n+1\0" and len(header.size) == 3 and header.units & 7 in (0, MILLIMETRES)
    unscaled = header.slope in (0, 1) and header.intercept == 0
    offset = int(header.offset)
    placed = VOXELS_AT <= offset < sys.maxsize and offset == header.offset
    voxel_type = header.dtype
    if not (plain and unscaled and placed and voxel_type is not None and voxel_type.kind in "iu"):
        return None
    geometry = _geometry(header)
    return None if geometry is None else LabelHeader(geometry, voxel_type, offset)


def read_slabs(path: Path, header: LabelHeader) -> Iterator[np.ndarray]:
    """Give the voxels of all slices in turn; the file has been checked to its end when the last is given.

    Raises BrokenFileError if the file ends too early or is damaged.

    Yields
    ------
    numpy.ndarray, (slices, y, x)
        In the byte order of this machine; not to be written to.
    """
    z, y, x = header.shape
    slice_bytes = y * x * header.voxel_type.itemsize
    at_once = max(1, _SLAB_BYTES // slice_bytes)
    with path.open("rb") as file:
        compressed = is_gzip(file.read(2))
        file.seek(0)
        source: _Source = _QuickGzipSource(file) if compressed else file
        if len(source.read(header.offset)) < header.offset:
            raise BrokenFileError
        for first in range(0, z, at_once):
            slices = min(at_once, z - first)
            content = source.read(slices * slice_bytes)
            if len(content) < slices * slice_bytes:
                raise BrokenFileError
            slab = np.frombuffer(content, header.voxel_type).reshape(slices, y, x)
            if first + slices == z:
                while source.read(_DRAIN_BYTES):  # to the checksum at the end
                    pass
            yield slab.astype(header.voxel_type.newbyteorder("="), copy=False)


def _geometry(header: NiftiHeader) -> Geometry | None:
    """Give the grid of a header of three dimensions; None where it is no plain one."""
    spacing = header.spacings[:3]
    if min(spacing) <= 0:
        return None
    found: list[tuple[Direction, Sequence[float]]] = []  # with the origin, both RAS
    if header.qform is not None:
        found.append((quaternion_axes(header.qform[:3], header.handedness), header.qform[3:]))
    if header.sform is not None:
        rows = header.sform
        found.append(([rows[4 * row + axis] / spacing[axis] for row in range(3) for axis in range(3)], rows[3::4]))
    if not found or not all(_is_orthonormal(direction) for direction, _ in found):
        return None
    (direction, origin), (other_direction, other_origin) = found[0], found[-1]
    if not (_agree(direction, other_direction) and _agree(origin, other_origin)):
        return None
    x, y, z = origin  # NIfTI's axes are RAS
    return Geometry(header.size, spacing, (-x, -y, z), (*(-cosine for cosine in direction[:6]), *direction[6:]))


def _is_orthonormal(direction: Direction) -> bool:
    axes = [direction[axis::3] for axis in range(3)]
    products = [sum(map(operator.mul, axes[one], axes[other])) for one in range(3) for other in range(one, 3)]
    return _agree(products, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0))


def _agree(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(abs(one - other) <= _AGREEMENT for one, other in zip(first, second, strict=True))


class _Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """Give the next `size` bytes, fewer at the end only."""


class _QuickGzipSource:
    """As `_GzipSource`, in less time; at the first complaint that one goes on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacked = igzip.open(file, "rb")
        self._given = 0
        self._careful: _GzipSource | None = None

    def read(self, size: int, /) -> bytes:
        if self._careful is None:
            try:
                part = self._unpacked.read(size)
            except _DAMAGED:  # it reads ahead: what it minds may follow the voxels
                self._careful = self._same_place()
            else:
                self._given += len(part)
                return part
        return self._careful.read(size)

    def _same_place(self) -> _GzipSource:
        self._file.seek(0)
        careful = _GzipSource(self._file.read())
        for given in range(0, self._given, _DRAIN_BYTES):
            careful.read(min(_DRAIN_BYTES, self._given - given))
        return careful


class _GzipSource:
    """One or several gzip streams, one after the other; whatever follows them is passed over."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._stream = isal_zlib.decompressobj(wbits=GZIP_WINDOW)

    def read(self, size: int, /) -> bytes:
        parts: list[bytes] = []
        missing = size
        try:
            while missing and (part := self._next(missing)):
                parts.append(part)
                missing -= len(part)
        except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stub is wrong
            raise BrokenFileError from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _next(self, size: int) -> bytes:
        while True:
            part = self._stream.decompress(self._packed, size)
            self._packed = self._stream.unconsumed_tail
            if part:
                return bytes(part)
            if not self._stream.eof:
                raise BrokenFileError
            if not is_gzip(self._stream.unused_data):
                return b""
            self._packed = self._stream.unused_data
            self._stream = isal_zlib.decompressobj(wbits=GZIP_WINDOW)
