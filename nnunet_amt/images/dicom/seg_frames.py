"""The frames of a DICOM SEG: of which segment each one is, where it lies, and its pixels.

What a mask needs is read, and nothing else is asked for: many SEGs in the public collections lack elements that the
standard wants (SegmentAlgorithmType, SliceThickness), or have more than it allows.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder, pydicom_module
from nnunet_amt.images.dicom.slices import decoded_pixels
from nnunet_amt.images.dicom.stream import BIG_ENDIAN, UNCOMPRESSED, DicomFileError, damaged

_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"  # each frame is deflated by itself
_SHOWN = 5
# Elements that decoders ask for, and that can have no other value in a SEG.
_ALWAYS = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}


@dataclass(frozen=True)
class SegFrame:
    """One frame: its number from 1, of which segment it is, and where it lies; (x, y, z) in mm."""

    number: int
    segment: int | None  # None of a LABELMAP, whose frames are of all segments
    rows: int
    columns: int
    corner: NDArray[np.float64]  # centre of the first pixel
    right: NDArray[np.float64]  # from one column to the next
    down: NDArray[np.float64]  # from one row to the next
    # As stated, None where it is not: distances of the slices, and how thick they are, in mm
    distance: float | None
    thickness: float | None


def read_segmentation(folder: DicomFolder, member: str) -> Any:
    """Read a SEG whose pixels are 0 and 1, or numbers of segments."""
    dataset = folder.dataset(member)
    if _kind(dataset) == "FRACTIONAL":
        raise ImageReadError(
            f"{folder.shown(member)}: the DICOM SEG holds probabilities (FRACTIONAL); store it as BINARY"
        )
    for keyword in ("Rows", "Columns", "BitsAllocated", "PixelData"):
        if not dataset.get(keyword):
            raise DicomFileError(f"lacks {keyword}; export it again")
    for keyword, value in (*_ALWAYS.items(), ("BitsStored", dataset.BitsAllocated)):
        if dataset.get(keyword) in (None, ""):
            setattr(dataset, keyword, value)
    return dataset


def _kind(dataset: Any) -> str:
    """Tell BINARY from LABELMAP and FRACTIONAL; a SEG of single bits need not say that it is binary."""
    stated = str(dataset.get("SegmentationType") or "").strip().upper()
    if dataset.get("SOPClassUID") == _LABEL_MAP:
        return "LABELMAP"
    if not stated and dataset.get("BitsAllocated") != 1:
        raise DicomFileError("does not say whether it is a mask (SegmentationType); export it as BINARY")
    return stated or "BINARY"


def frames_of(dataset: Any, segments: Sequence[int]) -> Iterator[SegFrame]:
    """Give the frames of the segments; a frame of a LABELMAP is of all segments at once."""
    [shared, *_] = dataset.get("SharedFunctionalGroupsSequence") or [pydicom_module().Dataset()]
    of_frames = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    stored = int(dataset.get("NumberOfFrames") or 1)
    if len(of_frames) != stored:
        raise DicomFileError(f"has {stored} frames, and says of {len(of_frames)} where they lie; export it again")
    described = segment_names(dataset)
    for number, groups in enumerate(of_frames, start=1):
        segment = None
        if _kind(dataset) != "LABELMAP":
            segment = _segment_of(_group("SegmentIdentificationSequence", groups, shared), number, described)
            if segment not in segments:
                continue
        yield _frame(dataset, number, segment, groups, shared)


def segment_names(dataset: Any) -> dict[int, str]:
    """Segment number to name; a LABELMAP may list its background as segment 0."""
    names: dict[int, str] = {}
    for place, item in enumerate(dataset.get("SegmentSequence") or (), start=1):
        number = int(place if item.get("SegmentNumber") in (None, "") else item.SegmentNumber)
        if number in names:
            raise DicomFileError(f"has two segments of number {number}; export it again")
        names[number] = str(item.get("SegmentLabel") or "")
    return names


def _segment_of(identification: Any, frame: int, described: Collection[int]) -> int:
    """Say of which segment a frame is; one that it does not name must be the only one, and one it names described."""
    named = identification.get("ReferencedSegmentNumber")
    if named is None and len(described) != 1:
        raise DicomFileError(f"does not say of which segment frame {frame} is; export it again")
    segment = next(iter(described)) if named is None else int(named)
    if segment not in described:
        raise _undescribed(frame, [segment], described)
    return segment


def _undescribed(frame: int, found: Sequence[int], described: Collection[int]) -> DicomFileError:
    """Say of a frame that it is of a segment without a name: nobody can tell whether that is tumour."""
    return DicomFileError(
        f"has pixels of segment number {_listed(found)} in frame {frame}, and describes only number "
        f"{_listed(sorted(described))} (SegmentSequence); export it again"
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")


def _frame(dataset: Any, number: int, segment: int | None, groups: Any, shared: Any) -> SegFrame:
    measures = _group("PixelMeasuresSequence", groups, shared)
    row, column = np.split(
        _numbers(_group("PlaneOrientationSequence", groups, shared), "ImageOrientationPatient", 6, number), 2
    )
    corner = _numbers(_group("PlanePositionSequence", groups, shared), "ImagePositionPatient", 3, number)
    between_rows, between_columns = _numbers(measures, "PixelSpacing", 2, number)
    if min(between_rows, between_columns) <= 0:
        raise DicomFileError(
            f"has PixelSpacing ({between_rows:g}, {between_columns:g}) in frame {number}, must be above 0 mm"
        )
    distance, thickness = (_length(measures, keyword) for keyword in ("SpacingBetweenSlices", "SliceThickness"))
    return SegFrame(
        number,
        segment,
        int(dataset.Rows),
        int(dataset.Columns),
        corner,
        row * between_columns,
        column * between_rows,
        distance,
        thickness,
    )


def _group(keyword: str, groups: Any, shared: Any) -> Any:
    """Take a functional group of a frame, or that of all frames; empty if neither is there."""
    for holder in (groups, shared):
        if items := holder.get(keyword):
            return items[0]
    return pydicom_module().Dataset()


def _length(measures: Any, keyword: str) -> float | None:
    """Give a length in mm that a mask seldom needs; None of one that is missing, 0 or no number."""
    try:
        return abs(float(measures.get(keyword) or 0)) or None
    except ValueError:
        return None


def _numbers(group: Any, keyword: str, count: int, frame: int) -> NDArray[np.float64]:
    values = np.array(group.get(keyword) or (), dtype=float).ravel()
    if len(values) != count or not np.isfinite(values).all():
        raise DicomFileError(f"does not say where frame {frame} lies ({keyword}: {count} numbers); export it again")
    return values


def pixels_of(dataset: Any, frame: SegFrame, segments: Sequence[int]) -> NDArray[np.bool_]:
    """Decode one frame, (row, column): where it is of the segments."""
    values = _decoded(dataset, frame)
    if values.dtype == bool:
        return values
    found = np.unique(values)
    if _kind(dataset) == "LABELMAP":
        described = segment_names(dataset)
        if others := [value for value in found.tolist() if value and value not in described]:
            raise _undescribed(frame.number, others, described)
        return np.isin(values, segments)
    if not np.isin(found, (0, 1)).all():
        raise DicomFileError(
            f"has pixels of value {_listed(found.tolist())} in frame {frame.number}, a BINARY segmentation holds 0 and "
            "1; store it so"
        )
    return values == 1


def _decoded(dataset: Any, frame: SegFrame) -> NDArray:
    """Decode the values of one frame, (row, column); bool where they are stored as bits."""
    shape = (frame.rows, frame.columns)
    syntax, bits = str(dataset.file_meta.TransferSyntaxUID), int(dataset.BitsAllocated)
    if syntax in UNCOMPRESSED:
        needed = ceil(frame.rows * frame.columns * int(dataset.get("NumberOfFrames") or 1) * bits / 8)
        if len(dataset.PixelData) < needed:
            raise damaged(f"it holds {len(dataset.PixelData)} of {needed} bytes of pixels")
    if syntax in UNCOMPRESSED and bits == 1:
        return _bits_of(dataset, (frame.number - 1) * shape[0] * shape[1], shape)
    if syntax == _DEFLATED_FRAMES:
        encaps = pydicom_module().encaps
        packed = encaps.get_frame(dataset.PixelData, frame.number - 1, number_of_frames=int(dataset.NumberOfFrames))
        content = zlib.decompress(packed, -zlib.MAX_WBITS)
        if bits == 1:
            unpacked = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")
        else:
            unpacked = np.frombuffer(content, f"<u{bits // 8}")
        return unpacked[: shape[0] * shape[1]].reshape(shape)
    return decoded_pixels(dataset, frame.number - 1).reshape(shape)


def _bits_of(dataset: Any, start: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Take a frame out of packed bits, of which frame follows frame without a gap, from the bit `start` on."""
    count = shape[0] * shape[1]
    words = slice(start // 16 * 2, (start + count + 15) // 16 * 2)
    packed = np.frombuffer(dataset.PixelData[words], np.uint8)
    if str(dataset.file_meta.TransferSyntaxUID) == BIG_ENDIAN and dataset["PixelData"].VR == "OW":
        packed = np.pad(packed, (0, len(packed) % 2)).reshape(-1, 2)[:, ::-1].ravel()
    bits = np.unpackbits(packed, bitorder="little")
    return bits[start % 16 : start % 16 + count].reshape(shape).astype(bool)
