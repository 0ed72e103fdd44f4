"""The header of an ordinary NIfTI-1 label map, read without SimpleITK in a tenth of its time."""

from __future__ import annotations

import math
import operator
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.images.geometry import Geometry

GZIP_WINDOW = 31  # zlib's word for a gzip stream
_GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 348
_FIRST_BYTES = 1 << 12
_MILLIMETRES = (0, 2)  # not stated, and mm
_INTEGERS = {2: "u1", 4: "i2", 8: "i4", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
# Where the two orientations of a header, or an orientation and the spacing, differ by more, SimpleITK decides.
_AGREEMENT = 1e-6
_HALF_TURN = 1e-7

Direction = list[float]  # nine cosines row by row; columns are axes


@dataclass(frozen=True)
class LabelHeader:
    """What is needed to read the voxels.

    Attributes
    ----------
    geometry
        As SimpleITK gives it, to 1e-6.
    voxel_type
        Integers, with their byte order.
    offset
        First byte of the voxels in the unpacked file.
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
        values, a unit other than mm, no orientation, a shear, two orientations that differ, a damaged header.
        SimpleITK is to be asked then.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        return None
    with path.open("rb") as file:
        head = file.read(_FIRST_BYTES)
    if is_gzip(head):
        try:
            head = zlib.decompressobj(wbits=GZIP_WINDOW).decompress(head, _HEADER_BYTES)  # isal takes longer to begin
        except zlib.error:
            return None
    if len(head) < _HEADER_BYTES or head[344:348] != b"n+1\0":
        return None
    order = "<" if struct.unpack_from("<i", head)[0] == _HEADER_BYTES else ">"
    return _parsed(head, order) if struct.unpack_from(order + "i", head)[0] == _HEADER_BYTES else None


def is_gzip(start: bytes) -> bool:
    """Whether these first bytes are those of a gzip stream."""
    return start[:2] == _GZIP_MAGIC


def _parsed(head: bytes, order: str) -> LabelHeader | None:
    dimensions, x, y, z = struct.unpack_from(order + "4h", head, 40)
    (voxel_type,) = struct.unpack_from(order + "h", head, 70)
    offset, slope, intercept = struct.unpack_from(order + "3f", head, 108)
    plain = dimensions == 3 and min(x, y, z) > 0 and voxel_type in _INTEGERS
    unscaled = (slope == 1 and intercept == 0) or slope == 0
    if not (
        plain and unscaled and offset >= _HEADER_BYTES + 4 and offset == int(offset) and head[123] & 7 in _MILLIMETRES
    ):
        return None
    geometry = _geometry(head, order, (x, y, z))
    return None if geometry is None else LabelHeader(geometry, np.dtype(order + _INTEGERS[voxel_type]), int(offset))


def _geometry(head: bytes, order: str, size: tuple[int, int, int]) -> Geometry | None:
    handedness, *spacing = struct.unpack_from(order + "4f", head, 76)
    qform_code, sform_code = struct.unpack_from(order + "2h", head, 252)
    quaternion, offset = (struct.unpack_from(order + "3f", head, place) for place in (256, 268))
    sform = struct.unpack_from(order + "12f", head, 280)  # three rows of four
    if not all(math.isfinite(step) and step > 0 for step in spacing):
        return None
    found: list[tuple[Direction, Sequence[float]]] = []  # with the origin, both RAS
    if qform_code > 0:
        found.append((_rotation(quaternion, handedness), offset))
    if sform_code > 0:
        found.append(([sform[4 * row + axis] / spacing[axis] for row in range(3) for axis in range(3)], sform[3::4]))
    if not found or not all(_is_orthonormal(direction) and all(map(math.isfinite, at)) for direction, at in found):
        return None
    (direction, origin), (other_direction, other_origin) = found[0], found[-1]
    if not (_agree(direction, other_direction) and _agree(origin, other_origin)):
        return None
    x, y, z = origin  # NIfTI's axes are RAS
    return Geometry(size, tuple(spacing), (-x, -y, z), (*(-cosine for cosine in direction[:6]), *direction[6:]))


def _rotation(quaternion: Sequence[float], handedness: float) -> Direction:
    """Turn the quaternion b, c, d into the axes as columns, by the NIfTI-1 standard's "method 2"."""
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


def _is_orthonormal(direction: Direction) -> bool:
    axes = [direction[axis::3] for axis in range(3)]
    products = [sum(map(operator.mul, axes[one], axes[other])) for one in range(3) for other in range(one, 3)]
    return _agree(products, (1.0, 0.0, 0.0, 1.0, 0.0, 1.0))


def _agree(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(abs(one - other) <= _AGREEMENT for one, other in zip(first, second, strict=True))
