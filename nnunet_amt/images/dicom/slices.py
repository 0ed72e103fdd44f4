"""The voxels of a series: what is read without SimpleITK, and slices of a tilted gantry made straight."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.images.dicom.files import DicomFolder, pydicom_module, refusing_damage
from nnunet_amt.images.dicom.headers import DicomHeader
from nnunet_amt.images.dicom.stream import BIG_ENDIAN, IMPLICIT_VR, UNCOMPRESSED, DicomFileError, damaged
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import FLOOR_HU

if TYPE_CHECKING:
    import SimpleITK as sitk

# High-throughput JPEG 2000. SimpleITK reads the others, and notices damage that pydicom's decoders pass over.
NOT_IN_SIMPLEITK = frozenset(f"1.2.840.10008.1.2.4.20{last}" for last in (1, 2, 3))
_PIXEL_DATA = (0x7FE0, 0x0010)
_INT16 = np.iinfo(np.int16)
# The range of HU in 12 bits: a value within may be measured, one beyond it that is named as padding is nothing else.
_LOWEST_MEASURED, _HIGHEST_MEASURED = -1024, 3071

# For each slice how far its first pixel lies from that of the first slice, along rows (x) and columns (y), in pixels.
Shifts = tuple[tuple[float, float], ...]


def plain_series(files: Sequence[Path], slices: Sequence[DicomHeader]) -> NDArray[np.int16] | None:
    """Read uncompressed 16-bit slices, one a file, whose rescaling adds a whole number.

    Padding gets the floor, see `padded`.

    Returns
    -------
    numpy.ndarray or None
        (z, y, x) in HU. None for all that is not plain: another encoding, values outside of the stated bits or
        beyond int16. SimpleITK is to read those.
    """
    if not all(map(_is_plain, slices)):
        return None
    volume = np.empty((len(slices), slices[0].rows, slices[0].columns), np.int16)  # (z, y, x)
    for plane, file, header in zip(volume, files, slices, strict=True):
        stored = _stored_values(file, header)
        if stored is None:
            return None
        intercept = int(header.intercept or 0)
        outside = padded(stored, header)
        measured = stored if outside is None else stored[~outside]
        low, high = (int(measured.min()), int(measured.max())) if measured.size else (0, 0)
        bits = header.bits[1]
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if header.signed else (0, (1 << bits) - 1)
        if low < least or high > most or low + intercept < _INT16.min or high + intercept > _INT16.max:
            return None
        # Modulo 65536, which is right for sums that fit into int16.
        np.add(_words(stored), np.uint16(intercept % 65536), out=plane.reshape(-1).view(np.uint16))
        if outside is not None:
            plane.reshape(-1)[outside] = FLOOR_HU
    return volume


def _is_plain(header: DicomHeader) -> bool:
    allocated, stored, high_bit = header.bits
    return (
        header.syntax in UNCOMPRESSED
        and (allocated, high_bit) == (16, stored - 1)
        and (header.samples, header.frames) == (1, 1)
        and header.slope in (None, 1.0)
        and float(header.intercept or 0).is_integer()
    )


def _stored_values(file: Path, header: DicomHeader) -> NDArray[np.integer] | None:
    """Read the values of one slice in a row; None if the file does not go on with just as many."""
    pixels = header.rows * header.columns
    if header.syntax not in UNCOMPRESSED or header.bits[0] != 16:
        return None
    order = ">" if header.syntax == BIG_ENDIAN else "<"
    explicit = header.syntax != IMPLICIT_VR
    with file.open("rb") as stream:
        stream.seek(header.pixels_at)
        element = stream.read(12 if explicit else 8)
        content = stream.read(2 * pixels)
    if len(element) < 8 or struct.unpack_from(f"{order}HH", element) != _PIXEL_DATA:
        return None
    (length,) = struct.unpack(f"{order}I", element[-4:])
    is_words = not explicit or element[4:6] == b"OW"
    if not is_words or length != 2 * pixels or len(content) != length:
        return None
    return np.frombuffer(content, f"{order}{'i' if header.signed else 'u'}2")


def _words(stored: NDArray[np.integer]) -> NDArray[np.uint16]:
    """View 16-bit values as they are modulo 65536, in this machine's order of bytes."""
    return stored.astype(stored.dtype.newbyteorder("="), copy=False).view(np.uint16)


def padded(stored: NDArray[np.integer], header: DicomHeader) -> NDArray[np.bool_] | None:
    """Find the pixels of a slice, any shape of `stored` values, that its header names as padding; None for none.

    They are compared modulo the size of a word, as -2000 in unsigned pixels is 63536. Where the value named may also be
    measured (0 HU is padding to some scanners, and water), only those count that reach the edge of the slice.
    """
    allocated, bits, _ = header.bits
    if header.padding is None or allocated not in (8, 16, 32):
        return None
    lowest, span = header.padding
    words = stored.astype(f"u{allocated // 8}")
    low, reach = words.dtype.type(lowest), words.dtype.type(span)
    found = words - low <= reach
    if 0 < bits < allocated:  # the bits above may hold the sign, an overlay or nothing
        value = words & words.dtype.type((1 << bits) - 1)
        if header.signed:
            sign = words.dtype.type(1 << (bits - 1))
            value = (value ^ sign) - sign
        found |= value - low <= reach
    if not found.any():
        return None
    half = 1 << (allocated - 1)
    first = (lowest + half) % (1 << allocated) - half if header.signed else lowest
    ends = [end * (header.slope or 1.0) + (header.intercept or 0.0) for end in (first, first + span)]
    if max(ends) > _LOWEST_MEASURED and min(ends) <= _HIGHEST_MEASURED:
        found = _reaching_the_edge(found.reshape(header.rows, header.columns)).reshape(found.shape)
    return found


def _reaching_the_edge(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep what hangs together with the edge of the slice (y, x), over corners too."""
    from scipy import ndimage

    parts, _ = ndimage.label(found, structure=np.ones((3, 3)))
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.isin(parts, edge[edge > 0])


def with_floor(volume: NDArray, files: Sequence[Path], slices: Sequence[DicomHeader]) -> NDArray:
    """Give what is padding in a volume (z, y, x) in HU the floor; without padding it is the same array.

    The stored values are those of the files, or, of compressed ones that SimpleITK has read, computed from the HU.
    """
    for z, (file, header) in enumerate(zip(files, slices, strict=True)):
        if header.padding is None:
            continue
        stored = _stored_values(file, header)
        if stored is None:
            hounsfield = volume[z].astype(np.float64)
            stored = np.rint((hounsfield - (header.intercept or 0.0)) / (header.slope or 1.0)).astype(np.int64)
        outside = padded(stored, header)
        if outside is not None:
            if not volume.flags.writeable:
                volume = volume.copy()
            volume[z][outside.reshape(volume[z].shape)] = FLOOR_HU
    return volume


def decoded_series(folder: DicomFolder, slices: Sequence[DicomHeader]) -> NDArray[np.float32]:
    """Decode slices with pydicom and pylibjpeg, in their order, to (z, y, x) in HU; padding has the floor."""
    volume = np.empty((len(slices), slices[0].rows, slices[0].columns), np.float32)  # (z, y, x)
    member, dataset = "", None
    for plane, header in zip(volume, slices, strict=True):
        if header.member != member:  # an enhanced CT has all of them in one file
            member, dataset = header.member, folder.dataset(header.member)
        with refusing_damage(folder, member):
            stored = decoded_pixels(dataset, (header.frame or 1) - 1)
            plane[:] = stored
        plane *= 1.0 if header.slope is None else header.slope
        plane += header.intercept or 0.0
        if (outside := padded(stored, header)) is not None:
            plane[outside.reshape(plane.shape)] = FLOOR_HU
    return volume


def decoded_pixels(dataset: Any, frame: int) -> NDArray:
    """Decode one frame (from 0) of a pydicom dataset, (y, x); DicomFileError if that cannot be done."""
    from pydicom.pixels.utils import pixel_array

    try:
        return pixel_array(dataset, index=frame)
    except Exception as error:  # of decoders of many hands
        if isinstance(error, NotImplementedError) or "missing dependencies" in str(error):
            name = pydicom_module().uid.UID(dataset.file_meta.TransferSyntaxUID).name
            raise DicomFileError(f"has pixels in a form that is not read ({name}); export it uncompressed") from error
        raise damaged(f"the pixels of frame {frame + 1} cannot be decoded") from error


def slice_shifts(positions: Sequence[Sequence[float]], geometry: Geometry) -> Shifts:
    """Compute by how much each slice of a tilted series is shifted in its plane.

    `positions` are the centres of their first pixels, (x, y, z) in mm; `geometry` is the grid that they would form if
    none was shifted.
    """
    in_plane = (np.array(positions) - positions[0]) @ geometry.axes[:, :2] / geometry.spacing[:2]
    return tuple((float(x), float(y)) for x, y in in_plane)


def straight_geometry(geometry: Geometry, shifts: Shifts) -> Geometry:
    """Widen a grid in x and y so that all shifted slices fit in, by whole pixels."""
    low, high = _margins(shifts)
    origin = np.array(geometry.origin) + geometry.axes[:, :2] @ (low * geometry.spacing[:2])
    x, y, z = geometry.size
    size = (x + int(high[0] - low[0]), y + int(high[1] - low[1]), z)
    return Geometry(size, geometry.spacing, tuple(origin.tolist()), geometry.direction)


def straightened(image: sitk.Image, shifts: Shifts, *, geometry: Geometry) -> sitk.Image:
    """Move the slices of a tilted series within their own planes until each lies above the first.

    Nothing is interpolated across slices, and they stay where they are in the patient: contours drawn on them still
    fit. The image is in HU, its slices in the order of `shifts`; `geometry` is as `straight_geometry` gives it, and
    what no slice covers has the floor, `FLOOR_HU`.
    """
    import SimpleITK as sitk
    from scipy import ndimage

    slices = sitk.GetArrayViewFromImage(image)  # (z, y, x)
    low, _ = _margins(shifts)
    straight: NDArray[np.float32] = np.full(geometry.size[::-1], FLOOR_HU, np.float32)  # (z, y, x)
    rows, columns = slices.shape[1:]
    for z, (x_shift, y_shift) in enumerate(shifts):
        wide = np.full(straight.shape[1:], FLOOR_HU, np.float32)
        wide[:rows, :columns] = np.maximum(slices[z], FLOOR_HU)
        # (y, x), from the corner of the widened grid
        shift = (y_shift - low[1], x_shift - low[0])
        ndimage.shift(wide, shift, straight[z], order=1, mode="grid-constant", cval=FLOOR_HU)
    result = sitk.GetImageFromArray(straight)
    geometry.set_on(result)
    return result


def on_tilted_slices(straight: NDArray, shifts: Shifts, *, size: Sequence[int]) -> NDArray:
    """Undo `straightened` for a mask (z, y, x): each pixel of the scanner's gets the value that lies nearest to it.

    So every slice is moved by whole pixels, at most half a pixel from where it lay. `size` is (x, y, z) of the
    scanner's slices.
    """
    low, _ = _margins(shifts)
    columns, rows, _ = size
    slices = np.zeros((len(shifts), rows, columns), straight.dtype)
    for z, shift in enumerate(shifts):
        left, top = np.floor(np.array(shift) - low + 0.5).astype(int).tolist()
        slices[z] = straight[z, top : top + rows, left : left + columns]
    return slices


def _margins(shifts: Shifts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whole pixels (x, y) by which the grid grows to either side."""
    rounded = np.round(shifts, 3)  # rounding errors need no pixel
    return np.floor(rounded.min(axis=0)), np.ceil(rounded.max(axis=0))
