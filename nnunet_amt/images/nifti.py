"""What the header of a NIfTI file states, and how our own files are written.

Not with SimpleITK: its NIfTI writer reports success when the disk is full. Compressed with isal where it is
installed, which takes a fifth of zlib's time at the same size; the voxels are the same either way.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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

GZIP_WINDOW = 31  # zlib's word for a gzip stream
NIFTI_1_BYTES, NIFTI_2_BYTES = 348, 540  # of the header
VOXELS_AT = 352  # in our own files, and the first place: after the header and a flag
MILLIMETRES = 2
_GZIP_MAGIC = b"\x1f\x8b"
_MAGIC = {NIFTI_1_BYTES: (b"n+1\0", b"ni1\0"), NIFTI_2_BYTES: (b"n+2\0", b"ni2\0")}
# Size of the header, dimensions, type and bits of a voxel, spacings, first byte of the voxels, slope and intercept,
# units, the codes of the two orientations, quaternion and origin of the first, the rows of the second, magic.
_NIFTI_1 = "i36x8h14x2h2x8f3f3xB128x2h6f12f16x4s"
# The same, but for the magic and the type, which stand before the dimensions.
_NIFTI_2 = "i4s4x2h8q24x8dq2d152x2i6d12d4xi36x"
_SECONDS = 8
_HALF_TURN = 1e-7  # of the real part of a quaternion, which is rounded away below it
_SCANNER = 1

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_CODES = {np.dtype(name): code for code, name in _TYPES.items()}
# The header states the bits of a voxel once more, and readers go by the type.
_BITS = {code: 8 * np.dtype(name).itemsize for code, name in _TYPES.items()}
_BITS |= {32: 64, 128: 24, 1536: 128, 1792: 128, 2048: 256, 2304: 32}  # complex, colour, and longer than numpy's

# CT noise hardly compresses further, whatever the time. Masks are long runs of one value, which isal's level 1 packs
# three times smaller than its level 3, in a twentieth of the time.
_CT_LEVEL, _MASK_LEVEL, _ZLIB_LEVEL = 3, 1, 1
_LEVEL_IN_MEMORY = 6


class NiftiHeaderError(Exception):
    """A header makes no sense."""


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI-1 or NIfTI-2 header states, in whatever byte order."""

    # Version, and whether header and voxels are in one file; byte order, as `struct` and numpy call it
    magic: bytes
    order: str
    # Along the dimensions that are stated, 1 to 7, and the standard's code
    size: tuple[int, ...]
    voxel_type: int
    # Of the first orientation (-1 turns its third axis), and voxel edge lengths along all seven dimensions
    handedness: float
    spacings: tuple[float, ...]
    offset: float  # first byte of the voxels in the unpacked file
    # Of the values, and the standard's code of their units
    slope: float
    intercept: float
    units: int
    # The two orientations, None where it is not stated: b, c, d of the quaternion and the origin; three rows of four.
    # Both RAS.
    qform: tuple[float, ...] | None
    sform: tuple[float, ...] | None

    @property
    def voxels(self) -> int:
        """How many there are; beyond the third, 0 is a common way to say that there is no such dimension."""
        return math.prod(max(1, length) for length in self.size)

    @property
    def dtype(self) -> np.dtype | None:
        """Of the voxels, with their byte order; None if numpy has no such number."""
        return np.dtype(self.order + _TYPES[self.voxel_type]) if self.voxel_type in _TYPES else None

    @property
    def is_float(self) -> bool:
        """Whether voxels may be NaN or infinite."""
        return self.dtype is not None and self.dtype.kind == "f"

    @property
    def is_scaled(self) -> bool:
        """Whether slope and intercept change the values; a slope of 0, or none, says that they do not."""
        return self.slope != 0 and math.isfinite(self.slope) and (self.slope, self.intercept) != (1, 0)

    @property
    def end(self) -> int:
        """First byte after the voxels in the unpacked file."""
        return int(self.offset) + self.voxels * _BITS[self.voxel_type] // 8


def parse_header(head: bytes) -> NiftiHeader:
    """Read a header at the beginning of an unpacked file; `NIFTI_2_BYTES` are always enough.

    What is wrong is a NiftiHeaderError, for example ``"its header states 9 dimensions"``.
    """
    order = "<" if struct.unpack("<i", head[:4].ljust(4, b"\0"))[0] in _MAGIC else ">"
    length = struct.unpack(order + "i", head[:4])[0] if len(head) >= 4 else NIFTI_1_BYTES
    if len(head) < (NIFTI_2_BYTES if length == NIFTI_2_BYTES else NIFTI_1_BYTES):
        raise NiftiHeaderError(f"it ends after {len(head)} bytes, within its header")
    if length == NIFTI_2_BYTES:
        _, magic, voxel_type, _, *fields, units = struct.unpack_from(order + _NIFTI_2, head)
        (count, *sizes), scaling, orientation = fields[:8], fields[8:19], fields[19:]
    else:
        _, *fields, magic = struct.unpack_from(order + _NIFTI_1, head)
        (count, *sizes), voxel_type, units = fields[:8], fields[8], fields[21]
        scaling, orientation = fields[10:21], fields[22:]
    if magic not in _MAGIC.get(length, ()):
        raise NiftiHeaderError("its header is not NIfTI's")
    handedness, *spacings, offset, slope, intercept = scaling
    qform_code, sform_code, *orientations = orientation
    header = NiftiHeader(
        magic=magic,
        order=order,
        size=tuple(sizes[: max(0, count)]),
        voxel_type=voxel_type,
        handedness=handedness,
        spacings=tuple(spacings),
        offset=offset,
        slope=slope,
        intercept=intercept,
        units=units,
        qform=tuple(orientations[:6]) if qform_code > 0 else None,
        sform=tuple(orientations[6:]) if sform_code > 0 else None,
    )
    if nonsense := _nonsense(header, count, length):
        raise NiftiHeaderError(nonsense)
    return header


def _nonsense(header: NiftiHeader, dimensions: int, length: int) -> str | None:
    """Say what SimpleITK would complain of on standard error, or take for good."""
    if not 1 <= dimensions <= 7:
        return f"its header states {dimensions} dimensions"
    if min(header.size[:3]) < 1 or min(header.size) < 0:
        return f"its header states the size {' x '.join(map(str, header.size))}"
    if header.voxel_type not in _BITS:
        return f"its header states the voxel type {header.voxel_type}"
    if not math.isfinite(header.offset) or header.offset < length:
        return f"its header states that the voxels begin at byte {header.offset:g}"
    if not all(map(math.isfinite, header.spacings[:dimensions][:3])):
        return "its header holds NaN or infinite spacings"
    if not all(map(math.isfinite, (*(header.qform or ()), *(header.sform or ())))):
        return "its header holds a NaN or infinite orientation"
    return None


def quaternion_axes(quaternion: Sequence[float], handedness: float) -> list[float]:
    """Turn a quaternion's b, c, d into nine cosines row by row, columns are axes (RAS): the standard's "method 2".

    The inverse of `_quaternion`.
    """
    b, c, d = quaternion
    square = 1.0 - (b * b + c * c + d * d)
    if square < _HALF_TURN:  # a is rounded away: as NIfTI's own library does
        length = math.hypot(b, c, d)
        b, c, d = b / length, c / length, d / length
    a = math.sqrt(square) if square >= _HALF_TURN else 0.0
    sign = -1.0 if handedness < 0 else 1.0
    return [
        *(a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c) * sign),
        *(2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b) * sign),
        *(2 * (b * d - a * c), 2 * (c * d + a * b), (a * a + d * d - b * b - c * c) * sign),
    ]


def is_gzip(start: bytes) -> bool:
    """Whether these first bytes are those of a gzip stream."""
    return start[:2] == _GZIP_MAGIC


def write_nifti(path: Path, array: NDArray, *, geometry: Geometry, slope: float = 1.0) -> None:
    """Write a NIfTI file, whole or not at all; the same voxels always give the same bytes.

    It is compressed unless the name ends in ``.nii``. The array is (z, y, x); a voxel stands for `slope` times its
    value. A DiskFullError says that the disk filled up.
    """
    level = _MASK_LEVEL if array.dtype == np.uint8 else _CT_LEVEL
    with atomic_path(path) as partial, partial.open("wb") as file, _stream(file, level, path) as stream:
        stream.write(_header_of(array, geometry, (slope, 0.0)))
        for plane in np.ascontiguousarray(array):  # planes fit into the processor's cache
            stream.write(plane.data)


def nifti_gz(array: NDArray, *, geometry: Geometry, slope: float = 1.0, intercept: float = 0.0) -> bytes:
    """Pack an array (z, y, x) as a small NIfTI file in memory; the same voxels always give the same bytes.

    A stored value stands for slope * value + intercept. The header has the second orientation alone.
    """
    header = _header_of(array, geometry, (slope, intercept), sform_alone=True)
    return gzip.compress(header + np.ascontiguousarray(array).tobytes(), _LEVEL_IN_MEMORY, mtime=0)


def _stream(file: IO[bytes], level: int, path: Path) -> AbstractContextManager[IO[bytes] | gzip.GzipFile]:
    return nullcontext(file) if path.suffix.lower() == ".nii" else _compressed(file, level)


def _compressed(file: IO[bytes], level: int) -> gzip.GzipFile:
    """Open a gzip stream whose header holds neither a name nor a time."""
    if _HAS_ISAL:
        return IGzipFile("", "wb", level, file, mtime=0)
    return gzip.GzipFile("", "wb", _ZLIB_LEVEL, file, mtime=0)


def _header_of(
    array: NDArray, geometry: Geometry, scaling: tuple[float, float] = (1.0, 0.0), *, sform_alone: bool = False
) -> bytes:
    """Make a header of little-endian NIfTI-1, with what stands between it and the voxels."""
    rows = np.column_stack([geometry.axes * geometry.spacing, geometry.origin])  # voxel index to mm, (3, 4)
    rows[:2] = 0.0 - rows[:2]  # NIfTI's x and y run against LPS
    if sform_alone:
        spacings, qform, units, codes = (1.0, *geometry.spacing, *[0.0] * 4), [0.0] * 6, MILLIMETRES, (0, _SCANNER)
    else:
        rows += 0.0  # no -0
        lengths = np.sqrt(np.sum(rows[:, :3] ** 2, axis=0))
        handedness, quaternion = _quaternion(rows[:, :3] / lengths)
        spacings, qform = (handedness, *lengths, *[1.0] * 4), [*quaternion, *rows[:, 3]]
        units, codes = MILLIMETRES | _SECONDS, (_SCANNER, _SCANNER)
    x, y, z = array.shape[::-1]
    kind = array.dtype.newbyteorder("=")
    values = (3, x, y, z, 1, 1, 1, 1, _CODES[kind], _BITS[_CODES[kind]], *spacings, float(VOXELS_AT), *scaling, units)
    header = struct.pack("<" + _NIFTI_1, NIFTI_1_BYTES, *values, *codes, *qform, *rows.ravel(), b"n+1\0")
    return header.ljust(VOXELS_AT, b"\0")


def _quaternion(axes: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Give handedness and b, c, d of the rotation nearest to axes (columns), by the largest eigenvector."""
    handedness = 1.0 if np.linalg.det(axes) > 0 else -1.0
    left, _, right = np.linalg.svd(axes * (1.0, 1.0, handedness))
    xx, yx, zx, xy, yy, zy, xz, yz, zz = (left @ right).flat
    lower = [
        [xx - yy - zz, 0, 0, 0],
        [yx + xy, yy - xx - zz, 0, 0],
        [zx + xz, zy + yz, zz - xx - yy, 0],
        [yz - zy, zx - xz, xy - yx, xx + yy + zz],
    ]
    values, vectors = np.linalg.eigh(np.array(lower) / 3.0)  # looks at the lower half alone
    b, c, d, a = vectors[:, np.argmax(values)]
    return handedness, np.array([b, c, d]) * (-1.0 if a < 0 else 1.0)
