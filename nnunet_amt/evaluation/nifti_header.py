"""The header of an ordinary NIfTI-1 label map, read without SimpleITK in a tenth of its time."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from isal import isal_zlib

from nnunet_amt.geometry import Geometry

__all__ = ["GZIP_WINDOW", "LabelHeader", "is_gzip", "ordinary_header"]

GZIP_WINDOW = 31  # zlib's word for a gzip stream
_GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 348
_FIRST_BYTES = 1 << 16
_MILLIMETRES = (0, 2)  # not stated, and mm
_INTEGERS = {2: "u1", 4: "i2", 8: "i4", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
# Where the two orientations of a header, or an orientation and the spacing, differ by more, SimpleITK decides.
_AGREEMENT = 1e-6
_HALF_TURN = 1e-7
_LPS = np.array([-1.0, -1.0, 1.0])  # NIfTI's axes are RAS


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
            head = isal_zlib.decompressobj(wbits=GZIP_WINDOW).decompress(head, _HEADER_BYTES)
        except isal_zlib.IsalError:  # type: ignore[misc]  # its stub is wrong
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
    sform = np.array(struct.unpack_from(order + "12f", head, 280)).reshape(3, 4)
    if not all(math.isfinite(step) and step > 0 for step in spacing):
        return None
    found = []  # direction (columns are axes) and origin, both RAS
    if qform_code > 0:
        found.append((_rotation(quaternion, handedness), np.array(offset)))
    if sform_code > 0:
        found.append((sform[:, :3] / spacing, sform[:, 3]))
    if not found or not all(_is_orthonormal(direction) and np.isfinite(origin).all() for direction, origin in found):
        return None
    (direction, origin), (other_direction, other_origin) = found[0], found[-1]
    if _apart(direction, other_direction) > _AGREEMENT or _apart(origin, other_origin) > _AGREEMENT:
        return None
    in_lps = (direction * _LPS[:, None]).ravel().tolist()
    return Geometry(size, tuple(spacing), tuple((origin * _LPS).tolist()), tuple(in_lps))


def _rotation(quaternion: tuple[float, ...], handedness: float) -> np.ndarray:
    """Turn the quaternion b, c, d into the axes as columns, by the NIfTI-1 standard's "method 2"."""
    b, c, d = quaternion
    square = 1.0 - (b * b + c * c + d * d)
    if square < _HALF_TURN:  # a is rounded away: as NIfTI's own library does
        b, c, d = np.array(quaternion) / math.hypot(b, c, d)
    a = math.sqrt(square) if square >= _HALF_TURN else 0.0
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    return rotation * [1.0, 1.0, -1.0 if handedness < 0 else 1.0]


def _is_orthonormal(direction: np.ndarray) -> bool:
    return _apart(direction.T @ direction, np.eye(3)) <= _AGREEMENT


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).max())
