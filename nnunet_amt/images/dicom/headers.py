"""What the conversion reads of a DICOM file's header."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

_SALT = os.urandom(16)  # without it short ids could be guessed from their digests
# DICOM PS3.3: defined terms of Modality (the usual ones), and of RescaleType.
_MODALITIES = frozenset(
    {"CT", "MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "RF", "OT", "SC", "SEG", "SR", "PR", "KO", "REG", "FID"}
    | {"DOC", "OP", "ES", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTIMAGE", "RTRECORD"}
)
_UNITS = frozenset({"HU", "HU_MOD", "US", "OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"})


@dataclass(frozen=True)
class DicomHeader:
    """What the conversion needs of a DICOM file's header; nothing in it tells who the patient is."""

    member: str  # file name relative to the folder or inside the zip
    shown: str  # what messages call the file. Names of DICOM files often hold UIDs or the patient's name.
    # As in the header; empty where it is silent
    sop_class: str
    sop_uid: str
    series_uid: str
    modality: str
    image_type: tuple[str, ...]
    manufacturer: str
    # To tell that two slices are of two patients, within one process only; empty where the header is silent
    patient_digest: str
    # Position (x, y, z), pixel spacing (between rows, between columns) and thickness in mm, orientation as row, then
    # column cosines; None where the header is silent
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    slice_thickness: float | None
    rows: int
    columns: int
    # Values a pixel, and slices in the file: 1 and 1 in a CT slice
    samples: int
    frames: int
    # Of the rescaling to HU, None where the header is silent; its unit, empty where it is silent, which means HU
    slope: float | None
    intercept: float | None
    rescale_type: str
    syntax: str  # transfer syntax: how the pixels are compressed
    # By how much the file is too short for its pixels; 0 for compressed ones, whose length is not known
    missing_bytes: int
    # Bits allocated, bits stored and the high bit of a value, and whether values are signed
    bits: tuple[int, int, int]
    signed: bool
    pixels_at: int  # where in the file the element of the pixels begins, in bytes


def _text(value: Any) -> str:
    return str(value or "")


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(map(str, value or ()))


def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


def _numbers(value: Any) -> tuple[float, ...] | None:
    if value is None or value == "":
        return None
    return tuple(float(one) for one in (value if hasattr(value, "__iter__") else (value,)))


def _digest(value: Any) -> str:
    text = _text(value).strip()
    return hashlib.sha256(_SALT + text.encode(errors="replace")).hexdigest() if text else ""


def _term_of(known: frozenset[str]) -> Callable[[Any], str]:
    """Keep defined terms, which messages show; free text in their place might be a name."""

    def term(value: Any) -> str:
        text = _text(value).strip()
        return text if text in known or not text else "unknown"

    return term


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sop_uid": ("SOPInstanceUID", _text),
    "series_uid": ("SeriesInstanceUID", _text),
    "modality": ("Modality", _term_of(_MODALITIES)),
    "image_type": ("ImageType", _words),
    "manufacturer": ("Manufacturer", _text),
    "patient_digest": ("PatientID", _digest),
    "position": ("ImagePositionPatient", _numbers),
    "orientation": ("ImageOrientationPatient", _numbers),
    "pixel_spacing": ("PixelSpacing", _numbers),
    "slice_thickness": ("SliceThickness", _number),
    "rows": ("Rows", lambda value: int(value or 0)),
    "columns": ("Columns", lambda value: int(value or 0)),
    "samples": ("SamplesPerPixel", lambda value: int(value or 1)),
    "frames": ("NumberOfFrames", lambda value: int(value or 1)),
    "slope": ("RescaleSlope", _number),
    "intercept": ("RescaleIntercept", _number),
    "rescale_type": ("RescaleType", _term_of(_UNITS)),
    "signed": ("PixelRepresentation", lambda value: int(value or 0) == 1),
}
_BITS = ("BitsAllocated", "BitsStored", "HighBit")
HEADER_TAGS = ["SOPClassUID", *(tag for tag, _ in _FIELDS.values()), *_BITS]


def header_of(dataset: Any, *, member: str, shown: str, pixels_at: int, bytes_left: int) -> DicomHeader:
    """Take what is needed of a pydicom dataset with `HEADER_TAGS` that was read up to its pixels.

    `pixels_at` and `bytes_left` are the bytes of the file that were read, and those after them. Raises EOFError if the
    file ends within its header. pydicom raises others for damaged elements.
    """
    sop_class = _text(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID"))
    if not sop_class or (sop_class == CT_IMAGE and not dataset.get("SeriesInstanceUID")):
        raise EOFError
    allocated, stored, high_bit = (int(dataset.get(tag) or 0) for tag in _BITS)
    return DicomHeader(
        member=member,
        shown=shown,
        sop_class=sop_class,
        syntax=_text(dataset.file_meta.get("TransferSyntaxUID")),
        missing_bytes=_missing_bytes(dataset, bytes_left),
        bits=(allocated, stored, high_bit),
        pixels_at=pixels_at,
        **{name: taken(dataset.get(tag)) for name, (tag, taken) in _FIELDS.items()},
    )


def _missing_bytes(dataset: Any, bytes_left: int) -> int:
    """How many bytes of uncompressed pixels are not in the file, if `bytes_left` follow its header."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_compressed:
        return 0
    element_header = 8 if syntax is None or syntax.is_implicit_VR else 12
    sizes = [int(dataset.get(tag) or 0) for tag in ("Rows", "Columns", "BitsAllocated")]
    bits = prod(sizes) * int(dataset.get("NumberOfFrames") or 1)
    return max(0, bits // 8 - max(0, bytes_left - element_header))
