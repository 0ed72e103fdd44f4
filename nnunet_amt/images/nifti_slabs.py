"""The voxels of an ordinary NIfTI label map, a few axial slices at a time.

A slab stays in the processor's cache while it is unpacked and looked through, and a file of any size takes the
memory of one slab.
"""

from __future__ import annotations

from collections.abc import Iterator
from gzip import BadGzipFile
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from isal import igzip, isal_zlib

from nnunet_amt.images.nifti_header import GZIP_WINDOW, LabelHeader, is_gzip

_SLAB_BYTES = 1 << 19
_DRAIN_BYTES = 1 << 20
_DAMAGED: tuple[type[Exception], ...] = (BadGzipFile, EOFError, isal_zlib.IsalError)  # type: ignore[assignment]


class BrokenFileError(Exception):
    """Voxels are missing, or the file's own checksum does not fit them."""


def read_slabs(path: Path, header: LabelHeader) -> Iterator[np.ndarray]:
    """Give the voxels of all slices in turn; the file has been checked to its end when the last is given.

    Parameters
    ----------
    path
        The file.
    header
        From `ordinary_header`.

    Yields
    ------
    numpy.ndarray, (slices, y, x)
        In the byte order of this machine; not to be written to.

    Raises
    ------
    BrokenFileError
        If the file ends too early or is damaged.
    OSError
        If it cannot be read.
    """
    z, y, x = header.shape
    slice_bytes = y * x * header.voxel_type.itemsize
    at_once = max(1, _SLAB_BYTES // slice_bytes)
    with path.open("rb") as file:
        source = _source(file)
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


class _Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """Give the next `size` bytes, fewer at the end only."""


def _source(file: BinaryIO) -> _Source:
    compressed = is_gzip(file.read(2))
    file.seek(0)
    return _QuickGzipSource(file) if compressed else file


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
